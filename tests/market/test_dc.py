"""The market on meshed grids: by hand, and against other solvers.

Spec: docs/spec/grid.md, G10 to G15; docs/spec/certificate.md.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.grid import Grid
from isojoule.grid.dc import LinearFlow, linear_flow_of
from isojoule.market.allocation import NotSolved, allocate
from isojoule.market.best import best
from isojoule.market.meshed.prices import Proof, proof_of
from isojoule.market.verify import check_clearing
from isojoule.valuation import Load
from tests.market.books import book_of, buy, clear, offer, sell, uj
from tests.market.ieee import MW, case_of, pandapower_answer, quadratic, tightened
from tests.market.ieee import book_of as book_of_case
from tests.market.meshes import cleared, meshed, random_case, referee, ring_clearing

# --- against pandapower and Clarabel -------------------------------------------------------------


@pytest.mark.parametrize("name", ["case14", "case30", "case118"])
def test_ieee_cases_as_pandapower_and_clarabel_solve_them(name: str) -> None:
    """Dispatch, flows, prices and duals of limits, with three lines full; costs are quadratic."""
    arrays = tightened(name)
    case = case_of(arrays)
    book, grid = book_of_case(case)
    c = clear(book, grid, "lmp")
    check_clearing(book, grid, c)
    assert c.certificate.kind == "dual"
    at = [book.offer_ids.index(f"gen{i:03}") for i in range(case.at.size)]
    dispatch, flow = -c.energy_uj[at] / 1e12, c.flow_uj / 1e12
    price, dual = c.price_per_j * MW, c.certificate.side["links"] * MW
    assert np.sum(np.abs(dual) > 1e-3) >= 3
    for other in (pandapower_answer(arrays), quadratic(case)):
        assert dispatch == pytest.approx(other.dispatch, abs=1e-6)
        assert flow == pytest.approx(other.flow, abs=1e-6)
        assert price == pytest.approx(other.price, rel=1e-8, abs=1e-6)
        assert dual == pytest.approx(other.limit, abs=1e-6)
    # both others stop at about 1e-7; that ours is nearer shows in the generators' own prices
    inside = (dispatch > 1e-3) & (dispatch < case.most - 1e-3)
    own = case.c1 + 2.0 * case.c2 * dispatch
    assert own[inside] == pytest.approx(price[case.at][inside], rel=1e-12)
    rents = sum(nano for line, nano in c.operator.items() if line != "rounding")
    assert rents == pytest.approx(float(np.sum(dual * flow)) * 1e9, abs=10)
    assert abs(c.operator.get("rounding", 0)) < 1e-4 * rents


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_meshes_as_good_as_clarabel_and_proven(seed: int) -> None:
    """Welfare, a closed gap, and money: whatever is paid too much is a named rent."""
    grid, offers = random_case(seed)
    book = book_of(grid, offers, network="dc")
    c = clear(book, grid, "lmp")
    check_clearing(book, grid, c)
    assert c.certificate.kind == "dual"
    assert c.welfare == pytest.approx(referee(book, grid), rel=1e-6, abs=1e-5)
    assert abs(c.operator.get("rounding", 0)) <= 1e5  # 0.0001
    assert all(nano >= -1 for line, nano in c.operator.items() if line != "rounding")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 3))
def test_the_bound_holds_for_any_numbers(seed: int, size: float) -> None:
    """G15: no prices and duals, however wrong, bound less than the optimum."""
    grid, offers = random_case(seed)
    book = book_of(grid, offers, network="dc")
    linear = linear_flow_of(grid, 1.0)
    assert isinstance(linear, LinearFlow)
    found = best(book, grid)
    assert not isinstance(found, NotSolved)
    rng = np.random.default_rng(seed)
    price = found.duals + size * rng.normal(size=grid.node_count)
    dual = found.side["links"][linear.live] + size * rng.normal(size=linear.live.size)
    nothing = np.zeros(book.offer_count, np.int64), np.zeros(grid.link_count, np.int64)
    for state in ((found.energy_uj, found.flow_uj), nothing):
        out = proof_of(book, linear, *state, Proof(price, dual)).support
        bound = out.welfare + out.gap
        whole_uj = 1e-6 * float(np.abs(found.duals).sum())  # what rounding to them may be worth
        assert bound >= found.support.welfare - 1e-7 * (1 + abs(bound)) - whole_uj


def test_duals_that_do_not_fit_are_charged_for_the_angles() -> None:
    """G15: at each offer's own worth, without duals, only the last line holds the bound up."""
    book, grid, c = ring_clearing()
    linear = linear_flow_of(grid, 1.0)
    assert isinstance(linear, LinearFlow)
    nothing = np.zeros(3, np.int64)
    wrong = Proof(np.array([1.0, 30.0, 2.0]), np.zeros(3))
    s = proof_of(book, linear, nothing, nothing, wrong).support
    assert s.welfare + s.gap > c.welfare


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_on_trees_it_is_transport(seed: int) -> None:
    """Without a ring nothing is left to the physics: energies are worth and priced alike."""
    grid, offers = random_case(seed)
    keep = []
    part = list(range(grid.node_count))
    for e in range(grid.link_count):
        a, b = part[grid.link_from[e]], part[grid.link_to[e]]
        if a != b:
            keep.append(e)
            part = [a if p == b else p for p in part]
    columns = ("link_from", "link_to", "capacity_w", "reactance_ohm")
    tree = Grid(
        grid.node_ids,
        tuple(grid.link_ids[e] for e in keep),
        **{name: getattr(grid, name)[keep] for name in columns},
    )
    one = best(book_of(tree, offers, network="dc"), tree)
    two = allocate(book_of(tree, offers), tree)
    assert not isinstance(one, NotSolved)
    assert not isinstance(two, NotSolved)
    dust = 30.0 * 1e-6 * (grid.node_count + len(offers))  # a microjoule each, at the dearest
    assert one.support.welfare == pytest.approx(two.support.welfare, rel=1e-9, abs=dust)
    assert one.support.lowest == pytest.approx(two.support.lowest, rel=1e-6, abs=1e-6)
    assert one.support.highest == pytest.approx(two.support.highest, rel=1e-6, abs=1e-6)


