"""What lies in storage, layer by layer: first in, first out.

A layer is what was charged at one time with one origin. What is discharged comes from the oldest
layer; each layer gives at most what the efficiency leaves of it. Where the storage says that it
holds less, it was lost, from the oldest layer first.

Spec: docs/spec/certificates.md, W12 to W15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from isojoule.core.units import PPB
from isojoule.settlement.certificates.nouns import WH_UJ, ChargeRecord, Layer, Layers


class Taken(NamedTuple):
    """What a discharge took of one layer.

    Attributes
    ----------
    charge
        Its record.
    energy_uj
        How much.
    wh
        Whole Watt-hours that it completes, to be certified.
    """

    charge: ChargeRecord
    energy_uj: int
    wh: int


def deliverable_uj(energy_uj: int, efficiency_ppb: int) -> int:
    """What the efficiency leaves, rounded down.

    >>> deliverable_uj(10, 850_000_000)
    8
    """
    return energy_uj * efficiency_ppb // PPB


def put(layers: Layers, records: Sequence[ChargeRecord]) -> Layers:
    """Lay records on top."""
    new = [Layer(record) for record in records if record.deliverable_uj]
    return Layers(
        (*layers.open, *new), layers.left_uj + sum(layer.charge.deliverable_uj for layer in new)
    )


def take(layers: Layers, energy_uj: int) -> tuple[Layers, list[Taken]]:
    """Discharge: from the oldest layer on. What the layers do not hold comes from nowhere known."""
    parts = _oldest(layers, energy_uj)
    taken: list[Taken] = []
    after: list[Layer] = []
    for layer, part in parts:
        given = layer.given_uj + part
        whole = given // WH_UJ - layer.given_uj // WH_UJ if layer.charge.bundle else 0
        taken.append(Taken(layer.charge, part, whole))
        after.append(layer._replace(given_uj=given))
    return _without(layers, parts, after), taken


def trim(layers: Layers, left_uj: int) -> Layers:
    """Lose what is beyond `left_uj`, the oldest first; -1: nothing is known."""
    excess = layers.left_uj - left_uj
    if left_uj < 0 or excess <= 0:
        return layers
    parts = _oldest(layers, excess)
    after = [layer._replace(lost_uj=layer.lost_uj + part) for layer, part in parts]
    return _without(layers, parts, after)


Parts = list[tuple[Layer, int]]
"""The oldest layers, each with what is taken of it."""


def _oldest(layers: Layers, energy_uj: int) -> Parts:
    """So much of the oldest layers, or all."""
    parts: Parts = []
    for layer in layers.open:
        if energy_uj <= 0:
            break
        part = min(energy_uj, layer.left_uj)
        parts.append((layer, part))
        energy_uj -= part
    return parts


def _without(layers: Layers, parts: Parts, after: list[Layer]) -> Layers:
    """What is left: of the layers that were touched those that can still give, and all others."""
    left = (layer for layer in after if layer.left_uj)
    less = sum(part for _, part in parts)
    return Layers((*left, *layers.open[len(parts) :]), layers.left_uj - less)
