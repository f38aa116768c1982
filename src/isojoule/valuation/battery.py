"""From the state of a battery to its curve.

Free energy F = stored + inflow - reserve - committed, F_max = capacity - reserve, and the full
wall stands at F_cap = F_max - committed. The worth of a Joule in the battery is

    v(F) = v_min + (v_max - v_min) * (1 - F/F_max)**k     for 0 < F <= F_cap.

Seen from the grid the battery bids eta_c*v(F + eta_c*q) and asks v(F + q/eta_d)/eta_d. Below
F = 0 it never sells; it bids eta_c*v_critical until the reserve is filled, and eta_c*lost_load
where even the physical energy is short. Above F_cap the overflow is sold at the spill value or
lost. So a battery has five pieces, in ascending order of what it receives:

    0 sell along the curve   1 sell the overflow   2 buy what is short
    3 buy up to the reserve  4 buy along the curve

A piece that does not apply has width 0. Spec: docs/spec/valuation.md, V5 to V9.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.valuation.curve import Floats, Pieces

PIECES = 5
"""Pieces of one battery."""
CURVE_ROLE = np.array([True, False, False, False, True])
"""Which of the five pieces lie on the curve v(F)."""


class BatteryRows(NamedTuple):
    """State and parameters of batteries, arrays of shape (batteries,). Energies in J."""

    energy_j: Floats
    capacity_j: Floats
    reserve_j: Floats
    committed_j: Floats
    inflow_j: Floats
    charge_j: Floats
    """Most energy taken from the grid in the interval (power times duration), inf if unlimited."""
    discharge_j: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    v_min: Floats
    v_max: Floats
    v_critical: Floats
    lost_load: Floats
    spill_value: Floats
    k: Floats
    freshness: Floats
    """Factor on the curve: 1, or less after idling (perishability)."""


class BatteryCurves(NamedTuple):
    """Pieces of shape (batteries, 5), and what overflows or falls short, grid side aside."""

    pieces: Pieces
    overflow_j: Floats
    """Energy above the full wall before any trade, battery side."""
    short_j: Floats
    """Energy missing below empty before any trade, battery side."""


def freshness(idle_s: Floats, tau_s: Floats, floor: Floats) -> Floats:
    """Perishability factor decay(t) = floor + (1 - floor) * exp(-t/tau); 1 where tau is inf."""
    return floor + (1.0 - floor) * np.exp(-idle_s / tau_s)


def battery_curves(rows: BatteryRows) -> BatteryCurves:
    """The five pieces of each battery. Shapes: in (batteries,), out (batteries, 5)."""
    f_max = rows.capacity_j - rows.reserve_j
    f_cap = f_max - rows.committed_j
    physical = rows.energy_j + rows.inflow_j
    free = physical - rows.reserve_j - rows.committed_j
    eta_c, eta_d = rows.charge_efficiency, rows.discharge_efficiency

    overflow = np.maximum(free - f_cap, 0.0)
    short = np.maximum(-physical, 0.0)
    inside = np.clip(free, 0.0, f_cap)  # where the curve is entered

    sell_overflow = np.minimum(overflow * eta_d, rows.discharge_j)
    sell_curve = np.minimum(inside * eta_d, rows.discharge_j - sell_overflow)
    buy_short = np.minimum(short / eta_c, rows.charge_j)
    below = np.maximum(-free, 0.0) - short
    buy_reserve = np.minimum(np.maximum(below, 0.0) / eta_c, rows.charge_j - buy_short)
    room = np.where(overflow > 0, 0.0, f_cap - inside)
    buy_curve = np.minimum(room / eta_c, rows.charge_j - buy_short - buy_reserve)

    zero, one = np.zeros_like(f_max), np.ones_like(f_max)
    level = np.where(f_max > 0, f_max, 1.0)
    t = np.where(f_max > 0, 1.0 - inside / level, 1.0)
    base = rows.v_min * rows.freshness
    height = (rows.v_max - rows.v_min) * rows.freshness

    def table(columns: list[NDArray[np.float64]]) -> Floats:
        return np.stack(columns, axis=-1)

    pieces = Pieces(
        lo=table([-sell_curve, -sell_overflow, zero, zero, zero]),
        hi=table([zero, zero, buy_short, buy_reserve, buy_curve]),
        a=table(
            [
                base / eta_d,
                rows.spill_value / eta_d,
                rows.lost_load * eta_c,
                rows.v_critical * eta_c,
                base * eta_c,
            ]
        ),
        b=table([height / eta_d, zero, zero, zero, height * eta_c]),
        c0=table([t, one, one, one, t]),
        c1=table([1.0 / (eta_d * level), zero, zero, zero, eta_c / level]),
        k=table([rows.k, one, one, one, rows.k]),
    )
    return BatteryCurves(pieces, overflow, short)


def worth_between(
    low_uj: int, high_uj: int, f_max_uj: int, v_min_per_j: float, v_max_per_j: float, k: float
) -> float:
    """Worth of the Joules between two fillings of one battery: the integral of v, money.

    The scalar twin of `isojoule.valuation.curve.integral`, for those who price one amount at a
    time. The differences are taken in integers, so that a small amount loses no digits.

    Parameters
    ----------
    low_uj, high_uj
        Free energy after and before, microjoules, 0 <= low <= high <= f_max.
    f_max_uj
        Capacity less reserve, microjoules.
    v_min_per_j, v_max_per_j, k
        The curve, freshness folded in. See docs/spec/valuation.md, V5.

    Examples
    --------
    >>> worth_between(500_000, 1_000_000, 1_000_000, 0.0, 1.0, 1.0)  # the fuller half
    0.125
    """
    width_uj, room_uj = high_uj - low_uj, f_max_uj - low_uj
    if width_uj <= 0:
        return 0.0
    share = width_uj / room_uj  # of the way from `low` to full
    fall = 1.0 if share == 1.0 else -math.expm1((k + 1.0) * math.log1p(-share))
    mean = math.pow(room_uj / f_max_uj, k) * fall / ((k + 1.0) * share)
    return width_uj / UJ_PER_J * (v_min_per_j + (v_max_per_j - v_min_per_j) * mean)


def worth_at(
    free_uj: int, f_max_uj: int, v_min_per_j: float, v_max_per_j: float, k: float
) -> float:
    """Worth of the next Joule at a filling, v(F), money per J; inf where nothing is for sale."""
    if free_uj <= 0:
        return math.inf
    return v_min_per_j + (v_max_per_j - v_min_per_j) * math.pow(1.0 - free_uj / f_max_uj, k)
