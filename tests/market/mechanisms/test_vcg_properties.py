"""What holds for pivots, whatever the book. docs/spec/vcg.md, P1 to P7."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.market import Refusal
from isojoule.market.best import best
from isojoule.market.mechanisms import get
from isojoule.market.pivots.absent import links_of, offers_of, people, without
from isojoule.market.pivots.merit_order import (
    Steps,
    merit_order_pivots,
    paid_by_all,
    steps_of,
)
from isojoule.market.pivots.pivots import optimal, pivots, split
from isojoule.market.verify import check_clearing
from isojoule.testing.books import sample
from isojoule.testing.draws import Seeded
from isojoule.valuation import Offer
from tests.conftest import need
from tests.market.books import (
    REAL,
    SMALL,
    Case,
    Sizes,
    book_of,
    buy,
    clear,
    grid_of,
    offer,
    random_case,
    sell,
)
from tests.market.mechanisms.pivot_books import exact_sum, left_out, paid, shared_case
from tests.market.referee import judge
from tests.market.whole import every_choice, random_whole, solve

CALM = settings(derandomize=True, deadline=None, max_examples=40)
SEEDS = st.integers(0, 10**6)
SIZES = st.sampled_from((SMALL, REAL))
NANO = 1.05e-9
"""One nano-unit, and the last digits of the reference."""


@CALM
@given(SEEDS, SIZES)
def test_pivots_are_those_of_books_without_each_participant(seed: int, sizes: Sizes) -> None:
    """P2, P3: to 1e-9 or one nano-unit; and nobody loses."""
    case = shared_case(seed, sizes)
    c = clear(case.book, case.grid, "vcg-exchange")
    check_clearing(case.book, case.grid, c)
    found = best(case.book, case.grid)
    whole = optimal(case.book, case.grid, found)
    exact = steps_of(case.book, c.energy_uj) is not None
    for who in people(case.book, case.grid):
        mine, links = offers_of(case.book, who), links_of(case.grid, who)
        worth = exact_sum(whole.terms(mine, links))
        rest = best(*left_out(case, who))
        pivot = rest.value + rest.slack_value - (found.value + found.slack_value - worth)
        pays = paid(case.book, case.grid, c, who)
        dust = 4e-6 * sizes.lost_load * sizes.price if exact else 0.0  # ties, in whole microjoules
        assert pays == pytest.approx(pivot, rel=1e-9, abs=NANO + dust), who
        assert pays <= worth + 1e-9 * abs(worth) + NANO + dust


@CALM
@given(SEEDS)
def test_another_solver_finds_the_same_gains(seed: int) -> None:
    """P2: worth less payment is W*(N) - W*(-i), both from Clarabel."""
    need(find_spec("cvxpy") and find_spec("clarabel"), "cvxpy with Clarabel")
    case = shared_case(seed, SMALL)
    c = clear(case.book, case.grid, "vcg-exchange")
    whole = optimal(case.book, case.grid, best(case.book, case.grid))
    names = people(case.book, case.grid)
    who = names[seed % len(names)]
    every = judge(case.book, case.grid, 100.0, 1.0).welfare
    book, grid = left_out(case, who)
    rest = judge(book, grid, 100.0, 1.0).welfare if book.offer_count else 0.0
    if np.isnan(every + rest):
        return  # the other solver gave up
    worth = exact_sum(whole.terms(offers_of(case.book, who), links_of(case.grid, who)))
    gain = worth - paid(case.book, case.grid, c, who)
    assert gain == pytest.approx(every - rest, abs=2e-6 * (abs(every) + 100.0))


@settings(CALM, max_examples=15)
@given(SEEDS)
def test_pivots_of_indivisible_books(seed: int) -> None:
    """P2: bundles, groups and all-or-nothing offers; every choice is tried."""
    case = random_whole(seed)
    c = get("vcg-exchange").clear(case.book, case.grid)
    if isinstance(c, Refusal):
        return
    check_clearing(case.book, case.grid, c)
    whole = optimal(case.book, case.grid, solve(case.book, case.grid))
    margin = 1e-6 * (float(np.abs(whole.offers).sum()) + 1.0)
    every = max(every_choice(case.book, case.grid).values())
    for who in case.book.participants:
        lost = max(every_choice(*left_out(case, who)).values())
        gain = exact_sum(whole.terms(offers_of(case.book, who), links_of(case.grid, who)))
        gain -= paid(case.book, case.grid, c, who)
        assert gain == pytest.approx(every - lost, abs=margin), who


@pytest.mark.parametrize("network", ["dc", "lindistflow"])
def test_pivots_on_other_networks(network: str) -> None:
    """P2: what others would have, rows left out; the utility stays, it holds the voltage."""
    for seed in range(12):
        f = sample(Seeded(seed), "any", (network,))
        c = get("vcg-exchange").clear(f.book, f.grid)
        if isinstance(c, Refusal):
            continue
        check_clearing(f.book, f.grid, c)
        found = best(f.book, f.grid)
        whole = optimal(f.book, f.grid, found)
        case = Case(f.grid, list(f.offers), network, SMALL)
        for who in sorted(set(f.book.participants) - {"utility"}):
            rest = best(*left_out(case, who))
            worth = exact_sum(whole.offers[offers_of(f.book, who)])
            pivot = rest.value + rest.slack_value - (found.value + found.slack_value - worth)
            pays = paid(f.book, f.grid, c, who)
            assert pays == pytest.approx(pivot, rel=1e-9, abs=NANO)


@CALM
@given(SEEDS, SIZES)
def test_sellers_gain_at_least_what_any_supporting_price_gives(seed: int, sizes: Sizes) -> None:
    """P6: so VCG pays a seller no less than nodal prices do. Karaca, Kamgarpour, 1811.09646."""
    case = random_case(seed, sizes)
    c, nodal = (clear(case.book, case.grid, m) for m in ("vcg-exchange", "equilibrium"))
    scale = sizes.energy_j * sizes.price * sizes.lost_load
    for who in case.book.participants:
        more = paid(case.book, case.grid, nodal, who) - paid(case.book, case.grid, c, who)
        assert more >= -1e-6 * scale - c.certificate.gap, who


@CALM
@given(SEEDS)
def test_payments_do_not_depend_on_the_order_of_the_input(seed: int) -> None:
    """P7: rows in another order, the very same nano-units."""
    case = shared_case(seed, SMALL)
    rows = list(case.offers)
    Random(seed).shuffle(rows)
    other = book_of(case.grid, rows, network=case.network)
    one, two = (clear(b, case.grid, "vcg-exchange") for b in (case.book, other))
    assert np.array_equal(one.payment_nano, two.payment_nano)
    assert np.array_equal(one.link_payment_nano, two.link_payment_nano)


def test_columns_alone_are_enough() -> None:
    """P1: books of simulations have no rows."""
    for seed in range(8):
        case = shared_case(seed, REAL)
        bare = replace(case.book, offers=())
        one, two = (clear(b, case.grid, "vcg-exchange") for b in (case.book, bare))
        assert np.array_equal(one.payment_nano, two.payment_nano)


def test_who_is_absent_trades_nothing_and_the_rest_is_as_it_was() -> None:
    """P1: the bus stays, links are closed, columns keep their places; nothing is copied in vain."""
    case = shared_case(3, SMALL)
    for who in people(case.book, case.grid):
        book, grid = without(case.book, case.grid, who)
        mine, links = offers_of(case.book, who), links_of(case.grid, who)
        found = best(book, grid)
        assert not found.energy_uj[mine].any()
        assert not found.flow_uj[links].any()
        assert book.offer_ids == case.book.offer_ids
        assert (grid is case.grid) == (not links.any())
    book, grid = without(case.book, case.grid, "nobody")
    assert book is case.book and grid is case.grid


def steps_case(seed: int, whole: bool = True) -> list[Offer]:
    """Step offers of a few participants, ties included, some unlimited."""
    rnd = Random(seed)
    rows = []
    for i in range(rnd.randint(2, 9)):
        asks = sorted(rnd.choice((1.0, 2.0, 2.5, 3.0)) for _ in range(rnd.randint(0, 2)))
        bids = sorted(rnd.choice((0.5, 2.0, 2.5, 4.0)) for _ in range(rnd.randint(0, 2)))[::-1]
        bids = [b for b in bids if not asks or b <= asks[0]]
        for spec in (
            sell(*((rnd.randint(1, 9), p) for p in asks)),
            buy(*((rnd.randint(1, 9), p) for p in bids)),
        ):
            rows.append(Offer(f"p{i % 5}", "n0", spec, id=f"o{len(rows)}"))
    return rows


@settings(CALM, max_examples=120)
@given(SEEDS)
def test_merit_order_is_the_general_path(seed: int) -> None:
    """P5: gains are those of solving anew on one node; to the last digit of the latter."""
    grid = grid_of(1)
    rows = steps_case(seed)
    copper, one_node = (book_of(grid, rows, network=n) for n in ("copperplate", "transport"))
    exact, general = best(copper, grid), best(one_node, grid)
    assert steps_of(copper, exact.energy_uj) is not None
    assert steps_of(one_node, exact.energy_uj) is None
    a = pivots(copper, grid, exact, people(copper, grid))
    b = pivots(one_node, grid, general, people(copper, grid))
    for who in people(copper, grid):
        gains = []
        for found, p in ((exact, a), (general, b)):
            worth = exact_sum(found.offer_value[offers_of(copper, who)])
            gains.append(worth - float(p.of[who].money))
        assert gains[0] == pytest.approx(gains[1], abs=2e-5)  # whole microjoules at 4 money per J


def test_merit_order_in_fractions() -> None:
    """P5: prices that no decimal holds, sizes of microjoules, exactly."""
    third = 1.0 / 3.0
    steps = Steps([third, 2.0, 0.5], [5, 3, 7], [True, False, True], [2, 3, 7], [0, 1, 2])
    got = merit_order_pivots(steps, 3)
    # who buys 3 pays what they are worth to the cheapest seller; who sells gets what the next asks
    assert got == [
        Fraction(-3, 2) / 10**6,
        3 * Fraction(third) / 10**6,
        Fraction(0),
    ]


def test_forward_and_reverse_are_mirrors() -> None:
    """P5: a buyer worth v and a seller at K - v: payments p and K x - p."""
    grid, top = grid_of(1), 10.0
    for seed in range(20):
        rnd = Random(seed)
        values = rnd.sample(range(11), 5)  # no ties, which may be shared in another way
        rows = [(f"b{i}", rnd.randint(1, 5), v) for i, v in enumerate(values)]
        size, cost = rnd.randint(3, 9), 1.5
        sold = [offer("hub", 0, sell((size, cost)))]
        sold += [offer(n, 0, buy((q, v))) for n, q, v in rows]
        bought = [offer("hub", 0, buy((size, top - cost)))]
        bought += [offer(n, 0, sell((q, top - v))) for n, q, v in rows]
        one = book_of(grid, sold, network="copperplate")
        two = book_of(grid, bought, network="copperplate")
        a, b = clear(one, grid, "vcg"), clear(two, grid, "reverse-vcg")
        for name, _, _ in rows:
            i, j = one.offer_ids.index(name), two.offer_ids.index(name)
            x = int(a.energy_uj[i])
            assert abs(x + int(b.energy_uj[j])) <= 2
            assert paid(one, grid, a, name) - paid(two, grid, b, name) == pytest.approx(
                top * x / 1e6, abs=1e-4
            )


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 10**13)), min_size=1, max_size=5),
)
@settings(CALM)
def test_shares_add_up(total: int, parts: list[tuple[float, int]]) -> None:
    """P7: to the nano-unit, in any order; nobody pays who moves nothing."""
    names = [f"o{i}" for i in range(len(parts))]
    worth, size = zip(*parts, strict=True)
    got = split(total, names, worth, size)
    assert sum(got) == (total if any(size) else 0)
    assert not any(g for g, s in zip(got, size, strict=True) if s == 0)
    turned = split(total, names[::-1], worth[::-1], size[::-1])
    assert turned == got[::-1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0.1, 1.0 / 3.0, 8.3e-8, 2.5e3, -0.7)) | st.floats(1e-9, 1e9),
            st.integers(0, 2**40),
            st.booleans(),
            st.floats(0.0, 1.0),
            st.integers(0, 4),
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(CALM, max_examples=200)
def test_one_sort_gives_all_payments_exactly(
    rows: list[tuple[float, int, bool, float, int]],
) -> None:
    """P5: the compiled kernel and plain integers agree to far below a nano-unit, rounded up."""
    worth, size, sold, share, owner = (list(column) for column in zip(*rows, strict=True))
    held = [min(s, round(s * part)) for s, part in zip(size, share, strict=True)]
    steps = Steps(worth, size, sold, held, owner)
    exact = merit_order_pivots(steps, 5)
    fast = paid_by_all(steps, 5)
    largest = sum(Fraction(abs(w)) * s * 1000 for w, s in zip(worth, size, strict=True))
    for money, near, rest, nano in zip(exact, *fast, strict=True):
        whole = money * 10**9
        assert abs(Fraction(near) + Fraction(rest) - whole) <= largest / 2**98
        if abs(whole) < 2**62 and abs(whole - round(whole)) > largest / 2**98:
            assert nano == math.ceil(whole)
