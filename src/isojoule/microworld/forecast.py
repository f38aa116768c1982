"""Forecasts: what devices expect, and offer, before it comes.

A forecast gives each load and PV an energy for every interval, from what really comes, which the
scenario holds. It depends on the scenario, the run's seed, the device and the time of the interval
alone: not on the period that is run, on how a run is cut into parts, nor on what is asked first.
It never has the other sign than what comes, but for `persistence` of a load that also feeds in.

Spec: docs/spec/run.md, R17.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.streams import words
from isojoule.microworld.devices import DeviceKind

if TYPE_CHECKING:
    from isojoule.microworld.offers import OfferMaker
    from isojoule.microworld.scenario import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_S = 86400
GRAIN = 2.0**20
"""Draws and factors are rounded to 1 / GRAIN: a last place in which two machines differ is gone."""
LONG = 16.0
"""So many correlation times back nothing is remembered: exp(-16) is 1e-7."""
MOST_UJ = 4e18
"""No forecast is larger: it must fit into 64 bits."""
LARGEST_ERROR = 10.0


class Forecast(Protocol):
    """A way to forecast."""

    method: ClassVar[str]

    def energies_uj(self, maker: OfferMaker, rows: slice, seed: bytes) -> Ints:
        """Forecast of `OfferMaker.energies_uj` in these intervals, (rows, devices)."""
        ...


@dataclass(frozen=True, slots=True)
class Persistence:
    """Every interval will be as the one 24 hours before.

    Where the scenario has no interval that began then (on the first day of a block of time), the
    forecast is what comes.
    """

    method: ClassVar[str] = "persistence"

    def energies_uj(self, maker: OfferMaker, rows: slice, seed: bytes) -> Ints:
        """See `Forecast`."""
        times = maker.scenario.times_s
        here = np.arange(len(times))[rows]
        if here.size == 0:
            return maker.energies_uj(rows)
        before = np.searchsorted(times, times[here] - DAY_S)
        before = np.where(times[before] == times[here] - DAY_S, before, here)
        low = int(before.min())
        known = maker.energies_uj(slice(low, int(before.max()) + 1))
        return known[before - low]


@dataclass(frozen=True, slots=True)
class Noise:
    """What comes, times a factor with mean 1 that wanders in time.

    The factor is exp(s*e - s**2/2) with s**2 = ln(1 + error**2), so that its relative standard
    deviation is the error. e is a standard normal that forgets itself with the correlation time
    (an autoregressive process of first order). Each device has its own; that of a PV is
    sqrt(pv_common) times one of the weather, which all share, and sqrt(1 - pv_common) times its
    own.

    Parameters
    ----------
    load_error, pv_error
        Relative standard deviations of the forecast; 0 is perfect.
    correlation_s
        Time after which an error is down to 1/e of itself, s; 0: each interval by itself.
    pv_common
        Correlation between the errors of any two roofs, 0 to 1.

    Raises
    ------
    InputError
        A parameter out of its bounds.
    """

    method: ClassVar[str] = "noise"
    load_error: float = 0.20
    pv_error: float = 0.25
    correlation_s: float = 3 * 3600.0
    pv_common: float = 0.5

    def __post_init__(self) -> None:
        for name in ("load_error", "pv_error"):
            if not 0 <= getattr(self, name) <= LARGEST_ERROR:
                raise InputError(
                    f"{name} is outside 0 to {LARGEST_ERROR:.0%}",
                    place=name,
                    remedy="give a relative standard deviation, as 20 %",
                )
        if not 0 <= self.correlation_s <= 365 * DAY_S:
            raise InputError(
                "the correlation time is outside 0 to a year",
                place="correlation_time",
                remedy="give it as '3 h'",
            )
        if not 0 <= self.pv_common <= 1:
            raise InputError(
                "pv_common is outside 0 to 1", place="pv_common", remedy="give a share, as 50 %"
            )

    def energies_uj(self, maker: OfferMaker, rows: slice, seed: bytes) -> Ints:
        """See `Forecast`."""
        known = maker.energies_uj(rows)
        expected = np.rint(known * self.factors(maker.scenario, rows, seed))
        return np.clip(expected, -MOST_UJ, MOST_UJ).astype(np.int64)

    def factors(self, scenario: Scenario, rows: slice, seed: bytes) -> Floats:
        """Forecast over what comes, (rows, devices); 1 for batteries, and where the error is 0."""
        d = scenario.devices
        number = scenario.times_s[rows] // scenario.interval_s
        out = np.ones((number.size, d.count))
        for kind, error, common in (
            (DeviceKind.LOAD, self.load_error, 0.0),
            (DeviceKind.PV, self.pv_error, self.pv_common),
        ):
            devices = d.of_kind(kind)
            if error == 0 or devices.size == 0:
                continue
            streams = [("forecast", "device", d.ids[i]) for i in devices]
            wander = self._wander(number, scenario.interval_s, seed, streams)
            if common > 0:
                weather = self._wander(number, scenario.interval_s, seed, [("forecast", "weather")])
                wander = math.sqrt(common) * weather + math.sqrt(1.0 - common) * wander
            s2 = math.log1p(error**2)
            factor = np.exp(math.sqrt(s2) * wander - s2 / 2)
            out[:, devices] = np.rint(factor * GRAIN) / GRAIN
        return out

    def _wander(
        self, number: Ints, interval_s: int, seed: bytes, streams: Sequence[tuple[str, ...]]
    ) -> Floats:
        """The process e of some streams at intervals with these numbers, (intervals, streams).

        Time is cut into blocks of `LONG` correlation times. Within a block e is followed from the
        beginning of the block before, so that no beginning is seen.
        """
        keep = math.exp(-interval_s / self.correlation_s) if self.correlation_s > 0 else 0.0
        fresh = math.sqrt(1.0 - keep**2)
        block = max(1, math.ceil(LONG * self.correlation_s / interval_s))
        out = np.empty((number.size, len(streams)))
        for at, first, last in _runs(number):
            origin = (first // block - 1) * block
            z = _normals(seed, streams, origin, last + 1 - origin)
            for begin in range(origin, last // block * block, block):
                e = z[begin - origin]
                for n in range(begin + 1, min(begin + 2 * block, last + 1)):
                    e = keep * e + fresh * z[n - origin]
                    if n >= max(begin + block, first):
                        out[at + n - first] = e
        return out


def describe(forecast: Forecast) -> dict[str, Any]:
    """A forecast as plain data: its method and its parameters, SI."""
    return {"method": forecast.method, **asdict(forecast)}  # type: ignore[call-overload]


def _runs(number: Ints) -> Iterator[tuple[int, int, int]]:
    """Stretches of consecutive numbers: position, first and last number."""
    cuts = np.flatnonzero(np.diff(number) != 1) + 1
    for part in np.split(np.arange(number.size), cuts):
        if part.size:
            yield int(part[0]), int(number[part[0]]), int(number[part[-1]])


def _normals(seed: bytes, streams: Sequence[tuple[str, ...]], first: int, count: int) -> Floats:
    """Standard normals of each stream, (count, streams).

    The inverse of the normal distribution function at (k + 1/2) / 2**52, k the first 52 bits of a
    word, to the nearest 1 / `GRAIN`.
    """
    from scipy.special import ndtri

    raw = np.stack([words(seed, *names, first=first, count=count) for names in streams], axis=1)
    z: Floats = np.rint(ndtri(((raw >> np.uint64(12)) + 0.5) / 2.0**52) * GRAIN) / GRAIN
    return z
