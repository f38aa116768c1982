"""Any bit of a ledger's file: what reads otherwise is named, and nothing ends in a traceback.

docs/ledger.md, "What `verify` checks".
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from isojoule.apps.ledger import open_ledger, read_ledger, verify_ledger
from isojoule.apps.ledger.schema import tables
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.beancount import beancount_lines
from tests.apps.ledger.some import SECOND, contents, fill, pay

TURNS = 75
Stored = dict[str, dict[Any, list[tuple[Any, ...]]]]
KEYS = {name: next(iter(table.primary_key)).name for name, table in tables.tables.items()}


def stored(file: Path) -> Stored:
    """All values of all rows, by table and key, with text as its bytes."""
    connection = sqlite3.connect(file)
    connection.text_factory = bytes
    found: Stored = {name: {} for name in tables.tables}
    try:
        for name, rows in found.items():
            for row in connection.execute(f"SELECT * FROM {name} NOT INDEXED ORDER BY rowid"):
                rows.setdefault(row[0], []).append(row)
        return found
    finally:
        connection.close()


def dense(file: Path) -> bytes:
    """A ledger in small pages, of which few bytes mean nothing."""
    with open_ledger(str(file)) as ledger:
        fill(ledger)
        ledger.checkpoint()
        ledger.post([pay(20)], 7 * SECOND)
    connection = sqlite3.connect(file)
    for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 512", "VACUUM"):
        connection.execute(statement)
    connection.close()
    verify_ledger(str(file))
    return file.read_bytes()


def told(ask: Callable[[], object]) -> str:
    """What a check names: the place and the message; "" if it finds nothing."""
    try:
        ask()
    except VerificationError as error:
        return f"{error.place}: {error.message}"
    except InputError as error:
        return f"input: {error.message}"
    return ""


def names(found: str, table: str, key: object) -> bool:
    """Whether a message names a row, or a table whose very definition is another."""
    place, _, message = found.partition(": ")
    if table == "meta" and ("meta" in place or re.search("version|`meta`", message)):
        return True
    numbers = re.findall(r"\d+", place)
    return (place.startswith(table) and str(key) in numbers) or place == f"table {table}"


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_is_named_or_changes_nothing(tmp_path: Path, seed: int) -> None:
    """300 in all; every other command says what to do."""
    data = dense(tmp_path / "a.db")
    truth, random = stored(tmp_path / "a.db"), Random(seed)
    read_otherwise = 0
    for turn in range(TURNS):
        at, bit = random.randrange(len(data)), random.randrange(8)
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        copy = tmp_path / f"{turn}.db"
        copy.write_bytes(flipped)
        found = told(partial(verify_ledger, str(copy)))
        others = altered_rows(truth, copy)
        read_otherwise += bool(others)
        assert found or others == [], (at, bit)
        assert not others or any(names(found, *row) for row in others), (at, bit, others, found)
        use = (_read, _write)[turn % 2]
        said = told(partial(use, copy, tmp_path / "a.db.key"))
        assert said == "" or said.startswith("input: "), (at, bit, said)
        assert found or not said, (at, bit, said)
    assert read_otherwise > 5


def altered_rows(truth: Stored, file: Path) -> list[tuple[str, Any]] | None:
    """Tables and keys of rows that read otherwise; None: they cannot be read."""
    try:
        now = stored(file)
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    return [
        (name, key)
        for name, rows in truth.items()
        for key in rows.keys() | now[name].keys()
        if rows.get(key) != now[name].get(key)
    ]


def _read(file: Path, key: Path) -> None:
    with read_ledger(str(file)) as ledger:
        contents(ledger)  # type: ignore[arg-type]
        list(ledger.entries())
        list(beancount_lines(ledger))


def _write(file: Path, key: Path) -> None:
    with open_ledger(str(file), key=key, create=False) as ledger:
        ledger.post([pay(30), pay(3, 7, code=9, for_s=-4)], 2**60)
        ledger.expire(2**61)
