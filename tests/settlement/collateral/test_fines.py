"""Fines that the operator has are shared. Spec: B35."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.transfer import Account
from isojoule.settlement.collateral.fines import shares_of_fines, sharing
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.rules import Rules
from isojoule.settlement.shares import RULES
from isojoule.settlement.stretch import Stretch
from tests.settlement.stretches import KWH_UJ, random_stretch


def street() -> Stretch:
    """Three members whose meters show 3, 1 and 0 kWh."""
    s = random_stretch(7, members=3)
    metered = np.zeros_like(s.metered_uj)
    metered[0] = np.array([2, -1, 0]) * KWH_UJ
    metered[1] = np.array([-1, 0, 0]) * KWH_UJ
    from isojoule.settlement.booking import with_readings

    return with_readings(s, metered)


def test_known_answers() -> None:
    """As the rule of surplus has it: 3 of 4 parts by energy; the same for all; nothing."""
    s = street()
    a, b, c = (f"member/{name}" for name in s.members)
    assert shares_of_fines(400, s, Rules(surplus="energy"), 0) == {a: 300, b: 100}
    assert shares_of_fines(300, s, Rules(surplus="equal"), 0) == {a: 100, b: 100, c: 100}
    assert shares_of_fines(300, s, Rules(surplus="keep"), 0) == {}
    assert shares_of_fines(0, s, Rules(surplus="equal"), 0) == {}


@pytest.mark.parametrize("rule", [name for name, entry in RULES.items() if entry.compares])
def test_games_share_equally(rule: str) -> None:
    """Nobody contributes more to a fine than another, and nobody who was fined gets it back."""
    s = street()
    shares = shares_of_fines(300, s, Rules(surplus=rule), 0)
    assert shares == shares_of_fines(300, s, Rules(surplus="equal"), 0)


@given(st.integers(1, 2**40), st.integers(0, 50), st.sampled_from(["equal", "energy"]))
def test_they_sum_and_escape_nobody(fines: int, chance: int, rule: str) -> None:
    """To the nano-unit; the operator is left with 0, and writing it again writes nothing."""
    s = random_stretch(chance)
    shares = shares_of_fines(fines, s, Rules(surplus=rule), chance)
    assert sum(shares.values()) == fines and all(nano > 0 for nano in shares.values())
    ledger = MemoryLedger()
    names = ("operator", "fined", *shares)
    ledger.open_accounts([Account(name, "EUR") for name in names], 1)
    made = sharing(shares, "EUR", "run", 0)
    for _ in range(2):
        assert all(answer.done for answer in ledger.post(made, 2))
    net = {account.name: balance.net for account, balance in ledger.accounts()}
    assert {name: net[name] for name in shares} == shares and net["operator"] == -fines
    assert ledger.size == len(names) + len(made)
