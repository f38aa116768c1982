"""Pictures of the worked examples of mechanisms, as SVG written by hand.

`picture(example(name))` draws the worked example of a mechanism: bids and asks where all meet at
one place, prices over time (or over what was drawn) where a price moves, nodes and flows on a
network, bids and payments where bundles are sold. All of it follows from the example's book and its
clearing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.case_files import example_of
from isojoule.apps.report.svg import COLOURS, at, dot, fill, path, rule, stroke, ticks, words
from isojoule.core.units import UJ_PER_J, price_unit
from isojoule.market import Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.muda_halves import drawn
from isojoule.valuation import Bundle, Load, Utility
from isojoule.valuation.curve import Pieces, marginal

WIDTH, HEIGHT = 640.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 20.0, 44.0, 44.0
SLICES = 16
"""A sloping piece is drawn as so many steps."""
SAMPLES = 160
"""A price that moves is drawn by so many points."""
SECOND_NS = 10**9


class Example(NamedTuple):
    """A worked example: who would do what, and what came of it, in units for people.

    `joules` are in the unit of energy `unit`.
    """

    name: str
    rule: Any
    file: BookFile
    cleared: Clearing
    joules: float
    unit: str

    @property
    def money(self) -> str:
        """The unit of prices."""
        return f"{self.file.book.currency}/{self.unit}"

    def energy(self, offer: int) -> float:
        """What an offer got (negative: gave)."""
        return float(self.cleared.energy_uj[offer]) / UJ_PER_J / self.joules

    def paid(self, offer: int) -> float:
        """What it paid, or was paid, for each unit; it must have traded."""
        return float(self.cleared.payment_nano[offer]) / 1e9 / self.energy(offer)


Drawing = tuple[float, list[str]]
"""How high a picture is, and its parts."""
Drawer = Callable[[Example], Drawing]


class Step(NamedTuple):
    """A part of an offer at one price; `got` of `size` was traded."""

    offer: int
    price: float
    size: float
    got: float


class Axes:
    """Where values lie in a picture, with a frame, marks and names of both axes."""

    def __init__(
        self, xs: tuple[float, float], ys: tuple[float, float], names: tuple[str, str],
        box: tuple[float, float, float, float] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
    ) -> None:  # fmt: skip
        self.xs, self.ys, self.box = xs, ys, box
        x0, y0, x1, y1 = box
        self.parts = []
        for value in ticks(*xs, 6):
            self.parts.append(rule(self.x(value), y0, self.x(value), y1))
            self.parts.append(words(self.x(value), y1 + 15, f"{value:g}", anchor="middle"))
        for value in ticks(*ys, 5):
            self.parts.append(rule(x0, self.y(value), x1, self.y(value)))
            self.parts.append(words(x0 - 6, self.y(value) + 4, f"{value:g}", anchor="end"))
        self.parts.append(words(x1, y1 + 31, names[0], anchor="end", colour="soft"))
        self.parts.append(words(8, y0 - 10, names[1], colour="soft"))

    def x(self, value: float) -> float:
        """Across."""
        (low, high), (x0, _, x1, _) = self.xs, self.box
        return x0 + (x1 - x0) * (min(max(value, low), high) - low) / (high - low)

    def y(self, value: float) -> float:
        """Down."""
        (low, high), (_, y0, _, y1) = self.ys, self.box
        return y1 - (y1 - y0) * (min(max(value, low), high) - low) / (high - low)

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 2.0) -> None:
        """A line through values."""
        d = path([(self.x(x), self.y(y)) for x, y in points])
        self.parts.append(f'<path d="{d}" {stroke(colour, width)}/>')

    def level(self, price: float, until: float, body: str, colour: str = "bad", *,
              down: float = -5) -> None:  # fmt: skip
        """A price as a dashed line, with its name at the left."""
        x, y = self.box[0], self.y(price)
        self.parts.append(rule(x, y, self.x(until), y, colour, "5 3"))
        self.parts.append(words(x + 6, y + down, body, colour=colour, bold=True))

    def say(self, x: float, y: float, body: str, *, down: float = -7, anchor: str = "start",
            colour: str = "ink") -> None:  # fmt: skip
        """Words at values."""
        self.parts.append(words(self.x(x), self.y(y) + down, body, anchor=anchor, colour=colour))

    def dot(self, x: float, y: float, colour: str = "bad") -> None:
        """A dot at values."""
        self.parts.append(dot(self.x(x), self.y(y), 4, colour))


def example(name: str) -> Example | None:
    """The worked example of a mechanism, cleared; None if it has none, or refuses it."""
    file, rule_ = example_of(name), get(name)
    if file is None:
        return None
    cleared = rule_.clear(file.book, file.grid)
    if isinstance(cleared, Refusal):
        return None
    joules, unit = price_unit(*(float(p) for p in cleared.price_per_j))
    return Example(name, rule_, file, cleared, joules, unit)


def picture(e: Example) -> str:
    """The picture of an example, an SVG file."""
    height, parts = _drawer(e)(e)
    body = [part for part in parts if not part.startswith("<text")]
    said = [part for part in parts if part.startswith("<text")]  # above all lines
    lines = "\n".join([*body, *said])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{at(WIDTH)}" height="{at(height)}" '
        f'viewBox="0 0 {at(WIDTH)} {at(height)}" role="img" aria-label="{alternative_of(e)}" '
        f'style="font:12px system-ui,sans-serif">\n<style>text{{paint-order:stroke;'
        f"stroke:{COLOURS['paper']};stroke-width:3px;stroke-linejoin:round}}</style>\n"
        f'<rect width="{at(WIDTH)}" height="{at(height)}" {fill("paper")}/>\n{lines}\n</svg>\n'
    )


def alternative_of(e: Example) -> str:
    """What the picture shows, in a line."""
    return ALTERNATIVES[_drawer(e)]


def _drawer(e: Example) -> Drawer:
    if e.name in OWN:
        return OWN[e.name]
    if _bundled(e.file):
        return bundles
    return network if e.file.grid.link_count else crossing


def _bundled(file: BookFile) -> bool:
    return any(isinstance(offer.spec, Bundle) for offer in file.book.offers)


def _key(entries: list[tuple[str, str]]) -> list[str]:
    """What the colours mean, at the top right."""
    parts, x = [], WIDTH - RIGHT
    for colour, body in reversed(entries):
        x -= 7.0 * len(body)
        parts.append(words(x, 18, body, colour="soft"))
        x -= 20
        parts.append(f'<line x1="{at(x)}" y1="14" x2="{at(x + 15)}" y2="14" {stroke(colour, 3)}/>')
        x -= 14
    return parts


def _top(*values: float) -> float:
    """A little above the greatest."""
    return 1.18 * max(values)


# Bids and asks at one place


def _steps(e: Example, side: int, among: list[int]) -> list[Step]:
    """What offers would buy (1) or sell (-1), the best first, and what of it was traded."""
    book, found = e.file.book, []
    for i, offer in enumerate(book.piece_offer):
        if int(offer) not in among or isinstance(book.offers[offer].spec, Utility):
            continue
        p = Pieces(*(column[i : i + 1] for column in book.pieces))
        end = float(p.hi[0] if side > 0 else p.lo[0])
        if end * side <= 0:
            continue
        slopes = float(p.b[0] * p.c1[0]) != 0
        slices = SLICES if slopes else 1
        for n in range(slices):
            worth = float(marginal(p, np.array([end * (n + 0.5) / slices]))[0])
            size = abs(end) / e.joules / slices
            found.append(Step(int(offer), worth * e.joules, size, 0.0))
    found.sort(key=lambda step: (-side * step.price, step.offer))
    left = {offer: max(0.0, side * e.energy(offer)) for offer in among}
    for k, step in enumerate(found):
        got = min(step.size, left[step.offer])
        left[step.offer] -= got
        found[k] = step._replace(got=got)
    return found


def crossing(e: Example) -> Drawing:
    """Bids from dear to cheap, asks from cheap to dear, what was traded and at which prices."""
    parts = _cross(e, list(range(e.file.book.offer_count)), (LEFT, TOP, WIDTH - RIGHT, 276.0))
    return HEIGHT, _cross_key() + parts


def halves(e: Example) -> Drawing:
    """Two halves of the traders, drawn by lot, each with its own crossing."""
    book, parts = e.file.book, _cross_key()
    odd = (drawn("muda", book, e.cleared.seed) & np.uint64(1)).astype(bool)
    boxes = ((LEFT, TOP + 16, 306.0, 276.0), (370.0, TOP + 16, WIDTH - RIGHT, 276.0))
    for half, box in zip((False, True), boxes, strict=True):
        parts += _cross(e, [i for i in range(book.offer_count) if odd[i] == half], box)
    return HEIGHT, parts


def _cross_key() -> list[str]:
    return _key([("grid", "bids"), ("sun", "asks"), ("bad", "price of what was traded")])


def _cross(e: Example, among: list[int], box: tuple[float, float, float, float]) -> list[str]:
    bids, asks = _steps(e, 1, among), _steps(e, -1, among)
    offers = e.file.book.offers
    wanted, offered = (sum(s.size for s in side) for side in (bids, asks))
    moved = min(sum(s.got for s in bids), sum(s.got for s in asks))
    utility = [o.spec for o in offers if isinstance(o.spec, Utility)]
    fixed = [
        p * e.joules for u in utility for p in (u.sells_at_per_j, u.buys_at_per_j) if p is not None
    ]
    paid = [e.paid(s.offer) for s in (*bids, *asks) if s.got > 0]
    known = [s.price for s in (*bids, *asks) if not isinstance(offers[s.offer].spec, Load)]
    top = _top(*known, *paid, *(1.12 * price for price in fixed))
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


# Bundles


def bundles(e: Example) -> Drawing:
    """What each bidder bids, and what it pays or gets; money in bars."""
    offers, rows = e.file.book.offers, []
    for i, offer in enumerate(offers):
        paid = float(e.cleared.payment_nano[i]) / 1e9
        bid = offer.spec.price if isinstance(offer.spec, Bundle) else None
        rows.append((offer.id or offer.participant, bid, paid))
    height = TOP + 40.0 * len(rows) + 12
    top = max(max(abs(bid or 0.0), abs(paid)) for _, bid, paid in rows)
    parts, scale = _key([("charge", "bid"), ("bad", "paid, or got")]), (WIDTH - 300) / top
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


# Prices that move


def posted(e: Example) -> Drawing:
    """A posted price over time, with who took how much at which price."""
    book, c = e.file.book, e.cleared
    opens, lasts = book.interval.start_s * SECOND_NS, book.interval.duration_s
    schedule, unit_uj = e.rule.schedule_of(book), e.rule.unit_uj()
    poster = next(i for i, offer in enumerate(book.offers) if not offer.at_ns)
    own = min(s.price for side in (1, -1) for s in _steps(e, side, [poster]))
    worse = min if schedule.buys else max

    def price_at(sold_uj: int, since_ns: int) -> float:
        found = schedule.posted(unit_uj, sold_uj, since_ns)
        return float("nan") if found is None else worse(own, found * e.joules)

    sold, points = 0, [(0.0, price_at(0, 0))]
    moments = {round(lasts * n / SAMPLES * SECOND_NS): [] for n in range(1, SAMPLES + 1)}
    for match in c.matches:
        moments.setdefault(match.at_ns - opens, []).append(match)
    for since in sorted(moments):
        for before in (None, *moments[since]):
            sold += before.energy_uj if before else 0
            price = price_at(sold, since)
            points += [] if np.isnan(price) else [(since / SECOND_NS / 60, price)]
    top = _top(*(price for _, price in points))
    axes = Axes((0.0, lasts / 60), (0.0, top), ("minutes", e.money))
    axes.line(points, "grid")
    verb = "pays {:.4g} or less" if schedule.buys else "asks {:.4g} or more"
    body = f"{book.offers[poster].participant} {verb.format(own)}"
    axes.level(own, lasts / 60, body, "soft")
    takers = sorted(set(range(book.offer_count)) - {poster}, key=lambda i: book.offers[i].at_ns)
    said = (-lasts, 0.0)  # where the label before stands
    for i in takers:
        offer = book.offers[i]
        minute = (offer.at_ns - opens) / SECOND_NS / 60
        got = abs(e.energy(i))
        side = "end" if minute > 0.8 * lasts / 60 else "start"
        if got:
            axes.dot(minute, e.paid(i))
            body = f"{offer.participant}: {got:.4g} {e.unit} at {e.paid(i):.4g}"
            near = minute - said[0] < 0.25 * lasts / 60 and abs(e.paid(i) - said[1]) < 0.1 * top
            axes.say(minute, e.paid(i), body, down=20 if near else -12, anchor=side)
            said = (minute, e.paid(i))
        else:
            bid = max(s.price for s in _steps(e, 1, [i]) + _steps(e, -1, [i]))
            axes.dot(minute, bid, "soft")
            body = f"{offer.participant} bids {bid:.4g}: nothing"
            axes.say(minute, bid, body, down=-9, anchor=side, colour="soft")
    key = _key([("grid", "posted price"), ("bad", "taken, at the average price")])
    return HEIGHT, key + axes.parts


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
    axes = Axes((0.0, most), (0.0, _top(price(most))), (f"{e.unit} drawn so far", e.money))
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
    key = _key([("grid", "price of drawing"), ("sun", "price of bringing"), ("bad", "traded")])
    return HEIGHT, key + axes.parts


def clock(e: Example) -> Drawing:
    """The price that is called, and how much is still in, over time."""
    rises = e.name == "ascending-clock"
    among = list(range(e.file.book.offer_count))
    bids, asks = _steps(e, 1, among), _steps(e, -1, among)
    crowd, poster = (bids, asks) if rises else (asks, bids)
    limit = sum(step.size for step in poster)
    calls, way = int(e.cleared.notes["calls"]), 1 if rises else -1
    r = e.rule
    prices = [(r.start_price_per_j + way * n * r.step_per_j) * e.joules for n in range(calls)]
    seconds = [r.opens_s + n * r.round_s for n in range(calls)]
    still = [sum(s.size for s in crowd if way * (s.price - p) > -1e-9) for p in prices]
    xs = (seconds[0] - r.round_s, seconds[-1] + 2 * r.round_s)
    up = Axes(xs, (0.0, _top(*prices)), ("", e.money), (LEFT, TOP, WIDTH - RIGHT, 170))
    low = Axes(xs, (0.0, _top(*still, limit)), ("seconds", f"{e.unit} still in"),
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
    key = _key([("grid", "price called"), ("sun", "wanted" if rises else "offered")])
    return 374.0, key + up.parts + low.parts


def quotes(e: Example) -> Drawing:
    """Offers as they come and rest, and trades where they meet, over time."""
    book, c = e.file.book, e.cleared
    opens = min(offer.at_ns for offer in book.offers)
    last = max(offer.at_ns for offer in book.offers) - opens
    end = last / SECOND_NS / 60 + 1
    among = list(range(book.offer_count))
    sides = [(_steps(e, 1, among), "grid"), (_steps(e, -1, among), "sun")]
    known = [s.price for side, _ in sides for s in side
             if not isinstance(book.offers[s.offer].spec, Load)]  # fmt: skip
    axes = Axes((0.0, end), (0.0, _top(*known)), ("minutes", e.money))
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
    key = _key([("grid", "bids"), ("sun", "asks"), ("bad", "trades")])
    return HEIGHT, key + axes.parts


# Networks


PLACES = {
    1: ((320.0, 160.0),),
    2: ((150.0, 90.0), (490.0, 90.0)),
    3: ((130.0, 110.0), (510.0, 110.0), (320.0, 240.0)),
}
"""Where a few nodes lie."""


def network(e: Example) -> Drawing:
    """Nodes with their prices and who trades there, links with what flows."""
    grid, c, book = e.file.grid, e.cleared, e.file.book
    count = grid.node_count
    angle = [2 * np.pi * n / count for n in range(count)]
    places = PLACES.get(count) or [(320 + 230 * np.cos(a), 170 + 110 * np.sin(a)) for a in angle]
    height = 340.0 if count > 2 else 200.0
    parts = []
    for link in range(grid.link_count):
        (x1, y1), (x2, y2) = places[grid.link_from[link]], places[grid.link_to[link]]
        flow = float(c.flow_uj[link]) / UJ_PER_J / e.joules
        most = float(grid.capacity_w[link]) * book.interval.duration_s / e.joules
        full = np.isfinite(most) and abs(flow) >= most * (1 - 1e-6)
        parts.append(
            f'<line x1="{at(x1)}" y1="{at(y1)}" x2="{at(x2)}" y2="{at(y2)}" '
            f"{stroke('bad' if full else 'line', 5 if full else 3)}/>"
        )
        mx, my = (x1 + x2) / 2, (y1 + y2) / 2
        if flow:
            parts.append(_arrow(mx, my, (x2 - x1) * np.sign(flow), (y2 - y1) * np.sign(flow)))
        body = f"{grid.link_ids[link]}: {abs(flow):.4g} {e.unit}" if flow else "nothing flows"
        body += ", full" if full else ""
        parts.append(words(mx, my - 14, body, anchor="middle", colour="bad" if full else "ink"))
    for node, (x, y) in enumerate(places):
        price = float(c.price_per_j[node]) * e.joules
        parts.append(f'<circle cx="{at(x)}" cy="{at(y)}" r="9" {fill("grid")}/>')
        here = [i for i in range(book.offer_count) if int(book.offer_node[i]) == node]
        body = [(grid.node_ids[node], "ink", True)]
        body += [(f"{price:.4g} {e.money}", "bad", True)] if np.isfinite(price) else []
        body += [(_does(e, i), "soft", False) for i in here]
        heads = len(body) - (len(here) if count < 3 else 0)  # what stands above the node
        heads = heads if y < height / 2 else 0
        for k, (line, colour, bold) in enumerate(body):
            down = 15 * (k - heads) - 4 if k < heads else 28 + 15 * (k - heads)
            parts.append(words(x, y + down, line, anchor="middle", colour=colour, bold=bold))
    said = f"energy in {e.unit}; a full link is red"
    parts.append(words(WIDTH - RIGHT, height - 10, said, anchor="end", colour="soft"))
    return height, parts


def _does(e: Example, i: int) -> str:
    """What an offer gets or gives."""
    offer, got = e.file.book.offers[i], e.energy(i)
    verb = f"gets {got:.4g}" if got > 0 else f"gives {-got:.4g}" if got < 0 else "nothing"
    return f"{offer.id or offer.participant}: {verb}"


def _arrow(x: float, y: float, dx: float, dy: float) -> str:
    """A head that points along (dx, dy)."""
    size = float(np.hypot(dx, dy))
    ux, uy = dx / size, dy / size
    points = [(x + 10 * ux, y + 10 * uy), (x - 8 * ux - 8 * uy, y - 8 * uy + 8 * ux),
              (x - 8 * ux + 8 * uy, y - 8 * uy - 8 * ux)]  # fmt: skip
    return f'<path d="{path(points, close=True)}" style="fill:var(--ink,{COLOURS["ink"]})"/>'


OWN: dict[str, Drawer] = {
    "ascending-clock": clock,
    "bonding-curve": pool,
    "cda": quotes,
    "descending-clock": clock,
    "dutch": posted,
    "gda": posted,
    "muda": halves,
    "vrgda": posted,
}
"""Mechanisms whose picture is neither a crossing nor a network."""
ALTERNATIVES: dict[Drawer, str] = {
    bundles: "What each bids, and what it pays or gets",
    clock: "The price that is called over time, and how much is still in",
    crossing: "Bids from dear to cheap, asks from cheap to dear; thick is what was traded",
    halves: "Bids and asks of both halves; each trades at the price of the other",
    network: "Nodes with their prices, and what flows over the links",
    pool: "The price over what has been drawn, and how each who came moved along it",
    posted: "The posted price over time, and who took how much",
    quotes: "Bids and asks as they come and rest, and where they trade",
}
"""What each kind of picture shows."""
