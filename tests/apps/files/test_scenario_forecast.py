"""Forecasts and pauses as files and commands write them. Spec: docs/spec/run.md, R17 and R20."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isojoule.apps.files.scenario_doc import scenario_schema
from isojoule.apps.files.scenario_files import new_scenario, read_scenario
from isojoule.apps.files.scenario_forecast import forecast_asked
from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.microworld.forecast import Forecast, Noise, Persistence


def read(folder: Path, more: str) -> tuple[Forecast | None, tuple[Pause, ...]]:
    new_scenario(folder)
    file = folder / "scenario.yaml"
    file.write_text(file.read_text() + more)
    scenario = read_scenario(folder)
    return scenario.forecast, scenario.pauses


PAGE = Path(__file__).parents[3] / "docs" / "scenario.md"


def test_the_keys_on_the_page_read(tmp_path: Path) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("### Forecasts and pauses")[2]
    shown = re.search(r"^```yaml\n(.*?)^```$", section, re.M | re.S)
    assert shown is not None
    forecast, pauses = read(tmp_path / "a", shown[1])
    assert forecast == Noise(0.2, 0.3, 10800, 0.7)
    assert [p.reason for p in pauses] == ["the meters are changed"]


def test_keys_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path / "a", "") == (None, ())
    assert read(tmp_path / "b", "forecast: {method: persistence}\n") == (Persistence(), ())
    assert read(tmp_path / "c", "forecast: {method: noise}\n")[0] == Noise(0.2, 0.25, 10800, 0.5)
    asked = "forecast: {method: noise, load_error: 5 %, correlation_time: 90 min, pv_common: 1}\n"
    assert read(tmp_path / "d", asked)[0] == Noise(0.05, 0.25, 5400, 1.0)


def test_pauses_in_local_time(tmp_path: Path) -> None:
    text = (
        "pauses:\n  - {from: 2026-06-21T10:00, to: 2026-06-21T11:00, reason: a fault}\n"
        "  - {from: 2026-06-21T09:00:00Z, to: 2026-06-22T00:00}\n"
    )
    eight_utc = 1782028800  # 10:00 in Berlin in summer
    assert read(tmp_path / "a", text)[1] == (
        Pause(eight_utc, eight_utc + 3600, "a fault"),
        Pause(eight_utc + 3600, eight_utc + 14 * 3600),
    )


def test_the_schema_knows_the_words_of_the_file() -> None:
    schema = scenario_schema()
    assert set(schema["$defs"]["PauseDoc"]["properties"]) == {"from", "to", "reason"}
    assert schema["$defs"]["ForecastDoc"]["additionalProperties"] is False


def test_as_a_command_asks() -> None:
    own = Noise(load_error=0.4, pv_common=0.9)
    assert forecast_asked("none", own) is None
    assert forecast_asked("persistence", own) == Persistence()
    assert forecast_asked("noise", None) == Noise()
    assert forecast_asked("noise", own) == own
    for text in ("10 %", "10%", "0.10", ".1"):
        assert forecast_asked(f"noise,load_error={text}", None) == Noise(load_error=0.1)
    assert forecast_asked("noise,load_error=150 %", None) == Noise(load_error=1.5)
    assert forecast_asked("noise,load_error=1", None) == Noise(load_error=1.0)
    assert forecast_asked("noise, pv_common=10%, correlation_time=1 h", own) == Noise(
        load_error=0.4, pv_common=0.1, correlation_s=3600.0
    )


@pytest.mark.parametrize(
    ("text", "told", "remedy"),
    [
        ("nose", "unknown forecast 'nose'", "did you mean 'noise'?"),
        ("none,load_error=1", "unknown forecast 'none'", "none"),
        ("noise,load=1", "unknown parameter 'load'", "load_error"),
        ("noise,load_error", "has no value", "noise,load_error=20%"),
        ("noise,load_error=3 kW", "kW", "0.02"),
        ("noise,pv_common=200%", "outside 0 to 1", "50 %"),
        ("noise,load_error=10", "load_error 10 without a unit would be 1000 %", "'10 %' or 0.1"),
        ("noise,pv_error=1.5", "1.5 without a unit would be 150 %", "'1.5 %' or 0.015"),
        ("noise,pv_common=-50", "-50 without a unit", "'-50 %' or -0.5"),
        ("noise,load_error=1001%", "outside 0 to 1000%", "20 %"),
        ("persistence,pv_error=0.1", "does not apply", "noise"),
    ],
)
def test_what_a_command_may_not_ask(text: str, told: str, remedy: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        forecast_asked(text, None)
    assert error.value.place == "--forecast"
    assert remedy in error.value.remedy


@pytest.mark.parametrize(
    ("more", "told", "remedy"),
    [
        ("forecast: {method: noise, pv_error: 30}\n", "30 without a unit", "'30 %' or 0.3"),
        ("cyclic: {tolerance: 5}\n", "5 without a unit would be 500 %", "'5 %' or 0.05"),
        ("cyclic: {tolerance: 0 %}\n", "tolerance: 0 % is no such share", "0.1 %"),
        ("cyclic: {tolerance: 1}\n", "tolerance: 1 is no such share", "0.1 %"),
        ("cyclic: {tolerance: 2 kW}\n", "kW", "0.02"),
    ],
)
def test_shares_of_the_file_carry_their_unit(
    tmp_path: Path, more: str, told: str, remedy: str
) -> None:
    with pytest.raises(InputError, match=told) as error:
        read_without_cycle(tmp_path / "a", more)
    assert re.search(r"scenario\.yaml:\d+", error.value.place) and remedy in error.value.remedy


def test_a_tolerance_may_carry_its_unit(tmp_path: Path) -> None:
    assert read_without_cycle(tmp_path / "a", "cyclic: {tolerance: 0.5 %}\n") == 0.005
    assert read_without_cycle(tmp_path / "b", "cyclic: {tolerance: 0.001}\n") == 0.001


def read_without_cycle(folder: Path, more: str) -> float | None:
    """The tolerance of a scenario whose own key `cyclic` is another."""
    new_scenario(folder)
    file = folder / "scenario.yaml"
    file.write_text(re.sub(r"^cyclic:.*\n(  .*\n)*", "", file.read_text(), flags=re.M) + more)
    return read_scenario(folder).cyclic_tolerance
