"""The sealed-bid auction of one block, at the first or the second price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import ClassVar

from isojoule.core.errors import InputError, VerificationError
from isojoule.grid import Grid
from isojoule.market.block import (
    block_price_reason,
    block_reasons,
    check_block,
    clearing_of,
    is_money,
    read_auction,
    unfit,
)
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.valuation import Offer


@dataclass(frozen=True)
class SealedBid:
    """One block goes to the highest bid, which pays itself or the next one.

    The seller's ask and `reserve` are what a bid must reach; the winner never pays less. At the
    second price it pays the highest bid of another participant, or what had to be reached.

    Parameters
    ----------
    price
        "first": the winner pays its own bid; "second": the next one.
    reserve
        What the whole block must bring at least, money; None: the seller's ask alone counts.

    Other names: first-price and second-price auction, Vickrey auction, tender.

    Sources: Vickrey 1961 (J. Finance 16:8, doi 10.1111/j.1540-6261.1961.tb02789.x); Akbarpour,
    Li 2020 (Econometrica 88:425, doi 10.3982/ECTA15925) on credibility. Spec: docs/spec/session.md,
    S18 to S20.
    """

    price: str = "second"
    reserve: float | None = None

    name: ClassVar[str] = "sealed-bid"
    traits: ClassVar[Traits] = Traits(
        summary="One block to the highest sealed bid, at the first or the second price.",
        efficient=Claim(True, "without a reserve beyond the ask"),
        incentive_compatible=Claim(
            False,
            "at the first price who bids less pays less; at the second nobody gains by another "
            "bid, but the seller, who is the auctioneer, may by asking more",
        ),
        individually_rational=Claim(True, "nobody pays more than its bid, or sells below its ask"),
        budget=Claim(True, "the winner pays the seller, to the nano-unit"),
        false_name_proof=Claim(
            False, "at the second price a seller who bids under another name raises its price"
        ),
        coalition_proof=Claim(False, "two bidders agree that one of them stays away"),
        credible=Claim(
            False, "at the second price whoever opens the bids can slip in one just below the best"
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        budget_class="balanced",
        how="Everybody hands in one bid for all of it, unseen by the others. The highest gets it. "
        "It pays its own bid (first price) or the next highest (second price).",
        good_for="Selling one thing once: a block of tomorrow's sun, a place at a battery.",
        not_for="Many buyers who each want a little, or a seller whom nobody trusts to open bids "
        "honestly: there, use deferred-revelation.",
        other_names=("first-price auction", "second-price auction", "Vickrey auction"),
        sources=(
            "Vickrey 1961, J. Finance 16:8, doi 10.1111/j.1540-6261.1961.tb02789.x",
            "Akbarpour, Li 2020, Econometrica 88:425, doi 10.3982/ECTA15925",
        ),
    )

    def __post_init__(self) -> None:
        if self.price not in ("first", "second"):
            raise InputError(
                f"price {self.price!r} of sealed-bid", remedy="use price=first or price=second"
            )
        if self.reserve is not None and not is_money(self.reserve):
            raise InputError(
                f"reserve {self.reserve!r} of sealed-bid",
                remedy="give money for the whole block, 0 or more, or null",
            )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        found = read_auction(self.name, book, seed)
        if isinstance(found, Refusal):
            return found
        least = found.ask if self.reserve is None else max(found.ask, Fraction(self.reserve))
        winner = found.bids[0] if found.bids and found.bids[0].worth >= least else None
        price = least
        if winner is not None and self.price == "first":
            price = winner.worth
        elif winner is not None and len(found.bids) > 1:
            price = max(least, found.bids[1].worth)
        return clearing_of(
            self.name, asdict(self), seed, book, grid, found, winner, price, state_before=state
        )

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        found = read_auction(self.name, book, clearing.seed)
        if isinstance(found, Refusal):
            raise VerificationError(f"the rule gives no clearing: {found}")
        check_block(book, clearing, self._reserve, self.price, 0)

    def auctioneer(self, book: Book) -> str | Refusal:
        """The one who sells the block."""
        found = read_auction(self.name, book, b"")
        if isinstance(found, Refusal):
            return found
        return book.participants[int(book.offer_participant[found.seller])]

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> Sequence[str]:
        """Why each offer got what it got."""
        return block_reasons(book, clearing, self._reserve)

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the price came about."""
        first = self.price == "first"
        return block_price_reason(book, grid, clearing, node, self._reserve, first)

    @property
    def _reserve(self) -> Fraction | None:
        return None if self.reserve is None else Fraction(self.reserve)

    def unfit(self, offer: Offer, others: Sequence[Offer], *, sealed: bool) -> str:
        """Why a session does not take an offer after those that it has, or ""."""
        return unfit(offer, others)
