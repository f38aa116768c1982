"""Who makes up for forecast errors where no utility does. Spec: docs/spec/run.md, R23 to R25."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.grid.formulation import network_of
from isojoule.kernels.commit import losses, residuals
from isojoule.market.carry import Carried
from isojoule.market.mechanisms import get
from isojoule.microworld.balancing import balance, reach_of
from isojoule.microworld.islands import Islands
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import simulate
from isojoule.microworld.world import World
from tests.microworld.test_delivery import KWH_UJ, Times, kwh, run
from tests.microworld.test_world import off_grid
from tests.microworld.worlds import BATTERY, KWH, LOAD, PV, street

Row = dict[str, object]


def pack(home: int, stored: float, **more: float) -> Row:
    """A battery of 10 kWh that moves at most 2.5 kWh in a quarter of an hour."""
    return {"id": f"pack{home}", "participant": home, "node": home + 1, "kind": BATTERY,
            "capacity_j": 10 * KWH, "energy_j": stored * KWH, **more}  # fmt: skip


def load(home: int, **more: float) -> Row:
    return {"id": f"load{home}", "participant": home, "node": home + 1, "kind": LOAD,
            "power_w": 1.0, **more}  # fmt: skip


def sun(home: int) -> Row:
    return {"id": f"sun{home}", "participant": home, "node": home + 1, "kind": PV, "power_w": 1.0}


def came(
    rows: list[Row], cleared: list[float], offered: list[float], wanted: list[float],
    flow: list[float], capacity_w: float = 1e6,
) -> tuple[list[float], list[float]]:  # fmt: skip
    """What meters and links show when homes stand in a row without losses; kWh in and out."""
    s = off_grid(rows, intervals=1, resistance_ohm=0.0, capacity_w=capacity_w)
    uj = [np.array(np.rint(np.array(v) * KWH_UJ), np.int64) for v in (cleared, offered, wanted)]
    world = World.of(s)
    opened = world.open(0, uj[1], world.first())
    links = np.rint(np.array([0.0, *flow]) * KWH_UJ).astype(np.int64)  # the first leads nowhere
    none = np.zeros_like(links)
    found = balance(Islands.of(s), opened, uj[2], uj[1], Carried(uj[0], links, none, none))
    assert found.energy_uj.sum() == 0
    return kwh(found.energy_uj), kwh(found.flow_uj[1:])


def test_a_homes_own_battery_comes_first_and_nobody_else_moves() -> None:
    """R24: home 0 wants 0.5 more, home 1 has 0.3 more sun; both were to be in balance."""
    rows = [load(0), pack(0, 5), sun(1), pack(1, 5), pack(2, 5)]
    energy, flow = came(
        rows, [1, -1, -1, 0.6, 0.4], [1, 0, -1, 0, 0], [1.5, 0, -1.3, 0, 0], [-0.0, 0.4]
    )
    assert energy == [1.5, -1.5, -1.3, 0.9, 0.4]
    assert flow == [0.0, 0.4]


def test_what_is_left_is_shared_in_proportion_to_what_batteries_can() -> None:
    """R24: home 0 has none. Home 1 can give 2.5 more, home 2 has 1 kWh: 0.9 at the grid's side."""
    energy, flow = came(
        [load(0), pack(1, 5), pack(2, 1)], [1, -1, 0], [1, 0, 0], [1.6, 0, 0], [-1, 0]
    )
    parts = 1.5, 0.9  # of the one what is left of its power after the 1.0 that it gives
    more = 0.6 / sum(parts)
    assert energy[0] == 1.6
    assert energy[1:] == pytest.approx([-1 - parts[0] * more, -parts[1] * more], abs=1e-6)
    assert flow == pytest.approx([-1.6, -parts[1] * more], abs=1e-6)


def test_too_much_sun_is_stored_by_neighbours_then_spilled() -> None:
    """R24: home 1 can take no more than 0.9 kWh, with which its battery is full."""
    room = pack(1, 10 - 0.9 * 0.9)
    for more, stored, left in ((0.5, 0.5, 0.0), (1.2, 0.9, 0.3)):
        energy, _ = came([sun(0), load(0), room], [-1, 1, 0], [-1, 1, 0], [-1 - more, 1, 0], [0])
        assert energy == pytest.approx([-1 - more + left, 1, stored], abs=2e-6)


