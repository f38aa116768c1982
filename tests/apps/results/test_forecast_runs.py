"""Runs on forecasts and with pauses, from the file to the check.

Spec: docs/spec/run.md, R17 to R20, and docs/spec/audit.md, A7.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from isojoule.apps.files.scenario_files import new_scenario, read_scenario
from isojoule.apps.results import Run, run_scenario, worlds
from isojoule.apps.results.verify import verify_run
from isojoule.core.errors import Interrupted, VerificationError
from isojoule.microworld.offers import OfferMaker
from tests.apps.results.test_forged import repair
from tests.apps.results.test_interrupted import hashes, until

PAUSE = """\
pauses:
  - {from: 2026-06-21T10:00, to: 2026-06-21T12:30, reason: "a fault"}
"""
FORECAST = """\
forecast: {method: noise, load_error: 30 %, pv_error: 40 %, correlation_time: 2 h, pv_common: 0.8}
"""


def street(folder: Path, more: str) -> Path:
    (new_scenario(folder) / "settlement.yaml").unlink()
    file = folder / "scenario.yaml"
    file.write_text(file.read_text() + more)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("world")
    scenario = street(folder / "street", FORECAST + PAUSE)
    return run_scenario(scenario, seed=5, out=folder / "run", workers=1)


def test_it_verifies_and_adds_up(run: Run) -> None:
    """R5, A6, A7: the imbalance is cash of the community, and the operator carries it."""
    assert verify_run(run.folder)["intervals"] == 192
    s = run.summary
    market, a = s["total"]["market"], s["total"]["audit"]
    table = run.to_polars("intervals")
    cash = table["boundary_cash_nano"].sum() + table["imbalance_cash_nano"].sum()
    # in the pause each meter pays the tariff by itself, and is rounded by itself
    assert market["cash"] == pytest.approx(cash / 1e9, abs=1e-7)
    cost = market["cash"] - market["stored_change_value"]
    assert cost == pytest.approx(a["market_cost"], abs=1e-9)
    parts = a["netting"] + a["dispatch"] + a["losses"] + a["storage"] + a["fees"]
    assert a["saving"] == pytest.approx(parts, abs=1e-9)
    people = sum(p["saving"] for p in s["participants"])
    operator = s["operator"]["market"] - s["operator"]["baseline"]
    assert people + operator == pytest.approx(a["saving"], abs=1e-9)
    assert market["imbalance_drawn_j"] > 0 and market["imbalance_fed_j"] > 0
    assert market["imbalance_cash"] != 0
    assert s["forecast"] == {
        "method": "noise", "load_error": 0.3, "pv_error": 0.4, "correlation_s": 7200.0,
        "pv_common": 0.8,
    }  # fmt: skip


def test_the_tables_hold_both_what_was_cleared_and_what_was_metered(run: Run) -> None:
    """R19, and that the totals are the metered ones."""
    devices, table = run.to_polars("devices"), run.to_polars("intervals")
    utility = devices.filter(pl.col("device") == "utility")
    more = (utility["energy_uj"] - utility["metered_uj"]).to_list()
    assert table["imbalance_uj"].to_list() == more
    assert table["import_uj"].to_list() == (-utility["metered_uj"]).clip(0).to_list()
    packs = devices.filter(pl.col("stored_uj").is_not_null())
    assert packs["energy_uj"].equals(packs["metered_uj"].alias("energy_uj"))
    links = run.to_polars("links")
    lost = links.group_by("time_s", maintain_order=True).agg(pl.col("delivered_loss_uj").sum())
    assert lost["delivered_loss_uj"].to_list() == table["loss_uj"].to_list()
    paused = table.filter("paused")
    assert paused["time"].dt.convert_time_zone("Europe/Berlin").dt.hour().unique().to_list() == [
        10, 11, 12
    ]  # fmt: skip
    assert paused.height == 10 and (paused["imbalance_uj"] == 0).all()
    assert (table.filter(~pl.col("paused"))["imbalance_uj"] != 0).all()
    for name in ("intervals", "devices", "links"):  # the baseline forecasts nothing
        assert not {"metered_uj", "delivered_flow_uj", "imbalance_uj", "paused"} & set(
            run.to_polars(name, "baseline").columns
        )


def test_in_a_pause_each_pays_as_in_the_baseline_but_for_the_battery(run: Run) -> None:
    """R20: who has no battery pays the very same."""
    paid = {}
    for world in ("market", "baseline"):
        times = run.to_polars("intervals").filter("paused")["time_s"]
        devices = run.to_polars("devices", world).filter(
            pl.col("time_s").is_in(times.implode()) & pl.col("participant").is_in(["bo", "cleo"])
        )
        paid[world] = devices["payment_nano"].to_list()
    assert paid["market"] == paid["baseline"] and any(paid["market"])


def add_one(where: str, column: str) -> Callable[[Path], None]:
    """Alter the column by one in its third row that is not 0 or null."""

    def forge(run: Path) -> None:
        path = run / "market" / where / "part-00000.parquet"
        frame = pl.read_parquet(path)
        row = frame.with_row_index("row").filter(pl.col(column).cast(pl.Int64) != 0)["row"][2]
        values = frame[column].to_list()
        values[row] = (not values[row]) if values[row] is True else values[row] + 1
        frame.with_columns(pl.Series(column, values, frame[column].dtype)).write_parquet(path)

    return forge


@pytest.mark.parametrize(
    ("table", "column", "told"),
    [
        ("devices", "offered_uj", "offered_uj does not follow"),
        ("devices", "metered_uj", "metered_uj does not follow"),
        ("links", "delivered_flow_uj", "delivered_flow_uj does not follow"),
        ("links", "delivered_loss_uj", "delivered_loss_uj does not follow"),
        ("intervals", "imbalance_uj", "imbalance_uj does not follow"),
        ("intervals", "imbalance_cash_nano", "imbalance_cash_nano does not follow"),
        ("intervals", "paused", "paused does not follow"),
        ("intervals", "import_uj", "import_uj does not follow"),
        ("devices", "energy_uj", "interval"),
        ("links", "flow_uj", "interval"),
    ],
)
def test_an_altered_digit_is_refused(
    run: Run, tmp_path: Path, table: str, column: str, told: str
) -> None:
    """R13."""
    forged = tmp_path / "forged"
    shutil.copytree(run.folder, forged)
    add_one(table, column)(forged)
    repair(forged)
    with pytest.raises(VerificationError, match=told):
        verify_run(forged)


def test_another_forecast_in_the_file_is_refused(run: Run, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(run.folder, forged)
    file = forged / "scenario" / "scenario.yaml"
    file.write_text(file.read_text().replace("load_error: 30 %", "load_error: 31 %"))
    repair(forged)
    with pytest.raises(VerificationError):
        verify_run(forged)


def test_a_price_in_a_pause_is_the_tariffs(run: Run, tmp_path: Path) -> None:
    """R13, R20: prices of the fall-back are held against its rule."""
    forged = tmp_path / "forged"
    shutil.copytree(run.folder, forged)
    path = forged / "market" / "nodes" / "part-00000.parquet"
    frame = pl.read_parquet(path)
    times = run.to_polars("intervals").filter("paused")["time_s"]
    there = pl.col("time_s").is_in(times.implode()) & pl.col("price_per_j").is_not_null()
    assert frame.filter(there).height
    more = pl.when(there).then(pl.col("price_per_j") * 1.01).otherwise("price_per_j")
    frame.with_columns(more.alias("price_per_j")).write_parquet(path)
    repair(forged)
    with pytest.raises(VerificationError, match="has another price than the rule gives"):
        verify_run(forged)


def test_interrupted_it_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R16, R17: in parts of 16 intervals."""
    monkeypatch.setattr(worlds, "CHUNK", 16)
    scenario = street(tmp_path / "street", FORECAST + PAUSE)
    whole = run_scenario(scenario, out=tmp_path / "whole", workers=1)
    for intervals in (24, 41):
        with pytest.raises(Interrupted):
            run_scenario(scenario, out=tmp_path / "again", workers=1, report=until(intervals))
    again = run_scenario(scenario, out=tmp_path / "again", workers=1)
    assert hashes(again.folder) == hashes(whole.folder)
    verify_run(again.folder)


