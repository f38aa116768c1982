"""Whole amounts shared in proportion, to the last unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import rank
from isojoule.kernels.share import share_rows

Ints = NDArray[np.int64]
_TIES = b"isojoule.settlement.share"


def share_out(total: Ints, weight: Ints, names: tuple[str, ...]) -> Ints:
    """Share whole totals in proportion to weights, by largest remainder.

    Parameters
    ----------
    total
        To be shared, of either sign, (T,).
    weight
        Not negative, (T, P). Where all are 0 each gets an equal part.
    names
        Of those who share, (P,). Who has the larger remainder is served first, among equals by
        `isojoule.core.chance.rank` of the name: the order in which they stand does not matter.

    Returns
    -------
    Parts, (T, P); each row sums to its total.

    Source: Hamilton's method; Balinski, Young, Fair Representation, 1982.

    >>> share_out(np.array([10]), np.array([[1, 1, 1]]), ("a", "b", "c")).sum()
    np.int64(10)
    """
    if not names:
        return np.zeros(weight.shape, np.int64)
    parts: Ints = share_rows(
        np.ascontiguousarray(total), np.ascontiguousarray(weight), _ranks(names)
    )
    return parts


def _ranks(names: tuple[str, ...]) -> Ints:
    """The place of each name in the order of its rank, (P,)."""
    order = sorted(range(len(names)), key=lambda at: rank(_TIES, names[at]))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    return place
