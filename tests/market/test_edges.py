"""Edge cases: nothing, ties, walls, islands, extremes of size, prices below 0, and refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Bundle, Leg, Load, Offer, Utility
from tests.market.books import book_of, buy, clear, grid_of, offer, sell, uj


def checked(grid: Grid, *offers: Offer, kind: str = "dual", **more: Any) -> tuple[Book, Clearing]:
    book = book_of(grid, list(offers), **more)
    found = clear(book, grid)
    check_clearing(book, grid, found)
    assert found.certificate.kind == kind
    return book, found


def joules(book: Book, found: Clearing) -> dict[str, float]:
    return dict(zip(book.offer_ids, (found.energy_uj * 1e-6).tolist(), strict=True))


def test_nothing_at_all() -> None:
    for grid in (grid_of(0), grid_of(1), grid_of(3, [{"ends": (0, 1), "loss": 0.1}])):
        _, found = checked(grid)
        assert found.welfare == 0.0
        assert np.isnan(found.price_per_j).all()
        assert not found.flow_uj.any()


@pytest.mark.parametrize("network", ["copperplate", "transport"])
def test_one_offer(network: str) -> None:
    for spec in (buy((5, 2.0)), sell((5, 2.0)), Load(uj(5), 2.0), Battery(5, 10, 1.0, 2.0)):
        _, found = checked(grid_of(1), offer("a", 0, spec), network=network)
        assert not found.energy_uj.any()
        assert 1.0 <= found.price_per_j[0] <= 2.0


def test_zero_quantities() -> None:
    empty = Battery(0, 0, 1.0, 2.0)
    offers = [
        offer("a", 0, buy((0, 2.0))),
        offer("b", 0, sell((0, 1.0, 1.5))),
        offer("c", 0, Load(0, 5.0)),
        offer("d", 0, empty),
    ]
    _, found = checked(grid_of(1), *offers)
    assert not found.energy_uj.any()
    assert np.isnan(found.price_per_j[0])


def test_no_offer_has_any_step() -> None:
    _, found = checked(grid_of(1), offer("a", 0, sell()), offer("u", 0, Utility(None, None)))
    assert not found.energy_uj.any()


def test_a_closed_link_and_islands() -> None:
    grid = grid_of(5, [{"ends": (0, 1), "capacity_w": 0.0}, {"ends": (2, 3)}])
    _, found = checked(
        grid,
        offer("a", 0, sell((5, 1.0))),
        offer("b", 1, buy((5, 2.0))),
        offer("c", 2, sell((5, 3.0))),
        offer("d", 3, buy((5, 4.0))),
    )
    assert found.energy_uj.tolist() == [0, 0, -5_000_000, 5_000_000]
    assert found.price_per_j[:4].tolist() == [1.0, 2.0, 3.5, 3.5]
    assert np.isnan(found.price_per_j[4])


def test_all_ties() -> None:
    grid = grid_of(4, [{"ends": (i, i + 1)} for i in range(3)])
    offers = [offer(f"s{i}", i, sell((3, 1.0))) for i in range(4)]
    offers += [offer(f"b{i}", i, buy((3, 1.0))) for i in range(4)]
    _, found = checked(grid, *offers)
    assert found.welfare == 0.0
    assert found.price_per_j.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("price", "energy_j"),
    [
        *((1e-15, 1e9), (1e-9, 1e9), (0.1, 1e9)),
        *((1e-9, 1.0), (1.0, 1.0), (123_456_789.0, 1.0)),
        *((1e-9, 1e-3), (1.0, 1e-3), (123_456_789.0, 1e-3)),
    ],
)
def test_sizes_far_from_one(price: float, energy_j: float) -> None:
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.5}])
    book, found = checked(
        grid,
        offer("a", 0, sell((2 * energy_j, price))),
        offer("b", 1, buy((3 * energy_j, 4 * price))),
    )
    assert joules(book, found) == pytest.approx({"a": -2 * energy_j, "b": energy_j}, rel=1e-6)
    assert found.price_per_j[1] == pytest.approx(4 * price)


def test_small_offers_beside_large_ones() -> None:
    grid = grid_of(1)
    book, found = checked(
        grid,
        offer("plant", 0, sell((1e9, 1.0, 2.0))),
        offer("town", 0, buy((1e9, 3.0, 0.5))),
        offer("lamp", 0, buy((1.0, 2.5))),
        offer("watch", 0, buy((0.01, 2.5))),
    )
    told = joules(book, found)
    assert (told["lamp"], told["watch"]) == (1.0, 0.01)


def test_a_long_lossy_line_to_an_unlimited_utility() -> None:
    """Nineteen of twenty Joules are lost, and it still pays."""
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.95}])
    book, found = checked(
        grid, offer("u", 0, Utility(0.1, 0.05)), offer("load", 1, Load(uj(100), 20.0))
    )
    assert joules(book, found)["u"] == pytest.approx(-2000.0, rel=1e-9)
    assert found.price_per_j[1] == pytest.approx(2.0)


def test_a_utility_that_buys_at_its_selling_price() -> None:
    grid = grid_of(2, [{"ends": (0, 1), "capacity_w": 5.0}])
    book, found = checked(
        grid, offer("u", 0, Utility(2.0, 2.0)), offer("a", 1, sell((3, 1.0))),
    )  # fmt: skip
    assert joules(book, found) == {"u": 3.0, "a": -3.0}
    assert found.price_per_j.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("apart", [0, 1])
def test_a_dearer_unlimited_buyer_is_refused(apart: int) -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    offers = [offer("cheap", 0, Utility(1.0, 0.5)), offer("dear", apart, Utility(None, 2.0))]
    answer = get("equilibrium").clear(book_of(grid, offers), grid)
    assert isinstance(answer, Refusal)
    assert "no limit" in answer.reason


def test_a_limit_between_two_utilities_is_used_up() -> None:
    grid = grid_of(2, [{"ends": (0, 1), "capacity_w": 1000.0}])
    _, found = checked(
        grid, offer("cheap", 0, Utility(1.0, 0.5)), offer("dear", 1, Utility(None, 2.0))
    )
    assert found.flow_uj.tolist() == [1000 * 10**6]
    assert found.operator["congestion_rent"] == 1000 * 10**9


def curtail(energy_j: float, value: float, capacity_j: float = 100.0) -> Battery:
    """A full battery with so much overflow, worth `value` a Joule (below 0: curtailing costs)."""
    return Battery(
        uj(capacity_j), uj(capacity_j), 0.5, 1.0, inflow_uj=uj(energy_j), spill_value_per_j=value
    )


@pytest.mark.parametrize(
    "links",
    [
        [{"ends": (0, 1), "loss": 0.5}],
        [{"ends": (0, 1), "r": 0.01}],
        [{"ends": (0, 1), "loss": 0.5}, {"ends": (0, 1), "loss": 0.5}],
        [
            {"ends": (0, 1), "loss": 0.1},
            {"ends": (1, 2), "loss": 0.1},
            {"ends": (2, 0), "loss": 0.1},
        ],
    ],
    ids=["share", "square", "parallel", "ring"],
)
def test_below_zero_nothing_runs_in_circles(links: list[dict[str, Any]]) -> None:
    """Burning energy in losses would be worth something; it stays with what is consumed."""
    grid = grid_of(3, links)
    store = Battery(uj(50), uj(100), 0.0, 0.0, charge_efficiency=0.5, discharge_efficiency=0.5)
    book = book_of(grid, [offer("full", 0, curtail(20, -0.3)), offer("pack", 1, store)])
    found = clear(book, grid)
    check_clearing(book, grid, found)
    told = joules(book, found)
    # around every ring someone's flow is zero or turned: no link's energy comes back to it
    following: dict[int, set[int]] = {v: set() for v in range(3)}
    for e in np.flatnonzero(np.abs(found.flow_uj) > 1000):
        near, far = int(grid.link_from[e]), int(grid.link_to[e])
        if found.flow_uj[e] < 0:
            near, far = far, near
        following[near].add(far)
    for first in range(3):
        reached, todo = set(), [first]
        while todo:
            new = following[todo.pop()] - reached
            reached |= new
            todo += new
        assert first not in reached
    assert told["full"] <= 0
    assert told["pack"] >= 0
    assert abs(told["full"] + told["pack"] + found.loss_uj.sum() * 1e-6) < 1e-9


def test_below_zero_a_battery_does_not_charge_and_discharge() -> None:
    """Two batteries at one node: what one gives the other takes, at most once."""
    grid = grid_of(1)
    lossy = Battery(uj(50), uj(100), 0.0, 0.0, charge_efficiency=0.5, discharge_efficiency=0.5)
    book, found = checked(grid, offer("full", 0, curtail(200, -0.3)), offer("pack", 0, lossy))
    told = joules(book, found)
    assert told["pack"] == pytest.approx(100.0)  # 50 J of room at 0.5
    assert told["full"] == pytest.approx(-100.0)
    assert found.price_per_j[0] == pytest.approx(-0.3)


def test_free_sun_and_a_quadratic_loss_go_to_the_peak_and_not_beyond() -> None:
    """Energy that costs nothing is sent until sending more brings no more: f = 1/(2r)."""
    grid = grid_of(2, [{"ends": (0, 1), "r": 0.01}])
    book, found = checked(
        grid, offer("sun", 0, sell((100, 0.0), spill=0.0)), offer("load", 1, Load(uj(100), 5.0))
    )
    assert joules(book, found)["load"] == pytest.approx(25.0, rel=1e-6)
    assert abs(found.flow_uj[0]) <= 50_000_000


def test_indivisible_offers_and_other_networks_are_refused() -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    bundle = Bundle((Leg("n0", 1), Leg("n1", 1)), 0.5)
    for book in (
        book_of(grid, [offer("a", 0, buy((1, 1.0)), all_or_nothing=True)]),
        book_of(grid, [offer("a", 0, buy((1, 1.0)), group="g")]),
        book_of(grid, [Offer("a", "", bundle, id="a")]),
        book_of(grid, [offer("a", 0, buy((1, 1.0)))], network="dc"),
        book_of(grid, [offer("a", 0, buy((1, 1.0)))], network="lindistflow"),
    ):
        for mechanism in ("equilibrium", "utility-only"):
            answer = get(mechanism).clear(book, grid)
            assert isinstance(answer, Refusal)
            assert answer.reason
            assert answer.remedy


def test_payments_beyond_64_bits_are_refused_not_wrapped() -> None:
    grid = grid_of(1)
    book = book_of(grid, [offer("a", 0, sell((1e9, 1e9))), offer("b", 0, buy((1e9, 3e9)))])
    answer = get("equilibrium").clear(book, grid)
    assert isinstance(answer, Refusal)


def test_wrong_books_are_refused() -> None:
    grid = grid_of(1)
    for offers in (
        [offer("a", 7, buy((1, 1.0)))],
        [offer("a", 0, buy((1, 1.0))), offer("a", 0, buy((1, 1.0)))],
    ):
        with pytest.raises(InputError):
            book_of(grid, offers)
    with pytest.raises(InputError):
        book_of(grid, [], network="magic")
    with pytest.raises(InputError):
        get("no-such-mechanism")
    with pytest.raises(InputError):
        get("equilibrium", speed=9)


def test_names_of_nameless_offers_do_not_depend_on_their_order() -> None:
    grid = grid_of(1)
    rows = [Offer("ada", "n0", buy((k, 1.0))) for k in (3, 1, 2)] + [Offer("bo", "n0", buy((9, 1)))]
    one, two = book_of(grid, rows), book_of(grid, rows[::-1])
    assert one.offer_ids == two.offer_ids == ("ada-1", "ada-2", "ada-3", "bo")
    assert one.pieces.hi.tolist() == two.pieces.hi.tolist()


def test_owner_of_a_link_gets_price_and_rent() -> None:
    grid = grid_of(
        3,
        [
            {"ends": (0, 1), "capacity_w": 5.0, "price": 0.25, "owner": "zoe"},
            {"ends": (1, 2), "price": 0.5},
        ],
    )
    _, found = checked(grid, offer("a", 0, sell((9, 1.0))), offer("b", 2, buy((9, 4.0))))
    # the price is 1 at a, 4 at b, 3.5 between: the full link is worth 2.5 a Joule
    assert found.price_per_j.tolist() == [1.0, 3.5, 4.0]
    assert found.link_payment_nano.tolist() == [-math.floor(12.5e9), 0]
    assert found.operator["carriage"] == 2_500_000_000
    assert found.operator["congestion_rent"] == 0
