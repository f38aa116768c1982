"""The deferred revelation auction: sealed bids that even the auctioneer cannot make up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, ClassVar

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J, parse_exact
from isojoule.grid import Grid
from isojoule.market.block import (
    block_price_reason,
    block_reasons,
    check_block,
    clearing_of,
    is_money,
    nano,
    read_auction,
    unfit,
)
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.settle import MOST_MONEY
from isojoule.valuation import Offer, Steps

DISTRIBUTIONS = ("uniform", "exponential", "pareto", "equal-revenue")
HALVINGS = 200


@dataclass(frozen=True)
class DeferredRevelation:
    """A second-price auction whose bids are first committed to, then opened.

    Every bidder commits to its bid and posts a collateral; when no more commitments come, all are
    opened. The highest opened bid that reaches the reserve gets the block and pays the reserve or
    the second opened bid, whichever is more. Who does not open loses the collateral to the winner,
    or to the seller if nothing is sold. So a bid that was planted to be opened only if that pays
    costs more than it brings.

    The reserve is Myerson's for the distribution D of what the block is worth to a bidder. The
    collateral is `collateral_nano`. The proofs are for one seller to whom the block is worth
    nothing, and bids that are drawn from D independently. An ask above the reserve is refused.
    Single items or matroids only, so no network (Ganesh, Zhang arXiv 2507.04592).

    Parameters
    ----------
    distribution
        "uniform" (`low`, `high`), "exponential" (`rate`), "pareto" (`scale`, `shape`), each in
        money for the whole block; "equal-revenue" is known and refused.
    low, high, rate, scale, shape
        Its parameters: money, or for `rate` 1 over money; `shape` is a number above 1.

    Other names: DRA.

    Sources: Ferreira, Weinberg 2020 (EC '20, doi 10.1145/3391403.3399495); Essaidi, Ferreira,
    Weinberg (arXiv 2205.14758); Chitra, Ferreira, Kulkarni (IACR eprint 2023/114). None of them was
    read: the collateral is that of theorem 21 of the last as others have coded it
    (github.com/ziruiryanwang/broadcast-dra, collateral.rs). Myerson 1981 (doi 10.1287/moor.6.1.58).
    Spec: docs/spec/session.md, S18 to S22.
    """

    distribution: str = "uniform"
    low: float = 0.0
    high: float = 1.0
    rate: float = 1.0
    scale: float = 1.0
    shape: float = 2.0

    name: ClassVar[str] = "deferred-revelation"
    traits: ClassVar[Traits] = Traits(
        summary="Second price with commitments and collateral: nobody can plant a bid.",
        efficient=Claim(False, "the reserve keeps the block from a bidder who values it less"),
        incentive_compatible=Claim(
            True, "for all bidders, if all open who commit; the seller is the auctioneer"
        ),
        individually_rational=Claim(True, "nobody pays more than its bid, and all who open get "
                                    "their collateral back"),
        budget=Claim(True, "the operator passes on what was forfeited, and nothing else"),
        false_name_proof=Claim(
            False,
            "a seller who knew all bids could open a planted one between the two highest; as it "
            "does not know them, it loses by this on average",
        ),
        coalition_proof=Claim(False, "two bidders agree that one of them stays away"),
        credible=Claim(
            True,
            "on average over D, if bids are drawn from it independently and its hazard rate rises "
            "or it is strongly regular: a planted bid costs its collateral",
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        budget_class="balanced",
        how="Everybody sends a sealed envelope and a deposit. When no more envelopes come, all are "
        "opened. The highest bid gets it and pays the second, or the reserve. Who does not open "
        "loses the deposit to the winner.",
        good_for="Selling one thing where bidders do not trust the seller or the market's "
        "operator, and what it is worth to people is roughly known.",
        not_for="Selling to neighbours over wires, sharing a thing among several, or markets in "
        "which nobody can post a deposit.",
        other_names=("DRA",),
        sources=(
            "Ferreira, Weinberg 2020, EC '20, doi 10.1145/3391403.3399495",
            "Essaidi, Ferreira, Weinberg, arXiv 2205.14758",
            "Chitra, Ferreira, Kulkarni, IACR eprint 2023/114",
            "Ganesh, Zhang, arXiv 2507.04592",
        ),
        checked="at second hand only: reserve, collateral and one auction against another "
        "implementation of Chitra, Ferreira, Kulkarni (github.com/ziruiryanwang/broadcast-dra), "
        "which calls the collateral that paper's theorem 21; it takes the formula at alpha itself, "
        "and not the least up to alpha. By calculation, on a grid: no ladder of planted bids pays "
        "against the collateral, and one does against the reserve alone where the hazard rate "
        "falls. The papers themselves were not read.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.distribution not in DISTRIBUTIONS:
            raise InputError(
                f"unknown distribution {self.distribution!r}",
                remedy=f"use one of {', '.join(DISTRIBUTIONS)}",
            )
        for key in ("low", "high", "rate", "scale", "shape"):
            value: Any = getattr(self, key)
            if not is_money(value) or (value == 0 and key != "low"):
                raise InputError(f"{key} is {value!r}", remedy="give a finite number above 0")
        if not self.low < self.high:
            raise InputError("low is not below high", remedy="exchange or correct them")
        if self.distribution == "pareto" and self.shape <= 1:
            raise InputError(
                f"shape is {self.shape!r}: the mean is infinite, and no collateral is enough",
                remedy="give a shape above 1",
            )
        if not self.reserve < MOST_MONEY:
            raise InputError(
                f"the reserve is {self.reserve!r}", remedy="use a larger unit of money"
            )

    @property
    def reserve(self) -> float:
        """Myerson's reserve r(D), money: where the virtual value v - (1 - F)/f crosses 0.

        >>> DeferredRevelation(high=20).reserve, DeferredRevelation("exponential", rate=4).reserve
        (10.0, 0.25)
        """
        if self.distribution == "uniform":
            return max(self.low, self.high / 2)
        if self.distribution == "exponential":
            return 1 / self.rate
        return self.scale  # below it nobody is; the virtual value v (1 - 1/shape) is above 0

    def collateral_nano(self, bids: int) -> int | Refusal:
        """What everyone who commits must post at least, nano-units.

        f = r(D) where the hazard rate rises (uniform, exponential). For alpha-strongly regular D,
        here Pareto with alpha = 1 - 1/shape, f = r (n/a)**((1-a)/a) (1/(1-a))**(1/a), at the best
        0 < a <= alpha, since such a D is a-strongly regular, too. Rounded up to nine digits, so
        that all machines say the same.

        Parameters
        ----------
        bids
            Most commitments that may come; f grows with it.
        """
        if self.distribution == "equal-revenue":
            return self._no_collateral()
        if self.distribution != "pareto":
            return nano(Fraction(self.reserve))
        log = math.log(self.scale) + _least_log(max(bids, 1), 1 - 1 / self.shape)
        if log >= math.log(MOST_MONEY):
            return Refusal(
                self.name,
                f"with {bids} bids the collateral passes {MOST_MONEY:.0e} units of money",
                "allow fewer bids, or choose a distribution with a thinner tail",
            )
        digits = f"{math.exp(log) * (1 + 1e-9):.9e}"
        return nano(Fraction(digits))

    def _no_collateral(self) -> Refusal:
        return Refusal(
            self.name,
            "no finite collateral is enough for the equal-revenue distribution",
            "choose uniform, exponential or pareto",
        )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`.

        `state["forfeits"]` lists who did not open: {"participant", "collateral"}, the collateral
        as a decimal string.
        """
        if self.distribution == "equal-revenue":
            return self._no_collateral()
        found = read_auction(self.name, book, seed)
        if isinstance(found, Refusal):
            return found
        least = Fraction(self.reserve)
        if found.ask > least:
            return Refusal(
                self.name,
                f"the ask of {float(found.ask):g} {book.currency} for the block is above the "
                f"reserve of {self.reserve:g}, which follows from the distribution",
                "ask less, or state a distribution that is worth the sale",
            )
        forfeits = forfeits_nano(state or {})
        if forfeits is None:
            return Refusal(
                self.name,
                'state["forfeits"] is not a list of {"participant", "collateral"}',
                "hand in the state that a session left",
            )
        winner = found.bids[0] if found.bids and found.bids[0].worth >= least else None
        price = max([least, *(bid.worth for bid in found.bids[1:2])])
        return clearing_of(
            self.name, asdict(self), seed, book, grid, found, winner, price,
            forfeits_nano=forfeits, state_before=state,
        )  # fmt: skip

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        again = self.clear(book, grid, state=clearing.state_before, seed=clearing.seed)
        if isinstance(again, Refusal):
            raise VerificationError(f"the rule gives no clearing: {again}")
        rows = clearing.state_before.get("forfeits", [])
        forfeits = sum(Fraction(row["collateral"]) for row in rows) * NANO_PER_UNIT
        check_block(book, clearing, Fraction(self.reserve), "second", int(forfeits))

    def auctioneer(self, book: Book) -> str | Refusal:
        """The one who sells the block."""
        found = read_auction(self.name, book, b"")
        if isinstance(found, Refusal):
            return found
        return book.participants[int(book.offer_participant[found.seller])]

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> Sequence[str]:
        """Why each offer got what it got."""
        return block_reasons(book, clearing, Fraction(self.reserve))

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the price came about."""
        reserve = Fraction(self.reserve)
        return block_price_reason(book, grid, clearing, node, reserve, first=False)

    def unfit(self, offer: Offer, others: Sequence[Offer], *, sealed: bool) -> str:
        """Why a session does not take an offer after those that it has, or ""."""
        sells = isinstance(offer.spec, Steps) and bool(offer.spec.sell)
        if sells and sealed:
            return "the block is offered openly, before anybody bids"
        if not sells and not sealed:
            return "a bid is committed to, not handed in openly"
        if sells:
            ask = Fraction(0)
            for step in offer.spec.sell:  # type: ignore[union-attr]
                ask += Fraction(step.price_per_j) * Fraction(step.energy_uj, UJ_PER_J)
            if ask > Fraction(self.reserve):
                return f"the ask for the block is above the reserve of {self.reserve:g}"
        return unfit(offer, others)


def forfeits_nano(state: State) -> int | None:
    """Sum of the collaterals in `state["forfeits"]`, nano-units; None if it is no such list."""
    total = 0
    rows = state.get("forfeits", [])
    if not isinstance(rows, list):
        return None
    for row in rows:
        if not isinstance(row, dict) or set(row) != {"participant", "collateral"}:
            return None
        try:
            amount = parse_exact(row["collateral"], 9)
        except (ValueError, TypeError):
            return None
        if amount < 0:
            return None
        total += amount
    return total if total < MOST_MONEY * NANO_PER_UNIT else None


def _least_log(bids: int, alpha: float) -> float:
    """Least logarithm of (n/a)**((1-a)/a) (1/(1-a))**(1/a) over 0 < a <= alpha < 1.

    Multiplied by a its parts are smooth, and the whole falls, then rises: golden section.
    """

    def log_at(a: float) -> float:
        return ((1 - a) * (math.log(bids) - math.log(a)) - math.log1p(-a)) / a

    low, high, golden = 1e-9, alpha, (math.sqrt(5) - 1) / 2
    for _ in range(HALVINGS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if log_at(left) <= log_at(right):
            high = right
        else:
            low = left
    return min(log_at(alpha), log_at((low + high) / 2))
