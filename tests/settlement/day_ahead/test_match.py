"""Who deals with whom. docs/spec/collateral.md, B21."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isojoule.settlement.day_ahead.match import matched

SIDES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 500)), min_size=1, max_size=9
).map(lambda rows: (
    np.array([lots if sells else 0 for sells, lots in rows]),
    np.array([0 if sells else lots for sells, lots in rows]),
))  # fmt: skip


@given(SIDES, st.binary(max_size=8))
def test_the_shorter_side_is_served_whole_the_longer_in_proportion(
    sides: tuple[np.ndarray, np.ndarray], seed: bytes
) -> None:
    sell, buy = sides
    names = tuple(f"m{at}" for at in range(sell.size))
    pairs = matched(sell, buy, names, "block", seed)
    sold, bought = np.zeros_like(sell), np.zeros_like(buy)
    for pair in pairs:
        assert pair.lots > 0
        sold[pair.seller] += pair.lots
        bought[pair.buyer] += pair.lots
    total = min(sell.sum(), buy.sum())
    assert sold.sum() == bought.sum() == total
    for served, asked in ((sold, sell), (bought, buy)):
        assert np.all(served <= asked)
        if asked.sum():
            assert np.all(np.abs(served - asked * (total / asked.sum())) < 1)
    both = np.count_nonzero(sold) + np.count_nonzero(bought)
    assert len(pairs) <= max(0, both - 1)


@given(SIDES, st.randoms())
def test_the_order_of_members_does_not_matter(
    sides: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    sell, buy = sides
    names = [f"m{at}" for at in range(sell.size)]
    order = list(range(sell.size))
    random.shuffle(order)  # type: ignore[attr-defined]
    there = {
        (names[p.seller], names[p.buyer], p.lots)
        for p in matched(sell, buy, tuple(names), "b", b"")
    }
    mixed = tuple(names[at] for at in order)
    again = matched(sell[order], buy[order], mixed, "b", b"")
    assert {(mixed[p.seller], mixed[p.buyer], p.lots) for p in again} == there


def test_the_line_differs_by_block_and_seed() -> None:
    """Nobody is always first."""
    sell, buy = np.array([10, *[0] * 6]), np.array([0, *[2] * 6])
    names = tuple("abcdefg")
    lines = {
        tuple(p.buyer for p in matched(sell, buy, names, str(block), seed))
        for block in range(6) for seed in (b"", b"1")
    }  # fmt: skip
    assert len(lines) > 6
