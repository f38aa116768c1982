"""Time, as all benchmarks take it: on the clock on the wall, the median of some runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Timed(NamedTuple):
    """Median and best of some runs, s, and how many there were."""

    median_s: float
    best_s: float
    runs: int


def timed(run: Callable[[], T], runs: int, budget_s: float = float("inf")) -> tuple[Timed, T]:
    """Time a function; returns what its last run returned.

    It runs so many times, or until `budget_s` is used up, but once at least. The first run counts:
    what is compiled or kept has to be so before.
    """
    spent: list[float] = []
    while True:
        start = time.perf_counter()
        out = run()
        spent.append(time.perf_counter() - start)
        if len(spent) >= runs or sum(spent) > budget_s:
            return Timed(median(spent), min(spent), len(spent)), out


def once(run: Callable[[], T]) -> tuple[float, T]:
    """Seconds of one run, and what it returned."""
    start = time.perf_counter()
    out = run()
    return time.perf_counter() - start, out
