"""A registry checked without believing it: ranges, fates, energy. Nothing of the rules is used.

    check_registry(snapshot)

Spec: docs/spec/certificates.md, W17.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeVar

from isojoule.core.errors import VerificationError
from isojoule.core.units import PPB
from isojoule.settlement.certificates.nouns import (
    HOUR_S,
    LONGEST_S,
    WH_UJ,
    Bundle,
    ChargeRecord,
    Device,
    DischargeRecord,
    State,
)

K = TypeVar("K")
V = TypeVar("V")


class Snapshot(NamedTuple):
    """What a registry holds at one time.

    Attributes
    ----------
    devices
        Each with what its meter has shown, uJ: produced, or discharged.
    bundles
        All, also those that were split.
    charges, discharges
        Records of storage.
    """

    devices: Sequence[tuple[Device, int]]
    bundles: Sequence[Bundle]
    charges: Sequence[ChargeRecord]
    discharges: Sequence[DischargeRecord]


def check_registry(snapshot: Snapshot, own: AbstractSet[str] | None = None) -> dict[str, int]:
    """Check everything that follows from the registry alone. Returns how much there is.

    Parameters
    ----------
    own
        Only what these devices issued, and stored; then the snapshot holds all of that, and of
        others what it came from. None: of all.

    Raises
    ------
    VerificationError
        At the first thing that does not hold; names device, bundle or record.
    """
    devices = _unique((device.id, device) for device, _ in snapshot.devices)
    metered = {device.id: uj for device, uj in snapshot.devices}
    _unique((bundle.key, bundle) for bundle in snapshot.bundles)
    by_device: dict[str, list[Bundle]] = defaultdict(list)
    mine = devices.keys() if own is None else own
    for bundle in snapshot.bundles:
        if own is not None and bundle.device not in own:
            continue
        _check_bundle(bundle, devices)
        by_device[bundle.device].append(bundle)
    issued = Counter({name: _check_ranges(name, own) for name, own in by_device.items()})
    for name, count in issued.items():
        if count * WH_UJ > metered[name]:
            raise VerificationError(
                f"{count} Wh were issued, the meter shows {metered[name] / WH_UJ:.3f}",
                place=f"device {name!r}",
            )
    _check_storage(snapshot, devices, own)
    return {
        "devices": len(mine),
        "bundles": sum(len(bundles) for bundles in by_device.values()),
        "certificates": sum(issued.values()),
    }


def _check_bundle(bundle: Bundle, devices: dict[str, Device]) -> None:
    """What one bundle says of itself."""
    place = _place(bundle)
    for name in (bundle.device, bundle.origin):
        if name not in devices:
            raise VerificationError(f"there is no device {name!r}", place=place)
    if not 0 < bundle.first <= bundle.last:
        raise VerificationError("its range is empty", place=place)
    if not 0 < bundle.end_s - bundle.start_s <= LONGEST_S:
        raise VerificationError("its interval is empty, or longer than an hour", place=place)
    if bool(bundle.discharge) != devices[bundle.device].is_storage:
        raise VerificationError("storage alone issues for a discharge, and always", place=place)
    if devices[bundle.origin].is_storage:
        raise VerificationError(f"storage {bundle.origin!r} produces nothing", place=place)
    if not bundle.discharge and bundle.origin != bundle.device:
        raise VerificationError(f"was not produced by {bundle.origin!r}", place=place)
    named = bundle.state in (State.CANCELLED, State.CLAIMED)
    if named and not bundle.beneficiary:
        raise VerificationError("is cancelled in nobody's name", place=place)
    if bundle.charge and bundle.state is not State.CANCELLED:
        raise VerificationError(f"went into storage, and is {bundle.state}", place=place)


def _check_ranges(name: str, bundles: list[Bundle]) -> int:
    """What is not split tiles 1, 2, 3, ...; what was split has its pieces inside. Certificates."""
    ordered = sorted(bundles, key=lambda b: (b.first, -b.last))
    following = 1
    open_: list[Bundle] = []
    for bundle in ordered:
        while open_ and open_[-1].last < bundle.first:
            _closed(open_.pop(), following)
        if open_:
            _check_child(open_[-1], bundle)
        if bundle.state is State.SPLIT:
            open_.append(bundle)
            continue
        if bundle.first != following:
            what = "overlaps another" if bundle.first < following else f"{following} is missing"
            raise VerificationError(what, place=_place(bundle))
        following = bundle.last + 1
    while open_:
        _closed(open_.pop(), following)
    return following - 1


def _closed(parent: Bundle, following: int) -> None:
    """All of a parent has been covered by its pieces."""
    if following != parent.last + 1:
        raise VerificationError(f"of what it was split into, {following} is missing",
                                place=_place(parent))  # fmt: skip


def _check_child(parent: Bundle, child: Bundle) -> None:
    if child.last > parent.last:
        raise VerificationError("reaches beyond what it was split from", place=_place(child))
    for field in ("issuance", "origin", "start_s", "end_s", "expires_s", "discharge"):
        if getattr(parent, field) != getattr(child, field):
            raise VerificationError(f"{field} is not that of its parent", place=_place(child))


def _check_storage(s: Snapshot, devices: dict[str, Device], own: AbstractSet[str] | None) -> None:
    """What went in was cancelled for it once; what came out is no more than is left of it."""
    bundles = {bundle.key: bundle for bundle in s.bundles}
    records = _unique((record.id, record) for record in s.charges)
    _unique((record.id, record) for record in s.discharges)
    made = {record.id: record for record in s.discharges}
    into = {b.charge: b for b in s.bundles if b.charge}
    if len(into) != sum(1 for b in s.bundles if b.charge):
        raise VerificationError("two bundles went into one record", place="charge records")
    for record in s.charges:
        if own is not None and record.device not in own:
            continue
        device = devices.get(record.device)
        place = f"charge record {record.id!r}"
        if device is None or not device.is_storage:
            raise VerificationError("is not of a storage", place=place)
        if record.deliverable_uj > record.energy_uj * device.efficiency_ppb // PPB:
            raise VerificationError("delivers more than its efficiency leaves", place=place)
        if record.bundle is None:
            continue
        bundle = bundles.get(record.bundle)
        if bundle is None or into.get(record.id) != bundle:
            raise VerificationError("its bundle was not cancelled for it", place=place)
        if bundle.quantity * WH_UJ != record.energy_uj:
            raise VerificationError("its bundle stands for another energy", place=place)
        source = made.get(bundle.discharge)
        fed_s = bundle.start_s if source is None else source.start_s
        if fed_s // HOUR_S != record.start_s // HOUR_S:
            raise VerificationError("its bundle is of another hour", place=place)
        produced = (record.origin, record.produced_start_s, record.produced_end_s)
        if produced != (bundle.origin, bundle.start_s, bundle.end_s):
            raise VerificationError("names another origin than its bundle", place=place)
    for name in into.keys() - records.keys():
        raise VerificationError("there is no such charge record", place=f"record {name!r}")
    _check_discharges(s, records, own)


def _check_discharges(
    s: Snapshot, records: dict[str, ChargeRecord], own: AbstractSet[str] | None
) -> None:
    energy: Counter[str] = Counter()
    certified: Counter[str] = Counter()
    whole: dict[str, list[Bundle]] = defaultdict(list)
    for bundle in s.bundles:
        counts = own is None or bundle.device in own
        if bundle.discharge and bundle.state is not State.SPLIT and counts:
            whole[bundle.discharge].append(bundle)
    # in the order of time: records may lie in any, as they left a registry
    for record in sorted(s.discharges, key=lambda r: r.start_s):
        if own is not None and record.device not in own:
            continue
        place = f"discharge record {record.id!r}"
        charge = records.get(record.charge)
        if charge is None or charge.bundle is None or charge.device != record.device:
            raise VerificationError("its charge record has no certificate", place=place)
        if record.start_s < charge.start_s:
            raise VerificationError("was discharged before it was charged", place=place)
        energy[charge.id] += record.energy_uj
        bundles = whole.pop(record.id, [])
        count = sum(bundle.quantity for bundle in bundles)
        if count != (record.bundle.quantity if record.bundle else 0):
            raise VerificationError("has not the certificates that were issued", place=place)
        certified[charge.id] += count
        produced = (charge.origin, charge.produced_start_s, charge.produced_end_s)
        if any((b.origin, b.start_s, b.end_s) != produced for b in bundles):
            raise VerificationError("its certificates have another origin", place=place)
        if energy[charge.id] > charge.deliverable_uj:
            raise VerificationError("more came out than its efficiency leaves", place=place)
        if certified[charge.id] * WH_UJ > energy[charge.id]:
            raise VerificationError("more was certified than came out", place=place)
    for name in whole:
        raise VerificationError("there is no such discharge record", place=f"record {name!r}")


def _unique(pairs: Iterable[tuple[K, V]]) -> dict[K, V]:
    found: dict[K, V] = {}
    for key, value in pairs:
        if key in found:
            raise VerificationError("stands there twice", place=str(key))
        found[key] = value
    return found


def _place(bundle: Bundle) -> str:
    return f"bundle {bundle.device!r} {bundle.first}-{bundle.last}"
