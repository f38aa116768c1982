"""Statements: what stands in the ledger for somebody and a period, as the lines of a bill.

    statements = statements_of(accounts, transfers, "EUR", spans)
    statement = statement_of("member/ada", accounts, transfers, "EUR", span)

The rules:

- A statement is read from transfers alone. Its lines sum to what the account changed by, to the
  nano-unit and to the microjoule; the statements of all accounts sum to 0.
- What only says how a bill is paid is no cost and no line: where bills are made, the lines sum to
  what account, claims, obligations, mutual credit and cash of a party together changed by (O23).
- Money paid and energy received are positive, as everywhere.
- Transfers are told apart by what they are for (their code), by the other account, and by whether
  energy came in, went out, or did not move. An exchange is an energy transfer linked to the money
  transfer after it. Only what is posted counts.
- A transfer belongs to the period in which `for_s` lies, the start of what it settles; a dividend
  to the period that ends then. Interest belongs to the period of its bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

from isojoule.core.errors import InputError
from isojoule.core.transfer import ENERGY, Account, Kind, Transfer
from isojoule.settlement.collateral.folded import Code as FundCode
from isojoule.settlement.collateral.nouns import Code as BondCode
from isojoule.settlement.commitments.nouns import Code as CommitmentCode
from isojoule.settlement.day_ahead.nouns import Code as DayAheadCode
from isojoule.settlement.payments.posting import NO_COST
from isojoule.settlement.payments.posting import Code as Pay
from isojoule.settlement.settle import Code

CODES: dict[int, IntEnum] = {
    int(code): code
    for kind in (Code, BondCode, CommitmentCode, DayAheadCode, FundCode, Pay)
    for code in kind
}
"""What transfers are for, by the number in their `code`."""
SHARE = (Code.DIVIDEND, Code.DIVIDEND_CHANGE)
"""A share of what the operator was left with: as it was first, and what late readings changed."""
_EFFECTIVE = (Kind.POSTED, Kind.POST)


class Way(IntEnum):
    """Where the energy of a line went."""

    RECEIVED = 0
    GIVEN = 1
    NONE = 2


class Span(NamedTuple):
    """A period: its name, its first moment and the moment after the last, s since 1970."""

    name: str
    start_s: int
    end_s: int


class BillLine(NamedTuple):
    """One line of a bill.

    Attributes
    ----------
    code
        What it is for.
    way
        Whether energy came in, went out, or did not move.
    name
        What it is called, in plain words.
    payee
        Who is on the other side: a name, as `operator`, or whom a fee goes to.
    money_nano
        Paid; negative: got.
    energy_uj
        Received; negative: given.
    """

    code: IntEnum
    way: Way
    name: str
    payee: str
    money_nano: int
    energy_uj: int

    @property
    def price_per_j(self) -> float:
        """Mean price of the energy, money/J; nan without energy."""
        return self.money_nano * 1e-3 / self.energy_uj if self.energy_uj else float("nan")


@dataclass(frozen=True, slots=True)
class Statement:
    """What stands in the ledger for a party and a period.

    Attributes
    ----------
    party
        Name of the account, as `member/ada`.
    currency
        Of all money.
    span
        The period.
    lines
        In the order of their codes.
    transfers
        How many transfers they were read from.
    """

    party: str
    currency: str
    span: Span
    lines: tuple[BillLine, ...]
    transfers: int

    @property
    def sum_nano(self) -> int:
        """What is paid in all; negative: what is got."""
        return sum(line.money_nano for line in self.lines)

    @property
    def energy_uj(self) -> int:
        """What is received in all; negative: what is given."""
        return sum(line.energy_uj for line in self.lines)

    @property
    def share_nano(self) -> int:
        """What is got of what the operator was left with, late readings included."""
        return -sum(line.money_nano for line in self.lines if line.code in SHARE)


NAMES: dict[IntEnum, tuple[str, str, str]] = {
    Code.TRADE: ("Energy bought", "Energy sold", "Market payments without energy"),
    Code.LINK: ("Use of lines", "Use of lines", "Use of lines"),
    Code.COMPUTE: ("Computing", "Computing", "Computing"),
    Code.UTILITY: ("Energy taken from the market", "Energy brought to the market", "Tariff"),
    Code.LOSS: ("Energy lost in the lines", "Energy lost in the lines", "Energy lost in the lines"),
    Code.SURPLUS: ("What the market left over",) * 3,
    Code.IMBALANCE: (
        "More used, or less delivered, than announced",
        "Less used, or more delivered, than announced",
        "Others' deviations from what was announced",
    ),
    Code.BALANCING: ("Deviations, settled with the utility",) * 3,
    Code.LOSS_CHANGE: ("Change of what the lines lost",) * 3,
    Code.LOSS_CHARGE: ("Losses in the lines that were not foreseen",) * 3,
    Code.BALANCING_REST: ("What balancing left over",) * 3,
    Code.FEE: ("Fee",) * 3,
    Code.DIVIDEND: ("Share of what the market left over",) * 3,
    Code.DIVIDEND_CHANGE: ("Change of that share by late readings",) * 3,
    BondCode.BOND: ("Bonds put up",) * 3,
    BondCode.SLASH: ("Bonds slashed for what was promised and not kept",) * 3,
    BondCode.HARM: ("What others' broken promises cost, made good",) * 3,
    BondCode.FINE: ("Fines for broken promises",) * 3,
    CommitmentCode.MARGIN: ("Margins put up",) * 3,
    CommitmentCode.MARGIN_END: ("Day-ahead contracts: differences paid from margins",) * 3,
    CommitmentCode.DIFFERENCE: ("Day-ahead contracts: differences received",) * 3,
    FundCode.REPAID: ("Paid back to the guarantee fund",) * 3,
    FundCode.FINES_SHARED: ("Share of fines for broken promises",) * 3,
    DayAheadCode.REST: ("Day-ahead contracts: differences beyond margins",) * 3,
    Pay.INTEREST: ("Interest on bills paid late",) * 3,
}
"""What lines are called: with energy received, given, and without."""


def line_name(code: IntEnum, other: str, way: Way = Way.NONE) -> str:
    """What a line is called: a fee by its own name.

    >>> line_name(Code.FEE, "fee/grid/network fee"), line_name(Code.TRADE, "market", Way.GIVEN)
    ('network fee', 'Energy sold')
    """
    if code is Code.FEE and other.startswith("fee/"):
        return other.split("/", 2)[-1]
    return NAMES[code][way]


def payee_of(other: str) -> str:
    """Who is behind an account: whom a fee goes to, a member by name, else the account.

    >>> payee_of("fee/grid/network fee"), payee_of("member/ada"), payee_of("market")
    ('grid', 'ada', 'market')
    """
    kind, _, rest = other.partition("/")
    if kind == "fee" and rest:
        return rest.split("/", 1)[0]
    return rest if kind == "member" and rest else other


def statement_of(
    party: str,
    accounts: Iterable[Account],
    transfers: Iterable[Transfer],
    currency: str,
    span: Span,
) -> Statement:
    """The statement of one account.

    Parameters
    ----------
    party
        Its name; it may have no transfer at all.
    accounts, transfers
        Of the ledger; transfers in the order in which they were written.
    currency
        Of its money.
    span
        The period.
    """
    found = statements_of(accounts, transfers, currency, [span], parties=(party,))
    return found.get((party, span.name)) or Statement(party, currency, span, (), 0)


def statements_of(
    accounts: Iterable[Account],
    transfers: Iterable[Transfer],
    currency: str,
    spans: Sequence[Span],
    parties: Iterable[str] | None = None,
) -> dict[tuple[str, str], Statement]:
    """The statements of all accounts in one pass, by name of the account and of the period.

    Accounts without a transfer in a period have none there.

    Raises
    ------
    InputError
        Periods overlap or are out of order, or two have one name.
    """
    _check(spans)
    names = {account.id: account.name for account in accounts if account.unit in (currency, ENERGY)}
    units = {Account(name, ENERGY).id for name in set(names.values())}
    wanted = None if parties is None else frozenset(parties)
    drafts: dict[tuple[str, str], _Draft] = {}
    exchange: Transfer | None = None
    for t in transfers:
        if t.kind not in _EFFECTIVE or t.debit not in names or t.code in NO_COST:
            exchange = None
            continue
        is_energy = t.debit in units
        # energy that is linked goes with the money that follows, between the same two
        before = exchange
        exchange = t if is_energy and t.linked else None
        span = _span_of(t, spans)
        if span is None:
            continue
        ends = (names[t.debit], names[t.credit])
        swapped = not is_energy and before is not None and before.code == t.code
        for mine, other, sign in ((*ends, -1), (*ends[::-1], 1)):
            if wanted is not None and mine not in wanted:
                continue
            draft = drafts.setdefault((mine, span.name), _Draft(span, {}))
            if is_energy:
                draft.add(
                    t.code, Way.RECEIVED if sign > 0 else Way.GIVEN, other, 0, sign * t.amount
                )
                continue
            way = Way.NONE
            if swapped and before is not None:
                way = Way.RECEIVED if names[before.credit] == mine else Way.GIVEN
            draft.add(t.code, way, _told(t.code, other, sign), -sign * t.amount, 0)
    return {
        key: Statement(key[0], currency, draft.span, draft.lines(), draft.transfers)
        for key, draft in drafts.items()
    }


class _Draft(NamedTuple):
    """Sums of money and energy, and counts, by code, way and other account."""

    span: Span
    sums: dict[tuple[int, int, str], list[int]]

    def add(self, code: int, way: Way, other: str, money_nano: int, energy_uj: int) -> None:
        total = self.sums.setdefault((code, int(way), other), [0, 0, 0])
        total[0] += money_nano
        total[1] += energy_uj
        total[2] += 1

    @property
    def transfers(self) -> int:
        return sum(total[2] for total in self.sums.values())

    def lines(self) -> tuple[BillLine, ...]:
        return tuple(
            BillLine(
                CODES[code], Way(way), line_name(CODES[code], other, Way(way)), payee_of(other),
                money, energy,
            )
            for (code, way, other), (money, energy, _) in sorted(self.sums.items())
        )  # fmt: skip


def _told(code: int, other: str, sign: int) -> str:
    """Who is told as the other side. Of interest all are one: who paid late is not told to others.

    `sign` is below 0 for who pays.
    """
    if code != Pay.INTEREST:
        return other
    return "late payers" if sign > 0 else "creditors"


def _span_of(t: Transfer, spans: Sequence[Span]) -> Span | None:
    """The period of a transfer, if it is one of these."""
    for span in spans:
        if t.code in SHARE:
            if span.start_s < t.for_s <= span.end_s:
                return span
        elif span.start_s <= t.for_s < span.end_s:
            return span
    return None


def _check(spans: Sequence[Span]) -> None:
    names = {span.name for span in spans}
    if len(names) < len(spans):
        raise InputError("two periods have one name", remedy="give each a name of its own")
    for before, after in pairwise(spans):
        if after.start_s < before.end_s:
            raise InputError(
                f"periods {before.name!r} and {after.name!r} overlap or are out of order",
                remedy="list disjoint periods in time order",
            )
