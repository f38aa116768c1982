"""Pivots on forests of any curves and losses, beside books without each. docs/spec/vcg.md, P19."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.market.allocation import Allocation
from isojoule.market.best import best
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import DIGITS, optimal, pivots
from isojoule.market.pivots.pruned import pruned
from isojoule.market.pivots.rerooted import Local
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import (
    REAL,
    SMALL,
    Case,
    Sizes,
    buy,
    clear,
    grid_of,
    offer,
    random_case,
    sell,
)
from tests.market.mechanisms.pivot_books import exact_sum, left_out, paid

CALM = settings(derandomize=True, deadline=None, max_examples=50)
SEEDS = st.integers(0, 10**6)
DEAR = 5.0


def scattered(seed: int, sizes: Sizes, kind: str) -> Case:
    """Offers of all kinds, batteries of k 0.2 to 8 among them, with owners of many places."""
    case, rnd = random_case(seed, sizes, kind), Random(seed + 7)
    each = rnd.choice((1, 1, 2))
    people = max(1, len(case.offers) // each)
    offers = [replace(o, participant=f"m{rnd.randrange(people)}") for o in case.offers]
    owner = tuple(rnd.choice(("", "", "zoe", "m0", "m1")) for _ in case.grid.link_ids)
    return Case(replace(case.grid, owner=owner), offers, case.network, sizes)


def feeder(seed: int, homes: int, *, r: float = 1e-3, loss: float = 0.0) -> Case:
    """Homes along a feeder: must-serve loads, some sun, batteries with bent and kinked curves."""
    rnd = Random(seed)
    links = []
    for i in range(1, homes):
        wide = rnd.choice((np.inf, np.inf, 6.0))
        links.append({"ends": (rnd.randrange(max(0, i - 4), i), i), "r": r, "loss": loss,
                      "capacity_w": wide})  # fmt: skip
    offers = []
    for i in range(homes):
        low, more = rnd.uniform(0.05, 0.3), rnd.uniform(0.1, 0.5)
        pack = Battery(
            rnd.randint(1, 5) * 10**6, 6 * 10**6, v_min_per_j=low, v_max_per_j=low + more,
            k=rnd.choice((0.5, 1.0, 2.0)), reserve_uj=rnd.choice((0, 10**6)),
            charge_efficiency=rnd.choice((1.0, 0.9)),
            discharge_efficiency=rnd.choice((1.0, 0.95)),
        )  # fmt: skip
        offers.append(Offer(f"p{i}", f"n{i}", pack, id=f"b{i}"))
        offers.append(Offer(f"p{i}", f"n{i}", Load(rnd.randint(1, 20) * 10**5, DEAR), id=f"l{i}"))
        if i % 3 == 0:
            offers.append(Offer(f"p{i}", f"n{i}", sell((rnd.uniform(0.5, 4), 0.0)), id=f"s{i}"))
    if rnd.random() < 0.7:
        offers.append(Offer("utility", "n0", Utility(0.5, 0.08), id="utility"))
    return Case(grid_of(homes, links), offers, "transport", SMALL)


def told(case: Case, found: Allocation) -> tuple[Local, np.ndarray]:
    """What is found for everybody who trades, whether or not it could be read off as well."""
    parties = parties_of(case.book, case.grid)
    busy = ~parties.silent(case.book, found, None) & parties.has()
    none = np.zeros(parties.count)
    start = Local(np.zeros(parties.count, bool), none, none, none)
    return pruned(case.book, case.grid, found, parties, busy, start), busy


def brute(case: Case, found: Allocation, number: int) -> tuple[float, float]:
    """What a party pays by one cold solution without it, and the size of the worths in it."""
    parties = parties_of(case.book, case.grid)
    book, grid = left_out(case, parties.name(number))
    rest = best(book, grid)
    assert isinstance(rest, Allocation)
    whole, other = optimal(case.book, case.grid, found), optimal(book, grid, rest)
    # the served standing losses count at the worth of the whole book (G6), and there are none here
    terms = [
        *other.terms(), other.slack, *(-v for v in whole.terms()), -whole.slack,
        *whole.terms(parties.offer == number, parties.link == number),
    ]  # fmt: skip
    return exact_sum(terms), exact_sum(np.abs(terms))


def compare(case: Case) -> tuple[int, int]:
    """Every pivot that is told is the right one; how many are told, of how many."""
    found = best(case.book, case.grid)
    if not isinstance(found, Allocation):
        return 0, 0
    got, busy = told(case, found)
    for i in np.flatnonzero(got.known).tolist():
        want, size = brute(case, found, i)
        assert got.money[i] == pytest.approx(want, rel=1e-9, abs=1e-9), i
        honest = got.unsure[i] + DIGITS * (got.size[i] + size)
        assert abs(got.money[i] - want) <= honest + 1e-15, i
    assert not np.any(got.known & ~busy)
    return int(got.known.sum()), int(busy.sum())


@CALM
@given(SEEDS, st.sampled_from(("path", "tree", "copperplate")), st.sampled_from((SMALL, REAL)))
def test_who_is_left_out_pays_what_a_cold_solution_says(seed: int, kind: str, sizes: Sizes) -> None:
    """P19: owners of links and of offers at many places, all curves, all losses; within bounds."""
    compare(scattered(seed, sizes, kind))


@CALM
@given(SEEDS, st.integers(2, 12), st.sampled_from((0.0, 1e-3, 0.02)), st.booleans())
def test_homes_on_a_feeder(seed: int, homes: int, r: float, loss: bool) -> None:
    """P19: k of 0.5, 1 and 2, kinks, both losses, narrow links: who is told is told right."""
    compare(feeder(seed, homes, r=r, loss=0.02 if loss else 0.0))


def test_homes_on_a_feeder_are_hardly_ever_left_to_a_cold_solution() -> None:
    """P19: no more than one pivot in fifty."""
    told_of = [
        compare(feeder(seed, 12, r=r, loss=loss))
        for seed in range(12)
        for r, loss in ((0.0, 0.02), (1e-3, 0.0), (0.02, 0.02))
    ]
    known, busy = np.sum(told_of, axis=0)
    assert busy > 300
    assert known >= 0.98 * busy


def test_most_of_all_kinds_are_told() -> None:
    """P19: of books made to be odd, no more than one pivot in ten is left."""
    counts = np.array([
        compare(scattered(seed, SMALL, kind)) for seed in range(50) for kind in ("path", "tree")
    ])  # fmt: skip
    known, busy = counts.sum(axis=0)
    assert busy > 250
    assert known > 0.9 * busy


def test_a_long_feeder_of_many_homes() -> None:
    """P19: 150 homes with bent curves beside each other; some of them are solved without, cold."""
    case = feeder(5, 150, r=1e-4)
    found = best(case.book, case.grid)
    assert isinstance(found, Allocation)
    got, busy = told(case, found)
    assert busy.sum() > 120
    assert np.array_equal(got.known, busy)
    for i in np.flatnonzero(busy)[::12].tolist():
        assert got.money[i] == pytest.approx(brute(case, found, i)[0], rel=1e-9, abs=1e-9)


def test_two_places_and_a_link_by_hand() -> None:
    """P2, P19: a seller at both ends of a line, and whoever owns the line, in numbers.

    The cheap end sells 1 J to the near buyer and 2 J over the line to the far one, whom the dear
    end would ask 0.6. Buyers pay what their energy costs the seller, 0.1 each Joule. Without the
    seller the others lose 1 * 0.5 + 2 * 0.9, which it is paid. Without the line the far buyer is
    served at 0.6 instead of 0.1, so its owner is paid 2 * 0.5.
    """
    grid = replace(grid_of(2, [{"ends": (0, 1)}]), owner=("zoe",))
    rows = [
        Offer("s", "n0", sell((5, 0.1)), id="cheap"),
        Offer("s", "n1", sell((5, 0.6)), id="dear"),
        offer("near", 0, buy((1, 0.5))),
        offer("far", 1, buy((2, 0.9))),
    ]
    case = Case(grid, rows, "transport", SMALL)
    got, _ = told(case, best(case.book, case.grid))
    number = parties_of(case.book, case.grid).numbers(["s", "near", "far", "zoe"])
    assert got.known[number].all()
    assert got.money[number] == pytest.approx([-2.3, 0.1, 0.2, -1.0], abs=1e-12)


def test_standing_losses_and_stored_energies_count_as_in_the_general_way() -> None:
    """P19, P9: with an operator's standing loss, all pivots are those of solving for each."""
    case = feeder(3, 8)
    grid = replace(case.grid, standing_loss_w=np.where(np.arange(7) == 0, 0.5, 0.0))
    everybody = list(case.book.participants)
    quick = pivots(case.book, grid, best(case.book, grid), everybody)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isojoule.market.pivots.pivots.pruned", lambda *given: given[-1])
        slow = pivots(case.book, grid, best(case.book, grid), everybody)
    assert quick.money == pytest.approx(slow.money, rel=1e-9, abs=1e-9)
    assert np.abs(quick.nano - slow.nano).max() <= 1
    assert quick.operator == slow.operator


