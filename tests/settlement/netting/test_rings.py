"""Set-offs as circles. Spec: docs/spec/obligations.md, O13."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.settlement.netting.rings import Ring, rings
from isojoule.settlement.obligations import Liquidity, Obligations, clear
from tests.settlement.obligation_draws import liquidity, obligations


def test_a_circle_and_a_paid_chain() -> None:
    """O13."""
    rows = [("B", "C", 9), ("C", "A", 9), ("A", "B", 7), ("X", "Y", 5), ("Y", "Z", 6)]
    o = Obligations.of(rows)
    cash = Liquidity(
        np.array([3 * (p == "X") for p in o.parties]), np.array([9 * (p == "Z") for p in o.parties])
    )
    found = rings(o, clear(o, cash), 10)
    assert found.largest == (Ring(("A", "B", "C"), 7, False), Ring(("X", "Y", "Z"), 3, True))
    assert [ring.cleared_nano for ring in found.largest] == [21, 6]


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_circles_sum_to_the_set_offs(data: st.DataObject) -> None:
    """O13: each is a circle or a paid chain, and together they are what was set off."""
    o = data.draw(obligations())
    netted = clear(o, data.draw(liquidity(len(o.parties))))
    found = rings(o, netted, 1000)
    assert found.rest_nano == 0
    amounts = [ring.amount_nano for ring in found.largest]
    assert amounts == sorted(amounts, reverse=True)
    sums: Counter[tuple[str, str]] = Counter()
    spent: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for ring in found.largest:
        assert ring.amount_nano > 0
        assert len(set(ring.parties)) == len(ring.parties)
        pairs = list(zip(ring.parties, ring.parties[1:], strict=False))
        if ring.paid:
            spent[ring.parties[0]] += ring.amount_nano
            taken[ring.parties[-1]] += ring.amount_nano
        else:
            pairs.append((ring.parties[-1], ring.parties[0]))
        for pair in pairs:
            sums[pair] += ring.amount_nano
    wanted: Counter[tuple[str, str]] = Counter()
    for d, c, s in zip(o.debtor, o.creditor, netted.set_off_nano, strict=True):
        wanted[o.parties[d], o.parties[c]] += int(s)
    assert +sums == +wanted
    by_name = dict(zip(o.parties, netted.spent_nano.tolist(), strict=True))
    assert +spent == +Counter(by_name)
    assert +taken == +Counter(dict(zip(o.parties, netted.received_nano.tolist(), strict=True)))
