"""Which intervals the slider walks through.

A page must stay small, whatever the run. Up to `MOST_INTERVALS` intervals are shown whole. Of a
longer run four windows are shown, spread over it, of up to a week each: in each part of the run
the week whose need (consumption less generation) is closest to the average of its part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

MOST_INTERVALS = 4 * 672
MOST_CELLS = 2_500_000
WINDOWS = 4
DAY_S = 86_400


@dataclass(frozen=True, eq=False)
class Window:
    """A run of consecutive intervals of one period. Times in epoch seconds, shape (intervals,)."""

    period: str
    times_s: NDArray[np.int64]


def choose_windows(
    intervals: pl.DataFrame, interval_s: int, cells_per_interval: int
) -> tuple[list[Window], bool]:
    """The windows, and whether they are the whole run.

    Parameters
    ----------
    intervals
        Table with `period`, `time_s`, `consumed_uj` and `generated_uj`.
    interval_s
        Length of an interval, s.
    cells_per_interval
        How many numbers one interval puts on the page; large grids get fewer intervals.
    """
    most = min(MOST_INTERVALS, max(96, MOST_CELLS // max(cells_per_interval, 1)))
    periods = intervals["period"].unique(maintain_order=True).to_list()
    times = {name: intervals.filter(intervals["period"] == name).sort("time_s") for name in periods}
    if intervals.height <= most:
        return [Window(n, times[n]["time_s"].to_numpy().astype(np.int64)) for n in periods], True
    if len(periods) > WINDOWS:
        chosen = [periods[i * len(periods) // WINDOWS] for i in range(WINDOWS)]
    else:
        chosen = [p for p in periods for _ in range(WINDOWS // len(periods))]
    a_day = max(1, DAY_S // interval_s)
    length = min(7 * a_day, most // len(chosen))
    if length > a_day:
        length -= length % a_day
    out: list[Window] = []
    for name in dict.fromkeys(chosen):
        table = times[name]
        time = table["time_s"].to_numpy().astype(np.int64)
        need = (table["consumed_uj"] - table["generated_uj"]).to_numpy().astype(np.float64)
        for part in np.array_split(np.arange(len(time)), chosen.count(name)):
            first = typical(need[part], length)
            out.append(Window(name, time[part][first : first + length]))
    return out, False


def typical(need: NDArray[np.float64], length: int) -> int:
    """Start of the stretch of this length whose mean is closest to that of the whole.

    Only multiples of the length are tried, so that a stretch starts where the part's days do.

    >>> typical(np.array([9.0, 9.0, 2.0, 2.0, 0.0, 0.0]), 2)
    2
    """
    starts = np.arange(0, max(len(need) - length, 0) + 1, length)
    means = np.array([need[s : s + length].mean() for s in starts])
    return int(starts[np.argmin(np.abs(means - need.mean()))])
