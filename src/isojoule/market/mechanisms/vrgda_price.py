"""The posted price of a variable rate gradual Dutch auction, the same on every machine.

    price = target * exp(ln(1 - decay) * (t - T(n + 1)) / decay_s)

n whole units have been sold, T says when the schedule wants how many sold, t is the time since its
start, s. Computed in decimals of 40 digits, whose exp and ln are correctly rounded (Python's
`decimal`), and rounded once to a double. Buying, the exponent has the other sign: the price rises
while the schedule is behind.

Source: Frankie, Robinson, White, Dave, "Variable Rate GDAs", Paradigm, 2022.
Spec: docs/spec/sequential.md, Q15 and Q16.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

DIGITS = 40
EXACT = Context(
    prec=DIGITS, rounding=ROUND_HALF_EVEN, Emin=-999999, Emax=999999, traps=[]
)  # fmt: skip
NANO = Decimal(10**9)
HIGHEST = 1e300
"""A price beyond is told as this one, money per J: nobody pays it, and it has a form in JSON."""


class Schedule(NamedTuple):
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


def as_float(value: Decimal) -> float:
    """The nearest double; `HIGHEST` if it is more."""
    return HIGHEST if value > HIGHEST else float(value)
