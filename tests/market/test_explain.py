"""Reasons for fills and sentences for prices."""

from __future__ import annotations

import pytest

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing
from isojoule.market.explain import explain, reason
from isojoule.market.mechanisms import get
from isojoule.valuation import Battery, Load, Offer, Spec, Step, Steps, Utility
from tests.market.books import book_of, grid_of, offer, uj

KWH = 3.6e6


def cleared(
    grid: Grid, offers: list[Offer], *, mechanism: str = "equilibrium", network: str = "transport"
) -> tuple[Book, Grid, Clearing]:
    book = book_of(grid, offers, network=network, duration_s=3600.0)
    clearing = get(mechanism).clear(book, grid)
    assert isinstance(clearing, Clearing), clearing
    return book, grid, clearing


def reasons(found: tuple[Book, Grid, Clearing]) -> dict[str, str]:
    return {name: reason(*found, i) for i, name in enumerate(found[0].offer_ids)}


def sell(kwh: float, price: float, end: float | None = None) -> Spec:
    last = price if end is None else end
    return Steps(sell=(Step(uj(kwh * KWH), price / KWH, last / KWH),))


def buy(kwh: float, price: float, end: float | None = None) -> Spec:
    last = price if end is None else end
    return Steps(buy=(Step(uj(kwh * KWH), price / KWH, last / KWH),))


def utility() -> Spec:
    return Utility(0.30 / KWH, 0.08 / KWH)


def test_one_node_with_a_marginal_seller() -> None:
    grid = grid_of(("home",))
    found = cleared(
        grid,
        [
            offer("utility", "home", utility()),
            offer("ada", "home", buy(2, 0.5)),
            offer("sun", "home", sell(1, 0.05)),
            offer("dear", "home", sell(1, 0.4)),
            offer("mean", "home", buy(1, 0.1)),
            offer("swing", "home", Steps(buy=(Step(uj(1), 0.0, 0.0),), sell=(Step(uj(1), 1, 1),))),
            offer("none", "home", buy(0, 0.1)),
        ],
    )
    assert reasons(found) == {
        "utility": "partly filled: marginal at the node's price of 0.3 EUR/kWh",
        "ada": "filled",
        "sun": "filled",
        "dear": "price: the node's price of 0.3 EUR/kWh is below its ask of 0.4 EUR/kWh",
        "mean": "price: the node's price of 0.3 EUR/kWh is above its bid of 0.1 EUR/kWh",
        "swing": (
            "price: the node's price of 0.3 EUR/kWh lies between its bid of 0 EUR/kWh and its "
            "ask of 1 EUR/J"
        ),
        "none": "nothing offered",
    }
    assert explain(*found, "home") == (
        "At home a Joule is worth 0.3 EUR/kWh: the utility sells the last one at that price."
    )
    with pytest.raises(InputError, match="unknown node 'hose'"):
        explain(*found, "hose")


def test_a_full_link_is_named_on_both_sides() -> None:
    grid = grid_of(("roof", "home"), [{"id": "l1", "ends": (0, 1), "capacity_w": 5000.0}])
    found = cleared(
        grid,
        [
            offer("solar", "roof", sell(9, 0.05)),
            offer("other", "roof", sell(1, 0.06)),
            offer("utility", "home", utility()),
            offer("ada", "home", buy(8, 0.5)),
            offer("low", "home", buy(1, 0.07)),
        ],
    )
    assert explain(*found, "home") == (
        "At home a Joule is worth 0.3 EUR/kWh: the utility sells the last one at that price. "
        "Link l1 is full at 5 kW, so no more of the cheaper energy of roof (0.05 EUR/kWh) can "
        "reach home."
    )
    assert explain(*found, "roof") == (
        "At roof a Joule is worth 0.05 EUR/kWh: solar sells the last one at that price. Link l1 is "
        "full at 5 kW, so no more energy of roof can reach the dearer home (0.3 EUR/kWh)."
    )
    found_reasons = reasons(found)
    assert found_reasons["other"] == (
        "network: link l1 is full, and the node's price of 0.05 EUR/kWh is below its ask of "
        "0.06 EUR/kWh"
    )
    assert found_reasons["low"] == (
        "network: link l1 is full, and the node's price of 0.3 EUR/kWh is above its bid of "
        "0.07 EUR/kWh"
    )


