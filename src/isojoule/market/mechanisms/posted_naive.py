"""The posted prices once more, slowly: fractions, decimals of 60 digits, a price list each.

Nothing is shared with the sale but its terms. The price of `vrgda` is written as powers, not as an
exponential:

    linear    target * (1 - decay) ** ((t - (n + 1) / rate) / decay_s)
    logistic  target * (1 - decay) ** (t / decay_s) * odds ** (ln(1 - decay) / (rate * decay_s))

with odds = (L - n - 1) / (L + n + 1). Buying, 1/(1 - decay) stands for 1 - decay. So is that of the
discrete `gda`; the hand of `dutch` is weighed between its ends. In the continuous `gda` the amount
that a price suits is found by halving, and paid for by the closed formula of its paper.
Spec: docs/spec/sequential.md, Q15 to Q29.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from isojoule.core.errors import InputError, VerificationError
from isojoule.grid import Grid
from isojoule.market.allocation import bounds_uj
from isojoule.market.book import Book
from isojoule.market.contract import State
from isojoule.market.mechanisms.cda_naive import ENDLESS, check_known, nano, orders
from isojoule.market.mechanisms.posted_price import (
    HIGHEST,
    Clock,
    ContinuousGda,
    DiscreteGda,
    PriceSchedule,
    Schedule,
)
from isojoule.market.mechanisms.posted_sale import Terms
from isojoule.market.sequential import Unfit, cancellations, rows_of
from isojoule.valuation import Offer

if TYPE_CHECKING:
    from isojoule.market.mechanisms.posted import Posted

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


def posted_price(schedule: PriceSchedule, units: int, since_ns: int) -> float | None:
    """Price of the next unit, money per J; None if the schedule sells no more."""
    price = _PRICE_OF[type(schedule)](schedule, units, since_ns)
    if price is None:
        return None
    return HIGHEST if price > HIGHEST else float(price)


def _vrgda(s: Schedule, units: int, since_ns: int) -> Decimal | None:
    c = WIDE
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
    return c.multiply(Decimal(s.target_per_j), factor)


def _discrete(s: DiscreteGda, units: int, since_ns: int) -> Decimal:
    c, growth = WIDE, Decimal(s.growth)
    each = c.divide(Decimal(1), growth) if s.buys else growth
    late = c.exp(_decimal(Fraction(s.decay_per_s) * Fraction(since_ns, 10**9)))
    start = c.multiply(Decimal(s.start_per_j), c.power(each, Decimal(units)))
    return c.multiply(start, late) if s.buys else c.divide(start, late)


def _clock(s: Clock, units: int, since_ns: int) -> Decimal:
    share = min(Fraction(since_ns, 10**9) / Fraction(s.lasts_s), Fraction(1))
    return _decimal(Fraction(s.start_per_j) * (1 - share) + Fraction(s.end_per_j) * share)


_PRICE_OF: dict[type, Any] = {Schedule: _vrgda, DiscreteGda: _discrete, Clock: _clock}


def age_price(s: ContinuousGda, sold_uj: int, since_ns: int) -> Decimal:
    """Continuous: price of the Joule that is next, by its age."""
    age = Fraction(since_ns, 10**9) - Fraction(sold_uj, 10**6) / Fraction(s.rate_w)
    power = _decimal(Fraction(s.decay_per_s) * age)
    return WIDE.multiply(Decimal(s.start_per_j), WIDE.exp(power if s.buys else -power))


def age_cost(s: ContinuousGda, sold_uj: int, size_uj: int, since_ns: int) -> int:
    """Continuous: (k / decay) * (exp(decay * q / r) - 1) / exp(decay * T), with k = start * r.

    Buying, the signs of the exponents flip.
    """
    c, decay, rate = WIDE, Fraction(s.decay_per_s), Fraction(s.rate_w)
    age = Fraction(since_ns, 10**9) - Fraction(sold_uj, 10**6) / rate
    q = Fraction(size_uj, 10**6)
    if s.buys:
        age, q = -age, -q
    ahead = c.subtract(c.exp(_decimal(decay * q / rate)), Decimal(1))
    scale = _decimal(Fraction(s.start_per_j) * rate / decay * (-1 if s.buys else 1))
    cost = c.divide(c.multiply(scale, ahead), c.exp(_decimal(decay * age)))
    return math.ceil(Fraction(cost) * 10**9)


def _decimal(value: Fraction) -> Decimal:
    return WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))


def replay(rule: Posted, book: Book, grid: Grid, before: State) -> Again:
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
    since_ns, s = max(0, now_ns - terms.start_ns), terms.schedule
    if isinstance(s, ContinuousGda):
        if not released(s, sold_uj, since_ns):
            return None
        exact = age_price(s, sold_uj, since_ns)
        price: float | None = HIGHEST if exact > HIGHEST else float(exact)
    else:
        price = posted_price(s, sold_uj // terms.unit_uj, since_ns)
    if price is None:
        return None
    return min(price, stock[0][0]) if s.buys else max(price, stock[0][0])


def released(s: ContinuousGda, sold_uj: int, since_ns: int) -> int:
    """Continuous: what is released and not sold, whole microjoules."""
    everything = math.floor(Fraction(s.rate_w) * Fraction(since_ns, 10**9) * 10**6)
    return max(0, min(everything, 2**62) - sold_uj)


def suited(s: ContinuousGda, sold_uj: int, since_ns: int, price: float, most: int) -> int:
    """Continuous: the greatest size, at most `most`, up to which the price suits, by halving."""
    low, high = 0, most
    if not fits(s, sold_uj, since_ns, price):
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if fits(s, sold_uj + middle, since_ns, price):
            low = middle
        else:
            high = middle - 1
    return low


def fits(s: ContinuousGda, sold_uj: int, since_ns: int, price: float) -> bool:
    """Continuous: whether the Joule that is next has a price that suits."""
    here = age_price(s, sold_uj, since_ns)
    return here >= Decimal(price) if s.buys else here <= Decimal(price)


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
            size, cost = one_piece(terms, sold_uj + taken, stock, now_ns, worth, left)
            if not size:
                return taken, paid, stock
            paid += cost
            taken, left = taken + size, left - size
            stock[0] = (stock[0][0], stock[0][1] - size)
            if not stock[0][1]:
                stock.pop(0)
    return taken, paid, stock


def one_piece(
    terms: Terms, sold_uj: int, stock: list[tuple[float, int]], now_ns: int, worth: float, left: int
) -> tuple[int, int]:
    """The next energy that one price list holds, and its cost; 0 if it does not suit."""
    s = terms.schedule
    if not stock:
        return 0, 0
    own, most = stock[0][0], min(left, stock[0][1])
    if isinstance(s, ContinuousGda):
        since_ns = max(0, now_ns - terms.start_ns)
        most = min(most, released(s, sold_uj, since_ns))
        if worth > own if s.buys else worth < own:
            return 0, 0
        size = suited(s, sold_uj, since_ns, own, most)
        if size:
            return size, nano(own, size)
        size = suited(s, sold_uj, since_ns, worth, most)
        return size, age_cost(s, sold_uj, size, since_ns)
    price = next_price(terms, sold_uj, stock, now_ns)
    if price is None or (worth > price if s.buys else worth < price):
        return 0, 0
    size = min(most, (sold_uj // terms.unit_uj + 1) * terms.unit_uj - sold_uj)
    return size, nano(price, size)
