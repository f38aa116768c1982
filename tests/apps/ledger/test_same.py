"""Wherever a ledger is kept, it answers as the one in memory: one suite for all.

docs/spec/ledger.md, J6 to J15.
"""

from __future__ import annotations

from random import Random

import pytest

from isojoule.apps.ledger import open_ledger, read_ledger, verify_ledger
from isojoule.settlement.ledger import MemoryLedger
from tests.apps.ledger.conftest import NewUrl
from tests.apps.ledger.some import ACCOUNTS, ADA, BANK, SECOND, contents, fill, pay
from tests.settlement.ledger.tables import Table
from tests.settlement.ledger.test_tables import TABLES
from tests.settlement.ledger.walk import ACCOUNTS as WALKED
from tests.settlement.ledger.walk import Asked, Walk


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_all_tables_hold(kind: str, request: pytest.FixtureRequest) -> None:
    new: NewUrl = request.getfixturevalue(f"new_{kind}")
    for name, text in TABLES.items():
        address = new()
        with open_ledger(address) as ledger:
            table = Table()
            table.ledger = ledger  # type: ignore[assignment]
            try:
                table.run(text)
            except AssertionError as error:
                raise AssertionError(name) from error
        verify_ledger(address)


@pytest.mark.parametrize("way", range(12))
def test_random_ways_go_as_the_model_goes(url: str, way: int) -> None:
    random = Random(way)
    with open_ledger(url) as ledger:
        walk = Walk()
        walk.ledger = ledger  # type: ignore[assignment]
        if way % 8:
            walk.run(Asked(tuple(WALKED), (), walk.now))
        for _ in range(25):
            walk.step(random.randrange)
        walk.check_log()
        found = contents(ledger)
    assert verify_ledger(url).size == found[0].size  # type: ignore[attr-defined]
    with read_ledger(url) as reader:
        assert contents(reader) == found  # type: ignore[arg-type]


def test_it_goes_on_where_it_was_left(url: str) -> None:
    """Closed and opened at every step, it still goes as the one in memory does."""
    memory = MemoryLedger()
    fill(memory)

    class Reopened:
        def __getattr__(self, name: str) -> object:
            def call(*arguments: object) -> object:
                with open_ledger(url) as ledger:
                    return getattr(ledger, name)(*arguments)

            return call

    fill(Reopened())  # type: ignore[arg-type]
    with read_ledger(url) as reader:
        assert contents(reader) == contents(memory)  # type: ignore[arg-type]
        assert list(reader.entries()) == list(memory.entries())
        assert list(reader.entries(5)) == list(memory.entries())[5:]
        assert [t.id for t in reader.transfers(ADA.id)] == [t.id for t in memory.transfers(ADA.id)]
        assert list(reader.transfers(77)) == []
        assert reader.account(77) is reader.account(2**130) is reader.transfer(2**130) is None
    assert verify_ledger(url).transfers == len(list(memory.transfers()))


def test_totals_are_exact_beyond_any_machine_word(url: str) -> None:
    """39 digits hold 1.8e19 transfers of the largest amount."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 0)
        ledger.post([pay(i, 2**63 - 1) for i in range(1, 50)], 0)
        found = ledger.account(BANK.id)
        assert found is not None and found[1].debits == 49 * (2**63 - 1) > 2**64
        ledger.post([pay(99, 2**63 - 1)], 0)
    with open_ledger(url) as ledger:
        assert ledger.account(BANK.id)[1].net == -50 * (2**63 - 1)  # type: ignore[index]


def test_a_clock_that_steps_back_turns_nothing_back(url: str) -> None:
    """docs/spec/ledger.md, J13."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 100 * SECOND)
        assert ledger.post([pay(1)], 50 * SECOND)[0].at_ns == 100 * SECOND
    with open_ledger(url) as ledger:
        assert ledger.post([pay(2)], 0)[0].at_ns == 100 * SECOND
        assert ledger.expire(7) == 0
        assert [t.at_ns for t in ledger.transfers()] == [100 * SECOND] * 2
    verify_ledger(url)


def test_what_repeats_is_answered_as_it_was(url: str) -> None:
    """Ids that are taken for new and are not, alone, in part, and among refusals."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        first = ledger.post([pay(1), pay(2)], 2)
        for _ in range(3):
            again = ledger.post([pay(1), pay(2)], 3)
            assert [(a.status.value, a.at_ns) for a in again] == [("exists", 2)] * 2
        said = [a.status.value for a in ledger.post([pay(1), pay(3), pay(2, 6), pay(4, 0)], 4)]
        assert said == ["exists", "created", "exists_different", "out_of_range"]
        assert [a.status.value for a in ledger.post([pay(5), pay(5)], 5)] == ["created", "exists"]
        assert [a.at_ns for a in first] == [2, 2] and len(list(ledger.transfers())) == 4
