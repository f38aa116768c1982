"""Clearings whose payments are pivots: how they are made, and how they are checked.

`vcg`, `reverse-vcg` and `vcg-exchange` differ in one thing: in an auction one participant, the
*auctioneer*, has no pivot. It pays, or gets, the sum of what all others pay, less what the
operator gets for its priced links and pays for its standing losses. In the exchange everyone has
a pivot, and what they do not add up to is the operator's.

The check believes no payment: it solves the book anew, and then once without each participant.

Spec: docs/spec/vcg.md, P4 and P7 to P9.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.prices import fill
from isojoule.market.allocation import Allocation, NotSolved, Worths, columns_of
from isojoule.market.best import best
from isojoule.market.book import BOOK_NETWORKS, Book
from isojoule.market.contract import Clearing, Refusal, State
from isojoule.market.dust import proven, rounding_of
from isojoule.market.integer.units import units_of
from isojoule.market.outcome import clearing_named
from isojoule.market.pivots.absent import links_of, room_j, size_uj
from isojoule.market.pivots.parties import Parties, parties_of
from isojoule.market.pivots.pivots import Pivots, pivots_of, split, too_much_money
from isojoule.market.settle import Paid
from isojoule.valuation import Bundle
from isojoule.valuation.curve import integral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Rule = Callable[[Book, Grid, Allocation, Parties, Ints, bytes], Pivots | NotSolved]
"""What some participants pay; see `isojoule.market.pivots.pivots.pivots_of`."""
NETWORKS = BOOK_NETWORKS
"""Network formulations on which pivots are paid."""
NEAR = 1e-9
"""Share of a pivot by which another machine may find another."""
FEW_NANO = 3
FEW_UJ = 4
"""Energies that differ by no more are the same optimum, rounded."""

WORDS = (
    "Payments are pivots, not price times energy: everyone pays what its being there costs all "
    "others, and is paid what it spares them."
)
AUCTION_WORDS = WORDS[:-1] + "; {} {} the sum."


@dataclass(frozen=True, eq=False, slots=True)
class Account:
    """What each party pays in all, by its number, and the operator's lines, nano-units."""

    of: Ints
    operator: dict[str, int]


def clear_by_pivots(
    name: str,
    parameters: dict[str, Any],
    book: Book,
    grid: Grid,
    state: State | None,
    seed: bytes,
    auctioneer: str = "",
    rule: Rule = pivots_of,
) -> Clearing | Refusal:
    """The best allocation, paid by pivots; `auctioneer` has none and takes the sum."""
    if book.network not in NETWORKS:
        return Refusal(
            name,
            f"network {book.network!r} is not cleared by it",
            f"use one of {', '.join(NETWORKS)}",
        )
    owned = [link for link, owner in zip(grid.link_ids, grid.owner, strict=True) if owner]
    if book.network == "dc" and owned:
        return Refusal(
            name,
            f"link {owned[0]!r} has an owner, and on dc a line that is left out moves all flows",
            "leave out the owners of links, or use transport",
        )
    found = best(book, grid, seed=seed)
    if isinstance(found, NotSolved):
        return Refusal(name, found.reason, found.remedy)
    parties = parties_of(book, grid)
    pays = rule(book, grid, found, parties, _all_but(parties, auctioneer), seed)
    if isinstance(pays, NotSolved):
        return Refusal(name, pays.reason, pays.remedy)
    beyond = too_much_money(pays)
    if beyond:
        return Refusal(name, beyond, "use a larger unit of money, or correct the prices")
    account = account_of(book, grid, found, pays, auctioneer)
    offers, links = shares(book, grid, found, found.support.price, account.of)
    paid = Paid(offers, links, account.operator)
    return clearing_named(name, parameters, state, seed, found, paid)


def _all_but(parties: Parties, auctioneer: str) -> Ints:
    """Everybody who has a pivot."""
    some = parties.has()
    if auctioneer:
        some[parties.numbers([auctioneer])] = False
    return np.flatnonzero(some)


def only_side(name: str, book: Book, side: str) -> str | Refusal:
    """The one participant that could sell (or buy) anything, or why the book does not fit."""
    gives, takes = room_j(book)
    at = np.flatnonzero((gives if side == "sell" else takes) > 0)
    numbers = np.unique(book.offer_participant[at]).tolist()
    who: list[str] = sorted(book.participants[i] for i in numbers)
    if len(who) == 1:
        return who[0]
    some = " and ".join(repr(one) for one in who[:2]) + (" and others" if who[2:] else "")
    return Refusal(
        name,
        f"{some if who else 'nobody'} could {side}, and it needs exactly one who does",
        f"use vcg-exchange, or leave one who could {side}",
    )


