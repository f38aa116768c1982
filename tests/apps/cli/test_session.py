"""`isojoule session` and `isojoule verify` of transcripts, and the message files behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

import isojoule
from isojoule.apps.clearing import Cleared
from isojoule.apps.cli.main import app
from isojoule.apps.files.session_files import message_document, read_messages
from isojoule.apps.files.session_schema import session_schema
from isojoule.core.errors import InputError, VerificationError
from isojoule.market.session import Commit, commitment
from tests.market.blocks import bid, sell
from tests.market.session.play import Room

SESSIONS = Path(__file__).parents[3] / "examples/sessions"
EXAMPLES = sorted(SESSIONS.glob("*.jsonl"))
OPEN: dict[str, Any] = {
    "message": "open", "session": "noon", "sender": "coop", "at": "2026-06-21T08:00:00Z",
    "mechanism": "sealed-bid", "offers_until": "2026-06-21T09:00:00Z",
    "book": {
        "isojoule": 1, "currency": "EUR", "network": "copperplate", "nodes": ["square"],
        "interval": {"start": "2026-06-21T12:00:00Z", "duration": "15 min"},
    },
}  # fmt: skip
HEAD = {"session": "noon", "sender": "ada", "at": "2026-06-21T08:10:00Z"}
OFFER = {"node": "square", "buy": [{"energy": "1 kWh", "price": "0.3 EUR/kWh"}]}


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "100"})


def file(path: Path, *rows: Any) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_the_examples_play_and_their_transcripts_verify(example: Path, tmp_path: Path) -> None:
    """docs/spec/session.md, S15, S16."""
    out = tmp_path / "t.jsonl"
    done = call("session", example, "--out", out)
    assert done.exit_code == 0, done.output
    assert "REFUSED" in done.stdout and "Settlement" in done.stdout
    checked = call("verify", out)
    assert checked.exit_code == 0 and "verified" in checked.stdout
    head = json.loads(out.read_text().splitlines()[-1])["head"]
    assert head in done.stdout and head in checked.stdout
    told = json.loads(call("session", example, "--json").stdout)
    assert told["head"] == head
    assert len(told["entries"]) == len(out.read_text().splitlines()) - 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_the_schema_knows_the_examples_and_their_normal_form(example: Path) -> None:
    validator = jsonschema.Draft202012Validator(session_schema())
    for row in example.read_text().splitlines():
        validator.validate(json.loads(row))
    for message in read_messages(example):
        validator.validate(message_document(message))
    wrong = [{**OPEN, "price": 1}, {**HEAD, "message": "offer"}, {**HEAD, "message": "shout"}]
    assert not any(validator.is_valid(row) for row in wrong)


def test_a_forged_transcript_ends_with_status_2(tmp_path: Path) -> None:
    """S16: also where all heads are made again, the events must follow from the messages."""
    from isojoule.apps.files.transcript import LOG, write_transcript
    from isojoule.core.hashlog import append, start

    played = isojoule.play_session(SESSIONS / "sealed-bids.jsonl")
    for forge in ("payment", "event", "message"):
        tip, lines = start(LOG), []
        for line in played.transcript:
            entry = json.loads(json.dumps(line.entry))
            for event in entry.get("events", []):
                if forge == "payment" and event["event"] == "cleared":
                    event["offers"][1]["payment"] = "1.000000001"
                if forge == "event" and event["event"] == "refused":
                    event["reason"] = "because"
            if forge == "message" and entry.get("message", {}).get("message") == "settle":
                entry["message"]["sender"] = "eve"
            lines.append(append(tip, entry))
            tip = lines[-1].tip
        path = tmp_path / f"{forge}.jsonl"
        write_transcript(path, lines)
        done = call("verify", path)
        assert done.exit_code == 2 and "is not what follows" in done.stderr
        assert f"{path}:" in done.stderr
    done = call("verify", tmp_path / "none.jsonl")
    assert done.exit_code == 2 and "Traceback" not in done.stderr


def test_a_clearing_that_does_not_keep_its_rule_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S16: clearings are checked apart from being the same."""
    from isojoule.market.mechanisms.sealed_bid import SealedBid

    path = tmp_path / "t.jsonl"
    room = Room()
    room.open()
    room.offer(sell("solar", 0))
    room.offer(bid("ada", 3))
    room.offer(bid("bo", 4))
    room.at(100).close()
    isojoule.play_session(room.messages).write(path)
    assert call("verify", path).exit_code == 0

    def audit(*_: Any) -> None:
        raise VerificationError("no", place="operator")

    monkeypatch.setattr(SealedBid, "audit", audit)
    done = call("verify", path)
    assert done.exit_code == 2 and "session 'noon': operator: no" in done.stderr


