"""Units that prices settle: what every choice that is better than the one reached takes or leaves.

What prices prove of all choices rules out units: a choice that takes one, or leaves it, has no more
than the bound less what that costs, and where this is no more than what is reached already, the
unit is settled (variable fixing by reduced costs: Nemhauser, Wolsey 1988, Integer and Combinatorial
Optimization, II.5).
"""

from __future__ import annotations

import numpy as np

from isojoule.market.integer.lagrangian import Fixed, Gains, Lagrangian


def settled(relaxation: Lagrangian, gains: Gains, fixed: Fixed, reached: float) -> Fixed:
    """What must be taken or left in every choice that has more than what is reached, money."""
    bound = relaxation.bound(gains, fixed)
    group, unit, out = relaxation.units.group, gains.unit, fixed.copy()
    alone = (group < 0) & (fixed < 0)
    other = bound - np.abs(unit) <= reached  # with a unit in its other state
    out[alone & other & (unit <= 0.0)] = 0
    out[alone & other & (unit > 0.0)] = 1
    for u in np.flatnonzero((group >= 0) & (fixed < 0)).tolist():
        mine = group == group[u]
        mine[u] = False
        if np.any(mine & (fixed == 1)):
            out[u] = 0
            continue
        others = float(np.max(unit[mine & (fixed < 0)], initial=0.0))
        now = max(float(unit[u]), others)
        if bound - now + float(unit[u]) <= reached:
            out[u] = 0
        elif bound - now + others <= reached:
            out[u] = 1
            out[mine & (fixed < 0)] = 0
    return out
