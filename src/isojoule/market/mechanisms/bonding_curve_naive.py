"""`bonding-curve` once more, naively: by the invariant V0, and roots instead of searches.

V0 = S**kappa / R is made of the start, and every later reserve is S**kappa / V0. How far a price
suits is the root of kappa * S**(kappa - 1) = V0 * price, taken in decimals and put right by whole
microjoules. Nothing is shared with the first implementation but its terms.
Spec: docs/spec/sequential.md, Q30 to Q36.
"""

from __future__ import annotations

import math
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
from isojoule.market.mechanisms.bonding_curve_pool import Terms
from isojoule.market.mechanisms.cda_naive import ENDLESS, check_known, orders
from isojoule.market.sequential import Unfit, cancellations, rows_of

if TYPE_CHECKING:
    from isojoule.market.mechanisms.bonding_curve import BondingCurve

WIDE = Context(prec=60, Emin=-999999, Emax=999999, traps=[])


class Row(NamedTuple):
    """Position of one who came, what it drew and paid, and when."""

    other: int
    energy_uj: int
    payment_nano: int
    at_ns: int


@dataclass
class Again:
    """What the pool came to."""

    supply_uj: int
    reserve_nano: int
    tax_nano: int
    pool: int = -1
    rows: list[Row] = field(default_factory=list)
    met: dict[str, float | None] = field(default_factory=dict)


class Invariant(NamedTuple):
    """V0, microjoules to the kappa per nano-unit, and kappa."""

    v0: Fraction
    kappa: int

    def reserve(self, supply: int) -> Fraction:
        """S**kappa / V0."""
        return Fraction(supply**self.kappa) / self.v0

    def price(self, supply: int) -> Fraction:
        """The slope of the reserve."""
        power: int = supply ** (self.kappa - 1)
        return self.kappa * Fraction(power) / self.v0

    def supply_at(self, price: Fraction) -> int:
        """The greatest supply at which the price is at most this; -1 if none, kappa above 1."""
        if price < 0:
            return -1
        power = price * self.v0 / self.kappa
        root = WIDE.divide(Decimal(power.numerator), Decimal(power.denominator))
        if self.kappa > 2 and root:
            root = WIDE.exp(WIDE.divide(WIDE.ln(root), Decimal(self.kappa - 1)))
        near = int(root)
        while self.price(near) > price:
            near -= 1
        while self.price(near + 1) <= price:
            near += 1
        return near


def replay(rule: BondingCurve, book: Book, grid: Grid, before: State) -> Again:
    """All that was drawn and brought.

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
    law = _law(terms)
    lows, highs = bounds_uj(book.piece_offer.astype(np.int64), book.pieces, book.offer_count)
    position = {name: i for i, name in enumerate(book.offer_ids)}
    out = Again(terms.supply_uj, terms.reserve_nano, terms.tax_nano)
    begun, net, open_until = terms.supply_uj, (0, 0), math.inf
    for offer in sorted(offers, key=lambda o: (o.at_ns, o.id)):
        i = position[offer.id]
        if offer.participant == rule.pool:
            if out.pool >= 0:
                raise VerificationError("is a second pool", place=f"offer {offer.id!r}")
            out.pool, net, begun = i, (-int(lows[i]), int(highs[i])), out.supply_uj
            times = [at for name, at in gone if name == offer.id and at >= offer.at_ns]
            open_until, out.met[offer.id] = min(times, default=math.inf), None
            continue
        wants = orders(offer, int(-lows[i]), int(highs[i]))
        if any(row[2] >= ENDLESS for row in wants) or len({row[0] for row in wants}) > 1:
            raise VerificationError("does not come to draw or bring", place=f"offer {offer.id!r}")
        shut = out.pool < 0 or offer.at_ns > open_until
        room = (
            (0, 0) if shut else (net[0] - (out.supply_uj - begun), net[1] + out.supply_uj - begun)
        )
        after = _moved(law, terms, out.supply_uj, room, wants)
        size = after - out.supply_uj
        if offer.all_or_nothing and abs(size) < sum(row[2] for row in wants):
            size = 0
        if size:
            out.rows.append(Row(i, size, _settle(law, terms, out, size), offer.at_ns))
        out.met[offer.id] = float(law.price(out.supply_uj) / 1000)
    return out


def _law(terms: Terms) -> Invariant:
    """V0 of the point that the parameters give: R = P * S / kappa there."""
    c = terms.curve
    reserve = c.price * c.supply_uj / c.kappa
    return Invariant(Fraction(c.supply_uj**c.kappa) / reserve, c.kappa)


def _moved(
    law: Invariant, terms: Terms, supply: int, room: tuple[int, int],
    wants: list[tuple[bool, float, int]],
) -> int:  # fmt: skip
    """What has been drawn from the pool, all in all, after these orders."""
    start = supply
    for draws, price, energy in wants:
        nano = Fraction(price) * 1000
        if draws:
            end = _end_of_draw(law, supply, nano, min(energy, room[0] - (supply - start)))
        else:
            most = min(energy, room[1] - (start - supply), supply)
            end = _end_of_bring(law, supply, nano / (1 - terms.curve.tax), most)
        filled = abs(end - supply) == energy
        supply = end
        if not filled:
            break
    return supply


def _end_of_draw(law: Invariant, supply: int, price: Fraction, most: int) -> int:
    if law.kappa == 1:
        return supply + (most if law.price(0) <= price else 0)
    return max(supply, min(supply + most, law.supply_at(price)))


def _end_of_bring(law: Invariant, supply: int, price: Fraction, most: int) -> int:
    """Down to the lowest supply at which the price is at least this."""
    if law.kappa == 1:
        return supply - (most if law.price(0) >= price else 0)
    under = law.supply_at(price)
    lowest = under if under >= 0 and law.price(under) == price else under + 1
    while lowest > 0 and law.price(lowest - 1) >= price:
        lowest -= 1
    return min(supply, max(supply - most, lowest))


def _settle(law: Invariant, terms: Terms, out: Again, size: int) -> int:
    """Move the pool, and say what is paid."""
    before = law.reserve(out.supply_uj)
    out.supply_uj += size
    change = law.reserve(out.supply_uj) - before
    if size > 0:
        paid = math.ceil(change)
        out.reserve_nano += paid
        return paid
    got = math.floor(-change * (1 - terms.curve.tax))
    out.reserve_nano -= math.floor(-change)
    out.tax_nano += math.floor(-change) - got
    return -got
