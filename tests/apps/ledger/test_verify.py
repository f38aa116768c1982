"""Whatever is altered is found, and the row is named. docs/spec/ledger.md, J16; docs/ledger.md."""

from __future__ import annotations

import re
import shutil
import sqlite3
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update

from isojoule.apps.ledger import open_ledger, read_ledger, verify_ledger
from isojoule.apps.ledger.rows import transfer_rows
from isojoule.apps.ledger.schema import accounts, balances, checkpoints, meta, tables, transfers
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.transfer import Transfer, transfer_bytes
from tests.apps.ledger.conftest import NewUrl
from tests.apps.ledger.some import ACCOUNTS, SECOND, contents, fill, pay
from tests.apps.ledger.tamper import Hand, alterations, altered, key_of, where


@pytest.fixture
def full(url: str) -> str:
    """A ledger with something of everything, and three checkpoints."""
    with open_ledger(url) as ledger:
        fill(ledger)
        ledger.checkpoint()
        ledger.post([pay(20)], 7 * SECOND)
    verify_ledger(url)
    return url


def names(found: str, table: str, *keys: object) -> bool:
    """Whether a message names a row by its table, or by its place in the log, or meta."""
    place = found.partition(": ")[0]
    if table == "meta":
        return "meta" in place
    numbers = set(map(int, re.findall(r"\d+", place)))
    return bool(numbers & set(keys)) and (place.startswith((table, "seq ")))


@pytest.mark.slow
def test_one_altered_bit_anywhere_is_found_and_named(full: str) -> None:
    """Every column of every row of every table, integers by low and high bits.

    On the server, which is slower, every third of these.
    """
    hand = Hand(full)
    count = refused = 0
    step = 1 if full.endswith(".db") else 3
    for what, table, row, change in islice(alterations((0, 7, 40), hand), 0, None, step):
        before = hand.rows(table)
        if not hand.do(change):
            refused += 1  # by the database itself: a key twice, a number out of its range
            continue
        found = hand.found()
        key = next(iter(key_of(table, row).values()))
        new = what.rpartition("=")[2]
        assert found, f"{what} was not found"
        keys = (key, int(new)) if new.lstrip("-").isdigit() else (key,)
        assert names(found, table.name, *keys), f"{what}: {found}"
        hand.restore(table, before)
        count += 1
    assert count > 250 and refused < count / 5
    assert hand.found() == ""


def test_rows_removed_are_found_and_named(full: str) -> None:
    hand = Hand(full)
    for table in tables.sorted_tables:
        before = hand.rows(table)
        for row in before:
            assert hand.do(lambda c, t=table, r=row: c.execute(delete(t).where(where(t, r))))  # type: ignore[misc]
            found = hand.found()
            assert found and names(found, table.name, *key_of(table, row).values()), (row, found)
            hand.restore(table, before)
    assert hand.found() == ""


def test_rows_added_are_found_and_named(full: str) -> None:
    """Copies of rows under a new key: behind the end of the log, and beside what belongs there."""
    hand = Hand(full)
    size = verify_ledger(full).size
    for table in tables.sorted_tables:
        before = hand.rows(table)
        for row in before:
            (key,) = (c.name for c in table.primary_key)
            new = {**row, key: 4 if table is checkpoints else size}
            if "id" in new:
                new["id"] = b"\xfe" * 16
            done = hand.do(lambda c, t=table, r=new: c.execute(insert(t), r))  # type: ignore[misc]
            assert done or table is meta  # of which there can be but one row
            found = hand.found() if done else "meta"
            assert found and names(found, table.name, new[key]), (new, found)
            hand.restore(table, before)
    assert hand.found() == ""


def test_rows_swapped_are_found_and_named(full: str) -> None:
    hand = Hand(full)
    swapped = 0
    for table in tables.sorted_tables:
        before = hand.rows(table)
        (key,) = (c.name for c in table.primary_key)
        for one, other in pairwise(before):
            if {**one, key: 0} == {**other, key: 0}:
                continue
            both = [{**one, key: other[key]}, {**other, key: one[key]}]
            rows = [r for r in before if r not in (one, other)] + both
            hand.restore(table, rows)
            found = hand.found()
            assert found and names(found, table.name, one[key], other[key]), (one, found)
            hand.restore(table, before)
            swapped += 1
    assert swapped > 20 and hand.found() == ""


