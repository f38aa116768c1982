"""What may happen to a commitment, and by which transfers: decisions as values.

    step = mark(position, price_per_j, terms, now_s)

Theory of operation:

- Both sides put up a margin when the contract is made, in one chain: both, or there is no contract.
- Marking compares what lies in escrow with what the price of now asks for. Whoever has too little
  is called; of what is too much, whole margins return, the latest first. A call is met by one more
  pending transfer. A call that is not met in time lets anybody close the contract.
- It ends once, by delivery or by default: who owes pays from its margins, the oldest first, the
  rest returns, and escrow pays all of it on in the same chain.
- All ids follow from market, contract and number, so a step asked again writes nothing.

Spec: docs/spec/collateral.md, B12 to B16.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from isojoule.core.transfer import MOST_AMOUNT, Account, Kind, Transfer, stable_id
from isojoule.settlement.collateral.nouns import ESCROW
from isojoule.settlement.commitments.margins import due_nano, required_nano
from isojoule.settlement.commitments.nouns import (
    Call,
    Code,
    Contract,
    Delivery,
    Ended,
    Margin,
    Margins,
    Position,
    Side,
)
from isojoule.settlement.refused import Refused

_DONE = Refused("the contract has ended", "make another one")


class Step(NamedTuple):
    """What is to be kept, once the ledger has written the transfers, all of them."""

    position: Position
    transfers: tuple[Transfer, ...] = ()


def agree(contract: Contract, price_per_j: float, terms: Margins, now_s: int) -> Step | Refused:
    """Make a contract; both sides put up what the price of now asks for. B12."""
    if contract.quantity_uj <= 0 or contract.seller == contract.buyer:
        return Refused("a contract needs two parties and some energy", "name two, and a quantity")
    position = Position(contract, price_per_j)
    made: list[Transfer] = []
    for side in Side:
        amount = required_nano(contract, side, price_per_j, terms, now_s)
        if amount > MOST_AMOUNT:
            return Refused("the margin does not fit into 63 bits", "commit to less")
        position, transfers = _put_up(position, side, amount, terms)
        made += transfers
    return Step(position, _chain(made))


def mark(position: Position, price_per_j: float, terms: Margins, now_s: int) -> Step | Refused:
    """Mark a contract at the price of now: call, and return what is too much. B14.

    A call that is open keeps its time; it changes its amount, or is no longer needed.
    """
    if position.ended is not None:
        return _DONE
    calls, back = [], []
    was = {call.side: call.due_s for call in position.calls}
    for side in Side:
        need = required_nano(position.contract, side, price_per_j, terms, now_s)
        held = position.held_nano(side)
        if held < need:
            due_s = was.get(side, now_s + terms.grace_s)
            calls.append(Call(side, need - held, due_s))
        for margin in reversed(position.margins):
            if margin.side is side and held - margin.amount_nano >= need:
                back.append(margin)
                held -= margin.amount_nano
    left = tuple(m for m in position.margins if m not in back)
    marked = position._replace(marked_per_j=price_per_j, margins=left, calls=tuple(calls))
    return Step(marked, _chain(_end(position.contract, margin, 0) for margin in back))


def meet(position: Position, side: Side, terms: Margins) -> Step | Refused:
    """Meet a call. B14."""
    if position.ended is not None:
        return _DONE
    call = next((call for call in position.calls if call.side is side), None)
    if call is None:
        return Refused(f"nothing is asked of the {side} side", "wait for a call")
    left = tuple(other for other in position.calls if other is not call)
    met, transfers = _put_up(position._replace(calls=left), side, call.amount_nano, terms)
    return Step(met, _chain(transfers))


def close(position: Position, terms: Margins, now_s: int) -> Step | Refused:
    """End a contract whose call was not met in time, at the price it was last marked at. B15."""
    if position.ended is not None:
        return _DONE
    late = [call.side for call in position.calls if call.due_s <= now_s]
    if not late:
        return Refused("no call is overdue", "wait until it is")
    c, price = position.contract, position.marked_per_j
    at_market = Delivery(c.quantity_uj, 0, price, price)
    return _finish(position, "default", due_nano(c, at_market), terms)


def expire(position: Position, delivery: Delivery, terms: Margins) -> Step | Refused:
    """End a contract by what the meter shows. B16."""
    if position.ended is not None:
        return _DONE
    if min(delivery.delivered_uj, delivery.curtailed_uj) < 0:
        return Refused("something in the delivery is negative", "give what was metered")
    return _finish(position, "delivery", due_nano(position.contract, delivery), terms)


def _finish(position: Position, why: str, due: int, terms: Margins) -> Step:
    """Pay from the margins of whoever owes; all else returns."""
    c = position.contract
    payer = None if not due else Side.SELL if due > 0 else Side.BUY
    left = abs(due)
    ends = []
    for margin in position.margins:
        taken = min(left, margin.amount_nano) if margin.side is payer else 0
        left -= taken
        ends.append(_end(c, margin, taken))
    paid = abs(due) - left
    if paid:
        other = c.buyer if payer is Side.SELL else c.seller
        ends.append(
            Transfer(
                _id(c, "difference", 0), Account(ESCROW, terms.currency).id,
                Account(other, terms.currency).id, paid, code=Code.DIFFERENCE, for_s=c.start_s,
            )
        )  # fmt: skip
    ended = Ended(why, payer, abs(due), paid)
    return Step(position._replace(margins=(), calls=(), ended=ended), _chain(ends))


def _put_up(
    position: Position, side: Side, amount: int, terms: Margins
) -> tuple[Position, list[Transfer]]:
    """One more margin of a side, if it is any."""
    if not amount:
        return position, []
    c, margin = position.contract, Margin(side, position.made + 1, amount)
    transfer = Transfer(
        _id(c, "margin", margin.number), Account(c.party(side), terms.currency).id,
        Account(ESCROW, terms.currency).id, amount, Kind.PENDING, code=Code.MARGIN,
        for_s=c.start_s,
    )  # fmt: skip
    grown = position._replace(margins=(*position.margins, margin), made=margin.number)
    return grown, [transfer]


def _end(c: Contract, margin: Margin, taken: int) -> Transfer:
    return Transfer(
        _id(c, "end", margin.number), 0, 0, taken, Kind.POST if taken else Kind.VOID,
        _id(c, "margin", margin.number), code=Code.MARGIN_END, for_s=c.start_s,
    )  # fmt: skip


def _chain(transfers: Iterable[Transfer]) -> tuple[Transfer, ...]:
    made = list(transfers)
    return (*(t._replace(linked=True) for t in made[:-1]), *made[-1:])


def _id(c: Contract, what: str, number: int) -> int:
    return stable_id("isojoule.commitment.1", c.market, c.id, c.start_s, what, number)
