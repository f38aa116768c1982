"""MUDA: the halves and their prices by hand, truth against every lie, and what displacement costs.

Segal-Halevi, Hassidim, Aumann 2018, arXiv 1712.06848. Spec: docs/spec/auctions.md, U20 to U24.
Prices per J.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.chance import words
from isojoule.core.errors import InputError, VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.muda import Muda
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from tests.market.books import buy, offer, sell
from tests.market.mechanisms.blocks_at_one_place import Side, blocks, book_of_sides, gain, sides
from tests.market.mechanisms.places import HERE, at_one_place, cleared, refused

NAME = "muda"
KINDS = st.sampled_from(["lottery", "displacement"])


class TestMuda(MechanismConformance):
    sample = "steps"

    @pytest.fixture
    def mechanism(self) -> Muda:
        return Muda()

    def books(self, mechanism: Any) -> st.SearchStrategy[Any]:
        return blocks(2)


class TestMudaWithFees(TestMuda):
    @pytest.fixture
    def mechanism(self) -> Muda:
        return Muda("displacement")


def half_of(names: int, seed: bytes = b"") -> list[int]:
    """U21: the half of each participant."""
    raw = words(seed, "muda", names)
    return [raw[8 * i + 7] % 2 for i in range(names)]


def test_the_worked_example_by_hand() -> None:
    """U20 to U22: with an empty seed p0, p2, p3 fall into one half, others not.

    One half: 2 J at 1; wanted 1 J at 9, 2 J at 6, of which one is had: its price is 6. The other:
    1 J at 3; wanted 1 J at 8 and 1 J at 5: its price is the middle of 5 and 8.
    """
    assert half_of(6) == [1, 0, 1, 1, 0, 0]
    book = book_of_sides(
        [
            (False, [(2, 1.0)]), (False, [(1, 3.0)]), (True, [(1, 9.0)]), (True, [(2, 6.0)]),
            (True, [(1, 8.0)]), (True, [(1, 5.0)]),
        ]
    )  # fmt: skip
    c = cleared(NAME, book)
    assert c.notes == {"prices_per_j": [6.0, 6.5], "longer": ["", "sellers"]}
    assert c.energy_uj.tolist() == [-1_000_000, -1_000_000, 1_000_000, 0, 1_000_000, 0]
    assert c.payment_nano[[0, 2]].tolist() == [-6_500_000_000, 6_500_000_000]
    assert c.payment_nano[[1, 4]].tolist() == [-6_000_000_000, 6_000_000_000]
    assert math.isnan(c.price_per_j[0])
    reader = Reader(book, HERE, c)
    assert "its best bid is below 6.5 EUR/J, the price of the other half" in reader.reason(3)
    assert "more is offered than wanted" in reader.reason(0)
    assert "one half each is offered 6 EUR/J and 6.5 EUR/J" in explain(book, HERE, c, "here")


def test_displacement_by_hand() -> None:
    """U23: 2 J are offered at a price of 2; wanted are 2 J at 9, 1 J at 5, 1 J at 3.

    With fees the 2 J at 9 win, and pay 5 and 3; the seller gets 2 a Joule, the rest is a fee.
    """
    assert half_of(5) == [1, 0, 1, 1, 0]
    rows: list[Side] = [
        (False, [(2, 1.0)]), (True, [(1, 2.0)]), (True, [(2, 9.0)]),
        (True, [(1, 5.0), (1, 3.0)]), (False, [(1, 20.0)]),
    ]  # fmt: skip
    # the other half's bid of 2 and ask of 20 would clear at 11; then nobody here buys
    assert not cleared(NAME, book_of_sides(rows), long_side="displacement").energy_uj.any()
    rows[4] = (True, [(1, 2.0)])
    c = cleared(NAME, book_of_sides(rows), long_side="displacement")
    assert c.notes["prices_per_j"][1] == 2.0
    assert c.energy_uj.tolist() == [-2_000_000, 0, 2_000_000, 0, 0]
    assert c.payment_nano[[0, 2]].tolist() == [-4_000_000_000, 8_000_000_000]
    assert c.operator == {"displacement": 4_000_000_000, "rounding": 0}
    lots = {
        tuple(cleared(NAME, book_of_sides(rows), seed=bytes([n])).energy_uj.tolist())
        for n in range(60)
    }
    assert all(sum(e) == 0 for e in lots)
    assert len(lots) > 3


AUTHORS: list[Side] = [
    (True, [(5, 250.0)]), (True, [(3, 350.0), (4, 150.0)]),
    (False, [(5, 200.0)]), (False, [(4, 100.0), (3, 300.0)]),
]  # fmt: skip
"""The traders of the examples in E. Segal-Halevi's code of MUDA."""


