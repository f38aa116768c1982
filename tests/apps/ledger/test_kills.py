"""`kill -9` of a writing process at random moments: what was answered is there, nothing is half.

docs/spec/ledger.md, J15.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import threading
import time
import warnings
from collections import Counter
from itertools import count
from random import Random

import pytest

from isojoule.apps.ledger import open_ledger, read_ledger, verify_ledger
from isojoule.core.errors import InputError
from isojoule.core.transfer import Kind, Transfer
from tests.apps.ledger.conftest import NewUrl
from tests.apps.ledger.some import ACCOUNTS, ADA, BANK

THREADS = 3
_WORDS = struct.Struct(">QI")


@pytest.mark.slow
def test_two_hundred_kills_of_sqlite(new_sqlite: NewUrl) -> None:
    """Ten of one ledger, before the next is begun: then verifying stays quick."""
    acknowledged = sum(_kill_often(new_sqlite(), 10, seed) for seed in range(20))
    assert acknowledged >= 100  # most are killed after the first answer


@pytest.mark.parametrize("seed", [1])
def test_kills_of_clients_of_postgres(new_postgres: NewUrl, seed: int) -> None:
    assert _kill_often(new_postgres(), 25, seed) >= 10


def batch(run: int, number: int) -> list[Transfer]:
    """What a child asks for: each transfer stands alone or in a chain, none is refused."""
    random = Random(run * 1_000_003 + number)
    size = random.choice((1, 1, 2, 5, 20, 60))
    stem = (run + 1) << 80 | number << 40
    out = []
    for i in range(size):
        kind = random.choice((Kind.POSTED, Kind.POSTED, Kind.PENDING))
        t = Transfer(stem + i, BANK.id, ADA.id, 1 + random.randrange(9), kind)
        if kind is Kind.PENDING:
            t = t._replace(timeout_s=random.choice((0, 0, 1)))
        out.append(t._replace(linked=i + 1 < size and random.random() < 0.5))
    return out


def _kill_often(url: str, kills: int, seed: int) -> int:
    """Kill so often; check after each. Returns how many batches were acknowledged in all."""
    random = Random(seed)
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 0)
    told: set[tuple[int, int]] = set()
    for run in range(kills):
        told |= _killed(url, run, random)
        verify_ledger(url)
        with read_ledger(url) as reader:
            asked = [t for t in reader.transfers() if t.kind is not Kind.EXPIRE]
        there = Counter((t.id >> 80, t.id >> 40 & 0xFFFF_FFFF) for t in asked)
        for r, number in told:
            assert there[r + 1, number] == len(batch(r, number)), "acknowledged, and not there"
        for (r, number), found in there.items():
            assert found == len(batch(r - 1, number)), "half of a request"
    return len(told)


def _killed(url: str, run: int, random: Random) -> set[tuple[int, int]]:
    """Let a child write until it is killed; what it says was acknowledged."""
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of libraries, idle here
        child = os.fork()
    if child == 0:
        try:
            _write_for_ever(url, run, writable)
        finally:
            os._exit(1)
    os.close(writable)
    if random.random() < 0.7:  # once it writes; else maybe while it opens the ledger
        select.select([readable], [], [], 10)
    time.sleep(random.random() * 0.03)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child ended by itself"
    with os.fdopen(readable, "rb") as pipe:
        data = pipe.read()
    return {_WORDS.unpack_from(data, at) for at in range(0, len(data), _WORDS.size)}  # type: ignore[misc]


def _write_for_ever(url: str, run: int, writable: int) -> None:
    while True:
        try:
            ledger = open_ledger(url)
            break
        except InputError as error:  # the server has not yet seen that the one before is dead
            if "has a writer" not in str(error):
                raise
    numbers = count()
    lock = threading.Lock()

    def write() -> None:
        while True:
            with lock:
                number = next(numbers)
            answers = ledger.post(batch(run, number), time.time_ns())
            assert all(answer.status.value == "created" for answer in answers)
            os.write(writable, _WORDS.pack(run, number))

    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
