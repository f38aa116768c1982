"""The largest trade left between neighbours, against hand-made cases and a naive search (C11)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market import Book
from isojoule.market.allocation import columns_of, supporting_prices
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load
from isojoule.valuation.curve import Pieces, integral
from tests.market.books import SMALL, book_of, buy, clear, grid_of, offer, random_case, sell, uj


def left(grid: Grid, book: Book, energy_j: list[float], flow_j: list[float]) -> float:
    """What the largest trade left gains where offers and links stand so, whatever balances."""
    network = network_of(grid, book.network, 1.0)
    energy = np.array([uj(e) for e in energy_j], np.int64)
    flow = np.array([uj(f) for f in flow_j], np.int64)
    none = np.zeros(grid.link_count, np.int64)
    duals = np.zeros(grid.node_count)
    assert network.nodes >= 1
    return supporting_prices(book, grid, energy, flow, none, none, duals).largest_trade_per_j


LINK = {"ends": (0, 1), "loss": 0.1, "price": 0.05, "capacity_w": 10.0}
PAIR = [offer("a", 0, sell((9, 0.2))), offer("b", 1, buy((9, 1.0)))]


@pytest.mark.parametrize(
    ("energy", "flow", "gain"),
    [
        ([0, 0], [0], 0.9 * 1.0 - 0.2 - 0.05),  # nothing moves yet
        ([-5, 4.5], [5], 0.9 * 1.0 - 0.2 - 0.05),  # half of it moves
        ([-9, 8.1], [9], 0.0),  # the seller has no more
        ([-5, 9], [5], 0.0),  # the buyer wants no more
        ([0, 0], [10], 0.0),  # the link is full
        ([0, 0], [-5], 1.0 - 0.9 * 0.2 + 0.05),  # what comes back need not come
    ],
)
def test_over_a_link(energy: list[float], flow: list[float], gain: float) -> None:
    grid = grid_of(2, [LINK])
    assert left(grid, book_of(grid, PAIR), energy, flow) == pytest.approx(gain, abs=1e-15)


def test_at_one_node_and_on_a_copperplate() -> None:
    grid = grid_of(2, [])
    here = [offer("a", 0, sell((9, 0.2))), offer("b", 0, buy((9, 1.0)))]
    assert left(grid, book_of(grid, here), [0, 0], []) == pytest.approx(0.8)
    assert left(grid, book_of(grid, PAIR), [0, 0], []) == 0.0
    assert left(grid, book_of(grid, PAIR, network="copperplate"), [0, 0], []) == pytest.approx(0.8)


def test_it_is_blind_over_two_hops_and_at_walls() -> None:
    grid = grid_of(3, [{"ends": (0, 1)}, {"ends": (1, 2)}])
    apart = [offer("a", 0, sell((9, 0.2))), offer("b", 2, buy((9, 1.0)))]
    assert left(grid, book_of(grid, apart), [0, 0], [0, 0]) == 0.0
    full = Battery(uj(10), uj(10), 0.1, 0.3)
    between = [*apart, offer("full", 1, full)]
    gain = left(grid, book_of(grid, between), [0, 0, 0], [0, 0])
    assert gain == pytest.approx(1.0 - 0.1)  # out of the full one, not through it


def test_at_the_peak_of_a_quadratic_loss_nothing_more_arrives() -> None:
    grid = grid_of(2, [{"ends": (0, 1), "r": 0.01}])
    offers = [offer("sun", 0, sell((100, 0.0), spill=0.0)), offer("load", 1, Load(uj(100), 5.0))]
    book = book_of(grid, offers)
    assert left(grid, book, [-25, 18.75], [25]) == pytest.approx(5 * 0.5)
    assert left(grid, book, [-50, 25], [50]) == 0.0


def naive(book: Book, grid: Grid, energy_uj: np.ndarray, flow_uj: np.ndarray) -> float:
    """By finite differences: give each offer a little more, or less, and see what it is worth."""
    network = network_of(grid, book.network, 1.0)
    columns = columns_of(book, network)
    step = 1e-4
    bids: dict[int, float] = {}
    asks: dict[int, float] = {}
    for o in range(book.offer_count):
        rows = book.piece_offer == o
        p = Pieces(*(c[rows] for c in book.pieces))
        q, v = energy_uj[o] * 1e-6, int(columns.offer_node[o])
        if q + 2 * step < p.hi.sum():
            worth = (_worth(p, q + step) - _worth(p, q)) / step
            bids[v] = max(bids.get(v, -math.inf), worth)
        if q - 2 * step > p.lo.sum():
            worth = (_worth(p, q) - _worth(p, q - step)) / step
            asks[v] = min(asks.get(v, math.inf), worth)
    best = max([0.0, *(bids[v] - asks[v] for v in bids.keys() & asks.keys())])
    for e in range(network.tail.size):
        ends = (int(network.tail[e]), int(network.head[e]))
        for near, far, sign in ((*ends, 1), (*ends[::-1], -1)):
            sent = sign * flow_uj[e] * 1e-6
            if far not in bids or near not in asks or sent + 2 * step >= network.capacity_j[e]:
                continue
            g, r, fee = network.gain[e], network.limits.loss_per_j[e], network.price[e]

            def arrives(f: float, g: float = g, r: float = r) -> float:
                return g * f - r * f * f if f >= 0 else f

            def leaves(f: float, g: float = g, r: float = r) -> float:
                return f if f >= 0 else -(g * -f - r * f * f)

            more = arrives(sent + step) - arrives(sent)
            less = leaves(sent + step) - leaves(sent)
            toll = fee * (abs(sent + step) - abs(sent))
            best = max(best, (bids[far] * more - asks[near] * less - toll) / step)
    return best


def _worth(p: Pieces, q: float) -> float:
    """Worth of receiving q along the curve."""
    total, rest = 0.0, q
    order = range(p.lo.size) if q > 0 else range(p.lo.size - 1, -1, -1)
    for i in order:
        x = min(rest, p.hi[i]) if q > 0 else max(rest, p.lo[i])
        one = Pieces(*(c[i : i + 1] for c in p))
        total += float(integral(one, np.array([x]))[0])
        rest -= x
    return total


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.floats(0.0, 0.9))
def test_against_a_naive_search(seed: int, share: float) -> None:
    """Where only a share of what should move does, both see the same trade left."""
    case = random_case(seed, SMALL)
    found = clear(case.book, case.grid)
    energy = (found.energy_uj * share).astype(np.int64)
    flow = (found.flow_uj * share).astype(np.int64)
    none = np.zeros(case.grid.link_count, np.int64)
    duals = np.zeros(case.grid.node_count)
    got = supporting_prices(case.book, case.grid, energy, flow, none, none, duals)
    wanted = naive(case.book, case.grid, energy, flow)
    # a curve that ends steeply has no one slope within a step
    assert got.largest_trade_per_j == pytest.approx(wanted, rel=1e-2, abs=1e-2)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_at_the_optimum_next_to_nothing_is_left(seed: int) -> None:
    """Batteries of k = 1 and flat steps: no curve is steep, so dust gains next to nothing."""
    case = random_case(seed, SMALL)
    offers = [
        replace(o, spec=replace(o.spec, k=1.0)) if isinstance(o.spec, Battery) else o
        for o in case.offers
    ]
    book = book_of(case.grid, offers, network=case.network)
    found = clear(book, case.grid)
    if found.certificate.kind == "dual":
        assert 0.0 <= found.certificate.largest_trade_per_j <= 1e-4


def test_a_forged_one_is_found() -> None:
    case = random_case(3, SMALL)
    good = clear(case.book, case.grid)
    check_clearing(case.book, case.grid, good)
    true = good.certificate.largest_trade_per_j
    for forged in (true + 1e-6, -1.0, math.nan, math.inf):
        bad = replace(good, certificate=replace(good.certificate, largest_trade_per_j=forged))
        with pytest.raises(VerificationError) as caught:
            check_clearing(case.book, case.grid, bad)
        assert caught.value.place == "certificate.largest_trade_per_j"


def test_rules_without_an_optimum_tell_none_or_the_truth() -> None:
    grid = grid_of(1)
    book = book_of(grid, [offer("a", 0, sell((2, 1.0))), offer("b", 0, buy((2, 3.0)))])
    good = clear(book_of(grid, list(book.offers), network="copperplate"), grid, "cda")
    assert math.isnan(good.certificate.largest_trade_per_j)
    forged = replace(good, certificate=replace(good.certificate, largest_trade_per_j=0.5))
    with pytest.raises(VerificationError, match=r"largest_trade_per_j: is 0\.5, the curves give 0"):
        check_clearing(book_of(grid, list(book.offers), network="copperplate"), grid, forged)
