"""Auctions of one block: one seller, one block of energy, and bids for all of it.

The rules:

- The one offer to sell, a flat step, is the block; its ask, times its energy, is what the seller
  wants at least. All other offers bid: one flat step to buy, for the whole block or more.
- Of a participant's bids the highest counts. The worth of a bid is its price times the energy of
  the block, an exact fraction.
- Equal bids: who has the lowest `rank(seed, id)` is first.
- The buyer pays its price, rounded up to the nano-unit, to the seller; the operator has no line
  but for what it passes on of forfeits.

Spec: docs/spec/session.md, S18 to S20.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from isojoule.core.chance import rank
from isojoule.core.errors import VerificationError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J, price_text
from isojoule.grid import Grid
from isojoule.market.allocation import bounds_uj
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Clearing, Refusal, State
from isojoule.market.settle import MOST_MONEY
from isojoule.valuation import KINDS, Offer, Steps

NETWORK = "copperplate"
STEPS = KINDS.index("steps")


class Bid(NamedTuple):
    """A bid for the block: its offer's position, its worth in money, and its rank among equals."""

    offer: int
    worth: Fraction
    rank: bytes


@dataclass(frozen=True, slots=True)
class Auction:
    """A book read as an auction of one block.

    Attributes
    ----------
    seller
        Position of the offer that sells.
    block_uj
        Energy of the block, microjoules.
    ask
        What the seller wants at least for all of it, money.
    bids
        The bids that count, the highest first.
    lower
        Bids that do not count, and the position of their participant's highest.
    """

    seller: int
    block_uj: int
    ask: Fraction
    bids: tuple[Bid, ...]
    lower: dict[int, int]


def unfit(offer: Offer, others: Sequence[Offer]) -> str:
    """Why an offer does not go with those before it in an auction of one block, or ""."""
    spec = offer.spec
    if not isinstance(spec, Steps):
        return f"a {KINDS[spec.kind]} is no bid for one block"
    steps = (*spec.sell, *spec.buy)
    if len(steps) != 1 or steps[0].price_per_j != steps[0].end_price_per_j:
        return "a block has one size and one price, so it takes one flat step"
    if not steps[0].energy_uj:
        return "its block is empty"
    worth = Fraction(steps[0].price_per_j) * Fraction(steps[0].energy_uj, UJ_PER_J)
    if abs(worth) >= MOST_MONEY:
        return f"its price passes {MOST_MONEY:.0e} units of money"
    block = [o for o in others if isinstance(o.spec, Steps) and o.spec.sell]
    if spec.sell:
        return "the block is offered already; there is one seller" if block else ""
    if not block:
        return "no block is offered yet"
    if block[0].participant == offer.participant:
        return OWN
    whole = size_uj(block[0])
    short = steps[0].energy_uj < whole
    return _short(short, offer.all_or_nothing and steps[0].energy_uj > whole)


OWN = "the seller does not bid for its own block"


def size_uj(offer: Offer) -> int:
    """Energy of an offer of one step, microjoules."""
    assert isinstance(offer.spec, Steps)
    return (*offer.spec.sell, *offer.spec.buy)[0].energy_uj


def _short(short: bool, beyond: bool) -> str:
    if short:
        return "it bids for less than the block"
    return "it wants all of more than the block, or nothing" if beyond else ""


def read_auction(name: str, book: Book, seed: bytes) -> Auction | Refusal:
    """The auction in a book, or what does not fit."""
    if book.network != NETWORK:
        return Refusal(
            name,
            f"network {book.network!r} would be ignored: one block goes to one bidder, wherever "
            "the two are",
            f"use {NETWORK}",
        )
    p = book.pieces
    count = np.bincount(book.piece_offer, minlength=book.offer_count)
    sloped = (p.b != 0) | ((p.lo == 0) == (p.hi == 0))
    for i in range(book.offer_count):
        rows = book.piece_offer == i
        if book.offer_kind[i] != STEPS or count[i] != 1 or bool(sloped[rows].any()):
            return Refusal(
                name, f"offer {book.offer_ids[i]!r} is not one flat step", "bid for one block"
            )
    # with one piece an offer, pieces and offers have the same positions
    sellers = np.flatnonzero(p.lo < 0)
    if sellers.size != 1:
        return Refusal(
            name, f"the book has {sellers.size} offers to sell", "let one seller offer one block"
        )
    seller = int(sellers[0])
    low, high = bounds_uj(book.piece_offer.astype(np.int64), p, book.offer_count)
    block_uj = -int(low[seller])
    block_j = Fraction(block_uj, UJ_PER_J)
    lower_bids: dict[int, int] = {}
    best: dict[int, Bid] = {}
    for i in range(book.offer_count):
        if i == seller:
            continue
        who = int(book.offer_participant[i])
        whole = bool(book.offers) and book.offers[i].all_or_nothing
        reason = _short(bool(high[i] < block_uj), whole and bool(high[i] > block_uj))
        if who == book.offer_participant[seller]:
            reason = OWN
        if reason:
            text = f"offer {book.offer_ids[i]!r}: {reason}"
            return Refusal(name, text, "bid for the whole block of somebody else")
        bid = Bid(i, Fraction(float(p.a[i])) * block_j, rank(seed, book.offer_ids[i]))
        before = best.get(who)
        if before is not None:
            bid, lower = sorted((before, bid), key=_first)
            lower_bids[lower.offer] = bid.offer
        best[who] = bid
    bids = tuple(sorted(best.values(), key=_first))
    ask = Fraction(float(p.a[seller])) * block_j
    if max([abs(ask), *(abs(b.worth) for b in bids)]) >= MOST_MONEY:
        text = f"a price passes {MOST_MONEY:.0e} units of money for the block"
        return Refusal(name, text, "use a larger unit of money, or correct the prices")
    return Auction(seller, block_uj, ask, bids, lower_bids)


