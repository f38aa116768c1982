"""One set of books for `auto` and every solver that has a name (docs/spec/solvers.md, E1 to E5).

What must agree: any two welfares within what both certificates leave open; with the referee
(cvxpy with Clarabel, which knows nothing of ours) where a book is small enough; and the energies
of batteries that stand inside their curve, where the optimum has but one answer.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.files.book_files import read_book
from isojoule.market import Clearing
from isojoule.market.solvers import AUTO, names
from isojoule.valuation import Battery
from tests.conftest import need
from tests.market.books import SMALL, random_case
from tests.market.referee import judge
from tests.market.solvers.conformance import BOOKS, CORNERS, Given, far_apart, outcome, solvers
from tests.market.solvers.shapes import SHAPES
from tests.market.test_against_referee import strict_inside

CASES = Path(__file__).parents[2] / "cases" / "market"
ANSWERS = sorted(
    case.name
    for case in CASES.iterdir()
    if "mechanism" not in yaml.safe_load((case / "answer.yaml").read_text())
)
EVERYTHING = {"interior-point", "primal-dual"}
"""Solvers that say that they fit every book."""
FREE = {"one node", "nobody", "walls", "ties everywhere", "K1", "K4", "K7", "K12", "copperplate"}
FREE |= {f"{shape}, free, {nodes} nodes" for shape in SHAPES for nodes in (7, 24)}
STORED = {f"{shape}, k {k}" for shape in SHAPES for k in ("0.2", "1.0", "8.0", "mixed")}
STORED |= {"walls", "full and empty", "islands", "zero capacity", "parallel links", "K1", "K12"}
MUST = {"closed-form": FREE, "first-order": STORED, "relaxation": STORED}
"""What else each must solve, so that none passes by refusing."""


@cache
def of_the_set(name: str, solver: str) -> Clearing | None:
    """The outcome for a book of the set, solved once for all tests."""
    return outcome(BOOKS[name], solver)


def together(
    given_book: Given, name: str = "", *, may_give_up: bool = False
) -> dict[str, Clearing]:
    """The outcomes of all solvers that fit, after seeing that any two of them agree."""
    if BOOKS.get(name) is given_book:
        found = {s: of_the_set(name, s) for s in solvers()}
    else:
        found = {s: outcome(given_book, s, may_give_up=may_give_up) for s in solvers()}
    cleared = {s: c for s, c in found.items() if c is not None}
    must = {AUTO} if may_give_up else {AUTO} | EVERYTHING | {s for s in MUST if name in MUST[s]}
    assert cleared.keys() >= must
    for one, other in combinations(cleared, 2):
        agree(given_book, one, cleared[one], other, cleared[other])
    return cleared


def agree(given_book: Given, name: str, one: Clearing, rival: str, other: Clearing) -> None:
    """Two outcomes of one book are as good as each other, and the same where there is but one."""
    who = f"{name} and {rival}"
    margin = 1e-9 * max(abs(one.welfare), abs(other.welfare)) + 1e-11
    assert one.welfare <= other.certificate.welfare_bound + margin, who
    assert other.welfare <= one.certificate.welfare_bound + margin, who
    assert one.parameters == other.parameters
    if given_book.below_zero:
        return  # what runs one way may be shut another way round
    for o, x, y in zip(given_book.book.offers, one.energy_uj, other.energy_uj, strict=True):
        if isinstance(o.spec, Battery) and strict_inside(o.spec, x * 1e-6):
            near = 1e-4 * o.spec.capacity_uj
            assert x == pytest.approx(y, abs=near), f"{who}: {o.id}"


@pytest.mark.parametrize("name", BOOKS)
def test_all_solvers_agree(name: str) -> None:
    """Random grids of every kind, and every corner."""
    together(BOOKS[name], name)


@pytest.mark.parametrize("name", [n for n in BOOKS if BOOKS[n].judged])
def test_the_referee_agrees(name: str) -> None:
    """The optimum is that of another modeller and another solver."""
    need(find_spec("cvxpy") and find_spec("clarabel"), "cvxpy with Clarabel")
    book = BOOKS[name]
    if not book.grid.node_count:
        return
    found = of_the_set(name, AUTO)
    assert found is not None
    e0, p0 = book.sizes.energy_j, book.sizes.price
    standing = np.any(book.grid.standing_loss_w > 0)
    other = judge(book.book, book.grid, e0, p0)
    if np.isnan(other.welfare) or standing:
        return
    margin = 1e-6 * abs(other.welfare) + 1e-7 * e0 * p0
    assert found.welfare - margin <= other.welfare <= found.certificate.welfare_bound + margin


@pytest.mark.parametrize("name", ANSWERS)
def test_known_answers(name: str) -> None:
    """Every answer of tests/cases, by every solver that fits, to its stated tolerance."""
    answer = yaml.safe_load((CASES / name / "answer.yaml").read_text())
    file = read_book(CASES / name / "book.yaml")
    worths = file.book.pieces.a[file.book.pieces.hi > file.book.pieces.lo]
    book = Given(file.grid, file.book, below_zero=bool(np.any(worths < 0)))
    for solver, found in together(book, name).items():
        energy = dict(zip(file.book.offer_ids, found.energy_uj * 1e-6, strict=True))
        price = dict(zip(file.grid.node_ids, found.price_per_j, strict=True))
        for got, key in ((energy, "energy_j"), (price, "price_per_j")):
            for who, value in answer.get(key, {}).items():
                if value is not None:
                    share = float(answer["tolerance"])
                    assert got[who] == pytest.approx(value, rel=share, abs=1e-6), (solver, who)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10**9))
def test_any_random_book(seed: int) -> None:
    """Books of every kind of offer, on every kind of link, drawn at random."""
    case = random_case(seed, SMALL)
    together(Given(case.grid, case.book))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10**9), st.floats(0.0, 9.0))
def test_sizes_up_to_nine_powers_of_ten_apart(seed: int, powers: float) -> None:
    """`auto` clears them all; a solver that is named may say how far it came (E2, E10)."""
    together(far_apart(seed, powers), may_give_up=True)


@pytest.mark.parametrize("seed", range(150))
def test_nine_powers_of_ten(seed: int) -> None:
    """No clearing leaves `equilibrium` that the check refuses, and none of these is refused."""
    assert outcome(far_apart(seed, 9.0), AUTO) is not None


def test_the_set_has_every_kind() -> None:
    """Each shape with each kind of wire; and each solver solves some of it."""
    assert all(sum(name.startswith(shape) for name in BOOKS) >= 14 for shape in SHAPES)
    assert len(CORNERS) >= 35
    for solver in names():
        solved = [n for n in BOOKS if of_the_set(n, solver) is not None]
        assert len(solved) >= 20, f"{solver} fits no more than {solved}"
