"""The interval loop. Spec: docs/spec/run.md."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, InvariantError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.contract import State
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import Record, conversion_loss_uj, simulate
from isojoule.microworld.world import Packs, World
from tests.microworld.worlds import BATTERY, KWH, LOAD, PV, street

KWH_UJ = 3_600_000_000_000


def run(scenario: Scenario, mechanism: str, start: list[int] | None = None) -> Record:
    world = World.of(scenario)
    state = world.first() if start is None else world.at(np.array(start, np.int64))
    return simulate(world, get(mechanism), slice(0, len(scenario.times_s)), state)[0]


def test_a_load_alone_is_served_by_the_utility_and_pays_its_price() -> None:
    s = street([{"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 4000.0}])
    for mechanism in ("equilibrium", "utility-only"):
        record = run(s, mechanism)
        assert (record.energy_uj[:, 0] == 1_000 * 3_600_000_000).all()  # 1 kWh a quarter
        if mechanism == "utility-only":
            assert (record.payment_nano[:, 0] == 300_000_000).all()
        else:  # and the marginal loss on the line
            r = 0.05 / (400**2 * 900)
            f = record.flow_uj[0, 0] / 1e6
            assert record.payment_nano[0, 0] / 1e9 == pytest.approx(
                0.30 / (1 - 2 * r * f), abs=2e-9
            )


def test_neighbours_share_what_the_utility_would_buy_cheaply() -> None:
    """Home 1 has 2 kWh to spare, home 2 needs 1 kWh: the price is what the utility pays."""
    s = street(
        [
            {"id": "sun", "participant": 0, "node": 1, "kind": PV, "power_w": 8000.0},
            {"id": "oven", "participant": 1, "node": 2, "kind": LOAD, "power_w": 4000.0},
        ],
        resistance_ohm=0.0,
    )
    market, alone = run(s, "equilibrium"), run(s, "utility-only")
    assert market.payment_nano[0, :2].tolist() == [-160_000_000 + 1, 80_000_001] or np.allclose(
        market.payment_nano[0, :2], [-160_000_000, 80_000_000], atol=2
    )
    assert np.allclose(alone.payment_nano[0, :2], [-160_000_000, 300_000_000], atol=1)


def test_the_baseline_battery_serves_its_own_home_only() -> None:
    """A full battery at home 1 leaves the neighbour to the utility; in the market it helps."""
    s = street(
        [
            {"id": "b", "participant": 0, "node": 1, "kind": BATTERY, "capacity_j": 10 * KWH,
             "energy_j": 10 * KWH},
            {"id": "own", "participant": 0, "node": 1, "kind": LOAD, "power_w": 900.0},
            {"id": "next", "participant": 1, "node": 2, "kind": LOAD, "power_w": 3600.0},
        ]
    )  # fmt: skip
    alone, market = run(s, "utility-only"), run(s, "equilibrium")
    assert (alone.energy_uj[:, 0] == -225 * 3_600_000_000).all()
    assert (market.energy_uj[:, 0] < alone.energy_uj[:, 0]).all()
    assert market.payment_nano[:, 2].sum() < alone.payment_nano[:, 2].sum()


def test_self_discharge_by_the_month() -> None:
    s = street(
        [{"id": "b", "participant": 0, "node": 1, "kind": BATTERY, "capacity_j": 10 * KWH,
          "energy_j": 10 * KWH, "self_discharge_per_month": 0.04, "discharge_power_w": 0.0,
          "charge_power_w": 0.0}],
        intervals=30 * 96,
    )  # fmt: skip
    record = run(s, "utility-only")
    assert record.end_uj[0] == pytest.approx(0.96 * 10 * KWH_UJ, rel=1e-9)
    assert record.decay_uj.sum() == 10 * KWH_UJ - record.end_uj[0]


def test_a_negative_load_is_infeed_and_may_be_spilled() -> None:
    s = street(
        [{"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 8000.0, "profile": 0}],
        profiles=np.array([[-1.0], [0.5]]),
        capacity_w=4000.0,
        resistance_ohm=0.0,
    )
    record = run(s, "equilibrium")
    sent = 1_000 * 3_600_000_000
    assert record.energy_uj[:, 0].tolist() == [-sent, sent]
    assert record.flow_uj[0, 0] == -sent
    assert record.full[0, 0]


def test_owners_of_links_are_paid_and_money_still_adds_up() -> None:
    s = street(
        [
            {"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 400.0},
            {"id": "b", "participant": 1, "node": 2, "kind": LOAD, "power_w": 4000.0},
        ]
    )
    grid = replace(s.grid, owner=("", "home1"), price_per_j=np.array([0.0, 0.02 / KWH]))
    record = run(replace(s, grid=grid), "equilibrium")
    earned = -record.link_payment_nano[:, 1]
    carried_kwh = np.abs(record.flow_uj[:, 1]) / KWH_UJ
    assert (earned / 1e9 >= 0.02 * carried_kwh - 1e-8).all()  # its price, and the loss rent
    assert (record.link_payment_nano[:, 0] == 0).all()
    paid = record.payment_nano.sum(1) + record.link_payment_nano.sum(1)
    assert (paid == record.operator_nano).all()


def test_a_refusal_ends_the_run_with_the_interval() -> None:
    s = street([{"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 1.0}])
    world = World(OfferMaker.of(s, "dc"), None, np.zeros(0, np.int64))
    with pytest.raises(InputError, match=r"2023-11-14T22:00:00Z.*dc"):
        simulate(world, get("equilibrium"), slice(0, 1), world.first())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    data=st.data(),
    homes=st.integers(1, 5),
    seed=st.integers(0, 2**31),
    mechanism=st.sampled_from(["equilibrium", "utility-only"]),
)
def test_energy_and_money_are_conserved_to_the_last_unit(
    data: st.DataObject, homes: int, seed: int, mechanism: str
) -> None:
    """What `check_record` asserts inside is asserted here again, from the outside."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for h in range(homes):
        at = {"participant": h, "node": h + 1}
        rows.append({"id": f"l{h}", "kind": LOAD, "power_w": float(rng.uniform(0, 9e3)),
                     "profile": 0, **at})  # fmt: skip
        if rng.random() < 0.6:
            rows.append({"id": f"p{h}", "kind": PV, "power_w": float(rng.uniform(0, 2e4)),
                         "profile": 1, **at})  # fmt: skip
        if rng.random() < 0.6:
            capacity = float(rng.uniform(1, 15)) * KWH
            rows.append({"id": f"b{h}", "kind": BATTERY, "capacity_j": capacity,
                         "energy_j": capacity * float(rng.uniform(0, 1)),
                         "self_discharge_per_month": 0.03,
                         "charge_efficiency": float(rng.uniform(0.7, 1)),
                         "discharge_efficiency": float(rng.uniform(0.7, 1)),
                         "reserve_j": 0.1 * capacity, "k": float(rng.uniform(0.3, 4)),
                         **at})  # fmt: skip
    s = street(
        rows,
        profiles=np.stack([rng.uniform(-0.3, 1, 6), rng.uniform(0, 1, 6)], axis=1),
        capacity_w=float(rng.choice([3e3, 1e4, 1e6])),
        resistance_ohm=float(rng.choice([0.0, 0.3])),
    )
    maker = OfferMaker.of(s)
    r = run(s, mechanism)
    assert not (r.energy_uj.sum(1) + r.loss_uj.sum(1) + r.standing_uj.sum(1)).any()
    assert not (r.payment_nano.sum(1) - r.operator_nano).any()
    before = np.vstack([r.start_uj, r.stored_uj[:-1]])
    lost = conversion_loss_uj(maker, r)
    assert (r.energy_uj[:, maker.batteries] == r.stored_uj - before + r.decay_uj + lost).all()
    assert (lost >= -2).all()
    capacity_uj = np.rint(s.devices.capacity_j[maker.batteries] * 1e6)
    assert ((r.stored_uj >= 0) & (r.stored_uj <= capacity_uj)).all()
    assert (np.abs(r.flow_uj) <= s.grid.limits(900.0).capacity_uj).all()