def account_of(book: Book, grid: Grid, found: Allocation, pays: Pivots, auctioneer: str) -> Account:
    """Who pays how much in all. An auctioneer that trades nothing pays nothing."""
    parties = pays.parties
    of = np.zeros(parties.count, np.int64)
    of[pays.number] = pays.nano
    carriage = carriage_nano(grid, found.link_cost)
    standing = -pays.operator.nano
    head = int(parties.numbers([auctioneer])[0]) if auctioneer else -1
    if head >= 0 and not parties.silent(book, found, found.taken)[head]:
        of[head] = carriage + standing - int(of.sum())
    rest = int(of.sum()) - carriage - standing
    exact = Fraction(math.fsum(pays.money.tolist())) * NANO_PER_UNIT
    surplus = rest if auctioneer else round(exact) - carriage - standing
    lines = {"pivots": surplus, "carriage": carriage, "standing_loss": standing}
    lines["rounding"] = rest - surplus
    return Account(of, lines)


def carriage_nano(grid: Grid, link_cost: Floats) -> int:
    """What the operator gets for its own priced links, nano-units."""
    mine = links_of(grid, "")
    return round(math.fsum(link_cost[mine].tolist()) * NANO_PER_UNIT)


def shares(book: Book, grid: Grid, found: Allocation, price: Floats, of: Ints) -> tuple[Ints, Ints]:
    """The payment of each offer and each owned link (see `split`), nano-units.

    `of` is what each party pays, by its number.
    """
    parties = parties_of(book, grid)
    at_price = _at_prices(book, grid, found, price)
    earned = _earned(grid, found, price)
    size = np.concatenate([size_uj(book, found.energy_uj, found.taken), np.abs(found.flow_uj)])
    party = np.concatenate([parties.offer, parties.link])
    base = np.concatenate([at_price, -earned])
    out = np.zeros(size.size, np.int64)
    busy = np.flatnonzero((size > 0) & (party >= 0))
    several = np.bincount(party[busy], minlength=of.size) > 1
    alone = busy[~several[party[busy]]]
    out[alone] = of[party[alone]]
    parts_of: dict[int, list[int]] = {}
    for i in busy[several[party[busy]]].tolist():
        parts_of.setdefault(int(party[i]), []).append(i)
    count = book.offer_count
    for number, at in parts_of.items():
        names = [
            f"o{book.offer_ids[i]}" if i < count else f"l{grid.link_ids[i - count]}" for i in at
        ]
        out[at] = split(int(of[number]), names, base[at].tolist(), size[at].tolist())
    return out[:count], out[count:]


def _at_prices(book: Book, grid: Grid, found: Allocation, price: Floats) -> Floats:
    """What offers would pay at the prices of their nodes, money; where there is none, worth."""
    paid = price[book.offer_node] * found.energy_uj / UJ_PER_J
    for i in np.flatnonzero(book.offer_node < 0).tolist():  # bundles
        spec = book.offers[i].spec
        legs = spec.legs if isinstance(spec, Bundle) else ()
        paid[i] = math.fsum(price[grid.node_index[at.node]] * at.energy_uj * 1e-6 for at in legs)
    return np.where(np.isnan(paid), found.offer_value, paid)


def _earned(grid: Grid, found: Allocation, price: Floats) -> Floats:
    """What links would earn at the prices of their ends, money; their cost where there is none."""
    ahead = found.flow_uj >= 0
    near = price[np.where(ahead, grid.link_from, grid.link_to)]
    far = price[np.where(ahead, grid.link_to, grid.link_from)]
    sent = np.abs(found.flow_uj)
    earned = (far * (sent - found.loss_uj) - near * sent) / UJ_PER_J
    return np.where(np.isnan(earned), found.link_cost, earned)


