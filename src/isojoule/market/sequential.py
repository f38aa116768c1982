"""What sequential mechanisms share: the fold, the order of messages, and cheap immutable states.

The rules:

- `fold` is the `clear` of a sequential mechanism: `step` over the offers of the book by
  (`at`, `id`), with the cancellations of `state["cancelled"]` in between, then `close`.
- Within a nanosecond offers come by id, and cancellations after them, in the order listed.
  A session that is told otherwise refuses the message, so every session can be replayed.
- An offer that `step` refuses is not in a session's book. A batch has it in its book, so the
  batch is refused.

Spec: docs/spec/sequential.md, Q1 to Q5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Refusal, Sequential, State
from isojoule.market.messages import Cancel, Event, Message, Submit
from isojoule.valuation import KINDS, Load, Offer, Step, Steps, Utility

Moment = tuple[int, int, str]
"""When a message came: nanoseconds, 0 for offers and 1 for cancellations, the offer's id."""
DAWN: Moment = (-(2**63), 0, "")
"""Before all messages."""


class Unfit(NamedTuple):
    """Why an offer or a message is not taken, and what to do about it."""

    reason: str
    remedy: str = ""

    def event(self, offer_id: str) -> Event:
        """As `step` tells it."""
        return {
            "event": "refused", "id": offer_id, "reason": self.reason, "remedy": self.remedy,
        }  # fmt: skip


def fold(
    mechanism: Sequential, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
) -> Clearing | Refusal:
    """Clear a book by handing its offers and cancellations to `step`, one by one.

    Parameters
    ----------
    mechanism
        Whose `first`, `step` and `close` are called.
    book, grid, state, seed
        As for `clear`.

    Returns
    -------
    The clearing, with `state_before` as it came in, or the refusal of what does not fit.
    """
    came = dict(state or {})
    cancelled = cancellations(came)
    if isinstance(cancelled, Unfit):
        return Refusal(mechanism.name, cancelled.reason, cancelled.remedy)
    begun = mechanism.first(frame_of(book, grid), grid, state=came, seed=seed)
    if isinstance(begun, Refusal):
        return begun
    offers = rows_of(book, grid)
    if isinstance(offers, Unfit):
        return Refusal(mechanism.name, offers.reason, offers.remedy)
    owner = {offer.id: offer.participant for offer in offers}
    for name, _ in cancelled:
        if name not in owner:
            return Refusal(
                mechanism.name,
                f"the state cancels offer {name!r}, which the book does not have",
                "hand in the book that the state belongs to",
            )
    gone = [(Cancel(name, owner[name]), at_ns) for name, at_ns in cancelled]
    if isinstance(mechanism, Swift):
        after = mechanism.swift(begun, sorted(offers, key=_arrival), gone)
        if isinstance(after, Refusal):
            return after
        out = mechanism.close(after, book)
        return out if isinstance(out, Refusal) else replace(out, state_before=came)
    for message, at_ns in in_order(offers, gone):
        begun, events = mechanism.step(begun, message, at_ns)
        if isinstance(message, Submit):
            for event in events:
                if event["event"] == "refused":
                    text = f"offer {message.offer.id!r}: {event['reason']}"
                    return Refusal(mechanism.name, text, event["remedy"])
    out = mechanism.close(begun, book)
    return out if isinstance(out, Refusal) else replace(out, state_before=came)


@runtime_checkable
class Swift(Sequential, Protocol):
    """A mechanism that goes through a whole book without telling what happened on the way."""

    def swift(
        self, state: Any, offers: list[Offer], cancelled: list[tuple[Cancel, int]]
    ) -> Any | Refusal:
        """The state after these, as `step` makes it one by one, or the refusal of an offer.

        Parameters
        ----------
        state
            From `first`.
        offers
            In the order of (`at`, `id`).
        cancelled
            With their times, in the order in which they came.
        """
        ...


def _arrival(offer: Offer) -> tuple[int, str]:
    return offer.at_ns, offer.id


def in_order(
    offers: list[Offer], cancelled: list[tuple[Cancel, int]]
) -> Iterator[tuple[Message, int]]:
    """Offers and cancellations with their times, in the order in which they came."""
    told: list[tuple[Moment, Message]] = [
        ((offer.at_ns, 0, offer.id), Submit(offer)) for offer in offers
    ]
    told += [((at_ns, 1, ""), cancel) for cancel, at_ns in cancelled]
    for moment, message in sorted(told, key=lambda row: row[0]):
        yield message, moment[0]


def moment_of(message: Message, now_ns: int) -> Moment:
    """The place of a message in the order; cancellations of one nanosecond are alike."""
    if isinstance(message, Submit):
        return (now_ns, 0, message.offer.id)
    return (now_ns, 1, "")


def too_late(last: Moment, message: Message, now_ns: int) -> Unfit | None:
    """Why a message cannot come after what came last, or None."""
    if moment_of(message, now_ns) >= last:
        return None
    return Unfit(
        "it comes out of order: earlier than what came before it, or in the same nanosecond with "
        "a lower id or after a cancellation",
        "stamp it a nanosecond later",
    )


