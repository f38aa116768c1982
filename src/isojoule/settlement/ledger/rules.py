"""What a transfer does to a ledger: the one place that decides.

    effects = apply_transfers(view, transfers, now_ns)

Theory of operation:

- A `View` is read, never written. What happens comes back as `Effects`: an answer for each
  transfer, the entries to append to the log, the balances that changed and how pending transfers
  ended. A store keeps all of that or nothing. So memory and databases share these rules, and a
  log is checked by applying its own entries again.
- Time comes in as `now_ns`. The ledger's time is the latest it has seen: a clock that steps back
  does not turn it back. First of all, what is pending and has run out by that time is expired; each
  expiry is an entry of its own, with an id that follows from what expired.
- A chain (transfers linked to the next) is tried one by one and taken back whole if one is refused.
  Asked for again, a chain that stands whole is answered as it was the first time.
- Limits count pending amounts: what is reserved is not there to be spent.

Spec: docs/spec/ledger.md, J6 to J14.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import (
    Account,
    Kind,
    Transfer,
    check_account,
    stable_id,
)
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.balance import Balance, refusal_of_accounts
from isojoule.settlement.ledger.ranges import fault, possible_ids

_MOST_TIME_NS = 2**62
_POSTED, _PENDING, _POST, _VOID, _EXPIRE = Kind  # looked up for every transfer
_ENDED = {
    Kind.POST: Status.ALREADY_POSTED,
    Kind.VOID: Status.ALREADY_VOIDED,
    Kind.EXPIRE: Status.ALREADY_EXPIRED,
}


class View(Protocol):
    """What the rules read. Every method reads many at once; what is not there is left out.

    Ids that are asked for are from 1 to 2**128 - 1.
    """

    @property
    def clock_ns(self) -> int:
        """The ledger's time: the latest that it has seen."""
        ...

    def accounts(self, ids: Collection[int]) -> Mapping[int, Account]:
        """Accounts by id."""
        ...

    def balances(self, ids: Collection[int]) -> Mapping[int, Balance]:
        """Balances by account."""
        ...

    def transfers(self, ids: Collection[int]) -> Mapping[int, Transfer]:
        """Written transfers by id."""
        ...

    def ends(self, ids: Collection[int]) -> Mapping[int, Kind]:
        """How pending transfers ended, by their id; those that are open are left out."""
        ...

    def due(self, now_ns: int) -> Sequence[Transfer]:
        """Open pending transfers that have run out by then.

        In the order of their expiry, then of their writing.
        """
        ...


class Effects(NamedTuple):
    """What is to be kept, all of it or nothing.

    Attributes
    ----------
    answers
        One for each transfer that was asked for, in order.
    written
        Entries to append to the log, in order: expiries, then transfers.
    balances
        New balances of the accounts that changed.
    ends
        How pending transfers ended, by their id.
    clock_ns
        The ledger's time from now on.
    """

    answers: list[Answer]
    written: list[Transfer]
    balances: dict[int, Balance]
    ends: dict[int, Kind]
    clock_ns: int


def apply_transfers(view: View, transfers: Sequence[Transfer], now_ns: int) -> Effects:
    """Decide what a request does. Refusals are answers; nothing raises on them.

    Raises
    ------
    InputError
        `now_ns` is no time that a ledger can have.
    """
    clock = ledger_time(now_ns, view.clock_ns)
    due = view.due(clock)
    work = _Work(view, transfers, due, clock)
    for pending in due:
        work.write(expiry_of(pending, clock, work.expiry_turn(pending)), pending)
    answers: list[Answer] = []
    first = 0
    count = len(transfers)
    while first < count:
        last = first
        while last < count and transfers[last].linked:
            last += 1
        if last == count:  # the chain is open at the end of the request
            answers += [Answer(Status.LINKED_FAILED)] * (count - first - 1)
            answers.append(Answer(Status.LINKED_OPEN))
            break
        if first == last:
            answers.append(work.one(transfers[first]))
        else:
            answers += work.chain(transfers[first : last + 1])
        first = last + 1
    return Effects(
        answers,
        work.written,
        {i: Balance(*work.totals[i]) for i in work.changed()},
        work.ended,
        clock,
    )


