"""One household, one period, one page: what it pays, and why.

The page needs no other file, no script and no network; it reads well on a screen and on A4.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files as package_files
from string import Template
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.report.markup import key_of
from isojoule.apps.report.words import A_CENT, SPACE, energy, money, number, price, text
from isojoule.apps.statements.chart import chart
from isojoule.apps.statements.facts import PeriodFacts, setters, shares, together, walls
from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J
from isojoule.settlement.ledger.port import Head
from isojoule.settlement.settle import Code
from isojoule.settlement.statements import BillLine, Statement, Way

MOST_ROWS = 8
"""So many reasons have a row of their own; the others share one."""
FULL = "nothing was full between your home and the rest"
NOTABLE_J = 0.05 * J_PER_KWH
"""A smaller difference of what a battery holds at the end is not told."""
WHO = {
    "market": "the local market",
    "balancing": "balancing",
    "operator": "the operator",
    "utility": "the utility",
}


@dataclass(frozen=True)
class Sheet:
    """What a page is made of.

    Attributes
    ----------
    facts, who
        The period, and the member's position.
    statement
        Of the member, from the ledger.
    why
        Why it gets its share of what the market left over; "" if that is not known.
    head
        Of the ledger, if it is to be named.
    sheets
        Names of the CSV files beside the page.
    """

    facts: PeriodFacts
    who: int
    statement: Statement
    why: str = ""
    head: Head | None = None
    sheets: tuple[str, ...] = ()

    @property
    def currency(self) -> str:
        """Of all money."""
        return self.statement.currency

    @property
    def label(self) -> str:
        """How people call the household."""
        return self.facts.files.scenario.labels[self.who]

    @property
    def saved(self) -> float:
        """What the market saved against the bill without it, money."""
        alone = int(self.facts.alone.total_nano[self.who])
        return (alone - self.statement.sum_nano) / NANO_PER_UNIT

    @property
    def without(self) -> str:
        """How the world without the market is called."""
        baseline = self.facts.files.summary["baseline"]
        return "with the utility alone" if baseline == "utility-only" else "living alone"


def page(sheet: Sheet) -> str:
    """The page as HTML."""
    return Template(_asset("statement.html")).substitute(
        title=text(f"Statement: {sheet.label}, {_period(sheet)}"),
        style=_asset("statement.css"),
        head=_head(sheet),
        bill=_bill(sheet),
        price=_price(sheet),
        alone=_alone(sheet),
        check=_check(sheet),
    )


def _head(sheet: Sheet) -> str:
    """The sum, the period, and the comparison in a sentence."""
    pays = sheet.statement.sum_nano / NANO_PER_UNIT
    amount = money(abs(pays), sheet.currency)
    verb = "You pay" if pays >= 0 else "You get"
    tone = "" if abs(sheet.saved) < A_CENT else "good" if sheet.saved > 0 else "bad"
    return (
        f'<header class="{tone}"><p class="kicker">Statement of {text(sheet.label)} '
        f"({text(sheet.facts.stretch.members[sheet.who])})<br>{text(_title(sheet))}</p>"
        f"<h1>{verb} {amount}</h1>"
        f'<p class="lead">{text(_period(sheet))}. {_compared(sheet)}</p></header>'
    )


def _compared(sheet: Sheet) -> str:
    """One sentence of the comparison with the baseline."""
    alone = int(sheet.facts.alone.total_nano[sheet.who]) / NANO_PER_UNIT
    would = "paid" if alone >= 0 else "got"
    there = f"{would} {money(abs(alone), sheet.currency)} {sheet.without}"
    if abs(sheet.saved) < A_CENT:
        return f"You would have {there}: no difference."
    amount = money(abs(sheet.saved), sheet.currency)
    if sheet.saved > 0:
        return f'<b class="good">You saved {amount}</b>: you would have {there}.'
    return f'<b class="bad">That is {amount} worse</b>: you would have {there}.'


def _bill(sheet: Sheet) -> str:
    """The lines of the bill."""
    rows = [_line(sheet, line) for line in sheet.statement.lines]
    total = _exact(sheet.statement.sum_nano, sheet.currency)
    net = _kwh(sheet.statement.energy_uj)
    rows.append(f'<tr class="sum"><th scope="row">Sum</th><td></td><td>{net}</td><td></td><td>{total}</td></tr>')
    names = " and ".join(f"<code>{text(name)}</code>" for name in sheet.sheets)
    beside = f" {names} hold exact amounts, and every interval." if names else ""
    return (
        "<section><h2>Your bill</h2>"
        + _table(["", "With whom", "Energy", "Mean price", "You pay"], rows)
        + '<p class="soft">Energy that you gave and money that you get have a minus sign. '
        f"Amounts are rounded here.{beside}</p></section>"
    )


def _line(sheet: Sheet, line: BillLine) -> str:
    """A row of the bill."""
    has_energy = line.energy_uj != 0
    each = price(line.price_per_j, sheet.currency, 2) if has_energy and line.money_nano else ""
    name = line.name[:1].upper() + line.name[1:]
    who = WHO.get(line.payee, line.payee)
    cells = [
        f'<td class="word">{text(who)}</td>',
        f"<td>{_kwh(line.energy_uj) if has_energy else ''}</td>",
        f"<td>{each}</td>",
        f"<td>{_exact(line.money_nano, sheet.currency)}</td>",
    ]
    note = _note(sheet, line)
    small = f"<small>{text(note)}</small>" if note else ""
    return f'<tr><th scope="row">{text(name)}{small}</th>{"".join(cells)}</tr>'


def _note(sheet: Sheet, line: BillLine) -> str:
    """What stands below a line's name."""
    if line.code is Code.DIVIDEND:
        return sheet.why
    if line.code is Code.IMBALANCE and line.way is not Way.NONE:
        least = "More" if line.way is Way.RECEIVED else "Less"
        return f"{least} energy than your offers had announced, at the price of balancing"
    return ""


