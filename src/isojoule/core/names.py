"""Many names in little memory: one buffer of UTF-8 and where each name begins.

A tuple of ten million strings takes most of a gigabyte and a walk over objects for every question.
`Names` is a sequence of strings that holds none: it answers by arrays. Names that follow a rule (a
prefix and a number, one text over and over) need no buffer at all.

Equality is by bytes, never by hash alone: hashes only say where to look. Small books may as well
hold tuples; the functions at the end take either.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.text_arrays import Texts, hashes, order_of, same, take

Ints = NDArray[np.int64]
CHUNK = 1 << 16
"""Names that are looked at together: their bytes stay in the cache."""


class Names(Sequence[str]):
    """An immutable sequence of names, without a Python object per name.

    Made by `Names.of`, `Names.of_buffer`, `Names.numbered`, `Names.repeated`. It equals a tuple of
    the same strings. A slice and `take` give `Names`.
    """

    __slots__ = ()

    @staticmethod
    def of(names: Iterable[str]) -> Names:
        """From strings; `Names` stay as they are."""
        if isinstance(names, Names):
            return names
        encoded = [name.encode() for name in names]
        ends = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(name) for name in encoded], out=ends[1:])
        return _Buffer(Texts(np.frombuffer(b"".join(encoded), np.uint8), ends))

    @staticmethod
    def of_buffer(data: NDArray[np.uint8], offsets: NDArray[Any]) -> Names:
        """From UTF-8 and the offset of each name, and the end of the last: shape (names + 1,).

        Raises
        ------
        InputError
            The offsets do not cut the buffer into UTF-8 texts.
        """
        data = np.ascontiguousarray(data, np.uint8)
        fits = (
            offsets.ndim == 1
            and offsets.size > 0
            and int(offsets[0]) == 0
            and int(offsets[-1]) == data.size
            and bool(np.all(offsets[1:] >= offsets[:-1]))
        )
        starts = offsets[:-1][offsets[:-1] < data.size] if fits else offsets[:0]
        try:
            if not fits or np.any((data[starts] & 0xC0) == 0x80):
                raise UnicodeError
            for at in range(0, offsets.size - 1, CHUNK):
                end = min(at + CHUNK, offsets.size - 1)
                data[int(offsets[at]) : int(offsets[end])].tobytes().decode()
        except UnicodeError:
            raise InputError(
                "the names are not UTF-8 texts cut by ascending offsets",
                remedy="give offsets from 0 to the length of the buffer, at the starts of letters",
            ) from None
        return _Buffer(Texts(data, offsets))

    @staticmethod
    def numbered(prefix: str, count: int, start: int = 0) -> Names:
        """`prefix0`, `prefix1`, ... (or from `start`).

        >>> list(Names.numbered("n", 3, start=8))
        ['n8', 'n9', 'n10']
        """
        if start < 0 or count < 0:
            raise InputError("numbers of names are below 0", remedy="count from 0 or more")
        return _Numbered(prefix, start, count)

    @staticmethod
    def repeated(name: str, count: int) -> Names:
        """One text, `count` times: owners of links that nobody owns, kinds of lines.

        >>> Names.repeated("", 2) == ("", "")
        True
        """
        return _Repeated(name, count)

    @abstractmethod
    def texts(self, start: int, stop: int) -> Texts:
        """Bytes and offsets of the names from `start` to `stop`."""

    @abstractmethod
    def take(self, at: NDArray[Any]) -> Names:
        """The names at these positions."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that the names take."""

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Names: ...
    def __getitem__(self, at: int | slice) -> str | Names:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step == 1:
                return self._part(start, max(start, stop))
            return self.take(np.arange(start, stop, step))
        here = range(len(self))[at]
        return self.texts(here, here + 1).data.tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        for texts in self.chunks(1 << 12):
            raw, ends = texts.data.tobytes(), texts.offsets.tolist()
            text = raw.decode()
            if len(text) == len(raw):  # ASCII: letters are bytes
                yield from (text[a:b] for a, b in itertools.pairwise(ends))
            else:
                yield from (raw[a:b].decode() for a, b in itertools.pairwise(ends))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Names | tuple):
            return NotImplemented
        if len(self) != len(other):
            return False
        if isinstance(other, tuple):
            return all(one == two for one, two in zip(self, other, strict=True))
        pairs = zip(self.chunks(), other.chunks(), strict=True)
        return all(
            np.array_equal(one.offsets, two.offsets) and np.array_equal(one.data, two.data)
            for one, two in pairs
        )

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        some = ", ".join(repr(name) for name in self[:3])
        return f"Names({some}{', ...' if len(self) > 3 else ''}; {len(self)})"

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) >= 0

    def index(self, name: Any, start: int = 0, stop: int | None = None) -> int:
        """Position of a name within `start` .. `stop`.

        Raises
        ------
        ValueError
            It is not there.
        """
        part = slice(start, stop).indices(len(self))
        found = self[part[0] : part[1]]._find(name) if isinstance(name, str) else -1
        if found < 0:
            raise ValueError(f"{name!r} is not among the names")
        return part[0] + found

    def chunks(self, size: int = CHUNK) -> Iterator[Texts]:
        """All names, some at a time."""
        for start in range(0, len(self), size):
            yield self.texts(start, min(start + size, len(self)))

    def lengths(self) -> Ints:
        """Bytes of each name, shape (names,)."""
        parts = [np.diff(texts.offsets) for texts in self.chunks()]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def hashes(self) -> NDArray[np.uint64]:
        """64 bits of each name, shape (names,): equal names have equal hashes."""
        out = np.empty(len(self), np.uint64)
        for start, texts in zip(range(0, len(self), CHUNK), self.chunks(), strict=True):
            out[start : start + CHUNK] = hashes(texts)
        return out

    def order(self) -> Ints:
        """Positions in the order of the names, by code points. Shape (names,)."""
        return order_of(self.texts(0, len(self)))

    def distinct(self) -> tuple[Names, NDArray[np.int32]]:
        """Each name once, in order, and which of them stands at each position."""
        order = self.order()
        ordered = self.take(order)
        new = np.ones(len(self), bool)
        if len(self):
            new[1:] = ~same(
                ordered[1:].texts(0, len(self) - 1), ordered[:-1].texts(0, len(self) - 1)
            )
        at = np.empty(len(self), np.int32)
        at[order] = np.cumsum(new) - 1
        return ordered.take(np.flatnonzero(new)), at

    def first_repeat(self) -> int:
        """Position of the first name that stood before, or -1."""
        mixed = self.hashes()
        ordered = np.sort(mixed)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if not twice.size:
            return -1
        seen: set[str] = set()
        for at in np.flatnonzero(np.isin(mixed, np.unique(twice))).tolist():
            name = self[at]
            if name in seen:
                return int(at)
            seen.add(name)
        return -1

    def _find(self, name: str) -> int:
        sought = Names.of([name])
        key = sought.hashes()[0]
        for start in range(0, len(self), CHUNK):
            near = hashes(self.texts(start, min(start + CHUNK, len(self)))) == key
            for at in (start + np.flatnonzero(near)).tolist():
                if self[at] == name:
                    return int(at)
        return -1

    @abstractmethod
    def _part(self, start: int, stop: int) -> Names:
        """The names from `start` to `stop`."""


