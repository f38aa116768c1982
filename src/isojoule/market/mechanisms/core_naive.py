"""The second, naive look at core-selecting payments: every coalition of winners is valued.

Nothing is generated and no nearest point is sought. Given what all pay, it is checked that no
coalition blocks, that bidders could not gain more together, and that what pulls each towards its
VCG payment is held by limits that bind (Karush, Kuhn, Tucker), which only the nearest point is.
Where more win than `FEW`, the coalition that blocks most is sought once.

Spec: docs/spec/vcg.md, P15.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls

from isojoule.core.errors import VerificationError
from isojoule.core.units import NANO_PER_UNIT
from isojoule.grid import Grid
from isojoule.market.allocation import Allocation
from isojoule.market.best import best
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.pivots import blocking
from isojoule.market.pivots.absent import idle, links_of, offers_of, people, without
from isojoule.market.pivots.core_rule import one_place
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import optimal

Floats = NDArray[np.float64]

FEW = 6
"""Winners of which all coalitions are valued."""
NANO = 1.0 / NANO_PER_UNIT
NEAR = 1e-9
"""Share of all worths within which they are known."""


def audit_core(book: Book, grid: Grid, clearing: Clearing, auctioneer: str) -> None:
    """Check the payments of a clearing of `core`. Raises VerificationError."""
    found = best(book, grid, seed=clearing.seed)
    if not isinstance(found, Allocation):
        raise VerificationError(f"the book cannot be solved again: {found.reason}")
    silent = idle(book, grid, found, found.taken)
    winners = [who for who in people(book, grid) if who not in silent and who != auctioneer]
    if one_place(book) or len(winners) < 2:
        return
    whole = optimal(book, grid, found)
    worths = [math.fsum(whole.terms(offers_of(book, w), links_of(grid, w))) for w in winners]
    gains = np.array(
        [worth - _paid(book, grid, clearing, w) for worth, w in zip(worths, winners, strict=True)]
    )
    size = math.fsum(map(abs, whole.terms()))
    near = NANO * (3 + len(winners)) + NEAR * size
    if np.any(gains < -near):
        who = winners[int(np.argmin(gains))]
        raise VerificationError("pays more than it is worth to it", place=f"participant {who!r}")
    most = _welfare(book, grid, clearing.seed)
    if len(winners) > FEW:
        _check_worst(book, grid, clearing, winners, gains, most, near)
        return
    groups, limits = [], []
    for count in range(1, len(winners) + 1):
        for group in combinations(range(len(winners)), count):
            groups.append(group)
            names = [winners[i] for i in group]
            limits.append(most - _welfare(*_without_all(book, grid, names), clearing.seed))
            _check_one(names, float(gains[list(group)].sum()), limits[-1], near)
    member = np.array([[i in g for i in range(len(winners))] for g in groups], np.float64)
    _check_point(winners, gains, member, np.array(limits), near)


def _check_one(names: list[str], gains: float, limit: float, near: float) -> None:
    if gains > limit + near:
        raise VerificationError(
            f"the others and the auctioneer block: without {', '.join(names)} they lose {limit!r}, "
            f"and these gain {gains!r}",
            place="payments",
        )


def _check_point(
    winners: list[str], gains: Floats, member: Floats, limits: Floats, near: float
) -> None:
    """The sum is the greatest, and the point the nearest to VCG."""
    count = len(winners)
    found = linprog(-np.ones(count), A_ub=member, b_ub=np.maximum(limits, 0.0), method="highs")
    if -float(found.fun) > float(gains.sum()) + 2 * count * near:
        raise VerificationError("bidders could pay less, and nobody would block", place="payments")
    binds = np.abs(member @ gains - limits) <= 4 * count * near
    at_zero = np.abs(gains) <= 4 * count * near
    ones = np.ones((count, 1))
    held = np.hstack([member[binds].T, -np.eye(count)[:, at_zero], ones, -ones])
    pull = limits[:count] - gains
    _, rest = nnls(held, pull)
    if rest > 8 * count * near:
        raise VerificationError("are not the nearest to VCG", place="payments")


def _check_worst(
    book: Book, grid: Grid, clearing: Clearing, winners: list[str], gains: Floats, most: float,
    near: float,
) -> None:  # fmt: skip
    if not blocking.takes(book, grid):
        return
    parties = parties_of(book, grid)
    program = blocking.truncated(book, grid, parties, parties.numbers(winners))
    out = program.left_out(np.maximum(gains, 0.0))
    names = [w for w, left in zip(winners, out.tolist(), strict=True) if left]
    limit = most - _welfare(*_without_all(book, grid, names), clearing.seed)
    _check_one(names, float(gains[out].sum()), limit, near + program.dust)


def _paid(book: Book, grid: Grid, clearing: Clearing, who: str) -> float:
    offers = int(clearing.payment_nano[offers_of(book, who)].sum())
    return (offers + int(clearing.link_payment_nano[links_of(grid, who)].sum())) * NANO


def _without_all(book: Book, grid: Grid, names: list[str]) -> tuple[Book, Grid]:
    for who in names:
        book, grid = without(book, grid, who)
    return book, grid


def _welfare(book: Book, grid: Grid, seed: bytes) -> float:
    found = best(book, grid, seed=seed)
    if not isinstance(found, Allocation):
        raise VerificationError(f"a coalition cannot be solved: {found.reason}")
    return found.value + found.slack_value
