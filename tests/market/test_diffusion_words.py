"""What a clearing of `diffusion` says to people (docs/spec/diffusion.md, D9 and D10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from isojoule.apps.files.book_files import read_book
from isojoule.grid import Grid
from isojoule.market import Book, Clearing
from isojoule.market.diffusion_words import missed, summary
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.reasons import Reader
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/cases/market"


def read(book: Book, grid: Grid, **parameters: Any) -> Reader:
    clearing = get("diffusion", **parameters).clear(book, grid)
    assert isinstance(clearing, Clearing), clearing
    return Reader(book, grid, clearing)


def case(name: str, **parameters: Any) -> Reader:
    file = read_book(CASES / name / "book.yaml")
    return read(file.book, file.grid, **parameters)


def reasons(reader: Reader) -> dict[str, str]:
    return {name: reader.reason(i) for i, name in enumerate(reader.book.offer_ids)}


def explained(reader: Reader, node: str) -> str:
    return explain(reader.book, reader.grid, reader.clearing, node)


def battery(energy_j: float, **more: Any) -> Battery:
    spec = {"v_min_per_j": 0.1, "v_max_per_j": 1.1, "k": 1.0} | more
    return Battery(energy_uj=uj(energy_j), capacity_uj=uj(1000), **spec)


def path_of(middle: list[Offer]) -> Reader:
    """One who asks 0.2, someone in the middle, one who bids 0.8."""
    grid = grid_of(3, [{"ends": (0, 1)}, {"ends": (1, 2)}])
    ends = [offer("a", 0, sell((10, 0.2))), offer("c", 2, buy((10, 0.8)))]
    return read(book_of(grid, [*ends, *middle]), grid)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (None, "n1 holds nothing"),
        (battery(1000, v_min_per_j=0.9), "the battery at n1 is full"),
        (battery(999, v_min_per_j=0.9, charge_power_w=0.0), "n1 takes no more"),
        (battery(0, v_min_per_j=0.1, v_max_per_j=0.15), "the battery at n1 is empty"),
        (battery(500, v_max_per_j=0.15, reserve_uj=uj(500)), "n1 has no more to give"),
        (Load(uj(5), 0.1), "n1 has no more to give"),
        (sell((5, 0.9)), "n1 takes no more"),
        (Utility(0.9, 0.1), "n1 asks more than it bids"),
    ],
)
def test_a_node_is_named_by_what_it_is(spec: Any, words: str) -> None:
    """D10: only a battery is full or empty; both who could trade through the node hear it."""
    reader = path_of([] if spec is None else [offer("b", 1, spec)])
    told = reasons(reader)
    told.pop("b", None)
    stuck = f"not filled: {words}, and neighbours trade only with each other"
    assert told == {"a": stuck, "c": stuck}
    (line,) = summary(reader)[1:]
    assert line == (
        f"Stuck between n0 and n2: {words}. Neighbours trade only with each other: a Joule of n0 "
        "would cost 0.2 EUR/J at n1 and be worth 0.8 EUR/J there, on its way to n2"
    )
    assert all(f"Stuck: {words}. " in explained(reader, f"n{i}") for i in range(3))


def test_all_behind_a_junction_hear_the_same_and_no_end_is_an_obstacle() -> None:
    """The book of three homes: not the load, the roof or the grid is in the way, but the street."""
    file = read_book(ROOT / "examples/books/three-homes.yaml")
    reader = read(file.book, file.grid)
    assert set(reasons(reader).values()) == {
        "not filled: street holds nothing, and neighbours trade only with each other"
    }
    (line,) = summary(reader)[1:]
    assert line.startswith("Stuck between ada and bo: street holds nothing. ")
    rows = {row["node"] for row in reader.clearing.notes["stuck"]}
    assert "grid" in rows  # the kink at a dead end: a way there and back, and no obstacle
    assert "grid asks" not in " ".join(explained(reader, node) for node in file.grid.node_ids)


def test_a_chain_is_one_line() -> None:
    count = 6
    grid = grid_of(count, [{"ends": (i, i + 1)} for i in range(count - 1)])
    book = book_of(grid, [offer("a", 0, battery(800)), offer("c", count - 1, battery(200))])
    reader = read(book, grid)
    (line,) = summary(reader)[1:]
    assert line.startswith(
        "Stuck between n0 and n5: n1 holds nothing, n2 holds nothing, n3 holds nothing and 1 more. "
    )


def test_behind_a_junction_that_is_not_listed_the_words_are_the_same() -> None:
    """D10 lists the 20 worst; here each of 30 islands has a junction and two who would trade."""
    islands = 30
    links = [{"ends": (3 * i + k, 3 * i + 1)} for i in range(islands) for k in (0, 2)]
    offers = [offer(f"a{i}", 3 * i, sell((10, 0.2))) for i in range(islands)]
    offers += [offer(f"c{i}", 3 * i + 2, buy((10, 0.8))) for i in range(islands)]
    grid = grid_of(3 * islands, links)
    reader = read(book_of(grid, offers), grid)
    assert len(reader.clearing.notes["stuck"]) < islands
    told = reasons(reader)
    for i in range(islands):
        words = f"not filled: n{3 * i + 1} holds nothing, and neighbours trade only with each other"
        assert told[f"a{i}"] == told[f"c{i}"] == words
    assert summary(reader)[-1] == "... and 25 more nodes where trade is stuck"


def test_in_a_ring_both_ways_are_named_and_a_dead_end_is_not() -> None:
    ring = [(0, 1), (1, 2), (0, 3), (3, 2), (3, 4), (4, 5)]
    grid = grid_of(6, [{"ends": ends} for ends in ring])
    book = book_of(grid, [offer("a", 0, sell((10, 0.2))), offer("c", 2, buy((10, 0.8)))])
    reader = read(book, grid)
    (line,) = summary(reader)[1:]
    assert line.startswith("Stuck between n0 and n2: n1 holds nothing and n3 holds nothing. ")
    assert "Stuck" not in explained(reader, "n4")


def test_a_full_link_is_the_reason() -> None:
    """K3: both would trade more over the link, and both hear of it."""
    reader = case("K3")
    assert reasons(reader) == {
        "a": "partly filled: link ab is full, and behind it b bids 0.8 EUR/J",
        "b": "partly filled: link ab is full, and behind it a asks 0.4 EUR/J",
    }
    assert explained(reader, "a").endswith(
        "Link ab is full at 100 W, so no more energy of a can reach b, which bids 0.8 EUR/J."
    )
    assert explained(reader, "b").endswith(
        "Link ab is full at 100 W, so no more of the cheaper energy of a, which asks "
        "0.4 EUR/J, can reach b."
    )


def test_a_full_link_is_no_reason_for_whom_it_would_not_help() -> None:
    """Who asks more than the far side bids, with loss and price of the link, is told so."""
    link = {"ends": (0, 1), "capacity_w": 5.0, "loss": 0.1, "price": 0.1}
    grid = grid_of(2, [link])
    asks = (0.2, 0.61, 0.63)  # the far side bids 0.8: 0.9 times that, less 0.1, is 0.62
    sellers = [offer(f"s{i}", 0, sell((10, ask))) for i, ask in enumerate(asks)]
    told = reasons(read(book_of(grid, [*sellers, offer("c", 1, buy((50, 0.8)))]), grid))
    assert [("is full" in told[f"s{i}"]) for i in range(3)] == [True, True, False]
    assert told["s2"] == "not filled: no neighbour would trade more with it"
    assert told["c"].startswith("partly filled: link l0 is full, and behind it n0 asks")


@pytest.mark.parametrize(
    ("name", "sweeps", "words"),
    [
        ("K4", 40, "After 13 of 40 sweeps no link moved any more"),
        ("K4", 2, "After all 2 sweeps 1 link would still move, most of all "),
        ("K4", 0, "Without a sweep 2 links would still move, most of all "),
        ("K1", 2, "After all 2 sweeps no link moved any more"),
        ("K4", 1, "After the only sweep "),
    ],
)
def test_how_many_sweeps_it_took(name: str, sweeps: int, words: str) -> None:
    """D9."""
    reader = case(name, sweeps=sweeps)
    assert summary(reader)[0].startswith(words)


def test_how_far_the_best_is() -> None:
    """D9: exactly where it was measured, by the duals' bound where not, nothing for rounding."""
    assert missed(case("diffusion_transit").clearing, "EUR") == (
        "the best for all gains 6 EUR more (100 % of its gains)"
    )
    reader = case("diffusion_transit", measure=False)
    bound = missed(reader.clearing, "EUR")
    assert bound.startswith("the best for all gains at most ")
    assert float(bound.split()[7]) >= 6.0
    assert "is not known: the optimum was not asked for" in summary(reader)[0]
    assert missed(case("K4", sweeps=40).clearing, "EUR") == ""
