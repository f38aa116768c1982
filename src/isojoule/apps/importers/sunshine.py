"""What the sun gives a panel that lies flat, by formula, and clouds by a stated chance.

Clear sky: Haurwitz 1945, global irradiance 1098 W/m2 * cos z * exp(-0.057 / cos z), z the zenith
angle (B. Haurwitz, Insolation in relation to cloudiness and cloud density, J. Meteorology
2:154-166). Declination of the sun by Cooper 1969, equation of time as in Duffie and Beckman, Solar
Engineering of Thermal Processes. A panel gives its rated power at 1000 W/m2, less what heat, dust
and wires take.
"""

from __future__ import annotations

from math import asin, cos, exp, pi, radians, sin

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import uniform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PERFORMANCE = 0.8
"""Share of a panel's rated power that is left after heat, dust and wires."""
DIGITS = 4
"""Decimals of a profile: sines differ in the last place between machines."""


def clear_sky(times_s: Ints, interval_s: int, latitude: float, longitude: float) -> Floats:
    """Power of a flat panel under a clear sky, per W of its rating, in the middle of intervals.

    Parameters
    ----------
    times_s
        Starts of the intervals, epoch seconds UTC, shape (times,).
    latitude, longitude
        Degrees, north and east.

    Returns
    -------
    (times,), between 0 and 1
    """
    return np.array([_flat(int(t) + interval_s / 2, latitude, longitude) for t in times_s])


def _flat(moment_s: float, latitude: float, longitude: float) -> float:
    day, second = divmod(moment_s, 86400.0)
    of_year = 1 + int(day) % 365.2425
    b = 2 * pi * (of_year - 81) / 364
    equation_h = (9.87 * sin(2 * b) - 7.53 * cos(b) - 1.5 * sin(b)) / 60
    hour = second / 3600 + longitude / 15 + equation_h
    declination = asin(sin(radians(23.45)) * sin(2 * pi * (284 + of_year) / 365))
    high = sin(radians(latitude)) * sin(declination)
    high += cos(radians(latitude)) * cos(declination) * cos(radians(15 * (hour - 12)))
    if high <= 0.01:
        return 0.0
    return min(PERFORMANCE * 1.098 * high * exp(-0.057 / high), 1.0)


def clouds(seed: bytes, name: str, days: tuple[float, ...], per_day: int, place: str) -> Floats:
    """Share of the clear sky that comes through, interval by interval.

    Each day has its own mean share c. Around it the sky wavers by up to 0.7 * (1 - c), drawn anew
    every two hours and joined by straight lines: two thirds of it is the weather of the whole
    region, a third that of the place.

    Parameters
    ----------
    days
        Mean share of each day, in [0, 1].
    per_day
        Intervals of a day, a multiple of 12.
    place
        Places of one name have one sky.

    Returns
    -------
    (days * per_day,), between 0.02 and 1
    """
    knots = np.arange(12 * len(days) + 1)

    def draws(*names: str) -> Floats:
        return np.array([2 * uniform(seed, name, "sky", *names, int(k)) - 1 for k in knots])

    wave = (2 * draws("region") + draws("place", place)) / 3
    at = np.arange(len(days) * per_day) * (12 / per_day)
    mean = np.repeat(np.array(days), per_day)
    share: Floats = mean + 0.7 * (1 - mean) * np.interp(at, knots, wave)
    return np.clip(share, 0.02, 1.0)
