"""The Dutch auction: a price that falls with the clock, until somebody takes it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from isojoule.market.book import Book
from isojoule.market.contract import Claim, Traits
from isojoule.market.matched import NETWORK
from isojoule.market.mechanisms.posted import LARGEST_UNIT_UJ, Posted, need, need_side
from isojoule.market.mechanisms.posted_price import Clock


@dataclass(frozen=True)
class Dutch(Posted):
    """One participant's price falls through the interval; whoever comes first takes.

    The hand moves in a straight line from the start price to the end price, whatever is sold.
    Takers come one after the other, take what the price at that moment suits them for, and go. The
    poster's own ask is its reserve. With `side` "buy" the poster buys, and the price rises. Each
    interval begins anew.

    Parameters
    ----------
    side
        "sell" or "buy": what the poster does.
    start_price_per_j, end_price_per_j
        Where the hand starts and ends, money per J; selling it falls, buying it rises.
    lasts_s
        How long the hand moves, s; 0 for the whole interval.

    Other names: descending-price auction, clock auction, open first-price auction. Source: Vickrey
    1961 (J. Finance 16:8, doi 10.1111/j.1540-6261.1961.tb02789.x). Spec: docs/spec/sequential.md,
    Q17, Q18 and Q23 to Q25.
    """

    side: str = "sell"
    start_price_per_j: float = 0.40 / 3.6e6
    end_price_per_j: float = 0.0
    lasts_s: float = 0.0

    name: ClassVar[str] = "dutch"
    runs_on: ClassVar[bool] = False
    traits: ClassVar[Traits] = Traits(
        summary="A price that falls through the interval; whoever comes first takes.",
        efficient=Claim(False, "who comes first takes, even if one who comes later needs it more"),
        incentive_compatible=Claim(
            True,
            "for takers with one divisible offer, who come once, at a moment of their own that "
            "they do not choose: the price does not depend on what they offer; the poster sets its "
            "reserve as it likes",
        ),
        individually_rational=Claim(
            True, "nobody trades beyond the own price, but for a nano-unit of rounding"
        ),
        budget=Claim(True, "takers pay the poster, or it pays them, to the nano-unit"),
        false_name_proof=Claim(
            False, "in one nanosecond the lowest offer id is first, and another name can have it"
        ),
        coalition_proof=Claim(False, "the first leaves it to one to whom it is worth more"),
        credible=Claim(
            True, "for a stock at one reserve: the price is a matter of the clock, which all see"
        ),
        networks=(NETWORK,),
        agency="indirect",
        information="implicit",
        game="competition",
        budget_class="balanced",
        kind="posted",
        how="One participant has energy to sell and starts at a high price. It falls with every "
        "second of the interval. Whoever comes pays the price of the moment, for as much as it is "
        "worth to it; when all is gone, the auction is over.",
        good_for="Selling (or buying) in minutes, without knowing the right price, to people who "
        "come by: there is nothing to compute and nothing to hide.",
        not_for="Takers who can wait: each waits below what the energy is worth to it, and gambles "
        "that nobody comes before. Many sellers against each other.",
        other_names=("descending-price auction", "open first-price auction"),
        sources=("Vickrey 1961, J. Finance 16:8, doi 10.1111/j.1540-6261.1961.tb02789.x",),
    )

    def __post_init__(self) -> None:
        need_side(self.side)
        for name in ("start_price_per_j", "end_price_per_j", "lasts_s"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            need(
                number and isfinite(value) and (name != "lasts_s" or value >= 0),
                f"{name} of {value!r}",
                "give a number, for lasts_s of 0 or more",
            )
            object.__setattr__(self, name, float(value))
        falls = self.start_price_per_j >= self.end_price_per_j
        rises = self.start_price_per_j <= self.end_price_per_j
        need(
            rises if self.side == "buy" else falls,
            f"start_price_per_j of {self.start_price_per_j!r} for a poster who {self.side}s",
            "selling, start high and end low; buying, start low and end high",
        )

    def unit_uj(self) -> int:
        """The price has no steps: one unit that nobody sees the end of."""
        return LARGEST_UNIT_UJ

    def schedule_of(self, frame: Book) -> Clock:
        """How the price moves in this interval."""
        lasts = self.lasts_s or frame.interval.duration_s
        return Clock(self.start_price_per_j, self.end_price_per_j, lasts, self.side == "buy")
