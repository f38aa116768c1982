"""Runs that were altered with all hashes repaired, and the summary made again. Spec: R13."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from isojoule.apps.files.scenario_files import read_scenario
from isojoule.apps.results import Run, run_scenario
from isojoule.apps.results.manifest import NAME, file_hash
from isojoule.apps.results.verify import verify_run
from isojoule.core.canonical import digest
from isojoule.core.errors import VerificationError

Forge = Callable[[Path], None]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = run_scenario("machines", days=0.1, out=tmp_path_factory.mktemp("runs") / "honest")
    assert verify_run(run.folder)["intervals"] == 58
    return run


def repair(run: Path) -> None:
    """Every file listed with the hash that it has now."""
    path = run / NAME
    manifest = json.loads(path.read_text())
    del manifest["digest"]
    manifest["outputs"] = {
        p.relative_to(run).as_posix(): file_hash(p)
        for p in sorted(run.rglob("*"))
        if p.is_file() and p.name != NAME and p.parent != run / "scenario"
    }
    manifest["inputs"] = {p.name: file_hash(p) for p in (run / "scenario").iterdir()}
    manifest["digest"] = digest(manifest)
    path.write_text(json.dumps(manifest))


def table(where: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Forge:
    def forge(run: Path) -> None:
        path = run / where / "part-00000.parquet"
        change(pl.read_parquet(path)).write_parquet(path)

    return forge


def swapped(frame: pl.DataFrame) -> pl.DataFrame:
    other = pl.when(pl.col("participant") == "ada").then(pl.lit("ben")).otherwise(pl.lit("ada"))
    return frame.with_columns(other.alias("participant"))


def one_more_part(run: Path) -> None:
    part = run / "market" / "steps" / "part-00000.parquet"
    more = pl.read_parquet(part).with_columns(pl.col("price_nano") * 1000)
    more.write_parquet(part.with_name("part-00001.parquet"))


def other_start(run: Path) -> None:
    path = run / "scenario" / "devices.parquet"
    pl.read_parquet(path).with_columns(pl.col("energy_j") * 0.5).write_parquet(path)


def summary(key: str, value: object) -> Forge:
    def forge(run: Path) -> None:
        path = run / "summary.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    return forge


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (table("market/devices", swapped), "participant does not follow"),
        (
            table("market/operator", lambda f: f.with_columns(pl.col("amount_nano") + 99)),
            "operator, .*: is",
        ),
        (table("market/operator", lambda f: f.with_columns(line=pl.lit("x"))), "'x' twice"),
        (table("market/devices", lambda f: f.with_columns(node=pl.lit("panel"))), "node does not"),
        (table("market/links", lambda f: f.with_columns(period=pl.lit("x"))), "period does not"),
        (table("market/nodes", lambda f: f.with_columns(period=pl.lit("x"))), "period does not"),
        (table("baseline/devices", lambda f: f.with_columns(more=pl.lit(1))), "columns, not"),
        (table("market/intervals", lambda f: f.head(5)), "has 5 rows"),
        (table("market/intervals", lambda f: f.drop("welfare")), "lacks column"),
        (
            table("baseline/intervals", lambda f: f.with_columns(pl.col("loss_rent_nano") + 1)),
            "is 1",
        ),
        (table("market/intervals", lambda f: f.with_columns(proven=~pl.col("proven"))), "proven"),
        (table("market/machines", lambda f: f.with_columns(stage=pl.lit("dead"))), "stage does"),
        (table("market/events", lambda f: f.head(0)), "rows of"),
        (table("market/devices", lambda f: f.with_columns(pl.col("used_uj") + 1)), "fed its"),
        (one_more_part, "does not belong to the run"),
        (other_start, "does not start with what the scenario states"),
        (summary("currency", "USD"), "currency"),
        (summary("mechanism", "autarky"), "mechanism"),
        (summary("interval_s", 900), "interval_s"),
    ],
)
def test_a_forged_run_is_refused(honest: Run, tmp_path: Path, forge: Forge, told: str) -> None:
    run = tmp_path / "forged"
    shutil.copytree(honest.folder, run)
    forge(run)
    repair(run)
    with pytest.raises(VerificationError, match=told):
        verify_run(run)


def test_who_owns_no_device_still_pays_and_earns(tmp_path: Path) -> None:
    """A5, A6: a customer with Orders alone, and the owner of a link."""
    folder = tmp_path / "world"
    source = Path(str(run_scenario("machines", days=0.01, out=tmp_path / "r").folder)) / "scenario"
    shutil.copytree(source, folder)
    people = pl.read_parquet(folder / "participants.parquet")
    more = pl.DataFrame({"participant": ["cy", "dee"], "label": ["Cy", "Dee"]})
    pl.concat([people, more]).write_parquet(folder / "participants.parquet")
    orders = pl.read_parquet(folder / "orders.parquet")
    theirs = pl.when(pl.col("order").str.contains("build")).then(pl.lit("cy"))
    orders.with_columns(theirs.otherwise("participant").alias("participant")).write_parquet(
        folder / "orders.parquet"
    )
    links = pl.read_parquet(folder / "links.parquet")
    dees = pl.when(pl.col("link") == "house-cable").then(pl.lit("dee")).otherwise("owner")
    links.with_columns(dees.alias("owner")).write_parquet(folder / "links.parquet")
    assert "dee" in read_scenario(folder).grid.owner

    run = run_scenario(folder, days=0.5, out=tmp_path / "run")
    s = run.summary
    paid = {p["participant"]: p for p in s["participants"]}
    assert paid["dee"]["market_cost"] < 0 == paid["dee"]["baseline_cost"]
    assert paid["cy"]["market_cost"] > 0 and paid["cy"]["baseline_cost"] > 0
    operator = s["operator"]["market"] - s["operator"]["baseline"]
    saved = sum(p["saving"] for p in s["participants"])
    assert saved + operator == pytest.approx(s["total"]["audit"]["saving"], abs=1e-9)
    verify_run(run.folder)
