"""The community rules: known answers, bills that balance, forgeries, words, conformance.

Spec: docs/spec/community.md, N1 to N8. Prices per J, sizes in J; the utility sells at 0.30 and buys
at 0.10 unless said otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.community_naive import _PRICES
from isojoule.market.mechanisms.mid_market import MidMarket
from isojoule.market.mechanisms.supply_demand_ratio import SupplyDemandRatio
from isojoule.market.mechanisms.utility_only import Tariff
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.mechanisms.places import HERE, at_one_place, cleared, refused

RULES = ("mid-market", "supply-demand-ratio")
UTILITY = offer("utility", "here", Utility(0.30, 0.10))


def homes(*nets: float, utility: Offer = UTILITY) -> Book:
    """Homes h0, h1, ... with these nets, imports positive, and the utility."""
    rows = [
        offer(f"h{i}", "here", Load(uj(n), 5.0) if n > 0 else sell((-n, 0.0)))
        for i, n in enumerate(nets)
    ]
    return at_one_place([*rows, utility])


def gains(rule: str, *nets: float) -> list[float]:
    """What each home saves by the rule, compared with the utility alone."""
    book = homes(*nets)
    one, alone = cleared(rule, book), cleared("utility-only", book)
    assert one.energy_uj.tolist() == alone.energy_uj.tolist()  # N1
    saved = (alone.payment_nano - one.payment_nano) / 1e9
    return [float(saved[book.offer_ids.index(f"h{i}")]) for i in range(len(nets))]


def prices(rule: str, *nets: float) -> tuple[float, float]:
    """Price of the buyers and of the sellers."""
    c = cleared(rule, homes(*nets)).certificate
    return float(c.highest[0]), float(c.lowest[0])


def test_a_group_gains_by_leaving() -> None:
    """N7, `leave`: the core claimed by Tushar et al. 2018 is empty of the mid-market rate."""
    together = gains("mid-market", -5, -4, 1)
    assert together[1] + together[2] == pytest.approx(0.144444, abs=1e-6)
    # by themselves: 3 exported at 0.10 instead of 4, and nothing imported at 0.30
    apart = 3 * 0.10 - (4 * 0.10 - 1 * 0.30)
    assert apart == pytest.approx(0.20)
    assert sum(gains("mid-market", -4, 1)) == pytest.approx(apart)
    assert sum(together) == pytest.approx(0.20)  # all that neighbours can save


@pytest.mark.parametrize(
    ("rule", "nets", "buyers", "sellers"),
    [
        ("mid-market", (-1, 3, 1), 0.275, 0.20),
        ("mid-market", (-5, -4, 1), 0.20, 1 / 9 * 0.20 + 8 / 9 * 0.10),
        ("mid-market", (-2, 2), 0.20, 0.20),
        ("mid-market", (2,), 0.30, 0.20),
        ("mid-market", (-2,), 0.20, 0.10),
        ("supply-demand-ratio", (-1, 2), 0.225, 0.15),
        ("supply-demand-ratio", (-2, 2), 0.10, 0.10),
        ("supply-demand-ratio", (-5, -4, 1), 0.10, 0.10),
        ("supply-demand-ratio", (2,), 0.30, 0.30),
        ("supply-demand-ratio", (-2,), 0.10, 0.10),
    ],
)
def test_known_prices(rule: str, nets: tuple[float, ...], buyers: float, sellers: float) -> None:
    """N7 and N8 by hand."""
    assert prices(rule, *nets) == pytest.approx((buyers, sellers), rel=1e-12)


@pytest.mark.parametrize(("wanted", "pence"), [(2, 5.03), (4, 8.15)])
def test_prices_of_zhou(wanted: int, pence: float) -> None:
    """N8; Zhou, Wu, Long 2018 (Applied Energy 222:993), appendix B: 3 kW of sun for one neighbour.

    Retail 14.57 and export 5.03 pence per kWh; the paper gives two digits.
    """
    rule = get("supply-demand-ratio")
    found = rule.prices(uj(3), uj(wanted), Tariff(0, 5.03, 14.57))  # type: ignore[attr-defined]
    assert round(float(found.buyers), 2) == pence


@pytest.mark.parametrize(("supply", "demand"), [(3, 4), (4, 4), (9, 4), (0, 4)])
def test_ratio_of_liu(supply: int, demand: int) -> None:
    """N8; Liu et al. 2017, appendix I: 1 / (a r + b) through both ends, and the balance (31)."""
    sells, buys = Fraction("0.30"), Fraction("0.10")
    a, b = (sells - buys) / (sells * buys), 1 / sells
    ratio = Fraction(supply, demand)
    to_sellers = 1 / (a * ratio + b) if ratio <= 1 else buys
    to_buyers = (supply * to_sellers + (demand - supply) * sells) / demand if ratio <= 1 else buys
    found = get("supply-demand-ratio").prices(  # type: ignore[attr-defined]
        uj(supply), uj(demand), Tariff(0, 0.10, 0.30)
    )
    assert (found.buyers, found.sellers) == pytest.approx(
        (float(to_buyers), float(to_sellers)), rel=1e-12
    )


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(RULES), st.integers(0, 2**62), st.integers(0, 2**62),
    st.floats(0, 1e6), st.floats(0, 1e6),
)  # fmt: skip
def test_bills_balance_exactly(
    rule: str, supply: int, demand: int, one: float, other: float
) -> None:
    """N3 and N4: prices lie between the utility's, the money is that of both implementations."""
    tariff = Tariff(0, min(one, other), max(one, other))
    sells, buys = Fraction(tariff.sells_at), Fraction(tariff.buys_at)
    found = get(rule).prices(supply, demand, tariff)  # type: ignore[attr-defined]
    rest = demand - supply
    assert demand * found.buyers == supply * found.sellers + rest * (sells if rest > 0 else buys)
    again = _PRICES[rule](supply, demand, tariff)
    for mine, theirs, used in zip(found, again, (demand, supply), strict=True):
        assert buys <= mine <= sells
        assert not used or mine == theirs


