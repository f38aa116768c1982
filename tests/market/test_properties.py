"""What holds for every clearing, whatever the book."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.grid import Grid
from isojoule.market import Clearing
from isojoule.valuation import Battery, Load, Offer, Step, Steps, Utility
from tests.market.books import REAL, SMALL, Case, Sizes, book_of, clear, random_case

CALM = settings(derandomize=True, deadline=None, max_examples=80)
SEEDS = st.integers(0, 10**6)
SIZES = st.sampled_from((SMALL, REAL))


@CALM
@given(SEEDS, SIZES)
def test_energy_is_conserved_in_integers(seed: int, sizes: Sizes) -> None:
    case = random_case(seed, sizes)
    c = clear(case.book, case.grid)
    g = case.grid
    at = dict.fromkeys(g.node_ids, 0)
    for o, uj in zip(case.book.offers, c.energy_uj.tolist(), strict=True):
        at[o.node] += uj
    for i in range(g.link_count):
        near, far = g.node_ids[g.link_from[i]], g.node_ids[g.link_to[i]]
        sent, lost = int(c.flow_uj[i]), int(c.loss_uj[i])
        if sent < 0:
            near, far, sent = far, near, -sent
        assert 0 <= lost <= sent
        if np.isfinite(g.capacity_w[i]):
            assert sent <= Fraction(float(g.capacity_w[i])) * 10**6
        r = float(g.resistance_ohm[i]) if g.resistance_ohm[i] else 0.0
        square = math.ceil(r * (sent * 1e-6) * (sent * 1e-6) * 1e6) if r else 0
        share = math.ceil(Fraction(sent * int(g.loss_ppb[i]), 10**9))
        assert lost == min(share + square, sent)
        at[near] += sent
        at[far] -= sent - lost
    if case.network == "copperplate":
        assert not c.flow_uj.any()
        assert sum(at.values()) == 0
    else:
        assert set(at.values()) == {0}


@CALM
@given(SEEDS, SIZES)
def test_everyone_pays_the_exact_product_rounded_up(seed: int, sizes: Sizes) -> None:
    case = random_case(seed, sizes)
    c = clear(case.book, case.grid)
    for o, uj, nano in zip(case.book.offers, c.energy_uj, c.payment_nano, strict=True):
        price = float(c.price_per_j[case.grid.node_index[o.node]])
        exact = 0 if math.isnan(price) else math.ceil(Fraction(price) * int(uj) * 1000)
        assert nano == exact
    assert c.surplus_nano == c.payment_nano.sum() + c.link_payment_nano.sum()
    assert c.surplus_nano == sum(c.operator.values())
    # no deficit, but what whole microjoules and nano-units cost
    assert c.surplus_nano >= -1e-4 * sizes.lost_load * sizes.price * 1e9 - 100


@CALM
@given(SEEDS, SIZES)
def test_nobody_is_worse_off_than_without_trade(seed: int, sizes: Sizes) -> None:
    """Each offer's worth of what it receives is at least what it pays, but for dust."""
    from isojoule.kernels.prices import fill
    from isojoule.valuation.curve import integral

    case = random_case(seed, sizes)
    book = case.book
    c = clear(book, case.grid)
    x = fill(book.piece_offer.astype(np.int64), book.pieces.lo, book.pieces.hi, c.energy_uj * 1e-6)
    worth = np.bincount(book.piece_offer, integral(book.pieces, x), book.offer_count)
    dust = 1e-5 * sizes.lost_load * sizes.price + 1e-6 * np.abs(worth) + 2e-9
    assert np.all(worth - c.payment_nano * 1e-9 >= -dust - c.certificate.gap)


def permuted(case: Case, seed: int) -> tuple[Case, np.ndarray, np.ndarray]:
    """The same case with nodes, links and offers in another order, some links turned round."""
    rng = np.random.default_rng(seed)
    g = case.grid
    nodes, links = rng.permutation(g.node_count), rng.permutation(g.link_count)
    place = np.argsort(nodes).astype(np.int32)
    turn = rng.random(g.link_count) < 0.5
    ends = np.where(
        turn, [g.link_to[links], g.link_from[links]], [g.link_from[links], g.link_to[links]]
    )
    grid = Grid(
        tuple(g.node_ids[i] for i in nodes),
        tuple(g.link_ids[i] for i in links),
        place[ends[0]],
        place[ends[1]],
        **{
            name: getattr(g, name)[links]
            for name in (
                *("capacity_w", "loss_ppb", "resistance_ohm", "reactance_ohm", "voltage_v"),
                *("standing_loss_w", "price_per_j"),
            )
        },
    )
    offers = [case.offers[i] for i in rng.permutation(len(case.offers))]
    return Case(grid, offers, case.network, case.sizes), nodes, links


