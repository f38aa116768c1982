"""A log is applied again and must come out as it is: docs/spec/ledger.md, J16."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.core.transfer import (
    Account,
    Kind,
    Limit,
    Transfer,
    account_bytes,
    transfer_bytes,
    transfer_from_bytes,
)
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.ledger.replay import check_accounts, check_step, replay, steps
from tests.settlement.ledger.walk import ACCOUNTS, Asked, Walk

SECOND = 10**9
ADA, BO = Account("ada", "EUR"), Account("bo", "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS)


def walked(seed: int, steps: int) -> MemoryLedger:
    random = Random(seed)
    walk = Walk()
    walk.run(Asked(tuple(ACCOUNTS), (), walk.now))
    for _ in range(steps):
        walk.step(random.randrange)
    return walk.ledger


def written() -> MemoryLedger:
    """Some of everything; entry by entry as `ENTRIES` says."""
    ledger = MemoryLedger()
    ledger.open_accounts([ADA, BO], SECOND)
    ledger.post([Transfer(1, ADA.id, BO.id, 10)], 2 * SECOND)
    ledger.post(
        [
            Transfer(2, BO.id, ADA.id, 4, Kind.PENDING, timeout_s=3),
            Transfer(3, BO.id, ADA.id, 5, Kind.PENDING, linked=True),
            Transfer(4, ADA.id, BO.id, 1, code=7),
        ],
        3 * SECOND,
    )
    ledger.post([Transfer(5, 0, 0, 2, Kind.POST, 3), Transfer(6, BO.id, ADA.id, 3)], 7 * SECOND)
    return ledger


ENTRIES = ["ada", "bo", "1", "pending 2", "pending 3", "4", "expiry of 2", "post 5", "6"]


@pytest.mark.parametrize("seed", range(200))
def test_a_log_makes_its_ledger(seed: int) -> None:
    ledger = walked(seed, 12)
    again = replay(ledger.entries())
    assert again.head == ledger.head
    assert list(again.accounts()) == list(ledger.accounts())
    assert list(again.transfers()) == list(ledger.transfers())


def test_plain_transfers_are_applied_fast_and_alike() -> None:
    """Those without expiries go in as arrays."""
    ledger = MemoryLedger()
    ledger.open_accounts([ADA, Account("cy", "EUR")], SECOND)
    cy = Account("cy", "EUR").id
    for n in range(1, 40):
        ledger.post([Transfer(n, ADA.id, cy, n), Transfer(n + 100, cy, ADA.id, 1)], n * SECOND)
    again = replay(ledger.entries())
    assert again.head == ledger.head and list(again.accounts()) == list(ledger.accounts())
    entries = list(ledger.entries())
    entries[10:12], entries[12:14] = entries[12:14], entries[10:12]
    with pytest.raises(VerificationError, match="earlier") as error:
        replay(entries)
    assert error.value.place == "entry 12"


@pytest.mark.parametrize("most", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(20))
def test_small_steps_are_decided_as_large_ones(seed: int, most: int) -> None:
    """Chains and expiries of one time are not cut."""
    ledger, again = walked(seed, 15), MemoryLedger()
    late = ledger.clock_ns + SECOND
    for n in range(100, 106):
        grid, cy = ACCOUNTS[0].id, ACCOUNTS[3].id
        ledger.post([Transfer(n, grid, cy, 1, Kind.PENDING, timeout_s=1)], late)
    chain = [
        Transfer(n, ACCOUNTS[3].id, ACCOUNTS[0].id, 1, linked=n < 206) for n in range(200, 207)
    ]
    assert all(answer.done for answer in ledger.post(chain, late + SECOND))
    for step in steps(ledger.entries(), most=most):
        if step.accounts:
            check_accounts(again.view, step)
            again.open_accounts(step.accounts, step.at_ns)
        else:
            again.keep(check_step(again.view, step))
    assert again.head == ledger.head


@given(st.integers(0, 50), st.integers(1, 5))
def test_steps_are_streamed_and_hold_every_entry_once(seed: int, most: int) -> None:
    ledger = walked(seed, 8)
    entries = list(ledger.entries())
    read = 0

    def counted():  # type: ignore[no-untyped-def]
        nonlocal read
        for entry in entries:
            read += 1
            yield entry

    number = 0
    for step in steps(counted(), most=most):
        assert step.first == number
        number += len(step.accounts) + len(step.records)
        assert read <= number + 1  # one entry ahead, to see that the step is over
        expiries = [t.kind == Kind.EXPIRE for t in map(transfer_from_bytes, split(step.data))]
        assert expiries == sorted(expiries, reverse=True)
    assert number == len(entries)


def split(data: bytes) -> list[bytes]:
    return [data[at : at + 128] for at in range(0, len(data), 128)]


def test_the_entries_are_what_the_tests_below_take_them_for() -> None:
    ledger = written()
    kinds = [transfer_from_bytes(e[1:]).kind for e in ledger.entries() if e[:1] == b"T"]
    assert len(ENTRIES) == ledger.size
    assert kinds == [
        Kind.POSTED, Kind.PENDING, Kind.PENDING, Kind.POSTED, Kind.EXPIRE, Kind.POST, Kind.POSTED,
    ]  # fmt: skip
    assert list(ledger.entries(3)) == list(ledger.entries())[3:]


def altered(at: int, **change: object) -> Callable[[list[bytes]], list[bytes]]:
    def alter(entries: list[bytes]) -> list[bytes]:
        t = transfer_from_bytes(entries[at][1:])
        t = t._replace(**change)  # type: ignore[arg-type]
        return [*entries[:at], b"T" + transfer_bytes(t), *entries[at + 1 :]]

    return alter


def without(at: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda entries: [*entries[:at], *entries[at + 1 :]]


def swapped(at: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda entries: [
        *entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]
    ]  # fmt: skip


def raw(at: int, place: int, value: int) -> Callable[[list[bytes]], list[bytes]]:
    def alter(entries: list[bytes]) -> list[bytes]:
        entry = bytearray(entries[at])
        entry[place] = value
        return [*entries[:at], bytes(entry), *entries[at + 1 :]]

    return alter


@pytest.mark.parametrize(
    ("change", "entry", "reason"),
    [
        (without(0), 1, "no such debit account"),
        (without(2), 2, "has not so much left"),
        (without(4), 6, "no such pending transfer"),
        (without(6), 6, "its expiry is not here"),
        (swapped(6), 6, "its expiry is not here"),
        (swapped(1), 1, "no such credit account"),
        (altered(2, amount=8), 4, "has not so much left"),
        (altered(2, at_ns=SECOND - 1), 2, "earlier than the entry before"),
        (altered(2, at_ns=2**62), 2, "no time of a ledger"),
        (altered(2, linked=True), 2, "linked to nothing"),
        (altered(3, timeout_s=5), 6, "nothing runs out here"),
        (altered(3, timeout_s=0), 6, "nothing runs out here"),
        (altered(4, linked=False, amount=7), 4, "has not so much left"),
        (altered(5, id=1), 5, "used for something else"),
        (altered(6, amount=3), 6, "its expiry is not here"),
        (altered(6, id=77), 6, "its expiry is not here"),
        (altered(6, at_ns=5 * SECOND), 6, "nothing runs out here"),
        (altered(7, amount=6), 7, "holds less"),
        (altered(7, amount=0), 7, "not as the rules write it"),
        (altered(7, debit=ADA.id, credit=BO.id), 7, "has other accounts"),
        (altered(7, pending_id=2), 7, "has expired"),
        (altered(8, debit=ADA.id), 8, "are one account"),
        (altered(8, at_ns=2 * SECOND), 8, "earlier than the entry before"),
        (raw(8, 127, 9), 8, "9 is not a valid Kind"),
        (raw(8, 128, 2), 8, "neither linked nor not"),
        (raw(8, 0, 0), 8, "neither an account nor a transfer"),
        (raw(0, 1, 0), 0, "not that of its unit and name"),
        (raw(0, 25, 3), 0, "may not limit each other"),
        (lambda entries: [*entries, b""], 9, "neither an account nor a transfer"),
        (lambda entries: [*entries, entries[-1][:-1]], 9, "neither an account nor a transfer"),
        (lambda entries: [*entries, entries[-1]], 9, "was written before"),
        (lambda entries: [*entries, b"A" + account_bytes(ADA, 9 * SECOND)], 9, "written before"),
        (lambda entries: [*entries, b"A" + account_bytes(ADA, 0)], 9, "earlier"),
        (lambda entries: [*entries, b"A"], 9, "no account"),
    ],
)  # fmt: skip
def test_what_does_not_follow_is_named(
    change: Callable[[list[bytes]], list[bytes]], entry: int, reason: str
) -> None:
    entries = change(list(written().entries()))
    with pytest.raises(VerificationError, match=reason) as error:
        replay(entries)
    assert error.value.place == f"entry {entry}"


def test_a_flipped_byte_is_found() -> None:
    """By the rules, or else by the root (invariant of the log): nothing else passes."""
    ledger = written()
    entries = list(ledger.entries())
    for number, entry in enumerate(entries):
        for place in range(len(entry)):
            other = raw(number, place, entry[place] ^ 1)(entries)
            try:
                again = replay(other)
            except VerificationError:
                continue
            assert again.head.root != ledger.head.root
