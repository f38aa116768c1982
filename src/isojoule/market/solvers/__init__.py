"""Solvers by name, one per file: other ways to the same optimum.

All take one program and give one solution (`isojoule.market.optimum.Solver`); integers, prices and
certificate are made from it by the same code, and the same check accepts them. So the name of the
solver is no part of an outcome. Spec: docs/spec/solvers.md.
"""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any, Protocol

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Mechanism, Refusal, State
from isojoule.market.optimum import Columns, Floats, Ints
from isojoule.valuation.curve import Pieces

AUTO = "auto"
"""The solver that a mechanism uses by itself."""


class Method(Protocol):
    """A solver with its name.

    Attributes
    ----------
    name, summary
        How it is called, and what it does in a line.
    measure
        What the residual of its solutions means, in words.
    """

    name: str
    summary: str
    measure: str

    def unfit(self, book: Book, grid: Grid, network: Network, columns: Columns) -> str:
        """Why it cannot solve this book, or ""."""
        ...

    def solve(
        self, network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        """See `isojoule.market.optimum.Solver`."""
        ...


def names() -> list[str]:
    """Names of all solvers, without `auto`."""
    return sorted(_BUILT_IN)


def get(name: str) -> Method:
    """The solver of this name.

    Raises
    ------
    InputError
        Unknown name.
    """
    if name not in _BUILT_IN:
        raise InputError(
            f"unknown solver {name!r}",
            place="solver",
            remedy=f"use one of {', '.join([AUTO, *names()])}",
        )
    module, attribute = _BUILT_IN[name].split(":")
    method: Method = getattr(import_module(module), attribute)()
    return method


def check(mechanism: Mechanism, solver: str) -> None:
    """Check that this mechanism can be asked to use this solver.

    Raises
    ------
    InputError
        Unknown name, or the mechanism has no solver to choose.
    """
    if solver == AUTO:
        return
    get(solver)
    if "solver" not in signature(mechanism.clear).parameters:
        raise InputError(
            f"mechanism {mechanism.name!r} has no solver to choose",
            place="solver",
            remedy="leave the solver out, or use equilibrium or lmp",
        )


def clear_with(
    mechanism: Mechanism, book: Book, grid: Grid, solver: str, *, state: State | None = None,
    seed: bytes = b"",
) -> Clearing | Refusal:  # fmt: skip
    """Clear by a mechanism and the solver of this name; raises as `check`."""
    check(mechanism, solver)
    if solver == AUTO:
        return mechanism.clear(book, grid, state=state, seed=seed)
    rule: Any = mechanism  # whose `clear` takes a solver, as `check` has seen
    outcome: Clearing | Refusal = rule.clear(book, grid, state=state, seed=seed, solver=solver)
    return outcome


_BUILT_IN = {
    "closed-form": "isojoule.market.solvers.closed_form:ClosedForm",
    "first-order": "isojoule.market.solvers.first_order:FirstOrder",
    "interior-point": "isojoule.market.solvers.interior_point:InteriorPoint",
    "primal-dual": "isojoule.market.solvers.primal_dual:PrimalDual",
    "relaxation": "isojoule.market.solvers.relaxation:Relaxation",
    "tree": "isojoule.market.solvers.tree:Tree",
}
