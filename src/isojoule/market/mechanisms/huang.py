"""Huang's auction: multi-unit trade reduction, the longer side cut in equal parts.

Spec: docs/spec/auctions.md, U17, U25 to U27.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text
from isojoule.market.mechanisms.huang_naive import audit
from isojoule.market.mechanisms.step_traders import (
    Both,
    Quotes,
    Words,
    clearing_of,
    drawn,
    meeting,
    too_much,
    traders_of,
)

Ints = NDArray[np.int64]
NANO_PER_UJ = 1000
"""A unit of money per J is this many nano-units per microjoule."""


@dataclass(frozen=True)
class Huang:
    """Everybody wants so much at one price; who trades the last microjoule sets the prices.

    Bids fall, asks rise, and the last microjoule that could trade is buyer K's and seller L's.
    Neither of them trades. The buyers before K pay its bid, the sellers before L get its ask. If
    one side then wants more than the other has, each of it is cut by the same amount, and whoever
    wants less than that gets nothing.

    Other names: multi-unit trade reduction, multi-unit double auction e-market.

    Ties: traders at one price, and single microjoules of the cut, by the lot of their participants,
    drawn from the seed by the place in the order of the book's participants.

    Sources: Huang, Scheller-Wolf, Sycara 2002 (Comput. Intell. 18:596). The paper was not read:
    rule and cut were checked against the examples of PyMarket, which follows it.
    """

    name: ClassVar[str] = "huang"
    traits: ClassVar[Traits] = Traits(
        summary="Multi-unit trade reduction: nobody gains by another price, but by another size.",
        efficient=Claim(False, "the last buyer and the last seller give up all of their trade"),
        incentive_compatible=Claim(
            False,
            "nobody gains by another price, but who asks for more than it wants is cut by no more "
            "than the others, and gets more",
        ),
        individually_rational=Claim(True, "buyers pay at most their bid, sellers get their ask"),
        budget=Claim(True, "what buyers pay covers what sellers get"),
        budget_class="surplus",
        false_name_proof=Claim(False, "a bid under a false name can be the one that sets prices"),
        coalition_proof=Claim(False, "who does not trade can set the price for who does"),
        credible=Claim(False, "a planted bid sets the price, and the operator keeps the rest"),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        other_names=("multi-unit trade reduction",),
        sources=("Huang, Scheller-Wolf, Sycara 2002, Comput. Intell. 18:596",),
        checked=(
            "at second hand only: prices, trades and the cut against the examples of PyMarket "
            "(Kiedanski, Kofman, Horta 2019, github.com/gus0k/pymarket), which follows the paper "
            "and its footnote on page 8, and against that code on 300 random books. All agree. "
            "The paper itself was not read."
        ),
        how=(
            "Everybody wants to buy or to sell so much at one price. Bids are sorted from dear to "
            "cheap, asks from cheap to dear. The buyer and the seller of the last Joule that could "
            "trade make room: its bid is what the other buyers pay, its ask what the other sellers "
            "get. Where one side then has more than the other, all of it are cut by the same."
        ),
        good_for=(
            "blocks of different sizes that are known anyway, as the ratings of devices are: then "
            "the price is all that one could lie about, and the truth is the best."
        ),
        not_for=(
            "sizes that nobody can check; a few large traders, of whom the last takes most of the "
            "trade away; offers of several steps, for which there is muda."
        ),
    )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        both = traders_of(self.name, book, one_step=True)
        if isinstance(both, Refusal):
            return both
        word = drawn(self.name, book, seed)
        o = outcome(both, word)
        energy, price = np.zeros(book.offer_count, np.int64), np.full(book.offer_count, math.nan)
        energy[o.buying], energy[o.selling] = o.bought, -o.sold
        refusal = too_much(self.name, energy, max(abs(o.buyers_pay), abs(o.sellers_get)))
        if refusal is not None:
            return refusal
        price[o.buying], price[o.selling] = o.buyers_pay, o.sellers_get
        paid = payments(price, energy)
        traded = int(o.bought.sum())
        apart = Fraction(o.buyers_pay) - Fraction(o.sellers_get)
        lines = {"reduction": math.floor(apart * (traded * NANO_PER_UJ))}
        one = o.buyers_pay if o.buyers_pay == o.sellers_get and traded else math.nan
        ends = (o.sellers_get, o.buyers_pay) if traded else (-math.inf, math.inf)
        known = [v for v in meeting(both).ends if math.isfinite(v)]
        dual = sum(known) / len(known) if known else 0.0
        return clearing_of(self, book, grid, state, seed, energy, paid, lines, one, ends, dual)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(book, grid, clearing)

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer did not trade all that it offers; "" for those that did."""
        words = [""] * book.offer_count
        both = traders_of(self.name, book, one_step=True)
        if isinstance(both, Refusal):
            return words
        o = outcome(both, drawn(self.name, book, clearing.seed))
        for side, steps, done, other in (
            ("bid", both.bids, o.buying, "ask"), ("ask", both.asks, o.selling, "bid")
        ):  # fmt: skip
            last = o.last_buyer if side == "bid" else o.last_seller
            trades = set(done.tolist())
            for offer, price, size in zip(*(c.tolist() for c in steps), strict=True):
                if offer == last:
                    words[offer] = (
                        f"not taken: it trades the last Joule, so it makes room, and its {side} of "
                        f"{price_text(book, price)} is the price"
                    )
                elif offer not in trades:
                    words[offer] = (
                        f"price: no {other} is left that suits its {side} of "
                        f"{price_text(book, price)}"
                    )
                elif abs(int(clearing.energy_uj[offer])) < size:
                    words[offer] = "cut: its side has more than the other, and all share the cut"
        return words

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the two prices came about."""
        both = traders_of(self.name, book, one_step=True)
        if isinstance(both, Refusal):
            return ""
        o, name = outcome(both, drawn(self.name, book, clearing.seed)), grid.node_ids[node]
        if o.last_buyer < 0:
            return f"No price is defined at {name}: no bid meets an ask."
        if not o.bought.size:
            return f"No price is defined at {name}: who could trade makes room, and nobody is left."
        return (
            f"At {name} buyers pay {price_text(book, o.buyers_pay)} and sellers get "
            f"{price_text(book, o.sellers_get)}: bid and ask of those who trade the last Joule "
            "and make room."
        )


class Outcome(NamedTuple):
    """Offers that trade and how much, the prices, and who makes room (-1: nobody)."""

    buying: Ints
    bought: Ints
    selling: Ints
    sold: Ints
    buyers_pay: float
    sellers_get: float
    last_buyer: int
    last_seller: int


def outcome(both: Both, word: Words) -> Outcome:
    """The rule."""
    met = meeting(both)
    none = np.zeros(0, np.int64)
    if not met.traded_uj:
        return Outcome(none, none, none, none, 0.0, 0.0, -1, -1)
    buyers, wanted, last_buyer = _before(both.bids, met.traded_uj, word)
    sellers, offered, last_seller = _before(both.asks, met.traded_uj, word)
    traded = min(int(wanted.sum()), int(offered.sum()))
    if not traded:
        buyers = sellers = wanted = offered = none
    return Outcome(
        buyers, cut(wanted, traded, word[buyers]), sellers, cut(offered, traded, word[sellers]),
        met.last_bid, met.last_ask, last_buyer, last_seller,
    )  # fmt: skip


def _before(steps: Quotes, traded_uj: int, word: Words) -> tuple[Ints, Ints, int]:
    """Offers and sizes before the one that trades the last microjoule, and that one."""
    up_to = np.cumsum(steps.size_uj)
    price = steps.price[np.searchsorted(up_to, traded_uj)]
    alike = np.flatnonzero(steps.price == price)
    order = alike[np.argsort(word[steps.offer[alike]])]
    at = np.concatenate([np.arange(alike[0]), order])
    size = steps.size_uj[at]
    last = int(np.searchsorted(np.cumsum(size), traded_uj))
    return steps.offer[at[:last]], size[:last], int(steps.offer[at[last]])


def cut(size: Ints, total: int, word: Words) -> Ints:
    """Sizes less an equal amount each, none below 0, that add up to `total`.

    Single microjoules that do not part equally are cut from those with the lowest words.
    """
    over = int(size.sum()) - total
    if over <= 0:
        return size.copy()
    rising = np.sort(size)
    gone = np.cumsum(rising) - rising  # what the smaller ones cannot bear more than
    left = np.arange(size.size, 0, -1)
    # the first whose size bears an equal part of what is left; then so do all that are larger
    first = int(np.argmax(over - gone <= rising * left))
    level, single = divmod(over - int(gone[first]), int(left[first]))
    out = np.maximum(size - level, 0)
    bears = np.flatnonzero(size > level)
    out[bears[np.argsort(word[bears])[:single]]] -= 1
    return out
