"""A run with day-ahead contracts and bonds: resolved, told, kept, verified, billed. B19 to B32."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isojoule.apps.files.settlement_rules import read_rules
from isojoule.apps.files.times import zone
from isojoule.apps.ledger import read_ledger, verify_ledger
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.chapters import bonds, day_ahead, payments
from isojoule.apps.results.chapters.day_ahead import agreed_times, hold_run
from isojoule.apps.results.chapters.held_back import held_back
from isojoule.apps.results.manifest import write_manifest
from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.settlement import SettledRun, check_rules, keep, settle_run
from isojoule.apps.results.store import Run
from isojoule.apps.results.verify import verify_run
from isojoule.apps.statements import write_statements
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.collateral.asked import BondRules, Claim
from isojoule.settlement.collateral.folded import Code as FundCode
from isojoule.settlement.day_ahead.rules import DayAhead
from isojoule.settlement.payments.rules import Payment
from isojoule.settlement.rules import Rules
from isojoule.settlement.statements import Span, statements_of
from tests.apps.statements.bases import check_bases

RULES = """\
isojoule: 1
currency: EUR
imbalance: {price: dual, short_factor: 1.2, long_factor: 0.9, payer: members}
day_ahead: {move: 2 ct/kWh, least_days: 1, level: 50 %, bearable: 20 %, least: 0.5 kWh, cash: 1 EUR}
collateral:
  fine: 2 ct/kWh
  credit: 1 EUR
  least_share: 50 %
  claims: [{member: h001, from: 2016-07-11T08:00, to: 2016-07-12T00:00, decided: 2016-07-20T00:00}]
"""


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """Two days of summer of `rural` on forecasts that err, into a ledger of SQLite."""
    folder = tmp_path_factory.mktemp("agreed")
    rules, ledger = folder / "rules.yaml", folder / "ledger.db"
    rules.write_text(RULES)
    run = run_scenario(
        "rural", start="2016-07-11", end="2016-07-13", forecast="noise", rules=rules,
        ledger=str(ledger), out=folder / "run",
    )  # fmt: skip
    return run, ledger


def again(run: Run) -> SettledRun:
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    return settle_run(run.folder, asked.scenario, asked.rules, run.manifest["run"], 0)


def test_everything_is_resolved_in_a_ledger_that_verifies(agreed: tuple[Run, Path]) -> None:
    run, url = agreed
    told = run.summary["settlement"]["day_ahead"]
    assert told["contracts"] > 20 and told["calls"] > 0 and told["energy_j"] > 0
    assert told["promised_j"] == pytest.approx(
        told["delivered_j"] + told["curtailed_j"] + told["short_j"]
    )
    found = verify_ledger(str(url))
    bonds, whole = (run.summary["settlement"][key] for key in ("bonds", "ledger"))
    assert found.transfers == whole["transfers"] > told["transfers"] + bonds["transfers"]
    with read_ledger(str(url)) as ledger:
        balances = dict(ledger.accounts())
    assert all(b.debits_pending == b.credits_pending == 0 for b in balances.values())
    [escrow] = [b for a, b in balances.items() if a.name == "collateral"]
    [fund] = [b for a, b in balances.items() if a.name == "guarantee"]
    assert escrow.net == fund.net == 0 and escrow.credits > 0 and fund.credits > 0


def test_a_ledger_is_written_from_what_was_worked_out(
    agreed: tuple[Run, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is worked out twice, and it is the log of the run but for the times of writing."""
    run, _ = agreed
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    rules = replace(asked.rules, payment=Payment())
    settled = settle_run(run.folder, asked.scenario, rules, run.manifest["run"], 0)

    def twice(*_: object) -> None:
        raise AssertionError("was worked out twice")

    for module, name in ((day_ahead, "hold_run"), (bonds, "fold_run"), (payments, "plans_of_run")):
        monkeypatch.setattr(module, name, twice)
    url = str(tmp_path / "kept.db")
    keep(settled, url)
    own = settled.ledger
    with read_ledger(url) as kept:
        assert [a for a, _ in kept.accounts()] == [a for a, _ in own.accounts()]
        pairs = zip(kept.transfers(), own.transfers(), strict=True)
        assert all(one._replace(at_ns=0) == other._replace(at_ns=0) for one, other in pairs)


