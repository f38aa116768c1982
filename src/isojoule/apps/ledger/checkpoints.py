"""Checkpoints of a ledger: signed, in order, each of a log that extends the one before."""

from __future__ import annotations

from isojoule.apps.ledger.rows import Row
from isojoule.core.checkpoint import Checkpoint, Signer, sign
from isojoule.core.frontier import Frontier

CHECKPOINT_EVERY = 10_000
"""A checkpoint is written with the group that brings so many entries since the last one; and when
a ledger is made and closed, and when it is asked for."""


def checkpoint_row(number: int, frontier: Frontier, origin: str, signer: Signer) -> Row:
    """A signed checkpoint as a row of `checkpoints`."""
    note = sign(Checkpoint(origin, frontier.size, frontier.root()), signer)
    return (number, frontier.size, frontier.to_bytes(), note)