def test_needs_go_without_when_batteries_are_empty() -> None:
    """R24: 1 kWh of sun does not come. Equal needs of 1 and 3 kWh give up the same share."""
    rows = [sun(0), load(1), load(2)]
    energy, _ = came(rows, [-4, 1, 3], [-4, 1, 3], [-3, 1, 3], [4, 3])
    assert energy == pytest.approx([-3, 0.75, 2.25], abs=1e-6)


def test_who_loses_more_in_the_dark_comes_later() -> None:
    """R24: a clinic with five times the lost load of a house keeps its light."""
    rows = [sun(0), load(1), load(2, lost_load_per_j=25.0 / KWH)]
    energy, _ = came(rows, [-4, 1, 3], [-4, 1, 3], [-3.5, 1, 3], [4, 3])
    assert energy == pytest.approx([-3.5, 0.5, 3], abs=1e-6)


def test_sun_that_was_to_be_spilled_comes_before_batteries() -> None:
    """R24: 1 kWh of 2 was spilled; home 1 wants 0.5 more, its neighbour's battery stays."""
    energy, _ = came(
        [sun(0), load(1), pack(2, 5)], [-1, 1, 0], [-2, 1, 0], [-2, 1.5, 0], [1, 0]
    )  # fmt: skip
    assert energy == pytest.approx([-1.5, 1.5, 0], abs=1e-6)
    energy, _ = came([pack(0, 5), sun(0), load(0)], [0, -1, 1], [0, -2, 1], [0, -2, 1.5], [])
    assert energy == [0.0, -1.5, 1.5]  # at home, to the microjoule


def test_who_was_to_do_without_gets_what_comes_more_before_batteries_do() -> None:
    """R24: 1 kWh of need was left unserved; 0.4 kWh more of sun come."""
    energy, _ = came(
        [sun(0), load(1), pack(2, 5)], [-1, 1, 0], [-1, 2, 0], [-1.4, 2, 0], [1, 0]
    )  # fmt: skip
    assert energy == pytest.approx([-1.4, 1.4, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("stored", "reserve", "cleared", "less", "got"),
    [
        (1.0, 1.0, 0.0, 0.2, [0.8, 0.0]),  # the reserve is never sold: the need goes without
        (1.1, 1.0, 0.0, 0.2, [0.89, -0.09]),  # but for the 0.1 above it, less the converter
        (0.5, 1.0, 0.3, 0.2, [1.0, 0.1]),  # what was to refill it comes before the need
        (0.5, 1.0, 0.3, 0.5, [0.8, 0.0]),  # and no more than that
    ],
)
def test_the_reserve_is_not_touched(
    stored: float, reserve: float, cleared: float, less: float, got: list[float]
) -> None:
    """R25: `less` kWh of sun do not come."""
    rows = [sun(0), load(1), pack(2, stored, reserve_j=reserve * KWH)]
    given = 1.0 + cleared
    energy, _ = came(
        rows, [-given, 1, cleared], [-given, 1, 0], [-given + less, 1, 0], [given, cleared]
    )  # fmt: skip
    assert energy[1:] == pytest.approx(got, abs=2e-6)


def test_links_keep_their_limits() -> None:
    """R25: home 1 may get 1 kWh over its line; what it wants beyond is not served."""
    energy, flow = came(
        [pack(0, 8), load(1)], [-0.8, 0.8], [0, 0.8], [0, 1.5], [0.8], capacity_w=4000.0
    )  # fmt: skip
    assert (energy, flow) == ([-1.0, 1.0], [1.0])


def test_a_battery_that_neighbours_drive_keeps_its_plan_where_they_are_in_balance() -> None:
    """R24: one battery fills another, and a third home's error is none of their affair."""
    rows = [pack(0, 9), pack(1, 1), load(2), pack(2, 5)]
    energy, flow = came(rows, [-1, 1, 1, -1], [0, 0, 1, 0], [0, 0, 2, 0], [1, 0])
    assert energy == [-1.0, 1.0, 2.0, -2.0]
    assert flow == [1.0, 0.0]


def homes(draw: st.DataObject, *, error: float = 3.0) -> Scenario:
    """A few homes on a row of lines off the grid, on a wild forecast."""
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**31)))
    rows: list[Row] = []
    for h in range(draw.draw(st.integers(1, 5))):
        at = {"participant": h, "node": h + 1}
        rows.append({"id": f"l{h}", "kind": LOAD, "power_w": float(rng.uniform(0, 5e3)),
                     "profile": 0, **at})  # fmt: skip
        if rng.random() < 0.7:
            rows.append({"id": f"p{h}", "kind": PV, "power_w": float(rng.uniform(0, 1e4)),
                         "profile": 1, **at})  # fmt: skip
        if rng.random() < 0.7:
            rows.append({"id": f"b{h}", "kind": BATTERY, "capacity_j": 5 * KWH,
                         "energy_j": rng.uniform(0, 4) * KWH, "reserve_j": 0.5 * KWH,
                         "charge_power_w": 3e3, "discharge_power_w": 3e3, **at})  # fmt: skip
    s = off_grid(
        rows,
        profiles=np.stack([rng.uniform(-0.3, 1, 6), rng.uniform(0, 1, 6)], axis=1),
        capacity_w=float(rng.choice([1.5e3, 1e4, 1e6])),
        resistance_ohm=float(rng.choice([0.0, 0.1])),
    )
    low, high = max(0.0, 1.0 - error), 1.0 + error
    factors = tuple(rng.uniform(low, high, len(rows))) if error else (1.0,) * len(rows)
    return replace(s, forecast=Times(factors))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from(["equilibrium", "diffusion"]))
