"""McAfee's double auction: the last pair gives up its trade, so that nobody sets the own price.

Spec: docs/spec/auctions.md, U9 to U13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import rank
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text, refuse_links
from isojoule.market.mechanisms.mcafee_naive import audit
from isojoule.market.settle import MOST_MONEY
from isojoule.valuation import KINDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BUNDLE = KINDS.index("bundle")


@dataclass(frozen=True)
class McAfee:
    """Unit traders, one price from those who do not trade; else the last pair makes room.

    Bids fall, asks rise, and the first `k` pairs could trade. The next bid and the next ask
    propose a price, their midpoint. If it suits the last pair, all `k` trade at it. If not, `k-1`
    pairs trade: buyers pay the bid of the pair that gives up, sellers get its ask, and the
    operator keeps the difference (line `reduction`). Without a next bid or a next ask there is no
    midpoint, and the last pair gives up.

    Other names: trade reduction, dominant-strategy double auction.

    Ties: by price, then by a hash of (seed, offer), so never by the order of the input.

    Sources: McAfee 1992 (J. Econ. Theory 56:434, doi 10.1016/0022-0531(92)90091-U).
    """

    name: ClassVar[str] = "mcafee"
    traits: ClassVar[Traits] = Traits(
        summary="Truthful for unit traders: prices come from those who do not trade.",
        efficient=Claim(False, "the last pair may have to give up its trade"),
        incentive_compatible=Claim(
            True,
            "for unit traders, where no price is below 0: no one's own number sets what "
            "that one pays or gets",
        ),
        individually_rational=Claim(True, "buyers pay at most their bid, sellers get their ask"),
        budget=Claim(True, "what buyers pay covers what sellers get"),
        budget_class="surplus",
        false_name_proof=Claim(False, "an offer under a false name can move the price"),
        coalition_proof=Claim(False, "who does not trade can move the price for who does"),
        credible=Claim(
            False, "a planted offer makes the last pair give up, and the operator keeps the rest"
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        other_names=("trade reduction",),
        sources=("McAfee 1992, J. Econ. Theory 56:434, doi 10.1016/0022-0531(92)90091-U",),
        how=(
            "Everybody wants to buy or to sell one unit. Bids are sorted from dear to cheap, asks "
            "from cheap to dear, and paired. The first pair that cannot trade proposes a price: "
            "the middle between its bid and its ask. If all pairs before it agree to that price, "
            "they trade at it. If not, the last of them gives up its trade, and its bid is what "
            "the other buyers pay, its ask what the other sellers get."
        ),
        good_for=(
            "blocks of one size, when nobody should have to think about strategy: the best that "
            "each can do is to say the truth. With many traders next to nothing is lost."
        ),
        not_for=(
            "a pair of traders alone, who never trade; offers of several steps or sizes, and "
            "curves; places where somebody can come under several names."
        ),
    )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        refusal = refuse_links(self.name, book)
        if refusal is not None:
            return refusal
        units = units_of(book)
        if isinstance(units, Unfit):
            return Refusal(self.name, units.reason, units.remedy)
        o = outcome(book, units, seed)
        turnover = o.trades * units.size_uj / UJ_PER_J * max(abs(o.buyers_pay), abs(o.sellers_get))
        if o.trades and not turnover < MOST_MONEY / 2:
            return Refusal(
                self.name,
                f"the payments pass {MOST_MONEY:.0e} units of money",
                "use a larger unit of money, or correct the prices",
            )
        energy = np.zeros(book.offer_count, np.int64)
        energy[o.buyers[: o.trades]] = units.size_uj
        energy[o.sellers[: o.trades]] = -units.size_uj
        paid = payments(np.where(energy > 0, o.buyers_pay, o.sellers_get), energy)
        surplus = int(paid.sum())
        reduction = reduction_nano(o, units.size_uj)
        nothing = np.zeros(grid.link_count, np.int64)
        nodes = grid.node_count
        duals = np.full(nodes, o.supports)
        s = supporting_prices(book, grid, energy, nothing, nothing, nothing, duals)
        return Clearing(
            mechanism=self.name,
            parameters={},
            seed=seed,
            energy_uj=energy,
            payment_nano=paid,
            flow_uj=nothing,
            loss_uj=nothing,
            link_payment_nano=nothing,
            standing_uj=nothing,
            price_per_j=np.full(nodes, o.price),
            welfare=s.welfare,
            operator={"reduction": reduction, "rounding": surplus - reduction},
            certificate=Certificate(
                kind="recomputed",
                duals=duals,
                lowest=np.full(nodes, o.sellers_get if o.trades else -np.inf),
                highest=np.full(nodes, o.buyers_pay if o.trades else np.inf),
                welfare_bound=s.welfare + s.gap,
                gap=s.gap,
            ),
            taken=whole(book, energy),
            state_before=dict(state or {}),
        )

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(book, grid, clearing)

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer did not trade; "" for those that did, and for empty ones."""
        words = [""] * book.offer_count
        units = units_of(book)
        if isinstance(units, Unfit):
            return words
        o = outcome(book, units, clearing.seed)
        sides = (
            ("bid", "ask", "above", o.buyers, o.sellers),
            ("ask", "bid", "below", o.sellers, o.buyers),
        )
        for side, other, where, mine, theirs in sides:
            for place in range(o.trades, mine.size):
                own = f"its {side} of {price_text(book, units.price[mine[place]])}"
                if place < o.k:
                    why = "the last pair makes room, so that nobody gains by offering otherwise"
                    words[mine[place]] = f"not taken: {why}"
                elif place >= theirs.size:
                    words[mine[place]] = f"price: no {other} is left for {own}"
                else:
                    left = price_text(book, units.price[theirs[place]])
                    words[mine[place]] = f"price: the {other} left for it, {left}, is {where} {own}"
        return words

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the price came about, or the two prices."""
        units = units_of(book)
        if isinstance(units, Unfit):
            return ""
        o = outcome(book, units, clearing.seed)
        name = grid.node_ids[node]
        if not o.k:
            return f"No price is defined at {name}: no bid meets an ask."
        if not o.trades:
            return (
                f"No price is defined at {name}: the only pair that could trade makes room, so "
                "that nobody gains by offering otherwise."
            )
        if o.trades == o.k:
            bid, ask = (price_text(book, units.price[s[o.k]]) for s in (o.buyers, o.sellers))
            return (
                f"At {name} a Joule costs {price_text(book, o.price)}: the middle between the "
                f"first bid and the first ask that do not trade, {bid} and {ask}."
            )
        return (
            f"No one price holds at {name}: buyers pay {price_text(book, o.buyers_pay)} and "
            f"sellers get {price_text(book, o.sellers_get)}, bid and ask of the last pair, which "
            "makes room."
        )


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
            at = int(offer[int(np.flatnonzero(bad)[0])])
            return Unfit(f"offer {book.offer_ids[at]!r} {what}", remedy)
    rows = offer[open_]
    size_uj = np.rint(size_j[open_] * UJ_PER_J).astype(np.int64)
    if rows.size and np.any(size_uj != size_uj[0]):
        other = int(rows[int(np.flatnonzero(size_uj != size_uj[0])[0])])
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
    price[rows] = (p.a + p.b * np.maximum(p.c0, 0.0) ** p.k)[open_]
    buys = p.hi[open_] > 0
    return Units(rows[buys], rows[~buys], price, int(size_uj[0]) if rows.size else 0)


class Outcome(NamedTuple):
    """Both sides in order, how many pairs could trade (`k`) and do, and what that costs.

    `price` is nan where there is no one price; `supports` would support all `k` trades.
    """

    buyers: Ints
    sellers: Ints
    k: int
    trades: int
    price: float
    buyers_pay: float
    sellers_get: float
    supports: float


def outcome(book: Book, units: Units, seed: bytes) -> Outcome:
    """McAfee's rule."""

    def in_order(offers: Ints, sign: float) -> Ints:
        ids = book.offer_ids
        best_first = sorted(
            offers.tolist(), key=lambda i: (sign * units.price[i], rank(seed, "mcafee", ids[i]))
        )
        return np.array(best_first, np.int64)

    buyers, sellers = in_order(units.buyers, -1.0), in_order(units.sellers, 1.0)
    bid, ask = units.price[buyers], units.price[sellers]
    pairs = min(bid.size, ask.size)
    k = int(np.count_nonzero(bid[:pairs] >= ask[:pairs]))
    next_bid = float(bid[k]) if k < bid.size else -math.inf
    next_ask = float(ask[k]) if k < ask.size else math.inf
    last_bid, last_ask = (float(bid[k - 1]), float(ask[k - 1])) if k else (math.inf, -math.inf)
    ends = [v for v in (max(last_ask, next_bid), min(last_bid, next_ask)) if math.isfinite(v)]
    supports = sum(ends) / len(ends) if ends else 0.0
    if k < pairs and k:
        price = 0.5 * (next_bid + next_ask)
        if last_ask <= price <= last_bid:
            return Outcome(buyers, sellers, k, k, price, price, price, supports)
    trades = max(k - 1, 0)
    return Outcome(
        buyers, sellers, k, trades, math.nan,
        last_bid if k else 0.0, last_ask if k else 0.0, supports,
    )  # fmt: skip


def reduction_nano(o: Outcome, size_uj: int) -> int:
    """What buyers pay beyond what sellers get, in whole nano-units, the rest left out."""
    apart = Fraction(o.buyers_pay) - Fraction(o.sellers_get)
    return math.floor(apart * (o.trades * size_uj * 1000))


def whole(book: Book, energy_uj: Ints) -> NDArray[np.bool_] | None:
    """Whether all-or-nothing offers are taken (units always are, or not); None without any."""
    if not book.indivisible:
        return None
    found: NDArray[np.bool_] = np.array(
        [not o.all_or_nothing or energy_uj[i] != 0 for i, o in enumerate(book.offers)], bool
    )
    return found
