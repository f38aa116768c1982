"""Known answers of a registry: life, issue, ranges, storage. docs/spec/certificates.md."""

from __future__ import annotations

import pytest

from isojoule.core.errors import InputError
from isojoule.settlement.certificates import Device, MemoryRegistry, State, Status
from isojoule.settlement.certificates.nouns import WH_UJ, Key
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
)

LATER = 10**9
QUARTER = 900


class Desk:
    """A registry that numbers requests by itself."""

    def __init__(self) -> None:
        self.registry, self.count = MemoryRegistry(), 0
        for name in ("ada", "bo"):
            self(OpenAccount, name)
        self(AddDevice, Device("roof", "ada", "solar", issuing_body="grid"))
        self(
            AddDevice,
            Device("pack", "ada", "storage", is_storage=True, efficiency_ppb=800_000_000,
                   issuing_body="grid"),
        )  # fmt: skip

    def __call__(self, kind: type[Operation], *fields: object, now: int = 0) -> Status:
        self.count += 1
        operation = kind(self.count, *fields)  # type: ignore[arg-type]
        return self.registry.ask([operation], now)[0].status

    def state(self, key: Key) -> State:
        found = self.registry.bundle(key)
        assert found is not None
        return found.state


def wh(amount: float) -> int:
    """Wh in uJ."""
    return round(amount * WH_UJ)


def test_what_is_left_is_carried_once() -> None:
    """The table of W11, by hand."""
    desk, starts, made = Desk(), (0, 900, 1800, 3600), []
    for start, amount in zip(starts, (2.6, 0.3, 0.8, 0.9), strict=True):
        before = desk.registry.device("roof")
        assert desk(Issue, "roof", start, start + 900, wh(amount), LATER) is Status.WRITTEN
        after = desk.registry.device("roof")
        assert before is not None and after is not None
        made.append((after[1].next - before[1].next, after[1].carry_uj))
    assert made == [(2, wh(0.6)), (0, wh(0.3)), (1, wh(0.1)), (0, wh(0.9))]


def test_a_split_keeps_every_certificate_in_one_piece() -> None:
    """W9: 11 to 20 at 4 is 11 to 14 and 15 to 20."""
    desk = Desk()
    desk(Issue, "roof", 0, 900, wh(10), LATER)
    desk(Issue, "roof", 900, 1800, wh(10), LATER)
    assert desk(Act, Step.SPLIT, "ada", Key("roof", 11, 20), 4) is Status.WRITTEN
    found = {(b.first, b.last): (b.quantity, b.state) for b in desk.registry.bundles()}
    assert found == {
        (1, 10): (10, State.ACTIVE),
        (11, 20): (10, State.SPLIT),
        (11, 14): (4, State.ACTIVE),
        (15, 20): (6, State.ACTIVE),
    }


