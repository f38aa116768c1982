"""What is wrong in a world off the grid, in machines and Orders: with file, line and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars
import pytest

from isojoule.apps.files.scenario_files import read_scenario, write_scenario
from isojoule.core.errors import InputError
from tests.apps.files.worlds import DOC, made, tables

Edit = Callable[[Path], None]


def sub(file: str, old: str, new: str) -> Edit:
    """Replace one piece of text, which must be there once."""

    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        (folder / file).write_text(text.replace(old, new))

    return edit


def append(file: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        with (folder / file).open("a") as stream:
            stream.write(text)

    return edit


def put(file: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / file).write_text(text)

    return edit


PRICES = "time,sells_at_per_j,buys_at_per_j\n2016-07-11T00:00Z,8e-8,2e-8\n"
# what is changed, the file, a part of the line (None: the folder itself), what is said, the remedy
CASES: dict[str, tuple[Edit, str, str, str, str]] = {
    "prices off the grid": (
        put("prices.csv", PRICES),
        "prices.csv", "time,", "there are prices, but no utility", "remove this table",
    ),
    "utility-only off the grid": (
        append("scenario.yaml", "baseline: utility-only\n"),
        "scenario.yaml", "baseline", "no utility to be alone with", "baseline: autarky",
    ),
    "unknown baseline": (
        append("scenario.yaml", "baseline: nobody\n"),
        "scenario.yaml", "baseline", "baseline:", "use utility-only or autarky",
    ),
    "negative unserved cost": (
        append("scenario.yaml", "unserved_cost: -1 EUR/kWh\n"),
        "scenario.yaml", "unserved_cost", "unserved_cost is negative", "0 or more",
    ),
    "unserved cost in another unit": (
        append("scenario.yaml", "unserved_cost: 1 EUR\n"),
        "scenario.yaml", "unserved_cost", "not a unit of money/J", "0.30 EUR/kWh",
    ),
    "stored value in another currency": (
        append("scenario.yaml", "stored_value: 1 USD/kWh\n"),
        "scenario.yaml", "stored_value", "USD is not EUR", "one currency",
    ),
    "negative network fee": (
        append("scenario.yaml", "network_fee: -1\n"),
        "scenario.yaml", "network_fee", "network_fee is negative", "0 or more",
    ),
    "cyclic": (
        append("scenario.yaml", "cyclic: {tolerance: 0.01}\n"),
        "scenario.yaml", "cyclic", "machines cannot be cyclic", "remove `cyclic`",
    ),
    "tau of 0": (
        sub("devices.csv", "86400.0", "0"),
        "devices.csv", "mill-battery", "tau_s: is not above 0", "leave tau_s empty",
    ),
    "floor above 1": (
        sub("devices.csv", "0.25", "1.25"),
        "devices.csv", "mill-battery", "floor: is outside [0, 1]", "0.5",
    ),
    "floor alone": (
        sub("devices.csv", "86400.0", ""),
        "devices.csv", "mill-battery", "a floor without tau_s", "give tau_s",
    ),
    "a load that perishes": (
        sub("devices.csv", "milk,farmer,barn,load,1000.0,,,,,,,,,,",
            "milk,farmer,barn,load,1000.0,,,,,,,,,5,"),
        "devices.csv", "milk", "tau_s does not apply to a load", "leave it empty",
    ),
    "unknown column of machines": (
        sub("machines.csv", "idle_w", "iddle_w"),
        "machines.csv", "machine,", "unknown column 'iddle_w'", "did you mean 'idle_w'?",
    ),
    "missing column of machines": (
        sub("machines.csv", "machine,device,", "machine,idle,"),
        "machines.csv", "machine,", "'idle' names its unit nowhere", "'idle_w' (SI)",
    ),
    "wrong unit of memory": (
        sub("machines.csv", "memory_byte", "memory [kWh]"),
        "machines.csv", "machine,", "'kWh' is not a unit of byte", "16 GB",
    ),
    "a share of memory": (
        sub("machines.csv", "memory_byte", "memory [%]"),
        "machines.csv", "machine,", "'%' is not a unit of byte", "16 GB",
    ),
    "wrong unit of a rate": (
        sub("machines.csv", "operations_per_s", "operations [kW]"),
        "machines.csv", "machine,", "'kW' is not a unit of 1/s", "2 GHz",
    ),
    "machine twice": (
        sub("machines.csv", "m2,", "m1,"),
        "machines.csv", "m1,barn", "machine 'm1' stands twice", "rename one",
    ),
    "machine without a name": (
        sub("machines.csv", "m2,", ","),
        "machines.csv", ",barn", "a machine without a name", "fill in 'machine'",
    ),
    "machine fed by nothing": (
        sub("machines.csv", "m2,barn-battery", "m2,barn-batery"),
        "machines.csv", "m2", "unknown device 'barn-batery'", "did you mean 'barn-battery'?",
    ),
    "machine fed by a load": (
        sub("machines.csv", "m2,barn-battery", "m2,milk"),
        "machines.csv", "m2", "machine 'm2' is not fed by a battery: 'milk'", "kind battery",
    ),
    "a shared battery": (
        sub("machines.csv", "m2,barn-battery", "m2,mill-battery"),
        "machines.csv", "m2", "shares the battery 'mill-battery' with 'm1'", "of its own",
    ),
    "machine without a rate": (
        sub("machines.csv", "m2,barn-battery,1000000000.0", "m2,barn-battery,"),
        "machines.csv", "m2", "no operations_per_s", "fill it in",
    ),
    "machine that computes nothing": (
        sub("machines.csv", "m2,barn-battery,1000000000.0", "m2,barn-battery,0"),
        "machines.csv", "m2", "machine 'm2': the machine computes nothing", "measured",
    ),
    "half a byte": (
        sub("machines.csv", "16000000000.0", "0.5"),
        "machines.csv", "m1", "memory_byte is 0.5", "whole number",
    ),
    "negative idle draw": (
        sub("machines.csv", ",5.0", ",-5"),
        "machines.csv", "m1", "idle_w is -5", "0 or more",
    ),
    "orders without machines": (
        lambda folder: (folder / "machines.csv").unlink(),
        "orders.csv", "late", "there are Orders, but no machine", "add the table machines",
    ),
    "order twice": (
        sub("orders.csv", "early,", "late,"),
        "orders.csv", "farmer", "order 'late' stands twice", "rename one",
    ),
    "unknown customer": (
        sub("orders.csv", ",farmer,", ",farmr,"),
        "orders.csv", "early", "unknown participant 'farmr'", "did you mean 'farmer'?",
    ),
    "the utility as a customer": (
        sub("orders.csv", ",farmer,", ",utility,"),
        "orders.csv", "early", "unknown participant 'utility'", "farmer",
    ),
    "unknown node": (
        sub("orders.csv", ",farmer,mill,", ",farmer,hill,"),
        "orders.csv", "early", "unknown node 'hill'", "did you mean 'mill'?",
    ),
    "no node": (
        sub("orders.csv", ",farmer,mill,", ",farmer,,"),
        "orders.csv", "early", "no node given", "mill",
    ),
    "deadline before the arrival": (
        sub("orders.csv", "2016-07-11T00:30:00+00:00", "2016-07-10T00:30:00+00:00"),
        "orders.csv", "early", "order 'early': the deadline is not after the arrival", "later",
    ),
    "no deadline": (
        sub("orders.csv", "2016-07-11T00:30:00+00:00", ""),
        "orders.csv", "early", "no deadline", "fill in the deadline",
    ),
    "no time": (
        sub("orders.csv", "2016-07-11T00:32:30+00:00", ""),
        "orders.csv", "late", "no time", "fill in the time",
    ),
    "bad deadline": (
        sub("orders.csv", "2016-07-11T00:30:00+00:00", "soon"),
        "orders.csv", "early", "'soon' is not a time", "2016-01-31T18:15",
    ),
    "arrival in an hour that does not exist": (
        sub("orders.csv", "2016-07-11T00:32:30+00:00", "2016-03-27T02:30"),
        "orders.csv", "late", "does not exist in Europe/Berlin", "go on with",
    ),
    "arrival before the profiles": (
        sub("orders.csv", "early,2016-07-11T00:00", "early,2016-07-10T23:59"),
        "orders.csv", "early", "arrives at 2016-07-11T01:59+02:00, outside the profiles",
        "from 2016-07-11T02:00+02:00 to before 2016-07-11T04:00+02:00",
    ),
    "arrival after the profiles": (
        sub("orders.csv", "2016-07-11T00:32:30+00:00", "2016-07-11T04:00"),
        "orders.csv", "late", "outside the profiles", "before 2016-07-11T04:00+02:00",
    ),
    "nothing to do": (
        sub("orders.csv", ",mill,1.0,", ",mill,0,"),
        "orders.csv", "early", "order 'early': nothing to do", "1 operation or more",
    ),
    "no operations": (
        sub("orders.csv", ",mill,1.0,", ",mill,,"),
        "orders.csv", "early", "no operations", "fill it in",
    ),
    "half an operation": (
        sub("orders.csv", ",mill,1.0,", ",mill,1.5,"),
        "orders.csv", "early", "operations is 1.5", "whole number",
    ),
    "a value with its unit in the cell": (
        sub("orders.csv", ",0.02,", ",0.02 EUR,"),
        "orders.csv", "late", "'0.02 EUR' in column 'value' is not a number", "in the header",
    ),
    "a value in another currency": (
        sub("orders.csv", ",value,", ",value [USD],"),
        "orders.csv", "order,", "the currency USD is not EUR", "one currency",
    ),
    "negative value": (
        sub("orders.csv", ",0.02,", ",-0.02,"),
        "orders.csv", "late", "order 'late': value is -0.02", "0 or more",
    ),
    "critical, perhaps": (
        sub("orders.csv", ",true", ",perhaps"),
        "orders.csv", "late", "critical is 'perhaps'", "write true or false",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refused_with_file_line_and_remedy(tmp_path: Path, case: str) -> None:
    edit, file, part, says, remedy = CASES[case]
    folder = write_scenario(tmp_path / "world", DOC, tables(), file_format="csv")
    edit(folder)
    with pytest.raises(InputError) as caught:
        read_scenario(folder)
    lines = (folder / file).read_text().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if part in text)
    assert says in caught.value.message
    assert caught.value.place == f"{folder / file}:{line}"
    assert remedy in caught.value.remedy


def test_in_parquet_the_row_is_named(tmp_path: Path) -> None:
    parts = tables()
    parts["orders"]["node"] = ["barn", "hill"]
    with pytest.raises(InputError, match="unknown node 'hill'") as caught:
        made(tmp_path, parts, file_format="parquet")
    assert caught.value.place == f"{tmp_path / 'world' / 'orders.parquet'} row 2"


def test_a_utility_without_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the table 'prices' is missing") as caught:
        made(tmp_path, utility="mill")
    assert "leave `utility` out" in caught.value.remedy


def test_times_as_numbers_are_refused(tmp_path: Path) -> None:
    folder = write_scenario(tmp_path / "world", DOC, tables())
    frame = polars.read_parquet(folder / "orders.parquet")
    frame.with_columns(deadline=polars.lit(5)).write_parquet(folder / "orders.parquet")
    with pytest.raises(InputError, match=r"5.0 is not a time"):
        read_scenario(folder)
