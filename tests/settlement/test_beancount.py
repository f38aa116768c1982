"""Beancount reads what we write, and counts what we counted: docs/spec/ledger.md, J17 to J20."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from beancount import loader
from beancount.core import account as grammar
from beancount.core import amount as units
from beancount.core import data
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Kind, Limit, Transfer, check_account
from isojoule.settlement.beancount import (
    account_from_name,
    account_name,
    beancount_lines,
    commodity,
)
from isojoule.settlement.ledger import MemoryLedger
from tests.settlement.ledger.walk import ACCOUNTS, Asked, Walk

SECOND = 10**9
NOON = 1_782_036_000  # 2026-06-21T10:00:00Z
limits = st.sampled_from([Limit(0), Limit(1), Limit(2)])
letters = st.one_of(
    st.sampled_from('aAbZ019-/ U:X"\\éÉßµªŉǅאٓ\U0001d7d9x'), st.characters(exclude_categories=["Cs"])
)
unit_texts = st.text("aAbZ019JOULEUR", min_size=1, max_size=12)
account_values = st.builds(Account, st.text(letters, min_size=1, max_size=8), unit_texts, limits)


def possible(account: Account) -> bool:
    try:
        check_account(account)
    except InputError:
        return False
    return True


@settings(max_examples=500)
@given(st.lists(account_values.filter(possible), min_size=1, max_size=4))
def test_every_account_has_a_name_of_its_own(accounts: list[Account]) -> None:
    """Valid, and the account can be told from it; none is the parent of another."""
    names = [account_name(account) for account in accounts]
    for account, name in zip(accounts, names, strict=True):
        assert grammar.is_valid(name)
        assert re.fullmatch(units.CURRENCY_RE, commodity(account.unit))
        assert account_from_name(name) == account
    for name in names:
        assert not any(other.startswith(name + ":") for other in names)


@given(st.lists(account_values.filter(possible), min_size=1, max_size=6, unique_by=lambda a: a.id))
@settings(max_examples=40, deadline=None)
def test_beancount_opens_them_all(accounts: list[Account]) -> None:
    ledger = MemoryLedger()
    ledger.open_accounts(accounts, 0)
    entries = load("\n".join(beancount_lines(ledger)))
    opened = [entry for entry in entries if isinstance(entry, data.Open)]
    assert sorted(entry.account for entry in opened) == sorted(map(account_name, accounts))
    assert {entry.meta["name"] for entry in opened} == {account.name for account in accounts}


def test_names_in_quotes() -> None:
    ledger = MemoryLedger()
    accounts = [Account(name, "EUR") for name in ('a\\"', '"', "a\\nb", "\\", '\\"\\')]
    ledger.open_accounts(accounts, 0)
    entries = load("\n".join(beancount_lines(ledger)))
    names = {entry.meta["name"] for entry in entries if isinstance(entry, data.Open)}
    assert names == {account.name for account in accounts}


@given(st.text("EquityAsses:Ad-UX0eJOULR/ 24f", max_size=20))
def test_other_names_are_refused(name: str) -> None:
    try:
        account = account_from_name(name)
    except InputError:
        return
    assert account_name(account) == name


@pytest.mark.parametrize(
    "name",
    ["", "Equity", "Equity:EUR", "Other:A:EUR", "Equity:A:eur", "Equity:A-zz-:EUR", "Equity:a:EUR",
     "Equity:A-110000-:EUR", "Equity:X-Ua:EUR", "Equity:A:UNIT-4A", "Equity:A-2d-:EUR"],
)  # fmt: skip
def test_names_that_no_account_has(name: str) -> None:
    with pytest.raises(InputError, match="no account"):
        account_from_name(name)


def test_lookalikes_have_names_apart() -> None:
    """Where a plainer mapping would make one name of two."""
    for one, other in (
        (Account("ada", "EUR"), Account("Ada", "EUR")),
        (Account("a-b", "EUR"), Account("a/b", "EUR")),
        (Account("a", "J"), Account("a", "JOULE")),
        (Account("a", "EUR"), Account("a", "eur")),
        (Account("a/eUR", "EUR"), Account("a/EUR", "EUR")),
        (Account("a", "EUR"), Account("a/eUR", "EUR")),
        (Account("a", "E12"), Account("a/e12/b", "E12")),
        (Account("a-2d-", "EUR"), Account("a--", "EUR")),
        (Account("x-Ua", "EUR"), Account("X-Ua", "EUR")),
        (Account("é", "EUR"), Account("-e9-", "EUR")),
    ):
        names = {account_name(one), account_name(other)}
        assert len(names) == 2
        assert not any(a.startswith(b + ":") for a in names for b in names)


def load(text: str) -> list[Any]:
    entries, errors, _ = loader.load_string(text)
    assert not errors, "\n".join([*(error.message for error in errors), text])
    return entries


def posted(entries: list[Any]) -> dict[str, Decimal]:
    """Balances by account, counted from the transactions."""
    out: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        if isinstance(entry, data.Transaction):
            for posting in entry.postings:
                out[posting.account] += posting.units.number
    return out


def scaled(account: Account, amount: int) -> Decimal:
    return Decimal(amount).scaleb(-6 if account.unit == "J" else -9)


@pytest.mark.parametrize("seed", range(40))
def test_random_ledgers_balance_in_beancount(seed: int) -> None:
    random = Random(seed)
    walk = Walk()
    walk.now = NOON * SECOND
    walk.run(Asked(tuple(ACCOUNTS), (), walk.now))
    for _ in range(25):
        walk.step(random.randrange)
    ledger = walk.ledger
    entries = load(
        "\n".join(beancount_lines(ledger, timezone="Europe/Vienna", by_writing=seed % 2 == 0))
    )
    found = posted(entries)
    for account, balance in ledger.accounts():
        assert found[account_name(account)] == scaled(account, balance.debits - balance.credits)
    asserted = [entry for entry in entries if isinstance(entry, data.Balance)]
    assert sorted(entry.account for entry in asserted) == sorted(
        account_name(account) for account, _ in ledger.accounts()
    )
    transfers = list(ledger.transfers())
    legs = sum(len(entry.postings) for entry in entries if isinstance(entry, data.Transaction))
    moved = [t for t in transfers if t.kind in (Kind.POSTED, Kind.POST)]
    notes = [entry for entry in entries if isinstance(entry, data.Note)]
    assert legs == 2 * len(moved) and len(notes) == len(transfers) - len(moved)


BANK = Account("bank", "EUR")
ADA = Account("member/ada", "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS)
SUN, HOME = Account("sun", "J"), Account("home", "J")


def exchange() -> MemoryLedger:
    """Energy for money in one chain, and a reservation that is posted in part."""
    ledger = MemoryLedger()
    ledger.open_accounts([BANK, ADA, SUN, HOME], NOON * SECOND)
    ledger.post([Transfer(1, BANK.id, ADA.id, 2**63 - 1)], NOON * SECOND)
    late = NOON + 12 * 3600 + 900  # 00:15 of the next day in Vienna
    ledger.post(
        [
            Transfer(
                2, SUN.id, HOME.id, 3_600_000_000_001, linked=True, code=4, for_s=late,
                ref=bytes(31) + b"\x07",
            ),
            Transfer(3, ADA.id, BANK.id, 250_000_001, code=4, for_s=late),
            Transfer(4, ADA.id, BANK.id, 9, Kind.PENDING, timeout_s=60),
            Transfer(5, ADA.id, BANK.id, 5, Kind.PENDING),
        ],
        NOON * SECOND,
    )  # fmt: skip
    ledger.post([Transfer(6, 0, 0, 2, Kind.POST, 5)], NOON * SECOND)
    ledger.expire((NOON + 60) * SECOND)
    return ledger


def test_an_exchange_line_by_line() -> None:
    lines = list(
        beancount_lines(exchange(), timezone="Europe/Vienna", meanings={4: 'sun "as said"'})
    )
    ada = "Liabilities:Member:Ada:EUR"
    note = f'2026-06-21 note {ada} "'
    until = " until 2026-06-21T12:01:00+02:00, "
    bank = " EUR for Equity:Bank:EUR"
    assert lines == [
        'option "title" "Isojoule ledger"',
        'option "operating_currency" "EUR"',
        "1900-01-01 commodity EUR",
        '  name: "EUR"',
        "1900-01-01 commodity JOULE",
        '  name: "J"',
        "1900-01-01 open Equity:Bank:EUR EUR",
        '  name: "bank"',
        f"1900-01-01 open {ada} EUR",
        '  name: "member/ada"',
        "1900-01-01 open Equity:Sun:JOULE JOULE",
        '  name: "sun"',
        "1900-01-01 open Equity:Home:JOULE JOULE",
        '  name: "home"',
        "",
        '2026-06-21 * "code 0"',
        "  Equity:Bank:EUR  9223372036.854775807 EUR",
        '    id: "00000000000000000000000000000001"',
        f"  {ada}  -9223372036.854775807 EUR",
        "",
        '2026-06-22 * "sun \\"as said\\""',
        "  Equity:Sun:JOULE  3600000.000001 JOULE",
        '    id: "00000000000000000000000000000002"',
        '    for: "2026-06-22T00:15:00+02:00"',
        f'    ref: "{"00" * 31}07"',
        "  Equity:Home:JOULE  -3600000.000001 JOULE",
        f"  {ada}  0.250000001 EUR",
        '    id: "00000000000000000000000000000003"',
        '    for: "2026-06-22T00:15:00+02:00"',
        "  Equity:Bank:EUR  -0.250000001 EUR",
        f'{note}code 0: reserved 0.000000009{bank}{until}{4:032x}"',
        f'{note}code 0: reserved 0.000000005{bank}, {5:032x}"',
        "",
        '2026-06-21 * "code 0"',
        f"  {ada}  0.000000002 EUR",
        '    id: "00000000000000000000000000000006"',
        '    pending: "00000000000000000000000000000005"',
        "  Equity:Bank:EUR  -0.000000002 EUR",
        f'{note}expired: 0.000000009{bank}, {4:032x}"',
        "",
        "2026-06-23 balance Equity:Bank:EUR  9223372036.604775804 ~ 0 EUR",
        f"2026-06-23 balance {ada}  -9223372036.604775804 ~ 0 EUR",
        "2026-06-23 balance Equity:Sun:JOULE  3600000.000001 ~ 0 JOULE",
        "2026-06-23 balance Equity:Home:JOULE  -3600000.000001 ~ 0 JOULE",
    ]
    load("\n".join(lines))


def test_one_unit_off_is_found_by_beancount() -> None:
    """The assertions have no tolerance."""
    text = "\n".join(beancount_lines(exchange()))
    for right, wrong in (
        ("Bank:EUR  9223372036.604775804 ~", "Bank:EUR  9223372036.604775803 ~"),
        ("Sun:JOULE  3600000.000001 ~", "Sun:JOULE  3600000.000000 ~"),
    ):
        assert right in text
        _, errors, _ = loader.load_string(text.replace(right, wrong))
        assert any("Balance failed" in error.message for error in errors)


def test_days_that_beancount_does_not_know() -> None:
    for seconds in (-(2**63), 2**63 - 1, -70 * 366 * 86400, 8100 * 366 * 86400):
        ledger = MemoryLedger()
        ledger.open_accounts([BANK, ADA], NOON * SECOND)
        ledger.post([Transfer(1, BANK.id, ADA.id, 5, for_s=seconds)], NOON * SECOND)
        with pytest.raises(InputError, match="does not know"):
            list(beancount_lines(ledger))
        load("\n".join(beancount_lines(ledger, by_writing=True)))


@pytest.mark.parametrize("timezone", ["Europe/Nowhere", "", "../../etc/passwd"])
def test_timezones_that_are_none(timezone: str) -> None:
    with pytest.raises(InputError, match="timezone"):
        list(beancount_lines(exchange(), timezone=timezone))


def test_lines_come_as_they_are_written() -> None:
    """Nothing is gathered: the first lines are there before the last transfer is read."""

    class Slow(MemoryLedger):
        read = 0

        def transfers(self, account_id: int = 0):  # type: ignore[no-untyped-def]
            for t in super().transfers(account_id):
                self.read += 1
                yield t

    ledger = Slow()
    ledger.open_accounts([BANK, ADA], 0)
    ledger.post([Transfer(n, BANK.id, ADA.id, n) for n in range(1, 50)], NOON * SECOND)
    for line in beancount_lines(ledger):
        if line.startswith("2026"):
            break
    assert ledger.read == 1


def test_an_empty_ledger_is_a_file() -> None:
    assert load("\n".join(beancount_lines(MemoryLedger()))) == []


@given(st.text(letters, min_size=1, max_size=6), st.text(letters, min_size=1, max_size=6))
def test_parts_never_meet(one: str, other: str) -> None:
    assume(one != other)
    assert account_name(Account(one, "EUR")) != account_name(Account(other, "EUR"))
