"""The tables of a clearing's folder: one row an offer, link or node, in the order of names.

Energies are int64 microjoules, payments int64 nano-units, prices float64 as they are. What is not
so (a null, another type, another column, another name) is refused with its row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.text_series import names_of, series_of
from isojoule.core.errors import VerificationError
from isojoule.core.names import Names
from isojoule.core.text_arrays import same
from isojoule.market import Clearing

INT, FLOAT = pl.Int64(), pl.Float64()
TABLES: dict[str, dict[str, tuple[str, pl.DataType]]] = {
    "offers": {"energy_uj": ("energy_uj", INT), "payment_nano": ("payment_nano", INT)},
    "links": {
        "flow_uj": ("flow_uj", INT),
        "loss_uj": ("loss_uj", INT),
        "standing_uj": ("standing_uj", INT),
        "payment_nano": ("link_payment_nano", INT),
    },
    "nodes": {
        "price_per_j": ("price_per_j", FLOAT),
        "dual_per_j": ("dual_per_j", FLOAT),
        "lowest_per_j": ("lowest_per_j", FLOAT),
        "highest_per_j": ("highest_per_j", FLOAT),
    },
}
"""Columns of each table: header, name of the fact that it holds, and type."""


def frame_of(what: str, file: BookFile, clearing: Clearing) -> pl.DataFrame:
    """A table of facts, in the order of names."""
    grid, certificate = file.grid, clearing.certificate
    names = {"offers": file.book.offer_ids, "links": grid.link_ids, "nodes": grid.node_ids}
    ids = Names.of(names[what])
    order = ids.order()
    more = {
        "dual_per_j": certificate.duals,
        "lowest_per_j": certificate.lowest,
        "highest_per_j": certificate.highest,
    }
    columns: dict[str, Any] = {"id": series_of(ids.take(order))}
    for header, (fact, _) in TABLES[what].items():
        values = more[fact] if fact in more else getattr(clearing, fact)
        columns[header] = values[order]
    return pl.DataFrame(columns)


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a table; the same facts give the same bytes."""
    frame.write_parquet(path, compression="zstd", compression_level=1, statistics=False)


def read_table(path: Path, what: str, ids: Names) -> dict[str, NDArray[Any]]:
    """The facts of a table by their names, in the order of `ids`.

    Raises
    ------
    VerificationError
        Not such a table, or a row of another name.
    """
    place = str(path)
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise VerificationError(f"cannot be read: {error}", place=place) from None
    wanted = {"id": pl.String(), **{key: kind for key, (_, kind) in TABLES[what].items()}}
    if dict(frame.schema) != wanted:
        raise VerificationError(f"has not the columns {', '.join(wanted)}", place=place)
    if frame.height != len(ids):
        raise VerificationError(f"has {frame.height} rows for {len(ids)} {what}", place=place)
    for header in wanted:
        if frame[header].null_count():
            at = int(frame[header].is_null().arg_max() or 0)
            raise VerificationError(f"{header} is null", place=f"{place}: row {at + 1}")
    order = ids.order()
    stored, known = names_of(frame["id"]), ids.take(order)
    if stored != known:
        every = (0, len(ids))
        at = int(np.argmin(same(stored.texts(*every), known.texts(*every))))
        raise VerificationError(
            f"is {stored[at]!r}, where {known[at]!r} stands in the order of names",
            place=f"{place}: row {at + 1}",
        )
    out: dict[str, NDArray[Any]] = {}
    for header, (fact, _) in TABLES[what].items():
        values = frame[header].to_numpy()
        out[fact] = np.empty_like(values)
        out[fact][order] = values
    return out
