"""Many names found among many, without a dictionary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.names import CHUNK, Names
from isojoule.core.text_arrays import Texts, hashes, same, take


class NameIndex:
    """Finds many names among many: positions by hash, sorted, and where each range of them begins.

    Parameters
    ----------
    names
        The names that are known; of equal ones any may be found.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        mixed = names.hashes()
        self._order = np.argsort(mixed, kind="stable").astype(np.int32)
        self._sorted = mixed[self._order]
        bits = max(1, len(names).bit_length())
        self._shift = np.uint64(64 - bits)
        edges = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._start = np.searchsorted(self._sorted, edges).astype(np.int32)

    def find(self, names: Names) -> NDArray[np.int32]:
        """Position of each name, -1 where it is not known. Shape (len(names),)."""
        out = np.full(len(names), -1, np.int32)
        for start, texts in zip(range(0, len(names), CHUNK), names.chunks(), strict=True):
            out[start : start + CHUNK] = self._find(texts)
        return out

    def _find(self, texts: Texts) -> NDArray[np.int32]:
        mixed = hashes(texts)
        out = np.full(mixed.size, -1, np.int32)
        slot = self._start[mixed >> self._shift].astype(np.int64)
        left = np.flatnonzero(slot < self._sorted.size)
        while left.size:
            here = self._sorted[slot[left]]
            hit = left[here == mixed[left]]
            if hit.size:
                found = self._order[slot[hit]]
                alike = same(self._names.take(found).texts(0, hit.size), take(texts, hit))
                out[hit[alike]] = found[alike]
            left = left[(here <= mixed[left]) & (out[left] < 0)]
            slot[left] += 1
            left = left[slot[left] < self._sorted.size]
        return out
