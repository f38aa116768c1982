"""The proof in one walk is what its parts are, one after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.units import UJ_PER_J
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.prices import PEAK, fill, welfare_gap
from isojoule.kernels.proof import between
from isojoule.kernels.support import own_bounds, support
from isojoule.market.allocation import Support, price_between, reach_of, supporting_prices
from isojoule.market.columns import columns_of
from isojoule.market.contract import Clearing
from isojoule.market.dust import proven, reach_of_prices, rounding_of
from isojoule.testing.books import Sample, samples
from isojoule.valuation.curve import integral, marginal
from tests.market.books import REAL, SMALL, Case, Sizes, clear, random_case

CALM = settings(derandomize=True, deadline=None, max_examples=60)
WIDENINGS = (1.0, 10.0, 100.0)


class Stand:
    """Where pieces and links of a clearing stand."""

    def __init__(self, case: Case | Sample, c: Clearing) -> None:
        self.network = network_of(case.grid, case.network, case.book.interval.duration_s)
        self.columns = columns_of(case.book, self.network)
        p, links = self.columns.pieces, self.network.tail.size
        standing = c.standing_uj[self.columns.standing_links]
        energy_j = np.concatenate([c.energy_uj, standing]) / UJ_PER_J
        self.x = fill(self.columns.offer, p.lo, p.hi, energy_j)
        self.flow = c.flow_uj[:links] / UJ_PER_J
        self.received = (np.abs(c.flow_uj[:links]) - c.loss_uj[:links]) / UJ_PER_J
        finite = np.concatenate([-p.lo[np.isfinite(p.lo)], p.hi[np.isfinite(p.hi)]])
        self.largest = float(np.max(finite, initial=0.0))
        self.moved = max(
            np.max(np.abs(self.x), initial=0.0), np.max(np.abs(self.flow), initial=0.0)
        )


def naive_support(s: Stand, slack: float) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest prices: every condition again and again until nothing changes."""
    n: Network = s.network
    p, r = s.columns.pieces, n.limits.loss_per_j
    low, high = np.full(n.nodes, -np.inf), np.full(n.nodes, np.inf)
    worth = marginal(p, s.x)
    moves = np.zeros(1)
    for i, v in enumerate(s.columns.node):
        up, down = s.x[i] < p.hi[i] - slack, s.x[i] > p.lo[i] + slack
        if up or down:
            moves = np.append(moves, abs(worth[i]))
        low[v] = max(low[v], worth[i]) if up else low[v]
        high[v] = min(high[v], worth[i]) if down else high[v]
    small = 1e-14 * moves.max()
    for _ in range(4000):
        before = low.copy(), high.copy()
        for e in range(n.tail.size):
            for sign, v, u in ((1, n.tail[e], n.head[e]), (-1, n.head[e], n.tail[e])):
                f = sign * s.flow[e]
                out, back, cap = max(f, 0.0), max(-f, 0.0), n.capacity_j[e]
                new_low, new_high = low[u], high[u]
                g = n.gain[e] - 2.0 * r[e] * out
                if g > 0 and out < cap - slack and back <= slack and g > PEAK * n.gain[e]:
                    new_high = min(new_high, (high[v] + n.price[e]) / g)
                if g > 0 and out > slack:
                    new_low = max(new_low, (low[v] + n.price[e]) / g)
                g = n.gain[e] - 2.0 * r[e] * back
                if g > 0 and back < cap - slack and out <= slack:
                    new_low = max(new_low, g * low[v] - n.price[e])
                if g > 0 and back > slack:
                    new_high = min(new_high, g * high[v] - n.price[e])
                new_low, new_high = min(new_low, high[u]), max(new_high, low[u])
                if new_low > low[u] + small or (new_low > -np.inf and low[u] == -np.inf):
                    low[u] = new_low
                if new_high < high[u] - small or (new_high < np.inf and high[u] == np.inf):
                    high[u] = new_high
        if np.array_equal(before[0], low) and np.array_equal(before[1], high):
            break
    apart = low > high
    low[apart] = high[apart] = 0.5 * (low[apart] + high[apart])
    return low, high


def naive_gap(s: Stand, price: np.ndarray, low: np.ndarray, high: np.ndarray,
              reach_j: float) -> tuple[float, float, bool]:  # fmt: skip
    """Welfare, gap, and whether it is closed, by the plain formulas."""
    n, c, p = s.network, s.columns, s.columns.pieces
    welfare, gap, _ = welfare_gap(
        c.node, np.maximum(p.lo, -reach_j), np.minimum(p.hi, reach_j), *p[2:], s.x, c.counts,
        n.tail, n.head, s.flow, s.received, np.minimum(n.capacity_j, reach_j), n.gain,
        n.limits.loss_per_j, n.price, price,
    )  # fmt: skip
    dust = rounding_of(c, n, price, reach_of_prices(low, high))
    return welfare, gap, proven(welfare, gap, dust)


def naive_proof(case: Case | Sample, c: Clearing, duals: np.ndarray) -> Support:
    s = Stand(case, c)
    n, p = s.network, s.columns.pieces
    reach_j = reach_of(p, n.capacity_j)
    tries = [w * (4e-6 + 1e-9 * s.largest) for w in WIDENINGS]
    tries += [w * (4e-6 + 1e-9 * min(s.moved, s.largest)) for w in WIDENINGS]
    first, by_prices = None, False
    for slack in tries:
        low, high = naive_support(s, slack)
        first = first or (low, high)
        by_prices = naive_gap(s, np.nan_to_num(price_between(low, high)), low, high, reach_j)[2]
        if by_prices:
            break
    else:
        low, high = first
    dual = np.zeros(n.nodes)
    dual[n.node_of] = duals
    welfare, gap, closed = naive_gap(s, dual, low, high, reach_j)
    size = math.fsum(np.abs(integral(p, s.x)[s.columns.counts]))
    size += math.fsum(n.price * np.abs(s.flow))
    low, high = low[n.node_of], high[n.node_of]
    return Support(low, high, price_between(low, high), welfare, gap, closed, size, by_prices)


