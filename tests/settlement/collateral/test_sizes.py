"""How much a bond is, and how it is slashed. docs/spec/collateral.md, B1 to B6."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.settlement.collateral import Held, Outcome, Promise, Side, Terms
from isojoule.settlement.collateral.sizes import (
    bond_nano,
    check_terms,
    credit_nano,
    penalty_of,
    shortfall_uj,
    split_among,
)

KWH = 3.6e6
KWH_UJ = 3_600_000_000_000
prices = st.floats(-1e-6, 1e-6, allow_nan=False)
quantities = st.integers(1, 10**15)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Promise, Terms]:
    lowest, highest = sorted((draw(prices), draw(prices)))
    terms = Terms("EUR", highest, lowest, draw(st.floats(0, 1e-7)))
    side = draw(st.sampled_from(Side))
    promise = Promise("m", "o", 0, "member/ada", side, draw(quantities), draw(prices))
    return promise, terms


def held(promise: Promise, terms: Terms) -> Held:
    return Held(promise, bond_nano(promise, terms), 0)


def outcome(delivered: int, price: float, curtailed: int = 0, paid: int = 0) -> Outcome:
    return Outcome(delivered, curtailed, price, (("utility", 1),), paid)


def test_a_kilowatt_hour_by_hand() -> None:
    """B1, B4: 1 kWh at 0.10, at most 0.90, fine 0.05: 0.85 EUR. Half, at 0.60: 0.25 + 0.025."""
    terms = Terms("EUR", 0.9 / KWH, 0.0, 0.05 / KWH)
    promise = Promise("m", "o", 0, "member/ada", Side.SELL, KWH_UJ, 0.1 / KWH)
    assert bond_nano(promise, terms) == pytest.approx(850_000_000, abs=1)
    penalty = penalty_of(held(promise, terms), outcome(KWH_UJ // 2, 0.6 / KWH), terms)
    assert penalty.harm_nano == pytest.approx(250_000_000, abs=1)
    assert penalty.fine_nano == pytest.approx(25_000_000, abs=1)


def test_who_promised_to_take_by_hand() -> None:
    """B1, B4: 1 kWh taken at 0.30, at least -0.10: 0.40 EUR. None of it, at 0.05: 0.25 EUR."""
    terms = Terms("EUR", 0.9 / KWH, -0.1 / KWH)
    promise = Promise("m", "o", 0, "member/bo", Side.BUY, KWH_UJ, 0.3 / KWH)
    assert bond_nano(promise, terms) == pytest.approx(400_000_000, abs=1)
    penalty = penalty_of(held(promise, terms), outcome(0, 0.05 / KWH), terms)
    assert penalty.total_nano == pytest.approx(250_000_000, abs=1)


@given(cases(), st.floats(0, 1), quantities)
def test_default_is_never_a_free_option(
    case: tuple[Promise, Terms], where: float, delivered: int
) -> None:
    """B1: at any price of imbalance that the market allows, the whole harm is covered."""
    promise, terms = case
    low, high = terms.lowest_per_j, terms.highest_per_j
    price = min(max(low + (high - low) * where, low), high)
    told = outcome(min(delivered, promise.quantity_uj), price)
    penalty = penalty_of(held(promise, terms), told, terms)
    sign = 1 if promise.side is Side.SELL else -1
    gained = sign * (Fraction(price) - Fraction(promise.price_per_j)) * 1000
    assert penalty.harm_nano >= gained * shortfall_uj(promise, told)


@given(cases(), prices, st.lists(quantities, min_size=2, max_size=2), st.integers(0, 10**9))
def test_a_penalty_rises_with_the_shortfall(
    case: tuple[Promise, Terms], price: float, delivered: list[int], paid: int
) -> None:
    """B4: also at prices that the market does not allow; never beyond the bond."""
    promise, terms = case
    bond = held(promise, terms)
    less, more = sorted(delivered)
    worse, better = (penalty_of(bond, outcome(d, price, paid=paid), terms) for d in (less, more))
    assert 0 <= better.total_nano <= worse.total_nano <= bond.bond_nano
    assert 0 <= better.harm_nano <= worse.harm_nano
    assert min(worse.fine_nano, better.fine_nano) >= 0
    none = penalty_of(bond, outcome(promise.quantity_uj, price), terms)
    assert none.total_nano == 0


@given(cases(), prices, quantities, quantities)
def test_what_the_network_curtailed_is_no_shortfall(
    case: tuple[Promise, Terms], price: float, delivered: int, curtailed: int
) -> None:
    """B3: curtailed counts as if it had been delivered."""
    promise, terms = case
    bond = held(promise, terms)
    one = penalty_of(bond, outcome(delivered, price, curtailed), terms)
    assert one == penalty_of(bond, outcome(delivered + curtailed, price), terms)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**6))))
def test_credit_grows_with_what_was_delivered(history: list[tuple[int, int]]) -> None:
    """B6."""
    terms = Terms("EUR", 1.0, most_credit_nano=10**9, least_share=0.8, prior_uj=1000)
    now = credit_nano(history, terms)
    assert 0 <= now < 10**9
    assert credit_nano([*history, (500, 0)], terms) >= now
    assert credit_nano([*history, (500, 500)], terms) <= now


def test_shares_by_hand() -> None:
    """B5: 100 of 1:1:4 are 16, 16, 66 and 4 sixths each; the two that are left go by name."""
    assert split_among(100, (("c", 4), ("b", 1), ("a", 1))) == [("a", 17), ("b", 17), ("c", 66)]
    assert split_among(0, (("a", 1),)) == []


@pytest.mark.parametrize(
    "terms",
    [
        Terms("EUR", 0.0, 1.0),
        Terms("EUR", 1.0, fine_per_j=-1.0),
        Terms("EUR", float("inf")),
        Terms("EUR", 1.0, least_share=1.0),
        Terms("EUR", 1.0, most_credit_nano=-1),
        Terms("EUR", 1.0, prior_uj=-1),
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: Terms) -> None:
    with pytest.raises(InputError):
        check_terms(terms)
