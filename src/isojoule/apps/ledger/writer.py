"""The one writer of a ledger: decides on groups of requests, and commits each in one transaction.

Theory of operation:

- A group is decided first (`draft.py`), reading only what is committed; then all that it does is
  sent and committed at once. Answers are given after the commit.
- Whatever fails, the transaction is rolled back and all that the writer remembered is thrown away.
  A group that met a conflict or a lost connection is tried again from the start, with all ids
  looked up. That does no harm even if the commit had gone through: the same ids are then answered
  as written before.
- Sizes are guarded by the database (`Statements.update_meta`), so a writer that is no longer the
  one writer, after its connection to the server was lost, cannot write over another's log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from isojoule.apps.ledger.alone import post_alone
from isojoule.apps.ledger.checkpoints import CHECKPOINT_EVERY, checkpoint_row
from isojoule.apps.ledger.database import (
    altered,
    begin_statement,
    failed,
    is_conflict,
    is_gone,
    lock_session,
    pipelined,
    prepare,
    writing_engine,
)
from isojoule.apps.ledger.draft import Draft, State
from isojoule.apps.ledger.gather import Waiting
from isojoule.apps.ledger.lookups import Accounts, DatabaseLookups
from isojoule.apps.ledger.opening import check_tables, create_tables, read_state
from isojoule.apps.ledger.rows import Row
from isojoule.apps.ledger.statements import Statements, send
from isojoule.apps.ledger.urls import Place
from isojoule.core.checkpoint import Signer
from isojoule.core.errors import IsojouleError, StorageError, VerificationError
from isojoule.core.frontier import Frontier
from isojoule.core.transfer import Transfer
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.balance import Balance

T = TypeVar("T")
_TRIES = 4
_OF_THE_REQUEST = (IsojouleError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What a malformed request may raise while it is decided; others of its group are not touched."""


class Request(Generic[T]):
    """What is asked of a ledger, and the answer."""

    __slots__ = ("answer", "decide", "now_ns", "only")

    def __init__(
        self, decide: Callable[[Draft], T], only: Transfer | None = None, now_ns: int = 0
    ) -> None:
        self.decide = decide
        self.only = only
        """If it posts one transfer, that; and when."""
        self.now_ns = now_ns
        self.answer: T | None = None


