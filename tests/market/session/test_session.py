"""Phases, deadlines, owners, limits and refusals of a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isojoule.core.units import parse_exact
from isojoule.market.session import Market, Settle, SubmitOffer, seed_commitment
from isojoule.valuation import Bundle, Leg, Load, Offer, Utility
from tests.market.blocks import bid, sell
from tests.market.session.play import GRID, Room, S, frame, names, owed, refused


def begun(**more: Any) -> Room:
    """A sealed-bid session with a block, at 10 s; offers until 100 s."""
    room = Room()
    assert names(room.open(**more)) == ["opened"]
    assert names(room.at(10).offer(sell("solar", 1))) == ["accepted"]
    return room


def test_a_session_from_its_opening_to_its_settlement() -> None:
    """docs/spec/session.md, S1, S2."""
    room = begun()
    for who, money in (("ada", 3), ("bo", 5)):
        assert room.offer(bid(who, money))[0]["id"] == who
    assert room.ask("ada", "session")["phase"] == "open"
    assert room.at(100).ask("ada", "session")["phase"] == "clear"
    cleared = room.close()[0]
    assert cleared["event"] == "cleared"
    assert {r["id"]: r["payment"] for r in cleared["offers"]} == {
        "ada": "0", "bo": "3", "solar": "-3",
    }  # fmt: skip
    assert room.ask("ada", "session")["phase"] == "settle"
    settled = room.settle()[0]
    assert owed(settled) == {"bo": 3, "solar": -3}
    assert settled["operator"] == "0"
    assert room.ask("ada", "session")["phase"] == "settled"


def test_time_comes_with_the_messages_and_never_runs_backwards() -> None:
    """docs/spec/session.md, S3."""
    room = begun()
    room.at(50).offer(bid("ada", 3))
    assert refused(room.at(49).offer(bid("bo", 4)), "time runs backwards")
    assert names(room.at(50).offer(bid("bo", 4))) == ["accepted"]
    assert refused(room.hand(Settle("noon", "solar", -1)), "no such time")
    assert refused(room.hand(Settle("noon", "solar", 2**63)), "no such time")
    # a refusal does not turn the clock: who is late does not lock out the others
    assert refused(room.at(500).offer(bid("cleo", 9)), "no longer taken")
    assert names(room.at(60).offer(bid("cleo", 9))) == ["accepted"]


def test_deadlines_are_exact() -> None:
    """docs/spec/session.md, S2."""
    room = begun()
    room.now = 100 * S - 1
    assert names(room.offer(bid("ada", 3))) == ["accepted"]
    assert refused(room.at(100).offer(bid("bo", 3)), "no longer taken: the phase is 'clear'")


@pytest.mark.parametrize("kind", ["close", "settle"])
def test_only_the_owner_closes_and_settles(kind: str) -> None:
    """docs/spec/session.md, S4."""
    room = begun()
    room.at(100)
    if kind == "settle":
        room.close()
    assert refused(getattr(room, kind)("ada"), "that of 'solar'")
    assert names(getattr(room, kind)("solar"))[-1] in ("cleared", "settled")


def test_closing_needs_enough_bidders_or_the_deadline() -> None:
    """docs/spec/session.md, S5."""
    room = begun(enough_bidders=2)
    assert refused(room.close(), "bidders besides the owner: 0; needed before the deadline: 2")
    room.offer(bid("ada", 3))
    room.offer(bid("ada", 4))  # another bid, not another bidder
    assert refused(room.close(), "besides the owner: 1")
    room.offer(bid("bo", 3))
    assert names(room.close()) == ["cleared"]
    assert refused(room.close(), "cleared already")

    room = begun()
    room.offer(bid("ada", 3))
    assert refused(room.close(), "taken until the deadline")
    assert names(room.at(100).close()) == ["cleared"]


def test_too_few_bidders_make_it_void() -> None:
    """docs/spec/session.md, S5."""
    room = begun(least_bidders=2)
    room.offer(bid("ada", 3))
    void = room.at(100).close()[0]
    assert void["event"] == "void" and "besides the owner: 1; needed: 2" in void["reason"]
    assert room.settle()[0]["transfers"] == []
    assert room.ask("ada", "winner")["rows"] == []


def test_a_mechanism_may_need_bidders_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/spec/session.md, S5."""
    from isojoule.market.mechanisms.sealed_bid import SealedBid

    monkeypatch.setattr(SealedBid, "least_bidders", 2, raising=False)
    room = begun(enough_bidders=1)
    room.offer(bid("ada", 3))
    assert refused(room.close(), "needed before the deadline: 2")
    assert names(room.at(100).close()) == ["void"]


