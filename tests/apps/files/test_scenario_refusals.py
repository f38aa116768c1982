"""What is wrong in a scenario is refused with file, line and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars
import pytest

from isojoule.apps.files.scenario_files import new_scenario, read_scenario
from isojoule.core.errors import InputError

Edit = Callable[[Path], None]


def sub(file: str, old: str, new: str) -> Edit:
    """Replace one piece of text, which must be there once."""

    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        (folder / file).write_text(text.replace(old, new))

    return edit


def line_of(folder: Path, file: str, part: str) -> int:
    lines = (folder / file).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if part in line)


PERIOD = "periods:\n  - {{name: d, start: 2026-06-21, end: {}}}\ncyclic:"

# what is changed, what the error is found by in the changed file, and what it says
CASES: dict[str, tuple[Edit, str, str, str, str]] = {
    "unknown forecast": (
        sub("scenario.yaml", "cyclic:", "forecast: {method: magic}\ncyclic:"),
        "scenario.yaml", "forecast:", "method: input should be", "use persistence or noise",
    ),
    "unknown key of a forecast": (
        sub("scenario.yaml", "cyclic:", "forecast:\n  method: noise\n  pv_eror: 0.2\ncyclic:"),
        "scenario.yaml", "pv_eror", "unknown key 'pv_eror'", "did you mean 'pv_error'?",
    ),
    "forecast without a method": (
        sub("scenario.yaml", "cyclic:", "forecast: {pv_error: 0.2}\ncyclic:"),
        "scenario.yaml", "forecast:", "the key 'method' is missing", "persistence: as 24 hours",
    ),
    "parameter of another forecast": (
        sub("scenario.yaml", "cyclic:", "forecast:\n  method: persistence\n  pv_error: 0\ncyclic:"),
        "scenario.yaml", "pv_error", "does not apply to persistence", "use the method noise",
    ),
    "negative error": (
        sub("scenario.yaml", "cyclic:", "forecast:\n  method: noise\n  load_error: -5 %\ncyclic:"),
        "scenario.yaml", "load_error", "load_error is outside", "as 20 %",
    ),
    "correlation time without a unit of time": (
        sub("scenario.yaml", "cyclic:",
            "forecast:\n  method: noise\n  correlation_time: 3 kW\ncyclic:"),
        "scenario.yaml", "correlation_time", "kW", "min",
    ),
    "unknown key of a pause": (
        sub("scenario.yaml", "cyclic:",
            "pauses:\n  - from: 2026-06-21\n    to: 2026-06-22\n    why: x\ncyclic:"),
        "scenario.yaml", "why: x", "unknown key 'why'", "use one of: from, reason, to",
    ),
    "pause without an end": (
        sub("scenario.yaml", "cyclic:", "pauses:\n  - {from: 2026-06-21}\ncyclic:"),
        "scenario.yaml", "- {from", "the key 'to' is missing", "the moment after",
    ),
    "pause that cuts an interval": (
        sub("scenario.yaml", "cyclic:",
            "pauses:\n  - {from: 2026-06-21T10:05, to: 2026-06-21T11:00}\ncyclic:"),
        "scenario.yaml", "- {from", "within an interval of 900 s", "where intervals start",
    ),
    "pauses that overlap": (
        sub("scenario.yaml", "cyclic:",
            "pauses:\n  - {from: 2026-06-21T10:00, to: 2026-06-21T11:00}\n"
            "  - {from: 2026-06-21T10:45, to: 2026-06-21T12:00}\ncyclic:"),
        "scenario.yaml", "10:45", "starts before the one before it ends", "in time order",
    ),
    "pause in another year": (
        sub("scenario.yaml", "cyclic:",
            "pauses:\n  - {from: 2027-06-21T10:00, to: 2027-06-21T11:00}\ncyclic:"),
        "scenario.yaml", "2027", "no interval of the scenario lies in this pause", "2026-06-21",
    ),
    "unknown node": (
        sub("devices.csv", "bo-pv,bo,n2", "bo-pv,bo,n22"),
        "devices.csv", "bo-pv", "unknown node 'n22'", "did you mean 'n2'?",
    ),
    "unknown node of a link": (
        sub("links.csv", "a3,n2,n3", "a3,n2,m9"),
        "links.csv", "a3,", "unknown node 'm9'", "n",
    ),
    "unknown participant": (
        sub("devices.csv", "dan-car,dan,", "dan-car,dann,"),
        "devices.csv", "dan-car", "unknown participant 'dann'", "did you mean 'dan'?",
    ),
    "unknown profile": (
        sub("devices.csv", "eve-pv,eve,n5,pv,sun", "eve-pv,eve,n5,pv,sunn"),
        "devices.csv", "eve-pv", "unknown profile 'sunn'", "did you mean 'sun'?",
    ),
    "unknown kind": (
        sub("devices.csv", "bo-pv,bo,n2,pv", "bo-pv,bo,n2,wind"),
        "devices.csv", "bo-pv", "unknown kind 'wind'", "load",
    ),
    "negative capacity": (
        sub("links.csv", "b2,n4,n5,line,40", "b2,n4,n5,line,-40"),
        "links.csv", "b2,", "capacity is negative", "0 or more",
    ),
    "duplicate node": (
        sub("nodes.csv", "n3,400", "n2,400"),
        "nodes.csv", "n2,400,0.9,1.1,4,1", "node 'n2' stands twice", "rename one",
    ),
    "duplicate device": (
        sub("devices.csv", "bo-home,", "ada-home,"),
        "devices.csv", "ada-home,bo", "device 'ada-home' stands twice", "rename one",
    ),
    "reserved name": (
        sub("participants.csv", "finn,Finn", "utility,Finn"),
        "participants.csv", "utility,", "'utility' is reserved", "rename",
    ),
    "energy above capacity": (
        sub("devices.csv", ",10,5,0.5,", ",10,11,0.5,"),
        "devices.csv", "ada-battery", "energy above capacity", "lower the energy",
    ),
    "v_max above v_critical": (
        sub("devices.csv", "ada-battery,ada,n1,battery,,,,10,5,0.5,5,5,95,95,3,0.09,0.27,0.34",
            "ada-battery,ada,n1,battery,,,,10,5,0.5,5,5,95,95,3,0.09,0.27,0.25"),
        "devices.csv", "ada-battery", "v_max is above v_critical", "raise v_critical",
    ),
    "v_min above v_max": (
        sub("devices.csv", "3.5,3.5,95,95,3,0.09,0.27", "3.5,3.5,95,95,3,0.28,0.27"),
        "devices.csv", "eve-battery", "v_min is above v_max", "lower v_min",
    ),
    "charge efficiency of 0": (
        sub("devices.csv", "10,5,0.5,5,5,95,95", "10,5,0.5,5,5,0,95"),
        "devices.csv", "ada-battery", "charge_efficiency: is outside (0, 1]", "0.95",
    ),
    "charge efficiency above 1": (
        sub("devices.csv", "10,5,0.5,5,5,95,95", "10,5,0.5,5,5,105,95"),
        "devices.csv", "ada-battery", "charge_efficiency: is outside (0, 1]", "0.95",
    ),
    "battery without capacity": (
        sub("devices.csv", "battery,,,,10,5,", "battery,,,,,5,"),
        "devices.csv", "ada-battery", "a battery without capacity_j", "fill it in",
    ),
    "a load with a capacity": (
        sub("devices.csv", "n2,load,home,1.5,0.98,,", "n2,load,home,1.5,0.98,4,"),
        "devices.csv", "bo-home", "capacity_j does not apply to a load", "leave it empty",
    ),
    "wrong unit in a header": (
        sub("links.csv", "capacity [kW]", "capacity [kWh]"),
        "links.csv", "link,from", "'kWh' is not a unit of W", "5 kW",
    ),
    "no unit in a header": (
        sub("links.csv", "capacity [kW]", "capacity"),
        "links.csv", "link,from", "names its unit nowhere", "'capacity_w' (SI) or 'capacity [kW]'",
    ),
    "unit twice in a header": (
        sub("links.csv", "capacity [kW]", "capacity_w [kW]"),
        "links.csv", "link,from", "names its unit twice", "'capacity [kW]'",
    ),
    "another currency in a header": (
        sub("prices.csv", "buys_at [EUR/kWh]", "buys_at [USD/kWh]"),
        "prices.csv", "time,", "the currency USD is not EUR", "one document has one currency",
    ),
    "a unit on a profile": (
        sub("profiles.csv", "time,home,sun,car", "time,home [kW],sun,car"),
        "profiles.csv", "time,", "has a unit", "drop the unit",
    ),
    "unknown column": (
        sub("nodes.csv", "voltage [V],min", "volltage [V],min"),
        "nodes.csv", "node,", "unknown column 'volltage [V]'", "did you mean 'voltage'?",
    ),
    "missing column": (
        sub("participants.csv", "participant,label", "label,owner_"),
        "participants.csv", "label,", "unknown column 'owner_'", "use one of: label, participant",
    ),
    "column twice": (
        sub("links.csv", "standing_loss [W]", "capacity_w"),
        "links.csv", "link,from", "column 'capacity_w' stands twice", "keep one",
    ),
    "bad number": (
        sub("links.csv", "a1,street,n1,line,40", "a1,street,n1,line,forty"),
        "links.csv", "a1,", "'forty' in column 'capacity [kW]' is not a number", "plain number",
    ),
    "unit in a cell": (
        sub("links.csv", "a1,street,n1,line,40", "a1,street,n1,line,40 kW"),
        "links.csv", "a1,", "'40 kW' in column 'capacity [kW]'", "units stand in the header",
    ),
    "comma in a number": (
        sub("links.csv", "a1,street,n1,line,40", 'a1,street,n1,line,"40,5"'),
        "links.csv", "a1,", "'40,5' in column", "point for decimals",
    ),
    "semicolons": (
        sub("participants.csv", "participant,label", "participant;label"),
        "participants.csv", "participant;", "semicolons", "use commas",
    ),
    "too many cells": (
        sub("participants.csv", "cleo,Cleo", "cleo,Cleo,3"),
        "participants.csv", "cleo,", "3 cells under 2 headers", "one cell per column",
    ),
    "missing interval": (
        sub("profiles.csv", "2026-06-21T05:15,", "# "),
        "profiles.csv", "T05:30", "the interval 2026-06-21T05:15+02:00", "add a row",
    ),
    "empty cell in a profile": (
        sub("profiles.csv", "2026-06-21T00:30,0.1000,", "2026-06-21T00:30,,"),
        "profiles.csv", "T00:30", "gap in profile 'home' at 2026-06-21T00:30+02:00", "fill in",
    ),
    "nan for a limit": (
        sub("links.csv", ",50,", ",nan,"),
        "links.csv", "nan", "'nan' in column 'capacity [kW]' is not a number", "plain number",
    ),
    "nan in a profile": (
        sub("profiles.csv", "2026-06-21T00:30,0.1000,", "2026-06-21T00:30,nan,"),
        "profiles.csv", "T00:30", "gap in profile 'home' at 2026-06-21T00:30+02:00", "fill in",
    ),
    "bad time": (
        sub("profiles.csv", "2026-06-21T00:30,", "half past,"),
        "profiles.csv", "half past", "'half past' is not a time", "2016-01-31T18:15",
    ),
    "prices begin too late": (
        sub("prices.csv", "2026-06-21T00:00", "2026-06-22T00:00"),
        "prices.csv", "2026-06-22", "begins at 2026-06-22T00:00+02:00", "no later",
    ),
    "a utility that is a money pump": (
        sub("prices.csv", "0.30,0.08", "0.08,0.30"),
        "prices.csv", "0.08,0.30", "buys dearer than it sells", "lower buys_at",
    ),
    "unknown key": (
        sub("scenario.yaml", "mechanism:", "mechanisme:"),
        "scenario.yaml", "mechanisme", "unknown key 'mechanisme'", "did you mean 'mechanism'?",
    ),
    "unknown key inside": (
        sub("scenario.yaml", "max_rounds:", "rounds:"),
        "scenario.yaml", "  rounds", "unknown key 'rounds'", "did you mean 'max_rounds'?",
    ),
    "key twice": (
        sub("scenario.yaml", "network_fee: 0 EUR/kWh ", "network: copperplate"),
        "scenario.yaml", "network: copperplate", "the key 'network' stands twice", "remove one",
    ),
    "missing key": (
        sub("scenario.yaml", "currency: EUR\n", ""),
        "scenario.yaml", "isojoule: 1", "the key 'currency' is missing", "ISO 4217",
    ),
    "wrong unit in a value": (
        sub("scenario.yaml", "interval: 15 min", "interval: 15 m"),
        "scenario.yaml", "interval:", "'m' is not a unit of s", "15 min",
    ),
    "another currency in a value": (
        sub("scenario.yaml", "lost_load: 5 EUR/kWh", "lost_load: 5 USD/kWh"),
        "scenario.yaml", "lost_load:", "USD is not EUR", "one document has one currency",
    ),
    "interval of no length": (
        sub("scenario.yaml", "interval: 15 min", "interval: 0 min"),
        "scenario.yaml", "interval:", "not a positive number", "15 min",
    ),
    "unknown network": (
        sub("scenario.yaml", "network: transport", "network: transprt"),
        "scenario.yaml", "network: transprt", "network:", "transport, dc or lindistflow",
    ),
    "utility at no node": (
        sub("scenario.yaml", "utility: utility", "utility: nowhere"),
        "scenario.yaml", "utility: nowhere", "unknown node 'nowhere'", "name a node",
    ),
    "unknown zone": (
        sub("scenario.yaml", "Europe/Berlin", "Europe/Berlinn"),
        "scenario.yaml", "timezone:", "unknown time zone 'Europe/Berlinn'", "IANA",
    ),
    "no YAML": (
        sub("scenario.yaml", "currency: EUR", "currency: [EUR"),
        "scenario.yaml", "timezone", "not valid YAML", "check indentation",
    ),
    "period outside the profiles": (
        sub("scenario.yaml", "cyclic:", PERIOD.format("2026-06-23")),
        "profiles.csv", "T23:45", "2026-06-22T00:00+02:00 of period 'd' is missing", "add a row",
    ),
    "period that ends first": (
        sub("scenario.yaml", "cyclic:", PERIOD.format("2026-06-20")),
        "scenario.yaml", "name: d,", "ends before it starts", "after the start",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refused_with_file_line_and_remedy(tmp_path: Path, case: str) -> None:
    edit, file, found_by, says, remedy = CASES[case]
    folder = new_scenario(tmp_path / "street")
    edit(folder)
    with pytest.raises(InputError) as caught:
        read_scenario(folder)
    error = caught.value
    assert says in error.message
    assert error.place == f"{folder / file}:{line_of(folder, file, found_by)}"
    assert remedy in error.remedy


def refusal(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_scenario(folder)
    return caught.value


def test_a_time_that_stands_twice(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    sub("profiles.csv", "2026-06-21T00:30,", "2026-06-21T00:15,")(folder)
    error = refusal(folder)
    assert "stands twice" in error.message
    assert error.place.endswith(f":{line_of(folder, 'profiles.csv', 'T00:15') + 1}")


def test_a_loss_of_one(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    sub("links.csv", "standing_loss [W]", "loss")(folder)
    error = refusal(folder)  # the transformer's 150 is no share
    assert "loss of 150 is outside" in error.message
    assert error.place.endswith(f"links.csv:{line_of(folder, 'links.csv', 'trafo,')}")


def test_a_missing_table(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    (folder / "prices.csv").unlink()
    error = refusal(folder)
    assert error.message == "the table 'prices' is missing"
    assert "prices.csv" in error.remedy and "sells_at_per_j" in error.remedy


def test_a_table_in_both_formats(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    polars.DataFrame({"node": ["utility"]}).write_parquet(folder / "nodes.parquet")
    error = refusal(folder)
    assert "both nodes.csv and nodes.parquet" in error.message
    assert "keep one" in error.remedy


def test_no_scenario_at_all(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert "no scenario.yaml" in error.message
    assert "isojoule new" in error.remedy


def test_parquet_gives_the_row(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    (folder / "nodes.csv").unlink()
    names = ["utility", "street", "n1", "n2", "n3", "n4", "n2"]
    polars.DataFrame({"node": names}).write_parquet(folder / "nodes.parquet")
    error = refusal(folder)
    assert "node 'n2' stands twice" in error.message
    assert error.place == f"{folder / 'nodes.parquet'} row 7"


def test_a_damaged_parquet(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    (folder / "nodes.csv").unlink()
    (folder / "nodes.parquet").write_bytes(b"PAR1 and no more")
    assert "not readable as Parquet" in refusal(folder).message
