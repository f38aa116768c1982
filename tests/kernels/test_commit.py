"""The commit balances every node to the microjoule, whatever rounding does to its input."""

from __future__ import annotations

import numpy as np
import pytest

from isojoule.grid.formulation import network_of
from isojoule.kernels.commit import commit, residuals
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