def test_a_feeder_is_cleared_and_checked_without_solving_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P9, P19: clearing and check of 40 homes solve twice, not 40 times each."""
    solved = []

    def counted(*given: object, **more: object) -> object:
        solved.append(given)
        return best(*given, **more)  # type: ignore[arg-type]

    for module in ("pivots", "clearing"):
        monkeypatch.setattr(f"isojoule.market.pivots.{module}.best", counted)
    case = feeder(2, 40)
    c = clear(case.book, case.grid, "vcg-exchange")
    check_clearing(case.book, case.grid, c)
    assert len(solved) == 2
    assert any(paid(case.book, case.grid, c, f"p{i}") != 0 for i in range(40))


@pytest.mark.parametrize("seed", [90, 92])
def test_what_was_given_away_has_no_price(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: energy that a solver disposes of is no dust, whatever price it has in mind.

    Here a node is cut off without its buyer, and its seller's 5 J for nothing go nowhere. With the
    solver's price of them somebody would pay 1e26.
    """
    monkeypatch.setattr("isojoule.market.pivots.pivots.pruned", lambda *given: given[-1])
    case = scattered(seed, SMALL, "tree")
    found = best(case.book, case.grid)
    money = pivots(case.book, case.grid, found, list(case.book.participants)).money
    worth = optimal(case.book, case.grid, found).offers
    assert np.abs(money).max() <= np.abs(worth).sum()
