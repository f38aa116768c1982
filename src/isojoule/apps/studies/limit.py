"""A limit on the time that something may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from isojoule.core.errors import InputError

AGAIN_S = 1.0
"""The alarm rings again, in case it was not heard."""


class TimeUpError(InputError):
    """What was asked for took longer than it may."""


@contextmanager
def time_limit(limit_s: float | None) -> Iterator[None]:
    """End the block with `TimeUpError` when so many seconds have passed.

    The clock is the system's alarm, so only the main thread of a process has it, and only where the
    system has such an alarm; elsewhere nothing is limited. Compiled code is not interrupted: the
    block ends when it returns.

    Raises
    ------
    InputError
        The limit is not above 0.
    """
    if limit_s is None:
        yield
        return
    if not limit_s > 0:
        raise InputError(f"a limit of {limit_s:g} s", remedy="give seconds above 0")
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    rung = False

    def up(number: int, frame: FrameType | None) -> None:
        nonlocal rung
        rung = True
        raise _up(limit_s)

    before = signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)
    try:
        yield
    except BaseException:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if rung:  # what was interrupted may have made another error of it
            raise _up(limit_s) from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if rung:
        raise _up(limit_s)


def _up(limit_s: float) -> TimeUpError:
    return TimeUpError(f"not finished within {limit_s:g} s", remedy="give it more time")
