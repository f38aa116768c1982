"""Whole amounts shared in proportion."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.kernels.share import multiply_divide, share_rows

WHOLE = st.integers(0, 2**63 - 1)


@settings(max_examples=200, deadline=None)
@given(WHOLE, WHOLE, st.integers(1, 2**63 - 1))
def test_products_are_divided_exactly(a: int, w: int, s: int) -> None:
    """Against Python's whole numbers, which have no limit."""
    w = min(w, s)
    quotient, rest = multiply_divide(np.uint64(a), np.uint64(w), np.uint64(s))
    assert (int(quotient), int(rest)) == divmod(a * w, s)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.lists(st.integers(0, 2**59), min_size=1, max_size=9),
    st.randoms(use_true_random=False),
)
def test_largest_remainders_are_served_first(
    total: int, weight: list[int], random: np.random.Generator
) -> None:
    """Against the method written down with fractions."""
    rank = list(range(len(weight)))
    random.shuffle(rank)  # type: ignore[arg-type]
    parts = share_rows(np.array([total]), np.array([weight]), np.array(rank))[0]
    weights = weight if sum(weight) else [1] * len(weight)
    exact = [Fraction(abs(total) * w, sum(weights)) for w in weights]
    wanted = [int(part) for part in exact]
    order = sorted(range(len(exact)), key=lambda i: (wanted[i] - exact[i], rank[i]))
    for i in order[: abs(total) - sum(wanted)]:
        wanted[i] += 1
    assert parts.tolist() == [(1 if total > 0 else -1) * part for part in wanted]


def test_seats_of_the_textbook() -> None:
    """Hamilton's method and its Alabama paradox: one seat more, and C loses one.

    Populations 6, 6, 2 with 10 and with 11 seats; Balinski, Young, Fair Representation, 1982.
    """
    weight, rank = np.array([[6, 6, 2]]), np.arange(3)
    assert share_rows(np.array([10]), weight, rank).tolist() == [[4, 4, 2]]
    assert share_rows(np.array([11]), weight, rank).tolist() == [[5, 5, 1]]


def test_rows_do_not_see_each_other() -> None:
    totals = np.array([7, -7, 0, 1])
    weight = np.array([[1, 1], [1, 1], [5, 0], [0, 0]])
    rank = np.array([1, 0])
    parts = share_rows(totals, weight, rank)
    assert parts.tolist() == [[3, 4], [-3, -4], [0, 0], [0, 1]]
