"""Collateral: whoever is accepted puts up what its default could cost, and gets back the rest.

`sizes.py` says how much, `rules.py` what may happen to a bond and by which transfers, `bonds.py`
keeps bonds beside a ledger. Spec: docs/spec/collateral.md.
"""

from isojoule.settlement.collateral.bonds import Bonds
from isojoule.settlement.collateral.nouns import Held, Outcome, Promise, Side, Terms

__all__ = ["Bonds", "Held", "Outcome", "Promise", "Side", "Terms"]
