"""The strongly budget balanced auction: one price, no money left over, one trader drawn by lot.

Spec: docs/spec/auctions.md, U9, U11, U15 and U16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from isojoule.core.chance import uniform
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text
from isojoule.market.mechanisms.sbba_naive import audit
from isojoule.market.mechanisms.unit_traders import (
    Outcome,
    Sides,
    clear_units,
    first_pairs,
    found_again,
    reasons_of,
    two_prices,
)


@dataclass(frozen=True)
class Sbba:
    """Unit traders, one price from who does not trade, and all the money stays with the traders.

    Bids fall, asks rise, and the first `k` pairs could trade. The price is the last bid or the
    next ask, whichever is lower: `min(b_k, s_{k+1})`. If it is the ask, all `k` pairs trade at it.
    If it is the bid, the buyer who made it does not trade, and one of the `k` sellers is left out
    by lot; all others trade at it.

    The lot is drawn from the seed, so the seed must be public and beyond anybody's choice: a value
    that nobody knew when offers closed, to which the operator was committed, or that a public
    beacon gave. An operator that picks the seed picks who is left out.

    Other names: SBBA, strongly budget balanced double auction.

    Ties: by price, then by a hash of (seed, offer). The lot falls on a place among the sellers in
    the order of the book's participants, which nobody's price moves.

    Sources: Segal-Halevi, Hassidim, Aumann 2016 (SAGT 2016, LNCS 9928:260,
    arXiv 1607.05139). Checked against the authors' talk at SAGT 2016, slides 13 and 14, and the
    examples of E. Segal-Halevi's code (github.com/erelsgl/auctions); the paper itself was not read.
    """

    name: ClassVar[str] = "sbba"
    traits: ClassVar[Traits] = Traits(
        summary="Truthful for unit traders at one price; the operator keeps nothing.",
        efficient=Claim(False, "a buyer and a seller may have to give up their trade"),
        incentive_compatible=Claim(
            True,
            "for unit traders, where no price is below 0, whatever the seed: no one's own number "
            "sets what that one pays or gets, or the own place in the lottery",
        ),
        individually_rational=Claim(
            True, "nobody buys above the own bid or sells below the own ask"
        ),
        budget=Claim(True, "buyers pay what sellers get; rounding is the operator's"),
        budget_class="balanced",
        false_name_proof=Claim(False, "an ask under a false name can be the price"),
        coalition_proof=Claim(False, "a seller who does not trade can lower the price for a buyer"),
        credible=Claim(
            False,
            "who also sells can plant a bid that is the price; and who picks the seed picks who is "
            "left out: it has to be committed to, or public",
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        other_names=("strongly budget balanced double auction",),
        sources=("Segal-Halevi, Hassidim, Aumann 2016, LNCS 9928:260, arXiv 1607.05139",),
        checked=(
            "price and lottery against the authors' talk at SAGT 2016 (slides 13 and 14, "
            "github.com/erelsgl/erelsgl.github.io); trades and prices against the examples of one "
            "buyer and one seller in E. Segal-Halevi's code (github.com/erelsgl/auctions, "
            "trade_reduction_protocol.py), and against that code on 300 random books. All agree. "
            "The paper itself was not read."
        ),
        how=(
            "Everybody wants to buy or to sell one unit. Bids are sorted from dear to cheap, asks "
            "from cheap to dear, and paired. The price is the last bid that could trade, or the "
            "first ask that could not, whichever is lower. If it is that ask, all pairs trade. If "
            "it is the bid, its buyer does not trade, and one seller, drawn by lot, does not. All "
            "that buyers pay goes to sellers."
        ),
        good_for=(
            "blocks of one size, where nobody should have to think about strategy and nobody "
            "should earn on the rule. With many traders next to nothing is lost."
        ),
        not_for=(
            "a place without a public source of chance: the seed of the lottery must be beyond "
            "the operator's choice; a pair of traders alone, who never trade; offers of several "
            "steps or sizes, for which there is muda."
        ),
    )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        return clear_units(self, outcome, book, grid, state, seed, keeps=False)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(book, grid, clearing)

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer did not trade; "" for those that did, and for empty ones."""
        words = reasons_of(self.name, outcome, book, clearing, LEFT_OUT)
        found = found_again(self.name, outcome, book, clearing)
        if found is not None and found[0].k > found[1].buying.size:
            sides = found[0]
            price = price_text(book, sides.bid_at(sides.k))
            words[int(sides.buyers[sides.k - 1])] = f"not taken: its bid of {price} is the price"
        return words

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the price came about."""
        found = found_again(self.name, outcome, book, clearing)
        if found is None:
            return ""
        sides, o = found
        name = grid.node_ids[node]
        if not o.buying.size:
            return two_prices(book, name, sides, o)
        whose = "the first ask that does not trade"
        if o.buying.size < sides.k:
            whose = "the last bid that could trade, and makes room"
        return f"At {name} a Joule costs {price_text(book, o.price)}: {whose}."


LEFT_OUT = "one of the sellers who could trade had to be left out, and the lot fell on this one"


def outcome(book: Book, sides: Sides, seed: bytes) -> Outcome:
    """The lower of the last bid and the next ask."""
    k = sides.k
    last_bid, next_ask = sides.bid_at(k), sides.ask_at(k + 1)
    if not k or next_ask <= last_bid:
        return first_pairs(sides, k, next_ask if k else 0.0, next_ask if k else 0.0)
    could = sides.sellers[:k]
    drawn = math.floor(Fraction(uniform(seed, "sbba", "left out")) * k)
    place = np.argpartition(book.offer_participant[could], drawn)[drawn]
    o = first_pairs(sides, k - 1, last_bid, last_bid)
    return o._replace(selling=np.delete(could, place))
