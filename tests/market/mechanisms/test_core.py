"""Core-selecting payments: known answers and the suite. docs/spec/vcg.md, P12 to P15."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.grid import Grid
from isojoule.market import Clearing, Refusal
from isojoule.market.best import best
from isojoule.market.book import Book
from isojoule.market.mechanisms.core import Core
from isojoule.market.mechanisms.core_naive import audit_core
from isojoule.market.pivots.core_point import nearest_core
from isojoule.market.pivots.core_rule import Game
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import pivots_of
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Bundle, Leg, Offer
from tests.market.books import book_of, buy, clear, grid_of, offer, sell
from tests.market.mechanisms.pivot_books import bundle, paid

CALM = settings(derandomize=True, deadline=None, max_examples=25)
SEEDS = st.integers(0, 10**6)


class TestCore(MechanismConformance):
    sample = "one-seller"
    least_share = 0.3

    @pytest.fixture
    def mechanism(self) -> Core:
        return Core()


class TestProcurement(MechanismConformance):
    sample = "one-buyer"
    least_share = 0.3
    test_has_a_worked_example = None  # that of the sale is worked out above

    @pytest.fixture
    def mechanism(self) -> Core:
        return Core("buys")


def lots(*bidders: Offer, count: int = 2) -> tuple[Book, Grid]:
    """One owner's Joule at each of some nodes."""
    grid = grid_of(count)
    owner = [Offer("owner", f"n{i}", sell((1, 0)), id=f"lot-{i}") for i in range(count)]
    return book_of(grid, [*owner, *bidders]), grid


@pytest.mark.parametrize(
    ("bids", "pays"), [((80, 60, 100), (60, 40, 0)), ((45, 60, 100), (42.5, 57.5, 0))]
)
def test_local_local_global(bids: tuple[float, ...], pays: tuple[float, ...]) -> None:
    """P13: locals 80 and 60 against a global 100 pay 60 and 40; one that shades to 45 pays 42.5.

    Day, Milgrom 2008 (Int. J. Game Theory 36:393); Day, Cramton 2012 (Oper. Res. 60:588).
    """
    book, grid = lots(
        bundle("l1", bids[0], 0), bundle("l2", bids[1], 1), bundle("g", bids[2], 0, 1)
    )
    c = clear(book, grid, "core")
    check_clearing(book, grid, c)
    assert tuple(paid(book, grid, c, who) for who in ("l1", "l2", "g")) == pays
    assert paid(book, grid, c, "owner") == -100
    assert c.surplus_nano == 0


def test_procurement_is_the_mirror() -> None:
    """P12: two needed paths at 20 and 40 against one at 100 get 40 and 60 of the 100."""
    grid = grid_of(2)
    buyer = Offer("hub", "", Bundle((Leg("n0", 10**6), Leg("n1", 10**6)), 500.0), id="hub")
    each = [
        Offer(name, "", Bundle((Leg(f"n{i}", -(10**6)),), -cost), id=name)
        for i, (name, cost) in enumerate((("l1", 20.0), ("l2", 40.0)))
    ]
    both = Offer("g", "", Bundle((Leg("n0", -(10**6)), Leg("n1", -(10**6))), -100.0), id="g")
    book = book_of(grid, [buyer, *each, both])
    c = Core("buys").clear(book, grid)
    assert isinstance(c, Clearing)
    check_clearing(book, grid, c)
    assert [paid(book, grid, c, who) for who in ("l1", "l2", "g", "hub")] == [-40, -60, 0, 100]


def test_revenue_does_not_fall_as_bidders_come() -> None:
    """P13: {ab: 2} against two bidders a: 2 and b: 2 earns 2, where VCG earns 0.

    Ausubel, Milgrom 2006, The lovely but lonely Vickrey auction.
    """
    book, grid = lots(bundle("ab", 2, 0, 1), bundle("x", 2, 0), bundle("y", 2, 1))
    c = clear(book, grid, "core")
    assert [paid(book, grid, c, who) for who in ("x", "y", "ab", "owner")] == [1, 1, 0, -2]
    assert paid(book, grid, clear(book, grid, "vcg"), "owner") == pytest.approx(0, abs=1e-8)


def test_a_large_bidder_against_six_small_ones() -> None:
    """P14: each of seven winners pays a seventh of what the loser bid; by generated coalitions."""
    small = [bundle(f"l{i}", 10.0, i) for i in range(7)]
    book, grid = lots(*small, bundle("g", 35.0, *range(7)), count=7)
    c = clear(book, grid, "core")
    check_clearing(book, grid, c)
    assert [paid(book, grid, c, f"l{i}") for i in range(7)] == [5.0] * 7


