"""What meters show in a run, interval by interval: as cleared, or as it came.

    record = begun(world, record, offered)              # room for it, where anything may differ
    received = read_meters(world, opened, record, at)   # after each clearing; batteries move by it
    record = finished(world, record)                    # what a utility makes up for, all at once

The simulation and the check of a run take the same three steps. Without a forecast, and where the
market sees the wires, meters show what was cleared, and nothing is done.

Batteries that the utility stands behind keep to what was cleared, so what comes there is worked out
for all intervals at once (`isojoule.microworld.delivery`). Where batteries make up for it
(`isojoule.microworld.balancing`), or wires decide what is left (`isojoule.market.carry`), the next
interval begins with what they hold, so it goes along with the loop.

Spec: docs/spec/run.md, R18 to R25.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.market.carry import Carried, carry
from isojoule.market.contract import Refusal
from isojoule.microworld.balancing import balance
from isojoule.microworld.delivery import Cleared, Delivery, delivered, metered_uj
from isojoule.microworld.devices import DeviceKind
from isojoule.microworld.world import Opened, World

if TYPE_CHECKING:
    from isojoule.microworld.simulate import Record

Ints = NDArray[np.int64]


def begun(world: World, record: Record, offered_uj: Ints) -> Record:
    """The record with room for what meters show, if that may differ from what was cleared."""
    if not (world.forecasts or world.beside_wires):
        return record
    like = np.zeros_like
    room = Delivery(
        offered_uj=offered_uj,
        metered_uj=like(record.energy_uj),
        flow_uj=like(record.flow_uj),
        loss_uj=like(record.loss_uj),
        standing_uj=like(record.standing_uj) if world.follows_meters else None,
    )
    return replace(record, delivery=room)


def read_meters(world: World, opened: Opened, record: Record, at: int) -> Ints:
    """What offers received in interval `at`, which is written down if batteries may follow it.

    Raises
    ------
    InputError
        The wires cannot carry any of it, or nobody can make up for it.
    """
    cleared = Carried(
        record.energy_uj[at], record.flow_uj[at], record.loss_uj[at], record.standing_uj[at]
    )
    d = record.delivery
    if d is None or d.standing_uj is None:
        return cleared.energy_uj
    found = _through_wires(world, opened, record.wanted_uj[at], d.offered_uj[at], cleared)
    d.metered_uj[at], d.flow_uj[at] = found.energy_uj, found.flow_uj
    d.loss_uj[at], d.standing_uj[at] = found.loss_uj, found.standing_uj
    return found.energy_uj


def _through_wires(
    world: World, opened: Opened, wanted_uj: Ints, offered_uj: Ints, cleared: Carried
) -> Carried:
    """What comes of a clearing; in a pause it was made by the wires already.

    Where a utility stands behind the wires, it takes what they leave; islands then follow.
    """
    maker = world.maker
    s = maker.scenario
    blind = world.beside_wires and opened.book.network == s.market_network
    found = cleared
    if blind and s.has_utility:
        book, energy = opened.book, cleared.energy_uj
        if world.forecasts:
            book, energy = maker.as_it_came(book, wanted_uj), energy.copy()
            plain = np.flatnonzero(s.devices.kind != DeviceKind.BATTERY)
            energy[plain] = metered_uj(wanted_uj[plain], offered_uj[plain], energy[plain])
        carried = carry(book, s.grid, energy)
        if isinstance(carried, Refusal):
            raise InputError(carried.reason, place=carried.mechanism, remedy=carried.remedy)
        found = carried
    if world.islands is None:
        return found
    here = np.flatnonzero(world.islands.devices)
    energy = found.energy_uj.copy()
    energy[here] = cleared.energy_uj[here]  # they begin with their contracts
    begin = found._replace(energy_uj=energy)
    return balance(world.islands, opened, wanted_uj, offered_uj, begin, afresh=blind)


def finished(world: World, record: Record) -> Record:
    """The record with what a utility makes up for, beside what `read_meters` wrote down.

    Raises
    ------
    InputError
        A link cannot carry what came, however much is sent.
    """
    d = record.delivery
    if d is None or world.beside_wires or not world.maker.scenario.has_utility:
        return record
    cleared = Cleared(record.energy_uj, record.flow_uj, record.loss_uj)
    islands = world.islands
    apart = None if islands is None else islands.devices
    made = delivered(
        world.maker, record.wanted_uj, d.offered_uj, cleared, record.time_s, apart=apart
    )
    if islands is not None and d.standing_uj is not None:
        here = np.flatnonzero(islands.devices)
        made.metered_uj[:, here] = d.metered_uj[:, here]
        made.flow_uj[:, islands.links] = d.flow_uj[:, islands.links]
        made.loss_uj[:, islands.links] = d.loss_uj[:, islands.links]
        made = replace(made, standing_uj=d.standing_uj)
    return replace(record, delivery=made)
