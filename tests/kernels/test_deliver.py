"""Deviations led to a supplier, along a tree. Spec: docs/spec/run.md, R19."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isojoule.kernels.commit import losses
from isojoule.kernels.deliver import deliver, tree_from
from isojoule.kernels.incidence import incidence
from isojoule.kernels.links import loss_of
from isojoule.kernels.recheck import Links, Offers, recheck

Ints = NDArray[np.int64]
FAR = 2**62


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def tree(root: int, tail: Ints, head: Ints, nodes: int) -> tuple[Ints, Ints]:
    start, incident = incidence(nodes, tail, head)
    return tree_from(root, tail, head, start, incident, np.ones(tail.size, bool))


def test_a_walk_breadth_first_in_the_order_of_the_links() -> None:
    """A ring 0-1-2-3-0 from node 2: over link 2 (begins there) before link 1 (ends there)."""
    tail, head = ints(0, 1, 2, 3), ints(1, 2, 3, 0)
    order, link = tree(2, tail, head, 4)
    assert order.tolist() == [2, 3, 1, 0]
    assert link.tolist() == [3, 1, -1, 2]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_node_balances_and_links_send_the_least(data: st.DataObject) -> None:
    """Radial: from nothing cleared, checked by the kernel that checks clearings."""
    nodes = data.draw(st.integers(2, 8))
    above = [data.draw(st.integers(0, v - 1)) for v in range(1, nodes)]
    turned = [data.draw(st.booleans()) for _ in above]
    tail = ints(*(v if t else u for v, (u, t) in enumerate(zip(above, turned, strict=True), 1)))
    head = ints(*(u if t else v for v, (u, t) in enumerate(zip(above, turned, strict=True), 1)))
    ppb = ints(*(data.draw(st.sampled_from([0, 10_000_000])) for _ in above))
    r = np.array([data.draw(st.sampled_from([0.0, 1e-9])) for _ in above])
    root = data.draw(st.integers(0, nodes - 1))
    order, link = tree(root, tail, head, nodes)
    node = np.arange(nodes)
    came = np.array(
        [data.draw(st.integers(-(10**12), 10**12)) if v != root else 0 for v in range(nodes)]
    )[None, :]
    flow, loss, extra = np.zeros((1, tail.size), np.int64), np.zeros((1, tail.size), np.int64), \
        np.zeros(1, np.int64)  # fmt: skip
    peak = np.full(tail.size, FAR)
    found = deliver(tail, head, ppb, r, peak, order, link, node, came, flow, loss, extra)
    assert found == (-1, -1)
    assert np.array_equal(loss[0], losses(flow[0], ppb, r))
    got = came[0].copy()
    got[root] += extra[0]
    least = np.full(nodes, -FAR)
    checked = recheck(
        Links(tail, head, peak, ppb, r, flow[0], loss[0]),
        Offers(node.astype(np.int64), least, -least, got), nodes,
    )  # fmt: skip
    assert checked[:5] == (-1, -1, -1, -1, 0)
    assert got.sum() + loss.sum() == 0
    for v in range(nodes):
        e = link[v]
        outward = flow[0, e] if e >= 0 and head[e] == v else -flow[0, e] if e >= 0 else 0
        if outward > 0:  # one microjoule less would not be enough
            arrives = outward - loss_of(outward, ppb[e], r[e])
            less = outward - 1 - loss_of(outward - 1, ppb[e], r[e])
            assert less < arrives or (ppb[e] > 0 and r[e] > 0)


def test_on_a_ring_only_the_tree_changes() -> None:
    """Triangle, 100 run round it over 0-1-2: node 2 draws 7 more, over its own link to 0."""
    tail, head = ints(0, 1, 0), ints(1, 2, 2)
    order, link = tree(0, tail, head, 3)
    flow, loss, extra = ints(100, 100, 0)[None, :], np.zeros((1, 3), np.int64), ints(0)
    none, still = np.zeros(3, np.int64), np.zeros(3)
    deliver(tail, head, none, still, none + FAR, order, link, ints(2), ints(7)[None, :],
            flow, loss, extra)  # fmt: skip
    assert flow.tolist() == [[100, 100, 7]]
    assert extra.tolist() == [-7]


def test_beyond_the_peak_of_a_quadratic_loss_nothing_more_arrives() -> None:
    """With r = 0.01 per J at most 1 / (4 r) = 25 J arrive, when 50 J are sent."""
    tail, head, r = ints(0), ints(1), np.array([0.01])
    order, link = tree(0, tail, head, 2)
    for wanted, found in ((25_000_000, (-1, -1)), (25_000_001, (1, 0))):
        flow, loss, extra = np.zeros((3, 2, 1), np.int64)
        came = np.array([[0], [wanted]], np.int64)
        assert deliver(tail, head, ints(0), r, ints(50_000_000), order, link, ints(1), came,
                       flow, loss, extra[:, 0]) == found  # fmt: skip
