"""From meters to certificates and scores. docs/spec/certificates.md, W18 to W21."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.settlement.certificates import Device, State
from isojoule.settlement.certificates.check import Snapshot, check_registry
from isojoule.settlement.certificates.community import Desk
from isojoule.settlement.certificates.flows import Flows
from isojoule.settlement.certificates.hours import Hours
from isojoule.settlement.certificates.interval import portions
from isojoule.settlement.certificates.memory import entry_bytes, plain_entry_bytes
from isojoule.settlement.certificates.nouns import WH_UJ, Key
from isojoule.settlement.certificates.operations import Act, Step

NOON = 3600 * 100
ROOF = Device("roof", "ada", "solar")
PACK = Device("pack", "bo", "storage", is_storage=True, efficiency_ppb=800_000_000)


def flows(
    members: tuple[str, ...],
    devices: tuple[Device, ...],
    energy: list[list[float]],
    consumed: list[list[float]],
    **more: object,
) -> Flows:
    """Quarter hours from noon on, in Wh; who owns what gives or takes at the grid what is left."""
    produced = np.rint(np.array(energy, float).reshape(len(energy), -1) * WH_UJ).astype(np.int64)
    used = np.rint(np.array(consumed, float) * WH_UJ).astype(np.int64)
    received = used.copy()
    for at, device in enumerate(devices):
        sign = 1 if device.is_storage else -1
        received[:, members.index(device.account)] += sign * produced[:, at]
    columns = {
        "time_s": NOON + 900 * np.arange(len(energy)),
        "left_uj": np.full_like(produced, 10**15),
        "begun_uj": np.zeros(len(devices), np.int64),
        "drawn_uj": np.zeros_like(produced),
        "received_uj": received,
        **more,
    }
    return Flows(
        interval_s=900, members=members, devices=devices, energy_uj=produced, consumed_uj=used,
        **columns,
    )  # type: ignore[arg-type]  # fmt: skip


def certified(f: Flows) -> tuple[Desk, Hours]:
    desk = Desk("test", f.members, f.devices)
    return desk, desk.certify(f)


def test_own_first_then_neighbours_in_proportion() -> None:
    """10 Wh of sun: 4 for Ada; of the 6 left Bo, who uses 6, gets 4, and Cy, who uses 3, gets 2."""
    _, hours = certified(flows(("ada", "bo", "cy"), (ROOF,), [[10]], [[4, 6, 3]]))
    assert hours.claimed_wh[0].tolist() == [[4, 0, 0], [0, 4, 0], [0, 2, 0]]


def test_the_sun_of_an_hour_serves_that_hour_alone() -> None:
    """What Ada sent out at noon covers a quarter of an hour later, and nothing of the next hour."""
    f = flows(("ada",), (ROOF,), [[10], [0], [0], [0], [0]], [[4], [3], [0], [0], [2]])
    desk, hours = certified(f)
    assert hours.time_s.tolist() == [NOON, NOON + 3600]
    assert hours.claimed_wh[:, 0].tolist() == [[7, 0, 0], [0, 0, 0]]
    left = [b.quantity for b in desk.registry.bundles() if b.state is State.ACTIVE]
    assert sum(left) == 3


def test_storage_carries_the_sun_into_the_evening() -> None:
    """Bo stores 10 Wh of Ada's sun at 80 %, and uses 5 of the 8 later; Ada gets 3 back."""
    f = flows(
        ("ada", "bo"), (ROOF, PACK),
        [[10, 10]] + [[0, 0]] * 3 + [[0, -8]],
        [[0, 0]] * 4 + [[9, 5]],
    )  # fmt: skip
    desk, hours = certified(f)
    assert hours.claimed_wh[0].sum() == 0
    assert hours.claimed_wh[1].tolist() == [[0, 0, 3], [0, 0, 5]]
    claimed = [b for b in desk.registry.bundles() if b.state is State.CLAIMED]
    assert {(b.device, b.origin, b.start_s) for b in claimed} == {("pack", "roof", NOON)}


def test_what_was_in_storage_before_has_no_certificate() -> None:
    """W18: first in, first out, so 8 Wh of unknown origin come out before the sun."""
    f = flows(
        ("ada", "bo"), (ROOF, PACK), [[10, 10], [0, -12]], [[0, 0], [0, 20]],
        begun_uj=np.array([0, 8 * WH_UJ]),
    )  # fmt: skip
    _, hours = certified(f)
    assert hours.claimed_wh[0].tolist() == [[0, 0, 0], [0, 0, 4]]


