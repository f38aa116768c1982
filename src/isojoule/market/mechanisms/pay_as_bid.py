"""Pay as bid: the best for all, and everybody pays or gets what was offered.

Spec: docs/spec/auctions.md, U7 and U8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.money import payment_of, payments
from isojoule.kernels.prices import fill
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.copperplate import price_text, refuse_links
from isojoule.market.outcome import clearing_of
from isojoule.market.settle import MOST_MONEY, Paid
from isojoule.valuation import KINDS, Bundle
from isojoule.valuation.curve import integral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BUNDLE = KINDS.index("bundle")
CURVE_MARGIN = 1e-12
"""Integrals of curves may differ by this share between machines."""


@dataclass(frozen=True)
class PayAsBid:
    """Who trades is the best for all; buyers pay their own bids, sellers get their own asks.

    What an offer pays is the integral of its curve from no trade to what it receives. Since the
    allocation maximises the sum of these integrals, the difference that stays with the operator
    (line `spread`) is all of the gains from trade.

    The price of a node is what one Joule more would be worth there; nobody pays it.

    Other names: discriminatory auction, discriminatory-price auction, first-price auction.

    Ties: those who offer the same price share what is left; among indivisible offers by time of
    arrival, then by a hash of seed and id. The order of the input does not matter.

    Sources: Ausubel, Cramton, Pycia, Rostek, Weretka 2014 (Rev. Econ. Stud. 81:1366,
    doi 10.1093/restud/rdu023); on credibility: Akbarpour, Li 2020 (Econometrica 88:425,
    doi 10.3982/ECTA15925).
    """

    name: ClassVar[str] = "pay-as-bid"
    traits: ClassVar[Traits] = Traits(
        summary="The best for all by what is offered; everybody pays or gets the own offer.",
        efficient=Claim(True, "within the certified gap"),
        incentive_compatible=Claim(False, "who bids the truth gains nothing, who bids less may"),
        individually_rational=Claim(True, "everybody pays exactly what was offered"),
        budget=Claim(True, "the gains from trade stay with the operator"),
        budget_class="surplus",
        false_name_proof=Claim(False, "under two names a buyer bids less under both"),
        coalition_proof=Claim(False, "rivals who agree on a low bid share it"),
        credible=Claim(
            True,
            "for an operator that trades no energy: everybody can check the own offer, and the "
            "allocation already leaves the greatest spread",
        ),
        networks=("copperplate",),
        agency="indirect",
        information="mediated",
        game="competition",
        other_names=("discriminatory auction", "first-price auction"),
        sources=(
            "Ausubel et al. 2014, Rev. Econ. Stud. 81:1366, doi 10.1093/restud/rdu023",
            "Akbarpour, Li 2020, Econometrica 88:425, doi 10.3982/ECTA15925",
        ),
        how=(
            "The dearest bids meet the cheapest asks for as long as that gains. Each buyer pays "
            "what it bid for each Joule, each seller gets what it asked. The difference is kept "
            "by the operator."
        ),
        good_for=(
            "an operator who must not be able to cheat: everybody sees that the own offer was "
            "kept to. Offers that are all or nothing, which no single price suits."
        ),
        not_for=(
            "offers that tell the truth, as the curves of devices do: they would gain nothing. A "
            "load that must be served would pay its whole value of lost load."
        ),
    )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        refusal = refuse_links(self.name, book)
        if refusal is not None:
            return refusal
        found = best(book, grid, seed=seed)
        if isinstance(found, NotSolved):
            return Refusal(self.name, found.reason, found.remedy)
        own = own_money(book, found.energy_uj, found.taken)
        if float(np.sum(np.abs(own.worth))) >= MOST_MONEY:
            largest = book.offer_ids[int(np.argmax(np.abs(own.worth)))]
            return Refusal(
                self.name,
                f"the payments pass {MOST_MONEY:.0e} units of money, most of it by offer "
                f"{largest!r}",
                "use a larger unit of money, or correct the prices",
            )
        paid = Paid(own.paid_nano, np.zeros(grid.link_count, np.int64), lines(own, own.paid_nano))
        return clearing_of(self, state, seed, found, paid)

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Everybody pays the integral of the own curve. Raises VerificationError."""
        own = own_money(book, clearing.energy_uj, clearing.taken)
        stored = clearing.payment_nano
        margin = np.where(own.curved, 1 + CURVE_MARGIN * np.abs(own.paid_nano), 0.0)
        wrong = np.abs(stored - own.paid_nano) > margin
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise VerificationError(
                f"pays {stored[at]} nano-units, its own offer comes to {own.paid_nano[at]}",
                place=f"offer {book.offer_ids[at]!r}",
            )
        if clearing.link_payment_nano.any():
            at = int(np.flatnonzero(clearing.link_payment_nano)[0])
            raise VerificationError("earns nothing here", place=f"link {grid.link_ids[at]!r}")
        true = lines(own, stored)
        if clearing.operator.keys() != true.keys():
            raise VerificationError(f"its lines are not {', '.join(true)}", place="operator")
        if clearing.surplus_nano != int(stored.sum()):
            raise VerificationError("the lines do not add up to the payments", place="operator")
        size = float(np.abs(own.paid_nano).astype(np.float64).sum())
        margin_all = 1 + CURVE_MARGIN * size if own.curved.any() else 0
        if abs(clearing.operator["spread"] - true["spread"]) > margin_all:
            raise VerificationError(
                f"is not {true['spread']} nano-units, bids less asks", place="operator.spread"
            )

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """What the price at a node means here."""
        price = float(clearing.price_per_j[node])
        if math.isnan(price):
            return ""
        return (
            f"At {grid.node_ids[node]} one Joule more would be worth {price_text(book, price)}. "
            "Nobody pays that: buyers pay their own bids, sellers get their own asks."
        )


