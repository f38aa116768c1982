"""Pictures of prices that move: posted, of a pool, called by a clock, of an order book."""

from __future__ import annotations

import numpy as np
from picture_frame import (
    HEIGHT,
    LEFT,
    RIGHT,
    SAMPLES,
    SECOND_NS,
    TOP,
    WIDTH,
    Axes,
    Drawing,
    Example,
    key_of,
    steps_of,
    top_of,
)

from isojoule.apps.report.svg import rule, words
from isojoule.core.units import UJ_PER_J
from isojoule.market import Match
from isojoule.valuation import Load


def posted(e: Example) -> Drawing:
    """A posted price over time, with who took how much at which price."""
    book, c = e.file.book, e.cleared
    opens, lasts = book.interval.start_s * SECOND_NS, book.interval.duration_s
    schedule, unit_uj = e.rule.schedule_of(book), e.rule.unit_uj()
    poster = next(i for i, offer in enumerate(book.offers) if not offer.at_ns)
    own = min(s.price for side in (1, -1) for s in steps_of(e, side, [poster]))
    worse = min if schedule.buys else max

    def price_at(sold_uj: int, since_ns: int) -> float:
        found = schedule.posted(unit_uj, sold_uj, since_ns)
        return float("nan") if found is None else worse(own, found * e.joules)

    sold, points = 0, [(0.0, price_at(0, 0))]
    moments: dict[int, list[Match]] = {
        round(lasts * n / SAMPLES * SECOND_NS): [] for n in range(1, SAMPLES + 1)
    }
    for match in c.matches:
        moments.setdefault(match.at_ns - opens, []).append(match)
    for since in sorted(moments):
        for before in (None, *moments[since]):
            sold += before.energy_uj if before else 0
            price = price_at(sold, since)
            points += [] if np.isnan(price) else [(since / SECOND_NS / 60, price)]
    top = top_of(*(price for _, price in points))
    axes = Axes((0.0, lasts / 60), (0.0, top), ("minutes", e.money))
    axes.line(points, "grid")
    verb = "pays {:.4g} or less" if schedule.buys else "asks {:.4g} or more"
    body = f"{book.offers[poster].participant} {verb.format(own)}"
    axes.level(own, lasts / 60, body, "soft")
    takers = sorted(set(range(book.offer_count)) - {poster}, key=lambda i: book.offers[i].at_ns)
    for k, i in enumerate(takers, 1):
        offer = book.offers[i]
        minute = (offer.at_ns - opens) / SECOND_NS / 60
        got = abs(e.energy(i))
        price = e.paid(i) if got else max(s.price for n in (1, -1) for s in steps_of(e, n, [i]))
        axes.dot(minute, price, "bad" if got else "soft")
        axes.say(minute, price, f"{k}", down=-9, anchor="middle")
        verb = f"{got:.4g} {e.unit} at {price:.4g}" if got else f"nothing, for {price:.4g} is bid"
        y = HEIGHT + 18.0 * (k - 1)
        axes.parts.append(words(LEFT, y, f"{k}. {offer.participant}: {verb}", bold=True))
    key = key_of([("grid", "posted price"), ("bad", "taken, at the average price")])
    return HEIGHT + 18.0 * len(takers), key + axes.parts


def pool(e: Example) -> Drawing:
    """The price over what has been drawn, and how each who came moved along the curve."""
    book, curve = e.file.book, e.rule.curve()
    per = UJ_PER_J * e.joules
    at_kwh = [curve.supply_uj / per]
    moves = []
    for i in sorted(range(book.offer_count), key=lambda i: book.offers[i].at_ns):
        if book.offers[i].at_ns:
            at_kwh.append(at_kwh[-1] + e.energy(i))
            moves.append((i, at_kwh[-2], at_kwh[-1]))

    def price(drawn_: float) -> float:
        return float(curve.price_nano(round(drawn_ * per))) / 1000 * e.joules

    most = 1.35 * max(at_kwh)
    axes = Axes((0.0, most), (0.0, top_of(price(most))), (f"{e.unit} drawn so far", e.money))
    xs = [most * n / 40 for n in range(41)]
    keep = float(1 - curve.tax)
    axes.line([(x, price(x)) for x in xs], "grid")
    axes.line([(x, keep * price(x)) for x in xs], "sun")
    axes.dot(at_kwh[0], price(at_kwh[0]), "ink")
    axes.say(at_kwh[0], price(at_kwh[0]), f"start: {price(at_kwh[0]):.4g}", anchor="end", down=-9)
    for k, (i, start, end) in enumerate(moves, 1):
        who = book.offers[i].participant
        if start == end:
            body = f"{k}. {who} trades nothing"
        else:
            factor = 1.0 if end > start else keep
            axes.line([(x, factor * price(x)) for x in (start, (start + end) / 2, end)], "bad", 5)
            verb = "draws" if end > start else "brings"
            body = f"{k}. {who} {verb} {abs(end - start):.4g} {e.unit} at {e.paid(i):.4g}"
        axes.parts.append(words(LEFT + 12, TOP + 14 + 26 * k, body, bold=True))
    key = key_of([("grid", "price of drawing"), ("sun", "price of bringing"), ("bad", "traded")])
    return HEIGHT, key + axes.parts


