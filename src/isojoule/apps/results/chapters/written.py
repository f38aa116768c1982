"""Chains of transfers into a ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from isojoule.apps.results.chapters.nouns import Clock
from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import Account, Transfer
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.ledger.answers import Status
from isojoule.settlement.ledger.port import Ledger

Chain = tuple[int, tuple[Transfer, ...]]
"""When it is written, s since 1970; and its transfers, all of them or none."""
REQUEST = 2000
"""So many transfers are asked for at once, or one chain."""


def write_chains(
    ledger: Ledger, accounts: Iterable[Account], chains: Iterable[Chain], clock: Clock, start_s: int
) -> None:
    """Open accounts, and write chains in their order; what stands already is not written twice.

    Raises
    ------
    InputError
        A ledger that is kept refuses.
    InvariantError
        The run's own ledger does.
    """
    answers = ledger.open_accounts(list(accounts), clock(start_s))
    bad = [answer.reason for answer in answers if not answer.done]
    for at_s, request in _requests(chains):
        told = ledger.post(request, clock(at_s))
        bad += [a.reason for a in told if not a.done and a.status is not Status.LINKED_FAILED]
        if bad:
            break
    if bad and isinstance(ledger, MemoryLedger):
        raise InvariantError(f"the ledger of a run refused: {bad[0]}")
    if bad:
        raise InputError(
            f"refused a transfer of the run: {bad[0]}",
            place="ledger",
            remedy="use another ledger, or a run with the same inputs and rules",
        )


def _requests(chains: Iterable[Chain]) -> Iterator[tuple[int, list[Transfer]]]:
    gathered: list[Transfer] = []
    at_s = 0
    for at_s, chain in chains:
        gathered += chain
        if len(gathered) >= REQUEST:
            yield at_s, gathered
            gathered = []
    if gathered:
        yield at_s, gathered
