"""What energy is worth to whom, and who gains by what. Spec: docs/spec/traits.md."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.market import Clearing, Refusal
from isojoule.market.deviation import Deviation, World, operator_utility, show, utilities, utility
from isojoule.market.mechanisms import get
from isojoule.market.worth import Truth, welfare_of
from isojoule.testing import Sample, samples
from isojoule.valuation import Battery, Bundle, Leg, Load, Offer, Step, Steps
from tests.market.books import book_of, buy, clear, grid_of, offer, sell, uj

ONE = Grid(("n0",))
TWO = Grid(("n0", "n1"))


def worth(offers: list[Offer], received_j: list[float], grid: Grid = ONE) -> float:
    """Worth of what ada receives at each node."""
    book = book_of(grid, offers, network="copperplate")
    return Truth(book, grid).worth("ada", np.array([uj(e) for e in received_j]))


def of_ada(name: str, spec: object, node: int = 0, **more: object) -> Offer:
    return replace(offer("ada", node, spec, **more), id=name)  # type: ignore[arg-type]


def test_energy_is_split_among_the_own_offers_in_the_best_way() -> None:
    """T2: 3 J to bids of 2 J at 5 and 2 J at 3; then an own seller at 1 serves the rest."""
    bids = [of_ada("a", buy((2, 5))), of_ada("b", buy((2, 3)))]
    assert worth(bids, [3]) == pytest.approx(13)
    assert worth([*bids, of_ada("c", sell((1, 1)))], [3]) == pytest.approx(15)
    assert worth(bids, [0]) == 0
    assert worth([*bids, of_ada("c", sell((1, 1)))], [0]) == pytest.approx(4)  # from one to another


def test_what_nobody_has_room_for_is_worth_nothing() -> None:
    """T2."""
    assert worth([of_ada("a", buy((2, 5)))], [7]) == pytest.approx(10)
    assert worth([of_ada("a", sell((2, 1)))], [1]) == 0


def test_what_cannot_be_delivered_is_worth_minus_infinity() -> None:
    """T2: at the node where it is to be delivered."""
    assert worth([of_ada("a", sell((2, 1)))], [-2]) == pytest.approx(-2)
    assert worth([of_ada("a", sell((2, 1)))], [-2.1]) == -math.inf
    assert worth([of_ada("a", sell((2, 1)), 1)], [-1, 0], TWO) == -math.inf
    assert worth([of_ada("a", sell((2, 1)), 1)], [0, -1], TWO) == pytest.approx(-1)


def test_all_of_it_is_taken_even_where_that_costs() -> None:
    """T2: a full battery that pays to spill has room, and takes it."""
    costs = of_ada("a", Steps(buy=(Step(uj(2), -1.0, -1.0),)))
    assert worth([costs], [2]) == pytest.approx(-2)
    assert worth([costs], [3]) == pytest.approx(-2)


def test_indivisible_offers_are_taken_whole_in_the_best_choice() -> None:
    """T2: all-or-nothing, groups and bundles."""
    whole = of_ada("a", buy((2, 5)), all_or_nothing=True)
    assert worth([whole], [1.5]) == 0
    assert worth([whole], [2]) == pytest.approx(10)
    one = [of_ada("a", buy((1, 5)), group="g"), of_ada("b", buy((1, 4)), group="g")]
    assert worth(one, [2]) == pytest.approx(5)
    apart = [replace(o, group="") for o in one]
    assert worth(apart, [2]) == pytest.approx(9)
    bundle = Offer("ada", "", Bundle((Leg("n0", uj(1)), Leg("n1", uj(-1))), 3.0), id="b")
    source = of_ada("s", sell((1, 1)), 1)
    assert worth([bundle], [1, -1], TWO) == pytest.approx(3)
    assert worth([bundle], [0, -1], TWO) == -math.inf  # it delivers only if it receives
    assert worth([bundle, source], [1, -1], TWO) == pytest.approx(3)
    assert worth([bundle, source], [1, -2], TWO) == pytest.approx(2)


def test_too_many_indivisible_offers_are_said() -> None:
    many = [of_ada(f"a{i}", buy((1, 5)), all_or_nothing=True) for i in range(13)]
    with pytest.raises(InputError, match="13 offers"):
        worth(many, [1])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 9)), min_size=1, max_size=5),
    st.integers(-8, 8),
)
def test_the_split_is_that_of_a_linear_program(rows: list[tuple[int, int]], energy: int) -> None:
    """T2: flat steps, with HiGHS as referee."""
    offers = [
        of_ada(f"a{i}", sell((-size, price)) if size < 0 else buy((size, price)))
        for i, (size, price) in enumerate(rows)
    ]
    bounds = [(min(size, 0), max(size, 0)) for size, _ in rows]
    low, high = sum(b[0] for b in bounds), sum(b[1] for b in bounds)
    found = worth(offers, [energy])
    if energy < low:
        assert found == -math.inf
        return
    cost = [-price for _, price in rows]
    best = linprog(cost, A_eq=[[1] * len(rows)], b_eq=[min(energy, high)], bounds=bounds)
    assert found == pytest.approx(-best.fun, abs=1e-9)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(samples("any", ("transport", "copperplate")))
def test_at_a_price_nobody_could_split_better_than_the_optimum(found: Sample) -> None:
    """T2: utilities and the operator's account add up to the welfare of the equilibrium."""
    out = get("equilibrium").clear(found.book, found.grid)
    if isinstance(out, Refusal):
        return
    world = World(found.book, found.grid, out)
    gains = utilities(Truth(found.book, found.grid), world)
    operator = operator_utility(found.book, found.grid, found.book, out)
    welfare = welfare_of(found.book, found.grid, out)
    assert welfare == pytest.approx(out.welfare, abs=1e-6)
    assert sum(gains.values()) + operator == pytest.approx(welfare, abs=1e-3)


