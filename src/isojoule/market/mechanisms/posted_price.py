"""Price schedules: what the next Joule costs, from what was sold and how long it took.

`vrgda`   target * exp(ln(1 - decay) * (t - T(n + 1)) / decay_s)
`gda`     start * growth**n * exp(-decay_per_s * t)             discrete
          start * exp(decay_per_s * (s / rate - t))             continuous
`dutch`   from the start price to the end price in a straight line

n whole units, or s Joules, have been sold, T says when a schedule wants how many sold, t is the
time since the start, s. Where a schedule is for a poster who buys, time works the other way: the
price rises. Computed in fractions, or in decimals of 40 digits, whose exp and ln are correctly
rounded (Python's `decimal`), and rounded once to a double, so it is the same on every machine.

Sources: transmissions11, Frankie, White, "Variable Rate GDAs", Paradigm, 2022; Frankie, Robinson,
White, Andy8052, "Gradual Dutch Auctions", Paradigm, 2022; checked against the code of both.
Spec: docs/spec/sequential.md, Q15, Q16, Q23, Q25 and Q26.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import ClassVar, NamedTuple, Protocol

from isojoule.core.units import NO_LIMIT_UJ
from isojoule.kernels.money import payment_of

DIGITS = 40
EXACT = Context(
    prec=DIGITS, rounding=ROUND_HALF_EVEN, Emin=-999999, Emax=999999, traps=[]
)  # fmt: skip
NANO = Decimal(10**9)
UJ = Decimal(10**6)
HIGHEST = 1e300
"""A price beyond is told as this one, money per J: nobody pays it, and it has a form in JSON."""


class Piece(NamedTuple):
    """So much energy, and what it costs in whole nano-units, rounded up."""

    energy_uj: int
    payment_nano: int


NOTHING = Piece(0, 0)


class PriceSchedule(Protocol):
    """How a posted price moves with time and with what was sold."""

    @property
    def buys(self) -> bool:
        """Whether the poster buys."""
        ...

    @property
    def stepped(self) -> bool:
        """Whether the price stays the same within a unit."""
        ...

    def posted(self, unit_uj: int, sold_uj: int, since_ns: int) -> float | None:
        """Price of the next Joule, money per J; None if nothing is for sale now."""
        ...

    def piece(
        self, unit_uj: int, sold_uj: int, since_ns: int, own: float, taker: float, most_uj: int
    ) -> Piece:
        """What a taker gets next, at most `most_uj`; nothing if the price does not suit it.

        Parameters
        ----------
        own, taker
            The poster's own price and the taker's, money per J.
        """
        ...


class Stepped:
    """Schedules whose price stays within a unit."""

    buys: bool
    stepped: ClassVar[bool] = True

    def price_per_j(self, units: int, since_ns: int) -> float | None:
        """Price of the next unit when `units` are sold, money per J; None if sold out."""
        raise NotImplementedError

    def posted(self, unit_uj: int, sold_uj: int, since_ns: int) -> float | None:
        """Price of the unit that the energy sold so far stands in."""
        return self.price_per_j(sold_uj // unit_uj, since_ns)

    def piece(
        self, unit_uj: int, sold_uj: int, since_ns: int, own: float, taker: float, most_uj: int
    ) -> Piece:
        """The rest of the unit, at its price or the poster's own."""
        price = self.posted(unit_uj, sold_uj, since_ns)
        if price is None:
            return NOTHING
        price = min(price, own) if self.buys else max(price, own)
        if taker > price if self.buys else taker < price:
            return NOTHING
        size = min(most_uj, unit_uj - sold_uj % unit_uj)
        return Piece(size, int(payment_of(price, size)))


