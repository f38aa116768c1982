"""Traits of all mechanisms together: what nobody can have, known attacks, where conditions end.

Small books are tried whole: every book of so many participants on a grid of prices, and every lie.
Worths are reckoned here once more, for units. Spec: docs/spec/traits.md.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from isojoule.apps.files.case_files import find_witness, replay
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.deviation import Deviation, Shown, show
from isojoule.market.mechanisms import get, names
from isojoule.valuation import Load, Offer, Spec, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell

TWO_SIDED = (
    "autarky", "cda", "diffusion", "equilibrium", "lmp", "mcafee", "pay-as-bid", "uniform-price",
    "utility-only", "vcg-exchange",
)  # fmt: skip
HERE = grid_of(1)


def many_to_many(name: str) -> Clearing | Refusal:
    """Two buyers and two sellers, on the first network that suits; a utility for who needs one."""
    rule = get(name)
    network = rule.traits.networks[0]
    grid = HERE if network == "copperplate" else grid_of(2, [{"ends": (0, 1)}])
    sides = [buy((1, 9)), buy((1, 8)), sell((1, 1)), sell((1, 2))]
    offers = [offer(f"p{i}", 0 if i % 2 else grid.node_count - 1, s) for i, s in enumerate(sides)]
    out = rule.clear(book_of(grid, offers, network=network), grid)
    if isinstance(out, Refusal) and "utility" in str(out):
        offers.append(offer("utility", 0, Utility(30.0, 0.5)))
        out = rule.clear(book_of(grid, offers, network=network), grid)
    return out


def test_no_two_sided_rule_has_all_four() -> None:
    """Efficient, truthful, voluntary, no deficit: Myerson, Satterthwaite 1983.

    J. Econ. Theory 29:265, doi 10.1016/0022-0531(83)90048-0.
    """
    two_sided = [n for n in names() if not isinstance(many_to_many(n), Refusal)]
    assert set(TWO_SIDED) <= set(two_sided)
    for name in two_sided:
        t = get(name).traits
        four = (t.efficient, t.incentive_compatible, t.individually_rational, t.budget)
        assert not all(claim.holds for claim in four), f"{name} claims what nobody can have"


ATTACKS = {
    "false names: {a: 6, b: 6, ab: 12} against {ab: 8}": ("vcg/false_name_proof", 4.0, 8.0),
    "losers agree: {ab: 2} against a: 0.5 and b: 0.5": ("vcg/coalition_proof", 0.0, 1.0),
    "an auctioneer plants a bid of 250 between 150 and 400": ("sealed-bid/credible", 150, 250),
    "a shill bid moves one price": ("uniform-price/credible", 0.20, 0.35),
    "a shill bid moves a nodal price": ("lmp/credible", 0.20, 0.35),
    "a shill bid moves a pivot": ("vcg/credible", 2.0, 9.0),
    "capacity is held back": ("uniform-price/incentive_compatible", 0.10, 0.25),
    "capacity is held back on a network": ("equilibrium/incentive_compatible", 0.10, 0.25),
    "a wash trade that the operator pays": ("vcg-exchange/false_name_proof", 0.0, 100.0),
    "a wash trade that lifts a posted price": ("vrgda/credible", 4.0, 8.0),
    "a first price is shaded": ("pay-as-bid/incentive_compatible", 0.0, 0.20),
    "a first sealed bid is shaded": ("sealed-bid/incentive_compatible", 0.0, 2.90),
}
"""Attacks of the literature, and the witnesses that show them. Revenue monotonicity (Ausubel,
Milgrom 2006) is no lie, and refutes no trait: see test_revenue_may_fall_as_bidders_come."""


@pytest.mark.parametrize("attack", ATTACKS)
def test_known_attacks_are_among_the_witnesses(attack: str) -> None:
    """T10: with these figures."""
    where, honest, lying = ATTACKS[attack]
    found = replay(find_witness(*where.split("/")))
    assert found.wrong == ""
    assert found.shown.figures == pytest.approx({"honest": honest, "lying": lying}, abs=1e-6)


# --- every small book, every lie -------------------------------------------------------------

Unit = tuple[int, int]
"""Joules bought (below 0: sold), and the price of each; (0, 0): nobody."""


def worth(unit: Unit, energy_j: float) -> float:
    """Of what was received; who must sell more than it has is far off."""
    size, price = unit
    if size >= 0:
        return price * min(energy_j, size) if energy_j >= 0 else -1e9
    return price * max(energy_j, size) if size <= energy_j <= 0 else (0 if energy_j > 0 else -1e9)


def every_lie(
    name: str, kinds: list[list[Unit]], honest_one: int | None = None, **parameters: Any
) -> None:
    """Nobody but `honest_one` gains by being of another of its kinds."""
    rule = get(name, **parameters)
    outcome: dict[tuple[Unit, ...], list[tuple[float, float]]] = {}
    for units in product(*kinds):
        rows = [
            offer(f"p{i}", 0, buy((size, price)) if size > 0 else sell((-size, price)))
            for i, (size, price) in enumerate(units)
            if size
        ]
        book = book_of(HERE, rows, network="copperplate")
        out = rule.clear(book, HERE)
        if isinstance(out, Refusal):
            continue
        each = dict.fromkeys(range(len(units)), (0.0, 0.0))
        for i, who in enumerate(book.offer_ids):
            each[int(who[1:])] = (out.energy_uj[i] / 1e6, out.payment_nano[i] / 1e9)
        outcome[units] = list(each.values())
    assert len(outcome) >= 100
    for units, truth in outcome.items():
        for i, kind in enumerate(kinds):
            if i == honest_one:
                continue
            own = worth(units[i], truth[i][0]) - truth[i][1]
            for lie in kind:
                other = outcome.get((*units[:i], lie, *units[i + 1 :]))
                if other is not None:
                    gain = worth(units[i], other[i][0]) - other[i][1] - own
                    assert gain < 1e-5, f"{units}: p{i} gains {gain} as {lie}"


NOBODY: Unit = (0, 0)
BUYERS = [NOBODY, *((1, p) for p in range(5))]
SELLERS = [NOBODY, *((-1, p) for p in range(5))]
LARGER = [NOBODY, *((s, p) for s in (1, 2) for p in (1, 3))]


@pytest.mark.parametrize("name", ["mcafee", "trade-reduction", "sbba"])
def test_every_lie_of_unit_traders(name: str) -> None:
    """T6: three who may buy or sell."""
    every_lie(name, [[*BUYERS, *SELLERS[1:]]] * 3)


@pytest.mark.parametrize("long_side", ["lottery", "displacement"])
def test_every_lie_of_many_units(long_side: str) -> None:
    """T6: muda, three who may buy or sell one or two."""
    both = [*LARGER, *((-s, p) for s, p in LARGER[1:])]
    every_lie("muda", [both] * 3, long_side=long_side)


def test_every_lie_in_auctions() -> None:
    """T6: vcg and reverse-vcg with blocks of one and two; one block under deferred revelation."""
    sold = [(-s, p) for s, p in LARGER[1:]]
    every_lie("vcg", [sold, LARGER, LARGER, LARGER], honest_one=0)
    every_lie("reverse-vcg", [LARGER[1:], [NOBODY, *sold], [NOBODY, *sold]], honest_one=0)
    block: list[Unit] = [(-1, 0)]
    every_lie("deferred-revelation", [block, BUYERS, BUYERS, BUYERS], honest_one=0)


def test_every_lie_in_an_exchange() -> None:
    """T6: vcg-exchange, who may buy or sell one or two."""
    both = [*LARGER, *((-s, p) for s, p in LARGER[1:])]
    every_lie("vcg-exchange", [both] * 3)


# --- where the conditions end ----------------------------------------------------------------


def lie(name: str, grid: Grid, rows: list[Offer], liar: str, *instead: Offer, **more: Any) -> Shown:
    """What a lie brings on a grid."""
    network = "transport" if grid.link_count else "copperplate"
    rule = get(name, **more)
    book = book_of(grid, rows, network=network)
    shown = show("incentive_compatible", rule, book, grid, Deviation((liar,), instead))
    assert not isinstance(shown, Refusal), str(shown)
    return shown


SALE = {"target_price_per_j": 8, "decay": 0.5, "decay_s": 1, "rate_per_s": 1, "unit_j": 1}
POST = offer("pat", 0, sell((5, 0)))


def come(name: str, spec: Spec, *, who: str = "", **more: Any) -> Offer:
    return replace(offer(name, 0, spec, at_ns=10**9, **more), participant=who or name)


def test_takers_of_a_posted_price_for_whom_the_truth_is_not_best() -> None:
    """T6: all or nothing, two offers of one taker, and the lowest id of a nanosecond.

    At 1 s the first Joule costs 8, the next twice as much as the one before.
    """
    whole = come("ada", buy((2, 13)), all_or_nothing=True)  # 26 for what costs 8 + 16: declined
    shown = lie("vrgda", HERE, [POST, whole], "ada", replace(whole, spec=buy((2, 16))), **SALE)
    assert shown.figures == pytest.approx({"honest": 0, "lying": 2})
    parts = replace(whole, all_or_nothing=False)
    shown = lie("vrgda", HERE, [POST, parts], "ada", replace(parts, spec=buy((2, 16))), **SALE)
    assert shown.figures == pytest.approx({"honest": 5, "lying": 2})
    two = [come("a", buy((1, 9)), who="ada"), come("b", buy((1, 20)), who="ada")]
    shown = lie("vrgda", HERE, [POST, *two], "ada", two[1], **SALE)
    assert shown.figures == pytest.approx({"honest": 5, "lying": 12})
    zed = come("zed", buy((1, 20)))
    rows = [POST, come("bo", buy((1, 20))), zed]
    shown = lie("vrgda", HERE, rows, "zed", replace(zed, id="a"), **SALE)
    assert shown.figures == pytest.approx({"honest": 4, "lying": 12})


def test_below_0_who_throws_energy_away_is_paid() -> None:
    """T2, T6: ada, who can only sell, says that she would buy: bo pays to be rid of his Joule."""
    rows = [offer("ada", 0, sell((1, -3))), offer("bo", 0, sell((1, -2)))]
    shown = lie("vcg-exchange", HERE, rows, "ada", offer("ada", 0, buy((1, 0))))
    assert shown.figures == pytest.approx({"honest": 0, "lying": 2})
    asks = {"ada": -3, "bo": -2, "di": 0}  # no trade; as a buyer at -2 di makes a price of -2.5
    rows = [offer("cy", 0, buy((1, -3))), *(offer(n, 0, sell((1, p))) for n, p in asks.items())]
    shown = lie("mcafee", HERE, rows, "di", offer("di", 0, buy((1, -2))))
    assert shown.figures == pytest.approx({"honest": 0, "lying": 2.5})


def test_what_is_sold_whole_is_had_by_who_throws_a_part_away() -> None:
    """T2, T6: ada wants 1 J, which is worth 5, and claims to want both that are sold for 2."""
    rows = [offer("owner", 0, sell((2, 1)), all_or_nothing=True), offer("ada", 0, buy((1, 5)))]
    for name in ("vcg", "vcg-exchange"):
        shown = lie(name, HERE, rows, "ada", offer("ada", 0, buy((2, 5))))
        assert shown.figures == pytest.approx({"honest": 0, "lying": 3})


def test_operators_links_tempt_it_even_where_nothing_is_run() -> None:
    """T9: who plants a load at a node has its links switched off, or energy used before them."""
    grid = grid_of(2, [{"ends": (0, 1), "price": 0.5}])
    plant = Deviation((), (offer("plant", 0, Load(10**6, 5.0)),))
    own = [Offer("bo", "n0", sell((1, 0)), id="roof"), Offer("bo", "n1", buy((1, 5)), id="home")]
    sold = [offer("ada", 0, sell((1, 0))), offer("utility", 1, Utility(0.3, 0.1))]
    for name, rows, gain in (("autarky", own, 0.5), ("utility-only", sold, 0.2)):
        for price in (0.5, 0.0):
            free = replace(grid, price_per_j=grid.price_per_j * 0 + price)
            shown = show("credible", get(name), book_of(free, rows), free, plant)
            assert not isinstance(shown, Refusal)
            assert shown.holds == (price == 0.0)
            if price:
                figures = {"honest": -0.5, "lying": gain - 0.5}
                assert shown.figures == pytest.approx(figures, abs=1e-6)


def test_below_0_a_wire_that_loses_costs_its_owner() -> None:
    """T4, T5: energy that costs to be had, lost on the way: the rent is below 0.

    Ada pays 4 to be rid of a Joule. At 1 J and a loss of r f^2 the other end has a price of
    -4 / (1 - 2 r f), and the rent is that price times r f^2.
    """
    r = 1e-3
    for owner, above in (("", False), ("zoe", False), ("", True), ("zoe", True)):
        grid = grid_of(2, [{"ends": (0, 1), "r": r, "owner": owner}])
        price = 4 if above else -4
        rows = [offer("ada", 0, sell((5, price))), offer("bo", 1, buy((1, 9)))]
        book: Book = book_of(grid, rows)
        for name in ("equilibrium", "lmp"):
            trait = "individually_rational" if owner else "budget"
            shown = show(trait, get(name), book, grid)
            assert not isinstance(shown, Refusal)
            assert shown.holds == above
            if not above:
                loses = shown.figures["utility" if owner else "operator"]
                assert loses == pytest.approx(-4 * r, rel=0.01)


def test_a_standing_loss_that_hangs_on_a_single_seller() -> None:
    """T6: it counts by the dearest offer, which is her own; she asks more for what she never sells.

    G6, P2. With another who could serve it she gains nothing by that.
    """
    grid = grid_of(2, [{"ends": (0, 1), "standing_w": 1.0}])
    ada, more = (offer("ada", 0, sell((2, 1), (1, dear))) for dear in (5, 50))
    bo = offer("bo", 0, buy((1, 3)))
    assert not lie("reverse-vcg", grid, [ada, bo], "ada", more).holds
    assert not lie("vcg-exchange", grid, [ada, bo], "ada", more).holds
    others = [bo, offer("cy", 0, sell((3, 6)))]
    assert lie("reverse-vcg", grid, [ada, *others], "ada", more).holds
    assert lie("vcg-exchange", grid, [ada, *others], "ada", more).holds
