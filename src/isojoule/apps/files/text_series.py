"""Between columns of text in tables and `Names`: whole buffers, no string by itself."""

from __future__ import annotations

import numpy as np
import polars as pl

from isojoule.core.names import Names
from isojoule.core.text_arrays import Texts

CHUNK = 1 << 20
_CUT = "\x1f"
"""Stands between texts on their way; names are printable, so none has it."""


def names_of(series: pl.Series) -> Names:
    """The texts of a column without nulls."""
    offsets = np.zeros(len(series) + 1, np.int64)
    np.cumsum(series.str.len_bytes().to_numpy(), out=offsets[1:])
    data = np.empty(int(offsets[-1]), np.uint8)
    for start in range(0, len(series), CHUNK):
        part = series.slice(start, CHUNK)
        text = str(part.str.join("").item()).encode()
        first = int(offsets[start])
        data[first : first + len(text)] = np.frombuffer(text, np.uint8)
    return Names.of_buffer(data, offsets)


def series_of(names: Names) -> pl.Series:
    """A column of these texts."""
    parts = [_series(texts) for texts in names.chunks(CHUNK)]
    return pl.concat(parts) if parts else pl.Series([], dtype=pl.String)


def _series(texts: Texts) -> pl.Series:
    """One text of all, cut again where the texts are: a split is faster than a million objects."""
    count = texts.offsets.size - 1
    length = np.diff(texts.offsets)
    joined = np.full(texts.data.size + count, ord(_CUT), np.uint8)
    joined[np.arange(texts.data.size) + np.repeat(np.arange(count), length)] = texts.data
    text = joined[: joined.size - 1].tobytes().decode()
    cut = pl.Series([text]).str.split(_CUT).explode()
    if len(cut) == count:
        return cut
    raw = texts.data.tobytes()  # a text with the mark in it
    ends = texts.offsets.tolist()
    return pl.Series([raw[ends[i] : ends[i + 1]].decode() for i in range(count)], dtype=pl.String)
