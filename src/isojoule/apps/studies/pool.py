"""Studies: calls of a function with plain data in and out, in parallel, kept as they finish.

    found = run_studies([Study("a", task, {...}), Study("b", task, {...})], folder, workers=2)

The rules:

- A study is a function of a module, by its name, and plain data. Its answer follows from these
  alone, so it does not matter where or when it is made, nor how many work at once. The answers
  come back in the order of the studies.
- Each answer is written to the folder as soon as it is there, under a name that follows from the
  study, the function and the versions of everything that computes. The same studies asked for
  again, after Ctrl-C, a crash or a week, are read from there.
- Chance: a study gets its seed among its data. Those that are to be compared share one; those that
  repeat each other have one each, from `seed_of`.
- Any `concurrent.futures` executor will do. By default it is a pool of processes that are started
  anew ("spawn"); they are told to stop on Ctrl-C, and end when the process that started them is
  gone.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

from isojoule.apps.results.checkpoint import HALF
from isojoule.apps.results.manifest import versions
from isojoule.apps.results.workers import deaf, end_with_parent
from isojoule.core.canonical import digest
from isojoule.core.chance import bits
from isojoule.core.errors import InputError, Interrupted

Tick = Callable[[str, int, int], None]
"""Called by a study with a stage, steps done, and steps in all (0 if unknown)."""
Task = Callable[[dict[str, Any], Tick], dict[str, Any]]
Report = Callable[[str, int, int], None]
"""Called with what is going on, steps done, and steps in all."""
EVERY_S = 0.2
"""A worker tells no more often how far it is."""


@dataclass(frozen=True)
class Study:
    """One call.

    Parameters
    ----------
    name
        For people; unique among the studies of a call.
    task
        A function of a module: what another process can import.
    data
        Plain data that JSON can hold; the answer follows from it.
    """

    name: str
    task: Task
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of the file that holds the answer, without its ending."""
        what = {
            "task": f"{self.task.__module__}.{self.task.__qualname__}",
            "data": self.data,
            "versions": versions(),
        }
        return f"{self.name}-{digest(json.loads(json.dumps(what)))[:12]}"


def seed_of(seed: int, *names: str | int) -> int:
    """A seed for one of many studies that repeat each other, below 2**53.

    It follows from the seed of all and the names alone.
    """
    return bits(seed.to_bytes(8, "big", signed=True), "study", names) >> 203


def run_studies(
    studies: Sequence[Study],
    folder: Path,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    fresh: bool = False,
    report: Report | None = None,
) -> list[dict[str, Any]]:
    """Answer all studies.

    Parameters
    ----------
    folder
        Where answers are kept.
    workers
        Processes; 1: all in this one. The answers do not depend on it.
    executor
        Instead of a pool of our own. It is not shut down.
    fresh
        Answer anew what is kept.
    report
        Progress.

    Raises
    ------
    InputError
        Of a study; two have one name; or a worker died, which is said with what is left.
    Interrupted
        By Ctrl-C; says what is kept.
    """
    if len({s.name for s in studies}) < len(studies):
        raise InputError("two studies have one name", remedy="give each a name of its own")
    tell = report or (lambda stage, done, total: None)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {} if fresh else {s.name: a for s in studies if (a := _read(folder, s)) is not None}
    open_ = [s for s in studies if s.name not in kept]

    def done(study: Study, answer: dict[str, Any]) -> None:
        kept[study.name] = _write(folder, study, answer)

    try:
        if executor is not None:
            _in(executor, open_, done)
        elif min(workers, len(open_)) > 1:
            _in_processes(open_, min(workers, len(open_)), done, tell)
        else:
            for study in open_:
                done(study, study.task(study.data, _named(study.name, tell)))
    except BrokenProcessPool:
        left = [s.name for s in studies if s.name not in kept]
        raise InputError(
            f"a worker process died, perhaps for lack of memory; not finished: {', '.join(left)}",
            place="workers",
            remedy="the same call goes on from what is kept; with one worker it needs less. A "
            'script that asks for workers needs `if __name__ == "__main__":`',
        ) from None
    except KeyboardInterrupt as error:
        said = f" ({error})" if str(error) else ""
        raise Interrupted(
            f"interrupted{said}; {len(kept)} of {len(studies)} studies are finished and kept in "
            f"{folder}, and the same call goes on from there"
        ) from None
    return [kept[s.name] for s in studies]


def _in(executor: Executor, studies: list[Study], done: Callable[..., None]) -> None:
    futures = [(s, executor.submit(s.task, s.data, _silent)) for s in studies]
    try:
        for study, future in futures:
            done(study, future.result())
    except BaseException:
        for _, future in futures:
            future.cancel()
        raise


def _in_processes(
    studies: list[Study], workers: int, done: Callable[..., None], tell: Report
) -> None:
    context = get_context("spawn")
    queue, stop = context.Queue(), context.Event()
    with ProcessPoolExecutor(workers, context, _begin, (queue, stop)) as pool:
        try:
            with deaf():
                waiting: dict[Future[dict[str, Any]], Study] = {
                    pool.submit(_work, s): s for s in studies
                }
            far: dict[str, tuple[int, int]] = {}
            while waiting:
                with suppress(Empty):
                    name, steps, of = queue.get(timeout=0.1)
                    far[name] = steps, of
                    known = [v for v in far.values() if v[1]]
                    tell(f"{len(studies) - len(waiting)} of {len(studies)} done",
                         sum(v[0] for v in known), sum(v[1] for v in known))  # fmt: skip
                for future in [f for f in waiting if f.done()]:
                    done(waiting.pop(future), future.result())
        except BrokenProcessPool:
            raise
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class _StoppedError(Exception):
    """Ends a worker's study; the process that asked for it has raised its own."""


_shared: dict[str, Any] = {}


def _begin(queue: Any, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and stops us
    threading.Thread(target=end_with_parent, daemon=True).start()
    _shared.update(queue=queue, stop=stop)


def _work(study: Study) -> dict[str, Any]:
    told = 0.0

    def tick(stage: str, steps: int, of: int) -> None:
        nonlocal told
        if _shared["stop"].is_set():
            raise _StoppedError
        if monotonic() - told >= EVERY_S:
            told = monotonic()
            _shared["queue"].put((study.name, steps, of))

    return study.task(study.data, tick)


def _silent(stage: str, steps: int, of: int) -> None:
    """A tick that nobody hears."""


def _named(name: str, tell: Report) -> Tick:
    return lambda stage, steps, of: tell(f"{name}: {stage}", steps, of)


def _read(folder: Path, study: Study) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads((folder / f"{study.key}.json").read_text())
    except (OSError, ValueError):
        return None
    return document


def _write(folder: Path, study: Study, answer: dict[str, Any]) -> dict[str, Any]:
    """Keep an answer, whole or not at all; returns it as it would be read back."""
    path = folder / f"{study.key}.json"
    half = path.with_name(path.name + HALF)
    half.write_text(json.dumps(answer, allow_nan=False))
    half.replace(path)
    found: dict[str, Any] = json.loads(path.read_text())
    return found
