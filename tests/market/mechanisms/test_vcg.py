"""The VCG auction that sells: known answers and the suite. docs/spec/vcg.md, P1 to P9."""

from __future__ import annotations

import pytest

from isojoule.market import Refusal
from isojoule.market.mechanisms.vcg import Vcg
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Offer
from tests.market.books import book_of, buy, clear, grid_of, offer, sell
from tests.market.mechanisms.pivot_books import AuctionAttacks, bundle, paid


class TestVcg(AuctionAttacks, MechanismConformance):
    sample = "one-seller"
    least_share = 0.3

    @pytest.fixture
    def mechanism(self) -> Vcg:
        return Vcg()


def lots(*bidders: Offer) -> tuple:
    """One owner's Joule at each of two nodes."""
    grid = grid_of(2)
    owner = [Offer("owner", f"n{i}", sell((1, 0)), id=f"lot-{i}") for i in range(2)]
    return book_of(grid, [*owner, *bidders]), grid


def test_local_local_global() -> None:
    """P3: locals 80 and 60 against a global 100 pay 40 and 20.

    Day, Milgrom 2008 (Int. J. Game Theory 36:393, doi 10.1007/s00182-007-0100-7).
    """
    book, grid = lots(bundle("l1", 80, 0), bundle("l2", 60, 1), bundle("g", 100, 0, 1))
    c = clear(book, grid, "vcg")
    check_clearing(book, grid, c)
    assert [paid(book, grid, c, who) for who in ("l1", "l2", "g", "owner")] == [40, 20, 0, -60]
    assert c.surplus_nano == 0


def test_revenue_may_fall_as_bidders_come() -> None:
    """P3: {ab: 2} against one bidder {a: 2 or b: 2} earns 2, against two earns 0.

    Ausubel, Milgrom 2006, The lovely but lonely Vickrey auction.
    """
    either = [
        Offer("x", f"n{i}", buy((1, 2)), id=f"x-{i}", all_or_nothing=True, group="one")
        for i in range(2)
    ]
    book, grid = lots(bundle("ab", 2, 0, 1), *either)
    assert paid(book, grid, clear(book, grid, "vcg"), "owner") == pytest.approx(-2)
    book, grid = lots(bundle("ab", 2, 0, 1), bundle("x", 2, 0), bundle("y", 2, 1))
    c = clear(book, grid, "vcg")
    assert paid(book, grid, c, "owner") == pytest.approx(0, abs=1e-8)
    assert c.taken is not None
    assert c.taken[[book.offer_ids.index("x"), book.offer_ids.index("y")]].all()


def test_the_ask_is_the_reserve() -> None:
    """P4: two units, bids 10 and 3, an ask of 2: without a buyer the seller keeps its unit."""
    grid = grid_of(1)
    offers = [offer("s", 0, sell((2, 2))), offer("a", 0, buy((1, 10))), offer("b", 0, buy((1, 3)))]
    book = book_of(grid, offers, network="copperplate")
    c = clear(book, grid, "vcg")
    assert [paid(book, grid, c, who) for who in "abs"] == [2, 2, -4]


@pytest.mark.parametrize("side", ["two", "none"])
def test_refuses_what_is_not_one_sellers(side: str) -> None:
    """P4: exactly one participant could sell; the remedy is the exchange."""
    grid = grid_of(1)
    offers = [offer("a", 0, buy((1, 10)))]
    if side == "two":
        offers += [offer("s", 0, sell((1, 0))), offer("t", 0, sell((1, 20)))]
    answer = Vcg().clear(book_of(grid, offers), grid)
    assert isinstance(answer, Refusal)
    assert "vcg-exchange" in answer.remedy
    assert ("'s' and 't'" if side == "two" else "nobody") in answer.reason


def test_carriage_is_the_operators() -> None:
    """P4, P8: the seller gets what the buyer pays less the price of the operator's link."""
    grid = grid_of(2, [{"ends": (0, 1), "price": 1.0}])
    offers = [
        offer("s", 0, sell((1, 0))),
        offer("a", 1, buy((1, 10))),
        offer("b", 1, buy((1, 6))),
    ]
    book = book_of(grid, offers)
    c = clear(book, grid, "vcg")
    check_clearing(book, grid, c)
    assert paid(book, grid, c, "a") == pytest.approx(6)
    assert paid(book, grid, c, "s") == pytest.approx(-5)
    assert c.operator == {
        "pivots": 0,
        "carriage": 1_000_000_000,
        "standing_loss": 0,
        "rounding": 0,
    }
