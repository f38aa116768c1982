"""Whatever is billed and however late: nothing is open in the end, nothing is made or lost.

Spec: docs/spec/obligations.md, O16 to O22.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Transfer
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.netting import posting as netting
from isojoule.settlement.netting.unpaid import unpaid
from isojoule.settlement.payments.bills import Bill, Stretch
from isojoule.settlement.payments.figures import cash_of, figures_of, interest_nano
from isojoule.settlement.payments.plan import Cleared, Paid, Plan, plan_of
from isojoule.settlement.payments.posting import Code, post, transfers
from isojoule.settlement.payments.rules import WAYS, Credit, Payment
from isojoule.settlement.payments.state import ENDS, BillState, states_of
from isojoule.settlement.statements import Span, statements_of

NAMES = ("member/a", "member/b", "member/c", "utility", "fee/x/y")
WEEK = 7 * 86400


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Some bills in a row, by any rules."""
    row = st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(1, 50))
    bills = []
    for at in range(draw(st.integers(1, 5))):
        sums: Counter[tuple[str, str]] = Counter()
        for debtor, step, nano in draw(st.lists(row, max_size=8)):
            sums[NAMES[debtor], NAMES[(debtor + step) % 5]] += nano
        rows = tuple((*pair, nano) for pair, nano in sorted(sums.items()))
        bills.append(Bill(Stretch(f"p{at}", at * WEEK, (at + 1) * WEEK), rows))
    payment = Payment(
        due_s=draw(st.integers(0, 2 * WEEK)), interest_ppb=draw(st.integers(0, 10**9))
    )
    late = {name: draw(st.sampled_from((0, WEEK, 3 * WEEK))) for name in NAMES[:3]}
    credit = {name: Credit(*draw(st.tuples(*[st.integers(0, 60)] * 2))) for name in NAMES[:3]}
    return plan_of(bills, payment, late, credit, draw(st.sampled_from(WAYS)))


def traded(plan: Plan) -> MemoryLedger:
    """A ledger in which accounts have the balances that are billed."""
    ledger = MemoryLedger()
    ledger.open_accounts([Account(name, "EUR") for name in NAMES], 1)
    number = 0
    for bill in plan.bills:
        for debtor, creditor, nano in bill.rows:
            number += 1
            ends = Account(debtor, "EUR").id, Account(creditor, "EUR").id
            t = Transfer(number, *ends, nano, code=1, for_s=bill.stretch.start_s)
            assert ledger.post([t], 1)[0].done
    return ledger


def nets(ledger: MemoryLedger) -> dict[str, int]:
    return {account.name: balance.net for account, balance in ledger.accounts()}


@given(plans())
@settings(max_examples=120, deadline=None)
def test_everything_is_resolved(plan: Plan) -> None:
    """O16, O21: balances become cash; nothing else is left, and again nothing is written."""
    ledger = traded(plan)
    before = nets(ledger)
    interest: Counter[str] = Counter()
    for paid in interest_nano(plan).values():
        interest.update(paid)
    post(ledger, plan, "EUR", run="test", clock=lambda t: t * 10**9)
    after, size = nets(ledger), ledger.size
    for name, nano in after.items():
        if not name.startswith("cash/"):
            assert nano == 0, name
    for name in NAMES:
        cash = after.get("cash/" + name.replace("/", "%2F"), 0)
        assert cash == before[name] - interest[name]
    assert sum(after.values()) == 0
    post(ledger, plan, "EUR", run="test", clock=lambda _: 10**18)
    assert ledger.size == size
    charged = [t for t in ledger.transfers() if t.code == Code.INTEREST]
    assert figures_of(plan).interest == sum(t.amount for t in charged)


@given(plans())
@settings(max_examples=120, deadline=None)
def test_never_more_than_is_owed_nor_than_may_be_spent(plan: Plan) -> None:
    """O18 to O20: set off and paid is what arose, row by row; credit clears no less."""
    ended = np.zeros_like(plan.amount_nano)
    for step in plan.steps:
        if isinstance(step, Cleared):
            assert (step.netted.set_off_nano >= 0).all()
            assert (step.netted.set_off_nano <= step.obligations.amount_nano).all()
            ended[step.rows] += step.netted.set_off_nano
            assert step.netted.cleared_nano >= step.alone_nano
            if plan.way == "clearing":
                assert step.netted.cleared_nano == step.alone_nano
        elif isinstance(step, Paid):
            ended[step.row] += step.amount_nano
            assert step.late == (step.time_s > plan.due_s[step.row])
    assert np.array_equal(ended, plan.amount_nano)
    f = figures_of(plan)
    if plan.way != "credit":
        assert f.cleared <= f.total - f.net_internal_debt
        assert f.cash_moved == f.total - f.cleared + f.interest
    times = [step.time_s for step in plan.steps]
    assert times == sorted(times)


