"""Solvers by name, one by one (docs/spec/solvers.md, E1 to E9): what is special to each.

What holds for all of them is in `test_conformance`.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from isojoule.apps.files.book_files import read_book
from isojoule.core.errors import InputError
from isojoule.market import Clearing
from isojoule.market.allocation import NotSolved
from isojoule.market.mechanisms import get
from isojoule.market.solvers import AUTO, clear_with, names
from isojoule.market.solvers import get as solver_named
from isojoule.market.solvers.allocate import allocate_by
from isojoule.market.solvers.first_order import main_pieces
from isojoule.market.verify import check_clearing
from isojoule.valuation import Utility
from tests.market.books import SMALL, book_of, buy, grid_of, offer, random_battery, random_case
from tests.market.solvers.conformance import BOOKS, CORNERS, Given, outcome, path

CASES = Path(__file__).parents[2] / "cases" / "market"
ONE = CORNERS["one node"]
WALLS = CORNERS["full and empty"]
RING = BOOKS["ring, limits, 7 nodes"]


@pytest.mark.parametrize("solver", ["closed-form", "first-order", "primal-dual"])
def test_a_full_battery_lets_energy_pass(solver: str) -> None:
    """K12, to nine digits: 330/0.65 J, and a price of 0.3 - 0.25 * that / 1000."""
    file = read_book(CASES / "K12" / "book.yaml")
    found = allocate_by(file.book, file.grid, solver)
    assert not isinstance(found, NotSolved)
    held = 900.0 + found.energy_uj[0] * 1e-6
    assert held == pytest.approx(330.0 / 0.65, rel=2e-9)
    assert found.support.price == pytest.approx(0.3 - 0.25 * 330.0 / 650.0, rel=1e-8)


@pytest.mark.parametrize("kind", ["path", "tree", "mesh", "islands", "parallel"])
def test_batteries_everywhere(kind: str) -> None:
    """`first-order` solves grids with a falling curve at each node, whatever their links.

    At steep ends one of many may be too hard: then it says how far it came (E2).
    """
    given_up = 0
    for seed in range(6):
        case = random_case(7000 + seed, SMALL, kind)
        rnd = Random(seed)
        offers = []
        for v in range(case.grid.node_count):
            b = random_battery(rnd, SMALL)
            while b.charge_efficiency < 1 or b.v_max_per_j <= b.v_min_per_j:
                b = random_battery(rnd, SMALL)
            offers.append(offer(f"b{v}", v, b))
        book = book_of(case.grid, offers)
        node = book.offer_node[book.piece_offer].astype(np.int64)
        fits = bool(np.all(main_pieces(case.grid.node_count, node, *book.pieces) >= 0))
        solved = outcome(Given(case.grid, book), "first-order", may_give_up=True)
        given_up += fits and solved is None
    assert given_up <= 1


@pytest.mark.parametrize("seed", range(8))
def test_one_price_where_energy_moves_freely(seed: int) -> None:
    """`closed-form` on links without limit, loss and price: one price for each part."""
    case = random_case(6000 + seed, SMALL, "mesh")
    ends = [
        {"ends": (int(a), int(b))}
        for a, b in zip(case.grid.link_from, case.grid.link_to, strict=True)
    ]
    grid = grid_of(case.grid.node_count, ends)
    book = book_of(grid, case.offers)
    assert outcome(Given(grid, book), "closed-form") is not None
    found = allocate_by(book, grid, "closed-form")
    other = allocate_by(book, grid, "interior-point")
    assert not isinstance(found, NotSolved) and not isinstance(other, NotSolved)
    assert found.support.price == pytest.approx(other.support.price, rel=1e-6, nan_ok=True)


def test_lmp_takes_a_solver_too() -> None:
    book, grid = RING.book, RING.grid
    one = clear_with(get("lmp"), book, grid, "primal-dual")
    other = clear_with(get("lmp"), book, grid, AUTO)
    assert isinstance(one, Clearing) and isinstance(other, Clearing)
    check_clearing(book, grid, one)
    assert one.welfare == pytest.approx(other.welfare, rel=1e-9)


def test_unknown_names_are_refused_with_the_list() -> None:
    with pytest.raises(InputError, match="unknown solver 'simplex'") as caught:
        solver_named("simplex")
    assert caught.value.remedy == "use one of auto, " + ", ".join(names())


def test_mechanisms_without_a_choice_say_so() -> None:
    with pytest.raises(InputError, match="'vcg' has no solver to choose"):
        clear_with(get("vcg"), ONE.book, ONE.grid, "primal-dual")


def test_other_networks_and_whole_offers_are_refused() -> None:
    whole = offer("c", 0, buy((10, 0.9)), all_or_nothing=True)
    grid = ONE.grid
    book = book_of(grid, [*ONE.book.offers, whole])
    for solver in names():
        found = allocate_by(book, grid, solver)
        assert isinstance(found, NotSolved) and "divisible" in found.reason


def test_unlimited_trade_is_refused() -> None:
    grid = path(2)
    book = book_of(grid, [offer("in", 0, Utility(0.1, None)), offer("out", 1, Utility(None, 0.2))])
    for solver in ("closed-form", "interior-point", "primal-dual"):
        found = allocate_by(book, grid, solver)
        assert isinstance(found, NotSolved) and "no limit" in found.reason, solver


def test_too_few_steps_are_told_with_the_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    from isojoule.market.solvers import first_order, primal_dual

    hard = BOOKS["geometric, k mixed"]
    book, grid = hard.book, hard.grid
    monkeypatch.setattr(primal_dual, "MOST_STEPS", 7)
    monkeypatch.setattr(first_order, "MOST_STEPS", 1)
    for solver in ("primal-dual", "first-order"):
        found = allocate_by(book, grid, solver)
        assert isinstance(found, NotSolved)
        assert "steps: the solver stopped at a residual of" in found.reason
        assert "gap and imbalance, as a share of the welfare" in found.reason


@pytest.mark.parametrize("fault", ["nan", "half", "none"])
def test_a_wrong_solution_does_not_pass(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """A solver that claims a residual of 0 is judged by the integers and their prices."""
    from isojoule.market.solvers.primal_dual import PrimalDual

    right = PrimalDual.solve

    def wrong(self: PrimalDual, *task: Any) -> Any:
        s = right(self, *task)
        if fault == "nan":
            return s._replace(price=s.price * np.nan, residual=float("nan"))
        share = 0.5 if fault == "half" else 0.0
        inside = {"x_side": 0 * s.x_side, "f_side": 0 * s.f_side}
        return s._replace(x=share * s.x, f=share * s.f, residual=0.0, **inside)

    monkeypatch.setattr(PrimalDual, "solve", wrong)
    found = allocate_by(WALLS.book, WALLS.grid, "primal-dual")
    assert isinstance(found, NotSolved)
    if fault != "nan":
        assert "of the optimum, at a welfare of" in found.reason
