"""What the writer says to the database, compiled once by SQLAlchemy, sent by the driver.

One transfer is written in the time of a few Python calls; what SQLAlchemy does around each
statement would cost more than the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine, Executable, bindparam, case, insert, null, update

from isojoule.apps.ledger.rows import Row
from isojoule.apps.ledger.schema import (
    accounts,
    balances,
    checkpoints,
    meta,
    pendings,
    transfers,
)


class Statements:
    """The statements of an engine; rows are tuples in the order that each names."""

    def __init__(self, engine: Engine) -> None:
        def sql(statement: Executable) -> str:
            return str(statement.compile(engine))  # type: ignore[attr-defined]

        self.insert_account = sql(insert(accounts))
        self.insert_balance = sql(insert(balances))
        self.insert_transfer = sql(insert(transfers))
        self.insert_pending = sql(insert(pendings))
        self.insert_checkpoint = sql(insert(checkpoints))
        self.update_balance = sql(
            update(balances)
            .values(
                {c.name: bindparam(f"new_{c.name}", type_=c.type) for c in list(balances.c)[1:]}
            )
            .where(balances.c.account == bindparam("at"))
        )
        """Four totals, account."""
        self.update_debits, self.update_credits = (
            sql(
                update(balances)
                .values({column.name: bindparam("new", type_=column.type)})
                .where(balances.c.account == bindparam("at"))
            )
            for column in (balances.c.debits, balances.c.credits)
        )
        """One total, account."""
        self.end_pending = sql(
            update(pendings)
            .values(ended=bindparam("kind"), ended_by=bindparam("seq_of_end"))
            .where(pendings.c.seq == bindparam("at"))
        )
        """Kind, `seq` of what ended it, `seq`."""
        unchanged = meta.c.size == bindparam("before")
        self.update_meta = sql(
            update(meta).values(
                size=case((unchanged, bindparam("after", type_=meta.c.size.type)), else_=null()),
                frontier=bindparam("new_frontier"),
                clock_ns=bindparam("new_clock"),
                checkpoints=bindparam("new_checkpoints"),
            )
        )
        """Size before, size after, frontier, clock, checkpoints.

        If the size is another than the writer believes, it becomes NULL, which is refused: whoever
        writes without being the one writer does no harm.
        """
        self.alone = AloneOnSqlite() if engine.name == "sqlite" else None
        """One plain transfer in one statement, which is one transaction, where that is quicker."""
        self.total: Callable[[int], Any] = str if engine.name == "sqlite" else int
        """A total as `Total` binds it, without SQLAlchemy's layers around that."""


class AloneOnSqlite:
    """One plain transfer with all that follows from it, as one statement without BEGIN and COMMIT.

    On SQLite each statement costs as much in Python as in the database. So the writer's connection
    has a view of its own that takes a row of a transfer, followed by the totals of its debit and of
    its credit account, and what `update_meta` takes; a trigger does the rest.

    Attributes
    ----------
    setup
        Statements that make view and trigger, for one connection.
    insert
        The statement.
    """

    def __init__(self) -> None:
        columns = [column.name for column in transfers.c]
        more = ("debits", "credits", "before", "after", "frontier", "clock", "checkpoints")
        values = ", ".join(f"NEW.t_{name}" for name in columns)
        names = [*(f"t_{name}" for name in columns), *more]
        view = ", ".join(f"NULL AS {name}" for name in names)
        trigger = (
            "CREATE TEMP TRIGGER alone_in INSTEAD OF INSERT ON alone BEGIN "
            f"INSERT INTO transfers VALUES ({values}); "
            "UPDATE balances SET debits = NEW.debits WHERE account = NEW.t_debit; "
            "UPDATE balances SET credits = NEW.credits WHERE account = NEW.t_credit; "
            "UPDATE meta SET size = CASE WHEN size = NEW.before THEN NEW.after END, "
            "frontier = NEW.frontier, clock_ns = NEW.clock, checkpoints = NEW.checkpoints; END"
        )
        self.setup = (f"CREATE TEMP VIEW alone AS SELECT {view}", trigger)
        self.insert = f"INSERT INTO alone VALUES ({', '.join('?' * len(names))})"


def send(cursor: Any, statement: str, rows: Sequence[Row]) -> None:
    """Send a statement once for each row."""
    if len(rows) > 2:
        cursor.executemany(statement, rows)
        return
    for row in rows:
        cursor.execute(statement, row)
