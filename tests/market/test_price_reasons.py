"""Who sets the price at every node, and what is full between it and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.files.book_files import read_book
from isojoule.core.units import PPB, UJ_PER_J
from isojoule.market import Book, Clearing
from isojoule.market.explain import price_words
from isojoule.market.mechanisms import get
from isojoule.market.price_reasons import Kind, price_reasons
from isojoule.market.reasons import Reader
from isojoule.valuation import Utility
from tests.market.books import (
    REAL,
    SMALL,
    Sizes,
    book_of,
    buy,
    clear,
    grid_of,
    offer,
    random_case,
    sell,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "books" / "three-homes.yaml"
CALM = settings(derandomize=True, deadline=None, max_examples=80)


def test_three_homes() -> None:
    """Bo's car is marginal on the street, Cleo's battery behind its full cable (see the README)."""
    file = read_book(EXAMPLE)
    c = clear(file.book, file.grid)
    found = price_reasons(file.book, file.grid, c)
    told = {
        node: (Kind(int(found.kind[i])).name, found.offer[i], bool(found.sells[i]), found.link[i])
        for i, node in enumerate(file.grid.node_ids)
    }
    car = file.book.offer_ids.index("bo-car")
    cleo = file.book.offer_ids.index("cleo")
    cable = file.grid.link_ids.index("cable-c")
    assert told == {
        "ada": ("OFFER", car, False, -1),
        "bo": ("OFFER", car, False, -1),
        "street": ("OFFER", car, False, -1),
        "cleo": ("OFFER", cleo, False, cable),
        "grid": ("BETWEEN", -1, False, -1),
    }
    assert found.inward[file.grid.node_ids.index("cleo")]


def chain(second_w: float) -> tuple[Book, Clearing, object]:
    """Utility, street, lane, home with sun: the second and perhaps the third link are full."""
    grid = grid_of(
        ("grid", "street", "lane", "home"),
        [
            {"ends": (0, 1), "capacity_w": 3.0},
            {"ends": (1, 2), "capacity_w": second_w},
            {"ends": (3, 2), "capacity_w": 9.0},
        ],
    )
    book = book_of(
        grid,
        [
            offer("utility", "grid", Utility(30.0, 8.0)),
            offer("sun", "home", sell((7.0, 0.0), spill=0.0)),
            offer("lamp", "lane", buy((1.0, 50.0))),
        ],
    )
    return book, clear(book, grid), grid


def test_the_first_full_link_on_the_way_to_the_utility_counts() -> None:
    book, c, grid = chain(second_w=2.0)
    found = price_reasons(book, grid, c)  # type: ignore[arg-type]
    assert found.link.tolist() == [-1, -1, 1, 1]
    assert not found.inward.any(), "dearer demand stands beyond"
    assert [book.offer_ids[o] for o in found.offer] == ["utility", "utility", "sun", "sun"]
    assert found.sells.tolist() == [False, False, True, True]
    book, c, grid = chain(second_w=9.0)
    assert price_reasons(book, grid, c).link.tolist() == [-1, 0, 0, 0]  # type: ignore[arg-type]


def test_cheaper_energy_that_cannot_come_in() -> None:
    grid = grid_of(("grid", "home"), [{"ends": (0, 1), "capacity_w": 2.0}])
    offers = [offer("utility", "grid", Utility(30.0, 8.0)), offer("lamp", "home", buy((5.0, 50.0)))]
    book = book_of(grid, offers)
    found = price_reasons(book, grid, clear(book, grid))
    assert found.link.tolist() == [-1, 0]
    assert found.inward.tolist() == [False, True]
    assert [book.offer_ids[o] for o in found.offer] == ["utility", "lamp"]


def test_a_full_link_that_separates_nothing_is_not_told() -> None:
    """It carries all that it can, but the price beyond it is the same."""
    grid = grid_of(("grid", "home"), [{"ends": (0, 1), "capacity_w": 2.0}])
    offers = [offer("utility", "grid", Utility(30.0, 8.0)), offer("lamp", "home", buy((5.0, 50.0)))]
    book = book_of(grid, offers)
    c = clear(book, grid)
    even = replace(c, price_per_j=np.full(2, 30.0), payment_nano=30_000 * c.energy_uj)
    assert Reader(book, grid, even).full.all()
    found = price_reasons(book, grid, even)
    assert found.link.tolist() == [-1, -1]
    assert found.kind[1] == Kind.BETWEEN, "the lamp's bid is another price"


@pytest.mark.parametrize(
    ("mechanism", "kind"),
    [("utility-only", Kind.TARIFF), ("autarky", Kind.ALONE), ("diffusion", Kind.RULE)],
)
def test_what_is_no_market_of_nodal_prices_claims_nothing(mechanism: str, kind: Kind) -> None:
    file = read_book(EXAMPLE)
    c = get(mechanism).clear(file.book, file.grid)
    assert isinstance(c, Clearing)
    found = price_reasons(file.book, file.grid, c)
    assert set(found.kind.tolist()) == {int(kind)}
    assert set(found.offer.tolist()) == set(found.link.tolist()) == {-1}


def test_the_own_bid_is_no_price_of_a_node() -> None:
    """Payments that are not price times energy are told by the rule, though prices are there."""
    grid = grid_of(1)
    book = book_of(
        grid,
        [
            offer("a", 0, buy((3.0, 9.0))),
            offer("b", 0, buy((3.0, 6.0))),
            offer("s", 0, sell((4, 1))),
        ],
        network="copperplate",
    )
    own = clear(book, grid, "pay-as-bid")
    assert np.isfinite(own.price_per_j).all()
    assert price_reasons(book, grid, own).kind.tolist() == [Kind.RULE]
    one = clear(book, grid, "uniform-price")
    found = price_reasons(book, grid, one)
    assert (found.kind[0], book.offer_ids[found.offer[0]]) == (Kind.OFFER, "b")
    forged = replace(one, payment_nano=one.payment_nano + 5)
    assert price_reasons(book, grid, forged).kind.tolist() == [Kind.RULE]


def nearest_setters(reader: Reader, node: int) -> Iterator[str]:
    """Participants with a partly filled offer where the first one is found, as `explain` looks."""
    book, p = reader.book, reader.book.pieces
    inside = (reader.x < p.hi - reader.slack_j) & (reader.x > p.lo + reader.slack_j)
    depth = None
    for place in reader.coupled(node):
        if depth is not None and len(place.over) > depth:
            return
        for piece in np.flatnonzero(inside).tolist():
            o = book.piece_offer[piece]
            if book.offer_node[o] == place.node:
                depth = len(place.over)
                yield book.offer_ids[o]


@CALM
@given(st.integers(0, 10**6), st.sampled_from((SMALL, REAL)))
def test_as_explain_looks_node_by_node(seed: int, sizes: Sizes) -> None:
    """The setter is one of those nearest by links; what is called full is full, and would pay."""
    case = random_case(seed, sizes)
    c = clear(case.book, case.grid)
    found = price_reasons(case.book, case.grid, c)
    reader = Reader(case.book, case.grid, c)
    limits = reader.limits
    for node in range(case.grid.node_count):
        setters = set(nearest_setters(reader, node))
        kind = Kind(int(found.kind[node]))
        assert (kind is Kind.NONE) == bool(np.isnan(c.price_per_j[node]))
        if kind is Kind.OFFER:
            name = case.book.offer_ids[found.offer[node]]
            assert name in setters
            assert ("sells" if found.sells[node] else "buys") or name
            assert "No price" not in price_words(reader, node)
        elif kind is Kind.BETWEEN:
            assert not setters or not any(
                reader.equal(float(reader.worth[i]), float(reader.offer_price[o]))
                for i, o in enumerate(case.book.piece_offer.tolist())
                if case.book.offer_ids[o] in setters
                and reader.x[i] < case.book.pieces.hi[i] - reader.slack_j
                and reader.x[i] > case.book.pieces.lo[i] + reader.slack_j
            )
        e = int(found.link[node])
        if e >= 0:
            assert reader.full[e]
            flow = int(c.flow_uj[e])
            ends = (int(case.grid.link_from[e]), int(case.grid.link_to[e]))
            sender, receiver = ends if flow > 0 else ends[::-1]
            kept = 1 - limits.loss_ppb[e] / PPB - 2 * limits.loss_per_j[e] * abs(flow) / UJ_PER_J
            carried = c.price_per_j[sender] + case.grid.price_per_j[e]
            assert kept * c.price_per_j[receiver] > carried
            mine = receiver if found.inward[node] else sender
            assert reader.region[mine] == reader.region[node]