class Writer:
    """Writes to one ledger. Not for several threads at once; see `gather.py`."""

    def __init__(self, place: Place, signer: Signer) -> None:
        self._place = place
        self._signer = signer
        self._engine = writing_engine(place)
        self._errors = self._engine.dialect.loaded_dbapi.Error
        self._integrity = self._engine.dialect.loaded_dbapi.IntegrityError
        self._statements = Statements(self._engine)
        self._begin = begin_statement(self._engine)
        self._known = Accounts()
        self._connection: Connection | None = None
        self._lookups = DatabaseLookups(self._connected, self._known)
        self._raw: Any = None
        self._state: State | None = None
        self._origin = ""
        self._exact = False

    def open(self, *, origin: str, create: bool) -> None:
        """Connect, make the tables if there are none, and read where the log ends.

        Raises
        ------
        InputError
            This is no ledger, or another version's; another writer has it; it is not this key's.
        """
        try:
            connection = self._connect()
            prepare(connection, self._place)
            if create:
                create_tables(connection, self._statements, self._signer, origin)
            self._ready()
        except (DBAPIError, self._errors, UnicodeDecodeError) as error:
            self.disconnect()
            raise failed(error, self._place) from error
        except BaseException:
            self.disconnect()
            raise

    def write(self, group: Sequence[Waiting[Request[Any]]]) -> None:
        """Decide on requests in their order, and commit what they do."""
        exact = self._exact
        for turn in range(1, _TRIES + 1):
            try:
                self._exact = self._try(group, exact=exact)
            except (DBAPIError, self._errors, UnicodeDecodeError) as error:
                cause = (error.orig if isinstance(error, DBAPIError) else None) or error
                taken = isinstance(cause, self._integrity)
                gone = is_gone(self._raw)
                self._take_back(disconnect=gone or (self._place.file is not None and not taken))
                if exact or not taken:  # else all that is remembered still holds
                    self._state = None
                if turn == _TRIES or not (taken or gone or is_conflict(cause)):
                    raise failed(cause, self._place) from error
                exact = True
            except BaseException:
                self._take_back(disconnect=True)
                raise
            else:
                return

    def post_alone(self, transfer: Transfer, now_ns: int) -> list[Answer] | None:
        """Post one transfer, if it is plain and all it needs is remembered (`alone.py`).

        None: nothing was done, or it is not known what, since the database failed. Then `write` has
        to answer, which looks its id up.
        """
        if self._state is None or self._exact:
            return None
        try:
            return self._alone(self._state, transfer, now_ns)
        except (self._errors, UnicodeDecodeError):
            self._take_back(disconnect=True)
            self._exact = True
            return None
        except BaseException:
            self._take_back(disconnect=True)
            raise

    def _alone(self, state: State, t: Transfer, now_ns: int) -> list[Answer] | None:
        try:
            at_ns = post_alone(state, t, now_ns, self._send_alone)
        except _OF_THE_REQUEST:
            return None  # the draft tells it
        return None if at_ns is None else [Answer(Status.CREATED, at_ns)]

    def _take_back(self, *, disconnect: bool) -> None:
        """Roll back what is not committed."""
        if self._connection is None:
            return
        try:
            self._raw.rollback()
        except self._errors:
            disconnect = True
        if disconnect:
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection, and with it, on PostgreSQL, the lock."""
        connection, self._connection, self._raw = self._connection, None, None
        self._state = None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except (DBAPIError, self._errors):
                pass

    # --- one transaction --------------------------------------------------------------------

    def _try(self, group: Sequence[Waiting[Request[Any]]], *, exact: bool) -> bool:
        """Write a group. Returns whether something was asked for that was written before."""
        state = self._state if self._connection is not None else None
        if state is None:
            state = self._ready()
        if len(group) == 1 and not exact and (only := group[0].what.only) is not None:
            request = group[0].what
            request.answer = self._alone(state, only, request.now_ns)
            if request.answer is not None:
                return False
        draft = Draft(state, self._lookups, exact=exact)
        for waiting in group:
            request = waiting.what
            waiting.error = None
            try:
                request.answer = request.decide(draft)
            except VerificationError as error:
                waiting.error = altered(error, self._place)
            except _OF_THE_REQUEST as error:
                waiting.error = error
        behind = draft.size - state.checkpointed
        sign = behind >= CHECKPOINT_EVERY or (draft.signing and behind > 0)
        if draft.leaves or sign:
            self._keep(draft, state, sign=sign)
        else:
            self._raw.rollback()  # nothing but reading
            state.clock_ns = draft.clock_ns
        return draft.repeated

    def _keep(self, draft: Draft, state: State, *, sign: bool) -> None:
        """Send and commit all of it, then remember it."""
        frontier = state.frontier.extend(draft.leaves)
        signed: Row = ()
        if sign:
            signed = checkpoint_row(state.checkpoints + 1, frontier, self._origin, self._signer)
        count = state.checkpoints + bool(signed)
        head = (state.frontier.size, frontier.size, frontier.to_bytes(), draft.written_ns, count)
        sql, raw = self._statements, self._raw
        fresh, moved = self._balance_rows(draft, state)
        with pipelined(raw):
            cursor = raw.cursor()
            if self._begin:
                cursor.execute(self._begin)
            if draft.account_rows:
                send(cursor, sql.insert_account, draft.account_rows)
                send(cursor, sql.insert_balance, fresh)
            send(cursor, sql.insert_transfer, draft.transfer_rows)
            if draft.pending_rows or draft.end_rows:
                send(cursor, sql.insert_pending, draft.pending_rows)
                send(cursor, sql.end_pending, draft.end_rows)
            send(cursor, sql.update_balance, moved)
            if signed:
                cursor.execute(sql.insert_checkpoint, signed)
            cursor.execute(sql.update_meta, head)
            cursor.execute("COMMIT")
        self._remember(draft, state, frontier)
        if signed:
            state.checkpoints, state.checkpointed = count, frontier.size

    def _send_alone(self, row: Row, debits: int, got: int, head: Row) -> None:
        """Send and commit one plain transfer, which moves one total of each of its accounts."""
        sql, raw = self._statements, self._raw
        if sql.alone is not None:
            raw.execute(sql.alone.insert, (*row, str(debits), str(got), *head))
            return
        with pipelined(raw):
            cursor = raw.cursor()
            cursor.execute(sql.insert_transfer, row)
            cursor.execute(sql.update_debits, (debits, row[2]))
            cursor.execute(sql.update_credits, (got, row[3]))
            cursor.execute(sql.update_meta, head)
            cursor.execute("COMMIT")

    def _balance_rows(self, draft: Draft, state: State) -> tuple[list[Row], list[Row]]:
        """Balances of accounts that are new, and of those that are there."""
        total, known, opened = self._statements.total, state.accounts, draft.opened
        fresh: list[Row] = []
        moved: list[Row] = []
        for number, balance in draft.touched.items():
            if number not in opened:
                moved.append((*map(total, balance), known[number][0]))
        for number, (seq, _) in opened.items():
            fresh.append((seq, *map(total, draft.touched.get(number, Balance()))))
        return fresh, moved

    def _remember(self, draft: Draft, state: State, frontier: Frontier) -> None:
        state.frontier = frontier
        state.clock_ns, state.written_ns = draft.clock_ns, draft.written_ns
        state.accounts.update(draft.opened)
        state.balances.update(draft.touched)
        state.next_due_ns = draft.due_ns
        state.shrink()

    # --- the connection ---------------------------------------------------------------------

    def _connected(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def _connect(self) -> Connection:
        if self._connection is None:
            connection = self._engine.connect()
            try:
                if self._place.file is None:
                    lock_session(connection, self._place)
                    connection.commit()
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            self._connection = connection
            self._raw = connection.connection.dbapi_connection
            if self._statements.alone is not None:
                for statement in self._statements.alone.setup:
                    self._raw.execute(statement)
        return self._connection

    def _ready(self) -> State:
        """Connected, with the end of the log read from the database."""
        connection = self._connect()
        if self._state is None:
            check_tables(connection, self._place)
            self._state, self._origin = read_state(connection, self._place, self._signer)
            self._raw.rollback()  # on PostgreSQL, what is read next is read as it is then
        return self._state


def closed(place: Place) -> StorageError:
    """What a ledger answers that was closed."""
    return StorageError("was closed", place=place.text, remedy="open it again")