def test_bonds_are_told_as_they_were_slashed_and_returned(agreed: tuple[Run, Path]) -> None:
    """B28 and B29: what all paid is made good; fines go to the operator, after it was shared."""
    run, _ = agreed
    told, settled = run.summary["settlement"]["bonds"], again(run)
    assert told["put_up"] == pytest.approx(told["slashed"] + told["returned"])
    assert told["slashed"] == pytest.approx(told["made_good"] + told["fines"])
    assert told["disputed"] == 1
    assert told["bonds"] > 200 and told["made_good"] > 1 and told["lent"] > told["repaid"] > 0
    assert told["highest_per_j"] == pytest.approx(
        1.2 * float(settled.settling.scenario.sells_at_per_j.max())
    )
    stretch = settled.settling.periods[0].stretch
    cleared = np.abs(stretch.cleared_uj)
    assert told["promised_j"] == pytest.approx(float(cleared.sum()) / 1e6, rel=1e-4)
    short = np.abs(settled.settling.periods[0].settled.shortfall_uj)
    assert told["short_j"] == pytest.approx(float(short.sum()) / 1e6, rel=1e-2)
    fines = settled.periods[0].paid_nano["operator"] - settled.settling.periods[0].paid_nano[
        "operator"
    ]  # fmt: skip
    assert -fines == pytest.approx(told["fines"] * NANO_PER_UNIT, abs=1)


@pytest.mark.parametrize("surplus", ["equal", "energy", "{rule: shapley-sampled, permutations: 4}"])
def test_fines_are_shared_as_what_is_left(agreed: tuple[Run, Path], surplus: str) -> None:
    """B35: the operator keeps none of the fines, and what all paid is what the ledger says."""
    run, _ = agreed
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    file = run.folder.parent / "shared.yaml"
    file.write_text(f"{RULES}surplus: {surplus}\n")
    rules = read_rules(file, currency="EUR", tz=zone(asked.scenario.timezone))
    settled = settle_run(run.folder, asked.scenario, rules, run.manifest["run"], 0)
    told = settled.told["bonds"].summary
    assert told["fines_shared"] == told["fines"] > 0
    [before], [after] = settled.settling.periods, settled.periods
    assert after.paid_nano["operator"] == before.paid_nano["operator"]
    net = {a.name: b.net for a, b in settled.ledger.accounts() if a.unit == "EUR"}
    paid = {name: nano for name, nano in after.paid_nano.items() if nano}
    assert {name: -nano for name, nano in net.items() if nano} == paid
    span = Span(after.name, asked.scenario.periods[0].start_s, after.end_s)
    accounts = [account for account, _ in settled.ledger.accounts()]
    sums = statements_of(accounts, settled.ledger.transfers(), "EUR", [span])
    for (name, _), statement in sums.items():
        assert statement.sum_nano == after.paid_nano.get(name, 0), name
    lines = [
        line for (name, _), one in sums.items() if name != "operator" for line in one.lines
        if line.code is FundCode.FINES_SHARED
    ]  # fmt: skip
    assert -sum(line.money_nano for line in lines) == round(told["fines"] * NANO_PER_UNIT)
    assert {(line.name, line.payee) for line in lines} == {
        ("Share of fines for broken promises", "operator")
    }


def test_verify_makes_it_again(agreed: tuple[Run, Path]) -> None:
    run, _ = agreed
    assert verify_run(run.folder)["intervals"] == 2 * 192
    path = run.folder / "summary.json"
    kept = path.read_bytes()
    summary = json.loads(kept)
    summary["settlement"]["day_ahead"]["members"][0]["sold"]["energy_j"] += 1e6
    path.write_text(json.dumps(summary, indent=1))
    _hash(run)
    with pytest.raises(VerificationError, match="energy_j"):
        verify_run(run.folder)
    path.write_bytes(kept)
    _hash(run)


