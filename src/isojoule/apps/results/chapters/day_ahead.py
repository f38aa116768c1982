"""The chapter of day-ahead contracts: held over the run's meters, written, and told.

Spec: docs/spec/collateral.md, B19 to B26.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.results.chapters.held_back import held_back, stretches_at_rest
from isojoule.apps.results.chapters.nouns import Chapter, Clock, Settling, Told
from isojoule.apps.results.chapters.written import write_chains
from isojoule.apps.results.settled import SettledPeriod
from isojoule.apps.results.stretch import day_starts
from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.day_ahead.blocks import Ints, Seen
from isojoule.settlement.day_ahead.market import hold
from isojoule.settlement.day_ahead.nouns import Deal, Desk, Held
from isojoule.settlement.day_ahead.rules import LOT_UJ, MOST_PRICE_PER_J, DayAhead
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.prices import (
    highest_price,
    middle_price,
    reference_price,
    short_price,
)
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import member

NAME = "day_ahead"
J_PER_LOT = LOT_UJ / UJ_PER_J


def write(settling: Settling, ledger: Ledger, clock: Clock) -> Told:
    """Hold the day-ahead market of a run, write its transfers, and tell."""
    held = hold_run(settling)
    currency = settling.scenario.currency
    start_s = settling.scenario.periods[0].start_s

    def post(into: Ledger, when: Clock) -> None:
        write_chains(into, held.accounts(currency), held.chains, when, start_s)

    post(ledger, clock)

    def paid_in(p: SettledPeriod) -> Counter[str]:
        sums = Counter[str]()
        for deal in _between(held, p.start_s, p.end_s):
            sums[held.members[deal.seller]] += deal.due_nano
            sums[held.members[deal.buyer]] -= deal.due_nano
        return sums

    return Told(summary_of(settling, held), settling.by_period(paid_in), post)


def hold_run(settling: Settling) -> Held:
    """The day-ahead market of a run."""
    rules = settling.rules.day_ahead
    assert rules is not None  # it was asked for
    rule, stretches = settling.rules.imbalance, stretches_at_rest(settling)
    highest = rules.highest_per_j
    if highest is None:
        highest = max(highest_price(s, rule) for s in stretches)
    desk = Desk(
        settling.run, settling.scenario.currency, highest,
        settling.seed.to_bytes(8, "big", signed=True),
    )  # fmt: skip
    return hold(seen_by(settling, rules), rules, desk)


def seen_by(settling: Settling, rules: DayAhead) -> Seen:
    """What meters and the market of a run show, all periods one after another."""
    stretches = stretches_at_rest(settling)
    zone = settling.scenario.timezone
    time_s = np.concatenate([s.time_s for s in stretches])
    day_s = day_starts(time_s, zone)
    rule = settling.rules.imbalance
    return Seen(
        members=tuple(member(name) for name in settling.scenario.participants),
        interval_s=settling.scenario.interval_s,
        time_s=time_s,
        day_s=day_s,
        agreed_s=agreed_times(day_s, zone, rules.agreed_s),
        net_uj=np.concatenate([s.metered_uj for s in stretches]),
        curtailed_uj=held_back(settling).giving_uj,
        reference_per_j=np.concatenate([reference_price(s) for s in stretches]),
        imbalance_per_j=np.concatenate([short_price(s, rule) for s in stretches]),
        middle_per_j=np.concatenate([middle_price(s) for s in stretches]),
    )


def agreed_times(day_s: Ints, timezone: str, after_s: int) -> Ints:
    """When contracts about each day are made: so long after midnight of the day before, by clocks.

    >>> agreed_times(np.array([1451602800]), "Europe/Berlin", 43200) - 1451602800
    array([-43200])
    """
    zone, known = ZoneInfo(timezone), {}
    hours, seconds = divmod(after_s, 3600)
    for start in np.unique(day_s).tolist():
        before: date = datetime.fromtimestamp(start, zone).date() - timedelta(days=1)
        at = datetime(before.year, before.month, before.day, hours, tzinfo=zone)
        known[start] = int(at.timestamp()) + seconds
    return np.array([known[start] for start in day_s.tolist()], np.int64)


def check(scenario: Scenario, rules: Rules) -> None:
    """Refuse a day-ahead market that does not fit the scenario.

    Raises
    ------
    InputError
        Says why.
    """
    asked = rules.day_ahead
    assert asked is not None
    if asked.block_s % scenario.interval_s:
        raise InputError(
            f"a block of {asked.block_s} s is no whole number of intervals",
            place="settlement rules: day_ahead.block",
            remedy=f"give a multiple of {scenario.interval_s} s",
        )
    if not scenario.has_utility and rules.imbalance.price != "fixed":
        raise InputError(
            "off the grid there is no tariff that says what a missing Joule costs",
            place="settlement rules: day_ahead",
            remedy="write imbalance: {price: fixed, short: ..., long: ...}",
        )
    prices = np.concatenate([scenario.sells_at_per_j, scenario.buys_at_per_j])
    if np.any(np.abs(np.nan_to_num(prices)) >= MOST_PRICE_PER_J):
        raise InputError(
            "the utility's prices are too high for a day-ahead market",
            place="settlement rules: day_ahead",
            remedy="count in a currency of larger units",
        )


def summary_of(settling: Settling, held: Held) -> dict[str, Any]:
    """What `summary.json` says: all of it, by period, by day, by member and period."""
    rules = settling.rules.day_ahead
    assert rules is not None
    periods = []
    for p in settling.periods:
        sold = float(np.maximum(-p.stretch.metered_uj, 0).sum()) / UJ_PER_J
        periods.append({"name": p.name, **_part(held, p.start_s, p.end_s, rules), "sold_j": sold})
    all_s = settling.periods[0].start_s, settling.periods[-1].end_s
    return {
        **_part(held, *all_s, rules),
        "sold_j": sum(p["sold_j"] for p in periods),
        "unbacked": held.unbacked,
        "transfers": sum(len(chain) for _, chain in held.chains),
        "margin_most": held.most_nano / NANO_PER_UNIT,
        "periods": periods,
        "days": list(_days(held)),
        "members": [
            {"period": p.name, **row}
            for p in settling.periods
            for row in _members(settling, held, p.start_s, p.end_s)
        ],
    }


def _part(held: Held, start_s: int, end_s: int, rules: DayAhead) -> dict[str, Any]:
    """Sums over the contracts of some time."""
    deals = list(_between(held, start_s, end_s))
    delivered = [deal for deal in deals if deal.why == "delivery"]
    rows = _rows(held, start_s, end_s)
    due = [deal.due_nano / NANO_PER_UNIT for deal in deals]
    return {
        "contracts": len(deals),
        "energy_j": sum(deal.lots for deal in deals) * J_PER_LOT,
        "could_sell_j": float(held.sell_lots[rows].sum()) * J_PER_LOT,
        "could_buy_j": float(held.buy_lots[rows].sum()) * J_PER_LOT,
        "calls": sum(deal.calls for deal in deals),
        "defaults": sum(deal.why == "default" for deal in deals),
        "sellers_paid": sum(nano for nano in due if nano > 0),
        "buyers_paid": -sum(nano for nano in due if nano < 0),
        "beyond_margins": sum(deal.rest_nano for deal in deals) / NANO_PER_UNIT,
        "promised_j": sum(deal.lots for deal in delivered) * J_PER_LOT,
        "delivered_j": sum(deal.delivered_uj for deal in delivered) / UJ_PER_J,
        "curtailed_j": sum(deal.curtailed_uj for deal in delivered) / UJ_PER_J,
        "short_j": sum(map(_short_uj, delivered)) / UJ_PER_J,
        "worst_short_j": _worst(held, delivered, rules.level),
        "expected_short_j": float(held.mean_short[rows].sum()) * J_PER_LOT,
        "expected_worst_short_j": float(held.sell_short[rows].sum()) * J_PER_LOT,
    }


def _worst(held: Held, deals: list[Deal], level: float) -> float:
    """What was short in the worst `1 - level` of what sellers promised, scaled to all of it, J."""
    promised: dict[tuple[int, int], list[int]] = {}
    for deal in deals:
        sums = promised.setdefault((deal.block, deal.seller), [0, 0])
        sums[0] += deal.lots * LOT_UJ
        sums[1] += _short_uj(deal)
    whole = sum(row[0] for row in promised.values())
    left, short = (1 - level) * whole, 0.0
    for mine, missing in sorted(promised.values(), key=lambda row: -row[1] / row[0]):
        part = min(1.0, left / mine)
        short += part * missing
        left -= part * mine
        if left <= 0:
            break
    return short / (1 - level) / UJ_PER_J


def _days(held: Held) -> Iterator[dict[str, Any]]:
    """Each day with contracts: energy, mean prices as agreed and as they came, what was short."""
    days: dict[int, list[Deal]] = {}
    for deal in held.deals:
        days.setdefault(int(held.blocks.day_s[deal.block]), []).append(deal)
    for day_s, deals in sorted(days.items()):
        energy = sum(deal.lots for deal in deals)
        agreed = sum(deal.lots * deal.position.contract.price_per_j for deal in deals)
        came = sum(deal.lots * _reference(held, deal) for deal in deals)
        yield {
            "day_s": day_s,
            "energy_j": energy * J_PER_LOT,
            "short_j": sum(_short_uj(d) for d in deals if d.why == "delivery") / UJ_PER_J,
            "agreed_per_j": agreed / energy,
            "reference_per_j": came / energy,
            "sellers_paid": sum(deal.due_nano for deal in deals) / NANO_PER_UNIT,
        }


def _members(settling: Settling, held: Held, start_s: int, end_s: int) -> Iterator[dict[str, Any]]:
    """What each member agreed in some time, and what came of it; those without are left out."""
    rows = _rows(held, start_s, end_s)
    mine: dict[int, list[tuple[int, Deal]]] = {}
    for deal in _between(held, start_s, end_s):
        mine.setdefault(deal.seller, []).append((-1, deal))
        mine.setdefault(deal.buyer, []).append((1, deal))
    for at, deals in sorted(mine.items()):
        row: dict[str, Any] = {"name": settling.scenario.participants[at]}
        for side, sign in (("sold", -1), ("bought", 1)):
            own = [deal for way, deal in deals if way == sign]
            lots = sum(deal.lots for deal in own)
            agreed = sum(deal.lots * deal.position.contract.price_per_j for deal in own)
            came = sum(deal.lots * _reference(held, deal) for deal in own)
            row[side] = {
                "contracts": len(own),
                "energy_j": lots * J_PER_LOT,
                "agreed_per_j": agreed / lots if lots else None,
                "reference_per_j": came / lots if lots else None,
                "paid": sum(-sign * deal.due_nano for deal in own) / NANO_PER_UNIT,
                "defaults": sum(deal.why == "default" for deal in own),
            }
        given = [deal for way, deal in deals if way < 0 and deal.why == "delivery"]
        row["sold"]["short_j"] = sum(map(_short_uj, given)) / UJ_PER_J
        row["sold"]["expected_short_j"] = float(held.mean_short[rows, at].sum()) * J_PER_LOT
        row["sold"]["worst_short_j"] = float(held.sell_short[rows, at].sum()) * J_PER_LOT
        row["bought"]["worst_short_j"] = float(held.buy_short[rows, at].sum()) * J_PER_LOT
        yield row


def _short_uj(deal: Deal) -> int:
    return max(0, deal.lots * LOT_UJ - deal.delivered_uj - deal.curtailed_uj)


def _reference(held: Held, deal: Deal) -> float:
    """The market's price in the block; what was agreed, where there was none."""
    price = float(held.blocks.reference_per_j[deal.block])
    return price if np.isfinite(price) else deal.position.contract.price_per_j


def _between(held: Held, start_s: int, end_s: int) -> Iterator[Deal]:
    starts = held.blocks.start_s
    return (deal for deal in held.deals if start_s <= starts[deal.block] < end_s)


def _rows(held: Held, start_s: int, end_s: int) -> slice:
    first, last = np.searchsorted(held.blocks.start_s, [start_s, end_s])
    return slice(int(first), int(last))


CHAPTER = Chapter(NAME, lambda rules: rules.day_ahead is not None, write, check)
