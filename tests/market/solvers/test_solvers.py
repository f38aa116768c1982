"""All solvers on one set of books (docs/spec/solvers.md, E1 to E9).

Each either agrees with the interior point in welfare, within what both certificates prove, and
passes the check; or it says why not. `MUST` says what each must solve, so that none passes by
refusing.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import yaml

from isojoule.apps.files.book_files import read_book
from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.allocation import NotSolved
from isojoule.market.mechanisms import get
from isojoule.market.solvers import AUTO, clear_with, names
from isojoule.market.solvers import get as solver_named
from isojoule.market.solvers.allocate import allocate_by
from isojoule.market.solvers.first_order import main_pieces
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Utility
from tests.market.books import (
    KINDS,
    REAL,
    SMALL,
    book_of,
    buy,
    grid_of,
    offer,
    random_battery,
    random_case,
    sell,
    uj,
)

CASES = Path(__file__).parents[2] / "cases" / "market"
ANSWERS = sorted(
    case.name
    for case in CASES.iterdir()
    if "mechanism" not in yaml.safe_load((case / "answer.yaml").read_text())
)
SOLVERS = ("closed-form", "first-order", "interior-point", "primal-dual")
OTHERS = ("closed-form", "first-order", "primal-dual")
FREE = {"K1", "K4", "K7", "K12", "copperplate"}
KNOWN = {
    "closed-form": FREE,
    "first-order": {n for n in ANSWERS if n.startswith("K")} | {"copperplate"},
    "interior-point": set(ANSWERS),
    "primal-dual": set(ANSWERS),
}
"""Known answers that each must find."""


def battery(energy: float, low: float = 0.1, high: float = 1.1, k: float = 1.0) -> Battery:
    """A battery of 1000 J without losses."""
    return Battery(uj(energy), uj(1000.0), low, high, k)


def batteries(*energies: float, k: float = 1.0) -> list[Any]:
    """One at each node."""
    return [offer(f"b{i}", i, battery(e, k=k)) for i, e in enumerate(energies)]


def path(nodes: int, **link: Any) -> Grid:
    """Nodes in a row."""
    return grid_of(nodes, [{"ends": (i, i + 1), **link} for i in range(nodes - 1)])


LOSSY = {"loss": 0.02, "capacity_w": 80.0}
CORNERS: dict[str, tuple[Grid, list[Any]]] = {
    "one node": (grid_of(1), [offer("a", 0, battery(700)), offer("b", 0, buy((100, 0.9)))]),
    "nobody": (path(2), []),
    "nothing to trade": (path(3, **LOSSY), batteries(500, 500, 500)),
    "walls": (
        path(3),
        [
            offer("a", 0, battery(900, 0.05, 0.3)),
            offer("b", 1, battery(1000, 0.5, 1.1)),
            offer("c", 2, battery(300, 0.05, 0.45)),
        ],
    ),
    "full and empty": (path(4, **LOSSY), batteries(1000, 0, 1000, 0)),
    "empty wall": (
        path(3, loss=0.01),
        [offer("a", 0, battery(20)), offer("b", 1, battery(0)), offer("c", 2, buy((500, 3.0)))],
    ),
    "islands": (
        grid_of(5, [{"ends": (0, 1), **LOSSY}, {"ends": (3, 4)}]),
        batteries(900, 100, 400, 800, 300),
    ),
    "zero capacity": (
        grid_of(3, [{"ends": (0, 1), "capacity_w": 0.0}, {"ends": (1, 2)}]),
        batteries(900, 100, 700),
    ),
    "parallel links": (
        grid_of(
            2,
            [
                {"ends": (0, 1), "capacity_w": 50.0},
                {"ends": (1, 0), "loss": 0.1},
                {"ends": (0, 1), "r": 1e-3},
                {"ends": (0, 1), "price": 0.01, "capacity_w": 60.0},
            ],
        ),
        batteries(950, 50),
    ),
    "ring": (
        grid_of(4, [{"ends": (i, (i + 1) % 4), "capacity_w": 90.0} for i in range(4)]),
        batteries(900, 200, 400, 100),
    ),
    "k of 0.2": (path(4, **LOSSY), batteries(900, 100, 650, 300, k=0.2)),
    "k of 8": (path(4, **LOSSY), batteries(900, 100, 650, 300, k=8.0)),
    "mixed k": (
        path(4, loss=0.02, r=1e-4),
        [offer(f"b{i}", i, battery(900 - 260 * i, k=k)) for i, k in enumerate((0.2, 8, 1, 3))],
    ),
    "steep curves, free links": (
        path(3),
        [offer(f"b{i}", i, battery(900 - 400 * i, k=k)) for i, k in enumerate((0.2, 8, 1))],
    ),
    "storage-less buses": (
        path(5, **LOSSY),
        [offer("a", 0, battery(900)), offer("b", 4, battery(100))],
    ),
    "steps that meet": (
        path(3, capacity_w=70.0),
        [offer("a", 0, sell((100, 0.3))), offer("b", 2, buy((60, 0.3), (50, 0.3)))],
    ),
    "prices far apart": (
        path(4, **LOSSY),
        [
            offer("sun", 0, sell((300, 1e-6))),
            offer("b", 1, battery(500)),
            offer("home", 2, Load(uj(40), 1e4)),
            offer("utility", 3, Utility(3.0, 0.05)),
        ],
    ),
    "worths below 0": (
        path(3, loss=0.1),
        [
            offer("wind", 0, sell((100, -0.5))),
            offer("b", 1, battery(990)),
            offer("c", 2, battery(970)),
        ],
    ),
}
SOME = {"one node", "nothing to trade", "walls", "full and empty", "islands", "zero capacity"}
MUST = {
    "closed-form": {"one node", "nobody", "walls", "steep curves, free links"},
    "first-order": SOME
    | {"parallel links", "ring", "k of 0.2", "k of 8", "mixed k", "steep curves, free links"},
    "interior-point": set(CORNERS),
    "primal-dual": set(CORNERS),
}
"""Corners that each must solve."""


def agree(book: Book, grid: Grid, solver: str, *, must: bool) -> bool:
    """Whether the solver has an outcome, which must then be as good as the interior point's."""
    found = get("equilibrium").clear(book, grid, solver=solver)  # type: ignore[call-arg]
    if isinstance(found, Refusal):
        assert solver in found.reason and len(found.reason) > 40 and found.remedy, str(found)
        assert not must, str(found)
        return False
    check_clearing(book, grid, found)
    other = get("equilibrium").clear(book, grid)
    assert isinstance(other, Clearing)
    margin = 1e-9 * abs(other.welfare) + 1e-12
    assert found.welfare <= other.certificate.welfare_bound + margin
    assert other.welfare <= found.certificate.welfare_bound + margin
    assert found.certificate.kind == other.certificate.kind
    assert found.parameters == other.parameters
    return True


