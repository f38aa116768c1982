"""Many transfers as one array, 128 bytes a row, which are the bytes of the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.transfer import (
    TRANSFER_BYTES,
    Transfer,
    transfer_bytes,
    transfer_from_bytes,
)

Records = NDArray[np.void]
RECORD = np.dtype(
    [
        ("id", "V16"),
        ("debit", "V16"),
        ("credit", "V16"),
        ("pending_id", "V16"),
        ("amount", ">u8"),
        ("for_s", ">i8"),
        ("at_ns", ">u8"),
        ("ref", "V32"),
        ("timeout_s", ">u4"),
        ("code", ">u2"),
        ("kind", "u1"),
        ("linked", "u1"),
    ]
)
"""Fields of `Transfer` in the order of its bytes, big-endian."""


def records_of(transfers: Iterable[Transfer]) -> Records:
    """Transfers as an array, (transfers,)."""
    return np.frombuffer(b"".join(map(transfer_bytes, transfers)), RECORD)


def transfers_of(records: Records) -> list[Transfer]:
    """An array of transfers as values."""
    data = records.astype(RECORD).tobytes()
    return [
        transfer_from_bytes(data[at : at + TRANSFER_BYTES])
        for at in range(0, len(data), TRANSFER_BYTES)
    ]


def blank(count: int) -> Records:
    """`count` transfers with nothing filled in."""
    return np.zeros(count, RECORD)


def ids_column(ids: Iterable[int]) -> NDArray[Any]:
    """128-bit ids as a column that fits into `RECORD`, (ids,).

    >>> ids_column([1, 2]).shape
    (2,)
    """
    return np.frombuffer(b"".join(i.to_bytes(16, "big") for i in ids), "V16")


def numbered_ids(stem: int | NDArray[Any], numbers: NDArray[np.int64]) -> NDArray[Any]:
    """Ids that share their first 96 bits, those of `stem`, and end with a number below 2**32.

    One hash names a document; its rows need none of their own. A column of ids gives each its own.
    """
    words = np.empty((numbers.size, 4), ">u4")
    stems = ids_column([stem]) if isinstance(stem, int) else stem
    words[:, :3] = stems.view(">u4").reshape(-1, 4)[:, :3]
    words[:, 3] = numbers
    return words.view("V16").ravel()
