"""Locational marginal prices: the best allocation that the wires allow, and a price per node.

Spec: docs/spec/market.md, M4 to M9; docs/spec/grid.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isojoule.grid import Grid
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.book import BOOK_NETWORKS, Book
from isojoule.market.check_book import check_book, naming_faults
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.meshed.words import price_words
from isojoule.market.outcome import clearing_of
from isojoule.market.rents import named_payments
from isojoule.market.settle import too_much
from isojoule.market.solvers import AUTO
from isojoule.market.solvers.allocate import allocate_by


@dataclass(frozen=True)
class Lmp:
    """Everyone trades at the price of the own node; every scarce link is named with its rent.

    The allocation maximises welfare over the network, whichever of the four the book names. The
    price of a node is what a Joule more there would cost all. On `dc` it may lie above every
    offer's price or below: where power splits over several ways, a Joule for one node may need
    less from a cheap generator and more from a dear one.

    Other names: nodal pricing, LMP, spot pricing, security-constrained dispatch (without the
    security).

    Ties: as `equilibrium`, the solver shares between offers that are worth the same behind the
    same prices; the outcome does not depend on the order of the input.

    Sources: Schweppe, Caramanis, Tabors, Bohn 1988, Spot Pricing of Electricity, Kluwer, doi
    10.1007/978-1-4613-1683-1; Hogan 1992, Contract networks for electric power transmission, J.
    Regul. Econ. 4:211, doi 10.1007/BF00133621.
    """

    name: ClassVar[str] = "lmp"
    traits: ClassVar[Traits] = Traits(
        summary="Nodal prices on any network; the rent of every scarce link has a name.",
        efficient=Claim(True, "for divisible offers, within the certified gap"),
        incentive_compatible=Claim(False, "a large seller gains by holding back"),
        individually_rational=Claim(
            True,
            "every trade is at or better than the own curve; owners of links lose nothing where no "
            "price is below 0",
        ),
        budget=Claim(
            True,
            "where no price is below 0: buyers pay at least what sellers get, and the rest are "
            "the rents; standing losses, if any, the operator pays for",
        ),
        false_name_proof=Claim(False, "a second name can hold back, or set the price"),
        coalition_proof=Claim(False, "one seller leaves, and the others get more for theirs"),
        credible=Claim(False, "the operator earns the rents, and can bid to raise them"),
        networks=BOOK_NETWORKS,
        agency="indirect",
        information="mediated",
        game="competition",
        budget_class="surplus",
        other_names=("nodal pricing", "locational marginal pricing", "spot pricing"),
        sources=(
            "Schweppe, Caramanis, Tabors, Bohn 1988, Spot Pricing, doi 10.1007/978-1-4613-1683-1",
            "Hogan 1992, Contract networks, J. Regul. Econ. 4:211, doi 10.1007/BF00133621",
        ),
        how=(
            "The offers that are worth most are served from those that ask least, as far as the "
            "wires allow. Each node then has its price: what one Joule more there would cost "
            "everybody together. Whoever buys at a node pays it, whoever sells there gets it. "
            "Where a link is full, buyers behind it pay more than sellers before it get; the "
            "difference is the link's rent and goes to its owner, or to the operator."
        ),
        good_for=(
            "grids in which wires bind, meshed ones too: it shows what each place's energy and "
            "each link is worth, and pays those who relieve a full link where it helps."
        ),
        not_for=(
            "few or large traders, who gain by holding back or by filling a link; people who would "
            "not accept that neighbours pay different prices; offers that are all or nothing."
        ),
    )

    def refuses(self, book: Book) -> Refusal | None:
        """Why no such book is cleared, or None; the check asks, too."""
        if not book.indivisible:
            return None
        return Refusal(
            self.name,
            f"offer {book.indivisible!r} is all-or-nothing, in a group or a bundle: nodal "
            "prices that suit everybody need not exist",
            "make it divisible, or use vcg-exchange or pay-as-bid",
        )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b"",
        solver: str = AUTO,
    ) -> Clearing | Refusal:  # fmt: skip
        """Clear the book. See `isojoule.market.contract`; `solver` is a name or `auto`."""
        refusal = self.refuses(book)
        if refusal is not None:
            return refusal
        with naming_faults(book, grid):
            found = (
                best(book, grid, seed=seed) if solver == AUTO else allocate_by(book, grid, solver)
            )
        if isinstance(found, NotSolved):
            check_book(book, grid)
            return Refusal(self.name, found.reason, found.remedy)
        price = found.support.price
        beyond = too_much(book, found.energy_uj, price)
        if beyond:
            return Refusal(self.name, beyond, "use a larger unit of money, or correct the prices")
        return clearing_of(
            self, state, seed, found, named_payments(book, grid, found, price, found.side)
        )

    def check_payments(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Payments follow from prices and energies, lines from prices, flows and duals."""
        from isojoule.market.verify import check_paid  # which knows all mechanisms

        side = clearing.certificate.side
        paid = named_payments(book, grid, clearing, clearing.price_per_j, side)
        check_paid(book, grid, clearing, paid)

    def price_reason(self, book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
        """Why the price is what it is, where full links shift it on `dc`; else ""."""
        return price_words(book, grid, clearing, node) if book.network == "dc" else ""
