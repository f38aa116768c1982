"""Rounding and commit in one call give what they give one after the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.commit import commit, losses, residuals
from isojoule.kernels.whole import at_bounds, on_links, to_whole, within_bounds
from isojoule.market.columns import Columns, bounds_uj, columns_of
from isojoule.market.optimum import Optimum, in_integers, optimum
from isojoule.market.settle import capacity_uj
from tests.market.books import REAL, SMALL, Sizes, random_case

CALM = settings(derandomize=True, deadline=None, max_examples=60)


def naive(network: Network, columns: Columns, found: Optimum, low: np.ndarray,
          high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Energies and flows by the plain formulas, and the commit after them."""
    net, gross = found.flow.copy(), found.sent
    net[(np.abs(net) < 0.5 * gross) & (gross < 1e-8 * np.max(gross, initial=0.0))] = 0.0
    cap, limit = capacity_uj(network), float(NO_LIMIT_UJ)
    flow = np.clip(np.rint(net * UJ_PER_J).astype(np.int64), -cap, cap)
    energy = np.clip(np.rint(found.offer_x * UJ_PER_J).astype(np.int64), low, high)
    p, count, inside = found.columns.pieces, energy.size, found.side == 0
    room = []
    for space in (found.x - p.lo, p.hi - found.x):
        each = np.where(inside, np.minimum(space * UJ_PER_J, limit), 0.0)
        every = np.minimum(np.bincount(found.columns.offer, each, count), limit)
        room.append(np.floor(every).astype(np.int64))
    inner = np.maximum(low, energy - room[0]), np.minimum(high, energy + room[1])
    bad = commit(
        network.tail, network.head, cap, network.limits.loss_ppb, network.limits.loss_per_j,
        network.price, flow, columns.offer_node, energy, low, high, *inner, network.start,
        network.incident,
    )  # fmt: skip
    assert not bad
    return energy, flow


@CALM
@given(st.integers(0, 10**6), st.sampled_from((SMALL, REAL)))
def test_a_solution_in_whole_microjoules(seed: int, sizes: Sizes) -> None:
    case = random_case(seed, sizes)
    network = network_of(case.grid, case.network, 1.0)
    columns = columns_of(case.book, network)
    found = optimum(network, columns)
    low, high = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    energy, flow, loss = in_integers(network, columns, found, low, high)
    known = naive(network, columns, found, low, high)
    assert (energy.tolist(), flow.tolist()) == (known[0].tolist(), known[1].tolist())
    limits = network.limits
    assert loss.tolist() == losses(flow, limits.loss_ppb, limits.loss_per_j).tolist()
    rest = residuals(
        network.tail, network.head, flow, limits.loss_ppb, limits.loss_per_j, columns.offer_node,
        energy, network.nodes,
    )  # fmt: skip
    assert not rest.any()


def test_flows_that_nobody_can_balance_are_dropped() -> None:
    """Of a great flow that balances and a small one that nobody sells, the small one is dropped."""
    tail, head = np.array([0, 2]), np.array([1, 3])
    flow = np.array([1000.0, 1e-4])
    none, zero = np.zeros(2, np.int64), np.zeros(2)
    start, incident = np.array([0, 1, 2, 3, 4]), np.array([0, 0, 1, 1])
    lo, hi = np.array([-1000.0, 0.0]), np.array([0.0, 1000.0])
    x, side = np.array([-1000.0, 1000.0]), np.array([-1, 1], np.int8)
    low, high = (lo * 1e6).astype(np.int64), (hi * 1e6).astype(np.int64)
    energy, flows, loss, bad = to_whole(
        tail, head, np.full(2, 2**62), none, zero, zero, start, incident, flow, flow,
        np.array([0, 1]), x, side, lo, hi, np.array([0, 1]), x, low, high,
    )  # fmt: skip
    assert bad == 0
    assert energy.tolist() == [-1000_000_000, 1000_000_000]
    assert flows.tolist() == [1000_000_000, 0]
    assert not loss.any()


def test_what_is_at_a_bound_is_exactly_there() -> None:
    lo, hi = np.array([-1.0, 0.0, -np.inf]), np.array([0.0, 2.0, 0.0])
    offer = np.array([0, 0, 1])
    x, sums = at_bounds(
        np.array([-0.999, 1.0, -5.0]), np.array([-1, 0, -1], np.int8), lo, hi, offer, 3
    )
    assert x.tolist() == [-1.0, 1.0, -5.0]
    assert sums.tolist() == [0.0, -5.0, 0.0]
    x, side, sums = within_bounds(np.array([-1.5, 1.0, -5.0]), lo, hi, offer, 3)
    assert x.tolist() == [-1.0, 1.0, -5.0]
    assert side.tolist() == [-1, 0, 0]
    assert sums.tolist() == [0.0, -5.0, 0.0]


def test_what_runs_both_ways_is_netted() -> None:
    net, gross = on_links(
        np.array([0, 1, 1]), np.array([False, False, True]), np.array([-3.0, 2.0, 5.0]), 2
    )
    assert net.tolist() == [-3.0, -3.0]
    assert gross.tolist() == [3.0, 7.0]
