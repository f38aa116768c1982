"""Texts as arrays: hashing, comparing, gathering and ordering many at once.

Eight bytes at a time: a text's bytes are read as 64-bit words at any offset, and what lies behind
its end is masked away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
_SEED = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_MASKS = np.array([2 ** (8 * n) - 1 for n in range(9)], np.uint64)


class Texts(NamedTuple):
    """UTF-8 of texts one after the other, and where each begins.

    `data` has the bytes, `offsets` shape (texts + 1,): text i is data[offsets[i]:offsets[i + 1]].
    """

    data: NDArray[np.uint8]
    offsets: NDArray[Any]


def hashes(texts: Texts) -> Words:
    """A 64-bit hash of each text. Every step is one-to-one: up to eight bytes never collide.

    The mixer is that of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195).
    """
    length = np.diff(texts.offsets).astype(np.int64)
    mixed: Words = length.astype(np.uint64) * _SEED
    for start, words in _words(texts, length):
        some = length > start
        mixed = np.where(some, _mix(mixed ^ words), mixed)
    return mixed


def same(one: Texts, other: Texts) -> NDArray[np.bool_]:
    """Whether texts in the same places are the same. Both have as many."""
    length = np.diff(one.offsets).astype(np.int64)
    equal: NDArray[np.bool_] = length == np.diff(other.offsets)
    length = np.where(equal, length, 0)
    for (_, mine), (_, theirs) in zip(_words(one, length), _words(other, length), strict=True):
        equal &= mine == theirs
    return equal


def take(texts: Texts, at: NDArray[Any]) -> Texts:
    """The texts at these positions, one after the other."""
    start = texts.offsets[at].astype(np.int64)
    length = texts.offsets[at + 1].astype(np.int64) - start
    offsets = np.zeros(at.size + 1, np.int64)
    np.cumsum(length, out=offsets[1:])
    data = np.empty(int(offsets[-1]), np.uint8)
    step = 1 << 20
    for first in range(0, at.size, step):  # so that the indices of bytes stay few
        last = min(first + step, at.size)
        part = slice(int(offsets[first]), int(offsets[last]))
        move = start[first:last] - offsets[first:last]
        data[part] = texts.data[
            np.arange(part.start, part.stop) + np.repeat(move, length[first:last])
        ]
    return Texts(data, offsets)


def order_of(texts: Texts) -> NDArray[np.int64]:
    """Positions in the order of the bytes, which for UTF-8 is that of the code points."""
    length = np.diff(texts.offsets).astype(np.int64)
    words = [words.byteswap() if np.little_endian else words for _, words in _words(texts, length)]
    keys: list[NDArray[Any]] = words[::-1]
    if not texts.data.all() or not keys:  # a text before those that it begins: 0 is below any byte
        keys.insert(0, length)
    return np.lexsort(keys).astype(np.int64)


def _mix(x: Words) -> Words:
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))


def _words(texts: Texts, length: NDArray[np.int64]) -> Iterator[tuple[int, Words]]:
    """First byte and words of all texts, eight bytes at a time; 0 behind the end of a text."""
    size = texts.data.size
    padded = np.zeros(size + 8, np.uint8)
    padded[:size] = texts.data
    every: Words = np.ndarray((size + 1,), "<u8", padded, strides=(1,))
    begin = texts.offsets[:-1].astype(np.int64)
    for start in range(0, int(length.max(initial=0)), 8):
        left = np.clip(length - start, 0, 8)
        yield start, every[np.minimum(begin + start, size)] & _MASKS[left]