@CALM
@given(SEEDS, SIZES)
def test_the_order_of_the_input_does_not_matter(seed: int, sizes: Sizes) -> None:
    case = random_case(seed, sizes)
    other, nodes, _ = permuted(case, seed)
    assert other.book.offer_ids == case.book.offer_ids
    one, two = clear(case.book, case.grid), clear(other.book, other.grid)
    assert one.welfare == pytest.approx(
        two.welfare, rel=1e-6, abs=1e-6 * sizes.energy_j * sizes.price
    )
    # dust may narrow the prices that support one of them, so: some prices support both
    low = np.maximum(one.certificate.lowest[nodes], two.certificate.lowest)
    high = np.minimum(one.certificate.highest[nodes], two.certificate.highest)
    near = 2e-3 * (np.abs(np.where(np.isfinite(low), low, 0.0)) + sizes.price)
    assert np.all(low <= high + near)


def scaled(o: Offer, factor: float) -> Offer:
    s = o.spec
    if isinstance(s, Steps):
        up = lambda steps: tuple(  # noqa: E731
            Step(t.energy_uj, t.price_per_j * factor, t.end_price_per_j * factor) for t in steps
        )
        spill = None if s.spill_value_per_j is None else s.spill_value_per_j * factor
        return replace(o, spec=Steps(up(s.sell), up(s.buy), spill))
    if isinstance(s, Load):
        return replace(o, spec=Load(s.energy_uj, s.lost_load_per_j * factor))
    if isinstance(s, Utility):
        pair = (s.sells_at_per_j, s.buys_at_per_j)
        return replace(o, spec=Utility(*(None if p is None else p * factor for p in pair)))
    assert isinstance(s, Battery)
    names = (
        "v_min_per_j",
        "v_max_per_j",
        "v_critical_per_j",
        "lost_load_per_j",
        "spill_value_per_j",
    )
    values = {n: getattr(s, n) for n in names}
    return replace(
        o, spec=replace(s, **{n: None if v is None else v * factor for n, v in values.items()})
    )


@CALM
@given(SEEDS, st.sampled_from((2.0**-20, 0.25, 8.0, 2.0**12)))
def test_prices_scale(seed: int, factor: float) -> None:
    """A power of two times all prices is that power times all results."""
    case = random_case(seed, SMALL)
    g = case.grid
    richer = replace(g, price_per_j=g.price_per_j * factor)
    one = clear(case.book, g)
    two = clear(
        book_of(richer, [scaled(o, factor) for o in case.offers], network=case.network), richer
    )
    assert two.welfare == pytest.approx(one.welfare * factor, rel=1e-7, abs=1e-6 * factor)
    sure = one.certificate.lowest == one.certificate.highest
    assert np.allclose(
        two.price_per_j[sure], one.price_per_j[sure] * factor, rtol=1e-3, atol=1e-3 * factor
    )


def test_ties_are_shared_and_do_not_depend_on_names() -> None:
    """Four sellers of 4 J each at one price, and 4 J wanted: each sells a quarter."""
    from tests.market.books import buy, grid_of, offer, sell

    grid = grid_of(1)
    offers = [offer(name, 0, sell((4.0, 1.0))) for name in "dabc"]
    offers.append(offer("buyer", 0, buy((4.0, 3.0))))
    c = clear(book_of(grid, offers), grid)
    sold = c.energy_uj[c.energy_uj < 0]
    assert sold.sum() == -4_000_000
    assert sold.size == 4
    assert np.ptp(sold) <= 4


def test_the_same_book_twice_is_the_same_clearing_to_the_last_bit() -> None:
    for seed in range(20):
        case = random_case(seed, SMALL)
        again = random_case(seed, SMALL)
        one, two = clear(case.book, case.grid), clear(again.book, again.grid)
        assert same(one, two)


def same(one: Clearing, two: Clearing) -> bool:
    columns = ("energy_uj", "payment_nano", "flow_uj", "loss_uj", "price_per_j")
    return one.welfare == two.welfare and all(
        np.array_equal(getattr(one, c), getattr(two, c), equal_nan=True) for c in columns
    )
