"""How far the bills of a party are paid, bill by bill.

Spec: docs/spec/obligations.md, O23.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from isojoule.settlement.payments.plan import Cleared, Interest, Paid, Plan, Step

What = Literal["set off", "paid", "paid late", "interest"]


class Event(NamedTuple):
    """Something that ended a part of a bill, or was charged on it.

    Attributes
    ----------
    what
        Set off, or paid in cash; interest is besides.
    time_s
        When, s since 1970.
    owed_nano
        Of what the party owes.
    due_nano
        Of what it is owed.
    """

    what: What
    time_s: int
    owed_nano: int
    due_nano: int


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
        In the order of time; but for interest they sum to both.
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
    events: dict[tuple[int, int], dict[tuple[What, int], list[int]]] = {}
    for row, nano in enumerate(plan.amount_nano.tolist()):
        for side, who in enumerate((int(plan.debtor[row]), int(plan.creditor[row]))):
            if who in mine:
                sums.setdefault((who, int(plan.bill[row])), [0, 0])[side] += nano
    for step in plan.steps:
        for row, what, nano in _ended(step):
            for side, who in enumerate((int(plan.debtor[row]), int(plan.creditor[row]))):
                if who in mine:
                    found = events.setdefault((who, int(plan.bill[row])), {})
                    found.setdefault((what, step.time_s), [0, 0])[side] += nano
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


def _ended(step: Step) -> Iterable[tuple[int, What, int]]:
    """What a step did to which obligation."""
    match step:
        case Cleared():
            for row, nano in zip(
                step.rows.tolist(), step.netted.set_off_nano.tolist(), strict=True
            ):
                if nano:
                    yield row, "set off", nano
        case Paid():
            yield step.row, "paid late" if step.late else "paid", step.amount_nano
        case Interest():
            yield step.row, "interest", step.amount_nano
        case _:
            return
