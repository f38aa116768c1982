"""Breadth-first searches against naive ones."""

from __future__ import annotations

import numpy as np
import pytest

from isojoule.kernels.incidence import incidence
from isojoule.kernels.price_reach import first_walls, nearest


def steps_from(source: int, nodes: int, ends: list[tuple[int, int]], cost: list[int]) -> list[int]:
    """Bellman and Ford: least sum of costs from a node to each; 99 where no way leads."""
    far = [99] * nodes
    far[source] = 0
    for _ in range(nodes):
        for (a, b), c in zip(ends, cost, strict=True):
            far[a] = min(far[a], far[b] + c)
            far[b] = min(far[b], far[a] + c)
    return far


@pytest.mark.parametrize("seed", range(30))
def test_against_naive_searches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes, links = int(rng.integers(1, 9)), int(rng.integers(0, 12))
    tail, head = rng.integers(0, nodes, (2, links))
    keep = tail != head
    tail, head = tail[keep].astype(np.int64), head[keep].astype(np.int64)
    ends = list(zip(tail.tolist(), head.tolist(), strict=True))
    start, incident = incidence(nodes, tail, head)
    full = rng.random(tail.size) < 0.4

    at = np.where(rng.random(nodes) < 0.4, rng.integers(0, 20, nodes), -1).astype(np.int64)
    found = nearest(start, incident, tail, head, ~full, at)
    opened = [1 if open_ else 99 for open_ in ~full]
    for v in range(nodes):
        far = steps_from(v, nodes, ends, opened)
        best = min((far[u] for u in range(nodes) if at[u] >= 0), default=99)
        equal = [int(at[u]) for u in range(nodes) if at[u] >= 0 and far[u] == best < 99]
        assert found[v] == min(equal, default=-1)

    root = int(rng.integers(0, nodes))
    wall, near = first_walls(start, incident, tail, head, full, root)
    crossed = steps_from(root, nodes, ends, [int(f) for f in full])
    for v in range(nodes):
        if crossed[v] in (0, 99):
            assert wall[v] == near[v] == -1
            continue
        e = int(wall[v])
        assert full[e] and near[v] in ends[e]
        far_end = sum(ends[e]) - int(near[v])
        # one full link nearer to the root, and no other one before it
        assert crossed[far_end] == crossed[v] - 1
        walls_only = [99 if f else 0 for f in full]
        assert steps_from(v, nodes, ends, walls_only)[int(near[v])] == 0
