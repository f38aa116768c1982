"""The one measure of the gap: a true bound, blind to nothing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import books, graphs, ours
from benchmarks.plain import Numpy
from benchmarks.program import Answer, gap_of, program_of, welfare_of

SHAPES = (graphs.tree(60, 1), graphs.tree(40, 2, "caterpillar"), graphs.tree(50, 3, "bushy"))


@pytest.mark.parametrize("k", [0.2, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.name)
def test_an_exact_answer_has_no_gap_and_others_have_one(shape: graphs.Shape, k: float) -> None:
    """The dynamic program is exact; half of its flows are balanced, too, and have less welfare."""
    book, grid = books.batteries(shape, 4, k=k)
    program = program_of(book, grid)
    best = ours.solver("tree", book, grid)().answer
    assert gap_of(program, best) < 1e-9
    most = welfare_of(program, best.x)
    for share in (0.0, 0.5, 0.9):
        # prices stay the best ones: the bound is then the welfare that is missed, and no more
        less = Answer(share * best.x, share * best.flow, best.price)
        missed = (most - welfare_of(program, less.x)) / max(welfare_of(program, less.x), 1e-9)
        assert gap_of(program, less) == pytest.approx(missed, rel=1e-6)
        worse = less._replace(price=best.price * 1.1)
        assert gap_of(program, worse) > missed


def test_what_is_off_balance_counts() -> None:
    """K1 (docs/spec/known-answers.md): 800 and 200 J, price 0.6; taking without sending is none."""
    book, grid = books.batteries(graphs.tree(2, 0, "path"), 0, loss=0.0, capacity_j=np.inf)
    book = books.with_stored(book, np.array([800.0, 200.0]))
    program = program_of(book, grid)
    price = np.array([0.6, 0.6])
    right = Answer(np.array([-300.0, 300.0]), np.array([300.0]), price)
    assert gap_of(program, right) < 1e-12
    assert welfare_of(program, right.x) == pytest.approx(90.0)
    both = program._replace(node=np.array([1, 0]), pieces=_swapped(program.pieces))
    assert gap_of(both, Answer(right.x[::-1], right.flow, price)) < 1e-12
    # two nodes in another order: nobody takes up what is left, and it counts at its price
    off = Answer(np.array([300.0, -300.0]), np.array([290.0]), price)
    assert gap_of(both, off) == pytest.approx(2 * 10 * 0.6 / 90.0)


def _swapped(pieces):
    return type(pieces)(*(np.ascontiguousarray(c[::-1]) for c in pieces))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", ["x", "flow", "price"])
def test_what_is_no_number_never_passes(field: str, bad: float) -> None:
    book, grid = books.batteries(graphs.tree(20, 1), 1)
    best = ours.solver("tree", book, grid)().answer
    broken = getattr(best, field).copy()
    broken[3] = bad
    assert gap_of(program_of(book, grid), best._replace(**{field: broken})) == np.inf


def test_bounds_are_kept_to_the_letter() -> None:
    """Sending more than fits is cut before it counts."""
    book, grid = books.batteries(graphs.tree(20, 1), 1, capacity_j=1.0)
    program = program_of(book, grid)
    best = ours.solver("tree", book, grid)().answer
    assert np.max(np.abs(best.flow)) == pytest.approx(1.0)
    more = best._replace(flow=best.flow * 1000)
    assert gap_of(program, more) == gap_of(program, more._replace(flow=np.sign(best.flow)))


@pytest.mark.parametrize("name", ["first-order", "primal-dual", "interior-point"])
def test_solvers_on_a_mesh_agree_with_a_plain_model(name: str) -> None:
    book, grid = books.batteries(graphs.geometric(80, 5), 5)
    program = program_of(book, grid)
    answer = ours.solver(name, book, grid)().answer
    model = Numpy(program)
    for _ in range(4000):
        model.sweep()
    own = model.answer()
    assert gap_of(program, own) < 1e-8
    assert gap_of(program, answer) < 1e-6
    assert welfare_of(program, answer.x) == pytest.approx(welfare_of(program, own.x), rel=2e-6)


def test_quadratic_losses_and_prices_are_not_silently_left_out() -> None:
    from dataclasses import replace

    book, grid = books.batteries(graphs.tree(5, 1), 1)
    with pytest.raises(ValueError, match="price"):
        program_of(book, replace(grid, price_per_j=np.full(4, 0.1)))
    bent = replace(grid, resistance_ohm=np.ones(4), voltage_v=np.full(4, 400.0))
    with pytest.raises(ValueError, match="proportional"):
        program_of(book, bent)