class OwnMoney(NamedTuple):
    """What offers come to by their own curves, shape (offers,).

    `paid_nano` is rounded up for each piece, `worth` is exact but for float64; `curved` says
    where a curve was integrated, whose last digits may differ between machines.
    """

    paid_nano: Ints
    worth: Floats
    curved: NDArray[np.bool_]


def own_money(book: Book, energy_uj: Ints, taken: NDArray[np.bool_] | None) -> OwnMoney:
    """The integral of each offer's curve from no trade to what it receives.

    Of a flat piece it is price times energy, exact in 128 bits; of a curved one a float, rounded.
    """
    p, offer = book.pieces, book.piece_offer.astype(np.int64)
    x = fill(offer, p.lo, p.hi, energy_uj / UJ_PER_J)
    each = integral(p, x)
    flat = (p.b == 0) | (p.c1 == 0)
    level = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    x_uj = np.rint(x * UJ_PER_J).astype(np.int64)
    rounded = np.ceil(np.clip(each, -MOST_MONEY, MOST_MONEY) * NANO_PER_UNIT).astype(np.int64)
    nano = np.where(flat, payments(np.where(flat, level, 0.0), x_uj), rounded)
    nano = np.clip(nano, -(10**18) * 4, 10**18 * 4)  # what is refused must not wrap
    paid = np.zeros(book.offer_count, np.int64)
    np.add.at(paid, offer, nano)
    worth = np.bincount(offer, each, book.offer_count).astype(np.float64)
    curved = np.bincount(offer, ~flat & (x != 0), book.offer_count) > 0
    for i in np.flatnonzero(book.offer_kind == BUNDLE).tolist():
        spec = book.offers[i].spec
        if isinstance(spec, Bundle) and taken is not None and taken[i]:
            worth[i] = spec.price
            paid[i] = payment_of(spec.price, UJ_PER_J)
    return OwnMoney(paid, worth, curved)


def lines(own: OwnMoney, paid_nano: Ints) -> dict[str, int]:
    """The operator's account: bids less asks, and what rounding leaves."""
    spread = round(math.fsum(own.worth.tolist()) * NANO_PER_UNIT)
    return {"spread": spread, "rounding": int(paid_nano.sum()) - spread}
