"""A registry as a list of single certificates, written as naively as its rules allow.

Each Watt-hour has an entry of its own; a bundle is nothing but a pair of ends. It shares nouns with
the registry (devices, requests, answers' words) and no rule.
Spec: docs/spec/certificates.md, W5 to W16.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from isojoule.settlement.certificates import Device, State, Status
from isojoule.settlement.certificates.nouns import Key
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

WH = 3_600_000_000
LIVE = (State.ACTIVE, State.RESERVED, State.LOCKED)


@dataclass
class Certificate:
    """One Watt-hour."""

    state: State
    account: str
    origin: str
    start_s: int
    fed_s: int
    expires_s: int
    beneficiary: str = ""
    stored: bool = False


@dataclass
class Layer:
    """What was charged at once."""

    certified: bool
    origin: str
    start_s: int
    most: Fraction
    """uJ that may come out."""
    given: int = 0
    lost: Fraction = Fraction(0)
    issued: int = 0

    @property
    def left(self) -> Fraction:
        return self.most - self.given - self.lost


@dataclass
class Machine:
    """A device."""

    device: Device
    certificates: list[Certificate] = field(default_factory=list)
    ends: list[tuple[int, int]] = field(default_factory=list)
    """Bundles that are not split."""
    history: list[tuple[int, int, int]] = field(default_factory=list)
    """Intervals of production: start, end, uJ."""
    carry: int = 0
    begun: int = 0
    charged_until: int = 0
    discharged_until: int = 0
    layers: list[Layer] = field(default_factory=list)
    split: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)
    """Bundles that were split, each with the account and beneficiary that it had."""


class Model:
    """All certificates."""

    def __init__(self) -> None:
        self.accounts: dict[str, set[str]] = {}
        self.machines: dict[str, Machine] = {}
        self.asked: dict[int, Operation] = {}
        self.clock = 0

    def ask(self, operation: Operation, now: int) -> Status:
        """Decide one request; the time comes first."""
        self.clock = max(self.clock, now)
        for machine in self.machines.values():
            for c in machine.certificates:
                if c.state in LIVE and c.expires_s <= self.clock:
                    c.state = State.EXPIRED
        if operation.id in self.asked:
            there = self.asked[operation.id]
            same = type(there) is type(operation) and there == operation
            return Status.EXISTS if same else Status.EXISTS_DIFFERENT
        if operation.id not in range(1, 2**128):
            return Status.OUT_OF_RANGE
        status: Status = getattr(self, f"_{type(operation).__name__.lower()}")(operation)
        if status is Status.WRITTEN:
            self.asked[operation.id] = operation
        return status

    def of(self, key: Key) -> list[Certificate]:
        return self.machines[key.device].certificates[key.first - 1 : key.last]

    def _openaccount(self, o: OpenAccount) -> Status:
        if not o.account:
            return Status.OUT_OF_RANGE
        if o.account in self.accounts:
            return Status.ACCOUNT_EXISTS
        self.accounts[o.account] = set()
        return Status.WRITTEN

    def _allow(self, o: Allow) -> Status:
        if o.account not in self.accounts or o.source not in self.accounts:
            return Status.ACCOUNT_UNKNOWN
        getattr(self.accounts[o.account], "add" if o.allowed else "discard")(o.source)
        return Status.WRITTEN

    def _adddevice(self, o: AddDevice) -> Status:
        d = o.device
        if d.id in self.machines:
            return Status.DEVICE_EXISTS
        if d.account not in self.accounts:
            return Status.ACCOUNT_UNKNOWN
        if not 0 <= d.efficiency_ppb <= (10**9 if d.is_storage else 0):
            return Status.OUT_OF_RANGE
        self.machines[d.id] = Machine(d)
        return Status.WRITTEN

    def _metered(self, o: Issue | Charge | Discharge, until: int) -> Status | None:
        if not 0 < o.end_s - o.start_s <= 3600:
            return Status.INTERVAL
        if o.start_s < until:
            return Status.OUT_OF_ORDER
        return None if 0 <= o.energy_uj < 2**62 else Status.OUT_OF_RANGE

    def _issue(self, o: Issue) -> Status:
        m = self.machines.get(o.device)
        if m is None:
            return Status.DEVICE_UNKNOWN
        if m.device.is_storage:
            return Status.STORAGE
        no = self._metered(o, m.history[-1][1] if m.history else 0)
        if no is not None:
            return no
        if o.expires_s <= self.clock:
            return Status.EXPIRED
        if not m.history or m.history[-1][1] != o.start_s:
            m.carry = 0
        m.history.append((o.start_s, o.end_s, o.energy_uj))
        # the old energy is used up first, and what of it is not used now is gone
        old, new, count = m.carry, o.energy_uj, 0
        while old + new >= WH:
            old, new, count = 0, old + new - WH, count + 1
        m.carry = new
        self._make(m, count, m.device.id, o.start_s, o.start_s, o.expires_s)
        return Status.WRITTEN

    def _make(self, m: Machine, count: int, origin: str, start: int, fed: int, ends: int) -> None:
        if count:
            first = len(m.certificates) + 1
            m.certificates += [
                Certificate(State.ACTIVE, m.device.account, origin, start, fed, ends)
                for _ in range(count)
            ]
            m.ends.append((first, len(m.certificates)))

    def _act(self, o: Act) -> Status:
        if o.step is Step.EXPIRE:
            return Status.RESERVED_STEP
        m = self.machines.get(o.bundle.device)
        if m is None or (o.bundle.first, o.bundle.last) not in m.ends:
            known = m is not None and self._was(m, o.bundle)
            if not known:
                return Status.BUNDLE_UNKNOWN
            return self._of_split(m, o)
        chosen = self.of(o.bundle)
        c = chosen[0]
        if o.step in (Step.LOCK, Step.UNLOCK, Step.WITHDRAW):
            if o.by != m.device.issuing_body:
                return Status.NOT_ISSUER
        elif o.by != c.account and not (o.step is Step.CLAIM and o.by == c.beneficiary):
            return Status.NOT_YOURS
        if c.state not in FROM[o.step]:
            return Status.WRONG_STATE
        if c.stored:
            return Status.IN_STORAGE
        if o.step is Step.SPLIT:
            if not 0 < o.quantity < len(chosen):
                return Status.QUANTITY
        elif not 0 <= o.quantity <= len(chosen):
            return Status.QUANTITY
        if o.step is Step.TRANSFER:
            if o.to == c.account:
                return Status.OUT_OF_RANGE
            if o.to not in self.accounts:
                return Status.ACCOUNT_UNKNOWN
            if c.account not in self.accounts[o.to]:
                return Status.NOT_ALLOWED
        self._do(m, o, chosen[: o.quantity or None])
        return Status.WRITTEN

    def _was(self, m: Machine, key: Key) -> bool:
        return (key.first, key.last) in m.split

    def _of_split(self, m: Machine, o: Act) -> Status:
        """A bundle that was split: its owner was the one at that time."""
        account = m.split[o.bundle.first, o.bundle.last]
        if o.step in (Step.LOCK, Step.UNLOCK, Step.WITHDRAW):
            return Status.WRONG_STATE if o.by == m.device.issuing_body else Status.NOT_ISSUER
        mine = o.by == account[0] or (o.step is Step.CLAIM and o.by == account[1])
        return Status.WRONG_STATE if mine else Status.NOT_YOURS

    def _do(self, m: Machine, o: Act, chosen: list[Certificate]) -> None:
        key, c = o.bundle, chosen[0]
        if len(chosen) < key.quantity:
            at = m.ends.index((key.first, key.last))
            middle = key.first + len(chosen)
            m.ends[at : at + 1] = [(key.first, middle - 1), (middle, key.last)]
            m.split[key.first, key.last] = (c.account, c.beneficiary)
        for c in chosen:
            if o.step is Step.TRANSFER:
                c.account = o.to
            if o.step is Step.RESERVE:
                c.state, c.beneficiary = State.RESERVED, o.beneficiary
            if o.step in (Step.RELEASE, Step.UNLOCK):
                c.state, c.beneficiary = State.ACTIVE, ""
            if o.step is Step.CANCEL:
                c.state = State.CANCELLED
                c.beneficiary = o.beneficiary or c.beneficiary or c.account
            if o.step is Step.CLAIM:
                assert c.state is State.CANCELLED  # never twice
                c.state = State.CLAIMED
            if o.step is Step.LOCK:
                c.state = State.LOCKED
            if o.step is Step.WITHDRAW:
                c.state = State.WITHDRAWN

    def _charge(self, o: Charge) -> Status:
        m = self.machines.get(o.device)
        if m is None:
            return Status.DEVICE_UNKNOWN
        if not m.device.is_storage:
            return Status.NO_STORAGE
        no = self._metered(o, max(m.begun, m.charged_until))
        if no is not None:
            return no
        for key in o.bundles:
            other = self.machines.get(key.device)
            there = other is not None and (
                (key.first, key.last) in other.ends or self._was(other, key)
            )
            if not there:
                return Status.BUNDLE_UNKNOWN
        if len(set(o.bundles)) < len(o.bundles):
            return Status.OUT_OF_RANGE
        for key in o.bundles:
            other = self.machines[key.device]
            if (key.first, key.last) not in other.ends:
                owner = other.split[key.first, key.last][0]
                return Status.WRONG_STATE if owner == m.device.account else Status.NOT_YOURS
            c = self.of(key)[0]
            if c.account != m.device.account:
                return Status.NOT_YOURS
            if c.state not in (State.ACTIVE, State.RESERVED):
                return Status.WRONG_STATE
            if c.fed_s // 3600 != o.start_s // 3600:
                return Status.OTHER_HOUR
        rest = o.energy_uj - sum(key.quantity for key in o.bundles) * WH
        if rest < 0:
            return Status.TOO_MANY
        eta = Fraction(m.device.efficiency_ppb, 10**9)
        for key in o.bundles:
            chosen = self.of(key)
            most = Fraction(int(key.quantity * WH * eta))
            m.layers.append(Layer(True, chosen[0].origin, chosen[0].start_s, most))
            for c in chosen:
                c.state, c.beneficiary, c.stored = State.CANCELLED, m.device.id, True
        m.layers.append(Layer(False, "", 0, Fraction(int(rest * eta))))
        m.begun, m.charged_until = o.start_s, o.end_s
        self._lose(m, o.left_uj)
        return Status.WRITTEN

    def _discharge(self, o: Discharge) -> Status:
        m = self.machines.get(o.device)
        if m is None:
            return Status.DEVICE_UNKNOWN
        if not m.device.is_storage:
            return Status.NO_STORAGE
        no = self._metered(o, max(m.begun, m.discharged_until))
        if no is not None:
            return no
        if o.expires_s <= self.clock:
            return Status.EXPIRED
        if o.left_uj >= 0:
            self._lose(m, o.left_uj + o.energy_uj)
        left = o.energy_uj
        for layer in m.layers:
            part = min(left, int(layer.left))
            layer.given += part
            left -= part
            if layer.certified:
                count = layer.given // WH - layer.issued
                layer.issued += count
                self._make(m, count, layer.origin, layer.start_s, o.start_s, o.expires_s)
        m.begun, m.discharged_until = o.start_s, o.end_s
        self._lose(m, o.left_uj)
        return Status.WRITTEN

    def _stocktake(self, o: Stocktake) -> Status:
        m = self.machines.get(o.device)
        if m is None:
            return Status.DEVICE_UNKNOWN
        if not m.device.is_storage:
            return Status.NO_STORAGE
        if o.at_s < m.begun:
            return Status.OUT_OF_ORDER
        if not 0 <= o.left_uj < 2**62:
            return Status.OUT_OF_RANGE
        m.begun, m.layers = o.at_s, [Layer(False, "", 0, Fraction(o.left_uj))]
        return Status.WRITTEN

    def _lose(self, m: Machine, left: int) -> None:
        while left >= 0 and sum(layer.left for layer in m.layers) > left:
            layer = next(layer for layer in m.layers if layer.left)
            layer.lost += min(layer.left, sum(one.left for one in m.layers) - left)


FROM = {
    Step.TRANSFER: {State.ACTIVE},
    Step.RESERVE: {State.ACTIVE},
    Step.RELEASE: {State.RESERVED},
    Step.CANCEL: {State.ACTIVE, State.RESERVED},
    Step.CLAIM: {State.CANCELLED},
    Step.LOCK: {State.ACTIVE, State.RESERVED},
    Step.UNLOCK: {State.LOCKED},
    Step.WITHDRAW: {State.ACTIVE, State.RESERVED, State.LOCKED},
    Step.SPLIT: {State.ACTIVE, State.RESERVED, State.CANCELLED},
}
