"""The supply-demand ratio: the more sun there is for the need, the nearer to the utility's bid.

Spec: docs/spec/community.md, N1 to N6 and N8.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.mechanisms.community import Prices, clear_community
from isojoule.market.mechanisms.community_naive import audit, check_tables
from isojoule.market.mechanisms.community_words import price_reason, reasons
from isojoule.market.mechanisms.utility_only import Tariff


@dataclass(frozen=True)
class SupplyDemandRatio:
    """The price inside the community falls from the utility's selling to its buying price.

    Each home acts alone, as under `utility-only`. The exports of all homes are the supply S, the
    imports the demand D, and r = S / D. Up to r = 1 a seller gets

        sells_at * buys_at / ((sells_at - buys_at) * r + buys_at),

    and a buyer pays r times that, and (1 - r) times sells_at for what comes from the utility. Above
    r = 1 everybody trades at buys_at. A utility that buys below 0 is refused.

    Other names: SDR.

    Source: Liu, Yu, Wang, Li, Ma, Lei 2017 (IEEE Trans. Power Systems 32:3569,
    doi 10.1109/TPWRS.2017.2649558), equations 7, 9 and 10 and appendix I, read in the authors'
    manuscript. There the homes shift load as prices change; here they do not.
    """

    name: ClassVar[str] = "supply-demand-ratio"
    sample: ClassVar[str] = "utility"
    traits: ClassVar[Traits] = Traits(
        summary="Homes act alone; their nets are priced by the ratio of supply to demand.",
        efficient=Claim(False, "only the bills change: nobody produces or uses more because of it"),
        incentive_compatible=Claim(
            False, "a seller whose energy costs something gains by holding back"
        ),
        individually_rational=Claim(
            True,
            "an import is worth the utility's selling price to its home and costs no more, an "
            "export earns at least its buying price",
        ),
        budget=Claim(True, "what buyers pay goes to sellers and the utility, but for rounding"),
        budget_class="balanced",
        false_name_proof=Claim(False, "under another name a battery serves nobody"),
        coalition_proof=Claim(False, "a seller who holds back lifts the price for the other"),
        credible=Claim(
            True,
            "the tariff is posted, and both prices follow from two sums that the members can "
            "check against their meters",
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="cooperation",
        how="Each home uses its own sun and battery first, as with the utility alone. What then "
        "crosses the meters is billed within the community, at a price that follows from how much "
        "of the need the neighbours' exports cover: nothing covered, the utility's selling price; "
        "all covered, or more, its buying price. Buyers pay a mix of that and the utility's price "
        "for the rest.",
        good_for="Comparing: it is the best known rule for sharing among neighbours with panels. "
        "It rewards exports when they are scarce.",
        not_for="Communities with enough sun: when supply meets demand sellers gain nothing by "
        "the community, all of it goes to buyers. Sellers may earn more by exporting less.",
        other_names=("SDR",),
        sources=(
            (
                "Liu, Yu, Wang, Li, Ma, Lei 2017, IEEE Trans. Power Systems 32:3569, "
                "doi 10.1109/TPWRS.2017.2649558"
            ),
        ),
        checked="against the authors' manuscript of the paper, equations 7, 9 and 10 and appendix "
        "I: the same ratio and prices. There the homes then shift load, and prices are found "
        "again until they stay; here the meters are read once. Figures against appendix B of "
        "Zhou, Wu, Long 2018 (Applied Energy 222:993, doi 10.1016/j.apenergy.2018.02.089).",
    )

    def prices(self, supply_uj: int, demand_uj: int, tariff: Tariff) -> Prices:
        """The two prices of an interval, exactly."""
        sells, buys = Fraction(tariff.sells_at), Fraction(tariff.buys_at)
        if not supply_uj:
            return Prices(sells, sells)
        if supply_uj > demand_uj:
            return Prices(buys, buys)
        ratio = Fraction(supply_uj, demand_uj)
        # buys_at of 0: the price is 0 as soon as anything is supplied
        sellers = sells * buys / ((sells - buys) * ratio + buys) if buys else buys
        return Prices(sellers * ratio + sells * (1 - ratio), sellers)

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        return clear_community(self, book, grid, seed, 0.0)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(self, book, grid, clearing, 0.0)

    def check_tables(
        self, book: Book, grid: Grid, clearing: Clearing, operator_nano: int
    ) -> Clearing:
        """Check energies and payments, without prices and lines; returns what should stand."""
        return check_tables(self, book, grid, clearing, operator_nano, 0.0)

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer got what it got."""
        return reasons(self, book, grid, clearing)

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the two prices came about."""
        return price_reason(self, book, grid, clearing)