@pytest.mark.parametrize(
    ("row", "message", "remedy"),
    [
        ("{", "not JSON", "correct the JSON"),
        ("[]", "must be a mapping", "use the keys"),
        ('{"message": "offer", "message": "offer"}', "stands twice", "keep one"),
        ({**HEAD}, "lacks 'message'", "add the key"),
        ({**HEAD, "message": "ofer"}, "'ofer'", "did you mean 'offer'?"),
        ({**HEAD, "message": "offer"}, "lacks 'offer'", "add the key"),
        ({**HEAD, "message": "offer", "offr": OFFER}, "unknown key 'offr'", "did you mean"),
        ({**HEAD, "message": "close", "offer": OFFER}, "unknown key 'offer'", "use one of"),
        ({**HEAD, "at": "noon", "message": "close"}, "is not a time", "write it as"),
        ({**HEAD, "message": "offer", "offer": {"node": "square"}}, "without content", "sell"),
        (
            {**HEAD, "message": "offer",
             "offer": {"node": "square", "buy": [{"energy": "1 kg", "price": 1}]}},
            "kg", "J",
        ),
        ({**HEAD, "message": "commit"}, "a commitment is given, or made", "offer"),
        ({**HEAD, "message": "commit", "commitment": "0" * 64, "collateral": "5 USD"}, "USD", ""),
        (
            {**HEAD, "message": "commit", "commitment": "0" * 64, "collateral": "-1 EUR"},
            "negative", "0 or more",
        ),
        ({**HEAD, "message": "reveal", "offer": OFFER, "salt": "0xz"}, "hexadecimal", "pairs"),
        ({**HEAD, "message": "query", "what": "bids", "limit": "x"}, "no whole number", "point"),
        ({**OPEN, "parameters": [1]}, "parameters must be a mapping", "write"),
        ({**OPEN, "book": {**OPEN["book"], "offers": [OFFER]}}, "starts without offers", "offer"),
        ({**OPEN, "book": {**OPEN["book"], "nodes": []}, "most_bids": 1.5}, "whole number", ""),
        ({**OPEN, "members": [""]}, "must be a name", "printable"),
    ],
)  # fmt: skip
def test_bad_files_name_line_and_remedy_and_write_nothing(
    row: Any, message: str, remedy: str, tmp_path: Path
) -> None:
    """docs/spec/session.md, S14."""
    out = tmp_path / "t.jsonl"
    path = file(tmp_path / "m.jsonl", OPEN, "", row)
    done = call("session", path, "--out", out)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert f"{path}:3: " in done.stderr
    assert message in done.stderr and remedy in done.stderr
    assert not out.exists()
    error = json.loads(call("session", path, "--json").stdout)["error"]
    assert (error["kind"], error["place"]) == ("input", f"{path}:3")


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    assert "no such file" in call("session", tmp_path / "none").stderr
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in call("session", tmp_path / "latin").stderr
    assert "cannot be read" in call("session", tmp_path).stderr
    done = call("session", EXAMPLES[0], "--out", tmp_path / "no" / "t.jsonl")
    assert done.exit_code == 2 and "cannot be written" in done.stderr


