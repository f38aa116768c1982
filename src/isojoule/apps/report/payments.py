"""Bills of a run: how much cash their clearing spared, who was in which circle, who paid late."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from isojoule.apps.report import svg
from isojoule.apps.report.markup import key_of, table, two_widths
from isojoule.apps.report.obligations import ring_figure
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    A_CENT,
    DASH,
    count,
    day,
    money,
    number,
    percent,
    text,
)
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.netting.rings import Ring
from isojoule.settlement.statements import payee_of

WAYS = {
    "none": "Each bill paid by itself",
    "clearing": "Cleared in circles",
    "credit": "With mutual credit",
}
COLOURS = {"none": "base", "clearing": "grid", "credit": "good"}
LATE = 8
"""Late payers in the table."""


def section(run: RunFiles) -> str:
    """The section; nothing where the rules make no bills."""
    told = run.summary["settlement"].get("payment")
    if told is None or not told["bills"]:
        return ""
    return (
        "<section><h2>Who pays when, and how much cash it takes</h2>"
        f"{_lead(run, told)}{_bars(run, told)}{_table(run, told)}{_open(run, told)}"
        f"{_circles(run, told)}{_late(run, told)}</section>"
    )


def _lead(run: RunFiles, told: dict[str, Any]) -> str:
    currency, ways, shown = run.summary["currency"], told["ways"], told["shown"]
    none, here = ways["none"], ways[shown]
    alone = ways["clearing"]
    bills = count(len(told["bills"]), "bill")
    first = (
        f"{bills} to everybody, {money(none['total'], currency)} between "
        f"{count(told['parties'], 'account')}. Whatever is set off, "
        f"{money(none['net_internal_debt'], currency)} of it must be paid: so much some are owed "
        "more than they owe."
    )
    parts = [first]
    if alone["cleared"]:
        parts.append(
            f"Clearing alone sets off {money(alone['cleared'], currency)}: "
            f"{_share(alone['share_of_net'])} of that net debt, "
            f"{_share(alone['share_of_total'])} of all bills."
        )
    else:
        parts.append("Nothing of it goes in circles, so clearing alone sets off nothing.")
    if "credit" in ways:
        with_ = ways["credit"]
        parts.append(
            f"With mutual credit it is {money(with_['cleared'], currency)}: "
            f"{_share(with_['share_of_net'])} and {_share(with_['share_of_total'])}. What is left "
            f"of the credit in the end, {money(with_['redeemed'], currency)}, is paid in cash."
        )
    spared = none["cash_moved"] - here["cash_moved"]
    done = "was" if told["posted"] == shown else "would be"
    if abs(spared) >= A_CENT:
        more = "less" if spared > 0 else "more"
        parts.append(
            f"<b>{money(abs(spared), currency)} {more} cash {done} moved</b> than if each bill had "
            "been paid by itself."
        )
    if told["posted"] == "none":
        parts.append("The rules of this run do not clear: the figures say what it would do.")
    return f"<p>{' '.join(parts)}</p>"


def _share(value: float | None) -> str:
    return DASH if value is None else percent(value)


def _bars(run: RunFiles, told: dict[str, Any]) -> str:
    wide, narrow = (_bars_of(run, told, width) for width in (900.0, 340.0))
    keys = [
        ("base", "paid when due"),
        ("bad", "paid late"),
        ("sun", "interest, and credit redeemed"),
        ("good", "cash spared"),
    ]
    return (
        f"<figure>{two_widths(wide, narrow)}<figcaption>Cash that moves. {key_of(keys)}"
        "</figcaption></figure>"
    )


def _bars_of(run: RunFiles, told: dict[str, Any], width: float) -> str:
    """Cash that moves in each way, and what is spared."""
    currency, ways = run.summary["currency"], told["ways"]
    narrow = width < 480
    left, step = (4.0, 62.0) if narrow else (180.0, 44.0)
    most = max(1e-9, *(w["cash_moved"] for w in ways.values()))
    scale = (width - left - 8) / most
    body, said = "", []
    for line, (way, f) in enumerate(ways.items()):
        y, x = 8 + line * step, left
        if narrow:
            y += 18
            body += svg.words(left, y - 5, WAYS[way], bold=True)
        else:
            body += svg.words(left - 12, y + 22, WAYS[way], anchor="end", bold=True)
        besides = f["interest"] + f["redeemed"]
        in_time = f["cash_moved"] - f["paid_late"] - besides
        parts = [(in_time, "base"), (f["paid_late"], "bad"), (besides, "sun")]
        parts.append((max(0.0, ways["none"]["cash_moved"] - f["cash_moved"]), "good"))
        for amount, colour in parts:
            if amount * scale < 0.3:
                continue
            shown = money(amount, currency, among=most)
            body += svg.bar(x, y, amount * scale, 32, colour, f"{WAYS[way]}: {shown}")
            if amount * scale > 7.5 * len(shown):
                body += (
                    f'<text x="{svg.at(x + 8)}" y="{svg.at(y + 21)}" '
                    f'style="fill:var(--paper,#fff);font-weight:600">{text(shown)}</text>'
                )
            x += amount * scale
        said.append(f"{WAYS[way]} {money(f['cash_moved'], currency, among=most)}")
    alt = f"Cash that moves: {', '.join(said)}."
    return svg.picture(width, 12 + len(ways) * step, body, alt)


def _table(run: RunFiles, told: dict[str, Any]) -> str:
    currency, ways = run.summary["currency"], told["ways"]
    size = ways["none"]["total"]

    def row(name: str, key: str) -> list[str]:
        return [name, *(money(w[key], currency, among=size) for w in ways.values())]

    rows = [
        row("Set off", "cleared"),
        ["as a share of all bills", *(_share(w["share_of_total"]) for w in ways.values())],
        ["as a share of the net debt", *(_share(w["share_of_net"]) for w in ways.values())],
        row("Cash that moves", "cash_moved"),
        row("Out at once, at most", "most_out"),
        row("Cash that all need at hand", "at_hand"),
        row("Paid late", "paid_late"),
    ]
    if any(w["interest"] for w in ways.values()):
        rows.append(row("Interest", "interest"))
    if "credit" in ways:
        rows += [row("Credit that moves", "credit_used"), row("Credit redeemed", "redeemed")]
    rows.append(["All is resolved on", *(day(w["last_s"], run.timezone) for w in ways.values())])
    return table(["", *(WAYS[way] for way in ways)], rows, attributes='class="sums"')


def _open(run: RunFiles, told: dict[str, Any]) -> str:
    wide, narrow = (_open_of(run, told, width) for width in (900.0, 340.0))
    keys = [(COLOURS[way], WAYS[way].lower()) for way in told["ways"]]
    return (
        f"<figure>{two_widths(wide, narrow)}<figcaption>What is open between parties, over time. "
        f"{key_of(keys)}</figcaption></figure>"
    )


def _open_of(run: RunFiles, told: dict[str, Any], width: float) -> str:
    """Steps of what is open, a line for each way."""
    currency = run.summary["currency"]
    left, right, top, bottom, height = 64.0, 12.0, 12.0, 28.0, 210.0
    paths = told["open"]
    start = min(path[0][0] for path in paths.values() if path)
    end = max(path[-1][0] for path in paths.values() if path)
    most = max([1e-9, *(level for path in paths.values() for _, level in path)])
    to_x = (width - left - right) / max(end - start, 1)
    to_y = (height - top - bottom) / most
    zero = height - bottom
    body = ""
    for tick in svg.ticks(0, most):
        y = zero - tick * to_y
        body += svg.rule(left, y, width - right, y)
        body += svg.words(left - 6, y + 4, number(tick), anchor="end", colour="soft")
    for at, time_s in enumerate((start, end)):
        x = left if at == 0 else width - right
        anchor = "start" if at == 0 else "end"
        body += svg.words(
            x, height - 8, day(int(time_s), run.timezone), anchor=anchor, colour="soft"
        )
    for way, path in paths.items():
        spots, level = [(left, zero)], 0.0
        for time_s, after in path:
            x = left + (time_s - start) * to_x
            spots += [(x, zero - level * to_y), (x, zero - after * to_y)]
            level = after
        body += f'<path d="{svg.path(spots)}" {svg.stroke(COLOURS[way], 2)}/>'
    body += svg.words(4, top, currency, colour="soft")
    return svg.picture(width, height, body, "What is open between parties, over time.")


def _circles(run: RunFiles, told: dict[str, Any]) -> str:
    found = told["circles"]
    if not found:
        return ""
    currency, zone = run.summary["currency"], run.timezone
    figures = ""
    for one in found:
        ring = Ring(
            tuple(payee_of(name) for name in one["parties"]),
            round(one["amount"] * NANO_PER_UNIT),
            one["credit"],
        )
        when = _date(one["time_s"], zone)
        figures += ring_figure(ring, currency, note=f"{when}: ", cash_word="of mutual credit")
    rest = told["other_circles"]
    others = f" All others together set off {money(rest, currency)}." if rest >= A_CENT else ""
    credit = (
        " Where a dotted arrow closes it, mutual credit goes from the first party to the last."
        if any(one["credit"] for one in found)
        else ""
    )
    return (
        f"<h3>Who was in which circle</h3><p>The {number(len(found))} that set off most. An arrow "
        "leads from who owes to whom it is owed; each obligation in a circle falls by its amount, "
        "and nobody pays."
        f'{credit}{others}</p><div class="rings">{figures}</div>'
    )


def _late(run: RunFiles, told: dict[str, Any]) -> str:
    people, currency = told["late"], run.summary["currency"]
    if not people:
        return "<p>Everybody pays when it is due.</p>"
    people = sorted(people, key=lambda p: (-p["paid_late"], p["member"]))
    rows = [
        [
            text(p["label"]),
            count(round(p["by_s"] / 86400), "day"),
            money(p["paid_late"], currency),
            money(p["interest"], currency) if p["interest"] else DASH,
        ]
        for p in people[:LATE]
    ]
    heads = ["", "Later than due by", "Paid late", "Interest"]
    among = f"The {LATE} who paid most late, of " if len(people) > LATE else ""
    return f"<h3>Who pays late</h3><p>{among}{count(len(people), 'member')}.</p>" + table(
        heads, rows, attributes='class="sums"'
    )


def _date(time_s: int, zone: str) -> str:
    when = datetime.fromtimestamp(time_s, ZoneInfo(zone))
    return f"{when.day} {when:%b} {when.year}"
