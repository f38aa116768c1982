"""Auctions of one block, to try: one node, one seller, bids for 1 J."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.testing.books import Sample
from isojoule.valuation import Offer, Step, Steps

J = 1_000_000
GRID = Grid(("square",))
INTERVAL = Interval(3600, 900.0)


def sell(who: str, money: float, joules: float = 1, **more: Any) -> Offer:
    """An offer to sell a block for this money per J."""
    step = Step(round(joules * J), money, money)
    return Offer(who, "square", Steps(sell=(step,)), **more)


def bid(who: str, money: float, joules: float = 1, **more: Any) -> Offer:
    """A bid of this money per J."""
    step = Step(round(joules * J), money, money)
    return Offer(who, "square", Steps(buy=(step,)), **more)


def book_of(*offers: Offer, network: str = "copperplate") -> Book:
    return Book.from_offers(offers, GRID, interval=INTERVAL, network=network)


def bids_of(*money: float) -> list[Offer]:
    """A seller who asks nothing, and bids by b0, b1, ..."""
    return [sell("solar", 0.0), *(bid(f"b{i}", m) for i, m in enumerate(money))]


def clear(
    mechanism: str, *offers: Offer, seed: bytes = b"", state: Any = None, **parameters: Any
) -> tuple[Book, Clearing]:
    """Clear and check; insist that both succeed."""
    book = book_of(*offers)
    out = get(mechanism, **parameters).clear(book, GRID, seed=seed, state=state)
    assert isinstance(out, Clearing), str(out)
    check_clearing(book, GRID, out)
    return book, out


def refusal(mechanism: str, book: Book, state: Any = None, **parameters: Any) -> Refusal:
    out = get(mechanism, **parameters).clear(book, GRID, state=state)
    assert isinstance(out, Refusal)
    return out


def paid(book: Book, c: Clearing) -> dict[str, float]:
    """Money that each offer pays, without those that pay nothing."""
    rows = zip(book.offer_ids, c.payment_nano.tolist(), strict=True)
    return {name: nano / 1e9 for name, nano in rows if nano}


@st.composite
def block_samples(draw: st.DrawFn, most_ask: int = 10) -> Sample:
    """One to four bidders for all of a block, which may cost so many tenths; ties are frequent."""
    size = draw(st.integers(1, 3))
    ask = draw(st.integers(0, most_ask)) / 10 / size
    offers = [sell("seller", ask, size, id="s")]
    for i in range(draw(st.integers(1, 4))):
        money = draw(st.integers(0, 24)) / 12 / size
        whole = draw(st.integers(0, 3)) == 0
        more = 0 if whole else draw(st.integers(0, 1))
        offers.append(bid(f"p{i}", money, size + more, id=f"o{i}", all_or_nothing=whole))
    return Sample(GRID, tuple(offers), "copperplate")
