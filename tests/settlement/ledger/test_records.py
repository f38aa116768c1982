"""Many transfers as an array: `post_records` does what `post` does. docs/spec/ledger.md, J15."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Kind, Limit, Transfer, stable_id
from isojoule.settlement.ledger import MemoryLedger, Status
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.columns import (
    blank,
    ids_column,
    numbered_ids,
    records_of,
    transfers_of,
)

SECOND = 10**9
ACCOUNTS = [
    Account("ada", "EUR"),
    Account("bo", "EUR"),
    Account("cy", "EUR"),
    Account("vault", "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS),
    Account("sun", "J"),
    Account("ada", "J"),
]
FREE = [account.id for account in ACCOUNTS[:3]]

ids = st.one_of(st.integers(1, 12), st.integers(1, 2**128 - 1))
amounts = st.one_of(st.integers(1, 9), st.integers(2**63 - 9, 2**63 - 1))


@st.composite
def plain(draw: st.DrawFn) -> Transfer:
    pair = draw(st.permutations(FREE))
    return Transfer(
        draw(ids), pair[0], pair[1], draw(amounts), linked=draw(st.booleans()),
        code=draw(st.integers(0, 2**16 - 1)), for_s=draw(st.integers(-(2**63), 2**63 - 1)),
        ref=draw(st.binary(min_size=32, max_size=32)),
    )  # fmt: skip


odd = st.builds(
    Transfer,
    id=st.integers(0, 12),
    debit=st.sampled_from([0, 1, *(account.id for account in ACCOUNTS)]),
    credit=st.sampled_from([0, 1, *(account.id for account in ACCOUNTS)]),
    amount=st.one_of(st.just(0), amounts, st.just(2**63)),
    kind=st.sampled_from(Kind),
    pending_id=st.integers(0, 12),
    linked=st.booleans(),
    timeout_s=st.integers(0, 2),
    code=st.just(7),
    for_s=st.just(-1),
    ref=st.just(bytes(31) + b"r"),
    at_ns=st.sampled_from([0, 0, 0, 1]),
)


@st.composite
def request_of(draw: st.DrawFn) -> list[Transfer]:
    rows = draw(st.lists(plain(), max_size=6))
    if rows and draw(st.booleans()):
        rows[-1] = rows[-1]._replace(linked=False)
    if draw(st.integers(0, 3)) == 0:
        rows.insert(draw(st.integers(0, len(rows))), draw(odd))
    return rows


requests = st.lists(st.tuples(request_of(), st.integers(-1, 3)), max_size=6)


@settings(max_examples=300, deadline=None)
@given(requests)
def test_as_arrays_or_one_by_one(asked: list[tuple[list[Transfer], int]]) -> None:
    """Answers, balances, transfers and root."""
    one, other = MemoryLedger(), MemoryLedger()
    for ledger in (one, other):
        ledger.open_accounts(ACCOUNTS, 0)
    now = 10 * SECOND
    for transfers, seconds in asked:
        now += seconds * SECOND
        answers = one.post(transfers, now)
        by_row = other.post_records(records_of(transfers), now)
        assert by_row == {
            row: answer for row, answer in enumerate(answers) if answer.status is not Status.CREATED
        }
        assert list(one.accounts()) == list(other.accounts())
        assert one.head == other.head and one.clock_ns == other.clock_ns
    assert list(one.transfers()) == list(other.transfers())
    assert list(one.entries()) == list(other.entries())
    for t in one.transfers():
        assert other.transfer(t.id) == t


@given(st.lists(plain(), min_size=1, max_size=8, unique_by=lambda t: t.id))
def test_plain_rows_go_the_fast_way(rows: list[Transfer]) -> None:
    """Or the test above would show nothing."""
    ledger = MemoryLedger()
    ledger.open_accounts(ACCOUNTS, 0)
    rows[-1] = rows[-1]._replace(linked=False)
    assert ledger.post_plain(records_of(rows), SECOND)
    assert not ledger.post_plain(records_of(rows), SECOND)  # known by now
    assert not ledger.post_plain(records_of([rows[0]._replace(id=2**127 + 1, linked=True)]), SECOND)


@pytest.mark.parametrize(
    "change",
    [{"id": 0}, {"id": 1}, {"id": 99}, {"amount": 0}, {"amount": 2**63}, {"debit": FREE[1]},
     {"debit": 5}, {"debit": ACCOUNTS[3].id}, {"credit": ACCOUNTS[4].id}, {"kind": Kind.PENDING},
     {"kind": Kind.EXPIRE}, {"pending_id": 1}, {"timeout_s": 1}, {"at_ns": 1}, {"linked": True}],
    ids=str,
)  # fmt: skip
def test_a_row_that_is_not_plain(change: dict[str, object]) -> None:
    """Each way not to be plain, by itself, in the last row: 1 comes twice, 99 is known."""
    one, other = MemoryLedger(), MemoryLedger()
    rows = [Transfer(n, FREE[0], FREE[1], 5) for n in (1, 2, 3)]
    rows[-1] = rows[-1]._replace(**change)  # type: ignore[arg-type]
    for ledger in (one, other):
        ledger.open_accounts(ACCOUNTS, 0)
        ledger.post([Transfer(99, FREE[0], FREE[1], 5)], 0)
    assert not other.post_plain(records_of(rows), SECOND)
    answers = enumerate(one.post(rows, SECOND))
    refused = {row: answer for row, answer in answers if answer.status is not Status.CREATED}
    assert other.post_records(records_of(rows), SECOND) == refused
    assert one.head == other.head and list(one.accounts()) == list(other.accounts())


def test_sums_pass_64_bits() -> None:
    ledger = MemoryLedger()
    ledger.open_accounts(ACCOUNTS, 0)
    rows = [Transfer(n, FREE[0], FREE[1], 2**63 - 1) for n in range(1, 8)]
    assert ledger.post_records(records_of(rows), SECOND) == {}
    assert ledger.account(FREE[0]) == (ACCOUNTS[0], Balance(debits=7 * (2**63 - 1)))
    assert ledger.account(FREE[1]) == (ACCOUNTS[1], Balance(credits=7 * (2**63 - 1)))


@pytest.mark.parametrize(("field", "value"), [("kind", 5), ("kind", 255), ("linked", 2)])
def test_rows_that_are_no_transfers_are_refused(field: str, value: int) -> None:
    ledger = MemoryLedger()
    ledger.open_accounts(ACCOUNTS, 0)
    head = ledger.head
    records = records_of([Transfer(n, FREE[0], FREE[1], 5) for n in (1, 2, 3)]).copy()
    records[field][1] = value
    with pytest.raises(InputError):
        ledger.post_records(records, SECOND)
    assert ledger.head == head and ledger.transfer(1) is None


def test_expiries_come_first_here_too() -> None:
    ledger = MemoryLedger()
    ledger.open_accounts(ACCOUNTS, 0)
    ledger.post([Transfer(1, FREE[0], FREE[1], 5, Kind.PENDING, timeout_s=1)], 0)
    assert ledger.post_records(records_of([Transfer(2, FREE[0], FREE[1], 7)]), SECOND) == {}
    assert [t.kind for t in ledger.transfers()] == [Kind.PENDING, Kind.EXPIRE, Kind.POSTED]


@given(st.lists(odd, max_size=5))
def test_arrays_and_values(transfers: list[Transfer]) -> None:
    assert transfers_of(records_of(transfers)) == transfers


def test_columns_are_filled_by_hand() -> None:
    records = blank(3)
    records["id"] = numbered_ids(stable_id("a document"), np.arange(3))
    records["debit"], records["credit"] = ids_column([FREE[0]] * 3), ids_column(FREE[1:2] * 3)
    records["amount"] = [1, 2, 3]
    stem = stable_id("a document") >> 32 << 32
    assert transfers_of(records) == [
        Transfer(stem + n, FREE[0], FREE[1], n + 1) for n in range(3)
    ]  # fmt: skip