@pytest.mark.parametrize("rule", RULES)
def test_homes_come_first(rule: str) -> None:
    """N1: own sun, own battery, then the meter; a battery does not sell to neighbours."""
    full = Battery(uj(2), uj(4), v_min_per_j=0.01, v_max_per_j=0.01)
    rows = [
        offer("ada", "here", sell((3, 0.0), spill=0.0)),
        replace(offer("bo", "here", Load(uj(1), 5.0)), id="bo-home"),
        replace(offer("bo", "here", full), id="bo-pack"),
        offer("cleo", "here", Load(uj(4), 5.0)),
        UTILITY,
    ]
    book = at_one_place(rows)
    c = cleared(rule, book)
    energy = dict(zip(book.offer_ids, (c.energy_uj / 1e6).tolist(), strict=True))
    assert energy == {"ada": -3, "bo-home": 1, "bo-pack": -1, "cleo": 4, "utility": -1}
    paid = dict(zip(book.offer_ids, c.payment_nano.tolist(), strict=True))
    assert abs(paid["bo-home"] + paid["bo-pack"]) <= 1
    assert 0 <= c.surplus_nano <= len(rows)


@pytest.mark.parametrize(
    ("book", "words"),
    [
        (homes(1, utility=offer("u", "here", Utility(0.3, None))), "both sell and buy"),
        (at_one_place([offer("a", "here", buy((1, 1.0)))]), "0 utilities"),
        (homes(1, utility=Offer("h0", "here", Utility(0.3, 0.1), id="u")), "has other offers"),
        (homes(1e9, utility=offer("u", "here", Utility(4.5, 0.1))), "payments pass"),
    ],
)
@pytest.mark.parametrize("rule", RULES)
def test_refusals(rule: str, book: Book, words: str) -> None:
    """N5."""
    assert words in refused(rule, book)


def test_prices_below_zero() -> None:
    """N5, N7, N8: a middle can be below 0, a ratio of prices cannot."""
    below = offer("utility", "here", Utility(0.10, -0.30))
    rows = [offer("ada", "here", sell((2, -1.0))), offer("bo", "here", Load(uj(1), 5.0)), below]
    book = at_one_place(rows)
    assert cleared("mid-market", book).certificate.highest[0] == pytest.approx(-0.10)
    assert "below 0" in refused("supply-demand-ratio", book)
    free = offer("utility", "here", Utility(0.30, 0.0))
    rows = [offer("ada", "here", sell((1, -1.0))), offer("bo", "here", Load(uj(2), 5.0)), free]
    found = cleared("supply-demand-ratio", at_one_place(rows)).certificate
    assert (found.lowest[0], found.highest[0]) == pytest.approx((0.0, 0.15))


def test_links_are_refused() -> None:
    """N5."""
    wired = grid_of(2, [{"ends": (0, 1)}])
    for rule in RULES:
        out = get(rule).clear(book_of(wired, [offer("u", 0, Utility(0.3, 0.1))]), wired)
        assert isinstance(out, Refusal) and "would ignore the links" in str(out)


@pytest.mark.parametrize("rule", RULES)
def test_every_forged_number_is_found(rule: str) -> None:
    """N6."""
    book = homes(-5, -4, 1, 2)
    c = cleared(rule, book)
    cert = c.certificate
    moved = np.array([1, -1, 0, 0, 0])
    for forged in (
        replace(c, energy_uj=c.energy_uj + moved * 1000),
        replace(c, payment_nano=c.payment_nano + moved),
        replace(c, payment_nano=c.payment_nano + np.eye(1, 5, 4, dtype=np.int64)[0]),
        replace(c, operator={"rounding": 0, "gift": c.surplus_nano}),
        replace(c, welfare=c.welfare + 1e-3),
        replace(c, price_per_j=np.nan_to_num(c.price_per_j) + 1),
        replace(c, certificate=replace(cert, lowest=cert.lowest - 1e-9)),
        replace(c, certificate=replace(cert, highest=cert.highest + 1e-9)),
        replace(c, state={"count": 1}),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, HERE, forged)


def test_words() -> None:
    """M14."""
    rows = [
        offer("ada", "here", sell((3, 0.0))), offer("bo", "here", buy((1, 0.20))),
        offer("cleo", "here", Load(uj(4), 5.0)), offer("dan", "here", sell((1, 0.15))), UTILITY,
    ]  # fmt: skip
    book = at_one_place(rows)
    c: Clearing = cleared("mid-market", book)
    words = dict(zip(book.offer_ids, Reader(book, HERE, c).own_words, strict=True))
    assert words["ada"] == words["cleo"] == "filled"
    assert "its bid of 0.2 EUR/J is below the 0.3 EUR/J that the utility sells" in words["bo"]
    assert "its ask of 0.15 EUR/J is above the 0.1 EUR/J" in words["dan"]
    assert words["utility"] == "gives what the homes lack, at its selling price"
    told = explain(book, HERE, c, "here")
    assert "pay 0.225 EUR/J" in told and "export 75 % of what they need" in told


class TestMidMarket(MechanismConformance):
    @pytest.fixture
    def mechanism(self) -> MidMarket:
        return MidMarket()


class TestSupplyDemandRatio(MechanismConformance):
    @pytest.fixture
    def mechanism(self) -> SupplyDemandRatio:
        return SupplyDemandRatio()