# --- prices --------------------------------------------------------------------------------------


def test_ends_of_the_prices_and_the_middle() -> None:
    """G13: a full line between a seller at 1 and a buyer at 5, both at kinks."""
    c = cleared(
        meshed(2, [{"ends": (0, 1), "capacity_w": 2.0}]),
        [offer("s", 0, sell((2, 1.0))), offer("b", 1, buy((2, 5.0)))],
    )
    # at the sender 1 or more, at the buyer 5 or less, and the buyer's not below the sender's
    assert c.certificate.lowest.tolist() == pytest.approx([1.0, 1.0], abs=1e-9)
    assert c.certificate.highest.tolist() == pytest.approx([5.0, 5.0], abs=1e-9)
    assert c.price_per_j.tolist() == pytest.approx([3.0, 3.0], abs=1e-9)


def test_the_vector_nearest_to_the_middles() -> None:
    """G13: two numbers are free; the middles 3, 4.5 and 1.5 fit no such prices.

    A ring of equal links, ab full. price(b) = p + 2m/3, price(c) = p + m/3, m >= 0.
    """
    grid = meshed(3, [{"ends": (0, 1), "capacity_w": 3.0}, {"ends": (1, 2)}, {"ends": (0, 2)}])
    c = cleared(
        grid,
        [offer("s", 0, sell((4.5, 2.0))), offer("b", 1, buy((4.5, 8.0))),
         offer("t", 2, sell((4.0, 4.0, 4.0)))],
    )  # fmt: skip
    low, high = c.certificate.lowest, c.certificate.highest
    p, m = cp.Variable(), cp.Variable()
    v = [p, p + 2 * m / 3, p + m / 3]
    limits = [m >= 0, v[0] >= 2, v[1] <= 8, v[2] <= 4]
    ends = [
        sign * cp.Problem(cp.Minimize(sign * v[i]), limits).solve(cp.CLARABEL)
        for i in range(3)
        for sign in (1, -1)
    ]
    assert low.tolist() == pytest.approx(ends[0::2], abs=1e-6)
    assert high.tolist() == pytest.approx(ends[1::2], abs=1e-6)
    middle = (low + high) / 2
    far = sum((v[i] - middle[i]) ** 2 for i in range(3))
    cp.Problem(cp.Minimize(far), limits).solve(cp.CLARABEL)
    assert c.price_per_j.tolist() == pytest.approx([float(e.value) for e in v], abs=1e-6)


def test_one_node_islands_and_nobody() -> None:
    """A node alone has its own price; without offers it has none."""
    grid = meshed(4, [{"ends": (0, 1)}])
    c = cleared(
        grid,
        [offer("s", 0, sell((4, 1.0))), offer("b", 1, buy((2, 5.0))),
         offer("x", 2, sell((1, 3.0))), offer("y", 2, buy((1, 7.0)))],
    )  # fmt: skip
    assert c.price_per_j[:3].tolist() == pytest.approx([1.0, 1.0, 5.0], abs=1e-9)
    assert np.isnan(c.price_per_j[3])
    alone = Grid(("n0",))
    c = cleared(alone, [offer("s", 0, sell((4, 1.0))), offer("b", 0, buy((9, 5.0)))])
    assert c.price_per_j.tolist() == [5.0]
    assert cleared(meshed(2, [{"ends": (0, 1)}]), []).energy_uj.size == 0


def test_sellers_alone_and_parallel_links() -> None:
    """Links side by side share by reactance; the weaker may bind for both."""
    grid = meshed(2, [{"ends": (0, 1), "x": 1.0, "capacity_w": 4.0}, {"ends": (1, 0), "x": 2.0}])
    c = cleared(grid, [offer("s", 0, sell((9, 1.0))), offer("b", 1, buy((9, 5.0)))])
    assert c.flow_uj.tolist() == [4_000_000, -2_000_000]
    assert c.price_per_j.tolist() == [1.0, 5.0]
    # the rent is all on the full one: 6 J at a difference of 4
    assert c.operator["congestion_rent.l0"] == 24_000_000_000
    assert c.certificate.side["links"] == pytest.approx([6.0, 0.0])
    c = cleared(grid, [offer("s", 0, sell((9, 1.0))), offer("t", 1, sell((9, 5.0)))])
    assert not c.energy_uj.any()
    assert c.price_per_j.tolist() == [1.0, 1.0]


def test_a_load_is_cut_where_the_ring_is_narrow() -> None:
    """A narrow long way limits the short one: what is not full may still not be used."""
    grid = meshed(3, [{"ends": (0, 1)}, {"ends": (1, 2), "capacity_w": 1.0}, {"ends": (0, 2)}])
    c = cleared(grid, [offer("s", 0, sell((9, 1.0))), offer("b", 1, Load(uj(9), 50.0))])
    assert c.energy_uj.tolist() == [3_000_000, -3_000_000]
    assert c.flow_uj.tolist() == [2_000_000, -1_000_000, 1_000_000]
    # a Joule taken at c costs 1, relieves bc by 1/3 and lets b have one more, which gains 49
    assert c.price_per_j.tolist() == pytest.approx([1.0, 50.0, -48.0], rel=1e-9)
    assert c.operator["congestion_rent.l1"] == pytest.approx(147e9, rel=1e-9)
