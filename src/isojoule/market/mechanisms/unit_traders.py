"""Double auctions of unit traders: who stands where on both sides, and the clearing of a rule.

Each rule says how many pairs trade, who they are, and what buyers pay and sellers get (`Outcome`).
All else is here: which books fit, both sides in order, exact money, the bound on what was missed.
Offers at one price are put in order by hashes only where it matters, around the last pair that
could trade. Spec: docs/spec/auctions.md, U9 to U13.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import ranks
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Clearing, Mechanism, Refusal, State
from isojoule.market.copperplate import price_text, refuse_links
from isojoule.market.settle import MOST_MONEY
from isojoule.valuation import KINDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BUNDLE = KINDS.index("bundle")
NANO_PER_UJ = 1000
"""A unit of money per J is this many nano-units per microjoule."""

ROOM = "the last pair makes room, so that nobody gains by offering otherwise"


class Unfit(NamedTuple):
    """Why a book is not one of unit traders, and what would do."""

    reason: str
    remedy: str


class Units(NamedTuple):
    """Unit traders: positions of the offers to buy and to sell, price per offer, and the size."""

    buyers: Ints
    sellers: Ints
    price: Floats
    size_uj: int


class Sides(NamedTuple):
    """Both sides from the best price on, offers and prices, and how many pairs could trade.

    The order of offers at one price is settled (U11) around places `k - 1` and `k`, and open
    elsewhere: who trades depends on nothing else.
    """

    buyers: Ints
    sellers: Ints
    bid: Floats
    ask: Floats
    k: int

    def bid_at(self, place: int) -> float:
        """Bid at a place, from 1; below all prices where there is none."""
        return float(self.bid[place - 1]) if 1 <= place <= self.bid.size else -math.inf

    def ask_at(self, place: int) -> float:
        """Ask at a place, from 1; above all prices where there is none."""
        return float(self.ask[place - 1]) if 1 <= place <= self.ask.size else math.inf


class Outcome(NamedTuple):
    """Who buys and who sells, and at what: `price` is nan where there is no one price."""

    buying: Ints
    selling: Ints
    price: float
    buyers_pay: float
    sellers_get: float


Rule = Callable[[Book, Sides, bytes], Outcome]


def units_of(book: Book) -> Units | Unfit:
    """The unit traders of a book, from its columns; offers of nothing are left out."""
    bundles = np.flatnonzero(book.offer_kind == BUNDLE)
    if bundles.size:
        return Unfit(
            f"offer {book.offer_ids[bundles[0]]!r} is a bundle", "use a mechanism for bundles"
        )
    p, offer = book.pieces, book.piece_offer.astype(np.int64)
    open_ = p.hi > p.lo
    size_j = p.hi - p.lo
    for bad, what, remedy in (
        (open_ & ~np.isfinite(size_j), "has no limit", "offer one unit"),
        (
            open_ & (p.b != 0) & (p.c1 != 0),
            "has a price that changes with the energy",
            "offer one unit at one price, or use uniform-price, which clears curves",
        ),
        (
            open_ & (np.bincount(offer[open_], minlength=book.offer_count) > 1)[offer],
            "has several steps",
            "offer one unit at one price, or use uniform-price, which clears steps",
        ),
    ):
        if bad.any():
            at = int(offer[int(np.argmax(bad))])
            return Unfit(f"offer {book.offer_ids[at]!r} {what}", remedy)
    rows = offer[open_]
    size_uj = np.rint(size_j[open_] * UJ_PER_J).astype(np.int64)
    if rows.size and np.any(size_uj != size_uj[0]):
        other = int(rows[int(np.argmax(size_uj != size_uj[0]))])
        return Unfit(
            f"offers {book.offer_ids[rows[0]]!r} and {book.offer_ids[other]!r} are not of one size",
            "offer units of one size, or use uniform-price, which clears any sizes",
        )
    seen = np.bincount(book.offer_participant[rows], minlength=len(book.participants))
    if np.any(seen > 1):
        return Unfit(
            f"participant {book.participants[int(np.argmax(seen > 1))]!r} has several offers",
            "offer one unit each, or use uniform-price, which clears any number",
        )
    price = np.zeros(book.offer_count)
    price[rows] = (p.a + p.b * np.maximum(p.c0, 0.0) ** p.k)[open_] if p.b.any() else p.a[open_]
    buys = p.hi[open_] > 0
    return Units(rows[buys], rows[~buys], price, int(size_uj[0]) if rows.size else 0)


def sides_of(name: str, book: Book, units: Units, seed: bytes) -> Sides:
    """Both sides in order, ties by the hash of (seed, name of the rule, offer)."""
    buyers = units.buyers[np.argsort(-units.price[units.buyers])]
    sellers = units.sellers[np.argsort(units.price[units.sellers])]
    bid, ask = units.price[buyers], units.price[sellers]
    pairs = min(bid.size, ask.size)
    k = int(np.count_nonzero(bid[:pairs] >= ask[:pairs]))
    for key, offers in ((-bid, buyers), (ask, sellers)):
        for place in (k - 1, k):
            _settle(name, book, seed, key, offers, place)
    return Sides(buyers, sellers, bid, ask, k)


def _settle(name: str, book: Book, seed: bytes, key: Floats, offers: Ints, place: int) -> None:
    """Put those who offer the price on both sides of a place in order, in place."""
    if not 0 < place < key.size or key[place - 1] != key[place]:
        return
    first, last = np.searchsorted(key, key[place]), np.searchsorted(key, key[place], "right")
    alike = offers[first:last].copy()
    if alike.size > 64:  # not a name each: the names of large books are cut out of a buffer
        ids = book.offer_ids
        names = list(ids.take(alike)) if hasattr(ids, "take") else [ids[i] for i in alike.tolist()]
    else:
        names = [book.offer_ids[i] for i in alike.tolist()]
    hashes = ranks(seed, name, names)
    offers[first:last] = alike[sorted(range(alike.size), key=hashes.__getitem__)]


def interval(sides: Sides) -> tuple[float, float]:
    """The prices at which all `k` pairs, and nobody else, would trade (U5)."""
    k = sides.k
    low = max(sides.ask_at(k) if k else -math.inf, sides.bid_at(k + 1))
    return low, min(sides.bid_at(k) if k else math.inf, sides.ask_at(k + 1))


def supports(sides: Sides) -> float:
    """A price that would support all `k` trades: the middle of these, or what end there is."""
    ends = [v for v in interval(sides) if math.isfinite(v)]
    return sum(ends) / len(ends) if ends else 0.0


def first_pairs(sides: Sides, trades: int, pays: float, gets: float) -> Outcome:
    """The first pairs trade, at one price or at two."""
    price = pays if pays == gets and trades else math.nan
    return Outcome(sides.buyers[:trades], sides.sellers[:trades], price, pays, gets)


def clear_units(
    mechanism: Mechanism, rule: Rule, book: Book, grid: Grid, state: State | None, seed: bytes,
    *, keeps: bool = True,
) -> Clearing | Refusal:  # fmt: skip
    """The clearing of a rule of unit traders.

    Parameters
    ----------
    keeps
        Whether the operator keeps what buyers pay beyond what sellers get (line `reduction`); else
        there is one price.
    """
    name = mechanism.name
    refusal = refuse_links(name, book)
    if refusal is not None:
        return refusal
    units = units_of(book)
    if isinstance(units, Unfit):
        return Refusal(name, units.reason, units.remedy)
    sides = sides_of(name, book, units, seed)
    o = rule(book, sides, seed)
    trades, size_uj = o.buying.size, units.size_uj
    turnover = trades * size_uj / UJ_PER_J * max(abs(o.buyers_pay), abs(o.sellers_get))
    if trades and not turnover < MOST_MONEY / 2:
        return Refusal(
            name,
            f"the payments pass {MOST_MONEY:.0e} units of money",
            "use a larger unit of money, or correct the prices",
        )
    energy, price = np.zeros(book.offer_count, np.int64), np.full(book.offer_count, math.nan)
    energy[o.buying], energy[o.selling] = size_uj, -size_uj
    price[o.buying], price[o.selling] = o.buyers_pay, o.sellers_get
    paid = payments(price, energy)
    reduction = reduction_nano(o, size_uj)
    rounding = {"rounding": int(paid.sum()) - reduction}
    nothing = np.zeros(grid.link_count, np.int64)
    nodes = grid.node_count
    duals = np.full(nodes, supports(sides))
    s = supporting_prices(book, grid, energy, nothing, nothing, nothing, duals)
    parameters: dict[str, Any] = asdict(mechanism) if is_dataclass(mechanism) else {}
    return Clearing(
        mechanism=name,
        parameters=parameters,
        seed=seed,
        energy_uj=energy,
        payment_nano=paid,
        flow_uj=nothing,
        loss_uj=nothing,
        link_payment_nano=nothing,
        standing_uj=nothing,
        price_per_j=np.full(nodes, o.price),
        welfare=s.welfare,
        operator={"reduction": reduction, **rounding} if keeps else rounding,
        certificate=Certificate(
            kind="recomputed",
            duals=duals,
            lowest=np.full(nodes, o.sellers_get if trades else -np.inf),
            highest=np.full(nodes, o.buyers_pay if trades else np.inf),
            welfare_bound=s.welfare + s.gap,
            gap=s.gap,
        ),
        taken=whole(book, energy),
        state_before=dict(state or {}),
    )


def reduction_nano(o: Outcome, size_uj: int) -> int:
    """What buyers pay beyond what sellers get, in whole nano-units, the rest left out."""
    if not o.buying.size:
        return 0
    apart = Fraction(o.buyers_pay) - Fraction(o.sellers_get)
    return math.floor(apart * (o.buying.size * size_uj * NANO_PER_UJ))


def whole(book: Book, energy_uj: Ints) -> NDArray[np.bool_] | None:
    """Whether all-or-nothing offers are taken (units always are, or not); None without any."""
    if not book.indivisible:
        return None
    found: NDArray[np.bool_] = np.array(
        [not o.all_or_nothing or energy_uj[i] != 0 for i, o in enumerate(book.offers)], bool
    )
    return found


def reasons_of(name: str, rule: Rule, book: Book, clearing: Clearing, room: str) -> list[str]:
    """Why each offer did not trade; "" for those that did, and for empty ones.

    Parameters
    ----------
    room
        Why one of the first `k` does not trade.
    """
    words = [""] * book.offer_count
    units = units_of(book)
    if isinstance(units, Unfit):
        return words
    sides = sides_of(name, book, units, clearing.seed)
    o = rule(book, sides, clearing.seed)
    traded = {*o.buying.tolist(), *o.selling.tolist()}
    both = (
        ("bid", "ask", "above", sides.buyers, sides.sellers),
        ("ask", "bid", "below", sides.sellers, sides.buyers),
    )
    for side, other, where, mine, theirs in both:
        for place, offer in enumerate(mine.tolist()):
            own = f"its {side} of {price_text(book, units.price[offer])}"
            if offer in traded:
                continue
            if place < sides.k:
                words[offer] = f"not taken: {room}"
            elif place >= theirs.size:
                words[offer] = f"price: no {other} is left for {own}"
            else:
                left = price_text(book, units.price[theirs[place]])
                words[offer] = f"price: the {other} left for it, {left}, is {where} {own}"
    return words


def found_again(
    name: str, rule: Rule, book: Book, clearing: Clearing
) -> tuple[Sides, Outcome] | None:
    """Both sides and what the rule makes of them, for words; None where the book does not fit."""
    units = units_of(book)
    if isinstance(units, Unfit):
        return None
    sides = sides_of(name, book, units, clearing.seed)
    return sides, rule(book, sides, clearing.seed)


def two_prices(book: Book, node: str, sides: Sides, o: Outcome) -> str:
    """Why there is no one price at a node, in words."""
    if not sides.k:
        return f"No price is defined at {node}: no bid meets an ask."
    if not o.buying.size:
        return (
            f"No price is defined at {node}: the only pair that could trade makes room, so "
            "that nobody gains by offering otherwise."
        )
    return (
        f"No one price holds at {node}: buyers pay {price_text(book, o.buyers_pay)} and "
        f"sellers get {price_text(book, o.sellers_get)}, bid and ask of the last pair, which "
        "makes room."
    )
