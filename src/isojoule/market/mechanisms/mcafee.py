"""McAfee's double auction: the last pair gives up its trade, so that nobody sets the own price.

Spec: docs/spec/auctions.md, U9 to U13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text
from isojoule.market.mechanisms.mcafee_naive import audit
from isojoule.market.mechanisms.unit_traders import (
    ROOM,
    Outcome,
    Sides,
    clear_units,
    first_pairs,
    found_again,
    reasons_of,
    two_prices,
)


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

    Sources: McAfee 1992 (J. Econ. Theory 56:434, doi 10.1016/0022-0531(92)90091-U). The paper was
    not read: checked against E. Segal-Halevi's code (github.com/erelsgl/auctions).
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
        checked=(
            "at second hand only: rule and examples against E. Segal-Halevi's code "
            "(github.com/erelsgl/auctions, mcafee_protocol.py and mcafee_demo.py), and on 300 "
            "random books. They agree. The paper itself was not read."
        ),
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
        return clear_units(self, outcome, book, grid, state, seed)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(book, grid, clearing)

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer did not trade; "" for those that did, and for empty ones."""
        return reasons_of(self.name, outcome, book, clearing, ROOM)

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the price came about, or the two prices."""
        found = found_again(self.name, outcome, book, clearing)
        if found is None:
            return ""
        sides, o = found
        name = grid.node_ids[node]
        if not o.buying.size or math.isnan(o.price):
            return two_prices(book, name, sides, o)
        bid, ask = (
            price_text(book, v) for v in (sides.bid_at(sides.k + 1), sides.ask_at(sides.k + 1))
        )
        return (
            f"At {name} a Joule costs {price_text(book, o.price)}: the middle between the "
            f"first bid and the first ask that do not trade, {bid} and {ask}."
        )


def outcome(book: Book, sides: Sides, seed: bytes) -> Outcome:
    """McAfee's rule."""
    k = sides.k
    if not k:
        return first_pairs(sides, 0, 0.0, 0.0)
    last_bid, last_ask = sides.bid_at(k), sides.ask_at(k)
    if k < min(sides.bid.size, sides.ask.size):
        price = 0.5 * (sides.bid_at(k + 1) + sides.ask_at(k + 1))
        if last_ask <= price <= last_bid:
            return first_pairs(sides, k, price, price)
    return first_pairs(sides, k - 1, last_bid, last_ask)._replace(price=math.nan)