def cancellations(state: State) -> list[tuple[str, int]] | Unfit:
    """Id and time of every cancellation that a state lists under "cancelled"."""
    found: list[tuple[str, int]] = []
    rows = state.get("cancelled", [])
    wrong = Unfit(
        'state["cancelled"] is not a list of {"id", "at_ns"}',
        "hand in the state that a session left",
    )
    if not isinstance(rows, list):
        return wrong
    for row in rows:
        if not isinstance(row, dict) or set(row) != {"id", "at_ns"}:
            return wrong
        at_ns = _whole(row["at_ns"])
        if not isinstance(row["id"], str) or at_ns is None:
            return wrong
        found.append((row["id"], at_ns))
    return found


def cancelled_rows(cancelled: list[tuple[str, int]]) -> State:
    """The state that tells a batch of a session's cancellations; empty without any.

    Times are decimal strings: as numbers they would pass 2**53, beyond which JSON is not exact.
    """
    rows = [{"id": name, "at_ns": str(at_ns)} for name, at_ns in cancelled]
    return {"cancelled": rows} if rows else {}


def _whole(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if digits.isascii() and digits.isdigit() and str(int(value)) == value:
        return int(value)
    return None


def frame_of(book: Book, grid: Grid) -> Book:
    """The book without its offers: currency, interval and network."""
    return Book.from_offers(
        [], grid, interval=book.interval, currency=book.currency, network=book.network
    )


def rows_of(book: Book, grid: Grid) -> list[Offer] | Unfit:
    """The offers of a book as rows; those of a simulation, which has columns alone, are made.

    A simulation's offers come at the start of their interval. A battery's curve has no row.
    """
    if book.offers or not book.offer_count:
        return list(book.offers)
    first = np.searchsorted(book.piece_offer, np.arange(book.offer_count + 1))
    offers = []
    for i, name in enumerate(book.offer_ids):
        kind = KINDS[book.offer_kind[i]]
        if kind not in ("steps", "load", "utility"):
            return Unfit(
                f"offer {name!r} is a {kind}, which has no single price",
                "leave it out of the scenario, or choose a mechanism for curves",
            )
        rows = slice(int(first[i]), int(first[i + 1]))
        spec = _spec(book, kind, rows, bool(book.spill1[i]))
        who = book.participants[book.offer_participant[i]]
        node = grid.node_ids[book.offer_node[i]]
        offers.append(Offer(who, node, spec, id=name, at_ns=book.interval.start_s * 10**9))
    return offers


def _spec(book: Book, kind: str, rows: slice, spills: bool) -> Steps | Load | Utility:
    """What flat pieces of a simulation's book stand for."""
    p = book.pieces
    level = (p.a + p.b * np.maximum(p.c0, 0.0) ** p.k)[rows].tolist()
    low, high = p.lo[rows].tolist(), p.hi[rows].tolist()
    if kind == "utility":
        sells = next((v for v, lo in zip(level, low, strict=True) if lo < 0), None)
        buys = next((v for v, hi in zip(level, high, strict=True) if hi > 0), None)
        return Utility(sells, buys)
    if kind == "load":
        return Load(int(high[0] * UJ_PER_J + 0.5), level[0])
    # pieces stand from the dearest ask down to the lowest bid
    pieces = list(zip(level, low, high, strict=True))
    sell = [Step(int(-lo * UJ_PER_J + 0.5), v, v) for v, lo, hi in reversed(pieces) if lo < 0]
    buy = [Step(int(hi * UJ_PER_J + 0.5), v, v) for v, lo, hi in pieces if hi > 0]
    spill = sell[0].price_per_j if spills and sell else None
    return Steps(tuple(sell), tuple(buy), spill)


class Machine(Protocol):
    """A mutable machine behind immutable states."""

    def anew(self) -> Machine:
        """The same machine before its first message."""
        ...

    def take(self, message: Message, now_ns: int) -> tuple[Event, ...]:
        """Take a message, or refuse it and stay as it is."""
        ...


M = TypeVar("M", bound=Machine)


@dataclass(slots=True)
class _Shared(Generic[M]):
    """A machine, and the messages that it has taken."""

    machine: M
    taken: list[tuple[Message, int]]


@dataclass(frozen=True, eq=False, slots=True)
class Session(Generic[M]):
    """An immutable state that costs no copy: one machine, and how many messages it had taken.

    The newest state owns the machine, and `after` moves it on. From an older state the machine is
    made again from its messages, so that state, too, stays as it was. States that come from one
    another are for one thread.
    """

    _shared: _Shared[M]
    count: int

    @classmethod
    def of(cls, machine: M) -> Session[M]:
        """The state before the first message."""
        return cls(_Shared(machine, []), 0)

    @property
    def machine(self) -> M:
        """The machine as it stands in this state; only to be read."""
        return self._own().machine

    def after(self, message: Message, now_ns: int) -> tuple[Session[M], tuple[Event, ...]]:
        """The state after a message, and what happened; a refused message changes nothing."""
        shared = self._own()
        events = shared.machine.take(message, now_ns)
        for event in events:
            if event["event"] == "refused":
                return (self if shared is self._shared else Session(shared, self.count)), events
        shared.taken.append((message, now_ns))
        return Session(shared, self.count + 1), events

    def _own(self) -> _Shared[M]:
        if len(self._shared.taken) == self.count:
            return self._shared
        machine: M = self._shared.machine.anew()  # type: ignore[assignment]
        taken = self._shared.taken[: self.count]
        for message, now_ns in taken:
            machine.take(message, now_ns)
        return _Shared(machine, taken)
