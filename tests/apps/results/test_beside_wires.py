"""Runs whose market ignores the wires, and whose utility is paid its tariff.

Spec: docs/spec/run.md, R21 and R22.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.importers.village import generate_village
from isojoule.apps.results import Run, run_scenario
from isojoule.apps.results.verify import verify_run
from isojoule.core.errors import InputError, VerificationError
from tests.apps.results.test_forecast_runs import PAUSE
from tests.apps.results.test_forged import repair


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "street"
    new_scenario(folder)
    file = folder / "scenario.yaml"
    file.write_text(file.read_text() + PAUSE)
    return folder


@pytest.fixture(scope="module")
def blind(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_scenario(
        street, mechanism="uniform-price", network="copperplate", utility="tariff",
        out=tmp_path_factory.mktemp("runs") / "blind",
    )  # fmt: skip


def test_it_verifies_and_says_how_it_was_made(blind: Run) -> None:
    assert verify_run(blind.folder)["intervals"] == 192
    assert "--network copperplate --utility tariff" in blind.summary["reproduce"]["command"]


def test_meters_and_wires_balance_in_every_interval(blind: Run) -> None:
    """R21: what all meters show, what is lost, and what the iron draws add up to 0."""
    metered = blind.to_polars("devices").group_by("time_s", maintain_order=True)
    sums = metered.agg(pl.col("metered_uj").sum())["metered_uj"]
    table = blind.to_polars("intervals")
    assert (sums + table["loss_uj"] + table["standing_loss_uj"] == 0).all()
    assert table["loss_uj"].sum() > 0
    told = blind.to_polars("devices")
    changed = told.filter(pl.col("metered_uj") != pl.col("energy_uj"))
    assert "utility" in changed["device"].to_list()
    # as cleared nothing flows, but in the pause
    links = blind.to_polars("links").join(table.select("time_s", "paused"), on="time_s")
    assert links.filter(~pl.col("paused"))["flow_uj"].abs().sum() == 0
    assert links.filter(pl.col("paused"))["flow_uj"].abs().sum() > 0
    full = links.group_by("time_s").agg(pl.col("delivered_loss_uj").sum()).sort("time_s")
    assert (full["delivered_loss_uj"] == table["loss_uj"]).all()


def test_the_utility_is_paid_its_tariff_for_its_meter(blind: Run) -> None:
    """R22: outside of the pause, where each meter has its own bill."""
    table = blind.to_polars("intervals").filter(~pl.col("paused"))
    cash = (table["boundary_cash_nano"] + table["imbalance_cash_nano"]) / 1e9
    bill = (
        table["import_uj"] * table["sells_at_per_j"] - table["export_uj"] * table["buys_at_per_j"]
    ) / 1e6
    assert (cash - bill).abs().max() < 1e-8  # rounded to the nano-unit, twice
    s = blind.summary
    people = sum(p["saving"] for p in s["participants"])
    operator = s["operator"]["market"] - s["operator"]["baseline"]
    fees = sum(sum(p["fees"].values()) for p in s["settlement"]["periods"])
    assert fees > 0
    assert people + operator == pytest.approx(s["total"]["audit"]["saving"], abs=1e-8)


def test_a_rule_that_pays_the_utility_otherwise_does_not_change_what_it_gets(
    street: Path, tmp_path: Path
) -> None:
    """R22: `vcg-exchange` pays everybody what the others gain by it; the utility has a tariff."""
    made = {
        how: run_scenario(
            street, days=0.25, mechanism="vcg-exchange", utility=how, out=tmp_path / str(how)
        )
        for how in (None, "tariff")
    }
    cash = {how: run.to_polars()["boundary_cash_nano"].sum() for how, run in made.items()}
    assert cash[None] > 10 * cash["tariff"] > 0  # at night all would be dark without it
    for run in made.values():
        verify_run(run.folder)
        table = run.to_polars()
        paid = run.to_polars("devices").filter(pl.col("device") != "utility")["payment_nano"].sum()
        links = run.to_polars("links")["owner_payment_nano"].sum()
        left = paid + links - table["boundary_cash_nano"].sum()
        assert left == table["operator_nano"].sum()


def test_statements_can_be_written(blind: Run, tmp_path: Path) -> None:
    from isojoule.apps.statements import statements_of_run

    written = statements_of_run(blind.folder, tmp_path / "out")
    assert len(written) == len(blind.summary["participants"])
    period = blind.summary["settlement"]["periods"][0]
    paid = sum(w.statement.sum_nano for w in written) / 1e9
    assert paid == pytest.approx(period["members_paid"], abs=1e-9)


def test_a_forged_flow_is_found(blind: Run, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "forged"
    shutil.copytree(blind.folder, folder)
    part = folder / "market" / "links" / "part-00000.parquet"
    pl.read_parquet(part).with_columns(pl.col("delivered_flow_uj") + 1).write_parquet(part)
    repair(folder)
    with pytest.raises(VerificationError, match="delivered_flow_uj does not follow"):
        verify_run(folder)


def test_what_does_not_go_together_is_refused(street: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    for wrong, said in (
        ({"network": "dc"}, "is not known"),
        ({"utility": "gifts"}, "cannot be paid"),
        ({"utility": "tariff", "mechanism": "utility-only"}, "already"),
        ({"periods": "never"}, "no period"),
    ):
        with pytest.raises(InputError, match=said):
            run_scenario(street, out=out, **wrong)  # type: ignore[arg-type]


def test_on_a_forecast_what_comes_goes_through_the_wires(street: Path, tmp_path: Path) -> None:
    """R18, R21: needs are what came, batteries keep to what was cleared."""
    run = run_scenario(
        street, mechanism="uniform-price", network="copperplate", utility="tariff",
        forecast="noise", days=0.5, seed=2, out=tmp_path / "run",
    )  # fmt: skip
    verify_run(run.folder)
    devices, table = run.to_polars("devices"), run.to_polars("intervals")
    assert (table["unserved_uj"] == 0).all() and (devices["offered_uj"] != 0).any()
    packs = devices.filter(pl.col("stored_uj").is_not_null())
    assert packs["metered_uj"].equals(packs["energy_uj"].alias("metered_uj"))
    sums = devices.group_by("time_s", maintain_order=True).agg(pl.col("metered_uj").sum())
    lost = table["loss_uj"] + table["standing_loss_uj"]
    assert (sums["metered_uj"] + lost == 0).all() and lost.sum() > 0
    loads = devices.filter(pl.col("offered_uj") > 0)
    assert (loads["metered_uj"] != loads["energy_uj"]).any()


@pytest.mark.parametrize("forecast", ["none", "noise"])
def test_off_the_grid_batteries_make_up_for_the_wires(tmp_path: Path, forecast: str) -> None:
    """R21, R25: limits hold, and all adds up."""
    import shutil

    village = generate_village(tmp_path / "village", homes=8, days=1, seed=4)
    run = run_scenario(
        village, mechanism="uniform-price", network="copperplate", forecast=forecast, days=0.75,
        out=tmp_path / "run", workers=1,
    )  # fmt: skip
    verify_run(run.folder)
    t, links = run.to_polars("intervals"), run.to_polars("links")
    came = t["generated_uj"] + t["discharged_uj"] + t["unserved_uj"]
    went = t["consumed_uj"] + t["charged_uj"] + t["loss_uj"] + t["spilled_uj"]
    assert (came == went).all() and t["loss_uj"].sum() > 0
    assert links["flow_uj"].abs().sum() == 0 < links["delivered_flow_uj"].abs().sum()
    assert not links["overloaded"].any()
    assert t["made_up_uj"].sum() > 0
    forged = tmp_path / "forged"
    shutil.copytree(run.folder, forged)
    part = forged / "market" / "devices" / "part-00000.parquet"
    pl.read_parquet(part).with_columns(pl.col("metered_uj") + 1).write_parquet(part)
    repair(forged)
    with pytest.raises(VerificationError, match="metered_uj does not follow"):
        verify_run(forged)


def test_periods_can_be_chosen(tmp_path: Path) -> None:
    run = run_scenario(
        "strained", periods="summer", days=0.05, mechanism="utility-only", out=tmp_path / "x"
    )
    assert [p["name"] for p in run.summary["periods"]] == ["summer"]
