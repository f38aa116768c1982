"""Shapes and books: what they promise, from their seeds."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import books, graphs

ALL = [
    graphs.geometric(300, 1),
    graphs.grid(13, 7),
    *(graphs.tree(200, 1, kind) for kind in graphs.TREES),
]


@pytest.mark.parametrize("shape", ALL, ids=lambda s: s.name)
def test_links_lead_upwards_and_stand_once(shape: graphs.Shape) -> None:
    assert np.all(shape.tail < shape.head)
    assert shape.tail.min() >= 0
    assert shape.head.max() < shape.nodes
    pairs = set(zip(shape.tail.tolist(), shape.head.tolist(), strict=True))
    assert len(pairs) == shape.links


@pytest.mark.parametrize("kind", graphs.TREES)
def test_trees_have_one_parent_each(kind: str) -> None:
    shape = graphs.tree(500, 3, kind)
    assert np.array_equal(shape.head, np.arange(1, 500))
    assert np.bincount(shape.tail).max() <= 12


def test_seeds_fix_everything() -> None:
    for make in (lambda s: graphs.geometric(200, s), lambda s: graphs.tree(200, s)):
        one, again, other = make(1), make(1), make(2)
        assert np.array_equal(one.tail, again.tail)
        assert np.array_equal(one.head, again.head)
        assert not (one.links == other.links and np.array_equal(one.tail, other.tail))
    book, _ = books.batteries(graphs.tree(50, 1), 1)
    again, _ = books.batteries(graphs.tree(50, 1), 1)
    assert np.array_equal(book.pieces.lo, again.pieces.lo)


def test_hops_across() -> None:
    assert graphs.hops(graphs.tree(40, 0, "path")) == 39
    assert graphs.hops(graphs.grid(5, 9)) == 12
    assert graphs.hops(graphs.tree(40, 0, "caterpillar")) == 21
    deep, flat = graphs.tree(2000, 1, "feeder"), graphs.tree(2000, 1, "bushy")
    assert graphs.hops(flat) < graphs.hops(deep) < 1999


def test_a_geometric_graph_has_six_neighbours_and_keeps_them_near() -> None:
    shape = graphs.geometric(20_000, 7)
    assert 2 * shape.links / shape.nodes == pytest.approx(graphs.NEIGHBOURS, rel=0.05)
    # in the order of a random numbering, half of the links would span a third of all numbers
    assert np.median(shape.head - shape.tail) < 100


def test_the_next_interval_differs_a_little_at_every_node() -> None:
    book, _ = books.batteries(graphs.tree(4000, 1), 1)
    after = books.later(book, 2)
    change_j = after.pieces.lo - book.pieces.lo
    assert np.count_nonzero(change_j) > 3900
    assert np.std(change_j) == pytest.approx(books.NOISE * books.FULL_J, rel=0.1)
    assert np.allclose(after.pieces.hi - after.pieces.lo, books.FULL_J)
    assert np.array_equal(after.pieces.k, book.pieces.k)
