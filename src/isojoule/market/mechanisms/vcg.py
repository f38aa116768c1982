"""The Vickrey-Clarke-Groves auction that sells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.pivots.clearing import (
    AUCTION_WORDS,
    NETWORKS,
    check_pivots,
    clear_by_pivots,
    only_side,
)


@dataclass(frozen=True)
class Vcg:
    """One seller, the auctioneer; each buyer pays what its winning costs all others.

    The seller's asks are its reserve prices. Owners of links have pivots, too.

    Other names: generalised Vickrey auction; for one unit, second-price sealed-bid auction.

    Sources: Vickrey 1961 (J. Finance 16:8); Clarke 1971 (Public Choice 11:17); Groves 1973
    (Econometrica 41:617); Ausubel, Milgrom 2006, The lovely but lonely Vickrey auction
    (Combinatorial Auctions, MIT Press, ch. 1).
    """

    name: ClassVar[str] = "vcg"
    pays: ClassVar[str] = AUCTION_WORDS.format("the seller", "gets")
    traits: ClassVar[Traits] = Traits(
        summary="One seller's auction at the welfare optimum; buyers pay what they cost others.",
        efficient=Claim(True, "within the certified gap"),
        incentive_compatible=Claim(
            True,
            "for all but the auctioneer, whose asks are its reserve; within the certified gap; "
            "within one interval: what is stored for the next one is worth what its curve says; "
            "where no standing loss hangs on a single one; where no price is below 0 and all is "
            "divisible, or nobody can throw energy away",
        ),
        individually_rational=Claim(
            False,
            "no bidder or owner loses beyond the certified gap; the auctioneer may, where an "
            "owner's link or an all-or-nothing offer makes winners need each other",
        ),
        budget=Claim(
            True, "the auctioneer gets what all pay; standing losses, if any, the operator pays"
        ),
        false_name_proof=Claim(
            False, "two names that win together against one large bidder pay less than one"
        ),
        coalition_proof=Claim(False, "two losers who bid high together win, and pay nothing"),
        credible=Claim(
            False, "the auctioneer gains by a made-up bid just below the highest: a second price"
        ),
        networks=NETWORKS,
        budget_class="balanced",
        agency="indirect",
        information="mediated",
        game="competition",
        how="One participant sells. Buyers hand in their curves, and energy goes where it is worth "
        "most, but not below the seller's asks. Each winner pays what the others, and the seller, "
        "would have had from its energy.",
        good_for="Selling one owner's energy to those who need it most, without anybody having to "
        "guess what others bid. Where bids fall with the quantity and are divisible, and limits "
        "are those of one node, shill bids and coalitions of losers do not pay (Sessa, Walton, "
        "Kamgarpour 2016; Karaca, Sessa, Walton, Kamgarpour 2017).",
        not_for="Bundles among bidders who may take several names, or agree; sellers whose "
        "honesty about bids cannot be checked.",
        other_names=("generalised Vickrey auction", "second-price auction"),
        sources=(
            "Vickrey 1961, J. Finance 16:8",
            "Clarke 1971, Public Choice 11:17",
            "Groves 1973, Econometrica 41:617",
            "Ausubel, Milgrom 2006, The lovely but lonely Vickrey auction",
            "Sessa, Walton, Kamgarpour 2016, arXiv:1611.03044",
            "Karaca, Sessa, Walton, Kamgarpour 2017, arXiv:1711.06774",
        ),
    )

    def auctioneer(self, book: Book) -> str | Refusal:
        """The one who could sell."""
        return only_side(self.name, book, "sell")

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        seller = self.auctioneer(book)
        if isinstance(seller, Refusal):
            return seller
        return clear_by_pivots(self.name, asdict(self), book, grid, state, seed, seller)

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check every payment by solving anew. See `isojoule.market.pivots.clearing`."""
        check_pivots(book, grid, clearing, self.auctioneer(book))
