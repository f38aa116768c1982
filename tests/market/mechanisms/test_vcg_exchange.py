"""The two-sided VCG mechanism: known answers and the suite. docs/spec/vcg.md, P1 to P9."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isojoule.apps.files.book_files import read_book
from isojoule.core.errors import VerificationError
from isojoule.market import Refusal
from isojoule.market.mechanisms.vcg_exchange import VcgExchange
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Offer
from tests.market.books import book_of, buy, clear, grid_of, offer, sell
from tests.market.mechanisms.pivot_books import paid

CASES = Path(__file__).parents[2] / "cases" / "market"


class TestVcgExchange(MechanismConformance):
    least_share = 0.3

    @pytest.fixture
    def mechanism(self) -> VcgExchange:
        return VcgExchange()


@pytest.mark.parametrize("network", ["copperplate", "transport"])
def test_five_buyers_and_five_sellers(network: str) -> None:
    """P3, P8: buyers pay 8, sellers get 9; of 35 gained the operator adds 4.

    McAfee 1992 (J. Econ. Theory 56:434, doi 10.1016/0022-0531(92)90091-U).
    """
    grid = grid_of(1)
    offers = [offer(f"b{v}", 0, buy((1, v))) for v in (17, 14, 13, 9, 6)]
    offers += [offer(f"s{v}", 0, sell((1, v))) for v in (1, 4, 5, 8, 11)]
    book = book_of(grid, offers, network=network)
    c = clear(book, grid, "vcg-exchange")
    check_clearing(book, grid, c)
    assert c.welfare == pytest.approx(35)
    assert [paid(book, grid, c, f"b{v}") for v in (17, 14, 13, 9, 6)] == [8, 8, 8, 8, 0]
    assert [paid(book, grid, c, f"s{v}") for v in (1, 4, 5, 8, 11)] == [-9, -9, -9, -9, 0]
    assert c.operator["pivots"] == c.surplus_nano == -4_000_000_000


def test_two_batteries() -> None:
    """P2: on K1 the seller gets 225 and the buyer pays 135.

    By hand: the seller gets what the buyer gains, 300 J at a mean worth of 0.75; the buyer pays
    what they were worth to the seller, 0.45.
    """
    file = read_book(CASES / "K1" / "book.yaml")
    c = clear(file.book, file.grid, "vcg-exchange")
    check_clearing(file.book, file.grid, c)
    assert dict(zip(file.book.offer_ids, c.payment_nano.tolist(), strict=True)) == {
        "a": -225_000_000_000,
        "b": 135_000_000_000,
    }
    assert c.operator["pivots"] == -90_000_000_000


def house() -> tuple:
    """Home sells 1 J and buys 3 J; its gain is shared by what its offers move."""
    grid = grid_of(2, [{"ends": (0, 1), "owner": "home", "price": 0.5}])
    offers = [
        Offer("home", "n0", sell((1, 1.0)), id="sun"),
        Offer("home", "n1", buy((3, 9.0)), id="car"),
        offer("s", 0, sell((2, 2.0))),
        offer("b", 1, buy((9, 4.0))),
    ]
    return book_of(grid, offers), grid


def test_a_participant_is_all_that_is_its_own() -> None:
    """P1, P7: without home nothing is traded: it pays what others lose, which is nothing...

    Home takes 3 J for 27, with its link (1.5) and its sun (1) a worth of 24.5; it is paid nothing
    for s, whose 2 J cost 4. Its pivot is 0 - (24.5 - 4 - 24.5) = 4. At the prices, 6 and 6.5, it
    would pay 19.5 - 6 - 1.5 = 12: that is 8 too much, over 1 + 3 + 3 J.
    """
    book, grid = house()
    c = clear(book, grid, "vcg-exchange")
    check_clearing(book, grid, c)
    assert paid(book, grid, c, "home") == pytest.approx(4.0)
    parts = dict(zip(book.offer_ids, c.payment_nano.tolist(), strict=True))
    assert c.price_per_j.tolist() == pytest.approx([6.0, 6.5])
    each = 8e9 / 7
    assert parts["sun"] == pytest.approx(-6e9 - each, abs=2)
    assert parts["car"] == pytest.approx(19.5e9 - 3 * each, abs=2)
    assert c.link_payment_nano[0] == pytest.approx(-1.5e9 - 3 * each, abs=2)
    assert parts["sun"] + parts["car"] + int(c.link_payment_nano[0]) == 4_000_000_000


@pytest.mark.parametrize("how", ["people", "offers", "link", "idle", "line"])
def test_forged_payments_are_found(how: str) -> None:
    """P9: money that is moved about, sums kept, is found; whose it is, is said."""
    book, grid = house()
    offers = [*book.offers, offer("idle", 0, sell((1, 50.0)))]
    book = book_of(grid, offers)
    c = clear(book, grid, "vcg-exchange")
    at = {name: i for i, name in enumerate(book.offer_ids)}
    pay, link, lines = c.payment_nano.copy(), c.link_payment_nano.copy(), dict(c.operator)
    if how == "people":
        pay[at["s"]] -= 100
        pay[at["car"]] += 100
        place = "participant"
    elif how == "offers":
        pay[at["sun"]] -= 1000
        pay[at["car"]] += 1000
        place = "offer"
    elif how == "link":
        link[0] -= 1000
        pay[at["car"]] += 1000
        place = "offer 'car'"
    elif how == "idle":
        pay[at["idle"]] -= 1000
        lines["pivots"] -= 1000
        place = "participant 'idle'"
    else:
        lines["pivots"] -= 1000
        lines["carriage"] += 1000
        place = "operator.pivots"
    forged = replace(c, payment_nano=pay, link_payment_nano=link, operator=lines)
    with pytest.raises(VerificationError, match=place):
        check_clearing(book, grid, forged)


def test_standing_losses_have_a_pivot() -> None:
    """P8: the operator pays what its standing losses cost all others, 2 J that s delivers at 3."""
    grid = grid_of(2, [{"ends": (0, 1), "standing_w": 2.0}])
    offers = [offer("s", 0, sell((10, 3.0))), offer("t", 0, sell((10, 4.0)))]
    offers.append(offer("b", 1, buy((5, 8.0))))
    book = book_of(grid, offers)
    c = clear(book, grid, "vcg-exchange")
    check_clearing(book, grid, c)
    assert c.operator["standing_loss"] == -6_000_000_000
    assert paid(book, grid, c, "s") == pytest.approx(-28)  # 7 J that t would deliver at 4
    assert paid(book, grid, c, "b") == pytest.approx(15)
    assert c.operator["pivots"] == (15 - 28 + 6) * 1_000_000_000


def test_who_trades_nothing_pays_nothing() -> None:
    """P3: exactly, however near its offer is to the margin."""
    grid = grid_of(1)
    offers = [offer(f"b{i}", 0, buy((1, 2.0 - i * 1e-9))) for i in range(9)]
    offers.append(offer("s", 0, sell((4, 0.0))))
    for network in ("copperplate", "transport"):
        book = book_of(grid, offers, network=network)
        c = clear(book, grid, "vcg-exchange")
        assert not np.any(c.payment_nano[c.energy_uj == 0])


def test_on_dc_lines_have_no_owners() -> None:
    """P1: a line that is left out would move all flows."""
    grid = grid_of(2, [{"ends": (0, 1), "owner": "zoe"}])
    answer = VcgExchange().clear(book_of(grid, [offer("b", 1, buy((1, 4.0)))], network="dc"), grid)
    assert isinstance(answer, Refusal)
    assert "'l0' has an owner" in answer.reason
