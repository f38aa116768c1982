"""Statements of a run: what stands on the page and in the tables, and that it is the ledger."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import pytest

from isojoule.apps.certificates import certify_run, scores_of
from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.ledger import open_ledger
from isojoule.apps.report.words import MINUS
from isojoule.apps.results import run_scenario
from isojoule.apps.results.asked import as_settled, read_asked
from isojoule.apps.results.settlement import SettledRun, settle_run
from isojoule.apps.statements import Written, statements_of_run, write_statements
from isojoule.apps.statements.page import slashed_for
from isojoule.apps.statements.write import file_stems
from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, money_text
from isojoule.market.mechanisms import get
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.collateral.asked import BondRules
from isojoule.settlement.rules import Fee, Imbalance, Rules
from isojoule.settlement.settle import Code, member
from isojoule.settlement.statements import Span, statements_of
from tests.apps.statements.bases import check_bases

J = 3.6e6
RULES = Rules(
    fees=(
        Fee("local <network> fee", "local", 0.03 / J, "Netze & Co"),
        Fee("membership", "days", 0.05 / 86400, "club"),
        Fee("bonus", "exported", -0.01 / J, "club"),
        Fee("tax", "bill", 0.19, "state"),
    ),
    surplus="energy",
)
PERIODS = """
periods:
  - {name: early, start: 2026-06-21T00:00, end: 2026-06-21T12:00}
  - {name: late, start: 2026-06-21T12:00, end: 2026-06-22T00:00}
pauses:
  - {from: 2026-06-21T09:00, to: 2026-06-21T09:30, reason: maintenance}
"""


class Made(NamedTuple):
    """A run with its settlement and its statements."""

    folder: Path
    scenario: Scenario
    settled: SettledRun
    written: dict[tuple[str, str], Written]


def settled_run(folder: Path, rules: Rules) -> tuple[Scenario, SettledRun]:
    manifest = json.loads((folder / "manifest.json").read_text())
    asked = read_asked(folder / "scenario", manifest["arguments"])
    scenario, rules = as_settled(asked.scenario, rules)
    return scenario, settle_run(folder, scenario, rules, manifest["run"], manifest["seed"])


def street(folder: Path, *changes: tuple[str, str, str]) -> Path:
    (new_scenario(folder) / "settlement.yaml").unlink()
    for name, old, new in changes:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two half days on a forecast that errs, with a pause, fees, dividends and a thin line."""
    base = tmp_path_factory.mktemp("statements")
    where = street(
        base / "street",
        ("scenario.yaml", "cyclic: ", f"{PERIODS}cyclic: "),
        ("participants.csv", "Dan (electric car)", "Dan <b>& sons</b>"),
        ("links.csv", "b1,street,n4,line,40", "b1,street,n4,line,1.5"),
    )
    run = run_scenario(where, forecast="noise", out=base / "run", workers=1)
    scenario, settled = settled_run(run.folder, RULES)
    written = write_statements(run.folder, base / "out", scenario, settled)
    return Made(run.folder, scenario, settled, {(w.period, w.member): w for w in written})


class Page(HTMLParser):
    """The words of a page, its elements in order, and whether they close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(path.read_text(encoding="utf-8"))))


def nano(text: str) -> int:
    return int(Decimal(text) * NANO_PER_UNIT)


def test_a_page_and_two_tables_for_everybody_and_every_period(made: Made) -> None:
    assert len(made.written) == 2 * 6
    for w in made.written.values():
        assert w.page.is_file() and w.intervals.is_file() and w.bill.is_file()


def test_all_statements_are_the_ledger_to_the_nano_unit(made: Made) -> None:
    """Members' bills as written, and the other accounts, sum to each account, and to 0."""
    ledger = made.settled.ledger
    balances = {a.name: b.net for a, b in ledger.accounts() if a.unit == "EUR"}
    for name in made.scenario.participants:
        sums = [nano(rows(made.written[p, name].bill)[-1]["pays_eur"]) for p in ("early", "late")]
        assert sum(sums) == -balances[member(name)]
    spans = [Span(p.name, p.start_s, p.end_s) for p in made.scenario.periods]
    accounts = [account for account, _ in ledger.accounts()]
    everybody = statements_of(accounts, ledger.transfers(), "EUR", spans)
    for (party, period), statement in everybody.items():
        if party.startswith("member/"):
            assert made.written[period, party.removeprefix("member/")].statement == statement
    assert sum(s.sum_nano for s in everybody.values()) == 0
    total = dict.fromkeys({party for party, _ in everybody} | balances.keys(), 0)
    for (party, _), statement in everybody.items():
        total[party] -= statement.sum_nano
    assert total == {party: balances.get(party, 0) for party in total}


