"""The one style of all pictures, and how a script runs.

Colours follow those of Okabe and Ito: told apart also by people who see red and green alike, dark
enough for text. A curve is named where it ends, an axis says its unit, the headline is the claim.
The same numbers give the same file: no date, no random names, text stays text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isojoule.core.errors import InputError, IsojouleError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, LINE = "#1d2733", "#5b6876", "#d5dbe1"
BLUE, RED, GREEN, AMBER, PURPLE, SKY = (
    "#0072b2", "#d55e00", "#00896b", "#c07c00", "#b04a84", "#56b4e9",
)  # fmt: skip
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "isojoule",
    "font.family": ["DejaVu Sans", "sans-serif"],  # the first comes with matplotlib
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": SOFT,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
    "lines.markersize": 5,
    "figure.facecolor": "white",
}


@contextmanager
def picture(
    folder: Path,
    name: str,
    headline: str,
    panels: int = 1,
    *,
    size: tuple[float, float] = (8.0, 4.4),
    widths: Sequence[float] | None = None,
) -> Iterator[list[Axes]]:
    """Axes to draw on, side by side; at the end `folder/name.svg` is written.

    Parameters
    ----------
    size
        Width and height, inches.
    widths
        Of the panels, relative to each other.

    Raises
    ------
    InputError
        The drawing library is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ModuleNotFoundError as error:
        raise InputError(
            "pictures need matplotlib, which is not installed",
            remedy="install the extra: .venv/bin/pip install -e '.[examples]'",
        ) from error
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
        figure = Figure(figsize=size, layout=layout)
        row = figure.subplots(1, panels, squeeze=False, width_ratios=widths)[0]
        figure.suptitle(headline, x=0.012, ha="left", fontsize=13, fontweight="bold")
        yield list(row)
        folder.mkdir(parents=True, exist_ok=True)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(folder / f"{name}.svg", metadata=nothing)


def axes(ax: Axes, x: str, y: str, *, low: float | None = None) -> None:
    """Name both axes, the upright one above itself; `low` is where it begins."""
    ax.set_xlabel(x)
    ax.set_title(y)
    if low is not None:
        ax.set_ylim(bottom=low)


def label(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    colour: str = INK,
    *,
    dx: float = 6,
    dy: float = 0,
    ha: str = "left",
    va: str = "center",
) -> None:
    """Write beside a point of the data; `dx`, `dy` in points."""
    ax.annotate(
        text,
        (x, y),
        xytext=(dx, dy),
        textcoords="offset points",
        color=colour,
        ha=ha,
        va=va,
        annotation_clip=False,
    )


def run(main: Callable[[Path], str]) -> None:
    """Run `main` from a terminal: `python examples/NAME.py [FOLDER]`."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("pictures")
    try:
        found = main(folder)
    except IsojouleError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    print(found)
    print(f"picture: {folder / Path(sys.argv[0]).stem}.svg")