def test_the_set_knows_every_solver() -> None:
    assert names() == sorted(SOLVERS)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ANSWERS)
def test_known_answers(name: str, solver: str) -> None:
    """The answers of tests/cases, to their stated tolerance (K1 to K12 and others)."""
    answer = yaml.safe_load((CASES / name / "answer.yaml").read_text())
    file = read_book(CASES / name / "book.yaml")
    if not agree(file.book, file.grid, solver, must=name in KNOWN[solver]):
        return
    found = get("equilibrium").clear(file.book, file.grid, solver=solver)  # type: ignore[call-arg]
    assert isinstance(found, Clearing)
    share = float(answer["tolerance"])
    energy = dict(zip(file.book.offer_ids, found.energy_uj * 1e-6, strict=True))
    price = dict(zip(file.grid.node_ids, found.price_per_j, strict=True))
    for got, wanted in ((energy, "energy_j"), (price, "price_per_j")):
        for key, value in answer.get(wanted, {}).items():
            if value is not None:
                assert got[key] == pytest.approx(value, rel=share, abs=1e-6), (wanted, key)


@pytest.mark.parametrize("solver", ["closed-form", "first-order", "primal-dual"])
def test_a_full_battery_lets_energy_pass(solver: str) -> None:
    """K12, to nine digits: 330/0.65 J, and a price of 0.3 - 0.25 * that / 1000."""
    file = read_book(CASES / "K12" / "book.yaml")
    found = allocate_by(file.book, file.grid, solver)
    assert not isinstance(found, NotSolved)
    held = 900.0 + found.energy_uj[0] * 1e-6
    assert held == pytest.approx(330.0 / 0.65, rel=2e-9)
    assert found.support.price == pytest.approx(0.3 - 0.25 * 330.0 / 650.0, rel=1e-8)


