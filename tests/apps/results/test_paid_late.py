"""A run whose bills are paid late. Spec: docs/spec/obligations.md, O15 to O23."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.ledger import read_ledger, verify_ledger
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.chapters.payments import bills, posted_plan
from isojoule.apps.results.manifest import write_manifest
from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.settlement import SettledRun, keep, settle_run
from isojoule.apps.results.store import Run
from isojoule.apps.results.verify import verify_run
from isojoule.apps.statements import statements_of_run
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.transfer import ENERGY
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.netting.posting import Code as Net
from isojoule.settlement.payments.plan import Interest, Paid
from isojoule.settlement.payments.posting import Code
from isojoule.settlement.payments.rules import MATCHED
from tests.apps.statements.bases import check_bases

RULES = """\
isojoule: 1
currency: EUR
fees:
  - {name: membership, on: days, rate: 0.10 EUR/d, to: community}
surplus: equal
payment:
  every: period
  due: 2 h
  late:
    - {members: [ada, eve], by: 20 d}
    - {share: 20 %, by: 3 h}
  interest: 50 %
  credit: [{limit: 0.20 EUR}]
"""
PERIODS = """
periods:
  - {name: early, start: 2026-06-21T00:00, end: 2026-06-21T12:00}
  - {name: late, start: 2026-06-21T12:00, end: 2026-06-22T00:00}
