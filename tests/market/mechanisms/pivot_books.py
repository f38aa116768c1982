"""What the tests of the VCG mechanisms share."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Mechanism
from isojoule.market.deviation import Deviation
from isojoule.market.pivots.absent import links_of, offers_of
from isojoule.testing import lies
from isojoule.testing.books import Sample
from isojoule.testing.draws import Draw
from isojoule.valuation import Bundle, Leg, Offer
from tests.market.books import Case, Sizes, book_of, random_case


class AuctionAttacks:
    """Lies of bidders alone: what the auctioneer asks or bids is its reserve."""

    def attack_incentive_compatible(self, mechanism: Any) -> None:
        def lie(draw: Draw, found: Sample) -> Deviation:
            auctioneer = mechanism.auctioneer(found.book)
            return lies.misreport(
                draw, found, draw.of([p for p in found.book.participants if p != auctioneer])
            )

        self._attack("incentive_compatible", mechanism, lie)  # type: ignore[attr-defined]


def bundle(name: str, price: float, *nodes: int, joules: float = 1.0) -> Offer:
    """So many Joules at each of the nodes, or nothing."""
    legs = tuple(Leg(f"n{i}", round(joules * 1e6)) for i in nodes)
    return Offer(name, "", Bundle(legs, price), id=name)


def paid(book: Book, grid: Grid, c: Clearing, who: str) -> float:
    """What a participant pays in all, money."""
    offers = int(c.payment_nano[offers_of(book, who)].sum())
    return (offers + int(c.link_payment_nano[links_of(grid, who)].sum())) / 1e9


def shared_case(seed: int, sizes: Sizes) -> Case:
    """A random case whose participants have several offers, and links."""
    case, rnd = random_case(seed, sizes), Random(seed + 7)
    each = rnd.choice((1, 1, 2))
    offers = [replace(o, participant=f"m{i // each}") for i, o in enumerate(case.offers)]
    owner = tuple(rnd.choice(("", "", "zoe", "m0")) for _ in case.grid.link_ids)
    return Case(replace(case.grid, owner=owner), offers, case.network, sizes)


def left_out(case: Case, who: str) -> tuple[Book, Grid]:
    """The case without the rows of a participant: another way than `without`."""
    closed = links_of(case.grid, who)
    grid = replace(case.grid, capacity_w=np.where(closed, 0.0, case.grid.capacity_w))
    offers = [o for o in case.offers if o.participant != who]
    return book_of(grid, offers, network=case.network), grid


def exact_sum(values: Any) -> float:
    """Sum without rounding on the way."""
    return math.fsum(np.asarray(values).tolist())


__all__ = ["AuctionAttacks", "Mechanism", "bundle", "exact_sum", "left_out", "paid", "shared_case"]
