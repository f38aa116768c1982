"""Many threads, one writer: requests are gathered, and each keeps its own answers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from isojoule.apps.ledger import open_ledger, verify_ledger
from isojoule.apps.ledger.gather import Gather, Waiting
from isojoule.core.errors import InputError, StorageError
from isojoule.core.transfer import Account, Transfer
from isojoule.settlement.ledger.answers import Answer, Status
from tests.apps.ledger.some import ACCOUNTS, ADA, BO, pay


def together(count: int, work: Callable[[int], None]) -> None:
    """Run in so many threads; what one raises is raised."""
    errors: list[BaseException] = []

    def safely(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=safely, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread waits for ever"
    if errors:
        raise errors[0]


def test_those_who_wait_make_one_group_in_order() -> None:
    """The first goes alone and at once; while it is written, the others come."""
    groups: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def write(group: Sequence[Waiting[int]]) -> None:
        groups.append([waiting.what for waiting in group])
        begun.set()
        go_on.wait(10)

    gather = Gather(write)
    threads = []
    for number in range(8):
        thread = threading.Thread(target=gather.submit, args=(number,))
        thread.start()
        threads.append(thread)
        begun.wait(10)
        while number and len(gather._queue) < number:
            pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert groups == [[0], [1, 2, 3, 4, 5, 6, 7]]


def test_an_error_reaches_all_of_the_group_and_the_next_goes_on() -> None:
    fail = True

    def write(group: Sequence[Waiting[int]]) -> None:
        if fail:
            raise StorageError("the disk is full")

    gather = Gather(write)
    for _ in range(3):
        with pytest.raises(StorageError):
            gather.submit(1)
    fail = False
    gather.submit(2)


def test_a_thread_that_writes_alone_is_not_made_to_hop() -> None:
    seen: list[int] = []
    gather: Gather[int] = Gather(lambda group: seen.append(threading.get_ident()))
    gather.submit(1)
    assert seen == [threading.get_ident()]


def test_one_id_a_thousand_times(url: str) -> None:
    """One after the other, many in a request, and from many threads."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        said: list[Answer] = []
        together(8, lambda n: said.extend(a for _ in range(40) for a in ledger.post([pay(1)], 2)))
        said += ledger.post([pay(1)] * 680, 3)
        assert Counter(a.status for a in said) == {Status.CREATED: 1, Status.EXISTS: 999}
        assert {a.at_ns for a in said} == {2}
        assert len(list(ledger.transfers())) == 1
        assert ledger.account(ADA.id)[1].credits == 5  # type: ignore[index]
    verify_ledger(url)


def test_threads_share_commits_and_keep_their_answers(url: str) -> None:
    """Chains of one thread fail alone; what is malformed hurts nobody else."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        sizes: list[int] = []
        write = ledger._gather._write

        def counted(group: Sequence[Waiting[object]]) -> None:
            sizes.append(len(group))
            write(group)  # type: ignore[arg-type]

        ledger._gather._write = counted  # type: ignore[assignment]

        def work(thread: int) -> None:
            for n in range(12):
                number = 1 + thread * 100 + n * 2
                chain = [pay(number, linked=True), pay(number + 1)]
                if n % 3 == 1:
                    chain[1] = chain[1]._replace(amount=0)
                if n % 6 == 5:
                    with pytest.raises((TypeError, AttributeError)):
                        ledger.post([pay(number), None], 2)  # type: ignore[list-item]
                    continue
                first, second = (a.status for a in ledger.post(chain, 2))
                if n % 3 == 1:
                    assert (first, second) == (Status.LINKED_FAILED, Status.OUT_OF_RANGE)
                else:
                    assert first is second is Status.CREATED
                if n == 3:
                    ledger.open_accounts([Account(f"new/{thread}", "EUR")], 2)
                    with pytest.raises(InputError):
                        ledger.open_accounts([Account("", "EUR")], 2)

        together(10, work)
        assert sum(sizes) == 10 * 13 and len(sizes) < sum(sizes)
        assert len(list(ledger.transfers())) == 10 * 2 * 6
    assert verify_ledger(url).accounts == len(ACCOUNTS) + 10


def test_requests_are_decided_in_the_order_of_arrival(url: str) -> None:
    """Money that came in one request can be spent by the next, within one group."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        saver = ACCOUNTS[4].id
        entered, go_on = threading.Event(), threading.Event()
        write = ledger._gather._write

        def slow(group: Sequence[Waiting[object]]) -> None:
            entered.set()
            go_on.wait(10)
            write(group)  # type: ignore[arg-type]

        ledger._gather._write = slow  # type: ignore[assignment]
        said: dict[int, Status] = {}

        def post(number: int, transfer: Transfer) -> None:
            said[number] = ledger.post([transfer], 2)[0].status

        asked = [
            pay(1),
            Transfer(2, saver, BO.id, 5),
            Transfer(3, BO.id, saver, 5),
            Transfer(4, saver, BO.id, 5),
        ]
        threads = []
        for number, transfer in enumerate(asked):
            thread = threading.Thread(target=post, args=(number, transfer))
            thread.start()
            threads.append(thread)
            entered.wait(10)
            while len(ledger._gather._queue) < number:
                pass
        go_on.set()
        for thread in threads:
            thread.join(10)
        created = Status.CREATED
        assert said == {0: created, 1: Status.EXCEEDS_CREDITS, 2: created, 3: created}
    verify_ledger(url)
