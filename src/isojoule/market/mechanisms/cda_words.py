"""Why an offer got what it got from an order book, in words. Never fails where a clearing is wrong.

Examples: "filled at 0.21 EUR/kWh by cleo"; "not filled: no seller came at or below its bid of
0.2 EUR/kWh"; "partly filled at 0.21 EUR/kWh by cleo: no seller was left at or below its bid of
0.25 EUR/kWh".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from isojoule.core.units import price_text
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.quotes import BUY, SELL, Quote, quotes_of
from isojoule.market.sequential import Unfit, rows_of
from isojoule.valuation import Offer

MOST_NAMES = 2
NEAR_UJ = 2
"""Bounds may be rounded by so much."""


@dataclass(slots=True)
class Traded:
    """What an offer traded on one side: microjoules, nano-units, with whom."""

    energy_uj: int = 0
    payment_nano: int = 0
    names: dict[str, None] = field(default_factory=dict)


class Nearest(NamedTuple):
    """The best price of a side and whose it is, and the best of anybody else; None if nobody."""

    price: float | None = None
    who: str = ""
    other: float | None = None

    def of_others(self, who: str) -> float | None:
        """The best price of anybody but this one."""
        return self.other if who == self.who else self.price


def reasons(book: Book, grid: Grid, clearing: Clearing) -> list[str]:
    """A text for each offer, in the order of the book."""
    offers = rows_of(book, grid)
    if isinstance(offers, Unfit):
        return [""] * book.offer_count
    quotes = [found if isinstance(found := quotes_of(o), list) else [] for o in offers]
    traded = traded_by(book, clearing, [o.participant for o in offers])
    nearest = {side: _nearest(side, offers, quotes) for side in (BUY, SELL)}
    rows = clearing.state_before.get("cancelled")
    rows = rows if isinstance(rows, list) else []
    cancelled = {row.get("id") for row in rows if isinstance(row, dict)}
    return [
        _reason(book, o, q, traded[i], nearest, o.id in cancelled)
        for i, (o, q) in enumerate(zip(offers, quotes, strict=True))
    ]


def traded_by(book: Book, clearing: Clearing, who: list[str]) -> list[dict[int, Traded]]:
    """What each offer traded, by side."""
    traded = [{BUY: Traded(), SELL: Traded()} for _ in range(book.offer_count)]
    for m in clearing.matches:
        for at, side, partner in (
            (m.buy_offer, BUY, m.sell_offer),
            (m.sell_offer, SELL, m.buy_offer),
        ):
            mine = traded[at][side]
            mine.energy_uj += m.energy_uj
            mine.payment_nano += m.payment_nano
            mine.names[who[partner]] = None
    return traded


def at_price(traded: Traded, currency: str, to: str = "by") -> str:
    """As "at 0.21 EUR/kWh by cleo"."""
    price = traded.payment_nano / traded.energy_uj / 1000
    names = list(traded.names)
    who = " and ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} others"
    mean = " on average" if len(names) > 1 else ""
    return f"at {price_text(price, currency)}{mean} {to} {who}"


def _nearest(side: int, offers: list[Offer], quotes: list[list[Quote]]) -> Nearest:
    """The best prices of a side in the whole book."""
    best: dict[str, float] = {}
    for offer, own in zip(offers, quotes, strict=True):
        for q in own:
            if q.side == side:
                had = best.get(offer.participant)
                better = had is None or side * (q.price_per_j - had) > 0
                best[offer.participant] = q.price_per_j if better or had is None else had
    ranked = sorted(best.items(), key=lambda row: -side * row[1])
    if not ranked:
        return Nearest()
    return Nearest(ranked[0][1], ranked[0][0], ranked[1][1] if len(ranked) > 1 else None)


def _reason(
    book: Book, offer: Offer, quotes: list[Quote], traded: dict[int, Traded],
    nearest: dict[int, Nearest], cancelled: bool,
) -> str:  # fmt: skip
    sides = sorted({q.side for q in quotes}, reverse=True)
    if not sides:
        return "nothing offered"
    texts = []
    for side in sides:
        mine = traded[side]
        own = [q for q in quotes if q.side == side]
        wanted = sum(q.energy_uj for q in own if q.energy_uj is not None)
        endless = any(q.energy_uj is None for q in own)
        verb, to = "filled", "by"
        if len(sides) > 1 or endless:
            verb, to = ("bought", "from") if side == BUY else ("sold", "to")
        at = f" {at_price(mine, book.currency, to)}" if mine.energy_uj else ""
        if mine.energy_uj and (endless or mine.energy_uj >= wanted - NEAR_UJ):
            texts.append(f"{verb}{at}")
        else:
            how = f"partly {verb}{at}" if mine.energy_uj else f"not {verb}"
            price = _next(own, mine.energy_uj)
            texts.append(f"{how}: {_why(book, offer, side, price, nearest[-side], cancelled)}")
    return "; ".join(texts)


def _next(quotes: list[Quote], traded_uj: int) -> float:
    """The price of the first quote that is not filled."""
    for q in quotes:
        traded_uj -= q.energy_uj or 0
        if q.energy_uj is None or traded_uj < -NEAR_UJ:
            return q.price_per_j
    return quotes[-1].price_per_j


def _why(
    book: Book, offer: Offer, side: int, price: float, far: Nearest, cancelled: bool
) -> str:  # fmt: skip
    """Why what is left of a side did not trade."""
    who, within, own = (
        ("seller", "at or below", "bid") if side == BUY else ("buyer", "at or above", "ask")
    )
    limit = f"{within} its {own} of {price_text(price, book.currency)}"
    if offer.all_or_nothing:
        return f"when it came, no {who}s {limit} had all of it"
    if offer.immediate:
        return f"when it came, no {who} was left {limit}"
    best = far.of_others(offer.participant)
    missed = best is None or side * (price - best) < 0
    if missed:
        return f"no {who} came {limit}"
    if cancelled:
        return "it was withdrawn"
    return f"no {who} was left {limit}"
