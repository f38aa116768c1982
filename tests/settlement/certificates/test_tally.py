"""The tally counts what the registry holds, to the last Watt-hour. docs/spec/certificates.md, W23.

The registry is the referee: it issues, moves and claims bundles one by one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.settlement.certificates import Device
from isojoule.settlement.certificates.community import Desk
from isojoule.settlement.certificates.flows import Flows, by_hours
from isojoule.settlement.certificates.hours import Hours
from isojoule.settlement.certificates.nouns import WH_UJ
from isojoule.settlement.certificates.tally import Tally

MEMBERS = ("ada", "bo", "cy")
DEVICES = (
    Device("box", "ada", "storage", is_storage=True, efficiency_ppb=912_345_679),
    Device("roof", "ada", "solar"),
    Device("pack", "bo", "storage", is_storage=True, efficiency_ppb=800_000_000),
    Device("shed", "cy", "solar"),
    Device("cell", "bo", "storage", is_storage=True, efficiency_ppb=1_000_000_000),
)
STORAGE = np.array([d.is_storage for d in DEVICES])
OWNER = np.array([MEMBERS.index(d.account) for d in DEVICES])
SMALL = 3 * WH_UJ


@st.composite
def flows(draw: st.DrawFn, most: int = 14) -> Flows:
    """Meters that agree with nothing: the walk must be the same whatever they show."""
    count = draw(st.integers(1, most))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    scale = draw(st.sampled_from([SMALL, 30 * WH_UJ, 4000 * WH_UJ]))
    shape = (count, len(DEVICES))
    energy = random.integers(0, scale, shape) * random.integers(0, 2, shape)
    energy[:, STORAGE] *= random.choice([-1, 1], (count, int(STORAGE.sum())))
    drawn = np.where(STORAGE, random.integers(0, scale // 4, shape), 0)
    drawn *= random.integers(0, 2, shape)
    consumed = random.integers(0, scale, (count, len(MEMBERS)))
    np.add.at(consumed.T, OWNER, drawn.T)
    gaps = np.where(random.random(count) < 0.8, 900, 900 * random.integers(1, 9, count))
    return Flows(
        interval_s=900,
        members=MEMBERS,
        devices=DEVICES,
        time_s=3600 * 50 + 900 * draw(st.integers(0, 3)) + np.cumsum(gaps),
        energy_uj=energy,
        left_uj=np.where(STORAGE, random.integers(0, 3 * scale, shape), 0),
        begun_uj=np.where(STORAGE, random.integers(0, scale, len(DEVICES)), 0),
        drawn_uj=drawn,
        consumed_uj=consumed,
        received_uj=random.integers(-scale, scale, (count, len(MEMBERS))),
    )


@settings(max_examples=150, deadline=None)
@given(flows())
def test_the_tally_is_what_the_registry_holds(f: Flows) -> None:
    """On meters that show anything: claims by hour, member and source; what was issued, stored."""
    same(Tally(MEMBERS, DEVICES).certify(f), Desk("t", MEMBERS, DEVICES).certify(f))


@settings(max_examples=40, deadline=None)
@given(flows(), flows())
def test_stretches_follow_each_other(f: Flows, g: Flows) -> None:
    """What a meter carries, and what lies in storage, goes on; a stretch may be cut by hours."""
    later = replace(g, time_s=g.time_s - g.time_s[0] + f.time_s[-1] + 900)
    desk, tally = Desk("t", MEMBERS, DEVICES), Tally(MEMBERS, DEVICES)
    for part in (f, later):
        whole = desk.certify(part)
        pieces = [tally.certify(piece) for piece in by_hours(halves(part))]
        same(Hours(*(np.concatenate(c) for c in zip(*pieces, strict=True))), whole)


def halves(f: Flows) -> list[Flows]:
    """Cut anywhere, be it within an hour."""
    middle, end = f.time_s.size // 2, f.time_s.size
    return [f.rows(slice(a, b)) for a, b in ((0, middle), (middle, end)) if b > a]


def same(one: Hours, other: Hours) -> None:
    for name in Hours._fields:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_more_layers_than_there_was_room_for() -> None:
    """Sixty days of charging without a discharge, then all of it comes out."""
    count = 240
    zeros = np.zeros((count, 2), np.int64)
    energy = zeros.copy()
    energy[:-1] = 2 * WH_UJ, 2 * WH_UJ
    energy[-1, 1] = -300 * WH_UJ
    devices = (Device("roof", "ada", "solar"), replace_owner(DEVICES[4], "ada"))
    consumed = zeros.copy()
    consumed[-1] = 400 * WH_UJ, 0
    f = Flows(
        900, ("ada", "bo"), devices, 3600 * np.arange(count), energy,
        zeros + np.array([0, 10**15]), np.zeros(2, np.int64), zeros, consumed, zeros,
    )  # fmt: skip
    hours = Tally(("ada", "bo"), devices).certify(f)
    assert hours.claimed_wh[-1].tolist() == [[0, 0, 300], [0, 0, 0]]
    assert hours.fate_wh.sum(0).tolist() == [478, 300, 478]
    same(hours, Desk("t", ("ada", "bo"), devices).certify(f))


def replace_owner(device: Device, account: str) -> Device:
    return device._replace(account=account)


def test_what_is_drawn_straight_from_storage_is_consumed() -> None:
    """W19: 10 Wh of own sun are stored without loss; a machine draws 6, the grid gets none."""
    devices = (Device("roof", "ada", "solar"), replace_owner(DEVICES[4], "ada"))
    f = Flows(
        900, ("ada",), devices, 3600 * np.arange(2),
        np.array([[10, 10], [0, 0]]) * WH_UJ, np.array([[0, 10], [0, 4]]) * WH_UJ,
        np.zeros(2, np.int64), np.array([[0, 0], [0, 6]]) * WH_UJ,
        np.array([[0], [6]]) * WH_UJ, np.zeros((2, 1), np.int64),
    )  # fmt: skip
    desk = Desk("t", ("ada",), devices)
    hours = desk.certify(f)
    assert hours.claimed_wh[1, 0].tolist() == [0, 0, 6]
    same(Tally(("ada",), devices).certify(f), hours)
    with pytest.raises(InputError, match="more was drawn from storage"):
        replace(f, consumed_uj=f.consumed_uj - WH_UJ * np.array([[0], [1]]))
    with pytest.raises(InputError, match="no storage"):
        replace(f, drawn_uj=f.drawn_uj[:, ::-1])


def test_flows_of_others_are_refused() -> None:
    f = Flows(
        900, ("ada",), (), np.array([0]), *(np.zeros((1, 0), np.int64),) * 2,
        np.zeros(0, np.int64), np.zeros((1, 0), np.int64), *(np.zeros((1, 1), np.int64),) * 2,
    )  # fmt: skip
    with pytest.raises(InputError, match="other members"):
        Tally(("bo",), ()).certify(f)
    assert Tally(("ada",), ()).certify(f).claimed_wh.sum() == 0
