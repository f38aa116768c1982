"""The chapter of bonds behind what was cleared: put up, slashed, returned, and told.

Spec: docs/spec/collateral.md, B27 to B33 and B35.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from isojoule.apps.files.places import nearest
from isojoule.apps.results.chapters.held_back import held_back, stretches_at_rest
from isojoule.apps.results.chapters.nouns import Chapter, Clock, Settling, Told
from isojoule.apps.results.chapters.written import write_chains
from isojoule.apps.results.settled import SettledPeriod
from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Transfer
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.collateral.columns import (
    MOST_PRICE,
    kept_by_claims,
    on_grain,
    promises_of,
    slash,
)
from isojoule.settlement.collateral.fines import shares_of_fines, sharing
from isojoule.settlement.collateral.folded import Groups, Part, accounts, chains, fold
from isojoule.settlement.collateral.nouns import Terms
from isojoule.settlement.collateral.sizes import check_terms
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.prices import highest_price, lowest_price
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import OPERATOR, UTILITY

NAME = "bonds"


def write(settling: Settling, ledger: Ledger, clock: Clock) -> Told:
    """Put up the bonds of a run, settle them on the meters, and tell."""
    terms = terms_of(settling)
    groups = fold_run(settling, terms)
    start_s = settling.scenario.periods[0].start_s
    shared = shares_by_period(settling, groups, terms)

    def post(into: Ledger, when: Clock) -> int:
        # made anew each time: by interval they are millions, and what they follow from is small
        made = chains(groups, terms, settling.run)
        made = sorted([*made, *_sharing(settling, groups, shared)], key=lambda row: row[0])
        opened = {**accounts(groups, terms), **_sharers(shared, terms.currency)}
        write_chains(into, opened.values(), made, when, start_s)
        return sum(len(chain) for _, chain in made)

    summary = {
        **summary_of(settling, groups, shared),
        "highest_per_j": terms.highest_per_j,
        "lowest_per_j": terms.lowest_per_j,
        "disputed": len(groups.frozen),
        "transfers": post(ledger, clock),
    }
    return Told(summary, paid_by(settling, groups, terms, shared), post)


def terms_of(settling: Settling) -> Terms:
    """The terms of bonds, by the rules and the utility's tariff."""
    asked, rule = settling.rules.collateral, settling.rules.imbalance
    assert asked is not None  # it was asked for
    stretches = stretches_at_rest(settling)
    highest, lowest = asked.highest_per_j, asked.lowest_per_j
    if highest is None:
        highest = max(highest_price(s, rule) for s in stretches)
    if lowest is None:
        lowest = min(lowest_price(s, rule) for s in stretches)
    most, least, fine = on_grain(np.array([max(highest, lowest), lowest, asked.fine_per_j]))
    terms = Terms(
        currency=settling.scenario.currency,
        highest_per_j=float(most),
        lowest_per_j=float(least),
        fine_per_j=float(fine),
        fines_to=asked.fines_to,
        most_credit_nano=asked.credit_nano,
        least_share=asked.least_share,
        prior_uj=asked.prior_uj,
    )
    check_terms(terms)
    return terms


def fold_run(settling: Settling, terms: Terms) -> Groups:
    """The bonds of a run."""
    asked, rule = settling.rules.collateral, settling.rules.imbalance
    assert asked is not None
    kept, claims, first, parts = held_back(settling), asked.claims, 0, []
    for period, stretch in zip(settling.periods, stretches_at_rest(settling), strict=True):
        rows = slice(first, first + stretch.time_s.size)
        first = rows.stop
        held = (kept.giving_uj[rows], kept.taking_uj[rows])
        promises = promises_of(stretch, period.settled, *held)
        promises = kept_by_claims(stretch, promises, claims)
        slashed = slash(stretch, period.settled, promises, terms, rule, claims)
        parts.append(Part(stretch, promises, slashed))
    return fold(parts, terms, claims)


def shares_by_period(settling: Settling, groups: Groups, terms: Terms) -> dict[str, dict[str, int]]:
    """What members get of the fines of each period, by name. Spec: B35."""
    found = {}
    for p in settling.periods if terms.fines_to == OPERATOR else ():
        rows = groups.between(p.start_s, p.end_s)
        fines = int(groups.fine[rows].sum())
        found[p.name] = shares_of_fines(fines, p.stretch, settling.rules, settling.seed)
    return found


def _sharing(
    settling: Settling, groups: Groups, shared: dict[str, dict[str, int]]
) -> Iterator[tuple[int, tuple[Transfer, ...]]]:
    """The chains that share fines: at the end of a period, or of its last dispute."""
    currency = settling.scenario.currency
    for p in settling.periods:
        rows = groups.between(p.start_s, p.end_s)
        disputes = (row.until_s for row in groups.frozen if rows.start <= row.group < rows.stop)
        if amounts := shared.get(p.name):
            yield max(p.end_s, *disputes, 0), sharing(amounts, currency, settling.run, p.start_s)


def _sharers(shared: dict[str, dict[str, int]], currency: str) -> dict[str, Account]:
    """The accounts of those who share, by name."""
    return {name: Account(name, currency) for amounts in shared.values() for name in amounts}


