"""Books from columns: what is no book is refused, with the offer named."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from isojoule.apps.clearing import Cleared, clear
from isojoule.core.errors import InputError
from isojoule.core.names import Names
from isojoule.market import Book
from isojoule.market.check_book import check_book
from tests.market.books import random_case
from tests.market.test_large import batteries, tree

GRID = tree(20, 1)
BOOK = batteries(GRID, 2)


def with_piece(name: str, at: int, value: float) -> Book:
    column = getattr(BOOK.pieces, name).copy()
    column[at] = value
    return replace(BOOK, pieces=BOOK.pieces._replace(**{name: column}))


def with_entry(name: str, at: int, value: float) -> Book:
    column = getattr(BOOK, name).copy()
    column[at] = value
    return replace(BOOK, **{name: column})


def scaled(by: float) -> Book:
    p = BOOK.pieces
    return replace(BOOK, pieces=p._replace(lo=p.lo * by, hi=p.hi * by, c1=p.c1 / by))


def test_books_that_are_fine_pass() -> None:
    check_book(BOOK, GRID)
    for seed in range(300):
        case = random_case(seed)
        check_book(case.book, case.grid)


@pytest.mark.parametrize(
    ("book", "words"),
    [
        (with_piece("lo", 30, math.nan), "offer 'p6' at node 'n6': a piece has lo above 0"),
        (with_piece("hi", 31, -1.0), "offer 'p6' at node 'n6': a piece has lo above 0"),
        (
            with_piece("a", 14, math.nan),
            "offer 'p2' at node 'n2': a number of its curve is not finite",
        ),
        (
            with_piece("b", 14, math.inf),
            "offer 'p2' at node 'n2': a number of its curve is not finite",
        ),
        (with_piece("k", 14, 0.0), "offer 'p2' at node 'n2': k is not above 0"),
        (
            with_piece("c1", 14, 1.0),
            "offer 'p2' at node 'n2': the piece goes on where its curve has ended",
        ),
        (with_piece("a", 34, 3.0), "offer 'p6' at node 'n6': its worth rises"),
        (scaled(1e9), "offer 'p4' at node 'n4': the energies of the book are too large"),
        (with_entry("offer_node", 4, 20), "offer 'p4': its node is not one of the grid"),
        (
            with_entry("offer_participant", 5, -1),
            "offer 'p5' at node 'n5': its participant is not in the book",
        ),
        (with_entry("offer_kind", 5, 9), "offer 'p5' at node 'n5': unknown kind"),
        (
            with_entry("spill0", 3, math.nan),
            "offer 'p3' at node 'n3': spill0 is not a finite number",
        ),
        (with_entry("piece_offer", 3, 7), "its pieces do not stand in the order"),
        (
            replace(BOOK, power_factor=np.zeros(20)),
            "offer 'p0' at node 'n0': power_factor is not above 0",
        ),
        (replace(BOOK, short0=np.zeros(3)), "short0 has not one entry for each of 20 offers"),
        (
            replace(BOOK, offer_node=np.zeros(20)),
            "offer_node has entries that are no whole numbers",
        ),
        (replace(BOOK, network="tunnel"), "unknown network 'tunnel'"),
        (replace(BOOK, offer_ids=(*BOOK.offer_ids[:-1], "p3")), "offer 'p3' stands twice"),
        (
            replace(BOOK, offer_ids=Names.of((*BOOK.offer_ids[:-1], "p3"))),
            "offer 'p3' stands twice",
        ),
    ],
)
def test_columns_that_are_no_book_are_refused(book: Book, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as refused:
        clear(book, GRID)
    assert refused.value.remedy


def test_names_without_objects_clear_alike() -> None:
    many = replace(BOOK, participants=Names.numbered("p", 20), offer_ids=Names.of(BOOK.offer_ids))
    names = {"node_ids": Names.of(GRID.node_ids), "link_ids": Names.of(GRID.link_ids)}
    one, other = clear(BOOK, GRID), clear(many, replace(GRID, **names))
    assert isinstance(one, Cleared) and isinstance(other, Cleared)
    assert one.prices == other.prices and one.payments == other.payments
    assert one.clearing.operator == other.clearing.operator
