"""Central dispatch: the optimum on every network, bills by the old tariff, forgeries, conformance.

Spec: docs/spec/community.md, N9 to N12. Prices per J, sizes in J.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from isojoule.core.errors import VerificationError
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.book import BOOK_NETWORKS
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.central import Central
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance, Sample, samples
from isojoule.valuation import Bundle, Leg, Load, Offer, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.mechanisms.places import HERE, at_one_place, cleared, refused

UTILITY = offer("utility", "here", Utility(0.30, 0.10))


def test_the_margin() -> None:
    """N11, `central`: three Joules went between homes, each over the distance of the prices."""
    rows = [
        offer("ada", "here", sell((3, 0.0))), offer("bo", "here", Load(uj(2), 5.0)),
        offer("cleo", "here", Load(uj(1), 5.0)), UTILITY,
    ]  # fmt: skip
    book = at_one_place(rows)
    c = cleared("central", book)
    assert c.operator["margin"] == pytest.approx(0.60e9, abs=1)
    assert c.operator["losses"] == c.operator["carriage"] == 0
    # it is what the community saves in cash by acting together
    alone = cleared("utility-only", book)
    paid = -alone.payment_nano[3] + c.payment_nano[3]
    assert paid == pytest.approx(c.operator["margin"], abs=4)
    assert "Nobody pays that" in explain(book, HERE, c, "here")


def test_losses_and_owned_links() -> None:
    """N10 and N11 by hand: 10 sent over a link that loses 10 % and costs 0.01."""
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.1, "price": 0.01, "owner": "ada"}])
    rows = [offer("bo", 1, Load(uj(9), 5.0)), offer("utility", 0, Utility(0.30, 0.10))]
    book = book_of(grid, rows)
    c = get("central").clear(book, grid)
    assert isinstance(c, Clearing)
    check_clearing(book, grid, c)
    assert c.link_payment_nano.tolist() == [-100_000_000]
    assert c.operator["carriage"] == -100_000_000
    assert c.operator["losses"] == pytest.approx(-0.30e9, abs=2)
    assert c.operator["margin"] == 0
    assert c.surplus_nano == int(c.payment_nano.sum()) - 100_000_000


@settings(max_examples=25, deadline=None)
@given(samples("utility", tuple(BOOK_NETWORKS)))
def test_it_is_the_optimum_on_every_network(found: Sample) -> None:
    """N9 and N10: the energies of `lmp`, the payments of the tariff."""
    one, other = (get(n).clear(found.book, found.grid) for n in ("central", "lmp"))
    assert isinstance(one, Clearing) and isinstance(other, Clearing)
    assert one.energy_uj.tolist() == other.energy_uj.tolist()
    assert one.welfare == other.welfare
    check_clearing(found.book, found.grid, one)
    utility = found.book.offers[found.book.offer_ids.index("utility")].spec
    assert isinstance(utility, Utility)
    known = (utility.sells_at_per_j, utility.buys_at_per_j)
    for i in range(found.book.offer_count):
        e, paid = int(one.energy_uj[i]), int(one.payment_nano[i])
        assert any(
            abs(paid - p * e * 1000) <= 1 + 1e-12 * abs(paid) for p in known if p is not None
        )


@pytest.mark.parametrize(
    ("book", "words"),
    [
        (at_one_place([offer("a", "here", buy((1, 1.0)))]), "0 utilities"),
        (at_one_place([UTILITY, Offer("utility", "here", Load(1, 1.0), id="x")]), "other offers"),
        (
            at_one_place([UTILITY, Offer("a", "", Bundle((Leg("here", uj(1)),), 1.0), id="a")]),
            "has no meter",
        ),
        (
            at_one_place(
                [offer("a", "here", Load(uj(1e9), 9.0)), offer("u", "here", Utility(8.0, 1.0))]
            ),
            "payments pass",
        ),
    ],
)
def test_refusals(book: Book, words: str) -> None:
    """N9, N12 and M13."""
    assert words in refused("central", book)


def test_indivisible_offers() -> None:
    """N9: two Joules or none."""
    rows = [
        offer("ada", "here", sell((2, 0.16)), all_or_nothing=True),
        offer("bo", "here", buy((1, 0.20))), offer("cleo", "here", buy((1, 0.25))), UTILITY,
    ]  # fmt: skip
    c = cleared("central", at_one_place(rows))
    assert c.energy_uj.tolist() == [uj(-2), uj(1), uj(1), 0]
    assert c.operator["margin"] == pytest.approx(0.40e9, abs=1)


def test_every_forged_number_is_found() -> None:
    """N10 and N11."""
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.1, "price": 0.01, "owner": "ada"}])
    rows = [
        offer("ada", 0, sell((1, 0.05))), offer("bo", 1, Load(uj(9), 5.0)),
        offer("cleo", 1, sell((2, 0.05))), offer("utility", 0, Utility(0.30, 0.10)),
    ]  # fmt: skip
    book = book_of(grid, rows)
    c = get("central").clear(book, grid)
    assert not isinstance(c, Refusal)
    check_clearing(book, grid, c)
    lines = c.operator
    one = np.array([1, -1, 0, 0])
    for forged in (
        replace(c, payment_nano=c.payment_nano + one),
        replace(c, link_payment_nano=c.link_payment_nano + 1),
        replace(
            c, operator={**lines, "margin": lines["margin"] + 1, "losses": lines["losses"] - 1}
        ),
        replace(c, operator={**lines, "rounding": lines["rounding"] + 1}),
        replace(c, price_per_j=c.price_per_j + 0.1),
        replace(c, energy_uj=c.energy_uj + one),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, grid, forged)


class TestConformance(MechanismConformance):
    @pytest.fixture
    def mechanism(self) -> Central:
        return Central()
