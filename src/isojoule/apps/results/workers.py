"""All jobs of a run, in this process or in several. The results do not depend on it.

Workers are told to stop when the run is interrupted, and end by themselves when the process that
started them is gone, so that none goes on writing behind a run that was taken up again.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from pathlib import Path
from queue import Empty
from typing import Any

from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.unfinished import WorkerLostError
from isojoule.apps.results.worlds import Job, Outcome, run_job
from isojoule.core.errors import InputError
from isojoule.microworld.scenario import Scenario

Count = Callable[[int], None]
"""Called with the number of intervals done since it was last called."""
SOME = 48
"""A worker tells of so many intervals at a time."""


def cores() -> int:
    """How many processes may work at once on this machine."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def here(scenario: Scenario, jobs: list[Job], kept: Path, count: Count) -> list[Outcome]:
    """All jobs in this process, one after the other."""
    return [run_job(scenario, job, count, kept) for job in jobs]


def in_processes(
    inputs: Path,
    arguments: dict[str, Any],
    jobs: list[Job],
    kept: Path,
    workers: int,
    count: Count,
) -> list[Outcome]:
    """All jobs in worker processes; the longest (the market's) first.

    Parameters
    ----------
    inputs
        Folder of the scenario, which each worker reads.
    arguments
        Of the run: which part of the scenario, on which forecast.
    kept
        Folder of the checkpoints.
    """
    context = get_context("spawn")
    queue, stop = context.Queue(), context.Event()
    with ProcessPoolExecutor(
        max_workers=workers,
        mp_context=context,
        initializer=_begin,
        initargs=(inputs, arguments, kept, queue, stop),
    ) as pool:
        try:
            with deaf():
                futures = [pool.submit(_work, job) for job in jobs]
            waiting = set(futures)
            while waiting:
                with suppress(Empty):
                    count(queue.get(timeout=0.1))
                for future in [f for f in waiting if f.done()]:
                    future.result()
                    waiting.discard(future)
        except BrokenProcessPool:
            raise _lost(kept) from None
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


@contextmanager
def deaf() -> Iterator[None]:
    """Workers that start now do not hear Ctrl-C, from their very first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _lost(kept: Path) -> InputError:
    if any(kept.glob("*-*.json")):
        return WorkerLostError(
            "a worker process was ended, perhaps for lack of memory",
            place="workers",
            remedy="the same command goes on from what is finished; with workers=1 it needs less",
        )
    return InputError(
        "a worker process ended at once",
        place="workers",
        remedy='put the call under `if __name__ == "__main__":`, or run with workers=1',
    )


class _StoppedError(Exception):
    """Ends a worker's job; the process that asked for it has raised its own."""


_shared: dict[str, Any] = {}


def _begin(inputs: Path, arguments: dict[str, Any], kept: Path, queue: Any, stop: Any) -> None:
    """Read the scenario in the worker: what is handed to a new process must be small.

    A process that dies at its start never reads it, and would leave us waiting.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and stops us
    threading.Thread(target=end_with_parent, daemon=True).start()
    scenario = read_asked(inputs, arguments).scenario
    _shared.update(scenario=scenario, kept=kept, queue=queue, stop=stop)


def end_with_parent() -> None:
    """Wait until the process that started this one is gone, and end with it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: Job) -> Outcome:
    pending = 0

    def count(step: int) -> None:
        nonlocal pending
        if _shared["stop"].is_set():
            raise _StoppedError
        pending += step
        if pending >= SOME:
            _shared["queue"].put(pending)
            pending = 0

    return run_job(_shared["scenario"], job, count, _shared["kept"])