def two_days(folder: Path) -> Path:
    """The street's day twice, the second with other numbers, run once from the given state."""
    (new_scenario(folder) / "settlement.yaml").unlink()
    file = folder / "scenario.yaml"
    file.write_text(file.read_text().split("cyclic:")[0])
    lines = (folder / "profiles.csv").read_text().splitlines()
    rows = [line for line in lines if line[:4] == "2026"]
    more = []
    for row in rows:
        time, *values = row.split(",")
        numbers = ",".join(f"{float(v) * 0.8:.4f}" for v in values)
        more.append(f"{time.replace('06-21', '06-22')},{numbers}")
    (folder / "profiles.csv").write_text("\n".join([*lines, *more]) + "\n")
    return folder


@pytest.mark.parametrize("asked", ["persistence", "noise,correlation_time=6h"])
def test_a_day_has_the_same_forecast_whatever_is_run_with_it(tmp_path: Path, asked: str) -> None:
    """R17; and the option stands for the key."""
    scenario = two_days(tmp_path / "street")
    both = run_scenario(scenario, forecast=asked, out=tmp_path / "both")
    second = run_scenario(scenario, forecast=asked, start="2026-06-22", out=tmp_path / "second")
    later = both.to_polars("devices").filter(pl.col("time_s") >= 1782079200)
    assert second.to_polars("devices")["offered_uj"].equals(later["offered_uj"])
    if asked == "persistence":
        first = OfferMaker.of(read_scenario(scenario)).energies_uj(slice(0, 96))
        offered = later["offered_uj"].to_numpy().reshape(96, -1)[:, : first.shape[1]]
        assert (offered == first).all()
    assert verify_run(second.folder)["intervals"] == 192
    assert second.summary["reproduce"]["command"].count(f"--forecast {asked}") == 1


