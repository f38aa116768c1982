"""`isojoule ledger`: tables for people, exact documents, clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from isojoule.apps.cli.main import app
from isojoule.apps.ledger import open_ledger
from isojoule.core.checkpoint import open_note
from isojoule.core.transfer import Account, Kind, Transfer
from tests.apps.ledger.some import fill
from tests.apps.ledger.tamper import Hand

ADA, UTILITY = Account("member/ada", "J"), Account("utility", "J")


def call(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(
        app, ["ledger", *map(str, arguments)], env={"COLUMNS": "100", **environment}
    )


def document(*arguments: str | Path) -> Any:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A ledger with everything, and 1.5 kWh and a bit that the utility gave."""
    found = str(tmp_path / "village.db")
    with open_ledger(found) as ledger:
        fill(ledger)
        ledger.open_accounts([ADA, UTILITY], 7 * 10**9)
        ledger.post([Transfer(77, UTILITY.id, ADA.id, 5_400_000_000_001)], 7 * 10**9)
        ledger.post([Transfer(78, UTILITY.id, ADA.id, 9, Kind.PENDING)], 8 * 10**9)
    return found


def test_accounts_in_kwh_and_money(url: str) -> None:
    """Rounded for people, exact in the document."""
    shown = call("show", url)
    assert shown.exit_code == 0
    row = next(line for line in shown.stdout.splitlines() if line.startswith("member/ada"))
    assert row.split()[1:5] == ["kWh", "0.0000", "1.5000", "1.5000"]
    bank = next(line for line in shown.stdout.splitlines() if line.startswith("bank"))
    assert bank.split()[1:3] == ["EUR", "18446744073.709552"]
    told = document("show", url)
    rows = {(a["name"], a["unit"]): a for a in told["accounts"]}
    assert rows["member/ada", "J"]["net"] == "5400000.000001"
    assert rows["utility", "J"]["debits_pending"] == "0.000009"
    exact = 2 * (2**63 - 1) + 7 + 8 + 5 + 15 + 50
    assert rows["bank", "EUR"]["debits"] == f"{exact // 10**9}.{exact % 10**9:09d}".rstrip("0")
    assert rows["saver", "EUR"]["limit"] == "debits_must_not_exceed_credits"
    assert rows["member/ada", "J"]["id"] == f"{ADA.id:032x}" and len(told["root"]) == 64


def test_transfers_page_by_page(url: str) -> None:
    every = document("transfers", url)
    assert every["next"] is None
    seen: list[int] = []
    at: int | None = 0
    while at is not None:
        told = document("transfers", url, "--from", str(at), "--most", "4")
        seen += [t["seq"] for t in told["transfers"]]
        at = told["next"]
    assert seen == [t["seq"] for t in every["transfers"]]
    kinds = {t["kind"] for t in every["transfers"]}
    assert kinds == {"posted", "pending", "post", "void", "expire"}
    mine = document("transfers", url, "--account", "member/ada")["transfers"]
    assert [t["amount"] for t in mine] == ["5400000.000001", "0.000009"]
    shown = call("transfers", url, "--most", "2").stdout
    assert "There are more: --from" in shown and "bank" in shown
    assert "1970-01-01T00:00:07" in call("transfers", url, "--account", "member/ada").stdout


def test_verify_says_what_holds_or_which_row_does_not(url: str) -> None:
    told = document("verify", url)
    assert told["verified"] is True and told["accounts"] == 7
    shown = call("verify", url)
    assert shown.exit_code == 0 and told["root"] in shown.stdout and "own word" in shown.stdout
    sure = call("verify", url, "--public-key", told["public_key"])
    assert sure.exit_code == 0 and "own word" not in sure.stdout
    from sqlalchemy import update

    from isojoule.apps.ledger.schema import transfers

    Hand(url).do(lambda c: c.execute(update(transfers).where(transfers.c.code == 9).values(code=8)))
    broken = call("verify", url, "--json")
    assert broken.exit_code == 2
    error = json.loads(broken.stdout)["error"]
    assert error["kind"] == "verification" and error["place"] == "transfers, seq 5"


def test_a_checkpoint_can_be_opened_by_others(url: str) -> None:
    key = document("verify", url)["public_key"]
    note = call("checkpoint", url).stdout
    told = document("show", url)
    opened = open_note(note, key, origin=document("verify", url)["origin"])
    assert (opened.size, opened.root.hex()) == (told["size"], told["root"])
    assert document("checkpoint", url)["checkpoint"] == note


def test_a_checkpoint_that_was_kept_is_asked_for(url: str, tmp_path: Path) -> None:
    note = tmp_path / "kept.note"
    note.write_text(call("checkpoint", url).stdout, encoding="utf-8")
    done = call("verify", url, "--checkpoint", note)
    assert done.exit_code == 0 and f"extends  {note}" in done.stdout.replace("\n", "")
    assert document("verify", url, "--checkpoint", note)["kept"] == [str(note)]
    altered = tmp_path / "other.note"
    altered.write_text(note.read_text(encoding="utf-8").replace("/village", "/town"))
    for file, words in ((altered, "has not signed this text"), (tmp_path / "none", "no such file")):
        done = call("verify", url, "--checkpoint", file)
        assert done.exit_code == 2 and words in done.output, done.output


def test_errors_are_clear(url: str, tmp_path: Path) -> None:
    for command in ("show", "verify", "transfers", "checkpoint"):
        done = call(command, tmp_path / "none.db")
        assert done.exit_code == 2 and "there is no ledger" in done.output
        assert "remedy" in done.output
    done = call("transfers", url, "--account", "nobody")
    assert done.exit_code == 2 and "there is no account 'nobody'" in done.output
    with open_ledger(url):
        done = call("checkpoint", url)
        assert done.exit_code == 2 and "has a writer" in done.output
        assert call("show", url).exit_code == 0
    assert not (tmp_path / "none.db").exists()


def test_the_environment_names_a_ledger(url: str) -> None:
    assert call("show", ISOJOULE_LEDGER=url).exit_code == 0
    assert call("show", ISOJOULE_LEDGER="").exit_code == 2
