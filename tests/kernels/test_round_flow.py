"""Whole flows next to given ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.grid import Grid
from isojoule.grid.dc import linear_flow_of
from isojoule.kernels.round_flow import round_flow


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9))
def test_rounded_down_or_up_with_the_same_sums(seed: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(2, 30))
    ends = [(int(rng.integers(v)), v) for v in range(1, nodes) if rng.random() < 0.95]
    more = int(rng.integers(0, 3 * nodes))
    ends += [tuple(rng.choice(nodes, 2, replace=False).tolist()) for _ in range(more)]
    tail, head = (np.array([e[i] for e in ends], np.int64) for i in (0, 1))
    grid = Grid(
        tuple(f"n{v}" for v in range(nodes)),
        tuple(f"l{e}" for e in range(tail.size)),
        tail.astype(np.int32),
        head.astype(np.int32),
        reactance_ohm=rng.uniform(0.1, 3, tail.size),
    )
    linear = linear_flow_of(grid, 1.0)
    assert not isinstance(linear, tuple)
    fed_in = np.rint(rng.normal(size=nodes) * 10.0**digits).astype(np.int64)
    for part, root in enumerate(linear.root):
        fed_in[root] -= fed_in[linear.part == part].sum()
    flow = linear.flows(linear.angles(fed_in.astype(np.float64)))
    both = np.concatenate([linear.tail, linear.head])
    incident = np.argsort(both, kind="stable")
    start = np.searchsorted(both[incident], np.arange(nodes + 1))
    whole = round_flow(
        linear.tail, linear.head, flow, fed_in, linear.up, linear.link, linear.order, start,
        incident % max(tail.size, 1),
    )  # fmt: skip
    assert np.array_equal(np.rint(linear.leaves(whole.astype(np.float64))), fed_in)
    assert np.all(np.abs(whole - flow) < 1.01)
    off = linear.astray(whole.astype(np.float64))
    floats = 1e-6 + 1e-13 * float(np.max(np.abs(flow), initial=0.0))
    assert np.allclose(off, whole - flow, rtol=0, atol=floats)