def test_what_a_mechanism_refuses_is_void() -> None:
    """docs/spec/session.md, S5."""
    room = begun()
    room.cancel("solar", "solar")
    void = room.at(100).close()[0]
    assert void["event"] == "void" and "0 offers to sell" in void["reason"] and void["remedy"]


def test_many_sessions_at_once_and_one_after_another() -> None:
    """docs/spec/session.md, S1."""
    room = Room()
    for n in range(20):
        room.open(f"s{n}", "solar")
        room.offer(sell("solar", 0), f"s{n}")
    for n in range(20):
        room.offer(bid("ada", n + 2), f"s{n}")
        room.offer(bid("bo", n + 1), f"s{n}")
    room.at(100)
    for n in range(20):
        rows = {r["id"]: r["payment"] for r in room.close(session=f"s{n}")[0]["offers"]}
        assert rows == {"ada": str(n + 1), "bo": "0", "solar": str(-n - 1)}
    assert refused(room.open("s3", offers=200), "here already")
    assert names(room.open("later", offers=200)) == ["opened"]


def test_foreign_messages_are_refused() -> None:
    """docs/spec/session.md, S6."""
    room = begun(members=("ada", "bo"))
    assert refused(room.offer(bid("ada", 3), session="other"), "unknown session 'other'")
    assert refused(room.offer(bid("eve", 3)), "not a member")
    assert refused(room.ask("eve", "bids"), "not a member")
    assert names(room.offer(bid("ada", 3))) == ["accepted"]
    assert names(room.offer(bid("bo", 3))) == ["accepted"]
    assert refused(room.offer(bid("bo", 3), sender="ada"), "that of 'bo'")
    assert refused(room.offer(bid("bo", 4), sender=" ada"), "is no name")
    assert refused(room.cancel("ada", "bo"), "no offer 'bo' of yours")


def test_duplicates_and_limits() -> None:
    """docs/spec/session.md, S6."""
    room = begun(most_bids=3, most_bytes=200)
    assert names(room.offer(bid("ada", 3, id="a"))) == ["accepted"]
    assert refused(room.offer(bid("bo", 3, id="a")), "'a' is here already")
    assert refused(room.offer(bid("bo", 3, id="b" * 150)), "bytes, at most 200")
    assert refused(room.offer(bid("bo", 3, id="b" * 201)), "no name")
    assert names(room.offer(bid("bo", 3))) == ["accepted"]
    assert refused(room.offer(bid("cleo", 3)), "has its 3 bids")
    assert room.cancel("bo", "bo")[0]["event"] == "cancelled"
    assert refused(room.offer(bid("cleo", 3)), "has its 3 bids")  # or one could flood it
    assert refused(room.cancel("bo", "bo"), "withdrawn already")


def test_offers_without_an_id_are_named() -> None:
    room = begun()
    told = [room.offer(bid("ada", n))[0]["id"] for n in (1, 2, 3)]
    assert told == ["ada", "ada-1", "ada-2"]


