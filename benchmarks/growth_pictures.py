"""Pictures of how time grows, in the style of the examples."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.program import GAP
from benchmarks.subjects import Data
from benchmarks.tables import goal
from examples._picture import BLUE, GREEN, PURPLE, RED, axes, label, picture

TIME = "time to a gap of 1e-6"
APART = 0.075
"""Least distance of two names, as a share of the height of the axes."""
HEIGHT_PT = 230.0
"""Of the axes, about."""


class Curve(NamedTuple):
    """Points of one solver on one kind of graph."""

    text: str
    colour: str
    points: list[Data]


def draw(data: Data, folder: Path) -> None:
    """Draw all four into `folder`."""
    shapes = [
        Curve("random geometric", BLUE, _of(data["nodes"], "first-order", "random geometric")),
        Curve("square grid", PURPLE, _of(data["nodes"], "first-order", "square grid")),
        Curve("radial tree", GREEN, _of(data["nodes"], "tree", "radial tree")),
        Curve("random geometric", RED, _of(data["nodes"], "interior-point", "random geometric")),
    ]
    _picture(folder, "nodes", "Ten times the nodes, ten to twenty times the time", "nodes", shapes)
    across = [
        Curve("grids", BLUE, _of(data["hops"], "first-order", "grid")),
        Curve("trees", PURPLE, _of(data["hops"], "first-order", "tree")),
        Curve("trees", GREEN, _of(data["hops"], "tree", "tree")),
    ]
    far = "links between the nodes that lie farthest apart"
    _picture(folder, "hops", "A long, thin grid is no harder than a compact one", far, across)
    bent = list(_solvers(data["k"]))
    _picture(folder, "k", "Bent curves take longer", "k, the shape of the curves", bent)
    lossy = list(_solvers(data["loss"]))
    _picture(folder, "loss", "Energy that travels far takes longer", "loss of a link, %", lossy)


def _of(points: list[Data], solver: str, what: str) -> list[Data]:
    return [p for p in points if (p["solver"], p["what"]) == (solver, what)]


def _solvers(points: list[Data]) -> Iterable[Curve]:
    colours = {"first-order": BLUE, "interior-point": RED, "tree": GREEN}
    for solver, colour in colours.items():
        yield Curve(
            "radial tree" if solver == "tree" else "random geometric",
            colour,
            [p for p in points if p["solver"] == solver],
        )


def _picture(folder: Path, name: str, headline: str, x: str, curves: list[Curve]) -> None:
    scale = 100.0 if name == "loss" else 1.0
    with picture(folder, name, headline, size=(8.6, 4.4)) as (ax,):
        if name != "loss":
            ax.set_xscale("log", base=2 if name == "k" else 10)
            ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x > 1 else f"{x:g}")
        if name != "hops":
            ax.set_yscale("log")
            ax.yaxis.set_minor_formatter("")
        ax.yaxis.set_major_formatter(lambda s, _: goal(s))
        ends = []
        for curve in curves:
            found = [p for p in curve.points if p[name] is not None and p["gap"] <= GAP]
            found.sort(key=lambda p: p[name])
            where, when = [scale * p[name] for p in found], [p["seconds"] for p in found]
            ax.plot(where, when, marker="o", color=curve.colour, clip_on=False)
            text = f"{curve.text}, {found[0]['solver']}"
            ends.append((where[-1], when[-1], text, curve.colour))
        low, high = ax.get_ylim()
        if name != "hops":  # whole powers of ten
            ax.set_ylim(10.0 ** np.floor(np.log10(low)), 10.0 ** np.ceil(np.log10(high)))
        axes(ax, x, TIME, low=0.0 if name == "hops" else None)
        _names(ax, ends)


def _names(ax: Any, ends: list[tuple[float, float, str, str]]) -> None:
    """Name the curves where they end, one above the other."""
    to_axes = ax.transData + ax.transAxes.inverted()
    heights = [float(to_axes.transform((x, y))[1]) for x, y, *_ in ends]
    right = max(x for x, *_ in ends)
    last = -1.0
    for height, (_, y, text, colour) in sorted(zip(heights, ends, strict=True)):
        place = max(height, last + APART)
        label(ax, right, y, text, colour, dx=8, dy=HEIGHT_PT * (place - height))
        last = place
