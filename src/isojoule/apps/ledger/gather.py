"""Many threads, one writer: what arrives while a group is written makes up the next group.

There is no thread for it. Whoever comes while nobody writes does so itself, at once, for itself
alone; those who come meanwhile wait in the order of arrival. When the group is written, the first
of them writes for all of them. So a single thread pays nothing, and many share one commit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from isojoule.core.errors import StorageError

T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")

MOST_IN_GROUP = 256
"""Requests in one transaction."""
_INTERRUPTED = "the thread that wrote for others was interrupted; ask again"


class Waiting(Generic[T]):
    """A request, and what became of it."""

    __slots__ = ("error", "leads", "turn", "what")

    def __init__(self, what: T) -> None:
        self.what = what
        self.error: BaseException | None = None
        self.leads = False
        self.turn: threading.Event | None = None


class Gather(Generic[T]):
    """Hands requests to `write` in groups, one group at a time.

    Parameters
    ----------
    write
        Takes a group in the order of arrival, fills in what became of each, or raises for all.
    """

    def __init__(self, write: Callable[[Sequence[Waiting[T]]], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._queue: list[Waiting[T]] = []
        self._busy = False

    def at_once(self, write: Callable[[A, int], R | None], what: A, now_ns: int) -> R | None:
        """Write something alone, if nobody writes; None: somebody does, or so answers `write`."""
        with self._lock:
            if self._busy:
                return None
            self._busy = True
        try:
            return write(what, now_ns)
        finally:
            with self._lock:
                self._pass_on()

    def submit(self, what: T) -> None:
        """Have a request written; returns when it is.

        Raises
        ------
        Exception
            What was wrong with the request, or with all of its group.
        """
        mine = Waiting(what)
        with self._lock:
            if self._busy:
                mine.turn = threading.Event()
                self._queue.append(mine)
            else:
                self._busy = True
                group = [mine]
        if mine.turn is not None:
            try:
                mine.turn.wait()
            except BaseException:  # as a KeyboardInterrupt in the thread that waits
                self._leave(mine)
                raise
            if not mine.leads:
                if mine.error is not None:
                    raise mine.error
                return
            group = self._next_group()
        try:
            self._write(group)
        except BaseException as error:
            told = error if isinstance(error, Exception) else StorageError(_INTERRUPTED)
            for waiting in group:
                waiting.error = waiting.error or told
            raise
        finally:
            self._hand_on(group, mine)
        if mine.error is not None:
            raise mine.error

    def _next_group(self) -> list[Waiting[T]]:
        with self._lock:
            group = self._queue[:MOST_IN_GROUP]
            del self._queue[:MOST_IN_GROUP]
        return group

    def _hand_on(self, group: Sequence[Waiting[T]], mine: Waiting[T]) -> None:
        with self._lock:
            self._pass_on()
        for waiting in group:
            if waiting is not mine and waiting.turn is not None:
                waiting.turn.set()

    def _leave(self, mine: Waiting[T]) -> None:
        """Take back a request whose thread does not wait any longer, unless it is under way."""
        with self._lock:
            if mine in self._queue:
                self._queue.remove(mine)
            if mine.leads:
                self._pass_on()

    def _pass_on(self) -> None:
        """Let the first who waits write for all who do; the lock is held."""
        self._busy = bool(self._queue)
        if self._queue:
            first = self._queue[0]
            first.leads = True
            assert first.turn is not None
            first.turn.set()
