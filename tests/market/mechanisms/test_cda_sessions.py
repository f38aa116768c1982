"""Sessions of the order book, step by step, and what holds of random ones.

Spec: docs/spec/sequential.md, Q1 to Q5 and Q14.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.market import Book, Clearing, Sequential
from isojoule.market.best import best
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.cda import Cda
from isojoule.market.messages import Cancel, Submit
from isojoule.market.sequential import cancellations, fold, frame_of, in_order
from isojoule.valuation import Offer
from tests.market.books import buy, sell
from tests.market.mechanisms.sessions import GRID, at, copper, same, sessions
from tests.market.mechanisms.sessions import clear_cda as clear

# --- sessions ---------------------------------------------------------------------------------


def session(*messages: tuple[Any, int]) -> tuple[Any, list[list[dict[str, Any]]]]:
    cda = Cda()
    state = cda.first(frame_of(copper([]), GRID), GRID)
    told = []
    for message, now in messages:
        state, events = cda.step(state, message, now)
        told.append(list(events))
    return state, told


def test_events_of_a_session() -> None:
    """docs/spec/sequential.md, Q1."""
    _, told = session(
        (Submit(at(1, "ada", sell((2, 4)))), 1),
        (Submit(at(2, "bo", buy((3, 5)), immediate=True)), 2),
        (Submit(at(3, "eve", buy((1, 3)))), 3),
        (Cancel("eve", "eve"), 3),
    )
    assert told == [
        [{"event": "accepted", "id": "ada", "energy_j": "2"}],
        [
            {
                "event": "traded", "sell_offer": "ada", "buy_offer": "bo", "energy_j": "2",
                "payment": "8", "price_per_j": 4.0,
            },
            {"event": "dropped", "id": "bo", "energy_j": "1"},
        ],
        [{"event": "accepted", "id": "eve", "energy_j": "1"}],
        [{"event": "cancelled", "id": "eve", "energy_j": "1"}],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "now", "why"),
    [
        (Submit(at(5, "ada", sell((1, 4)))), 5, "id of its own"),
        (Submit(at(5, "", sell((1, 4)))), 5, "id of its own"),
        (Submit(at(1, "cleo", sell((1, 4)))), 1, "out of order"),
        (Submit(at(2, "abe", sell((1, 4)))), 2, "out of order"),
        (Cancel("nobody", "ada"), 5, "no such offer"),
        (Cancel("ada", "bo"), 5, "another participant"),
        (Cancel("bo", "bo"), 5, "nothing of it rests"),
        (Submit(at(5, "cleo", sell((1, 4, 6)))), 5, "sloped"),
    ],
)
def test_a_refused_message_changes_nothing(message: Any, now: int, why: str) -> None:
    """docs/spec/sequential.md, Q1 and Q2."""
    offers = [at(1, "ada", sell((2, 4))), at(2, "bo", buy((1, 5)))]
    state, _ = session(*((Submit(o), o.at_ns) for o in offers))
    after, events = Cda().step(state, message, now)
    assert [e["event"] for e in events] == ["refused"] and why in events[0]["reason"]
    assert events[0]["remedy"]
    one, other = (Cda().close(s, copper(offers)) for s in (state, after))
    assert same(one, other)


def test_the_protocol() -> None:
    assert isinstance(get("cda"), Sequential)


@settings(max_examples=120, deadline=None)
@given(sessions())
def test_properties(case: tuple[list[Offer], list[tuple[str, int]]]) -> None:
    """The second implementation agrees (Q14); money and energy balance; nobody is worse off."""
    offers, cancelled = case
    book = copper(offers)
    c = clear(offers, *cancelled)
    assert int(c.energy_uj.sum()) == 0 and int(c.payment_nano.sum()) == 0
    for m in c.matches:
        sell_offer, buy_offer = book.offers[m.sell_offer], book.offers[m.buy_offer]
        assert sell_offer.participant != buy_offer.participant  # Q10
        assert m.energy_uj > 0
        assert m.at_ns == max(sell_offer.at_ns, buy_offer.at_ns)  # Q7: one of them just came
        for name, ns in cancelled:  # Q2
            if name in (sell_offer.id, buy_offer.id):
                own = sell_offer if name == sell_offer.id else buy_offer
                assert m.at_ns <= ns or ns < own.at_ns
        asks = [s.price_per_j for s in getattr(sell_offer.spec, "sell", ())]
        if asks:  # never below the own ask, but for the exact product rounded up
            assert m.payment_nano >= min(asks) * m.energy_uj * 1000 - 1
        bids = [s.price_per_j for s in getattr(buy_offer.spec, "buy", ())]
        if bids:
            assert m.payment_nano <= max(bids) * m.energy_uj * 1000 + 1
    # what each offer gets is worth what it pays, but for a nano-unit a trade
    worth = worth_of(book, c.energy_uj)
    assert np.all(worth - c.payment_nano * 1e-9 >= -1e-9 * (len(c.matches) + 1) - 1e-9)
    found = best(book, GRID) if not book.indivisible else None
    if found is not None and hasattr(found, "support"):
        bound = c.certificate.welfare_bound
        assert c.welfare <= found.support.welfare + 1e-6 <= bound + 2e-6
    # at the end nobody's bid that rests crosses another's ask: no trade was passed over (Q7)
    assert same(c, get("cda").clear(book, GRID, state=c.state_before))


def worth_of(book: Book, energy_uj: Any) -> Any:
    """Worth of what each offer received, by its flat pieces, money."""
    out = np.zeros(book.offer_count)
    for i in range(book.offer_count):
        mine = book.piece_offer == i
        lo, hi, level = (x[mine] for x in (book.pieces.lo, book.pieces.hi, book.pieces.a))
        left = energy_uj[i] / 1e6
        if left > 0:
            for low, high, price in zip(lo, hi, level, strict=True):
                size = min(high, left) if low >= 0 else 0.0
                out[i] += price * size
                left -= size
        else:
            for low, high, price in reversed(list(zip(lo, hi, level, strict=True))):
                size = max(low, left) if high <= 0 else 0.0
                out[i] += price * size
                left -= size
    return out


@settings(max_examples=80, deadline=None)
@given(sessions(), st.data())
def test_a_live_session_and_a_batch_give_the_same(
    case: tuple[list[Offer], list[tuple[str, int]]], data: st.DataObject
) -> None:
    """docs/spec/sequential.md, Q1 and Q3; from any state on, as often as one likes."""
    offers, cancelled = case
    book = copper(offers)
    cda = Cda()
    batch = fold(
        cda, book, GRID, state={"cancelled": [{"id": n, "at_ns": t} for n, t in cancelled]}
    )
    owner = {o.id: o.participant for o in offers}
    messages = list(in_order(list(book.offers), [(Cancel(n, owner[n]), t) for n, t in cancelled]))
    state = cda.first(frame_of(book, GRID), GRID)
    states = [state]
    for message, now in messages:
        state, _ = cda.step(state, message, now)
        states.append(state)
    live = cda.close(state, book)
    assert same(batch, live)
    # its own state_before gives it again, as JSON holds it
    assert isinstance(live, Clearing)
    assert isinstance(cancellations(live.state_before), list)
    assert same(live, cda.clear(book, GRID, state=live.state_before))
    # any state is still what it was: the rest of the session from there gives the same
    cut = data.draw(st.integers(0, len(messages)))
    state = states[cut]
    for message, now in messages[cut:]:
        state, _ = cda.step(state, message, now)
    assert same(live, cda.close(state, book))
    assert same(live, cda.close(states[-1], book))


@settings(max_examples=30, deadline=None)
@given(sessions(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    case: tuple[list[Offer], list[tuple[str, int]]], rnd: Any
) -> None:
    """docs/spec/sequential.md, Q2."""
    offers, _ = case
    shuffled = list(offers)
    rnd.shuffle(shuffled)
    assert same(clear(offers), clear(shuffled))
