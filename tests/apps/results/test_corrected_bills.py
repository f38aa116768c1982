"""Late readings of a run that was billed: further bills, paid to the end. Spec: O24."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isojoule.apps.cli.main import app
from isojoule.apps.ledger import open_ledger, read_ledger, verify_ledger
from isojoule.apps.results.asked import Asked, read_asked
from isojoule.apps.results.correct import Written, corrections
from isojoule.apps.results.further_bills import date_of, further_plans
from isojoule.apps.results.kept import verify_kept
from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.settlement import SettledRun, keep, settle_run
from isojoule.apps.results.store import Run
from isojoule.apps.statements import statements_of_run
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.payments.posting import Code
from isojoule.settlement.settle import Code as Line
from isojoule.settlement.statements import SHARE
from tests.apps.results.late_readings import correct, money, settled_rightly
from tests.apps.results.test_paid_late import street
from tests.apps.statements.bases import check_bases

KWH_UJ = 3_600_000_000_000
HEAD = "time,participant,metered [kWh]\n"
FILES = (
    "2026-06-21T08:00,ada,0.9\n2026-06-21T08:15,ada,-0.4\n2026-06-21T18:00,bo,1.25\n",
    "2026-06-21T08:00,ada,0.2\n2026-06-21T19:00,eve,-0.75\n",
)
HOUR_S, DAY_S = 3600, 86400


class Case:
    """A run in a ledger, and two tables of late readings."""

    def __init__(self, folder: Path) -> None:
        self.url = folder / "ledger.db"
        self.run: Run = run_scenario(
            street(folder / "street"), forecast="noise", ledger=str(self.url), out=folder / "run",
            workers=1,
        )  # fmt: skip
        self.files = [folder / "first.csv", folder / "second.csv"]
        for file, rows in zip(self.files, FILES, strict=True):
            file.write_text(HEAD + rows)

    def asked(self) -> Asked:
        return read_asked(self.run.folder / "scenario", self.run.manifest["arguments"])

    def settled(self) -> SettledRun:
        asked = self.asked()
        return settle_run(self.run.folder, asked.scenario, asked.rules, self.run.manifest["run"], 0)

    def copy(self, folder: Path) -> Path:
        """A ledger that holds what the run wrote."""
        keep(self.settled(), str(folder / "ledger.db"))
        return folder / "ledger.db"

    def correct(self, url: Path, count: int = 2) -> Written:
        with open_ledger(str(url), create=False) as ledger:
            return correct(self.run, self.files[:count], ledger)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("corrected"))


@pytest.fixture(scope="module")
def corrected(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    url = case.copy(tmp_path_factory.mktemp("ledger"))
    case.correct(url)
    return url


def money_in(url: Path) -> dict[str, int]:
    with read_ledger(str(url)) as ledger:
        return money(ledger)


def interest(url: Path) -> Counter[str]:
    """What each account paid of it."""
    paid: Counter[str] = Counter()
    with read_ledger(str(url)) as ledger:
        names = {a.id: a.name for a, _ in ledger.accounts()}
        for t in ledger.transfers():
            if t.code == Code.INTEREST:
                paid[names[t.debit]] += t.amount
                paid[names[t.credit]] -= t.amount
    return paid


def without_bills(case: Case) -> dict[str, int]:
    """What each account has, before it is billed, if all readings are there at once."""
    file = case.run.folder / "scenario" / "settlement.yaml"
    rules = file.read_text()
    try:
        right = settled_rightly(case.run, rules.partition("payment:")[0], case.files)
    finally:
        file.write_text(rules)
    return money(right.ledger)


def test_everything_is_resolved_as_if_the_readings_had_been_there(
    case: Case, corrected: Path
) -> None:
    """O24: what is left is cash, and it is what the right readings make, with interest."""
    verify_ledger(str(corrected))
    net = money_in(corrected)
    assert all(name.startswith("cash/") for name in net)
    right, paid = without_bills(case), interest(corrected)
    for name in {*right, *paid}:
        nano = right.get(name, 0) - paid[name]
        assert net.get("cash/" + name.replace("/", "%2F"), 0) == nano, name
    before = money_in(case.url)
    assert net["cash/member%2Fada"] != before["cash/member%2Fada"]


def test_nothing_is_billed_twice_and_what_was_stays(
    case: Case, corrected: Path, tmp_path: Path
) -> None:
    """Y26 and O24: again nothing is written; a second file changes nothing of the first."""
    root = verify_ledger(str(corrected)).root
    case.correct(corrected)
    keep(case.settled(), str(corrected))
    assert verify_ledger(str(corrected)).root == root
    later = case.copy(tmp_path)
    first = case.correct(later, 1)
    assert list(first.plans) == [1]
    with read_ledger(str(later)) as ledger:
        stood = {t.id: t.amount for t in ledger.transfers()}
    assert list(case.correct(later).plans) == [1, 2]
    with read_ledger(str(later)) as ledger, read_ledger(str(corrected)) as other:
        one, both = ({t.id: t.amount for t in kept.transfers()} for kept in (ledger, other))
    assert one == both and stood.items() < one.items()


def test_bills_are_dated_after_all_before_them_are_paid(case: Case, corrected: Path) -> None:
    """O24: a file's bills are made when the latest payer of those before has paid."""
    asked = case.asked()
    payment = asked.rules.payment
    assert payment is not None
    found = list(corrections(case.run.folder, case.files))
    assert [(one.period.name, one.number) for one in found] == [
        ("early", 1), ("early", 2), ("late", 1), ("late", 2)
    ]  # fmt: skip
    plans = dict(further_plans(found, {}, asked.scenario, asked.rules, 0))
    end_s, each_s = asked.scenario.periods[-1].end_s, 2 * HOUR_S + 20 * DAY_S
    last_s = end_s + each_s
    for number, plan in plans.items():
        assert [bill.stretch.period for bill in plan.bills] == ["early", "late"]
        made_s = date_of(number, asked.scenario, payment, 0)
        assert {bill.date_s for bill in plan.bills} == {made_s} == {end_s + number * each_s}
        assert {bill.revision for bill in plan.bills} == {number}
        times = [step.time_s for step in plan.steps]
        assert times[0] == made_s >= last_s and times == sorted(times)
        last_s = times[-1]
    with read_ledger(str(case.url)) as ledger:
        paid = [t.for_s for t in ledger.transfers() if t.code in (34, 35)]
    assert max(paid) <= end_s + each_s
    without = replace(asked.rules, payment=None)
    assert not dict(further_plans(found, {}, asked.scenario, without, 0))


