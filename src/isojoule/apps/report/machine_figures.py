"""Pictures of machines: their stages, what they asked, and the Orders that they ran."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.report import svg
from isojoule.apps.report.plot import Plot, calendar
from isojoule.apps.report.read import Floats, RunFiles
from isojoule.apps.report.words import HUNDREDTHS, fine, number
from isojoule.apps.report.work import ASLEEP, Work

STAGES = (
    ("battery", "normal"),
    ("sun", "saving"),
    ("bad", "critical"),
    ("base", "asleep"),
    ("ink", "dead"),
)
"""Colour and word of each stage, in the order of `isojoule.machine.Stage`."""
TONES = ("grid", "sun", "battery", "full", "loss", "export", "spill", "use")
"""Colours of machines, in the order of the scenario; used again where there are more."""
MOST_ORDERS = 600


def tone_of(machine: int) -> str:
    """Colour of a machine."""
    return TONES[machine % len(TONES)]


def time_x(left: float, right: float, count: int) -> Floats:
    """Edges of `count` intervals, (count + 1,)."""
    return np.linspace(left, right, count + 1)


def runs_of(values: NDArray[Any]) -> list[tuple[int, int, int]]:
    """Stretches of equal values: first, end, value."""
    cuts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [(a, b, int(values[a])) for a, b in pairwise(cuts) if b > a]


def short_name(name: str, left: float) -> str:
    """A name that fits beside a picture."""
    limit = max(4, int(left / 6.8))
    return name if len(name) <= limit else f"{name[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def lanes(run: RunFiles, works: tuple[Work, Work], width: float = 720) -> str:
    """A lane a machine: its stage over time, and above the strip how busy it was.

    Parameters
    ----------
    works
        With the market, and alone.
    """
    machines = run.scenario.machines
    narrow = width < 480
    left, right = (6.0 if narrow else 170.0), width - 8
    head, lane, gap = (18.0 if narrow else 0.0), 30.0, 10.0
    interval = run.scenario.interval_s
    step = head + 2 * lane + gap
    top = 8.0
    x = time_x(left, right, len(works[0].times_s))
    parts, said = [], []
    bottom = top + step * len(machines) - gap
    times = works[0].times_s
    parts.append(calendar(left, right, top, bottom, times, int(times[-1]) + interval, run.timezone))
    for m, machine in enumerate(machines):
        y = top + m * step
        if narrow:
            parts.append(svg.words(left, y + 12, machine.name, bold=True))
        else:
            name = short_name(machine.name, left - 60)
            parts.append(svg.words(4, y + lane + 4, name, bold=True))
        for i, (work, word) in enumerate(zip(works, ("market", "alone"), strict=True)):
            base = y + head + (i + 1) * lane - 4
            if not narrow:
                parts.append(svg.words(left - 8, base - 4, word, anchor="end", colour="soft"))
            for a, b, stage in runs_of(work.stage[:, m]):
                colour, name = STAGES[stage]
                height = 9.0 if stage < ASLEEP else 5.0
                parts.append(
                    svg.bar(x[a], base - height, x[b] - x[a], height, colour,
                            f"{machine.name}, {word}: {name}")
                )  # fmt: skip
            busy = work.operations[:, m] / max(machine.capacity(interval), 1)
            parts.append(_steps(x, busy, base - 10.5, 14.0))
            hours = [float((work.stage[:, m] == s).sum()) * interval / 3600 for s in range(5)]
            awake = ", ".join(
                f"{STAGES[s][1]} {number(h, 1)} h" for s, h in enumerate(hours) if h > 0
            )
            said.append(f"{machine.name} {'with the market' if not i else 'alone'}: {awake}")
    return svg.picture(width, bottom + 20, "".join(parts), f"Stages. {'; '.join(said)}.")


def _steps(x: Floats, share: Floats, base: float, height: float) -> str:
    """Filled steps upward from `base`, one an interval."""
    out = []
    for a, b, some in runs_of((share > 0).astype(np.int8)):
        if not some:
            continue
        points = [(float(x[a]), base)]
        for i in range(a, b):
            y = base - max(1.0, height * min(float(share[i]), 1.0))
            points += [(float(x[i]), y), (float(x[i + 1]), y)]
        points.append((float(x[b]), base))
        out.append(svg.path(points, close=True))
    return f'<path d="{"".join(out)}" {svg.fill("grid")}/>' if out else ""


def price_unit_of(prices: Floats, currency: str) -> tuple[float, str, str]:
    """How many operations to price at once, and that in words and as a unit.

    The power of a thousand at which the middle price is between 0.1 and 100 of the unit of money.
    """
    known = prices[np.isfinite(prices) & (prices > 0)]
    money, per = (HUNDREDTHS[currency], 100.0) if currency in HUNDREDTHS else (currency, 1.0)
    if not known.size:
        return 1e9 * per, "10\N{SUPERSCRIPT NINE}", money
    middle = float(np.median(known)) * per
    exponent = max(3 * int(np.ceil((-1.0 - np.log10(middle)) / 3)), 0)
    raised = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(c)] for c in str(exponent))
    return 10.0**exponent * per, f"10{raised}", money


def compute_price(run: RunFiles, work: Work, prices: Floats, width: float = 720) -> str:
    """What each machine asked for the next operations over time (lines), and what was paid (dots).

    Parameters
    ----------
    prices
        Money per operation, (intervals, machines), nan while asleep: `work.asked`.
    """
    scale, many, unit = price_unit_of(prices, run.summary["currency"])
    shown = prices * scale
    dots = [
        (s.at, s.machine, s.price / s.operations * scale) for s in work.steps if s.operations > 0
    ]
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    plot = Plot(width, 240.0, 0.0, top * 1.12)
    times = work.times_s
    end = int(times[-1]) + run.scenario.interval_s
    parts = [
        calendar(plot.left, plot.right, plot.top, plot.bottom, times, end, run.timezone),
        plot.axis(f"{unit} per {many} operations"),
    ]
    parts += [plot.broken(shown[:, m], tone_of(m), 1.2) for m in range(shown.shape[1])]
    x = plot.x(len(times))
    for at, m, value in dots:
        y = float(plot.y(np.array(min(value, plot.high))))
        parts.append(svg.dot(float(x[at]), y, 2.2, tone_of(m)))
    said = []
    for m, machine in enumerate(run.scenario.machines):
        known = shown[:, m][np.isfinite(shown[:, m])]
        if known.size:
            low, high = fine(float(known.min())), fine(float(known.max()))
            said.append(f"{machine.name} {low} to {high}")
    told = f"Price of compute in {unit} per {many} operations: {'; '.join(said)}."
    return svg.picture(width, 258, "".join(parts), told)


def orders_chart(run: RunFiles, work: Work, world: str, width: float = 480) -> str:
    """A row an Order, from its arrival to its end: where it ran, and whether it was finished."""
    s = run.scenario
    done = {o["order"]: o["finished"] for o in run.summary["orders"][world]}
    orders = sorted((o for o in s.orders if o.name in done), key=lambda o: (o.at_s, o.name))
    hidden = len(orders) - MOST_ORDERS
    orders = orders[:MOST_ORDERS]
    times = work.times_s
    end_s = int(times[-1]) + s.interval_s
    left, right, top = 6.0, width - 14, 8.0
    row = min(9.0, max(1.5, 480 / max(len(orders), 1)))
    bottom = top + row * len(orders)
    x = time_x(left, right, len(times))
    steps: dict[str, list[tuple[int, int]]] = {}
    for step in work.steps:
        if step.operations > 0:
            steps.setdefault(step.order, []).append((step.at, step.machine))
    parts = [calendar(left, right, top, bottom, times, end_s, run.timezone)]
    for i, order in enumerate(orders):
        y = top + (i + 0.5) * row
        own = steps.get(order.name, [])
        first = min(int(np.searchsorted(times, order.at_s)), len(times) - 1)
        late = int(np.searchsorted(times, min(order.deadline_s, end_s)))
        last = own[-1][0] + 1 if own and done[order.name] else late
        parts.append(svg.rule(float(x[first]), y, float(x[max(last, first)]), y))
        for at, until, machine in _joined(own):
            names = f"{order.name}: {s.machines[machine].name}"
            height = max(row * 0.8, 1.2)
            parts.append(
                svg.bar(float(x[at]), y - height / 2, float(x[until] - x[at]), height,
                        tone_of(machine), names)
            )  # fmt: skip
        if not done[order.name]:
            parts.append(_cross(float(x[late]), y, min(row * 0.45, 2.6)))
    finished = sum(done[o.name] for o in orders)
    told = (
        f"Orders {'with the market' if world == 'market' else 'alone'}: {number(finished)} of "
        f"{number(len(orders))} finished, each drawn from its arrival to its end."
    )
    if hidden > 0:
        told += f" The first {number(MOST_ORDERS)}."
    return svg.picture(width, bottom + 18, "".join(parts), told)


def _joined(steps: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Steps that follow each other on one machine as one stretch: first, end, machine."""
    out: list[tuple[int, int, int]] = []
    for at, machine in steps:
        if out and out[-1][1] == at and out[-1][2] == machine:
            out[-1] = (out[-1][0], at + 1, machine)
        else:
            out.append((at, at + 1, machine))
    return out


def _cross(x: float, y: float, size: float) -> str:
    d = f"{svg.path([(x - size, y - size), (x + size, y + size)])}"
    d += svg.path([(x - size, y + size), (x + size, y - size)])
    return f'<path d="{d}" {svg.stroke("bad", 1.4)}/>'
