"""What has ended leaves a registry, and nothing happens twice. docs/spec/certificates.md, W24."""

from __future__ import annotations

from random import Random

import pytest

from isojoule.settlement.certificates import Bundle, Device, MemoryRegistry, State, Status
from isojoule.settlement.certificates.community import GROWS, Desk
from isojoule.settlement.certificates.memory import Released
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
    Stocktake,
)
from tests.settlement.certificates.walk import Pick, Walk

PACK = Device("pack", "ada", "storage", is_storage=True, efficiency_ppb=900_000_000)
ASKED: list[Operation] = [
    OpenAccount(1, "ada"),
    OpenAccount(2, "bo"),
    AddDevice(3, Device("roof", "ada", "solar", issuing_body="grid")),
    AddDevice(4, PACK),
    Allow(5, "bo", "ada"),
    Stocktake(6, "pack", 0, 0),
    Issue(7, "roof", 0, 900, 40 * WH_UJ, 9000),
    Act(8, Step.SPLIT, "ada", Key("roof", 1, 40), 10),
    Act(9, Step.CANCEL, "ada", Key("roof", 1, 10)),
    Act(10, Step.CLAIM, "ada", Key("roof", 1, 10)),
    Act(11, Step.TRANSFER, "ada", Key("roof", 11, 40), 10, "bo"),
    Charge(12, "pack", 0, 900, 10 * WH_UJ),
    Act(13, Step.RESERVE, "bo", Key("roof", 11, 20), 0, "", "dee"),
    Discharge(14, "pack", 900, 1800, 2 * WH_UJ, 9000),
    Act(15, Step.WITHDRAW, "grid", Key("roof", 21, 40), 5),
]


def registry() -> MemoryRegistry:
    made = MemoryRegistry()
    assert all(answer.done for answer in made.ask(ASKED, 1800))
    return made


def test_what_ended_goes_and_what_did_not_stays() -> None:
    whole, short = registry(), registry()
    released = short.release()
    gone = {bundle.key: bundle.state for bundle in released.bundles}
    assert gone == {
        Key("roof", 1, 40): State.SPLIT, Key("roof", 1, 10): State.CLAIMED,
        Key("roof", 11, 40): State.SPLIT, Key("roof", 21, 40): State.SPLIT,
        Key("roof", 21, 25): State.WITHDRAWN,
    }  # fmt: skip
    assert [bundle.key for bundle in short.bundles()] == [Key("roof", 11, 20), Key("roof", 26, 40)]
    assert {*released.bundles, *short.bundles()} == set(whole.bundles())
    assert released.charges == list(whole.charges())
    assert short.head == whole.head


@pytest.mark.parametrize("operation", ASKED, ids=lambda o: f"{o.id}")
def test_what_is_asked_again_happens_once(operation: Operation) -> None:
    """It is there already, or it is refused; the log does not grow."""
    short = registry()
    before = short.head
    short.release()
    (answer,) = short.ask([operation], 1800)
    assert answer.status in {
        Status.EXISTS, Status.OUT_OF_ORDER, Status.BUNDLE_UNKNOWN,
    }  # fmt: skip
    assert short.head == before


def test_expiry_goes_on() -> None:
    """What stayed runs out in its time, with the same entries as in a registry that kept all."""
    whole, short = registry(), registry()
    short.release()
    for one in (whole, short):
        one.ask([], 9000)
    assert short.head == whole.head
    states = {bundle.key: bundle.state for bundle in short.release().bundles}
    assert states == dict.fromkeys([Key("roof", 11, 20), Key("roof", 26, 40)], State.EXPIRED)
    assert short.size == 0


def test_storage_remembers_what_it_needs() -> None:
    """A certificate of storage may be stored elsewhere in its hour, after a release as before."""
    box = PACK._replace(id="box")
    asked = [
        *ASKED[:4], AddDevice(20, box), Issue(7, "roof", 0, 900, 40 * WH_UJ, 9000),
        Charge(21, "pack", 0, 900, 40 * WH_UJ, (Key("roof", 1, 40),)),
        Discharge(22, "pack", 3600, 4500, 10 * WH_UJ, 9000),
    ]  # fmt: skip
    for wanted, start_s in ((Status.WRITTEN, 4500), (Status.OTHER_HOUR, 7200)):
        made = MemoryRegistry()
        assert all(answer.done for answer in made.ask(asked, 4500))
        assert [bundle.key for bundle in made.release().bundles] == [Key("roof", 1, 40)]
        keys = tuple(bundle.key for bundle in made.bundles())
        assert [record.bundle for record in made.discharges()] == list(keys)
        charge = Charge(23, "box", start_s, start_s + 900, 10 * WH_UJ, keys)
        assert made.ask([charge], 8100)[0].status is wanted


class Twins(Walk):
    """Two registries asked the same, one of which lets go of what has ended, now and then."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.short = MemoryRegistry()
        self.gone: list[Bundle] = []

    def run(self, operations: tuple[Operation, ...]) -> None:
        super().run(operations)
        self.short.ask(operations, self.now)
        if self.random.random() < 0.3:
            self.gone += self.short.release().bundles
        assert self.short.head == self.registry.head, operations

    def again(self, pick: Pick) -> None:
        """As it was: an id that is forgotten is free for something else."""
        if self.history:
            self.run(self.history[pick(len(self.history))].operations)


@pytest.mark.parametrize("part", range(4))
def test_twins_keep_the_same_log(part: int) -> None:
    """Whatever is asked, also again, has the same effects; together they hold the same bundles."""
    for way in range(part * 50, (part + 1) * 50):
        random = Random(f"twins {way}")
        walk = Twins(random)
        walk.begin()
        for _ in range(30):
            walk.step(random.randrange)
        mine = {bundle.key: bundle for bundle in (*walk.gone, *walk.short.bundles())}
        assert len(mine) == len(walk.gone) + walk.short.size
        assert mine == {bundle.key: bundle for bundle in walk.registry.bundles()}
        assert list(walk.short.devices()) == list(walk.registry.devices())


def test_the_more_is_left_the_longer_it_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is left is looked through each time: with every eighth of it, not with every few."""
    shelved: list[Released] = []
    desk = Desk("x", ("ada",), (), shelf=shelved.append, batch=10)
    for left in (0, 80, 8000):
        for more in (9, 10, left // GROWS - 1, left // GROWS):
            shelved.clear()
            desk.left = left
            monkeypatch.setattr(MemoryRegistry, "size", left + more)
            desk.shelve()
            assert bool(shelved) == (more >= max(10, left // GROWS)) == (desk.left != left)