def clock(e: Example) -> Drawing:
    """The price that is called, and how much is still in, over time."""
    rises = e.name == "ascending-clock"
    among = list(range(e.file.book.offer_count))
    bids, asks = steps_of(e, 1, among), steps_of(e, -1, among)
    crowd, poster = (bids, asks) if rises else (asks, bids)
    limit = sum(step.size for step in poster)
    calls, way = int(e.cleared.notes["calls"]), 1 if rises else -1
    r = e.rule
    prices = [(r.start_price_per_j + way * n * r.step_per_j) * e.joules for n in range(calls)]
    seconds = [r.opens_s + n * r.round_s for n in range(calls)]
    still = [sum(s.size for s in crowd if way * (s.price - p) > -1e-9) for p in prices]
    xs = (seconds[0] - r.round_s, seconds[-1] + 2 * r.round_s)
    up = Axes(xs, (0.0, top_of(*prices)), ("", e.money), (LEFT, TOP, WIDTH - RIGHT, 170))
    low = Axes(xs, (0.0, top_of(*still, limit)), ("seconds", f"{e.unit} still in"),
               (LEFT, 222, WIDTH - RIGHT, 330))  # fmt: skip
    for axes, values, colour in ((up, prices, "grid"), (low, still, "sun")):
        points = []
        for second, value in zip(seconds, values, strict=True):
            points += [(second, value), (second + r.round_s, value)]
        axes.line(points, colour)
    low.parts.append(rule(LEFT, low.y(limit), WIDTH - RIGHT, low.y(limit), "good", "4 3"))
    verb = "sells" if rises else "needs"
    body = f"{e.file.book.offers[poster[0].offer].participant} {verb} {limit:.4g}"
    low.parts.append(words(LEFT + 4, low.y(limit) + 14, body, colour="good"))
    for n in range(1, calls):
        who = " and ".join(
            dict.fromkeys(
                e.file.book.offers[step.offer].participant
                for step in crowd
                if way * (step.price - prices[n]) <= -1e-9 < way * (step.price - prices[n - 1])
            )
        )
        last = n == calls - 1
        body = f"{who} leaves" if who else ""
        if last:
            body += (
                f"{', ' if who else ''}{min(still[n], limit):.4g} {e.unit} sold at {prices[n]:.4g}"
            )
        if body:
            colour = "bad" if last else "soft"
            up.dot(seconds[n], prices[n], colour)
            down = -9 if rises else 20
            up.say(seconds[n], prices[n], body, down=down, anchor="end", colour=colour)
    key = key_of([("grid", "price called"), ("sun", "wanted" if rises else "offered")])
    return 374.0, key + up.parts + low.parts


def quotes(e: Example) -> Drawing:
    """Offers as they come and rest, and trades where they meet, over time."""
    book, c = e.file.book, e.cleared
    opens = min(offer.at_ns for offer in book.offers)
    last = max(offer.at_ns for offer in book.offers) - opens
    end = last / SECOND_NS / 60 + 1
    among = list(range(book.offer_count))
    sides = [(steps_of(e, 1, among), "grid"), (steps_of(e, -1, among), "sun")]
    known = [s.price for side, _ in sides for s in side
             if not isinstance(book.offers[s.offer].spec, Load)]  # fmt: skip
    axes = Axes((0.0, end), (0.0, top_of(*known)), ("minutes", e.money))
    for side, colour in sides:
        filled: dict[int, float] = {}
        for step in side:
            offer = book.offers[step.offer]
            before = filled.get(step.offer, 0.0)
            filled[step.offer] = before + step.size
            start = (offer.at_ns - opens) / SECOND_NS / 60
            until, so_far = end, 0.0
            for match in c.matches:
                if step.offer in (match.sell_offer, match.buy_offer):
                    so_far += match.energy_uj / UJ_PER_J / e.joules
                    if so_far >= before + step.size - 1e-9:
                        until = min(until, (match.at_ns - opens) / SECOND_NS / 60)
            if offer.immediate:
                until = start
            axes.line([(start, step.price), (max(until, start + 0.04), step.price)], colour, 4)
            verb = "bids" if colour == "grid" else "asks"
            body = f"{offer.participant} {verb} {step.price:.4g} for {step.size:.4g}"
            axes.say(start, step.price, body, down=-6, colour="soft")
    for match in c.matches:
        minute = (match.at_ns - opens) / SECOND_NS / 60
        traded = match.energy_uj / UJ_PER_J / e.joules
        price = match.payment_nano / 1e9 / traded
        axes.dot(minute, price)
        axes.say(minute, price, f"{traded:.4g} {e.unit} at {price:.4g}", down=16, colour="bad")
    key = key_of([("grid", "bids"), ("sun", "asks"), ("bad", "trades")])
    return HEIGHT, key + axes.parts
