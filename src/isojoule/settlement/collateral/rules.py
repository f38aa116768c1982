"""What may happen to a bond, and by which transfers: decisions as values.

    step = resolve(held, outcome, terms)

Theory of operation:

- A bond is one or two pending transfers into escrow: the party's own part, and what the guarantee
  fund lends. It has no timeout: one that ran out before the meter is read would be a free option.
- It ends once. Its own part is slashed first: a `POST` of what is slashed, the rest returns by the
  ledger itself; nothing slashed is a `VOID`. In the same chain escrow pays those who were harmed,
  then the fine. So escrow keeps nothing.
- While a claim is open, it is frozen: neither posted nor voided.
- All ids follow from market, offer, interval and what a transfer is for. Asked again, a step gives
  the same transfers, and the ledger writes nothing; another outcome is refused.

Spec: docs/spec/collateral.md, B7 to B11.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from isojoule.core.transfer import MOST_AMOUNT, Account, Kind, Transfer, stable_id
from isojoule.settlement.collateral.nouns import (
    ESCROW,
    GUARANTEE,
    Code,
    Held,
    Outcome,
    Promise,
    Terms,
)
from isojoule.settlement.collateral.sizes import MOST, bond_nano, penalty_of, split_among
from isojoule.settlement.refused import Refused


class Step(NamedTuple):
    """What is to be kept, once the ledger has written the transfers, all of them.

    Attributes
    ----------
    held
        The bond from then on.
    transfers
        One chain, or none.
    """

    held: Held
    transfers: tuple[Transfer, ...] = ()


def pledge(held: Held | None, promise: Promise, terms: Terms, credit_nano: int) -> Step | Refused:
    """Put up the bond of an accepted offer. B7.

    Parameters
    ----------
    held
        The bond of this offer and interval, if there is one.
    credit_nano
        What the guarantee fund still stands in for the party.
    """
    if held is not None:
        if held.promise != promise:
            return Refused(
                "this offer has a bond for this interval, for another promise",
                "give the new promise an offer of its own",
            )
        return Step(held, _reserve(held, terms))
    if not 0 < promise.quantity_uj < MOST:
        return Refused("the quantity is not positive", "promise something, or nothing at all")
    bond = bond_nano(promise, terms)
    if bond > MOST_AMOUNT:
        return Refused("the bond does not fit into 63 bits", "promise less, or check the prices")
    lent = min(bond, max(0, credit_nano))
    fresh = Held(promise, bond - lent, lent)
    return Step(fresh, _reserve(fresh, terms))


def freeze(held: Held, claim: str) -> Step | Refused:
    """Hold a bond until a dispute has ended. B10."""
    if held.penalty is not None:
        return Refused("the bond was settled", "take the dispute to the operator")
    if not claim:
        return Refused("a claim needs a name", "give the id of the claim")
    if claim in held.ended:
        return Refused(f"the claim {claim!r} has ended", "make another claim")
    return Step(held._replace(claims=held.claims | {claim}))


def thaw(held: Held, claim: str) -> Step | Refused:
    """End a dispute. The bond moves again when none is left. B10."""
    if claim in held.ended:
        return Step(held)
    if claim not in held.claims:
        return Refused(f"there is no claim {claim!r}", "name a claim that froze this bond")
    mine = frozenset((claim,))
    return Step(held._replace(claims=held.claims - mine, ended=held.ended | mine))


def resolve(held: Held, outcome: Outcome, terms: Terms) -> Step | Refused:
    """Slash the bond by the shortfall, and return the rest. B8 and B9."""
    if held.outcome is not None and held.outcome != outcome:
        return Refused(
            "the bond was settled by another outcome",
            "correct the settlement by transfers of its own",
        )
    if held.claims:
        open_ = ", ".join(sorted(held.claims))
        return Refused(f"the bond is frozen by {open_}", "end the claim first")
    if min(outcome.delivered_uj, outcome.curtailed_uj, outcome.paid_nano) < 0:
        return Refused("something in the outcome is negative", "give what was metered")
    weights = [weight for _, weight in outcome.harmed]
    names = [name for name, _ in outcome.harmed]
    if not weights or min(weights) < 0 or not sum(weights) or len(set(names)) < len(names):
        return Refused("nobody was harmed by a weight", "name each once, with a weight above 0")
    if ESCROW in names:
        return Refused("escrow bears no cost", "name those who did")
    penalty = penalty_of(held, outcome, terms)
    ended = held._replace(outcome=outcome, penalty=penalty)
    return Step(ended, _release(ended, terms))


def accounts_for(promise: Promise, terms: Terms) -> tuple[Account, ...]:
    """Accounts that a bond needs besides those of whoever was harmed, without limits."""
    names = (promise.party, ESCROW, GUARANTEE, terms.fines_to)
    return tuple(Account(name, terms.currency) for name in dict.fromkeys(names))


def _reserve(held: Held, terms: Terms) -> tuple[Transfer, ...]:
    """The pending transfers of a bond."""
    escrow = Account(ESCROW, terms.currency).id
    return _chain(
        Transfer(
            _id(held.promise, "pending", source), Account(source, terms.currency).id, escrow,
            amount, Kind.PENDING, code=Code.BOND, for_s=held.promise.start_s,
        )
        for source, amount in _parts(held)
    )  # fmt: skip


def _release(held: Held, terms: Terms) -> tuple[Transfer, ...]:
    """The transfers that end a bond."""
    promise, penalty = held.promise, held.penalty
    assert penalty is not None and held.outcome is not None  # it has just been settled
    left = penalty.total_nano
    ends = []
    for source, amount in _parts(held):
        taken = min(left, amount)
        left -= taken
        ends.append(
            Transfer(
                _id(promise, "end", source), 0, 0, taken, Kind.POST if taken else Kind.VOID,
                _id(promise, "pending", source), code=Code.SLASH, for_s=promise.start_s,
            )
        )  # fmt: skip
    paid = [
        (Code.HARM, name, part)
        for name, part in split_among(penalty.harm_nano, held.outcome.harmed)
    ]
    if penalty.fine_nano:
        paid.append((Code.FINE, terms.fines_to, penalty.fine_nano))
    escrow = Account(ESCROW, terms.currency).id
    return _chain(
        [
            *ends,
            *(
                Transfer(
                    _id(promise, code.name, name), escrow, Account(name, terms.currency).id, part,
                    code=code, for_s=promise.start_s,
                )
                for code, name, part in paid
            ),
        ]
    )  # fmt: skip


def _parts(held: Held) -> list[tuple[str, int]]:
    """Who gave how much: the party first, then the fund."""
    parts = ((held.promise.party, held.own_nano), (GUARANTEE, held.lent_nano))
    return [(name, amount) for name, amount in parts if amount]


def _chain(transfers: Iterable[Transfer]) -> tuple[Transfer, ...]:
    made = list(transfers)
    return (*(t._replace(linked=True) for t in made[:-1]), *made[-1:])


def _id(promise: Promise, what: str, who: str) -> int:
    return stable_id("isojoule.bond.1", promise.market, promise.offer, promise.start_s, what, who)
