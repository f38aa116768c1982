"""A registry in files checked without believing it; a large one device by device.

    check_registry_folder(folder)

What stands in tables is not read at once: some devices at a time, with all that they issued and
stored, and of others what that came from. Spec: docs/spec/certificates.md, W17 and W24.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from isojoule.apps.files.certificate_fields import LISTS
from isojoule.apps.files.certificate_files import (
    check_row,
    nouns_of,
    read_document,
    read_registry,
    table_files,
)
from isojoule.apps.files.certificate_parts import NAME, TABLES
from isojoule.core.errors import VerificationError
from isojoule.settlement.certificates.check import check_registry

AT_ONCE = 50_000
"""So many bundles are looked at together, or those of one device if they are more."""
ROWS_AT_ONCE = 5_000
NAMES_AT_ONCE = 500_000
"""About so many names are looked at together for one that stands there twice."""
_BUNDLES, _CHARGES, _DISCHARGES = TABLES
_INTO = ["gc_device_id", "gc_bundle_id_range_start", "gc_bundle_id_range_end"]
_KEY = ["device_id", "certificate_bundle_id_range_start", "certificate_bundle_id_range_end"]


class _Rows:
    """Rows of a table, made as they are asked for: all at once take many times its memory.

    Each is checked when it is made for the first time.
    """

    def __init__(self, key: str, frame: pl.DataFrame, file: Path) -> None:
        self.key, self.frame, self.file = key, frame, file
        self.checked = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        at = 0
        for some in self.frame.iter_slices(ROWS_AT_ONCE):
            rows = some.to_dicts()
            if not self.checked:
                _check_rows(self.key, rows, self.file, at)
            at += len(rows)
            yield from rows
        self.checked = True


class _Tables(NamedTuple):
    """The lists of a registry, not read yet."""

    bundles: pl.LazyFrame
    charges: pl.LazyFrame
    discharges: pl.LazyFrame


def check_registry_folder(folder: Path, at_once: int = AT_ONCE) -> dict[str, int]:
    """Check a registry that lies in a folder. Returns how much there is.

    Parameters
    ----------
    at_once
        See `AT_ONCE`.

    Raises
    ------
    InputError
        A row is malformed.
    VerificationError
        The first thing that does not hold.
    """
    file = folder / NAME
    document = read_document(file)
    if any(document[key] != name for key, name in TABLES.items()):
        return check_registry(read_registry(folder))
    tables = _Tables(*(pl.scan_parquet(table_files(folder, key)) for key in TABLES))
    devices = document["devices"]
    _check_rows("devices", devices, file)
    known = [row["device_id"] for row in devices]
    sizes = _check_names(tables, known)
    counts: Counter[str] = Counter()
    for own in _groups(known, sizes, at_once):
        lists = {key: _Rows(key, frame, file) for key, frame in _of(tables, own).items()}
        snapshot = nouns_of({"devices": devices, **lists}, file)
        counts.update(check_registry(snapshot, own))
    return {name: counts[name] for name in ("devices", "bundles", "certificates")}


def _check_rows(key: str, rows: list[Any], file: Path, first: int = 0) -> None:
    for at, row in enumerate(rows, first):
        check_row(row, LISTS[key], f"{file}: {key}[{at}]")


def _check_names(tables: _Tables, known: list[str]) -> dict[str, int]:
    """What must be there once in the whole registry; bundles of each device."""
    for what, frame, columns in (
        ("a charge record", tables.charges, ["scr_allocation_id"]),
        ("a discharge record", tables.discharges, ["sdr_allocation_id"]),
        ("what went into storage", tables.charges.drop_nulls("gc_device_id"), _INTO),
        ("a bundle", tables.bundles, _KEY),
    ):
        twice = _twice(frame, columns)
        if twice is not None:
            raise VerificationError(f"{what} stands there twice", place=twice)
    sizes: dict[str, int] = {}
    for frame in tables:
        found = dict(frame.group_by("device_id").len().collect().iter_rows())
        sizes = sizes or found
        for name in sorted(found.keys() - set(known)):
            raise VerificationError(f"there is no device {name!r}", place="tables")
    return sizes


def _twice(frame: pl.LazyFrame, columns: list[str]) -> str | None:
    """A name that stands there twice: by hash, so that not all are in memory at once."""
    names = frame.select(columns)
    pieces = names.select(pl.len()).collect().item() // NAMES_AT_ONCE + 1
    for piece in range(pieces):
        some = names.filter(pl.struct(columns).hash() % pieces == piece)
        twice = some.group_by(columns).len().filter(pl.col("len") > 1).head(1).collect()
        if twice.height:
            return " ".join(str(value) for value in twice.row(0)[:-1])
    return None


def _groups(known: list[str], sizes: Mapping[str, int], at_once: int) -> Iterator[set[str]]:
    """Devices in groups of not too many bundles."""
    group: set[str] = set()
    count = 0
    for name in known:
        size = sizes.get(name, 0)
        if group and count + size > at_once:
            yield group
            group, count = set(), 0
        group.add(name)
        count += size
    if group:
        yield group


def _of(tables: _Tables, own: set[str]) -> dict[str, pl.DataFrame]:
    """All that devices issued and stored, and of others what that came from."""
    mine = pl.col("device_id").is_in(sorted(own))
    bundles, charges, discharges = (frame.filter(mine).collect() for frame in tables)
    new = charges
    while True:
        into = new.drop_nulls("gc_device_id").select(*_INTO)
        rows = _joined(tables.bundles, into, _KEY, _INTO)
        rows = rows.join(bundles, on=_KEY, how="anti")
        bundles = pl.concat([bundles, rows])
        named = rows.select("sdr_allocation_id").drop_nulls().unique()
        further = _joined(
            tables.discharges, named, ["sdr_allocation_id"], ["sdr_allocation_id"]
        ).join(discharges, on="sdr_allocation_id", how="anti")
        discharges = pl.concat([discharges, further])
        new = _joined(
            tables.charges, further.select("scr_allocation_id").unique(), ["scr_allocation_id"],
            ["scr_allocation_id"],
        ).join(charges, on="scr_allocation_id", how="anti")  # fmt: skip
        if new.is_empty():
            break
        charges = pl.concat([charges, new])
    return {_BUNDLES: bundles, _CHARGES: charges, _DISCHARGES: discharges}


def _joined(
    frame: pl.LazyFrame, wanted: pl.DataFrame, left: list[str], right: list[str]
) -> pl.DataFrame:
    """The rows of a table that are wanted."""
    return frame.join(wanted.lazy(), left_on=left, right_on=right, how="semi").collect()
