"""A registry written while it goes on: what has ended leaves memory, part by part.

    writer = RegistryWriter(folder, devices)
    ... writer.add(registry.release()) ...
    writer.finish(registry)

A small registry stands in `registry.json`, whole. Of a larger one the lists there name folders of
Parquet tables beside it, with the same columns: `bundles`, `charges`, `discharges`.
Spec: docs/spec/certificates.md, W22 and W24.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from isojoule.apps.files.certificate_fields import LISTS, table_schema
from isojoule.apps.files.certificate_rows import bundle_row, charge_row, device_row, discharge_row
from isojoule.settlement.certificates.check import Snapshot
from isojoule.settlement.certificates.memory import MemoryRegistry, Released
from isojoule.settlement.certificates.nouns import (
    Bundle,
    ChargeRecord,
    Device,
    DischargeRecord,
    State,
)

NAME = "registry.json"
TABLES = {
    "certificate_bundles": "bundles",
    "storage_charge_records": "charges",
    "storage_discharge_records": "discharges",
}
"""Lists of `registry.json` that may be folders of tables instead."""
LARGE = 20_000
"""More bundles than this go into tables."""
MOST = 2 * LARGE
"""Rows of a part: rows take more memory than what they are made of."""


class RegistryWriter:
    """Writes a registry into a folder.

    Parameters
    ----------
    folder
        Is there, and empty of registries.
    devices
        All that the bundles name.
    large
        More bundles at once than this go into tables.
    """

    def __init__(self, folder: Path, devices: Iterable[Device], large: int = LARGE) -> None:
        self.folder, self.large = folder, large
        self.devices: Mapping[str, Device] = {device.id: device for device in devices}
        self.parts = 0
        self.wh: Counter[str] = Counter()
        """Certificates by state; what was split is not counted twice."""

    def add(self, released: Released) -> None:
        """Write what has ended, in parts of no more than `MOST` rows."""
        self._count(released.bundles)
        bundles, charges, discharges = released
        for at in range(0, max(1, len(bundles), len(charges), len(discharges)), MOST):
            end = at + MOST
            self._add(Released(bundles[at:end], charges[at:end], discharges[at:end]))

    def _add(self, part: Released) -> None:
        rows = self._rows(part.bundles, part.charges, part.discharges)
        import polars as pl

        for name, found in rows.items():
            if found or not self.parts:
                folder = self.folder / TABLES[name]
                folder.mkdir(exist_ok=True)
                path = folder / f"part-{self.parts:05}.parquet"
                pl.DataFrame(found, schema=table_schema(LISTS[name])).write_parquet(
                    path, compression="zstd", statistics=False
                )
        self.parts += 1

    def finish(self, registry: MemoryRegistry | Snapshot) -> list[Path]:
        """Write what is left, and `registry.json`. Returns the files."""
        left = snapshot_of(registry) if isinstance(registry, MemoryRegistry) else registry
        document: dict[str, Any] = {
            "isojoule": 1,
            "devices": [device_row(device, metered) for device, metered in left.devices],
        }
        if self.parts or len(left.bundles) > self.large:
            self.add(Released(list(left.bundles), list(left.charges), list(left.discharges)))
            document |= TABLES
        else:
            self._count(left.bundles)
            document |= self._rows(left.bundles, left.charges, left.discharges)
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (self.folder / NAME).write_text(text + "\n", encoding="utf-8")
        folders = (self.folder / name for name in TABLES.values())
        return [self.folder / NAME, *(path for f in folders for path in sorted(f.glob("*")))]

    def _count(self, bundles: Iterable[Bundle]) -> None:
        for bundle in bundles:
            if bundle.state is not State.SPLIT:
                self.wh[bundle.state.value] += bundle.quantity

    def _rows(
        self,
        bundles: Iterable[Bundle],
        charges: Iterable[ChargeRecord],
        discharges: Iterable[DischargeRecord],
    ) -> dict[str, list[dict[str, Any]]]:
        return {
            "certificate_bundles": [bundle_row(bundle, self.devices) for bundle in bundles],
            "storage_charge_records": _each(charge_row, charges),
            "storage_discharge_records": _each(discharge_row, discharges),
        }


def _each(row: Callable[[Any], dict[str, Any]], records: Iterable[Any]) -> list[dict[str, Any]]:
    return [row(record) for record in records]


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
        More bundles than this go into tables.
    """
    return RegistryWriter(folder, (d for d, _ in snapshot.devices), large).finish(snapshot)