def test_the_bill_is_what_the_intervals_sum_to(made: Made) -> None:
    """Column by column, exactly; a share of the surplus is of the whole period."""
    heads = {
        Code.TRADE: "energy_eur",
        Code.IMBALANCE: "imbalance_eur",
        Code.LOSS_CHARGE: "losses_eur",
    }
    for (period, name), w in made.written.items():
        table = rows(w.intervals)
        assert len(table) == 48
        sums: dict[str, int] = {}
        for line in w.statement.lines:
            if line.code is not Code.DIVIDEND:
                key = heads.get(line.code, f"fee {line.name}_eur")
                sums[key] = sums.get(key, 0) + line.money_nano
        money = [h for h in table[0] if h.endswith("_eur") and h != "sum_eur"]
        assert {h: sum(nano(row[h]) for row in table) for h in money if h in sums} == sums
        for row in table:
            assert sum(nano(row[h]) for h in money) == nano(row["sum_eur"])
            assert Decimal(row["metered_j"]) - Decimal(row["cleared_j"]) == Decimal(
                row["imbalance_j"]
            )
            net = (Decimal(row["bought_kwh"]) - Decimal(row["sold_kwh"])) * 3_600_000
            assert float(net) == pytest.approx(float(row["metered_j"]), abs=2.0)
        lines = rows(w.bill)
        assert nano(lines[-1]["pays_eur"]) == sum(nano(r["pays_eur"]) for r in lines[:-1])
        assert any(line.code is Code.DIVIDEND for line in w.statement.lines), (period, name)
    assert table[0]["time"] == "2026-06-21T12:00:00+02:00"


def test_each_line_says_what_it_is_charged_on(made: Made) -> None:
    """Base times rate is the amount; the tax is on what the intervals add up to (Y17, Y18)."""
    seen: set[str] = set()
    for w in made.written.values():
        told = check_bases(w, 48)
        bare = [line for line in w.statement.lines if line.name == "Market payments without energy"]
        assert len(told) == len(w.statement.lines) - len(bare)
        assert all(abs(line.money_nano) < 48 for line in bare)
        seen |= told.keys()
        days, tax = told["membership club"], told["tax state"]
        assert (days["base"], days["unit"], days["rate"]) == ("0.5", "d", "0.05")
        if local := told.get("local <network> fee Netze & Co"):
            assert (local["unit"], local["rate"]) == ("kWh", "0.03")
            bought = sum(Decimal(row["bought_kwh"]) for row in rows(w.intervals))
            assert 0 < Decimal(local["base"]) <= bought + Decimal("0.0001")
        assert (tax["unit"], tax["rate"]) == ("EUR", "0.19")
        assert nano(tax["base"]) == sum(map(taxed, rows(w.intervals)))
        assert "local <network> fee, membership, bonus" in tax["note"]
    assert {"local <network> fee Netze & Co", "bonus club"} <= seen


def taxed(row: dict[str, str]) -> int:
    """What a tax on the bill of an interval is charged on, by hand, nano-units."""
    bill = max(0, sum(nano(row.get(f"{h}_eur", "0")) for h in ("energy", "imbalance", "losses")))
    for fee in ("local <network> fee", "membership", "bonus"):
        bill = max(0, bill + nano(row[f"fee {fee}_eur"]))
    return bill


def summary_of(made: Made) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.folder / "summary.json").read_text())
    return found


