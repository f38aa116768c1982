"""Gradual Dutch auctions: many Dutch auctions side by side, one for each unit, or each Joule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isojoule.market.book import Book
from isojoule.market.contract import Claim, Traits
from isojoule.market.matched import NETWORK
from isojoule.market.mechanisms.posted import (
    Posted,
    need,
    need_above_zero,
    need_side,
    unit_uj_of,
)
from isojoule.market.mechanisms.posted_price import ContinuousGda, DiscreteGda


@dataclass(frozen=True)
class Gda(Posted):
    """One participant sells by many small Dutch auctions.

    Discrete: each unit has an auction of its own. All begin at once, each next one `growth` times
    dearer, and all prices fall together, so a taker of many units climbs. Continuous: energy is
    released at `rate_w`, each Joule is an auction that begins when it is released, and the oldest
    is taken first; an amount costs the integral. The poster's own ask is its reserve. With `side`
    "buy" the poster buys: prices rise with time, and fall with each unit. The auctions run on over
    intervals.

    Parameters
    ----------
    side
        "sell" or "buy": what the poster does.
    form
        "discrete" or "continuous".
    start_price_per_j
        Where the first auction starts (discrete), or each (continuous), money per J.
    decay_per_s
        How fast prices fall, 1/s: by the factor exp(-decay_per_s) in a second.
    growth
        Discrete only: each unit starts at this many times the price of the one before, above 1.
    unit_j
        Discrete only: energy of a unit, J.
    rate_w
        Continuous only: energy that is released, J a second.

    Other names: GDA. Source: Frankie, Robinson, White, Andy8052, "Gradual Dutch Auctions",
    Paradigm, 2022; checked against its code (github.com/FrankieIsLost/gradual-dutch-auction).
    Spec: docs/spec/sequential.md, Q17 to Q21 and Q26 to Q29.
    """

    side: str = "sell"
    form: str = "discrete"
    start_price_per_j: float = 0.30 / 3.6e6
    decay_per_s: float = 0.001
    growth: float = 1.05
    unit_j: float = 360_000.0
    rate_w: float = 4000.0

    name: ClassVar[str] = "gda"
    traits: ClassVar[Traits] = Traits(
        summary="A Dutch auction for each unit: the price falls with time, rises with each sale.",
        efficient=Claim(
            False, "who bids below the posted price goes, even where the energy costs less"
        ),
        incentive_compatible=Claim(
            True,
            "for takers with one divisible offer, who come once, at a moment of their own that "
            "they do not choose: the price does not depend on what they offer; the poster sets its "
            "reserve as it likes",
        ),
        individually_rational=Claim(
            True, "nobody trades beyond the own price, but for a nano-unit a unit of rounding"
        ),
        budget=Claim(True, "takers pay the poster, or it pays them, to the nano-unit"),
        false_name_proof=Claim(
            False, "in one nanosecond the lowest offer id is first, and another name can have it"
        ),
        coalition_proof=Claim(False, "who leaves a unit to the next taker saves it the rise"),
        credible=Claim(
            False, "the poster can buy from itself under another name, and the price rises"
        ),
        networks=(NETWORK,),
        agency="indirect",
        information="implicit",
        game="competition",
        budget_class="balanced",
        kind="posted",
        how="One participant has energy to sell, and holds a small Dutch auction for every unit of "
        "it. The more somebody takes at once, the dearer the next unit; the longer nobody comes, "
        "the cheaper all of them. In the continuous form energy comes to be sold bit by bit, as "
        "the sun makes it, and the oldest bit is the cheapest.",
        good_for="One seller (or buyer) with many units and takers who come and go: large takers "
        "pay for being large, and no moment is the one that everybody waits for.",
        not_for="Sales that should keep to a rate (`vrgda` does), many sellers against each other, "
        "or takers who can wait.",
        other_names=("GDA", "gradual Dutch auction"),
        sources=("Frankie, Robinson, White, Andy8052 2022, Gradual Dutch Auctions, Paradigm",),
        checked="both forms against the authors' code and the cases of its tests "
        "(github.com/FrankieIsLost/gradual-dutch-auction, DiscreteGDA.sol, ContinuousGDA.sol and "
        "analysis/gda.py). The discrete form agrees. The continuous one does where one unit is "
        "released a second, as in all those tests; else its starting price is money a second, and "
        "not money for a unit: here it is the price of a Joule, times the rate.",
    )

    def __post_init__(self) -> None:
        need_side(self.side)
        need(
            self.form in ("discrete", "continuous"),
            f"form of {self.form!r}",
            "use discrete or continuous",
        )
        need_above_zero(
            self, "start_price_per_j", "decay_per_s", "growth", "unit_j", "rate_w"
        )  # fmt: skip
        need(self.growth > 1, f"growth of {self.growth!r}", "give a factor above 1")
        unit_uj_of(self.unit_j)

    def unit_uj(self) -> int:
        """The step by which the discrete price moves, microjoules."""
        return unit_uj_of(self.unit_j)

    def schedule_of(self, frame: Book) -> DiscreteGda | ContinuousGda:
        """How the price moves."""
        start, decay, buys = self.start_price_per_j, self.decay_per_s, self.side == "buy"
        if self.form == "discrete":
            return DiscreteGda(start, self.growth, decay, buys)
        return ContinuousGda(start, decay, self.rate_w, buys)
