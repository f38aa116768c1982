"""The section on machines: what they did by day and by night, which Orders they finished."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.report.machine_figures import (
    MOST_ORDERS,
    STAGES,
    compute_price,
    lanes,
    orders_chart,
    price_unit_of,
    tone_of,
)
from isojoule.apps.report.markup import key_of, table, two_widths
from isojoule.apps.report.read import Floats, RunFiles
from isojoule.apps.report.words import count, energy, money, number, percent, text
from isojoule.apps.report.work import ASLEEP, Work, asked, owners, paid, read_work

DARK = 0.02
"""The sun shines while it gives more than this share of its most."""


def section(run: RunFiles) -> str:
    """The section on machines and Orders; empty where nothing computes."""
    if not run.has_machines:
        return ""
    market, alone = read_work(run, "market"), read_work(run, "baseline")
    both = (market, alone)
    prices = asked(run, "market", market)
    _, many, unit = price_unit_of(prices, run.summary["currency"])
    machines = key_of([(tone_of(i), text(m.name)) for i, m in enumerate(run.scenario.machines)])
    stages = key_of([*STAGES, ("grid", "busy")])
    lane = two_widths(lanes(run, both, 1040), lanes(run, both, 340))
    price = two_widths(
        compute_price(run, market, prices, 1040), compute_price(run, market, prices, 340)
    )
    cut = ""
    if len(run.scenario.orders) > MOST_ORDERS:
        cut = f" The first {number(MOST_ORDERS)} of them."
    worlds = "".join(
        f"<figure><figcaption><b>{name}</b>: {ended(run, world)}</figcaption>"
        f"{two_widths(orders_chart(run, work, world, 1040), orders_chart(run, work, world, 340))}"
        "</figure>"
        for name, world, work in (
            ("With the market", "market", market),
            ("Alone", "baseline", alone),
        )
    )
    return (
        f"<section><h2>Machines</h2>{story(run, market, alone)}"
        f"<figure>{lane}<figcaption>Each machine with the market (above) and alone (below). "
        f"Coloured, how it lives by its battery; above that, how busy it is. {stages}"
        f"</figcaption></figure><h3>Price of compute</h3><figure>{price}<figcaption>What each "
        f"machine asks for its next operations with the market, {unit} per {many} operations: "
        "its Joules per operation, times what a Joule in its battery is worth. Dots are what was "
        f"paid. {machines}</figcaption></figure>"
        "<h3>Orders, from their arrival to their end</h3>"
        f"<p>A row is an Order, the first to arrive on top. The thin line is waiting; the colour "
        f"tells where it runs; a cross, that it was given up.{cut} {machines}</p>"
        f"{worlds}{by_machine(run, both)}{who_paid(run, market)}</section>"
    )


def ended(run: RunFiles, world: str) -> str:
    """How many Orders were finished, in words."""
    orders = run.summary["orders"][world]
    done = sum(o["finished"] for o in orders)
    lost = sum(o["value"] for o in orders if not o["finished"])
    told = f"{number(done)} of {count(len(orders), 'Order')} finished"
    if done < len(orders):
        told += f", {number(len(orders) - done)} not, worth {money(lost, run.summary['currency'])}"
    return told


def story(run: RunFiles, market: Work, alone: Work) -> str:
    """What happened, in sentences that follow from the tables."""
    out = [*by_light(run, market), *asleep(run, market, alone), *moved(run, market)]
    return f"<p>{' '.join(out)}</p>" if out else ""


def sunlit(run: RunFiles, work: Work) -> NDArray[np.bool_]:
    """Intervals in which the sun shines."""
    frame = run.intervals("market").sort("time_s")
    given = frame["generated_uj"].to_numpy().astype(np.float64)
    rows = np.searchsorted(frame["time_s"].to_numpy(), work.times_s)
    lit: NDArray[np.bool_] = given[rows] > DARK * given.max(initial=0.0)
    return lit


def by_light(run: RunFiles, work: Work) -> list[str]:
    """Which machine did most of the work in the sun, and which without it."""
    lit = sunlit(run, work)
    if work.operations.sum() == 0:
        return ["With the market no machine did any work."]
    if not lit.any() or lit.all():
        most, share = leading(work.operations)
        return [f"{percent(share, 0)} of the work was done by {name(run, most)}."]
    zone = ZoneInfo(run.timezone)
    first, last = (int(np.flatnonzero(lit)[i]) for i in (0, -1))
    start = datetime.fromtimestamp(int(work.times_s[first]), zone)
    end = datetime.fromtimestamp(int(work.times_s[last]) + run.scenario.interval_s, zone)
    one_day = int(work.times_s[-1] - work.times_s[0]) < 86_400
    hours = f" ({start:%H:%M} to {end:%H:%M})" if one_day and lit[first : last + 1].all() else ""
    out = []
    day, night = work.operations[lit], work.operations[~lit]
    if day.sum() > 0:
        most, share = leading(day)
        out.append(
            f"With the market, while the sun shone{hours}, {percent(share, 0)} of the work ran on "
            f"{name(run, most)}"
        )
    if night.sum() > 0:
        other, share = leading(night)
        same = out and other == leading(day)[0]
        joined = "still" if same else ""
        out.append(
            f"without sun {joined + ' ' if joined else ''}{percent(share, 0)} of it on "
            f"{name(run, other)}"
        )
    else:
        out.append("without sun none did any")
    told = "; ".join(out) + "."
    return [told[0].upper() + told[1:]]


def leading(operations: Floats) -> tuple[int, float]:
    """The machine that did most, and its share."""
    sums = operations.sum(0)
    most = int(sums.argmax())
    return most, float(sums[most] / sums.sum())


def name(run: RunFiles, machine: int) -> str:
    """A machine and whose it is."""
    label = run.scenario.labels[owners(run)[machine]]
    return f"<b>{text(run.scenario.machines[machine].name)}</b> ({text(label)})"


def asleep(run: RunFiles, market: Work, alone: Work) -> list[str]:
    """How long machines slept, alone and with the market."""
    hours = run.scenario.interval_s / 3600
    parts = []
    for m, machine in enumerate(run.scenario.machines):
        a, b = (float((w.stage[:, m] >= ASLEEP).sum()) * hours for w in (alone, market))
        if max(a, b) >= hours:
            parts.append(
                f"{text(machine.name)} {number(a, 1)} hours alone and {number(b, 1)} with the "
                "market"
            )
    if not parts:
        return ["No machine ever ran so low that it fell asleep."]
    return [f"Asleep for want of energy were: {'; '.join(parts)}."]


def moved(run: RunFiles, work: Work) -> list[str]:
    """How many Orders went to somebody else's machine, and how many moved on the way."""
    names, owner = run.scenario.participants, owners(run)
    at: dict[str, list[int]] = {}
    away = set()
    for step in work.steps:
        if step.operations > 0:
            at.setdefault(step.order, []).append(step.machine)
            if names[owner[step.machine]] != step.customer:
                away.add(step.order)
    wandered = sum(len(set(machines)) > 1 for machines in at.values())
    if not at:
        return []
    told = (
        f"Of {count(len(at), 'Order')} that ran, {number(len(away))} ran at least in part on a "
        f"neighbour's machine, and {number(wandered)} moved from one machine to another."
    )
    return [told]


