"""`isojoule net` and its check. Spec: docs/spec/obligations.md."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from isojoule.apps.cli import app
from isojoule.apps.report.obligations import DRAWN, obligations_page
from isojoule.settlement.obligations import Obligations, clear

CHAIN = "debtor,creditor,amount\nA,B,100\nB,C,100\n"
CASH = "party,can_spend,accepts\nA,40,0\nC,0,1000\n"


@pytest.fixture
def tables(tmp_path: Path) -> tuple[str, str]:
    for name, text in (("debts.csv", CHAIN), ("cash.csv", CASH)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / "debts.csv"), str(tmp_path / "cash.csv")


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return done.stdout


def test_net_writes_an_answer_that_verifies(tmp_path: Path, tables: tuple[str, str]) -> None:
    """O5: 80 cleared with 40 of cash, Fleischman, Dini 2021."""
    debts, cash = tables
    out, page = str(tmp_path / "netted.json"), tmp_path / "netted.html"
    options = ["--liquidity", cash, "--out", out, "--page", str(page), "--currency", "EUR"]
    told = run("net", debts, *options)
    assert "80 EUR (40.0%)" in told
    assert "A > B > C  (cash)" in told
    document = json.loads(Path(out).read_text(encoding="utf-8"))
    keys = ("total", "net_internal_debt", "cleared", "liquidity_used")
    assert [document[key] for key in keys] == ["200", "100", "80", "40"]
    assert "verified" in run("verify", out)
    assert json.loads(run("verify", out, "--json"))["verified"] == out
    assert json.loads(run("net", debts, "--liquidity", cash, "--currency", "EUR", "--json")) == (
        document
    )
    assert "40 EUR of cash spared" in page.read_text(encoding="utf-8").replace("\xa0", " ")
    Path(out).write_text(json.dumps({**document, "cleared": "81"}), encoding="utf-8")
    assert json.loads(run("verify", out, "--json", code=2))["error"]["kind"] == "verification"


def test_nothing_in_circles_is_said(tables: tuple[str, str]) -> None:
    assert "nothing can be set off" in run("net", tables[0])
    document = json.loads(run("net", tables[0], "--json"))
    assert (document["cleared"], document["set_offs"], document["liquidity"]) == ("0", [], [])


def test_bad_input_ends_with_place_and_remedy(tmp_path: Path, tables: tuple[str, str]) -> None:
    (tmp_path / "bad.csv").write_text("party,can_spend,accepts\nZ,1,1\n", encoding="utf-8")
    bad = str(tmp_path / "bad.csv")
    error = json.loads(run("net", tables[0], "--liquidity", bad, "--json", code=2))["error"]
    assert (error["kind"], error["place"]) == ("input", f"{bad}:2")
    assert error["remedy"]
    assert "no currency" in run("net", tables[0], "--currency", "E/R", "--json", code=2)


def test_the_page_draws_the_largest_circles_alone() -> None:
    """O13: everything that is named is escaped, and pictures are well-formed."""
    rows = []
    for ring in range(DRAWN + 5):
        names = [f"<{ring}&{i}>" for i in range(2 + ring)]
        rows += [
            (names[i], names[(i + 1) % len(names)], 10**9 * (ring + 1)) for i in range(len(names))
        ]
    o = Obligations.of(rows)
    page = obligations_page(o, clear(o), "EUR", title="a<b")
    assert page.count("<figure>") == DRAWN
    assert f"The {DRAWN} largest circles; all others clear" in page
    assert "a<b" not in page and "<0&" not in page
    for part in page.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + part.split("</svg>")[0] + "</svg>")
    for word in ("<script", "http://", "https://"):
        assert word not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_page_of_nothing() -> None:
    o = Obligations.of([])
    assert "nothing can be set off" in obligations_page(o, clear(o))


def test_notices_go_into_a_ledger_once(tmp_path: Path, tables: tuple[str, str]) -> None:
    """O11, O12: obligations arise and are set off in one chain; asked again, nothing is written."""
    from isojoule.apps.ledger import read_ledger, verify_ledger

    url, options = str(tmp_path / "net.db"), ["--currency", "EUR", "--batch", "june"]
    options = ["net", tables[0], "--liquidity", tables[1], *options, "--ledger", url]
    assert "in the ledger: 6 transfers of 'june'\n" in run(*options)
    before = verify_ledger(url)
    assert "which were there already" in run(*options)
    assert verify_ledger(url).root == before.root
    with read_ledger(url) as ledger:
        net = {account.name: balance.net for account, balance in ledger.accounts()}
        assert [t.linked for t in ledger.transfers()] == [True] * 5 + [False]
    assert net == {
        name: eur * 10**9
        for name, eur in {
            "obligation/A/B": -60, "claims/B": 60, "obligation/B/C": -60, "claims/C": 60,
            "cash/A": -40, "clearing/cash": 0, "cash/C": 40,
        }.items()
    }  # fmt: skip
    # others under the same name are refused, all of them
    Path(tables[0]).write_text(CHAIN.replace("100", "50"), encoding="utf-8")
    error = json.loads(run(*options, "--json", code=2))["error"]
    assert "no transfer was written" in error["message"] and "--batch" in error["remedy"]
    assert verify_ledger(url).transfers == 6


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (["--ledger", "x.db", "--currency", "EUR"], "--batch"),
        (["--ledger", "x.db", "--batch", "june"], "--currency"),
        (["--batch", "june"], "--batch"),
    ],
)
def test_what_a_ledger_needs(options: list[str], place: str, tables: tuple[str, str]) -> None:
    error = json.loads(run("net", tables[0], *options, "--json", code=2))["error"]
    assert error["place"] == place and error["remedy"]
