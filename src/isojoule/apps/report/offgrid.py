"""Who went without, and when: the story of a world short of energy."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.report import svg
from isojoule.apps.report.markup import key_of, two_widths
from isojoule.apps.report.plot import MOST_POINTS, Plot, blocks, calendar
from isojoule.apps.report.read import Floats, RunFiles
from isojoule.apps.report.words import (
    alone_head,
    count,
    energy,
    nobody_trades,
    number,
    percent,
    price,
    price_unit,
    text,
    while_alone,
)
from isojoule.core.units import J_PER_KWH, UJ_PER_J
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import DeviceKind

A_LITTLE = 0.01
"""Who lacks less than this share of what it needs in an interval is not in the dark."""
MOST_ROWS = 60


class Person(NamedTuple):
    """What a participant lacked: energy in J, and hours in which something was missing.

    Beside it the size of its batteries and what it sold with the market, J.
    """

    label: str
    alone_j: float
    market_j: float
    alone_h: float
    market_h: float
    battery_j: float
    sold_j: float


def dark(run: RunFiles) -> str:
    """The section on need that was not served; empty where all of it was."""
    summary = run.summary
    total = summary["total"]
    missing_j = [total[world]["unserved_j"] for world in ("market", "baseline")]
    if max(missing_j) < 1:
        return ""
    people = without(run)
    lacking = [p for p in people if max(p.alone_j, p.market_j) >= 1]
    shown = lacking[:MOST_ROWS]
    keys = key_of([("base", alone_head(summary).lower()), ("full", "with the market")])
    cut = f" The {MOST_ROWS} who lacked most alone." if len(lacking) > len(shown) else ""
    pairs = two_widths(pairs_figure(shown, 980), pairs_figure(shown, 340))
    when = two_widths(glance(run, 980), glance(run, 340))
    own = ", each place its own as nobody trades" if nobody_trades(summary) else ""
    words = key_of(
        [
            ("sun", "sun that was used"),
            ("spill", "sun not used"),
            ("base", f"need not served, {alone_head(summary).lower()}"),
            ("full", "need not served, with the market"),
            ("export", f"lowest to highest price{own}"),
            ("grid", "mean price"),
        ]
    )
    return (
        f"<section><h2>Who went without</h2>{told(run, people)}"
        f"<figure>{pairs}<figcaption>Energy that each needed and did not get.{cut} {keys}"
        f"</figcaption></figure><h3>When</h3>{days_told(run)}"
        f"<figure>{when}<figcaption>{words}</figcaption></figure></section>"
    )


def told(run: RunFiles, people: list[Person]) -> str:
    """The section in a few sentences."""
    summary = run.summary
    total, everyone = summary["total"], len(people)
    before = [p for p in people if p.alone_j >= 1]
    now = [p for p in people if p.market_j >= 1]
    first = (
        f"{while_alone(summary).capitalize()}, {number(len(before))} of {number(everyone)} went "
        f"without something, {energy(total['baseline']['unserved_j'])} in all. With the market "
    )
    same = [round(p.alone_j) for p in people] == [round(p.market_j) for p in people]
    if before and same:
        first = (
            first.removesuffix("With the market ") + "With the market everybody lacked the same."
        )
        worst = before[0]
        return (
            f"<p>{first} Worst off was {text(worst.label)}: {energy(worst.alone_j)} missing, "
            f"something in {number(worst.alone_h)} hours.</p>"
        )
    but = "but" if len(now) > len(before) else "and"
    first += (
        f"it was {number(len(now))}, {but} {energy(total['market']['unserved_j'])} in all."
        if now
        else "nobody did."
    )
    out = [first]
    if before:
        worst = before[0]
        out.append(
            f"Worst off alone was {text(worst.label)}: {energy(worst.alone_j)} missing, something "
            f"in {number(worst.alone_h)} hours; with the market "
            + (
                f"{energy(worst.market_j)}, in {number(worst.market_h)} hours."
                if worst.market_j >= 1
                else "nothing."
            )
        )
    most = max(now, key=lambda p: p.market_j, default=None)
    if most is not None and (not before or most.label != before[0].label):
        out.append(
            f"Worst off with the market is {text(most.label)}: {energy(most.market_j)} missing "
            f"({energy(most.alone_j)} alone)."
        )
    worse = [p for p in people if p.market_j > p.alone_j + 0.01 * max(p.alone_j, J_PER_KWH)]
    if worse:
        names = ", ".join(text(p.label) for p in worse[:6])
        names += f" and {len(worse) - 6} more" if len(worse) > 6 else ""
        verb = "lacks" if len(worse) == 1 else "lack"
        sold = [p.sold_j for p in worse if p.battery_j > 0]
        why = ""
        if len(sold) == len(worse) and all(sold):
            whose = "it owns a battery" if len(worse) == 1 else "all of them own a battery"
            why = f": {whose}, and sold {energy(sum(sold))}"
        out.append(f"{names} {verb} more with the market than alone{why}.")
    return f"<p>{' '.join(out)}</p>"


def without(run: RunFiles) -> list[Person]:
    """What everybody lacked in both worlds, who lacked most alone first."""
    hours = {world: hours_short(run, world) for world in ("market", "baseline")}
    rows = [
        Person(
            person["label"],
            float(person["unserved_baseline_j"]),
            float(person["unserved_market_j"]),
            hours["baseline"].get(person["participant"], 0.0),
            hours["market"].get(person["participant"], 0.0),
            float(person["battery_j"]),
            float(person["sold_j"]),
        )
        for person in run.summary["participants"]
    ]
    return sorted(rows, key=lambda p: (-p.alone_j, -p.market_j, p.label))


def hours_short(run: RunFiles, world: str) -> dict[str, float]:
    """Hours in which each participant lacked something, by name."""
    s = run.scenario
    loads = np.flatnonzero(s.devices.kind == DeviceKind.LOAD)
    came = run.as_it_came("devices", "energy_uj", world)
    frame = run.table(world, "devices").select("time_s", "device", came)
    times = np.sort(frame["time_s"].unique().to_numpy())
    got = frame[came].to_numpy().reshape(len(times), -1)
    names = frame["device"].head(got.shape[1]).to_list()
    column = {name: i for i, name in enumerate(names)}
    got = got[:, [column[s.devices.ids[i]] for i in loads]]
    rows = np.searchsorted(s.times_s, times)
    wanted = np.maximum(OfferMaker.of(s).energies_uj(slice(None))[rows][:, loads], 0)
    owner = s.devices.participant[loads]
    out: dict[str, float] = {}
    for who in np.unique(owner).tolist():
        need = wanted[:, owner == who].sum(1)
        missing = (wanted - np.maximum(got, 0))[:, owner == who].sum(1)
        short = np.count_nonzero(missing > A_LITTLE * np.maximum(need, 1))
        out[s.participants[who]] = float(short) * s.interval_s / 3600
    return out


def pairs_figure(people: list[Person], width: float = 720) -> str:
    """Two dots for each: energy that was missing alone, and with the market."""
    left, right, top, step = (min(150.0, 0.26 * width), 12.0, 26.0, 18.0)
    high = max([max(p.alone_j, p.market_j) for p in people], default=0.0)
    unit, scale = ("kWh", J_PER_KWH) if high >= 0.5 * J_PER_KWH else ("Wh", J_PER_KWH / 1e3)
    high = high / scale or 1.0
    to_x = (width - left - right - 6) / high
    bottom = top + step * len(people)
    parts = [svg.words(4, 12, unit, colour="soft")]
    for tick in svg.ticks(0.0, high, 4 if width < 480 else 8):
        x = left + tick * to_x
        parts.append(svg.rule(x, top - 6, x, bottom))
        label = f"{tick:g}"
        parts.append(svg.words(x, 12, label, anchor="middle", colour="soft"))
    most = max(4, int(left / 6.6))
    for i, p in enumerate(people):
        y = top + (i + 0.5) * step
        alone, market = left + p.alone_j / scale * to_x, left + p.market_j / scale * to_x
        name = p.label if len(p.label) <= most else f"{p.label[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
        said = (
            f"{p.label}: alone {energy(p.alone_j)} in {number(p.alone_h)} h, with the market "
            f"{energy(p.market_j)} in {number(p.market_h)} h"
        )
        tone = "good" if market <= alone else "bad"
        parts.append(svg.words(left - 8, y + 4, name, anchor="end"))
        parts.append(
            f'<g><title>{text(said)}</title><line x1="{svg.at(alone)}" y1="{svg.at(y)}" '
            f'x2="{svg.at(market)}" y2="{svg.at(y)}" {svg.stroke(tone, 2.5)}/>'
            f"{svg.dot(alone, y, 4.5, 'base')}{svg.dot(market, y, 4.5, 'full')}</g>"
        )
    least = sum(p.market_j < p.alone_j for p in people)
    alternative = (
        f"Energy not served, alone and with the market, of {count(len(people), 'participant')}; "
        f"{number(least)} lack less with the market. Most alone: "
        f"{people[0].label + ', ' + energy(people[0].alone_j) if people else 'nobody'}."
    )
    return svg.picture(width, bottom + 6, "".join(parts), alternative)


def glance(run: RunFiles, width: float = 720) -> str:
    """Sun, need that was not served, and prices over the whole run, one above the other."""
    market, alone = run.intervals("market"), run.intervals("baseline")
    to_w = 1.0 / (UJ_PER_J * run.summary["interval_s"])
    made = blocks(market, "generated_uj", MOST_POINTS) * to_w
    spilled = blocks(market, "spilled_uj", MOST_POINTS) * to_w
    short = [blocks(t, "unserved_uj", MOST_POINTS) * to_w for t in (alone, market)]
    most = max(float(made.max(initial=0.0)), float(np.max(short)))
    unit, scale = ("kW", 1e-3) if most >= 1e3 else ("W", 1.0)
    zero = np.zeros(len(made))
    sun = Plot(width, 130.0, 0.0, float(made.max()) * scale * 1.05)
    dark_ = Plot(width, 120.0, 0.0, float(np.max(short)) * scale * 1.05, top=130.0)
    parts = [
        sun.axis(f"sun, {unit}", 3),
        sun.area(zero, (made - spilled) * scale, "sun"),
        sun.area((made - spilled) * scale, made * scale, "spill"),
        dark_.axis(f"need not served, {unit}", 3),
        dark_.area(zero, short[0] * scale, "base"),
        dark_.area(zero, short[1] * scale, "full"),
    ]
    money_unit, per = price_unit(run.summary["currency"])
    low, mean, high = (
        blocks(market, f"price_{name}_per_j", MOST_POINTS, how) * per * J_PER_KWH
        for name, how in (("min", "min"), ("mean", "mean"), ("max", "max"))
    )
    top = float(np.nanmax(high)) if np.isfinite(high).any() else 1.0
    cost = Plot(width, 130.0, 0.0, top * 1.05, top=250.0)
    parts += [
        cost.axis(f"price, {money_unit}", 3),
        cost.area(low, high, "export"),
        cost.line(mean, "grid"),
    ]
    times = market["time_s"].to_numpy().astype(np.int64)
    parts.append(
        calendar(sun.left, sun.right, sun.top, cost.bottom, times,
                 int(times[-1]) + run.scenario.interval_s, run.timezone)
    )  # fmt: skip
    total = run.summary["total"]
    said = (
        f"Over the run: sun at most {number(float(made.max()) * scale, 1)} {unit}; need not "
        f"served {energy(total['baseline']['unserved_j'])} alone and "
        f"{energy(total['market']['unserved_j'])} with the market; prices up to "
        f"{number(top, 1)} {money_unit}."
    )
    return svg.picture(width, cost.bottom + 20, "".join(parts), said)


class Day(NamedTuple):
    """A day of the run: sun in J, shares of need served, mean price per J."""

    name: str
    sun_j: float
    market_share: float
    alone_share: float
    price_per_j: float


def days_of(run: RunFiles) -> list[Day]:
    """The whole days of the run, by the clock of the scenario's zone."""
    zone = ZoneInfo(run.timezone)
    market, alone = run.intervals("market"), run.intervals("baseline")
    dates = [datetime.fromtimestamp(t, zone) for t in market["time_s"].to_list()]
    labels = [f"{d:%A}, {d.day} {d:%B}" for d in dates]
    price_per_j = market["price_mean_per_j"].cast(float).to_numpy()

    def joules(frame: Any, name: str) -> Floats:
        values: Floats = frame[name].to_numpy() / UJ_PER_J
        return values

    need, sun = joules(market, "consumed_uj"), joules(market, "generated_uj")
    lost = [joules(frame, "unserved_uj") for frame in (market, alone)]
    out = []
    whole = 0.9 * 86_400 / run.scenario.interval_s
    for label in dict.fromkeys(labels):
        rows = np.array([name == label for name in labels])
        if rows.sum() < whole:
            continue
        wanted = max(float(need[rows].sum()), 1.0)
        known = price_per_j[rows][np.isfinite(price_per_j[rows])]
        out.append(
            Day(
                label,
                float(sun[rows].sum()),
                1 - float(lost[0][rows].sum()) / wanted,
                1 - float(lost[1][rows].sum()) / wanted,
                float(known.mean()) if known.size else float("nan"),
            )
        )
    return out


def days_told(run: RunFiles) -> str:
    """The sunniest and the cloudiest day, side by side."""
    days = days_of(run)
    if len(days) < 2:
        return ""
    currency = run.summary["currency"]
    best, worst = max(days, key=lambda d: d.sun_j), min(days, key=lambda d: d.sun_j)
    if best.sun_j < 1.05 * worst.sun_j:
        return ""

    def one(d: Day) -> str:
        return (
            f"{d.name}: {energy(d.sun_j)}, {price(d.price_per_j, currency)} on average, "
            f"{percent(d.market_share, 0)} of the need served ({percent(d.alone_share, 0)} alone)"
        )

    return f"<p>The sunniest day was {one(best)}. The cloudiest was {one(worst)}.</p>"
