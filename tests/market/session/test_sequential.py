"""Sessions of sequential mechanisms: each offer is answered as it comes."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from isojoule.market import Clearing
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from tests.market.blocks import bid, sell
from tests.market.session.play import GRID, Room, names, refused


def test_an_offer_trades_when_it_comes() -> None:
    """docs/spec/session.md, S10."""
    room = Room()
    room.open(mechanism="cda", owner="square")
    assert names(room.at(1).offer(sell("ada", 3, 2))) == ["accepted"]
    told = room.at(2).offer(bid("bo", 4))
    assert "traded" in names(told) and all(e["session"] == "noon" for e in told)
    assert "offer" in room.ask("eve", "bids")["rows"][0]  # an order book is open
    assert names(room.at(3).cancel("ada", "ada")) == ["cancelled"]
    assert "traded" not in names(room.at(4).offer(bid("cleo", 9)))
    cleared = room.at(100).close("square")[0]
    assert {r["id"]: r["energy_j"] for r in cleared["offers"]} == {
        "ada": "-1", "bo": "1", "cleo": "0",
    }  # fmt: skip


def test_what_the_mechanism_refuses_is_not_in_the_book() -> None:
    """docs/spec/session.md, S10."""
    room = Room()
    room.open(mechanism="cda", owner="square")
    room.at(2).offer(bid("bo", 4))
    assert refused(room.at(2).offer(bid("ada", 4)), "out of order")
    assert len(room.market.sessions["noon"].bids) == 1
    assert names(room.at(3).offer(bid("ada", 4))) == ["accepted"]


@pytest.mark.parametrize("seed", range(12))
def test_a_live_session_and_a_replay_are_the_same(seed: int) -> None:
    """S10: random offers and cancellations; closing gives what `clear` gives for the book."""
    rnd, room = Random(seed), Room()
    room.open(mechanism="cda", owner="square", seed=bytes([seed]))
    for second in range(1, 40):
        room.at(second)
        who = f"p{rnd.randrange(5)}"
        if rnd.random() < 0.25:
            room.cancel(who, f"o{rnd.randrange(second)}")
            continue
        make: Any = rnd.choice((bid, sell))
        room.offer(make(who, rnd.randrange(1, 9), rnd.randrange(1, 4), id=f"o{second}"))
    assert names(room.at(100).close("square")) == ["cleared"]
    session = room.market.sessions["noon"]
    book, c = session.book, session.outcome
    assert isinstance(c, Clearing) and book is not None and c.energy_uj.any()
    again = get("cda").clear(book, GRID, state=session.state_for_clearing(), seed=bytes([seed]))
    assert isinstance(again, Clearing)
    assert c.matches == again.matches and c.state_before == again.state_before
    assert np.array_equal(c.payment_nano, again.payment_nano)
    check_clearing(book, GRID, c)
