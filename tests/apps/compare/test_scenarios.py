"""Mechanisms on one scenario: runs that verify, settled alike, however many workers."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from isojoule.apps.cli.main import app
from isojoule.apps.compare import Asked, compare_scenario, show_comparison, write_page
from isojoule.apps.compare.points import NO_OUTSIDE
from isojoule.apps.compare.runs import as_if_bought
from isojoule.apps.compare.scenarios import digest_of, network_for
from isojoule.apps.files.scenario_files import new_scenario, read_scenario
from isojoule.apps.results.unfinished import locked
from isojoule.apps.results.verify import verify_run
from isojoule.core.errors import InputError, Interrupted
from isojoule.microworld.forecast import Noise

NAMES = ("equilibrium", "uniform-price", "utility-only", "mcafee", "vcg")


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "street"
    new_scenario(folder)
    (folder / "settlement.yaml").unlink()  # its fees are paid because of the market
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared") / "one"


@pytest.fixture(scope="module")
def document(street: Path, out: Path) -> dict[str, Any]:
    return compare_scenario(street, Asked(NAMES), out, days=0.5)


def row(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in document["mechanisms"] if r["name"] == name)
    return found


def test_each_is_a_run_that_verifies_alone(document: dict[str, Any], out: Path) -> None:
    for name in NAMES[:3]:
        assert row(document, name)["status"] == "ran"
        assert verify_run(out / "runs" / name)["intervals"] == 2 * 48


def test_refusals_are_rows_with_reasons(document: dict[str, Any]) -> None:
    assert [r["name"] for r in document["mechanisms"]] == list(NAMES)
    for name in NAMES[3:]:
        assert row(document, name)["status"] == "refused"
        assert row(document, name)["reason"]
    assert set(document["ranking"]["order"]) == set(NAMES[:3])


def test_the_baseline_is_the_same_in_all(document: dict[str, Any], out: Path) -> None:
    files = {
        name: {
            p.relative_to(out / "runs" / name): p.read_bytes()
            for p in (out / "runs" / name / "baseline").rglob("*.parquet")
        }
        for name in NAMES[:3]
    }
    assert files["equilibrium"] == files["uniform-price"] == files["utility-only"]


def test_savings_add_up_and_nothing_is_left_with_the_operator(document: dict[str, Any]) -> None:
    """A6, with the operator's line shared in both worlds."""
    for name in NAMES[:3]:
        r = row(document, name)
        assert r["operator"]["surplus"] == pytest.approx(0, abs=1e-9)
        people = sum(p["saving"] for p in r["participants"])
        assert people == pytest.approx(r["saving"], abs=1e-7)
        lines = sum(r["operator"]["lines"].values())
        assert lines == pytest.approx(r["operator"]["shared"], abs=1e-9)


def test_no_market_at_all_saves_nobody_anything(document: dict[str, Any]) -> None:
    alone = row(document, "utility-only")
    assert alone["saving"] == pytest.approx(0, abs=1e-9)
    for p in alone["participants"]:
        assert p["saving"] == pytest.approx(0, abs=1e-6)
    assert alone["fairness"]["losers"] == 0
    assert alone["points"]["peak"] == alone["points"]["carbon"] == 0.0
    # gains of some nano-units are none: nobody gains, and nothing is spread evenly
    assert (alone["fairness"]["gini"], alone["fairness"]["gainers"]) == (None, 0)
    assert alone["points"]["fairness"] == 0.0


def test_who_ignores_the_wires_pays_for_them(document: dict[str, Any]) -> None:
    """R21: losses are there, as large as elsewhere, and the members pay for them."""
    blind, seeing = row(document, "uniform-price"), row(document, "equilibrium")
    assert (blind["network"], blind["sees_wires"]) == ("copperplate", False)
    assert (seeing["network"], seeing["sees_wires"]) == ("transport", True)
    assert blind["energy"]["loss_j"] > 0.5 * seeing["energy"]["loss_j"] > 0
    assert blind["operator"]["lines"]["wires and imbalance"] < 0
    assert blind["operator"]["shared"] < 0
    assert blind["saving"] <= seeing["saving"] + 0.01