@given(plans())
@settings(max_examples=60, deadline=None)
def test_statements_are_what_all_accounts_of_a_party_changed_by(plan: Plan) -> None:
    """O23: also while half is paid; all sum to 0; and what was billed is not owed again (O16)."""
    ledger = traded(plan)
    spans = [Span(b.stretch.period, b.stretch.start_s, b.stretch.end_s) for b in plan.bills]
    for some in (plan.steps[: len(plan.steps) // 2], plan.steps):
        part = Plan(**{**vars(plan), "steps": some})
        for time_s, given_ in transfers(part, "EUR", run="test"):
            assert netting.post(ledger, given_, time_s * 10**9) is None
        accounts = [account for account, _ in ledger.accounts()]
        made = statements_of(accounts, ledger.transfers(), "EUR", spans)
        assert sum(s.sum_nano for s in made.values()) == 0
        net = nets(ledger)
        for name in NAMES:
            own = name.replace("/", "%2F")
            roots = (f"obligation/{own}/", f"claims/{own}", f"cash/{own}", f"credit/{own}")
            together = net[name] + sum(n for a, n in net.items() if a.startswith(roots))
            assert sum(s.sum_nano for (party, _), s in made.items() if party == name) == -together
        assert {party for party, _ in made} <= set(NAMES)
    owed = unpaid(ledger, "EUR", [(s.start_s, s.end_s) for s in spans])
    assert owed.total_nano == 0


@given(plans())
@settings(max_examples=60, deadline=None)
def test_the_state_of_bills_sums_to_them(plan: Plan) -> None:
    """O23."""
    sums: dict[str, int] = dict.fromkeys(NAMES, 0)
    for (party, _), bills in states_of(plan, NAMES).items():
        for bill in bills:
            ended = [e for e in bill.events if e.what in ENDS]
            assert sum(e.owed_nano for e in ended) == bill.owes_nano
            assert sum(e.due_nano for e in ended) == bill.owed_nano
            sums[party] += bill.owed_nano - bill.owes_nano
    o = plan.obligations
    assert sums == {**dict.fromkeys(NAMES, 0), **dict(zip(o.parties, o.net_nano, strict=True))}


@given(plans())
@settings(max_examples=120, deadline=None)
def test_what_is_paid_is_the_bill_and_the_cash(plan: Plan) -> None:
    """O25: bill by bill to the nano-unit; credit is used or redeemed; other bills sum to 0."""
    cash: Counter[str] = Counter(dict.fromkeys(NAMES, 0))
    for step in plan.steps:
        for who, nano in cash_of(plan, step):
            cash[plan.parties[who]] += nano
    found: dict[str, list[BillState]] = {}
    for (party, _), bills in states_of(plan, NAMES).items():
        found.setdefault(party, []).extend(bills)
    for party, bills in found.items():
        paid = besides = 0
        for bill in bills:
            interest = bill.sums("interest")
            pays = sum(event.pays_nano for event in bill.events)
            assert pays == bill.owes_nano - bill.owed_nano + interest[0] - interest[1]
            became = zip(bill.sums("credit used"), bill.sums("redeemed"), strict=True)
            assert bill.sums("credit") == tuple(map(sum, became))
            assert len(set(bill.sums("set off"))) == 1
            paid += pays
            for what in ("other bills", "credit used"):
                owed, due = bill.sums(what)
                besides += owed - due
        assert paid == -cash[party] and besides == 0


def test_another_plan_under_the_same_name_is_refused() -> None:
    """O12, O16."""

    def plan(nano: int) -> Plan:
        bills = [Bill(Stretch("", 0, 9), (("member/a", "utility", nano),))]
        return plan_of(bills, Payment(), {}, {}, "clearing")

    ledger = MemoryLedger()
    kind: dict[str, Any] = {"run": "test", "clock": lambda _: 1}
    post(ledger, plan(5), "EUR", **kind)
    with pytest.raises(InputError, match="refused a payment"):
        post(ledger, plan(6), "EUR", **kind)
