"""A registry of certificates as files, in the words of EnergyTag.

`registry.json` holds devices, bundles and records of storage. Many bundles stand in
`bundles.parquet` beside it, with the same columns. Times are ISO 8601 in UTC; microjoules are
decimal strings. `read_registry` believes nothing: every value is checked where it stands, and then
the registry as a whole. Spec: docs/spec/certificates.md, W22.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from isojoule.apps.files.certificate_fields import BUNDLE, LISTS, Field, table_schema
from isojoule.apps.files.certificate_rows import (
    Chain,
    bundle_of,
    bundle_row,
    charge_of,
    charge_row,
    device_of,
    device_row,
    discharge_of,
    discharge_row,
    key_of,
    with_origin,
)
from isojoule.apps.files.places import nearest
from isojoule.core.errors import InputError
from isojoule.settlement.certificates.check import Snapshot
from isojoule.settlement.certificates.memory import MemoryRegistry
from isojoule.settlement.certificates.nouns import Bundle, Device, Key, State

NAME, TABLE = "registry.json", "bundles.parquet"
LARGE = 20_000
"""More bundles than this go into a table of their own."""


def snapshot_of(registry: MemoryRegistry) -> Snapshot:
    """What a registry holds now."""
    return Snapshot(
        [(device, at.metered_uj) for device, at in registry.devices()],
        list(registry.bundles()),
        list(registry.charges()),
        list(registry.discharges()),
    )


def write_registry(folder: Path, snapshot: Snapshot, large: int = LARGE) -> list[Path]:
    """Write a registry into a folder; returns the files.

    Parameters
    ----------
    large
        More bundles than this go into a table.
    """
    devices = {device.id: device for device, _ in snapshot.devices}
    rows = [bundle_row(bundle, devices) for bundle in snapshot.bundles]
    document: dict[str, Any] = {
        "isojoule": 1,
        "devices": [device_row(device, metered) for device, metered in snapshot.devices],
        "certificate_bundles": rows,
        "storage_charge_records": [charge_row(record) for record in snapshot.charges],
        "storage_discharge_records": [discharge_row(record) for record in snapshot.discharges],
    }
    files = [folder / NAME]
    if len(rows) > large:
        import polars as pl

        document["certificate_bundles"] = TABLE
        files.append(folder / TABLE)
        pl.DataFrame(rows, schema=table_schema()).write_parquet(files[1], compression="zstd")
    files[0].write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return files


def read_registry(folder: Path) -> Snapshot:
    """Read a registry that `write_registry` wrote, or another in the same words.

    Whether it holds together is for `check_registry` to say.

    Raises
    ------
    InputError
        Names file, row and key of what is wrong, and what should stand there.
    """
    file = folder / NAME if folder.is_dir() else folder
    document = _document(file)
    rows = document["certificate_bundles"]
    if isinstance(rows, str):
        rows = _table(file.parent, rows, file)
    lists = {**document, "certificate_bundles": rows}
    for name, fields in LISTS.items():
        if not isinstance(lists[name], list):
            raise InputError("is no list", place=f"{file}: {name}", remedy="list the rows")
        for at, row in enumerate(lists[name]):
            _check_row(row, fields, f"{file}: {name}[{at}]")
    return _snapshot(lists, file)


def _document(file: Path) -> dict[str, Any]:
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


def _check_row(row: Any, fields: Mapping[str, Field], place: str) -> None:
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


def _snapshot(lists: Mapping[str, Any], file: Path) -> Snapshot:
    """The nouns behind rows that are well formed each."""
    devices = {row["device_id"]: device_of(row) for row in lists["devices"]}
    origins: dict[Key, dict[str, Any]] = {}
    for row in lists["certificate_bundles"]:
        origins.setdefault(key_of(row), row)
    charges = [charge_of(row) for row in lists["storage_charge_records"]]
    discharges = [discharge_of(row) for row in lists["storage_discharge_records"]]
    into = {record.bundle: record.id for record in charges if record.bundle is not None}
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


def _table(folder: Path, name: str, file: Path) -> list[dict[str, Any]]:
    import polars as pl

    if name != TABLE:
        raise InputError(
            f"{name!r} is not {TABLE!r}", place=f"{file}: certificate_bundles",
            remedy=f"list the bundles, or put them into {TABLE}",
        )  # fmt: skip
    path = folder / TABLE
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"cannot be read: {error}", place=str(path), remedy="write the registry again"
        ) from None
    if dict(frame.schema) != table_schema():
        raise InputError(
            "has other columns", place=str(path), remedy=f"they are {', '.join(BUNDLE)}"
        )
    return frame.to_dicts()


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


def total_wh(bundles: Iterable[Bundle]) -> dict[str, int]:
    """Certificates by their state; what was split is not counted twice."""
    found: dict[str, int] = {}
    for bundle in bundles:
        if bundle.state is not State.SPLIT:
            found[bundle.state.value] = found.get(bundle.state.value, 0) + bundle.quantity
    return found
