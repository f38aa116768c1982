"""Sealed bids: commitments, openings, collateral, and what cheating costs."""

from __future__ import annotations

from typing import Any

import pytest

from isojoule.core.units import parse_exact
from isojoule.market.session import Commit, commitment
from isojoule.market.session.settle import settled
from isojoule.valuation import Offer
from tests.market.blocks import bid, sell
from tests.market.session.play import SALT, Room, names, owed, refused

RULE = "deferred-revelation"


def begun(mechanism: str = RULE, **more: Any) -> Room:
    """A block offered by solar; commitments from 100 to 200 s, openings to 300 s."""
    more.setdefault("parameters", {"distribution": "exponential", "rate": 0.01})
    if mechanism != RULE:
        more["parameters"] = {}
    room = Room()
    assert names(room.open(mechanism=mechanism, commit=200, reveal=300, **more)) == ["opened"]
    assert names(room.at(10).offer(sell("solar", 0))) == ["accepted"]
    return room.at(100)


def ended(room: Room) -> tuple[list[str], dict[str, float], dict[str, Any]]:
    """Events of closing and who pays what in the end."""
    told = names(room.at(300).close())
    event = room.settle()[0]
    total = sum(parse_exact(row["payment"], 9) for row in event["transfers"])
    assert total + parse_exact(event["operator"], 9) == 0
    return told, owed(event), event


def test_an_honest_auction_brings_150() -> None:
    """docs/spec/session.md, S11, S12, S21."""
    room = begun()
    for who, money in (("ada", 150), ("bo", 400)):
        assert room.commit(bid(who, money), 100)[0]["collateral"] == "100"
    room.at(200)
    for who, money in (("ada", 150), ("bo", 400)):
        assert names(room.reveal(bid(who, money))) == ["revealed"]
    told, money_of, _ = ended(room)
    assert told == ["cleared"]
    assert money_of == {"ada": 0, "bo": 150, "solar": -150}


def test_the_cheat_that_it_stops() -> None:
    """S13, S21: a planted 250 earns 250 in a second-price auction; here it costs its collateral.

    The auctioneer plants before it knows the bids. Where bo bids 400 it would open, and sells at
    250. Where bo bids 200 it must not open, and pays 100 to bo; opened, it would have kept the
    block and sold nothing.
    """
    plain = Room()
    plain.open()
    plain.offer(sell("solar", 0))
    for who, money in (("ada", 150), ("bo", 400), ("planted", 250)):
        plain.offer(bid(who, money))
    plain.at(100).close()
    assert owed(plain.settle()[0]) == {"bo": 250, "solar": -250}

    room = begun()
    for who, money in (("ada", 150), ("bo", 200), ("planted", 250)):
        room.commit(bid(who, money), 100)
    room.at(200)
    for who, money in (("ada", 150), ("bo", 200)):
        room.reveal(bid(who, money))
    told, money_of, event = ended(room)
    assert told == ["unopened", "cleared"]
    assert money_of == {"ada": 0, "bo": 150 - 100, "planted": 100, "solar": -150}
    assert -money_of["solar"] - money_of["planted"] == 50  # honest: 150
    assert event["operator"] == "0"
    assert {"participant": "planted", "for": "forfeit", "payment": "100"} in event["transfers"]


def test_with_no_sale_forfeits_go_to_the_seller() -> None:
    """docs/spec/session.md, S13, S21."""
    room = begun()
    room.commit(bid("ada", 50), 100)
    room.commit(bid("bo", 500), 120)
    room.at(200).reveal(bid("ada", 50))
    told, money_of, _ = ended(room)
    assert told == ["unopened", "cleared"]
    assert money_of == {"ada": 0, "bo": 120, "solar": -120}