def _hash(run: Run) -> None:
    """As somebody does who alters a run and hides it."""
    keys = ("outputs", "isojoule", "run", "digest")
    identity = {key: value for key, value in run.manifest.items() if key not in keys}
    write_manifest(run.folder, identity, run.manifest["run"])


def test_kept_again_nothing_is_written(agreed: tuple[Run, Path]) -> None:
    run, url = agreed
    before = verify_ledger(str(url))
    keep(again(run), str(url))
    after = verify_ledger(str(url))
    assert (after.root, after.transfers) == (before.root, before.transfers)


def test_bills_and_comparisons_have_the_differences(
    agreed: tuple[Run, Path], tmp_path: Path
) -> None:
    run, url = agreed
    settled = again(run)
    told = {row["name"]: row for row in run.summary["settlement"]["day_ahead"]["members"]}
    bonds = {row["name"]: row for row in run.summary["settlement"]["bonds"]["members"]}
    with read_ledger(str(url)) as ledger:
        net = {a.name: b.net for a, b in ledger.accounts() if a.unit == "EUR"}
        scenario = settled.settling.scenario
        written = write_statements(run.folder, tmp_path, scenario, settled, ledger=ledger)
    people = {p["participant"]: p for p in run.summary["participants"]}
    based: set[str] = set()
    for w in written:
        row = told.get(w.member)
        based |= {row["line"] for row in check_bases(w, 192).values()}
        mine = [line for line in w.statement.lines if "Day-ahead" in line.name]
        paid = 0.0 if row is None else row["sold"]["paid"] + row["bought"]["paid"]
        assert sum(line.money_nano for line in mine) == pytest.approx(paid * NANO_PER_UNIT, abs=1)
        assert w.statement.sum_nano == -net[f"member/{w.member}"]
        assert ("agreed on the day before" in w.page.read_text()) == (row is not None)
        bond = bonds[w.member]
        mine = [line for line in w.statement.lines if 20 <= line.code <= 23 or line.code == 28]
        assert sum(line.money_nano for line in mine) == pytest.approx(
            (bond["slashed"] - bond["made_good"]) * NANO_PER_UNIT, abs=2
        )
        page = w.page.read_text()
        assert "The bond behind what you announced" in page
        assert "That was before late readings" not in page
        assert ("The difference of prices" in page) == (row is not None)
        if bond["slashed"]:
            slashed = page.partition("Bonds slashed for what was promised and not kept")[2]
            cells = slashed.partition("</th>")[2]
            assert cells.startswith('<td class="word">other members and the operator</td>')
        assert people[w.member]["market_cost"] == pytest.approx(
            w.statement.sum_nano / NANO_PER_UNIT
        )
        with w.bill.open(encoding="utf-8-sig", newline="") as stream:
            total = list(csv.DictReader(stream))[-1]
        assert round(float(total["pays_eur"]) * NANO_PER_UNIT) == w.statement.sum_nano
    names = {line.name for w in written for line in w.statement.lines}
    assert names == based and len([name for name in names if "Day-ahead" in name]) >= 2
    assert sum(row["sold"]["paid"] + row["bought"]["paid"] for row in told.values()) == (
        pytest.approx(0, abs=1e-7)
    )
    report = (run.folder / "report.html").read_text()
    assert "What was agreed the day before" in report and "What lay behind the promises" in report


def test_what_stays_on_the_roof_is_what_came_less_what_was_metered(
    agreed: tuple[Run, Path],
) -> None:
    """Here nothing is scarce: the network takes all that it is given."""
    settled = again(agreed[0])
    kept = held_back(settled.settling)
    assert kept.giving_uj.shape == settled.periods[0].stretch.metered_uj.shape
    assert kept.giving_uj.min() == 0 and kept.giving_uj.sum() <= 10**6 * kept.giving_uj.size
    assert hold_run(settled.settling).blocks.curtailed_uj.sum() == kept.giving_uj.sum()