@pytest.mark.parametrize("seed", range(25))
def test_random_communities(seed: int) -> None:
    """The registry says the same as the hours, and nobody claims more than it used."""
    f = random_flows(Random(seed))
    desk, hours = certified(f)
    registry = desk.registry
    snapshot = Snapshot(
        [(d, at.metered_uj) for d, at in registry.devices()], list(registry.bundles()),
        list(registry.charges()), list(registry.discharges()),
    )  # fmt: skip
    counts = check_registry(snapshot)
    # lists are sets: what left a registry later may have been made before
    backwards = Snapshot(*(list(reversed(part)) for part in snapshot))
    assert check_registry(backwards) == counts
    fed = {record.id: record.start_s for record in snapshot.discharges}
    counted: Counter[tuple[int, str, int]] = Counter()
    for b in snapshot.bundles:
        if b.state is State.CLAIMED:
            owner = next(d.account for d in f.devices if d.id == b.device)
            source = 2 if b.discharge else int(owner != b.account)
            hour = fed.get(b.discharge, b.start_s) // 3600 * 3600
            counted[hour, b.account, source] += b.quantity
    told = {
        (int(hours.time_s[h]), f.members[p], s): int(hours.claimed_wh[h, p, s])
        for h, p, s in np.argwhere(hours.claimed_wh).tolist()
    }
    assert told == counted
    assert np.all(hours.claimed_wh.sum(2) * WH_UJ <= hours.consumed_uj)
    assert np.array_equal(hours.consumed_uj.sum(0), f.consumed_uj.sum(0))
    # of what anybody could have used in an hour of what was made, all of it is used at home first
    own = np.zeros_like(hours.consumed_uj)
    for at, device in enumerate(f.devices):
        if not device.is_storage:
            who = f.members.index(device.account)
            for h, start in enumerate(hours.time_s):
                rows = (f.time_s >= start) & (f.time_s < start + 3600)
                own[h, who] += f.energy_uj[rows, at].sum()
    assert np.all(
        hours.claimed_wh[:, :, 0] * WH_UJ <= np.minimum(own + 2 * WH_UJ, hours.consumed_uj)
    )
    _, again = certified(f)
    assert np.array_equal(again.claimed_wh, hours.claimed_wh)


def random_flows(random: Random) -> Flows:
    """Three members, two roofs, two packs, whose meters agree with each other."""
    members = ("ada", "bo", "cy")
    devices = (
        ROOF,
        ROOF._replace(id="shed", account="cy"),
        PACK,
        PACK._replace(id="box", account="ada"),
    )
    energy, left, stored = [], [], [random.uniform(0, 20) for _ in range(2)]
    begun = [0, 0, *(round(wh * WH_UJ) for wh in stored)]
    for _ in range(20):
        row: list[float] = [random.choice((0, random.uniform(0, 40))) for _ in range(2)]
        for at in range(2):
            flow = random.choice((0.0, random.uniform(0, 20), -random.uniform(0, stored[at])))
            stored[at] = 0.99 * (stored[at] + (0.8 * flow if flow > 0 else flow))
            row.append(flow)
        energy.append(row)
        left.append([0, 0, *(round(wh * WH_UJ) for wh in stored)])
    consumed = [[random.uniform(0, 25) for _ in members] for _ in range(20)]
    return flows(
        members, devices, energy, consumed, begun_uj=np.array(begun), left_uj=np.array(left)
    )


def test_portions_by_hand() -> None:
    """Hamilton's method: 7 of 3:3:1 are 3, 3, 1; 5 of 1:1:1 are 2, 2, 1 by place."""
    assert portions(7, [3, 3, 1], [0, 1, 2]) == [3, 3, 1]
    assert portions(5, [4, 4, 4], [2, 0, 1]) == [1, 2, 2]


def test_intervals_longer_than_an_hour_are_refused() -> None:
    """W1."""
    f = flows(("ada",), (ROOF,), [[1]], [[1]])
    with pytest.raises(InputError, match="too long for granular"):
        Flows(**{**f.__dict__, "interval_s": 7200})


@given(
    st.text(), st.text(), st.text(), st.integers(0, 2**128), st.integers(0, 2**40),
    st.sampled_from(Step), st.integers(0, 2**60),
)  # fmt: skip
def test_entries_of_the_log_are_json(
    by: str, to: str, who: str, id_: int, at_s: int, step: Step, first: int
) -> None:
    """What is written faster is written just so."""
    act = Act(id_, step, by, Key(to, first, first + 3), 2, to, who)
    try:
        true = plain_entry_bytes(act, at_s)
    except UnicodeEncodeError:  # half of a character: no name of an account
        with pytest.raises(UnicodeEncodeError):
            entry_bytes(act, at_s)
        return
    assert entry_bytes(act, at_s) == true