LIFE = {
    Step.TRANSFER: {State.ACTIVE},
    Step.RESERVE: {State.ACTIVE},
    Step.RELEASE: {State.RESERVED},
    Step.CANCEL: {State.ACTIVE, State.RESERVED},
    Step.CLAIM: {State.CANCELLED},
    Step.LOCK: {State.ACTIVE, State.RESERVED},
    Step.UNLOCK: {State.LOCKED},
    Step.WITHDRAW: {State.ACTIVE, State.RESERVED, State.LOCKED},
    Step.SPLIT: {State.ACTIVE, State.RESERVED, State.CANCELLED},
    Step.EXPIRE: set(),
}
WAY: dict[State, tuple[tuple[Step, str], ...]] = {
    State.ACTIVE: (),
    State.RESERVED: ((Step.RESERVE, "ada"),),
    State.LOCKED: ((Step.LOCK, "grid"),),
    State.CANCELLED: ((Step.CANCEL, "ada"),),
    State.CLAIMED: ((Step.CANCEL, "ada"), (Step.CLAIM, "ada")),
    State.EXPIRED: (),
    State.WITHDRAWN: ((Step.WITHDRAW, "grid"),),
    State.SPLIT: ((Step.SPLIT, "ada"),),
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_every_step_from_every_state(step: Step, state: State) -> None:
    """The table of W8: ten steps from eight states."""
    desk, key = Desk(), Key("roof", 1, 8)
    desk(Allow, "bo", "ada")
    desk(Issue, "roof", 0, 900, wh(8), 5000)
    for before, by in WAY[state]:
        assert desk(Act, before, by, key, 3 if before is Step.SPLIT else 0) is Status.WRITTEN
    now = 5000 if state is State.EXPIRED else 0
    desk.registry.ask([], now)
    assert desk.state(key) is state
    by = "grid" if step in (Step.LOCK, Step.UNLOCK, Step.WITHDRAW) else "ada"
    asked = (Act, step, by, key, 2 if step is Step.SPLIT else 0, "bo")
    done = desk(*asked, now=now) is Status.WRITTEN  # type: ignore[arg-type]
    assert done == (state in LIFE[step])


def test_who_may_receive_and_who_may_ask() -> None:
    """W7 and W8."""
    desk, key = Desk(), Key("roof", 1, 8)
    desk(Issue, "roof", 0, 900, wh(8), LATER)
    give = (Act, Step.TRANSFER, "ada", key, 0, "bo")
    assert desk(*give) is Status.NOT_ALLOWED  # type: ignore[arg-type]
    desk(Allow, "bo", "ada")
    assert desk(*give) is Status.WRITTEN  # type: ignore[arg-type]
    assert desk(Act, Step.CANCEL, "ada", key) is Status.NOT_YOURS
    assert desk(Act, Step.LOCK, "bo", key) is Status.NOT_ISSUER
    desk(Allow, "ada", "bo")
    desk(Allow, "ada", "bo", False)
    assert desk(Act, Step.TRANSFER, "bo", key, 0, "ada") is Status.NOT_ALLOWED
    assert desk(Act, Step.CANCEL, "bo", key, 0, "", "dee") is Status.WRITTEN
    assert desk(Act, Step.CLAIM, "dee", key) is Status.WRITTEN
    assert desk(Act, Step.CLAIM, "bo", key) is Status.WRONG_STATE


def test_storage_gives_back_what_its_efficiency_leaves() -> None:
    """W12 to W14: 10 Wh with certificates, then 5 without, at 80 %: 8 and 4 come out."""
    desk = Desk()
    desk(Issue, "roof", 900, 1800, wh(20), LATER)
    mine = Key("roof", 1, 10)
    desk(Act, Step.SPLIT, "ada", Key("roof", 1, 20), 10)
    assert desk(Charge, "pack", 3600, 4500, wh(10), (mine,)) is Status.OTHER_HOUR
    assert desk(Charge, "pack", 900, 1800, wh(9.9), (mine,)) is Status.TOO_MANY
    assert desk(Charge, "pack", 900, 1800, wh(15), (mine,)) is Status.WRITTEN
    assert desk.state(mine) is State.CANCELLED
    assert desk(Act, Step.CLAIM, "ada", mine) is Status.IN_STORAGE
    assert desk(Discharge, "pack", 7200, 8100, wh(3.5), LATER) is Status.WRITTEN
    assert desk(Discharge, "pack", 8100, 9000, wh(20), LATER) is Status.WRITTEN
    made = [b for b in desk.registry.bundles() if b.device == "pack"]
    assert [(b.first, b.last, b.origin, b.start_s) for b in made] == [
        (1, 3, "roof", 900),
        (4, 8, "roof", 900),
    ]
    records = {r.bundle: (r.start_s, r.energy_uj) for r in desk.registry.discharges()}
    assert records == {
        Key("pack", 1, 3): (7200, wh(3.5)),
        Key("pack", 4, 8): (8100, wh(4.5)),
    }


def test_the_oldest_goes_first_also_when_it_is_lost() -> None:
    """W13, W15: of 8 Wh deliverable, sun first, 5 are left, so 3 Wh of the sun are lost."""
    desk = Desk()
    desk(Issue, "roof", 0, 900, wh(5), LATER)
    desk(Charge, "pack", 0, 900, wh(5), (Key("roof", 1, 5),))
    desk(Charge, "pack", 900, 1800, wh(5), (), wh(5))
    desk(Discharge, "pack", 1800, 2700, wh(9), LATER)
    assert [b.key for b in desk.registry.bundles() if b.device == "pack"] == [Key("pack", 1, 1)]


def test_a_repeated_request_changes_nothing() -> None:
    """W5."""
    registry = MemoryRegistry()
    first = [OpenAccount(1, "ada"), AddDevice(2, Device("roof", "ada", "solar"))]
    registry.ask([*first, Issue(3, "roof", 0, 900, wh(4), LATER)], 0)
    head, made = registry.head, list(registry.bundles())
    again = registry.ask([Issue(3, "roof", 0, 900, wh(4), LATER)], 5)
    assert [(a.status, a.bundles) for a in again] == [(Status.EXISTS, (Key("roof", 1, 4),))]
    other = registry.ask([Issue(3, "roof", 0, 900, wh(5), LATER)], 5)
    assert other[0].reason == "this id was used for something else: Issue"
    assert (registry.head, list(registry.bundles())) == (head, made)


def test_no_time_is_refused() -> None:
    """W6."""
    with pytest.raises(InputError, match="is no time"):
        MemoryRegistry().ask([], -1)
