"""The best allocation of any book, by the solver that fits it.

`best` is what mechanisms call. It picks by the network and by whether all offers are divisible:
arcs and an interior point for `copperplate` and `transport` (`isojoule.market.allocation`), rows
beside them for `lindistflow` (`isojoule.market.radial`) and `dc` (`isojoule.market.meshed`), an
integer program where offers are indivisible (`isojoule.market.integer.allocate`).
"""

from __future__ import annotations

from isojoule.grid import Grid
from isojoule.market.allocation import Allocation, NotSolved
from isojoule.market.book import NETWORKS, Book
from isojoule.market.far_apart import prove
from isojoule.market.radial.optimum import allocate_radial


def best(book: Book, grid: Grid, *, seed: bytes = b"") -> Allocation | NotSolved:
    """The allocation of greatest welfare.

    Parameters
    ----------
    book, grid
        What is offered, and where.
    seed
        Breaks ties between choices that are worth the same.

    Returns
    -------
    The allocation, or why there is none: no solver for this network, no optimum, or no proof.
    """
    if book.network == "lindistflow":
        return prove(book, grid, allocate_radial(book, grid))
    if book.network == "dc":
        from isojoule.market.meshed.optimum import allocate_meshed

        return prove(book, grid, allocate_meshed(book, grid))
    if book.network not in NETWORKS:
        return NotSolved(
            f"network {book.network!r} is not cleared", f"use one of {', '.join(NETWORKS)}"
        )
    if book.indivisible:
        from isojoule.market.integer.allocate import (
            allocate_integer,  # scipy.optimize is slow to import
        )

        return allocate_integer(book, grid, seed=seed)
    from isojoule.market.solvers.auto import allocate_auto

    return allocate_auto(book, grid)
