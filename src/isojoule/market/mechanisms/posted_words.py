"""Why an offer got what it got at a posted price, in words.

They never fail where a clearing is wrong. Example: "not filled: the posted price of 0.3 EUR/kWh was
above its bid of 0.2 EUR/kWh".
"""

from __future__ import annotations

from typing import Any

from isojoule.core.units import price_text
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.cda_words import NEAR_UJ, Traded, at_price, traded_by
from isojoule.market.quotes import BUY, SELL, Quote, quotes_of
from isojoule.market.sequential import Unfit, rows_of


def reasons(buys: bool, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
    """A text for each offer, in the order of the book; `buys` says whether the poster does."""
    offers = rows_of(book, grid)
    if isinstance(offers, Unfit):
        return [""] * book.offer_count
    traded = traded_by(book, clearing, [o.participant for o in offers])
    posted = clearing.notes.get("posted")
    posted = posted if isinstance(posted, dict) else {}
    side = BUY if buys else SELL
    posters = {
        o.participant
        for o in offers
        if isinstance(quotes := quotes_of(o), list) and quotes and quotes[0].side == side
    }
    texts = []
    for i, offer in enumerate(offers):
        quotes = quotes_of(offer)
        if isinstance(quotes, Unfit) or not quotes:
            texts.append("nothing offered")
            continue
        mine = traded[i][quotes[0].side]
        wanted = sum(q.energy_uj or 0 for q in quotes)
        at = f" {at_price(mine, book.currency)}" if mine.energy_uj else ""
        if mine.energy_uj and mine.energy_uj >= wanted - NEAR_UJ:
            texts.append(f"filled{at}")
            continue
        how = f"partly filled{at}" if at else "not filled"
        if quotes[0].side == side:
            texts.append(f"{how}: {_unsold(buys, bool(at))}")
        elif offer.participant in posters:
            texts.append(f"{how}: it would have traded with itself")
        else:
            price = posted.get(offer.id)
            why = _unserved(buys, book, quotes, mine, price)
            whole = "not all of it could be had, and " if offer.all_or_nothing else ""
            texts.append(f"{how}: {whole}{why}")
    return texts


def _unsold(buys: bool, some: bool) -> str:
    who = "seller" if buys else "buyer"
    return f"no {who} came for {'more' if some else 'it'} at the posted price"


def _unserved(buys: bool, book: Book, quotes: list[Quote], mine: Traded, price: Any) -> str:
    if isinstance(price, bool) or not isinstance(price, int | float):
        return "no more was wanted" if buys else "nothing was there to buy"
    left, own = mine.energy_uj, quotes[-1].price_per_j
    for quote in quotes:
        left -= quote.energy_uj or 0
        if left < -NEAR_UJ:
            own = quote.price_per_j
            break
    word, name = ("below", "ask") if buys else ("above", "bid")
    return (
        f"the posted price of {price_text(price, book.currency)} was {word} its {name} of "
        f"{price_text(own, book.currency)}"
    )
