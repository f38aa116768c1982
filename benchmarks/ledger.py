"""How fast a ledger that is kept writes, beside plain inserts into a table of the same shape.

Both write the same rows, durably, with the same settings of the database, in turns: a batch of the
one, then of the other. Plain inserts are the driver's own `executemany` into the ledger's table of
transfers, with its indexes and references, and a commit. Beyond that, the ledger decides on each
transfer by its rules, keeps balances, and appends to the tree.
"""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from uuid import uuid4

from benchmarks.subjects import Data, Say
from benchmarks.tables import count, percent, seconds, table
from isojoule.apps.ledger import open_ledger
from isojoule.apps.ledger.database import begin_statement, pipelined, prepare, writing_engine
from isojoule.apps.ledger.rows import account_entry, account_row, id_bytes, transfer_rows
from isojoule.apps.ledger.schema import tables
from isojoule.apps.ledger.statements import Statements, send
from isojoule.apps.ledger.urls import place_of
from isojoule.core.transfer import Account, Transfer, transfer_bytes

TITLE = "A ledger that is kept"
ACCOUNTS = 200
BATCH = 1000
ROUNDS, ROUNDS_ALONE = 60, 600
SEED = 1
REACH = {"batch": 0.60, "alone": 0.75}
AIM = {"batch": 0.80, "alone": 0.85}
"""Shares of the rate of plain inserts wanted."""
SERVER = "ISOJOULE_TEST_POSTGRES"
"""Environment variable that names a server of PostgreSQL to measure on, too."""


class Pair(NamedTuple):
    """Seconds of one round: plain, and the ledger's."""

    plain_s: float
    ledger_s: float


def measure(quick: bool, say: Say) -> Data:
    """On SQLite, and on PostgreSQL if there is a server."""
    rows = []
    rounds = (3, 20) if quick else (ROUNDS, ROUNDS_ALONE)
    with tempfile.TemporaryDirectory() as folder:
        say("SQLite")
        rows += _rows("SQLite", lambda: str(Path(folder) / f"{uuid4().hex}.db"), folder, rounds)
        server = os.environ.get(SERVER, "")
        if server:
            say("PostgreSQL")
            with _schemas(server) as new:
                rows += _rows("PostgreSQL", new, folder, rounds)
    return {"rows": rows, "accounts": ACCOUNTS, "batch": BATCH}


def _rows(name: str, new: Callable[[], str], folder: str, rounds: tuple[int, int]) -> list[Data]:
    out = []
    key = Path(folder) / f"{name}.key"
    for what, size, times in (("batch", BATCH, rounds[0]), ("alone", 1, rounds[1])):
        pairs = _race(new(), new(), key, size, times)
        plain_s, ledger_s = (median(p[side] for p in pairs) for side in (0, 1))
        share = median(p.plain_s / p.ledger_s for p in pairs)
        out.append(
            {
                "database": name,
                "what": what,
                "size": size,
                "plain_s": plain_s,
                "ledger_s": ledger_s,
                "share": share,
                "reach": REACH[what],
                "aim": AIM[what],
            }
        )
    return out


def _race(plain: str, kept: str, key: Path, size: int, rounds: int) -> list[Pair]:
    """Write batches in turns; the first tenth does not count."""
    accounts = [Account(f"member/{i}", "EUR") for i in range(ACCOUNTS)]
    batches = _batches(accounts, size, rounds + rounds // 10 + 1)
    pairs = []
    with open_ledger(kept, key=key) as ledger, _Plain(plain, accounts) as table_alone:
        ledger.open_accounts(accounts, 1)
        for number, batch in enumerate(batches):
            rows = table_alone.rows_of(batch)
            start = time.perf_counter()
            table_alone.insert(rows)
            middle = time.perf_counter()
            answers = ledger.post(batch, 1)
            end = time.perf_counter()
            assert answers[-1].status.value == "created"
            if number > rounds // 10:
                pairs.append(Pair(middle - start, end - middle))
    return pairs


def _batches(accounts: Sequence[Account], size: int, many: int) -> list[list[Transfer]]:
    rng = random.Random(SEED)
    ids = [account.id for account in accounts]
    out = []
    for _ in range(many):
        batch = []
        for _ in range(size):
            debit, credit = rng.sample(ids, 2)
            number = rng.getrandbits(128) or 1
            batch.append(
                Transfer(number, debit, credit, 1 + rng.getrandbits(40), ref=rng.randbytes(32))
            )
        out.append(batch)
    return out


class _Plain:
    """The ledger's tables, and nothing but inserts into one of them."""

    def __init__(self, url: str, accounts: Sequence[Account]) -> None:
        place = place_of(url)
        engine = writing_engine(place)
        self._connection = engine.connect()
        prepare(self._connection, place)
        tables.create_all(self._connection)
        self._connection.commit()
        self._raw: Any = self._connection.connection.dbapi_connection
        self._statements = Statements(engine)
        self._begin = begin_statement(engine)
        self._size = len(accounts)
        self._seqs = {id_bytes(account.id): seq for seq, account in enumerate(accounts)}
        cursor = self._raw.cursor()
        rows = [account_row(s, a, 1, account_entry(a, 1)) for s, a in enumerate(accounts)]
        send(cursor, self._statements.insert_account, rows)
        self._raw.commit()

    def rows_of(self, batch: Sequence[Transfer]) -> list[Any]:
        rows = transfer_rows(self._size, map(transfer_bytes, batch), self._seqs)
        self._size += len(rows)
        return rows

    def insert(self, rows: Sequence[Any]) -> None:
        with pipelined(self._raw):  # PostgreSQL then answers once, as it does to the ledger
            cursor = self._raw.cursor()
            if self._begin:
                cursor.execute(self._begin)
            send(cursor, self._statements.insert_transfer, rows)
            cursor.execute("COMMIT")

    def __enter__(self) -> _Plain:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()


@contextlib.contextmanager
def _schemas(server: str) -> Iterator[Callable[[], str]]:
    import psycopg

    made: list[str] = []
    with psycopg.connect(server, autocommit=True) as connection:

        def new() -> str:
            made.append(f"bench_{uuid4().hex}")
            connection.execute(f"CREATE SCHEMA {made[-1]}")
            return f"{server}?options=-csearch_path%3D{made[-1]}"

        try:
            yield new
        finally:
            for schema in made:
                connection.execute(f"DROP SCHEMA {schema} CASCADE")


def page(data: Data) -> str:
    """The table of shares."""
    rows = [
        [
            f"{r['database']}, {count(r['size'])} at a time",
            seconds(r["plain_s"]),
            seconds(r["ledger_s"]),
            count(r["size"] / r["ledger_s"]),
            percent(r["share"]),
            percent(r["reach"]),
            percent(r["aim"]),
        ]
        for r in data["rows"]
    ]
    heads = ["", "plain inserts", "ledger", "transfers/s", "of plain", "reach", "aim"]
    return f"""\
A [ledger in a database](ledger.md) writes durably: a transfer is acknowledged once it is on the
disk. Beside it, the same rows go into a table of the same shape, with the same indexes, references
and settings, by the driver's `executemany` and a commit; in turns, so that both see the same disk.
Transfers run between {data["accounts"]} accounts. The ledger also decides on each, keeps balances,
and appends to the tree.

{table(heads, rows)}
"""
