"""Bills of a run: who owes whom after each stretch of time, what is set off, who pays when.

Bills follow from what was settled and from what the chapters before tell, not from a ledger's
balances: so one that is kept may hold other runs, and corrections, which have bills of their own
(`isojoule.apps.results.further_bills`). Spec: docs/spec/obligations.md, O15 to O23.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isojoule.apps.results.chapters.nouns import Chapter, Clock, Settling, Told
from isojoule.apps.results.stretch import day_starts
from isojoule.core.errors import InputError, InvariantError
from isojoule.core.units import NANO_PER_UNIT
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.line_sums import paid_in
from isojoule.settlement.netting.rings import rings
from isojoule.settlement.obligations import Ints, Obligations
from isojoule.settlement.payments.bills import Bill, Stretch, bill_of, stretches
from isojoule.settlement.payments.figures import (
    Figures,
    figures_of,
    interest_nano,
    late_of,
    open_over_time,
)
from isojoule.settlement.payments.plan import Cleared, Plan, plan_of
from isojoule.settlement.payments.posting import post
from isojoule.settlement.payments.rules import Matched, Payment, Way, credits_of, delays
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import member

NAME = "payment"
CIRCLES = 9
"""Circles that the summary keeps: those that set off most."""
LOOKED_AT = 24
"""Circles of each clearing that are looked at."""
LEVELS = 400
"""Moments that it keeps of what is open."""


def plans_of_run(settling: Settling, ways: Sequence[Way]) -> dict[Way, Plan]:
    """What happens to the bills of a run, settled in each of these ways."""
    made = list(bills(settling))
    names, seed = settling.scenario.participants, settling.seed
    return {way: plan_by_rules(made, _payment(settling.rules), names, seed, way) for way in ways}


def plan_by_rules(
    made: Sequence[Bill], payment: Payment, members: Sequence[str], seed: int, way: Way
) -> Plan:
    """What happens to bills by the rules of a run.

    Parameters
    ----------
    made
        The bills, in order.
    members, seed
        Of the run.
    way
        How they are settled.
    """
    late = {member(name): by_s for name, by_s in late_payers(payment, members, seed).items()}
    credit = {member(name): one for name, one in credits_of(payment, members).items()}
    return plan_of(made, payment, late, credit, way)


def late_payers(payment: Payment, members: Sequence[str], seed: int) -> dict[str, int]:
    """Who pays late in a run of this seed, and by how many seconds."""
    return delays(payment, members, seed.to_bytes(8, "big", signed=True))


def posted_plan(settling: Settling, told: Mapping[str, Told]) -> Plan | None:
    """What was posted for a run that was settled; None: its rules make no bills."""
    if settling.rules.payment is None:
        return None
    before = {name: one for name, one in told.items() if name != NAME}
    way = settling.rules.payment.way
    return plans_of_run(replace(settling, told=before), (way,))[way]


def bills(settling: Settling) -> Iterator[Bill]:
    """All bills of a run, in the order of their dates; one that is of nothing, too. Spec: O15."""
    payment, zone = _payment(settling.rules), settling.scenario.timezone
    for period, asked in zip(settling.periods, settling.scenario.periods, strict=True):
        all_parts = stretches(asked.name, asked.start_s, asked.end_s, payment.every, zone)
        parts = _with_intervals(list(all_parts), period.stretch.time_s)
        time_s = period.stretch.time_s
        first = np.searchsorted(time_s, [part.start_s for part in parts]).tolist()
        groups = groups_of(time_s, first, payment.matched, zone)
        where = [*np.searchsorted(groups, first).tolist(), groups.size]
        paid = paid_in(period.settled.lines, groups)
        # dividends, and what chapters add, stand in the last bill of their period
        rest = Counter(period.paid_nano)
        for one in settling.told.values():
            rest.update(one.paid_nano.get(asked.name, {}))
        rest.subtract({name: int(nano.sum()) for name, nano in paid.items()})
        if sum(rest.values()) or sum(paid.values(), np.zeros(groups.size, np.int64)).any():
            raise InvariantError("what was paid in a period does not sum to 0")
        last = {name: np.array([nano]) for name, nano in rest.items() if nano}
        for at, stretch in enumerate(parts):
            mine = slice(where[at], where[at + 1])
            in_it = {name: nano[mine] for name, nano in paid.items()}
            yield bill_of(stretch, [in_it, last] if at == len(parts) - 1 else [in_it])


def _with_intervals(parts: list[Stretch], time_s: Ints) -> list[Stretch]:
    """The stretches in which an interval begins; one without is added to the one before."""
    kept: list[Stretch] = []
    first = np.searchsorted(time_s, [part.start_s for part in parts] + [parts[-1].end_s])
    for part, begins, ends in zip(parts, first[:-1], first[1:], strict=True):
        if begins == ends and kept:
            kept[-1] = kept[-1]._replace(end_s=part.end_s)
        else:
            kept.append(part)
    return kept


def groups_of(time_s: Ints, first: list[int], by: Matched, zone: str) -> Ints:
    """Place of the first interval of each group in which it is matched who owes whom, (G,).

    Parameters
    ----------
    time_s
        Starts of the intervals, (T,).
    first
        Place of the first interval of each bill.
    by, zone
        What is matched; the time zone of days.
    """
    if by == "interval":
        return np.arange(time_s.size)
    if by == "bill":
        return np.array(first)
    return np.union1d(first, np.unique(day_starts(time_s, zone), return_index=True)[1])


def _write(settling: Settling, ledger: Ledger, clock: Clock) -> Told:
    payment = _payment(settling.rules)
    ways: tuple[Way, ...] = ("none", "clearing")
    plans = plans_of_run(settling, (*ways, "credit") if payment.credit else ways)
    plan = plans[payment.way]

    def again(into: Ledger, when: Clock) -> None:
        try:
            post(into, plan, settling.scenario.currency, run=settling.run, clock=when)
        except InputError as error:
            if isinstance(into, MemoryLedger):  # nobody but the run writes there
                raise InvariantError(f"the ledger of a run {error.message}") from error
            raise

    again(ledger, clock)
    paid: dict[str, dict[str, int]] = {}
    for bill, nano in interest_nano(plan).items():
        into = paid.setdefault(plan.bills[bill].stretch.period, {})
        for name, amount in nano.items():
            into[name] = into.get(name, 0) + amount
    return Told(_summary(settling, plan, plans), paid, again)


def _summary(settling: Settling, plan: Plan, plans: Mapping[Way, Plan]) -> dict[str, Any]:
    """For `summary.json`, money in units of the currency. Spec: O22."""
    shown = plan if plan.way != "none" else plans["clearing"]
    labels = dict(zip(settling.scenario.participants, settling.scenario.labels, strict=True))
    return {
        "posted": plan.way,
        "shown": shown.way,
        "parties": len(plan.parties),
        "bills": [_bill(plan, at) for at in range(len(plan.bills))],
        "ways": {way: _figures(figures_of(one)) for way, one in plans.items()},
        "open": {way: _levels(one) for way, one in plans.items()},
        "clearings": [_cleared(step) for step in shown.steps if isinstance(step, Cleared)],
        **_circles(shown),
        "late": [
            {"member": name, "label": labels[name], "by_s": by_s, **_paid_late(plan, name)}
            for name, by_s in sorted(_late(settling).items())
        ],
    }


def _late(settling: Settling) -> dict[str, int]:
    """Who pays late, and by how many seconds."""
    payment = _payment(settling.rules)
    return late_payers(payment, settling.scenario.participants, settling.seed)


def _paid_late(plan: Plan, name: str) -> dict[str, float]:
    paid, interest = late_of(plan).get(member(name), (0, 0))
    return {"paid_late": paid / NANO_PER_UNIT, "interest": interest / NANO_PER_UNIT}


def _bill(plan: Plan, at: int) -> dict[str, Any]:
    stretch, rows = plan.bills[at].stretch, plan.of_bill(at)
    o = Obligations.of(plan.bills[at].rows)
    return {
        "period": stretch.period,
        "start_s": stretch.start_s,
        "end_s": stretch.end_s,
        "due_s": int(plan.due_s[rows[0]]) if rows.size else None,
        "obligations": int(rows.size),
        "total": o.total_nano / NANO_PER_UNIT,
    }


def _figures(f: Figures) -> dict[str, Any]:
    money = {name: value / NANO_PER_UNIT for name, value in f._asdict().items() if name != "last_s"}
    return {
        **money,
        "share_of_total": f.cleared / f.total if f.total else None,
        "share_of_net": f.cleared / f.net_internal_debt if f.net_internal_debt else None,
        "last_s": f.last_s,
    }


def _levels(plan: Plan) -> list[list[float]]:
    """What is open over time, thinned."""
    path = open_over_time(plan)
    step = max(1, -(-len(path) // LEVELS))
    kept = path[::step] if path[-1:] == path[::step][-1:] else [*path[::step], *path[-1:]]
    return [[time_s, nano / NANO_PER_UNIT] for time_s, nano in kept]


def _cleared(step: Cleared) -> dict[str, Any]:
    o, n = step.obligations, step.netted
    return {
        "time_s": step.time_s,
        "open": o.total_nano / NANO_PER_UNIT,
        "net_internal_debt": o.net_internal_debt_nano / NANO_PER_UNIT,
        "alone": step.alone_nano / NANO_PER_UNIT,
        "cleared": n.cleared_nano / NANO_PER_UNIT,
        "credit_used": n.liquidity_used_nano / NANO_PER_UNIT,
    }


def _circles(plan: Plan) -> dict[str, Any]:
    """The circles that set off most in all clearings, and what all others do."""
    found = [
        (ring, step.time_s)
        for step in plan.steps
        if isinstance(step, Cleared) and step.netted.cleared_nano
        for ring in rings(step.obligations, step.netted, LOOKED_AT).largest
    ]
    found.sort(key=lambda one: (-one[0].cleared_nano, one[1], one[0].parties))
    largest = found[:CIRCLES]
    all_ = sum(s.netted.cleared_nano for s in plan.steps if isinstance(s, Cleared))
    rest = all_ - sum(ring.cleared_nano for ring, _ in largest)
    return {
        "circles": [
            {
                "time_s": time_s,
                "parties": list(ring.parties),
                "amount": ring.amount_nano / NANO_PER_UNIT,
                "credit": ring.paid,
            }
            for ring, time_s in largest
        ],
        "other_circles": rest / NANO_PER_UNIT,
    }


def _payment(rules: Rules) -> Payment:
    if rules.payment is None:
        raise InvariantError("these rules make no bills")
    return rules.payment


def _check(scenario: Scenario, rules: Rules) -> None:
    try:
        _payment(rules).check_names(scenario.participants)
    except InputError as error:
        raise InputError(
            error.message, place=f"settlement rules, payment: {error.place}", remedy=error.remedy
        ) from error


CHAPTER = Chapter(NAME, lambda rules: rules.payment is not None, _write, _check)
