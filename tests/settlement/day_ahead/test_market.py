"""A day-ahead market by hand, and what holds of every one. docs/spec/collateral.md, B19 to B26."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Transfer, stable_id
from isojoule.settlement.collateral.nouns import ESCROW
from isojoule.settlement.commitments.nouns import Delivery, Margins, Position, Side
from isojoule.settlement.commitments.rules import Step, agree, expire, mark, meet
from isojoule.settlement.day_ahead.market import hold, price_known
from isojoule.settlement.day_ahead.nouns import Code, Desk, Held
from isojoule.settlement.day_ahead.rules import LOT_UJ, MOST_PRICE_PER_J, DayAhead, on_grain
from isojoule.settlement.ledger import MemoryLedger
from tests.settlement.day_ahead.seen import (
    DAY_S,
    HALF_S,
    HOUR_S,
    KWH,
    KWH_UJ,
    by_chance,
    two_halves,
)

HALVES = DayAhead(
    0.05 / KWH, block_s=HALF_S, least_days=1, bearable=0.0, mark_s=6 * HOUR_S, firm_s=6 * HOUR_S
)
DESK = Desk("m", "EUR", 0.50 / KWH)
HOURS = DayAhead(0.05 / KWH, least_days=1, level=0.5, bearable=0.1)


def eur(nano: float) -> float:
    return pytest.approx(nano * 1e9, abs=3)  # type: ignore[no-any-return]


def test_two_members_one_day_by_hand() -> None:
    """B19 to B25. At noon only the first half of the day is known: 8 kWh at 0.20.

    Margins of 0.40 each; six hours before it begins Ada is called for the rest of 8 * 0.30. She
    delivers 6 kWh at 0.30, and 2 are missing at 0.50: she pays 0.60 + 0.60.
    """
    held = hold(two_halves(), HALVES, DESK)
    [deal] = held.deals
    c = deal.position.contract
    assert (c.seller, c.buyer, c.start_s) == ("member/ada", "member/bo", DAY_S)
    assert c.quantity_uj == 8 * KWH_UJ and c.price_per_j == pytest.approx(0.20 / KWH)
    assert (deal.why, deal.calls, deal.rest_nano) == ("delivery", 1, 0)
    assert deal.due_nano == eur(1.20) and deal.delivered_uj == 6 * KWH_UJ
    assert held.most_nano == eur(0.40 + 2.40)
    assert [at for at, _ in held.chains] == [HALF_S, HALF_S + 6 * HOUR_S, DAY_S + HALF_S]
    first = held.chains[0][1]
    assert [t.amount for t in first] == [eur(0.40), eur(0.40)]
    assert held.sell_lots[2].tolist() == [10_000, 0] and held.buy_lots[2].tolist() == [0, 8_000]
    # by the one day that is known, nothing was to be short
    assert not held.sell_short.any() and not held.mean_short.any()


def test_what_margins_do_not_cover_is_paid_from_account_to_account() -> None:
    """B25: without a firm time Ada has 0.40 in escrow, and owes 1.20."""
    held = hold(two_halves(), replace(HALVES, firm_s=0), DESK)
    [deal] = held.deals
    assert deal.rest_nano == eur(0.80) and deal.due_nano == eur(1.20)
    paid, passed = held.chains[-1][1][-2:]
    assert paid.code == passed.code == Code.REST and paid.amount == deal.rest_nano
    names = ("member/ada", ESCROW, ESCROW, "member/bo")
    ids = tuple(Account(name, "EUR").id for name in names)
    assert (paid.debit, paid.credit, passed.debit, passed.credit) == ids
    assert net(posted(held), "member/bo") == deal.due_nano


def test_who_cannot_meet_a_call_is_out_at_the_marked_price() -> None:
    """B23: with 1 EUR Ada cannot meet a call of 2; an hour later it is closed, at 0.20."""
    poor = replace(HALVES, cash_nano=10**9, mark_s=HOUR_S, grace_s=HOUR_S)
    held = hold(two_halves(), poor, DESK)
    [deal] = held.deals
    assert (deal.why, deal.due_nano, deal.calls) == ("default", 0, 1)
    assert held.chains[-1][0] == HALF_S + 7 * HOUR_S
    assert net(posted(held), "member/ada") == 0
    # who has not even the first margin makes no contract
    nobody = hold(two_halves(), replace(poor, cash_nano=10**8), DESK)
    assert not nobody.deals and not nobody.chains and nobody.unbacked == 1


@pytest.mark.parametrize(("price", "given"), [(0.30, 6), (0.10, 8)])
def test_what_contracts_have_cost_is_no_longer_in_hand(price: float, given: int) -> None:
    """B23: both have 0.40 for the first contract; who has paid for it cannot back the second.

    The first time that is Ada, who pays 1.20; then Bo, who pays 0.80.
    """
    net = np.array([[-10, 8], [0, 4], [-given, 8], [0, 4], [-9, 8], [0, 4]]) * KWH_UJ
    time_s = HALF_S * np.arange(6)
    columns = {
        "reference_per_j": np.array([0.20, 0.25, price, 0.25, 0.3, 0.25]) / KWH,
        "imbalance_per_j": np.full(6, 0.50) / KWH,
        "middle_per_j": np.full(6, 0.22) / KWH,
    }
    seen = two_halves(
        net_uj=net, curtailed_uj=np.zeros_like(net), time_s=time_s,
        day_s=time_s // DAY_S * DAY_S, agreed_s=time_s // DAY_S * DAY_S - HALF_S, **columns,
    )  # fmt: skip
    poor = replace(HALVES, cash_nano=400_000_001, firm_s=0)
    held = hold(seen, poor, DESK)
    assert [deal.block for deal in held.deals] == [2] and held.unbacked == 1
    rich = hold(seen, replace(poor, cash_nano=2 * 10**9), DESK)
    assert [deal.block for deal in rich.deals] == [2, 4] and rich.unbacked == 0


def test_what_the_network_did_not_take_is_no_shortfall() -> None:
    """B24, B3: with 2 kWh curtailed Ada pays the difference on 6 alone."""
    curtailed = np.zeros((4, 2), np.int64)
    curtailed[2, 0] = 2 * KWH_UJ
    [deal] = hold(two_halves(curtailed_uj=curtailed), HALVES, DESK).deals
    assert deal.due_nano == eur(0.60) and deal.curtailed_uj == 2 * KWH_UJ


def test_no_contract_without_the_day_before() -> None:
    """B19: between two stretches of time nothing is agreed; old days do not count."""
    held = hold(by_chance(3, days=6, gap=True), HOURS, DESK)
    first = int(held.blocks.day_s[0])
    days = {(int(held.blocks.day_s[d.block]) - first) // DAY_S for d in held.deals}
    assert days == {1, 2, 94, 95}
    assert {int(held.blocks.agreed_s[d.block]) % DAY_S for d in held.deals} == {HALF_S}


def test_price_is_the_latest_of_the_same_slot_else_the_middle() -> None:
    """B21."""
    held = hold(two_halves(), HALVES, DESK)
    b = held.blocks
    assert price_known(b, 2, HALF_S) == pytest.approx(0.20 / KWH)
    assert price_known(b, 2, HALF_S - 1) == pytest.approx(0.22 / KWH)
    assert price_known(b, 3, HALF_S) == pytest.approx(0.22 / KWH)
    assert price_known(b, 3, DAY_S) == pytest.approx(0.25 / KWH)


CHANCE = st.integers(0, 2**16)


@given(CHANCE, st.sampled_from([None, 0, 10**8, 10**9]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_everything_is_resolved_and_nothing_made_or_lost(
    seed: int, cash: int | None, gap: bool
) -> None:
    """B25 and B26: escrow is empty, nothing pending; what sellers pay buyers get; posted twice."""
    held = hold(by_chance(seed, gap=gap), replace(HOURS, cash_nano=cash), DESK)
    ledger = posted(held)
    head = ledger.head
    for _, chain in held.chains:
        assert all(answer.done for answer in ledger.post(chain, 1))
    assert ledger.head == head
    owed = dict.fromkeys(held.members, 0)
    for deal in held.deals:
        assert deal.why in ("delivery", "default")
        owed[held.members[deal.seller]] += deal.due_nano
        owed[held.members[deal.buyer]] -= deal.due_nano
        assert deal.lots <= held.sell_lots[deal.block, deal.seller]
        assert deal.lots <= held.buy_lots[deal.block, deal.buyer]
        assert 0 <= deal.delivered_uj + deal.curtailed_uj <= deal.lots * LOT_UJ + 1
    for account, balance in ledger.accounts():
        assert balance.debits_pending == balance.credits_pending == 0
        assert balance.net == (0 if account.name == ESCROW else -owed[account.name])


AGREED = st.sampled_from([hour + 12 for hour in range(0, 5 * 24, 24)])
"""Hours at which contracts are made: there a look ahead would show."""


@given(CHANCE, AGREED | st.integers(1, 5 * 24), CHANCE, st.sampled_from([None, 10**9]))
@settings(max_examples=40, deadline=None)
def test_nothing_later_changes_what_was_done(
    seed: int, hour: int, other: int, cash: int | None
) -> None:
    """B20: other readings and prices of intervals that had not ended change nothing before."""
    seen, rules = by_chance(seed), replace(HOURS, cash_nano=cash)
    now_s, later, changed = hour * HOUR_S, seen.time_s >= hour * HOUR_S, by_chance(other)
    names = ("net_uj", "curtailed_uj", "reference_per_j", "imbalance_per_j")
    mixed = {}
    for name in names:
        column = getattr(seen, name).copy()
        column[later] = getattr(changed, name)[later]
        mixed[name] = column
    one, two = hold(seen, rules, DESK), hold(replace(seen, **mixed), rules, DESK)
    assert until(one, now_s) == until(two, now_s)
    # contracts of a block are made at once, so those of now are all made
    made = [[d.position.contract for d in held.deals if held.blocks.agreed_s[d.block] <= now_s]
            for held in (one, two)]  # fmt: skip
    assert made[0] == made[1]


@given(CHANCE)
@settings(max_examples=15, deadline=None)
def test_skipped_markings_would_have_done_nothing(seed: int) -> None:
    """Each contract walked through alone, marked at every time, by the rules of one contract."""
    held = hold(by_chance(seed), HOURS, DESK)
    by_contract: dict[str, list[Transfer]] = {}
    owner = _owners(held)
    for _, chain in held.chains:
        for t in chain:
            by_contract.setdefault(owner[t.id], []).append(t._replace(linked=False))
    for number, deal in enumerate(held.deals):
        walked = [t._replace(linked=False) for t in _walk(held, number)]
        mine = [t for t in by_contract[_key(deal.position)] if t.code != Code.REST]
        assert mine == walked


def _walk(held: Held, number: int) -> Iterator[Transfer]:
    deal, blocks = held.deals[number], held.blocks
    c, block = deal.position.contract, deal.block
    terms = Margins("EUR", on_grain(HOURS.move_per_j), on_grain(DESK.highest_per_j))
    now_s = int(blocks.agreed_s[block])
    step = agree(c, c.price_per_j, terms, now_s)
    while True:
        assert isinstance(step, Step)
        yield from step.transfers
        for call in step.position.calls:
            step = meet(step.position, call.side, terms)
            assert isinstance(step, Step)
            yield from step.transfers
        now_s += HOURS.mark_s
        if now_s >= c.start_s:
            break
        step = mark(step.position, price_known(blocks, block, now_s), terms, now_s)
    seen = float(blocks.reference_per_j[block])
    told = Delivery(
        deal.delivered_uj, deal.curtailed_uj, seen if np.isfinite(seen) else c.price_per_j,
        float(blocks.imbalance_per_j[block]),
    )  # fmt: skip
    step = expire(step.position, told, terms)
    assert isinstance(step, Step)
    assert {side: step.position.held_nano(side) for side in Side} == dict.fromkeys(Side, 0)
    yield from step.transfers


def _owners(held: Held) -> dict[int, str]:
    """The contract of each id that it can have used."""
    out = {}
    for position in (deal.position for deal in held.deals):
        c = position.contract
        names = [(what, n + 1) for what in ("margin", "end") for n in range(position.made)]
        for what, number in [*names, ("difference", 0)]:
            words = (c.market, c.id, c.start_s, what, number)
            out[stable_id("isojoule.commitment.1", *words)] = _key(position)
        for what in ("rest", "passed"):
            words = (c.market, c.id, c.start_s, what)
            out[stable_id("isojoule.day-ahead.1", *words)] = _key(position)
    return out


def _key(position: Position) -> str:
    return f"{position.contract.start_s} {position.contract.id}"


def until(held: Held, now_s: int) -> list[tuple[int, tuple[Transfer, ...]]]:
    return [chain for chain in held.chains if chain[0] <= now_s]


def posted(held: Held) -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.open_accounts(held.accounts("EUR"), 0)
    for _, chain in held.chains:
        assert all(answer.done for answer in ledger.post(chain, 0))
    return ledger


def net(ledger: MemoryLedger, name: str) -> int:
    found = ledger.account(Account(name, "EUR").id)
    assert found is not None
    return found[1].net


def test_a_block_must_fit() -> None:
    with pytest.raises(InputError, match="no whole number of intervals"):
        hold(two_halves(), replace(HALVES, block_s=HOUR_S), DESK)


@pytest.mark.parametrize(
    "change",
    [
        {"move_per_j": -1e-9}, {"move_per_j": MOST_PRICE_PER_J}, {"block_s": 5 * HOUR_S},
        {"level": 1.0}, {"level": 0.99999}, {"bearable": -0.1}, {"least_days": 0},
        {"history_s": 0}, {"least_uj": 0}, {"mark_s": 0}, {"cash_nano": -1}, {"agreed_s": DAY_S},
    ],
)  # fmt: skip
def test_rules_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match="out of its range"):
        replace(HOURS, **change)  # type: ignore[arg-type]
