"""A second opinion: the same book as a convex program, by another modeller and another solver.

Written from the formulas for devices and links, not from the pieces of `isojoule.valuation`; the
solver is Clarabel through cvxpy. Balances hold as "no more is used than arrives", which is tight
as long as prices are 0 or more.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import Battery, Load, Offer, Steps, Utility


class Verdict(NamedTuple):
    """Welfare in money, energies per offer in J (book order), prices per node."""

    welfare: float
    energy_j: np.ndarray
    price: np.ndarray


def judge(book: Book, grid: Grid, energy_scale: float, price_scale: float) -> Verdict:
    """The optimum of the book. The scales make the program's numbers be about 1."""
    import cvxpy as cp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the modeller's, not ours
        return _judge(cp, book, grid, energy_scale, price_scale)


def _judge(cp: Any, book: Book, grid: Grid, energy_scale: float, price_scale: float) -> Verdict:
    e0, p0 = energy_scale, price_scale
    dt = book.interval.duration_s
    worth: list[Any] = [cp.Constant(0.0)]
    rules: list[Any] = []
    copper = book.network == "copperplate"
    nodes = 1 if copper else grid.node_count
    arrives: list[list[Any]] = [[cp.Constant(0.0)] for _ in range(nodes)]
    energies = []
    for o in book.offers:
        q, u, more = _offer(cp, o, dt, e0, p0)
        worth.append(u)
        rules += more
        energies.append(q)
        arrives[0 if copper else grid.node_index[o.node]].append(-q)
    for i in range(0 if copper else grid.link_count):
        gain = 1.0 - grid.loss_ppb[i] * 1e-9
        r = (
            grid.resistance_ohm[i] / (grid.voltage_v[i] ** 2 * dt) * e0
            if grid.resistance_ohm[i]
            else 0
        )
        for near, far in (
            (grid.link_from[i], grid.link_to[i]),
            (grid.link_to[i], grid.link_from[i]),
        ):
            sent = cp.Variable(nonneg=True)
            if np.isfinite(grid.capacity_w[i]):
                rules.append(sent <= grid.capacity_w[i] * dt / e0)
            got = gain * sent
            if r:
                got = cp.Variable()
                rules.append(got <= gain * sent - r * cp.square(sent))
            arrives[near].append(-sent)
            arrives[far].append(got)
            worth.append(-grid.price_per_j[i] / p0 * sent)
        if grid.standing_loss_w[i]:
            arrives[grid.link_from[i]].append(cp.Constant(-grid.standing_loss_w[i] * dt / e0))
    balance = [sum(a) >= 0 for a in arrives]
    problem = cp.Problem(cp.Maximize(sum(worth)), rules + balance)
    problem.solve(
        solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11, max_iter=400
    )
    assert problem.status in ("optimal", "optimal_inaccurate"), problem.status
    price = np.array([float(b.dual_value) for b in balance]) * p0
    return Verdict(
        float(problem.value) * e0 * p0,
        np.array([float(q.value) for q in energies]) * e0,
        price[np.zeros(grid.node_count, int)] if copper else price,
    )


def _offer(cp: Any, o: Offer, dt: float, e0: float, p0: float) -> tuple[Any, Any, list[Any]]:
    """Energy received, its worth, and its rules, in scaled units."""
    s = o.spec
    if isinstance(s, Load):
        q = cp.Variable(nonneg=True)
        return q, s.lost_load_per_j / p0 * q, [q <= s.energy_uj * 1e-6 / e0]
    if isinstance(s, Utility):
        q, u, rules = cp.Constant(0.0), cp.Constant(0.0), []
        if s.sells_at_per_j is not None:
            sold = cp.Variable(nonneg=True)
            q, u = q - sold, u - s.sells_at_per_j / p0 * sold
        if s.buys_at_per_j is not None:
            bought = cp.Variable(nonneg=True)
            q, u = q + bought, u + s.buys_at_per_j / p0 * bought
        return q, u, rules
    if isinstance(s, Steps):
        q, u, rules = cp.Constant(0.0), cp.Constant(0.0), []
        for sign, steps in ((-1.0, s.sell), (1.0, s.buy)):
            for step in steps:
                if step.energy_uj == 0:
                    continue
                size = step.energy_uj * 1e-6 / e0
                x = cp.Variable(nonneg=True)
                rules.append(x <= size)
                bend = (step.end_price_per_j - step.price_per_j) / p0 / (2.0 * size)
                value = step.price_per_j / p0 * x
                if sign * bend:
                    value = value + bend * cp.square(x)
                q, u = q + sign * x, u + sign * value
        return q, u, rules
    assert isinstance(s, Battery)
    return _battery(cp, s, dt, e0, p0)


def _battery(cp: Any, s: Battery, dt: float, e0: float, p0: float) -> tuple[Any, Any, list[Any]]:
    f_max = (s.capacity_uj - s.reserve_uj) * 1e-6 / e0
    f_cap = (s.capacity_uj - s.reserve_uj - s.committed_uj) * 1e-6 / e0
    held = (s.reserve_uj + s.committed_uj) * 1e-6 / e0
    free = (s.energy_uj + s.inflow_uj - s.reserve_uj - s.committed_uj) * 1e-6 / e0
    over, lack = max(free - f_cap, 0.0), max(-free - held, 0.0)
    v_min, v_max = s.v_min_per_j * s.factor / p0, s.v_max_per_j * s.factor / p0
    critical = s.v_max_per_j if s.v_critical_per_j is None else s.v_critical_per_j
    lost = critical if s.lost_load_per_j is None else s.lost_load_per_j

    charge, discharge = cp.Variable(nonneg=True), cp.Variable(nonneg=True)
    inside = cp.Variable(nonneg=True)  # on the curve
    below = cp.Variable(nonneg=True)  # missing from the reserve
    empty = cp.Variable(nonneg=True)  # physically missing
    spilled = cp.Variable(nonneg=True)
    rules = [
        inside - below - empty
        == free + s.charge_efficiency * charge - discharge / s.discharge_efficiency - spilled,
        inside <= f_cap,
        below <= held,
        empty <= lack,
        spilled <= over,
        discharge <= max(free, 0.0) * s.discharge_efficiency,
    ]
    if np.isfinite(s.charge_power_w):
        rules.append(charge <= s.charge_power_w * dt / e0)
    if np.isfinite(s.discharge_power_w):
        rules.append(discharge <= s.discharge_power_w * dt / e0)
    if over:
        rules.append(charge == 0)  # full

    def stored(f: Any, power: Any) -> Any:
        bend = (v_max - v_min) * f_max / (s.k + 1.0)
        return v_min * f + bend * (1.0 - power)

    start = min(max(free, 0.0), f_cap)
    if v_max > v_min and f_max > 0:
        value = stored(inside, cp.power(1.0 - inside / f_max, s.k + 1.0))
        before = stored(start, max(1.0 - start / f_max, 0.0) ** (s.k + 1.0))
    else:
        value, before = v_min * inside, v_min * start
    before += -critical / p0 * (min(held, max(-free, 0.0))) - lost / p0 * lack
    before += s.spill_value_per_j / p0 * over
    worth = value - critical / p0 * below - lost / p0 * empty + s.spill_value_per_j / p0 * spilled
    return charge - discharge, worth - before, rules