def test_owners_of_links_bear_their_true_price() -> None:
    """T2: at an honest 1 EUR/J the owner is paid 1 and bears 1; at a claimed 3 she keeps 2."""
    link = {"ends": (0, 1), "price": 1.0, "owner": "ada", "capacity_w": 1.0}
    grid = grid_of(2, [link])
    offers = [offer("bo", 0, sell((5, 1))), offer("cleo", 1, buy((5, 9)))]
    book = book_of(grid, offers)
    honest = clear(book, grid)
    lie = Deviation(("ada",), (), {"l0": 3.0})
    shown = show("incentive_compatible", get("equilibrium"), book, grid, lie)
    assert not isinstance(shown, Refusal)
    owns = -honest.link_payment_nano[0] / 1e9
    assert shown.figures["honest"] == pytest.approx(owns - 1.0)
    assert shown.lying is not None
    paid = -int(shown.lying.clearing.link_payment_nano[0]) / 1e9
    assert shown.figures["lying"] == pytest.approx(paid - 1.0)


def test_false_names_are_theirs_to_whom_they_are_worth_most() -> None:
    """T2: what the cousin received is worth 9 to cleo, 2 to ada, and is counted once."""
    truth = book_of(ONE, [offer("ada", 0, buy((1, 2))), offer("cleo", 0, buy((1, 9)))])
    seen = book_of(
        ONE, [offer("cousin", 0, buy((1, 9))), offer("bo", 0, sell((1, 1)))], network="copperplate"
    )
    truth = replace(truth, network="copperplate")
    out = clear(seen, ONE)
    paid = out.payment_nano[seen.offer_ids.index("cousin")] / 1e9
    for names in (("ada", "cleo", "cousin"), ("cleo", "cousin")):
        assert utility(truth, ONE, seen, out, names) == pytest.approx(9 - paid)
    assert utility(truth, ONE, seen, out, ("ada", "cousin")) == pytest.approx(2 - paid)
    assert utility(truth, ONE, seen, out, ("bo",)) == -math.inf  # sells what truth does not have


def test_several_who_agree_are_metered_apart() -> None:
    """T2: ada's surplus does not reach bo without the market."""
    truth = book_of(ONE, [offer("ada", 0, sell((1, 0))), offer("bo", 0, buy((1, 5)))])
    idle = get("autarky").clear(truth, ONE)
    assert isinstance(idle, Clearing)
    assert utility(truth, ONE, truth, idle, ("ada", "bo")) == 0


def test_a_deviation_names_only_those_who_take_part() -> None:
    book = book_of(ONE, [offer("ada", 0, buy((1, 5))), offer("bo", 0, sell((1, 1)))])
    with pytest.raises(InputError, match="in the name of 'bo'"):
        Deviation(("ada",), (offer("bo", 0, sell((1, 3))),)).apply(book, ONE)
    with pytest.raises(InputError, match="takes no part"):
        Deviation(("eve",)).apply(book, ONE)
    with pytest.raises(InputError, match="no link"):
        Deviation(("ada",), (), {"l0": 1.0}).apply(book, ONE)
    with pytest.raises(InputError, match="needs somebody"):
        show("credible", get("equilibrium"), book, ONE)
    with pytest.raises(InputError, match="unknown trait"):
        show("nice", get("equilibrium"), book, ONE)


def test_batteries_and_loads_are_worth_what_their_curves_say() -> None:
    """T2, V4: charging a battery from 1 to 2 J between 4 and 0, and a load."""
    battery = Battery(uj(1), uj(2), v_min_per_j=0.0, v_max_per_j=4.0)
    assert worth([of_ada("a", battery)], [1]) == pytest.approx(1.0)  # from 2 down to 0
    assert worth([of_ada("a", battery), of_ada("b", Load(uj(1), 9.0))], [1]) == pytest.approx(9.0)
