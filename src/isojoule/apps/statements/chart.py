"""The price at a home over a period, and what it bought and sold meanwhile, as one SVG picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.report import svg
from isojoule.apps.report.plot import MOST_POINTS, Plot, calendar, shorten
from isojoule.apps.report.words import number, price_unit
from isojoule.core.units import J_PER_KWH, UJ_PER_J

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WIDTH = 760.0
PRICE_HEIGHT, POWER_HEIGHT = 190.0, 130.0


def chart(
    times_s: Ints,
    end_s: int,
    interval_s: float,
    zone: str,
    currency: str,
    price_per_j: Floats,
    sells_at_per_j: Floats,
    buys_at_per_j: Floats,
    metered_uj: Ints,
) -> str:
    """Draw it; all series are of shape (T,), and shortened where there are very many intervals."""
    unit, scale = price_unit(currency)
    scale *= J_PER_KWH
    price, sells, buys = (
        shorten(series * scale, MOST_POINTS)
        for series in (price_per_j, sells_at_per_j, buys_at_per_j)
    )
    to_kw = 1e-3 / (UJ_PER_J * interval_s)
    bought = shorten(np.maximum(metered_uj, 0) * to_kw, MOST_POINTS)
    sold = shorten(np.maximum(-metered_uj, 0) * to_kw, MOST_POINTS)
    every = np.concatenate([price, sells, buys])
    every = every[np.isfinite(every)]
    high = float(every.max()) if every.size else 1.0
    low = min(0.0, float(every.min())) if every.size else 0.0
    top = Plot(WIDTH, PRICE_HEIGHT, low, high + 0.06 * (high - low))
    most = float(np.max([bought, sold]))
    least = -float(sold.max())
    under = Plot(WIDTH, POWER_HEIGHT, least, float(bought.max()), top=PRICE_HEIGHT)
    parts = [_axis(top, unit)]
    parts += [
        f'<path d="{steps(top, series)}" {svg.stroke(colour, width, dash)}/>'
        for series, colour, width, dash in (
            (sells, "bad", 1.2, "5 3"),
            (buys, "soft", 1.2, "5 3"),
            (price, "grid", 2.0, ""),
        )
    ]
    parts.append(_axis(under, "kW" if most >= 0.5 else "W", 1.0 if most >= 0.5 else 1e3))
    parts += [bars(under, bought, "export"), bars(under, -sold, "sun"), under.level(0.0)]
    bottom = PRICE_HEIGHT + POWER_HEIGHT - 8
    parts.append(calendar(under.left, under.right, top.top, bottom, times_s, end_s, zone))
    known = price_per_j[np.isfinite(price_per_j)] * scale
    told = "No price."
    if known.size:
        told = (
            f"The price at this home, from {number(float(known.min()), 1)} to "
            f"{number(float(known.max()), 1)} {unit}, above what it bought and sold."
        )
    return svg.picture(WIDTH, PRICE_HEIGHT + POWER_HEIGHT + 12, "".join(parts), told)


def steps(plot: Plot, values: Floats) -> str:
    """The `d` of a line of steps, with gaps where a value is missing."""
    edges = np.linspace(plot.left, plot.right, len(values) + 1)
    y = plot.y(values)
    out, open_ = [], False
    for i in range(len(values)):
        if not np.isfinite(values[i]):
            open_ = False
            continue
        level = svg.at(float(y[i]))
        begin = (
            ""
            if open_ and level == svg.at(float(y[i - 1]))
            else f"{svg.at(float(edges[i]))} {level}"
        )
        if begin:
            out.append(("L" if open_ else "M") + begin)
        out.append(f"H{svg.at(float(edges[i + 1]))}")
        open_ = True
    return "".join(out)


def bars(plot: Plot, values: Floats, colour: str) -> str:
    """A bar for each value, from the zero line, as one path."""
    edges = np.linspace(plot.left, plot.right, len(values) + 1)
    zero = float(plot.y(np.array(0.0)))
    y = plot.y(values)
    d = "".join(
        f"M{svg.at(float(edges[i]))} {svg.at(zero)}V{svg.at(float(y[i]))}"
        f"H{svg.at(float(edges[i + 1]))}V{svg.at(zero)}Z"
        for i in np.flatnonzero(values != 0).tolist()
    )
    return f'<path d="{d}" {svg.fill(colour)}/>' if d else ""


def _axis(plot: Plot, unit: str, scale: float = 1.0) -> str:
    """Lines at round numbers with their signs, and the unit."""
    parts = [svg.words(4, plot.top - 7, unit, colour="soft")]
    span = scale * (plot.high - plot.low)
    digits = 0 if span > 4 else 1 if span > 0.4 else 2
    for tick in svg.ticks(
        scale * plot.low, scale * plot.high, 4 if plot.bottom - plot.top > 130 else 3
    ):
        y = float(plot.y(np.array(tick / scale)))
        parts.append(svg.rule(plot.left, y, plot.right, y))
        label = number(abs(tick) if unit in ("kW", "W") else tick, digits)
        parts.append(svg.words(plot.left - 6, y + 4, label, anchor="end", colour="soft"))
    return "".join(parts)
