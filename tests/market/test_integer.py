"""Books with indivisible offers: known answers, ties, groups, and the check of the tree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isojoule.apps.files.leaf_rows import leaf_row, read_leaves
from isojoule.core.chance import rank
from isojoule.core.errors import InputError, VerificationError
from isojoule.market import Book, Clearing
from isojoule.market.integer.units import Leaf
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_physics, check_prices
from isojoule.valuation import Battery, Load, Offer, Step, Steps, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.whole import bundle, clearing_of, solve

APART = grid_of(2, [{"ends": (0, 1), "capacity_w": 0.0}])
"""Two nodes that cannot trade: two items."""
ONE = grid_of(1)
LLG = [
    offer("a", 0, sell((1, 0.0))),
    offer("b", 1, sell((1, 0.0))),
    bundle("local-a", [(0, 1)], 80.0),
    bundle("local-b", [(1, 1)], 60.0),
    bundle("global", [(0, 1), (1, 1)], 100.0),
]
ODD = [
    *(offer(f"s{i}", i, sell((1, 0.0))) for i in range(3)),
    *(bundle(f"pair-{i}", [(i, 1), ((i + 1) % 3, 1)], 2.0) for i in range(3)),
]
"""Three items, three pairs wanted: half of each would be worth 3, a whole one 2."""
TRIANGLE = grid_of(3)


def taken(book: Book, grid: object = ONE, seed: bytes = b"") -> set[str]:
    """Ids of the indivisible offers that are taken; everything about them is checked."""
    found = solve(book, grid, seed)  # type: ignore[arg-type]
    check(book, grid, clearing_of(book, grid, found))  # type: ignore[arg-type]
    assert found.taken is not None
    rows = zip(book.offers, found.taken, found.energy_uj, strict=True)
    return {o.id for o, yes, uj in rows if yes and (uj or o.node == "")}


def check(book: Book, grid: object, clearing: Clearing) -> None:
    check_physics(book, grid, clearing)  # type: ignore[arg-type]
    check_prices(book, grid, clearing)  # type: ignore[arg-type]


def test_two_locals_beat_one_global() -> None:
    """LLG with 80, 60 and 100 (Ausubel, Milgrom 2006; docs/spec M20): the locals win 140."""
    book = book_of(APART, LLG)
    assert taken(book, APART) == {"a", "b", "local-a", "local-b"}
    assert solve(book, APART).value == pytest.approx(140.0)


def test_the_global_wins_where_the_locals_are_weak() -> None:
    book = book_of(APART, [*LLG[:2], bundle("local-a", [(0, 1)], 80.0), LLG[4]])
    assert taken(book, APART) == {"a", "b", "global"}


def test_knapsack() -> None:
    """10 J for items of 5, 4, 6 and 3 J worth 10, 40, 30 and 50: the second and fourth, 90."""
    items = ((5, 10.0), (4, 40.0), (6, 30.0), (3, 50.0))
    offers = [
        offer(f"i{n}", 0, buy((e, worth / e)), all_or_nothing=True)
        for n, (e, worth) in enumerate(items)
    ]
    book = book_of(ONE, [*offers, offer("s", 0, sell((10, 0.0)))])
    assert taken(book) == {"s", "i1", "i3"}
    assert solve(book, ONE).value == pytest.approx(90.0)


def test_a_group_is_an_exclusive_or() -> None:
    """A group of {a: 6, b: 6, ab: 12} against {ab: 8}: the first gets both (M19).

    The example of Yokoo, Sakurai, Matsubara 2004, doi 10.1016/S0899-8256(03)00045-9.
    """
    more = {"participant": "one", "group": "xor"}
    offers = [
        *LLG[:2],
        bundle("one-a", [(0, 1)], 6.0, **more),
        bundle("one-b", [(1, 1)], 6.0, **more),
        bundle("one-ab", [(0, 1), (1, 1)], 12.0, **more),
        bundle("two-ab", [(0, 1), (1, 1)], 8.0),
    ]
    assert taken(book_of(APART, offers), APART) == {"a", "b", "one-ab"}


def test_a_group_is_its_participants_own() -> None:
    """Two participants may call their groups alike (M19)."""
    seller = offer("s", 0, sell((4, 0.0)))
    mine = [Offer("ann", "n0", buy((1, p)), id=f"ann-{p}", group="g") for p in (1.0, 2.0)]
    other = [Offer("bob", "n0", buy((1, p)), id=f"bob-{p}", group="g") for p in (3.0, 4.0)]
    book = book_of(ONE, [seller, *mine, *other])
    assert taken(book) == {"s", "ann-2.0", "bob-4.0"}
    reader = Reader(book, ONE, clearing_of(book, ONE, solve(book, ONE)))
    assert reader.reason(book.offer_ids.index("ann-1.0")) == (
        "not taken: offer 'ann-2.0' of its group is"
    )
    assert reader.reason(book.offer_ids.index("ann-2.0")) == "filled"


def test_all_or_nothing_is_never_part() -> None:
    """M18: 9 J are not 10 J."""
    whole = offer("w", 0, buy((10, 5.0)), all_or_nothing=True)
    book = book_of(ONE, [whole, offer("s", 0, sell((9, 1.0)))])
    assert taken(book) == set()
    reader = Reader(book, ONE, clearing_of(book, ONE, solve(book, ONE)))
    assert reader.reason(1) == "not taken: another choice has more welfare"
    more = book_of(ONE, [whole, offer("s", 0, sell((9, 1.0))), offer("t", 0, sell((9, 2.0)))])
    found = solve(more, ONE)
    assert dict(zip(more.offer_ids, found.energy_uj.tolist(), strict=True)) == {
        "s": -9_000_000, "t": -1_000_000, "w": 10_000_000,
    }  # fmt: skip
    assert found.support.price[0] == pytest.approx(2.0)  # of the divisible rest (M21)


def test_whole_sizes_must_meet_to_the_microjoule() -> None:
    """M18: what arrives of 10 J over a link that loses 1 % is 9.9 J, not a microjoule more."""
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.01}])
    seller = offer("s", 0, sell((10, 1.0)), all_or_nothing=True)
    for wanted, trade in ((9.9, {"s", "b"}), (9.900001, set()), (9.899999, set())):
        book = book_of(grid, [seller, offer("b", 1, buy((wanted, 5.0)), all_or_nothing=True)])
        assert taken(book, grid) == trade


def test_bundles_may_buy_and_sell() -> None:
    """A carrier takes 2 J at one node and brings 1 J to another for 1 (M20)."""
    offers = [
        offer("s", 0, sell((5, 0.1))),
        offer("b", 1, buy((1, 4.0))),
        bundle("carrier", [(0, 2), (1, -1)], -1.0),
    ]
    book = book_of(APART, offers)
    found = solve(book, APART)
    assert taken(book, APART) == {"s", "b", "carrier"}
    assert found.value == pytest.approx(4.0 - 1.0 - 0.2)
    assert found.energy_uj[book.offer_ids.index("carrier")] == 1_000_000
    dear = book_of(APART, [*offers[:2], bundle("carrier", [(0, 2), (1, -1)], -3.9)])
    assert taken(dear, APART) == set()


def test_ties_go_by_time_and_then_by_hash() -> None:
    """M22: three alike want all there is; the seed decides, or who came first."""
    names = ["ann", "bob", "cyd"]
    seller = offer("s", 0, sell((2, 0.0)))
    wish = [offer(n, 0, buy((2, 3.0)), all_or_nothing=True) for n in names]
    winners = set()
    for seed in (b"", b"1", b"2", b"3", b"4", b"5"):
        first = min(names, key=lambda n: rank(seed, "indivisible", n))
        for order in (wish, wish[::-1]):
            assert taken(book_of(ONE, [seller, *order]), ONE, seed) == {"s", first}
        winners.add(first)
    assert len(winners) > 1
    late = [replace(w, at_ns=0 if w.id == "cyd" else 5) for w in wish]
    assert taken(book_of(ONE, [seller, *late])) == {"s", "cyd"}


def test_many_alike() -> None:
    """Thirty alike share what ten can have: the ten whose hash is lowest (M22)."""
    names = [f"b{i}" for i in range(30)]
    offers = [offer(n, 0, buy((1, 3.0)), all_or_nothing=True) for n in names]
    book = book_of(ONE, [*offers, offer("s", 0, sell((10, 1.0)))])
    first = sorted(names, key=lambda n: rank(b"x", "indivisible", n))[:10]
    assert taken(book, ONE, b"x") == {"s", *first}


def test_nothing_one_and_zero() -> None:
    alone = book_of(ONE, [offer("w", 0, buy((1, 5.0)), all_or_nothing=True)])
    assert taken(alone) == set()
    assert solve(alone, ONE).value == 0.0
    zero = book_of(ONE, [offer("w", 0, buy((0, 5.0)), all_or_nothing=True)])
    found = solve(zero, ONE)
    assert found.taken is not None
    assert not found.taken.any()
    reader = Reader(zero, ONE, clearing_of(zero, ONE, found))
    assert reader.reason(0) == "nothing offered"
    swap = book_of(ONE, [bundle("swap", [(0, 0)], -1.0)])
    assert taken(swap) == set()


def test_batteries_loads_and_utilities_beside_whole_offers() -> None:
    """A battery of 8 J, worth 0 to 1, gives the last Joule that the whole buyer lacks."""
    battery = Battery(uj(8), uj(8), 0.0, 1.0)
    offers = [
        offer("cell", 0, battery),
        offer("grid", 0, Utility(2.0, 0.0)),
        offer("home", 0, Load(uj(1), 9.0)),
        offer("w", 0, buy((3, 1.5)), all_or_nothing=True),
    ]
    book = book_of(ONE, offers)
    found = solve(book, ONE)
    assert taken(book) == {"cell", "home", "w"}
    # four Joules leave the battery, whose next is then worth 0.5
    assert found.support.price[0] == pytest.approx(0.5, abs=1e-6)
    assert found.value == pytest.approx(9.0 + 4.5 - 0.5 * 4 * 0.5)


@pytest.mark.parametrize(
    "spec",
    [
        Battery(uj(1), uj(2), 0.1, 0.3),
        Utility(0.3, 0.1),
        Steps(sell=(Step(1, 0.3, 0.3),), buy=(Step(1, 0.1, 0.1),)),
    ],
)
def test_what_has_no_whole_cannot_be_all_or_nothing(spec: object) -> None:
    """M18."""
    with pytest.raises(InputError) as caught:
        offer("x", 0, spec, all_or_nothing=True)  # type: ignore[arg-type]
    assert "one whole size" in caught.value.message


def test_half_of_each_pair_would_be_worth_more() -> None:
    """Prices alone bound the odd ring by 3; the tree proves 2 (C10)."""
    book = book_of(TRIANGLE, ODD)
    found = solve(book, TRIANGLE)
    assert found.value == pytest.approx(2.0)
    assert len(found.leaves) > 1
    assert found.support.gap <= 1e-9
    root = replace(clearing_of(book, TRIANGLE, found))
    bare = replace(root.certificate, leaves=(), gap=1.0, welfare_bound=root.welfare + 1.0)
    check(book, TRIANGLE, replace(root, certificate=bare))  # a wider bound, honestly told


def forged(book: Book, clearing: Clearing, what: str) -> Clearing:
    cert = clearing.certificate
    leaves = list(cert.leaves)
    if what == "a missing leaf":
        leaves.pop()
    elif what == "an altered dual":
        leaves = [leaf._replace(duals=leaf.duals * 0.5) for leaf in leaves]
    elif what == "an unknown offer":
        leaves[0] = leaves[0]._replace(taken=(book.offer_ids.index("s0"),))
    elif what == "no numbers":
        leaves[0] = leaves[0]._replace(duals=leaves[0].duals * np.nan)
    elif what == "no tree":
        # each leaf is a third of a pinwheel: none of the three pairs splits them all
        one, two, three = (book.offer_ids.index(f"pair-{i}") for i in range(3))
        duals = leaves[0].duals
        wheel = ((one, two), (two, three), (three, one))
        leaves = [Leaf((a,), (b,), duals) for a, b in wheel]
    elif what == "a smaller gap":
        return replace(
            clearing,
            certificate=replace(
                cert, leaves=(), duals=cert.duals, gap=0.5, welfare_bound=clearing.welfare + 0.5
            ),
        )
    elif what == "another kind":
        return replace(clearing, certificate=replace(cert, kind="dual"))
    elif what in ("a wrong choice", "a half"):
        energy = clearing.energy_uj.copy()
        yes = clearing.taken.copy()  # type: ignore[union-attr]
        pairs = [i for i, name in enumerate(book.offer_ids) if name.startswith("pair")]
        won = next(i for i in pairs if yes[i])
        if what == "a half":
            energy[won] //= 2
        else:
            lost = next(i for i in pairs if not yes[i])
            yes[won], yes[lost] = False, True
            energy[won], energy[lost] = 0, 2_000_000
        return replace(clearing, energy_uj=energy, taken=yes)
    return replace(clearing, certificate=replace(cert, leaves=tuple(leaves)))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a missing leaf", "no leaf covers"),
        ("an altered dual", "the duals prove"),
        ("an unknown offer", "one that is no choice"),
        ("no numbers", "not finite"),
        ("no tree", "no tree"),
        ("a smaller gap", "the duals prove"),
        ("another kind", "proved by a bound"),
        ("a wrong choice", "off balance"),
        ("a half", "instead of"),
    ],
)
def test_forgeries(what: str, message: str) -> None:
    """C10."""
    book = book_of(TRIANGLE, ODD)
    clearing = clearing_of(book, TRIANGLE, solve(book, TRIANGLE))
    check(book, TRIANGLE, clearing)
    with pytest.raises(VerificationError) as caught:
        check(book, TRIANGLE, forged(book, clearing, what))
    assert message in caught.value.message


def test_two_of_a_group_are_refused() -> None:
    more = {"participant": "one", "group": "g"}
    offers = [*LLG[:2], *(bundle(f"w{i}", [(i, 1)], 5.0 + i, **more) for i in (0, 1))]
    book = book_of(APART, offers)
    clearing = clearing_of(book, APART, solve(book, APART))
    energy = clearing.energy_uj.copy()
    energy[:] = [{"a": -1, "b": -1}.get(name, 1) * 10**6 for name in book.offer_ids]
    bad = replace(clearing, energy_uj=energy, taken=np.ones(4, bool))
    with pytest.raises(VerificationError) as caught:
        check(book, APART, bad)
    assert "beside another of its group" in caught.value.message


def test_leaves_go_into_a_file_and_back() -> None:
    book = book_of(TRIANGLE, ODD)
    leaves = solve(book, TRIANGLE).leaves
    rows = [leaf_row(book, TRIANGLE, leaf) for leaf in leaves]
    for one, two in zip(leaves, read_leaves(rows, book, TRIANGLE), strict=True):
        assert one.taken == two.taken
        assert one.left == two.left
        assert np.array_equal(one.duals, two.duals)
    rows[0]["taken"] = ["nobody"]
    with pytest.raises(KeyError):
        read_leaves(rows, book, TRIANGLE)
