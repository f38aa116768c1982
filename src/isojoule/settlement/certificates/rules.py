"""What a request does to a registry: the one place that decides.

    effects = apply_operations(view, operations, now_s)

Theory of operation:

- A `View` is read, never written. What happens comes back as `Effects`: an answer for each request,
  the entries to append to the log, and everything that changed. A store keeps all of it or nothing.
- Time comes in as `now_s`. A registry's time is the latest that it has seen. First of all, what has
  run out by then expires; each expiry is an entry of its own.
- What may happen to a bundle stands in one table, `steps.STEPS`. A step for a part of a bundle
  splits it first: the parent stays as a record, its two children partition its range.
- Ranges are made in two places alone: a device numbers on from its last certificate (`_number`),
  and a split cuts a range in two (`_Work.cut`). So they never overlap, and nothing vanishes.

Spec: docs/spec/certificates.md, W5 to W16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isojoule.core.errors import InputError, InvariantError
from isojoule.core.units import PPB
from isojoule.settlement.certificates.answers import Answer, Status
from isojoule.settlement.certificates.nouns import (
    HOUR_S,
    LONGEST_S,
    WH_UJ,
    Bundle,
    ChargeRecord,
    Device,
    DischargeRecord,
    Key,
    Layers,
    Standing,
    State,
)
from isojoule.settlement.certificates.operations import (
    Act,
    AddDevice,
    Allow,
    Charge,
    Discharge,
    Issue,
    OpenAccount,
    Operation,
    Step,
    Stocktake,
)
from isojoule.settlement.certificates.steps import STEPS, Rule
from isojoule.settlement.certificates.storage import deliverable_uj, put, take, trim
from isojoule.settlement.certificates.view import Effects, View

MOST_UJ = 2**62
"""What a meter shows in an interval stays below."""


def apply_operations(view: View, operations: Sequence[Operation], now_s: int) -> Effects:
    """Decide what requests do, one after the other. Refusals are answers; nothing raises on them.

    Raises
    ------
    InputError
        `now_s` is no time.
    """
    if not 0 <= now_s < 2**40:
        raise InputError(f"{now_s} s is no time of a registry", remedy="give s since 1970")
    work = _Work(view, max(now_s, view.clock_s))
    for key in view.due(work.clock):
        bundle = work.there(key)
        work.put(bundle._replace(state=State.EXPIRED))
        by = work.issuer_of(bundle)
        work.written.append((Act(0, Step.EXPIRE, by, key), Answer(Status.WRITTEN, "", (key,))))
    answers = [work.one(operation) for operation in operations]
    return Effects(
        answers, work.written, work.accounts, work.devices, work.bundles, work.charges,
        work.discharges, work.clock,
    )  # fmt: skip


class _No(Exception):  # noqa: N818 - never leaves this file: it ends the decision of one request
    def __init__(self, status: Status, about: str = "") -> None:
        self.answer = Answer(status, about)


class _Work:
    """Requests while they are decided: what changed, over what is there.

    A request asks everything before it changes anything, so a refusal leaves nothing.
    """

    def __init__(self, view: View, clock: int) -> None:
        self.view = view
        self.clock = clock
        self.written: list[tuple[Operation, Answer]] = []
        self.now: dict[int, tuple[Operation, Answer]] = {}
        self.accounts: dict[str, frozenset[str]] = {}
        self.devices: dict[str, tuple[Device, Standing]] = {}
        self.bundles: dict[Key, Bundle] = {}
        self.charges: list[ChargeRecord] = []
        self.discharges: dict[str, DischargeRecord] = {}

    def one(self, operation: Operation) -> Answer:
        """Decide one request."""
        there = self.now.get(operation.id) or self.view.done(operation.id)
        if there is not None:
            same = there[0] == operation and type(there[0]) is type(operation)
            return there[1]._replace(status=Status.EXISTS) if same else _different(there[0])
        try:
            _require(0 < operation.id < 2**128, Status.OUT_OF_RANGE, "id")
            answer = Answer(Status.WRITTEN, "", _HANDLERS[type(operation)](self, operation))
        except _No as no:
            return no.answer
        self.written.append((operation, answer))
        self.now[operation.id] = (operation, answer)
        return answer

    # what is there

    def account(self, name: str) -> frozenset[str]:
        found = self.accounts.get(name)
        found = self.view.account(name) if found is None else found
        if found is None:
            raise _No(Status.ACCOUNT_UNKNOWN, name)
        return found

    def device(self, name: str) -> tuple[Device, Standing]:
        found = self.devices.get(name) or self.view.device(name)
        if found is None:
            raise _No(Status.DEVICE_UNKNOWN, name)
        return found

    def bundle(self, key: Key) -> Bundle:
        found = self.bundles.get(key) or self.view.bundle(key)
        if found is None:
            raise _No(Status.BUNDLE_UNKNOWN, f"{key.device} {key.first}-{key.last}")
        return found

    def there(self, key: Key) -> Bundle:
        found = self.bundles.get(key) or self.view.bundle(key)
        if found is None:
            raise InvariantError(f"the bundle {key} is gone")
        return found

    def issuer_of(self, bundle: Bundle) -> str:
        return self.device(bundle.device)[0].issuing_body

    def delivered_s(self, bundle: Bundle) -> int:
        """Start of the interval in which its energy was fed in."""
        if not bundle.discharge:
            return bundle.start_s
        record = self.discharges.get(bundle.discharge) or self.view.discharge(bundle.discharge)
        if record is None:
            raise InvariantError(f"the record {bundle.discharge} is gone")
        return record.start_s

    def put(self, bundle: Bundle) -> None:
        self.bundles[bundle.key] = bundle

    # requests

    def open_account(self, o: OpenAccount) -> tuple[Key, ...]:
        _require(_is_name(o.account), Status.OUT_OF_RANGE, "account")
        known = o.account in self.accounts or self.view.account(o.account) is not None
        _require(not known, Status.ACCOUNT_EXISTS, o.account)
        self.accounts[o.account] = frozenset()
        return ()

    def allow(self, o: Allow) -> tuple[Key, ...]:
        allowed = self.account(o.account)
        self.account(o.source)
        mine = frozenset((o.source,))
        self.accounts[o.account] = allowed | mine if o.allowed else allowed - mine
        return ()

    def add_device(self, o: AddDevice) -> tuple[Key, ...]:
        d = o.device
        _require(_is_name(d.id), Status.OUT_OF_RANGE, "device.id")
        known = d.id in self.devices or self.view.device(d.id) is not None
        _require(not known, Status.DEVICE_EXISTS, d.id)
        self.account(d.account)
        most = PPB if d.is_storage else 0
        fits = 0 <= d.efficiency_ppb <= most
        _require(fits, Status.OUT_OF_RANGE, "device.efficiency_ppb")
        self.devices[d.id] = (d, Standing())
        return ()

    def issue(self, o: Issue) -> tuple[Key, ...]:
        device, at = self.device(o.device)
        _require(not device.is_storage, Status.STORAGE, o.device)
        self.check_metered(o, max(at.until_s, at.from_s))
        _require(o.expires_s > self.clock, Status.EXPIRED, "expires_s")
        # what was left of the interval right before this one; of others it is gone
        carried = at.carry_uj if o.start_s == at.until_s else 0
        count, left = divmod(carried + o.energy_uj, WH_UJ)
        at = at._replace(
            metered_uj=at.metered_uj + o.energy_uj,
            # energy is certified in its own interval or in the next one, never later
            carry_uj=min(left, o.energy_uj),
            from_s=o.start_s,
            until_s=o.end_s,
        )
        at, key = _number(device, at, count)
        self.devices[o.device] = (device, at)
        if key is None:
            return ()
        self.put(
            Bundle(
                *key, f"{device.id}/{o.start_s}", State.ACTIVE, device.account, device.id,
                o.start_s, o.end_s, o.expires_s,
            )
        )  # fmt: skip
        return (key,)

    def act(self, o: Act) -> tuple[Key, ...]:
        _require(o.step is not Step.EXPIRE, Status.RESERVED_STEP)
        rule = STEPS[o.step]
        bundle = self.bundle(o.bundle)
        if rule.issuer:
            _require(o.by == self.issuer_of(bundle), Status.NOT_ISSUER, o.by)
        else:
            mine = o.by == bundle.account
            mine |= o.step is Step.CLAIM and o.by == bundle.beneficiary
            _require(mine, Status.NOT_YOURS, bundle.account)
        _require(bundle.state in rule.before, Status.WRONG_STATE, str(bundle.state))
        _require(not bundle.charge, Status.IN_STORAGE, bundle.charge)
        part = o.step is Step.SPLIT
        _require(part <= o.quantity <= bundle.quantity - part, Status.QUANTITY, str(o.quantity))
        if o.step is Step.TRANSFER:
            _require(o.to != bundle.account, Status.OUT_OF_RANGE, "to")
            _require(bundle.account in self.account(o.to), Status.NOT_ALLOWED, o.to)
        bundle, *rest = self.cut(bundle, o.quantity)
        key = bundle.key
        self.bundles[key] = _after(bundle, o, rule)
        return (key, rest[0].key) if rest else (key,)

    def charge(self, o: Charge) -> tuple[Key, ...]:
        device, at = self.device(o.device)
        _require(device.is_storage, Status.NO_STORAGE, o.device)
        self.check_metered(o, max(at.until_s, at.from_s))
        bundles = [self.bundle(key) for key in o.bundles]
        _require(len(set(o.bundles)) == len(bundles), Status.OUT_OF_RANGE, "bundles")
        for one in bundles:
            name = f"{one.device} {one.first}-{one.last}"
            _require(one.account == device.account, Status.NOT_YOURS, one.account)
            _require(one.state in STEPS[Step.CANCEL].before, Status.WRONG_STATE, name)
            hour = self.delivered_s(one) // HOUR_S
            _require(hour == o.start_s // HOUR_S, Status.OTHER_HOUR, name)
        rest = o.energy_uj - sum(one.quantity for one in bundles) * WH_UJ
        _require(rest >= 0, Status.TOO_MANY)
        records = []
        parts: list[Bundle | None] = [*bundles, None]
        for number, bundle in enumerate(parts):
            energy = rest if bundle is None else bundle.quantity * WH_UJ
            if not energy:
                continue
            record = ChargeRecord(
                f"charge/{device.id}/{o.start_s}/{number}", device.id, o.start_s, o.end_s,
                bundle and bundle.key, energy, deliverable_uj(energy, device.efficiency_ppb),
                *((bundle.origin, bundle.start_s, bundle.end_s) if bundle else ()),
            )  # fmt: skip
            records.append(record)
            if bundle is not None:
                self.put(
                    bundle._replace(state=State.CANCELLED, beneficiary=device.id, charge=record.id)
                )
        self.charges += records
        layers = trim(put(at.layers, records), o.left_uj)
        self.devices[o.device] = (
            device,
            at._replace(from_s=o.start_s, until_s=o.end_s, layers=layers),
        )
        return ()

    def discharge(self, o: Discharge) -> tuple[Key, ...]:
        device, at = self.device(o.device)
        _require(device.is_storage, Status.NO_STORAGE, o.device)
        self.check_metered(o, max(at.discharged_until_s, at.from_s))
        _require(o.expires_s > self.clock, Status.EXPIRED, "expires_s")
        before = -1 if o.left_uj < 0 else o.left_uj + o.energy_uj
        layers, taken = take(trim(at.layers, before), o.energy_uj)
        at = at._replace(
            metered_uj=at.metered_uj + o.energy_uj,
            from_s=o.start_s,
            discharged_until_s=o.end_s,
            layers=trim(layers, o.left_uj),
        )
        keys = []
        for number, (charge, energy, wh) in enumerate(taken):
            if charge.bundle is None:
                continue
            at, key = _number(device, at, wh)
            name = f"discharge/{device.id}/{o.start_s}/{number}"
            self.discharges[name] = DischargeRecord(
                name, device.id, charge.id, o.start_s, o.end_s, energy, key
            )
            if key is not None:
                keys.append(key)
                self.put(
                    Bundle(
                        *key, f"{device.id}/{o.start_s}/{number}", State.ACTIVE, device.account,
                        charge.origin, charge.produced_start_s, charge.produced_end_s,
                        o.expires_s, name,
                    )
                )  # fmt: skip
        self.devices[o.device] = (device, at)
        return tuple(keys)

    def stocktake(self, o: Stocktake) -> tuple[Key, ...]:
        device, at = self.device(o.device)
        _require(device.is_storage, Status.NO_STORAGE, o.device)
        _require(o.at_s >= at.from_s, Status.OUT_OF_ORDER, str(at.from_s))
        _require(0 <= o.left_uj < MOST_UJ, Status.OUT_OF_RANGE, "left_uj")
        found = ChargeRecord("", device.id, o.at_s, o.at_s, None, o.left_uj, o.left_uj)
        self.devices[o.device] = (device, at._replace(from_s=o.at_s, layers=put(Layers(), [found])))
        return ()

    # parts of them

    def check_metered(self, o: Issue | Charge | Discharge, until_s: int) -> None:
        _require(0 < o.end_s - o.start_s <= LONGEST_S, Status.INTERVAL)
        _require(o.start_s >= until_s, Status.OUT_OF_ORDER, str(until_s))
        _require(0 <= o.energy_uj < MOST_UJ, Status.OUT_OF_RANGE, "energy_uj")

    def cut(self, bundle: Bundle, quantity: int) -> list[Bundle]:
        """The first certificates of a bundle, and the rest; itself alone if it is all."""
        if quantity in (0, bundle.quantity):
            return [bundle]
        middle = bundle.first + quantity  # the first one of the rest
        # tuples cut and joined: this is the hot place of a registry, and `_replace` is slow
        device, first, last, issuance = bundle[:4]
        children = [
            Bundle(device, first, middle - 1, *bundle[3:]),
            Bundle(device, middle, last, *bundle[3:]),
        ]
        self.put(Bundle(device, first, last, issuance, State.SPLIT, *bundle[5:]))
        for one in children:
            self.put(one)
        return children


_HANDLERS: Mapping[type, Callable[[_Work, Any], tuple[Key, ...]]] = {
    OpenAccount: _Work.open_account,
    Allow: _Work.allow,
    AddDevice: _Work.add_device,
    Issue: _Work.issue,
    Act: _Work.act,
    Charge: _Work.charge,
    Discharge: _Work.discharge,
    Stocktake: _Work.stocktake,
}


def _number(device: Device, at: Standing, count: int) -> tuple[Standing, Key | None]:
    """The next certificates of a device, so many."""
    if not count:
        return at, None
    return at._replace(next=at.next + count), Key(device.id, at.next, at.next + count - 1)


def _after(bundle: Bundle, o: Act, rule: Rule) -> Bundle:
    """The bundle after a step that it may take."""
    account, beneficiary = bundle.account, bundle.beneficiary
    if o.step is Step.TRANSFER:
        account = o.to
    elif o.step is Step.RESERVE:
        beneficiary = o.beneficiary
    elif o.step is Step.CANCEL:
        beneficiary = o.beneficiary or beneficiary or account
    elif o.step in (Step.RELEASE, Step.UNLOCK):
        beneficiary = ""
    b = bundle
    return Bundle(
        b.device, b.first, b.last, b.issuance, rule.after or b.state, account, b.origin, b.start_s,
        b.end_s, b.expires_s, b.discharge, beneficiary, b.charge,
    )  # fmt: skip


def _different(there: Operation) -> Answer:
    return Answer(Status.EXISTS_DIFFERENT, type(there).__name__)


def _require(holds: bool, status: Status, about: str = "") -> None:
    if not holds:
        raise _No(status, about)


def _is_name(text: str) -> bool:
    return bool(text) and text.isprintable() and text.strip() == text and len(text) <= 200
