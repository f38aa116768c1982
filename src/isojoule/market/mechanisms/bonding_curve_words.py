"""Why an offer got what it got at a bonding curve, in words. Never fails where a clearing is wrong.

Example: "not filled: the pool's price of 0.3 EUR/kWh was above its bid of 0.2 EUR/kWh".
"""

from __future__ import annotations

from isojoule.core.units import price_text
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.cda_words import NEAR_UJ, at_price, traded_by
from isojoule.market.quotes import BUY, quotes_of
from isojoule.market.sequential import Unfit, rows_of


def reasons(pool: str, tax: float, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
    """A text for each offer, in the order of the book."""
    offers = rows_of(book, grid)
    if isinstance(offers, Unfit):
        return [""] * book.offer_count
    traded = traded_by(book, clearing, [o.participant for o in offers])
    met = clearing.notes.get("met")
    met = met if isinstance(met, dict) else {}
    texts = []
    for i, offer in enumerate(offers):
        if offer.participant == pool:
            texts.append(_of_pool(int(clearing.energy_uj[i])))
            continue
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
        left, own = mine.energy_uj, quotes[-1].price_per_j
        for quote in quotes:
            left -= quote.energy_uj or 0
            if left < -NEAR_UJ:
                own = quote.price_per_j
                break
        whole = "not all of it could be had, and " if offer.all_or_nothing else ""
        draws = quotes[0].side == BUY
        price = met.get(offer.id)
        known = isinstance(price, int | float) and not isinstance(price, bool)
        paid = (float(price or 0.0) if known else 0.0) * (1.0 if draws else 1.0 - tax)
        if known and (paid >= own * (1 - 1e-6) if draws else paid <= own * (1 + 1e-6)):
            word, name = ("above", "bid") if draws else ("below", "ask")
            after = "" if draws else ", less the exit tax,"
            why = (
                f"the pool's price of {price_text(paid, book.currency)}{after} was {word} its "
                f"{name} of {price_text(own, book.currency)}"
            )
        else:
            why = f"the pool could {'give' if draws else 'take'} no more"
        texts.append(f"{how}: {whole}{why}")
    return texts


def _of_pool(energy_uj: int) -> str:
    if energy_uj > 0:
        return "took what was brought beyond what was drawn"
    if energy_uj < 0:
        return "gave what was drawn beyond what was brought"
    return "gave as much as it took"