def test_an_empty_file_is_a_market_in_which_nothing_happens(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    assert call("session", file(tmp_path / "m.jsonl"), "--out", out).exit_code == 0
    assert call("verify", out).exit_code == 0


def test_offers_to_unknown_sessions_are_read_and_refused(tmp_path: Path) -> None:
    """S6: a foreign message is no bad file."""
    rows = [OPEN, {**HEAD, "session": "other", "message": "offer", "offer": OFFER}]
    played = isojoule.play_session(file(tmp_path / "m.jsonl", *rows))
    assert played.events[1][0]["reason"] == "unknown session 'other'"


def test_a_commitment_may_be_made_by_the_file_and_hides_its_offer(tmp_path: Path) -> None:
    """docs/spec/session.md, S11, S14."""
    row = {**HEAD, "message": "commit", "offer": OFFER, "salt": "sixteen bytes ok!", "id": "x",
           "collateral": "0.1 EUR"}  # fmt: skip
    (message,) = read_messages(file(tmp_path / "m.jsonl", row))
    assert isinstance(message, Commit)
    assert message.collateral_nano == 100_000_000
    reveal = {**HEAD, "message": "reveal", "offer": OFFER, "salt": "sixteen bytes ok!"}
    (opening,) = read_messages(file(tmp_path / "m.jsonl", reveal))
    offer = opening.offer  # type: ignore[union-attr]
    assert message.commitment == commitment("noon", "ada", b"sixteen bytes ok!", offer)
    stored = message_document(message)
    assert "offer" not in stored and "salt" not in stored


def test_a_sealed_bid_is_taken_opened_and_wins(tmp_path: Path) -> None:
    """S11, S12: what `isojoule seal` prints is what a session takes."""
    rows = [json.loads(line) for line in EXAMPLES[1].read_text().splitlines()]
    bid = tmp_path / "bid.yaml"
    bid.write_text("node: square\nbuy: [{energy: 10 kWh, price: 0.95 EUR/kWh}]\n")
    arguments = ("--session", "roof", "--sender", "dora", "--collateral", "2 EUR")
    times = ("--at", "2026-06-21T08:44:00Z", "--open-at", "2026-06-21T09:10:00Z")
    done = call("seal", bid, *arguments, *times)
    assert done.exit_code == 0, done.output
    commit, reveal = (json.loads(x) for x in done.stdout.splitlines() if x.startswith("{"))
    assert "offer" not in commit and "salt" not in commit
    assert len(reveal["salt"]) == len("0x") + 2 * 16
    rows = sorted([*rows, commit, reveal], key=lambda row: row["at"])
    played = isojoule.play_session(file(tmp_path / "m.jsonl", *rows))
    roof = played.cleared("roof")
    assert isinstance(roof, Cleared)
    assert roof.energy_j["dora"] == 36_000_000  # outbids bo
    again = json.loads(call("seal", bid, *arguments, *times, "--json").stdout)
    assert again["open"]["salt"] != reveal["salt"]  # drawn anew
    own = json.loads(
        call("seal", bid, *arguments, *times, "--salt", reveal["salt"], "--json").stdout
    )
    assert own == {"commit": commit, "open": reveal}


def test_seal_in_python_gives_what_the_file_gives() -> None:
    """S11: the commitment of ada in the example."""
    offer = {"node": "square", "buy": [{"energy": "10 kWh", "price": "0.30 EUR/kWh"}]}
    names = {"session": "roof", "sender": "ada", "salt": b"\x1a" * 16, "collateral": "2 EUR"}
    sealed = isojoule.seal(offer, **names, at="2026-06-21T08:40Z", open_at="2026-06-21T09:07Z")
    messages = read_messages(SESSIONS / "sealed-bids.jsonl")
    assert message_document(messages[2]) == message_document(sealed.commit)
    again = isojoule.seal(
        sealed.reveal.offer, **names, at="2026-06-21T08:40Z", open_at="2026-06-21T09:07Z"
    )
    assert again.lines == sealed.lines


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--salt", "short"), "a salt of 5 bytes"),
        (("--salt", "0xz"), "--salt"),
        (("--open-at", "2026-06-21T08:00Z"), "opened before"),
        (("--at", "noon"), "is not a time"),
        (("--currency", "CHF"), "CHF"),
        (("--collateral", "-1 EUR"), "negative"),
    ],
)
def test_what_cannot_be_sealed_ends_with_status_2(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    bid = tmp_path / "bid.yaml"
    bid.write_text("node: square\nbuy: [{energy: 10 kWh, price: 0.95 EUR/kWh}]\n")
    options = {
        "--session": "roof", "--sender": "ada", "--at": "2026-06-21T08:40Z",
        "--open-at": "2026-06-21T09:05Z", **dict([change]),
    }  # fmt: skip
    done = call("seal", bid, *(x for pair in options.items() for x in pair))
    assert done.exit_code == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_messages_keep_their_normal_form(tmp_path: Path) -> None:
    """S14: written and read again, a message is the same; defaults are left out."""
    full = {
        **OPEN, "commit_until": "2026-06-21T10:00:00Z", "reveal_until": "2026-06-21T11:00:00Z",
        "enough_bidders": 3, "least_bidders": 2, "most_bids": 9, "most_bytes": 999,
        "members": ["ada", "bo"], "visible": "always", "seed": "0x00ff", "state": {"a": [1, None]},
        "parameters": {"price": "first", "reserve": 1.5},
    }  # fmt: skip
    rows = [full, OPEN, {**HEAD, "message": "close", "seed": "text"}]
    rows += [{**HEAD, "message": "query", "what": "bids", "cursor": 3, "limit": 7}]
    rows += [{**HEAD, "message": "cancel", "id": "x"}, {**HEAD, "message": "settle"}]
    once = [message_document(m) for m in read_messages(file(tmp_path / "a", *rows))]
    again = [message_document(m) for m in read_messages(file(tmp_path / "b", *once))]
    assert once == again
    assert once[0]["seed"] == "0x00ff" and once[0]["members"] == ["ada", "bo"]
    assert "most_bids" not in once[1] and "seed" not in once[1]


def test_the_facade() -> None:
    played = isojoule.play_session(str(SESSIONS / "procurement.jsonl"))
    noon = played.cleared("noon")
    assert isinstance(noon, Cleared)
    assert noon.payments["cleo"] == pytest.approx(-1.4)
    assert isinstance(played.cleared("night"), isojoule.Refusal)
    with pytest.raises(InputError, match="unknown session"):
        played.cleared("dawn")
    room = Room()
    room.open()
    assert isojoule.play_session(room.messages).cleared("noon") is None


def test_what_no_file_can_hold_is_not_written(tmp_path: Path) -> None:
    room = Room()
    room.ask("\ud800", "bids")
    played = isojoule.play_session(room.messages)
    with pytest.raises(InputError, match="no message file can hold it"):
        played.write(tmp_path / "t.jsonl")


def test_names_like_markup_are_printed_as_they_are(tmp_path: Path) -> None:
    rows = [{**OPEN, "session": "[red]"}, {**HEAD, "sender": "[bold]", "message": "settle"}]
    done = call("session", file(tmp_path / "m.jsonl", *rows))
    assert "[red]" in done.stdout and "[bold]" in done.stdout
