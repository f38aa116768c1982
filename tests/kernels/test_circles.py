"""Burning is seen wherever a circle of links, or an offer and back, could burn energy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isojoule.kernels.circles import burns
from isojoule.kernels.incidence import incidence, walk

NONE = np.zeros(0)
NOBODY = np.zeros(0, np.int64)
FREE, SMALL = 0.0, 1e-6


def asked(tail: np.ndarray, head: np.ndarray, flow: np.ndarray, price: np.ndarray,
          ppb: np.ndarray) -> bool:  # fmt: skip
    start, incident = incidence(price.size, tail, head)
    whole = not walk(tail, head, start, incident, np.ones(tail.size, bool))[4]
    return burns(
        tail, head, ppb, np.zeros(tail.size), start, incident, whole, flow, price,
        NOBODY, NONE, NONE, NONE, NONE, NONE, FREE, SMALL,
    )  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, 10**6))
def test_every_lossy_circle_is_seen_and_nothing_else_where_there_is_no_circle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes, links = int(rng.integers(2, 7)), int(rng.integers(0, 12))
    tail = rng.integers(0, nodes, links)
    head = (tail + rng.integers(1, nodes, links)) % nodes
    flow = rng.choice([-1.0, 0.0, 1.0], links)
    price = rng.choice([-1.0, 0.0, 0.0, 1.0], nodes)
    ppb = rng.choice([0, 10], links)
    near, far = np.where(flow >= 0, tail, head), np.where(flow >= 0, head, tail)
    used = (np.abs(flow) > SMALL) & (price[near] <= FREE)
    graph = coo_array((np.ones(used.sum()), (near[used], far[used])), shape=(nodes, nodes))
    part = connected_components(graph, directed=True, connection="strong")[1]
    circle = used & (part[near] == part[far])
    found = asked(tail, head, flow, price, ppb)
    if np.any(circle & (ppb > 0)):
        assert found
    if not circle.any() or not np.any(used & (ppb > 0)):
        assert not found


def test_an_offer_that_buys_and_sells_where_energy_has_no_worth() -> None:
    start, incident = incidence(1, NOBODY, NOBODY)

    def seen(price: float, hi: float) -> bool:
        return burns(
            NOBODY, NOBODY, NOBODY, NONE, start, incident, True, NONE, np.array([price]),
            np.array([0, 0]), np.array([-1.0, 0.0]), np.array([0.0, hi]), np.ones(2), np.zeros(2),
            np.array([-1.0, 1.0]), FREE, SMALL,
        )  # fmt: skip

    assert seen(0.0, 1.0)
    assert not seen(1.0, 1.0)
    assert not seen(0.0, np.inf)