@dataclass(frozen=True, slots=True)
class Schedule(Stepped):
    """When how many units are to be sold, and how the price follows.

    Attributes
    ----------
    target_per_j
        Price on schedule, money per J.
    decay, decay_s
        The share by which the price falls in `decay_s` seconds without a sale.
    rate_per_s
        Linear: units per second. Logistic: how fast the curve bends, 1/s.
    most_units
        Logistic: all that is ever sold; 0 for a linear schedule.
    buys
        Whether units are bought, and the price rises with time.
    """

    target_per_j: float
    decay: float
    decay_s: float
    rate_per_s: float
    most_units: int
    buys: bool

    def due_s(self, units: int) -> Decimal | None:
        """T: when so many units are to be sold, s; None if never.

        Linear n/r; logistic -ln(2L/(n + L) - 1)/s with L one above the most.
        """
        c, rate = EXACT, Decimal(self.rate_per_s)
        if not self.most_units:
            return c.divide(Decimal(units), rate)
        if units > self.most_units:
            return None
        top = Decimal(self.most_units + 1)
        odds = c.subtract(c.divide(c.add(top, top), c.add(top, Decimal(units))), Decimal(1))
        return c.divide(c.minus(c.ln(odds)), rate)

    def price_per_j(self, units: int, since_ns: int) -> float | None:
        """Price of the next unit when `units` are sold, money per J; None if sold out."""
        due = self.due_s(units + 1)
        if due is None:
            return None
        c = EXACT
        late = c.subtract(c.divide(Decimal(since_ns), NANO), due)
        fall = c.ln(c.subtract(Decimal(1), Decimal(self.decay)))
        power = c.divide(c.multiply(fall, late), Decimal(self.decay_s))
        factor = c.exp(c.minus(power) if self.buys else power)
        return as_float(c.multiply(Decimal(self.target_per_j), factor))


@dataclass(frozen=True, slots=True)
class DiscreteGda(Stepped):
    """One Dutch auction a unit, all begun at once, each starting `growth` times dearer.

    Attributes
    ----------
    start_per_j
        Where the first unit starts, money per J.
    growth
        Each unit starts at this many times the price of the one before.
    decay_per_s
        How fast all prices fall, 1/s.
    buys
        Whether units are bought: each starts `growth` times cheaper, and prices rise.
    """

    start_per_j: float
    growth: float
    decay_per_s: float
    buys: bool

    def price_per_j(self, units: int, since_ns: int) -> float | None:
        """Price of the next unit when `units` are sold, money per J."""
        c = EXACT
        late = c.multiply(Decimal(self.decay_per_s), c.divide(Decimal(since_ns), NANO))
        power = c.subtract(c.multiply(Decimal(units), c.ln(Decimal(self.growth))), late)
        factor = c.exp(c.minus(power) if self.buys else power)
        return as_float(c.multiply(Decimal(self.start_per_j), factor))


@dataclass(frozen=True, slots=True)
class Clock(Stepped):
    """A hand that moves in a straight line from the start price to the end price, then stays.

    Attributes
    ----------
    start_per_j, end_per_j
        Prices at the ends, money per J.
    lasts_s
        How long the hand moves, s.
    buys
        Whether the poster buys.
    """

    start_per_j: float
    end_per_j: float
    lasts_s: float
    buys: bool

    def price_per_j(self, units: int, since_ns: int) -> float | None:
        """The price at a moment, whatever has been sold, money per J."""
        lasts = Fraction(self.lasts_s)
        passed = min(Fraction(since_ns, 10**9), lasts)
        way = Fraction(self.end_per_j) - Fraction(self.start_per_j)
        return float(Fraction(self.start_per_j) + way * passed / lasts)