def test_statements_tell_how_corrections_are_paid(
    case: Case, corrected: Path, tmp_path: Path
) -> None:
    """O23: they sum to cash, and their bills to them; the table of payment has each bill."""
    net = money_in(corrected)
    written = statements_of_run(
        case.run.folder, tmp_path / "told", ledger=str(corrected), readings=case.files
    )
    sums: Counter[str] = Counter()
    for w in written:
        sums[w.member] += w.statement.sum_nano
        assert w.payment is not None
        check_bases(w, 96)
        with w.payment.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        total = {row["side"]: row for row in rows[-2:]}
        due = [_nano(total[side]["amount_eur"]) for side in ("owes", "is owed")]
        late = [_nano(total[side]["interest_eur"]) for side in ("owes", "is owed")]
        assert due[0] - due[1] + late[0] - late[1] == w.statement.sum_nano
        page = w.page.read_text(encoding="utf-8")
        has = {row["bill"] for row in rows} - {"Sum", "bill"}
        assert ("Correction of" in page) == bool(has)
        assert "not told here" not in page
    for name, nano in sums.items():
        assert nano == -net[f"cash/member%2F{name}"], name
    [ada] = [w for w in written if (w.member, w.period) == ("ada", "early")]
    assert ada.payment is not None
    text = ada.payment.read_text(encoding="utf-8")
    assert "correction 1" in text and "correction 2" in text
    untold = statements_of_run(
        case.run.folder, tmp_path / "untold", ledger=str(corrected), members=["ada"],
        periods=["early"],
    )  # fmt: skip
    check_bases(untold[0], 96)
    page = untold[0].page.read_text(encoding="utf-8")
    assert "Corrections that came later" in page and "Correction of" not in page
    assert untold[0].statement.sum_nano == ada.statement.sum_nano


@pytest.mark.parametrize("count", [0, 1, 2])
def test_each_column_of_the_intervals_sums_to_its_line_of_the_bill(
    case: Case, tmp_path: Path, count: int
) -> None:
    """After any number of corrections, to the nano-unit; and the meter is the one that counts."""
    url, files = case.copy(tmp_path), case.files[:count]
    if files:
        case.correct(url, count)
    written = statements_of_run(case.run.folder, tmp_path / "out", ledger=str(url), readings=files)
    columns = {Line.TRADE: "energy", Line.IMBALANCE: "imbalance", Line.LOSS_CHARGE: "losses"}
    told = 0
    for w in written:
        sums: Counter[str] = Counter()
        for line in w.statement.lines:
            if isinstance(line.code, Line) and line.code not in SHARE:
                sums[columns.get(line.code, f"fee {line.name}") + "_eur"] += line.money_nano
        rows = table(w.intervals)
        money = [head for head in rows[0] if head.endswith("_eur") and head != "sum_eur"]
        found = {head: sum(_nano(row[head]) for row in rows) for head in money}
        assert {head: nano for head, nano in found.items() if nano} == {
            head: nano for head, nano in sums.items() if nano
        }, w.intervals
        assert sum(_nano(row["sum_eur"]) for row in rows) == sum(sums.values())
        told += "single intervals is as it was before" in w.page.read_text(encoding="utf-8")
    assert told == 0
    [ada] = [w for w in written if (w.member, w.period) == ("ada", "early")]
    metered = {row["time"]: float(row["metered_j"]) / 3_600_000 for row in table(ada.intervals)}
    late = [metered[time] for time in sorted(metered) if "T08:00" in time or "T08:15" in time]
    assert count == 0 or late == ([0.9, -0.4] if count == 1 else [0.2, -0.4])


