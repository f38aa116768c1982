"""What planting several bids brings against a collateral, at its best, for power laws.

A ladder of planted bids stands above the reserve. When all others have opened, the auctioneer opens
those below the highest bid v1, and k above it stay shut. So it gets the greater of the highest one
opened and the second bid v2, less k collaterals, or nothing. The best ladder on a grid of prices is
found from the top down. Spec: docs/spec/session.md, S22.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from isojoule.market.mechanisms.deferred_revelation import DeferredRevelation
from tests.market.blocks import bids_of, clear, paid

POINTS = 4000
STEPS = 24
MOST = 3
"""Of the ladder, above the highest bid."""


def pareto(shape: float) -> tuple[Callable[[float], float], np.ndarray, np.ndarray]:
    """Distribution function; and values with weights that sum up an integral over it."""
    t = (np.arange(POINTS) + 0.5) / POINTS
    below, weight = 1 - t**4, 4 * t**3 / POINTS  # dense where values are large
    return lambda v: 1 - v**-shape if v > 1 else 0.0, (1 - below) ** (-1 / shape), weight


def revenues(bidders: int, shape: float, collateral: float) -> tuple[float, float]:
    """What honesty brings, and the best ladder; the reserve is the scale, 1."""
    share, values, weight = pareto(shape)
    below = 1 - values**-shape
    near = collateral * 1.001 * np.arange(1, 5)
    grid = np.unique([*np.geomspace(1.02, 300, STEPS), *near[near > 1]])

    def part(shut: int, step: float, end: float) -> float:
        """Of all v1 from `step`, the highest one opened, to `end`, the next, which is shut."""
        top = share(end) if np.isfinite(end) else 1.0
        least = max(step - shut * collateral, 0.0)
        found = least * bidders * share(step) ** (bidders - 1) * (top - share(step))
        if bidders > 1:
            both = (values > step) & (values < end)
            dense = bidders * (bidders - 1) * below[both] ** (bidders - 2) * (top - below[both])
            more = np.maximum(values[both] - shut * collateral, 0.0)
            found += float((more * dense * weight[both]).sum())
        return found

    @cache
    def best(shut: int, at: int) -> float:
        end = float(grid[at]) if at < grid.size else np.inf
        most = part(shut, 1.0, end)
        for lower in range(at if shut < MOST else 0):
            most = max(most, part(shut, float(grid[lower]), end) + best(shut + 1, lower))
        return most

    return part(0, 1.0, np.inf), best(0, grid.size)


@pytest.mark.parametrize("bidders", [1, 2])
@pytest.mark.parametrize("shape", [1.5, 2.0, 4.0])
def test_honest_revenue_by_hand(bidders: int, shape: float) -> None:
    """One bidder pays the reserve, two the lower bid, a power law of twice the shape."""
    by_hand = 1.0 if bidders == 1 else 2 * shape / (2 * shape - 1)
    assert revenues(bidders, shape, 1.0)[0] == pytest.approx(by_hand, rel=3e-4)


@pytest.mark.parametrize("bidders", [1, 3, 10])
@pytest.mark.parametrize("shape", [1.2, 1.5, 2.0, 4.0])
def test_no_ladder_pays_against_the_collateral(shape: float, bidders: int) -> None:
    """S22: with f as stated the best ladder is no ladder."""
    f = DeferredRevelation("pareto", shape=shape).collateral_nano(bidders)
    assert isinstance(f, int)
    honest, ladder = revenues(bidders, shape, f / 1e9)
    assert ladder <= honest * (1 + 1e-3)


@pytest.mark.parametrize(
    ("shape", "bidders", "gain"), [(1.2, 1, 0.20), (1.5, 10, 0.19), (2.0, 30, 0.046)]
)
def test_the_reserve_alone_is_not_enough(shape: float, bidders: int, gain: float) -> None:
    """S22: where the hazard rate falls, a collateral of r(D) makes a ladder pay."""
    honest, ladder = revenues(bidders, shape, 1.0)
    assert ladder / honest - 1 == pytest.approx(gain, abs=0.012)


@pytest.mark.parametrize(("shape", "bidders", "collateral"), [(1.5, 1, 1.0), (1.5, 10, 2.0)])
def test_less_is_enough_on_the_grid(shape: float, bidders: int, collateral: float) -> None:
    """S22: f is a bound, not the least."""
    honest, ladder = revenues(bidders, shape, collateral)
    assert ladder <= honest * (1 + 1e-3)


@pytest.mark.parametrize(("opened", "shut"), [(True, 0), (True, 2), (False, 1)])
def test_what_a_ladder_brings_in_a_clearing(opened: bool, shut: int) -> None:
    """S21: bids of 6 and 2, a planted one of 4 if it is opened, the others lose 0.5 each."""
    rows = [{"participant": "planted", "collateral": "0.5"}] * shut
    state = {"forfeits": rows} if rows else None
    offers = bids_of(6, 2, 4) if opened else bids_of(6, 2)
    book, c = clear("deferred-revelation", *offers, state=state, distribution="pareto")
    money = paid(book, c)
    assert money["solar"] == -(4.0 if opened else 2.0)
    assert money["b0"] == -money["solar"] - 0.5 * shut
