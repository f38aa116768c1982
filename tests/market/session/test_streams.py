"""Random streams of messages: the actor never raises, money balances, replays agree."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.files.session_files import Reader
from isojoule.apps.files.transcript import (
    merkle_leaves,
    read_lines,
    transcript_lines,
    verify_transcript,
    write_transcript,
    written,
)
from isojoule.core.canonical import dumps
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.merkle import Frontier, inclusion_proof, verify_inclusion
from isojoule.core.units import parse_exact
from isojoule.market.session import (
    CancelOffer,
    Close,
    Commit,
    Market,
    OpenSession,
    Query,
    Reveal,
    Settle,
    SubmitOffer,
    commitment,
)
from isojoule.valuation import Bundle, Leg, Load, Offer, Step, Steps
from tests.market.session.play import GRID, S, frame

SESSIONS = ("noon", "evening", "night")
PEOPLE = ("solar", "ada", "bo", "eve")
RULES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sealed-bid", {}),
    ("sealed-bid", {"price": "first"}),
    ("deferred-revelation", {"high": 8}),
    ("cda", {}),
    ("magic", {}),
)


def stream(seed: int, count: int) -> list[Any]:
    """Well-typed messages, most of them sensible, all deadlines within a hundred seconds."""
    rnd, now, made = Random(seed), 0, []
    secrets: list[tuple[str, Offer, bytes]] = []

    def offer(who: str) -> Offer:
        price = rnd.choice((0.0, 1.0, 3.0, 5.0, 5.0, 1e300))
        step = (Step(rnd.choice((10**6, 10**6, 10**6, 2 * 10**6, 0, 2**61)), price, price),)
        side = rnd.choice(("buy", "buy", "sell"))
        spec: Any = Steps(**{side: step})
        if rnd.random() < 0.1:
            spec = rnd.choice((Load(10**6, 2.0), Bundle((Leg("square", 1),), 1.0), Steps()))
        return Offer(
            rnd.choice((who, who, who, "eve")), rnd.choice(("square",) * 9 + ("nowhere",)), spec,
            id=rnd.choice(("", "", "", "x", "y", "\ud800")), all_or_nothing=rnd.random() < 0.1,
        )  # fmt: skip

    for _ in range(count):
        now += rnd.choice((0, 1, 10**9, 3 * 10**9))
        head = (rnd.choice(SESSIONS), rnd.choice(PEOPLE), now - rnd.choice((0, 0, 0, 0, 5)))
        kind = rnd.randrange(12)
        if kind < 2:
            rule, parameters = rnd.choice(RULES)
            sealed = rule == "deferred-revelation" or rnd.random() < 0.3
            made.append(
                OpenSession(
                    *head, rule, frame(rnd.choice(("copperplate",) * 5 + ("transport",))), GRID,
                    now + 20 * S, parameters,
                    commit_until_ns=now + 40 * S if sealed else None,
                    reveal_until_ns=now + 60 * S if sealed else None,
                    enough_bidders=rnd.choice((None, 1, 2)), most_bids=rnd.choice((3, 50)),
                    seed=rnd.choice((b"", b"s")),
                )
            )  # fmt: skip
        elif kind < 6:
            made.append(SubmitOffer(*head, offer(head[1])))
        elif kind < 8:
            secret = (head[0], offer(head[1]), rnd.randbytes(rnd.choice((16, 3))))
            secrets.append(secret)
            try:
                text = commitment(head[0], head[1], secret[2], secret[1])
            except ValueError:  # a name without a canonical form
                text = "0" * 64
            paid = rnd.choice((0, 4 * 10**9, 5 * 10**9, 10**19))
            made.append(Commit(*head, text, paid, rnd.choice(("", "", "x"))))
        elif kind == 8 and secrets:
            where, what, salt = rnd.choice(secrets)
            made.append(Reveal(where, what.participant, now, what, salt))
        elif kind == 9:
            made.append(CancelOffer(*head, rnd.choice(("x", "ada", "\ud800"))))
        elif kind == 10:
            made.append(rnd.choice((Close(*head), Settle(*head), Close(*head, b"s"))))
        else:
            what = rnd.choice(("bids", "winner", "session", "\ud800"))
            made.append(Query(*head, what, rnd.choice((0, 1, -1)), rnd.choice((1, 50, 0))))
    owner = {m.session: m.sender for m in reversed(made) if isinstance(m, OpenSession)}
    late = [(who, name) for name in SESSIONS for who in {owner.get(name, "ada"), *PEOPLE}]
    made += [Close(name, who, now + 100 * S) for who, name in late]
    made += [Settle(name, who, now + 100 * S) for who, name in late]
    return made


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_any_stream_is_answered_and_money_balances(seed: int) -> None:
    """docs/spec/session.md, S1, S6, S9."""
    messages, market, again = stream(seed, 60), Market(), Market()
    closed = 0
    for message in messages:
        before = {name: len(s.bids) for name, s in market.sessions.items()}, market.last_ns
        events = market.handle(message)
        assert events
        dumps(list(events))  # plain data
        if events[0]["event"] == "refused":
            assert len(events) == 1 and events[0]["reason"]
            after = {name: len(s.bids) for name, s in market.sessions.items()}, market.last_ns
            assert before == after
        for event in events:
            if event["event"] == "settled":
                closed += 1
                rows = [row["payment"] for row in event["transfers"]]
                total = sum(parse_exact(text, 9) for text in [*rows, event["operator"]])
                assert total == 0
        assert again.handle(message) == events
    assert closed == len(market.sessions)


def played(seed: int) -> tuple[list[Any], list[Any]]:
    """Messages of a stream that have a file form, and their events."""
    market, reader, messages, events = Market(), Reader(), [], []
    for message in stream(seed, 40):
        try:
            written(reader, message, "message")
        except InputError:
            continue  # such as a lone surrogate, which no file can hold
        messages.append(message)
        events.append(market.handle(message))
    return messages, events


def test_one_message_can_be_shown_without_the_others(tmp_path: Path) -> None:
    """docs/spec/session.md, S23: by the tree that ledgers have, too."""
    path = tmp_path / "t.jsonl"
    write_transcript(path, transcript_lines(*played(1)))
    leaves = merkle_leaves(read_lines(path))
    root = Frontier().extend(leaves).root()
    for at in (0, len(leaves) // 2, len(leaves) - 1):
        proof = inclusion_proof(leaves, at)
        verify_inclusion(leaves[at], at, len(leaves), proof, root)
        with pytest.raises(VerificationError):
            verify_inclusion(leaves[at - 1], at, len(leaves), proof, root)


@pytest.mark.parametrize("seed", range(6))
def test_transcripts_verify_and_any_altered_line_is_refused(seed: int, tmp_path: Path) -> None:
    """docs/spec/session.md, S15, S16."""
    messages, events = played(seed)
    path = tmp_path / "t.jsonl"
    lines = transcript_lines(messages, events)
    write_transcript(path, lines)
    tip, _, count = verify_transcript(path)
    assert (tip, count) == (lines[-1].tip, len(messages))
    text = path.read_text()
    rows, rnd = text.splitlines(keepends=True), Random(seed)
    for _ in range(25):
        i = rnd.randrange(len(rows))
        row = rows[i]
        at = rnd.randrange(len(row) - 1)
        other = rnd.choice('0123456789abcxyz"{},')
        if row[at] == other:
            continue
        path.write_text("".join([*rows[:i], row[:at] + other + row[at + 1 :], *rows[i + 1 :]]))
        with pytest.raises(VerificationError):
            verify_transcript(path)
    for less in (rows[:-1], rows[1:], rows[:3] + rows[4:], [*rows, rows[-1]], []):
        path.write_text("".join(less))
        with pytest.raises(VerificationError):
            verify_transcript(path)
