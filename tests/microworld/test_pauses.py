"""Pauses of the market. Spec: docs/spec/run.md, R20."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.market.mechanisms import get
from isojoule.microworld.forecast import Noise
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import Record, simulate
from isojoule.microworld.world import World
from tests.microworld.test_world import off_grid
from tests.microworld.worlds import LOAD, PV, street

ROWS: list[dict[str, object]] = [
    {"id": "sun", "participant": 0, "node": 1, "kind": PV, "power_w": 8000.0},
    {"id": "oven", "participant": 1, "node": 2, "kind": LOAD, "power_w": 4000.0},
]


def paused(s: Scenario, first: int, end: int) -> Scenario:
    """The scenario with one pause over some of its rows."""
    at = int(s.times_s[0])
    return replace(s, pauses=(Pause(at + 900 * first, at + 900 * end, "a test"),))


def run(s: Scenario, mechanism: str, rows: slice | None = None, **options: bool) -> Record:
    world = World.of(s, **options)
    whole = slice(0, len(s.times_s))
    return simulate(world, get(mechanism), rows or whole, world.first(), seed=b"")[0]


def test_in_a_pause_everybody_has_the_utility_alone() -> None:
    s = street(ROWS, intervals=5)
    halted = run(paused(s, 1, 3), "equilibrium")
    market, alone = run(s, "equilibrium"), run(s, "utility-only")
    assert halted.paused is not None and halted.paused.tolist() == [False, True, True, False, False]
    assert market.paused is None
    for name in ("energy_uj", "payment_nano", "price_per_j", "operator_nano", "flow_uj"):
        made = getattr(halted, name)
        assert np.array_equal(made[1:3], getattr(alone, name)[1:3], equal_nan=True)
        assert np.array_equal(made[[0, 3, 4]], getattr(market, name)[[0, 3, 4]], equal_nan=True)
    assert not np.array_equal(market.payment_nano[1], alone.payment_nano[1])


def test_off_the_grid_everybody_has_what_is_theirs() -> None:
    s = off_grid(ROWS, intervals=3)
    halted = run(paused(s, 1, 2), "equilibrium")
    assert halted.energy_uj[:, 1].tolist()[1] == 0 < halted.energy_uj[0, 1]
    assert (halted.payment_nano[1] == 0).all()


def test_in_a_pause_nothing_is_forecast() -> None:
    """R17, R20: the tariff is paid on what the meter shows."""
    s = replace(paused(street(ROWS, intervals=5), 1, 3), forecast=Noise(0.5, 0.5))
    record = run(s, "equilibrium")
    off = (record.offered_uj != record.wanted_uj).any(1)
    assert off.tolist() == [True, False, False, True, True]
    assert np.array_equal(record.metered_uj[1:3], record.energy_uj[1:3])
    assert (record.metered_uj[[0, 3, 4]] != record.energy_uj[[0, 3, 4]]).any(1).all()


def test_the_baseline_has_no_pause() -> None:
    assert run(paused(street(ROWS), 1, 2), "utility-only", alone=True).paused is None


def test_with_voltages_the_pause_sees_links_as_the_baseline_does() -> None:
    s = street(ROWS)
    s = replace(s, grid=replace(s.grid, reactance_ohm=np.full(2, 0.01)), network="lindistflow")
    halted = run(paused(s, 1, 2), "lmp")
    alone = run(s, "utility-only", alone=True)
    assert np.array_equal(halted.payment_nano[1], alone.payment_nano[1])
    assert not np.array_equal(halted.payment_nano[0], alone.payment_nano[0])


def test_what_a_mechanism_carries_waits_through_the_pause() -> None:
    """A schedule's count stands still."""
    s = off_grid(ROWS, intervals=4)
    world = World.of(paused(s, 1, 3))
    carried = replace(world.first(), market={"count": 7})
    _, after = simulate(world, get("equilibrium"), slice(1, 3), carried)
    assert after.market == {"count": 7}


@pytest.mark.parametrize(
    ("pauses", "told"),
    [
        (((0, 1), (1, 2)), ""),
        (((1, 2), (0, 1)), "starts before"),
        (((0, 2), (1, 3)), "starts before"),
        (((0.5, 2),), "within an interval"),
        (((0, 1.5),), "within an interval"),
        (((2, 2),), "ends before it starts"),
        (((-8, -7.3),), ""),  # outside the scenario's times
    ],
)
def test_pauses_are_disjoint_and_begin_and_end_where_intervals_do(
    pauses: tuple[tuple[float, float], ...], told: str
) -> None:
    s = street(ROWS)
    at = int(s.times_s[0])

    def made() -> Scenario:
        some = tuple(Pause(at + round(900 * a), at + round(900 * b)) for a, b in pauses)
        return replace(s, pauses=some)

    if not told:
        assert len(made().pauses) == len(pauses)
        return
    with pytest.raises(InputError, match=told):
        made()
