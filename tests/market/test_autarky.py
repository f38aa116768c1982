"""Everybody alone with what is theirs, worked by hand as tables, and what holds for any book.

Sizes in J, one second, worths per J. Batteries are worth between 9 and 27 a Joule, load 500. What
is cited: M15 to M17.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.apart import apart_of, owners_of
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import KINDS, Battery, Load, Offer, Utility
from tests.market.books import (
    REAL,
    SMALL,
    Sizes,
    book_of,
    buy,
    clear,
    grid_of,
    random_case,
    sell,
    uj,
)

PEOPLE = ("ann", "bob", "cy")


def load(energy_j: float, lost_load: float = 500.0) -> Load:
    return Load(uj(energy_j), lost_load)


def sun(energy_j: float, spill: float = 0.0) -> object:
    return sell((energy_j, spill), spill=spill)


def pack(energy_j: float, capacity_j: float = 10.0, **more: object) -> Battery:
    values = {"v_min_per_j": 9.0, "v_max_per_j": 27.0, "k": 2.0, "v_critical_per_j": 40.0}
    return Battery(uj(energy_j), uj(capacity_j), **(values | more))  # type: ignore[arg-type]


def at(name: str, node: int, spec: object) -> Offer:
    return Offer(name.split("-")[0], f"n{node}", spec, id=name)  # type: ignore[arg-type]


def alone(grid: Grid, *offers: Offer, network: str = "transport") -> tuple[Clearing, Book]:
    book = book_of(grid, list(offers), network=network)
    found = clear(book, grid, "autarky")
    check_clearing(book, grid, found)
    assert not found.payment_nano.any()
    assert not found.link_payment_nano.any()
    assert found.surplus_nano == 0
    assert np.isnan(found.price_per_j).all()
    return found, book


def told(grid: Grid, *offers: Offer, network: str = "transport") -> dict[str, float]:
    found, book = alone(grid, *offers, network=network)
    return dict(zip(book.offer_ids, (found.energy_uj * 1e-6).tolist(), strict=True))


# offers at one node: what each receives, J
TABLE = [
    # sun serves the load, the rest goes into the battery
    (
        [("ann-sun", sun(5)), ("ann-load", load(3)), ("ann-pack", pack(1))],
        {"ann-sun": -5, "ann-load": 3, "ann-pack": 2},
    ),
    # what does not fit is spilled
    (
        [("ann-sun", sun(9)), ("ann-load", load(3)), ("ann-pack", pack(8))],
        {"ann-sun": -5, "ann-load": 3, "ann-pack": 2},
    ),
    # it is stored to the last Joule, even where a full battery is worth nothing
    (
        [("ann-sun", sun(9)), ("ann-pack", pack(5, v_min_per_j=0.0, k=3.0))],
        {"ann-sun": -5, "ann-pack": 5},
    ),
    # and where spilling it is worth more than storing it
    ([("ann-sun", sun(9, 9.0)), ("ann-pack", pack(5))], {"ann-sun": -5, "ann-pack": 5}),
    # the battery serves the load down to its reserve; the rest is unserved
    (
        [("ann-load", load(5)), ("ann-pack", pack(4, reserve_uj=uj(1)))],
        {"ann-load": 3, "ann-pack": -3},
    ),
    # promised energy is not for the load
    (
        [("ann-load", load(5)), ("ann-pack", pack(4, reserve_uj=uj(1), committed_uj=uj(1)))],
        {"ann-load": 2, "ann-pack": -2},
    ),
    # an empty battery: the load goes unserved
    ([("ann-load", load(5)), ("ann-pack", pack(0))], {"ann-load": 0, "ann-pack": 0}),
    # load comes before the reserve is filled
    (
        [("ann-sun", sun(5)), ("ann-load", load(4)), ("ann-pack", pack(0, reserve_uj=uj(2)))],
        {"ann-sun": -5, "ann-load": 4, "ann-pack": 1},
    ),
    # load comes first even where it is called cheaper than stored energy
    ([("ann-load", load(5, 1.0)), ("ann-pack", pack(9))], {"ann-load": 5, "ann-pack": -5}),
    # limits of power hold
    (
        [("ann-load", load(5)), ("ann-pack", pack(9, discharge_power_w=2.0))],
        {"ann-load": 2, "ann-pack": -2},
    ),
    # two batteries of one owner end at the same worth: 1 - F/10 is the same in both
    (
        [("ann-load", load(6)), ("ann-big", pack(8)), ("ann-two", pack(6))],
        {"ann-load": 6, "ann-big": -4, "ann-two": -2},
    ),
    # two people at one node do not trade
    (
        [("ann-sun", sun(5)), ("bob-load", load(5)), ("bob-pack", pack(2))],
        {"ann-sun": 0, "bob-load": 2, "bob-pack": -2},
    ),
    # nobody trades with a utility
    (
        [("ann-load", load(5)), ("utility", Utility(30.0, 8.0)), ("ann-sun", sun(2))],
        {"ann-load": 2, "utility": 0, "ann-sun": -2},
    ),
    # an own generator serves by its price
    (
        [("ann-load", load(5)), ("ann-gen", sell((9, 100.0)))],
        {"ann-load": 5, "ann-gen": -5},
    ),
    (
        [("ann-load", load(5)), ("ann-gen", sell((9, 600.0))), ("ann-pack", pack(3))],
        {"ann-load": 3, "ann-gen": 0, "ann-pack": -3},
    ),
    # what one would like comes after what one needs
    (
        [("ann-sun", sun(5)), ("ann-load", load(3)), ("ann-bid", buy((9, 600.0)))],
        {"ann-sun": -5, "ann-load": 0, "ann-bid": 5},
    ),
]


@pytest.mark.parametrize(("rows", "energies"), TABLE)
@pytest.mark.parametrize("network", ["transport", "copperplate"])
def test_table(rows: list[tuple[str, object]], energies: dict[str, float], network: str) -> None:
    """M15, M16."""
    found = told(grid_of(1), *(at(name, 0, spec) for name, spec in rows), network=network)
    assert found == pytest.approx(energies, abs=5e-6)


def test_two_nodes_of_one_owner_share_over_their_link() -> None:
    """M15: 5 J are sent, a fifth is lost."""
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.2, "owner": "ann", "price": 3.0}])
    found = told(grid, at("ann-sun", 0, sun(5)), at("ann-load", 1, load(9)))
    assert found == pytest.approx({"ann-sun": -5, "ann-load": 4}, abs=5e-6)


def test_a_full_link_between_own_nodes() -> None:
    """M15: limits hold between own nodes, too."""
    grid = grid_of(2, [{"ends": (0, 1), "capacity_w": 2.0}])
    found = told(grid, at("ann-pack", 0, pack(9)), at("ann-load", 1, load(9)))
    assert found == pytest.approx({"ann-pack": -2, "ann-load": 2}, abs=5e-6)


def test_links_between_owners_are_switched_off() -> None:
    """M15: also where the link is one's own, and also their standing losses."""
    grid = grid_of(2, [{"ends": (0, 1), "owner": "ann", "standing_w": 1.0}])
    found, book = alone(grid, at("ann-sun", 0, sun(5)), at("bob-load", 1, load(5)))
    assert not found.energy_uj.any()
    assert not found.flow_uj.any()
    assert not found.standing_uj.any()
    altered = replace(found, standing_uj=found.standing_uj + 10**6)
    with pytest.raises(VerificationError):
        check_clearing(book, grid, altered)


