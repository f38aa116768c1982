"""The equilibrium of the graph market: the welfare optimum at nodal prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.allocation import Allocation, NotSolved
from isojoule.market.book import NETWORKS, Book
from isojoule.market.check_book import check_book, naming_faults
from isojoule.market.contract import Claim, Clearing, Refusal, State, Traits
from isojoule.market.outcome import clearing_of
from isojoule.market.settle import nodal_payments, too_much
from isojoule.market.solvers import AUTO
from isojoule.market.solvers.allocate import allocate_by
from isojoule.market.solvers.auto import allocate_auto


@dataclass(frozen=True)
class Equilibrium:
    """Energy flows from where it is worth little to where it is worth much, until no trade pays.

    The allocation maximises the sum of the integrals of all curves over the network. Everyone
    pays and is paid the price of the own node. Full links leave a congestion rent, quadratic
    losses a loss rent; both are lines of the operator's account.

    Other names: locational marginal pricing, competitive equilibrium, Walrasian equilibrium.

    Ties: where offers are worth the same and lie behind the same prices, the solver shares between
    them (docs/spec/solvers.md); the outcome does not depend on the order of the input.

    Sources: Samuelson 1952 (Am. Econ. Rev. 42:283); Bohn, Caramanis, Schweppe 1984 (RAND J.
    Econ. 15:360).
    """

    name: ClassVar[str] = "equilibrium"
    traits: ClassVar[Traits] = Traits(
        summary="Welfare optimum on the network; everyone trades at the price of the own node.",
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
        networks=NETWORKS,
        agency="indirect",
        information="mediated",
        game="competition",
        how="Energy flows from where a Joule is worth little to where it is worth much, until no "
        "trade pays. The outcome has the greatest sum of everybody's worth that the wires allow. "
        "Everyone trades at the price of the own node.",
        good_for="Seeing what a neighbourhood's energy is worth and where the wires bind, and as "
        "the measure for any other rule.",
        not_for="Offers that are all or nothing; places where one owner has most of the batteries "
        "and bids as it likes; people who would not accept that two homes on one street pay "
        "different prices. It does not plan ahead: each interval is cleared by itself, and a "
        "battery looks ahead only through its curve.",
        other_names=(
            "locational marginal pricing",
            "competitive equilibrium",
            "Walrasian equilibrium",
        ),
        sources=(
            "Samuelson 1952, Am. Econ. Rev. 42:283",
            "Bohn, Caramanis, Schweppe 1984, RAND J. Econ. 15:360",
        ),
    )

    def refuses(self, book: Book) -> Refusal | None:
        """Why no such book is cleared, or None; the check asks, too."""
        return refuse_unfit(self.name, book)

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b"",
        solver: str = AUTO,
    ) -> Clearing | Refusal:  # fmt: skip
        """Clear the book. See `isojoule.market.contract`; `solver` is a name or `auto`."""
        refusal = self.refuses(book)
        if refusal is not None:
            return refusal
        with naming_faults(book, grid):
            found = allocate_auto(book, grid) if solver == AUTO else allocate_by(book, grid, solver)
        return self._clearing(book, grid, state, seed, found)

    def clear_from(
        self, book: Book, grid: Grid, *, state: State | None, seed: bytes, start: Any
    ) -> tuple[Clearing | Refusal, Any]:
        """Clear the book from the flows of the interval before. See `isojoule.market.contract`."""
        refusal = self.refuses(book)
        if refusal is not None:
            return refusal, None
        with naming_faults(book, grid):
            found = allocate_auto(book, grid, start)
        clearing = self._clearing(book, grid, state, seed, found)
        if isinstance(clearing, Refusal):
            return clearing, None
        return clearing, clearing.flow_uj / UJ_PER_J

    def _clearing(
        self, book: Book, grid: Grid, state: State | None, seed: bytes,
        found: Allocation | NotSolved,
    ) -> Clearing | Refusal:  # fmt: skip
        if isinstance(found, NotSolved):
            check_book(book, grid)
            return Refusal(self.name, found.reason, found.remedy)
        s = found.support
        beyond = too_much(book, found.energy_uj, s.price)
        if beyond:
            return Refusal(self.name, beyond, "use a larger unit of money, or correct the prices")
        paid = nodal_payments(book, grid, found, s.price)
        return clearing_of(self, state, seed, found, paid)


def refuse_unfit(name: str, book: Book) -> Refusal | None:
    """The refusal of a book that needs another network or an integer program, or None."""
    if book.network not in NETWORKS:
        return Refusal(
            name, f"network {book.network!r} is not cleared by it", f"use {' or '.join(NETWORKS)}"
        )
    if book.indivisible:
        return Refusal(
            name,
            f"offer {book.indivisible!r} is all-or-nothing, in a group or a bundle",
            "make it divisible",
        )
    return None
