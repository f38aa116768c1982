"""Commitments: contracts about tomorrow's energy, made at the market, with margins behind them.

A node sells no energy that it does not have: nobody can guarantee tomorrow's sun. What can be sold
is a financial contract, with money behind it that pays for a shortfall. `margins.py` says how much,
`rules.py` what may happen and by which transfers, `risk.py` by how much a holder may fall short.
Spec: docs/spec/collateral.md, B12 to B18.
"""

from isojoule.settlement.commitments.nouns import Contract, Delivery, Margins, Position, Side
from isojoule.settlement.commitments.risk import expected_shortfall_uj, largest_commitment_uj

__all__ = [
    "Contract",
    "Delivery",
    "Margins",
    "Position",
    "Side",
    "expected_shortfall_uj",
    "largest_commitment_uj",
]
