"""Small parts of SVG pictures, written by hand.

Colours are CSS variables with a fallback, so that a picture follows the page's light or dark
scheme, and still has colours when it stands alone in a notebook.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from isojoule.apps.report.words import text

COLOURS = {
    "ink": "#1d2733",
    "soft": "#5b6876",
    "line": "#c9d1d9",
    "paper": "#ffffff",
    "sun": "#e0a100",
    "grid": "#2b6ca3",
    "battery": "#00896b",
    "charge": "#7fcdb5",
    "full": "#b3126c",
    "use": "#6b7785",
    "export": "#5aaede",
    "loss": "#a8441c",
    "spill": "#b26aa0",
    "good": "#00896b",
    "bad": "#b8400b",
    "base": "#8794a1",
    "low": "#2166ac",
}


def fill(name: str) -> str:
    """Colour of an area."""
    return f'style="fill:var(--{name},{COLOURS[name]})"'


def stroke(name: str, width: float = 1.0, dash: str = "") -> str:
    """Colour of a line without area."""
    dashes = f";stroke-dasharray:{dash}" if dash else ""
    return f'style="fill:none;stroke:var(--{name},{COLOURS[name]});stroke-width:{width:g}{dashes}"'


def at(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def words(
    x: float,
    y: float,
    body: str,
    *,
    anchor: str = "start",
    colour: str = "ink",
    bold: bool = False,
) -> str:
    """A line of text; `body` is escaped here."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{at(x)}" y="{at(y)}" text-anchor="{anchor}"{weight} {fill(colour)}>'
        f"{text(body)}</text>"
    )


def bar(x: float, y: float, width: float, height: float, colour: str, title: str = "") -> str:
    """A rectangle, with a title shown when pointed at."""
    inner = f"<title>{text(title)}</title>" if title else ""
    return (
        f'<rect x="{at(x)}" y="{at(y)}" width="{at(max(width, 0.6))}" '
        f'height="{at(max(height, 0.6))}" {fill(colour)}>{inner}</rect>'
    )


def dot(x: float, y: float, radius: float, colour: str) -> str:
    """A filled circle."""
    return f'<circle cx="{at(x)}" cy="{at(y)}" r="{radius:g}" {fill(colour)}/>'


def rule(x1: float, y1: float, x2: float, y2: float, colour: str = "line", dash: str = "") -> str:
    """A straight line."""
    return (
        f'<line x1="{at(x1)}" y1="{at(y1)}" x2="{at(x2)}" y2="{at(y2)}" {stroke(colour, 1, dash)}/>'
    )


def path(points: Sequence[tuple[float, float]], *, close: bool = False) -> str:
    """The `d` of a line through points."""
    body = "L".join(f"{at(x)} {at(y)}" for x, y in points)
    return f"M{body}{'Z' if close else ''}"


def picture(width: float, height: float, body: str, alternative: str) -> str:
    """A picture with its text alternative."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {at(width)} {at(height)}" '
        f'role="img" aria-label="{text(alternative)}" width="100%" '
        f'style="max-width:{at(width)}px;height:auto;display:block;'
        f'font:12px system-ui,sans-serif">{body}</svg>'
    )


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from low to high.

    >>> ticks(0, 23)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(about, 1)
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= 0.8 * rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]
