"""`scenario.yaml`: its model, its JSON Schema, and errors with the line of the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from isojoule.apps.files.scenario_forecast import ForecastDoc
from isojoule.apps.files.strict_doc import Quantity, Strict, doc_schema, read_doc
from isojoule.apps.files.yaml_lines import Lines


class PeriodDoc(Strict):
    """A stretch of time that is run by itself."""

    name: str = Field(min_length=1, description="shown in tables and reports")
    start: str = Field(description="ISO 8601; without an offset: local time of `timezone`")
    end: str = Field(description="the moment after the last interval")


class CyclicDoc(Strict):
    """Repeat each period until its end state equals its start."""

    tolerance: Quantity = Field(description="share of a battery's capacity, as '0.1 %'")
    max_rounds: int = Field(default=30, ge=1, description="most repetitions")


class PauseDoc(Strict):
    """A stretch of time without a market."""

    start: str = Field(
        alias="from", description="start of an interval, ISO 8601, as the times of periods"
    )
    end: str = Field(alias="to", description="the moment after the last interval")
    reason: str = Field(default="", description="why, for people")


class ScenarioDoc(Strict):
    """A scenario of Isojoule: this file, and the tables beside it."""

    isojoule: Literal[1] = Field(description="version of the format")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", description="short, lower case")
    title: str = Field(default="", description="one line for people")
    description: str = Field(default="", description="what it is and how it was made")
    attribution: str = Field(default="", description="source and licence of the data")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")
    timezone: str = Field(default="UTC", description="IANA zone of times without an offset")
    interval: Quantity = Field(description="length of an interval, as '15 min'")
    network: Literal["copperplate", "transport", "dc", "lindistflow"] = Field(
        default="transport",
        description="what the market sees of the grid: nothing, the links, the law by which flows "
        "split in a mesh, or voltages, too",
    )
    mechanism: str = Field(default="equilibrium", description="the market mechanism")
    utility: str | None = Field(
        default=None, description="node where the utility sits; absent: a world off the grid"
    )
    baseline: Literal["utility-only", "autarky"] | None = Field(
        default=None,
        description="what the market is compared with: everybody alone with the utility "
        "(`utility-only`) or alone (`autarky`); absent: `utility-only`, off the grid `autarky`",
    )
    lost_load: Quantity | None = Field(
        default=None,
        description="worth of load that is not served, where the load gives none; "
        "5 units of the currency per kWh if absent",
    )
    unserved_cost: Quantity | None = Field(
        default=None,
        description="what need that is not served costs in the audit, as '5 EUR/kWh'; absent: "
        "`lost_load`",
    )
    stored_value: Quantity | None = Field(
        default=None,
        description="what energy left in batteries counts in the audit, as '0.10 EUR/kWh'; absent: "
        "the mean of the utility's buying price, 0 off the grid",
    )
    network_fee: Quantity = Field(
        default=0, description="paid on energy that neighbours trade with each other"
    )
    slack_voltage_pu: float = Field(
        default=1.0, gt=0.5, lt=1.5, description="voltage at the utility's node in the AC check"
    )
    periods: list[PeriodDoc] | None = Field(
        default=None, min_length=1, description="absent: one period, the whole table"
    )
    cyclic: CyclicDoc | None = Field(
        default=None, description="absent: each period is run once, from the given state"
    )
    forecast: ForecastDoc | None = Field(
        default=None, description="absent: everybody knows what comes"
    )
    pauses: list[PauseDoc] | None = Field(
        default=None,
        description="stretches in which everybody falls back on the utility, off the grid on what "
        "is theirs; absent: none",
    )


INNER: dict[str, type[BaseModel]] = {
    "periods": PeriodDoc,
    "cyclic": CyclicDoc,
    "forecast": ForecastDoc,
    "pauses": PauseDoc,
}
"""Keys that hold mappings of their own."""


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of `scenario.yaml`."""
    return doc_schema(ScenarioDoc)


def read_scenario_doc(file: Path) -> tuple[ScenarioDoc, Lines]:
    """Read and check `scenario.yaml`.

    Raises
    ------
    InputError
        With file, line and remedy for what is wrong.
    """
    return read_doc(file, ScenarioDoc, _REMEDIES)


TOLERANCE = "give a share above 0 and below 1, as 0.1 %"
_REMEDIES: dict[str, str] = {
    "isojoule": "write 'isojoule: 1', the version of the format",
    "name": "use lower-case letters, digits, '-', '_' and '.'",
    "currency": "use a code of three capitals, as EUR",
    "tolerance": TOLERANCE,
    "max_rounds": "give a whole number of 1 or more",
    "network": "use copperplate, transport, dc or lindistflow",
    "interval": "write it as '15 min'",
    "baseline": "use utility-only or autarky",
    "slack_voltage_pu": "give it per unit, as 1.02",
    "method": "use persistence or noise",
}
