"""What a day-ahead market is told: when, how much, at which price, with which margins.

Spec: docs/spec/collateral.md, B19 to B26.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from isojoule.core.errors import InputError

DAY_S = 86_400
LOT_UJ = 3_600_000_000
"""Commitments are counted in whole Wh."""
BASIS = 10_000
"""Level and bearable share are taken in hundredths of a percent."""
MOST_LOTS = 10_000_000
"""Nobody commits more in one block: 10 MWh."""
MOST_DAYS = 366
MOST_PRICE_PER_J = 2.0**-8
"""Prices stay below, 14,000 a kWh: sums and differences of prices are exact then."""
PRICE_GRAIN = 2.0**-60
"""Agreed and marked prices are whole multiples of it, money/J."""


@dataclass(frozen=True, slots=True)
class DayAhead:
    """The rules of the day-ahead market.

    Parameters
    ----------
    move_per_j
        How far a price may move between two markings and still be covered, money/J.
    agreed_s
        When contracts are made: seconds after midnight of the day before, local time.
    block_s
        Length of what a contract is about, s.
    level, bearable
        A holder commits the most whose expected shortfall at this level is no more than this share
        of it; both in [0, 1).
    least_days, history_s
        So many days of its profile a holder must have, and so old they may be, s.
    least_uj
        No contract is smaller.
    highest_per_j
        What the price of imbalance does not exceed, money/J; None: as the rule of imbalance has it.
    firm_s, grace_s
        As in `isojoule.settlement.commitments.Margins`.
    mark_s
        Time between two markings, s.
    cash_nano
        What each member has for margins and differences; None: enough.

    Raises
    ------
    InputError
        Something is out of its range.
    """

    move_per_j: float
    agreed_s: int = DAY_S // 2
    block_s: int = 3600
    level: float = 0.95
    bearable: float = 0.05
    least_days: int = 3
    history_s: int = 28 * DAY_S
    least_uj: int = 50 * LOT_UJ
    highest_per_j: float | None = None
    firm_s: int = 7200
    grace_s: int = 3600
    mark_s: int = 3600
    cash_nano: int | None = None

    def __post_init__(self) -> None:
        most = MOST_PRICE_PER_J
        highest = 0.0 if self.highest_per_j is None else self.highest_per_j
        checks = (
            (0 <= self.move_per_j < most, "move", "give 0 or more, as 0.05 EUR/kWh"),
            (abs(highest) < most, "highest", "give a price, as 0.40 EUR/kWh"),
            (0 <= self.agreed_s < DAY_S, "hour", "give an hour from 0 to 23"),
            (
                0 < self.block_s <= DAY_S and DAY_S % self.block_s == 0,
                "block",
                "give a length of which a day has a whole number, as 1 h",
            ),
            (_share(self.level), "level", "give a share from 0 to below 100 %, as 95 %"),
            (_share(self.bearable), "bearable", "give a share from 0 to below 100 %, as 5 %"),
            (1 <= self.least_days <= MOST_DAYS, "least_days", "give 1 to 366 days"),
            (0 < self.history_s <= MOST_DAYS * DAY_S, "history", "give up to 366 d, as 28 d"),
            (
                self.history_s >= self.least_days * DAY_S,
                "history",
                "give at least as many days as least_days asks for, as 28 d",
            ),
            (LOT_UJ <= self.least_uj < MOST_LOTS * LOT_UJ, "least", "give 1 Wh or more"),
            (self.firm_s >= 0, "firm", "give a time, as 2 h"),
            (self.grace_s >= 0, "grace", "give a time, as 1 h"),
            (0 < self.mark_s <= DAY_S, "mark", "give a time of up to a day, as 1 h"),
            (self.cash_nano is None or self.cash_nano >= 0, "cash", "give 0 or more, as 50 EUR"),
        )
        for fine, key, remedy in checks:
            if not fine:
                raise InputError("is out of its range", place=f"day_ahead.{key}", remedy=remedy)


def on_grain(price_per_j: float) -> float:
    """A price as a whole multiple of `PRICE_GRAIN`, so that sums of prices are exact.

    >>> on_grain(0.25), on_grain(1e-7) - 1e-7 < PRICE_GRAIN
    (0.25, True)
    """
    return math.floor(price_per_j / PRICE_GRAIN + 0.5) * PRICE_GRAIN


def _share(value: float) -> bool:
    """Whether it is a share below 1, also when it is rounded to hundredths of a percent."""
    return value >= 0 and round(value * BASIS) < BASIS
