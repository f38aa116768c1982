"""Where curtailing costs, prices fall below 0, and nothing runs in circles. Spec: G4, M5."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isojoule.apps.files.scenario_files import bundled, read_scenario
from isojoule.market import Clearing
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.microworld.devices import DeviceKind
from isojoule.microworld.world import World
from isojoule.valuation import KINDS

KWH = 3.6e6
DUST_UJ = 10_000
"""A hundredth of a Joule in a quarter of an hour is what a solver leaves on a ring."""


@pytest.mark.parametrize("spill_per_kwh", [-0.05, -0.01])
def test_a_sunny_village_where_curtailing_costs(spill_per_kwh: float) -> None:
    """Two days of the village, 67 nodes with quadratic losses and rings: every interval clears.

    Flow is one-way in a network with losses: were energy sent in a circle, it would be less at its
    end than at its beginning. And no battery charges while it discharges.
    """
    s = read_scenario(bundled()["village"])
    d = s.devices
    spill = np.where(d.kind == DeviceKind.PV, spill_per_kwh / KWH, d.spill_value_per_j)
    s = replace(s, devices=replace(d, spill_value_per_j=spill))
    world, state = World.of(s), World.of(s).first()
    wanted = world.maker.energies_uj(slice(0, 96))
    negative = 0
    for row in range(24, 80):
        opened = world.open(row, wanted[row], state)
        found = get("equilibrium").clear(opened.book, s.grid)
        assert isinstance(found, Clearing), str(found)
        check_clearing(opened.book, s.grid, found)
        negative += bool(np.nanmin(found.price_per_j) < 0)
        flow = np.where(np.abs(found.flow_uj) > DUST_UJ, found.flow_uj, 0)
        assert not circles(s.grid.link_from, s.grid.link_to, flow)
        batteries = opened.book.offer_kind == KINDS.index("battery")
        assert batteries.sum() == world.maker.batteries.size
        state = world.close(opened, found.energy_uj[world.maker.batteries])
    assert negative > 0


def circles(start: np.ndarray, end: np.ndarray, flow: np.ndarray) -> bool:
    """Whether energy runs in a circle: whether the directed graph of flows has one."""
    ways: dict[int, set[int]] = {}
    for a, b, sent in zip(start.tolist(), end.tolist(), flow.tolist(), strict=True):
        if sent:
            ways.setdefault(a if sent > 0 else b, set()).add(b if sent > 0 else a)
    while True:
        last = {v for v in ways if not ways[v]}
        gone = {v for ahead in ways.values() for v in ahead if v not in ways} | last
        trimmed = {v: ahead - gone for v, ahead in ways.items() if v not in last}
        if trimmed == ways:
            return bool(ways)
        ways = trimmed
