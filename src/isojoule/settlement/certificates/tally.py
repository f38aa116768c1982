"""The Watt-hours of certificates without the certificates: what a registry would say, counted.

    hours = Tally(members, devices).certify(flows)

A `Tally` walks through the same intervals as `community.Desk`, with the same result to the last
Watt-hour, some hundred times faster; who holds which certificate it does not know. The desk is its
referee in the tests. Spec: docs/spec/certificates.md, W23.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isojoule.core.errors import InputError
from isojoule.kernels.certificates import CERTIFIED, GIVEN, HEAD, LEFT, SUM, TAIL, claimable
from isojoule.settlement.certificates.flows import Flows
from isojoule.settlement.certificates.hours import FATES, SOURCES, Hours, owners, places
from isojoule.settlement.certificates.nouns import WH_UJ, Device


class Tally:
    """What a community claims, counted.

    Parameters
    ----------
    members, devices
        Who takes part.
    """

    def __init__(self, members: Sequence[str], devices: Sequence[Device]) -> None:
        self.members, self.devices = tuple(members), tuple(devices)
        self._owner = np.array(owners(self.members, self.devices), np.int64)
        self._rank = np.array(places(self.members), np.int64)
        self._stores = np.array([device.is_storage for device in self.devices], np.bool_)
        self._efficiency = np.array([d.efficiency_ppb for d in self.devices], np.int64)
        count = len(self.devices)
        self._layers = np.zeros((count, 16, 3), np.int64)
        self._ends = np.zeros((count, 3), np.int64)
        self._meters = np.zeros((count, 2), np.int64)

    def certify(self, flows: Flows) -> Hours:
        """Count a stretch of intervals; see `community.Desk.certify`.

        Raises
        ------
        InputError
            The flows are of others.
        """
        if (flows.members, flows.devices) != (self.members, self.devices):
            raise InputError("the flows are of other members or devices than the tally")
        if flows.begun_uj is not None:
            self._found(flows.begun_uj)
        time_s, firsts = flows.hours()
        hour = np.repeat(np.arange(firsts.size), np.diff([*firsts.tolist(), flows.time_s.size]))
        consumed = np.add.reduceat(flows.consumed_uj, firsts, axis=0)
        held = np.zeros((*consumed.shape, len(SOURCES)), np.int64)
        fates = np.zeros((firsts.size, len(FATES)), np.int64)
        self._layers = claimable(
            flows.time_s, flows.interval_s, hour, flows.energy_uj, flows.drawn_uj, flows.left_uj,
            flows.loads_wh(), flows.received_uj, self._owner, self._stores, self._efficiency,
            self._rank, self._layers, self._ends, self._meters, held, fates,
        )  # fmt: skip
        claimed = np.empty_like(held)
        wanted = consumed // WH_UJ
        for source in range(len(SOURCES)):  # W20: own production first
            claimed[..., source] = np.minimum(held[..., source], wanted)
            wanted = wanted - claimed[..., source]
        return Hours(time_s, consumed, claimed, fates)

    def _found(self, begun_uj: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> None:
        """Storage with energy of unknown origin in it. W18."""
        layers, ends = self._layers, self._ends
        layers[:, 0, LEFT] = np.where(self._stores, begun_uj, 0)
        layers[:, 0, GIVEN] = layers[:, 0, CERTIFIED] = 0
        ends[:, HEAD], ends[:, SUM] = 0, layers[:, 0, LEFT]
        ends[:, TAIL] = layers[:, 0, LEFT] > 0
