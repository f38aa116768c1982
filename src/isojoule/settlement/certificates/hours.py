"""What certificates tell of a community, hour by hour, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import rank
from isojoule.settlement.certificates.nouns import Device

Ints = NDArray[np.int64]
SOURCES = ("self", "local", "storage")
"""What a certificate is to who claims it, in the order in which they are claimed."""
OWN, LOCAL, STORED = range(3)
FATES = ("issued", "reissued", "stored")
"""What is counted of certificates besides: issued for production, issued by storage for what was
stored, and cancelled into storage."""
EXPIRES_AFTER_S = 2 * 365 * 86_400
"""Certificates last for two years, unless it is said otherwise."""
_TIES = b"isojoule.certificates.share"


class Hours(NamedTuple):
    """What was claimed, hour by hour: H hours, P members.

    Attributes
    ----------
    time_s
        Starts of the hours, s since 1970, (H,).
    consumed_uj
        By each member, (H, P).
    claimed_wh
        By each member, by `SOURCES`, (H, P, 3).
    fate_wh
        By `FATES`, (H, 3).
    """

    time_s: Ints
    consumed_uj: Ints
    claimed_wh: Ints
    fate_wh: Ints


def joined(pieces: Sequence[Hours]) -> Hours:
    """Hours that follow each other, as one."""
    return Hours(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))


def owners(members: Sequence[str], devices: Sequence[Device]) -> list[int]:
    """The position of each device's owner among the members."""
    place = {member: at for at, member in enumerate(members)}
    return [place[device.account] for device in devices]


def places(members: Sequence[str]) -> list[int]:
    """Which of two members with equal remainders is served first: the one in the lower place."""
    out = [0] * len(members)
    for place, at in enumerate(sorted(range(len(members)), key=lambda m: rank(_TIES, members[m]))):
        out[at] = place
    return out