def check_pivots(
    book: Book,
    grid: Grid,
    clearing: Clearing,
    auctioneer: str | Refusal,
    rule: Rule = pivots_of,
) -> None:
    """Every payment is the pivot that a new solution gives.

    Raises
    ------
    VerificationError
        At the first payment that is not; names the participant, offer, link or line.
    """
    if isinstance(auctioneer, Refusal):
        raise VerificationError(f"the book does not fit: {auctioneer.reason}", place="book")
    found, unsure = _solved_anew(book, grid, clearing)
    parties = parties_of(book, grid)
    names = _all_but(parties, auctioneer)
    pays = rule(book, grid, found, parties, names, clearing.seed)
    if isinstance(pays, NotSolved):
        raise VerificationError(f"the pivots cannot be found again: {pays.reason}")
    paid, earned = clearing.payment_nano, clearing.link_payment_nano
    stored = np.zeros(parties.count, np.int64)
    np.add.at(stored, parties.offer, paid)
    owned = parties.link >= 0
    np.add.at(stored, parties.link[owned], earned[owned])
    margin = _margin(pays.nano, pays.unsure + unsure)
    wrong = np.flatnonzero(np.abs(stored[names] - pays.nano) > margin)
    if wrong.size:
        at = int(wrong[0])
        raise VerificationError(
            f"pays {stored[names[at]]} nano-units in all, its pivot is {pays.nano[at]}",
            place=f"participant {parties.name(int(names[at]))!r}",
        )
    account = account_of(book, grid, found, pays, auctioneer)
    slack = float(margin.sum()) + unsure * NANO_PER_UNIT
    slack += float(_margin(pays.operator.nano, pays.operator.unsure + unsure))
    _check_lines(clearing, account.operator, slack, auctioneer)
    head = int(parties.numbers([auctioneer])[0]) if auctioneer else -1
    if head >= 0 and account.of[head] == 0 != stored[head]:
        raise VerificationError("pays, and trades nothing", place=f"participant {auctioneer!r}")
    parts = shares(book, grid, found, clearing.price_per_j, stored)
    worth = float(np.max(np.abs(found.offer_value), initial=0.0))
    near = _margin(worth * NANO_PER_UNIT, unsure)
    trades = {
        "offer": size_uj(book, clearing.energy_uj, clearing.taken) > 0,
        "link": (clearing.flow_uj != 0) & ~links_of(grid, ""),
    }
    for ids, what, theirs, own in (
        (book.offer_ids, "offer", paid, parts[0]),
        (grid.link_ids, "link", earned, parts[1]),
    ):
        odd = (np.abs(theirs - own) > near) | ((own == 0) & (theirs != 0) & ~trades[what])
        if odd.any():
            at = int(np.flatnonzero(odd)[0])
            raise VerificationError(
                f"pays {theirs[at]} nano-units, its part of the pivot is {own[at]}",
                place=f"{what} {ids[at]!r}",
            )


def _check_lines(clearing: Clearing, lines: dict[str, int], slack: float, auctioneer: str) -> None:
    if clearing.operator.keys() != lines.keys():
        raise VerificationError(f"its lines are not {', '.join(lines)}", place="operator")
    total = int(clearing.payment_nano.sum()) + int(clearing.link_payment_nano.sum())
    if clearing.surplus_nano != total:
        raise VerificationError("the lines do not add up to the payments", place="operator")
    for name, nano in lines.items():
        stored = clearing.operator[name]
        if abs(stored - nano) > slack + NEAR * abs(nano):
            raise VerificationError(f"is {stored}, not {nano} nano-units", place=f"operator.{name}")
    if auctioneer and lines["pivots"] == 0 != clearing.operator["pivots"]:
        raise VerificationError("the auctioneer takes the sum", place="operator.pivots")


def _margin(nano: Floats | Ints | float, unsure: Floats | float) -> Floats:
    out: Floats = FEW_NANO + NEAR * np.abs(nano) + 2.0 * NANO_PER_UNIT * np.asarray(unsure)
    return out


def _solved_anew(book: Book, grid: Grid, clearing: Clearing) -> tuple[Allocation, float]:
    """The optimum of the book at the energies of the clearing, and how far worths may be off.

    Where the optimum is not unique, another machine may find another one than the clearing's. All
    gain the same in either, so the clearing's is taken, with what whole microjoules may cost.
    """
    again = best(book, grid, seed=clearing.seed)
    if isinstance(again, NotSolved):
        raise VerificationError(f"the book cannot be solved again: {again.reason}")
    same = (again.taken is None) == (clearing.taken is None)
    if again.taken is not None and clearing.taken is not None:
        same = np.array_equal(again.taken, clearing.taken)
    for one, other in ((again.energy_uj, clearing.energy_uj), (again.flow_uj, clearing.flow_uj)):
        same = same and bool(np.all(np.abs(one - other) <= FEW_UJ))
    network = network_of(grid, book.network, book.interval.duration_s)
    dual = np.zeros(network.nodes)
    dual[network.node_of] = again.duals
    dust = rounding_of(columns_of(book, network), network, dual)
    most = again.support.welfare
    if not proven(most, most - clearing.welfare - NEAR * again.support.size, dust):
        raise VerificationError(
            f"is {clearing.welfare!r}, and the best allocation has {most!r}", place="welfare"
        )
    stored = replace(
        again,
        energy_uj=clearing.energy_uj,
        flow_uj=clearing.flow_uj,
        standing_uj=clearing.standing_uj,
        taken=clearing.taken,
    )
    if same:
        return stored, 0.0
    worths = Worths(
        _worths(book, grid, clearing),
        grid.price_per_j * np.abs(clearing.flow_uj) / UJ_PER_J,
        0.0,
    )
    return replace(stored, unrounded=lambda: worths), dust


def _worths(book: Book, grid: Grid, clearing: Clearing) -> Floats:
    """Worth to each offer of its whole microjoules, money."""
    p = book.pieces
    x = fill(book.piece_offer.astype(np.int64), p.lo, p.hi, clearing.energy_uj / UJ_PER_J)
    worth = np.bincount(book.piece_offer, integral(p, x), book.offer_count).astype(np.float64)
    if clearing.taken is not None:
        units = units_of(book, grid)
        at = units.offer[units.whole]
        worth[at] = np.where(clearing.taken[at], units.worth[units.whole], 0.0)
    return worth