ODD = (
    (Offer("ada", "nowhere", bid("ada", 1).spec), "unknown node"),
    (Offer("ada", "square", bid("ada", 1).spec, group="\n"), "no name"),
    (Offer("ada", "square", bid("ada", 1).spec, at_ns=5), "a time of its own"),
    (bid("ada", 1e9, 5), "passes"),
    (bid("ada", 1e-9, 4.7e12), "too large to be counted"),
    (bid("ada", 1, 0.5), "less than the block"),
    (bid("solar", 1), "its own block"),
    (sell("ada", 1), "offered already"),
    (Offer("ada", "square", Load(10**6, 1.0)), "no bid for one block"),
    (Offer("ada", "square", Utility(2.0, 1.0)), "no bid for one block"),
    (Offer("ada", "", Bundle((), 1.0)), "needs legs"),
    (Offer("ada", "", Bundle((Leg("square", 1), Leg("square", 2)), 1.0)), "needs legs"),
    (Offer("ada", "", Bundle((Leg("square", 1),), 1.0)), "no bid for one block"),
)


@pytest.mark.parametrize(("offer", "reason"), ODD)
def test_offers_that_cannot_be_held_are_refused_and_change_nothing(
    offer: Offer, reason: str
) -> None:
    """docs/spec/session.md, S6, S18."""
    room = begun()
    room.offer(bid("bo", 2))
    before = room.ask("ada", "session")
    assert refused(room.offer(offer), reason)
    assert room.ask("ada", "session") == before
    assert names(room.at(100).close()) == ["cleared"]


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"mechanism": "magic"}, "unknown mechanism"),
    ({"parameters": {"price": "third"}}, "price 'third'"),
    ({"parameters": {"speed": 1}}, "does not take these parameters"),
    ({"parameters": {"price": {1: 2}}}, "no canonical form"),
    ({"offers": 0}, "do not follow each other"),
    ({"commit": 200}, "and so do openings"),
    ({"commit": 200, "reveal": 200}, "do not follow each other"),
    ({"most_bids": 0}, "no such limit"),
    ({"most_bytes": 2**40}, "no such limit"),
    ({"least_bidders": 5, "enough_bidders": 4}, "do not rise"),
    ({"members": ("",)}, "no name"),
    ({"visible": "never"}, "visible"),
    ({"seed": b"s", "seed_commitment": "0" * 64}, "give the seed or"),
    ({"seed_commitment": "12"}, "give the seed or"),
    ({"seed": b"s" * 2000}, "too long"),
    ({"state": {"forfeits": []}}, "of this session"),
    ({"frame": frame("transport")}, "does not clear network 'transport'"),
    ({"name": "no\nname"}, "no name"),
    ({"owner": "x" * 181}, "no name"),
    ({"mechanism": "deferred-revelation"}, "are committed to"),
    (
        {"mechanism": "deferred-revelation", "commit": 200, "reveal": 300,
         "parameters": {"distribution": "equal-revenue"}},
        "no finite collateral",
    ),
    ({"mechanism": "cda", "commit": 200, "reveal": 300}, "answers each offer as it comes"),
    ({"mechanism": "cda", "seed_commitment": "0" * 64}, "answers each offer as it comes"),
)  # fmt: skip


@pytest.mark.parametrize(("more", "reason"), WRONG)
def test_sessions_that_cannot_be_opened(more: dict[str, Any], reason: str) -> None:
    """docs/spec/session.md, S4."""
    room = Room()
    assert refused(room.open(**more), reason)
    assert room.market.sessions == {}


def test_a_frame_with_offers_is_refused() -> None:
    from tests.market.blocks import book_of

    assert refused(Room().open(frame=book_of(sell("a", 1))), "has offers")


def test_a_seed_may_be_committed_to_and_shown_on_closing() -> None:
    """docs/spec/session.md, S7."""
    winners = set()
    for n in range(6):
        seed = bytes([n])
        room = begun(seed_commitment=seed_commitment("noon", "solar", seed))
        room.offer(bid("ada", 3))
        room.offer(bid("bo", 3))
        assert refused(room.at(100).close(), "not the one committed to")
        assert refused(room.close(seed=b"other"), "not the one committed to")
        cleared = room.close(seed=seed)[0]
        assert cleared["seed"] == seed.hex()
        winners |= {r["id"] for r in cleared["offers"] if r["energy_j"] == "1"}
    assert winners == {"ada", "bo"}
    assert seed_commitment("noon", "solar", b"x") != seed_commitment("noon", "ada", b"x")
    assert refused(begun().at(100).close(seed=b"x"), "opened with its seed")


