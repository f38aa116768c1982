"""Why an offer got what it got in a clock auction, in words. Never fails where a clearing is wrong.

Example: "not filled: it left at its bid of 0.2 EUR/kWh; the clock went on to 0.23 EUR/kWh".
"""

from __future__ import annotations

from isojoule.core.units import price_text
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.cda_words import NEAR_UJ, at_price, traded_by
from isojoule.market.quotes import BUY, SELL, quotes_of
from isojoule.market.sequential import Unfit, rows_of


def reasons(sells: bool, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
    """A text for each offer, in the order of the book; `sells` says whether the auctioneer does."""
    offers = rows_of(book, grid)
    if isinstance(offers, Unfit):
        return [""] * book.offer_count
    traded = traded_by(book, clearing, [o.participant for o in offers])
    side = SELL if sells else BUY
    rows = clearing.state_before.get("cancelled")
    rows = rows if isinstance(rows, list) else []
    gone = {row.get("id") for row in rows if isinstance(row, dict)}
    quotes = [found if isinstance(found := quotes_of(o), list) else [] for o in offers]
    hosts = {o.participant for o, q in zip(offers, quotes, strict=True) if q and q[0].side == side}
    last = clearing.notes.get("last_call_per_j")
    known = isinstance(last, int | float) and not isinstance(last, bool)
    texts = []
    for i, (offer, own) in enumerate(zip(offers, quotes, strict=True)):
        if not own:
            texts.append("nothing offered")
            continue
        mine = traded[i][own[0].side]
        wanted = sum(q.energy_uj or 0 for q in own)
        at = f" {at_price(mine, book.currency)}" if mine.energy_uj else ""
        if mine.energy_uj and mine.energy_uj >= wanted - NEAR_UJ:
            texts.append(f"filled{at}")
            continue
        how = f"partly filled{at}" if at else "not filled"
        left, price = mine.energy_uj, own[-1].price_per_j
        for quote in own:
            left -= quote.energy_uj or 0
            if left < -NEAR_UJ:
                price = quote.price_per_j
                break
        name = "bid" if own[0].side == BUY else "ask"
        if own[0].side == side:
            why = "no more was wanted when the clock stopped"
            why = why if sells else "no more was offered when the clock stopped"
        elif offer.participant in hosts:
            why = "it would have traded with itself"
        elif not known:
            why = "nobody was there to trade with"
        elif offer.id in gone:
            why = "it was withdrawn"
        else:
            told = price_text(float(last or 0.0), book.currency)
            stays = f"its {name} of {price_text(price, book.currency)}"
            why = f"it left at {stays}; the clock went on to {told}"
        texts.append(f"{how}: {why}")
    return texts