def test_where_the_rule_knows_no_forfeits_the_operator_keeps_them() -> None:
    """docs/spec/session.md, S13."""
    room = begun("sealed-bid")
    room.commit(bid("ada", 3), 7)
    room.commit(bid("bo", 4), 7)
    room.at(200).reveal(bid("bo", 4))
    _, money_of, event = ended(room)
    assert money_of == {"ada": 7, "bo": 0}
    assert event["operator"] == "-7"


def test_a_void_session_gives_all_collateral_back() -> None:
    """docs/spec/session.md, S13."""
    room = begun(least_bidders=3)
    room.commit(bid("ada", 150), 100)
    room.commit(bid("bo", 400), 100)
    room.at(200).reveal(bid("ada", 150))
    told, money_of, event = ended(room)
    assert told == ["unopened", "void"]
    assert money_of == {"ada": 0, "bo": 0} and event["operator"] == "0"


def test_who_does_not_open_is_no_bidder() -> None:
    """S5: commitments that stay closed do not make up for bidders that lack."""
    room = begun(least_bidders=2)
    room.commit(bid("ada", 150), 100)
    room.commit(bid("friend", 400), 100)
    room.at(200).reveal(bid("ada", 150))
    assert ended(room)[0] == ["unopened", "void"]


def test_collateral_must_be_what_the_mechanism_demands() -> None:
    """docs/spec/session.md, S12."""
    room = begun()
    assert refused(room.commit(bid("ada", 150), 99.999999999), "is too little")
    assert refused(room.commit(bid("ada", 150), 2e9), "too large")
    assert names(room.commit(bid("ada", 150), 100)) == ["committed"]
    power = begun(parameters={"distribution": "pareto", "shape": 2.0}, most_bids=10)
    session = power.market.sessions["noon"]
    assert session.least_collateral_nano == session.mechanism.collateral_nano(10)  # type: ignore[attr-defined]


def test_commitments_are_bound_to_session_and_bidder() -> None:
    """S11: who copies a commitment cannot open it, and does not keep its owner from doing so."""
    room = begun()
    offer = bid("ada", 400)
    text = commitment("noon", "ada", SALT, offer)
    room.hand(Commit("noon", "eve", room.now, text, 100 * 10**9))
    assert names(room.commit(offer, 100)) == ["committed"]
    room.at(200)
    assert refused(room.reveal(bid("eve", 400)), "do not give the commitment")
    assert refused(room.reveal(offer, sender="eve"), "that of 'ada'")
    assert names(room.reveal(offer)) == ["revealed"]
    others = {
        commitment("noon", "ada", SALT, offer),
        commitment("evening", "ada", SALT, offer),
        commitment("noon", "bo", SALT, offer),
        commitment("noon", "ada", SALT + b"x", offer),
        commitment("noon", "ada", SALT, bid("ada", 401)),
        commitment("noon", "ada", SALT, bid("ada", 400, id="x")),
    }
    assert len(others) == 6


@pytest.mark.parametrize(
    ("offer", "salt", "reason"),
    [
        (bid("ada", 401), SALT, "do not give the commitment"),
        (bid("ada", 400), SALT + b"x", "do not give the commitment"),
        (bid("ada", 400), b"short", "the salt has 5 bytes"),
        (bid("ada", 400), b"x" * 65, "the salt has 65 bytes"),
        (bid("bo", 400), SALT, "that of 'bo'"),
    ],
)
def test_what_does_not_open_is_refused_and_may_be_tried_again(
    offer: Offer, salt: bytes, reason: str
) -> None:
    """docs/spec/session.md, S12."""
    room = begun()
    room.commit(bid("ada", 400), 100)
    room.at(200)
    assert refused(room.reveal(offer, salt=salt, sender="ada"), reason)
    assert names(room.reveal(bid("ada", 400))) == ["revealed"]
    assert refused(room.reveal(bid("ada", 400)), "opened already")


