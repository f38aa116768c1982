"""Voltage: a market that sees it sells no more sun than the wires can bear.

The feeder of the scenario `strained` on a sunny day in April, quarter by quarter, cleared twice: on
`transport`, which sees what lines carry, and on `lindistflow`, which sees voltages and reactive
power, too. An AC power flow then solves the full equations. After `transport` it finds 208 voltages
above their limit, after `lindistflow` none, for 9 kWh less sold outside of 1312. The market's
linear voltages are at most 0.0021 per unit above those of the power flow. Its losses are 13.5 % too
large here: it counts them at the nominal voltage, and the true one is higher. Where voltages are
low, or power factors poor, they are too small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _picture import AMBER, BLUE, RED, SOFT, axes, label, picture, run

from isojoule.apps.files.scenario_files import bundled, read_scenario
from isojoule.grid.acmodel import AcModel
from isojoule.grid.radial import feeder_of
from isojoule.market.allocation import Allocation
from isojoule.market.best import best
from isojoule.market.radial.model import stand_in_integers
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.world import World

DAY = 672 + 3 * 96
"""The first quarter of the fourth day of the week in April."""
HOURS = (8, 18)
LIMIT_PU = 1.1


@dataclass(frozen=True)
class Day:
    """Voltages by the market and by AC power flow (quarters times nodes, per unit), losses (W).

    `sold_kwh` is what the utility bought.
    """

    market_pu: np.ndarray
    ac_pu: np.ndarray
    market_loss_w: np.ndarray
    ac_loss_w: np.ndarray
    sold_kwh: float

    @property
    def broken(self) -> np.ndarray:
        """Nodes above the limit by AC power flow, per quarter."""
        return np.asarray((self.ac_pu > LIMIT_PU * (1 + 1e-9)).sum(1))


def day(scenario: Scenario) -> Day:
    """Clear the day; then solve the power flow of what was cleared."""
    world = World.of(scenario)
    state, maker, grid = world.first(), world.maker, scenario.grid
    dt, nodes, slack = float(scenario.interval_s), grid.node_count, scenario.utility_node
    feeder = feeder_of(grid, dt, (slack,))
    market_pu, loss_w, p_w, q_var, sold = [], [], [], [], 0
    for row in range(DAY + 4 * HOURS[0], DAY + 4 * HOURS[1]):
        opened = world.open(row, maker.energies_uj(slice(row, row + 1))[0], state)
        book = opened.book
        c = best(book, grid)
        assert isinstance(c, Allocation), c
        assert c.support.closed  # proven by prices
        state = world.close(opened, c.energy_uj[maker.batteries])
        assert not isinstance(feeder, tuple)
        market_pu.append(np.sqrt(stand_in_integers(feeder, book, c.energy_uj, c.flow_uj).square))
        loss_w.append(c.loss_uj.sum() * 1e-6 / dt)
        power_w = c.energy_uj * 1e-6 / dt
        p_w.append(np.bincount(book.offer_node, power_w, nodes))
        q_var.append(np.bincount(book.offer_node, power_w * book.reactive_share, nodes))
        sold += max(int(c.energy_uj[-1]), 0)
    iron_w = np.bincount(grid.link_from, grid.standing_loss_w, nodes)
    loads = np.flatnonzero(np.arange(nodes) != slack)
    model = AcModel(grid, slack, scenario.slack_voltage_pu, loads)
    ac = model.solve(np.array(p_w)[:, loads] + iron_w[loads], np.array(q_var)[:, loads])
    assert ac.good.all()
    return Day(
        np.array(market_pu),
        ac.u_pu,
        np.array(loss_w),
        3 * ac.current_a**2 @ model.r_ohm,
        sold / 3.6e12,
    )


def main(out: Path) -> str:
    """Both days and their power flow; draw voltages, and the market's errors."""
    strained = read_scenario(bundled()["strained"])
    limited = day(replace(strained, network="lindistflow"))
    # the same node holds the same voltage; only the market is blind to the others
    fixed = replace(strained, network="lindistflow").grid
    blind = day(replace(strained, grid=fixed))

    error = limited.market_pu - limited.ac_pu
    loss = limited.market_loss_w.sum() / limited.ac_loss_w.sum() - 1
    assert blind.broken.sum() > 100
    assert limited.broken.sum() == 0
    assert limited.market_pu.max() <= LIMIT_PU + 1e-9
    assert np.abs(error).max() < 3e-3
    assert np.abs(error).mean() < 1e-3
    assert error.min() > -1e-6  # on the safe side where voltages are high
    assert 0 < loss < 0.2

    hours = np.arange(HOURS[0], HOURS[1], 0.25)
    with picture(
        out,
        "lindistflow",
        "Voltage: the market keeps the limit, and AC power flow agrees",
        2,
        size=(9, 4.2),
        widths=(1.5, 1),
    ) as (left, right):
        for found, colour, name, dy in (
            (blind, RED, "transport", 8), (limited, BLUE, "lindistflow", -22),
        ):  # fmt: skip
            highest = found.ac_pu.max(1)
            left.plot(hours, highest, color=colour)
            label(left, hours[len(hours) // 2], highest.max(), name, colour, dx=0, dy=dy)
        left.axhline(LIMIT_PU, color=SOFT, linewidth=1, linestyle=":")
        label(left, hours[0], LIMIT_PU, "limit", SOFT, dx=0, dy=7)
        axes(left, "Hour of the day", "Highest voltage by AC power flow, per unit")
        right.hist(1e3 * error.ravel(), bins=40, color=AMBER, log=True)
        axes(right, "Market less AC, thousandths per unit", "Voltages of nodes and quarters")
    return (
        f"AC power flow finds {int(blind.broken.sum())} voltages above {LIMIT_PU} after transport, "
        f"{int(limited.broken.sum())} after lindistflow; the market's voltages err by "
        f"{np.abs(error).max():.1e} per unit at most, {np.abs(error).mean():.1e} in the mean, its "
        f"losses by {100 * loss:+.1f} %; the utility bought {limited.sold_kwh:.0f} kWh instead of "
        f"{blind.sold_kwh:.0f}"
    )


if __name__ == "__main__":
    run(main)
