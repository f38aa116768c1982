"""How the time of a solver grows: with the nodes, the hops across, the shape of k, the losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from benchmarks import books, graphs, growth_pictures, ours
from benchmarks.clock import timed
from benchmarks.graphs import Shape
from benchmarks.program import GAP, gap_of, program_of
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, digits, seconds, table, tiny

TITLE = "How time grows"
SEED = 2
RUNS = 3
BUDGET_S = 6.0

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SLOW = ("interior-point", 100_000)
"""Not run on more nodes than this."""
WIDE = 100_000
"""Nodes where the hops across differ."""
MIDDLE = 10_000
"""Nodes where k or the losses differ."""
SHAPES_OF_K = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
LOSSES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1)


def measure(quick: bool, say: Say) -> Data:
    """All four, each a list of points."""
    for name in ("first-order", "tree", "interior-point"):  # compile
        for k in (1.0, 2.0):
            _point(name, graphs.tree(100, SEED), quick=True, k=k)
    return {
        "nodes": list(_by_nodes(quick, say)),
        "hops": list(_by_hops(quick, say)),
        "k": list(_by_k(quick, say)),
        "loss": list(_by_loss(quick, say)),
    }


def _point(name: str, shape: Shape, *, quick: bool, **book: object) -> Data:
    made = books.batteries(shape, SEED, **book)  # type: ignore[arg-type]
    spent, found = timed(ours.solver(name, *made), 1 if quick else RUNS, BUDGET_S)
    return {
        "solver": name,
        "shape": shape.name,
        "nodes": shape.nodes,
        "links": shape.links,
        "seconds": spent.median_s,
        "steps": found.steps,
        "gap": gap_of(program_of(*made), found.answer),
    }


def _by_nodes(quick: bool, say: Say) -> Iterable[Data]:
    shapes: dict[str, Callable[[int], Shape]] = {
        "random geometric": lambda n: graphs.geometric(n, SEED),
        "square grid": lambda n: graphs.grid(round(n**0.5), round(n**0.5)),
        "radial tree": lambda n: graphs.tree(n, SEED),
    }
    for size in (100, 400) if quick else SIZES:
        for what, make in shapes.items():
            shape = make(size)
            say(f"{what}, {shape.nodes:,} nodes")
            names = ["tree" if what == "radial tree" else "first-order"]
            if size <= SLOW[1]:
                names.append(SLOW[0])
            for name in names:
                yield _point(name, shape, quick=quick) | {"what": what}


def _by_hops(quick: bool, say: Say) -> Iterable[Data]:
    nodes = 400 if quick else WIDE
    rows = [r for r in (1, 3, 10, 32, 100, 316) if r * r <= nodes]
    meshes = [graphs.grid(r, nodes // r) for r in rows]
    trees = [graphs.tree(nodes, SEED, kind) for kind in graphs.TREES]
    for name, shapes in (("first-order", meshes + trees), ("tree", trees)):
        for shape in shapes:
            hops = graphs.hops(shape)
            say(f"{shape.name}, {hops:,} hops, {name}")
            kind = "tree" if shape in trees else "grid"
            yield _point(name, shape, quick=quick) | {"hops": hops, "what": kind}


def _by_k(quick: bool, say: Say) -> Iterable[Data]:
    nodes = 200 if quick else MIDDLE
    mixed = np.random.default_rng(SEED).choice(SHAPES_OF_K, nodes)
    for name, shape in _by_shape(nodes):
        for k in SHAPES_OF_K:
            say(f"{shape.name}, k = {k}, {name}")
            yield _point(name, shape, quick=quick, k=k) | {"k": k}
        yield _point(name, shape, quick=quick, k=mixed) | {"k": None}


def _by_loss(quick: bool, say: Say) -> Iterable[Data]:
    nodes = 200 if quick else MIDDLE
    for name, shape in _by_shape(nodes):
        for loss in LOSSES:
            say(f"{shape.name}, loss {loss:.1%}, {name}")
            yield _point(name, shape, quick=quick, loss=loss) | {"loss": loss}


def _by_shape(nodes: int) -> list[tuple[str, Shape]]:
    mesh, tree = graphs.geometric(nodes, SEED), graphs.tree(nodes, SEED)
    return [("first-order", mesh), ("interior-point", mesh), ("tree", tree)]


def page(data: Data) -> str:
    """Pictures, and the table of their points."""
    heads = ["", "solver", "nodes", "links", "time", "steps", "gap"]
    parts = []
    for name, words in _WORDS.items():
        rows = [
            [
                label(name, p),
                p["solver"],
                count(p["nodes"]),
                count(p["links"]),
                seconds(p["seconds"]) + ("" if p["gap"] <= GAP else ", not reached"),
                count(p["steps"]),
                tiny(p["gap"]),
            ]
            for p in data[name]
        ]
        parts.append(
            f"### {words[0]}\n\n{words[1]}\n\n![{words[0]}](img/performance/{name}.svg)\n\n"
            f"<details><summary>The numbers</summary>\n\n{table(heads, rows)}\n\n</details>\n"
        )
    return "Solvers alone, to a certified gap of 1e-6, as above.\n\n" + "\n".join(parts)


def label(name: str, point: Data) -> str:
    """What is different about a point, in words."""
    if name == "nodes":
        return str(point["what"])
    if name == "hops":
        return f"{point['shape']}, {count(point['hops'])} hops across"
    if name == "k":
        return "k mixed" if point["k"] is None else f"k = {digits(point['k'])}"
    return f"loss {100 * point['loss']:g} %"


def pictures(data: Data, folder: Path) -> None:
    """Draw all four."""
    growth_pictures.draw(data, folder)


_WORDS = {
    "nodes": (
        "With the nodes",
        """\
Steps are as many for a million nodes as for a thousand: energy travels a few dozen links at most
before the losses have eaten what it would earn. So time grows with the nodes, and a little more
where their columns no longer fit the caches.""",
    ),
    "hops": (
        "With the hops across",
        """\
The same number of nodes, from a compact grid to a single line. What counts is how far energy pays
to travel, not how far it could; and a line has fewer links.""",
    ),
    "k": (
        "With the shape of the curves",
        """\
k bends the worth of stored energy: 1 is a straight line, 0.2 and 8 are nearly steps. Where a
curve is nearly level and then steep, steps that suit both are many; Newton's steps do not care.""",
    ),
    "loss": (
        "With the losses",
        """\
The less a link loses, the farther energy travels, and the more steps it takes until no pair gains
any more.""",
    ),
}
