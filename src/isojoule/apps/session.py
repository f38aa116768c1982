"""`isojoule.play_session`: from messages to what happened, in one call."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from isojoule.apps.clearing import Cleared
from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.session_files import read_messages
from isojoule.apps.files.transcript import transcript_lines, write_transcript
from isojoule.core.errors import InputError
from isojoule.core.hashlog import Line
from isojoule.market.contract import Refusal
from isojoule.market.messages import Event
from isojoule.market.session import Market, SessionMessage


@dataclass(frozen=True, eq=False, repr=False)
class Played:
    """Messages, what each brought about, and the market that they lead to."""

    messages: tuple[SessionMessage, ...]
    events: tuple[tuple[Event, ...], ...]
    market: Market

    def __repr__(self) -> str:
        """What it is, in one line."""
        names = ", ".join(self.market.sessions) or "none"
        return f"<Played: {len(self.messages)} messages; sessions: {names}>"

    def __str__(self) -> str:
        """The tables of `isojoule session`."""
        from isojoule.apps.cli.sessions import played_text

        return played_text(self)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return f"<pre>{html.escape(str(self))}</pre>"

    @cached_property
    def transcript(self) -> list[Line]:
        """The hash-chained log of all of it."""
        return transcript_lines(self.messages, self.events)

    @property
    def head(self) -> str:
        """What stands for the whole transcript, 64 hexadecimal digits."""
        return self.transcript[-1].head

    def write(self, path: Path | str) -> None:
        """Write the transcript; `isojoule verify` checks it."""
        write_transcript(path, self.transcript)

    def cleared(self, session: str) -> Cleared | Refusal | None:
        """The outcome of a session: cleared, refused by its mechanism, or not closed.

        Raises
        ------
        InputError
            No such session.
        """
        if session not in self.market.sessions:
            some = ", ".join(self.market.sessions) or "none was opened"
            raise InputError(f"unknown session {session!r}", remedy=f"use one of: {some}")
        found = self.market.sessions[session]
        if found.outcome is None or found.book is None or isinstance(found.outcome, Refusal):
            return found.outcome if isinstance(found.outcome, Refusal) else None
        grid = found.opened.grid
        return Cleared(BookFile(found.book, grid), found.outcome)


def play_session(messages: Path | str | Iterable[SessionMessage]) -> Played:
    """Play messages, of a file or made in Python, through a new market.

    Raises
    ------
    InputError
        A file with something wrong, with line and remedy. What a market refuses is no error but
        an event.
    """
    read = read_messages(messages) if isinstance(messages, str | Path) else list(messages)
    market = Market()
    events = tuple(market.handle(message) for message in read)
    return Played(tuple(read), events, market)