def agree(case: Case | Sample, c: Clearing, duals: np.ndarray, near: float) -> Support:
    """The proof, after it was compared.

    Where dust makes conditions on prices contradict each other, what stands depends on the order in
    which they are met: with quadratic losses by a share `near` of the prices.
    """
    flows = (c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj)
    found = supporting_prices(case.book, case.grid, *flows, duals)
    known = naive_proof(case, c, duals)
    scale = np.max(np.abs(np.nan_to_num([known.lowest, known.highest], posinf=0, neginf=0)))
    for one, other in ((found.lowest, known.lowest), (found.highest, known.highest)):
        assert one == pytest.approx(other, rel=1e-12, abs=near * scale)
    assert np.array_equal(found.price, price_between(found.lowest, found.highest), equal_nan=True)
    assert found.welfare == pytest.approx(known.welfare, rel=1e-12, abs=1e-12 * known.size)
    assert found.size == pytest.approx(known.size, rel=1e-12)
    assert found.gap == pytest.approx(known.gap, rel=1e-9, abs=1e-12 * known.size)
    assert found.closed == known.closed
    if near < 1e-9:
        assert found.by_prices == known.by_prices
    return found


@CALM
@given(st.integers(0, 10**6), st.sampled_from((SMALL, REAL)))
def test_a_clearing_is_proved_as_by_the_formulas(seed: int, sizes: Sizes) -> None:
    case = random_case(seed, sizes)
    c = clear(case.book, case.grid)
    assert agree(case, c, c.certificate.duals, 1e-5).closed
    agree(case, c, np.full(case.grid.node_count, sizes.price), 1e-5)  # any prices prove


@CALM
@given(samples("any", ("transport", "copperplate")))
def test_books_with_ties_too(sample: Sample) -> None:
    c = clear(sample.book, sample.grid)
    agree(sample, c, c.certificate.duals, 1e-12)
    agree(sample, c, np.nan_to_num(c.price_per_j), 1e-12)


@CALM
@given(st.integers(0, 10**6))
def test_what_is_no_optimum_leaves_the_same_gap(seed: int) -> None:
    """Half of what everybody got, and nothing on the links: a gap, and no balance to ask for."""
    case = random_case(seed)
    c = clear(case.book, case.grid)
    none = np.zeros_like(c.flow_uj)
    flows = (c.energy_uj // 2, none, none, c.standing_uj)
    found = supporting_prices(case.book, case.grid, *flows, c.certificate.duals)
    s = Stand(case, Halved(*flows))  # type: ignore[arg-type]
    reach_j = reach_of(s.columns.pieces, s.network.capacity_j)
    dual = np.zeros(s.network.nodes)
    dual[s.network.node_of] = c.certificate.duals
    some = np.zeros(s.network.nodes)
    welfare, gap, _ = naive_gap(s, dual, some, some, reach_j)
    assert found.welfare == pytest.approx(welfare, rel=1e-12, abs=1e-12 * found.size)
    assert found.gap == pytest.approx(gap, rel=1e-9, abs=1e-12 * found.size)


class Halved:
    def __init__(self, energy: np.ndarray, flow: np.ndarray, loss: np.ndarray,
                 standing: np.ndarray) -> None:  # fmt: skip
        self.energy_uj, self.flow_uj, self.loss_uj = energy, flow, loss
        self.standing_uj = standing


@pytest.mark.parametrize("dual", [math.nan, math.inf, -math.inf])
def test_a_dual_that_is_no_number_proves_nothing(dual: float) -> None:
    case = random_case(3)
    c = clear(case.book, case.grid)
    duals = c.certificate.duals.copy()
    duals[-1] = dual
    flows = (c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj)
    found = supporting_prices(case.book, case.grid, *flows, duals)
    assert not found.closed
    assert not math.isfinite(found.gap)


def test_without_numbers_there_is_no_price_between() -> None:
    ends = (-math.inf, -1.0, 2.0, math.inf)
    low, high = (np.array(v) for v in zip(*((a, b) for a in ends for b in ends), strict=True))
    rule = price_between(low, high)
    assert [repr(between(a, b)) for a, b in zip(low, high, strict=True)] == [
        repr(float(p)) for p in rule
    ]


@CALM
@given(st.integers(0, 10**6), st.booleans())
def test_two_sweeps_over_a_forest_bound_prices_as_a_queue_does(seed: int, sold: bool) -> None:
    case = random_case(seed, SMALL, "tree")
    s = Stand(case, clear(case.book, case.grid))
    n, p = s.network, s.columns.pieces
    # all sold, or all served, so that conditions on prices do not contradict each other
    p = p._replace(lo=np.maximum(p.lo, -1e6), hi=np.minimum(p.hi, 1e6))
    s.columns = s.columns._replace(pieces=p)
    s.x[:] = p.lo if sold else p.hi
    s.flow[:] = 0.0
    slack = 4e-6 + 1e-9 * s.largest
    found = support(
        *own_bounds(s.columns.node, *p, s.x, n.nodes, slack), n.tail, n.head, s.flow,
        n.capacity_j, n.gain,
        n.limits.loss_per_j, n.price, n.start, n.incident, *n.forest, slack,
    )  # fmt: skip
    assert n.forest.whole
    for one, other in zip(found, naive_support(s, slack), strict=True):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-12)