def test_an_offer_that_does_not_fit_cannot_be_opened() -> None:
    """docs/spec/session.md, S12, S18."""
    for offer, reason in (
        (bid("ada", 400, 0.5), "less than the block"),
        (sell("ada", 1), "offered openly"),
        (Offer("ada", "nowhere", bid("ada", 1).spec), "unknown node"),
        (bid("ada", 5e9), "passes"),
    ):
        room = begun()
        room.commit(offer, 100)
        assert refused(room.at(200).reveal(offer), reason)
        assert ended(room)[0] == ["unopened", "cleared"]


def test_each_thing_in_its_phase() -> None:
    """docs/spec/session.md, S2."""
    room = begun().at(20)
    assert refused(room.commit(bid("ada", 1), 100), "not yet taken: the phase is 'open'")
    assert refused(room.offer(bid("ada", 1)), "committed to, not handed in openly")
    assert refused(room.reveal(bid("ada", 1)), "not yet taken")
    room.at(100)
    assert refused(room.offer(sell("bo", 1)), "no longer taken: the phase is 'commit'")
    assert refused(room.cancel("solar", "solar"), "no longer taken")
    room.commit(bid("ada", 150), 100)
    assert refused(room.commit(bid("ada", 150), 100), "committed to this already")
    assert refused(room.close(), "still to come")
    room.at(200)
    assert refused(room.commit(bid("bo", 150), 100), "no longer taken: the phase is 'reveal'")
    assert refused(room.close(), "1 commitments are not opened yet")
    assert refused(room.cancel("ada", "ada"), "no longer taken")
    room.reveal(bid("ada", 150))
    assert names(room.close()) == ["cleared"]  # all are opened: nothing else can come
    assert refused(room.reveal(bid("ada", 150)), "no longer taken")
    plain = Room()
    plain.open()
    assert refused(plain.commit(bid("ada", 1)), "takes no commitments")


def test_several_commitments_are_named() -> None:
    room = begun()
    room.commit(bid("ada", 150), 100)
    assert room.commit(bid("ada", 300), 100)[0]["id"] == "ada-1"
    assert refused(room.commit(bid("ada", 400), 100, offer_id="ada"), "here already")
    room.at(200)
    assert refused(room.reveal(bid("ada", 300)), "2 commitments of yours")
    assert refused(room.reveal(bid("ada", 300), offer_id="bo"), "0 commitments of yours")
    assert refused(room.reveal(bid("ada", 300), offer_id="ada"), "do not give the commitment")
    assert names(room.reveal(bid("ada", 300), offer_id="ada-1")) == ["revealed"]
    assert refused(room.hand(Commit("noon", "ada", room.now, "xyz")), "no longer taken")


def test_what_is_no_hash_is_no_commitment() -> None:
    room = begun()
    for text in ("xyz", "A" * 64, "0" * 63):
        assert refused(room.hand(Commit("noon", "ada", room.now, text, 10**12)), "not a SHA-256")


def test_sealed_offers_are_seen_when_openings_end() -> None:
    """docs/spec/session.md, S8."""
    room = begun()
    room.commit(bid("ada", 150), 100)
    room.commit(bid("bo", 400), 100)

    def seen(who: str) -> list[bool]:
        return ["offer" in row for row in room.ask(who, "bids")["rows"]]

    assert seen("ada") == [True, False, False]  # the block is offered openly
    room.at(200).reveal(bid("bo", 400))
    assert seen("ada") == [True, False, False]
    assert seen("bo") == [True, False, True]
    rows = room.ask("cleo", "bids")["rows"]
    assert [row.get("opened") for row in rows] == [None, False, True]
    room.at(300)
    assert seen("ada") == [True, False, True]


def test_a_settlement_that_does_not_add_up_would_be_a_bug() -> None:
    from isojoule.core.errors import InvariantError

    room = begun()
    room.commit(bid("ada", 150), 100)
    room.at(200).reveal(bid("ada", 150))
    room.at(300).close()
    session = room.market.sessions["noon"]
    session.outcome.operator["gift"] = 1  # type: ignore[union-attr]
    with pytest.raises(InvariantError):
        settled(session)
