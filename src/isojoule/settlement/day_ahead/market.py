"""A day-ahead market over a run: contracts are made, marked, met or closed, and settled.

    held = hold(seen, rules, desk)

Theory of operation:

- Everything happens at a time, in its order: what ends then is settled first, then what is open is
  marked, then contracts are made. At each time only what has ended before is looked at, so no
  commitment depends on a later reading.
- What happens to a contract is decided by `isojoule.settlement.commitments.rules`, here as in a
  live market; this file only says when, and with what in hand. A marking that can change nothing
  (the same price, no call open, the firm time not begun) is left out.
- Whoever can meet a call meets it at once. Who cannot is asked again at each marking, until the
  call is overdue: then the contract is closed.
- What margins do not cover at the end is paid besides, through escrow too: so nothing stays
  pending, escrow keeps nothing, and the bill of a member has one line of it.

Spec: docs/spec/collateral.md, B19 to B26.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from isojoule.core.errors import InvariantError
from isojoule.core.transfer import Account, Kind, Transfer, stable_id
from isojoule.settlement.collateral.nouns import ESCROW
from isojoule.settlement.commitments.nouns import Contract, Delivery, Margins, Position, Side
from isojoule.settlement.commitments.rules import Step, agree, close, expire, mark, meet
from isojoule.settlement.day_ahead.blocks import Blocks, Seen, blocks_of
from isojoule.settlement.day_ahead.match import Pair, matched
from isojoule.settlement.day_ahead.nouns import Code, Deal, Desk, Held
from isojoule.settlement.day_ahead.promises import (
    delivered_lots,
    known_cases,
    largest_lots,
    shortfall_lots,
)
from isojoule.settlement.day_ahead.rules import DAY_S, LOT_UJ, DayAhead, on_grain
from isojoule.settlement.refused import Refused
from isojoule.settlement.share_out import share_out

FRESH_S = 2 * DAY_S + DAY_S // 24
"""A price is no older: two days, and the hour that a change of clocks may add."""
_SETTLE, _MARK, _AGREE = range(3)


def hold(seen: Seen, rules: DayAhead, desk: Desk) -> Held:
    """Hold a day-ahead market on what was seen.

    Raises
    ------
    InputError
        A block is no whole number of intervals.
    InvariantError
        Something was not resolved. A bug.
    """
    work = _Work(seen, rules, desk)
    turns = (work.settle, work.mark, work.agree)
    for now_s, what, number in sorted(_events(work.blocks, rules)):
        turns[what](number, now_s)
    held = work.done()
    check_resolved(held, desk.currency)
    return held


def price_known(blocks: Blocks, number: int, now_s: int) -> float:
    """What energy of a block may cost, as far as it is known, money/J. B21.

    The market's price in the same slot of the latest day, no more than two days before; else the
    middle between the utility's two prices; nan where there is neither.
    """
    oldest = int(blocks.start_s[number]) - FRESH_S
    for before in blocks.before[number]:
        if blocks.start_s[before] < oldest:
            break
        price = float(blocks.reference_per_j[before])
        if blocks.end_s[before] <= now_s and np.isfinite(price):
            return price
    return float(blocks.middle_per_j[number])


def deliveries(
    blocks: Blocks, number: int, some: Sequence[int], deals: Sequence[Deal], members: Sequence[str]
) -> Iterator[tuple[int, Delivery]]:
    """What came of contracts about a block, seller by seller. B24.

    Parameters
    ----------
    number
        Of the block.
    some
        Which of the deals.
    """
    sold: dict[int, list[int]] = {}
    for at in some:
        sold.setdefault(deals[at].seller, []).append(at)
    reference = float(blocks.reference_per_j[number])
    imbalance = float(blocks.imbalance_per_j[number])
    for seller, mine in sold.items():
        lots = np.array([deals[at].lots for at in mine], np.int64)
        whole = int(lots.sum()) * LOT_UJ
        gave = min(max(0, -int(blocks.net_uj[number, seller])), whole)
        held_back = min(int(blocks.curtailed_uj[number, seller]), whole - gave)
        names = tuple(members[deals[at].buyer] for at in mine)
        parts = np.array([[gave], [held_back]])
        if len(mine) > 1:
            parts = share_out(parts[:, 0], np.vstack([lots, lots]), names)
        for at, delivered, curtailed in zip(mine, *parts.tolist(), strict=True):
            agreed = deals[at].position.contract.price_per_j
            seen = reference if np.isfinite(reference) else agreed
            yield at, Delivery(delivered, curtailed, seen, imbalance)


def check_resolved(held: Held, currency: str) -> None:
    """Nothing is pending, escrow is empty, and what sellers pay buyers get.

    Raises
    ------
    InvariantError
        It is not so.
    """
    pending: dict[int, int] = {}
    basin, escrow = Account(ESCROW, currency).id, 0
    for _, chain in held.chains:
        for t in chain:
            if t.kind is Kind.PENDING:
                pending[t.id] = t.amount
            elif t.pending_id:
                pending.pop(t.pending_id)
                escrow += t.amount  # of a void: 0
            else:
                escrow += t.amount if t.credit == basin else -t.amount
    if pending or escrow:
        raise InvariantError(f"{len(pending)} margins are pending, escrow keeps {escrow}")
    if any(deal.position.ended is None for deal in held.deals):
        raise InvariantError("a contract has not ended")


def _events(blocks: Blocks, rules: DayAhead) -> Iterator[tuple[int, int, int]]:
    """What happens when: time, what, and the number of the block."""
    columns = (blocks.agreed_s, blocks.start_s, blocks.end_s, blocks.open)
    for number, (agreed, start, end, opened) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        if not opened:
            continue
        yield agreed, _AGREE, number
        for now_s in range(agreed + rules.mark_s, start, rules.mark_s):
            yield now_s, _MARK, number
        yield end, _SETTLE, number


class _Work:
    """The market while it is held."""

    def __init__(self, seen: Seen, rules: DayAhead, desk: Desk) -> None:
        self.members, self.rules, self.desk = seen.members, rules, desk
        self.blocks = blocks_of(seen, rules)
        self.terms = Margins(
            desk.currency, on_grain(rules.move_per_j), on_grain(desk.highest_per_j),
            rules.firm_s, rules.grace_s,
        )  # fmt: skip
        self.lots = {side: delivered_lots(self.blocks.net_uj, side) for side in Side}
        shape = self.blocks.net_uj.shape
        self.could = {side: np.zeros(shape, np.int64) for side in Side}
        self.short = {side: np.zeros(shape) for side in Side}
        self.mean_short = np.zeros(shape)
        self.deals: list[Deal] = []
        self.of_block: dict[int, list[int]] = {}
        self.marked: dict[int, tuple[float, bool, bool]] = {}
        """Of each block the price last marked at, whether it was firm, whether a call is open."""
        self.chains: list[tuple[int, tuple[Transfer, ...]]] = []
        self.in_escrow = [0] * len(seen.members)
        self.paid = [0] * len(seen.members)
        self.total = self.most = self.unbacked = 0

    def agree(self, number: int, now_s: int) -> None:
        """Make the contracts of a block."""
        price = price_known(self.blocks, number, now_s)
        cases = known_cases(self.blocks, number, now_s, self.rules.history_s)
        if len(cases) < self.rules.least_days or not np.isfinite(price):
            return
        sell, buy = (largest_lots(self.lots[side][cases], self.rules) for side in Side)
        sell, buy = np.where(sell >= buy, sell, 0), np.where(buy > sell, buy, 0)
        self.could[Side.SELL][number], self.could[Side.BUY][number] = sell, buy
        block = str(int(self.blocks.start_s[number]))
        least = -(-self.rules.least_uj // LOT_UJ)
        for pair in matched(sell, buy, self.members, block, self.desk.seed):
            if pair.lots >= least:
                self.contract(number, pair, price, now_s)
        made = self.of_block.get(number, [])
        self.marked[number] = (price, self.is_firm(number, now_s), False)
        self.expect(number, [self.deals[at] for at in made], cases)

    def contract(self, number: int, pair: Pair, price: float, now_s: int) -> None:
        """Make one, if both sides can put up their margin."""
        seller, buyer = self.members[pair.seller], self.members[pair.buyer]
        contract = Contract(
            self.desk.market, f"{seller} {buyer}", int(self.blocks.start_s[number]),
            seller, buyer, pair.lots * LOT_UJ, price,
        )  # fmt: skip
        step = _done(agree(contract, price, self.terms, now_s))
        needs = [step.position.held_nano(side) for side in Side]
        if any(need > self.free(at) for need, at in zip(needs, pair[:2], strict=True)):
            self.unbacked += 1
            return
        self.of_block.setdefault(number, []).append(len(self.deals))
        self.deals.append(Deal(number, pair.seller, pair.buyer, pair.lots, step.position))
        for need, at in zip(needs, pair[:2], strict=True):
            self.reserve(at, need)
        self.write(now_s, step)

    def expect(self, number: int, deals: list[Deal], cases: list[int]) -> None:
        """Note by how much holders may fall short of what they have committed."""
        for side in Side:
            promised = np.zeros(len(self.members), np.int64)
            for deal in deals:
                promised[deal.seller if side is Side.SELL else deal.buyer] += deal.lots
            there = self.lots[side][cases]
            self.short[side][number] = shortfall_lots(there, promised, self.rules.level)
            if side is Side.SELL:
                self.mean_short[number] = shortfall_lots(there, promised, 0.0)

    def mark(self, number: int, now_s: int) -> None:
        """Mark the contracts of a block; call, meet, close."""
        if number not in self.of_block:
            return
        price, firm = price_known(self.blocks, number, now_s), self.is_firm(number, now_s)
        before, was_firm, called = self.marked[number]
        if not np.isfinite(price):
            price = before
        if (price, firm) == (before, was_firm) and not called:
            return
        still = False
        for at in self.of_block[number]:
            deal = self.deals[at]
            if deal.position.ended is None:
                still |= self.mark_one(at, deal, price, now_s)
        self.marked[number] = (price, firm, still)

    def mark_one(self, at: int, deal: Deal, price: float, now_s: int) -> bool:
        """Mark one contract; whether a call of it stays open."""
        before = deal.position
        step = _done(mark(before, price, self.terms, now_s))
        for side, member in ((Side.SELL, deal.seller), (Side.BUY, deal.buyer)):
            self.reserve(member, step.position.held_nano(side) - before.held_nano(side))
        self.write(now_s, step)
        known = {call.side for call in before.calls}
        calls = deal.calls + sum(call.side not in known for call in step.position.calls)
        position = step.position
        for call in step.position.calls:
            member = deal.seller if call.side is Side.SELL else deal.buyer
            if call.amount_nano <= self.free(member):
                met = _done(meet(position, call.side, self.terms))
                self.reserve(member, call.amount_nano)
                self.write(now_s, met)
                position = met.position
        self.deals[at] = deal._replace(position=position, calls=calls)
        if any(call.due_s <= now_s for call in position.calls):
            self.end(at, _done(close(position, self.terms, now_s)), now_s)
            return False
        return bool(position.calls)

    def settle(self, number: int, now_s: int) -> None:
        """Settle the contracts of a block on the meters."""
        still = [at for at in self.of_block.get(number, ()) if not self.deals[at].position.ended]
        for at, told in deliveries(self.blocks, number, still, self.deals, self.members):
            deal = self.deals[at]
            self.deals[at] = deal._replace(
                delivered_uj=told.delivered_uj, curtailed_uj=told.curtailed_uj
            )
            self.end(at, _done(expire(deal.position, told, self.terms)), now_s)

    def end(self, at: int, step: Step, now_s: int) -> None:
        """Keep how a contract ended, and pay what its margins do not cover."""
        deal, ended = self.deals[at], step.position.ended
        assert ended is not None  # it has just ended
        due = ended.due_nano if ended.payer is Side.SELL else -ended.due_nano
        for side, member in ((Side.SELL, deal.seller), (Side.BUY, deal.buyer)):
            self.reserve(member, -deal.position.held_nano(side))
        self.paid[deal.seller] += due
        self.paid[deal.buyer] -= due
        self.deals[at] = deal._replace(position=step.position, due_nano=due)
        if ended.owed_nano:
            step = Step(step.position, (*_linked(step.transfers), *self.rest(step.position)))
        self.write(now_s, step)

    def rest(self, position: Position) -> tuple[Transfer, Transfer]:
        """What is owed beyond the margins, through escrow."""
        c, ended = position.contract, position.ended
        assert ended is not None and ended.payer is not None  # somebody owes
        other = Side.BUY if ended.payer is Side.SELL else Side.SELL
        names = (c.party(ended.payer), ESCROW, c.party(other))
        ids = [Account(name, self.desk.currency).id for name in names]
        words = ("isojoule.day-ahead.1", c.market, c.id, c.start_s)
        paid, passed = (
            Transfer(
                stable_id(*words, what), debit, credit, ended.owed_nano,
                code=Code.REST, for_s=c.start_s,
            )
            for what, debit, credit in zip(("rest", "passed"), ids[:-1], ids[1:], strict=True)
        )  # fmt: skip
        return paid._replace(linked=True), passed

    def free(self, member: int) -> int | float:
        """What a member has left for margins."""
        cash = self.rules.cash_nano
        if cash is None:
            return float("inf")
        return cash - self.in_escrow[member] - self.paid[member]

    def reserve(self, member: int, nano: int) -> None:
        """Count what goes into escrow; below 0: comes back."""
        self.in_escrow[member] += nano
        self.total += nano
        self.most = max(self.most, self.total)

    def is_firm(self, number: int, now_s: int) -> bool:
        """Whether sellers must cover the highest price of imbalance by now."""
        return now_s >= int(self.blocks.start_s[number]) - self.rules.firm_s

    def write(self, now_s: int, step: Step) -> None:
        """Note transfers, a chain."""
        if step.transfers:
            self.chains.append((now_s, step.transfers))

    def done(self) -> Held:
        """All that came of it."""
        return Held(
            self.members, self.blocks, tuple(self.deals), tuple(self.chains),
            self.could[Side.SELL], self.could[Side.BUY],
            self.short[Side.SELL], self.short[Side.BUY], self.mean_short,
            self.unbacked, self.most,
        )  # fmt: skip


def _done(step: Step | Refused) -> Step:
    """A step that cannot be refused here."""
    if isinstance(step, Refused):
        raise InvariantError(f"a contract was refused: {step.reason}")
    return step


def _linked(transfers: tuple[Transfer, ...]) -> Iterator[Transfer]:
    return (t._replace(linked=True) for t in transfers)
