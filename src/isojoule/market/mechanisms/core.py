"""Core-selecting payments: the least that leaves no coalition a better deal, nearest to VCG."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.market.book import NETWORKS, Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.mechanisms.core_naive import audit_core
from isojoule.market.pivots.clearing import check_pivots, clear_by_pivots, only_side
from isojoule.market.pivots.core_rule import core_payments

SIDES = {"sells": "sell", "buys": "buy"}


@dataclass(frozen=True)
class Core:
    """Least payments under which no coalition of bidders and the auctioneer has a better deal.

    Of the core's points those in which bidders pay least (in procurement: are paid most), and of
    these the one nearest to VCG.

    Parameters
    ----------
    auctioneer
        "sells": the one participant that sells is the auctioneer, all others bid. "buys": a
        procurement; the one that buys is.

    Other names: bidder-optimal core-selecting auction, minimum-revenue core, quadratic rule.

    Sources: Day, Raghavan 2007 (Manage. Sci. 53:1389, https://doi.org/10.1287/mnsc.1060.0675); Day,
    Milgrom 2008 (Int. J. Game Theory 36:393); Day, Cramton 2012 (Oper. Res. 60:588,
    https://doi.org/10.1287/opre.1110.1024).
    """

    auctioneer: str = "sells"

    name: ClassVar[str] = "core"
    pays: ClassVar[str] = (
        "Payments are not price times energy: bidders pay the least that leaves no group of them a "
        "better deal with the auctioneer, as near to VCG as that lets them; the auctioneer gets, "
        "or pays, the sum."
    )
    traits: ClassVar[Traits] = Traits(
        summary="The welfare optimum at the least payments that nobody can object to.",
        efficient=Claim(True, "within the certified gap, if everybody tells the truth"),
        incentive_compatible=Claim(
            False, "who wins beside others lets them pay more of what the losers bid"
        ),
        individually_rational=Claim(
            True, "within the certified gap; the auctioneer, too, for it is a coalition by itself"
        ),
        budget=Claim(True, "the auctioneer gets what all pay"),
        false_name_proof=Claim(
            False, "two names carry a smaller part of what winners pay together"
        ),
        coalition_proof=Claim(False, "a loser who does not bid lets the winner pay less"),
        credible=Claim(
            False, "the auctioneer gains by a made-up bid just below the highest: a second price"
        ),
        networks=NETWORKS,
        budget_class="balanced",
        agency="indirect",
        information="mediated",
        game="competition",
        how="One participant sells (or buys); energy goes where it is worth most. Then payments "
        "start at VCG and are raised until no group of bidders could offer the auctioneer more "
        "than it gets: together no more than needed, and shared as near to VCG as can be.",
        good_for="Bundles and blocks, where VCG may earn next to nothing though losers bid high. A "
        "seller never earns less than any group of losers would have paid.",
        not_for="Bidders who know what the others bid and shade. Where bidders are substitutes, "
        "as on one node with divisible offers, it is VCG.",
        other_names=(
            "core-selecting auction",
            "minimum-revenue core, nearest VCG",
            "quadratic rule",
        ),
        sources=(
            "Day, Raghavan 2007, Manage. Sci. 53:1389, doi 10.1287/mnsc.1060.0675",
            "Day, Milgrom 2008, Int. J. Game Theory 36:393, doi 10.1007/s00182-007-0100-7",
            "Day, Cramton 2012, Oper. Res. 60:588, doi 10.1287/opre.1110.1024",
        ),
    )

    def __post_init__(self) -> None:
        if self.auctioneer not in SIDES:
            raise InputError(
                f"auctioneer {self.auctioneer!r} is no side", remedy=f"use {' or '.join(SIDES)}"
            )

    def head(self, book: Book) -> str | Refusal:
        """The one who could sell, or buy."""
        return only_side(self.name, book, SIDES[self.auctioneer])

    def _fits(self, book: Book, grid: Grid) -> str | Refusal:
        if book.network not in NETWORKS:
            return Refusal(
                self.name,
                f"network {book.network!r} is not cleared by it",
                f"use one of {', '.join(NETWORKS)}",
            )
        if book.network == "transport" and np.any(grid.standing_loss_w > 0):
            link = grid.link_ids[int(np.flatnonzero(grid.standing_loss_w > 0)[0])]
            return Refusal(
                self.name,
                f"link {link!r} has a standing loss, which no bidder answers for",
                "leave it out, or use vcg",
            )
        return self.head(book)

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        head = self._fits(book, grid)
        if isinstance(head, Refusal):
            return head
        return clear_by_pivots(
            self.name, asdict(self), book, grid, state, seed, head, core_payments
        )

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check every payment by finding it anew; where few win, by all coalitions, too."""
        head = self._fits(book, grid)
        check_pivots(book, grid, clearing, head, core_payments)
        assert isinstance(head, str)
        audit_core(book, grid, clearing, head)
