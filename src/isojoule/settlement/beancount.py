"""A ledger as the text of a beancount file, which other people's tools can check and draw.

    for line in beancount_lines(ledger, timezone="Europe/Vienna"):
        print(line, file=file)

The rules (docs/spec/ledger.md, J17 to J20):

- An account becomes `Root:Name:Parts:UNIT`. The root says which way its limit goes: `Liabilities`
  where debits may not exceed credits (what is held for somebody), `Assets` where credits may not
  exceed debits, else `Equity`. A name is cut at `/`; `account_name` and `account_from_name` are
  inverse, so two accounts never share a name.
- Joules are the commodity `JOULE`, with 6 digits; currencies have 9. Nothing is rounded.
- What is posted is a transaction; a linked chain is one, so the energy and the money of an exchange
  stand together. Debits are positive, as everywhere in beancount.
- What is reserved, voided or expired moves nothing yet or ever: beancount has no such state, and
  counts flagged transactions like others. So these are notes, and balances are the posted ones.
- At the end the balance of every account is asserted, with no tolerance.

The format: https://beancount.github.io/docs/beancount_language_syntax.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from isojoule.core.errors import InputError
from isojoule.core.transfer import ENERGY, NO_REF, Account, Kind, Limit, Transfer, check_account
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.port import ReadLedger

FIRST_DATE = date(1900, 1, 1)
"""When all accounts are opened."""
_ROOTS = {
    Limit.NONE: "Equity",
    Limit.DEBITS_MUST_NOT_EXCEED_CREDITS: "Liabilities",
    Limit.CREDITS_MUST_NOT_EXCEED_DEBITS: "Assets",
}
_LETTERS = "A-Za-z0-9À-ÖØ-öø-ÿ"
"""Letters and digits that stay as they are: in every version of Unicode they are such."""
_OTHER = re.compile(f"[^{_LETTERS}]")
_ESCAPED = re.compile("--|-([0-9a-f]+)-")
_UNIT = re.compile("[A-Z][A-Z0-9]{2,}")
_AS_IS = "X-U"
"""Before a part whose first letter is not a small one, or which would look like a unit."""
_ODD_UNIT = "UNIT-"


def beancount_lines(
    ledger: ReadLedger,
    *,
    timezone: str = "UTC",
    by_writing: bool = False,
    meanings: Mapping[int, str] | None = None,
) -> Iterator[str]:
    """The lines of a beancount file, one by one, without line ends.

    Parameters
    ----------
    ledger
        It must not change meanwhile.
    timezone
        Where a day begins, as `Europe/Vienna`.
    by_writing
        Date transfers by when they were written. Else by the time that they are for (`for_s`), and
        by writing only where they have none (0).
    meanings
        What codes mean, in words.

    Raises
    ------
    InputError
        There is no such timezone, or a transfer is for a day that beancount does not know: before
        1900, or after 9998.
    """
    days = _Days(timezone, by_writing)
    accounts = list(ledger.accounts())
    names = {account.id: account_name(account) for account, _ in accounts}
    units = {account.id: account.unit for account, _ in accounts}
    yield from _head(accounts, names)
    write = _Writer(names, units, days, meanings or {})
    for chain in _chains(ledger.transfers()):
        yield from write.chain(chain)
    after = days.latest + timedelta(days=1)
    yield ""
    for account, balance in accounts:
        amount = _decimal(-balance.net, account.unit)
        yield f"{after} balance {names[account.id]}  {amount} ~ 0 {commodity(account.unit)}"


def account_name(account: Account) -> str:
    """The name of an account in beancount's grammar.

    >>> account_name(Account("member/ada", "EUR"))
    'Equity:Member:Ada:EUR'
    >>> account_name(Account("home-1/Øst", "J", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS))
    'Liabilities:Home--1:X-UØst:JOULE'
    """
    parts = [_part(part) for part in account.name.split("/")]
    return ":".join([_ROOTS[account.limit], *parts, commodity(account.unit)])


def account_from_name(name: str) -> Account:
    """The account behind a name that `account_name` gave.

    Raises
    ------
    InputError
        It never gives this name.

    >>> account_from_name("Equity:Member:Ada:EUR")
    Account(name='member/ada', unit='EUR', limit=<Limit.NONE: 0>)
    """
    limits = {text: limit for limit, text in _ROOTS.items()}
    try:
        root, first, *more, unit = name.split(":")
        text = "/".join(map(_part_from, (first, *more)))
        account = Account(text, _unit_from(unit), limits[root])
        check_account(account)
    except (KeyError, ValueError, OverflowError, InputError):
        account = None
    if account is None or account_name(account) != name:
        raise InputError("is the name of no account", place=f"account {name!r}")
    return account


def commodity(unit: str) -> str:
    """The commodity of a unit.

    >>> commodity("J"), commodity("EUR"), commodity("eur")
    ('JOULE', 'EUR', 'UNIT-657572')
    """
    if unit == ENERGY:
        return "JOULE"
    if _UNIT.fullmatch(unit) and unit != "JOULE":
        return unit
    return _ODD_UNIT + unit.encode().hex().upper()


def _unit_from(text: str) -> str:
    if text == "JOULE":
        return ENERGY
    if text.startswith(_ODD_UNIT):
        return bytes.fromhex(text.removeprefix(_ODD_UNIT)).decode()
    return text


def _part(text: str) -> str:
    escaped = _OTHER.sub(lambda m: "--" if m[0] == "-" else f"-{ord(m[0]):x}-", text)
    if re.match("[a-z]", text):
        upper = escaped[0].upper() + escaped[1:]
        if not _UNIT.fullmatch(upper):
            return upper
    return escaped if re.match("[0-9]", text) else _AS_IS + escaped


def _part_from(part: str) -> str:
    as_is = part.startswith(_AS_IS)
    part = part.removeprefix(_AS_IS) if as_is else part[:1].lower() + part[1:]
    return _ESCAPED.sub(lambda m: chr(int(m[1], 16)) if m[1] else "-", part)


class _Days:
    """Dates of transfers, and the latest that there was."""

    def __init__(self, timezone: str, by_writing: bool) -> None:
        try:
            self.zone = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:
            raise InputError(
                f"there is no timezone {timezone!r}", remedy="give one such as Europe/Vienna"
            ) from error
        self.by_writing = by_writing
        self.local = lru_cache(4096)(self._local)
        """Seconds since 1970 as local time; many transfers share theirs."""
        self.latest = FIRST_DATE

    def day(self, t: Transfer) -> date:
        seconds = t.at_ns // 10**9 if self.by_writing or t.for_s == 0 else t.for_s
        try:
            day = self.local(seconds).date()
        except OverflowError:
            day = date.min
        if not FIRST_DATE < day < date(9999, 1, 1):
            raise InputError(
                f"is for {seconds} s since 1970, a day that beancount does not know",
                place=f"transfer {t.id:032x}",
                remedy="date by when they were written",
            )
        self.latest = max(self.latest, day)
        return day

    def _local(self, seconds: int) -> datetime:
        utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        return utc.astimezone(self.zone)


class _Writer:
    """Chains of transfers as lines."""

    def __init__(
        self,
        names: Mapping[int, str],
        units: Mapping[int, str],
        days: _Days,
        meanings: Mapping[int, str],
    ) -> None:
        self.names = names
        self.units = units
        self.days = days
        self.meanings = meanings

    def chain(self, chain: list[Transfer]) -> Iterator[str]:
        """What is posted as one transaction, the rest as notes."""
        posted = [t for t in chain if t.kind in (Kind.POSTED, Kind.POST)]
        if posted:
            text = "; ".join(dict.fromkeys(self.meaning(t) for t in posted))
            yield ""
            yield f"{self.days.day(posted[0])} * {_quoted(text)}"
            for t in posted:
                yield from self.legs(t)
        for t in chain:
            if t.kind not in (Kind.POSTED, Kind.POST):
                yield f"{self.days.day(t)} note {self.names[t.debit]} {_quoted(self.note(t))}"

    def legs(self, t: Transfer) -> Iterator[str]:
        amount, unit = _decimal(t.amount, self.units[t.debit]), commodity(self.units[t.debit])
        yield f"  {self.names[t.debit]}  {amount} {unit}"
        yield f'    id: "{t.id:032x}"'
        if t.pending_id:
            yield f'    pending: "{t.pending_id:032x}"'
        if t.for_s:
            yield f"    for: {_quoted(self.when(t.for_s))}"
        if t.ref != NO_REF:
            yield f'    ref: "{t.ref.hex()}"'
        yield f"  {self.names[t.credit]}  -{amount} {unit}"

    def note(self, t: Transfer) -> str:
        """What became of a reservation, in words."""
        unit = self.units[t.debit]
        amount = f"{_decimal(t.amount, unit)} {commodity(unit)} for {self.names[t.credit]}"
        if t.kind is Kind.PENDING:
            until = f" until {self.when(t.expires_ns // 10**9)}" if t.timeout_s else ""
            return f"{self.meaning(t)}: reserved {amount}{until}, {t.id:032x}"
        return f"{'voided' if t.kind is Kind.VOID else 'expired'}: {amount}, {t.pending_id:032x}"

    def meaning(self, t: Transfer) -> str:
        return self.meanings.get(t.code, f"code {t.code}")

    def when(self, seconds: int) -> str:
        try:
            return self.days.local(seconds).isoformat()
        except OverflowError:
            return f"{seconds} s since 1970"


def _head(accounts: Iterable[tuple[Account, Balance]], names: Mapping[int, str]) -> Iterator[str]:
    accounts = list(accounts)
    units = dict.fromkeys(account.unit for account, _ in accounts)
    yield 'option "title" "Isojoule ledger"'
    for unit in units:
        if unit != ENERGY:
            yield f'option "operating_currency" "{commodity(unit)}"'
    for unit in units:
        yield f"{FIRST_DATE} commodity {commodity(unit)}"
        yield f'  name: "{unit}"'
    for account, _ in accounts:
        yield f"{FIRST_DATE} open {names[account.id]} {commodity(account.unit)}"
        yield f"  name: {_quoted(account.name)}"


def _chains(transfers: Iterable[Transfer]) -> Iterator[list[Transfer]]:
    chain: list[Transfer] = []
    for t in transfers:
        chain.append(t)
        if not t.linked:
            yield chain
            chain = []


def _decimal(amount: int, unit: str) -> str:
    """Exact decimal digits: 9 of a currency, 6 of Joules."""
    digits = 6 if unit == ENERGY else 9
    whole, rest = divmod(abs(amount), 10**digits)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:0{digits}d}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