@pytest.mark.parametrize("forged", ["amount", "ref", "last"])
def test_who_mends_the_check_sum_is_found_by_the_tree(full: str, forged: str) -> None:
    """The entry cannot be named then; the entries between two checkpoints are."""
    hand = Hand(full)
    rows = hand.rows(transfers)
    row = rows[-1] if forged == "last" else next(r for r in rows if r["code"] == 9)
    with read_ledger(full) as reader:
        transfer = next(t for seq, t in reader.placed() if seq == row["seq"])
    if forged == "ref":
        transfer = transfer._replace(ref=b"\3" * 32)
    seqs = {r["id"]: r["seq"] for r in hand.rows(accounts)}
    amount = transfer.amount + (forged != "ref")
    data = transfer_bytes(transfer._replace(amount=amount))
    new = dict(zip(row, transfer_rows(row["seq"], [data], seqs)[0], strict=True))
    assert hand.do(lambda c: _put(c, new))
    found = hand.found()
    first, last = map(int, re.findall(r"\d+", found)[:2])
    assert "signed another root" in found and first <= row["seq"] <= last
    # what lies behind the last checkpoint is hashed before anything is written on top
    assert hand.do(lambda c: c.execute(delete(checkpoints).where(checkpoints.c.number > 1)))
    with pytest.raises(InputError, match="was altered"):
        open_ledger(full)