def ledger_time(now_ns: int, clock_ns: int) -> int:
    """The ledger's time at a request: the latest it has seen, ns since 1970.

    Raises
    ------
    InputError
        The time is before 1970 or after 2116; with the longest timeout, it must fit in 63 bits.
    """
    if not 0 <= now_ns < _MOST_TIME_NS:
        raise InputError(f"{now_ns} ns is no time of a ledger", remedy="give ns since 1970")
    return max(now_ns, clock_ns)


def expiry_of(pending: Transfer, at_ns: int, turn: int = 0) -> Transfer:
    """The entry that ends a pending transfer whose time has run out.

    Its id follows from what expires. Whoever can compute it can use it for another transfer, so
    `turn` counts the ids that are taken.
    """
    return Transfer(
        expiry_id(pending.id, turn),
        pending.debit,
        pending.credit,
        pending.amount,
        Kind.EXPIRE,
        pending.id,
        at_ns=at_ns,
    )


def expiry_id(pending_id: int, turn: int = 0) -> int:
    """The id of an expiry, the first or a further one."""
    return stable_id("isojoule.expiry.1", pending_id, *((turn,) if turn else ()))


def apply_accounts(
    known: Mapping[int, Account], accounts: Iterable[Account], now_ns: int
) -> tuple[list[Answer], list[Account]]:
    """Decide which accounts are new. Returns the answers, and the accounts to be written.

    Raises
    ------
    InputError
        An account that cannot be; nothing is written then.
    """
    answers: list[Answer] = []
    fresh: dict[int, Account] = {}
    for account in accounts:
        check_account(account)
        there = known.get(account.id) or fresh.get(account.id)
        if there is None:
            fresh[account.id] = account
            answers.append(Answer(Status.CREATED, now_ns))
        elif there == account:
            answers.append(Answer(Status.EXISTS))
        else:
            answers.append(Answer(Status.EXISTS_DIFFERENT, about="limit"))
    return answers, list(fresh.values())


