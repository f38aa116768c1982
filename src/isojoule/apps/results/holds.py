"""Whether a ledger that is kept holds a run: asked before anything is read from it or added.

    check_holds(ledger, first_of(booked), run, place="--ledger")

A quick question, of the first transfer alone; whether it holds all of the run is asked by
`isojoule verify RUN --ledger URL`.
"""

from __future__ import annotations

from collections.abc import Iterable

from isojoule.core.errors import InputError
from isojoule.core.transfer import Transfer
from isojoule.settlement.booking import Booked
from isojoule.settlement.ledger.columns import transfers_of
from isojoule.settlement.ledger.port import ReadLedger


def first_of(booked: Iterable[Booked]) -> Transfer | None:
    """The first transfer of all; None where nothing is booked."""
    for part in booked:
        for block in part.blocks():
            if block.size:
                return transfers_of(block[:1])[0]
    return None


def check_holds(ledger: ReadLedger, first: Transfer | None, run: str, *, place: str) -> None:
    """Refuse a ledger that a run was not written to.

    Parameters
    ----------
    first
        The run's first transfer; its time may differ. None: there is none to be asked for.
    run
        The run's name.
    place
        How the ledger was named.

    Raises
    ------
    InputError
        It holds nothing of the run.
    """
    if first is None:
        return
    there = ledger.transfer(first.id)
    if there is None or there._replace(at_ns=0) != first._replace(at_ns=0):
        raise InputError(
            f"the ledger holds nothing of the run {run!r}",
            place=place,
            remedy="name the one that the run was written to (`isojoule run --ledger URL`)",
        )
