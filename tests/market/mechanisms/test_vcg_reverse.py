"""The VCG auction that buys: energy and paths. docs/spec/vcg.md, P1 to P9."""

from __future__ import annotations

import pytest

from isojoule.grid import Grid
from isojoule.market import Book, Refusal
from isojoule.market.mechanisms.reverse_vcg import ReverseVcg
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Load, Offer
from tests.market.books import book_of, buy, clear, grid_of, offer, sell, uj
from tests.market.mechanisms.pivot_books import AuctionAttacks, paid


class TestReverseVcg(AuctionAttacks, MechanismConformance):
    sample = "one-buyer"
    least_share = 0.3

    @pytest.fixture
    def mechanism(self) -> ReverseVcg:
        return ReverseVcg()


@pytest.mark.parametrize("network", ["copperplate", "transport"])
def test_blocks_of_five_sellers(network: str) -> None:
    """P3: demand 80; the winners are paid 1500, 1500 and 1200, 4200 in all.

    By hand: instead of A's 30 units, 20 more of C and 10 of D would be bought: 900 + 600. Exactly
    on a copperplate (P5), by solving anew on a network of one node.
    """
    grid = grid_of(1)
    blocks = {"A": (30, 20), "B": (30, 30), "C": (40, 45), "D": (50, 60), "E": (60, 80)}
    offers = [offer(name, 0, sell(block)) for name, block in blocks.items()]
    offers.append(offer("buyer", 0, buy((80, 1000))))
    book = book_of(grid, offers, network=network)
    c = clear(book, grid, "reverse-vcg")
    check_clearing(book, grid, c)
    assert [paid(book, grid, c, who) for who in "ABCDE"] == [-1500, -1500, -1200, 0, 0]
    assert paid(book, grid, c, "buyer") == 4200
    assert c.surplus_nano == 0


def path(worth: float, links: dict[str, tuple[int, int, float]]) -> tuple[Book, Grid]:
    """A buyer with a Joule at n0 that is worth `worth` at n3; every link has its own owner."""
    grid = grid_of(
        4,
        [
            {"id": name, "ends": (a, b), "price": price, "owner": f"of-{name}"}
            for name, (a, b, price) in links.items()
        ],
    )
    offers = [
        Offer("buyer", "n0", sell((1, 0)), id="source"),
        Offer("buyer", "n3", buy((1, worth)), id="sink"),
    ]
    return book_of(grid, offers), grid


def test_path_auction() -> None:
    """P6: each owner on the cheapest path gets the detour's cost less the rest of the path.

    Hershberger, Suri 2001 (FOCS, doi 10.1109/SFCS.2001.959899), on a graph of four nodes: the path
    a-b-c costs 2 + 3 + 1 = 6. Without a: 8 by d and c; without b: 7 by e; without c: 9 by a and f.
    """
    book, grid = path(
        100,
        {
            "a": (0, 1, 2), "b": (1, 2, 3), "c": (2, 3, 1),
            "d": (0, 2, 7), "e": (1, 2, 4), "f": (1, 3, 7),
        },
    )  # fmt: skip
    c = clear(book, grid, "reverse-vcg")
    check_clearing(book, grid, c)
    # detour less rest: 8 - (6 - 2), 7 - (6 - 3), 9 - (6 - 1)
    wanted = {"of-a": -4, "of-b": -4, "of-c": -4, "of-d": 0, "of-e": 0, "of-f": 0, "buyer": 12}
    for who, money in wanted.items():
        assert paid(book, grid, c, who) == pytest.approx(money, abs=2e-9), who


def test_nobody_else_has_the_link() -> None:
    """P6: without a link that cuts the graph the buyer gets nothing: its bid is the reserve."""
    book, grid = path(20, {"a": (0, 1, 2), "b": (1, 3, 3), "c": (1, 3, 5)})
    c = clear(book, grid, "reverse-vcg")
    assert paid(book, grid, c, "of-a") == pytest.approx(-(20 - 3))  # 20 less the rest, 3
    assert paid(book, grid, c, "of-b") == pytest.approx(-5)  # c is there
    assert paid(book, grid, c, "buyer") == pytest.approx(22)  # more than it is worth (P9)


def test_a_must_serve_load_is_worth_its_lost_load_and_no_more() -> None:
    """P4: the only seller of a must-serve load is paid lost load, never without limit."""
    grid = grid_of(1)
    offers = [offer("home", 0, Load(uj(10), 5.0)), offer("s", 0, sell((10, 0.3)))]
    book = book_of(grid, offers)
    c = clear(book, grid, "reverse-vcg")
    assert paid(book, grid, c, "s") == pytest.approx(-50)


def test_refuses_two_buyers() -> None:
    """P4: exactly one participant could buy."""
    grid = grid_of(1)
    offers = [offer("s", 0, sell((1, 0))), offer("a", 0, buy((1, 2))), offer("b", 0, buy((1, 3)))]
    answer = ReverseVcg().clear(book_of(grid, offers), grid)
    assert isinstance(answer, Refusal)
    assert "'a' and 'b' could buy" in answer.reason
