"""Books with limits, and with indivisible offers, whose pivots are found in two ways."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.parties import Parties, parties_of
from isojoule.market.pivots.pivots import optimal, worth_of
from isojoule.market.pivots.warm import Change, Warm, warm_of
from isojoule.valuation import Battery, Load, Utility
from tests.market import feeders
from tests.market.books import book_of, buy, offer, sell
from tests.market.meshes import meshed
from tests.market.whole import bundle


def tied_mesh(seed: int) -> tuple[Book, Grid]:
    """Few prices and sizes, so that ties are frequent; some prices below 0; several offers each."""
    rnd = Random(seed)
    n = rnd.randint(2, 7)
    ends = [(rnd.randrange(v), v) for v in range(1, n) if rnd.random() < 0.9]
    ends += [tuple(rnd.sample(range(n), 2)) for _ in range(rnd.randint(1, n))]
    links = [
        {"ends": e, "x": rnd.choice((1.0, 1.0, 2.0)), "capacity_w": rnd.choice((np.inf, 1.0, 2.0))}
        for e in ends
    ]
    offers = []
    for i in range(rnd.randint(2, 10)):
        price, size = rnd.choice((-1.0, 0.0, 1.0, 2.0, 2.0, 3.0)), rnd.choice((1.0, 2.0, 5.0))
        spec = rnd.choice(
            (
                sell((size, price)),
                sell((size, price), (size, price + 1.0)),
                buy((size, price)),
                buy((size, price + 1.0, price)),
                Load(round(size * 1e6), 5.0),
                Battery(round(size * 1e6), 6_000_000, v_min_per_j=1.0, v_max_per_j=2.0),
            )
        )
        one = offer(f"o{i}", rnd.randrange(n), spec)
        offers.append(replace(one, participant=f"p{i // 2}"))
    if rnd.random() < 0.4:
        offers.append(offer("utility", rnd.randrange(n), Utility(4.0, 0.5)))
    grid = meshed(n, links)
    return book_of(grid, offers, network="dc"), grid


def owned_feeder(seed: int) -> tuple[Book, Grid]:
    """A feeder with limits, some of whose links are owned, and one draws a standing loss."""
    rnd = Random(seed)
    grid, book = feeders.random_feeder(rnd)
    owner = tuple(rnd.choice(("", "", "zoe", "p1")) for _ in grid.link_ids)
    standing = np.zeros(grid.link_count)
    standing[0] = rnd.choice((0.0, 40.0))
    return book, replace(grid, owner=owner, standing_loss_w=standing)


def tied_choices(seed: int) -> tuple[Book, Grid]:
    """Blocks, bundles and groups of few prices and sizes at three nodes; sellers of steps."""
    rnd = Random(seed)
    wide, loss = rnd.choice((np.inf, 2.0, 3.0)), rnd.choice((0.0, 0.1))
    links = [{"ends": (0, 1), "capacity_w": wide}, {"ends": (1, 2), "capacity_w": 2.0}]
    grid = replace(meshed(3, links), loss_ppb=np.full(2, round(loss * 1e9), np.int64))
    offers = [offer("sun", 0, sell((rnd.choice((2.0, 4.0)), 0.0, rnd.choice((0.0, 1.0)))))]
    for i in range(rnd.randint(2, 6)):
        price, size, at = (
            rnd.choice((0.5, 1.0, 1.0, 2.0)),
            rnd.choice((1.0, 1.0, 2.0)),
            rnd.random(),
        )
        who, v = f"p{i}", rnd.randrange(3)
        if at < 0.3:
            offers.append(bundle(who, [(v, size), ((v + 1) % 3, size)], 2.0 * price * size))
        elif at < 0.5:
            offers.append(offer(who, v, buy((size, price)), all_or_nothing=True))
        elif at < 0.6:
            offers.append(offer(who, v, sell((size, price)), all_or_nothing=True))
        elif at < 0.8:
            for j in range(2):
                one = offer(f"{who}.{j}", v, buy((size + j, price)), group="g")
                whole = rnd.random() < 0.5
                offers.append(replace(one, participant=who, all_or_nothing=whole))
        else:
            offers.append(offer(who, v, buy((size, price + 0.5, price))))
    return book_of(grid, offers), grid


def seen_twice(book: Book, grid: Grid) -> list[tuple[int, Change | None, float, float]] | None:
    """Who trades: number, what goes on from the optimum, what a new solution says, and the payment.

    None where the book has no optimum, or nothing goes on from it.
    """
    started = warm(book, grid)
    if started is None:
        return None
    found, parties, one, busy = started
    whole = optimal(book, grid, found)
    out = []
    for i in busy.tolist():
        rest = worth_of(*without(book, grid, parties.name(i)), b"")
        if isinstance(rest, NotSolved):
            continue
        own = whole.terms(parties.offer == i, parties.link == i)
        lost = rest.total - whole.total
        out.append((i, one.change(i), lost, lost + sum(own)))
    return out


def warm(book: Book, grid: Grid) -> tuple[object, Parties, Warm, np.ndarray] | None:
    """The optimum, the parties, what goes on from it, and who trades."""
    found = best(book, grid)
    if isinstance(found, NotSolved):
        return None
    parties = parties_of(book, grid)
    busy = np.flatnonzero(~parties.silent(book, found, found.taken))
    one = warm_of(book, grid, found, parties, optimal(book, grid, found).total, b"", busy)
    return None if one is None else (found, parties, one, busy)


def astray(rows: list[tuple[int, Change | None, float, float]]) -> list[int]:
    """Whose pivot is off by more than 1e-9 of it, a nano-unit, or what it says is not sure."""
    return [
        i
        for i, changed, lost, paid in rows
        if changed is not None
        and abs(changed.money - lost)
        > max(1e-9 * abs(paid), 1e-9, changed.unsure + 1e-12 * changed.size)
    ]