def _first(bid: Bid) -> tuple[Fraction, bytes]:
    return (-bid.worth, bid.rank)


def is_money(value: Any) -> bool:
    """Whether a parameter is an amount of money that can be paid, 0 or more."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and 0 <= value < MOST_MONEY


def nano(money: Fraction) -> int:
    """Money in whole nano-units, rounded up.

    >>> nano(Fraction(1, 3))
    333333334
    """
    return -((-money * NANO_PER_UNIT) // 1)


def clearing_of(
    name: str,
    parameters: dict[str, Any],
    seed: bytes,
    book: Book,
    grid: Grid,
    auction: Auction,
    winner: Bid | None,
    price: Fraction,
    *,
    forfeits_nano: int = 0,
    state_before: State | None = None,
) -> Clearing:
    """The clearing in which `winner` gets the block for `price`, or in which nothing is sold.

    Parameters
    ----------
    forfeits_nano
        Given to the winner, or to the seller if nothing is sold; the operator pays it out of the
        collateral that it holds.
    """
    energy, paid = np.zeros((2, book.offer_count), np.int64)
    each, welfare = np.nan, 0.0
    if winner is not None:
        energy[winner.offer], energy[auction.seller] = auction.block_uj, -auction.block_uj
        paid[winner.offer] = nano(price) - forfeits_nano
        paid[auction.seller] = -nano(price)
        each = float(price * UJ_PER_J / auction.block_uj)
        welfare = float(winner.worth - auction.ask)
    else:
        paid[auction.seller] = -forfeits_nano
    none = np.zeros(grid.link_count, np.int64)
    nodes = grid.node_count
    return Clearing(
        mechanism=name,
        parameters=parameters,
        seed=seed,
        energy_uj=energy,
        payment_nano=paid,
        flow_uj=none,
        loss_uj=none.copy(),
        link_payment_nano=none.copy(),
        standing_uj=none.copy(),
        price_per_j=np.full(nodes, each),
        welfare=welfare,
        operator={"forfeits": -forfeits_nano} if forfeits_nano else {},
        certificate=Certificate(
            kind="recomputed",
            duals=np.zeros(nodes),
            lowest=np.full(nodes, -np.inf),
            highest=np.full(nodes, np.inf),
            welfare_bound=welfare,
            gap=0.0,
        ),
        taken=_taken(book, energy),
        state_before=dict(state_before or {}),
    )


def _taken(book: Book, energy: np.ndarray) -> np.ndarray | None:
    if not book.indivisible:
        return None
    return np.array(
        [not o.all_or_nothing or bool(e) for o, e in zip(book.offers, energy, strict=True)]
    )


def block_reasons(book: Book, clearing: Clearing, reserve: Fraction | None) -> list[str]:
    """Why each offer of such an auction got what it got; `reserve` is money for the block."""
    found = read_auction(clearing.mechanism, book, clearing.seed)
    if isinstance(found, Refusal):
        return [""] * book.offer_count
    least, what = _least(found, reserve)
    least_text = f"{what} of {_each(book, found, least)}"
    words = [""] * book.offer_count
    for i, other in found.lower.items():
        words[i] = f"not taken: of its participant's bids {book.offer_ids[other]} counts"
    gets = np.flatnonzero(clearing.energy_uj > 0)
    if not gets.size:
        words[found.seller] = f"not sold: no bid reaches {least_text}"
        for bid in found.bids:
            mine = _each(book, found, bid.worth)
            words[bid.offer] = f"not taken: its bid of {mine} is below {least_text}"
        return words
    won = int(gets[0])
    words[found.seller] = f"sold to {book.offer_ids[won]}"
    for bid in found.bids:
        words[bid.offer] = f"not taken: outbid by {book.offer_ids[won]}"
        if bid.worth == found.bids[0].worth:
            words[bid.offer] = f"not taken: bids as much as {book.offer_ids[won]}, who drew first"
    words[won] = "taken: the highest bid"
    return words


def block_price_reason(
    book: Book, grid: Grid, clearing: Clearing, node: int, reserve: Fraction | None, first: bool
) -> str:
    """How the price came about; `first`: the winner pays its own bid."""
    found = read_auction(clearing.mechanism, book, clearing.seed)
    if isinstance(found, Refusal):
        return ""
    least, what = _least(found, reserve)
    if np.isnan(clearing.price_per_j[node]):
        text = f"nothing was sold, for no bid reaches {what} of {_each(book, found, least)}"
        return f"No price is defined at {grid.node_ids[node]}: {text}."
    price = price_text(float(clearing.price_per_j[node]), book.currency)
    follows = "the highest bid"
    if not first:
        second = [bid for bid in found.bids[1:2] if bid.worth >= least]
        follows = f"the bid {book.offer_ids[second[0].offer]}, next to it" if second else what
    return f"At {grid.node_ids[node]} the block costs {price}: {follows}."


def _least(auction: Auction, reserve: Fraction | None) -> tuple[Fraction, str]:
    """What a bid must reach, and what that is called."""
    if reserve is not None and reserve > auction.ask:
        return reserve, "the reserve"
    return auction.ask, "the ask"


def _each(book: Book, auction: Auction, worth: Fraction) -> str:
    return price_text(float(worth * UJ_PER_J / auction.block_uj), book.currency)


def check_block(
    book: Book,
    clearing: Clearing,
    reserve: Fraction | None,
    price_rule: str,
    forfeits_nano: int,
) -> None:
    """Check a clearing against the rule, read offer by offer; a second, naive implementation.

    Parameters
    ----------
    reserve
        What a bid must reach besides the ask, money for the block, and the winner pays at least.
    price_rule
        "first" or "second".
    forfeits_nano
        What the winner, or with no sale the seller, is given.

    Raises
    ------
    VerificationError
        At the first thing that is not what the rule says.
    """
    c, seller = clearing, -1
    bids: list[tuple[Fraction, bytes, str, int]] = []
    for i, row in enumerate(zip(*book.pieces, strict=True)):
        if row[0] < 0:
            seller = i
    block_uj = -math.ceil(float(book.pieces.lo[seller]) * UJ_PER_J - 1e-3)
    block = Fraction(block_uj, UJ_PER_J)
    ask = Fraction(float(book.pieces.a[seller])) * block
    least = ask if reserve is None else max(ask, reserve)
    for i in range(book.offer_count):
        who = book.participants[book.offer_participant[i]]
        size = math.floor(float(book.pieces.hi[i]) * UJ_PER_J + 1e-3)
        if i != seller and size >= block_uj:
            worth = Fraction(float(book.pieces.a[i])) * block
            bids.append((-worth, rank(c.seed, book.offer_ids[i]), who, i))
    bids.sort()
    sold = bool(bids) and -bids[0][0] >= least
    energy, paid = [0] * book.offer_count, [0] * book.offer_count
    price, welfare = Fraction(0), 0.0
    if sold:
        top, _, who, won = bids[0]
        others = [-worth for worth, _, other, _ in bids if other != who]
        price = -top if price_rule == "first" else max([least, *others])
        energy[won], energy[seller] = block_uj, -block_uj
        paid[won], paid[seller] = nano(price) - forfeits_nano, -nano(price)
        welfare = float(-top - ask)
    else:
        paid[seller] = -forfeits_nano
    for what, stored, true in (("receives", c.energy_uj, energy), ("pays", c.payment_nano, paid)):
        for i, (one, other) in enumerate(zip(stored.tolist(), true, strict=True)):
            if one != other:
                text = f"{what} {one}, by the rule {other}"
                raise VerificationError(text, place=f"offer {book.offer_ids[i]!r}")
    if c.operator != ({"forfeits": -forfeits_nano} if forfeits_nano else {}):
        raise VerificationError("is not what is passed on of forfeits", place="operator")
    if c.link_payment_nano.any() or c.flow_uj.any() or c.state or c.notes:
        raise VerificationError("has links, state or notes, which the rule does not know")
    each = float(price / block) if sold else float("nan")
    wrong = (c.price_per_j != each) & ~(np.isnan(c.price_per_j) & np.isnan(each))
    if wrong.any():
        raise VerificationError(f"a node has another price than {each!r}", place="prices")
    for name, value, true_value in (
        ("welfare", c.welfare, welfare),
        ("certificate.welfare_bound", c.certificate.welfare_bound, welfare),
        ("certificate.gap", c.certificate.gap, 0.0),
    ):
        if value != true_value:
            raise VerificationError(f"is {value!r}, not {true_value!r}", place=name)
    right = _taken(book, np.array(energy))
    if (right is None) != (c.taken is None) or (
        right is not None and c.taken is not None and not np.array_equal(right, c.taken)
    ):
        raise VerificationError("is not what the rule gives", place="taken")
    cert = c.certificate
    if cert.duals.any() or np.isfinite(cert.lowest).any() or np.isfinite(cert.highest).any():
        raise VerificationError("has prices that prove nothing here", place="certificate")
