"""What meters and the market show, summed into blocks: the times that contracts are about.

Spec: docs/spec/collateral.md, B19 and B20.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.settlement.day_ahead.rules import PRICE_GRAIN, DayAhead

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Seen:
    """What meters and the market of a run show, T intervals in the order of time, P members.

    Attributes
    ----------
    members
        Names of their accounts, (P,).
    interval_s
        Length of an interval, s.
    time_s
        Starts of the intervals, s since 1970, (T,).
    day_s
        Start of the local day that an interval lies in, (T,).
    agreed_s
        When contracts about that day are made, (T,).
    net_uj
        What the members' meters show, received positive, (T, P).
    curtailed_uj
        What members had to give and the network did not take, 0 or more, (T, P).
    reference_per_j
        What energy cost in the market, money/J, (T,); nan where nothing was traded.
    imbalance_per_j
        What a missing Joule cost, money/J, (T,).
    middle_per_j
        The middle between the utility's two prices, money/J, (T,); nan off the grid.
    """

    members: tuple[str, ...]
    interval_s: int
    time_s: Ints
    day_s: Ints
    agreed_s: Ints
    net_uj: Ints
    curtailed_uj: Ints
    reference_per_j: Floats
    imbalance_per_j: Floats
    middle_per_j: Floats


@dataclass(frozen=True, eq=False)
class Blocks:
    """Whole blocks, B of them, in the order of time.

    Attributes
    ----------
    start_s, end_s, day_s, agreed_s
        Of each, (B,).
    slot
        Its place in the day, from 0, (B,).
    net_uj, curtailed_uj
        Sums over its intervals, (B, P).
    reference_per_j, imbalance_per_j, middle_per_j
        Means over its intervals that have such a price, on the grain of prices, (B,); nan: none.
    open
        Whether the market ran, without a gap, from the time of making contracts to its start, (B,).
    """

    start_s: Ints
    end_s: Ints
    day_s: Ints
    agreed_s: Ints
    slot: Ints
    net_uj: Ints
    curtailed_uj: Ints
    reference_per_j: Floats
    imbalance_per_j: Floats
    middle_per_j: Floats
    open: Bools

    @cached_property
    def at(self) -> dict[tuple[int, int], int]:
        """The block of a day and slot."""
        keys = zip(self.day_s.tolist(), self.slot.tolist(), strict=True)
        return {key: number for number, key in enumerate(keys)}

    @cached_property
    def days(self) -> Ints:
        """Starts of the days that have a block, in order."""
        return np.unique(self.day_s)

    @cached_property
    def before(self) -> NDArray[np.object_]:
        """The blocks of the same slot on earlier days, the latest first; for each block a tuple."""
        known: dict[int, list[int]] = {}
        out = np.empty(self.slot.size, object)
        for number, slot in enumerate(self.slot.tolist()):
            earlier = known.setdefault(slot, [])
            out[number] = tuple(reversed(earlier))
            earlier.append(number)
        return out


def blocks_of(seen: Seen, rules: DayAhead) -> Blocks:
    """Sum what is seen into blocks; one of which an interval is missing is left out.

    Raises
    ------
    InputError
        A block is no whole number of intervals.
    """
    each = rules.block_s // seen.interval_s
    if each < 1 or each * seen.interval_s != rules.block_s:
        raise InputError(
            f"a block of {rules.block_s} s is no whole number of intervals of {seen.interval_s} s",
            place="day_ahead.block",
            remedy="give a multiple of the scenario's interval",
        )
    slot = (seen.time_s - seen.day_s) // rules.block_s
    start = seen.day_s + slot * rules.block_s
    starts, first, count = np.unique(start, return_index=True, return_counts=True)
    whole = count == each
    starts, first = starts[whole], first[whole]
    rows = first[:, None] + np.arange(each)
    agreed = seen.agreed_s[first]
    at = np.searchsorted(seen.time_s, agreed, side="right") - 1
    steps = first - np.maximum(at, 0)
    reach = seen.time_s[first] - seen.time_s[np.maximum(at, 0)]
    opened = (at >= 0) & (reach == steps * seen.interval_s)
    return Blocks(
        start_s=starts,
        end_s=starts + rules.block_s,
        day_s=seen.day_s[first],
        agreed_s=agreed,
        slot=slot[first],
        net_uj=seen.net_uj[rows].sum(1),
        curtailed_uj=seen.curtailed_uj[rows].sum(1),
        reference_per_j=_mean(seen.reference_per_j[rows]),
        imbalance_per_j=_mean(seen.imbalance_per_j[rows]),
        middle_per_j=_mean(seen.middle_per_j[rows]),
        open=opened,
    )


def _mean(price: Floats) -> Floats:
    """Mean of each row's known prices, on the grain; nan where none is known."""
    known = np.isfinite(price)
    total, count = np.where(known, price, 0.0).sum(1), known.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
    out: Floats = np.floor(mean / PRICE_GRAIN + 0.5) * PRICE_GRAIN
    return out
