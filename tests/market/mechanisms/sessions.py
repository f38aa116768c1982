"""Order books to try: offers that come one by one, and random sessions of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from isojoule.core.interval import Interval
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.vrgda import Vrgda
from isojoule.market.verify import check_clearing
from isojoule.valuation import Load, Offer, Utility
from tests.market.books import book_of, buy, grid_of, sell, uj

GRID = grid_of(1)


def at(ns: int, name: str, spec: Any, **more: Any) -> Offer:
    """An offer `who` or `who-part`, that comes at a nanosecond."""
    return Offer(name.split("-")[0], "n0", spec, id=name, at_ns=ns, **more)


def copper(offers: list[Offer]) -> Book:
    return book_of(GRID, offers, network="copperplate")


def clear_cda(offers: list[Offer], *cancelled: tuple[str, int]) -> Clearing:
    """Clear, check, and insist that both succeed."""
    book = copper(offers)
    rows = [{"id": name, "at_ns": ns} for name, ns in cancelled]
    out = get("cda").clear(book, GRID, state={"cancelled": rows} if rows else None)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, GRID, out)
    return out


def rows(book: Book, c: Clearing) -> list[tuple[str, str, float, float]]:
    """Seller, buyer, J, money of each trade."""
    ids = book.offer_ids
    return [
        (ids[m.sell_offer], ids[m.buy_offer], m.energy_uj / 1e6, m.payment_nano / 1e9)
        for m in c.matches
    ]


def same(one: Clearing | Refusal, other: Clearing | Refusal) -> bool:
    assert isinstance(one, Clearing) and isinstance(other, Clearing)
    return (
        one.matches == other.matches
        and np.array_equal(one.energy_uj, other.energy_uj)
        and np.array_equal(one.payment_nano, other.payment_nano)
        and one.notes == other.notes
        and one.state == other.state
        and one.welfare == other.welfare
        and np.array_equal(one.price_per_j, other.price_per_j, equal_nan=True)
    )


# --- properties -------------------------------------------------------------------------------

WHO = st.sampled_from(["ada", "bo", "cleo", "dan"])
PRICES = st.sampled_from([-2.0, 0.0, 1.0, 2.0, 3.5, 4.0, 5.0, 7.25, 1 / 3])
SIZES = st.sampled_from([0.0, 1e-6, 0.5, 1.0, 2.0, 2.000001, 3.3])


@st.composite
def specs(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(["buy", "sell", "sell", "buy", "both", "load", "utility"]))
    if kind == "load":
        return Load(uj(draw(SIZES)), draw(st.sampled_from([3.0, 9.0])))
    if kind == "utility":
        return Utility(draw(st.sampled_from([None, 8.0])), draw(st.sampled_from([None, -1.0])))
    steps = draw(st.lists(st.tuples(SIZES, PRICES), min_size=1, max_size=3))
    up = sorted(steps, key=lambda s: s[1])
    if kind == "sell":
        return sell(*up)
    if kind == "buy":
        return buy(*reversed(up))
    low = [s for s in reversed(up) if s[1] <= up[0][1]]
    return replace(sell(*up), buy=buy(*low).buy)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[Offer], list[tuple[str, int]]]:
    """Offers with tied times, and cancellations of some."""
    count = draw(st.integers(0, 12))
    offers = []
    for i in range(count):
        flags = {"immediate": draw(st.sampled_from([False, False, True]))}
        who, ns, spec = draw(WHO), draw(st.integers(1, 6)), draw(specs())
        if isinstance(spec, Utility):
            who = "grid"
        name = f"{draw(st.sampled_from('zxa'))}{i}"
        whole = flags["immediate"] and draw(st.booleans())
        one = isinstance(spec, Load) or (
            not isinstance(spec, Utility)
            and not (spec.sell and spec.buy)
            and sum(1 for s in (*spec.sell, *spec.buy) if s.energy_uj) <= 1
        )
        offers.append(Offer(who, "n0", spec, name, ns, all_or_nothing=whole and one, **flags))
    names = [o.id for o in offers]
    if not names:
        return offers, []
    picked = st.tuples(st.sampled_from(names), st.integers(1, 7))
    return offers, draw(st.lists(picked, max_size=4))


S = 10**9
"""Nanoseconds."""
HALVING = Vrgda(target_price_per_j=8.0, decay=0.5, decay_s=1.0, rate_per_s=1.0, unit_j=1.0)
"""One J a second at 8: price 8 * 2**(n + 1 - t), n sold, t seconds."""


def clear_vrgda(rule: Vrgda, offers: list[Offer], state: Any = None, start_s: int = 0) -> Clearing:
    book = book_at(offers, start_s)
    out = rule.clear(book, GRID, state=state)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, GRID, out)
    return out


def book_at(offers: list[Offer], start_s: int = 0) -> Book:
    return Book.from_offers(offers, GRID, interval=Interval(start_s, 900.0), network="copperplate")
