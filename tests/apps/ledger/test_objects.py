"""What stands in a ledger's file or schema besides its rows. docs/ledger.md."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from isojoule.apps.ledger import open_ledger, verify_ledger
from isojoule.core.errors import VerificationError
from tests.apps.ledger.conftest import NewUrl
from tests.apps.ledger.some import fill
from tests.apps.ledger.tamper import Hand


@pytest.fixture
def full(url: str) -> str:
    with open_ledger(url) as ledger:
        fill(ledger)
    return url


def found(url: str, *statements: str) -> str:
    """What `verify` says after another hand was in the database."""
    for statement in statements:
        assert Hand(url).do(lambda c, s=statement: c.execute(text(s)))  # type: ignore[misc]
    with pytest.raises(VerificationError) as told:
        verify_ledger(url)
    return f"{told.value.place}: {told.value.message}"


def test_a_foreign_trigger_is_told(full: str) -> None:
    if full.endswith(".db"):
        told = found(
            full,
            "CREATE TRIGGER thief AFTER INSERT ON transfers BEGIN "
            "UPDATE balances SET credits = 9 WHERE account = 0; END",
        )
    else:
        told = found(
            full,
            "CREATE FUNCTION thief() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql",
            "CREATE TRIGGER thief BEFORE INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION thief()",
        )
    assert told.startswith("trigger thief of transfers: does not belong")
    assert "can alter what is written next" in told and "all rows were found right" in told


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE TABLE more (a INTEGER)", "table more: does not belong"),
        ("CREATE VIEW seen AS SELECT amount FROM transfers", "view seen: does not belong"),
        ("CREATE INDEX mine ON transfers (at_ns)", "index mine of transfers: does not belong"),
        ("DROP INDEX ix_transfers_debit", "index ix_transfers_debit of transfers: is missing"),
        ("DROP INDEX pendings_due", "index pendings_due of pendings: is missing"),
    ],
)
def test_an_object_too_many_or_too_few_is_told(full: str, statement: str, told: str) -> None:
    assert found(full, statement).startswith(told)


def test_a_column_more_is_told(full: str) -> None:
    told = found(full, "ALTER TABLE accounts ADD COLUMN note TEXT")
    assert told.startswith(("table accounts: was altered", "column note of accounts: does not"))


def test_an_index_that_does_not_hold_what_its_table_does(new_sqlite: NewUrl) -> None:
    """What SQLite says alone helps nobody: whose index it is, what of the rows, and what to do."""
    url = new_sqlite()
    with open_ledger(url) as ledger:
        fill(ledger)
    both = "name IN ('ix_transfers_debit', 'ix_transfers_credit')"
    pages = f"(SELECT sum(rootpage) FROM sqlite_master WHERE {both})"

    def swap(connection: Connection) -> None:
        connection.execute(text("PRAGMA writable_schema = ON"))
        connection.execute(
            text(f"UPDATE sqlite_master SET rootpage = {pages} - rootpage WHERE {both}")
        )

    assert Hand(url).do(swap)
    told = found(url)
    assert told.startswith("index of transfers by") and "all rows were found right" in told
    assert "REINDEX" in told and "(SQLite: " in told


def test_a_table_that_is_not_strict_any_more_is_told(new_sqlite: NewUrl) -> None:
    url = new_sqlite()
    with open_ledger(url) as ledger:
        fill(ledger)

    def lax(connection: Connection) -> None:
        connection.execute(text("PRAGMA writable_schema = ON"))
        connection.execute(
            text("UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '') WHERE name = 'meta'")
        )

    assert Hand(url).do(lax)
    assert found(url).startswith("table meta: was altered")
