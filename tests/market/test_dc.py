"""The market on meshed grids: by hand, against other solvers, in integers, forged.

Spec: docs/spec/grid.md, G10 to G15; docs/spec/certificate.md.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.grid.dc import LinearFlow, linear_flow_of
from isojoule.market import Book, Clearing
from isojoule.market.allocation import NotSolved, allocate
from isojoule.market.best import best
from isojoule.market.meshed.prices import Proof, proof_of
from isojoule.market.verify import check_clearing
from isojoule.valuation import Load, Offer, Step, Steps, Utility
from tests.market.books import book_of, buy, clear, grid_of, offer, sell, uj
from tests.market.ieee import MW, case_of, pandapower_answer, quadratic, tightened
from tests.market.ieee import book_of as book_of_case

INF = np.inf


def meshed(nodes: int, links: list[dict[str, Any]]) -> Grid:
    """As `grid_of`, with reactances `x` (1 ohm)."""
    x = np.array([float(link.get("x", 1.0)) for link in links])
    return replace(grid_of(nodes, links), reactance_ohm=x)


def cleared(grid: Grid, offers: list[Offer]) -> Clearing:
    """Clear with `lmp` on dc, and check."""
    book = book_of(grid, offers, network="dc")
    c = clear(book, grid, "lmp")
    check_clearing(book, grid, c)
    return c


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


def random_case(seed: int) -> tuple[Grid, list[Offer]]:
    """A random meshed grid, perhaps in parts, with steps, slopes, loads and a utility."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    ends = [(int(rng.integers(v)), v) for v in range(1, n) if rng.random() < 0.95]
    more = int(rng.integers(1, n + 2))
    ends += [tuple(rng.choice(n, 2, replace=False).tolist()) for _ in range(more)]
    links = [
        {
            "ends": e,
            "x": float(rng.uniform(0.2, 3)),
            "capacity_w": float(
                rng.choice([INF, 0.0, 2.0, 5.0, 20.0], p=[0.4, 0.1, 0.2, 0.2, 0.1])
            ),
        }
        for e in ends
    ]
    offers: list[Offer] = []
    for v in range(n):
        for _ in range(int(rng.integers(1, 3))):
            size, low = float(rng.uniform(1, 20)), float(rng.uniform(1, 9))
            slope = float(rng.choice([0.0, rng.uniform(0.1, 3)]))
            form = int(rng.integers(3))
            spec = (
                sell((size, low, low + slope)),
                buy((size, low + slope + 2, low + 2)),
                Load(uj(size), 30.0),
            )[form]
            offers.append(offer(f"p{len(offers)}", v, spec))
    if rng.random() < 0.3:
        offers.append(offer("utility", int(rng.integers(n)), Utility(9.0, 2.0)))
    return meshed(n, links), offers