def test_a_node_without_offers_belongs_to_the_owner_of_its_links() -> None:
    """M15: a junction of one's own passes energy on, one of the operator does not."""
    offers = [at("ann-sun", 0, sun(5)), at("ann-load", 2, load(9))]
    links = [{"ends": (0, 1), "owner": "ann"}, {"ends": (1, 2), "owner": "ann"}]
    grid = grid_of(3, links)
    assert owners_of(book_of(grid, offers), grid) == ["ann"] * 3
    assert told(grid, *offers)["ann-load"] == pytest.approx(5, abs=5e-6)
    for other in ("", "bob"):
        grid = grid_of(3, [links[0], links[1] | {"owner": other}])
        assert owners_of(book_of(grid, offers), grid) == ["ann", "", "ann"]
        assert told(grid, *offers)["ann-load"] == 0


def test_a_node_of_several_has_no_links() -> None:
    """M15: where two have offers at one node, links there are nobody's."""
    grid = grid_of(2, [{"ends": (0, 1)}])
    offers = [at("ann-sun", 0, sun(5)), at("ann-load", 1, load(5)), at("bob-load", 1, load(5))]
    assert set(told(grid, *offers).values()) == {0.0}


def test_own_standing_losses_are_served_from_own_energy_first() -> None:
    """M17: 2 J are drawn by the own converter, what is left serves the load."""
    grid = grid_of(2, [{"ends": (0, 1), "standing_w": 2.0}])
    found, book = alone(grid, at("ann-sun", 0, sun(5)), at("ann-load", 1, load(9)))
    assert found.standing_uj.tolist() == [uj(2)]
    assert found.energy_uj[book.offer_ids.index("ann-load")] == uj(3)
    found, _ = alone(grid, at("ann-sun", 0, sun(1)), at("ann-load", 1, load(9)))
    assert found.standing_uj.tolist() == [uj(1)]