def alone_by_hand(made: Made, name: str) -> tuple[int, float]:
    """The bill of a member without a market in the first period, and its share of losses. Z18."""
    part = "part-00000.parquet"
    devices = pl.read_parquet(made.folder / "baseline" / "devices" / part)
    homes = devices.filter(pl.col("device") != "utility")
    net = homes.group_by("participant", "time_s").agg(pl.col("energy_uj").sum().abs())
    moved = dict(net.group_by("participant").agg(pl.col("energy_uj").sum()).iter_rows())
    lost = -pl.read_parquet(made.folder / "baseline" / "intervals" / part)["operator_nano"].sum()
    paid = homes.filter(pl.col("participant") == name)["payment_nano"].sum()
    return int(paid), lost * moved[name] / sum(moved.values())


def test_what_stands_on_the_page(made: Made) -> None:
    w = made.written["early", "ada"]
    page = Page(w.page.read_text(encoding="utf-8"))
    pays = w.statement.sum_nano / NANO_PER_UNIT
    verb = "You pay" if pays >= 0 else "You get"
    assert f"{verb} {abs(pays):.2f} EUR" in page.text
    assert "Early, 21 June 2026" in page.text
    for line in w.statement.lines:
        assert line.name.lower() in page.text.lower()
        shown = f"{abs(line.money_nano) / NANO_PER_UNIT:.4f} EUR"
        assert f"{MINUS if line.money_nano < 0 else ''}{shown}" in page.text
    assert "member/ada" in page.text
    assert made.settled.head.root.hex() in page.text
    why = dict(zip(made.settled.periods[0].shares.members, made.settled.periods[0].shares.why,
                   strict=True))["ada"]  # fmt: skip
    assert why in page.text
    paid, shared = alone_by_hand(made, "ada")
    besides = next(
        p["periods"][0]["parts"] for p in summary_of(made)["participants"]
        if p["participant"] == "ada"
    )  # fmt: skip
    assert besides["operator"] == 0  # of the run, whose own rules share nothing
    saved = (paid + shared - w.statement.sum_nano) / NANO_PER_UNIT + sum(
        besides[name] for name in ("served", "orders", "storage")
    )
    assert f"{'You saved' if saved > 0 else 'That is'} {abs(saved):.2f} EUR" in page.text
    assert f"{MINUS if paid < 0 else ''}{abs(paid) / NANO_PER_UNIT:.4f} EUR" in page.text
    assert f"{shared / NANO_PER_UNIT:.4f} EUR" in page.text and shared > 0
    assert "the utility's tariff, while the market paused" in page.text.lower()
    assert "When it was dearest and cheapest to you" in page.text
    assert "a Joule is worth" in page.text


def test_a_full_line_is_told_to_those_behind_it_alone(made: Made) -> None:
    behind, before = (
        Page(made.written["early", name].page.read_text(encoding="utf-8")).text
        for name in ("finn", "cleo")
    )
    assert "Line b1 is full" in behind
    assert "b1" not in before.split("When it was dearest")[0]
    table = rows(made.written["early", "finn"].intervals)
    full = [row for row in table if row["full_link"]]
    assert full and all("line b1 is full" in row["full_link"] for row in full)
    links = made.folder / "market" / "links" / "part-00000.parquet"

    frame = pl.read_parquet(links).filter((pl.col("link") == "b1") & pl.col("saturated"))
    times = set(frame["time_s"].to_list())
    assert 0 < len(full) <= len(times)


def test_reasons_are_counted_with_all_intervals_and_all_energy(made: Made) -> None:
    """The table of what set the price has every interval, and what the bill has."""
    from isojoule.apps.statements.facts import facts_of, setters, shares, walls
    from isojoule.apps.statements.reasons import MarketFiles

    files = MarketFiles.open(made.folder, made.scenario)
    part = made.settled.periods[0]
    facts = facts_of(files, 0, part, RULES, part.stretch)
    for who, name in enumerate(made.scenario.participants):
        statement = made.written["early", name].statement
        bought = sum(x.energy_uj for x in statement.lines if x.name == "Energy bought")
        sold = -sum(x.energy_uj for x in statement.lines if x.name == "Energy sold")
        for words in (setters(facts, who), walls(facts, who)):
            found = shares(facts, who, words)
            assert sum(s.intervals for s in found) == 48
            assert sum(s.bought_uj for s in found) == bought
            assert sum(s.sold_uj for s in found) == sold
    assert np.all(np.isfinite(facts.price_per_j))