def test_converters_round_against_the_battery() -> None:
    s = street([{"id": "b", "participant": 0, "node": 1, "kind": BATTERY, "capacity_j": 1000.0,
                 "charge_efficiency": 0.9, "discharge_efficiency": 0.9}])  # fmt: skip
    packs, nothing = Packs.of(OfferMaker.of(s)), np.zeros(1, np.int64)
    assert packs.charge(np.array([0]), np.array([11]), nothing).tolist() == [9]
    assert packs.charge(np.array([100]), np.array([-10]), nothing).tolist() == [88]
    full = 1_000_000_000
    assert packs.charge(np.array([full]), np.array([2]), nothing).tolist() == [full]
    assert packs.charge(np.array([7]), np.array([-5]), np.array([3])).tolist() == [3]
    for stored, received in ((full, 4), (0, -2)):
        with pytest.raises(InvariantError, match="left its bounds"):
            packs.charge(np.array([stored]), np.array([received]), nothing)


class FromWhereItEnded(Equilibrium):
    """An equilibrium that hands on how many intervals it has cleared."""

    seen: ClassVar[list[object]] = []

    def clear_from(
        self, book: Book, grid: Grid, *, state: State | None, seed: bytes, start: int | None
    ) -> tuple[Clearing | Refusal, int]:
        self.seen.append(start)
        return self.clear(book, grid, state=state, seed=seed), (start or 0) + 1


def test_what_a_clearing_offers_as_a_start_goes_on_within_a_stretch() -> None:
    """R15: the first interval of every stretch starts from nothing."""
    s = street([{"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 400.0}])
    world, rule = World.of(s), FromWhereItEnded()
    FromWhereItEnded.seen.clear()
    first, middle = simulate(world, rule, slice(0, 3), world.first())
    second, _ = simulate(world, rule, slice(3, 4), middle)
    assert FromWhereItEnded.seen == [None, 1, 2, None]
    plain = run(s, "equilibrium")
    for name in ("energy_uj", "payment_nano", "price_per_j", "gap"):
        both = np.concatenate([getattr(first, name), getattr(second, name)])
        assert np.array_equal(both, getattr(plain, name))
