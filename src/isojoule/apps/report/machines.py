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
    runs_of,
    tone_of,
)
from isojoule.apps.report.markup import key_of, table, two_widths
from isojoule.apps.report.read import Floats, RunFiles
from isojoule.apps.report.words import count, energy, money, number, percent, text
from isojoule.apps.report.work import ASLEEP, Work, asked, owners, paid, read_work
from isojoule.machine import Stage

LONGER_H = 0.25
"""Being critical for so many hours longer than alone is told."""
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
    parts = (
        [drawn(run), *by_light(run, market, alone)],
        [*asleep(run, market, alone), *lower(run, market, alone)],
        moved(run, market),
    )
    return "".join(f"<p>{' '.join(part)}</p>" for part in parts if part)


def drawn(run: RunFiles) -> str:
    """What machines drew from their batteries, which no line carries, and what loads used."""
    total = run.summary["total"]
    market, base = total["market"], total["baseline"]
    used = max(market["consumed_j"], 0.0)
    loads = f" All other loads used {energy(used)}." if used >= 1 else ""
    return (
        f"Machines drew <b>{energy(market['computed_j'])}</b> from their batteries, "
        f"{energy(base['computed_j'])} alone.{loads}"
    )


def sunlit(run: RunFiles, work: Work) -> NDArray[np.bool_]:
    """Intervals in which the sun shines."""
    frame = run.intervals("market").sort("time_s")
    given = frame["generated_uj"].to_numpy().astype(np.float64)
    rows = np.searchsorted(frame["time_s"].to_numpy(), work.times_s)
    lit: NDArray[np.bool_] = given[rows] > DARK * given.max(initial=0.0)
    return lit


def by_light(run: RunFiles, market: Work, alone: Work) -> list[str]:
    """Which machines did most of the work in the sun, and which without it."""
    lit = sunlit(run, market)
    if market.operations.sum() == 0:
        return ["With the market no machine did any work."]
    if not lit.any() or lit.all():
        return [f"With the market {leading(run, market.operations)}."]
    day, night = market.operations[lit], market.operations[~lit]
    parts = []
    if day.sum() > 0:
        parts.append(f"while the sun shone{daylight(run, market, lit)}, {leading(run, day)}")
    if night.sum() > 0:
        parts.append(f"without sun {leading(run, night)}")
    else:
        parts.append("without sun none did any")
    out = [f"With the market, {'; '.join(parts)}."]
    most = int(night.sum(0).argmax())
    done, before = float(night[:, most].sum()), float(alone.operations[~lit][:, most].sum())
    if night.sum() > 0 and before < 0.9 * done:
        little = "next to no work" if before > 0 else "no work"
        amount = f"{percent(before / done, 0)} of that" if before >= 0.01 * done else little
        amount = f"did {amount}"
        out.append(f"Alone, {text(run.scenario.machines[most].name)} {amount} without sun.")
    return out


def daylight(run: RunFiles, work: Work, lit: NDArray[np.bool_]) -> str:
    """From when to when the sun shone, if that is one stretch of one day."""
    stretches = [(a, b) for a, b, some in runs_of(lit.astype(np.int8)) if some]
    first, end = max(stretches, key=lambda s: s[1] - s[0])
    if end - first < 0.9 * lit.sum():
        return ""
    zone = ZoneInfo(run.timezone)
    start = datetime.fromtimestamp(int(work.times_s[first]), zone)
    until = datetime.fromtimestamp(int(work.times_s[end - 1]) + run.scenario.interval_s, zone)
    return f" ({start:%H:%M} to {until:%H:%M})"


def leading(run: RunFiles, operations: Floats) -> str:
    """The machines that did most of some work, up to more than half of it, with their shares."""
    shares = operations.sum(0) / operations.sum()
    order = np.argsort(-shares, kind="stable").tolist()
    most = [m for i, m in enumerate(order) if shares[order[:i]].sum() <= 0.5]
    first, *others = most
    told = [f"{percent(shares[first], 0)} of the work ran on {name(run, first)}"]
    told += [f"{percent(shares[m], 0)} on {name(run, m)}" for m in others]
    return ", ".join(told[:-1]) + (" and " if others else "") + told[-1]


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
            spans = [f"{number(h, 1)} hours" if h else "not at all" for h in (a, b)]
            parts.append(f"{text(machine.name)} {spans[0]} alone, {spans[1]} with the market")
    if not parts:
        return ["No machine ever ran so low that it fell asleep."]
    return [f"Asleep for want of energy: {'; '.join(parts)}."]


def lower(run: RunFiles, market: Work, alone: Work) -> list[str]:
    """Which machines were critical or asleep for longer with the market than alone."""
    hours = run.scenario.interval_s / 3600
    parts = []
    for m, machine in enumerate(run.scenario.machines):
        a, b = (float((w.stage[:, m] >= Stage.CRITICAL).sum()) * hours for w in (alone, market))
        if b >= a + max(hours, LONGER_H):
            before = f"{number(a, 1)} alone" if a else "not at all alone"
            parts.append(f"{text(machine.name)} for {number(b, 1)} hours ({before})")
    if not parts:
        return []
    return [f"With the market some ran lower than alone, critical or asleep: {'; '.join(parts)}."]


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
    finished = {o["order"] for o in run.summary["orders"]["market"] if o["finished"]}
    begun = len(set(at) - finished)
    cut = f" ({number(begun)} of them not to its end)" if begun == 1 else ""
    cut = f" ({number(begun)} of them not to their end)" if begun > 1 else cut
    told = (
        f"Of {count(len(at), 'Order')} that began to run{cut}, {number(len(away))} ran at least in "
        f"part on a neighbour's machine, and {number(wandered)} moved from one machine to another."
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