@dataclass(frozen=True, slots=True)
class ContinuousGda:
    """Energy is released at a steady rate; each Joule is a Dutch auction that starts when it is.

    What has been released and is not sold is for sale, the oldest first. A Joule costs
    start * exp(-decay * its age); an amount costs the integral, and units do not matter.

    Attributes
    ----------
    start_per_j
        Where each Joule starts, money per J.
    decay_per_s
        How fast its price falls, 1/s.
    rate_w
        How much is released, J a second.
    buys
        Whether Joules are asked for at this rate, and the price for each rises with its age.
    """

    start_per_j: float
    decay_per_s: float
    rate_w: float
    buys: bool
    stepped: ClassVar[bool] = False

    def _age(self, sold_uj: int, since_ns: int) -> Decimal:
        """How long ago the Joule that is next was released, times the decay."""
        c = EXACT
        then = c.divide(c.divide(Decimal(sold_uj), UJ), Decimal(self.rate_w))
        age = c.subtract(c.divide(Decimal(since_ns), NANO), then)
        return c.multiply(Decimal(self.decay_per_s), age)

    def _factor(self, sold_uj: int, since_ns: int) -> Decimal:
        age = self._age(sold_uj, since_ns)
        return EXACT.exp(age if self.buys else EXACT.minus(age))

    def released_uj(self, since_ns: int) -> int:
        """All that was released so far, whole microjoules."""
        seconds = EXACT.divide(Decimal(since_ns), NANO)
        all_j = EXACT.multiply(Decimal(self.rate_w), seconds)
        return min(_whole(EXACT.multiply(all_j, UJ), ROUND_FLOOR), NO_LIMIT_UJ)

    def posted(self, unit_uj: int, sold_uj: int, since_ns: int) -> float | None:
        """Price of the oldest Joule that is not sold; None if all are."""
        if self.released_uj(since_ns) <= sold_uj:
            return None
        factor = self._factor(sold_uj, since_ns)
        return as_float(EXACT.multiply(Decimal(self.start_per_j), factor))

    def reach_uj(self, price_per_j: float, since_ns: int) -> int:
        """How much can have been sold, at most, for the next Joule to suit a price; 0 or more.

        Selling, the price is at or below `price_per_j` up to there; buying, at or above it.
        """
        if price_per_j <= 0.0:
            return NO_LIMIT_UJ if self.buys else 0
        c = EXACT
        over = c.ln(c.divide(Decimal(price_per_j), Decimal(self.start_per_j)))
        over = c.divide(over, Decimal(self.decay_per_s))
        then = c.subtract(c.divide(Decimal(since_ns), NANO), over if self.buys else c.minus(over))
        reach = c.multiply(c.multiply(then, Decimal(self.rate_w)), UJ)
        return max(0, min(_whole(reach, ROUND_FLOOR), NO_LIMIT_UJ))

    def cost_nano(self, from_uj: int, to_uj: int, since_ns: int) -> int:
        """What the Joules from one to the other cost, rounded up: (k/decay) * (e^a - e^b)."""
        c = EXACT
        first, last = self._factor(from_uj, since_ns), self._factor(to_uj, since_ns)
        per = c.divide(c.multiply(Decimal(self.start_per_j), Decimal(self.rate_w)),
                       Decimal(self.decay_per_s))  # fmt: skip
        cost = c.multiply(per, c.subtract(first, last) if self.buys else c.subtract(last, first))
        return _whole(c.multiply(cost, NANO), ROUND_CEILING)

    def piece(
        self, unit_uj: int, sold_uj: int, since_ns: int, own: float, taker: float, most_uj: int
    ) -> Piece:
        """Up to where the price leaves the poster's own, at that; else up to the taker's."""
        most = min(most_uj, self.released_uj(since_ns) - sold_uj)
        flat = self.reach_uj(own, since_ns) - sold_uj
        if taker > own if self.buys else taker < own:
            return NOTHING
        if flat > 0 and most > 0:
            size = min(most, flat)
            return Piece(size, int(payment_of(own, size)))
        size = min(most, self.reach_uj(taker, since_ns) - sold_uj)
        if size <= 0:
            return NOTHING
        return Piece(size, self.cost_nano(sold_uj, sold_uj + size, since_ns))


def as_float(value: Decimal) -> float:
    """The nearest double; `HIGHEST` if it is more."""
    return HIGHEST if value > HIGHEST else float(value)


def _whole(value: Decimal, rounding: str) -> int:
    return int(value.to_integral_value(rounding, EXACT))
