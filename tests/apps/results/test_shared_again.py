"""What late readings change of the operator's line is shared again. Spec: Y26, Y27, B35."""

from __future__ import annotations

from pathlib import Path

import pytest

from isojoule.apps.ledger import open_ledger
from isojoule.apps.results.correct import corrections
from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.settlement import keep
from isojoule.apps.results.store import Run
from isojoule.apps.statements import Written, statements_of_run
from isojoule.apps.statements.bonds import TAKEN
from isojoule.apps.statements.sheet import exact
from isojoule.core.errors import InputError
from isojoule.settlement.collateral.folded import Code as FundCode
from isojoule.settlement.settle import Code
from isojoule.settlement.shares import RULES as SURPLUS
from tests.apps.results.late_readings import correct, money, settled_by, settled_rightly
from tests.apps.results.test_paid_late import street

RULES = """\
isojoule: 1
currency: EUR
imbalance: {price: dual, short_factor: 1.2, long_factor: 0.9, payer: members}
fees:
  - {name: network fee, on: local, rate: 0.05 EUR/kWh, to: network operator}
  - {name: VAT, on: bill, rate: 19 %, to: state}
collateral: {fine: 2 ct/kWh}
surplus: """
PAUSE = "pauses: [{from: 2026-06-21T08:00, to: 2026-06-21T10:00, reason: new meters}]\n"
HEAD = "time,participant,metered [kWh]\n"
FILES = (
    "2026-06-21T08:00,ada,0.9\n2026-06-21T08:15,ada,-0.4\n2026-06-21T18:00,bo,1.25\n",
    "2026-06-21T08:00,ada,0.2\n2026-06-21T12:00,ada,0.3\n2026-06-21T19:00,eve,-0.75\n",
)


class Case:
    """A run of two periods, and two tables of late readings."""

    def __init__(self, folder: Path) -> None:
        self.run: Run = run_scenario(
            street(folder / "street", RULES + "keep\n"), forecast="noise", out=folder / "run",
            workers=1,
        )  # fmt: skip
        self.files = [folder / "first.csv", folder / "second.csv"]
        for file, rows in zip(self.files, FILES, strict=True):
            file.write_text(HEAD + rows)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("shared"))


@pytest.mark.parametrize("pause", ["", PAUSE], ids=["", "paused"])
@pytest.mark.parametrize("rule", SURPLUS)
def test_each_has_the_share_that_the_right_readings_give(case: Case, rule: str, pause: str) -> None:
    """Y26: every account stands where it would, by every rule; again nothing is written."""
    rules = pause + RULES + rule
    settled = settled_by(case.run, rules)
    ledger, before = settled.ledger, money(settled.ledger)
    sizes = []
    for files in (case.files[:1], case.files, case.files):
        correct(case.run, files, ledger)
        sizes.append(ledger.size)
    assert sizes[0] < sizes[1] == sizes[2]
    right = settled_rightly(case.run, rules, case.files)
    assert money(ledger) == money(right.ledger) != before
    used = {t.code for t in ledger.transfers()}
    shared = {Code.DIVIDEND, Code.DIVIDEND_CHANGE, FundCode.FINES_SHARED}
    assert used & shared == (set() if rule == "keep" else shared)
    if rule != "keep":  # all is shared, so the operator's line is 0 before and after
        assert "operator" not in money(ledger)


def test_fines_of_a_payee_are_corrected_and_not_shared(case: Case) -> None:
    """B35: whom a fee names can have the fines, in an account of its own."""
    rules = RULES.replace("fine: 2 ct/kWh", "fine: 2 ct/kWh, fines_to: state") + "equal"
    ledger = settled_by(case.run, rules).ledger
    before = money(ledger)["fee/state/fines"]
    correct(case.run, case.files, ledger)
    right = money(settled_rightly(case.run, rules, case.files).ledger)
    assert money(ledger) == right and right["fee/state/fines"] > 0 != before
    assert all(t.code != FundCode.FINES_SHARED for t in ledger.transfers())


def test_readings_by_which_more_came_than_went(case: Case) -> None:
    """Z10: the losses of some intervals are below 0 by them, and that is shared, too."""
    settled_by(case.run, RULES + "core")
    found = list(corrections(case.run.folder, case.files))
    assert min(int(one.stretch.metered_loss_uj.min()) for one in found) < 0


def test_what_each_file_shares_sums_to_what_it_changes(case: Case) -> None:
    """Y27: to the nano-unit, and for each file what it adds to the one before."""
    first = settled_by(case.run, RULES + "energy")
    shares = {p.name: p.shares for p in first.settling.periods}
    found = list(corrections(case.run.folder, case.files))
    assert [(one.period.name, one.number) for one in found] == [
        ("early", 1), ("early", 2), ("late", 1), ("late", 2)
    ]  # fmt: skip
    for one in found:
        assert one.before == shares[one.period.name]
        shares[one.period.name] = one.shares
        moved = one.shared_nano
        assert sum(moved.values()) == 0
        lines = [line for line in one.change.lines if "operator" in line.parties]
        change = sum(int(line.money_nano.sum()) for line in lines if line.money_nano is not None)
        assert moved["operator"] == -change != 0
        [settling, sharing] = one.booked
        assert {int(c) for block in sharing.blocks() for c in block["code"]} == {14}
        assert {int(s) for block in sharing.blocks() for s in block["for_s"]} == {one.period.end_s}
        assert settling.count > sharing.count


def taken_of(written: Written) -> int:
    """What the bill says that was taken of a bond."""
    return sum(line.money_nano for line in written.statement.lines if line.code in TAKEN)


def test_statements_say_it(case: Case, tmp_path: Path) -> None:
    """A line of its own, with the new share; with the tables also the sentence of the rule."""
    settled = settled_by(case.run, RULES + "equal")
    url = str(tmp_path / "ledger.db")
    keep(settled, url)
    with open_ledger(url) as ledger:
        correct(case.run, case.files, ledger)
    last = {one.period.name: one.shares for one in corrections(case.run.folder, case.files)}
    changed: dict[tuple[str, str], bool] = {}
    for readings in ((), case.files):
        out = tmp_path / f"told-{len(readings)}"
        for w in statements_of_run(case.run.folder, out, ledger=url, readings=readings):
            at = last[w.period].members.index(w.member)
            assert w.statement.share_nano == last[w.period].amount_nano[at]
            codes = [line.code for line in w.statement.lines]
            assert codes.count(Code.DIVIDEND) == codes.count(Code.DIVIDEND_CHANGE) == 1
            page = w.page.read_text(encoding="utf-8")
            assert page.count("Change of that share by late readings") == 1
            assert page.count("Readings that came late changed what was shared") == 1
            assert page.count("is shared equally by") == (2 if readings else 1)
            told = f"by them {exact(taken_of(w), 'EUR')} are taken, as your bill says"
            assert (told in page) == ("That was before late readings" in page)
            changed[w.member, w.period] = told in page
    assert set(changed.values()) == {True, False}
    with pytest.raises(InputError, match=r"the share of .ada. .* is not what") as caught:
        statements_of_run(case.run.folder, tmp_path, ledger=url, readings=case.files[:1])
    assert caught.value.place == "--readings" and caught.value.remedy
