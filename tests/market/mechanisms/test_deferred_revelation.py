"""The deferred revelation auction: known answers, reserve and collateral, what cheating brings."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.market import Refusal
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.deferred_revelation import DeferredRevelation
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from tests.market.blocks import (
    GRID,
    bids_of,
    block_samples,
    book_of,
    clear,
    paid,
    refusal,
    sell,
)
from tests.market.mechanisms.pivot_books import AuctionAttacks

NAME = "deferred-revelation"


class TestConformance(AuctionAttacks, MechanismConformance):
    examples = 8

    @pytest.fixture
    def mechanism(self) -> DeferredRevelation:
        return DeferredRevelation()

    def books(self, mechanism: Any) -> st.SearchStrategy[Any]:
        return block_samples(5)  # an ask of more than its reserve is refused


@pytest.mark.parametrize(
    ("parameters", "bids", "pays"),
    [
        ({"high": 20}, (15, 9, 11), {"b0": 11.0, "solar": -11.0}),
        ({"high": 20}, (12, 12), {"b": 12.0, "solar": -12.0}),
        ({"distribution": "exponential"}, (0.2, 0.5), {}),
        ({"high": 10}, (3, 5, 7), {"b2": 5.0, "solar": -5.0}),
        ({"distribution": "exponential", "rate": 0.01}, (150, 400), {"b1": 150.0, "solar": -150.0}),
    ],
)
def test_known_answers(
    parameters: dict[str, Any], bids: tuple[float, ...], pays: dict[str, float]
) -> None:
    """docs/spec/session.md, S21."""
    book, c = clear(NAME, *bids_of(*bids), **parameters)
    found = paid(book, c)
    if "b" in pays:  # a tie: either of them
        found["b"] = found.pop(next(name for name in found if name != "solar"))
    assert found == pays


def test_forfeits_go_to_the_winner_or_with_no_sale_to_the_seller() -> None:
    """docs/spec/session.md, S21."""
    state = {"forfeits": [{"participant": "x", "collateral": "10"}] * 2}
    book, c = clear(NAME, *bids_of(15, 11), state=state, high=20)
    assert paid(book, c) == {"b0": 11.0 - 20.0, "solar": -11.0}
    assert c.operator == {"forfeits": -20_000_000_000}
    book, c = clear(NAME, *bids_of(3), state=state, high=20)
    assert paid(book, c) == {"solar": -20.0}
    assert c.state_before == state


@pytest.mark.parametrize(
    "rows", ["x", [1], [{"participant": "x"}], [{"participant": "x", "collateral": "1.0"}],
             [{"participant": "x", "collateral": 5}], [{"participant": "x", "collateral": "-1"}]],
)  # fmt: skip
def test_a_state_that_is_no_list_of_forfeits_is_refused(rows: Any) -> None:
    assert "forfeits" in refusal(NAME, book_of(*bids_of(1)), {"forfeits": rows}).reason


# --- reserve and collateral ------------------------------------------------------------------


def revenue(price: float, survival: Any) -> float:
    return price * float(survival(price))


@pytest.mark.parametrize(
    ("parameters", "survival"),
    [
        ({"low": 2, "high": 10}, lambda v: min(1, (10 - v) / 8)),
        ({"low": 8, "high": 10}, lambda v: min(1, (10 - v) / 2)),
        ({"distribution": "exponential", "rate": 0.5}, lambda v: math.exp(-0.5 * v)),
        ({"distribution": "pareto", "scale": 3, "shape": 2.5}, lambda v: min(1, (3 / v) ** 2.5)),
    ],
)
def test_the_reserve_is_the_best_price_for_one_bidder(
    parameters: dict[str, Any], survival: Any
) -> None:
    """S22: Myerson's reserve maximises price times the chance to sell at it, found by search."""
    rule = get(NAME, **parameters)
    best = max((0.01 * k for k in range(1, 1000)), key=lambda p: revenue(p, survival))
    assert isinstance(rule, DeferredRevelation)
    assert abs(rule.reserve - best) <= 0.011


def test_collateral_of_rising_hazard_rates_is_the_reserve() -> None:
    """docs/spec/session.md, S22."""
    assert DeferredRevelation(high=10.0).collateral_nano(3) == 5 * 10**9
    assert DeferredRevelation("exponential", rate=0.01).collateral_nano(99) == 100 * 10**9


@pytest.mark.parametrize("bids", [1, 2, 10, 1000])
@pytest.mark.parametrize("shape", [1.5, 2.0, 5.0, 50.0])
def test_collateral_of_power_laws(shape: float, bids: int) -> None:
    """S22: the formula, minimised by trying ten thousand values of alpha."""
    rule = DeferredRevelation("pareto", scale=2.0, shape=shape)
    alpha = 1 - 1 / shape

    def f(a: float) -> float:
        return ((1 - a) * math.log(bids / a) - math.log(1 - a)) / a

    least = 2 * math.exp(min(f(alpha * k / 10_000) for k in range(1, 10_001)))
    found = rule.collateral_nano(bids)
    assert isinstance(found, int)
    assert 1 <= found / 1e9 / least * (1 + 1e-7) <= 1 + 2e-6
    more = rule.collateral_nano(bids + 1)
    assert isinstance(more, int) and more >= found


