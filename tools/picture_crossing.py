"""Pictures of what meets at one place: bids and asks, and bundles."""

from __future__ import annotations

import numpy as np
from picture_frame import (
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axes,
    Drawing,
    Example,
    Step,
    key_of,
    steps_of,
    top_of,
)

from isojoule.apps.report.svg import at, fill, path, rule, stroke, words
from isojoule.market.mechanisms.step_traders import drawn
from isojoule.valuation import Bundle, Load, Utility


def crossing(e: Example) -> Drawing:
    """Bids from dear to cheap, asks from cheap to dear, what was traded and at which prices."""
    parts = _cross(e, list(range(e.file.book.offer_count)), (LEFT, TOP, WIDTH - RIGHT, 276.0))
    return HEIGHT, __cross_key() + parts


def halves(e: Example) -> Drawing:
    """Two halves of the traders, drawn by lot, each with its own crossing."""
    book, parts = e.file.book, __cross_key()
    odd = (drawn("muda", book, e.cleared.seed) & np.uint64(1)).astype(bool)
    boxes = ((LEFT, TOP + 16, 306.0, 276.0), (370.0, TOP + 16, WIDTH - RIGHT, 276.0))
    for half, box in zip((False, True), boxes, strict=True):
        parts += _cross(e, [i for i in range(book.offer_count) if odd[i] == half], box)
    return HEIGHT, parts


def __cross_key() -> list[str]:
    return key_of([("grid", "bids"), ("sun", "asks"), ("bad", "price of what was traded")])


def _cross(e: Example, among: list[int], box: tuple[float, float, float, float]) -> list[str]:
    bids, asks = steps_of(e, 1, among), steps_of(e, -1, among)
    offers = e.file.book.offers
    wanted, offered = (sum(s.size for s in side) for side in (bids, asks))
    moved = min(sum(s.got for s in bids), sum(s.got for s in asks))
    utility = [o.spec for o in offers if isinstance(o.spec, Utility)]
    fixed = [
        p * e.joules for u in utility for p in (u.sells_at_per_j, u.buys_at_per_j) if p is not None
    ]
    paid = [e.paid(s.offer) for s in (*bids, *asks) if s.got > 0]
    known = [s.price for s in (*bids, *asks) if not isinstance(offers[s.offer].spec, Load)]
    top = top_of(*known, *paid, *(1.12 * price for price in fixed))
    most = max(min(max(wanted, offered), 2.2 * moved), min(wanted, offered))
    axes = Axes((0.0, 1.04 * most), (0.0, top), (e.unit, e.money), box)
    for price in fixed:
        axes.parts.append(rule(box[0], axes.y(price), box[2], axes.y(price), "soft", "2 3"))
        verb = "sells" if price == max(fixed) else "buys"
        body = f"the utility {verb} at {price:.4g}"
        axes.parts.append(words(box[2] - 4, axes.y(price) - 5, body, anchor="end", colour="soft"))
    past = _past(bids, asks)
    for side, colour in ((bids, "grid"), (asks, "sun")):
        _stairs(e, axes, side, colour, past)
    _prices(e, axes, bids, asks, moved)
    if moved > 0:
        x = axes.x(moved)
        axes.parts.append(rule(x, box[1], x, box[3], "good", "4 3"))
        body = f"{moved:.4g} {e.unit} traded"
        axes.parts.append(words(x, box[1] - 4, body, anchor="middle", colour="good", bold=True))
    return axes.parts


def _past(bids: list[Step], asks: list[Step]) -> float:
    """How much is both wanted and offered before bids fall below asks."""
    past, i, j = 0.0, 0, 0
    rest = [[step.size for step in side] for side in (bids, asks)]
    while i < len(bids) and j < len(asks) and bids[i].price >= asks[j].price:
        size = min(rest[0][i], rest[1][j])
        past += size
        rest[0][i] -= size
        rest[1][j] -= size
        i, j = i + (rest[0][i] <= 1e-9), j + (rest[1][j] <= 1e-9)
    return past