def _price(sheet: Sheet) -> str:
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
    rule = facts.files.mechanism.traits
    return "".join([*parts, f'<p class="soft">The rule of the market: {text(_stop(rule.summary))}</p></section>'])


def _reasons(sheet: Sheet, title: str, words: list[str]) -> str:
    """A table of reasons: how often each held, and what was traded meanwhile."""
    found = shares(sheet.facts, sheet.who, words)
    if len(found) > MOST_ROWS:
        rest = found[MOST_ROWS - 1 :]
        found = [*found[: MOST_ROWS - 1], together(rest, f"{len(rest)} other reasons")]
    rows = []
    for share in found:
        cells = [number(share.intervals)]
        for energy_uj, nano in (
            (share.bought_uj, share.bought_nano),
            (share.sold_uj, share.sold_nano),
        ):
            each = nano * 1e-3 / energy_uj if energy_uj else float("nan")
            cells += [_kwh(energy_uj), price(each, sheet.currency)] if energy_uj else ["", ""]
        name = share.reason[:1].upper() + share.reason[1:]
        rows.append(
            f'<tr><th scope="row">{text(name)}</th>{"".join(f"<td>{c}</td>" for c in cells)}</tr>'
        )
    heads = [title, "Intervals", "You bought", "at", "You sold", "at"]
    return _table(heads, rows)


def _extremes(sheet: Sheet) -> str:
    """The dearest and the cheapest interval traded in."""
    pair = sheet.facts.extremes[sheet.who]
    if pair is None:
        return '<p class="soft">You neither bought nor sold.</p>'
    boxes = [_box(sheet, "Dearest", pair[0])]
    if pair[1] != pair[0]:
        boxes.append(_box(sheet, "Cheapest", pair[1]))
    return f'<h3>When it was dearest and cheapest to you</h3><div class="pair">{"".join(boxes)}</div>'


def _box(sheet: Sheet, title: str, at: int) -> str:
    """One interval with its full reason."""
    facts, who = sheet.facts, sheet.who
    s = facts.stretch
    when = datetime.fromtimestamp(int(s.time_s[at]), ZoneInfo(facts.files.scenario.timezone))
    cleared = int(s.cleared_uj[at, who])
    did = "bought" if cleared > 0 else "sold"
    told = facts.reasons.told.get((at, who), "")
    if not told:
        told = _stop(setters(facts, who)[at])
    return (
        f'<div class="box"><p class="soft">{title}: {when:%A} {when.day} {when:%B, %H:%M}</p>'
        f'<p class="big">{price(float(facts.price_per_j[at, who]), sheet.currency, 2)}</p>'
        f"<p>You {did} {energy(abs(cleared) / UJ_PER_J)}.</p><p>{text(told)}</p></div>"
    )


