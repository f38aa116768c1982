"""What the homes of a village use: appliances by tier, switched on by a stated chance.

Tiers are those of the Multi-Tier Framework (M. Bhatia, N. Angelou, Beyond Connections: Energy
Access Redefined, ESMAP Technical Report 008/15, World Bank 2015): at least 12, 200, 1000 and 3400
Wh a day, and 3, 50, 200 and 800 W, for tiers 1 to 4. Appliances and hours are assumed such that a
home of a tier lies above its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import uniform

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Appliance:
    """What draws `power_w` from `start_h` for `hours`, local time.

    On each day the start is moved by up to half an hour, the duration by up to a fifth. What
    runs all day has neither.

    Parameters
    ----------
    chance
        That it is used on a day.
    weekdays
        Not used on Saturday and Sunday.
    """

    name: str
    power_w: float
    start_h: float
    hours: float
    chance: float = 1.0
    weekdays: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """A kind of home.

    Parameters
    ----------
    share
        Of the ordinary homes; 0: there is one of it.
    converter_w
        Most power between its 48 V and the lane.
    panel_w
        Rated power of its panel, W; 0: by its need and chance.
    sun
        Sun of a clear day over the need of a day, from, to; None: as the village draws it.
    """

    label: str
    share: float
    converter_w: float
    appliances: tuple[Appliance, ...]
    panel_w: float = 0.0
    sun: tuple[float, float] | None = None


HOUSES = (
    House(
        "Shop",
        0.0,
        600.0,
        (
            Appliance("freezer", 55, 0, 24),
            Appliance("lights", 30, 18, 4),
            Appliance("television", 40, 12, 9),
            Appliance("phones of customers", 40, 9, 8),
        ),
        panel_w=600.0,
    ),
    House(
        "Mill",
        0.0,
        1000.0,
        (
            Appliance("mill", 750, 9, 3.5, 0.9, weekdays=True),
            Appliance("lights", 15, 18.5, 3),
        ),
        panel_w=300.0,
    ),
    House(
        "Clinic",
        0.0,
        600.0,
        (
            Appliance("vaccine fridge", 40, 0, 24),
            Appliance("instruments", 90, 8, 7, weekdays=True),
            Appliance("lights", 40, 18, 6),
            Appliance("night light", 10, 0, 6),
        ),
        panel_w=450.0,
    ),
    House(
        "School",
        0.0,
        1000.0,
        (
            Appliance("computers", 150, 9, 5, weekdays=True),
            Appliance("lights", 60, 18.5, 2.5, weekdays=True),
        ),
        panel_w=1500.0,
    ),
    House(
        "tier 1",
        0.30,
        100.0,
        (
            Appliance("lights", 6, 18.5, 4),
            Appliance("morning light", 3, 5.5, 1),
            Appliance("phone", 5, 19, 2),
            Appliance("radio", 3, 16, 5),
        ),
    ),
    House(
        "tier 2",
        0.42,
        200.0,
        (
            Appliance("lights", 16, 18.5, 4.5),
            Appliance("morning light", 8, 5.5, 1),
            Appliance("phones", 10, 19, 2),
            Appliance("television", 25, 18.5, 4, 0.9),
            Appliance("fan", 15, 12, 5, 0.8),
        ),
    ),
    House(
        "tier 3",
        0.20,
        400.0,
        (
            Appliance("lights", 30, 18.5, 5),
            Appliance("morning light", 15, 5.5, 1.5),
            Appliance("phones", 15, 18, 3),
            Appliance("television", 40, 17, 5.5, 0.95),
            Appliance("fan", 25, 12, 8, 0.9),
            Appliance("fridge", 25, 0, 24),
        ),
    ),
    House(
        "tier 4",
        0.08,
        800.0,
        (
            Appliance("lights", 60, 18.5, 5.5),
            Appliance("morning light", 30, 5, 2),
            Appliance("television", 60, 17, 6),
            Appliance("fans", 60, 11, 10),
            Appliance("fridge", 45, 0, 24),
            Appliance("laptop", 50, 18, 4, 0.8),
            Appliance("water pump", 400, 7, 1, 0.9),
            Appliance("rice cooker", 450, 18.5, 0.8, 0.9),
            Appliance("iron", 800, 8, 0.5, 0.4),
        ),
        sun=(1.2, 2.0),
    ),
)
"""The houses of the village; the first four are nearest to its middle."""


def use_w(seed: bytes, name: str, house: House, days: int, interval_s: int) -> Floats:
    """Mean power of a home in each interval, W, shape (days * intervals of a day,).

    The first day is a Monday. What runs past the end of the last day begins the first one.
    """
    per_hour = 3600 / interval_s
    total = np.zeros(round(days * 24 * per_hour))
    edges = np.arange(total.size + 1.0)
    for a in house.appliances:
        for day in range(days):
            names = ("village", name, a.name, day)
            if (a.weekdays and day % 7 >= 5) or uniform(seed, *names, "used") >= a.chance:
                continue
            start, hours = 24.0 * day + a.start_h, a.hours
            if hours < 24:
                start += uniform(seed, *names, "start") - 0.5
                hours *= 0.8 + 0.4 * uniform(seed, *names, "hours")
            first, last = start * per_hour, (start + hours) * per_hour
            for turn in (0, total.size):  # past the end of the last day, and before the first
                inside = np.minimum(edges[1:], last - turn) - np.maximum(edges[:-1], first - turn)
                total += a.power_w * np.maximum(inside, 0.0)
    return total
