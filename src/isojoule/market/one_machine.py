"""A sequential mechanism on a copperplate that is one machine, and closes once.

A mechanism says which machine an interval begins with (`begun`) and what the machine has traded
(`closed`); `OneMachine` makes `first`, `step`, `close` and `clear` of it.
Spec: docs/spec/sequential.md, Q1 to Q5.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Refusal, State, Traits
from isojoule.market.matched import refuse_network
from isojoule.market.messages import Event, Message
from isojoule.market.sequential import Machine, Session, cancelled_rows, fold

M = TypeVar("M", bound=Machine)


@dataclass(frozen=True, eq=False, slots=True)
class Running(Generic[M]):
    """Where a session stands; `came` is what came in from the interval before."""

    grid: Grid
    seed: bytes
    came: State
    session: Session[M]

    @property
    def machine(self) -> M:
        """The machine after all messages so far."""
        return self.session.machine

    def before(self, cancelled: list[tuple[str, int]]) -> State:
        """The state by which a batch does the same: what came in, and who left."""
        return {**self.came, **cancelled_rows(cancelled)}


class OneMachine(Generic[M]):
    """A mechanism of one machine; subclasses are frozen dataclasses."""

    name: ClassVar[str]
    traits: ClassVar[Traits]
    tells: ClassVar[bool] = True

    def begun(self, frame: Book, came: State) -> M:
        """The machine before its first message.

        Parameters
        ----------
        frame
            The book without offers.
        came
            What the interval before left; empty in the first.

        Raises
        ------
        InputError
            The state is not one that this mechanism leaves.
        """
        raise NotImplementedError

    def known(self, machine: M) -> Container[str]:
        """Ids of the offers that came in."""
        raise NotImplementedError

    def closed(self, state: Running[M], book: Book) -> Clearing | Refusal:
        """The clearing of all that was traded."""
        raise NotImplementedError

    def first(
        self, frame: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Running[M] | Refusal:
        """The first state. See `isojoule.market.contract`."""
        refusal = refuse_network(self.name, frame)
        if refusal is not None:
            return refusal
        came = {key: value for key, value in (state or {}).items() if key != "cancelled"}
        try:
            machine = self.begun(frame, came)
        except InputError as error:
            return Refusal(self.name, error.message, error.remedy)
        return Running(grid, seed, came, Session.of(machine))

    def step(
        self, state: Running[M], message: Message, now_ns: int
    ) -> tuple[Running[M], tuple[Event, ...]]:
        """The state after a message, and what happened."""
        session, events = state.session.after(message, now_ns)
        return Running(state.grid, state.seed, state.came, session), events

    def close(self, state: Running[M], book: Book) -> Clearing | Refusal:
        """See `closed`; all offers of the book must have come in."""
        known = self.known(state.machine)
        for name in book.offer_ids:
            if name not in known:
                return Refusal(self.name, f"offer {name!r} did not come in", "hand it in")
        return self.closed(state, book)

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        return refuse_network(self.name, book) or fold(self, book, grid, state=state, seed=seed)


def no_state(came: State, remedy: str) -> None:
    """Insist that nothing came in. Raises InputError."""
    for key in sorted(came):
        raise InputError(f"the state has {key!r}", place="state", remedy=remedy)