def test_the_page_is_safe_whole_and_needs_nothing(made: Made) -> None:
    for w in made.written.values():
        text = w.page.read_text(encoding="utf-8")
        page = Page(text)
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "link", "img", "iframe", "b1"}
        assert not [a for _, a in page.tags for k in a if k.startswith("on") or k == "href"]
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "<sons" not in text
        assert len(text) < 80_000
    dan = Page(made.written["late", "dan"].page.read_text(encoding="utf-8"))
    assert "Dan <b>& sons</b>" in dan.text
    assert "Local <network> fee" in dan.text and "Netze & Co" in dan.text


def test_some_members_and_periods_of_a_folder_alone(made: Made, tmp_path: Path) -> None:
    """Settled again by the rules that lie in the run: here none, so without fees."""
    written = statements_of_run(made.folder, tmp_path, members=["bo"], periods=["late"])
    assert [(w.period, w.member) for w in written] == [("late", "bo")]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "bo-late-bill.csv", "bo-late-score.csv", "bo-late.csv", "bo-late.html",
    ]  # fmt: skip
    assert Code.FEE not in {line.code for line in written[0].statement.lines}
    again = statements_of_run(made.folder, tmp_path / "two", members=["bo"], periods=["late"])
    assert again[0].page.read_bytes() == written[0].page.read_bytes()
    with pytest.raises(InputError, match="unknown member"):
        statements_of_run(made.folder, tmp_path, members=["nobody"])
    with pytest.raises(InputError, match="unknown period"):
        statements_of_run(made.folder, tmp_path, periods=["never"])


def test_the_score_stands_on_the_page_and_in_a_sheet(made: Made) -> None:
    """docs/spec/certificates.md, W21: what a registry of the same run would say."""
    certified = certify_run(made.folder)
    for (period, name), w in made.written.items():
        score = scores_of(certified, period)[name]
        assert w.score is not None
        *hours, total = rows(w.score)
        for key in ("self_wh", "local_wh", "storage_wh"):
            assert sum(int(row[key]) for row in hours) == getattr(score, key)
        assert sum(Decimal(row["consumed_j"]) for row in hours) == Decimal(total["consumed_j"])
        assert score.share is not None
        assert float(total["score_percent"]) == pytest.approx(100 * score.share, abs=1e-4)
        text = Page(w.page.read_text(encoding="utf-8")).text
        assert "Your 24/7 score" in text
        assert f"{100 * score.share:.1f}" in text
    assert {w.score.name for w in made.written.values() if w.score} >= {"bo-late-score.csv"}


@pytest.mark.parametrize("mechanism", ["pay-as-bid", "vcg-exchange", "diffusion", "utility-only"])
def test_rules_without_prices_of_nodes_claim_no_setter(mechanism: str, tmp_path: Path) -> None:
    network = "copperplate" if "copperplate" in get(mechanism).traits.networks else "transport"
    where = street(
        tmp_path / "street", ("scenario.yaml", "network: transport", f"network: {network}")
    )
    run = run_scenario(where, mechanism=mechanism, days=0.25, out=tmp_path / "run", workers=1)
    scenario, settled = settled_run(run.folder, Rules())
    written = write_statements(run.folder, tmp_path / "out", scenario, settled)
    expected = "the utility's tariff" if mechanism == "utility-only" else f"the rule of {mechanism}"
    for w in written:
        table = rows(w.intervals)
        assert {row["price_set_by"] for row in table} == {expected}
        assert {row["full_link"] for row in table} == {""}
        text = Page(w.page.read_text(encoding="utf-8")).text
        assert expected in text.lower()
        # what a kWh cost, where it is told, is what was paid for it
        for row in table:
            energy = float(row["cleared_j"]) / J
            if row["price_eur_per_kwh"] and abs(energy) > 0.01 and mechanism != "diffusion":
                price = nano(row["energy_eur"]) / NANO_PER_UNIT / energy
                assert float(row["price_eur_per_kwh"]) == pytest.approx(price, abs=2e-6)


