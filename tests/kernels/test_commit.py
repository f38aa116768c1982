"""The commit balances every node to the microjoule, whatever rounding does to its input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isojoule.grid.formulation import network_of
from isojoule.kernels.commit import _forest, commit, residuals
from isojoule.kernels.incidence import incidence
from isojoule.market.allocation import bounds_uj, columns_of
from isojoule.market.settle import capacity_uj
from tests.market.books import REAL, SMALL, Sizes, clear, random_case


def shaken(seed: int, sizes: Sizes, dust: int) -> bool:
    """Shake a clearing and commit it again; whether all nodes balance. Limits hold anyhow."""
    case = random_case(seed, sizes)
    found = clear(case.book, case.grid)
    net = network_of(case.grid, case.book.network, 1.0)
    cols = columns_of(case.book, net)
    low, high = bounds_uj(cols.offer, cols.pieces, cols.offer_node.size)
    cap = capacity_uj(net)
    rng = np.random.default_rng(seed)
    links = net.tail.size
    shake = lambda size: rng.integers(-dust, dust + 1, size)  # noqa: E731
    flow = np.clip(found.flow_uj[:links] + shake(links), -cap, cap)
    energy = np.clip(found.energy_uj + shake(low.size), low, high)
    bad = commit(
        net.tail, net.head, cap, net.limits.loss_ppb, net.limits.loss_per_j, net.price, flow,
        cols.offer_node, energy, low, high, low, high, net.start, net.incident,
    )  # fmt: skip
    rest = residuals(
        net.tail, net.head, flow, net.limits.loss_ppb, net.limits.loss_per_j,
        cols.offer_node, energy, net.nodes,
    )  # fmt: skip
    assert bad == np.count_nonzero(rest)
    assert np.all(np.abs(flow) <= cap)
    assert np.all((energy >= low) & (energy <= high))
    return bad == 0


@pytest.mark.parametrize("sizes", [SMALL, REAL])
@pytest.mark.parametrize("dust", [1, 50])
def test_a_shaken_clearing_is_balanced_again(sizes: Sizes, dust: int) -> None:
    """But where all are sold out or served to the last microjoule, and that is said."""
    balanced = [shaken(seed, sizes, dust) for seed in range(60)]
    assert np.mean(balanced) > 0.9


def test_what_is_left_goes_to_the_one_offer_with_room() -> None:
    """A path of four nodes; the middle of what is bought is 7 uJ short."""
    tail, head = np.arange(3), np.arange(1, 4)
    energy = np.array([-1000_000, 999_993])
    flow = np.array([1000_000] * 3)
    ends = np.concatenate([tail, head])
    incident = np.argsort(ends, kind="stable")
    start = np.searchsorted(ends[incident], np.arange(5))
    low, high = np.array([-1000_000, 0]), np.array([0, 2_000_000])
    bad = commit(
        tail, head, np.full(3, 2**62), np.zeros(3, np.int64), np.zeros(3), np.zeros(3), flow,
        np.array([0, 3]), energy, low, high, low, high, start, incident % 3,
    )  # fmt: skip
    assert bad == 0
    assert energy.tolist() == [-1000_000, 1000_000]
    assert flow.tolist() == [1000_000] * 3


def test_two_hundred_thousand_nodes_balance_again() -> None:
    """A mesh with a battery at every third node; many links are full, many flows are shaken."""
    n, wide = 200_000, 447
    rng = np.random.default_rng(7)
    v = np.arange(n)
    tail = np.concatenate([v[:-1], v[:-wide], v[: -wide - 1]])
    head = np.concatenate([v[:-1] + 1, v[:-wide] + wide, v[: -wide - 1] + wide + 1])
    links = tail.size
    cap = rng.choice([10**11, 5 * 10**12], links)
    ppb = rng.choice([0, 5_000_000, 20_000_000], links)
    r = rng.choice([0.0, 1e-9], links)
    flow = np.clip(rng.normal(0.0, 3e11, links).astype(np.int64), -cap, cap)
    flow[rng.random(links) < 0.3] = 0
    start, incident = incidence(n, tail, head)
    energy = residuals(tail, head, flow, ppb, r, v, np.zeros(n, np.int64), n)
    battery = v % 3 == 0
    low = np.where(battery, energy - 10**13, np.minimum(energy, 0))
    high = np.where(battery, energy + 10**13, np.maximum(energy, 0))
    inner = np.where(battery, low, energy), np.where(battery, high, energy)
    known, before = energy.copy(), flow.copy()
    flow = np.clip(flow + np.where(flow != 0, rng.integers(-50, 51, links), 0), -cap, cap)
    bad = commit(
        tail, head, cap, ppb, r, np.zeros(links), flow, v, energy, low, high, *inner, start,
        incident,
    )  # fmt: skip
    assert bad == 0
    assert not residuals(tail, head, flow, ppb, r, v, energy, n).any()
    assert np.all(np.abs(flow) <= cap)
    assert np.all((energy >= low) & (energy <= high))
    # what stands at a kink stays there, where links with room lead away; idle links stay idle
    moved = np.abs(energy - known)[~battery]
    assert np.count_nonzero(moved) < 100  # full links all around
    assert moved.max() < 1000
    costs = (ppb > 0) | (r > 0)
    assert not flow[(before == 0) & costs].any()
    assert np.max(np.abs(flow - before)) < 100 * n


@pytest.mark.parametrize("seed", range(20))
def test_a_forest_reaches_every_node_that_roomy_links_reach(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, links = 30, int(rng.integers(0, 60))
    tail = rng.integers(0, n, links)
    head = (tail + rng.integers(1, n, links)) % n
    grade = rng.integers(0, 3, links).astype(np.uint8)
    start, incident = incidence(n, tail, head)
    part, parts, sequence, parent = _forest(grade, tail, head, start, incident)
    some = grade > 0
    graph = coo_array((np.ones(some.sum()), (tail[some], head[some])), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    assert parts == count
    assert len({(a, b) for a, b in zip(part, label, strict=True)}) == count
    assert sorted(sequence.tolist()) == list(range(n))
    at = {int(v): i for i, v in enumerate(sequence)}
    for v in range(n):
        e = parent[v]
        if e >= 0:
            assert at[int(tail[e] + head[e] - v)] < at[v]
    assert np.count_nonzero(parent < 0) == parts
    # no link of less room where one with ample room would do
    ample = grade == 2
    graph = coo_array((np.ones(ample.sum()), (tail[ample], head[ample])), shape=(n, n))
    most = n - connected_components(graph, directed=False)[0]
    assert np.count_nonzero(ample[parent[parent >= 0]]) == most