def test_on_a_copperplate_own_nodes_are_one() -> None:
    """M15: no wires, no distance between what one owns; people stay apart."""
    offers = [at("ann-sun", 0, sun(5)), at("ann-load", 1, load(3)), at("bob-load", 0, load(3))]
    found = told(grid_of(2), *offers, network="copperplate")
    assert found == pytest.approx({"ann-sun": -3, "ann-load": 3, "bob-load": 0}, abs=5e-6)


def test_nobody_at_all() -> None:
    found, _ = alone(grid_of(2, [{"ends": (0, 1), "owner": "ann"}]))
    assert found.welfare == 0


def test_a_grid_may_serve_other_books() -> None:
    """What is kept with a grid is not taken for another book's."""
    grid = grid_of(2, [{"ends": (0, 1)}])
    one = book_of(grid, [at("ann-sun", 0, sun(5)), at("ann-load", 1, load(5))])
    two = book_of(grid, [at("ann-sun", 0, sun(5)), at("bob-load", 1, load(5))])
    for _ in range(2):
        assert apart_of(one, grid).links.tolist() == [0]
        assert apart_of(two, grid).links.tolist() == []


def test_refusals() -> None:
    """M13."""
    grid = grid_of(1)
    whole = Offer("ann", "n0", buy((5, 1.0)), id="ann", all_or_nothing=True)
    for book in (book_of(grid, [whole]), book_of(grid, [], network="dc")):
        assert isinstance(get("autarky").clear(book, grid), Refusal)


