"""The baseline, worked by hand as tables: own devices first, the rest at the utility's prices.

The utility sells at 30 and buys at 8 (prices per J, sizes in J, one second). Batteries are worth
anything between 9 and 27; the baseline does not look at that.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market import Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import (
    REAL,
    SMALL,
    book_of,
    buy,
    clear,
    grid_of,
    offer,
    random_case,
    sell,
    uj,
)

SELLS, BUYS = 30.0, 8.0
UTILITY = Offer("utility", "n0", Utility(SELLS, BUYS), id="utility")


def load(energy_j: float, lost_load: float = 500.0) -> Load:
    return Load(uj(energy_j), lost_load)


def sun(energy_j: float) -> object:
    return sell((energy_j, 0.0), spill=0.0)


def pack(energy_j: float, capacity_j: float = 10.0, **more: object) -> Battery:
    values = {"v_min_per_j": 9.0, "v_max_per_j": 27.0, "k": 2.0, "v_critical_per_j": 40.0}
    return Battery(uj(energy_j), uj(capacity_j), **(values | more))  # type: ignore[arg-type]


def at(name: str, node: int, spec: object, who: str = "") -> Offer:
    return Offer(who or name.split("-")[0], f"n{node}", spec, id=name)  # type: ignore[arg-type]


# offers at the utility's node (no link between): what each receives, J, and pays
TABLE = [
    # own sun serves the own load, the rest is sold
    ([("ann-sun", sun(5)), ("ann-load", load(3))], {"ann-sun": -5, "ann-load": 3}, {"ann": -16}),
    # own sun serves the own load, the rest is bought
    ([("ann-sun", sun(2)), ("ann-load", load(3))], {"ann-sun": -2, "ann-load": 3}, {"ann": 30}),
    # surplus goes into the own battery, not to the utility
    ([("ann-sun", sun(5)), ("ann-pack", pack(1))], {"ann-sun": -5, "ann-pack": 5}, {"ann": 0}),
    # what does not fit is sold
    ([("ann-sun", sun(5)), ("ann-pack", pack(7))], {"ann-sun": -5, "ann-pack": 3}, {"ann": -16}),
    # the own battery serves the own load, down to its reserve
    (
        [("ann-load", load(5)), ("ann-pack", pack(4, reserve_uj=uj(1)))],
        {"ann-load": 5, "ann-pack": -3},
        {"ann": 60},
    ),
    # a battery alone does nothing: it does not trade with the utility
    ([("ann-pack", pack(5))], {"ann-pack": 0}, {"ann": 0}),
    # power limits hold
    (
        [("ann-sun", sun(5)), ("ann-pack", pack(1, charge_power_w=2.0))],
        {"ann-sun": -5, "ann-pack": 2},
        {"ann": -24},
    ),
    # 0.5 each way: 30 * 0.25 is less than 8, the round trip does not pay, the battery stays idle
    (
        [
            ("ann-sun", sun(5)),
            ("ann-pack", pack(5, charge_efficiency=0.5, discharge_efficiency=0.5)),
        ],
        {"ann-sun": -5, "ann-pack": 0},
        {"ann": -40},
    ),
    # 0.9 each way: 30 * 0.81 is more than 8, it pays
    (
        [
            ("ann-sun", sun(5)),
            ("ann-pack", pack(5, charge_efficiency=0.9, discharge_efficiency=0.9)),
        ],
        {"ann-sun": -5, "ann-pack": 5},
        {"ann": 0},
    ),
    # two households at one node do not trade with each other
    (
        [("ann-sun", sun(5)), ("bob-load", load(5))],
        {"ann-sun": -5, "bob-load": 5},
        {"ann": -40, "bob": 150},
    ),
    # an empty battery refills its reserve from the utility at v_critical
    ([("ann-pack", pack(0, reserve_uj=uj(1)))], {"ann-pack": 1}, {"ann": 30}),
    # a bid below the selling price is not served by the utility, but by the own sun
    (
        [("ann-sun", sun(2)), ("ann-bid", buy((5, 20.0)))],
        {"ann-sun": -2, "ann-bid": 2},
        {"ann": 0},
    ),
    # a generator dearer than the buying price serves only the own load
    (
        [("ann-gen", sell((5, 15.0))), ("ann-load", load(2))],
        {"ann-gen": -2, "ann-load": 2},
        {"ann": 0},
    ),
]


@pytest.mark.parametrize(("rows", "energies", "paid"), TABLE)
def test_table(
    rows: list[tuple[str, object]], energies: dict[str, float], paid: dict[str, float]
) -> None:
    grid = grid_of(1)
    book = book_of(grid, [UTILITY, *(at(name, 0, spec) for name, spec in rows)])
    found = clear(book, grid, "utility-only")
    check_clearing(book, grid, found)
    told = dict(zip(book.offer_ids, (found.energy_uj * 1e-6).tolist(), strict=True))
    assert {name: told[name] for name in energies} == pytest.approx(energies, abs=2e-6)
    money = np.bincount(book.offer_participant, found.payment_nano * 1e-9, len(book.participants))
    by_name = dict(zip(book.participants, money.tolist(), strict=True))
    assert {name: by_name[name] for name in paid} == pytest.approx(paid, abs=2e-4)
    assert by_name["utility"] == pytest.approx(-sum(paid.values()), abs=2e-4)


def street(*links: dict[str, object]) -> Grid:
    """The utility at n0, then one node after the other."""
    chain = [{"ends": (i, i + 1)} | link for i, link in enumerate(links)]
    return grid_of(len(links) + 1, chain)  # type: ignore[arg-type]


def cleared(grid: Grid, *offers: Offer) -> dict[str, float]:
    book = book_of(grid, [UTILITY, *offers])
    found = clear(book, grid, "utility-only")
    check_clearing(book, grid, found)
    assert found.payment_nano.sum() + found.link_payment_nano.sum() == found.surplus_nano
    told = dict(zip(book.offer_ids, (found.energy_uj * 1e-6).tolist(), strict=True))
    told["operator"] = found.surplus_nano * 1e-9
    return told


def test_losses_are_bought_at_the_selling_price_by_the_operator() -> None:
    told = cleared(street({"loss": 0.5}), at("ann-load", 1, load(4)))
    assert told["utility"] == -8.0
    assert told["operator"] == pytest.approx(-4 * SELLS, rel=1e-12)


def test_two_meters_of_one_participant_net_each_for_itself() -> None:
    grid = street({}, {})
    told = cleared(grid, at("ann-sun", 1, sun(5)), at("ann-load", 2, load(5)))
    assert (told["ann-sun"], told["ann-load"]) == (-5.0, 5.0)
    book = book_of(grid, [UTILITY, at("ann-sun", 1, sun(5)), at("ann-load", 2, load(5))])
    found = clear(book, grid, "utility-only")
    money = dict(zip(book.offer_ids, (found.payment_nano * 1e-9).tolist(), strict=True))
    assert money["ann-sun"] == -5 * BUYS
    assert money["ann-load"] == 5 * SELLS


def test_a_full_link_curtails_the_sun_but_not_the_own_load() -> None:
    told = cleared(
        street({"capacity_w": 3.0}), at("ann-sun", 1, sun(9)), at("ann-load", 1, load(2))
    )
    assert told["ann-sun"] == pytest.approx(-5.0, abs=1e-5)
    assert told["ann-load"] == 2.0
    assert told["utility"] == pytest.approx(3.0, abs=1e-5)


def test_a_full_link_sheds_load_where_nothing_else_helps() -> None:
    told = cleared(street({"capacity_w": 3.0}), at("ann-load", 1, load(9)))
    assert told["ann-load"] == pytest.approx(3.0, abs=1e-5)


def test_curtailing_one_home_leaves_the_battery_of_the_next_alone() -> None:
    """Bob's battery serves his load; Ann's sun, which costs nothing, must not push it out."""
    told = cleared(
        street({"capacity_w": 3.0}),
        at("ann-sun", 1, sun(9)),
        at("bob-load", 1, load(2)),
        at("bob-pack", 1, pack(8)),
    )
    assert told["bob-pack"] == pytest.approx(-2.0, abs=1e-5)
    assert told["ann-sun"] == pytest.approx(-3.0, abs=1e-5)


def test_shedding_one_load_leaves_the_charging_of_the_next_alone() -> None:
    told = cleared(
        street({"capacity_w": 3.0}),
        at("ann-load", 1, load(9)),
        at("bob-sun", 1, sun(2)),
        at("bob-pack", 1, pack(3)),
    )
    assert told["bob-pack"] == pytest.approx(2.0, abs=1e-5)
    assert told["ann-load"] == pytest.approx(3.0, abs=1e-5)


def test_overflow_of_a_battery_is_curtailed_too() -> None:
    told = cleared(street({"capacity_w": 3.0}), at("ann-pack", 1, pack(10, inflow_uj=uj(7))))
    assert told["ann-pack"] == pytest.approx(-3.0, abs=1e-5)


@pytest.mark.parametrize(
    "offers",
    [
        [at("ann-load", 0, load(1))],
        [UTILITY, replace(UTILITY, id="two", participant="two")],
        [Offer("utility", "n0", Utility(SELLS, None), id="u")],
        [Offer("utility", "n0", Utility(None, BUYS), id="u")],
    ],
)
def test_refused_without_one_utility_with_both_prices(offers: list[Offer]) -> None:
    grid = grid_of(1)
    found = get("utility-only").clear(book_of(grid, offers), grid)
    assert isinstance(found, Refusal)
    assert "utilit" in found.reason


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.integers(0, 10**6), st.sampled_from((SMALL, REAL)))
@example(515, SMALL)  # the overflow of a battery, curtailed
@example(1611, SMALL)  # a mesh with priced links
@example(45, SMALL)  # a utility that buys at its selling price
@example(678, SMALL)  # grains of dust among the sizes
def test_money_and_energy_add_up(seed: int, sizes: object) -> None:
    case = random_case(seed, sizes)  # type: ignore[arg-type]
    p = case.sizes.price
    offers = [o for o in case.offers if o.id != "utility"]
    offers.append(offer("utility", 0, Utility(p, 0.3 * p)))
    book = book_of(case.grid, offers, network=case.network)
    found = get("utility-only").clear(book, case.grid)
    if isinstance(found, Refusal):
        pytest.fail(str(found))
    check_clearing(book, case.grid, found)
    assert found.payment_nano.sum() + found.link_payment_nano.sum() == found.surplus_nano
    lost = int(found.loss_uj.sum() + found.standing_uj.sum())
    assert found.energy_uj.sum() + lost == 0
    assert found.operator == {"losses": -math.ceil(p * lost * 1000 - 1e-6)} or lost > 2**50


def test_an_altered_meter_is_found() -> None:
    grid = street({})
    book = book_of(grid, [UTILITY, at("ann-load", 1, load(5)), at("bob-load", 1, load(5))])
    good = clear(book, grid, "utility-only")
    energy = good.energy_uj.copy()
    ann, bob = book.offer_ids.index("ann-load"), book.offer_ids.index("bob-load")
    energy[ann] -= 10**6
    energy[bob] -= 10**6
    energy[book.offer_ids.index("utility")] += 2 * 10**6
    with pytest.raises(VerificationError):
        check_clearing(
            book, grid, replace(good, energy_uj=energy, flow_uj=good.flow_uj - 2 * 10**6)
        )
