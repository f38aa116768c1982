"""What must be kept of a log to append to it: hashes of entries, and the frontier of their tree.

The rules are docs/spec/log.md, L1 to L3; `isojoule.core.merkle` tells of the tree and its proofs.
A frontier is a value: growing it makes another one. Many leaves are hashed level by level, in lists
that stay in the cache, since this is the hot loop of whoever writes a log: about a microsecond for
each record of 129 bytes, most of it SHA-256 itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from struct import iter_unpack

from isojoule.core.errors import InvariantError, VerificationError

EMPTY_ROOT = hashlib.sha256().digest()
"""The root of the log without entries."""

HASH_SIZE = 32
"""Bytes of a hash."""

_CHUNK = 1 << 14  # leaves hashed at once: few enough that their hashes stay in the cache


def leaf_hash(data: bytes) -> bytes:
    """The hash of an entry, 32 bytes."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node from those of its children, 32 bytes each."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """What must be kept of a log to append to it: a value, never changed in place.

    Parameters
    ----------
    size
        How many leaves the log has.
    roots
        Roots of the perfect trees that it is made of, largest (leftmost) first: one for each bit
        set in `size`, 32 bytes each.

    Raises
    ------
    InvariantError
        Size and roots do not fit each other.

    Examples
    --------
    >>> log = Frontier().append(leaf_hash(b"one")).append(leaf_hash(b"two"))
    >>> log.size, log.root() == root_of([b"one", b"two"])
    (2, True)
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size < 1 << 64 or self.size.bit_count() != len(self.roots):
            raise InvariantError(f"{len(self.roots)} roots do not make a log of {self.size}")
        _assert_hashes(self.roots)

    def root(self) -> bytes:
        """The root of the log."""
        if not self.roots:
            return EMPTY_ROOT
        *larger, root = self.roots
        for left in reversed(larger):
            root = node_hash(left, root)
        return root

    def append(self, leaf: bytes) -> Frontier:
        """The log with one more leaf, given by its hash.

        Raises
        ------
        InvariantError
            The hash does not have 32 bytes.
        """
        if len(leaf) != HASH_SIZE:
            _assert_hashes((leaf,))
        roots, size = list(self.roots), self.size
        bits = size
        while bits & 1:
            leaf = node_hash(roots.pop(), leaf)
            bits >>= 1
        roots.append(leaf)
        return self._grown(size + 1, tuple(roots))

    @staticmethod
    def _grown(size: int, roots: tuple[bytes, ...]) -> Frontier:
        """Without checks, for what follows from a frontier that was checked."""
        made = object.__new__(Frontier)
        object.__setattr__(made, "size", size)
        object.__setattr__(made, "roots", roots)
        return made

    def extend(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The log with more leaves, given by their hashes in order.

        Raises
        ------
        InvariantError
            A hash does not have 32 bytes.
        """
        hashes = iter(leaf_hashes)
        grown = self
        while chunk := list(islice(hashes, _CHUNK)):
            _assert_hashes(chunk)
            grown = grown._with(chunk)
        return grown

    def extend_records(
        self, buffer: bytes | bytearray | memoryview, record_size: int, prefix: bytes = b""
    ) -> Frontier:
        """The log with more entries of one size that lie one after the other.

        Parameters
        ----------
        buffer
            The records, `record_size` bytes each.
        record_size
            In bytes, at least 1.
        prefix
            Bytes that come before each record in its entry.

        Raises
        ------
        InvariantError
            The buffer does not hold whole records.
        """
        grown = self
        for chunk in _record_chunks(buffer, record_size, prefix):
            grown = grown._with(chunk)
        return grown

    def to_bytes(self) -> bytes:
        """The frontier to be stored: its size (8 bytes, big-endian), then the roots (L2)."""
        return self.size.to_bytes(8, "big") + b"".join(self.roots)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Frontier:
        """The frontier that was stored. That it is the right one, only its root can tell.

        Raises
        ------
        VerificationError
            The length is not that of a frontier of its size.
        """
        size = int.from_bytes(stored[:8], "big")
        if len(stored) != 8 + HASH_SIZE * size.bit_count():
            raise VerificationError(f"{len(stored)} bytes are none of a log", place="frontier")
        return cls(size, tuple(_split(stored[8:], HASH_SIZE)))

    def _with(self, level: list[bytes]) -> Frontier:
        """Grow by the leaves of a list, level by level; the list is used up.

        On each level stand, from left to right: the root of a perfect tree that waited for its
        neighbour, if any, and what is new. Pairs go up, a last one without a partner waits.
        """
        sha256 = hashlib.sha256
        size = self.size + len(level)
        roots = list(self.roots)
        waiting: list[bytes] = []
        bits = self.size
        while level:
            if bits & 1:
                level.insert(0, roots.pop())
            if len(level) & 1:
                waiting.append(level.pop())
            pairs = iter(level)
            level = [
                sha256(b"\1" + left + right).digest()
                for left, right in zip(pairs, pairs, strict=True)
            ]
            bits >>= 1
        return Frontier(size, (*roots, *reversed(waiting)))


def root_of(entries: Iterable[bytes]) -> bytes:
    """The root of the log of these entries."""
    return Frontier().extend(map(leaf_hash, entries)).root()


def record_hashes(
    buffer: bytes | bytearray | memoryview, record_size: int, prefix: bytes = b""
) -> Iterator[bytes]:
    """Leaf hashes of the entries that `Frontier.extend_records` appends."""
    for chunk in _record_chunks(buffer, record_size, prefix):
        yield from chunk


def _record_chunks(
    buffer: bytes | bytearray | memoryview, record_size: int, prefix: bytes
) -> Iterator[list[bytes]]:
    view = memoryview(buffer).cast("B")
    if record_size < 1 or len(view) % record_size:
        raise InvariantError(f"{len(view)} bytes are not records of {record_size}")
    sha256 = hashlib.sha256
    head = b"\0" + prefix
    step = _CHUNK * record_size
    for start in range(0, len(view), step):
        records = _split(view[start : start + step], record_size)
        yield [sha256(head + record).digest() for record in records]


def _split(buffer: bytes | memoryview, width: int) -> Iterator[bytes]:
    return (part for (part,) in iter_unpack(f"{width}s", buffer))


def _assert_hashes(hashes: Sequence[bytes]) -> None:
    if hashes and set(map(len, hashes)) != {HASH_SIZE}:
        raise InvariantError(f"a hash has {HASH_SIZE} bytes")