def _alone(sheet: Sheet) -> str:
    """The comparison with the world without a market."""
    alone, who = sheet.facts.alone, sheet.who
    net = alone.metered.net_uj[:, who]
    bought, sold = int(np.maximum(net, 0).sum()), int(np.maximum(-net, 0).sum())
    rows = []
    for name, amount in alone.lines:
        what = f"drawn {_kwh(bought)}, given {_kwh(sold)}" if name == "Energy" else ""
        value = _exact(int(amount[who]), sheet.currency)
        title = name[:1].upper() + name[1:]
        rows.append(f'<tr><th scope="row">{text(title)}</th><td>{what}</td><td>{value}</td></tr>')
    total = int(alone.total_nano[who])
    mine = sheet.statement.sum_nano
    result = "Saved" if total >= mine else "Lost"
    for title, nano, mark in (
        (f"Sum {sheet.without}", total, "sum"),
        ("Your bill, with the market", mine, ""),
        (result, abs(total - mine), "sum"),
    ):
        value = _exact(nano, sheet.currency)
        rows.append(f'<tr class="{mark}"><th scope="row">{title}</th><td></td><td>{value}</td></tr>')
    head = sheet.without[:1].upper() + sheet.without[1:]
    return (
        f"<section><h2>{head}</h2><p>The same home, sun and battery in the same time, without "
        f"neighbours to trade with.</p>{_table(['', '', 'You would pay'], rows)}"
        f"{_beside(sheet)}</section>"
    )


def _beside(sheet: Sheet) -> str:
    """What the sums do not count: energy left in batteries, and need that was not served."""
    alone, who = sheet.facts.alone, sheet.who
    told = []
    kept = (int(alone.market.stored_change_uj[who]) - int(alone.metered.stored_change_uj[who])) / UJ_PER_J
    if abs(kept) >= NOTABLE_J:
        how = "more" if kept > 0 else "less"
        told.append(
            f"Your battery ends the period with {energy(abs(kept))} {how} in it than it would have "
            f"{sheet.without}; the sums do not count that."
        )
    with_it, without = (int(m.short_uj[who]) / UJ_PER_J for m in (alone.market, alone.metered))
    if max(with_it, without) >= NOTABLE_J:
        told.append(
            f"Need that was not served: {energy(with_it)} with the market, {energy(without)} "
            f"{sheet.without}; the sums do not count that."
        )
    return f'<p class="soft">{" ".join(told)}</p>' if told else ""


def _check(sheet: Sheet) -> str:
    """How to check the bill."""
    manifest = sheet.facts.files.manifest
    rows = [
        ("Account in the ledger", f"<code>{text(sheet.statement.party)}</code>"),
        ("Transfers", number(sheet.statement.transfers)),
        ("Run", f"<code>{text(manifest['run'])}</code>"),
    ]
    if sheet.head is not None:
        rows += [
            ("Entries in the ledger", number(sheet.head.size)),
            ("Root of the ledger", f"<code>{sheet.head.root.hex()}</code>"),
        ]
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    root = (
        " The root stands for every entry of the ledger: whoever has the same root has the same "
        "entries."
        if sheet.head is not None
        else ""
    )
    return (
        "<section><h2>How to check this</h2><p>The bill is what stands in the ledger for your "
        f"account, to the last digit.{root}</p><dl>{body}</dl></section>"
    )


def _title(sheet: Sheet) -> str:
    return str(sheet.facts.files.summary["title"])


def _period(sheet: Sheet) -> str:
    """First and last day, and the name of the period."""
    span, zone = sheet.facts.span, ZoneInfo(sheet.facts.files.scenario.timezone)
    first = datetime.fromtimestamp(span.start_s, zone)
    last = datetime.fromtimestamp(span.end_s, zone) - timedelta(seconds=1)
    days = f"{first.day} {first:%B %Y}"
    if last.date() != first.date():
        same = (first.year, first.month) == (last.year, last.month)
        start = f"{first.day}" if same else days
        days = f"{start} to {last.day} {last:%B %Y}"
    name = span.name[:1].upper() + span.name[1:]
    return f"{name}, {days}" if name else days


def _table(heads: list[str], rows: list[str]) -> str:
    """A table; its first column heads the rows."""
    head = "".join(
        f'<th scope="col"{" class=word" if h == "With whom" else ""}>{h}</th>' for h in heads
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _exact(nano: int, currency: str) -> str:
    """Money to four digits behind the point."""
    return f"{number(nano / NANO_PER_UNIT, 4)}{SPACE}{currency}"


def _kwh(energy_uj: int) -> str:
    """Energy in kWh to two digits, three where it is little."""
    kwh = energy_uj / UJ_PER_J / J_PER_KWH
    return f"{number(kwh, 2 if abs(kwh) >= 1 else 3)}{SPACE}kWh"


def _stop(sentence: str) -> str:
    """A sentence with a capital and a full stop."""
    return sentence[:1].upper() + sentence[1:].rstrip(".") + "."


def _asset(name: str) -> str:
    return (package_files(__package__) / "assets" / name).read_text(encoding="utf-8")
