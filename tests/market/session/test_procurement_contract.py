"""The plain procurement contract: start an auction, bid, close, query the winner and the bids.

Plurigrid's `vcg-auction` is such a contract. Here it is a session of `reverse-vcg`, and each test
says one thing that must hold of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from isojoule import play_session
from isojoule.market.messages import Event
from tests.market.blocks import bid, sell
from tests.market.session.play import Room, names, owed, refused

EXAMPLE = Path(__file__).parents[3] / "examples/sessions/procurement.jsonl"


def started(session: str = "noon", owner: str = "coop", joules: float = 1, **more: Any) -> Room:
    """An auction in which its owner buys, for at most 100 a Joule."""
    room = more.pop("room", None) or Room()
    more.setdefault("least_bidders", 2)
    more.setdefault("enough_bidders", 3)
    assert names(room.open(session, owner, "reverse-vcg", **more)) == ["opened"]
    assert names(room.offer(bid(owner, 100, joules), session)) == ["accepted"]
    return room


def asks(room: Room, session: str = "noon", **money: float) -> None:
    for who, each in money.items():
        assert names(room.offer(sell(who, each), session)) == ["accepted"]


def winners(room: Room, session: str = "noon") -> dict[str, float]:
    """What each winner is paid."""
    rows = room.ask("coop", "winner", session=session)["rows"]
    return {r["id"]: -float(r["payment"]) for r in rows if r["energy_j"].startswith("-")}


def test_the_lowest_ask_wins_and_is_paid_the_next_one() -> None:
    room = started()
    asks(room, ada=30, bo=20, cleo=40)
    room.close("coop")
    assert winners(room) == {"bo": 30}
    assert owed(room.settle("coop")[0]) == {"bo": -30, "coop": 30}


def test_several_units_are_paid_what_each_spares() -> None:
    """Asks 20, 30, 45 for two units: both winners are paid 45, what the next would have cost."""
    room = started(joules=2)
    asks(room, ada=20, bo=30, cleo=45)
    room.close("coop")
    assert winners(room) == {"ada": 45, "bo": 45}


def test_several_auctions_run_at_once() -> None:
    room = started("noon")
    started("evening", "bakery", room=room)
    asks(room, "noon", ada=30, bo=20, cleo=40)
    asks(room, "evening", ada=10, bo=50, cleo=60)
    room.close("bakery", "evening")
    room.close("coop", "noon")
    assert winners(room, "noon") == {"bo": 30}
    assert winners(room, "evening") == {"ada": 50}


def test_one_auction_follows_another() -> None:
    room = started("first")
    asks(room, "first", ada=30, bo=20, cleo=40)
    room.close("coop", "first")
    room.settle("coop", "first")
    started("second", room=room)
    asks(room, "second", ada=5, bo=20, cleo=40)
    room.close("coop", "second")
    assert winners(room, "first") == {"bo": 30}
    assert winners(room, "second") == {"ada": 20}


def test_a_name_is_used_once() -> None:
    assert refused(started().open("noon", "eve", "reverse-vcg"), "is here already")


def test_only_the_owner_closes() -> None:
    room = started()
    asks(room, ada=30, bo=20, cleo=40)
    for who in ("ada", "eve"):
        assert refused(room.close(who), "is that of 'coop'")
    assert names(room.close("coop")) == ["cleared"]


def test_closing_needs_the_bids_or_the_deadline() -> None:
    room = started()
    asks(room, ada=30, bo=20)
    assert refused(room.close("coop"), "needed before the deadline: 3")
    assert names(room.at(100).close("coop")) == ["cleared"]
    early = started()
    asks(early, ada=30, bo=20, cleo=40)
    assert names(early.close("coop")) == ["cleared"]


def test_bids_after_closing_or_the_deadline_are_refused() -> None:
    room = started()
    asks(room, ada=30, bo=20, cleo=40)
    room.close("coop")
    assert refused(room.offer(sell("dora", 1)), "no longer taken")
    late = started()
    assert refused(late.at(100).offer(sell("dora", 1)), "no longer taken")


@pytest.mark.parametrize("asked", [{}, {"ada": 20.0}])
def test_there_are_at_least_two_bidders(asked: dict[str, float]) -> None:
    """With one there is no second price: nothing is bought, and nobody pays."""
    room = started(enough_bidders=None)
    asks(room, **asked)
    assert names(room.at(100).close("coop")) == ["void"]
    assert winners(room) == {}
    assert room.settle("coop")[0]["transfers"] == []


def test_the_owner_is_no_bidder() -> None:
    room = started(enough_bidders=2)
    asks(room, ada=20)
    assert refused(room.close("coop"), "besides the owner: 1")


def test_ties_follow_the_seed_and_never_the_order_of_bids() -> None:
    for seed in (b"a", b"b", b"c"):
        found = set()
        for order in (("ada", "bo", "cleo"), ("cleo", "bo", "ada"), ("bo", "ada", "cleo")):
            room = started(seed=seed)
            asks(room, **dict.fromkeys(order, 20.0))
            room.close("coop")
            found.add(tuple(sorted(winners(room).items())))
        assert len(found) == 1
        (rows,) = found
        assert sum(paid for _, paid in rows) == pytest.approx(20)


def test_no_bidder_gains_by_another_ask() -> None:
    """Truth beats every other ask, whatever the others ask."""
    for others in ((30, 40), (10, 40), (25, 25)):

        def gain(ask: float, others: tuple[int, int] = others) -> float:
            room = started()
            asks(room, ada=ask, bo=others[0], cleo=others[1])
            room.close("coop")
            paid = winners(room).get("ada", 0.0)
            energy = {r["id"]: r["energy_j"] for r in room.ask("ada", "winner")["rows"]}
            return paid + 20 * float(energy.get("ada", "0"))

        assert max(gain(ask) for ask in (0, 15, 19, 21, 29, 31, 50)) <= gain(20) + 1e-6


def test_bids_and_winners_are_read_in_pages() -> None:
    room = started(enough_bidders=None, least_bidders=2)
    for n in range(23):
        room.offer(sell(f"s{n:02}", n + 1))
    room.at(100).close("coop")
    found: list[Event] = []
    cursor = 0
    while cursor is not None:
        page = room.ask("eve", "bids", cursor, 10)
        found, cursor = found + page["rows"], page["next"]
    assert len(found) == 24 and all("offer" in row for row in found)
    assert winners(room) == {"s00": 2}


def test_asks_stay_sealed_until_bidding_ends() -> None:
    room = started()
    asks(room, ada=30, bo=20, cleo=40)
    assert not any("offer" in row for row in room.ask("eve", "bids")["rows"])
    assert refused(room.ask("eve", "winner"), "not cleared yet")


def test_the_example_shows_all_of_it() -> None:
    """examples/sessions/procurement.jsonl: two at once, a third after them, which is void."""
    played = play_session(EXAMPLE)
    told = [event for events in played.events for event in events]
    reasons = [event["reason"] for event in told if event["event"] == "refused"]
    assert len(reasons) == 5
    closed = [(e["session"], e["event"]) for e in told if e["event"] in ("cleared", "void")]
    assert closed == [("noon", "cleared"), ("evening", "cleared"), ("night", "void")]
    noon = played.cleared("noon")
    assert noon is not None and not hasattr(noon, "reason")
    paid = {who: -money for who, money in noon.payments.items()}  # type: ignore[union-attr]
    assert paid == pytest.approx({"ada": 1.0, "bo": 0.4, "cleo": 1.4, "coop": -2.8})
