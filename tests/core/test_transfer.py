"""Accounts and transfers, and the bytes that stand for them: docs/spec/ledger.md, J1 to J5."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.core.transfer import (
    TRANSFER_BYTES,
    Account,
    Kind,
    Limit,
    Transfer,
    account_bytes,
    account_from_bytes,
    account_id,
    check_account,
    stable_id,
    transfer_bytes,
    transfer_from_bytes,
)

number = st.integers(0, 2**128 - 1)
transfers = st.builds(
    Transfer,
    id=number,
    debit=number,
    credit=number,
    amount=st.integers(0, 2**63 - 1),
    kind=st.sampled_from(Kind),
    pending_id=number,
    linked=st.booleans(),
    timeout_s=st.integers(0, 2**32 - 1),
    code=st.integers(0, 2**16 - 1),
    for_s=st.integers(-(2**63), 2**63 - 1),
    ref=st.binary(min_size=32, max_size=32),
    at_ns=st.integers(0, 2**63 - 1),
)


def possible(account: Account) -> bool:
    try:
        check_account(account)
    except InputError:
        return False
    return True


accounts = st.builds(
    Account,
    st.text(min_size=1, max_size=12),
    st.sampled_from(["J", "EUR", "eur", "A1"]),
    st.sampled_from([Limit(0), Limit(1), Limit(2)]),
).filter(possible)


def test_the_bytes_of_a_transfer_field_by_field() -> None:
    """J4, written out by hand."""
    t = Transfer(
        id=0x0102, debit=3, credit=4, amount=0x0506, kind=Kind.POST, pending_id=7, linked=True,
        timeout_s=0x0809, code=0x0A0B, for_s=-1, ref=bytes(range(32)), at_ns=0x0C0D,
    )  # fmt: skip
    assert transfer_bytes(t).hex() == (
        "00000000000000000000000000000102"
        "00000000000000000000000000000003"
        "00000000000000000000000000000004"
        "00000000000000000000000000000007"
        "0000000000000506"
        "ffffffffffffffff"
        "0000000000000c0d"
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "00000809"
        "0a0b"
        "02"
        "01"
    )


def test_the_bytes_of_an_account_field_by_field() -> None:
    """J4; the id as J5 says, by hand."""
    account = Account("hütte/1", "EUR", Limit.CREDITS_MUST_NOT_EXCEED_DEBITS)
    name = "hütte/1".encode()
    words = b"".join(
        b"s" + len(word).to_bytes(8, "big") + word for word in (b"isojoule.account.1", b"EUR", name)
    )
    own = hashlib.sha256(words).digest()[:16]
    assert account.id == account_id("hütte/1", "EUR") == int.from_bytes(own, "big")
    assert account_bytes(account, 258) == own + b"\0\0\0\0\0\0\1\2" + b"\2\3EUR" + name


def test_ids_from_words_by_hand() -> None:
    """J5: text, whole numbers and bytes are told apart."""
    words = b"s" + bytes(7) + b"\1a" + b"i" + bytes(7) + b"\2-5" + b"b" + bytes(7) + b"\1a"
    assert stable_id("a", -5, b"a") == int.from_bytes(hashlib.sha256(words).digest()[:16], "big")
    ids = [stable_id(*w) for w in ((), ("ab", "c"), ("a", "bc"), ("abc",), ("1",), (1,), (b"1",))]
    assert len(set(ids)) == len(ids) and min(ids) > 0


@given(transfers)
def test_transfers_come_back(t: Transfer) -> None:
    data = transfer_bytes(t)
    assert len(data) == TRANSFER_BYTES == 128
    assert transfer_from_bytes(data) == t


@given(accounts, st.integers(0, 2**63 - 1))
def test_accounts_come_back(account: Account, at_ns: int) -> None:
    assert account_from_bytes(account_bytes(account, at_ns)) == (account, at_ns)


@given(st.binary(min_size=128, max_size=128), st.integers(0, 6), st.integers(0, 3))
def test_each_transfer_has_one_string_of_bytes(data: bytes, kind: int, linked: int) -> None:
    data = data[:126] + bytes([kind, linked])
    try:
        t = transfer_from_bytes(data)
    except ValueError:
        assert kind > 4 or linked > 1
        return
    assert transfer_bytes(t) == data


@given(transfers, transfers)
def test_others_have_other_bytes(one: Transfer, other: Transfer) -> None:
    assert (transfer_bytes(one) == transfer_bytes(other)) == (one == other)


@given(accounts, st.data())
def test_altered_accounts_are_another_or_none(account: Account, data: st.DataObject) -> None:
    """J4: an id cannot stand before another unit or name."""
    written = bytearray(account_bytes(account, 5))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    try:
        found, at_ns = account_from_bytes(bytes(written))
    except ValueError:
        return
    assert 16 <= at < 25  # time and limit may be others, the rest hangs together
    assert found.id == account.id and (found.limit, at_ns) != (account.limit, 5)


@pytest.mark.parametrize("data", [b"", bytes(25), bytes(26), bytes(127), bytes(129)])
def test_other_lengths_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="bytes are no transfer"):
        transfer_from_bytes(data)
    with pytest.raises(ValueError, match=r"no account|no name"):
        account_from_bytes(data)


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (Account("", "EUR"), "no name"),
        (Account(" ada", "EUR"), "no name"),
        (Account("ada\n", "EUR"), "no name"),
        (Account("a\u200bda", "EUR"), "no name"),
        (Account("a\ud800", "EUR"), "no name"),
        (Account("é" * 251, "EUR"), "no name"),
        (Account("ada", ""), "no unit"),
        (Account("ada", "€"), "no unit"),
        (Account("ada", "E R"), "no unit"),
        (Account("ada", "X" * 13), "no unit"),
        (Account("ada", "EUR", Limit(3)), "choose one limit"),
        (Account("ada", "EUR", Limit(4)), "choose one limit"),
    ],
)
def test_accounts_that_cannot_be(account: Account, reason: str) -> None:
    """J1."""
    with pytest.raises(InputError, match=reason):
        check_account(account)


@pytest.mark.parametrize("name", ["a", "member/ada", "é" * 250, "a  b", '"\\:', "//"])
def test_accounts_that_can_be(name: str) -> None:
    check_account(Account(name, "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS))


def test_the_same_name_in_two_units_is_two_accounts() -> None:
    assert account_id("ada", "EUR") != account_id("ada", "J")


def test_when_a_pending_transfer_runs_out() -> None:
    """J12."""
    assert Transfer(1, 2, 3, 4, Kind.PENDING, timeout_s=3, at_ns=7).expires_ns == 3 * 10**9 + 7
    assert Transfer(1, 2, 3, 4, Kind.PENDING, at_ns=7).expires_ns == 0
