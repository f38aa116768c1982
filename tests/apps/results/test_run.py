"""A run from end to end on a small scenario, and its check. Spec: docs/spec/run.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import isojoule
from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.results import Run, run_scenario
from isojoule.apps.results.manifest import NAME, file_hash
from isojoule.apps.results.verify import verify_run
from isojoule.core.canonical import digest
from isojoule.core.errors import InputError, VerificationError


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "street"
    (new_scenario(folder) / "settlement.yaml").unlink()  # no fees: what is told is the market's own
    return folder


@pytest.fixture(scope="module")
def run(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_scenario(scenario, out=tmp_path_factory.mktemp("runs") / "one", workers=1)


def test_the_saving_is_cash_less_the_value_of_stored_energy(run: Run) -> None:
    total = run.summary["total"]
    a = total["audit"]
    for world, cost in (("baseline", "baseline_cost"), ("market", "market_cost")):
        table = run.to_polars("intervals", world)
        cash = table["boundary_cash_nano"].sum() / 1e9
        assert cash - total[world]["stored_change_value"] == pytest.approx(a[cost], abs=1e-9)
    parts = a["netting"] + a["dispatch"] + a["losses"] + a["storage"] + a["fees"]
    assert a["saving"] == pytest.approx(parts, abs=1e-9)


def test_everybodys_saving_and_the_operators_add_up_to_the_communitys(run: Run) -> None:
    """A6."""
    s = run.summary
    operator = s["operator"]["market"] - s["operator"]["baseline"]
    people = sum(p["saving"] for p in s["participants"])
    assert people + operator == pytest.approx(s["total"]["audit"]["saving"], abs=1e-9)


def test_machines_from_the_scenario_to_the_check(tmp_path: Path) -> None:
    """R14, A2, A6: a run with machines is made, adds up, and verifies; altered work is found."""
    run = run_scenario("machines", days=0.5, out=tmp_path / "run", workers=1)
    s = run.summary
    total = s["total"]
    assert total["audit"]["orders"] > 0
    assert total["market"]["orders"] == total["baseline"]["orders"] == len(s["orders"]["market"])
    assert total["market"]["orders_finished"] > total["baseline"]["orders_finished"] > 0
    steps = run.to_polars("steps")
    assert s["total"]["market"]["orders_paid"] == pytest.approx(steps["price_nano"].sum() / 1e9)
    drawn = run.to_polars("devices")["used_uj"].sum()
    assert drawn >= steps["energy_uj"].sum() > 0  # the rest is what idling draws
    assert total["market"]["computed_j"] == pytest.approx(drawn / 1e6)
    people = sum(p["saving"] for p in s["participants"])
    operator = s["operator"]["market"] - s["operator"]["baseline"]
    assert people + operator == pytest.approx(total["audit"]["saving"], abs=1e-9)
    assert verify_run(run.folder)["intervals"] == 2 * 144

    part = run.folder / "market" / "steps" / "part-00000.parquet"
    pl.read_parquet(part).with_columns(pl.col("price_nano") + 1).write_parquet(part)
    repair(run.folder)
    with pytest.raises(VerificationError, match="does not follow from the other tables"):
        verify_run(run.folder)


def test_a_rule_without_nodal_prices_is_run_again(tmp_path: Path) -> None:
    """R13: `diffusion` with a seed of its own; another price or energy is not what it gives."""
    run = run_scenario(
        "machines", days=0.05, mechanism="diffusion", parameters={"sweeps": 3}, seed=7,
        out=tmp_path / "run", workers=1,
    )  # fmt: skip
    assert verify_run(run.folder)["intervals"] == 28
    assert run.to_polars()["gap"].max() > 0
    part = run.folder / "market" / "nodes" / "part-00000.parquet"
    table = pl.read_parquet(part)
    table.with_columns(pl.col("price_per_j") * (1 + 1e-12)).write_parquet(part)
    repair(run.folder)
    with pytest.raises(VerificationError, match="another price than the rule gives"):
        verify_run(run.folder)


def test_a_village_off_the_grid_from_the_scenario_to_the_check(tmp_path: Path) -> None:
    """A1, A2: living alone is the comparison, what went dark has its stated cost."""
    run = run_scenario("village", days=1, out=tmp_path / "run", workers=1)
    s = run.summary
    total = s["total"]
    assert s["baseline"] == "autarky" and s["ac"] is None
    assert total["market"]["cash"] == total["baseline"]["cash"] == 0
    assert total["market"]["served_share"] > total["baseline"]["served_share"]
    dark = total["baseline"]["unserved_j"] - total["market"]["unserved_j"]
    assert total["audit"]["served"] == pytest.approx(dark / 3.6e6 * 1.0)  # 1 USD a kWh
    own = sum(p["unserved_baseline_j"] for p in s["participants"])
    assert own == pytest.approx(total["baseline"]["unserved_j"])
    assert verify_run(run.folder)["intervals"] == 2 * 96


@pytest.mark.parametrize("world", ["market", "baseline"])
def test_what_comes_in_goes_out_exactly_in_every_interval(run: Run, world: str) -> None:
    t = run.to_polars("intervals", world)
    come = t["generated_uj"] + t["import_uj"] + t["discharged_uj"] + t["unserved_uj"]
    gone = (
        t["consumed_uj"] + t["export_uj"] + t["charged_uj"] + t["loss_uj"]
        + t["standing_loss_uj"] + t["spilled_uj"]
    )  # fmt: skip
    assert (come == gone).all()
    paid = run.to_polars("devices", world).group_by("time_s").agg(pl.col("payment_nano").sum())
    both = paid.join(t, on="time_s")
    assert (both["payment_nano"] == both["operator_nano"]).all()


def test_the_same_run_has_the_same_id_and_the_same_bytes(
    scenario: Path, run: Run, tmp_path: Path
) -> None:
    again = run_scenario(scenario, out=tmp_path / "two", workers=2)
    assert again.manifest == run.manifest
    for name in run.manifest["outputs"]:
        assert file_hash(run.folder / name) == file_hash(again.folder / name), name
    other = run_scenario(scenario, out=tmp_path / "three", workers=1, seed=1)
    assert other.manifest["run"] != run.manifest["run"]


def test_a_run_verifies_alone(run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere"
    shutil.copytree(run.folder, alone)
    found = verify_run(alone)
    assert found["intervals"] == 2 * 96


def repair(folder: Path) -> None:
    """Make all hashes right again, as a forger would."""
    path = folder / NAME
    manifest = json.loads(path.read_text())
    manifest.pop("digest")
    for name in manifest["outputs"]:
        manifest["outputs"][name] = file_hash(folder / name)
    for name in manifest["inputs"]:
        manifest["inputs"][name] = file_hash(folder / "scenario" / name)
    manifest["digest"] = digest(manifest)
    path.write_text(json.dumps(manifest))


def in_table(
    world: str, table: str, column: str, row: int, change: float
) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        path = folder / world / table / "part-00000.parquet"
        frame = pl.read_parquet(path)
        values = frame[column].to_list()
        at = next(i for i in range(row, len(values)) if values[i] is not None)
        values[at] += change
        frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype)).write_parquet(path)

    return alter


def in_summary(*keys: str) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        path = folder / "summary.json"
        document = json.loads(path.read_text())
        place = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] += 0.01
        path.write_text(json.dumps(document))

    return alter


def in_input(folder: Path) -> None:
    path = folder / "scenario" / "prices.csv"
    path.write_text(path.read_text().replace("0.30", "0.31"))


ALTERATIONS = {
    "energy": in_table("market", "devices", "energy_uj", 500, 1),
    "payment": in_table("market", "devices", "payment_nano", 500, 1),
    "battery": in_table("market", "devices", "stored_uj", 3, 1),
    "flow": in_table("market", "links", "flow_uj", 300, 1),
    "loss": in_table("market", "links", "loss_uj", 300, 1),
    "price": in_table("market", "nodes", "price_per_j", 300, 1e-12),
    "import": in_table("market", "intervals", "import_uj", 40, 1),
    "operator": in_table("market", "intervals", "operator_nano", 40, 1),
    "baseline energy": in_table("baseline", "devices", "energy_uj", 500, 1),
    "baseline payment": in_table("baseline", "devices", "payment_nano", 500, 1),
    "baseline flow": in_table("baseline", "links", "flow_uj", 300, -1),
    "saving": in_summary("total", "audit", "saving"),
    "one household": in_summary("operator", "market"),
    "AC losses": in_summary("ac", "market", "loss_j"),
    "an input": in_input,
}


@pytest.mark.parametrize("what", ALTERATIONS)
@pytest.mark.parametrize("hashes", ["left", "repaired"])
def test_one_alteration_is_refused(run: Run, tmp_path: Path, what: str, hashes: str) -> None:
    folder = tmp_path / "forged"
    shutil.copytree(run.folder, folder)
    ALTERATIONS[what](folder)
    if hashes == "repaired":
        repair(folder)
    with pytest.raises(VerificationError) as caught:
        verify_run(folder)
    assert caught.value.place


def test_a_missing_and_a_foreign_file_are_named(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "forged"
    shutil.copytree(run.folder, folder)
    (folder / "extra.txt").write_text("hello")
    with pytest.raises(VerificationError, match=r"extra.txt.*does not belong"):
        verify_run(folder)
    (folder / "extra.txt").unlink()
    (folder / "summary.json").unlink()
    with pytest.raises(VerificationError, match=r"summary.json.*missing"):
        verify_run(folder)


def test_part_of_a_scenario(scenario: Path, tmp_path: Path) -> None:
    s = isojoule.run(scenario, days=0.25, out=tmp_path / "a").summary
    assert s["total"]["intervals"] == 24
    assert "--days 0.25" in s["reproduce"]["command"]
    with pytest.raises(InputError, match="no interval"):
        run_scenario(scenario, start="1999-01-01", end="1999-01-02", out=tmp_path / "b")
    with pytest.raises(InputError, match="not a date"):
        run_scenario(scenario, start="tomorrow", out=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_the_baseline_against_itself_saves_nothing(scenario: Path, tmp_path: Path) -> None:
    run = run_scenario(scenario, mechanism="utility-only", out=tmp_path / "a", workers=1)
    a = run.summary["total"]["audit"]
    assert a["baseline_cost"] == a["market_cost"]
    assert all(p["saving"] == 0 for p in run.summary["participants"])
    verify_run(run.folder)


def edited(scenario: Path, target: Path, change: Callable[[str], str]) -> Path:
    """A copy of a scenario with another scenario.yaml."""
    shutil.copytree(scenario, target)
    path = target / "scenario.yaml"
    text = change(path.read_text())
    assert text != path.read_text()
    path.write_text(text)
    return target


def test_a_period_that_does_not_close_says_so_and_counts_what_is_left(
    scenario: Path, tmp_path: Path
) -> None:
    one_round = edited(
        scenario, tmp_path / "open", lambda text: text.replace("max_rounds: 30", "max_rounds: 1")
    )
    not_cyclic = edited(scenario, tmp_path / "once", lambda text: text[: text.index("cyclic:  ")])
    opened = run_scenario(one_round, out=tmp_path / "a", workers=1)
    once = run_scenario(not_cyclic, out=tmp_path / "b", workers=1)
    period = opened.summary["periods"][0]
    assert not period["cyclic_market"]
    assert period["audit"]["saving"] == once.summary["total"]["audit"]["saving"]
    assert period["market"]["stored_change_j"] != 0
    verify_run(opened.folder)


@pytest.mark.parametrize("world", ["market", "baseline"])
def test_a_period_is_repeated_until_it_closes(run: Run, world: str) -> None:
    period = run.summary["periods"][0]
    assert period[f"rounds_{world}"] > 1
    assert period[f"cyclic_{world}"]
    table = run.to_polars("devices", world).filter(pl.col("stored_uj").is_not_null())
    end = table.filter(pl.col("time_s") == table["time_s"].max())["stored_uj"].to_list()
    smallest_uj = 5e3 * 3.6e9  # no battery of the street is smaller
    gaps = [abs(a - b) for a, b in zip(period[f"start_uj_{world}"], end, strict=True)]
    assert max(gaps) <= 0.001 * smallest_uj


def test_refusals_leave_nothing_behind(scenario: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="is no run"):
        run_scenario(scenario, out=taken)
    assert (taken / "mine.txt").read_text() == "keep"
    with pytest.raises(InputError, match="there is no scenario 'nowhere'"):
        run_scenario("nowhere", out=tmp_path / "x")
    with pytest.raises(InputError, match="unknown mechanism"):
        run_scenario(scenario, mechanism="magic", out=tmp_path / "x")
    with pytest.raises(InputError, match="no run folder"):
        Run(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken"]


def test_for_a_notebook(run: Run, tmp_path: Path) -> None:
    assert run.to_polars("nodes").columns[:4] == ["period", "time_s", "node", "price_per_j"]
    assert len(run.to_pandas("links")) == 96 * 7
    assert "<svg" in run._repr_html_()
    assert all(text.startswith("<svg") for text in run.figures().values())
    files = run.to_csv(tmp_path / "csv")
    assert {f.name for f in files} >= {"market-intervals.csv", "baseline-devices.csv"}
    with pytest.raises(InputError, match="tables: intervals"):
        run.to_polars("meters")
