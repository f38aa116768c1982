"""Contracts and bonds of a run on late readings. Spec: B34."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from isojoule.apps.results.chapters import day_ahead
from isojoule.apps.results.further_bills import Further, further_bills
from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.settlement import SettledRun
from isojoule.apps.results.store import Run
from isojoule.core.interval import Interval
from isojoule.settlement.collateral.nouns import Code as BondCode
from isojoule.settlement.commitments.nouns import Code as Margins
from isojoule.settlement.day_ahead.corrected import dues
from isojoule.settlement.day_ahead.nouns import Code
from isojoule.settlement.line_sums import paid_in_all
from tests.apps.results.late_readings import correct, money, settled_by, settled_rightly

RULES = """\
isojoule: 1
currency: EUR
imbalance: {price: dual, short_factor: 1.2, long_factor: 0.9, payer: members}
day_ahead: {move: 2 ct/kWh, least_days: 1, level: 50 %, bearable: 20 %, least: 0.5 kWh}
collateral: {fine: 2 ct/kWh, credit: 1 EUR, least_share: 50 %}
"""
PAID = "payment: {due: 14 d, late: [{share: 30 %, by: 60 d}], interest: 5 %}\n"
WH_UJ = 3_600_000_000


class Case:
    """Two days of summer, and two tables that alter the last block with contracts."""

    def __init__(self, folder: Path) -> None:
        rules = folder / "rules.yaml"
        rules.write_text(RULES)
        self.run: Run = run_scenario(
            "rural", start="2016-07-11", end="2016-07-13", forecast="noise", rules=rules,
            out=folder / "run",
        )  # fmt: skip
        held = day_ahead.hold_run(self.settled().settling)
        last = max(deal.block for deal in held.deals if deal.why == "delivery")
        sellers = {held.members[d.seller] for d in held.deals if d.block == last}
        names = sorted(name.removeprefix("member/") for name in sellers)
        start_s = int(held.blocks.start_s[last])
        times = [start_s + 900 * at for at in range(4)]
        [stretch] = [p.stretch for p in self.settled().settling.periods]
        shown = {
            time_s: dict(zip(stretch.members, row, strict=True))
            for time_s, row in zip(
                stretch.time_s.tolist(), (stretch.metered_uj // WH_UJ).tolist(), strict=True
            )
        }
        # whoever takes most stands against what others gave, so that losses stay as they were
        other = max(set(stretch.members) - set(names), key=lambda name: shown[times[0]][name])
        self.late = [
            {(time_s, name): 0 for time_s in times for name in names},
            {(times[0], names[0]): -3000, (times[1], names[0]): 125},
        ]
        for rows in self.late:
            for time_s in dict.fromkeys(time_s for time_s, _ in rows):
                change = sum(wh - shown[time_s][n] for (at, n), wh in rows.items() if at == time_s)
                rows[time_s, other] = shown[time_s][other] - change
                shown[time_s] |= {n: wh for (at, n), wh in rows.items() if at == time_s}
        self.files = []
        for number, rows in enumerate(self.late):
            file = folder / f"late-{number}.csv"
            lines = [
                f"{Interval(time_s, 900.0).start_text()},{name},{wh / 1000}"
                for (time_s, name), wh in rows.items()
            ]
            file.write_text("\n".join(["time,participant,metered [kWh]", *lines, ""]))
            self.files.append(file)

    def settled(self, rules: str = RULES) -> SettledRun:
        """The run settled, by rules that stand in its folder then."""
        return settled_by(self.run, rules)

    def further(self) -> Further:
        return further_bills(self.run.folder, self.files)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("promised"))


def corrected(case: Case, settled: SettledRun) -> dict[str, int]:
    """Money of all accounts after both files were booked, twice."""
    sizes = []
    for files in (case.files[:1], case.files, case.files):
        correct(case.run, files, settled.ledger)
        sizes.append(settled.ledger.size)
    assert sizes[0] < sizes[1] == sizes[2]
    return money(settled.ledger)


@pytest.mark.parametrize("surplus", ["keep", "energy"])
def test_each_stands_as_if_the_readings_had_been_there(case: Case, surplus: str) -> None:
    """Y26, B34 and B35: settled from the start on the right readings balances are the same."""
    rules = f"{RULES}surplus: {surplus}\n"
    settled = case.settled(rules)
    before = money(settled.ledger)
    net = corrected(case, settled)
    assert net != before
    assert money(settled_rightly(case.run, rules, case.files).ledger) == net


def test_files_move_what_contracts_and_bonds_change(case: Case) -> None:
    """B34: both kinds move, chains leave escrow empty, and what is paid sums to 0."""
    case.settled()
    promises = case.further().promises
    assert set(promises) == {1, 2}
    codes = {t.code for again in promises.values() for chain in again.chains for t in chain}
    assert {Code.REST, BondCode.SLASH, BondCode.HARM, BondCode.FINE} <= codes
    for again in promises.values():
        escrow = next(a.id for a in again.accounts if a.name == "collateral")
        for chain in again.chains:
            assert sum(t.amount * ((t.credit == escrow) - (t.debit == escrow)) for t in chain) == 0
            assert all(escrow in (t.debit, t.credit) for t in chain)
        for paid in again.paid_nano.values():
            assert sum(paid.values()) == 0 and paid.get("collateral", 0) == 0


def test_the_first_readings_change_nothing(case: Case) -> None:
    """What contracts came to is what they come to again by the same readings."""
    held = day_ahead.hold_run(case.settled().settling)
    assert len(held.deals) > 20
    assert dues(held, held.blocks) == [deal.due_nano for deal in held.deals]


def test_they_are_billed_with_the_correction(case: Case) -> None:
    """O24: with bills, everything ends at 0 but cash, which is that of the ledger without bills."""
    plain = corrected(case, case.settled())
    settled = case.settled(RULES + PAID)
    net = corrected(case, settled)
    assert all(name.startswith("cash/") for name in net)
    names = {a.id: a.name for a, _ in settled.ledger.accounts()}
    for t in settled.ledger.transfers():
        if t.code == 36:  # interest comes besides
            for account, nano in ((t.debit, t.amount), (t.credit, -t.amount)):
                plain[names[account]] = plain.get(names[account], 0) - nano
    cash = {name.removeprefix("cash/").replace("%2F", "/"): nano for name, nano in net.items()}
    assert cash == {name: nano for name, nano in plain.items() if nano}
    assert np.all([len(plan.bills) == 1 for plan in case.further().plans.values()])


def test_cash_for_margins_limits_no_bill(case: Case) -> None:
    """B34 and O24: what is corrected moves and is billed whole, whatever `cash` members have.

    With 20 ct each some contracts are not made and calls stay open, so others end by default. What
    was made stands; a file moves what it changes of those that ended by delivery, and no call is
    made again. All is paid in the end.
    """
    limited = RULES.replace("least: 0.5 kWh", "least: 0.5 kWh, cash: 20 ct")
    settled = case.settled(limited + PAID)
    held = day_ahead.hold_run(settled.settling)
    whys = {deal.why for deal in held.deals}
    assert held.unbacked > 0 and whys == {"delivery", "default"}
    calls = len([t for t in settled.ledger.transfers() if t.code == Margins.MARGIN])
    further = case.further()
    assert set(further.plans) == set(further.promises) == {1, 2}
    moved = 0
    for number, again in further.promises.items():
        moved += sum(t.code == Code.REST for chain in again.chains for t in chain)
        plan = further.plans[number]
        # each party's bills come to what the file changes of it, whatever cash it was given
        changed = Counter[str]()
        for one in further.found:
            if one.number == number:
                changed.update(paid_in_all(one.change.lines))
                changed.update(one.shared_nano)
        for paid in again.paid_nano.values():
            changed.update(paid)
        billed = Counter[str]()
        for bill in plan.bills:
            for debtor, creditor, nano in bill.rows:
                billed[debtor] += nano
                billed[creditor] -= nano
        assert {k: v for k, v in billed.items() if v} == {k: v for k, v in changed.items() if v}
    assert moved > 0
    net = corrected(case, settled)
    assert all(name.startswith("cash/") for name in net)
    assert len([t for t in settled.ledger.transfers() if t.code == Margins.MARGIN]) == calls
