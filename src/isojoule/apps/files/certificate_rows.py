"""Nouns of a registry as rows in the words of EnergyTag, and back.

Times are ISO 8601 in UTC; microjoules are decimal strings. Spec: docs/spec/certificates.md, W22.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from isojoule.core.interval import time_text
from isojoule.core.units import PPB
from isojoule.settlement.certificates.nouns import (
    FACE_VALUE_WH,
    Bundle,
    ChargeRecord,
    Device,
    DischargeRecord,
    Key,
    State,
)

_TIMES = 100_000
"""So many times are remembered as text: a year of quarter hours, each of which many rows name."""


def bundle_row(bundle: Bundle, devices: Mapping[str, Device]) -> dict[str, Any]:
    """A bundle in the words of EnergyTag. W22."""
    own, origin = devices[bundle.device], devices[bundle.origin]
    return {
        "issuance_id": bundle.issuance,
        "certificate_bundle_status": bundle.state.value,
        "account_id": bundle.account,
        "certificate_bundle_id_range_start": bundle.first,
        "certificate_bundle_id_range_end": bundle.last,
        "bundle_quantity": bundle.quantity,
        "face_value": FACE_VALUE_WH,
        "energy_carrier": origin.energy_carrier,
        "energy_source": origin.energy_source,
        "device_id": bundle.device,
        "production_starting_interval": _text(bundle.start_s),
        "production_ending_interval": _text(bundle.end_s),
        "expiry_datestamp": _text(bundle.expires_s),
        "is_storage": own.is_storage,
        "sdr_allocation_id": bundle.discharge or None,
        "storage_efficiency_factor": own.efficiency_ppb / PPB if own.is_storage else None,
        "emissions_factor_production_device": origin.emissions_kg_per_mwh,
        "country_of_issuance": own.country,
        "connected_grid_identification": own.grid,
        "issuing_body": own.issuing_body,
        "issue_market_zone": own.market_zone,
        "beneficiary": bundle.beneficiary or None,
    }


class Chain(NamedTuple):
    """From certificates of storage to what was stored."""

    rows: Mapping[Key, Mapping[str, Any]]
    behind: Mapping[str, ChargeRecord | None]

    def origin(self, row: Mapping[str, Any]) -> str:
        """The device that produced it; "" where the records do not lead to one."""
        for _ in range(len(self.behind) + 1):
            if row["sdr_allocation_id"] is None:
                return str(row["device_id"])
            record = self.behind.get(row["sdr_allocation_id"])
            found = None if record is None or record.bundle is None else record.bundle
            if found is None or found not in self.rows:
                return ""
            row = self.rows[found]
        return ""


def with_origin(record: ChargeRecord, chain: Chain) -> ChargeRecord:
    """The record with what its bundle says of its production."""
    row = chain.rows.get(record.bundle) if record.bundle is not None else None
    if row is None:
        return record
    return record._replace(
        origin=chain.origin(row),
        produced_start_s=_seconds(row["production_starting_interval"]),
        produced_end_s=_seconds(row["production_ending_interval"]),
    )


def bundle_of(row: Mapping[str, Any], chain: Chain, into: Mapping[Key, str]) -> Bundle:
    """The bundle behind a row; `into` names the charge record that a bundle went into."""
    key = key_of(row)
    return Bundle(
        *key, row["issuance_id"], State(row["certificate_bundle_status"]), row["account_id"],
        chain.origin(row), _seconds(row["production_starting_interval"]),
        _seconds(row["production_ending_interval"]), _seconds(row["expiry_datestamp"]),
        row["sdr_allocation_id"] or "", row["beneficiary"] or "", into.get(key, ""),
    )  # fmt: skip


def device_row(device: Device, metered_uj: int) -> dict[str, Any]:
    """A device, and what its meter has shown, uJ."""
    return {
        "device_id": device.id,
        "account_id": device.account,
        "energy_carrier": device.energy_carrier,
        "energy_source": device.energy_source,
        "is_storage": device.is_storage,
        "storage_efficiency_factor": device.efficiency_ppb / PPB if device.is_storage else None,
        "emissions_factor_production_device": device.emissions_kg_per_mwh,
        "country_of_issuance": device.country,
        "connected_grid_identification": device.grid,
        "issuing_body": device.issuing_body,
        "issue_market_zone": device.market_zone,
        "metered_uj": str(metered_uj),
    }


def device_of(row: Mapping[str, Any]) -> Device:
    """The device behind a row."""
    return Device(
        row["device_id"], row["account_id"], row["energy_source"], row["energy_carrier"],
        row["is_storage"], round((row["storage_efficiency_factor"] or 0) * PPB),
        row["emissions_factor_production_device"], row["country_of_issuance"],
        row["connected_grid_identification"], row["issuing_body"], row["issue_market_zone"],
    )  # fmt: skip


def charge_row(record: ChargeRecord) -> dict[str, Any]:
    """A charge record."""
    key = record.bundle
    return {
        "scr_allocation_id": record.id,
        "device_id": record.device,
        "charging_start_datetime": _text(record.start_s),
        "charging_end_datetime": _text(record.end_s),
        "charging_energy_uj": str(record.energy_uj),
        "deliverable_energy_uj": str(record.deliverable_uj),
        "gc_device_id": key.device if key else None,
        "gc_bundle_id_range_start": key.first if key else 0,
        "gc_bundle_id_range_end": key.last if key else 0,
    }


def charge_of(row: Mapping[str, Any]) -> ChargeRecord:
    """The charge record behind a row, without its origin."""
    device = row["gc_device_id"]
    ends = (row["gc_bundle_id_range_start"], row["gc_bundle_id_range_end"])
    return ChargeRecord(
        row["scr_allocation_id"], row["device_id"], _seconds(row["charging_start_datetime"]),
        _seconds(row["charging_end_datetime"]), None if device is None else Key(device, *ends),
        int(row["charging_energy_uj"]), int(row["deliverable_energy_uj"]),
    )  # fmt: skip


def discharge_row(record: DischargeRecord) -> dict[str, Any]:
    """A discharge record."""
    key = record.bundle
    return {
        "sdr_allocation_id": record.id,
        "scr_allocation_id": record.charge,
        "device_id": record.device,
        "discharging_start_datetime": _text(record.start_s),
        "discharging_end_datetime": _text(record.end_s),
        "discharge_energy_uj": str(record.energy_uj),
        "bundle_id_range_start": key.first if key else 0,
        "bundle_id_range_end": key.last if key else 0,
    }


def discharge_of(row: Mapping[str, Any]) -> DischargeRecord:
    """The discharge record behind a row."""
    first, last = row["bundle_id_range_start"], row["bundle_id_range_end"]
    return DischargeRecord(
        row["sdr_allocation_id"], row["device_id"], row["scr_allocation_id"],
        _seconds(row["discharging_start_datetime"]), _seconds(row["discharging_end_datetime"]),
        int(row["discharge_energy_uj"]), Key(row["device_id"], first, last) if first else None,
    )  # fmt: skip


def key_of(row: Mapping[str, Any]) -> Key:
    """The name of the bundle behind a row."""
    ends = (row["certificate_bundle_id_range_start"], row["certificate_bundle_id_range_end"])
    return Key(row["device_id"], *ends)


@lru_cache(_TIMES)
def _text(at_s: int) -> str:
    return time_text(at_s * 10**9)


@lru_cache(_TIMES)
def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
