"""Certificates counted without bundles: who may claim how many Watt-hours of which origin.

The same walk through the intervals as `isojoule.settlement.certificates.community`, in whole
Watt-hours and microjoules alone: what is in hand is a queue of lots for each member, what lies in
storage a queue of layers for each device. Spec: docs/spec/certificates.md, W10 to W15, W18 to W20
and W23.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.share import share_rows

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
WH_UJ = 3_600_000_000
PPB = 1_000_000_000
OWN, LOCAL, STORED = 0, 1, 2
LEFT, GIVEN, CERTIFIED = 0, 1, 2
"""Columns of a layer: what it can still deliver, uJ; what it delivered, uJ; whether a certificate
was cancelled for it."""
HEAD, TAIL, SUM = 0, 1, 2
"""Of the layers of a device: the first one, the end, and what all can deliver, uJ."""
CARRY, UNTIL = 0, 1
"""Of the meter of a device: what is carried to its next interval, uJ; where its last one ended."""
ISSUED, REISSUED, INTO = 0, 1, 2
"""Watt-hours issued for production, out of storage, and cancelled into storage."""


@kernel
def claimable(
    time_s: Ints, interval_s: int, hour: Ints, energy_uj: Ints, drawn_uj: Ints, left_uj: Ints,
    load_wh: Ints, received_uj: Ints, owner: Ints, stores: Bools, efficiency_ppb: Ints,
    rank: Ints, layers: Ints, ends: Ints, meters: Ints, held_wh: Ints, fate_wh: Ints,
) -> Ints:  # fmt: skip
    """Walk through intervals; what each member holds of each hour.

    Parameters
    ----------
    time_s
        Starts of the intervals, s since 1970, (T,).
    interval_s
        Their length, s.
    hour
        Number of the hour of each, (T,).
    energy_uj, drawn_uj, left_uj
        See `isojoule.settlement.certificates.flows.Flows`, (T, D).
    load_wh
        What each member consumes beside what it draws from its storage, Wh, (T, P).
    received_uj
        From the grid, (T, P).
    owner, stores, efficiency_ppb
        Of each device, (D,).
    rank
        Which of two equal remainders is served first, (P,).
    layers, ends, meters
        What lies in storage, (D, L, 3), (D, 3), and meters, (D, 2); changed in place. `ends` is
        that of the layers that are returned.
    held_wh
        By hour, member and source, (H, P, 3): is added to.
    fate_wh
        By hour, (H, 3): is added to.

    Returns
    -------
    The layers: those that were given, or larger ones.
    """
    people, devices = load_wh.shape[1], owner.size
    lots = np.empty((64, 3), np.int64)  # Wh, source, next
    queue = np.empty((people, 2), np.int64)  # first and last lot; -1: none
    room = np.zeros(devices, np.int64)
    load = np.empty(people, np.int64)
    total = np.zeros(1, np.int64)
    supply, demand = np.zeros((1, people), np.int64), np.zeros((1, people), np.int64)
    for t in range(time_s.size):
        h = hour[t]
        deep = devices
        for d in range(devices):
            deep += ends[d, TAIL] - ends[d, HEAD]
        if lots.shape[0] < 2 * deep + 2 * people + 8:
            lots = np.empty((4 * deep + 2 * people + 8, 3), np.int64)
        queue[:] = -1
        count = 0
        # what is issued: production first
        for d in range(devices):
            room[d] = 0
            if stores[d] or energy_uj[t, d] == 0:
                continue
            carried = meters[d, CARRY] if meters[d, UNTIL] == time_s[t] else 0
            wh = (carried + energy_uj[t, d]) // WH_UJ
            meters[d, CARRY] = min((carried + energy_uj[t, d]) % WH_UJ, energy_uj[t, d])
            meters[d, UNTIL] = time_s[t] + interval_s
            if wh > 0:
                count = _append(lots, queue, owner[d], count, wh, OWN)
                fate_wh[h, ISSUED] += wh
        for d in range(devices):
            if not stores[d]:
                continue
            if energy_uj[t, d] > 0:
                room[d] = energy_uj[t, d] // WH_UJ
                continue
            out = drawn_uj[t, d] - energy_uj[t, d]
            if out > 0:
                before = count
                count = _discharge(lots, queue, owner[d], count, layers[d], ends[d], out,
                                   left_uj[t, d])  # fmt: skip
                for at in range(before, count):
                    fate_wh[h, REISSUED] += lots[at, 0]
        # what serves its owner
        for p in range(people):
            load[p] = load_wh[t, p]
            layers = _use(p, load, lots, queue, room, owner, efficiency_ppb, layers, ends,
                          held_wh[h], fate_wh[h])  # fmt: skip
        # what goes to neighbours
        offered, wanted = 0, 0
        for p in range(people):
            supply[0, p], demand[0, p] = 0, 0
            if received_uj[t, p] < 0:
                free, at = 0, queue[p, 0]
                while at >= 0:
                    free += lots[at, 0]
                    at = lots[at, 2]
                supply[0, p] = min(free, -received_uj[t, p] // WH_UJ)
            elif received_uj[t, p] > 0:
                demand[0, p] = load[p]
        for d in range(devices):
            if room[d] > 0 and received_uj[t, owner[d]] > 0:
                demand[0, owner[d]] += room[d]
        for p in range(people):
            if received_uj[t, p] > 0:
                demand[0, p] = min(demand[0, p], received_uj[t, p] // WH_UJ)
            offered += supply[0, p]
            wanted += demand[0, p]
        total[0] = min(offered, wanted)
        if total[0] > 0:
            gives = share_rows(total, supply, rank)
            gets = share_rows(total, demand, rank)
            taker = 0
            for giver in range(people):
                to_give = gives[0, giver]
                while to_give > 0:
                    while gets[0, taker] == 0:
                        taker += 1
                    first = queue[giver, 0]
                    part = min(min(to_give, gets[0, taker]), lots[first, 0])
                    source = max(lots[first, 1], LOCAL)
                    _drop(lots, queue, giver, part)
                    count = _append(lots, queue, taker, count, part, source)
                    gets[0, taker] -= part
                    to_give -= part
            for p in range(people):
                if received_uj[t, p] > 0:
                    layers = _use(p, load, lots, queue, room, owner, efficiency_ppb, layers, ends,
                                  held_wh[h], fate_wh[h])  # fmt: skip
        # what nobody spoke for is in hand at the end of the hour
        for p in range(people):
            at = queue[p, 0]
            while at >= 0:
                held_wh[h, p, lots[at, 1]] += lots[at, 0]
                at = lots[at, 2]
        # the rest of what was charged has no certificate; then what is drawn meanwhile
        for d in range(devices):
            if not stores[d] or energy_uj[t, d] <= 0:
                continue
            plain = energy_uj[t, d] - (energy_uj[t, d] // WH_UJ - room[d]) * WH_UJ
            layers = _put(layers, ends, d, plain, efficiency_ppb[d], 0)
            _trim(layers[d], ends[d], left_uj[t, d] + drawn_uj[t, d])
            if drawn_uj[t, d] > 0:
                if lots.shape[0] < ends[d, TAIL] - ends[d, HEAD]:
                    lots = np.empty((2 * (ends[d, TAIL] - ends[d, HEAD]), 3), np.int64)
                queue[owner[d]] = -1
                count = _discharge(lots, queue, owner[d], 0, layers[d], ends[d], drawn_uj[t, d],
                                   left_uj[t, d])  # fmt: skip
                for at in range(count):
                    held_wh[h, owner[d], STORED] += lots[at, 0]
                    fate_wh[h, REISSUED] += lots[at, 0]
    return layers


@inline
def _append(lots: Ints, queue: Ints, member: int, count: int, wh: int, source: int) -> int:
    """Put a lot at the end of a member's queue; how many lots there are then."""
    lots[count, 0], lots[count, 1], lots[count, 2] = wh, source, -1
    if queue[member, 0] < 0:
        queue[member, 0] = count
    else:
        lots[queue[member, 1], 2] = count
    queue[member, 1] = count
    return count + 1


