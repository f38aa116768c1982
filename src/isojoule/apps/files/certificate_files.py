"""A registry of certificates as files, in the words of EnergyTag.

`registry.json` holds devices, bundles and records of storage; many of them stand in tables beside
it, with the same columns (`isojoule.apps.files.certificate_parts` writes them). Times are ISO 8601
in UTC; microjoules are decimal strings. `read_registry` believes nothing: every value is checked
where it stands, and then the registry as a whole. Spec: docs/spec/certificates.md, W22.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isojoule.apps.files.certificate_fields import LISTS, Field, table_schema
from isojoule.apps.files.certificate_parts import (
    NAME,
    TABLES,
    snapshot_of,
    write_registry,
)
from isojoule.apps.files.certificate_rows import (
    Chain,
    bundle_of,
    bundle_row,
    charge_of,
    device_of,
    discharge_of,
    key_of,
    with_origin,
)
from isojoule.apps.files.places import nearest
from isojoule.core.errors import InputError
from isojoule.settlement.certificates.check import Snapshot
from isojoule.settlement.certificates.nouns import Bundle, Device, Key

__all__ = ["NAME", "TABLES", "read_registry", "snapshot_of", "write_registry"]


def read_registry(folder: Path) -> Snapshot:
    """Read a registry that `write_registry` wrote, or another in the same words.

    Whether it holds together is for `check_registry` to say.

    Raises
    ------
    InputError
        Names file, row and key of what is wrong, and what should stand there.
    """
    file = folder / NAME if folder.is_dir() else folder
    document = read_document(file)
    lists = {
        key: _table(file.parent, key, rows, file)
        if isinstance(rows, str) and key in TABLES
        else rows
        for key, rows in document.items()
    }
    for name, fields in LISTS.items():
        if not isinstance(lists[name], list):
            raise InputError("is no list", place=f"{file}: {name}", remedy="list the rows")
        for at, row in enumerate(lists[name]):
            check_row(row, fields, f"{file}: {name}[{at}]")
    return nouns_of(lists, file)


def read_document(file: Path) -> dict[str, Any]:
    """`registry.json`: its keys are right, what they hold is not looked at yet."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", place=str(file), remedy="give a registry") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", place=str(file), remedy="correct it") from None
    if not isinstance(document, dict) or document.get("isojoule") != 1:
        raise InputError(
            "this is no registry", place=str(file), remedy='it begins with {"isojoule": 1, ...}'
        )
    for key in document.keys() - LISTS.keys() - {"isojoule"}:
        raise InputError(f"unknown key {key!r}", place=str(file), remedy=nearest(key, LISTS))
    for key in LISTS:
        if key not in document:
            raise InputError(f"{key!r} is missing", place=str(file), remedy="add it, as a list")
    return document


def check_row(row: Any, fields: Mapping[str, Field], place: str) -> None:
    """Refuse a row with other keys, or with values that do not fit them."""
    if not isinstance(row, dict):
        raise InputError("is no row", place=place, remedy="give its keys and values")
    for key in row.keys() - fields.keys():
        raise InputError(f"unknown key {key!r}", place=place, remedy=nearest(key, fields))
    for key, field in fields.items():
        if key not in row:
            raise InputError(f"{key} is missing", place=place, remedy=f"add it: {field.what}")
        if not field.fits(row[key]):
            raise InputError(
                f"{row[key]!r} is not {field.what}", place=f"{place}.{key}",
                remedy=f"give {field.what}",
            )  # fmt: skip


def nouns_of(lists: Mapping[str, Any], file: Path) -> Snapshot:
    """The nouns behind rows that are well formed each; they are gone through more than once."""
    devices = {row["device_id"]: device_of(row) for row in lists["devices"]}
    charges = [charge_of(row) for row in lists["storage_charge_records"]]
    discharges = [discharge_of(row) for row in lists["storage_discharge_records"]]
    into = {record.bundle: record.id for record in charges if record.bundle is not None}
    origins: dict[Key, dict[str, Any]] = {}
    for row in lists["certificate_bundles"] if into else ():  # of those that records lead to alone
        if (key := key_of(row)) in into:
            origins.setdefault(key, row)
    by_id = {record.id: record for record in charges}
    chain = Chain(origins, {record.id: by_id.get(record.charge) for record in discharges})
    charges = [with_origin(record, chain) for record in charges]
    bundles = []
    for at, row in enumerate(lists["certificate_bundles"]):
        place = f"{file}: certificate_bundles[{at}]"
        bundle = bundle_of(row, chain, into)
        _check_said(row, bundle, devices, place)
        bundles.append(bundle)
    metered = [int(row["metered_uj"]) for row in lists["devices"]]
    named = [device_of(row) for row in lists["devices"]]
    return Snapshot(list(zip(named, metered, strict=True)), bundles, charges, discharges)


def _table(folder: Path, key: str, name: str, file: Path) -> list[dict[str, Any]]:
    import polars as pl

    if name != TABLES[key]:
        raise InputError(
            f"{name!r} is not {TABLES[key]!r}", place=f"{file}: {key}",
            remedy=f"list the rows, or put them into the folder {TABLES[key]}",
        )  # fmt: skip
    return [row for path in table_files(folder, key) for row in pl.read_parquet(path).to_dicts()]


def table_files(folder: Path, key: str) -> list[Path]:
    """The parts of a list that is a folder of tables; their columns are right.

    Raises
    ------
    InputError
        There is none, or one that cannot be read or has other columns.
    """
    import polars as pl

    name, schema = TABLES[key], table_schema(LISTS[key])
    paths = sorted((folder / name).glob("*.parquet"))
    for path in paths:
        try:
            there = dict(pl.read_parquet_schema(path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(
                f"cannot be read: {error}", place=str(path), remedy="write the registry again"
            ) from None
        if there != schema:
            raise InputError(
                "has other columns", place=str(path), remedy=f"they are {', '.join(schema)}"
            )
    if not paths:
        raise InputError(
            "holds no tables", place=str(folder / name), remedy="write the registry again"
        )
    return paths


def _check_said(
    row: Mapping[str, Any], bundle: Bundle, devices: Mapping[str, Device], place: str
) -> None:
    """What a row says twice it says alike."""
    for name in (bundle.device, bundle.origin):
        if name not in devices:
            raise InputError(
                f"there is no device {name!r}" if name else "no record leads to what produced it",
                place=place, remedy="list it among devices, or its records of storage",
            )  # fmt: skip
    for key, true in bundle_row(bundle, devices).items():
        if row[key] != true:
            raise InputError(
                f"is {row[key]!r}", place=f"{place}.{key}", remedy=f"it should be {true!r}"
            )
