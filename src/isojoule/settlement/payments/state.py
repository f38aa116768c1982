"""How far the bills of a party are paid, bill by bill.

What a clearing takes off a bill is set off within the bill, against other bills of the party, or
with mutual credit (`credit_lots`), which is used for another bill later, or redeemed in the end.
So the cash and what other bills counted for sum to the bill, to the nano-unit.

Spec: docs/spec/obligations.md, O23 and O25.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from isojoule.core.errors import InvariantError
from isojoule.settlement.payments.credit_lots import CreditLots, Side, What
from isojoule.settlement.payments.plan import Cleared, Interest, Paid, Plan, Redeemed, Step

ENDS: tuple[What, ...] = ("set off", "other bills", "credit", "paid", "paid late")
"""What ends parts of a bill: of what is owed, and of what is due, all of it."""
PAYS: tuple[What, ...] = (
    "other bills", "paid", "paid late", "interest", "credit used", "redeemed",
)  # fmt: skip
"""What counts as paid, or got: of what is owed less of what is due it is all of a bill."""


class Event(NamedTuple):
    """Something that ended a part of a bill, was charged on it, or became of its mutual credit.

    Attributes
    ----------
    what
        See `ENDS`; interest is besides, and what became of credit.
    time_s
        When, s since 1970.
    owed_nano
        Of what the party owes, or took as credit.
    due_nano
        Of what it is owed, or gave as credit.
    """

    what: What
    time_s: int
    owed_nano: int
    due_nano: int

    @property
    def pays_nano(self) -> int:
        """What the party pays by it; negative: gets."""
        return self.owed_nano - self.due_nano if self.what in PAYS else 0


class BillState(NamedTuple):
    """One bill of a party.

    Attributes
    ----------
    start_s, end_s
        What it adds up.
    date_s
        When it was made.
    due_s
        When it is due.
    owes_nano, owed_nano
        What the party owes, and is owed. They differ by what its lines sum to.
    events
        In the order of time. Those in `ENDS` sum to both; what all of them pay is what the party
        owes less what it is owed, with interest.
    revision
        Which correction it bills; 0: what was settled at first.
    """

    start_s: int
    end_s: int
    date_s: int
    due_s: int
    owes_nano: int
    owed_nano: int
    events: tuple[Event, ...]
    revision: int = 0

    def sums(self, what: What) -> tuple[int, int]:
        """What some kind of event comes to: of what is owed, and of what is due."""
        some = [event for event in self.events if event.what == what]
        return sum(event.owed_nano for event in some), sum(event.due_nano for event in some)


def states_of(plan: Plan, parties: Iterable[str]) -> dict[tuple[str, str], list[BillState]]:
    """The bills of some parties, by party and period; bills of nothing are left out."""
    wanted = {name: p for p, name in enumerate(plan.parties)}
    mine = {wanted[name] for name in parties if name in wanted}
    sums: dict[tuple[int, int], list[int]] = {}
    for row, nano in enumerate(plan.amount_nano.tolist()):
        for side, who in _ends(plan, row):
            if who in mine:
                sums.setdefault((who, int(plan.bill[row])), [0, 0])[side] += nano
    events = _events(plan, mine)
    states: dict[tuple[str, str], list[BillState]] = {}
    for (who, bill), (owes, owed) in sorted(sums.items()):
        one, stretch = plan.bills[bill], plan.bills[bill].stretch
        made = tuple(Event(*key, *both) for key, both in events.get((who, bill), {}).items())
        due_s = int(plan.due_s[plan.of_bill(bill)[0]])
        states.setdefault((plan.parties[who], stretch.period), []).append(
            BillState(
                stretch.start_s, stretch.end_s, one.date_s, due_s, owes, owed, made, one.revision
            )
        )
    return states


Events = dict[tuple[int, int], dict[tuple[What, int], list[int]]]
"""By party and bill, by what and when: of what is owed, and of what is due."""


def _events(plan: Plan, mine: set[int]) -> Events:
    """What happened to the bills of some parties."""
    events: Events = {}
    lots = {who: CreditLots() for who in mine}

    def add(who: int, bill: int, what: What, time_s: int, side: int, nano: int) -> None:
        found = events.setdefault((who, bill), {})
        found.setdefault((what, time_s), [0, 0])[side] += nano

    for step in plan.steps:
        if isinstance(step, Cleared):
            for who, taken in _set_off(plan, step, mine).items():
                for bill, what, side, nano in lots[who].clear(taken):
                    add(who, bill, what, step.time_s, side, nano)
        elif isinstance(step, Redeemed):
            for who, kept in lots.items():
                if kept.balance_nano != step.credit_nano[who]:
                    raise InvariantError("mutual credit is not what clearings left of it")
                for bill, what, side, nano in kept.redeem():
                    add(who, bill, what, step.time_s, side, nano)
        else:
            for row, what, nano in _moved(step):
                for side, who in _ends(plan, row):
                    if who in mine:
                        add(who, int(plan.bill[row]), what, step.time_s, side, nano)
    if any(kept.balance_nano for kept in lots.values()):
        raise InvariantError("mutual credit is left")
    return events


def _set_off(plan: Plan, step: Cleared, mine: set[int]) -> dict[int, dict[int, list[int]]]:
    """What a clearing took off the bills of some parties, by party and bill, of both sides."""
    taken: dict[int, dict[int, list[int]]] = {}
    for row, nano in zip(step.rows.tolist(), step.netted.set_off_nano.tolist(), strict=True):
        for side, who in _ends(plan, row) if nano else ():
            if who in mine:
                of_bill = taken.setdefault(who, {}).setdefault(int(plan.bill[row]), [0, 0])
                of_bill[side] += nano
    return taken


def _ends(plan: Plan, row: int) -> Iterator[tuple[Side, int]]:
    """The sides of an obligation: who owes, who is owed."""
    yield Side.OWED, int(plan.debtor[row])
    yield Side.DUE, int(plan.creditor[row])


def _moved(step: Step) -> Iterable[tuple[int, What, int]]:
    """Which obligation was paid, or interest charged on it."""
    match step:
        case Paid():
            yield step.row, "paid late" if step.late else "paid", step.amount_nano
        case Interest():
            yield step.row, "interest", step.amount_nano
        case _:
            return