def by_machine(run: RunFiles, works: tuple[Work, Work]) -> str:
    """What each machine did in both worlds."""
    owner, s, currency = owners(run), run.scenario, run.summary["currency"]
    hours = s.interval_s / 3600
    rows = []
    for m, machine in enumerate(s.machines):
        cells: list[list[str]] = []
        for work in works:
            own = [step for step in work.steps if step.machine == m]
            sold = sum(step.price for step in own if step.customer != s.participants[owner[m]])
            cells.append(
                [
                    number(len({step.order for step in own if step.operations > 0})),
                    energy(sum(step.energy_j for step in own)),
                    money(sold, currency),
                    f"{number(float((work.stage[:, m] >= ASLEEP).sum()) * hours, 1)} h",
                ]
            )
        pairs = [cell for pair in zip(*cells, strict=True) for cell in pair]
        sold_alone = 5  # nobody sells compute alone
        del pairs[sold_alone]
        rows.append([text(machine.name), text(s.labels[owner[m]]), *pairs])
    heads = ["Machine", "Owner", "Orders", "alone", "Energy", "alone", "Earned", "Asleep", "alone"]
    return (
        "<h3>Who did the work</h3><p>Orders that ran on a machine and their energy, with the "
        "market and alone; what its owner earned from others; how long it slept.</p>"
        + table(heads, rows)
    )


def who_paid(run: RunFiles, work: Work) -> str:
    """Who paid whom for compute with the market."""
    s, currency = run.scenario, run.summary["currency"]
    label = dict(zip(s.participants, s.labels, strict=True))
    rows = [
        [
            text(label[p.customer]),
            f"{text(label[p.owner])}{' (own machines)' if p.owner == p.customer else ''}",
            number(p.orders),
            energy(p.energy_j),
            money(p.amount, currency),
        ]
        for p in paid(run, work)
    ]
    if not rows:
        return ""
    return "<h3>Who paid whom for compute</h3>" + table(
        ["Who", "Paid", "Orders", "Energy", "Amount"], rows
    )
