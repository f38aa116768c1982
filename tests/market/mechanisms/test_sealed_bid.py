"""The sealed-bid auction: known answers, the conformance suite, forgeries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.sealed_bid import SealedBid
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Load, Offer, Step, Steps
from tests.market.blocks import (
    GRID,
    bid,
    bids_of,
    block_samples,
    book_of,
    clear,
    paid,
    refusal,
    sell,
)


class TestSecondPrice(MechanismConformance):
    examples = 8

    @pytest.fixture
    def mechanism(self) -> SealedBid:
        return SealedBid()

    def books(self, mechanism: Any) -> st.SearchStrategy[Any]:
        return block_samples()


class TestFirstPrice(MechanismConformance):
    examples = 8

    @pytest.fixture
    def mechanism(self) -> SealedBid:
        return SealedBid(price="first")

    def books(self, mechanism: Any) -> st.SearchStrategy[Any]:
        return block_samples()


@pytest.mark.parametrize(
    ("bids", "price", "reserve", "pays"),
    [
        ((15, 9, 11), "second", None, {"b0": 11.0, "solar": -11.0}),  # docs/spec/session.md, S19
        ((15, 9, 11), "first", None, {"b0": 15.0, "solar": -15.0}),
        ((15, 9, 11), "second", 13.0, {"b0": 13.0, "solar": -13.0}),
        ((15, 9, 11), "first", 13.0, {"b0": 15.0, "solar": -15.0}),
        ((15, 9, 11), "second", 15.0, {"b0": 15.0, "solar": -15.0}),
        ((15, 9, 11), "second", 15.5, {}),
        ((7,), "second", None, {}),  # alone it pays the ask, which is 0
    ],
)
def test_known_answers(
    bids: tuple[float, ...], price: str, reserve: float | None, pays: dict[str, float]
) -> None:
    book, c = clear("sealed-bid", *bids_of(*bids), price=price, reserve=reserve)
    assert paid(book, c) == pays
    assert c.operator == {}


def test_the_cheat_of_an_auctioneer_at_the_second_price() -> None:
    """Bids of 150 and 400: honest 150, with a planted bid of 250 it is 250."""
    book, honest = clear("sealed-bid", *bids_of(150, 400))
    assert paid(book, honest)["solar"] == -150
    book, cheat = clear("sealed-bid", *bids_of(150, 400, 250))
    assert paid(book, cheat)["solar"] == -250


def test_ties_follow_the_seed_not_the_name() -> None:
    """docs/spec/session.md, S19."""
    winners = set()
    for n in range(8):
        book, c = clear("sealed-bid", *bids_of(12, 12), seed=bytes([n]))
        assert sorted(paid(book, c).values()) == [-12.0, 12.0]
        winners.add(max(paid(book, c), key=paid(book, c).__getitem__))
    assert winners == {"b0", "b1"}


def test_of_several_bids_of_one_participant_the_highest_counts() -> None:
    offers = [sell("solar", 0), bid("ada", 5, id="a1"), bid("ada", 9, id="a2"), bid("bo", 4)]
    book, c = clear("sealed-bid", *offers)
    assert paid(book, c) == {"a2": 4.0, "solar": -4.0}
    why = Reader(book, GRID, c).reason(book.offer_ids.index("a1"))
    assert why == "not taken: of its participant's bids a2 counts"


def test_bids_for_more_than_the_block_get_the_block() -> None:
    book, c = clear("sealed-bid", sell("solar", 1, 2), bid("ada", 5, 7), bid("bo", 3, 2))
    assert paid(book, c) == {"ada": 6.0, "solar": -6.0}
    assert c.energy_uj[book.offer_ids.index("ada")] == 2_000_000
    assert c.price_per_j[0] == 3.0
    assert c.welfare == 8.0


def test_payments_round_up_by_less_than_a_nano_unit() -> None:
    book, c = clear("sealed-bid", sell("solar", 0, 1e-6), bid("a", 0.0015, 1e-6), bid("b", 1, 1e-6))
    assert paid(book, c) == {"b": 2e-9, "solar": -2e-9}


@pytest.mark.parametrize(
    ("offers", "network", "reason"),
    [
        (bids_of(1), "transport", "would be ignored"),
        ([bid("ada", 1)], "copperplate", "0 offers to sell"),
        ([*bids_of(1), sell("other", 1)], "copperplate", "2 offers to sell"),
        ([sell("solar", 0, 2), bid("ada", 1, 1)], "copperplate", "less than the block"),
        ([sell("solar", 0), bid("solar", 1)], "copperplate", "its own block"),
        (
            [sell("solar", 0), bid("ada", 1, 2, all_or_nothing=True)],
            "copperplate",
            "all of more than the block",
        ),
        ([sell("solar", 0), Offer("ada", "square", Load(10**6, 1.0))], "copperplate", "flat step"),
        (
            [sell("solar", 0), Offer("ada", "square", Steps(buy=(Step(10**6, 2.0, 1.0),)))],
            "copperplate",
            "flat step",
        ),
        ([sell("solar", 0), bid("ada", 5e9)], "copperplate", "passes"),
    ],
)
def test_what_does_not_fit_is_refused(offers: list[Offer], network: str, reason: str) -> None:
    """docs/spec/session.md, S18."""
    assert reason in refusal("sealed-bid", book_of(*offers, network=network)).reason


@pytest.mark.parametrize("parameters", [{"price": "third"}, {"reserve": -1}, {"reserve": "many"}])
def test_bad_parameters(parameters: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        get("sealed-bid", **parameters)


def test_reasons_and_prices_in_words() -> None:
    book, c = clear("sealed-bid", *bids_of(15, 9))
    reader = Reader(book, GRID, c)
    assert [reader.reason(i) for i in range(3)] == [
        "taken: the highest bid",
        "not taken: outbid by b0",
        "sold to b0",
    ]
    assert explain(book, GRID, c, "square") == (
        "At square the block costs 9 EUR/J: the bid b1, next to it."
    )
    book, c = clear("sealed-bid", sell("solar", 2), bid("ada", 1))
    reader = Reader(book, GRID, c)
    assert reader.reason(0) == ("not taken: its bid of 1 EUR/J is below the ask of 2 EUR/J")
    assert explain(book, GRID, c, "square") == (
        "No price is defined at square: nothing was sold, for no bid reaches the ask of 2 EUR/J."
    )


def test_every_altered_field_is_found() -> None:
    """docs/spec/session.md, S20."""
    book, c = clear("sealed-bid", *bids_of(15, 9))
    nodes = np.ones(1)
    for altered in (
        {"welfare": c.welfare + 1e-9},
        {"price_per_j": c.price_per_j + 1e-9},
        {"operator": {"forfeits": 0}},
        {"notes": {"a": 1}},
        {"state": {"a": 1}},
        {"taken": np.ones(3, bool)},
        {"certificate": replace(c.certificate, duals=nodes)},
        {"certificate": replace(c.certificate, lowest=nodes)},
        {"certificate": replace(c.certificate, gap=1.0)},
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, GRID, replace(c, **altered))
