"""How fast memory is copied: the yardstick of every sweep, measured in the same run.

Each copy reads and writes an array much larger than the caches. Two ways: the C library's copy,
which writes past the cache and is the faster one, and the plain loop of a kernel, which first reads
what it writes over. With two threads, each copies one half. A rate counts bytes read and written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.clock import timed
from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]

SIZE_BYTES = 1 << 30
"""Of each array; more than any cache."""
RUNS = 7


class Rates(NamedTuple):
    """Bytes read and written a second: of the C library, and of a loop; by one thread and two."""

    library: tuple[float, float]
    loop: tuple[float, float]
    size_bytes: int

    def best(self, threads: int) -> float:
        """The yardstick: the faster of both ways."""
        return max(self.library[threads - 1], self.loop[threads - 1])

    def or_better(self, other: Rates) -> Rates:
        """What memory could do at one of two times, of each the better."""
        pairs = ((self.library, other.library), (self.loop, other.loop))
        library, loop = ((max(a[0], b[0]), max(a[1], b[1])) for a, b in pairs)
        return Rates(library, loop, self.size_bytes)


@kernel
def _loop(source: Floats, target: Floats) -> None:
    for i in range(source.size):
        target[i] = source[i]


def _library(source: Floats, target: Floats) -> None:
    np.copyto(target, source)


def copy_once(source: Floats, target: Floats) -> float:
    """Bytes read and written a second, in one copy by the C library."""
    start = time.perf_counter()
    _library(source, target)
    return 2 * source.nbytes / (time.perf_counter() - start)


def copying(size_bytes: int = SIZE_BYTES, runs: int = RUNS) -> Rates:
    """Measure; the arrays are made, and touched, before."""
    source = np.ones(size_bytes // 8)
    target = np.zeros_like(source) + 1.0
    with ThreadPoolExecutor(2) as pool:

        def rate(copy: Callable[[Floats, Floats], None], threads: int) -> float:
            parts = list(zip(np.split(source, threads), np.split(target, threads), strict=True))

            def run() -> None:
                list(pool.map(lambda part: copy(*part), parts))

            run()
            return 2 * size_bytes / timed(run, runs)[0].median_s

        return Rates(
            (rate(_library, 1), rate(_library, 2)), (rate(_loop, 1), rate(_loop, 2)), size_bytes
        )
