"""Perishability and its pump. Spec: docs/spec/valuation.md, V9."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import isojoule
from isojoule.core.units import J_PER_KWH
from isojoule.market import Clearing
from isojoule.market.mechanisms import get

CASE = Path(__file__).parents[1] / "cases" / "valuation" / "perishability-pump"


def cleared(name: str) -> tuple[dict[str, int], dict[str, int], float]:
    """Energy in microjoules and payment in nano-units by participant, and the price per kWh."""
    file = isojoule.read_book(CASE / f"{name}.yaml")
    found = get("equilibrium").clear(file.book, file.grid)
    assert isinstance(found, Clearing)
    who = [file.book.participants[i] for i in file.book.offer_participant]
    return (
        dict(zip(who, found.energy_uj.tolist(), strict=True)),
        dict(zip(who, found.payment_nano.tolist(), strict=True)),
        float(found.price_per_j[0] * J_PER_KWH),
    )


def test_the_pump_earns_money_for_nothing() -> None:
    """V9: the kept witness of why perishability is off by default."""
    answer = yaml.safe_load((CASE / "answer.yaml").read_text())
    bought, paid, low = cleared("buy")
    sold, received, high = cleared("sell")
    assert {name: bought[name] + sold[name] for name in bought} == {"store": 0, "trader": 0}
    within = {"rel": float(answer["tolerance"])}
    assert low == pytest.approx(answer["bought_at_per_kwh"], **within)
    assert high == pytest.approx(answer["sold_at_per_kwh"], **within)
    earned = -(paid["trader"] + received["trader"]) / 1e9
    assert earned == pytest.approx(answer["trader_earns"], abs=3e-9)
    assert earned > 0


def test_without_perishability_the_same_round_trip_earns_nothing() -> None:
    money = 0
    for name in ("buy", "sell"):
        file = isojoule.read_book(CASE / f"{name}.yaml")
        offers = [
            replace(o, spec=replace(o.spec, idle_s=0.0, tau_s=float("inf")))
            if isinstance(o.spec, isojoule.Battery)
            else o
            for o in file.book.offers
        ]
        book = isojoule.Book.from_offers(offers, file.grid, interval=file.book.interval)
        found = get("equilibrium").clear(book, file.grid)
        assert isinstance(found, Clearing)
        trader = book.offer_ids.index("trader")
        money -= int(found.payment_nano[trader])
    assert money <= 0
