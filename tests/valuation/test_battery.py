"""The five pieces of a battery, against the rules for free energy, walls and efficiencies."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.valuation import Battery, Bundle, Load, Step, Steps, Utility
from isojoule.valuation.curve import marginal
from tests.market.books import REAL, SMALL, random_battery, random_steps

CALM = settings(derandomize=True, deadline=None, max_examples=400)
J = 10**6


def walk(spec: Battery | Steps | Load, q: float) -> float:
    """Marginal worth just before the q-th Joule (q > 0 received, q < 0 delivered); inf beyond."""
    rows = spec.rows(1.0)
    p = rows.pieces
    left = abs(q)
    order = range(len(p.lo)) if q > 0 else reversed(range(len(p.lo)))
    for i in order:
        width = p.hi[i] if q > 0 else -p.lo[i]
        if width and left <= width:
            x = np.where(np.arange(len(p.lo)) == i, left if q > 0 else -left, 0.0)
            return float(marginal(p, x)[i])
        left -= width
    return -np.inf if q > 0 else np.inf


@CALM
@given(st.integers(0, 10**9), st.sampled_from((SMALL, REAL)))
def test_pieces_lie_in_order_and_worth_falls(seed: int, sizes: object) -> None:
    for make in (random_battery, random_steps):
        p = make(Random(seed), sizes).rows(1.0).pieces  # type: ignore[arg-type]
        assert np.all((p.lo <= 0) & (p.hi >= 0) & ((p.lo == 0) | (p.hi == 0)))
        assert np.all((p.b >= 0) & (p.c1 >= 0) & (p.k > 0))
        assert np.all(p.c0 - p.c1 * p.hi >= -1e-12)
        used = np.flatnonzero(p.hi > p.lo)
        # from the greatest delivery to the greatest receipt
        ends = [float(marginal(p, end)[i]) for i in used for end in (p.lo, p.hi)]
        assert all(b <= a * (1 + 1e-12) + 1e-300 for a, b in itertools.pairwise(ends))


@CALM
@given(st.integers(0, 10**9), st.floats(0, 1))
def test_the_curve_is_the_one_of_the_design(seed: int, share: float) -> None:
    b = random_battery(Random(seed), SMALL)
    room = (b.capacity_uj - b.reserve_uj) / J
    free = (b.energy_uj + b.inflow_uj - b.reserve_uj - b.committed_uj) / J
    wall = room - b.committed_uj / J
    if not 0 < free < wall:
        return

    def v(f: float) -> float:
        return b.v_min_per_j + (b.v_max_per_j - b.v_min_per_j) * (1 - f / room) ** b.k

    sold = 0.999 * share * min(free * b.discharge_efficiency, b.discharge_power_w)
    bought = 0.999 * share * min((wall - free) / b.charge_efficiency, b.charge_power_w)
    near = {"rel": 1e-9, "abs": 2e-3 if b.k < 1 else 1e-9}
    if sold > 0:
        ask = v(free - sold / b.discharge_efficiency) / b.discharge_efficiency
        assert walk(b, -sold) == pytest.approx(ask, **near)
    if bought > 0:
        bid = v(min(free + bought * b.charge_efficiency, room)) * b.charge_efficiency
        assert walk(b, bought) == pytest.approx(bid, **near)


def pack(**more: object) -> Battery:
    """10 J in 100 J; worth from 2 down to 1."""
    values = {"energy_uj": 10 * J, "capacity_uj": 100 * J, "v_min_per_j": 1.0, "v_max_per_j": 2.0}
    return Battery(**(values | more))  # type: ignore[arg-type]


def test_at_the_reserve_it_does_not_sell_and_bids_its_curve() -> None:
    b = pack(reserve_uj=10 * J, v_critical_per_j=7.0)
    assert walk(b, -1e-6) == np.inf
    assert walk(b, 1e-9) == pytest.approx(2.0)


def test_below_the_reserve_it_bids_v_critical_and_where_nothing_is_left_lost_load() -> None:
    b = pack(reserve_uj=20 * J, inflow_uj=-15 * J, v_critical_per_j=7.0, lost_load_per_j=9.0)
    assert walk(b, 5.0) == 9.0  # 5 J are physically missing
    assert walk(b, 5.1) == 7.0  # then 20 J of reserve
    assert walk(b, 25.0) == 7.0
    assert walk(b, 25.001) == pytest.approx(2.0, rel=1e-3)
    assert b.rows(1.0).short0 == 5.0


def test_committed_energy_is_not_sold_and_moves_the_wall() -> None:
    b = pack(committed_uj=4 * J)
    assert walk(b, -6.0) == pytest.approx(2.0)
    assert walk(b, -6.1) == np.inf
    assert walk(b, 90.0) == pytest.approx(1.0 + 0.04)  # the wall stands at F = 96 J
    assert walk(b, 90.1) == -np.inf


def test_overflow_is_sold_at_its_spill_value_first() -> None:
    b = pack(energy_uj=100 * J, inflow_uj=5 * J, spill_value_per_j=0.5, discharge_efficiency=0.5)
    assert walk(b, -2.5) == 1.0  # 0.5 a Joule at the cells, twice that at the grid
    assert walk(b, -2.6) == pytest.approx(2.0, rel=1e-2)
    assert walk(b, 1e-6) == -np.inf
    rows = b.rows(1.0)
    assert (rows.spill0, rows.spill1) == (5.0, 2.0)


def test_power_limits_count_at_the_grid() -> None:
    b = pack(energy_uj=50 * J, charge_power_w=3.0, discharge_power_w=2.0, charge_efficiency=0.5)
    p = b.rows(2.0).pieces
    assert (-p.lo.min(), p.hi.max()) == (4.0, 6.0)


def test_an_idle_battery_is_worth_less_as_a_whole() -> None:
    b = pack(energy_uj=50 * J, idle_s=10.0, tau_s=10.0, floor=0.25)
    factor = 0.25 + 0.75 * np.exp(-1.0)
    assert walk(b, 1e-9) == pytest.approx(1.5 * factor)
    assert walk(b, -1e-9) == pytest.approx(1.5 * factor)


@pytest.mark.parametrize(
    "wrong",
    [
        {"energy_uj": 101 * J},
        {"energy_uj": -1},
        {"capacity_uj": -1},
        {"reserve_uj": 60 * J, "committed_uj": 60 * J},
        {"v_min_per_j": 3.0},
        {"v_min_per_j": -1.0},
        {"v_max_per_j": float("nan")},
        {"v_critical_per_j": 1.5},
        {"v_critical_per_j": float("nan")},
        {"lost_load_per_j": 1.5},
        {"lost_load_per_j": float("inf")},
        {"k": 0.0},
        {"k": float("nan")},
        {"charge_efficiency": 0.0},
        {"charge_efficiency": 1.01},
        {"discharge_efficiency": float("nan")},
        {"charge_power_w": -1.0},
        {"discharge_power_w": float("nan")},
        {"spill_value_per_j": 1.1},
        {"spill_value_per_j": float("nan")},
        {"spill_value_per_j": float("-inf")},
        {"tau_s": 0.0},
        {"floor": 1.5},
        {"idle_s": float("nan")},
    ],
    ids=str,
)
def test_impossible_batteries_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        pack(**wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Step(-1, 1.0, 1.0),
        lambda: Step(1, float("nan"), 1.0),
        lambda: Steps(sell=(Step(1, 2.0, 1.0),)),
        lambda: Steps(buy=(Step(1, 1.0, 1.0), Step(1, 2.0, 2.0))),
        lambda: Steps(sell=(Step(1, 1.0, 1.0),), buy=(Step(1, 2.0, 2.0),)),
        lambda: Steps(sell=(Step(1, 1.0, 1.0),), spill_value_per_j=2.0),
        lambda: Steps(sell=(Step(1, 1.0, 1.0),), spill_value_per_j=float("nan")),
        lambda: Steps(spill_value_per_j=float("-inf")),
        lambda: Load(-1, 1.0),
        lambda: Load(1, float("nan")),
        lambda: Load(1, -1.0),
        lambda: Bundle((), float("nan")),
        lambda: Utility(1.0, 2.0),
        lambda: Utility(float("inf"), 2.0),
        lambda: Utility(1.0, float("nan")),
    ],
)
def test_impossible_offers_are_refused(make: object) -> None:
    with pytest.raises(InputError):
        make()  # type: ignore[operator]


def test_sloped_steps_run_from_price_to_end_price() -> None:
    s = Steps(sell=(Step(10 * J, 1.0, 3.0),), buy=(Step(10 * J, 0.5, 0.1),))
    assert [walk(s, q) for q in (-1e-9, -5.0, -10.0)] == pytest.approx([1.0, 2.0, 3.0])
    assert [walk(s, q) for q in (1e-9, 5.0, 10.0)] == pytest.approx([0.5, 0.3, 0.1])
