"""Bills of what was corrected after a run was billed: a further bill for each file of readings.

    for number, plan in further_plans(found, scenario, rules, seed): ...

The bills of a run are paid to the end before that of its first correction is made, and these
before that of the next: so what was written stays when more comes later, and nothing is cleared
twice. When is stated by a rule, since readings do not say when they came.
Spec: docs/spec/obligations.md, O24.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from isojoule.apps.results.chapters.payments import (
    groups_of,
    late_payers,
    paid_in,
    plan_by_rules,
)
from isojoule.apps.results.correct import Correction
from isojoule.core.errors import InvariantError
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.payments.bills import Bill, Stretch, bill_of
from isojoule.settlement.payments.plan import Plan
from isojoule.settlement.payments.rules import Payment
from isojoule.settlement.rules import Rules


def further_plans(
    found: Iterable[Correction], scenario: Scenario, rules: Rules, seed: int
) -> Iterator[tuple[int, Plan]]:
    """What happens to the bills of corrections: number of the file, plan.

    Rules that make no bills, and files that move no money, have none.

    Parameters
    ----------
    found
        All corrections of a run.
    seed
        Of the run.
    """
    payment = rules.payment
    if payment is None:
        return
    by_number: dict[int, list[Correction]] = {}
    for one in found:
        by_number.setdefault(one.number, []).append(one)
    for number, some in sorted(by_number.items()):
        made_s = date_of(number, scenario, payment, seed)
        made = [_bill(one, payment, scenario.timezone, made_s) for one in some]
        made = [bill for bill in made if bill.rows]
        if made:
            yield number, plan_by_rules(made, payment, scenario.participants, seed, payment.way)


def date_of(number: int, scenario: Scenario, payment: Payment, seed: int) -> int:
    """When the bills of a file are made, s since 1970: all before are paid by then. Spec: O24."""
    latest = max(late_payers(payment, scenario.participants, seed).values(), default=0)
    return scenario.periods[-1].end_s + number * (payment.due_s + latest)


def run_of(run: str, number: int) -> str:
    """The name from which the ids of a further bill's transfers follow."""
    return f"{run} correction {number}"


def _bill(one: Correction, payment: Payment, zone: str, made_s: int) -> Bill:
    """The bill of a period's correction, matched as its first bills were."""
    period = one.period
    groups = groups_of(one.stretch.time_s, [0], payment.matched, zone)
    paid = paid_in(one.change.lines, groups)
    if sum(paid.values(), np.zeros(groups.size, np.int64)).any():
        raise InvariantError("what a correction moves does not sum to 0")
    bill = bill_of(Stretch(period.name, period.start_s, period.end_s), [paid])
    return bill._replace(made_s=made_s, revision=one.number)