def _stairs(e: Example, axes: Axes, side: list[Step], colour: str, past: float) -> None:
    """One side as stairs; what was traded of each step is thick; names where there is room.

    Names of bids stand above them and those of asks below, past the crossing the other way round.
    """
    points, x = [], 0.0
    for step in side:
        points += [(x, step.price), (x + step.size, step.price)]
        x += step.size
    axes.line(points, colour)
    x, said = 0.0, -1
    for step in side:
        offer, y = e.file.book.offers[step.offer], axes.y(step.price)
        if step.got > 0:
            mark = path([(axes.x(x), y), (axes.x(x + step.got), y)])
            axes.parts.append(f'<path d="{mark}" {stroke(colour, 5)}/>')
        name = offer.id or offer.participant
        if step.price > axes.ys[1]:
            name += f", worth {step.price:.4g}"
        start, end = axes.x(x), axes.x(x + step.size)
        above = (colour == "grid") != (x >= past - 1e-9)
        above = (above or y > axes.box[3] - 16) and step.price <= axes.ys[1]
        down = -6 if above else 15
        if end - start > 5.6 * len(name) and step.offer != said:
            body = words((start + end) / 2, y + down, name, anchor="middle", colour="soft")
            axes.parts.append(body)
        said, x = step.offer, x + step.size


def _prices(e: Example, axes: Axes, bids: list[Step], asks: list[Step], moved: float) -> None:
    """What was paid: a line where a side has one price, else a mark for each trader."""
    sides = [{round(e.paid(s.offer), 6) for s in side if s.got > 0} for side in (bids, asks)]
    shared = sides[0] | sides[1]
    if len(shared) == 1:
        price = shared.pop()
        axes.level(price, moved, f"price {price:.4g}")
        return
    for side, prices, body in zip((bids, asks), sides, ("buyers pay", "sellers get"), strict=True):
        if len(prices) == 1:
            (price,) = prices
            alone = len(sides[0]) == 1 and len(sides[1]) == 1
            down = 14 if alone and price < max(shared) else -5
            axes.level(price, moved, f"{body} {price:.4g}", down=down)
            continue
        x = 0.0
        for step in side:
            if step.got > 0:
                y, price = axes.y(e.paid(step.offer)), e.paid(step.offer)
                mark = path([(axes.x(x), y), (axes.x(x + step.got), y)])
                axes.parts.append(f'<path d="{mark}" {stroke("bad", 3)}/>')
                verb = "pays" if side is bids else "gets"
                middle = (axes.x(x) + axes.x(x + step.got)) / 2
                down = -5 if abs(price - step.price) < 0.02 * axes.ys[1] else 14
                body = f"{verb} {price:.4g}"
                axes.parts.append(words(middle, y + down, body, anchor="middle", colour="bad"))
            x += step.size


def bundles(e: Example) -> Drawing:
    """What each bidder bids, and what it pays or gets; money in bars."""
    offers, rows = e.file.book.offers, []
    for i, offer in enumerate(offers):
        paid = float(e.cleared.payment_nano[i]) / 1e9
        bid = offer.spec.price if isinstance(offer.spec, Bundle) else None
        rows.append((offer.id or offer.participant, bid, paid))
    height = TOP + 40.0 * len(rows) + 12
    top = max(max(abs(bid or 0.0), abs(paid)) for _, bid, paid in rows)
    parts, scale = key_of([("charge", "bid"), ("bad", "paid, or got")]), (WIDTH - 300) / top
    for k, (name, bid, paid) in enumerate(rows):
        y, body = TOP + 40.0 * k, []
        parts.append(words(90, y + 18, name, anchor="end"))
        for amount, down, colour in ((bid, 2, "charge"), (paid, 14, "bad")):
            wide = abs(amount or 0.0) * scale
            parts.append(
                f'<rect x="98" y="{at(y + down)}" width="{at(wide)}" height="11" {fill(colour)}/>'
            )
        currency = e.file.book.currency
        body += [f"bids {bid:.4g} {currency}"] if bid is not None else []
        verb, without = ("gets", "gives nothing") if bid is None else ("pays", "gets nothing")
        body.append(f"{verb} {abs(paid):.4g} {currency}" if paid else without)
        most = 98 + scale * max(abs(bid or 0.0), abs(paid))
        parts.append(words(most + 6, y + 18, ", ".join(body)))
    return height, parts
