"""The check in integers: the same on any number of threads, and nothing wraps around (C3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.recheck import MANY, Links, Offers, Recheck, recheck
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.allocation import bounds_uj, columns_of
from isojoule.market.mechanisms import get
from isojoule.market.settle import capacity_uj
from tests.market.solvers.conformance import Given, shaped
from tests.market.solvers.shapes import SHAPES, WIRES

NONE = np.zeros(0, np.int64)
NO_LINKS = Links(NONE, NONE, NONE, NONE, np.zeros(0), NONE, NONE)


def again(book: Book, network: Network, c: Clearing, threads: int = 1) -> Recheck:
    """The check of a clearing of divisible offers."""
    columns = columns_of(book, network)
    low, high = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    energy = np.append(c.energy_uj, c.standing_uj[columns.standing_links])
    limits, used = network.limits, slice(network.tail.size)
    links = Links(
        network.tail, network.head, capacity_uj(network), limits.loss_ppb, limits.loss_per_j,
        c.flow_uj[used], c.loss_uj[used],
    )  # fmt: skip
    return recheck(links, Offers(columns.offer_node, low, high, energy), network.nodes, threads)


def large(seed: int, nodes: int = 3_000, count: int = 9_000) -> tuple[Links, Offers]:
    """Links that carry anything within their limits, and offers that make every node balance."""
    rng = np.random.default_rng(seed)
    tail = rng.integers(0, nodes, count)
    head = (tail + rng.integers(1, nodes, count)) % nodes
    capacity = rng.integers(10**6, 10**14, count)
    flow = (capacity * rng.uniform(-1, 1, count)).astype(np.int64)
    ppb = np.where(rng.random(count) < 0.5, rng.integers(0, 5 * 10**8, count), 0)
    sent = np.abs(flow)
    loss = np.array(
        [-(-int(s) * int(p) // 10**9) for s, p in zip(sent, ppb, strict=True)], np.int64
    )
    rest = np.zeros(nodes, np.int64)
    np.subtract.at(rest, np.where(flow >= 0, tail, head), sent)
    np.add.at(rest, np.where(flow >= 0, head, tail), sent - loss)
    links = Links(tail, head, capacity, ppb, np.zeros(count), flow, loss)
    room = np.abs(rest) + rng.integers(0, 1000, nodes)
    return links, Offers(np.arange(nodes), -room, room, rest)


@pytest.mark.parametrize("seed", range(5))
def test_what_balances_passes_on_any_number_of_threads(seed: int) -> None:
    links, offers = large(seed)
    one = recheck(links, offers, 3_000, 1)
    assert (one.offer, one.capacity, one.loss, one.node, one.off_uj) == (-1, -1, -1, -1, 0)
    assert one.delivered_uj == one.received_uj + one.lost_uj
    assert one.received_uj == sum(e for e in offers.energy_uj.tolist() if e > 0)
    assert one.lost_uj == sum(links.loss_uj.tolist())
    for threads in (0, 2, 3, 7):
        assert recheck(links, offers, 3_000, threads) == one


@pytest.mark.parametrize("seed", range(20))
def test_what_is_altered_is_found_alike_on_any_number_of_threads(seed: int) -> None:
    """One to three entries are changed; the first of each kind is named, whoever sees it."""
    links, offers = large(seed)
    rng = np.random.default_rng(seed)
    for column in ("flow_uj", "loss_uj", "energy_uj"):
        table: Any = offers if column == "energy_uj" else links
        values = getattr(table, column).copy()
        at = np.sort(rng.choice(values.size, rng.integers(1, 4), replace=False))
        values[at] += rng.choice([-(10**15), -1, 1, 10**15], at.size)
        bad = table._replace(**{column: values})
        task = (links, bad) if column == "energy_uj" else (bad, offers)
        one = recheck(*task, 3_000, 1)
        assert one != recheck(links, offers, 3_000, 1)
        for threads in (2, 3):
            assert recheck(*task, 3_000, threads) == one
        if column == "loss_uj":
            assert one.loss == at[0]


def test_enough_work_for_two_threads_by_itself() -> None:
    links, offers = large(1, nodes=MANY, count=2 * MANY)
    assert recheck(links, offers, MANY) == recheck(links, offers, MANY, 1)


def test_totals_beyond_64_bits() -> None:
    """A million nodes with 10 kWh each are 3.6e19 microjoules, more than 2**63."""
    nodes, each = 1_000_000, 36_000_000_000_000
    node = np.arange(2 * nodes) % nodes
    energy = np.repeat([each, -each], nodes)
    most = np.full(2 * nodes, each)
    for threads in (1, 2):
        found = recheck(NO_LINKS, Offers(node, -most, most, energy), nodes, threads)
        assert found.received_uj == found.delivered_uj == 36 * 10**18
        assert found.node == -1


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_balance_that_would_wrap_around_is_found(threads: int) -> None:
    """Four links bring 2**62 microjoules each: 2**64 is not nothing."""
    four, much = np.arange(4), 2**62
    links = Links(
        four, np.full(4, 4), np.full(4, much), np.zeros(4, np.int64), np.zeros(4),
        np.full(4, much), np.zeros(4, np.int64),
    )  # fmt: skip
    offers = Offers(four, np.full(4, -much), np.zeros(4, np.int64), np.full(4, -much))
    found = recheck(links, offers, 5, threads)
    assert (found.node, found.off_uj) == (4, 2**64)
    assert (found.received_uj, found.delivered_uj) == (0, 2**64)


def test_the_least_number_of_64_bits_is_no_flow() -> None:
    """Its size is no number of 64 bits; it is beyond every limit."""
    least = np.array([-(2**63)])
    one = np.array([1])
    links = Links(
        one - 1, one, np.array([2**62]), one - 1, np.zeros(1), least, np.zeros(1, np.int64)
    )
    nobody = Offers(NONE, NONE, NONE, NONE)
    assert recheck(links, nobody, 2).capacity == 0
    offers = Offers(one, least + 1, -least - 1, least)
    assert recheck(NO_LINKS, offers, 2).offer == 0


@pytest.mark.slow
def test_energy_in_is_energy_out_over_ten_thousand_intervals() -> None:
    """Random grids of every kind, twenty intervals each: to the last microjoule, every time."""
    intervals, traded, lost = 0, 0, 0
    for number in range(500):
        shape, wires = SHAPES[number % len(SHAPES)], WIRES[number // len(SHAPES) % len(WIRES)]
        given = shaped(shape, wires, 1_000 + number, 5 + number % 4)
        network = network_of(given.grid, "transport", 1.0)
        rng = np.random.default_rng(number)
        for interval in range(20):
            book = noisy(given, rng)
            c = get("equilibrium").clear(book, given.grid)
            assert not isinstance(c, Refusal), str(c)
            found = again(book, network, c)
            assert (found.offer, found.capacity, found.loss, found.node) == (-1, -1, -1, -1)
            assert found.delivered_uj == found.received_uj + found.lost_uj
            assert found.lost_uj == sum(c.loss_uj.tolist())
            if interval == 0:
                assert found == again(book, network, c, 2)
            intervals += 1
            traded += bool(c.flow_uj.any())
            lost += found.lost_uj > 0
    assert intervals == 10_000
    assert traded > 5_000 and lost > 2_000


def noisy(given: Given, rng: np.random.Generator) -> Book:
    """The book with offers that are smaller and worth more or less, each at random."""
    book = given.book
    share = rng.uniform(0.2, 1.0, book.offer_count)[book.piece_offer]
    worth = rng.uniform(0.7, 1.3, book.offer_count)[book.piece_offer]
    p = book.pieces
    with np.errstate(invalid="ignore"):
        lo, hi = np.floor(p.lo * share * 1e6) / 1e6, np.ceil(p.hi * share * 1e6) / 1e6
    lo, hi = np.maximum(lo, p.lo), np.minimum(hi, p.hi)
    return replace(book, pieces=p._replace(lo=lo, hi=hi, a=p.a * worth, b=p.b * worth))
