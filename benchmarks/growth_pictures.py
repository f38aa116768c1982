"""Pictures of how time grows, in the style of the examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.subjects import Data
from examples._picture import BLUE, GREEN, PURPLE, RED, axes, label, picture

SIZE = (8.0, 4.4)
COLOURS = {"first-order": BLUE, "tree": GREEN, "interior-point": RED}


def draw(data: Data, folder: Path) -> None:
    """Draw all four into `folder`."""
    _nodes(data["nodes"], folder)
    _hops(data["hops"], folder)
    _values(data["k"], folder, "k", "Bent curves take longer", "k, shape of the curve")
    _values(data["loss"], folder, "loss", "Small losses take longer", "loss of a link, %")


def _line(
    ax: Any, points: list[Data], x: Callable[[Data], float], text: str, colour: str, marker: str
) -> None:
    points = sorted(points, key=x)
    where, when = [x(p) for p in points], [p["seconds"] for p in points]
    ax.plot(where, when, marker=marker, color=colour, clip_on=False)
    label(ax, where[-1], when[-1], text, colour)


def _nodes(points: list[Data], folder: Path) -> None:
    headline = "Ten times the nodes, about ten times the time"
    with picture(folder, "nodes", headline, size=SIZE) as (ax,):
        ax.set_xscale("log")
        ax.set_yscale("log")
        for what, colour in (
            ("random geometric", BLUE), ("square grid", PURPLE), ("radial tree", GREEN),
        ):  # fmt: skip
            own = [p for p in points if p["what"] == what and p["solver"] != "interior-point"]
            _line(ax, own, lambda p: p["nodes"], f"{what}\n{own[0]['solver']}", colour, "o")
        own = [p for p in points if p["solver"] == "interior-point"]
        own = [p for p in own if p["what"] == "random geometric"]
        _line(ax, own, lambda p: p["nodes"], "random geometric\ninterior-point", RED, "s")
        axes(ax, "nodes", "time to a gap of 1e-6, s")
        _room(ax)


def _hops(points: list[Data], folder: Path) -> None:
    headline = "A long, thin grid is no harder than a compact one"
    with picture(folder, "hops", headline, size=SIZE) as (ax,):
        ax.set_xscale("log")
        ax.set_yscale("log")
        for what, solver, colour, marker in (
            ("grid", "first-order", BLUE, "o"),
            ("tree", "first-order", PURPLE, "s"),
            ("tree", "tree", GREEN, "o"),
        ):
            own = [p for p in points if (p["what"], p["solver"]) == (what, solver)]
            _line(ax, own, lambda p: p["hops"], f"{what}s by\n{solver}", colour, marker)
        axes(ax, "links between the nodes farthest apart", "time to a gap of 1e-6, s")
        _room(ax)


def _values(points: list[Data], folder: Path, name: str, headline: str, x: str) -> None:
    scale = 100.0 if name == "loss" else 1.0
    with picture(folder, name, headline, size=SIZE) as (ax,):
        if name == "k":
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_yscale("log")
        for solver in ("first-order", "tree"):
            own = [p for p in points if p["solver"] == solver and p[name] is not None]
            text = f"{own[0]['shape']}\nby {solver}"
            _line(ax, own, lambda p: scale * p[name], text, COLOURS[solver], "o")
        axes(ax, x, "time to a gap of 1e-6, s")
        _room(ax)


def _room(ax: Any) -> None:
    """Room to the right for the names of the curves."""
    ax.margins(x=0.02)
