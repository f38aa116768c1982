"""Who makes a contract with whom: the shorter side whole, the longer in proportion.

Spec: docs/spec/collateral.md, B21.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import ranks
from isojoule.settlement.share_out import share_out

Ints = NDArray[np.int64]


class Pair(NamedTuple):
    """A seller and a buyer, by their place among the members, and the lots between them."""

    seller: int
    buyer: int
    lots: int


def matched(sell: Ints, buy: Ints, members: tuple[str, ...], word: str, seed: bytes) -> list[Pair]:
    """Match what members would sell and buy.

    Each member stands on one side. The side with less in all is served whole, the other in
    proportion to what each of it would take. Then both sides stand in line, by a hash of their
    names and of the block, and the first of each make a contract about what the smaller has left.

    Parameters
    ----------
    sell, buy
        Lots, not negative, (P,).
    members
        Names, (P,).
    word
        Names the block.
    seed
        Of the run.

    >>> matched(np.array([6, 0, 0]), np.array([0, 2, 2]), ("a", "b", "c"), "1", b"")
    [Pair(seller=0, buyer=1, lots=2), Pair(seller=0, buyer=2, lots=2)]
    """
    total = min(int(sell.sum()), int(buy.sum()))
    if not total:
        return []
    drawn = ranks(seed, f"isojoule.day-ahead {word}", members)
    order = sorted(range(len(members)), key=drawn.__getitem__)
    queues = []
    for side in (sell, buy):
        served = share_out(np.array([total]), side[None, :], members)[0]
        queues.append([[at, int(served[at])] for at in order if served[at]])
    sellers, buyers = (iter(queue) for queue in queues)
    pairs = []
    seller, buyer = next(sellers), next(buyers)
    while total:
        lots = min(seller[1], buyer[1])
        pairs.append(Pair(seller[0], buyer[0], lots))
        seller[1] -= lots
        buyer[1] -= lots
        total -= lots
        if total and not seller[1]:
            seller = next(sellers)
        if total and not buyer[1]:
            buyer = next(buyers)
    return pairs
