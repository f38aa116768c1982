"""Bills of what was corrected after a run was billed: a further bill for each file of readings.

    found, promises, plans = further_bills(run_folder, [first, second])

The bills of a run are paid to the end before that of its first correction is made, and these
before that of the next: so what was written stays when more comes later, and nothing is cleared
twice. When is stated by a rule, since readings do not say when they came.
Spec: docs/spec/obligations.md, O24.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.chapters.payments import (
    groups_of,
    late_payers,
    plan_by_rules,
)
from isojoule.apps.results.correct import Correction, corrections
from isojoule.apps.results.promises_again import Again, promises_again
from isojoule.apps.results.store import Run
from isojoule.core.errors import InvariantError
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.line_sums import paid_in
from isojoule.settlement.payments.bills import Bill, Stretch, bill_of
from isojoule.settlement.payments.plan import Plan
from isojoule.settlement.payments.rules import Payment
from isojoule.settlement.rules import Rules


class Further(NamedTuple):
    """All that late readings change.

    Attributes
    ----------
    found
        What is settled otherwise.
    promises
        What contracts and bonds come to besides, by number of the file.
    plans
        What happens to the bills of both, by number of the file.
    """

    found: list[Correction]
    promises: dict[int, Again]
    plans: dict[int, Plan]


def further_bills(folder: Path, files: Sequence[Path]) -> Further:
    """What late readings change in a run: settlement, contracts, bonds, bills.

    Raises
    ------
    InputError
        It is no run, or a reading is none of it; with file, line and remedy.
    """
    manifest = Run(folder).manifest
    scenario, rules = read_asked(folder / "scenario", manifest["arguments"])
    found, seed = list(corrections(folder, files)), int(manifest["seed"])
    promises = promises_again(folder, scenario, rules, manifest["run"], seed, found)
    return Further(found, promises, dict(further_plans(found, promises, scenario, rules, seed)))


def further_plans(
    found: Iterable[Correction],
    promises: Mapping[int, Again],
    scenario: Scenario,
    rules: Rules,
    seed: int,
) -> Iterator[tuple[int, Plan]]:
    """What happens to the bills of corrections: number of the file, plan.

    Rules that make no bills, and files that move no money, have none.

    Parameters
    ----------
    found, promises
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
        besides = promises[number].paid_nano if number in promises else {}
        made = [
            _bill(one, besides.get(one.period.name, {}), payment, scenario.timezone, made_s)
            for one in some
        ]
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


def _bill(
    one: Correction, besides: Mapping[str, int], payment: Payment, zone: str, made_s: int
) -> Bill:
    """The bill of a period's correction, matched as its first bills were.

    `besides` is what accounts paid by contracts and bonds. With what is shared otherwise it is
    matched by itself, as in O15.
    """
    period, rest = one.period, Counter(one.shared_nano)
    rest.update(besides)
    groups = groups_of(one.stretch.time_s, [0], payment.matched, zone)
    paid = paid_in(one.change.lines, groups)
    if sum(rest.values()) or sum(paid.values(), np.zeros(groups.size, np.int64)).any():
        raise InvariantError("what a correction moves does not sum to 0")
    last = {name: np.array([nano]) for name, nano in rest.items() if nano}
    bill = bill_of(Stretch(period.name, period.start_s, period.end_s), [paid, last])
    return bill._replace(made_s=made_s, revision=one.number)