def test_what_comes_adds_up_to_the_microjoule(data: st.DataObject, mechanism: str) -> None:
    """R5, R25: at every node; within what came, what batteries can, and what links carry."""
    s = homes(data)
    world, r = run(s, mechanism)
    assert r.delivery is not None
    got, wanted = r.metered_uj, r.wanted_uj
    network = network_of(s.grid, "transport", 900.0)
    limits = network.limits
    nodes = s.devices.node.astype(np.int64)
    for t in range(len(got)):
        flow = r.delivered_flow_uj[t]
        rest = residuals(
            network.tail, network.head, flow, limits.loss_ppb, limits.loss_per_j, nodes, got[t],
            s.grid.node_count,
        )  # fmt: skip
        assert not rest.any()
        assert np.array_equal(r.delivered_loss_uj[t], losses(flow, limits.loss_ppb,
                                                             limits.loss_per_j))  # fmt: skip
    assert (np.abs(r.delivered_flow_uj) <= limits.capacity_uj).all()
    plain = s.devices.kind != BATTERY
    assert (np.minimum(wanted, 0) <= got)[:, plain].all()
    assert (got <= np.maximum(wanted, 0))[:, plain].all()
    before = np.vstack([r.start_uj, r.stored_uj[:-1]])
    packs = world.maker.batteries
    floor = np.minimum(np.rint(s.devices.reserve_j[packs] * 1e6), before)
    assert (r.stored_uj >= floor - 2).all()
    assert (np.abs(got[:, packs]) <= 3e3 * 900e6).all()
    eta = 0.9
    moved = np.floor(got[:, packs].clip(0) * eta) - np.ceil((-got[:, packs]).clip(0) / eta)
    assert (np.abs(r.stored_uj - before - moved) <= 2).all()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_where_all_comes_as_forecast_meters_show_what_was_cleared(data: st.DataObject) -> None:
    """R24: to the last microjoule, flows too."""
    s = homes(data, error=0.0)
    _, r = run(s)
    assert r.delivery is not None
    assert np.array_equal(r.metered_uj, r.energy_uj)
    assert np.array_equal(r.delivered_flow_uj, r.flow_uj)
    plain, _ = simulate(World.of(replace(s, forecast=None)), get("equilibrium"), slice(0, 6),
                        World.of(s).first())  # fmt: skip
    assert np.array_equal(plain.energy_uj, r.energy_uj)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_nobody_sits_in_the_dark_beside_a_battery_that_can_give(data: st.DataObject) -> None:
    """R24: without losses and limits needs go short only when all packs are empty.

    And sun is spilled beyond what was told only when all are full.
    """
    s = homes(data)
    s = replace(s, grid=replace(s.grid, capacity_w=np.full(s.grid.link_count, 1e6),
                                resistance_ohm=np.zeros(s.grid.link_count)))  # fmt: skip
    world = World.of(s)
    islands = Islands.of(s)
    wanted = world.maker.energies_uj(slice(0, 1))
    offered = world.offered_uj(slice(0, 1), wanted)[0]
    opened = world.open(0, offered, world.first())
    cleared = get("equilibrium").clear(opened.book, s.grid)
    sent = Carried(cleared.energy_uj, cleared.flow_uj, cleared.loss_uj, cleared.standing_uj)
    found = balance(islands, opened, wanted[0], offered, sent).energy_uj
    packs = world.maker.batteries
    reach = reach_of(islands.packs[0], opened, sent.energy_uj[packs])
    plain = s.devices.kind != BATTERY
    told_short = np.maximum(offered, 0) - np.maximum(sent.energy_uj, 0)
    told_spill = np.maximum(-offered, 0) - np.maximum(-sent.energy_uj, 0)
    short = (wanted[0] - found - np.minimum(told_short, wanted[0].clip(0)))[wanted[0] > 0]
    spilled = (found - wanted[0])[(wanted[0] < 0) & (told_spill <= 1e6)]
    dust = 1e6 + 1e-4 * np.abs(wanted).sum()
    if short.sum() > dust:
        assert (found[packs] <= reach.low + reach.keep + dust).all()
    if spilled.sum() > dust and plain.any():
        assert (found[packs] >= reach.high - dust).all()


