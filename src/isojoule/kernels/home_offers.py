"""The offers of loads, PV, batteries and a utility as pieces, filled in for one interval.

The layout is fixed; here come the numbers of an interval. The pieces of a battery are those of
`isojoule.valuation.battery.battery_curves`, without inflow, operation by operation, so that the
numbers are the same to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def fill_homes(wanted_uj: Ints, plain: Ints, worth_in: Floats, worth_out: Floats, first: Ints,
               pieces: Floats, rest: Floats) -> None:  # fmt: skip
    """Loads and PV: one flat piece each.

    Parameters
    ----------
    wanted_uj
        Per device: what a load wants, or PV has (negative), microjoules.
    plain
        Rows of the devices that are no batteries.
    worth_in, worth_out
        Per device: what a Joule is worth to who takes it, and to who gives it, money per J.
    first
        First piece of each device.
    pieces
        Filled, (7, pieces): lo, hi, a, b, c0, c1, k.
    rest
        Filled, (4, offers): spill0, spill1, short0, short1, as in a book.
    """
    for d in plain:
        p = first[d]
        wanted_j = wanted_uj[d] / 1e6
        takes = wanted_uj[d] > 0
        pieces[0, p] = min(wanted_j, 0.0)
        pieces[1, p] = max(wanted_j, 0.0)
        pieces[2, p] = worth_in[d] if takes else worth_out[d]
        pieces[4, p] = pieces[6, p] = 1.0
        rest[0, d] = -pieces[0, p]
        rest[1, d] = 0.0 if takes else 1.0
        rest[2, d] = pieces[1, p]
        rest[3, d] = 1.0 if takes else 0.0


@kernel
def fill_utility(first: int, sells_at: float, buys_at: float, pieces: Floats) -> None:
    """The utility's two prices, without a limit; `pieces` as for `fill_homes`."""
    for p in range(first, first + 2):
        pieces[0, p] = pieces[1, p] = pieces[3, p] = pieces[5, p] = 0.0
        pieces[4, p] = pieces[6, p] = 1.0
    pieces[0, first], pieces[2, first] = -np.inf, sells_at
    pieces[1, first + 1], pieces[2, first + 1] = np.inf, buys_at


@kernel
def fill_packs(stored_uj: Ints, committed_uj: Ints, fresh: Floats, packs: Floats, first: Ints,
               pieces: Floats) -> None:  # fmt: skip
    """Batteries: five pieces each.

    Parameters
    ----------
    stored_uj, committed_uj, fresh
        Per battery: energy, what of it is promised, and the factor on its curve.
    packs
        (batteries, 10): capacity, reserve, most charged and discharged in the interval, J;
        efficiencies of charging and discharging; v_min, v_max, v_critical, money per J; k.
    first
        First piece of each battery.
    pieces
        Filled, see `fill_homes`.
    """
    for i in range(stored_uj.size):
        capacity, reserve, most_in, most_out = packs[i, 0], packs[i, 1], packs[i, 2], packs[i, 3]
        eta_c, eta_d, v_min, v_max = packs[i, 4], packs[i, 5], packs[i, 6], packs[i, 7]
        v_critical, k = packs[i, 8], packs[i, 9]
        energy_j, committed_j = stored_uj[i] / 1e6, committed_uj[i] / 1e6
        f_max = capacity - reserve
        f_cap = f_max - committed_j
        free = energy_j - reserve - committed_j
        overflow = max(free - f_cap, 0.0)
        short = max(-energy_j, 0.0)
        inside = min(max(free, 0.0), f_cap)
        sell_overflow = min(overflow * eta_d, most_out)
        sell_curve = min(inside * eta_d, most_out - sell_overflow)
        buy_short = min(short / eta_c, most_in)
        below = max(-free, 0.0) - short
        buy_reserve = min(max(below, 0.0) / eta_c, most_in - buy_short)
        room = 0.0 if overflow > 0.0 else f_cap - inside
        buy_curve = min(room / eta_c, most_in - buy_short - buy_reserve)
        level = f_max if f_max > 0.0 else 1.0
        t = 1.0 - inside / level if f_max > 0.0 else 1.0
        base = v_min * fresh[i]
        height = (v_max - v_min) * fresh[i]
        p = first[i]
        for j in range(5):
            pieces[0, p + j] = pieces[1, p + j] = pieces[3, p + j] = pieces[5, p + j] = 0.0
            pieces[4, p + j] = pieces[6, p + j] = 1.0
        pieces[0, p] = -sell_curve
        pieces[0, p + 1] = -sell_overflow
        pieces[1, p + 2] = buy_short
        pieces[1, p + 3] = buy_reserve
        pieces[1, p + 4] = buy_curve
        pieces[2, p] = base / eta_d
        pieces[2, p + 1] = 0.0
        pieces[2, p + 2] = v_critical * eta_c
        pieces[2, p + 3] = v_critical * eta_c
        pieces[2, p + 4] = base * eta_c
        pieces[3, p] = height / eta_d
        pieces[3, p + 4] = height * eta_c
        pieces[4, p] = pieces[4, p + 4] = t
        pieces[5, p] = 1.0 / (eta_d * level)
        pieces[5, p + 4] = eta_c / level
        pieces[6, p] = pieces[6, p + 4] = k
