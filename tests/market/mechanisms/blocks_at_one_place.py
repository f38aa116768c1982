"""Blocks and steps of a few Joules at one place, for auctions of many units."""

from __future__ import annotations

from hypothesis import strategies as st

from isojoule.grid import Grid
from isojoule.market import Book, Clearing
from isojoule.testing.books import J, Sample, on_side, price
from isojoule.testing.draws import Draw, drawn_by
from isojoule.valuation import Offer, Step
from tests.market.books import buy, offer, sell
from tests.market.mechanisms.places import at_one_place

Side = tuple[bool, list[tuple[int, float]]]
"""Whether it buys, and its steps: size and price per J, the best first."""


def some(draw: Draw, most_steps: int) -> Sample:
    """Buyers and sellers of so many steps of one to three Joules each, prices that meet."""
    offers = []
    for i in range(draw.whole(2, 7)):
        side = draw.of(("buy", "sell"))
        more = 2.0 if side == "buy" else 0.0
        prices = sorted(
            (price(draw, 0, 10) + more for _ in range(draw.whole(1, most_steps))),
            reverse=side == "buy",
        )
        steps = tuple(Step(draw.whole(1, 3) * J, p, p) for p in prices)
        offers.append(Offer(f"p{i}", "n0", on_side(side, steps), id=f"p{i}"))
    return Sample(Grid(("n0",)), tuple(offers), "copperplate")


def blocks(most_steps: int = 1) -> st.SearchStrategy[Sample]:
    """A strategy of them."""
    return drawn_by(some, most_steps)


def book_of_sides(sides: list[Side]) -> Book:
    """p0, p1, ... in the order given."""
    rows = [
        offer(f"p{i}", "here", (buy if buys else sell)(*steps))
        for i, (buys, steps) in enumerate(sides)
    ]
    return at_one_place(rows)


def gain(side: Side, book: Book, c: Clearing, name: str) -> float:
    """What a trader of these true steps gains; what it got beyond them is worth nothing."""
    i = book.offer_ids.index(name)
    buys, steps = side
    left = abs(int(c.energy_uj[i])) / 1e6
    worth = -int(c.payment_nano[i]) * 1e-9
    for size, each in steps:
        part = min(left, size)
        worth += each * part if buys else -each * part
        left -= part
    return -1e9 if left > 1e-9 and not buys else worth


def sides(draw: st.DrawFn, most_steps: int, most_price: int = 5) -> list[Side]:
    """Two to five traders."""
    out: list[Side] = []
    for _ in range(draw(st.integers(2, 5))):
        buys = draw(st.booleans())
        prices = draw(st.lists(st.integers(0, most_price), min_size=1, max_size=most_steps))
        ordered = sorted(map(float, prices), reverse=buys)
        out.append((buys, [(draw(st.integers(1, 2)), p) for p in ordered]))
    return out