def test_the_nearest_point_by_hand() -> None:
    """P13: ideal (4, 4, 1), all three gain at most 6, the first two at most 5.

    The sum is 6; nearest with it: (3, 3, 0) has the sum, but (2.5, 2.5, 1) respects the pair.
    """
    coalitions = np.array([[1, 1, 1], [1, 1, 0]], bool)
    got = nearest_core(np.array([4.0, 4.0, 1.0]), coalitions, np.array([6.0, 5.0]))
    assert got == pytest.approx([2.5, 2.5, 1.0], abs=1e-14)
    free = nearest_core(np.array([4.0, 4.0, 1.0]), coalitions, np.array([6.0, 9.0]))
    assert free == pytest.approx([3.0, 3.0, 0.0], abs=1e-14)
    assert nearest_core(np.array([1.0, 2.0]), np.ones((1, 2), bool), np.array([9.0])) == (
        pytest.approx([1.0, 2.0])
    )


def random_lots(seed: int) -> tuple[Book, Grid]:
    """Bids for bundles of a few lots, some steps, links among the lots."""
    rnd = Random(seed)
    count = rnd.randint(2, 4)
    rows = []
    for i in range(rnd.randint(3, 6)):
        at = sorted(rnd.sample(range(count), rnd.randint(1, count)))
        name = f"p{rnd.randint(0, i)}"
        if rnd.random() < 0.7:
            one = replace(bundle(name, rnd.randint(1, 12) * len(at), *at), id=f"o{i}")
        else:
            one = Offer(name, f"n{at[0]}", buy((rnd.randint(1, 3), rnd.randint(1, 12))), id=f"o{i}")
        rows.append(one)
    grid = grid_of(count, [{"ends": (0, 1), "loss": 0.1}] if rnd.random() < 0.5 else [])
    owner = [
        Offer("owner", f"n{i}", sell((1, rnd.randint(0, 2))), id=f"lot-{i}") for i in range(count)
    ]
    return book_of(grid, [*owner, *rows]), grid


@CALM
@given(SEEDS)
def test_generated_coalitions_give_what_all_coalitions_give(seed: int) -> None:
    """P14: the most blocking coalition, found by truncated bids, and all 2**n of them."""
    book, grid = random_lots(seed)
    found, parties = best(book, grid), parties_of(book, grid)
    at = parties.numbers([who for who in book.participants if who != "owner"])
    vcg = pivots_of(book, grid, found, parties, at)
    game = Game(book, grid, found, parties, at, vcg, b"")
    if game.winners.size < 2:
        return
    assert game._generated() == pytest.approx(game._of_all(), abs=1e-6)


@CALM
@given(SEEDS)
def test_nobody_blocks_and_nobody_pays_more_than_its_worth(seed: int) -> None:
    """P12, P15: checked by every coalition; at least VCG, and the auctioneer never loses."""
    book, grid = random_lots(seed)
    c, vcg = clear(book, grid, "core"), clear(book, grid, "vcg")
    check_clearing(book, grid, c)
    for who in book.participants:
        if who != "owner":
            assert paid(book, grid, c, who) >= paid(book, grid, vcg, who) - 2e-9


@pytest.mark.parametrize("how", ["vcg", "more", "shifted"])
def test_other_payments_are_found(how: str) -> None:
    """P15: less than the core asks, more than that, and the right sum in other shares."""
    book, grid = lots(bundle("l1", 80, 0), bundle("l2", 60, 1), bundle("g", 100, 0, 1))
    good = clear(book, grid, "core")
    pay = good.payment_nano.copy()
    i, j = book.offer_ids.index("l1"), book.offer_ids.index("l2")
    change = {"vcg": (-20, -20), "more": (5, 5), "shifted": (5, -5)}[how]
    pay[[i, j]] += np.array(change) * 10**9
    forged = replace(good, payment_nano=pay)
    with pytest.raises(VerificationError, match={"vcg": "block", "more": "less"}.get(how, "near")):
        audit_core(book, grid, forged, "owner")
    with pytest.raises(VerificationError):
        check_clearing(book, grid, forged)


def test_on_one_node_it_is_vcg() -> None:
    """P12: bidders for divisible energy at one place are substitutes."""
    grid = grid_of(1)
    rows = [offer("s", 0, sell((3, 1)))]
    rows += [offer(f"b{i}", 0, buy((1, 10 - i), (1, 5 - i))) for i in range(4)]
    book = book_of(grid, rows, network="copperplate")
    one, two = clear(book, grid, "core"), clear(book, grid, "vcg")
    assert np.array_equal(one.payment_nano, two.payment_nano)
    check_clearing(book, grid, one)


def test_refuses_two_sides_and_unknown_ones() -> None:
    """P12: one auctioneer; a parameter that is no side is the caller's fault."""
    grid = grid_of(1)
    rows = [offer("s", 0, sell((1, 0))), offer("t", 0, sell((1, 2))), offer("a", 0, buy((1, 9)))]
    answer = Core().clear(book_of(grid, rows), grid)
    assert isinstance(answer, Refusal)
    assert "'s' and 't'" in answer.reason
    assert not isinstance(Core("buys").clear(book_of(grid, rows), grid), Refusal)
    with pytest.raises(InputError, match="no side"):
        Core("both")
    standing = replace(grid_of(2, [{"ends": (0, 1)}]), standing_loss_w=np.array([0.1]))
    answer = Core().clear(book_of(standing, [rows[0], rows[2]]), standing)
    assert isinstance(answer, Refusal)
    assert "standing loss" in answer.reason