def test_losses_and_carriage_on_the_way_are_named() -> None:
    links = [
        {"id": "a", "ends": (0, 1), "loss": 0.02},
        {"id": "b", "ends": (1, 2), "price": 0.01 / KWH, "owner": "x"},
    ]
    found = cleared(
        grid_of(("roof", "mid", "home"), links),
        [offer("solar", "roof", sell(9, 0.05)), offer("ada", "home", buy(3, 0.5))],
    )
    assert explain(*found, "home") == (
        "At home a Joule is worth 0.06102 EUR/kWh: solar sells the last one at roof for "
        "0.05 EUR/kWh, over links b and a, where 2 % of the last Joule is lost and carrying costs "
        "0.01 EUR/kWh."
    )


def test_a_price_between_two_walls_says_so() -> None:
    found = cleared(
        grid_of(("home",)),
        [offer("sun", "home", sell(1, 0.05)), offer("ada", "home", buy(1, 0.25))],
    )
    assert explain(*found, "home") == (
        "At home a Joule is worth 0.15 EUR/kWh: no offer in reach is partly filled, any price from "
        "0.05 EUR/kWh to 0.25 EUR/kWh would do, and the midpoint is taken; below 0.05 EUR/kWh sun "
        "would sell less; above 0.25 EUR/kWh ada would buy less."
    )


def test_one_open_end_and_none() -> None:
    grid = grid_of(("home", "lone", "empty"))
    found = cleared(
        grid,
        [offer("ada", "home", buy(1, 0.25)), offer("bo", "lone", Load(uj(KWH), 5 / KWH))],
    )
    assert "any higher price would do, and the lowest is taken" in explain(*found, "home")
    assert explain(*found, "empty") == (
        "No price is defined at empty: nobody there, or in reach of it, can trade."
    )
    assert reasons(found)["bo"].startswith("price: the node's price of 5 EUR/kWh is its bid")


def test_a_battery_at_the_margin() -> None:
    battery = Battery(uj(5 * KWH), uj(10 * KWH), 0.1 / KWH, 0.3 / KWH)
    found = cleared(
        grid_of(("home",)),
        [offer("pack", "home", battery), offer("ada", "home", buy(2, 0.5))],
    )
    assert reasons(found)["pack"] == ("partly filled: marginal at the node's price of 0.24 EUR/kWh")
    assert explain(*found, "home").endswith("pack sells the last one at that price.")


def test_a_copperplate_has_no_links() -> None:
    grid = grid_of(("roof", "home"), [{"id": "l1", "ends": (0, 1), "capacity_w": 0.0}])
    found = cleared(
        grid,
        [offer("solar", "roof", sell(9, 0.05)), offer("ada", "home", buy(3, 0.5))],
        network="copperplate",
    )
    assert explain(*found, "home") == (
        "At home a Joule is worth 0.05 EUR/kWh: solar sells the last one at that price."
    )


def test_the_baseline_speaks_of_its_rule() -> None:
    found = cleared(
        grid_of(("home", "shed"), [{"id": "l1", "ends": (0, 1)}]),
        [
            offer("utility", "home", utility()),
            offer("ada", "home", buy(1, 0.5)),
            offer("bo", "shed", buy(1, 0.2)),
            offer("carl", "shed", sell(1, 0.1)),
            offer("dora", "shed", buy(2, 0.6)),
        ],
        mechanism="utility-only",
    )
    assert reasons(found)["bo"] == "not filled: by the rule of utility-only"
    assert explain(*found, "home") == (
        "At home a Joule is worth 0.3 EUR/kWh: that is what utility-only pays or charges there, "
        "whatever the neighbours do."
    )
    assert explain(*found, "shed").startswith("No one price holds at shed")