def test_none_overrides_the_scenario_and_leaves_the_tables_as_they_were(tmp_path: Path) -> None:
    plain = run_scenario(street(tmp_path / "a", ""), out=tmp_path / "plain")
    scenario = street(tmp_path / "b", FORECAST)
    (scenario / "scenario.yaml").write_text(
        (scenario / "scenario.yaml").read_text().replace("name: b", "name: a")
    )
    off = run_scenario(scenario, forecast="none", out=tmp_path / "off")
    for world in ("market", "baseline"):
        a, b = hashes(plain.folder / world), hashes(off.folder / world)
        assert a == b
    assert "forecast" not in off.summary
    assert not any("imbalance" in key for key in off.summary["total"]["market"])
    verify_run(off.folder)


def test_on_many_processes_and_a_mechanism_that_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forecast that is asked for reaches the workers; `diffusion` is verified by a rerun."""
    from isojoule.apps.results import run as run_module

    monkeypatch.setattr(run_module, "FEW", 1)
    scenario = two_days(tmp_path / "street")
    options = {"mechanism": "diffusion", "forecast": "noise", "days": 0.5, "seed": 3}
    one = run_scenario(scenario, out=tmp_path / "one", workers=1, **options)  # type: ignore[arg-type]
    two = run_scenario(scenario, out=tmp_path / "two", workers=2, **options)  # type: ignore[arg-type]
    assert hashes(one.folder / "market") == hashes(two.folder / "market")
    verify_run(two.folder)


def test_a_market_that_is_the_tariff_needs_no_forecast(tmp_path: Path) -> None:
    """R17: nothing is cleared ahead, so nothing comes otherwise."""
    scenario = street(tmp_path / "street", FORECAST)
    run = run_scenario(scenario, mechanism="utility-only", days=0.2, out=tmp_path / "run")
    assert "metered_uj" not in run.to_polars("devices").columns
    assert run.summary["total"]["audit"]["saving"] == 0
    verify_run(run.folder)