def paid_by(
    settling: Settling, groups: Groups, terms: Terms, shared: dict[str, dict[str, int]]
) -> dict[str, dict[str, int]]:
    """What accounts paid by their bonds, by period; the fund is paid back what it lent."""

    def paid_in(p: SettledPeriod) -> Counter[str]:
        rows = groups.between(p.start_s, p.end_s)
        net = (groups.slashed[rows] - groups.made_good[rows]).sum(0).tolist()
        sums = Counter(dict(zip(groups.members, net, strict=True)))
        sums[terms.fines_to] -= int(groups.fine[rows].sum())
        for name, nano in shared.get(p.name, {}).items():
            sums[name] -= nano
            sums[OPERATOR] += nano
        return sums

    return settling.by_period(paid_in)


def check(scenario: Scenario, rules: Rules) -> None:
    """Refuse bonds that do not fit the scenario.

    Raises
    ------
    InputError
        Says why.
    """
    asked = rules.collateral
    assert asked is not None
    if not scenario.has_utility and rules.imbalance.price != "fixed" and (
        asked.highest_per_j is None or asked.lowest_per_j is None
    ):  # fmt: skip
        raise InputError(
            "off the grid there is no tariff that says what a missing Joule costs",
            place="settlement rules: collateral",
            remedy="write highest and lowest, or imbalance: {price: fixed, short: ..., long: ...}",
        )
    for at, claim in enumerate(asked.claims):
        if claim.member not in scenario.participants:
            raise InputError(
                f"there is no member {claim.member!r}",
                place=f"settlement rules: collateral.claims[{at}]",
                remedy=nearest(claim.member, scenario.participants),
            )
    if asked.fines_to == UTILITY and not scenario.has_utility:
        raise InputError(
            "off the grid there is no utility to have the fines",
            place="settlement rules: collateral.fines_to",
            remedy="write operator, or member/NAME, or a payee of a fee",
        )
    kind, _, name = asked.fines_to.partition("/")
    if kind == "member" and name not in scenario.participants:
        raise InputError(
            f"there is no member {name!r} to have the fines",
            place="settlement rules: collateral.fines_to",
            remedy=nearest(name, scenario.participants),
        )
    prices = np.concatenate([scenario.sells_at_per_j, scenario.buys_at_per_j])
    if np.any(np.abs(np.nan_to_num(prices)) >= MOST_PRICE):
        raise InputError(
            "the utility's prices are too high for bonds",
            place="settlement rules: collateral",
            remedy="count in a currency of larger units",
        )


def summary_of(
    settling: Settling, groups: Groups, shared: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """What `summary.json` says: all of it, by period, and by member and period."""
    periods, members = [], []
    sums = {name: sum(amounts.values()) / NANO_PER_UNIT for name, amounts in shared.items()}
    for p in settling.periods:
        rows = groups.between(p.start_s, p.end_s)
        part = {"name": p.name, **_part(groups, rows)}
        periods.append({**part, "fines_shared": sums.get(p.name, 0.0)})
        bond, slashed = groups.bond[rows].max(0), groups.slashed[rows].sum(0)
        for at, name in enumerate(settling.scenario.participants):
            if groups.bond[rows, at].any() or groups.made_good[rows, at].any():
                members.append(
                    {
                        "period": p.name,
                        "name": name,
                        "most": int(bond[at]) / NANO_PER_UNIT,
                        "lent_most": int(groups.lent[rows, at].max()) / NANO_PER_UNIT,
                        "slashed": int(slashed[at]) / NANO_PER_UNIT,
                        "made_good": int(groups.made_good[rows, at].sum()) / NANO_PER_UNIT,
                        "promised_j": int(groups.promised_uj[rows, at].sum()) / UJ_PER_J,
                        "short_j": int(groups.short_uj[rows, at].sum()) / UJ_PER_J,
                        "excused_j": int(groups.excused_uj[rows, at].sum()) / UJ_PER_J,
                    }
                )
    all_ = {**_part(groups, slice(None)), "fines_shared": sum(sums.values())}
    return {**all_, "periods": periods, "members": members}


def _part(groups: Groups, rows: slice) -> dict[str, Any]:
    """Sums over some groups."""

    def money(column: Any) -> float:
        return int(column[rows].sum()) / NANO_PER_UNIT

    return {
        "bonds": int((groups.bond[rows] > 0).sum()),
        "put_up": money(groups.bond),
        "lent": money(groups.lent),
        "most": int(groups.bond[rows].sum(1).max(initial=0)) / NANO_PER_UNIT,
        "slashed": money(groups.slashed),
        "made_good": money(groups.made_good),
        "fines": money(groups.fine),
        "returned": money(groups.bond) - money(groups.slashed),
        "repaid": money(groups.repaid),
        "promised_j": int(groups.promised_uj[rows].sum()) / UJ_PER_J,
        "short_j": int(groups.short_uj[rows].sum()) / UJ_PER_J,
        "excused_j": int(groups.excused_uj[rows].sum()) / UJ_PER_J,
    }


CHAPTER = Chapter(NAME, lambda rules: rules.collateral is not None, write, check)