def referee(book: Book, grid: Grid) -> float:
    """The greatest welfare, from the formulas, by Clarabel."""
    x = cp.Variable(book.offer_count)
    worth, limits = [], []
    for i, o in enumerate(book.offers):
        if isinstance(o.spec, Load):
            size = o.spec.energy_uj / 1e6
            worth.append(o.spec.lost_load_per_j * x[i])
            limits += [x[i] >= 0, x[i] <= size]
        elif isinstance(o.spec, Utility):
            worth.append(
                -cp.maximum(-9.0 * x[i], -2.0 * x[i])
                if False
                else cp.minimum(9.0 * x[i], 2.0 * x[i])
            )
        else:
            assert isinstance(o.spec, Steps)
            sells = bool(o.spec.sell)
            (step,) = o.spec.sell or o.spec.buy
            size, first, last = step.energy_uj / 1e6, step.price_per_j, step.end_price_per_j
            q = -x[i] if sells else x[i]
            limits += [q >= 0, q <= size]
            value = first * q + (last - first) / (2 * size) * cp.square(q)
            worth.append(-value if sells else value)
    angle, f = cp.Variable(grid.node_count), cp.Variable(grid.link_count)
    incidence = np.zeros((grid.node_count, grid.link_count))
    at = np.arange(grid.link_count)
    incidence[grid.link_from, at] += 1.0
    incidence[grid.link_to, at] -= 1.0
    place = np.zeros((grid.node_count, book.offer_count))
    place[book.offer_node, np.arange(book.offer_count)] = 1.0
    limits.append(place @ x + incidence @ f == 0)
    for e in range(grid.link_count):
        tail, head = int(grid.link_from[e]), int(grid.link_to[e])
        if grid.capacity_w[e] > 0:
            limits.append(grid.reactance_ohm[e] * f[e] == angle[tail] - angle[head])
        if np.isfinite(grid.capacity_w[e]):
            limits += [f[e] <= grid.capacity_w[e], f[e] >= -grid.capacity_w[e]]
    problem = cp.Problem(cp.Maximize(cp.sum(cp.hstack(worth))), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(problem.solve(solver=cp.CLARABEL))


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
        assert bound >= found.support.welfare - 1e-7 * (1 + abs(bound))


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


# --- whole microjoules ---------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-4, 1.0, 1e5, 1e8]))
def test_integers_at_any_size(seed: int, size: float) -> None:
    """G12: balance exactly, limits exactly, and the power flow within 2 uJ."""
    grid, offers = random_case(seed)
    scaled = []
    for o in offers:
        spec = o.spec
        if isinstance(spec, Load):
            spec = Load(max(round(spec.energy_uj * size), 1), spec.lost_load_per_j / size)
        elif isinstance(spec, Steps):
            rows = [
                tuple(
                    Step(
                        max(round(s.energy_uj * size), 1),
                        s.price_per_j / size,
                        s.end_price_per_j / size,
                    )
                    for s in side
                )
                for side in (spec.sell, spec.buy)
            ]
            spec = Steps(*rows)
        elif isinstance(spec, Utility):
            spec = Utility(9.0 / size, 2.0 / size)
        scaled.append(replace(o, spec=spec))
    grid = replace(grid, capacity_w=grid.capacity_w * size)
    book = book_of(grid, scaled, network="dc")
    c = clear(book, grid, "lmp")
    check_clearing(book, grid, c)
    linear = linear_flow_of(grid, 1.0)
    assert isinstance(linear, LinearFlow)
    off = linear.astray(c.flow_uj[linear.live].astype(np.float64))
    assert np.all(np.abs(off) < 1.1 + 1e-12 * np.max(np.abs(c.flow_uj), initial=0))


# --- forged --------------------------------------------------------------------------------------


def ring_clearing() -> tuple[Book, Grid, Clearing]:
    grid = meshed(3, [{"ends": (0, 1), "capacity_w": 5.0}, {"ends": (1, 2)}, {"ends": (0, 2)}])
    offers = [offer("s", 0, sell((20, 1.0, 1.5))), offer("t", 2, sell((20, 2.0, 3.0)))]
    offers.append(offer("b", 1, Load(uj(12), 30.0)))
    book = book_of(grid, offers, network="dc")
    return book, grid, clear(book, grid, "lmp")


def forged(c: Clearing, what: str) -> Clearing:
    """A clearing with one thing altered, consistently where it is easy."""
    cert = c.certificate
    price, duals, dual = c.price_per_j.copy(), cert.duals.copy(), cert.side["links"].copy()
    energy, flow = c.energy_uj.copy(), c.flow_uj.copy()
    low, high = cert.lowest.copy(), cert.highest.copy()
    if what == "loop":  # around the ring: every node still balances
        flow += np.array([-3, -3, 3])
    elif what == "over the limit":
        flow += np.array([3, 3, -3])
    elif what == "price":
        price[1] *= 1 + 1e-6
    elif what == "all prices":
        for column in (price, duals, low, high):
            column *= 1 + 1e-6
    elif what == "dual":
        dual[0] *= 1 + 1e-6
    elif what == "dual of a link that is not full":
        dual[1] += 1e-3
    elif what == "duals":
        duals += 0.1
    elif what == "redispatch":  # 1 J more of the dear one, and the flows that follow
        energy[list_of(c)] += np.array([1_000_000, -1_000_000])
        flow += np.array([-333_333, -333_334 + 1_000_000 - 333_333 + 0, 0])
    side = {"links": dual}
    cert = replace(cert, duals=duals, side=side, lowest=low, highest=high)
    return replace(c, price_per_j=price, energy_uj=energy, flow_uj=flow, certificate=cert)


def list_of(c: Clearing) -> list[int]:
    """The two sellers."""
    return np.flatnonzero(c.energy_uj < 0).tolist()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("loop", "than the power flow of what is fed in"),
        ("over the limit", "carries more than its limit"),
        ("price", "a price that the rule does not take"),
        ("all prices", "a price that the rule does not take"),
        ("dual", "a dual that does not follow from the prices"),
        ("dual of a link that is not full", "a dual that does not follow"),
        ("duals", "certificate"),
        ("redispatch", "."),
    ],
)
def test_forged_clearings_are_refused(what: str, words: str) -> None:
    book, grid, c = ring_clearing()
    check_clearing(book, grid, c)
    with pytest.raises(VerificationError, match=words):
        check_clearing(book, grid, forged(c, what))


def test_another_dispatch_is_not_the_optimum() -> None:
    """All physics right, prices made to fit: the gap tells."""
    book, grid, c = ring_clearing()
    linear = linear_flow_of(grid, 1.0)
    assert isinstance(linear, LinearFlow)
    energy = c.energy_uj.copy()
    energy[book.offer_ids.index("s")] += 3_000_000  # less of the cheap one
    energy[book.offer_ids.index("t")] -= 3_000_000
    fed_in = -np.bincount(book.offer_node, energy / 1e6, 3)
    flow = np.rint(linear.flows(linear.angles(fed_in)) * 1e6).astype(np.int64)
    own = proof_of(book, linear, energy, flow, None)
    s = own.support
    cert = replace(
        c.certificate, duals=own.proof.price, lowest=s.lowest, highest=s.highest,
        side={"links": own.proof.link}, gap=s.gap, welfare_bound=s.welfare + s.gap,
    )  # fmt: skip
    lie = replace(
        c, energy_uj=energy, flow_uj=flow, price_per_j=s.price, welfare=s.welfare, certificate=cert
    )
    with pytest.raises(VerificationError, match="the duals leave a gap"):
        check_clearing(book, grid, lie)


def test_a_grid_without_a_power_flow_is_not_cleared() -> None:
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.1}])
    found = best(book_of(grid, [offer("s", 0, sell((1, 1.0)))], network="dc"), grid)
    assert isinstance(found, NotSolved)
    assert "'l0' loses energy" in found.reason


def test_trade_without_limit_is_refused() -> None:
    grid = meshed(2, [{"ends": (0, 1)}])
    offers = [offer("u", 0, Utility(2.0, None)), offer("v", 1, Utility(None, 5.0))]
    found = best(book_of(grid, offers, network="dc"), grid)
    assert isinstance(found, NotSolved)
    limited = meshed(2, [{"ends": (0, 1), "capacity_w": 7.0}])
    c = cleared(limited, offers)
    assert c.flow_uj.tolist() == [7_000_000]
    assert c.price_per_j.tolist() == [2.0, 5.0]
