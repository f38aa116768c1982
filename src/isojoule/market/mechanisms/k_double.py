"""The k-double auction on flat steps, all in integers.

Spec: docs/spec/auctions.md, U5, U17 to U19.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text
from isojoule.market.mechanisms.k_double_naive import audit
from isojoule.market.mechanisms.step_traders import (
    Meeting,
    Quotes,
    clearing_of,
    meeting,
    ranks_of,
    shared,
    steps_of,
    too_much,
)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class KDouble:
    """Flat steps trade at one price, `kappa` of the way between the prices that clear.

    Bids fall, asks rise, microjoule by microjoule, and the first `k` could trade; all do. The price
    is `kappa * min(b_k, s_{k+1}) + (1 - kappa) * max(s_k, b_{k+1})`. It is `uniform-price` for
    books of steps alone: no solver, no dust, every number in integers but the price.

    Other names: double auction with the k price rule, call market.

    Ties: steps at the price of the last microjoule share what is left in proportion to their
    sizes; single microjoules that remain go by a hash of (seed, offer).

    Sources: Chatterjee, Samuelson 1983 (Oper. Res. 31:835, doi 10.1287/opre.31.5.835);
    Satterthwaite, Williams 1989 (J. Econ. Theory 48:107, doi 10.1016/0022-0531(89)90121-X).

    Parameters
    ----------
    kappa
        0 takes the lowest price that clears, 1 the highest.
    """

    kappa: float = 0.5

    name: ClassVar[str] = "k-double"
    traits: ClassVar[Traits] = Traits(
        summary="One price between the last bid and the last ask, in exact integers.",
        efficient=Claim(True, "for flat steps, to the microjoule"),
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
        other_names=("k price rule", "call market"),
        sources=(
            "Chatterjee, Samuelson 1983, Oper. Res. 31:835, doi 10.1287/opre.31.5.835",
            "Satterthwaite, Williams 1989, J. Econ. Theory 48:107",
        ),
        how=(
            "All bids are sorted from dear to cheap, all asks from cheap to dear. Trade goes on "
            "for as long as the next bid is at least the next ask. Then one price is set for "
            "everybody: the last buyer and the last seller agree to it, and nobody who was left "
            "out would want to trade at it. Of the prices that do, kappa picks one."
        ),
        good_for=(
            "large books of plain bids and asks, cleared fast and to the microjoule; half of the "
            "gain to each side, or all of it to one, as kappa says."
        ),
        not_for=(
            "batteries and other curves, which uniform-price clears by the same rule; few or large "
            "traders, who gain by holding back."
        ),
    )

    def __post_init__(self) -> None:
        number = isinstance(self.kappa, int | float) and not isinstance(self.kappa, bool)
        if not (number and 0.0 <= self.kappa <= 1.0):
            raise InputError(
                f"kappa of {self.kappa!r} is not a share", remedy="give a number from 0 to 1"
            )
        object.__setattr__(self, "kappa", float(self.kappa))

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        both = steps_of(self.name, book)
        if isinstance(both, Refusal):
            return both
        met = meeting(both)
        price = self.price(*met.ends)
        bought = filled(both.bids, met.traded_uj, book, seed)
        sold = filled(both.asks, met.traded_uj, book, seed)
        refusal = too_much(self.name, bought, 2 * price)
        if refusal is not None:
            return refusal
        energy = np.zeros(book.offer_count, np.int64)
        np.add.at(energy, both.bids.offer, bought)
        np.subtract.at(energy, both.asks.offer, sold)
        paid = payments(np.full(energy.size, price), energy)
        dual = 0.0 if math.isnan(price) else price
        return clearing_of(self, book, grid, state, seed, energy, paid, {}, price, met.ends, dual)

    def price(self, lowest: float, highest: float) -> float:
        """The price rule: `kappa` of the way up, or the finite end, or nan."""
        if math.isinf(lowest) or math.isinf(highest):
            ends = [v for v in (lowest, highest) if math.isfinite(v)]
            return ends[0] if ends else math.nan
        between = self.kappa * highest + (1.0 - self.kappa) * lowest
        return min(max(between, lowest), highest)  # rounding may step over an end

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(book, grid, clearing, self.kappa)

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """How the price came about."""
        both = steps_of(self.name, book)
        if isinstance(both, Refusal):
            return ""
        met, name = meeting(both), grid.node_ids[node]
        low, high = met.ends
        price = self.price(low, high)
        if math.isnan(price):
            return ""
        told = f"At {name} a Joule costs {price_text(book, price)}: "
        if low == high or math.isinf(low) or math.isinf(high):
            return told + why_one(book, met)
        return told + (
            f"every price from {price_text(book, low)} to {price_text(book, high)} clears, and "
            f"{100 * self.kappa:g} % of the way up is taken."
        )


def filled(steps: Quotes, traded_uj: int, book: Book, seed: bytes) -> Ints:
    """What each step trades: the best ones all, those at the last price their share."""
    done = steps.size_uj.copy()
    before = np.cumsum(done) - done
    done[before >= traded_uj] = 0
    if not traded_uj:
        return done
    last = steps.price[np.count_nonzero(before < traded_uj) - 1]
    alike = np.flatnonzero(steps.price == last)
    left = traded_uj - int(before[alike[0]])
    want = steps.size_uj[alike]
    if left < int(want.sum()):
        done[alike] = shared(
            want, left, lambda: ranks_of("k-double", book.offer_ids, steps.offer[alike], seed)
        )
    return done


def why_one(book: Book, met: Meeting) -> str:
    """Why there is but one price."""
    low, high = met.ends
    if math.isinf(low) or math.isinf(high):
        return (
            "the best offer, and nobody is on the other side."
            if not met.traded_uj
            else ("the one end that offers give it.")
        )
    if met.last_bid == met.next_bid == low:
        return "those who bid it get only a part of what they want."
    if met.last_ask == met.next_ask == high:
        return "those who ask it sell only a part of what they have."
    return f"it is the one price between {price_text(book, low)} and {price_text(book, high)}."
