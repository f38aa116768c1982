"""`vrgda` once more, slowly: fractions, decimals of 60 digits, and a price list for each taker.

Nothing is shared with the sale but its terms. The price is written as powers, not as an
exponential:

    linear    target * (1 - decay) ** ((t - (n + 1) / rate) / decay_s)
    logistic  target * (1 - decay) ** (t / decay_s) * odds ** (ln(1 - decay) / (rate * decay_s))

with odds = (L - n - 1) / (L + n + 1). Buying, 1/(1 - decay) stands for 1 - decay.
Spec: docs/spec/sequential.md, Q15 to Q20.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isojoule.core.errors import InputError, VerificationError
from isojoule.grid import Grid
from isojoule.market.allocation import bounds_uj
from isojoule.market.book import Book
from isojoule.market.contract import State
from isojoule.market.mechanisms.cda_naive import ENDLESS, check_known, nano, orders
from isojoule.market.mechanisms.vrgda_price import HIGHEST, Schedule
from isojoule.market.mechanisms.vrgda_sale import Terms
from isojoule.market.sequential import Unfit, cancellations, rows_of
from isojoule.valuation import Offer

if TYPE_CHECKING:
    from isojoule.market.mechanisms.vrgda import Vrgda

WIDE = Context(prec=60, Emin=-999999, Emax=999999, traps=[])


class Row(NamedTuple):
    """Position of a taker, what it traded and paid, and when."""

    taker: int
    energy_uj: int
    payment_nano: int
    at_ns: int


@dataclass
class Again:
    """What the sale came to."""

    terms: Terms
    poster: int = -1
    rows: list[Row] = field(default_factory=list)
    sold_uj: int = 0
    posted: dict[str, float | None] = field(default_factory=dict)
    price_per_j: float | None = None


def posted_price(schedule: Schedule, units: int, since_ns: int) -> float | None:
    """Price of the next unit, money per J; None if the schedule sells no more."""
    c, s = WIDE, schedule
    keep = c.subtract(Decimal(1), Decimal(s.decay))
    keep = c.divide(Decimal(1), keep) if s.buys else keep
    t, d, rate = Fraction(since_ns, 10**9), Fraction(s.decay_s), Fraction(s.rate_per_s)
    if not s.most_units:
        factor = c.power(keep, _decimal((t - (units + 1) / rate) / d))
    elif units >= s.most_units:
        return None
    else:
        top = s.most_units + 1
        odds = _decimal(Fraction(top - units - 1, top + units + 1))
        bend = c.divide(c.ln(keep), _decimal(rate * d))
        factor = c.multiply(c.power(keep, _decimal(t / d)), c.power(odds, bend))
    price = c.multiply(Decimal(s.target_per_j), factor)
    return HIGHEST if price > HIGHEST else float(price)


def _decimal(value: Fraction) -> Decimal:
    return WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))


def replay(rule: Vrgda, book: Book, grid: Grid, before: State) -> Again:
    """The whole sale.

    Raises
    ------
    VerificationError
        The book or the state that came in is none that the rule clears.
    """
    offers, gone = rows_of(book, grid), cancellations(before)
    try:
        terms = rule.terms(book, before)
    except InputError as error:
        raise VerificationError(error.message, place="state_before") from None
    if isinstance(offers, Unfit):
        raise VerificationError(offers.reason, place="book")
    if isinstance(gone, Unfit):
        raise VerificationError(gone.reason, place="state_before.cancelled")
    check_known(book, gone)
    lows, highs = bounds_uj(book.piece_offer.astype(np.int64), book.pieces, book.offer_count)
    position = {name: i for i, name in enumerate(book.offer_ids)}
    out = Again(terms, sold_uj=terms.sold_uj)
    stock: list[tuple[float, int]] = []
    withdrawn: int | None = None
    now_ns = terms.opens_ns
    for offer in sorted(offers, key=lambda o: (o.at_ns, o.id)):
        i = position[offer.id]
        wants = orders(offer, int(-lows[i]), int(highs[i]))
        if any(row[2] >= ENDLESS for row in wants):
            raise VerificationError("has no limit", place=f"offer {offer.id!r}")
        now_ns = offer.at_ns or terms.opens_ns
        if wants and wants[0][0] == (rule.side == "buy"):
            if out.poster >= 0:
                raise VerificationError("is a second poster", place=f"offer {offer.id!r}")
            out.poster, stock = i, [(price, energy) for _, price, energy in wants]
            out.posted[offer.id] = None
            cancelled = [at for name, at in gone if name == offer.id and at >= offer.at_ns]
            withdrawn = min(cancelled, default=None)
            continue
        if withdrawn is not None and withdrawn < offer.at_ns:
            stock = []
        poster = offers_by(offers, book, out.poster)
        own = poster is not None and poster.participant == offer.participant
        asks = [(price, energy) for _, price, energy in wants]
        taken, paid, left = buy(terms, out.sold_uj, stock, now_ns, [] if own else asks)
        sold = out.sold_uj + taken
        out.posted[offer.id] = next_price(terms, sold, left, now_ns)
        if offer.all_or_nothing and taken < sum(energy for _, energy in asks):
            taken, left = 0, stock
        stock = left
        if taken:
            out.sold_uj += taken
            out.rows.append(Row(i, taken, paid, offer.at_ns))
    if withdrawn is not None:
        stock = []
    out.price_per_j = next_price(terms, out.sold_uj, stock, now_ns)
    return out


def offers_by(offers: list[Offer], book: Book, position: int) -> Offer | None:
    """The offer at a position of the book."""
    if position < 0:
        return None
    return next(offer for offer in offers if offer.id == book.offer_ids[position])


def next_price(
    terms: Terms, sold_uj: int, stock: list[tuple[float, int]], now_ns: int
) -> float | None:
    """What the next microjoule costs."""
    if not stock:
        return None
    since_ns = max(0, now_ns - terms.start_ns)
    price = posted_price(terms.schedule, sold_uj // terms.unit_uj, since_ns)
    if price is None:
        return None
    return min(price, stock[0][0]) if terms.schedule.buys else max(price, stock[0][0])


def buy(
    terms: Terms,
    sold_uj: int,
    stock: list[tuple[float, int]],
    now_ns: int,
    wants: list[tuple[float, int]],
) -> tuple[int, int, list[tuple[float, int]]]:
    """Microjoules taken, nano-units paid for them, and the stock that is left."""
    stock, taken, paid = list(stock), 0, 0
    for worth, energy in wants:
        left = energy
        while left:
            price = next_price(terms, sold_uj + taken, stock, now_ns)
            suits = price is not None and (
                worth <= price if terms.schedule.buys else worth >= price
            )
            if not suits or price is None:
                return taken, paid, stock
            edge = ((sold_uj + taken) // terms.unit_uj + 1) * terms.unit_uj
            size = min(left, stock[0][1], edge - sold_uj - taken)
            paid += nano(price, size)
            taken, left = taken + size, left - size
            stock[0] = (stock[0][0], stock[0][1] - size)
            if not stock[0][1]:
                stock.pop(0)
    return taken, paid, stock
