"""The variable rate gradual Dutch auction: a posted price that follows a schedule of sales."""

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
from isojoule.market.mechanisms.posted_price import Schedule


@dataclass(frozen=True)
class Vrgda(Posted):
    """One participant posts a price that falls with time and rises with each unit sold.

    The price is `target_price_per_j` while sales are on schedule, falls by the share `decay` in
    `decay_s` seconds behind it, and rises as fast ahead of it. Takers come one after the other and
    take what the price suits them for; what they do not take is dropped. The poster's own ask is
    its reserve: the price never falls below it. With `side` "buy" the poster buys, the price rises
    with time, and the poster's bid is the most that it pays. The schedule runs on over intervals.

    Parameters
    ----------
    side
        "sell" or "buy": what the poster does.
    target_price_per_j
        Price on schedule, money per J.
    decay, decay_s
        The price falls by the share `decay` in `decay_s` seconds without a sale.
    schedule
        "linear", `rate_per_s` units a second; or "logistic", `most_units` in all, half of them
        sold after ln(3)/`rate_per_s` seconds.
    rate_per_s
        Units per second, or how fast the logistic curve bends, 1/s.
    most_units
        Logistic only: all that is ever sold; 0 else.
    unit_j
        Energy of a unit, J.

    Other names: VRGDA. Source: transmissions11, Frankie, White, "Variable Rate GDAs", Paradigm,
    2022; checked against its code (github.com/transmissions11/VRGDAs). Spec:
    docs/spec/sequential.md, Q15 to Q22.
    """

    side: str = "sell"
    target_price_per_j: float = 0.20 / 3.6e6
    decay: float = 0.5
    decay_s: float = 3600.0
    schedule: str = "linear"
    rate_per_s: float = 0.01
    most_units: int = 0
    unit_j: float = 360_000.0

    name: ClassVar[str] = "vrgda"
    traits: ClassVar[Traits] = Traits(
        summary="A posted price that follows a schedule of sales, over many intervals.",
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
        how="One participant has energy to sell and a schedule by which to sell it. The posted "
        "price is right while sales keep to the schedule; it falls while they lag and rises with "
        "every unit sold. Whoever comes takes what the price is worth it, or goes.",
        good_for="One seller (or buyer) whose takers come and go over hours or days, and who wants "
        "to sell at a steady rate without knowing what the energy is worth.",
        not_for="Many sellers against each other, a single moment, or takers who can wait: they "
        "wait for the price to fall.",
        other_names=("VRGDA", "variable rate GDA"),
        sources=(
            "transmissions11, Frankie, White 2022, Variable Rate GDAs, Paradigm",
            "Frankie, Robinson, White, Andy8052 2022, Gradual Dutch Auctions, Paradigm",
        ),
        checked="price and both schedules against the authors' code and the cases of its tests "
        "(github.com/transmissions11/VRGDAs, VRGDA.sol, LinearVRGDA.sol and LogisticVRGDA.sol). "
        "They agree. Its third schedule, logistic and then linear, is not here.",
    )

    def __post_init__(self) -> None:
        need_side(self.side)
        need(
            self.schedule in ("linear", "logistic"),
            f"schedule of {self.schedule!r}",
            "use linear or logistic",
        )
        need_above_zero(self, "target_price_per_j", "decay", "decay_s", "rate_per_s", "unit_j")
        need(self.decay < 1, f"decay of {self.decay!r}", "give a share below 1")
        whole = isinstance(self.most_units, int) and not isinstance(self.most_units, bool)
        logistic = self.schedule == "logistic"
        need(
            whole and (self.most_units > 0 if logistic else self.most_units == 0),
            f"most_units of {self.most_units!r} on a {self.schedule} schedule",
            "logistic: a whole number above 0; linear: leave it out",
        )
        unit_uj_of(self.unit_j)

    def unit_uj(self) -> int:
        """The step by which the price moves, microjoules."""
        return unit_uj_of(self.unit_j)

    def schedule_of(self, frame: Book) -> Schedule:
        """How the price moves."""
        return Schedule(
            self.target_price_per_j, self.decay, self.decay_s, self.rate_per_s, self.most_units,
            self.side == "buy",
        )  # fmt: skip