@inline
def _drop(lots: Ints, queue: Ints, member: int, wh: int) -> None:
    """Take from the first lot of a member, at most all of it."""
    first = queue[member, 0]
    lots[first, 0] -= wh
    if lots[first, 0] == 0:
        queue[member, 0] = lots[first, 2]


@inline
def _use(
    member: int, load: Ints, lots: Ints, queue: Ints, room: Ints, owner: Ints,
    efficiency_ppb: Ints, layers: Ints, ends: Ints, held_wh: Ints, fate_wh: Ints,
) -> Ints:  # fmt: skip
    """What a member has in hand serves what it consumes, then what it charges."""
    while load[member] > 0 and queue[member, 0] >= 0:
        first = queue[member, 0]
        part = min(load[member], lots[first, 0])
        held_wh[member, lots[first, 1]] += part
        load[member] -= part
        _drop(lots, queue, member, part)
    if queue[member, 0] < 0:
        return layers
    for d in range(room.size):
        if owner[d] != member:
            continue
        while room[d] > 0 and queue[member, 0] >= 0:
            part = min(room[d], lots[queue[member, 0], 0])
            room[d] -= part
            fate_wh[INTO] += part
            _drop(lots, queue, member, part)
            layers = _put(layers, ends, d, part * WH_UJ, efficiency_ppb[d], 1)
    return layers


