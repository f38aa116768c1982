"""Bad problems are refused, and what is wrong is named: offer and node, or link (M13, V2, V3)."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isojoule
from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.kernels.book_faults import FAULTS
from isojoule.market import Book
from isojoule.market.check_book import check_book
from isojoule.market.mechanisms import get
from isojoule.valuation import Battery, Bundle, Leg, Load, Offer, Step, Steps, Utility
from tests.market.books import SMALL, book_of, buy, grid_of, offer, random_case, sell, uj
from tests.market.solvers.conformance import BOOKS

GRID = grid_of(2, [{"ends": (0, 1), "loss": 0.02}])
STORE = Battery(uj(500), uj(1000), 0.1, 1.1, k=2.0)
GOOD = book_of(GRID, [offer("ada", 0, STORE), offer("bo", 1, buy((9, 0.5), (9, 0.4)))])
FIRST, LAST = 4, 6  # a piece of ada's that buys along the curve, and bo's second step


def with_piece(at: int, **values: float) -> Book:
    """The good book with one piece altered."""
    columns = {name: column.copy() for name, column in GOOD.pieces._asdict().items()}
    for name, value in values.items():
        columns[name][at] = value
    return replace(GOOD, pieces=GOOD.pieces._replace(**columns))


@pytest.mark.parametrize("name", BOOKS)
def test_every_fair_book_passes(name: str) -> None:
    check_book(BOOKS[name].book, BOOKS[name].grid)


@pytest.mark.parametrize("seed", range(100))
def test_every_random_book_passes(seed: int) -> None:
    case = random_case(seed, SMALL)
    check_book(case.book, case.grid)


NAN, INF = math.nan, math.inf
PIECES: list[tuple[dict[str, float], str]] = [
    *(({name: NAN}, "not finite") for name in ("a", "b", "c0", "c1")),
    *(({name: INF}, "not finite") for name in ("a", "b", "c0", "c1")),
    ({"lo": NAN}, "no number"),
    ({"hi": NAN}, "no number"),
    ({"lo": 1.0}, "lo above 0"),
    ({"hi": -1.0}, "hi below 0"),
    ({"b": -0.1}, "negative"),
    ({"c1": -1e-4}, "negative"),
    ({"k": 0.0}, "k is not above 0"),
    ({"k": -1.0}, "k is not above 0"),
    ({"k": NAN}, "k is not above 0"),
    ({"hi": INF}, "without end"),
    ({"hi": 1500.0}, "has ended"),
    ({"a": 9.0}, "rises"),
]


@pytest.mark.parametrize(("values", "words"), PIECES, ids=lambda v: str(v))
def test_a_piece_that_is_wrong_is_named_with_its_node(values: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        check_book(with_piece(FIRST, **values), GRID)
    assert caught.value.place == "offer 'ada' at node 'n0'"
    assert caught.value.remedy


def test_a_step_that_rises_is_named() -> None:
    with pytest.raises(InputError, match="rises") as caught:
        check_book(with_piece(LAST, a=0.6), GRID)
    assert caught.value.place == "offer 'bo' at node 'n1'"


def altered(name: str, value: Any) -> Book:
    column = getattr(GOOD, name).copy()
    column[1] = value
    return replace(GOOD, **{name: column})


@pytest.mark.parametrize(
    ("book", "words", "place"),
    [
        (altered("offer_node", 7), "not one of the grid", "offer 'bo'"),
        (altered("offer_node", -1), "not one of the grid", "offer 'bo'"),
        (altered("offer_participant", 5), "participant", "offer 'bo' at node 'n1'"),
        (altered("piece_offer", 1), "order", "offer 'ada' at node 'n0'"),
        (altered("spill0", NAN), "spill0", "offer 'bo' at node 'n1'"),
        (altered("short1", INF), "short1", "offer 'bo' at node 'n1'"),
        (altered("power_factor", 0.0), "power_factor", "offer 'bo' at node 'n1'"),
        (altered("power_factor", NAN), "power_factor", "offer 'bo' at node 'n1'"),
        (replace(GOOD, spill0=np.zeros(3)), "spill0 has not one entry", "book"),
        (replace(GOOD, on_curve=np.zeros(3, bool)), "on_curve has not one entry", "book"),
        (replace(GOOD, pieces=GOOD.pieces._replace(k=np.ones(3))), "k has not one entry", "book"),
        (replace(GOOD, network="magic"), "unknown network", ""),
    ],
)  # fmt: skip
def test_columns_that_are_wrong(book: Book, words: str, place: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        check_book(book, GRID)
    assert caught.value.place == place


def test_every_fault_has_a_test() -> None:
    """Each message of the kernel is one that these tests look for."""
    looked_for = [words for _, words in PIECES] + ["not one of the grid", "order"]
    assert all(any(words in message for words in looked_for) for message, _ in FAULTS)


@pytest.mark.parametrize("solver", ["auto", "interior-point", "primal-dual"])
@pytest.mark.parametrize("name", ["lo", "hi", "a", "b", "c0", "c1", "k"])
def test_nan_never_clears(name: str, solver: str) -> None:
    """Asked at the edge or not: a NaN in a piece that counts is never cleared, and is named."""
    bad = with_piece(FIRST, **{name: NAN})
    with pytest.raises(InputError, match="offer 'ada' at node 'n0'"):
        isojoule.clear(bad, GRID, solver=solver)
    for rule in ("equilibrium", "lmp"):
        with pytest.raises(InputError, match="offer 'ada' at node 'n0'"):
            get(rule).clear(bad, GRID, solver=solver)  # type: ignore[call-arg]


OFFERS: list[tuple[Any, str]] = [
    (lambda: Load(uj(5), None), "value of lost load"),  # type: ignore[arg-type]
    (lambda: Load(uj(5), INF), "value of lost load"),
    (lambda: Load(uj(5), NAN), "value of lost load"),
    (lambda: Load(uj(5), -1.0), "value of lost load"),
    (lambda: Load(-1, 1.0), "negative"),
    (lambda: Load(NAN, 1.0), "whole number"),  # type: ignore[arg-type]
    (lambda: Load(1.5, 1.0), "whole number"),  # type: ignore[arg-type]
    (lambda: Step(NAN, 1.0, 1.0), "whole number"),  # type: ignore[arg-type]
    (lambda: Step(INF, 1.0, 1.0), "whole number"),  # type: ignore[arg-type]
    (lambda: Step(-1, 1.0, 1.0), "negative"),
    (lambda: Step(1, NAN, 1.0), "price is not a finite number"),
    (lambda: Step(1, 1.0, INF), "price is not a finite number"),
    (lambda: Step(1, None, 1.0), "price is not a finite number"),  # type: ignore[arg-type]
    (lambda: Steps(sell=(Step(1, 1.0, 1.0),), spill_value_per_j=NAN), "spill value"),
    (lambda: Battery(11, 10, 0.1, 1.0), "outside 0 .. capacity"),
    (lambda: Battery(NAN, 10, 0.1, 1.0), "energy is not a whole"),  # type: ignore[arg-type]
    (lambda: Battery(5, -10, 0.1, 1.0), "capacity is negative"),
    (lambda: Battery(5, INF, 0.1, 1.0), "capacity is not a whole"),  # type: ignore[arg-type]
    (lambda: Battery(5, 10, NAN, 1.0), "v_min"),
    (lambda: Battery(5, 10, 0.1, INF), "v_max"),
    (lambda: Battery(5, 10, 0.1, 1.0, k=0.0), "k must be above 0"),
    (lambda: Battery(5, 10, 0.1, 1.0, k=NAN), "k must be above 0"),
    (lambda: Battery(5, 10, 0.1, 1.0, inflow_uj=NAN), "inflow"),  # type: ignore[arg-type]
    (lambda: Battery(5, 10, 0.1, 1.0, reserve_uj=11), "reserve"),
    (lambda: Battery(5, 10, 0.1, 1.0, charge_power_w=NAN), "power limits"),
    (lambda: Battery(5, 10, 0.1, 1.0, charge_efficiency=1.1), "efficiencies"),
    (lambda: Battery(5, 10, 0.1, 1.0, lost_load_per_j=NAN), "lost_load"),
    (lambda: Utility(NAN, 0.1), "utility's price"),
    (lambda: Utility(1.0, INF), "utility's price"),
    (lambda: Bundle((Leg("n0", 1),), NAN), "bundle's price"),
    (lambda: Bundle((Leg("n0", NAN),), 1.0), "leg at 'n0'"),  # type: ignore[arg-type]
    (lambda: Offer("a", "n0", sell((1, 1.0)), power_factor=NAN), "power_factor"),
    (lambda: Offer("a", "n0", sell((1, 1.0)), power_factor=0.0), "power_factor"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), OFFERS, ids=[str(i) for i in range(len(OFFERS))])
def test_offers_that_are_wrong_cannot_be_made(make: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert caught.value.remedy


def test_unknown_nodes_are_named_with_the_offer() -> None:
    with pytest.raises(InputError, match="unknown node 'n7'") as caught:
        book_of(GRID, [offer("ada", 7, buy((1, 1.0)))])
    assert caught.value.place == "offer 'ada'"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("loss_ppb", -1, "loss is outside"),
        ("loss_ppb", 10**9, "loss is outside"),
        ("capacity_w", NAN, "capacity"),
        ("capacity_w", -1.0, "capacity"),
        ("resistance_ohm", NAN, "resistance"),
        ("resistance_ohm", -1.0, "resistance"),
        ("standing_loss_w", NAN, "standing loss"),
        ("price_per_j", NAN, "price"),
        ("price_per_j", -0.1, "price"),
    ],
)
def test_links_that_are_wrong_are_named(column: str, value: float, words: str) -> None:
    grid = grid_of(3, [{"ends": (0, 1)}, {"ends": (1, 2), "id": "wire"}])
    values = getattr(grid, column).copy()
    values[1] = value
    with pytest.raises(InputError, match=words) as caught:
        replace(grid, **{column: values})
    assert caught.value.place == "link 'wire'"


FILE = """
isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 15 min}
network: transport
nodes: [roof, home]
links:
  - {id: wire, from: roof, to: home, capacity: 5 kW, loss: 0.02}