def test_sealed_offers_are_not_seen_while_offers_are_taken() -> None:
    """docs/spec/session.md, S8."""
    room = begun()
    room.offer(bid("ada", 3))
    room.offer(bid("bo", 4))
    rows = room.ask("ada", "bids")["rows"]
    assert ["offer" in row for row in rows] == [False, True, False]
    assert ["offer" in row for row in room.at(100).ask("ada", "bids")["rows"]] == [True] * 3
    seen = begun(visible="always")
    seen.offer(bid("bo", 4))
    assert ["offer" in row for row in seen.ask("ada", "bids")["rows"]] == [True] * 2


def test_queries_come_in_pages() -> None:
    """docs/spec/session.md, S8."""
    room = begun()
    for n in range(24):
        room.offer(bid(f"b{n:02}", n + 1))
    found, cursor = [], 0
    while cursor is not None:
        page = room.ask("ada", "bids", cursor, 10)
        assert len(page["rows"]) <= 10
        found += [row["id"] for row in page["rows"]]
        cursor = page["next"]
    assert found == ["solar", *(f"b{n:02}" for n in range(24))]
    assert room.ask("ada", "bids", 99)["rows"] == []
    for cursor, limit in ((-1, 5), (0, 0), (0, 101)):
        assert refused(room.ask("ada", "bids", cursor, limit), "no such page")
    assert refused(room.ask("ada", "money"), "cannot be asked")
    assert refused(room.ask("ada", "winner"), "not cleared yet")
    room.at(100).close()
    assert [r["id"] for r in room.ask("ada", "winner")["rows"]] == ["b23", "solar"]


def test_settlement_comes_once_and_after_clearing() -> None:
    """docs/spec/session.md, S9."""
    room = begun()
    room.offer(bid("ada", 3))
    assert refused(room.at(100).settle(), "not cleared yet")
    room.close()
    event = room.settle()[0]
    total = sum(parse_exact(row["payment"], 9) for row in event["transfers"])
    assert total + parse_exact(event["operator"], 9) == 0
    assert refused(room.settle(), "settled already")


def test_the_same_messages_give_the_same_events() -> None:
    """docs/spec/session.md, S1."""
    room = begun()
    room.offer(bid("ada", 3))
    room.at(100).close()
    room.settle()
    again = Market()
    assert [again.handle(m) for m in room.messages] == room.events


def test_a_batch_session_gives_what_clear_gives() -> None:
    """docs/spec/session.md, S10: offers through the actor, and the same in a book."""
    from isojoule.market import Book
    from isojoule.market.mechanisms import get

    offers = [sell("solar", 1, id="s"), bid("ada", 3, id="a"), bid("bo", 3, id="b")]
    for seed in (b"1", b"2", b"3"):
        room = Room()
        room.open(seed=seed, parameters={"price": "first"})
        for n, offer in enumerate(offers):
            room.at(n + 1).offer(offer)
        room.at(100).close()
        session = room.market.sessions["noon"]
        f = frame()
        timed = [replace(o, at_ns=(n + 1) * S) for n, o in enumerate(offers)]
        book = Book.from_offers(timed, GRID, interval=f.interval, network=f.network)
        direct = get("sealed-bid", price="first").clear(book, GRID, seed=seed)
        assert session.book is not None and session.book.offer_ids == book.offer_ids
        one: Any = session.outcome
        assert one.payment_nano.tolist() == direct.payment_nano.tolist()  # type: ignore[union-attr]
        assert one.energy_uj.tolist() == direct.energy_uj.tolist()  # type: ignore[union-attr]


def test_many_offers_of_a_nanosecond() -> None:
    room = begun()
    told = [room.hand(SubmitOffer("noon", f"b{n}", room.now, bid(f"b{n}", 1.0))) for n in range(50)]
    assert all(names(events) == ["accepted"] for events in told)
