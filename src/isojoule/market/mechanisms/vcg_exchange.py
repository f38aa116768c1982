"""The two-sided Vickrey-Clarke-Groves mechanism: everyone has a pivot, the operator the rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.pivots.clearing import NETWORKS, WORDS, check_pivots, clear_by_pivots


@dataclass(frozen=True)
class VcgExchange:
    """The best allocation; everyone pays what its being there costs all others.

    Other names: pivot mechanism, Clarke mechanism, double Vickrey auction.

    Sources: Vickrey 1961 (J. Finance 16:8); Clarke 1971 (Public Choice 11:17); Groves 1973
    (Econometrica 41:617); Myerson, Satterthwaite 1983 (J. Econ. Theory 29:265).
    """

    name: ClassVar[str] = "vcg-exchange"
    pays: ClassVar[str] = WORDS
    traits: ClassVar[Traits] = Traits(
        summary="Welfare optimum; all pay pivots, and the operator covers what is missing.",
        efficient=Claim(True, "within the certified gap"),
        incentive_compatible=Claim(
            True,
            "whatever others say; within the certified gap; within one interval: what is stored "
            "for the next one is worth what its curve says; "
            "where no standing loss hangs on a single one; where no price is below 0 and all is "
            "divisible, or nobody can throw energy away",
        ),
        individually_rational=Claim(
            True, "within the certified gap: everyone gains what all gain by its being there"
        ),
        budget=Claim(
            False,
            "buyers pay less than sellers get; no rule is efficient, truthful, "
            "individually rational and without deficit (Myerson, Satterthwaite 1983)",
        ),
        false_name_proof=Claim(
            False, "who buys from itself under two names is paid by the operator"
        ),
        coalition_proof=Claim(
            False, "a buyer who bids more than the truth lets its seller be paid more"
        ),
        credible=Claim(False, "a made-up bid raises what buyers pay, and the operator adds less"),
        networks=NETWORKS,
        budget_class="deficit",
        agency="indirect",
        information="mediated",
        game="competition",
        how="All hand in their curves, and energy goes where it is worth most. Then the market is "
        "cleared once more without each participant in turn: what the others lose by its being "
        "there it pays, what they gain it is paid.",
        good_for="Learning what energy is truly worth to everyone; a yardstick for other rules.",
        not_for="A market that must carry itself: the operator adds money, most of it for whom "
        "nobody can replace, as a single outside supplier, who is paid what all lose without it. "
        "Neighbours who know each other well, or who could take part under several names.",
        other_names=("pivot mechanism", "Clarke mechanism", "double Vickrey auction"),
        sources=(
            "Vickrey 1961, J. Finance 16:8",
            "Clarke 1971, Public Choice 11:17",
            "Groves 1973, Econometrica 41:617",
            "Myerson, Satterthwaite 1983, J. Econ. Theory 29:265",
        ),
    )

    def auctioneer(self, book: Book) -> str | Refusal:
        """Nobody: everyone has a pivot."""
        return ""

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        return clear_by_pivots(self.name, asdict(self), book, grid, state, seed)

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check every payment by solving anew. See `isojoule.market.pivots.clearing`."""
        check_pivots(book, grid, clearing, self.auctioneer(book))
