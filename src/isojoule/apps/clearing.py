"""`isojoule.clear`: from a book to its outcome, in one call."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isojoule.apps.files.book_files import BookFile, read_book
from isojoule.apps.files.book_folder import BY_COLUMNS
from isojoule.apps.files.clearing_files import answer, write_clearing
from isojoule.apps.files.clearing_folder import write_clearing_folder
from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.check_book import check_book
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.solvers import clear_with


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Cleared:
    """A book with its clearing, for reading; printed, and in a notebook, it is tables.

    Attributes
    ----------
    file
        Book, grid and normal form.
    clearing
        The exact outcome.
    """

    file: BookFile
    clearing: Clearing

    @property
    def prices(self) -> dict[str, float | None]:
        """Price at each node, money per J; None where there is none."""
        prices = self.clearing.price_per_j.tolist()
        return {
            node: None if math.isnan(price) else price
            for node, price in zip(self.file.grid.node_ids, prices, strict=True)
        }

    @property
    def energy_j(self) -> dict[str, float]:
        """Energy that each offer receives, J (negative: delivers)."""
        energies = (self.clearing.energy_uj / UJ_PER_J).tolist()
        return dict(zip(self.file.book.offer_ids, energies, strict=True))

    @property
    def payments(self) -> dict[str, float]:
        """What each offer pays, money (negative: is paid)."""
        payments = (self.clearing.payment_nano / NANO_PER_UNIT).tolist()
        return dict(zip(self.file.book.offer_ids, payments, strict=True))

    def explain(self, node: str) -> str:
        """Why the price at the node is what it is."""
        return explain(self.file.book, self.file.grid, self.clearing, node)

    def __repr__(self) -> str:
        """What it is, in one line."""
        c = self.clearing
        return (
            f"<Cleared by {c.mechanism}: {self.file.book.offer_count} offers, gains from trade "
            f"{c.welfare:.6g} {self.file.book.currency}>"
        )

    def __str__(self) -> str:
        """The tables of `isojoule clear`."""
        from isojoule.apps.cli.tables import clearing_text

        if not self.file.book.offers and self.file.book.offer_count:
            return repr(self)  # offers in columns have no rows to be told
        return clearing_text(self.file, self.clearing)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return f"<pre>{html.escape(str(self))}</pre>"

    def answer(self) -> dict[str, Any]:
        """The JSON answer as a document."""
        return answer(self.file, self.clearing)

    def write(self, path: Path | str) -> None:
        """Write the JSON answer, or a folder of tables if the book is large or a folder is there.

        `isojoule verify` checks both.
        """
        if self.file.files or Path(path).is_dir():
            write_clearing_folder(path, self.file, self.clearing)
        else:
            write_clearing(path, self.file, self.clearing)


def clear(
    book: Path | str | BookFile | Book,
    grid: Grid | None = None,
    *,
    mechanism: str = "equilibrium",
    solver: str = "auto",
    state: dict[str, Any] | None = None,
    seed: bytes = b"",
    **parameters: Any,
) -> Cleared | Refusal:
    """Clear a book.

    Parameters
    ----------
    book
        Path of a book file or folder, or a book.
    grid
        Needed with a `Book`, and only there.
    mechanism, parameters
        Name and parameters of the mechanism.
    solver
        Name of the solver (see `isojoule.market.solvers`); for `equilibrium` and `lmp`.
    state
        What the clearing before left, as `Cleared.clearing.state`; for mechanisms that carry some.
    seed
        For ties and chance.

    Returns
    -------
    The outcome, or the mechanism's refusal, which says why.

    Raises
    ------
    InputError
        Bad file, unknown mechanism or solver, a book without its grid, or with columns that are
        wrong (see `isojoule.market.check_book`).
    """
    if isinstance(book, Book):
        if grid is None:
            raise InputError("a Book without its grid", remedy="give clear(book, grid)")
        check_book(book, grid)
        file = BookFile(book, grid)
    elif grid is not None:
        raise InputError("a grid beside a book file", remedy="leave the grid out")
    else:
        by_columns = mechanism in BY_COLUMNS
        file = book if isinstance(book, BookFile) else read_book(book, columns=by_columns)
    rule = get(mechanism, **parameters)
    outcome = clear_with(rule, file.book, file.grid, solver, state=state, seed=seed)
    return outcome if isinstance(outcome, Refusal) else Cleared(file, outcome)