class _Work:
    """One request while it is decided: totals in lists, and what can be taken back."""

    def __init__(
        self, view: View, transfers: Sequence[Transfer], due: Sequence[Transfer], clock: int
    ) -> None:
        self.clock = clock
        self.created = Answer(Status.CREATED, clock)
        self.view = view
        pending = possible_ids(t.pending_id for t in transfers)
        expiries = {expiry_id(t.id) for t in due}
        self.known = dict(
            view.transfers(possible_ids(t.id for t in transfers) | pending | expiries)
        )
        self.before = view.ends(pending)
        owners = (*transfers, *due, *(self.known[i] for i in pending if i in self.known))
        touched = possible_ids(t.debit for t in owners) | possible_ids(t.credit for t in owners)
        self.accounts = view.accounts(touched)
        balances = view.balances(touched)
        self.totals = {i: list(balances.get(i, _NOTHING)) for i in self.accounts}
        self.written: list[Transfer] = []
        self.ended: dict[int, Kind] = {}

    def expiry_turn(self, pending: Transfer) -> int:
        """How many of the ids that its expiry could have are taken."""
        turn = 0
        while expiry_id(pending.id, turn) in self.known:
            turn += 1
            self.known.update(self.view.transfers((expiry_id(pending.id, turn),)))
        return turn

    def changed(self) -> list[int]:
        """Accounts that something was written for, in that order."""
        seen: dict[int, None] = {}
        for t in self.written:
            seen[t.debit] = seen[t.credit] = None
        return list(seen)

    def chain(self, transfers: Sequence[Transfer]) -> list[Answer]:
        mark = len(self.written)
        answers = []
        for at, transfer in enumerate(transfers):
            answer = self.one(transfer)
            if not answer.done:
                self.take_back(mark)
                answers = [Answer(Status.LINKED_FAILED)] * len(transfers)
                answers[at] = answer
                return answers
            answers.append(answer)
        old = [answer.status is Status.EXISTS for answer in answers]
        if any(old) and not all(old):
            self.take_back(mark)
            return [Answer(Status.EXISTS_APART if was else Status.LINKED_FAILED) for was in old]
        return answers

    def one(self, t: Transfer) -> Answer:
        """Decide one transfer, and write it if it stands."""
        kind = t.kind
        if kind is _EXPIRE:
            return Answer(Status.KIND_RESERVED)
        about = fault(t)
        if about:
            return Answer(Status.OUT_OF_RANGE, about=about)
        there = self.known.get(t.id)
        pending = None
        if kind is _POST or kind is _VOID:
            pending = self.known.get(t.pending_id)
            if pending is not None and pending.kind is _PENDING:
                t = t._replace(
                    debit=t.debit or pending.debit,
                    credit=t.credit or pending.credit,
                    amount=t.amount or pending.amount,
                )
            elif there is None:
                return Answer(Status.PENDING_NOT_FOUND)
        if there is not None:
            return _again(t, there)
        refusal = self.refusal(t) if pending is None else self.refusal_of_end(t, pending)
        if refusal is not None:
            return Answer(refusal)
        self.write(Transfer._make((*t[:-1], self.clock)), pending)
        return self.created

    def refusal(self, t: Transfer) -> Status | None:
        """Why a transfer that takes or reserves is refused."""
        if t.debit == t.credit:
            return Status.ACCOUNTS_THE_SAME
        debit, credit = self.accounts.get(t.debit), self.accounts.get(t.credit)
        if debit is None:
            return Status.DEBIT_NOT_FOUND
        if credit is None:
            return Status.CREDIT_NOT_FOUND
        return refusal_of_accounts(t, debit, credit, self.totals[t.debit], self.totals[t.credit])

    def refusal_of_end(self, t: Transfer, pending: Transfer) -> Status | None:
        """Why a transfer that ends a pending one is refused."""
        ended = self.ended.get(pending.id) or self.before.get(pending.id)
        if ended is not None:
            return _ENDED[ended]
        if (t.debit, t.credit) != (pending.debit, pending.credit):
            return Status.PENDING_DIFFERENT
        if t.amount > pending.amount:
            return Status.PENDING_EXCEEDED
        if t.kind is Kind.VOID and t.amount != pending.amount:
            return Status.PENDING_DIFFERENT
        return None

    def write(self, t: Transfer, pending: Transfer | None) -> None:
        self.written.append(t)
        self.known[t.id] = t
        if pending is not None:
            self.ended[pending.id] = t.kind
        self.move(t, pending, 1)

    def move(self, t: Transfer, pending: Transfer | None, sign: int) -> None:
        """Add (or take back) what a transfer does to the totals of its two accounts."""
        debit, credit = self.totals[t.debit], self.totals[t.credit]
        kind, amount = t.kind, sign * t.amount
        if kind is _POSTED or kind is _POST:
            debit[0] += amount
            credit[1] += amount
        if kind is _PENDING:
            debit[2] += amount
            credit[3] += amount
        if pending is not None:
            debit[2] -= sign * pending.amount
            credit[3] -= sign * pending.amount

    def take_back(self, mark: int) -> None:
        while len(self.written) > mark:
            t = self.written.pop()
            pending = self.known[t.pending_id] if t.pending_id else None
            self.move(t, pending, -1)
            del self.known[t.id]
            if pending is not None:
                del self.ended[pending.id]


_NOTHING = Balance()


def _again(asked: Transfer, there: Transfer) -> Answer:
    """The answer to a transfer whose id is in the ledger."""
    if asked == there._replace(at_ns=0):
        return Answer(Status.EXISTS, there.at_ns)
    for name, mine, its in zip(Transfer._fields, asked, there, strict=True):
        if mine != its and name != "at_ns":
            return Answer(Status.EXISTS_DIFFERENT, about=name)
    raise InvariantError("two transfers differ in nothing")
