"""Clearing of obligations. Spec: docs/spec/obligations.md, O1 to O9."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.netting.proof import check, left_over, remaining
from isojoule.settlement.obligations import (
    MOST_NANO,
    Liquidity,
    Netted,
    Obligations,
    clear,
    digest,
)
from tests.settlement.obligation_draws import liquidity, obligations

RING = [("A", "B", 100), ("B", "C", 80), ("C", "A", 70)]
SIX = [
    ("Alice", "Bob", 100), ("Bob", "Eve", 70), ("Eve", "Alice", 100), ("Charlie", "Dave", 100),
    ("Dave", "Eve", 100), ("Eve", "Charlie", 70), ("Bob", "Charlie", 100),
]  # fmt: skip
CHAIN = [("A", "B", 100), ("B", "C", 100)]


def cash(o: Obligations, spend: dict[str, int], accept: dict[str, int]) -> Liquidity:
    return Liquidity(
        np.array([spend.get(name, 0) for name in o.parties], np.int64),
        np.array([accept.get(name, 0) for name in o.parties], np.int64),
    )


@pytest.mark.parametrize(
    ("rows", "spend", "accept", "cleared", "used"),
    [
        (RING, {}, {}, 210, 0),
        (SIX, {}, {}, 570, 0),
        (CHAIN, {}, {}, 0, 0),
        (CHAIN, {"A": 40}, {"C": 1000}, 80, 40),
    ],
)
def test_known_answers(
    rows: list[tuple[str, str, int]],
    spend: dict[str, int],
    accept: dict[str, int],
    cleared: int,
    used: int,
) -> None:
    """O4, O5: graphs of two papers.

    Fleischman, Dini, Littera 2020, https://doi.org/10.3390/jrfm13120295; with liquidity:
    Fleischman, Dini 2021, https://doi.org/10.3390/jrfm14090452.
    """
    o = Obligations.of(rows)
    with_cash = cash(o, spend, accept)
    netted = clear(o, with_cash)
    check(o, with_cash, netted)
    assert (netted.cleared_nano, netted.liquidity_used_nano) == (cleared, used)
    assert netted.cleared_nano <= o.total_nano - o.net_internal_debt_nano + used


def test_net_internal_debt_is_the_sum_of_net_positions_above_0() -> None:
    """O2."""
    o = Obligations.of(RING)
    assert (o.total_nano, o.net_internal_debt_nano, o.net_nano.tolist()) == (250, 30, [-30, 20, 10])


def best(o: Obligations, l: Liquidity) -> tuple[int, int]:  # noqa: E741
    """Cleared and cash used, by linear programs: the most cleared, then the least cash."""
    usable = l.usable(o)
    parties, rows = len(o.parties), o.amount_nano.size
    balance = np.zeros((parties, rows + 2 * parties))
    for row in range(rows):
        balance[o.debtor[row], row] += 1
        balance[o.creditor[row], row] -= 1
    for p in range(parties):
        balance[p, rows + p] = -1
        balance[p, rows + parties + p] = 1
    ends = np.concatenate([o.amount_nano, usable.can_spend_nano, usable.accepts_nano])
    bounds = [(0, float(end)) for end in ends]
    cleared = np.concatenate([np.ones(rows), np.zeros(2 * parties)])
    used = np.concatenate([np.zeros(rows), np.ones(parties), np.zeros(parties)])
    nothing = np.zeros(parties)
    most = linprog(-cleared, A_eq=balance, b_eq=nothing, bounds=bounds, method="highs")
    amount = round(-most.fun)
    least = linprog(
        used,
        A_eq=np.vstack([balance, cleared]),
        b_eq=[*nothing, amount],
        bounds=bounds,
        method="highs",
    )
    return amount, round(least.fun)


@pytest.mark.parametrize("with_cash", [False, True])
def test_equals_the_linear_program_on_300_random_graphs(with_cash: bool) -> None:
    """O4, O5."""
    rng = np.random.default_rng(7)
    cleared = 0
    for _ in range(150):
        parties, rows = int(rng.integers(3, 12)), int(rng.integers(1, 40))
        debtor = rng.integers(0, parties, rows)
        creditor = (debtor + rng.integers(1, parties, rows)) % parties
        o = Obligations(
            tuple(f"p{p}" for p in range(parties)),
            debtor.astype(np.int32),
            creditor.astype(np.int32),
            rng.integers(0, 1000, rows),
        )
        some = [rng.integers(0, 600, parties) * rng.integers(0, 2, parties) for _ in "ab"]
        l = Liquidity(some[0], some[1]) if with_cash else Liquidity.none(parties)  # noqa: E741
        netted = clear(o, l)
        check(o, l, netted)
        assert (netted.cleared_nano, netted.liquidity_used_nano) == best(o, l)
        cleared += netted.cleared_nano
    assert cleared > 0


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_bounds_positions_and_nothing_left_to_clear(data: st.DataObject) -> None:
    """O3, O4, O6."""
    o = data.draw(obligations())
    l = data.draw(liquidity(len(o.parties)))  # noqa: E741
    netted = clear(o, l)
    check(o, l, netted)
    assert np.all((netted.set_off_nano >= 0) & (netted.set_off_nano <= o.amount_nano))
    rest, left = left_over(o, netted), remaining(l, netted)
    moved = netted.received_nano - netted.spent_nano
    assert (rest.net_nano + moved).tolist() == o.net_nano.tolist()
    assert clear(rest, left).cleared_nano == 0
    without = clear(o)
    assert without.cleared_nano <= netted.cleared_nano
    assert without.cleared_nano <= o.total_nano - o.net_internal_debt_nano


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_parties_and_rows_does_not_matter(data: st.DataObject) -> None:
    """O8."""
    o = data.draw(obligations())
    l = data.draw(liquidity(len(o.parties)))  # noqa: E741
    to = np.array(data.draw(st.permutations(range(len(o.parties)))))
    rows = np.array(data.draw(st.permutations(range(o.amount_nano.size))), np.int64)
    back = np.argsort(to)
    names = tuple(o.parties[p] for p in to)
    other = Obligations(
        names,
        back[o.debtor[rows]].astype(np.int32),
        back[o.creditor[rows]].astype(np.int32),
        o.amount_nano[rows],
    )
    one = clear(o, l)
    two = clear(other, Liquidity(l.can_spend_nano[to], l.accepts_nano[to]))
    assert told(o, one) == told(other, two)
    assert two.potential.tolist() == one.potential[to].tolist()
    assert two.spent_nano.tolist() == one.spent_nano[to].tolist()


def told(o: Obligations, netted: Netted) -> list[tuple[str, str, int, int]]:
    columns = (o.debtor, o.creditor, o.amount_nano, netted.set_off_nano)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return sorted((o.parties[d], o.parties[c], a, s) for d, c, a, s in rows)


def test_between_the_same_two_the_smallest_is_closed_first() -> None:
    """O9."""
    o = Obligations.of([("A", "B", 50), ("A", "B", 10), ("A", "B", 30), ("B", "A", 45)])
    assert clear(o).set_off_nano.tolist() == [5, 10, 30, 45]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_check_refuses_what_is_altered(data: st.DataObject) -> None:
    """O6, O7: any other set-off breaks a bound, the balance, or is not the best."""
    o = data.draw(obligations())
    l = data.draw(liquidity(len(o.parties)))  # noqa: E741
    netted = clear(o, l)
    if not o.amount_nano.size:
        return
    row = data.draw(st.integers(0, o.amount_nano.size - 1))
    other = netted.set_off_nano.copy()
    other[row] += data.draw(st.sampled_from([-1, 1]))
    with pytest.raises(VerificationError):
        check(o, l, replace(netted, set_off_nano=other))
    nothing = Netted(
        np.zeros_like(other), *(np.zeros_like(netted.spent_nano) for _ in range(2)),
        netted.potential,
    )  # fmt: skip
    if netted.cleared_nano:
        with pytest.raises(VerificationError, match="could be cleared"):
            check(o, l, nothing)


def test_more_cash_than_needed_is_refused() -> None:
    """O5, O7: a circle paid with cash that closes without any."""
    o = Obligations.of([("A", "B", 5), ("B", "A", 5)])
    l = cash(o, {"A": 5}, {"A": 5})  # noqa: E741
    netted = clear(o, l)
    assert netted.liquidity_used_nano == 0
    in_circles = np.array([5, 0], np.int64)
    with pytest.raises(VerificationError, match="less cash"):
        check(o, l, replace(netted, spent_nano=in_circles, received_nano=in_circles))


def test_large_amounts_are_exact() -> None:
    """O1: to the nano-unit, up to the largest total."""
    big = (MOST_NANO - 10) // 3
    o = Obligations.of([("A", "B", big), ("B", "C", big - 1), ("C", "A", big - 2)])
    netted = clear(o)
    check(o, None, netted)
    assert netted.set_off_nano.tolist() == [big - 2] * 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("A", "A", 1)], "owes itself"),
        ([("A", "B", -1)], "negative"),
        ([("A", "B", MOST_NANO - 1), ("B", "C", 1)], "reaches"),
    ],
)
def test_refuses_what_is_no_obligation(rows: list[tuple[str, str, int]], words: str) -> None:
    """O1."""
    with pytest.raises(InputError, match=words):
        Obligations.of(rows)


def test_long_chains_between_circles_are_proved() -> None:
    """O7: potentials hold over any number of parts in which nothing flows."""
    rows = [(f"p{i}", f"p{i + 1}", 5) for i in range(3000)]
    rows += [("p10", "p9", 3), ("p2000", "p1990", 4)]
    o = Obligations.of(rows)
    l = cash(o, {"p700": 2}, {"p702": 9, "p3": 1})  # noqa: E741
    netted = clear(o, l)
    check(o, l, netted)
    assert netted.cleared_nano == 2 * 3 + 11 * 4 + 2 * 2


def test_the_digest_stands_for_all_of_it() -> None:
    o = Obligations.of(RING)
    netted = clear(o)
    one = digest(o, netted, "EUR")
    assert len(one) == 32
    assert one != digest(o, netted, "CHF")
    less = replace(netted, set_off_nano=netted.set_off_nano - 1)
    assert one != digest(o, less, "EUR")
