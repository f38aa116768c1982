"""Runs on forecasts where no utility makes up for errors, from the file to the check.

Spec: docs/spec/run.md, R23 to R25, and docs/spec/settlement.md, Y2.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.importers.village import generate_village
from isojoule.apps.results import Run, run_scenario, worlds
from isojoule.apps.results.verify import verify_run
from isojoule.core.errors import Interrupted, VerificationError
from isojoule.microworld.offers import OfferMaker
from tests.apps.results.test_forecast_runs import add_one
from tests.apps.results.test_forged import repair
from tests.apps.results.test_interrupted import hashes, until


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_village(tmp_path_factory.mktemp("world") / "village", homes=8, days=2, seed=4)


@pytest.fixture(scope="module")
def run(village: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return run_scenario(village, forecast="noise,load_error=40%", seed=5, out=out, workers=1)


def test_it_verifies_and_adds_up(run: Run) -> None:
    """R5, R25: in every interval."""
    assert verify_run(run.folder)["intervals"] == 384
    t = run.to_polars("intervals")
    came = t["generated_uj"] + t["import_uj"] + t["discharged_uj"] + t["unserved_uj"]
    went = t["consumed_uj"] + t["export_uj"] + t["charged_uj"] + t["loss_uj"]
    assert (came == went + t["standing_loss_uj"] + t["spilled_uj"]).all()
    assert (t["imbalance_uj"] == 0).all() and (t["imbalance_cash_nano"] == 0).all()
    assert not run.to_polars("links")["overloaded"].any()
    packs = run.to_polars("devices").filter(pl.col("stored_uj").is_not_null())
    more = packs["energy_uj"] - packs["metered_uj"]
    assert t["made_up_uj"].sum() == more.clip(0).sum() > 0
    assert t["taken_up_uj"].sum() == -more.clip(None, 0).sum() > 0
    market = run.summary["total"]["market"]
    assert market["battery_made_up_j"] == t["made_up_uj"].sum() / 1e6
    audit = run.summary["total"]["audit"]
    people = sum(p["saving"] for p in run.summary["participants"])
    operator = run.summary["operator"]["market"] - run.summary["operator"]["baseline"]
    assert people + operator == pytest.approx(audit["saving"], abs=1e-9)


def test_who_made_up_for_it_is_paid_at_the_price_of_its_home(run: Run) -> None:
    """Y2, Y19."""
    devices = run.to_polars("devices")
    off = (
        devices.group_by("time_s", "participant", "node")
        .agg(more=pl.col("metered_uj").sum() - pl.col("energy_uj").sum())
        .join(run.to_polars("nodes"), on=["time_s", "node"])
        .with_columns(paid=pl.col("more") / 1e6 * pl.col("price_per_j"))
    )
    assert off.filter(pl.col("more") != 0).height
    assert off["price_per_j"].null_count() == 0
    period = run.summary["settlement"]["periods"][0]
    assert period["imbalance_paid"] == pytest.approx(off["paid"].sum(), abs=1e-6)
    assert period["members_paid"] + period["operator"] * -1 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("table", "column", "told"),
    [
        ("devices", "metered_uj", "metered_uj does not follow"),
        ("devices", "offered_uj", "offered_uj does not follow"),
        ("devices", "stored_uj", "holds something else than it received"),
        ("links", "delivered_flow_uj", "delivered_flow_uj does not follow"),
        ("intervals", "made_up_uj", "made_up_uj does not follow"),
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


def test_persistence_begins_with_what_comes(village: Path, tmp_path: Path) -> None:
    """R17, R24: on the first day meters show what was cleared."""
    made = run_scenario(village, forecast="persistence", out=tmp_path / "run", workers=1)
    first = made.to_polars("devices").filter(
        pl.col("time_s") < made.to_polars()["time_s"][0] + 86400
    )
    assert first["metered_uj"].equals(first["energy_uj"].alias("metered_uj"))
    second = made.to_polars("devices")["metered_uj"] != made.to_polars("devices")["energy_uj"]
    assert second.any()
    verify_run(made.folder)


def test_statements_can_be_written(run: Run, tmp_path: Path) -> None:
    from isojoule.apps.statements import statements_of_run

    written = statements_of_run(run.folder, tmp_path / "out")
    paid = sum(w.statement.sum_nano for w in written) / 1e9
    assert paid == pytest.approx(run.summary["settlement"]["periods"][0]["members_paid"], abs=1e-9)
    pages = "".join(p.read_text() for p in (tmp_path / "out").rglob("*.html"))
    assert "the price that energy had at your home in that moment" in pages
    assert "the utility's price in that moment" not in pages


def test_interrupted_it_ends_in_the_same_bytes(
    village: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R16: batteries carry what meters showed over the parts of a run."""
    monkeypatch.setattr(worlds, "CHUNK", 16)
    asked = {"forecast": "noise", "days": 0.5, "workers": 1}
    whole = run_scenario(village, out=tmp_path / "whole", **asked)  # type: ignore[arg-type]
    with pytest.raises(Interrupted):
        run_scenario(village, out=tmp_path / "again", report=until(40), **asked)  # type: ignore[arg-type]
    again = run_scenario(village, out=tmp_path / "again", **asked)  # type: ignore[arg-type]
    assert hashes(again.folder) == hashes(whole.folder)