def some(seed: int, sizes: Sizes) -> tuple[Book, Grid]:
    """A random book whose offers and links belong to three people."""
    rnd = Random(seed)
    case = random_case(seed, sizes)
    offers = [
        o if isinstance(o.spec, Utility) else replace(o, participant=rnd.choice(PEOPLE))
        for o in case.offers
    ]
    links = case.grid.link_count
    standing = [rnd.choice((0.0, 0.0, 0.01)) * sizes.energy_j for _ in range(links)]
    grid = replace(
        case.grid,
        owner=tuple(rnd.choice((*PEOPLE, "")) for _ in range(links)),
        standing_loss_w=np.array(standing),
    )
    return book_of(grid, offers, network=case.network), grid


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.integers(0, 10**6), st.sampled_from((SMALL, REAL)))
def test_any_book(seed: int, sizes: Sizes) -> None:
    """M15 to M17: nothing crosses between owners, all adds up, load first, no sun wasted."""
    book, grid = some(seed, sizes)
    found = clear(book, grid, "autarky")
    check_clearing(book, grid, found)
    assert found.energy_uj.sum() + found.loss_uj.sum() + found.standing_uj.sum() == 0
    owner = owners_of(book, grid)
    for e in np.flatnonzero((found.flow_uj != 0) | (found.standing_uj != 0)):
        assert owner[grid.link_from[e]] == owner[grid.link_to[e]] != ""

    wires = book.network == "transport"
    kind = [KINDS[k] for k in book.offer_kind]
    unserved, spilled = book.unserved_j(found.energy_uj), book.spilled_j(found.energy_uj)
    dust = 1e-5 + 1e-8 * sizes.energy_j
    for o, spec in enumerate(row.spec for row in book.offers):
        if not isinstance(spec, Battery):
            continue
        mine = [
            i
            for i in range(book.offer_count)
            if book.offer_participant[i] == book.offer_participant[o] and kind[i] != "battery"
            if book.offer_node[i] == book.offer_node[o] or not wires
        ]
        got = found.energy_uj[o] * 1e-6
        stored = (spec.energy_uj + spec.inflow_uj) * 1e-6
        stored += got * (spec.charge_efficiency if got > 0 else 1 / spec.discharge_efficiency)
        free = stored - (spec.reserve_uj + spec.committed_uj) * 1e-6
        if unserved[mine].sum() > dust:
            assert free < dust or got < -spec.discharge_power_w + dust
        if sum(spilled[i] for i in mine) > dust:
            assert stored > spec.capacity_uj * 1e-6 - dust or got > spec.charge_power_w - dust


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_people_do_not_feel_each_other(seed: int) -> None:
    """M15: without the others' offers at other nodes, everyone does the same."""
    book, grid = some(seed, SMALL)
    owner = owners_of(book, grid)
    found = clear(book, grid, "autarky")
    everything = dict(zip(book.offer_ids, found.energy_uj.tolist(), strict=True))
    for who in PEOPLE:
        keep = [o for o in book.offers if o.participant == who]
        less = book_of(grid, keep, network=book.network)
        if owners_of(less, grid) != [name if name == who else name * 0 for name in owner]:
            continue  # a node that another had left, too, is now one's own
        part = clear(less, grid, "autarky")
        for name, energy in zip(less.offer_ids, part.energy_uj.tolist(), strict=True):
            assert energy == pytest.approx(everything[name], abs=100)


@pytest.mark.parametrize(
    ("better", "what"),
    [
        ({"ann-load": -1, "ann-pack": 1}, "leaves load unserved"),
        ({"ann-sun": 1, "ann-pack": -1}, "spills sun"),
        ({"ann-big": 1, "ann-pack": -1}, "best that is possible alone"),
    ],
)
def test_what_is_worse_than_possible_is_found(better: dict[str, float], what: str) -> None:
    """M16: the check knows the rule without the solver."""
    grid = grid_of(2, [{"ends": (0, 1)}])
    book = book_of(
        grid,
        [
            at("ann-sun", 0, sun(3)),
            at("ann-load", 0, load(4)),
            at("ann-pack", 0, pack(5)),
            at("ann-big", 0, pack(5)),
        ],
    )
    good = clear(book, grid, "autarky")
    check_clearing(book, grid, good)
    energy = good.energy_uj.copy()
    for name, change in better.items():
        energy[book.offer_ids.index(name)] += uj(change)
    with pytest.raises(VerificationError, match=what):
        check_clearing(book, grid, replace(good, energy_uj=energy))


def test_money_and_prices_that_are_not_there_are_found() -> None:
    """M17."""
    grid = grid_of(2, [{"ends": (0, 1)}])
    book = book_of(grid, [at("ann-sun", 0, sun(3)), at("bob-load", 1, load(4))])
    good = clear(book, grid, "autarky")
    one = np.array([1, 0])
    for bad in (
        replace(good, payment_nano=one),
        replace(good, link_payment_nano=one[:1]),
        replace(good, operator={"losses": 0}),
        replace(good, operator={"losses": 5}),
        replace(good, price_per_j=np.array([np.nan, 0.0])),
        replace(good, welfare=1.0),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, grid, bad)
