"""docs/spec/machine.md, X1 to X5: what work costs, and that each Joule makes the next dearer."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from isojoule.core.errors import InputError, InvariantError
from isojoule.machine import (
    Accepted,
    Host,
    Machine,
    Order,
    Quote,
    Stage,
    accept,
    estimate_uj,
    quote,
)
from isojoule.valuation.battery import worth_at, worth_between
from isojoule.valuation.curve import Pieces, integral
from tests.machine.worlds import DT, battery, host, machine, order


def test_energy_of_work_by_hand() -> None:
    """X1: 2e9 operations of 1 nJ, 4 bytes for 5 s at 0.1 J, 3 bytes moved at 2 J: 2 + 2 + 6 J."""
    m = Machine("m", 1e9, 1e-9, 10, 0.1, 2.0, 0.0)
    assert estimate_uj(m, 2_000_000_000, 4, 5.0, 3) == 10_000_000


def test_energy_is_rounded_up_once() -> None:
    """X1: two parts of 0.3 uJ are 0.6 uJ together, so 1 uJ and not 2."""
    m = Machine("m", 1.0, 0.3e-6, 10, 0.0, 0.3e-6)
    assert estimate_uj(m, 1, moved_byte=1) == 1
    assert estimate_uj(m, 0) == 0


@pytest.mark.parametrize(("level", "v"), [(0.9, 0.2), (0.5, 0.6), (0.15, 0.95), (1.0, 0.1)])
def test_prices_by_hand(level: float, v: float) -> None:
    """X3: v from 0.1 to 1.1 on a line; 0.2 at 90 % and 0.95 at 15 %. Prices are Joules times v."""
    h = host(level, energy_per_byte_second_j=0.5, energy_per_byte_j=2.0)
    assert h.price_per_j == pytest.approx(v, rel=1e-12)
    assert h.price_per_operation == pytest.approx(v, rel=1e-12)
    assert h.price_per_byte_second == pytest.approx(0.5 * v, rel=1e-12)
    assert h.price_per_byte == pytest.approx(2 * v, rel=1e-12)


def test_freshness_scales_the_price() -> None:
    """X3: floor 0.5, idle one tau: 0.5 + 0.5/e of 0.2."""
    pack = battery(0.9, idle_s=10.0, tau_s=10.0, floor=0.5)
    h = Host.begin(machine(), "bo", pack, Stage.NORMAL, 0, DT)
    assert h.price_per_j == pytest.approx(0.2 * (0.5 + 0.5 / math.e), rel=1e-12)


def test_nothing_is_for_sale_at_the_reserve() -> None:
    """X3: at F <= 0 the price is without bound."""
    pack = battery(0.3, reserve_uj=300_000_000_000)
    h = Host.begin(machine(), "bo", pack, Stage.NORMAL, 0, DT)
    assert h.price_per_j == math.inf
    assert h.price_per_operation == math.inf


def test_payment_of_an_amount_by_hand() -> None:
    """X4: 1000 J out of 1 MJ at 90 %: v runs from 0.2 to 0.201 on a line, so 200.5 in money."""
    paid = host(0.9).payment_nano(1_000_000_000)
    assert paid in (200_500_000_000, 200_500_000_001)


def test_a_payment_is_rounded_up_once() -> None:
    """X4: 1 J at 0.3 nano-units is one nano-unit, 10 J are three, and nothing costs nothing."""
    pack = battery(1.0, v_min_per_j=0.3e-9, v_max_per_j=0.3e-9)
    h = Host.begin(machine(), "bo", pack, Stage.NORMAL, 0, DT)
    assert [h.payment_nano(j * 10**6) for j in (0, 1, 10, 11)] == [0, 1, 3, 4]


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0.2, 5.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 2.0),
)
def test_worth_between_is_the_integral(
    one: int, other: int, k: float, v_min: float, rise: float
) -> None:
    """X4 against quadrature, and against the pieces that clearings use (V4)."""
    low, high, f_max = min(one, other), max(one, other), 10**9
    worth = worth_between(low, high, f_max, v_min, v_min + rise, k)

    def v(free_j: float) -> float:
        return v_min + rise * max(1 - free_j / 1000, 0.0) ** k

    numeric, error = quad(v, low / 1e6, high / 1e6, epsabs=1e-9, epsrel=1e-9, limit=200)
    assert worth == pytest.approx(numeric, rel=1e-6, abs=max(1e-6, 10 * error))
    t = 1 - high / f_max
    piece = Pieces(*(np.array([x]) for x in (-1e6, 0.0, v_min, rise, t, 1e-3, k)))
    twin = -float(integral(piece, np.array([-(high - low) / 1e6]))[0])
    assert worth == pytest.approx(twin, rel=1e-6, abs=1e-9)


@given(st.integers(1, 10**6), st.integers(1, 10**12))
def test_small_amounts_keep_their_digits(width: int, free: int) -> None:
    """X4: an amount far below the whole is worth between v at its two ends."""
    f_max = 10**12
    low = max(free - width, 0)
    dear = worth_at(max(low, 1), f_max, 0.1, 1.1, 2.0)
    cheap = worth_at(free, f_max, 0.1, 1.1, 2.0)
    mean = worth_between(low, free, f_max, 0.1, 1.1, 2.0) / ((free - low) / 1e6)
    assert cheap * (1 - 1e-12) <= mean <= dear * (1 + 1e-11)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_worth_adds_up(a: int, b: int, c: int) -> None:
    """X4: two amounts one after the other are worth what both are together."""
    low, mid, high = sorted((a, b, c))
    curve = (10**9, 0.1, 1.1, 1.5)
    both = worth_between(low, mid, *curve) + worth_between(mid, high, *curve)
    assert both == pytest.approx(worth_between(low, high, *curve), rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.floats(0.3, 1.0))
def test_each_joule_sold_makes_the_next_dearer(sizes: list[int], level: float) -> None:
    """X5: accepted steps commit at once, never more than is free, and the price rises with each."""
    h = host(level, owner="ada", operations_per_s=1e4)
    for i, size in enumerate(sizes):
        taken = accept(h, order(f"o{i}", operations=size))
        assert isinstance(taken, Accepted)
        after = taken.host
        assert after.price_per_j > h.price_per_j
        assert after.battery.committed_uj == h.battery.committed_uj + taken.quote.energy_uj
        assert after.free_uj >= 0
        assert after.room == h.room - size
        h = after


@given(st.integers(1, 500), st.floats(0.3, 1.0))
def test_a_second_equal_step_costs_more(size: int, level: float) -> None:
    """X5."""
    h = host(level, owner="ada")
    first = accept(h, order("a", operations=size))
    assert isinstance(first, Accepted)
    second = quote(first.host, order("b", operations=size))
    assert isinstance(second, Quote)
    assert second.price_nano > first.quote.price_nano


def test_a_step_is_at_most_an_interval() -> None:
    """X2: 10 operations a second for 100 s: 1000 a step; 2500 are three steps."""
    sizes = []
    done = 0
    for start in (0, 100, 200):
        h = Host.begin(machine(), "ada", battery(1.0), Stage.NORMAL, start, DT)
        asked = quote(h, order(operations=2500), done)
        assert isinstance(asked, Quote)
        sizes.append(asked.operations)
        done += asked.operations
    assert sizes == [1000, 1000, 500]


def test_memory_is_paid_while_it_computes() -> None:
    """X1: 500 operations take 50 s; 100 bytes at 0.01 J a byte-second are 50 J; 3 bytes in, 6 J."""
    h = host(energy_per_byte_second_j=0.01, energy_per_byte_j=2.0)
    asked = quote(h, order(memory_byte=100), moved_byte=3)
    assert isinstance(asked, Quote)
    assert asked.energy_uj == (500 + 50 + 6) * 10**6


def test_a_host_cannot_commit_what_it_has_not() -> None:
    """X5: the last guard, behind every refusal."""
    h = host(0.5)
    with pytest.raises(InvariantError):
        h.commit(h.free_uj + 1)
    with pytest.raises(InvariantError):
        h.commit(0, h.room + 1)
    assert h.commit(h.free_uj).free_uj == 0


def test_what_the_interval_takes_is_not_for_sale_and_what_it_brings_neither() -> None:
    """X3: only a negative inflow counts."""
    dry = Host.begin(machine(), "bo", battery(0.9, inflow_uj=-(10**11)), Stage.NORMAL, 0, DT)
    wet = Host.begin(machine(), "bo", battery(0.9, inflow_uj=10**11), Stage.NORMAL, 0, DT)
    assert dry.free_uj == 800_000_000_000
    assert wet.free_uj == 900_000_000_000


@given(st.integers(1, 10**6), st.integers(0, 10**12), st.integers(1, 10**6), st.integers(1, 10**6))
def test_worth_it_is_decided_exactly(step: int, price: int, whole: int, value: int) -> None:
    """X6: price against share of the value, in exact arithmetic."""
    whole = max(step, whole)
    o = order(operations=whole, value=float(value))
    exact = Fraction(price) > Fraction(value * 10**9) * step / whole
    assert Quote(step, 0, 0, price, 0).exceeds(o) == exact


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"operations_per_s": 0.0}, {"operations_per_s": math.inf}, {"idle_w": -1.0},
     {"energy_per_operation_j": math.nan}, {"memory_byte": -1}, {"memory_byte": 1.5},
     {"energy_per_byte_j": -1.0}, {"energy_per_byte_second_j": math.inf}],
)  # fmt: skip
def test_impossible_machines_are_refused(change: dict[str, float]) -> None:
    """X1."""
    with pytest.raises(InputError) as caught:
        replace(machine(), **change)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"operations": 0}, {"operations": 0.5}, {"operations": math.inf},
     {"memory_byte": -1}, {"transfer_byte": -1}, {"deadline_s": 0}, {"value": -1.0},
     {"value": math.nan}],
)  # fmt: skip
def test_impossible_orders_are_refused(change: dict[str, float]) -> None:
    """X2."""
    with pytest.raises(InputError) as caught:
        replace(order(), **change)
    assert caught.value.remedy


def test_whole_numbers_may_come_as_floats() -> None:
    """Tables hold them so."""
    o: Order = order(operations=5.0)
    assert o == order(operations=5)
    assert type(o.operations) is int
