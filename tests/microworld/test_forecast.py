"""Forecasts. Spec: docs/spec/run.md, R17."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from isojoule.core.errors import InputError
from isojoule.core.streams import words
from isojoule.microworld.forecast import Forecast, Noise, Persistence
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import Period, Scenario
from isojoule.microworld.world import World
from tests.microworld.test_world import off_grid
from tests.microworld.worlds import BATTERY, KWH, LOAD, PV, street

DAY = 96


def days(count: int, homes: int = 2) -> Scenario:
    """Homes with a load, a roof and a battery each, and profiles that never repeat."""
    rows: list[dict[str, object]] = []
    for h in range(homes):
        at = {"participant": h, "node": h + 1}
        rows += [
            {"id": f"load{h}", "kind": LOAD, "power_w": 4000.0, "profile": 0, **at},
            {"id": f"roof{h}", "kind": PV, "power_w": 9000.0, "profile": 1, **at},
        ]
    rows.append({"id": "pack", "participant": 0, "node": 1, "kind": BATTERY,
                 "capacity_j": 5 * KWH})  # fmt: skip
    time = np.arange(count * DAY)
    profiles = np.stack([np.cos(time / 7.0) + 0.5, np.sin(time / 11.0) ** 2], axis=1)
    return street(rows, profiles=profiles)


def everything(s: Scenario, forecast: Forecast, seed: bytes = b"") -> np.ndarray:
    return forecast.energies_uj(OfferMaker.of(s), slice(0, len(s.times_s)), seed)


def test_persistence_is_what_came_a_day_before() -> None:
    s = days(3)
    came = OfferMaker.of(s).energies_uj(slice(0, 3 * DAY))
    expected = everything(s, Persistence())
    assert np.array_equal(expected[:DAY], came[:DAY])  # before it nothing is known
    assert np.array_equal(expected[DAY:], came[:-DAY])
    later = Persistence().energies_uj(OfferMaker.of(s), slice(DAY + 5, DAY + 9), b"")
    assert np.array_equal(later, came[5:9])


def test_persistence_begins_anew_after_a_gap_in_the_times() -> None:
    s = days(2)
    times = s.times_s + np.where(np.arange(2 * DAY) < DAY, 0, 7 * 86400)
    periods = tuple(
        Period(n, int(times[i]), int(times[i]) + 86400) for n, i in (("a", 0), ("b", DAY))
    )
    gapped = replace(s, times_s=times, periods=periods)
    came = OfferMaker.of(s).energies_uj(slice(0, 2 * DAY))
    assert np.array_equal(everything(gapped, Persistence()), came)


@settings(max_examples=20, deadline=None)
@given(
    first=st.integers(0, 4 * DAY - 1),
    count=st.integers(1, 200),
    forecast=st.sampled_from([Persistence(), Noise(), Noise(correlation_s=0.0, pv_common=1.0)]),
)
def test_a_forecast_does_not_depend_on_what_is_asked(
    first: int, count: int, forecast: Forecast
) -> None:
    """R17: nor on the parts of a run, nor on the period."""
    s = days(4)
    part = forecast.energies_uj(OfferMaker.of(s), slice(first, first + count), b"7")
    assert np.array_equal(part, everything(s, forecast, b"7")[first : first + count])


def test_noise_goes_by_absolute_time_not_by_the_beginning_of_the_table() -> None:
    s = days(4)
    later = replace(
        s, times_s=s.times_s[DAY:], profiles=s.profiles[DAY:],
        sells_at_per_j=s.sells_at_per_j[DAY:], buys_at_per_j=s.buys_at_per_j[DAY:],
        carbon_kg_per_j=s.carbon_kg_per_j[DAY:],
        periods=(replace(s.periods[0], start_s=int(s.times_s[DAY])),),
    )  # fmt: skip
    assert np.array_equal(everything(later, Noise()), everything(s, Noise())[DAY:])


def test_noise_never_changes_a_sign_and_follows_seed_and_device() -> None:
    s = days(2)
    came = OfferMaker.of(s).energies_uj(slice(0, 2 * DAY))
    one, other = (everything(s, Noise(load_error=2.0, pv_error=2.0), seed) for seed in (b"1", b"2"))
    assert np.array_equal(np.sign(one), np.sign(came))
    plain = came[:, :4] != 0
    assert ((one != other)[:, :4] == plain).all()
    ratio = one[:, :4] / np.where(came[:, :4] == 0, 1, came[:, :4])
    assert not np.allclose(ratio[:, 0], ratio[:, 2])  # two loads, one profile
    assert (one[:, 4] == 0).all()  # batteries are not forecast


def test_no_error_is_perfect() -> None:
    s = days(1)
    perfect = Noise(load_error=0.0, pv_error=0.0)
    came = OfferMaker.of(s).energies_uj(slice(0, DAY))
    assert np.array_equal(everything(s, perfect), came)


def test_the_moments_of_noise_are_those_that_are_stated() -> None:
    """R17: mean 1, relative standard deviation, in time exp(-1) after the correlation time."""
    s = days(60, homes=12)
    noise = Noise(load_error=0.3, pv_error=0.4, correlation_s=3600.0, pv_common=0.6)
    factor = noise.factors(s, slice(0, 60 * DAY), b"3")
    for kind, error, common in ((LOAD, 0.3, 0.0), (PV, 0.4, 0.6)):
        mine = factor[:, s.devices.kind == kind]
        assert mine.mean() == pytest.approx(1.0, abs=0.02)
        assert mine.std() == pytest.approx(error, rel=0.05)
        e = np.log(mine)
        together = np.corrcoef(e.T)
        assert together[np.triu_indices(12, 1)].mean() == pytest.approx(common, abs=0.03)
        for lag, kept in ((4, math.exp(-1)), (8, math.exp(-2)), (1, math.exp(-0.25))):
            seen = np.mean([np.corrcoef(x[:-lag], x[lag:])[0, 1] for x in e.T])
            assert seen == pytest.approx(kept, abs=0.03)


def test_noise_by_hand() -> None:
    """The process of one load from its words alone, summed up from far back."""
    s = days(2, homes=1)
    noise = Noise(load_error=0.25, correlation_s=1800.0)
    number = int(s.times_s[77]) // 900
    keep, back = math.exp(-0.5), 200
    raw = words(b"9", "forecast", "device", "load0", first=number - back, count=back + 1)
    z = np.rint(ndtri(((raw >> np.uint64(12)) + 0.5) / 2.0**52) * 2**20) / 2**20
    e = math.sqrt(1 - keep**2) * sum(keep**j * float(z[back - j]) for j in range(back + 1))
    s2 = math.log(1 + 0.25**2)
    factor = noise.factors(s, slice(77, 78), b"9")[0, 0]
    assert factor == pytest.approx(math.exp(math.sqrt(s2) * e - s2 / 2), abs=3e-6)
    assert factor * 2**20 == round(factor * 2**20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"load_error": -0.1}, {"pv_error": float("nan")}, {"pv_common": 1.5},
        {"correlation_s": -1.0}, {"correlation_s": math.inf},
    ],
)  # fmt: skip
def test_parameters_out_of_their_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Noise(**wrong)


def test_off_the_grid_and_where_no_link_leads_to_the_utility_a_forecast_is_taken() -> None:
    """R17, R23: those who are there make up for it."""
    rows: list[dict[str, object]] = [
        {"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 400.0},
        {"id": "b", "participant": 1, "node": 2, "kind": LOAD, "power_w": 400.0},
    ]
    world = World.of(replace(off_grid(rows), forecast=Noise()))
    assert world.islands is not None
    assert [part.names for part in world.islands.parts] == [("a", "b")]
    s = street(rows)
    assert World.of(replace(s, forecast=Noise())).islands is None
    cut = replace(s.grid, capacity_w=np.array([1e5, 0.0]))
    world = World.of(replace(s, grid=cut, forecast=Noise()))
    assert world.islands is not None
    assert [part.names for part in world.islands.parts] == [("b",)]
    assert World.of(replace(s, grid=cut)).islands is None  # all is known
    flat = replace(s, grid=cut, network="copperplate", forecast=Noise())
    assert World.of(flat).islands is None  # nothing is apart there


def test_a_world_without_a_market_sees_what_comes() -> None:
    """R17: the baseline is billed by the meter."""
    s = replace(days(1), forecast=Noise())
    rows = slice(0, DAY)
    for world, sees in (
        (World.of(s), False), (World.of(s, alone=True), True), (World.of(s, market=False), True),
    ):  # fmt: skip
        wanted = world.maker.energies_uj(rows)
        assert (world.offered_uj(rows, wanted) is wanted) == sees == (not world.forecasts)
