"""Numbers and tables in Markdown, as the page shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column leans left, all others right."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, rule, *rows])


def seconds(s: float | None) -> str:
    """A time, with three digits."""
    if s is None or not math.isfinite(s):
        return "-"
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if s >= size:
            return f"{digits(s / size)} {unit}"
    return f"{digits(s / 1e-9)} ns"


def goal(s: float) -> str:
    """A time that is wanted, as it was said: 0.5 s, 60 ms."""
    return f"{s:g} s" if s >= 0.1 else f"{1e3 * s:g} ms"


def digits(x: float | None) -> str:
    """A number with three digits, of which none is lost before the point."""
    if x is None or not math.isfinite(x):
        return "-"
    if x == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(x))))
    return f"{x:,.{places}f}"


def times(x: float | None) -> str:
    """A ratio."""
    return "-" if x is None or not math.isfinite(x) else f"{digits(x)} x"


def percent(x: float | None) -> str:
    """A share."""
    return "-" if x is None or not math.isfinite(x) else f"{100 * x:.0f} %"


def tiny(x: float | None) -> str:
    """A gap."""
    if x is None or not math.isfinite(x):
        return "-"
    return f"{x:.0e}" if x >= 1e-12 else "< 1e-12"


def count(n: float) -> str:
    """A size: 100,000."""
    return f"{n:,.0f}"
