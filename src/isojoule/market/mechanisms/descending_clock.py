"""The descending clock auction: the price falls until no more is offered than is wanted.

Spec: docs/spec/sequential.md, Q37 to Q43.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isojoule.market.contract import Claim, Traits
from isojoule.market.matched import NETWORK
from isojoule.market.mechanisms.clock_auction import ClockAuction


@dataclass(frozen=True)
class DescendingClock(ClockAuction):
    """One buys; the auctioneer calls falling prices, sellers say how much they give, ever less.

    The mirror of `ascending-clock`, for procurement. An offer answers for its owner: at each call
    it gives what its own price allows. In a session its owner may also withdraw it between two
    calls. The auction ends when no more is offered than the buyer wants at that price. Everybody
    gets the last price, or where too many left at once the one before, at which those who left
    share.

    Parameters
    ----------
    start_price_per_j, step_per_j
        The first call, and how much the next one is lower, money per J.
    payment
        "uniform": everybody gets the last price. "clinching": energy is paid at the price at which
        the others left it (Ausubel 2004).
    opens_s
        The first call comes so long after the interval begins, s; offers come before.
    round_s
        Time between two calls, s.

    Other names: reverse clock auction. Sources: Ausubel 2004 (Am. Econ. Rev. 94:1452,
    doi 10.1257/0002828043052330); Milgrom 2004 (Putting Auction Theory to Work).
    """

    start_price_per_j: float = 0.50 / 3.6e6
    step_per_j: float = 0.01 / 3.6e6
    payment: str = "uniform"
    opens_s: float = 60.0
    round_s: float = 5.0

    name: ClassVar[str] = "descending-clock"
    sells: ClassVar[bool] = False
    traits: ClassVar[Traits] = Traits(
        summary="The price falls in steps until no more is offered than is wanted.",
        efficient=Claim(False, "of those who leave at the same call all are alike"),
        incentive_compatible=Claim(
            False, "who has several units leaves early with some, and the price stays high"
        ),
        individually_rational=Claim(
            True, "nobody trades beyond the own price, but for a nano-unit of rounding"
        ),
        budget=Claim(True, "the buyer pays the sellers, to the nano-unit"),
        false_name_proof=Claim(False, "what is left early may be left under another name"),
        coalition_proof=Claim(False, "sellers who agree leave early and share"),
        credible=Claim(False, "the buyer can stay in with an ask under another name"),
        networks=(NETWORK,),
        agency="indirect",
        information="mediated",
        game="competition",
        budget_class="balanced",
        kind="sequential",
        how="One participant buys. The auctioneer calls a price, high at first, and asks how much "
        "is offered at it; then a lower one, and so on, until no more is offered than is wanted. "
        "All who are still in sell at that price.",
        good_for="Buying reserve or flexibility from many small owners: bidding is easy (stay or "
        "leave), and all see how cheap the others can be.",
        not_for="Large sellers under one price (take `clinching`), sellers who know each other, "
        "and many buyers.",
        other_names=("reverse clock auction",),
        sources=(
            "Ausubel 2004, Am. Econ. Rev. 94:1452, doi 10.1257/0002828043052330",
            "Milgrom 2004, Putting Auction Theory to Work, Cambridge",
        ),
    )

    def __post_init__(self) -> None:
        self.check()
