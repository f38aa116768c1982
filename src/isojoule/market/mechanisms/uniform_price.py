"""The k-double auction: one price for all, somewhere between the last bid and the last ask.

Spec: docs/spec/auctions.md, U4 to U6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError, VerificationError
from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import refuse_links
from isojoule.market.outcome import clearing_of
from isojoule.market.settle import Paid, too_much

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class UniformPrice:
    """All bids and asks meet at one moment; who trades, trades at one price.

    The allocation has the greatest gains from trade. With `k` pairs that trade, bids `b` falling
    and asks `s` rising, every price in [max(s_k, b_{k+1}), min(b_k, s_{k+1})] clears the market;
    the price is `kappa` of the way up. Whole curves are cleared alike, and where a curve is cut
    within a step, that step sets the price and `kappa` does not matter.

    Other names: k-double auction, call market, market-clearing price, uniform-price auction.

    Ties: those who bid (or ask) the price share what is left; the order of the input does not
    matter.

    Sources: Chatterjee, Samuelson 1983 (Oper. Res. 31:835, doi 10.1287/opre.31.5.835); Rustichini,
    Satterthwaite, Williams 1994 (Econometrica 62:1041, doi 10.2307/2951506).

    Parameters
    ----------
    kappa
        0 takes the lowest price that clears, 1 the highest.
    """

    kappa: float = 0.5

    name: ClassVar[str] = "uniform-price"
    traits: ClassVar[Traits] = Traits(
        summary="One price for all, between the last bid and the last ask that trade.",
        efficient=Claim(True, "for divisible offers, within the certified gap"),
        incentive_compatible=Claim(
            False, "who is large enough to set the price gains by holding back"
        ),
        individually_rational=Claim(True, "nobody buys above the own bid or sells below the ask"),
        budget=Claim(True, "buyers pay what sellers get; rounding is the operator's"),
        budget_class="balanced",
        false_name_proof=Claim(False, "a second name can hold back, or set the price"),
        coalition_proof=Claim(False, "one seller leaves, and the others get more for theirs"),
        credible=Claim(False, "whoever runs it and also sells can plant a bid that nobody sees"),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        other_names=("k-double auction", "call market", "market-clearing price"),
        sources=(
            "Chatterjee, Samuelson 1983, Oper. Res. 31:835, doi 10.1287/opre.31.5.835",
            "Rustichini, Satterthwaite, Williams 1994, Econometrica 62:1041, doi 10.2307/2951506",
        ),
        how=(
            "All bids are sorted from dear to cheap, all asks from cheap to dear. Trade goes on "
            "for as long as the next bid is at least the next ask. Then one price is set for "
            "everybody: the last buyer and the last seller agree to it, and nobody who was left "
            "out would want to trade at it."
        ),
        good_for=(
            "many small traders at one place: nobody is large enough to move the price, the "
            "outcome is the best for all, and the money adds up without a subsidy."
        ),
        not_for=(
            "few or large traders, who gain by holding back; places where wires bind; offers that "
            "are all or nothing, for which one price need not exist."
        ),
    )

    def __post_init__(self) -> None:
        number = isinstance(self.kappa, int | float) and not isinstance(self.kappa, bool)
        if not (number and 0.0 <= self.kappa <= 1.0):
            raise InputError(
                f"kappa of {self.kappa!r} is not a share", remedy="give a number from 0 to 1"
            )
        object.__setattr__(self, "kappa", float(self.kappa))

    def refuses(self, book: Book) -> Refusal | None:
        """Why no such book is cleared, or None; the check asks, too."""
        refusal = refuse_links(self.name, book)
        if refusal is None and book.indivisible:
            return Refusal(
                self.name,
                f"offer {book.indivisible!r} is all-or-nothing, in a group or a bundle: one price "
                "that suits everybody need not exist",
                "make it divisible, or use pay-as-bid",
            )
        return refusal

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        refusal = self.refuses(book)
        if refusal is not None:
            return refusal
        found = best(book, grid, seed=seed)
        if isinstance(found, NotSolved):
            return Refusal(self.name, found.reason, found.remedy)
        price = self.prices(found.support.lowest, found.support.highest)
        beyond = too_much(book, found.energy_uj, price)
        if beyond:
            return Refusal(self.name, beyond, "use a larger unit of money, or correct the prices")
        found = replace(found, support=replace(found.support, price=price, by_prices=None))
        return clearing_of(self, state, seed, found, _paid(book, grid, price, found.energy_uj))

    def prices(self, lowest: Floats, highest: Floats) -> Floats:
        """The price rule: `kappa` of the way up, or the finite end, or nan."""
        with np.errstate(invalid="ignore"):
            between = self.kappa * highest + (1.0 - self.kappa) * lowest
            between = np.clip(between, lowest, highest)  # rounding may step over an end
        between = np.where(np.isfinite(lowest), between, highest)
        between = np.where(np.isfinite(highest), between, lowest)
        price: Floats = np.where(np.isfinite(between), between, np.nan)
        return price

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Everybody pays price times energy. Raises VerificationError."""
        paid = _paid(book, grid, clearing.price_per_j, clearing.energy_uj)
        wrong = clearing.payment_nano != paid.offers
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise VerificationError(
                "pays something else than price times energy",
                place=f"offer {book.offer_ids[at]!r}",
            )
        if clearing.link_payment_nano.any():
            at = int(np.flatnonzero(clearing.link_payment_nano)[0])
            raise VerificationError("earns nothing here", place=f"link {grid.link_ids[at]!r}")
        if clearing.operator != paid.operator:
            raise VerificationError("is not the rounding of the payments", place="operator")


def _paid(book: Book, grid: Grid, price: Floats, energy_uj: Ints) -> Paid:
    """Payments at one price; what rounding leaves is the operator's."""
    offers = payments(price[book.offer_node], energy_uj)
    return Paid(offers, np.zeros(grid.link_count, np.int64), {"rounding": int(offers.sum())})
