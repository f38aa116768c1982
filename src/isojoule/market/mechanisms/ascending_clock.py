"""The ascending clock auction: the price rises until no more is wanted than is there.

Spec: docs/spec/sequential.md, Q37 to Q43.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isojoule.market.contract import Claim, Traits
from isojoule.market.matched import NETWORK
from isojoule.market.mechanisms.clock_auction import ClockAuction


@dataclass(frozen=True)
class AscendingClock(ClockAuction):
    """One sells; the auctioneer calls rising prices, buyers say how much they want, ever less.

    An offer answers for its owner: at each call it wants what its own price allows. In a session
    its owner may also withdraw it between two calls. The auction ends when no more is wanted than
    the seller offers at that price. Everybody pays the last price, or where too many left at once
    the one before, at which those who left share what is over.

    Parameters
    ----------
    start_price_per_j, step_per_j
        The first call, and how much the next one is higher, money per J.
    payment
        "uniform": everybody pays the last price. "clinching": energy is paid at the price at which
        the others left it (Ausubel 2004).
    opens_s
        The first call comes so long after the interval begins, s; offers come before.
    round_s
        Time between two calls, s.

    Other names: English auction for many units, Japanese auction; with clinching: Ausubel auction.
    Sources: Ausubel 2004 (Am. Econ. Rev. 94:1452, doi 10.1257/0002828043052330); Milgrom 2004
    (Putting Auction Theory to Work).
    """

    start_price_per_j: float = 0.0
    step_per_j: float = 0.01 / 3.6e6
    payment: str = "uniform"
    opens_s: float = 60.0
    round_s: float = 5.0

    name: ClassVar[str] = "ascending-clock"
    sells: ClassVar[bool] = True
    traits: ClassVar[Traits] = Traits(
        summary="The price rises in steps until no more is wanted than there is.",
        efficient=Claim(False, "of those who leave at the same call all are alike"),
        incentive_compatible=Claim(
            False, "who wants several units leaves early with some, and the price stays low"
        ),
        individually_rational=Claim(
            True, "nobody trades beyond the own price, but for a nano-unit of rounding"
        ),
        budget=Claim(True, "buyers pay the seller, to the nano-unit"),
        false_name_proof=Claim(False, "what is left early may be left under another name"),
        coalition_proof=Claim(False, "buyers who agree leave early and share"),
        credible=Claim(False, "the seller can stay in with a bid under another name"),
        networks=(NETWORK,),
        agency="indirect",
        information="mediated",
        game="competition",
        budget_class="balanced",
        kind="sequential",
        how="One participant sells. The auctioneer calls a price, low at first, and asks how much "
        "is wanted at it; then a higher one, and so on, until no more is wanted than there is. All "
        "who are still in buy at that price. Everybody sees the others' demand fall.",
        good_for="Selling many alike units to people who want to see what happens: bidding is easy "
        "(stay or leave), and what others think the energy is worth can be seen on the way.",
        not_for="Large buyers under one price (take `clinching`), bidders who know each other, and "
        "many sellers.",
        other_names=("Japanese auction", "Ausubel auction"),
        sources=(
            "Ausubel 2004, Am. Econ. Rev. 94:1452, doi 10.1257/0002828043052330",
            "Milgrom 2004, Putting Auction Theory to Work, Cambridge",
        ),
    )

    def __post_init__(self) -> None:
        self.check()
