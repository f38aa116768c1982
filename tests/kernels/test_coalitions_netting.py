"""One meter for all: docs/spec/surplus.md Z9, Z10, Z13.

Worths against their definition, and a core at any size.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.kernels.coalitions import core_answer, shapley, superadditive
from isojoule.kernels.netting_game import (
    Netting,
    adds,
    netting,
    one_meter_prices,
    owen_core,
    worths,
)
from isojoule.kernels.nucleolus import nucleolus
from isojoule.kernels.permutations import numbers, order_of, sampled_shapley
from tests.kernels.test_coalitions import gloves

Case = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@st.composite
def cases(draw: st.DrawFn, *, losses: bool = True, most: int = 5) -> Case:
    """Readings (some of them 0), prices of either sign, losses."""
    n = draw(st.integers(1, most))
    t = draw(st.integers(1, 4))
    energy = st.one_of(st.just(0), st.integers(-10, 10).map(lambda k: k * 10**12),
                       st.integers(-(10**13), 10**13))  # fmt: skip
    net = np.array(draw(st.lists(energy, min_size=n * t, max_size=n * t)), np.int64).reshape(t, n)
    price = st.floats(-1e-7, 2e-7)
    buys = np.array(draw(st.lists(price, min_size=t, max_size=t)))
    spread = np.array(draw(st.lists(st.floats(0, 1e-7), min_size=t, max_size=t)))
    loss = st.integers(0, 10**12) if losses else st.just(0)
    return (
        net,
        buys + spread,
        buys,
        np.array(draw(st.lists(loss, min_size=t, max_size=t)), np.int64),
    )


def bill(energy: Fraction, sells: float, buys: float) -> Fraction:
    return energy * Fraction(sells if energy > 0 else buys) * 1000


def defined(net: np.ndarray, sells: np.ndarray, buys: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """v(S) as it is said: bills of the members without losses, less that of their one meter."""
    intervals, n = net.shape
    out = []
    for s in range(1 << n):
        inside = [i for i in range(n) if s >> i & 1]
        worth = Fraction(0)
        for t in range(intervals):
            own = [Fraction(int(net[t, i])) for i in inside]
            total = sum(abs(int(e)) for e in net[t])
            part = sum(map(abs, own)) / total if total else Fraction(len(inside), n)
            together = sum(own) + part * int(loss[t])
            worth += sum(bill(e, sells[t], buys[t]) for e in own)
            worth -= bill(together, sells[t], buys[t])
        out.append(float(worth))
    return np.array(out)


def slack(net: np.ndarray, sells: np.ndarray, buys: np.ndarray, loss: np.ndarray) -> float:
    """What floats may leave: a part of all the money there is."""
    dearest = np.maximum(np.abs(sells), np.abs(buys))
    return 1e-3 + 1e-12 * float(((np.abs(net).sum(axis=1) + loss) * dearest).sum()) * 1000.0


@settings(derandomize=True, deadline=None)
@given(cases())
def test_worths_are_what_one_meter_saves(case: Case) -> None:
    found = worths(netting(*case))
    np.testing.assert_allclose(found, defined(*case), rtol=0, atol=slack(*case))


@settings(derandomize=True, deadline=None)
@given(cases(), st.integers(0, 2**64 - 1))
def test_what_members_add_is_the_difference_of_worths(case: Case, seed: int) -> None:
    game = netting(*case)
    value = worths(game)
    order = order_of(np.uint64(seed), case[0].shape[1])
    found = adds(game.energy_uj, game.bill_nano, game.spread_per_j, order)
    have = 0
    for i in order.tolist():
        here = value[have | 1 << i] - value[have]
        assert found[i] == pytest.approx(here, abs=slack(*case))
        have |= 1 << i


@settings(derandomize=True, deadline=None)
@given(cases(), st.booleans())
def test_owens_prices_are_in_the_core_with_losses_and_without(case: Case, balance: bool) -> None:
    net, sells, buys, loss = case
    if balance:  # import nothing, export nothing: any price between is one
        net = net.copy()
        net[:, 0] -= net.sum(axis=1) + loss
    prices = one_meter_prices(net.sum(axis=1) + loss, sells, buys)
    assert ((buys <= prices) & (prices <= sells)).all()
    game = netting(net, sells, buys, loss)
    saved = owen_core(game, prices, sells, buys)
    answer = core_answer(worths(game), saved, slack(net, sells, buys, loss))
    assert answer.inside, answer


def test_other_prices_are_not() -> None:
    """The test above can fail: the buying price where the community imports is outside the core."""
    net = np.array([[3, -1]], np.int64) * 10**12
    sells, buys, loss = np.array([2e-7]), np.array([1e-7]), np.zeros(1, np.int64)
    game = netting(net, sells, buys, loss)
    assert core_answer(worths(game), owen_core(game, sells, sells, buys), 1.0).inside
    assert not core_answer(worths(game), owen_core(game, buys, sells, buys), 1.0).inside


@settings(derandomize=True, deadline=None)
@given(cases())
def test_two_groups_save_no_less_together(case: Case) -> None:
    assert superadditive(worths(netting(*case))).gap <= slack(*case)


@settings(derandomize=True, deadline=None)
@given(cases(losses=False))
def test_without_losses_nobody_saves_alone_and_no_group_loses(case: Case) -> None:
    value = worths(netting(*case))
    assert (value >= 0.0).all()
    assert all(value[1 << i] == 0.0 for i in range(case[0].shape[1]))


def test_it_is_a_game_of_gloves() -> None:
    """Shapley, Shubik 1969: a Joule to give and a Joule needed are a pair."""
    net = np.array([[-1, -1, 1, 1, 1]], np.int64) * 10**6
    game = netting(net, np.array([3e-7]), np.array([1e-7]), np.zeros(1, np.int64))
    pair = 2e-7 * 1e9  # nano-units that a Joule saves
    np.testing.assert_allclose(worths(game) / pair, gloves(2, 3), atol=1e-12)
    np.testing.assert_allclose(nucleolus(worths(game)) / pair, [1, 1, 0, 0, 0], atol=1e-9)


def test_losses_can_cost_more_than_netting_saves() -> None:
    """Alone on the wires a member bears its losses: it is worth less than 0, as are all."""
    net = np.array([[4, -2]], np.int64) * 10**6
    sells, buys, loss = np.array([3e-7]), np.array([1e-7]), np.array([3 * 10**6])
    game = netting(net, sells, buys, loss)
    np.testing.assert_allclose(game.energy_uj[:, 0], [6e6, -1e6])
    # 2 J of losses at 3e-7 for the one, 1 J at 1e-7 for the other; 1 J netted saves 2e-7
    np.testing.assert_allclose(worths(game), [0, -600, -100, -500], atol=1e-9)
    prices = one_meter_prices(net.sum(axis=1) + loss, sells, buys)
    assert core_answer(worths(game), owen_core(game, prices, sells, buys), 1e-6).inside
    # a game in which who leaves leaves the losses behind has no core here: 0 + 0 > -500
    free = worths(game) * np.array([0, 0, 0, 1])
    assert superadditive(free).gap == pytest.approx(500)


def test_standing_losses_without_any_energy_are_borne_by_all_alike() -> None:
    net = np.zeros((1, 4), np.int64)
    game = netting(net, np.array([3e-7]), np.array([1e-7]), np.array([8 * 10**6]))
    np.testing.assert_allclose(game.energy_uj[:, 0], [2e6] * 4)
    np.testing.assert_allclose(shapley(worths(game)), [-600.0] * 4)


def test_sampled_and_exact_agree() -> None:
    rng = np.random.default_rng(9)
    net = (rng.normal(0.1, 1.0, (40, 9)) * 1e12).astype(np.int64)
    sells, buys = rng.uniform(2e-7, 3e-7, 40), rng.uniform(0, 1e-7, 40)
    game: Netting = netting(net, sells, buys, np.full(40, 10**11))
    exact = shapley(worths(game))

    def of(order: np.ndarray) -> np.ndarray:
        return adds(game.energy_uj, game.bill_nano, game.spread_per_j, order)

    found = sampled_shapley(numbers(np.uint64(1), 1000), 9, of)
    assert (np.abs(found.value - exact) < 4 * found.error).all()
    assert found.error.max() < 0.02 * np.abs(exact).max()