def test_no_collateral_is_enough_for_equal_revenue() -> None:
    """docs/spec/session.md, S22."""
    rule = DeferredRevelation("equal-revenue")
    found = rule.collateral_nano(2)
    assert isinstance(found, Refusal) and "no finite collateral" in found.reason
    assert isinstance(rule.clear(book_of(*bids_of(1)), GRID), Refusal)
    huge = DeferredRevelation("pareto", shape=1.001).collateral_nano(1000)
    assert isinstance(huge, Refusal) and "collateral passes" in huge.reason


@pytest.mark.parametrize(
    "parameters",
    [{"distribution": "normal"}, {"high": 0.0}, {"low": 2.0}, {"rate": -1}, {"rate": math.nan},
     {"distribution": "pareto", "shape": 1.0}, {"scale": "x"}, {"distribution": []},
     {"distribution": "exponential", "rate": 1e-300}],
)  # fmt: skip
def test_bad_parameters(parameters: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        get(NAME, **parameters)


def test_an_ask_above_the_reserve_is_refused_one_below_changes_nothing() -> None:
    """docs/spec/session.md, S21."""
    assert "above the reserve" in refusal(NAME, book_of(sell("s", 5.1)), high=10.0).reason
    offers = bids_of(3, 5, 7)[1:]
    for ask in (0, 4, 5):
        book, c = clear(NAME, sell("solar", ask), *offers, high=10.0)
        assert paid(book, c) == {"b2": 5.0, "solar": -5.0}


def test_a_network_is_refused() -> None:
    """Single items only: Ganesh, Zhang arXiv 2507.04592."""
    assert "ignored" in refusal(NAME, book_of(*bids_of(1), network="transport")).reason


# --- what planting bids brings ---------------------------------------------------------------


def seller_gets(bids: list[float], opened: list[float], unopened: int, collateral: float) -> float:
    """What a seller has in the end who planted bids: price, its planted purchase, lost collateral.

    All from clearings, for the exponential distribution with mean 1.
    """
    lost = {"participant": "planted", "collateral": f"{collateral:g}"}
    state = {"forfeits": [lost] * unopened} if unopened and collateral else None
    book, c = clear(NAME, *bids_of(*bids, *opened), state=state, distribution="exponential")
    planted = {f"b{i}" for i in range(len(bids), len(bids) + len(opened))}
    money = paid(book, c)
    own = sum(v for name, v in money.items() if name in planted)
    return -money.get("solar", 0.0) - own - unopened * collateral


@pytest.mark.parametrize("planted", [1.2, 2.0, 4.0])
@pytest.mark.parametrize(("collateral", "pays"), [(1.0, False), (0.0, True)])
def test_a_planted_bid_pays_only_without_collateral(
    planted: float, collateral: float, pays: bool
) -> None:
    """S22: of one exponential bidder honesty brings 1/e, a planted b > 1 brings b exp(-b).

    It is opened only if b < v. Without a collateral it brings more than honesty.
    """
    count = 200
    values = [-math.log(1 - (k + 0.5) / count) for k in range(count)]
    honest = sum(seller_gets([v], [], 0, 0) for v in values) / count
    cheat = 0.0
    for v in values:
        choices = [seller_gets([v], [planted], 0, collateral)]
        choices.append(seller_gets([v], [], 1, collateral))
        cheat += max(choices) / count
    assert abs(honest - math.exp(-1)) < 0.01
    assert (cheat > honest + 0.005) == pays
    if not pays:
        assert abs(cheat - planted * math.exp(-planted)) < 0.02


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=4), st.integers(0, 3))
def test_money_is_what_was_forfeited(bids: list[int], lost: int) -> None:
    rows = [{"participant": "x", "collateral": "0.123456789"}] * lost
    _, c = clear(NAME, *bids_of(*(b / 10 for b in bids)), state={"forfeits": rows}, high=6)
    assert int(c.payment_nano.sum()) == -lost * 123_456_789 == c.surplus_nano


def test_altered_forfeits_are_found() -> None:
    state = {"forfeits": [{"participant": "x", "collateral": "1"}]}
    book, c = clear(NAME, *bids_of(9, 7), state=state, high=10)
    c.state_before["forfeits"] = [{"participant": "x", "collateral": "2"}]
    with pytest.raises(VerificationError, match="by the rule"):
        check_clearing(book, GRID, c)
    assert Fraction(int(c.payment_nano.sum()), 10**9) == -1