cyclic: """


def street(folder: Path, rules: str = RULES) -> Path:
    new_scenario(folder)
    (folder / "settlement.yaml").write_text(rules)
    file = folder / "scenario.yaml"
    file.write_text(file.read_text().replace("cyclic: ", PERIODS))
    return folder


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """Two half days on forecasts that err, two homes that pay three weeks late, one three hours."""
    base = tmp_path_factory.mktemp("paid")
    run = run_scenario(
        street(base / "street"), forecast="noise", ledger=str(base / "ledger.db"),
        out=base / "run", workers=1,
    )  # fmt: skip
    return run, base / "ledger.db"


def settled_again(run: Run, rules: str = "") -> SettledRun:
    folder = run.folder / "scenario"
    if rules:
        folder = run.folder.parent / "other-rules"
        shutil.copytree(run.folder / "scenario", folder, dirs_exist_ok=True)
        (folder / "settlement.yaml").write_text(rules)
    asked = read_asked(folder, run.manifest["arguments"])
    return settle_run(run.folder, asked.scenario, asked.rules, run.manifest["run"], 0)


def money(url: Path) -> dict[str, int]:
    with read_ledger(str(url)) as ledger:
        return {a.name: b.net for a, b in ledger.accounts() if a.unit != ENERGY}


def test_everything_is_resolved_in_a_ledger_that_verifies(paid: tuple[Run, Path]) -> None:
    """O21: what is left is cash, and it is what each was settled for, with its interest."""
    run, url = paid
    found = verify_ledger(str(url))
    net = money(url)
    assert {name for name, nano in net.items() if nano and not name.startswith("cash/")} == set()
    told = run.summary["settlement"]["payment"]
    assert told["posted"] == "credit" and set(told["ways"]) == {"none", "clearing", "credit"}
    settled = settled_again(run)
    total: Counter[str] = Counter()
    for period in settled.periods:
        total.update(period.paid_nano)
    for name, nano in total.items():
        assert net.get("cash/" + name.replace("/", "%2F"), 0) == -nano, name
    with read_ledger(str(url)) as ledger:
        codes = Counter(t.code for t in ledger.transfers())
    assert codes[Net.SET_OFF] and codes[Net.CASH] and codes[Code.BILL] and codes[Code.PAYMENT]
    assert codes[Code.LATE_PAYMENT] and codes[Code.INTEREST] and codes[Code.CREDIT_END]
    before = found.root
    keep(settled, str(url))
    assert verify_ledger(str(url)).root == before


def test_figures_are_those_of_the_ledger(paid: tuple[Run, Path]) -> None:
    """O22: what is told is what stands there."""
    run, url = paid
    told = run.summary["settlement"]["payment"]
    with read_ledger(str(url)) as ledger:
        sums: Counter[int] = Counter()
        cash = 0
        names = {a.id: a.name for a, _ in ledger.accounts()}
        for t in ledger.transfers():
            sums[t.code] += t.amount
            cash += t.amount * names[t.credit].startswith("cash/")
    way = told["ways"]["credit"]
    assert way["cleared"] == pytest.approx(sums[Net.SET_OFF] / NANO_PER_UNIT)
    assert way["interest"] == pytest.approx(sums[Code.INTEREST] / NANO_PER_UNIT)
    assert way["cash_moved"] == pytest.approx(cash / NANO_PER_UNIT)
    assert way["total"] == pytest.approx(sum(bill["total"] for bill in told["bills"]))
    assert [c["cleared"] for c in told["clearings"]] and len(told["clearings"]) == 2
    alone = told["ways"]["clearing"]
    assert 0 < alone["cleared"] <= way["cleared"]
    assert alone["cash_moved"] < told["ways"]["none"]["cash_moved"]
    late = {person["member"]: person for person in told["late"]}
    assert {"ada", "eve"} <= set(late) and len(late) == 3
    assert sum(p["paid_late"] for p in late.values()) == pytest.approx(way["paid_late"])


def test_verify_makes_it_again(paid: tuple[Run, Path], tmp_path: Path) -> None:
    """What is told of payments is checked, though all hashes fit."""
    folder = tmp_path / "run"
    shutil.copytree(paid[0].folder, folder)
    verify_run(folder)
    summary = json.loads((folder / "summary.json").read_text())
    summary["settlement"]["payment"]["ways"]["credit"]["cleared"] += 0.01
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    manifest = dict(paid[0].manifest)
    run = manifest.pop("run")
    for key in ("isojoule", "outputs", "digest"):
        manifest.pop(key)
    write_manifest(folder, manifest, run)
    with pytest.raises(VerificationError, match="payment"):
        verify_run(folder)


def test_statements_sum_to_cash_and_tell_what_is_paid(
    paid: tuple[Run, Path], tmp_path: Path
) -> None:
    """O23, to the nano-unit; interest is a line, payments are none."""
    run, url = paid
    written = statements_of_run(run.folder, tmp_path, ledger=str(url))
    net = money(url)
    sums: Counter[str] = Counter()
    for w in written:
        sums[w.member] += w.statement.sum_nano
        assert w.statement.sum_nano == sum(line.money_nano for line in w.statement.lines)
    for name, nano in sums.items():
        assert nano == -net[f"cash/member%2F{name}"], name
    others = sum(n for name, n in net.items() if not name.startswith("cash/member%2F"))
    assert sum(sums.values()) == others
    told = [check_bases(w, 48) for w in written]
    late = [row for rows in told for name, row in rows.items() if name.startswith("Interest")]
    assert late and {(row["unit"], row["rate"]) for row in late} == {("EUR year", "0.5")}
    assert all("days overdue" in row["note"] for row in late), late
    ada = [w for w in written if w.member == "ada"]
    lines = [line for w in ada for line in w.statement.lines if line.code is Code.INTEREST]
    assert lines and {line.payee for line in lines} <= {"creditors", "late payers"}
    text = "".join(w.page.read_text(encoding="utf-8") for w in ada)
    assert "How it is paid" in text and "Paid late" in text and "due 21 Jun 2026" in text
    bo = next(w for w in written if w.member == "bo").page.read_text(encoding="utf-8")
    assert "Set off, without cash" in bo and "Bill of 21 Jun 2026" in bo


def test_the_table_of_payment_sums_to_the_bill(paid: tuple[Run, Path], tmp_path: Path) -> None:
    """O23, O25: what became of a side is its amount; what is paid, with its sign, the bill."""
    run, url = paid
    kinds = (
        "set_off_eur", "other_bills_eur", "credit_eur", "paid_eur", "paid_late_eur",
    )  # fmt: skip
    seen: Counter[str] = Counter()
    for w in statements_of_run(run.folder, tmp_path, ledger=str(url)):
        assert w.payment is not None and w.score is not None
        page = w.page.read_text(encoding="utf-8")
        assert f"<code>{w.payment.name}</code>" in page
        assert (f"<code>{w.score.name}</code>" in page) == ("no score" not in page)
        with w.payment.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["side"] for row in rows] == ["owes", "is owed"] * (len(rows) // 2)
        for row in rows:
            cells = {name: Decimal(row[name]) for name in row if name.endswith("_eur")}
            assert sum(cells[kind] for kind in kinds) == cells["amount_eur"]
            assert cells["credit_used_eur"] + cells["redeemed_eur"] == cells["credit_eur"]
            sign = 1 if row["side"] == "owes" else -1
            named = ("other_bills", "paid", "paid_late", "interest", "credit_used", "redeemed")
            assert cells["pays_eur"] == sign * sum(cells[f"{name}_eur"] for name in named)
            seen.update(kind for kind, nano in cells.items() if nano)
            if row["bill"] != "Sum":
                assert bool(row["redeemed"]) == bool(cells["redeemed_eur"])
        sums = [Decimal(row["amount_eur"]) + Decimal(row["interest_eur"]) for row in rows[-2:]]
        assert (sums[0] - sums[1]) * NANO_PER_UNIT == w.statement.sum_nano
        pays = sum(Decimal(row["pays_eur"]) for row in rows[:-2])
        assert pays * NANO_PER_UNIT == w.statement.sum_nano
        assert rows[0]["date"] in ("2026-06-21T12:00:00+02:00", "2026-06-22T00:00:00+02:00")
        late = [row for row in rows[:-2] if Decimal(row["paid_late_eur"])]
        assert all(row["last"] > row["due"] > row["date"] for row in late)
    happened = {*kinds, "interest_eur", "redeemed_eur", "pays_eur"} - {"other_bills_eur"}
    assert happened <= seen.keys()


def test_the_page_tells_what_becomes_of_mutual_credit(
    paid: tuple[Run, Path], tmp_path: Path
) -> None:
    """O25: the last column of the page adds up to the bill, as far as it is rounded."""
    run, url = paid
    shown: Counter[str] = Counter()
    for w in statements_of_run(run.folder, tmp_path, ledger=str(url)):
        page = w.page.read_text(encoding="utf-8")
        part = page.split("<h2>How it is paid")[1].split("</section>")[0]
        rows = re.findall(r'<tr.*?<th scope="row">(.*?)</th>.*?</tr>', part)
        last = re.findall(r"<td>([^<]*)</td></tr>", part)
        cells = [c.split("\u00a0")[0].replace("\u2212", "-").replace(",", "") for c in last]
        *paid_, total = [Decimal(c or "0") for c in cells]
        assert rows[-1] == "Sum, as on your bill" and len(rows) == len(cells)
        assert abs(sum(paid_) - total) <= Decimal("0.0001") * len(rows)
        assert abs(total * NANO_PER_UNIT - w.statement.sum_nano) <= 50_000
        shown.update(rows)
        assert ("as mutual credit" in part) == ("Turned into mutual credit" in rows)
    assert shown["Turned into mutual credit"] and shown["That credit, paid out in cash"]


def test_dates_of_payment_stand_in_the_ledger(paid: tuple[Run, Path]) -> None:
    """O20: whenever a ledger was written, its payments are for the moments at which they were."""
    run, url = paid
    settled = settled_again(run)
    plan = posted_plan(settled.settling, settled.told)
    assert plan is not None
    expected: Counter[tuple[int, str, str, int]] = Counter()
    for step in plan.steps:
        if isinstance(step, Paid | Interest):
            ends = (plan.parties[p[step.row]] for p in (plan.debtor, plan.creditor))
            names = (f"cash/{name.replace('/', '%2F')}" for name in ends)
            expected[(step.time_s, *names, step.amount_nano)] += 1  # type: ignore[index]
    found: Counter[tuple[int, str, str, int]] = Counter()
    redeemed = set()
    with read_ledger(str(url)) as ledger:
        names_of = {a.id: a.name for a, _ in ledger.accounts()}
        for t in ledger.transfers():
            ends_ = names_of[t.debit], names_of[t.credit]
            if t.code in (Code.PAYMENT, Code.LATE_PAYMENT) and ends_[0].startswith("cash/"):
                found[(t.for_s, *ends_, t.amount)] += 1
            elif t.code == Code.CREDIT_END:
                redeemed.add(t.for_s)
    assert found == expected and len({key[0] for key in found}) > 2
    assert redeemed == {plan.steps[-1].time_s}


def test_the_report_draws_circles_and_cash(paid: tuple[Run, Path]) -> None:
    page = (paid[0].folder / "report.html").read_text(encoding="utf-8")
    part = page.split("<h2>Who pays when")[1].split("</section>")[0]
    for words in ("Who was in which circle", "less cash was moved", "Who pays late", "at hand"):
        assert words in part
    pictures = re.findall(r"<svg.*?</svg>", part, re.DOTALL)
    assert len(pictures) >= 5
    for picture in pictures:
        ElementTree.fromstring(picture)


@pytest.mark.parametrize("every", ["day", "week", "month", "period"])
@pytest.mark.parametrize("matched", MATCHED)
def test_however_it_is_billed_each_is_billed_the_same(
    paid: tuple[Run, Path], every: str, matched: str
) -> None:
    """O15: what each owes less what it is owed is what it was settled for in the run."""
    rules = RULES.replace("every: period", f"every: {every}\n  matched: {matched}")
    settled = settled_again(paid[0], rules)
    total: Counter[str] = Counter()
    for period in settled.settling.periods:
        total.update({name: nano for name, nano in period.paid_nano.items() if nano})
    billed: Counter[str] = Counter()
    for bill in bills(settled.settling):
        for debtor, creditor, nano in bill.rows:
            assert nano > 0 and debtor != creditor
            billed[debtor] += nano
            billed[creditor] -= nano
    assert {name: nano for name, nano in billed.items() if nano} == dict(total)
    left = {a.name: b.net for a, b in settled.ledger.accounts() if a.unit == "EUR"}
    assert all(nano == 0 or name.startswith("cash/") for name, nano in left.items())


def test_rules_that_only_tell_what_clearing_would_do(paid: tuple[Run, Path]) -> None:
    rules = RULES.replace("credit: [{limit: 0.20 EUR}]", "clear: false")
    told = settled_again(paid[0], rules).told["payment"].summary
    assert (told["posted"], told["shown"]) == ("none", "clearing")
    assert told["ways"]["clearing"]["cleared"] > 0 == told["ways"]["none"]["cleared"]


def test_a_stranger_is_refused_before_the_work(tmp_path: Path) -> None:
    folder = street(tmp_path / "street", RULES.replace("ada, eve", "ada, nobody"))
    with pytest.raises(InputError, match="no member 'nobody'") as caught:
        run_scenario(folder, out=tmp_path / "run")
    assert caught.value.place == f"{folder / 'settlement.yaml'}:10"
    assert not (tmp_path / "run").exists()


def test_four_seasons_of_a_feeder_end_with_everything_resolved(tmp_path: Path) -> None:
    """O21: a third of 118 homes pay months late, so that bills of all seasons meet."""
    rules = Path(__file__).parents[3] / "examples" / "rules" / "late.yaml"
    url = tmp_path / "ledger.db"
    run = run_scenario(
        "rural", days=0.5, forecast="noise", rules=rules, ledger=str(url), out=tmp_path / "run"
    )
    verify_ledger(str(url))
    assert {name for name, nano in money(url).items() if nano and not name.startswith("cash/")} == (
        set()
    )
    told = run.summary["settlement"]["payment"]
    assert len(told["bills"]) == 4 and len(told["late"]) == 36
    ways = told["ways"]
    assert ways["credit"]["cleared"] > ways["clearing"]["cleared"] > 0
    assert ways["credit"]["cash_moved"] < ways["clearing"]["cash_moved"]
    assert ways["clearing"]["cash_moved"] < ways["none"]["cash_moved"]
    assert any(len(circle["parties"]) > 2 for circle in told["circles"])
