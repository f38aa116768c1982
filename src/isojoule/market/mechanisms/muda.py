"""MUDA: each half of the market trades at the price of the other half.

Spec: docs/spec/auctions.md, U17, U20 to U24.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text
from isojoule.market.mechanisms.muda_halves import Half, halves, price_of
from isojoule.market.mechanisms.muda_naive import audit
from isojoule.market.mechanisms.step_traders import clearing_of, drawn, too_much, traders_of

LONG_SIDE = ("lottery", "displacement")


@dataclass(frozen=True)
class Muda:
    """Buyers and sellers of many units are split into two halves by lot, and swap prices.

    Each half has an equilibrium price, the middle of the prices that would clear it. The other
    half trades at it: all want what they want at that price, the shorter side gets all of that,
    and of the longer side either lots decide who comes first (`lottery`), or the best steps win
    and pay for what they displace (`displacement`): the losing steps of others, as far as they won.

    Lots are drawn from the seed, so the seed must be public and beyond anybody's choice: a value
    that nobody knew when offers closed, to which the operator was committed, or that a public
    beacon gave. An operator that picks the seed picks the halves.

    Other names: multi-unit double auction, random halving.

    Ties: steps at one price by the lot of their participants. Lots go by the place in the order of
    the book's participants, which nobody's price moves.

    Sources: Segal-Halevi, Hassidim, Aumann 2018 (AAAI 32, arXiv 1712.06848); Vickrey 1961 (J.
    Finance 16:8, doi 10.1111/j.1540-6261.1961.tb02789.x). Checked against the authors' code
    (github.com/erelsgl/double-auction, doubleauction.py); the papers themselves were not read.

    Parameters
    ----------
    long_side
        "lottery": no money is left over; "displacement": more is gained, and the fees are the
        operator's.
    """

    long_side: str = "lottery"

    name: ClassVar[str] = "muda"
    tells: ClassVar[bool] = True
    traits: ClassVar[Traits] = Traits(
        summary="Truthful for many units: each half trades at the price of the other.",
        efficient=Claim(False, "the halves do not trade with each other, and their prices differ"),
        incentive_compatible=Claim(
            True,
            "for flat steps of one offer each, where no price is below 0, whatever the seed: no "
            "one's own numbers set the price of the own half",
        ),
        individually_rational=Claim(
            True, "nobody buys above the own bid or sells below the own ask"
        ),
        budget=Claim(True, "with lots nothing but rounding is left; else what was displaced"),
        budget_class="surplus",
        false_name_proof=Claim(False, "a false name may fall into the other half and move a price"),
        coalition_proof=Claim(False, "a friend in the other half can move the price"),
        credible=Claim(
            False,
            "who also trades can plant offers in the other half; and who picks the seed picks the "
            "halves: it has to be committed to, or public",
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        other_names=("multi-unit double auction", "random halving"),
        sources=(
            "Segal-Halevi, Hassidim, Aumann 2018, AAAI 32, arXiv 1712.06848",
            "Vickrey 1961, J. Finance 16:8, doi 10.1111/j.1540-6261.1961.tb02789.x",
        ),
        checked=(
            "halves, swapped prices, lots and fees against E. Segal-Halevi's code "
            "(github.com/erelsgl/double-auction, doubleauction.py), whose examples come out the "
            "same, as do 500 random halves at given prices with fees, and the example of the "
            "paper as PyMarket's tests retell it. That code "
            "leaves out who is indifferent, and takes an end of the prices that clear; here the "
            "indifferent are in, and the middle is taken. The paper itself was not read."
        ),
        how=(
            "Lots split everybody into two halves. In each, a price is found at which as much is "
            "wanted as offered. Then the halves swap prices, and each trades within itself. Where "
            "more is wanted than offered, or the other way round, lots decide who comes first."
        ),
        good_for=(
            "large markets of homes with several steps each, where nobody should have to think "
            "about strategy and no operator should earn: with many traders little is lost."
        ),
        not_for=(
            "a dozen traders, of whom halves are too small; a place without a public source of "
            "chance: the seed must be beyond the operator's choice; offers that buy and sell."
        ),
    )

    def __post_init__(self) -> None:
        if self.long_side not in LONG_SIDE:
            raise InputError(
                f"long_side {self.long_side!r} of muda",
                remedy=f"use long_side={' or long_side='.join(LONG_SIDE)}",
            )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        both = traders_of(self.name, book)
        if isinstance(both, Refusal):
            return both
        lottery = self.long_side == "lottery"
        one, other = found = halves(book, both, seed, lottery=lottery)
        energy, paid = one.energy_uj + other.energy_uj, one.paid_nano + other.paid_nano
        dearest = max(float(np.abs(steps.price).max(initial=0.0)) for steps in both)
        refusal = too_much(self.name, energy, 2 * dearest)
        if refusal is not None:
            return refusal
        lines = {} if lottery else {"displacement": sum(map(fees, found))}
        prices = [half.price for half in found if half.energy_uj.any()]
        ends = (min(prices), max(prices)) if prices else (-math.inf, math.inf)
        price = ends[0] if prices and ends[0] == ends[1] else math.nan
        dual = price_of(both)
        return clearing_of(
            self, book, grid, state, seed, energy, paid, lines, price, ends,
            0.0 if math.isnan(dual) else dual, told(one, other),
        )  # fmt: skip

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(book, grid, clearing, lottery=self.long_side == "lottery")

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer got what it got, "" where it is plain."""
        words = [""] * book.offer_count
        both = traders_of(self.name, book)
        if isinstance(both, Refusal):
            return words
        found = halves(book, both, clearing.seed, lottery=self.long_side == "lottery")
        odd = drawn("muda", book, clearing.seed) & np.uint64(1)
        for side, steps in ((1, both.bids), (-1, both.asks)):
            for offer in np.unique(steps.offer).tolist():
                half = found[int(odd[offer])]
                own = steps.offer == offer
                wants = own & (side * (steps.price - half.price) >= 0)
                got = abs(int(half.energy_uj[offer]))
                if got == int(steps.size_uj[own].sum()):
                    continue
                words[offer] = _why(book, half, side, got, int(steps.size_uj[wants].sum()))
        return words

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """The prices of both halves."""
        prices = [p for p in clearing.notes.get("prices_per_j", ()) if isinstance(p, float)]
        if not prices or math.isfinite(clearing.price_per_j[node]):
            return ""
        told = " and ".join(price_text(book, p) for p in prices)
        return f"No one price holds at {grid.node_ids[node]}: one half each is offered {told}."


def _why(book: Book, half: Half, side: int, got: int, wants: int) -> str:
    if math.isnan(half.price):
        return "not taken: the other half has no price"
    price = price_text(book, half.price)
    if wants == 0:
        what = "bid is below" if side > 0 else "ask is above"
        return f"price: its best {what} {price}, the price of the other half"
    if got == wants:
        return f"price: the rest of it does not suit {price}, the price of the other half"
    return (
        f"not taken, or in part: at {price}, the price of the other half, more is "
        f"{'wanted than offered' if side > 0 else 'offered than wanted'}"
    )


def fees(half: Half) -> int:
    """What a half pays beyond its price for what it displaces, nano-units."""
    if math.isnan(half.price):
        return 0
    long = np.sign(half.energy_uj) == half.long
    plain = payments(np.full(half.energy_uj.size, half.price), half.energy_uj)
    return int((half.paid_nano - plain)[long].sum()) if half.long else 0


def told(one: Half, other: Half) -> dict[str, Any]:
    """At which price each half may trade, and which of its sides was longer."""
    both = (one, other)
    return {
        "prices_per_j": [None if math.isnan(half.price) else half.price for half in both],
        "longer": [{1: "buyers", -1: "sellers", 0: ""}[half.long] for half in both],
    }