offers:
  - {participant: sun, node: roof, sell: [{energy: 1 kWh, price: 0.05 EUR/kWh}]}
  - {participant: ada, node: home, load: {energy: 1 kWh, lost_load: 5 EUR/kWh}}
  - {participant: bo, node: home, battery: {energy: 4 kWh, capacity: 10 kWh,
     v_min: 0.09 EUR/kWh, v_max: 0.27 EUR/kWh, k: 2}}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (", lost_load: 5 EUR/kWh", "", 11, "lost_load"),
        ("lost_load: 5 EUR/kWh", "lost_load: null", 11, ""),
        ("lost_load: 5 EUR/kWh", "lost_load: .inf", 11, ""),
        ("lost_load: 5 EUR/kWh", "lost_load: .nan", 11, ""),
        ("loss: 0.02", "loss: -0.1", 8, ""),
        ("loss: 0.02", "loss: 1", 8, ""),
        ("loss: 0.02", "loss: .nan", 8, ""),
        ("capacity: 5 kW", "capacity: -5 kW", 8, ""),
        ("capacity: 5 kW", "capacity: .nan", 8, ""),
        ("price: 0.05 EUR/kWh", "price: .nan", 10, ""),
        ("energy: 1 kWh, price", "energy: .nan, price", 10, ""),
        ("energy: 1 kWh, price", "energy: -1 kWh, price", 10, ""),
        ("energy: 4 kWh", "energy: 11 kWh", 12, "capacity"),
        ("capacity: 10 kWh", "capacity: -10 kWh", 12, ""),
        ("k: 2", "k: 0", 12, "k"),
        ("k: 2", "k: .nan", 12, ""),
        ("v_max: 0.27", "v_max: 0.01", 12, "v_min"),
        ("node: home, load", "node: hose, load", 11, "hose"),
    ],
)  # fmt: skip
def test_files_that_are_wrong_name_the_line(
    old: str, new: str, line: int, words: str, tmp_path: Path
) -> None:
    assert FILE.count(old) == 1
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(FILE)
    bad.write_text(FILE.replace(old, new))
    assert not isinstance(isojoule.clear(good), isojoule.Refusal)
    with pytest.raises(InputError) as caught:
        isojoule.clear(bad)
    # an offer may go on in the next line
    assert caught.value.place in (f"{bad}:{line}", f"{bad}:{line + 1}"), str(caught.value)
    assert words in str(caught.value)
    assert caught.value.remedy, str(caught.value)


def test_a_grid_without_a_name_for_an_end() -> None:
    with pytest.raises(InputError, match="an end is not a node"):
        Grid(("a",), ("l",), np.zeros(1, np.int32), np.ones(1, np.int32))
