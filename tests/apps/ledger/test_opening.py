"""What is opened: addresses, keys, and what is no ledger and stays untouched."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import text, update

from isojoule.apps.ledger import open_ledger, read_ledger, verify_ledger
from isojoule.apps.ledger.checkpoints import CHECKPOINT_EVERY
from isojoule.apps.ledger.keys import key_path, make_key, read_key
from isojoule.apps.ledger.schema import checkpoints, meta
from isojoule.apps.ledger.urls import place_of
from isojoule.core.checkpoint import open_note
from isojoule.core.errors import InputError, StorageError
from tests.apps.ledger.conftest import NewUrl
from tests.apps.ledger.some import ACCOUNTS, fill, pay
from tests.apps.ledger.tamper import Hand


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("village.db", "village"), ("sqlite:///village.db", "village"),
        ("sqlite:////srv/coop.db", "coop"), ("postgres://h/coop", "coop"),
        ("postgresql+psycopg://ada:s3cret@h:5433/coop", "coop"),
    ],
)  # fmt: skip
def test_addresses(url: str, name: str) -> None:
    place = place_of(url)
    assert place.name == name and "s3cret" not in place.text
    assert (place.file is None) == ("postgres" in url)
    assert place.url is None or place.url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize("url", ["mysql://h/x", "sqlite://", "sqlite:///:memory:", "", "a://["])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InputError) as told:
        open_ledger(url)
    assert "postgresql://USER@HOST" in told.value.remedy


def test_an_error_does_not_tell_the_password() -> None:
    with pytest.raises(StorageError) as told:
        read_ledger("postgresql://ada:s3cret@127.0.0.1:1/coop")
    assert "s3cret" not in str(told.value) and "127.0.0.1" in str(told.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder does not exist"):
        open_ledger(str(tmp_path / "no" / "a.db"))
    with pytest.raises(InputError):
        open_ledger(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_reading_makes_nothing(new_url: NewUrl, tmp_path: Path) -> None:
    url = new_url()
    for ask in (read_ledger, verify_ledger, lambda url: open_ledger(url, create=False)):
        with pytest.raises(InputError, match="there is no ledger"):
            ask(url)
    assert not list(tmp_path.iterdir())


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_other_files_stay_untouched(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to have a header")
    for name, sql in {
        "other.db": "CREATE TABLE people (name TEXT)",
        "meta.db": "CREATE TABLE meta (key TEXT, value TEXT)",
        "like.db": "CREATE TABLE meta (format TEXT, version INTEGER)",
        "half.db": "CREATE TABLE meta AS SELECT 'isojoule.ledger' AS format, 1 AS version",
        "newer.db": "CREATE TABLE meta AS SELECT 'isojoule.ledger' AS format, 2 AS version",
    }.items():
        connection = sqlite3.connect(tmp_path / name)
        connection.execute(sql)
        connection.commit()
        connection.close()
    before = digest(tmp_path)
    words = {
        "text": "no file of SQLite", "other": "no ledger", "meta": "no ledger", "like": "no ledger",
        "half": "lacks the table", "newer": "version 2; this program knows version 1",
    }  # fmt: skip
    for name, told in words.items():
        for ask in (open_ledger, read_ledger, verify_ledger):
            with pytest.raises(InputError, match=told):
                ask(str(tmp_path / f"{name}.db"))
    assert digest(tmp_path) == before


def test_other_schemas_stay_untouched(new_postgres: NewUrl) -> None:
    url = new_postgres()
    hand = Hand(url)
    assert hand.do(lambda c: c.execute(text("CREATE TABLE meta (key TEXT)")))
    for ask in (open_ledger, read_ledger, verify_ledger):
        with pytest.raises(InputError, match="no ledger"):
            ask(url)


@pytest.mark.parametrize("version", [0, 2, -1])
def test_another_version_is_refused(url: str, version: int) -> None:
    with open_ledger(url) as ledger:
        fill(ledger)
    Hand(url).do(lambda c: c.execute(update(meta).values(version=version)))
    for ask in (open_ledger, read_ledger, verify_ledger):
        with pytest.raises(InputError, match=f"version {version}; this program knows version 1"):
            ask(url)


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    with open_ledger(str(path)) as ledger:
        fill(ledger)
    assert verify_ledger(str(path)).accounts == len(ACCOUNTS)


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    url = str(tmp_path / "a.db")
    with open_ledger(url) as ledger:
        fill(ledger)
    path = Path(f"{url}.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    signer = read_key(path)
    assert verify_ledger(url).public_key == signer.vkey
    assert verify_ledger(url).origin == f"{signer.key.name}/a"
    with pytest.raises(InputError, match="cannot be written"):
        make_key(path)  # never over another
    assert read_key(path) == signer
    kept = path.read_text()
    for broken in (
        "",
        "x",
        kept[:-3],
        kept.replace("+", "-"),
        kept.replace("isojoule", "isojou1e"),
    ):
        path.write_text(broken)
        with pytest.raises(InputError, match="is no key file"):
            open_ledger(url)
    path.unlink()
    with pytest.raises(InputError, match="key file is missing"):
        open_ledger(url)
    make_key(path)
    with pytest.raises(InputError, match="is signed by"):
        open_ledger(url)
    verify_ledger(url)  # needs no key


def test_where_keys_of_servers_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of("postgresql://h/coop")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("ISOJOULE_LEDGER_KEY", raising=False)
    assert key_path(place) == tmp_path / "isojoule" / "ledger.key"
    assert make_key(key_path(place)) == read_key(key_path(place))
    monkeypatch.setenv("ISOJOULE_LEDGER_KEY", "elsewhere.key")
    assert key_path(place) == Path("elsewhere.key")
    assert key_path(place, "given.key") == Path("given.key")


def test_checkpoints_come_by_themselves(url: str) -> None:
    """At making, after so many entries, at closing, on demand; never twice of one size."""
    with open_ledger(url, origin="coop.example/ledger") as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        first = ledger.checkpoint()
        assert ledger.checkpoint() == first
        for start in range(1, CHECKPOINT_EVERY + 1, 2000):
            ledger.post([pay(n) for n in range(start, start + 2000)], 2)
        key = verify_ledger(url).public_key
        own = open_note(ledger.last_checkpoint(), key, origin="coop.example/ledger")
        assert (own.size, own.root) == ledger.head
        ledger.post([pay(CHECKPOINT_EVERY + 9)], 2)
    with open_ledger(url) as ledger:
        assert open_note(ledger.last_checkpoint(), key, origin="coop.example/ledger").size == (
            len(ACCOUNTS) + CHECKPOINT_EVERY + 1
        )
    sizes = [row["size"] for row in Hand(url).rows(checkpoints)]
    assert sizes == sorted(set(sizes)) and len(sizes) == 4
    verify_ledger(url)


def test_balances_need_not_all_be_remembered(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from isojoule.apps.ledger import draft

    monkeypatch.setattr(draft, "MOST_CACHED", 2)
    with open_ledger(url) as ledger:
        fill(ledger)
        for number in range(100, 110):
            ledger.post([pay(number)], 9 * 10**9)
    assert verify_ledger(url).accounts == len(ACCOUNTS)


def test_an_archive_that_cannot_be_written_to_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made beside the file, and nothing is asked of its folder."""
    file = tmp_path / "kept.db"
    with open_ledger(str(file)) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr("os.access", lambda *asked: False)
    assert verify_ledger(str(file)).accounts == len(ACCOUNTS)
    with read_ledger(str(file)) as reader:
        assert len(list(reader.accounts())) == len(ACCOUNTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
