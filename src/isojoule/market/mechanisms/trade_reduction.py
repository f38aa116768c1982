"""Trade reduction: the last pair that could trade sets the prices and never trades.

Spec: docs/spec/auctions.md, U9, U11 and U14.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text
from isojoule.market.mechanisms.trade_reduction_naive import audit
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
class TradeReduction:
    """Unit traders; the last pair that could trade makes room, and its numbers are the prices.

    Bids fall, asks rise, and the first `k` pairs could trade. The first `k - 1` do: buyers pay the
    bid `b_k`, sellers get the ask `s_k`, and the operator keeps the difference (line `reduction`).
    It is McAfee's rule without its first proposal, so there is nothing that the first bid and ask
    left out could move.

    Ties: by price, then by a hash of (seed, offer), so never by the order of the input.

    Sources: McAfee 1992 (J. Econ. Theory 56:434, doi 10.1016/0022-0531(92)90091-U); Babaioff,
    Nisan 2004 (J. Artif. Intell. Res. 21:595, doi 10.1613/jair.1316). The papers were not read:
    checked against E. Segal-Halevi's code (github.com/erelsgl/auctions).
    """

    name: ClassVar[str] = "trade-reduction"
    traits: ClassVar[Traits] = Traits(
        summary="Truthful for unit traders: the last pair sets the prices, and does not trade.",
        efficient=Claim(False, "the last pair always gives up its trade"),
        incentive_compatible=Claim(
            True,
            "for unit traders, where no price is below 0: no one's own number sets what that one "
            "pays or gets",
        ),
        individually_rational=Claim(True, "buyers pay at most their bid, sellers get their ask"),
        budget=Claim(True, "what buyers pay covers what sellers get"),
        budget_class="surplus",
        false_name_proof=Claim(False, "a bid under a false name can be the one that sets prices"),
        coalition_proof=Claim(False, "who does not trade can be the last pair for who does"),
        credible=Claim(
            False, "a planted bid is the last pair's, and the operator keeps the difference"
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        sources=(
            "McAfee 1992, J. Econ. Theory 56:434, doi 10.1016/0022-0531(92)90091-U",
            "Babaioff, Nisan 2004, J. Artif. Intell. Res. 21:595, doi 10.1613/jair.1316",
        ),
        checked=(
            "at second hand only: against E. Segal-Halevi's code of McAfee's rule without its "
            "first proposal (github.com/erelsgl/auctions, mcafee_protocol.py), also on 300 "
            "random books. It agrees. The papers themselves were not read."
        ),
        how=(
            "Everybody wants to buy or to sell one unit. Bids are sorted from dear to cheap, asks "
            "from cheap to dear, and paired. The last pair that could trade does not: its bid is "
            "what the other buyers pay, its ask what the other sellers get."
        ),
        good_for=(
            "showing where truthful prices come from, in the least rule there is; many traders of "
            "blocks of one size, where one pair more or less does not matter."
        ),
        not_for=(
            "most markets: mcafee often trades the last pair, too, and sbba leaves no money with "
            "the operator; offers of several steps or sizes, for which there are muda and huang."
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
        """How the two prices came about."""
        found = found_again(self.name, outcome, book, clearing)
        if found is None:
            return ""
        sides, o = found
        name = grid.node_ids[node]
        if math.isnan(o.price):
            return two_prices(book, name, sides, o)
        return (
            f"At {name} a Joule costs {price_text(book, o.price)}: bid and ask of the last pair, "
            "which makes room."
        )


def outcome(book: Book, sides: Sides, seed: bytes) -> Outcome:
    """The last pair sets the prices."""
    if not sides.k:
        return first_pairs(sides, 0, 0.0, 0.0)
    return first_pairs(sides, sides.k - 1, sides.bid_at(sides.k), sides.ask_at(sides.k))