def test_parts_without_the_utility_balance_themselves_beside_those_with_it() -> None:
    """R23: home 2 is cut off and has a battery; home 1 has the utility behind it."""
    s = street([load(0), load(1), pack(1, 5)], intervals=1, resistance_ohm=0.0)
    rows = s.devices.power_w.copy()
    rows[:2] = 4000.0
    s = replace(s, devices=replace(s.devices, power_w=rows))
    grid = replace(s.grid, capacity_w=np.array([1e5, 0.0]), standing_loss_w=np.zeros(2))
    _, r = run(replace(s, grid=grid, forecast=Times((0.5, 0.6, 1.0))))
    assert kwh(r.energy_uj) == [0.5, 0.6, -0.6, -0.5]
    assert kwh(r.metered_uj) == [1.0, 1.0, -1.0, -1.0]
    assert kwh(r.delivered_flow_uj) == [1.0, 0.0]
    assert kwh(r.stored_uj) == [round(5 - 1 / 0.9, 9)]


def test_a_market_beside_the_wires_begins_in_islands_with_its_contracts() -> None:
    """R21: sold over a line that is open, 0.5 kWh go without and home 1 has its battery."""
    s = street([sun(0), load(1), pack(1, 5)], intervals=1, resistance_ohm=0.0)
    power = s.devices.power_w.copy()
    power[:2] = 4000.0, 4000.0
    s = replace(s, devices=replace(s.devices, power_w=power), market_network="copperplate")
    grid = replace(s.grid, capacity_w=np.array([1e5, 0.0]), standing_loss_w=np.zeros(2))
    _, r = run(replace(s, grid=grid), "uniform-price")
    assert kwh(r.energy_uj[:, :2]) == [-1.0, 1.0]
    assert kwh(r.metered_uj[:, [0, 1]]) == [-1.0, 1.0]
    assert kwh(r.metered_uj[:, [2, 3]]) == [-1.0, 1.0]  # its own battery; the utility takes the sun
    assert kwh(r.delivered_flow_uj) == [-1.0, 0.0]


def test_on_a_copperplate_there_is_one_part() -> None:
    """R23: a market that sees no network, off the grid."""
    s = off_grid([load(0), pack(1, 5)], intervals=1)
    rows = s.devices.power_w.copy()
    rows[0] = 4000.0
    s = replace(s, devices=replace(s.devices, power_w=rows), network="copperplate")
    _, r = run(replace(s, forecast=Times((0.5, 1.0))))
    assert kwh(r.metered_uj) == [1.0, -1.0]
    assert not r.delivered_flow_uj.any()
