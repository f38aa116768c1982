"""What meters show when it comes otherwise than forecast. Spec: docs/spec/run.md, R18, R19."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.results.tables import interval_columns, part_frames
from isojoule.core.errors import InputError, InvariantError
from isojoule.grid import Grid
from isojoule.market.mechanisms import get
from isojoule.microworld.delivery import imbalance_cash_nano, metered_uj
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import Record, check_record, simulate
from isojoule.microworld.world import World
from tests.microworld.worlds import BATTERY, KWH, LOAD, PV, street

KWH_UJ = 3_600_000_000_000


@dataclass(frozen=True)
class Times:
    """A forecast that is what comes, times a number for each device."""

    method: ClassVar[str] = "times"
    factor: tuple[float, ...]

    def energies_uj(self, maker: OfferMaker, rows: slice, seed: bytes) -> np.ndarray:
        return np.rint(maker.energies_uj(rows) * np.array(self.factor)).astype(np.int64)


def run(s: Scenario, mechanism: str = "equilibrium") -> tuple[World, Record]:
    world = World.of(s)
    record, _ = simulate(world, get(mechanism), slice(0, len(s.times_s)), world.first())
    return world, record


def kwh(values: np.ndarray) -> list[float]:
    return [round(float(v) / KWH_UJ, 9) + 0.0 for v in np.ravel(values)]


def one_home(kind: int, came_w: float, factor: float, capacity_w: float = 1e6) -> Scenario:
    """A home on a line without losses; what comes is `came_w`."""
    s = street(
        [{"id": "it", "participant": 0, "node": 1, "kind": kind, "power_w": came_w}],
        intervals=1, resistance_ohm=0.0, capacity_w=capacity_w,
    )  # fmt: skip
    grid = replace(s.grid, standing_loss_w=np.zeros(1))
    return replace(s, grid=grid, forecast=Times((factor,)))


@pytest.mark.parametrize(
    ("kind", "came", "factor", "limit", "cleared", "metered", "imbalance", "cash_nano"),
    [
        # kWh a quarter of an hour; the utility sells at 0.30 and buys at 0.08
        (LOAD, 1.0, 0.8, 9, 0.8, 1.0, 0.2, 60_000_000),
        (LOAD, 1.0, 1.3, 9, 1.3, 1.0, -0.3, -90_000_000),
        (LOAD, 1.5, 0.8, 1, 1.0, 1.3, 0.3, 90_000_000),  # 0.2 were left unserved, and stay so
        (LOAD, 0.1, 12.0, 1, 1.0, 0.0, -1.0, -300_000_000),
        (PV, 2.0, 0.75, 9, -1.5, -2.0, -0.5, -40_000_000),
        (PV, 1.0, 1.5, 9, -1.5, -1.0, 0.5, 40_000_000),
        (PV, 2.0, 0.75, 1, -1.0, -1.0, 0.0, 0),  # told to spill: no more than was cleared
        (PV, 0.5, 3.0, 1, -1.0, -0.5, 0.5, 40_000_000),
        (PV, 2.0, 0.75, 1.6, -1.5, -2.0, -0.5, -40_000_000),  # nobody was told: overloaded
    ],
)
def test_one_home_by_hand(
    kind: int, came: float, factor: float, limit: float, cleared: float, metered: float,
    imbalance: float, cash_nano: int,
) -> None:  # fmt: skip
    s = one_home(kind, 4000 * came, factor, 4000 * limit)
    world, record = run(s)
    assert kwh(record.energy_uj) == [cleared, -cleared]
    assert kwh(record.metered_uj) == [metered, -metered]
    assert kwh(record.delivered_flow_uj) == [metered]
    frames = part_frames(world.maker, record, "all", prices=True)
    row = frames["intervals"].row(0, named=True)
    assert kwh(np.array([row["imbalance_uj"]])) == [imbalance]
    assert row["imbalance_cash_nano"] == pytest.approx(cash_nano, abs=2)
    assert frames["links"]["overloaded"].to_list() == [abs(metered) > limit]
    assert kwh(np.array([row["import_uj"], row["export_uj"]])) == [
        max(metered, 0),
        -min(metered, 0),
    ]


def test_imbalance_over_the_change_of_the_tie_lines_direction() -> None:
    """R19: 2 kWh were to be fed in at 0.08, 1 kWh is drawn at 0.30: 0.16 + 0.30."""
    cash = imbalance_cash_nano(
        np.array([[0, 2 * KWH_UJ]]), np.array([[0, -KWH_UJ]]), 1,
        np.array([0.30 / KWH]), np.array([0.08 / KWH]),
    )  # fmt: skip
    assert cash.tolist() == pytest.approx([460_000_000], abs=2)


energies = st.integers(-5_000_000, 5_000_000)


@settings(max_examples=300)
@given(energies, energies, st.floats(0, 1))
def test_meters_of_one_device(came: int, offered: int, share: float) -> None:
    """R18: never more than came, never the other way; and as cleared where the forecast held."""
    cleared = round(offered * share)
    shown = int(metered_uj(np.array([came]), np.array([offered]), np.array([cleared]))[0])
    assert min(came, 0) <= shown <= max(came, 0)
    held = metered_uj(np.array([offered]), np.array([offered]), np.array([cleared]))
    assert held[0] == cleared
    if cleared == offered or (came > 0) != (offered > 0):
        assert shown == came  # nothing was spilled or left unserved of what came
    elif came > 0:
        assert came - shown == min(came, offered - cleared)
    elif cleared - offered > 1_000_000:
        assert shown == max(came, cleared)


def homes(draw: st.DataObject) -> Scenario:
    """A few homes on a row of lines with losses, on a wild forecast."""
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**31)))
    rows: list[dict[str, object]] = []
    for h in range(draw.draw(st.integers(1, 4))):
        at = {"participant": h, "node": h + 1}
        rows.append({"id": f"l{h}", "kind": LOAD, "power_w": float(rng.uniform(0, 9e3)),
                     "profile": 0, **at})  # fmt: skip
        if rng.random() < 0.7:
            rows.append({"id": f"p{h}", "kind": PV, "power_w": float(rng.uniform(0, 2e4)),
                         "profile": 1, **at})  # fmt: skip
        if rng.random() < 0.6:
            rows.append({"id": f"b{h}", "kind": BATTERY, "capacity_j": 5 * KWH,
                         "energy_j": 2 * KWH, **at})  # fmt: skip
    s = street(
        rows,
        profiles=np.stack([rng.uniform(-0.3, 1, 6), rng.uniform(0, 1, 6)], axis=1),
        capacity_w=float(rng.choice([3e3, 1e4, 1e6])),
        resistance_ohm=float(rng.choice([0.0, 0.1])),
    )
    return replace(s, forecast=Times(tuple(rng.uniform(0, 3, len(rows)))))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from(["equilibrium", "diffusion", "uniform-price"]))
def test_what_is_metered_adds_up_to_the_microjoule(data: st.DataObject, mechanism: str) -> None:
    """R5 as metered, at every node and in the totals; batteries keep to what was cleared."""
    s = homes(data)
    if mechanism == "uniform-price":
        s = replace(s, network="copperplate")
    world, r = run(s, mechanism)
    got = r.metered_uj
    assert not (got.sum(1) + r.delivered_loss_uj.sum(1) + r.standing_uj.sum(1)).any()
    batteries = world.maker.batteries
    assert np.array_equal(got[:, batteries], r.energy_uj[:, batteries])
    if s.network == "transport":  # home h hangs on link h - 1: what a link brings, home takes
        arrives = np.where(
            r.delivered_flow_uj >= 0, r.delivered_flow_uj - r.delivered_loss_uj, r.delivered_flow_uj
        )
        sends = np.where(
            r.delivered_flow_uj >= 0, r.delivered_flow_uj, r.delivered_flow_uj + r.delivered_loss_uj
        )
        for node in range(1, s.grid.node_count):
            mine = got[:, : s.devices.count][:, s.devices.node == node].sum(1)
            onward = sends[:, node] if node < s.grid.link_count else 0
            assert np.array_equal(arrives[:, node - 1], mine + onward)
    c = interval_columns(world.maker, r)
    came_in = c["generated_uj"] + c["import_uj"] + c["discharged_uj"] + c["unserved_uj"]
    went = (
        c["consumed_uj"] + c["export_uj"] + c["charged_uj"] + c["loss_uj"] + c["standing_loss_uj"]
        + c["spilled_uj"]
    )  # fmt: skip
    assert np.array_equal(came_in, went)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data())
def test_where_the_forecast_holds_meters_show_what_was_cleared(data: st.DataObject) -> None:
    """R18, and the same clearing as without a forecast."""
    s = homes(data)
    _, sure = run(replace(s, forecast=None))
    _, held = run(replace(s, forecast=Times((1.0,) * s.devices.count)))
    assert sure.delivery is None and sure.metered_uj is sure.energy_uj
    for name in ("energy_uj", "flow_uj", "loss_uj", "payment_nano", "stored_uj"):
        assert np.array_equal(getattr(sure, name), getattr(held, name))
    assert np.array_equal(held.metered_uj, held.energy_uj)
    assert np.array_equal(held.delivered_flow_uj, held.flow_uj)
    assert np.array_equal(held.delivered_loss_uj, held.loss_uj)


def test_on_a_ring_the_deviation_takes_the_tree() -> None:
    """Utility u, homes a and b, links u-a, a-b, u-b of 1 kW: b draws 2 kW, half over a."""
    s = street(
        [
            {"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 0.0},
            {"id": "b", "participant": 1, "node": 2, "kind": LOAD, "power_w": 2400.0},
        ],
        intervals=1,
    )  # fmt: skip
    grid = Grid(
        node_ids=s.grid.node_ids, link_ids=("ua", "ab", "ub"),
        link_from=np.array([0, 1, 0], np.int32), link_to=np.array([1, 2, 2], np.int32),
        capacity_w=np.full(3, 1000.0), loss_ppb=np.zeros(3, np.int64),
        resistance_ohm=np.zeros(3), reactance_ohm=np.zeros(3), voltage_v=np.full(3, 400.0),
        standing_loss_w=np.zeros(3), price_per_j=np.zeros(3), owner=("",) * 3, kind=("line",) * 3,
    )  # fmt: skip
    _, r = run(replace(s, grid=grid, forecast=Times((1.0, 2000 / 2400))))
    assert kwh(r.flow_uj) == [0.25, 0.25, 0.25]
    assert kwh(r.delivered_flow_uj) == [0.25, 0.25, 0.35]


def test_with_voltages_meters_follow_the_same_rules() -> None:
    """On `lindistflow` the market keeps voltages of what it expects; what comes is not asked."""
    s = street(
        [{"id": "sun", "participant": 0, "node": 1, "kind": PV, "power_w": 30e3}],
        intervals=1, resistance_ohm=0.1,
    )  # fmt: skip
    grid = replace(s.grid, reactance_ohm=np.full(1, 0.01), node_voltage_v=np.full(2, 400.0),
                   max_voltage_pu=np.array([np.nan, 1.01]))  # fmt: skip
    s = replace(s, grid=grid, network="lindistflow", mechanism="lmp")
    told, r = run(replace(s, forecast=Times((1.2,))), "lmp")
    assert told.maker.template.network == "lindistflow"
    assert 0 < -r.energy_uj[0, 0] < 20e3 * 900e6  # 1.01 pu lets about 16 kW through
    assert r.metered_uj[0, 0] == r.energy_uj[0, 0]  # and no more is fed in
    _, free = run(replace(s, forecast=Times((0.4,))), "lmp")
    assert kwh(free.energy_uj[0, :1]) == [-3.0]
    assert kwh(free.metered_uj[0, :1]) == [-7.5]
    flow, loss = free.delivered_flow_uj[0, 0], free.delivered_loss_uj[0, 0]
    assert loss == pytest.approx(0.1 / (400**2 * 900) * (flow / 1e6) ** 2 * 1e6, abs=1.0)


def test_what_no_link_can_carry_is_refused_with_the_interval() -> None:
    """R19: 400 V over 4 ohm let at most 10 kW through."""
    s = street(
        [{"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 10_100.0}],
        intervals=1, resistance_ohm=4.0, capacity_w=1e6,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"2023-11-14T22:00:00Z: link 'l1' cannot carry") as error:
        run(replace(s, forecast=Times((0.5,))))
    assert "less resistance" in error.value.remedy


def test_the_record_refuses_meters_that_do_not_add_up() -> None:
    world, record = run(one_home(LOAD, 4000.0, 0.5))
    assert record.delivery is not None
    record.delivery.metered_uj[0, 0] += 1
    with pytest.raises(InvariantError, match="metered energy is not conserved"):
        check_record(world.maker, record)
