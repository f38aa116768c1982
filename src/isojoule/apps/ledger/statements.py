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
        self.total: Callable[[int], Any] = str if engine.name == "sqlite" else int
        """A total as `Total` binds it, without SQLAlchemy's layers around that."""


def send(cursor: Any, statement: str, rows: Sequence[Row]) -> None:
    """Send a statement once for each row."""
    if len(rows) > 2:
        cursor.executemany(statement, rows)
        return
    for row in rows:
        cursor.execute(statement, row)
