"""Registries from elsewhere: what is wrong is named with its place and remedy.

docs/spec/certificates.md, W17 and W22.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isojoule.apps.files.certificate_fields import BUNDLE
from isojoule.apps.files.certificate_files import read_registry, snapshot_of, write_registry
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.certificates import Device, MemoryRegistry
from isojoule.settlement.certificates.check import check_registry
from isojoule.settlement.certificates.nouns import WH_UJ, Key
from isojoule.settlement.certificates.operations import (
    Act,
    AddDevice,
    Charge,
    Discharge,
    Issue,
    OpenAccount,
    Step,
)

Document = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 Wh of sun: 12 in two pieces, one of them claimed; 8 stored, of which 4 came back."""
    registry = MemoryRegistry()
    pack = Device("pack", "ada", "storage", is_storage=True, efficiency_ppb=900_000_001)
    asked = [
        OpenAccount(1, "ada"),
        AddDevice(2, Device("roof", "ada", "solar", emissions_kg_per_mwh=1.5, country="DE")),
        AddDevice(3, pack),
        Issue(4, "roof", 0, 900, 20 * WH_UJ + 5, 10**9),
        Act(5, Step.SPLIT, "ada", Key("roof", 1, 20), 12),
        Charge(6, "pack", 0, 900, 9 * WH_UJ, (Key("roof", 13, 20),)),
        Act(7, Step.CANCEL, "ada", Key("roof", 1, 12), 5, "", "dee"),
        Act(8, Step.CLAIM, "dee", Key("roof", 1, 5)),
        Discharge(9, "pack", 7200, 8100, 4 * WH_UJ + 7, 10**9),
    ]
    assert all(answer.done for answer in registry.ask(asked, 900))
    write_registry(tmp_path, snapshot_of(registry))
    return tmp_path


def test_the_fields_of_the_standard(folder: Path) -> None:
    """W22: exactly these, each with what it holds."""
    rows = json.loads((folder / "registry.json").read_text())["certificate_bundles"]
    assert all(list(row) == list(BUNDLE) for row in rows)
    assert len(BUNDLE) == 22
    stored = next(row for row in rows if row["is_storage"])
    assert stored == {
        "issuance_id": "pack/7200/0",
        "certificate_bundle_status": "Active",
        "account_id": "ada",
        "certificate_bundle_id_range_start": 1,
        "certificate_bundle_id_range_end": 4,
        "bundle_quantity": 4,
        "face_value": 1,
        "energy_carrier": "electricity",
        "energy_source": "solar",
        "device_id": "pack",
        "production_starting_interval": "1970-01-01T00:00:00Z",
        "production_ending_interval": "1970-01-01T00:15:00Z",
        "expiry_datestamp": "2001-09-09T01:46:40Z",
        "is_storage": True,
        "sdr_allocation_id": "discharge/pack/7200/0",
        "storage_efficiency_factor": 0.900000001,
        "emissions_factor_production_device": 1.5,
        "country_of_issuance": "",
        "connected_grid_identification": "",
        "issuing_body": "",
        "issue_market_zone": "",
        "beneficiary": None,
    }
    assert check_registry(read_registry(folder)) == {
        "devices": 2, "bundles": 6, "certificates": 24,
    }  # fmt: skip


def alter(folder: Path, change: Callable[[Document], object]) -> None:
    file = folder / "registry.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def bundle(at: int, **values: object) -> Callable[[Document], object]:
    return lambda document: document["certificate_bundles"][at].update(values)


