"""The keys of a registry's rows, in the words of EnergyTag, and what each holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from isojoule.settlement.certificates.nouns import State

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Field(NamedTuple):
    """What a key holds.

    Attributes
    ----------
    what
        In words.
    fits
        Whether a value is one.
    """

    what: str
    fits: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_factor(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6


_TEXT = Field("a text", lambda v: isinstance(v, str))
_NAME = Field("a name", lambda v: isinstance(v, str) and bool(v))
_MAYBE = Field("a name, or null", lambda v: v is None or (isinstance(v, str) and bool(v)))
_WHOLE = Field("a whole number, not negative", _is_whole)
_TIMES = Field("a time in UTC, as 2026-06-21T12:00:00Z", _is_time)
_FLAG = Field("true or false", lambda v: isinstance(v, bool))
_SHARE = Field("a share from 0 to 1, or null", lambda v: v is None or _is_share(v))
_UJ = Field(
    "microjoules as a decimal string",
    lambda v: isinstance(v, str) and re.fullmatch(r"0|[1-9]\d{0,24}", v) is not None,
)
_FACTOR = Field("a factor in kg/MWh, not negative", _is_factor)
_STATE = Field(
    "one of " + ", ".join(state.value for state in State),
    lambda v: isinstance(v, str) and v in {state.value for state in State},
)

BUNDLE: Mapping[str, Field] = {
    "issuance_id": _NAME,
    "certificate_bundle_status": _STATE,
    "account_id": _NAME,
    "certificate_bundle_id_range_start": _WHOLE,
    "certificate_bundle_id_range_end": _WHOLE,
    "bundle_quantity": _WHOLE,
    "face_value": _WHOLE,
    "energy_carrier": _TEXT,
    "energy_source": _TEXT,
    "device_id": _NAME,
    "production_starting_interval": _TIMES,
    "production_ending_interval": _TIMES,
    "expiry_datestamp": _TIMES,
    "is_storage": _FLAG,
    "sdr_allocation_id": _MAYBE,
    "storage_efficiency_factor": _SHARE,
    "emissions_factor_production_device": _FACTOR,
    "country_of_issuance": _TEXT,
    "connected_grid_identification": _TEXT,
    "issuing_body": _TEXT,
    "issue_market_zone": _TEXT,
    "beneficiary": _MAYBE,
}
"""Columns of a bundle, in order."""
DEVICE: Mapping[str, Field] = {
    "device_id": _NAME,
    "account_id": _NAME,
    "energy_carrier": _TEXT,
    "energy_source": _TEXT,
    "is_storage": _FLAG,
    "storage_efficiency_factor": _SHARE,
    "emissions_factor_production_device": _FACTOR,
    "country_of_issuance": _TEXT,
    "connected_grid_identification": _TEXT,
    "issuing_body": _TEXT,
    "issue_market_zone": _TEXT,
    "metered_uj": _UJ,
}
CHARGE: Mapping[str, Field] = {
    "scr_allocation_id": _NAME,
    "device_id": _NAME,
    "charging_start_datetime": _TIMES,
    "charging_end_datetime": _TIMES,
    "charging_energy_uj": _UJ,
    "deliverable_energy_uj": _UJ,
    "gc_device_id": _MAYBE,
    "gc_bundle_id_range_start": _WHOLE,
    "gc_bundle_id_range_end": _WHOLE,
}
DISCHARGE: Mapping[str, Field] = {
    "sdr_allocation_id": _NAME,
    "scr_allocation_id": _NAME,
    "device_id": _NAME,
    "discharging_start_datetime": _TIMES,
    "discharging_end_datetime": _TIMES,
    "discharge_energy_uj": _UJ,
    "bundle_id_range_start": _WHOLE,
    "bundle_id_range_end": _WHOLE,
}
LISTS: Mapping[str, Mapping[str, Field]] = {
    "devices": DEVICE,
    "certificate_bundles": BUNDLE,
    "storage_charge_records": CHARGE,
    "storage_discharge_records": DISCHARGE,
}


def table_schema(fields: Mapping[str, Field]) -> dict[str, Any]:
    """Columns of a table of these keys, and their types."""
    import polars as pl

    kinds: dict[int, Any] = {
        id(_WHOLE): pl.Int64(), id(_FLAG): pl.Boolean(),
        id(_SHARE): pl.Float64(), id(_FACTOR): pl.Float64(),
    }  # fmt: skip
    return {key: kinds.get(id(field), pl.String()) for key, field in fields.items()}