def _put(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(update(transfers).where(transfers.c.seq == row["seq"]).values(row))


def test_entries_that_break_a_rule_are_named_though_all_hashes_fit(full: str) -> None:
    """A log that was made without the rules, signed and all: applying it again finds it out."""
    broken = {
        "has not so much left": Transfer(50, ACCOUNTS[4].id, ACCOUNTS[1].id, 51),
        "out of its range: amount": pay(51, 0),
        "different units": Transfer(52, ACCOUNTS[0].id, ACCOUNTS[3].id, 1),
        "earlier than": pay(54, at_ns=5 * SECOND),
        "linked to nothing": pay(55, linked=True),
    }
    hand = Hand(full)
    before = {table: hand.rows(table) for table in tables.sorted_tables}
    for words, bad in broken.items():
        _forge(full, bad if bad.at_ns else bad._replace(at_ns=8 * SECOND))
        found = hand.found()
        assert found.startswith("transfers, seq 20") and words in found, (words, found)
        for table in reversed(before):
            assert hand.do(lambda c, t=table: c.execute(delete(t)))  # type: ignore[misc]
        for table, rows in before.items():
            hand.restore(table, rows)
        assert hand.found() == ""


def _forge(url: str, transfer: Transfer) -> None:
    """Append what the rules would refuse, with hashes and signature in order."""
    from isojoule.apps.ledger.draft import Draft
    from isojoule.settlement.ledger.answers import Answer, Status
    from isojoule.settlement.ledger.rules import Effects

    with open_ledger(url) as ledger:

        def decide(draft: Draft) -> None:
            known = draft.balances({transfer.debit, transfer.credit})
            debit, credit = known[transfer.debit], known[transfer.credit]
            moved = {
                transfer.debit: debit._replace(debits=debit.debits + transfer.amount),
                transfer.credit: credit._replace(credits=credit.credits + transfer.amount),
            }
            answer = Answer(Status.CREATED, transfer.at_ns)
            draft._take(Effects([answer], [transfer], moved, {}, transfer.at_ns))

        ledger._ask(decide)


def test_text_that_means_the_same_is_not_the_same(new_sqlite: NewUrl) -> None:
    """On SQLite totals are decimal text, and there is one text of a number."""
    url = new_sqlite()
    with open_ledger(url) as ledger:
        fill(ledger)
    hand = Hand(url)
    before = hand.rows(balances)
    for text in ("0" + str(before[0]["credits"]), " 0", "+0", "0.0", "-0"):
        with sqlite3.connect(url) as connection:
            connection.execute("UPDATE balances SET credits = ? WHERE account = 0", (text,))
        assert hand.found().startswith("balances, account 0"), text


def test_a_flipped_byte_of_the_file_is_found_or_changes_nothing(
    new_sqlite: NewUrl, tmp_path: Path
) -> None:
    """Bytes of pages: of tables and indexes, their headers, what is free."""
    url = new_sqlite()
    with open_ledger(url) as ledger:
        fill(ledger)
        truth = contents(ledger)
    random = Random(1)
    data = Path(url).read_bytes()
    copy = tmp_path / "flipped.db"
    shutil.copy(f"{url}.key", f"{copy}.key")
    found = 0
    for _ in range(400):
        at, bit = random.randrange(len(data)), random.randrange(8)
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        copy.write_bytes(flipped)
        for ending in ("-wal", "-shm"):
            Path(f"{copy}{ending}").unlink(missing_ok=True)
        try:
            verify_ledger(str(copy))
        except (VerificationError, InputError):
            found += 1
            continue
        with read_ledger(str(copy)) as reader:
            assert contents(reader) == truth, (at, bit)  # type: ignore[arg-type]
    assert found > 20  # most of the pages of so small a ledger is free


def test_the_key_can_be_asked_for(full: str, new_url: NewUrl, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = verify_ledger(full, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (found.size, found.size)
    assert verify_ledger(full, public_key=found.public_key) == found
    other = new_url()
    with open_ledger(other, key=tmp_path / "other.key") as ledger:
        fill(ledger)
    with pytest.raises(VerificationError, match="not the key given"):
        verify_ledger(other, public_key=found.public_key)
    with pytest.raises(InputError, match="is no text"):
        verify_ledger(other, public_key="nonsense")


def test_a_ledger_without_entries_holds(url: str) -> None:
    with open_ledger(url):
        pass
    found = verify_ledger(url)
    assert (found.size, found.accounts, found.transfers, found.checkpoints) == (0, 0, 0, 1)


def test_a_checkpoint_of_another_ledger_is_named(full: str, new_url: NewUrl) -> None:
    """Also one that the same key signed."""
    hand = Hand(full)
    other = new_url()
    with open_ledger(other, key=_key(full), origin="elsewhere") as ledger:
        fill(ledger)
        ledger.checkpoint()
    stranger = Hand(other).rows(checkpoints)[1]
    stored = hand.rows(checkpoints)[1]
    new = {**stored, "note": stranger["note"]}
    hand.do(lambda c: c.execute(update(checkpoints).where(where(checkpoints, stored)).values(new)))
    assert hand.found().startswith("checkpoints, number 2")
    hand.do(lambda c: c.execute(update(meta).values(origin="elsewhere")))
    assert hand.found().startswith("meta, origin")


def _key(url: str) -> Path | None:
    return Path(f"{url}.key") if url.endswith(".db") else None


def test_altered_turns_over_one_bit() -> None:
    assert altered(5, 0) == 4 and altered(b"\0\0", 9) == b"\0\2" and altered("ab", 1) == "ac"


def test_a_checkpoint_kept_elsewhere_shows_an_end_that_was_taken_off(
    new_sqlite: NewUrl, tmp_path: Path
) -> None:
    """Who can write the file can go back to an older whole; only what is kept outside tells."""
    url, older, other = new_sqlite(), new_sqlite(), new_sqlite()
    with open_ledger(url) as ledger:
        fill(ledger)
        first = ledger.checkpoint().encode()
    for copy in (older, other):
        shutil.copy(url, copy)
        shutil.copy(f"{url}.key", f"{copy}.key")
    with open_ledger(url) as ledger:
        ledger.post([pay(20)], 7 * SECOND)
        last = ledger.checkpoint().encode()
    with open_ledger(other) as ledger:
        ledger.post([pay(21), pay(22)], 7 * SECOND)
    both = {"first.note": first, "last.note": last}
    assert verify_ledger(url, kept=both) == verify_ledger(url)
    verify_ledger(older)
    verify_ledger(other, kept={"first.note": first})
    for cut, words in ((older, "its end was taken off"), (other, "the log does not extend it")):
        with pytest.raises(VerificationError, match=words) as told:
            verify_ledger(cut, kept=both)
        assert told.value.place == "last.note"
    stranger = new_sqlite()
    with open_ledger(stranger) as ledger:
        note = ledger.checkpoint().encode()
    for odd, words in ((note, "not signed by"), (b"nonsense", "no empty line")):
        with pytest.raises(VerificationError, match=words) as told:
            verify_ledger(url, kept={"odd.note": odd})
        assert told.value.place == "odd.note"