@pytest.mark.parametrize(
    ("price", "units", "by_lot", "traders_gain", "fees"),
    [
        (51, 0, {0}, 0, 0),
        (101, 4, {600, 800}, 404, 496),
        (151, 4, {600, 900}, 603, 297),
        (201, 8, {1000, 1100}, 1099, 1),
    ],
)
def test_examples_of_the_author(
    price: int, units: int, by_lot: set[int], traders_gain: int, fees: int
) -> None:
    """U22, U23: github.com/erelsgl/double-auction, doubleauction.py.

    Its functions trade a half at a given price; here two traders of the other half make the price,
    and one is only there to fill that half. By lot it tells one gain, the greatest of `by_lot`.
    """
    others: list[Side] = [(True, [(1, float(price))]), (False, [(1, float(price))])]
    rows = [AUTHORS[0], others[0], AUTHORS[1], AUTHORS[2], others[1], (True, [(1, 0.0)]),
            AUTHORS[3]]  # fmt: skip
    assert half_of(7) == [1, 0, 1, 1, 0, 0, 1]
    book = book_of_sides(rows)
    c = cleared(NAME, book, long_side="displacement")
    assert c.notes["prices_per_j"][1] == price
    assert c.energy_uj.clip(0).sum() == units * 1_000_000
    assert not c.energy_uj[[1, 4, 5]].any()
    assert c.operator == {"displacement": fees * 10**9, "rounding": 0}
    assert c.welfare - fees == pytest.approx(traders_gain, abs=1e-9)
    found = set()
    for n in range(400):
        seed = n.to_bytes(2, "big")
        parts = half_of(7, seed)
        if parts in ([1, 0, 1, 1, 0, 0, 1], [0, 1, 0, 0, 1, 1, 0]):
            lots = cleared(NAME, book, seed=seed)
            assert lots.energy_uj.clip(0).sum() == units * 1_000_000
            found.add(round(lots.welfare))
    assert found == by_lot


@st.composite
def books(draw: st.DrawFn) -> list[Side]:
    return sides(draw, 2)


@given(books(), KINDS, st.binary(max_size=1), st.data())
@settings(max_examples=60, deadline=None)
def test_nobody_gains_by_lying(
    truth: list[Side], long_side: str, seed: bytes, data: st.DataObject
) -> None:
    """U24: whatever the seed, and known beforehand: other prices, sizes, steps."""
    liar = data.draw(st.integers(0, len(truth) - 1))
    rule = get(NAME, long_side=long_side)
    book = book_of_sides(truth)
    name = f"p{liar}"
    honest = gain(truth[liar], book, cleared(NAME, book, seed=seed, long_side=long_side), name)
    assert honest >= -1e-8
    buys = truth[liar][0]
    for _ in range(8):
        prices = data.draw(st.lists(st.integers(0, 11), min_size=1, max_size=2))
        ordered = sorted((p / 2 for p in prices), reverse=buys)
        told: Side = (buys, [(data.draw(st.integers(1, 3)), p) for p in ordered])
        other = book_of_sides([*truth[:liar], told, *truth[liar + 1 :]])
        out = rule.clear(other, HERE, seed=seed)
        assert gain(truth[liar], other, out, name) <= honest + 1e-8, told  # type: ignore[arg-type]


@given(books(), st.binary(max_size=1))
@settings(max_examples=60, deadline=None)
def test_fees_buy_a_better_outcome(rows: list[Side], seed: bytes) -> None:
    """U22, U23: at the same prices as much is traded, and the best of the longer side win."""
    book = book_of_sides(rows)
    lots, fees = (cleared(NAME, book, seed=seed, long_side=k) for k in ("lottery", "displacement"))
    assert fees.notes == lots.notes
    assert fees.energy_uj.clip(0).sum() == lots.energy_uj.clip(0).sum()
    assert fees.welfare >= lots.welfare - 1e-9
    assert fees.operator["displacement"] >= 0
    assert 0 <= lots.operator["rounding"] <= len(rows)


def test_many_traders_lose_little() -> None:
    """The paper's promise: as the market grows, nearly all gains are made."""
    rng = np.random.default_rng(7)
    shares = []
    for n in (20, 2000):
        rows: list[Side] = [(i % 2 == 0, [(1, float(rng.uniform(0, 1)))]) for i in range(n)]
        c = get(NAME, long_side="displacement").clear(book_of_sides(rows), HERE)
        shares.append(c.welfare / c.certificate.welfare_bound)  # type: ignore[union-attr]
    assert shares[0] < shares[1]
    assert shares[1] > 0.98


def test_refusals() -> None:
    """U17, U20: each with its remedy."""
    both = offer("a", "here", replace(sell((1, 5)), buy=buy((1, 2)).buy))
    assert "'a' both buys and sells" in refused(NAME, at_one_place([both]))
    twice = [replace(offer("a", "here", sell((1, 2))), id=i) for i in ("x", "y")]
    assert "'a' has several offers" in refused(NAME, at_one_place(twice))
    slope = offer("a", "here", sell((1, 2.0, 3.0)))
    assert "has a price that changes" in refused(NAME, at_one_place([slope]))
    with pytest.raises(InputError, match="long_side"):
        get(NAME, long_side="short")


@pytest.mark.parametrize("long_side", ["lottery", "displacement"])
def test_forged_numbers_are_found(long_side: str) -> None:
    """U24."""
    rows: list[Side] = [
        (False, [(2, 1.0)]), (True, [(1, 2.0)]), (True, [(2, 9.0)]), (True, [(1, 5.0), (1, 3.0)]),
    ]  # fmt: skip
    book = book_of_sides(rows)
    c = cleared(NAME, book, long_side=long_side)
    assert c.energy_uj.any()
    cert = c.certificate
    lines = dict(c.operator)
    lines["rounding"] += 1
    for forged in (
        replace(c, seed=b"\x03"),
        replace(c, operator=lines),
        replace(c, notes={}),
        replace(c, price_per_j=c.price_per_j + 1),
        replace(c, certificate=replace(cert, highest=cert.highest + 1)),
        replace(c, certificate=replace(cert, gap=cert.gap + 1)),
        replace(c, state={"count": 1}),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, HERE, forged)
