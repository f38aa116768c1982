"""Odd books, books in another order, and books with twins in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.testing.books import INTERVAL, J, Sample, sample, small_grid, unit
from isojoule.testing.draws import Draw, Seeded
from isojoule.valuation import Battery, Bundle, Load, Offer, Spec, Step, Steps, Utility
from isojoule.valuation.curve import Pieces

ODD = ("empty", "alone", "ties", "nothing", "nine-digits", "no-price", "below-zero")
"""Cases of `odd_book`."""


def odd_book(case: str, kind: str, network: str) -> list[Sample]:
    """Books of an odd case, made of books of a kind.

    "empty": nobody; "alone": one bidder; "ties": all at one price; "nothing": energies of 0;
    "nine-digits": prices of nine digits and energies of nine digits of J; "no-price": all at 0;
    "below-zero": sellers who pay to get rid of it.
    """
    drawn = [sample(Seeded(seed), kind, (network,)) for seed in range(3)]
    if case == "empty":
        grid = small_grid(Seeded(1), network, 2)
        return [Sample(grid, (), network)]
    if case == "alone":
        sides = ("buy", "sell")
        made = [Sample(drawn[0].grid, (unit("p0", side, 3.0),), network) for side in sides]
        first = drawn[0].offers[0]
        return [*made, replace(drawn[0], offers=(first,))]
    if case == "ties":
        return [_priced(s, lambda _: 5.0) for s in drawn]
    if case == "no-price":
        return [_priced(s, lambda _: 0.0) for s in drawn]
    if case == "below-zero":
        return [_priced(s, lambda p: -p) for s in drawn]
    if case == "nothing":
        return [_sized(s, 0) for s in drawn]
    if case == "nine-digits":
        dear = [_priced(s, lambda p: p * 1e8 + 123_456_789) for s in drawn]
        return [*dear, *(_sized(s, 123_456_789) for s in drawn)]
    raise ValueError(case)


def _priced(found: Sample, price: object) -> Sample:
    """The sample with all steps at other prices, where that is possible."""
    assert callable(price)

    def side(steps: tuple[Step, ...], rising: bool) -> tuple[Step, ...]:
        levels = sorted((float(price(s.price_per_j)) for s in steps), reverse=not rising)
        return tuple(Step(s.energy_uj, p, p) for s, p in zip(steps, levels, strict=True))

    offers = []
    for o in found.offers:
        spec: Spec = o.spec
        if isinstance(spec, Steps):
            spec = Steps(side(spec.sell, True), side(spec.buy, False))
        elif isinstance(spec, Load):
            spec = Load(spec.energy_uj, abs(float(price(spec.lost_load_per_j))))
        elif isinstance(spec, Utility):
            one = float(price(1.0))
            spec = Utility(one, one)
        offers.append(replace(o, spec=spec))
    return replace(found, offers=tuple(offers))


def _sized(found: Sample, joules: int) -> Sample:
    """The sample with every step and load of one size."""

    def side(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(Step(joules * J, s.price_per_j, s.end_price_per_j) for s in steps)

    offers: list[Offer] = []
    for o in found.offers:
        spec: Spec = o.spec
        if isinstance(spec, Steps):
            spec = Steps(side(spec.sell), side(spec.buy), spec.spill_value_per_j)
        elif isinstance(spec, Load):
            spec = Load(joules * J, spec.lost_load_per_j)
        elif isinstance(spec, Bundle):
            continue
        offers.append(replace(o, spec=spec))
    return replace(found, offers=tuple(offers))


def twins(draw: Draw, kind: str, networks: Sequence[str]) -> tuple[Sample, list[str]]:
    """A sample in which one offer stands three times, under three names; and those names."""
    found = sample(draw, kind, tuple(networks))
    rows = [o for o in found.offers if not isinstance(o.spec, Utility | Battery) and not o.group]
    if kind in ("one-seller", "one-buyer"):
        rows = [o for o in rows if o.participant not in ("seller", "buyer")]
    if not rows:
        rows = [unit("p0", "buy", 20.0)]
    first = draw.of(rows)
    names = ["zoe", "mia", "abe"]
    rest = [o for o in found.offers if o.participant != first.participant]
    alike = [replace(first, participant=n, id=n) for n in names]
    return replace(found, offers=(*rest, *alike)), names


class Reordered(Sample):
    """A sample whose book has its rows in the order of the offers, not in the canonical one."""

    @property
    def book(self) -> Book:
        """The book, its columns as the offers stand."""
        usual = Book.from_offers(self.offers, self.grid, interval=INTERVAL, network=self.network)
        at = [usual.offer_ids.index(o.id) for o in self.offers]
        return _rows(usual, np.array(at, np.int64))


def reordered(found: Sample, seed: int) -> Sample:
    """The same sample with offers, nodes and links in another order, some links turned round."""
    rnd = Random(seed)
    grid = found.grid
    offers = list(found.book.offers)
    rnd.shuffle(offers)
    nodes = rnd.sample(range(grid.node_count), grid.node_count)
    links = rnd.sample(range(grid.link_count), grid.link_count)
    place = np.argsort(np.array(nodes, np.int64)).astype(np.int32)
    turn = np.array([rnd.random() < 0.5 for _ in links], bool)
    tail, head = place[grid.link_from[links]], place[grid.link_to[links]]
    columns = (
        *("capacity_w", "loss_ppb", "resistance_ohm", "reactance_ohm", "voltage_v"),
        *("standing_loss_w", "price_per_j"),
    )
    per_node = ("node_voltage_v", "min_voltage_pu", "max_voltage_pu", "x", "y")
    more: dict[str, Any] = {name: getattr(grid, name)[links] for name in columns}
    for name in per_node:
        column = getattr(grid, name)
        more[name] = None if column is None else column[nodes]
    other = Grid(
        tuple(grid.node_ids[i] for i in nodes),
        tuple(grid.link_ids[i] for i in links),
        np.where(turn, head, tail).astype(np.int32),
        np.where(turn, tail, head).astype(np.int32),
        owner=tuple(grid.owner[i] for i in links),
        kind=tuple(grid.kind[i] for i in links),
        **more,
    )
    return Reordered(other, tuple(offers), found.network)


def _rows(book: Book, at: np.ndarray) -> Book:
    """The book with its offers in another order."""
    pieces = [np.flatnonzero(book.piece_offer == i) for i in at.tolist()]
    order = np.concatenate([np.zeros(0, np.int64), *pieces]).astype(np.int64)
    counts = [p.size for p in pieces]
    return replace(
        book,
        offer_ids=tuple(book.offer_ids[i] for i in at.tolist()),
        offer_participant=book.offer_participant[at],
        offer_node=book.offer_node[at],
        offer_kind=book.offer_kind[at],
        piece_offer=np.repeat(np.arange(at.size, dtype=np.int32), counts),
        pieces=Pieces(*(column[order] for column in book.pieces)),
        on_curve=book.on_curve[order],
        spill0=book.spill0[at],
        spill1=book.spill1[at],
        short0=book.short0[at],
        short1=book.short1[at],
        offers=tuple(book.offers[i] for i in at.tolist()),
        power_factor=None if book.power_factor is None else book.power_factor[at],
    )
