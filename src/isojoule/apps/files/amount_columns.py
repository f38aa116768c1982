"""Columns of amounts, as exact as a single one (`isojoule.apps.files.amounts`).

A number in a table means the decimal that is printed for it. Whole microjoules, and whole parts of
1e-9, are found in floats wherever their digits leave no doubt; the few in doubt are counted in
fractions, one by one.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.book_frame import Amounts
from isojoule.core.units import NO_LIMIT_UJ, PPB, UJ_PER_J

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
DOUBT = 1e-15
"""Share of a product that its digits may be off; four roundings are less."""
_WHOLE = 2**53


def energies_uj(column: Amounts) -> tuple[Ints, Bools]:
    """Whole microjoules, rounded half to even from exact digits, and which are none at all.

    Absent is 0. What is infinite or beyond what is counted is among the second, and 0 in the first.
    """
    values, (up, down) = column.values, column.factor
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = values * (up * UJ_PER_J) / down
        bad = ~(np.abs(scaled) < float(NO_LIMIT_UJ)) & ~np.isnan(values)
        known = np.where(np.isnan(scaled) | bad, 0.0, scaled)
    out = np.rint(known).astype(np.int64)
    apart = np.abs(np.abs(known - np.trunc(known)) - 0.5)
    doubt = apart <= DOUBT * np.abs(known)
    if doubt.any() and down == 1.0 and float(up * UJ_PER_J).is_integer():
        at = np.flatnonzero(doubt)
        whole = at[(values[at] == np.rint(values[at])) & (np.abs(values[at]) < _WHOLE)]
        out[whole] = values[whole].astype(np.int64) * int(up * UJ_PER_J)
        doubt[whole] = False
    for i in np.flatnonzero(doubt).tolist():
        out[i] = round(_fraction(float(values[i]), up, down) * UJ_PER_J)
    bad |= np.abs(out) >= NO_LIMIT_UJ
    out[bad] = 0
    return out, bad


def losses_ppb(column: Amounts) -> tuple[Ints, Bools]:
    """Losses in whole parts of 1e-9, absent is 0, and which are none: outside 0 .. 1, or finer."""
    values, (up, down) = column.values, column.factor
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = values * (up * PPB) / down
        known = np.where(np.isnan(scaled), 0.0, scaled)
        bad = ~((known >= 0) & (known < PPB))
        out = np.where(bad, 0, np.rint(known)).astype(np.int64)
        # the nearest float to a whole part is printed as that part
        doubt = ~bad & (out * down / (up * PPB) != np.where(np.isnan(values), 0.0, values))
    for at in np.flatnonzero(doubt).tolist():
        exact = _fraction(float(values[at]), up, down) * PPB
        bad[at] = exact.denominator != 1 or not 0 <= exact < PPB
        out[at] = 0 if bad[at] else int(exact)
    return out, bad


def joules(energy_uj: Ints) -> Floats:
    """Energies in J, each the float that is nearest."""
    out: Floats = energy_uj / UJ_PER_J
    for at in np.flatnonzero(np.abs(energy_uj) >= _WHOLE).tolist():
        out[at] = int(energy_uj[at]) / UJ_PER_J
    return out


def _fraction(value: float, up: float, down: float) -> Fraction:
    return Fraction(repr(value)) * Fraction(up) / Fraction(down)