class _Buffer(Names):
    __slots__ = ("_all",)

    def __init__(self, texts: Texts) -> None:
        small = np.uint32 if texts.data.size < 2**32 else np.int64
        data, offsets = texts.data.view(), texts.offsets.astype(small)
        data.flags.writeable = offsets.flags.writeable = False
        self._all = Texts(data, offsets)

    def __len__(self) -> int:
        return int(self._all.offsets.size - 1)

    def texts(self, start: int, stop: int) -> Texts:
        offsets = self._all.offsets[start : stop + 1].astype(np.int64)
        first = int(offsets[0])
        return Texts(self._all.data[first : int(offsets[-1])], offsets - first)

    def take(self, at: NDArray[Any]) -> Names:
        return _Buffer(take(self._all, at))

    @property
    def nbytes(self) -> int:
        return int(self._all.data.nbytes + self._all.offsets.nbytes)

    def _part(self, start: int, stop: int) -> Names:
        return _Buffer(self.texts(start, stop))


class _Numbered(Names):
    __slots__ = ("_count", "_prefix", "_start")

    def __init__(self, prefix: str, start: int, count: int) -> None:
        self._prefix = prefix.encode()
        self._start = start
        self._count = count

    def __len__(self) -> int:
        return self._count

    def texts(self, start: int, stop: int) -> Texts:
        return self._of(np.arange(self._start + start, self._start + stop))

    def take(self, at: NDArray[Any]) -> Names:
        return _Buffer(self._of(self._start + at.astype(np.int64)))

    def first_repeat(self) -> int:
        """-1: no number comes twice."""
        return -1

    @property
    def nbytes(self) -> int:
        return len(self._prefix)

    def _of(self, numbers: Ints) -> Texts:
        head = len(self._prefix)
        most = len(str(int(numbers.max(initial=0))))
        digits = 1 + np.searchsorted(10 ** np.arange(1, most), numbers, side="right")
        offsets = np.zeros(numbers.size + 1, np.int64)
        np.cumsum(digits + head, out=offsets[1:])
        data = np.empty(int(offsets[-1]), np.uint8)
        for j, letter in enumerate(self._prefix):
            data[offsets[:-1] + j] = letter
        rest, last = numbers.copy(), offsets[1:] - 1
        for place in range(most):
            some = slice(None) if place == 0 else np.flatnonzero(digits > place)
            data[last[some] - place] = ord("0") + rest[some] % 10
            rest //= 10
        return Texts(data, offsets)

    def _part(self, start: int, stop: int) -> Names:
        return _Numbered(self._prefix.decode(), self._start + start, stop - start)


class _Repeated(Names):
    __slots__ = ("_count", "_name")

    def __init__(self, name: str, count: int) -> None:
        self._name = name.encode()
        self._count = count

    def __len__(self) -> int:
        return self._count

    def texts(self, start: int, stop: int) -> Texts:
        one = np.frombuffer(self._name, np.uint8)
        return Texts(np.tile(one, stop - start), np.arange(stop - start + 1) * one.size)

    def take(self, at: NDArray[Any]) -> Names:
        return _Repeated(self._name.decode(), at.size)

    def lengths(self) -> Ints:
        """Bytes of each name; one number for all of them."""
        return np.broadcast_to(np.int64(len(self._name)), (self._count,))

    def first_repeat(self) -> int:
        """The second of them."""
        return 1 if self._count > 1 else -1

    @property
    def nbytes(self) -> int:
        return len(self._name)

    def _part(self, start: int, stop: int) -> Names:
        return _Repeated(self._name.decode(), stop - start)


def first_repeat(names: Sequence[str]) -> int:
    """Position of the first name that stood before, or -1.

    >>> first_repeat(("a", "b", "a")), first_repeat(())
    (2, -1)
    """
    if isinstance(names, Names):
        return names.first_repeat()
    if len(set(names)) == len(names):
        return -1
    seen: set[str] = set()
    for at, name in enumerate(names):
        if name in seen:
            return at
        seen.add(name)
    return -1


def not_empty(names: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each name has a letter, shape (names,)."""
    if isinstance(names, Names):
        some: NDArray[np.bool_] = names.lengths() > 0
        return some
    return np.array([bool(name) for name in names], dtype=bool)
