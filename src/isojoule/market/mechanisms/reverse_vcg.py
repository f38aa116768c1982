"""The Vickrey-Clarke-Groves auction that buys: procurement of energy, and of paths."""

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
class ReverseVcg:
    """One buyer, the auctioneer; each seller and owner of a link is paid what it spares others.

    The buyer's bids are its reserve prices: nobody without whom it could not buy is paid more
    than they say. With source and sink both the buyer's, the links between are bid for: the
    cheapest path wins, and each owner gets the detour's cost less that of the rest of the path.

    Other names: Vickrey procurement auction, VCG path auction.

    Sources: Vickrey 1961 (J. Finance 16:8); Nisan, Ronen 2001 (Games Econ. Behav. 35:166);
    Hershberger, Suri 2001 (FOCS, https://doi.org/10.1109/SFCS.2001.959899).
    """

    name: ClassVar[str] = "reverse-vcg"
    pays: ClassVar[str] = AUCTION_WORDS.format("the buyer", "pays")
    traits: ClassVar[Traits] = Traits(
        summary="One buyer's procurement at the least cost; sellers are paid what they spare.",
        efficient=Claim(True, "within the certified gap"),
        incentive_compatible=Claim(
            True,
            "for all but the auctioneer, whose bids are its reserve; within the certified gap; "
            "within one interval: what is stored for the next one is worth what its curve says; "
            "where no standing loss hangs on a single one",
        ),
        individually_rational=Claim(
            False,
            "no seller or owner loses beyond the certified gap; the buyer may, where it needs "
            "several of them at once, for each is paid as if all depended on it",
        ),
        budget=Claim(
            True, "the auctioneer pays what all get; standing losses, if any, the operator pays"
        ),
        false_name_proof=Claim(
            False, "two sellers that are one owner, both needed, are each paid for the whole"
        ),
        coalition_proof=Claim(
            False, "two owners who both ask less can win together, and be paid for the whole"
        ),
        credible=Claim(
            False, "the auctioneer gains by a made-up offer just above the cheapest: a second price"
        ),
        networks=NETWORKS,
        budget_class="balanced",
        agency="indirect",
        information="mediated",
        game="competition",
        how="One participant buys. Sellers and owners of links hand in what they ask, and the "
        "cheapest way to serve the buyer is taken. Each winner is paid what the buyer's supply "
        "would cost more without it, and its own ask.",
        good_for="Buying flexibility, or a way through others' lines, where sellers should say "
        "their true cost.",
        not_for="Suppliers nobody can replace: they are paid the buyer's own bid. Buyers with a "
        "budget: VCG pays sellers at least what nodal prices pay them.",
        other_names=("Vickrey procurement auction", "VCG path auction"),
        sources=(
            "Vickrey 1961, J. Finance 16:8",
            "Nisan, Ronen 2001, Games Econ. Behav. 35:166",
            "Hershberger, Suri 2001, FOCS, doi 10.1109/SFCS.2001.959899",
            "Karaca, Kamgarpour 2018, arXiv:1811.09646",
        ),
    )

    def auctioneer(self, book: Book) -> str | Refusal:
        """The one who could buy."""
        return only_side(self.name, book, "buy")

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        buyer = self.auctioneer(book)
        if isinstance(buyer, Refusal):
            return buyer
        return clear_by_pivots(self.name, asdict(self), book, grid, state, seed, buyer)

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check every payment by solving anew. See `isojoule.market.pivots.clearing`."""
        check_pivots(book, grid, clearing, self.auctioneer(book))