def test_off_the_grid_the_comparison_is_living_alone(tmp_path: Path) -> None:
    """Machines, too: computing is a line of the bill, and its sums are those of the ledger."""
    run = run_scenario("machines", days=0.5, out=tmp_path / "run", workers=1)
    scenario, settled = settled_run(run.folder, Rules())
    written = write_statements(run.folder, tmp_path / "out", scenario, settled)
    codes = {line.code for w in written for line in w.statement.lines}
    assert Code.COMPUTE in codes
    for w in written:
        text = Page(w.page.read_text(encoding="utf-8")).text
        assert "living alone" in text and "utility" not in text.split("How to check")[0]
        told, bill = check_bases(w, 48), rows(w.bill)
        assert not any(name.startswith("Computing") for name in told)
        assert bill[-1]["pays_eur"] == money_text(w.statement.sum_nano)


def test_a_line_of_ones_own_and_what_all_pay_together(tmp_path: Path) -> None:
    """What a line carried; deviations and losses by the energy of meters (Y4)."""
    where = street(tmp_path / "street")
    rows_ = [row for row in (where / "links.csv").read_text().splitlines() if row[:1] != "#"]
    ends = ["owner,price [EUR/kWh]", *("ada,0.01" if "a1," in row else "," for row in rows_[1:])]
    lines = [",".join(pair) for pair in zip(rows_, ends, strict=True)]
    (where / "links.csv").write_text("\n".join(lines) + "\n")
    run = run_scenario(where, days=0.5, forecast="noise", out=tmp_path / "run", workers=1)
    rules = Rules(imbalance=Imbalance(payer="members"), loss_payer="members")
    scenario, settled = settled_run(run.folder, rules)
    written = write_statements(run.folder, tmp_path / "out", scenario, settled)
    told = {w.member: check_bases(w, 48) for w in written}
    links = run.to_polars("links").filter(pl.col("link") == "a1")
    carried = links["flow_uj"].abs().sum() / 3.6e12
    assert float(told["ada"]["Use of lines market"]["base"]) == pytest.approx(-carried)
    assert [name for name in told if "Use of lines market" in told[name]] == ["ada"]
    for w in written:
        metered = sum(abs(float(row["metered_j"])) for row in rows(w.intervals)) / J
        names = [name for name in told[w.member] if name.endswith(" balancing")]
        losses = told[w.member]["Losses in the lines that were not foreseen balancing"]
        assert float(losses["base"]) == pytest.approx(metered)
        others = sum(float(told[w.member][n]["base"]) for n in names) - float(losses["base"])
        assert others == pytest.approx(metered)


def test_names_of_files() -> None:
    stems = file_stems(["ada", "Ada", "a b", "../x", "ok-1"])
    assert stems["ok-1"] == "ok-1"
    assert len({stem.casefold() for stem in stems.values()}) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", stem) for stem in stems.values())


@pytest.mark.parametrize(
    ("payer", "bonds", "who"),
    [
        ("cause", BondRules(fine_per_j=1e-8), "the operator"),
        ("cause", BondRules(fine_per_j=1e-8, fines_to="member/ada"), "ada"),
        ("members", BondRules(), "other members"),
        ("members", BondRules(fine_per_j=1e-8, fines_to="club"), "other members and club"),
        ("cause", BondRules(), "escrow"),
    ],
)
def test_a_bond_is_slashed_for_those_who_get_it(
    payer: Literal["cause", "members"], bonds: BondRules, who: str
) -> None:
    """B29."""
    assert slashed_for(Rules(imbalance=Imbalance(payer=payer), collateral=bonds)) == who


def test_a_ledger_that_holds_nothing_of_the_run_is_refused(made: Made, tmp_path: Path) -> None:
    """Else everybody's bill would be 0."""
    with open_ledger(str(tmp_path / "other.db")):
        pass
    with pytest.raises(InputError, match="holds nothing of the run") as caught:
        statements_of_run(made.folder, tmp_path / "out", ledger=str(tmp_path / "other.db"))
    assert caught.value.place == "--ledger" and caught.value.remedy
    assert not (tmp_path / "out").exists()