MALFORMED: list[tuple[Callable[[Document], object], str, str]] = [
    (bundle(0, bundle_quantity=19), "certificate_bundles[0].bundle_quantity", "should be 20"),
    (bundle(1, bundle_quantity="12"), "certificate_bundles[1].bundle_quantity", "whole number"),
    (bundle(1, face_value=2), "certificate_bundles[1].face_value", "should be 1"),
    (bundle(1, certificate_bundle_status="active"), "status", "Bundle Split"),
    (bundle(1, expiry_datestamp="tomorrow"), "expiry_datestamp", "2026-06-21T12:00:00Z"),
    (bundle(1, expiry_datestamp="2026-13-41T12:00:00Z"), "expiry_datestamp", "a time in UTC"),
    (bundle(1, is_storage=1), "is_storage", "true or false"),
    (bundle(1, device_id="rof"), "certificate_bundles[1]", "list it among devices"),
    (bundle(5, sdr_allocation_id="x"), "certificate_bundles[5]", "records of storage"),
    (bundle(5, sdr_allocation_id=None), "certificate_bundles[5].", "should be"),
    (bundle(1, energy_source="coal"), "energy_source", "should be 'solar'"),
    (bundle(1, account="ada"), "certificate_bundles[1]", "account_id"),
    (lambda d: d["certificate_bundles"][1].pop("beneficiary"), "[1]", "add it: a name, or null"),
    (lambda d: d["certificate_bundles"].append(3), "certificate_bundles[6]", "keys and values"),
    (lambda d: d.update(devices={}), "devices", "list the rows"),
    (lambda d: d["devices"][0].update(metered_uj=5), "devices[0].metered_uj", "decimal string"),
    (lambda d: d.pop("devices"), "registry.json", "add it"),
    (lambda d: d.update(isojoule=2), "registry.json", "isojoule"),
    (lambda d: d.update(device=[]), "registry.json", "did you mean 'devices'?"),
    (lambda d: d.update(certificate_bundles="charges"), "certificate_bundles", "folder bundles"),
    (lambda d: d.update(certificate_bundles="bundles"), "bundles", "again"),
]


@pytest.mark.parametrize(("change", "place", "remedy"), MALFORMED)
def test_what_is_malformed_is_named(
    folder: Path, change: Callable[[Document], object], place: str, remedy: str
) -> None:
    alter(folder, change)
    with pytest.raises(InputError) as caught:
        read_registry(folder)
    assert place in caught.value.place
    assert remedy in caught.value.remedy


def take_range(document: Document, at: int, first: int, last: int) -> None:
    document["certificate_bundles"][at].update(
        certificate_bundle_id_range_start=first,
        certificate_bundle_id_range_end=last,
        bundle_quantity=last - first + 1,
    )


FORGED: list[tuple[Callable[[Document], object], str]] = [
    (lambda d: take_range(d, 4, 7, 12), "is missing"),  # the off-by-one of a bad split
    (lambda d: take_range(d, 4, 5, 12), "overlaps another"),
    (lambda d: take_range(d, 4, 6, 13), "reaches beyond"),
    (lambda d: d["certificate_bundles"].pop(4), "is missing"),
    (lambda d: d["certificate_bundles"].append(d["certificate_bundles"][4]), "twice"),
    (lambda d: take_range(d, 5, 1, 3), "has not the certificates"),
    (lambda d: take_range(d, 5, 1, 5), "5 Wh were issued"),
    (lambda d: d["devices"][0].update(metered_uj=str(19 * WH_UJ)), "20 Wh were issued"),
    (bundle(2, certificate_bundle_status="Claimed"), "went into storage, and is Claimed"),
    (bundle(3, beneficiary=None), "in nobody's name"),
    (bundle(3, issuance_id="x"), "issuance is not that of its parent"),
    (
        lambda d: d["storage_charge_records"][0].update(deliverable_energy_uj=str(8 * WH_UJ)),
        "more than its efficiency leaves",
    ),
    (
        lambda d: d["storage_charge_records"][0].update(
            charging_start_datetime="1970-01-01T01:00:00Z"
        ),
        "of another hour",
    ),
    (
        lambda d: d["storage_discharge_records"][0].update(discharge_energy_uj=str(8 * WH_UJ)),
        "more came out",
    ),
    (
        lambda d: d["storage_discharge_records"][0].update(discharge_energy_uj=str(3 * WH_UJ)),
        "more was certified",
    ),
]


@pytest.mark.parametrize(("change", "message"), FORGED)
def test_a_registry_that_does_not_hold_together(
    folder: Path, change: Callable[[Document], object], message: str
) -> None:
    alter(folder, change)
    with pytest.raises(VerificationError, match=message):
        check_registry(read_registry(folder))


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_anywhere_brings_it_down(folder: Path, data: st.DataObject) -> None:
    """Whatever stands in whatever place is refused, or is a registry that holds together."""
    file = folder / "registry.json"
    text = file.read_text()
    document = json.loads(text)
    rows = document[data.draw(st.sampled_from(sorted(document.keys() - {"isojoule"})))]
    row = rows[data.draw(st.integers(0, len(rows) - 1))]
    odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    taken = st.sampled_from([value for other in rows for value in other.values()])
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(odd | taken)
    file.write_text(json.dumps(document))
    try:
        check_registry(read_registry(folder))
    except (InputError, VerificationError):
        pass
    finally:
        file.write_text(text)


def test_what_is_no_registry(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_registry(tmp_path)
    (tmp_path / "registry.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_registry(tmp_path)