def test_a_rule_without_prices_everywhere(village: Path, tmp_path: Path) -> None:
    """Y2: `diffusion` has no price where nobody trades; verify runs it again."""
    made = run_scenario(
        village, mechanism="diffusion", forecast="noise", days=0.5, out=tmp_path / "run", workers=1
    )
    verify_run(made.folder)
    assert made.to_polars("nodes")["price_per_j"].null_count() > 0
    assert made.summary["settlement"]["periods"][0]["imbalance_paid"] != 0


@pytest.mark.parametrize("network", [None, "copperplate"])
def test_homes_behind_an_open_line(tmp_path: Path, network: str | None) -> None:
    """R23: Eve, with sun and a battery, and Finn are cut off; all others have the utility."""
    street = new_scenario(tmp_path / "street")
    links = street / "links.csv"
    links.write_text(links.read_text().replace("b2,n4,n5,line,40", "b2,n4,n5,line,0"))
    file = street / "scenario.yaml"
    file.write_text(file.read_text().split("cyclic:")[0])  # one round
    made = run_scenario(
        street, forecast="noise", network=network, mechanism=network and "uniform-price",
        out=tmp_path / "run", workers=1,
    )  # fmt: skip
    verify_run(made.folder)
    devices, table = made.to_polars("devices"), made.to_polars("intervals")
    packs = devices.filter(pl.col("stored_uj").is_not_null())
    more = packs.filter(pl.col("energy_uj") != pl.col("metered_uj"))["device"].unique().to_list()
    assert more == ["eve-battery"]
    apart = devices.filter(pl.col("participant").is_in(["eve", "finn"]))
    line = made.to_polars("links").filter(pl.col("link") == "b3")
    net = apart.group_by("time_s", maintain_order=True).agg(pl.col("metered_uj").sum())
    assert (net["metered_uj"] + line["delivered_loss_uj"] == 0).all()
    utility = devices.filter(pl.col("device") == "utility")
    assert table["import_uj"].to_list() == (-utility["metered_uj"]).clip(0).to_list()
    lost = table["loss_uj"] + table["standing_loss_uj"]
    sums = devices.group_by("time_s", maintain_order=True).agg(pl.col("metered_uj").sum())
    assert (sums["metered_uj"] + lost == 0).all()
    assert table["imbalance_uj"].abs().sum() > 0 and table["made_up_uj"].sum() > 0
    period = made.summary["settlement"]["periods"][0]
    paid = period["members_paid"] - period["utility"] - period["operator"]
    assert paid - sum(period["fees"].values()) == pytest.approx(0, abs=1e-9)


def test_the_report_shows_what_came(run: Run) -> None:
    """Hours without light, and power of devices, by the meter and not by the clearing."""
    from isojoule.apps.report.offgrid import hours_short
    from isojoule.apps.report.read import read_run

    files = read_run(run.folder)
    scenario = files.scenario
    wanted = OfferMaker.of(scenario).energies_uj(slice(None))
    devices = run.to_polars("devices")
    metered, cleared = (
        devices[name].to_numpy().reshape(wanted.shape) for name in ("metered_uj", "energy_uj")
    )
    missing = np.maximum(wanted, 0) - np.maximum(metered, 0)
    assert (np.maximum(wanted, 0) - np.maximum(cleared, 0) > 0.01 * np.maximum(wanted, 1)).any()
    for who, hours in hours_short(files, "market").items():
        mine = scenario.devices.participant == scenario.participants.index(who)
        need, lack = (x[:, mine & (scenario.devices.kind == 0)].sum(1) for x in (wanted, missing))
        assert hours == np.count_nonzero(lack > 0.01 * np.maximum(need, 1)) / 4
    assert files.as_it_came("links", "flow_uj") == "delivered_flow_uj"
    assert files.as_it_came("links", "saturated") == "saturated"
    assert files.as_it_came("devices", "energy_uj", "baseline") == "energy_uj"
