"""The part of a page on the price: its picture, what set it, what was full, the extremes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.report.markup import key_of
from isojoule.apps.report.words import energy, number, price, text
from isojoule.apps.statements.chart import chart
from isojoule.apps.statements.facts import setters, shares, together, walls
from isojoule.apps.statements.sheet import Sheet, kwh, stop, table
from isojoule.core.units import UJ_PER_J

MOST_ROWS = 8
"""So many reasons have a row of their own; the others share one."""
FULL = "nothing was full between your home and the rest"


def price_section(sheet: Sheet) -> str:
    """The price, its picture and its reasons."""
    facts, who = sheet.facts, sheet.who
    s = facts.stretch
    scenario = facts.files.scenario
    keys = [("grid", "the price at your home")]
    if np.isfinite(s.sells_at_per_j).any():
        keys += [("bad", "the utility sells (dashed)"), ("soft", "the utility buys (dashed)")]
    keys += [("export", "you drew from the network"), ("sun", "you gave to it")]
    drawing = chart(
        s.time_s, facts.span.end_s, s.interval_s, scenario.timezone, sheet.currency,
        facts.price_per_j[:, who], s.sells_at_per_j, s.buys_at_per_j, s.metered_uj[:, who],
    )  # fmt: skip
    parts = [
        "<section><h2>The price at your home, and why</h2>",
        f"<figure>{drawing}<figcaption>{key_of(keys)}</figcaption></figure>",
        _reasons(sheet, "What set the price", setters(facts, who)),
    ]
    full = walls(facts, who)
    if any(full):
        parts.append(_reasons(sheet, "What was full", [word or FULL for word in full]))
    parts.append(_extremes(sheet))
    traits = facts.files.mechanism.traits
    rule = f"The rule of the market: {traits.how or stop(traits.summary)}"
    return "".join([*parts, f'<p class="soft">{text(rule)}</p></section>'])


def _reasons(sheet: Sheet, title: str, words: list[str]) -> str:
    """A table of reasons: how often each held, and what was traded meanwhile."""
    found = shares(sheet.facts, sheet.who, words)
    if len(found) > MOST_ROWS:
        rest = found[MOST_ROWS - 1 :]
        found = [*found[: MOST_ROWS - 1], together(rest, f"{len(rest)} other reasons")]
    sides = [("You bought", "bought"), ("You sold", "sold")]
    sides = [side for side in sides if any(getattr(share, f"{side[1]}_uj") for share in found)]
    rows = []
    for share in found:
        cells = [number(share.intervals)]
        for _, side in sides:
            energy_uj, nano = getattr(share, f"{side}_uj"), getattr(share, f"{side}_nano")
            each = nano * 1e-3 / energy_uj if energy_uj else float("nan")
            cells += [kwh(energy_uj), price(each, sheet.currency)] if energy_uj else ["", ""]
        name = share.reason[:1].upper() + share.reason[1:]
        rows.append(
            f'<tr><th scope="row">{text(name)}</th>{"".join(f"<td>{c}</td>" for c in cells)}</tr>'
        )
    heads = [word for head, _ in sides for word in (head, "at")]
    return table([title, "Intervals", *heads], rows)


def _extremes(sheet: Sheet) -> str:
    """The dearest and the cheapest interval traded in."""
    pair = sheet.facts.extremes[sheet.who]
    if pair is None:
        return '<p class="soft">You neither bought nor sold.</p>'
    boxes = [_box(sheet, "Dearest", pair[0])]
    if pair[1] != pair[0]:
        boxes.append(_box(sheet, "Cheapest", pair[1]))
    return (
        f'<h3>When it was dearest and cheapest to you</h3><div class="pair">{"".join(boxes)}</div>'
    )


def _box(sheet: Sheet, title: str, at: int) -> str:
    """One interval with its full reason."""
    facts, who = sheet.facts, sheet.who
    s = facts.stretch
    when = datetime.fromtimestamp(int(s.time_s[at]), ZoneInfo(facts.files.scenario.timezone))
    cleared = int(s.cleared_uj[at, who])
    did = "bought" if cleared > 0 else "sold"
    told = facts.reasons.told.get((at, who), "")
    if not told:
        told = stop(setters(facts, who)[at])
    return (
        f'<div class="box"><p class="soft">{title}: {when:%A} {when.day} {when:%B, %H:%M}</p>'
        f'<p class="big">{price(float(facts.price_per_j[at, who]), sheet.currency, 2)}</p>'
        f"<p>You {did} {energy(abs(cleared) / UJ_PER_J)}.</p><p>{text(told)}</p></div>"
    )
