"""What chapters read of a run besides: what rested, and what the network did not let happen.

Sun that had to stay on the roof, and need that was not served, are read from the tables of a run:
what came, as the scenario has it, beside what meters show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.results.chapters.nouns import Settling
from isojoule.apps.results.tables import by_member, read_metered
from isojoule.apps.results.worlds import part_rows, parts_of
from isojoule.microworld.devices import DeviceKind
from isojoule.microworld.offers import OfferMaker
from isojoule.settlement.stretch import Stretch, at_rest

Ints = NDArray[np.int64]


def stretches_at_rest(settling: Settling) -> list[Stretch]:
    """The stretches of all periods as they were settled: with what rests by the rules' pauses."""
    return [at_rest(p.stretch, settling.rules.pauses) for p in settling.periods]


class HeldBack(NamedTuple):
    """What members could not give and could not take, microjoules, (T, P) each."""

    giving_uj: Ints
    taking_uj: Ints


def held_back(settling: Settling) -> HeldBack:
    """Of all periods, one after another."""
    scenario = settling.scenario
    maker, devices = OfferMaker.of(scenario), scenario.devices
    people, width = len(scenario.participants), devices.count + int(scenario.has_utility)
    plain = np.flatnonzero(devices.kind != DeviceKind.BATTERY)
    owners = devices.participant[plain]
    giving, taking, number = [], [], 0
    for period in scenario.periods:
        for part in range(parts_of(scenario, period)):
            path = settling.folder / "market" / "devices" / f"part-{number:05}.parquet"
            got = read_metered(path)["metered_uj"].to_numpy().reshape(-1, width)[:, plain]
            came = maker.energies_uj(part_rows(scenario, period, part))[:, plain]
            left = np.maximum(-came, 0) - np.maximum(-got, 0)
            missing = np.maximum(came, 0) - np.maximum(got, 0)
            giving.append(by_member(np.maximum(left, 0), owners, people))
            taking.append(by_member(np.maximum(missing, 0), owners, people))
            number += 1
    return HeldBack(np.concatenate(giving), np.concatenate(taking))
