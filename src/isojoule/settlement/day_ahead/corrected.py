"""Contracts settled again on late readings: what has to move besides.

What was agreed, marked, called and closed stands: it followed from what was known at the time. What
a contract came to when its block had ended is counted again, and the difference moves.
Spec: docs/spec/collateral.md, B34.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from isojoule.settlement.collateral.corrected import Move
from isojoule.settlement.collateral.nouns import ESCROW
from isojoule.settlement.commitments.margins import due_nano
from isojoule.settlement.day_ahead.blocks import Blocks
from isojoule.settlement.day_ahead.market import deliveries
from isojoule.settlement.day_ahead.nouns import Code, Held


def dues(held: Held, blocks: Blocks) -> list[int]:
    """What the seller of each contract pays to the buyer, by these readings, nano-units.

    Parameters
    ----------
    blocks
        The blocks of the same time, with other readings. Contracts that ended by default stand.
    """
    found = [deal.due_nano for deal in held.deals]
    of_block: dict[int, list[int]] = {}
    for at, deal in enumerate(held.deals):
        if deal.why == "delivery":
            of_block.setdefault(deal.block, []).append(at)
    for number, mine in of_block.items():
        for at, told in deliveries(blocks, number, mine, held.deals, held.members):
            found[at] = due_nano(held.deals[at].position.contract, told)
    return found


def contract_moves(held: Held, before: Sequence[int], after: Sequence[int]) -> Iterator[Move]:
    """What turns the ends of contracts into those by other readings, through escrow."""
    starts = held.blocks.start_s
    rows = zip(held.deals, before, after, strict=True)
    for deal, old, new in sorted(rows, key=lambda row: row[0].block):
        if new == old:
            continue
        ends = held.members[deal.seller], held.members[deal.buyer]
        payer, payee = ends if new > old else ends[::-1]
        start_s, nano = int(starts[deal.block]), abs(new - old)
        yield Move(start_s, Code.REST, payer, ESCROW, nano)
        yield Move(start_s, Code.REST, ESCROW, payee, nano)