@inline
def _put(
    layers: Ints, ends: Ints, device: int, energy_uj: int, efficiency_ppb: int, certified: int
) -> Ints:
    """Lay what was charged on top; the layers, larger where there was no room."""
    # floor(energy * efficiency), in 64 bits
    left = energy_uj // PPB * efficiency_ppb + energy_uj % PPB * efficiency_ppb // PPB
    if left == 0:
        return layers
    devices, size, width = layers.shape
    head, tail = ends[device, HEAD], ends[device, TAIL]
    if tail == size and 2 * head >= size:
        for at in range(head, tail):
            layers[device, at - head] = layers[device, at]
        ends[device, HEAD], ends[device, TAIL] = 0, tail - head
        tail -= head
    elif tail == size:
        larger = np.zeros((devices, 2 * size, width), np.int64)
        larger[:, :size] = layers
        layers = larger
    layers[device, tail, LEFT] = left
    layers[device, tail, GIVEN] = 0
    layers[device, tail, CERTIFIED] = certified
    ends[device, TAIL] = tail + 1
    ends[device, SUM] += left
    return layers


@inline
def _trim(layers: Ints, ends: Ints, left_uj: int) -> None:
    """Lose what is beyond `left_uj`, the oldest first."""
    while ends[SUM] > left_uj:
        head = ends[HEAD]
        part = min(ends[SUM] - left_uj, layers[head, LEFT])
        layers[head, LEFT] -= part
        ends[SUM] -= part
        if layers[head, LEFT] == 0:
            ends[HEAD] += 1


@inline
def _discharge(
    lots: Ints, queue: Ints, member: int, count: int, layers: Ints, ends: Ints, energy_uj: int,
    left_uj: int,
) -> int:  # fmt: skip
    """Take from the oldest layers, and put what it certifies into the owner's queue."""
    _trim(layers, ends, left_uj + energy_uj)
    while energy_uj > 0 and ends[HEAD] < ends[TAIL]:
        head = ends[HEAD]
        part = min(energy_uj, layers[head, LEFT])
        given = layers[head, GIVEN] + part
        wh = given // WH_UJ - layers[head, GIVEN] // WH_UJ
        if layers[head, CERTIFIED] == 1 and wh > 0:
            count = _append(lots, queue, member, count, wh, STORED)
        layers[head, LEFT] -= part
        layers[head, GIVEN] = given
        ends[SUM] -= part
        energy_uj -= part
        if layers[head, LEFT] == 0:
            ends[HEAD] += 1
    _trim(layers, ends, left_uj)
    return count