def test_the_operators_lines_have_the_names_that_the_rule_gives_them(
    street: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    asked = Asked(("vcg-exchange", "pay-as-bid"))
    found = compare_scenario(street, asked, tmp_path, days=0.1)
    assert "pivots" in row(found, "vcg-exchange")["operator"]["lines"]
    assert row(found, "pay-as-bid")["operator"]["lines"]["spread"] > 0
    seeing = row(document, "equilibrium")["operator"]["lines"]
    assert seeing["loss_rent"] > 0
    for r in [*found["mechanisms"], *(row(document, name) for name in NAMES[:3])]:
        assert "all other lines" not in r["operator"]["lines"]
        whole = r["operator"]["shared"] + r["operator"]["surplus"]
        assert sum(r["operator"]["lines"].values()) == pytest.approx(whole, abs=1e-9)
    assert verify_run(tmp_path / "runs" / "vcg-exchange")["intervals"] == 2 * 10
    shown = Console(record=True, width=200)
    show_comparison(found, shown)
    assert "operator's lines of pay-as-bid: spread" in shown.export_text()
    assert '<th scope="col">pivots</th>' in write_page(found, tmp_path).read_text()


def test_need_that_is_not_served_counts_as_bought(tmp_path: Path) -> None:
    """By hand: 3 kWh needed, 1 imported, 2 not served in another interval; 0.3 kWh are lost."""
    columns = {
        "import_uj": [3_600_000_000_000, 0],
        "export_uj": [0, 720_000_000_000],
        "unserved_uj": [0, 7_200_000_000_000],
        "consumed_uj": [3_600_000_000_000, 7_200_000_000_000],
        "loss_uj": [1_080_000_000_000, 0],
        "standing_loss_uj": [0, 0],
        "carbon_kg_per_j": [0.1 / 3.6e6, 0.4 / 3.6e6],
    }
    (tmp_path / "market" / "intervals").mkdir(parents=True)
    path = tmp_path / "market" / "intervals" / "part-00000.parquet"
    pl.DataFrame(columns).write_parquet(path)
    found = as_if_bought(tmp_path, "market", 3600)
    assert found == {
        "self_sufficiency": pytest.approx(1 - 3 / 3.3),
        "peak_w": pytest.approx(2000.0),
        "carbon_kg": pytest.approx(0.1 + 0.8),
    }
    unknown = pl.DataFrame({**columns, "carbon_kg_per_j": [None, 1.0]})
    unknown.write_parquet(path)
    assert as_if_bought(tmp_path, "market", 3600)["carbon_kg"] is None


def test_who_serves_nobody_wins_nothing_by_it(street: Path, tmp_path: Path) -> None:
    found = compare_scenario(street, Asked(("autarky",)), tmp_path, days=0.1)
    alone = row(found, "autarky")
    assert alone["energy"]["self_sufficiency"] in (None, 1.0)  # of what is served, R9
    assert alone["energy"]["served_share"] < 0.9
    base = found["baseline"]["as_if_bought"]
    assert alone["as_if_bought"]["self_sufficiency"] < 0.9
    assert alone["points"]["carbon"] < 0.9 and alone["points"]["peak"] < 0.9
    assert alone["points"]["peak"] == pytest.approx(
        1 - alone["as_if_bought"]["peak_w"] / base["peak_w"]
    )
    shown = Console(record=True, width=200)
    show_comparison(found, shown)
    assert "served: of the need, in %" in shown.export_text()


def test_off_the_grid_what_comes_from_outside_is_left_out(tmp_path: Path) -> None:
    found = compare_scenario("village", Asked(("equilibrium", "autarky")), tmp_path, days=0.1)
    left = found["ranking"]["left_out"]
    assert left == dict.fromkeys(("self_sufficiency", "peak", "carbon"), NO_OUTSIDE)
    assert row(found, "autarky")["points"]["fairness"] == 0.0
    shown = Console(record=True, width=200)
    show_comparison(found, shown)
    assert "Left out: self-sufficiency, peak and carbon, off the grid" in shown.export_text()
    assert NO_OUTSIDE in write_page(found, tmp_path).read_text()


def test_two_workers_give_the_same(street: Path, document: dict[str, Any], tmp_path: Path) -> None:
    again = compare_scenario(street, Asked(NAMES), tmp_path / "two", days=0.5, workers=2)
    assert digest_of(again) == digest_of(document)
    changed = json.loads(json.dumps(document))
    changed["mechanisms"][0]["saving"] += 1e-9
    assert digest_of(changed) != digest_of(document)


def test_what_is_finished_is_used_again(
    street: Path, document: dict[str, Any], out: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    stamp = {n: (copy / "runs" / n / "manifest.json").stat().st_mtime_ns for n in NAMES[:3]}
    shutil.rmtree(copy / "runs" / "equilibrium")
    again = compare_scenario(street, Asked(NAMES), copy, days=0.5)
    assert digest_of(again) == digest_of(document)
    for name in NAMES[1:3]:  # elsewhere and by another process, but the very same inputs
        assert (copy / "runs" / name / "manifest.json").stat().st_mtime_ns == stamp[name]
    assert again["mechanisms"][1]["seconds"] is not None
    # another question is another run
    other = compare_scenario(street, Asked(("uniform-price",)), copy, days=0.3)
    assert row(other, "uniform-price")["digest"] != row(document, "uniform-price")["digest"]
    assert (copy / "runs/uniform-price/manifest.json").stat().st_mtime_ns != stamp["uniform-price"]


def test_ctrl_c_leaves_what_is_finished(
    street: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "uniform-price: simulating" and done:
            raise KeyboardInterrupt

    out = tmp_path / "halted"
    with pytest.raises(Interrupted, match="1 of 5 studies are finished"):
        compare_scenario(street, Asked(NAMES), out, days=0.5, report=interrupt)
    first = out / "runs" / "equilibrium" / "manifest.json"
    stamp = first.stat().st_mtime_ns
    assert not (out / "runs" / "uniform-price").exists()
    again = compare_scenario(street, Asked(NAMES), out, days=0.5)
    assert digest_of(again) == digest_of(document)
    assert first.stat().st_mtime_ns == stamp


def test_too_slow_is_a_row(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from isojoule.market.mechanisms.uniform_price import UniformPrice

    def slow(self: UniformPrice, *args: object, **more: object) -> None:
        while True:
            pass

    monkeypatch.setattr(UniformPrice, "clear", slow)
    asked = Asked(("uniform-price",), limit_s=0.3)
    found = row(compare_scenario(street, asked, tmp_path / "x", days=0.1), "uniform-price")
    assert found["status"] == "skipped" and "not finished within 0.3 s" in found["reason"]
    assert not list((tmp_path / "x" / "runs").glob(".*"))


def test_rules_of_settlement_are_kept_but_for_what_is_left(street: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "isojoule: 1\ncurrency: EUR\nimbalance: {price: dual}\nsurplus: keep\n"
        "fees: [{name: fee, on: days, rate: 0.10 EUR/d, to: us}]\n"
    )
    asked = Asked(("equilibrium", "uniform-price"))
    found = compare_scenario(street, asked, tmp_path / "x", days=0.2, rules=rules)
    for name, payer in (("equilibrium", "cause"), ("uniform-price", "members")):
        assert row(found, name)["operator"]["surplus"] == pytest.approx(0, abs=1e-9)
        assert row(found, name)["parts"]["fees"] < 0
        summary = json.loads((tmp_path / "x" / "runs" / name / "summary.json").read_text())
        used = summary["settlement"]["rules"]
        assert (used["surplus"], used["imbalance"]["price"]) == ("energy", "dual")
        assert used["imbalance"]["payer"] == payer
    rules.write_text("isojoule: 1\ncurrency: USD\n")
    with pytest.raises(InputError, match="currency"):
        compare_scenario(street, asked, tmp_path / "y", days=0.2, rules=rules)


def test_two_do_not_compare_in_one_folder(street: Path, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    with (tmp_path / "studies" / "lock").open("w") as lock:
        assert locked(lock)
        with pytest.raises(InputError, match="another process"):
            compare_scenario(street, Asked(("autarky",)), tmp_path, days=0.1)


def test_the_form_of_the_document(document: dict[str, Any]) -> None:
    assert list(document) == [
        "isojoule", "kind", "title", "scenario", "attribution", "currency", "timezone", "network",
        "interval_s", "periods", "options", "seed", "baseline", "best", "mechanisms", "ranking",
    ]  # fmt: skip
    assert list(row(document, "uniform-price")) == [
        "name", "parameters", "summary", "simplicity", "status", "seconds", "run", "digest",
        "network", "sees_wires", "saving", "saving_share", "cost", "parts", "operator", "prices",
        "energy", "as_if_bought", "physics", "curtailed_j", "unproven_intervals", "fairness",
        "participants", "points", "idle", "welfare",
    ]  # fmt: skip
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_page_holds_all_names_and_nothing_from_outside(
    document: dict[str, Any], out: Path
) -> None:
    page = write_page(document, out).read_text()
    for name in NAMES:
        assert name in page
    for r in document["mechanisms"]:
        if r["status"] == "refused":
            assert r["reason"].split("'")[0] in page
    for p in row(document, "equilibrium")["participants"]:
        assert p["label"] in page
    assert "$" not in re.sub(r"\$\{|\$\$|\"\$\"", "", page.split("<script>")[0])
    assert not re.search(r"(src|href)=", page)


def test_off_the_grid_and_on_a_forecast_rules_may_ignore_the_wires(street: Path) -> None:
    """R21: batteries make up for them, or the utility."""
    from isojoule.apps.files.scenario_files import bundled

    village = read_scenario(bundled()["village"])
    assert network_for(village, ("copperplate",)) == "copperplate"
    errs = dataclasses.replace(read_scenario(street), forecast=Noise())
    assert network_for(errs, ("copperplate",)) == "copperplate"
    assert network_for(village, ("copperplate", "transport")) == ""
    assert isinstance(network_for(read_scenario(street), ("dc",)), InputError)


def test_the_command(street: Path, document: dict[str, Any], out: Path) -> None:
    run = CliRunner().invoke
    found = run(
        app, ["compare", str(street), "--mechanisms", ",".join(NAMES), "--days", "0.5", "--json",
              "--out", str(out), "--workers", "1"],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert digest_of(json.loads(found.stdout)) == digest_of(document)
    shown = run(app, ["compare", str(street), "--mechanisms", "utility-only", "--days", "0.5",
                      "--out", str(out), "--workers", "1"])  # fmt: skip
    assert shown.exit_code == 0 and "utility-only" in shown.output
    assert (out / "compare.html").is_file() and (out / "compare.json").is_file()
    assert run(app, ["compare", "nowhere", "--out", str(out)]).exit_code == 2
    wrong = run(app, ["compare", str(street), "--periods", "never", "--out", str(out)])
    assert wrong.exit_code == 2
