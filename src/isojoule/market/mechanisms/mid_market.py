"""The mid-market rate: neighbours pay each other the mean of the utility's two prices.

Spec: docs/spec/community.md, N1 to N7.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import ClassVar

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.mechanisms.community import Prices, clear_community
from isojoule.market.mechanisms.community_naive import audit, check_tables
from isojoule.market.mechanisms.community_words import price_reason, reasons
from isojoule.market.mechanisms.utility_only import Tariff


@dataclass(frozen=True)
class MidMarket:
    """What neighbours have for each other is priced in the middle of the utility's two prices.

    Each home acts alone, as under `utility-only`. The exports of all homes are the supply S, the
    imports the demand D, the middle price is m. If S = D everybody trades at m. If the community
    is long (S > D), buyers pay m, and sellers share what buyers and the utility pay:
    (D * m + (S - D) * buys_at) / S. If it is short, sellers get m, and buyers share what sellers
    and the utility get: (S * m + (D - S) * sells_at) / D.

    Other names: MMR.

    Sources: Long, Wu, Zhang, Thomas, Cheng, Jenkins 2017 (IEEE PES General Meeting,
    doi 10.1109/PESGM.2017.8274546); Tushar et al. 2018 (IEEE Access
    6:62932, doi 10.1109/ACCESS.2018.2875405). Not read: the formulas were checked against Zhou, Wu,
    Long 2018 (Applied Energy 222:993), appendix A, equations 25 to 27, who count all that is
    produced and used, and not what meters net.
    """

    name: ClassVar[str] = "mid-market"
    sample: ClassVar[str] = "utility"
    traits: ClassVar[Traits] = Traits(
        summary="Homes act alone; their nets are priced in the middle of the utility's prices.",
        efficient=Claim(False, "only the bills change: nobody produces or uses more because of it"),
        incentive_compatible=Claim(
            False, "a battery serves the own home whatever it is worth, so its owner hides it"
        ),
        individually_rational=Claim(
            True,
            "an import is worth the utility's selling price to its home and costs no more, an "
            "export earns at least its buying price",
        ),
        budget=Claim(True, "what buyers pay goes to sellers and the utility, but for rounding"),
        budget_class="balanced",
        false_name_proof=Claim(False, "under another name a battery serves nobody"),
        coalition_proof=Claim(False, "who imports what it does not need lifts what sellers get"),
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
        "crosses the meters is billed within the community: what neighbours have for each other "
        "costs the mean of the utility's selling and buying price. If there is more sun than need, "
        "sellers share the utility's low price for the rest; if there is more need, buyers share "
        "its high price.",
        good_for="Comparing: it is the rule of many energy communities today. It needs meters and "
        "a calculator, no offers and no forecasts, and no member pays more than with the utility "
        "alone.",
        not_for="Making homes act differently: the price does not move anybody. Groups who could "
        "leave: where supply and demand differ, some can do better by themselves.",
        other_names=("mid-market rate", "MMR"),
        sources=(
            (
                "Long, Wu, Zhang, Thomas, Cheng, Jenkins 2017, IEEE PES General Meeting, "
                "doi 10.1109/PESGM.2017.8274546"
            ),
            (
                "Tushar, Saha, Yuen, Liddell, Bean, Poor 2018, IEEE Access 6:62932, "
                "doi 10.1109/ACCESS.2018.2875405"
            ),
        ),
        checked="at second hand: the three cases against Zhou, Wu, Long 2018 (Applied Energy "
        "222:993, doi 10.1016/j.apenergy.2018.02.089, appendix A, equations 25 to 27; Long is an "
        "author of both). The formulas agree, the sums do not: there S is all that homes produce "
        "and D all that they use, here they are what meters export and import. Where no home does "
        "both it is the same. Long et al. 2017 and Tushar et al. 2018 themselves were not read.",
    )

    def prices(self, supply_uj: int, demand_uj: int, tariff: Tariff) -> Prices:
        """The two prices of an interval, exactly."""
        sells, buys = Fraction(tariff.sells_at), Fraction(tariff.buys_at)
        middle = (sells + buys) / 2
        buyers = sellers = middle
        if supply_uj > demand_uj:
            rest = supply_uj - demand_uj
            sellers = (demand_uj * middle + rest * buys) / supply_uj
        if demand_uj > supply_uj:
            rest = demand_uj - supply_uj
            buyers = (supply_uj * middle + rest * sells) / demand_uj
        return Prices(buyers, sellers)

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        return clear_community(self, book, grid, seed, -inf)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(self, book, grid, clearing, -inf)

    def check_tables(
        self, book: Book, grid: Grid, clearing: Clearing, operator_nano: int
    ) -> Clearing:
        """Check energies and payments, without prices and lines; returns what should stand."""
        return check_tables(self, book, grid, clearing, operator_nano, -inf)

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer got what it got."""
        return reasons(self, book, grid, clearing)

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the two prices came about."""
        return price_reason(self, book, grid, clearing)
