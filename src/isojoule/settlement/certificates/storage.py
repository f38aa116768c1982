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
from isojoule.settlement.certificates.nouns import WH_UJ, ChargeRecord, Layer

Layers = tuple[Layer, ...]


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
    return (*layers, *(Layer(record) for record in records if record.deliverable_uj))


def take(layers: Layers, energy_uj: int) -> tuple[Layers, list[Taken]]:
    """Discharge: from the oldest layer on. What the layers do not hold comes from nowhere known."""
    taken: list[Taken] = []
    left = list(layers)
    at = 0
    while energy_uj and at < len(left):
        layer = left[at]
        part = min(energy_uj, layer.left_uj)
        given = layer.given_uj + part
        whole = given // WH_UJ - layer.given_uj // WH_UJ if layer.charge.bundle else 0
        taken.append(Taken(layer.charge, part, whole))
        left[at] = layer._replace(given_uj=given)
        energy_uj -= part
        at += 1
    return _open(left), taken


def trim(layers: Layers, left_uj: int) -> Layers:
    """Lose what is beyond `left_uj`, the oldest first; -1: nothing is known."""
    if left_uj < 0:
        return layers
    excess = sum(layer.left_uj for layer in layers) - left_uj
    left = list(layers)
    for at, layer in enumerate(left):
        if excess <= 0:
            break
        part = min(excess, layer.left_uj)
        left[at] = layer._replace(lost_uj=layer.lost_uj + part)
        excess -= part
    return _open(left)


def _open(layers: Sequence[Layer]) -> Layers:
    """Those that can still give."""
    return tuple(layer for layer in layers if layer.left_uj)