@pytest.mark.parametrize("solver", OTHERS)
@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str, solver: str) -> None:
    grid, offers = CORNERS[name]
    agree(book_of(grid, offers), grid, solver, must=name in MUST[solver])


@pytest.mark.parametrize("sizes", [SMALL, REAL], ids=("small", "real"))
@pytest.mark.parametrize("kind", KINDS)
def test_random_books(kind: str, sizes: Any) -> None:
    """Grids of every kind with offers of every kind: `primal-dual` solves them all."""
    solved = dict.fromkeys(OTHERS, 0)
    for seed in range(25):
        case = random_case(5000 + seed, sizes, kind)
        for solver in OTHERS:
            solved[solver] += agree(case.book, case.grid, solver, must=solver == "primal-dual")
    assert solved["primal-dual"] == 25
    if kind == "copperplate":
        assert solved["closed-form"] == 25


@pytest.mark.parametrize("kind", ["path", "tree", "mesh", "islands", "parallel"])
def test_batteries_everywhere(kind: str) -> None:
    """`first-order` solves every grid with a falling curve at each node, whatever its links."""
    for seed in range(12):
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
        fits = bool(np.all(main_pieces(case.grid.node_count, node, book.pieces) >= 0))
        agree(book, case.grid, "first-order", must=fits)


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
    assert agree(book, grid, "closed-form", must=True)
    found = allocate_by(book, grid, "closed-form")
    other = allocate_by(book, grid, "interior-point")
    assert not isinstance(found, NotSolved) and not isinstance(other, NotSolved)
    assert found.support.price == pytest.approx(other.support.price, rel=1e-6, nan_ok=True)


def test_lmp_takes_a_solver_too() -> None:
    grid, offers = CORNERS["ring"]
    book = book_of(grid, offers)
    one = clear_with(get("lmp"), book, grid, "primal-dual")
    other = clear_with(get("lmp"), book, grid, AUTO)
    assert isinstance(one, Clearing) and isinstance(other, Clearing)
    check_clearing(book, grid, one)
    assert one.welfare == pytest.approx(other.welfare, rel=1e-9)


def test_unknown_names_are_refused_with_the_list() -> None:
    with pytest.raises(InputError, match="unknown solver 'simplex'") as caught:
        solver_named("simplex")
    assert caught.value.remedy == "use one of auto, " + ", ".join(SOLVERS)


def test_mechanisms_without_a_choice_say_so() -> None:
    grid, offers = CORNERS["one node"]
    with pytest.raises(InputError, match="'vcg' has no solver to choose"):
        clear_with(get("vcg"), book_of(grid, offers), grid, "primal-dual")


def test_other_networks_and_whole_offers_are_refused() -> None:
    grid, offers = CORNERS["one node"]
    book = book_of(grid, [*offers, offer("c", 0, buy((10, 0.9)), all_or_nothing=True)])
    for solver in SOLVERS:
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

    grid, offers = CORNERS["full and empty"]
    book = book_of(grid, offers)
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
    grid, offers = CORNERS["full and empty"]
    found = allocate_by(book_of(grid, offers), grid, "primal-dual")
    assert isinstance(found, NotSolved)
    if fault != "nan":
        assert "of the optimum, at a welfare of" in found.reason
