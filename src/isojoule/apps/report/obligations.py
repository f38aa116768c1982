"""The page of cleared obligations: how much cash was spared, and who was in which circle.

One file, without script or network; pictures are SVG. Of many circles and parties only the largest
are drawn, and the page says so.
"""

from __future__ import annotations

import math

import numpy as np

from isojoule.apps.report.markup import asset
from isojoule.apps.report.svg import at, bar, dot, picture, stroke, words
from isojoule.apps.report.words import SPACE, count, number, percent, text
from isojoule.core.units import NANO_PER_UNIT, money_text
from isojoule.settlement.netting.rings import Ring, Rings, rings
from isojoule.settlement.obligations import Netted, Obligations

DRAWN = 9
"""Circles on the page."""
PARTIES = 12
"""Rows of the table of parties."""
NAMED = 14
"""A circle of more parties has numbers in the picture, and names below it."""
LISTED = 24
"""Names below a picture."""
LONGEST = 13
"""Letters of a name in a picture."""


def obligations_page(
    obligations: Obligations, netted: Netted, currency: str = "", *, title: str = ""
) -> str:
    """The page as HTML."""
    found = rings(obligations, netted, DRAWN)
    head = text(f"Obligations cleared: {title}" if title else "Obligations cleared")
    body = "\n".join(
        (
            _head(obligations, netted, currency, title),
            _bars(obligations, netted, currency),
            _circles(found, currency),
            _parties(obligations, netted, currency),
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{head}</title>\n<style>\n{asset('obligations.css')}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(o: Obligations, n: Netted, currency: str, title: str) -> str:
    total, cleared, used = o.total_nano, n.cleared_nano, n.liquidity_used_nano
    debts = count(o.amount_nano.size, "obligation")
    among = f"{debts} among {count(len(o.parties), 'party', 'parties')}"
    share = f", {percent(cleared / total)} of what is owed" if total else ""
    with_cash = f", moving {_money(used, currency)} of cash" if used else ", without any cash"
    lead = (
        f"{_money(cleared, currency)} of debt is gone{share}{with_cash}."
        if cleared
        else "Nothing goes in circles, so nothing can be set off."
    )
    return (
        f'<header><p class="kicker">{text(f"{title}: {among}" if title else among)}</p>'
        f"<h1>{_money(cleared - used, currency)} of cash spared</h1>"
        f'<p class="lead">{lead}</p></header>'
    )


def _bars(o: Obligations, n: Netted, currency: str) -> str:
    """What has to be paid, before and after."""
    total, cleared, used = o.total_nano, n.cleared_nano, n.liquidity_used_nano
    left, spared = total - cleared, cleared - used
    width, x = 900.0, 130.0
    per = (width - x - 10) / max(total, 1)
    rows = [("Before", [(total, "base", "to pay")])]
    rows.append(
        (
            "After",
            [(left, "base", "left to pay"), (used, "sun", "cash"), (spared, "good", "spared")],
        )
    )
    body = ""
    for line, (name, parts) in enumerate(rows):
        y, from_x = 14 + 62 * line, x
        body += words(x - 12, y + 23, name, anchor="end", bold=True)
        for amount, colour, what in parts:
            if not amount:
                continue
            told = f"{_plain(amount, currency)} {what}"
            body += bar(from_x, y, amount * per, 34, colour, told)
            if amount * per > 7 * len(told):
                body += (
                    f'<text x="{at(from_x + 8)}" y="{at(y + 22)}" '
                    f'style="fill:var(--paper,#fff);font-weight:600">{text(told)}</text>'
                )
            from_x += amount * per
    keys = "".join(
        f'<span class="key"><i style="background:var(--{colour})"></i>{what}</span>'
        for amount, colour, what in (
            (total, "base", f"to be paid: {_money(left, currency)} are left"),
            (used, "sun", f"cash that the clearing moved: {_money(used, currency)}"),
            (spared, "good", f"needs no payment: {_money(spared, currency)}"),
        )
        if amount
    )
    least = _money(o.net_internal_debt_nano, currency)
    alt = f"Of {_plain(total, currency)}, {_plain(cleared, currency)} are cleared"
    return (
        f"<section><h2>What has to be paid</h2>{picture(width, 130, body, alt)}<p>{keys}</p>"
        f'<p class="soft">Whatever is set off, {least} must be paid in the end: the sum of what '
        "parties are owed more than they owe.</p></section>"
    )


def _circles(found: Rings, currency: str) -> str:
    shown = len(found.largest)
    if not shown:
        return ""
    told = "The one circle" if shown == 1 else f"All {shown} circles"
    if found.rest_nano:
        told = f"The {shown} largest circles; all others clear {_money(found.rest_nano, currency)}"
    figures = "".join(ring_figure(ring, currency) for ring in found.largest)
    cash = (
        " Where a dotted arrow closes it, cash goes from the first party to the last."
        if any(ring.paid for ring in found.largest)
        else ""
    )
    return (
        f"<section><h2>Who was in which circle</h2><p>{told}. An arrow leads from who owes to "
        "whom it is owed. Each obligation in a circle falls by its amount, and nobody pays."
        f'{cash}</p><div class="rings">{figures}</div>'
        '<p class="soft">One way among many to read the set-offs as circles.</p></section>'
    )


def ring_figure(ring: Ring, currency: str, *, note: str = "", cash_word: str = "in cash") -> str:
    """A circle: parties around it, arrows between them, the amount in the middle.

    Parameters
    ----------
    note
        Stands before the caption.
    cash_word
        What closes a chain that is no circle.
    """
    size, middle, radius = 300.0, 150.0, 92.0
    many = len(ring.parties)
    numbered = many > NAMED
    spots = [
        (
            middle + radius * math.sin(2 * math.pi * i / many),
            middle - radius * math.cos(2 * math.pi * i / many),
        )
        for i in range(many)
    ]
    step = -(-many // LISTED)
    body = ""
    for i in range(many):
        last = i == many - 1
        dotted = ring.paid and last
        one, other = (spots[0], spots[-1]) if dotted else (spots[i], spots[(i + 1) % many])
        # between two, the two ways bend apart
        bend = 0.0 if many > 2 else -0.6 if dotted else 0.6
        body += _arrow(one, other, "sun" if dotted else "good", "3 3" if dotted else "", bend)
    for i, (x, y) in enumerate(spots):
        name = ring.parties[i]
        label = str(i + 1) if numbered else _short(name)
        label = label if i % step == 0 and (i == 0 or many - i >= step) else ""
        side = (x - middle) / radius
        anchor = "middle" if abs(side) < 0.35 else "start" if side > 0 else "end"
        drop = 4 + 9 * (y - middle) / radius
        far = (radius + 10) / radius
        # long names beside the circle run out of the picture: they stand above or below their dot
        if anchor != "middle" and len(label) > 5:
            anchor, drop = "middle", drop + (14 if y > middle + 1 else -14)
        body += f"<g><title>{text(name)}</title>{dot(x, y, 5, 'grid')}"
        body += words(
            middle + (x - middle) * far, middle + (y - middle) * far + drop, label, anchor=anchor
        )
        body += "</g>"
    body += words(middle, middle, _plain(ring.amount_nano, currency), anchor="middle", bold=True)
    body += words(middle, middle + 17, "each", anchor="middle", colour="soft")
    names = [f"{i + 1} {name}" if numbered else name for i, name in enumerate(ring.parties)]
    if many > LISTED:
        names = [*names[: LISTED - 1], f"... {many - LISTED} more ...", names[-1]]
    names += [] if ring.paid else [names[0]]
    way = " → ".join(names)
    cash = f"; {_plain(ring.amount_nano, currency)} {cash_word}" if ring.paid else ""
    caption = f"{note}{_plain(ring.cleared_nano, currency)} cleared{cash}: {way}"
    drawn = picture(size, size, body, caption)
    return f"<figure>{drawn}<figcaption>{text(caption)}</figcaption></figure>"


def _arrow(
    one: tuple[float, float], other: tuple[float, float], colour: str, dash: str, bent: float
) -> str:
    """A line with a head, bent by a share of its length."""
    (x1, y1), (x2, y2) = one, other
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    gap = min(8.0, length / 4)
    bend = bent * length
    cx, cy = (x1 + x2) / 2 - uy * bend, (y1 + y2) / 2 + ux * bend
    ax, ay = x1 + ux * gap, y1 + uy * gap
    bx, by = x2 - ux * gap, y2 - uy * gap
    tx, ty = bx - cx, by - cy
    reach = math.hypot(tx, ty) or 1.0
    tx, ty = tx / reach, ty / reach
    wing = min(7.0, length / 4)
    left = f"{at(bx - wing * tx + 0.5 * wing * ty)} {at(by - wing * ty - 0.5 * wing * tx)}"
    right = f"{at(bx - wing * tx - 0.5 * wing * ty)} {at(by - wing * ty + 0.5 * wing * tx)}"
    line = f"M{at(ax)} {at(ay)}Q{at(cx)} {at(cy)} {at(bx)} {at(by)}"
    head = f"M{left}L{at(bx)} {at(by)}L{right}"
    return f'<path d="{line}" {stroke(colour, 2, dash)}/><path d="{head}" {stroke(colour, 2)}/>'


def _parties(o: Obligations, n: Netted, currency: str) -> str:
    """The parties that were let off most."""
    let_off = np.zeros(len(o.parties), np.int64)
    np.add.at(let_off, o.debtor, n.set_off_nano)
    order = sorted(np.flatnonzero(let_off).tolist(), key=lambda p: (-int(let_off[p]), o.parties[p]))
    if not order:
        return ""
    cash = n.liquidity_used_nano > 0
    rows = ""
    for p in order[:PARTIES]:
        cells = [o.owes_nano[p], let_off[p], o.owes_nano[p] - let_off[p], o.due_nano[p]]
        cells += [n.spent_nano[p] - n.received_nano[p]] if cash else []
        tds = "".join(f"<td>{_amount(int(cell))}</td>" for cell in cells)
        rows += f'<tr><th scope="row">{text(o.parties[p])}</th>{tds}</tr>'
    heads = ["", "Owed", "Let off", "Still owes", "Was owed", *(["Cash spent"] if cash else [])]
    row = "".join(f'<th scope="col">{head}</th>' for head in heads)
    shown = min(PARTIES, len(order))
    told = (
        f"The {shown} of {number(len(order))} parties that were let off most"
        if shown < len(order)
        else "All that were let off something"
    )
    unit = f", in {text(currency)}" if currency else ""
    return (
        f"<section><h2>Parties</h2><p>{told}{unit}. What a party is let off equals what it lets "
        f'others off{", but for its cash" if cash else ""}.</p><div class="scroll"><table><thead>'
        f"<tr>{row}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _amount(nano: int) -> str:
    """A number with two digits, or with all of them where they are few."""
    value = nano / NANO_PER_UNIT
    small = 0 < abs(value) < 1
    return money_text(nano) if small else number(value, 0 if nano % NANO_PER_UNIT == 0 else 2)


def _plain(nano: int, currency: str) -> str:
    return f"{_amount(nano)}{SPACE}{currency}" if currency else _amount(nano)


def _money(nano: int, currency: str) -> str:
    return text(_plain(nano, currency))