def test_without_the_readings_the_page_says_what_it_lacks(
    case: Case, corrected: Path, tmp_path: Path
) -> None:
    written = statements_of_run(
        case.run.folder, tmp_path, ledger=str(corrected), members=["ada"], periods=["early"]
    )
    page = written[0].page.read_text(encoding="utf-8")
    assert "single intervals is as it was before" in page


def test_a_ledger_that_holds_nothing_of_the_run_is_not_corrected(
    case: Case, tmp_path: Path
) -> None:
    """Neither an empty one nor that of another run of the same scenario: nothing is written."""
    other = run_scenario(
        street(tmp_path / "street"), forecast="noise", seed=1, ledger=str(tmp_path / "other.db"),
        out=tmp_path / "run", workers=1,
    )  # fmt: skip
    with open_ledger(str(tmp_path / "empty.db")):
        pass
    assert other.manifest["run"] != case.run.manifest["run"]
    for name in ("empty", "other"):
        url = tmp_path / f"{name}.db"
        before = verify_ledger(str(url))
        words = ["ledger", "correct", str(url), str(case.run.folder), *map(str, case.files)]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 2 and "holds nothing of the run" in done.output, done.output
        assert verify_ledger(str(url)) == before


def test_readings_that_the_ledger_has_not_are_refused(case: Case, tmp_path: Path) -> None:
    run = case.run.folder
    with pytest.raises(InputError, match="in no ledger") as caught:
        statements_of_run(run, tmp_path, readings=case.files)
    assert caught.value.place == "--readings" and caught.value.remedy
    with pytest.raises(InputError, match="not what the ledger has") as caught:
        statements_of_run(run, tmp_path, ledger=str(case.url), readings=case.files)
    assert caught.value.place == "--readings" and caught.value.remedy


def test_the_command_tells_the_bills(case: Case, tmp_path: Path) -> None:
    url = case.copy(tmp_path)
    words = ["ledger", "correct", str(url), str(case.run.folder), *map(str, case.files)]

    def said(*more: str) -> str:
        done = CliRunner().invoke(app, [*words, *more])
        assert done.exit_code == 0, done.output
        return done.stdout

    told = json.loads(said("--json"))
    assert told["written"] > told["transfers"] > 0 and len(told["bills"]) == 4
    assert {bill["file"] for bill in told["bills"]} == set(map(str, case.files))
    assert all(float(bill["total"]) > 0 for bill in told["bills"])
    assert json.loads(said("--json")) == {**told, "written": 0}
    assert said().count("A further bill for") == 4


def test_verify_asks_the_ledger(case: Case, corrected: Path, tmp_path: Path) -> None:
    """All of the run and its corrections stands there, or the first that does not is named."""
    run = case.run.folder
    plain, whole = verify_kept(run, str(corrected)), verify_kept(run, str(corrected), case.files)
    assert whole.run == plain.run == case.run.summary["settlement"]["ledger"]["transfers"]
    assert whole.others == plain.corrections == 0 < whole.corrections == plain.others
    before = case.copy(tmp_path)
    assert verify_kept(run, str(before)).others == 0
    with pytest.raises(VerificationError, match=r"imbalance of .* from .* is missing") as caught:
        verify_kept(run, str(before), case.files)
    assert caught.value.place == str(before)
    case.correct(before, 1)
    words = ["verify", str(run), "--ledger", str(before), "--readings"]
    done = CliRunner().invoke(app, [*words, str(case.files[0])])
    assert done.exit_code == 0, done.output
    assert f"the ledger holds its {whole.run:,} transfers" in done.stdout
    assert "that correct it by 1 table of late readings" in done.stdout
    with pytest.raises(VerificationError, match=r"missing|something else"):
        verify_kept(run, str(before), case.files[1:])


def test_verify_refuses_what_it_cannot_ask(case: Case, tmp_path: Path) -> None:
    late = ["--readings", str(case.files[0])]
    for words, told in (
        ([str(case.run.folder), *late], "in no ledger"),
        ([str(case.files[0]), "--ledger", str(case.url), *late], "no folder of a run"),
        ([str(case.run.folder), "--ledger", str(tmp_path / "none.db")], "no ledger"),
    ):
        done = CliRunner().invoke(app, ["verify", *words])
        assert done.exit_code == 2 and told in done.output, done.output


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _nano(text: str) -> int:
    whole, _, part = text.lstrip("-").partition(".")
    nano = int(whole) * 10**9 + int(part.ljust(9, "0") or 0)
    return -nano if text.startswith("-") else nano
