"""Mechanisms on one book: every number is the clearing's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import isojoule
from isojoule.apps.cli.main import app
from isojoule.apps.compare import Asked, compare_book
from isojoule.apps.compare.asked import chosen
from isojoule.core.errors import InputError
from isojoule.market import Refusal
from isojoule.market.mechanisms import names

BOOKS = Path(__file__).parents[3] / "examples" / "books"
FOUR = """\
isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 1 h}
network: copperplate
nodes: [street]
offers:
  - {participant: ann, node: street, buy: [{energy: 1 kWh, price: 0.30 EUR/kWh}]}
  - {participant: ben, node: street, buy: [{energy: 1 kWh, price: 0.20 EUR/kWh}]}
  - {participant: cat, node: street, sell: [{energy: 1 kWh, price: 0.10 EUR/kWh}]}
  - {participant: dan, node: street, sell: [{energy: 1 kWh, price: 0.16 EUR/kWh}]}
"""


@pytest.fixture
def four(tmp_path: Path) -> Path:
    path = tmp_path / "four.yaml"
    path.write_text(FOUR)
    return path


@pytest.mark.parametrize("book", ["three-homes", "two-batteries", "three-buses", "community"])
def test_numbers_are_each_clearings_own(book: str) -> None:
    path = BOOKS / f"{book}.yaml"
    document = compare_book(path, Asked(tuple(names())))
    assert [row["name"] for row in document["mechanisms"]] == names()
    best = document["best"]
    for row in document["mechanisms"]:
        own = isojoule.clear(path, mechanism=row["name"], seed=bytes(8))
        if isinstance(own, Refusal):
            assert (row["status"], row["reason"], row["remedy"]) == (
                "refused", own.reason, own.remedy,
            )  # fmt: skip
            continue
        c = own.clearing
        assert row["status"] == "cleared"
        assert row["welfare"] == {"gains": c.welfare, "share_of_best": c.welfare / best}
        assert row["operator"]["surplus"] == c.surplus_nano / 1e9
        assert row["prices"]["nodes"] == own.prices
        paid = {p["participant"]: p["pays"] for p in row["participants"]}
        assert sum(paid.values()) == pytest.approx(sum(own.payments.values()), abs=1e-12)
        # what all gain and what the operator has is what there is to gain
        gains = sum(p["gain"] for p in row["participants"])
        assert gains + c.surplus_nano / 1e9 == pytest.approx(c.welfare, abs=2e-8 + 1e-9 * best)
        deficit = max(-c.surplus_nano / 1e9, 0.0)
        levied = [p["levy"] for p in row["participants"]]
        assert sum(levied) == pytest.approx(deficit, abs=1e-12)
        assert not any(p["levy"] for p in row["participants"] if p["outside"])


def test_four_traders_by_hand(four: Path) -> None:
    """Gains: 0.30 - 0.10 + 0.20 - 0.16 = 0.24. McAfee's price, and pay-as-bid's spread."""
    asked = Asked(("uniform-price", "pay-as-bid", "mcafee", "vcg-exchange"))
    rows = {r["name"]: r for r in compare_book(four, asked)["mechanisms"]}
    gains = {
        name: {p["participant"]: round(p["gain"], 6) for p in row["participants"]}
        for name, row in rows.items()
    }
    # the price lies midway between 0.16 and 0.20
    assert gains["uniform-price"] == {"ann": 0.12, "ben": 0.02, "cat": 0.08, "dan": 0.02}
    assert set(gains["pay-as-bid"].values()) == {0.0}
    assert rows["pay-as-bid"]["operator"]["lines"]["spread"] == pytest.approx(0.24)
    # no third pair proposes a price, so the second gives up: 0.20 and 0.16 are paid
    assert rows["mcafee"]["welfare"]["gains"] == pytest.approx(0.20)
    assert gains["mcafee"] == {"ann": 0.10, "ben": 0.0, "cat": 0.06, "dan": 0.0}
    assert rows["mcafee"]["welfare"]["share_of_best"] == pytest.approx(0.20 / 0.24)
    # each is charged what it takes from the others: without ann 0.10, with her 0.04 are theirs
    vcg = rows["vcg-exchange"]
    assert gains["vcg-exchange"] == {"ann": 0.14, "ben": 0.04, "cat": 0.10, "dan": 0.04}
    assert vcg["operator"]["surplus"] == pytest.approx(-0.08)
    assert {round(p["levy"], 9) for p in vcg["participants"]} == {0.02}
    assert vcg["points"]["members"] == pytest.approx(1.0)


def test_the_document_keeps_its_form(four: Path) -> None:
    document = compare_book(four, Asked(("mcafee", "vcg"), seed=3))
    assert list(document) == [
        "isojoule", "kind", "title", "currency", "network", "interval", "seed", "offers", "best",
        "mechanisms", "ranking",
    ]  # fmt: skip
    ran, refused = document["mechanisms"]
    assert list(ran) == [
        "name", "parameters", "summary", "simplicity", "status", "network", "welfare", "operator",
        "prices", "energy", "fairness", "participants", "idle", "seconds", "points",
    ]  # fmt: skip
    assert list(refused) == [
        "name", "parameters", "summary", "simplicity", "status", "reason", "remedy",
    ]  # fmt: skip
    assert list(document["ranking"]) == [
        "criteria", "left_out", "order", "places", "scores", "flips",
    ]  # fmt: skip
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_ties_are_level_and_idle_rules_say_so() -> None:
    """Six rules clear alike; that payments differ by nano-units puts none of them first."""
    path = BOOKS / "unit-demand.yaml"
    level = ["equilibrium", "k-double", "lmp", "mcafee", "uniform-price", "vcg-exchange"]
    asked = Asked((*reversed(level), "pay-as-bid", "bonding-curve", "autarky"))
    document = compare_book(path, asked)
    ranked = document["ranking"]
    assert ranked["order"][:6] == level
    assert [ranked["places"][name] for name in level] == [1] * 6
    assert all(f["from"] != f["to"] and f["winner"] not in level for f in ranked["flips"])
    rows = {r["name"]: r for r in document["mechanisms"]}
    assert "did not trade with its default parameters" in rows["bonding-curve"]["idle"]
    assert (
        "--set bonding-curve.NAME=VALUE, where NAME is pool, kappa"
        in (rows["bonding-curve"]["idle"])
    )
    assert (rows["autarky"]["idle"], rows["lmp"]["idle"]) == ("did not trade", "")
    for name in ("bonding-curve", "autarky"):
        assert rows[name]["fairness"]["gini"] is None and rows[name]["points"]["fairness"] == 0.0
    # who pays its bid gains nothing but what rounding leaves
    assert rows["pay-as-bid"]["points"]["fairness"] == 0.0
    shown = CliRunner().invoke(
        app, ["compare", str(path), "--mechanisms", ",".join(asked.mechanisms)]
    )
    assert "vcg-exchange are level" in shown.output and "-0 " not in shown.output
    assert "operator's lines of vcg-exchange: pivots -0.18 EUR" in shown.output
    assert "bonding-curve did not trade" in shown.output


def test_what_is_too_slow_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from isojoule.market.mechanisms.utility_only import UtilityOnly

    def slow(self: UtilityOnly, *args: object, **more: object) -> None:
        while True:
            pass

    monkeypatch.setattr(UtilityOnly, "clear", slow)
    asked = Asked(("utility-only", "lmp"), limit_s=2)
    row, other = compare_book(BOOKS / "three-homes.yaml", asked)["mechanisms"]
    assert row["status"] == "skipped"
    assert "not finished within 2 s" in row["reason"]
    assert other["status"] == "cleared"


@pytest.mark.parametrize("text", ["", "equilibrium,nonsense", "lmp, lmp"])
def test_bad_lists_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        chosen(text, {})


def test_the_command_prints_a_table_json_and_a_page(four: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    shown = run(app, ["compare", str(four), "--mechanisms", "mcafee,vcg", "--weight", "fairness=2"])
    assert shown.exit_code == 0
    assert "mcafee" in shown.output and "vcg refused: " in shown.output
    assert "fairness 2" in shown.output
    found = run(
        app,
        ["compare", str(four), "--mechanisms", "all", "--json", "--out", str(tmp_path / "out"),
         "--set", "uniform-price.kappa=0"],
    )  # fmt: skip
    assert found.exit_code == 0
    document = json.loads(found.stdout)
    uniform = next(r for r in document["mechanisms"] if r["name"] == "uniform-price")
    assert uniform["parameters"] == {"kappa": 0}
    assert uniform["prices"]["mean_per_j"] * 3.6e6 == pytest.approx(0.16)
    page = (tmp_path / "out" / "compare.html").read_text()
    for name in names():
        assert name in page
    assert (
        "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    )
    for wrong in (
        ["--days", "1"],
        ["--set", "kappa=0"],
        ["--set", "cda.x=0"],
        ["--weight", "fairness=much"],
        ["--mechanisms", "nonsense"],
    ):
        assert run(app, ["compare", str(four), *wrong]).exit_code == 2