def test_the_hour_is_that_of_local_clocks() -> None:
    """The day of the change has 23 hours; noon of the day before is 12 hours back all the same."""
    day = np.array([1458946800, 1459116000])  # midnight of 26 and 28 March 2016 in Berlin
    assert (agreed_times(day, "Europe/Berlin", 43200) - day).tolist() == [-43200, -43200]
    sunday = np.array([1459033200])  # the day of the change
    assert (agreed_times(sunday, "Europe/Berlin", 3600) - sunday).tolist() == [-82800]
    monday = np.array([1459116000])  # 01:00 of the Sunday is 22 hours back
    assert (agreed_times(monday, "Europe/Berlin", 3600) - monday).tolist() == [-79200]


def test_what_does_not_fit_is_refused_before_any_work() -> None:
    scenario = read_asked(Path("src/isojoule/scenarios/rural"), {}).scenario
    with pytest.raises(InputError, match="no whole number of intervals"):
        check_rules(scenario, Rules(day_ahead=DayAhead(0.0, block_s=600)))


def test_a_claim_is_a_members() -> None:
    scenario = read_asked(Path("src/isojoule/scenarios/rural"), {}).scenario
    with pytest.raises(InputError, match="no member 'h01'") as caught:
        check_rules(scenario, Rules(collateral=BondRules(claims=(Claim("h01", 0, 1, 2),))))
    assert caught.value.remedy.startswith("did you mean 'h0")


def test_off_the_grid_missing_energy_needs_a_price(tmp_path: Path) -> None:
    scenario = read_asked(Path("src/isojoule/scenarios/village"), {}).scenario
    with pytest.raises(InputError, match="off the grid"):
        check_rules(scenario, Rules(day_ahead=DayAhead(0.0)))
    with pytest.raises(InputError, match="off the grid"):
        check_rules(scenario, Rules(collateral=BondRules()))
    bonds = BondRules(highest_per_j=1e-7, lowest_per_j=0.0)
    check_rules(scenario, Rules(collateral=bonds))
    with pytest.raises(InputError, match="no utility to have the fines"):
        check_rules(scenario, Rules(collateral=replace(bonds, fines_to="utility")))
    here = RULES.replace("h001", "home-01")
    (tmp_path / "settlement.yaml").write_text(here.replace("price: dual", "price: fixed").replace(
        "short_factor: 1.2, long_factor: 0.9", "short: 1 EUR/kWh, long: 0 EUR/kWh"
    ))  # fmt: skip
    check_rules(scenario, read_rules(tmp_path, currency="EUR", tz=zone("Europe/Berlin")))


def test_netted_by_interval_each_promise_is_slashed_the_same(agreed: tuple[Run, Path]) -> None:
    """B30: what is slashed of whom is the same; each promise has transfers of its own."""
    run, _ = agreed
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    rules = replace(asked.rules, netting="interval", day_ahead=None)
    apart = settle_run(run.folder, asked.scenario, rules, run.manifest["run"], 0)
    told, by_day = apart.told["bonds"].summary, run.summary["settlement"]["bonds"]
    for key in ("put_up", "slashed", "made_good", "fines", "promised_j", "short_j"):
        assert told[key] == pytest.approx(by_day[key]), key
    assert told["bonds"] > 50 * by_day["bonds"] and told["transfers"] > told["bonds"]
    balances = {a.name: b for a, b in apart.ledger.accounts() if a.unit == "EUR"}
    assert all(b.debits_pending == b.credits_pending == 0 for b in balances.values())
    assert balances["collateral"].net == balances["guarantee"].net == 0
    paid = apart.periods[0].paid_nano
    assert {name: -b.net for name, b in balances.items() if b.net} == {
        name: nano for name, nano in paid.items() if nano
    }
