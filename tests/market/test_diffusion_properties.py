"""What holds for every book that diffusion clears (docs/spec/diffusion.md, D3 to D12)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isojoule.apps.clearing import clear as clear_file
from isojoule.apps.files.clearing_files import read_clearing
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.kernels.prices import fill
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Offer
from isojoule.valuation.curve import integral
from tests.market.books import (
    REAL,
    SMALL,
    Case,
    Sizes,
    book_of,
    clear,
    grid_of,
    offer,
    random_case,
    uj,
)
from tests.market.test_alterations import INTEGERS, OF, certified, with_utility

SIZES = st.sampled_from([SMALL, REAL])
NETS = st.sampled_from(["path", "tree", "mesh", "islands", "parallel"])


def diffuse(book: Book, grid: Grid, seed: bytes = b"", **parameters: Any) -> Clearing:
    out = get("diffusion", **parameters).clear(book, grid, seed=seed)
    assert not isinstance(out, Refusal), str(out)
    return out


def worth(book: Book, c: Clearing) -> Any:
    """Each offer's integral from no trade to what it receives, money."""
    p = book.pieces
    x = fill(book.piece_offer.astype(np.int64), p.lo, p.hi, c.energy_uj * 1e-6)
    return np.bincount(book.piece_offer, integral(p, x), book.offer_count)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**6), SIZES, NETS, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
@example(193, REAL, "mesh", 0.0)  # a curve of k = 8 stands where it is flat to the last digit
@example(475349, Sizes(100.0, 1.0, 20.0), "islands", 0.0)  # beside a flat piece of that price
def test_nothing_is_made_lost_or_taken(seed: int, sizes: Sizes, net: str, split: float) -> None:
    """D5, D6: exact balance, nobody loses, payers pay what receivers get, but for rounding."""
    case = random_case(seed, sizes, net)
    c = diffuse(case.book, case.grid, sweeps=3, split=split, measure=False)
    check_clearing(case.book, case.grid, c)
    own = worth(case.book, c)
    scale = float(np.abs(own).sum())
    assert np.all(c.payment_nano <= np.ceil(own * 1e9) + 1 + 1e-5 * scale)
    count = case.book.offer_count + case.grid.link_count
    dear = sizes.lost_load * 1.5 * sizes.price
    assert abs(c.operator["rounding"]) <= count * (1 + 2e-6 * dear * 1e9) + 1e-5 * scale
    assert int(c.payment_nano.sum() + c.link_payment_nano.sum()) == c.surplus_nano


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), SIZES, NETS)
def test_welfare_never_falls_with_more_sweeps(seed: int, sizes: Sizes, net: str) -> None:
    """D5: every step gains, to the last microjoule of loss."""
    case = random_case(seed, sizes, net)
    welfare = [
        diffuse(case.book, case.grid, sweeps=n, measure=False).welfare
        for n in (0, 1, 2, 3, 5, 9, 40)
    ]
    for less, more in pairwise(welfare):
        assert more >= less - 1e-12 * abs(less)
    best = clear(case.book, case.grid).certificate
    assert welfare[-1] <= best.welfare_bound + 1e-9 * abs(best.welfare_bound)


def shuffled(case: Case, rnd: Random) -> tuple[Book, Grid]:
    """The same book with offers, nodes and links in another order."""
    g = case.grid
    nodes = rnd.sample(range(g.node_count), g.node_count)
    links = rnd.sample(range(g.link_count), g.link_count)
    place = np.argsort(nodes)
    columns = {
        name: getattr(g, name)[links]
        for name in (
            "capacity_w", "loss_ppb", "resistance_ohm", "reactance_ohm", "voltage_v",
            "standing_loss_w", "price_per_j",
        )
    }  # fmt: skip
    grid = Grid(
        tuple(g.node_ids[v] for v in nodes),
        tuple(g.link_ids[e] for e in links),
        place[g.link_from[links]].astype(np.int32),
        place[g.link_to[links]].astype(np.int32),
        owner=tuple(g.owner[e] for e in links),
        **columns,
    )
    offers: list[Offer] = rnd.sample(case.offers, len(case.offers))
    return book_of(grid, offers), grid


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), SIZES, NETS, st.binary(max_size=3))
def test_no_result_depends_on_the_order_of_the_input(
    number: int, sizes: Sizes, net: str, seed: bytes
) -> None:
    """D3, D8: to the last bit."""
    case = random_case(number, sizes, net)
    book, grid = shuffled(case, Random(number))
    one = diffuse(case.book, case.grid, seed, sweeps=4, measure=False)
    two = diffuse(book, grid, seed, sweeps=4, measure=False)
    assert book.offer_ids == case.book.offer_ids
    assert one.energy_uj.tolist() == two.energy_uj.tolist()
    assert one.payment_nano.tolist() == two.payment_nano.tolist()
    assert one.operator == two.operator
    for of, ids, other in (
        ("flow_uj", case.grid.link_ids, grid.link_ids),
        ("price_per_j", case.grid.node_ids, grid.node_ids),
    ):
        found = dict(zip(other, getattr(two, of).tolist(), strict=True))
        assert [repr(v) for v in getattr(one, of).tolist()] == [repr(found[i]) for i in ids]
    for key in ("sweeps", "moving", "stuck_nodes"):
        assert one.notes[key] == two.notes[key]
    named = [[(s["node"], s["why"]) for s in c.notes["stuck"]] for c in (one, two)]
    assert sorted(named[0]) == sorted(named[1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["path", "tree", "mesh"]), st.booleans())
def test_many_sweeps_are_the_equilibrium(seed: int, net: str, lossy: bool) -> None:
    """D9. Referee: strictly falling curves, no wall in reach, two thousand sweeps."""
    rnd = Random(seed)
    shape = random_case(seed, SMALL, net).grid
    links = [
        {
            "ends": (int(a), int(b)),
            "loss": 0.001 * rnd.randint(0, 3) if lossy else 0.0,
            "capacity_w": rnd.choice((30.0, 1e9)),
        }
        for a, b in zip(shape.link_from, shape.link_to, strict=True)
    ]
    grid = grid_of(shape.node_count, links)
    packs = [
        Battery(
            uj(rnd.uniform(400, 600)), uj(1000), 0.1, rnd.uniform(1.0, 1.2), rnd.choice((1.0, 2.0))
        )
        for _ in range(shape.node_count)
    ]
    book = book_of(grid, [offer(f"b{i}", i, pack) for i, pack in enumerate(packs)])
    best = clear(book, grid)
    shares = [diffuse(book, grid, sweeps=n).notes["distance"]["share"] for n in (1, 10, 100, 2000)]
    assert shares == sorted(shares, reverse=True)
    found = diffuse(book, grid, sweeps=2000)
    assert best.welfare - found.welfare <= 1e-4 * best.welfare + 1e-5
    # losses of whole microjoules stop a pair where its last step would gain less than they cost
    assert np.max(np.abs(found.energy_uj - best.energy_uj)) <= uj(1.0 if lossy else 0.01)
    if not lossy:
        assert found.notes["stuck"] == []


def dearer_links(case: Case, flow_uj: NDArray[np.int64]) -> float:
    """What is paid, money, for links beside which a cheaper one has room."""
    g, flow_j = case.grid, np.abs(flow_uj) / 1e6
    ends = np.sort(np.stack([g.link_from, g.link_to], axis=1), axis=1)
    room_j = g.capacity_w - flow_j  # of one second
    paid = 0.0
    for e in np.flatnonzero(flow_j > 0.0).tolist():
        beside = (ends == ends[e]).all(axis=1) & (room_j > 0.0)
        cheaper = np.min(g.price_per_j[beside], initial=g.price_per_j[e])
        paid += float(flow_j[e] * (g.price_per_j[e] - cheaper))
    return paid


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), SIZES, NETS)
@example(1301, SMALL, "parallel")
def test_where_it_rests_it_is_optimal_or_says_where_it_is_stuck(
    seed: int, sizes: Sizes, net: str
) -> None:
    """D10: with nothing to move and nobody stuck, rounding is left, and the dearer of two links."""
    case = random_case(seed, sizes, net)
    c = diffuse(case.book, case.grid, sweeps=400)
    if c.notes["moving"]["links"] or c.notes["stuck"]:
        return
    left = c.notes["distance"]["money"]
    # a step is not made if it gains less than the microjoule of loss that it may cost
    dust = 1e-3 * sizes.lost_load * sizes.price * (1 + case.grid.link_count)
    assert left <= 1e-4 * abs(c.welfare) + dust + dearer_links(case, c.flow_uj)


@pytest.mark.parametrize("sizes", [SMALL, REAL], ids=["small", "real"])
@pytest.mark.parametrize("seed", range(5))
def test_altered_integers_are_found(sizes: Sizes, seed: int) -> None:
    """D11."""
    book, grid = with_utility(seed, sizes)
    good = diffuse(book, grid, sweeps=5)
    check_clearing(book, grid, good)
    rnd = Random(seed)
    for name in INTEGERS:
        for _ in range(3):
            column = getattr(good, name).copy()
            at = rnd.randrange(column.size)
            column[at] += rnd.choice((-1000003, -1, 1, 10**9))
            with pytest.raises(VerificationError) as error:
                check_clearing(book, grid, replace(good, **{name: column}))
            assert error.value.place.split(" ")[0].split(".")[0] in OF[name], str(error.value)


@pytest.mark.parametrize("seed", range(4))
def test_altered_prices_money_and_words_are_found(seed: int) -> None:
    """D11: money moved between two offers, prices, lines, trades, notes, another seed or split."""
    book, grid = with_utility(seed, SMALL)
    good = diffuse(book, grid, sweeps=2)

    def refused(bad: Clearing, place: str) -> None:
        with pytest.raises(VerificationError) as error:
            check_clearing(book, grid, bad)
        assert error.value.place.startswith(place), str(error.value)

    swapped = good.payment_nano.copy()
    swapped[:2] += np.array([10**8, -(10**8)])
    refused(replace(good, payment_nano=swapped), "offer")
    for at in range(grid.node_count):
        price = good.price_per_j.copy()
        price[at] = 0.4 if np.isnan(price[at]) else np.nextafter(price[at], 9.0)
        refused(replace(good, price_per_j=price), "node")
        for name in ("lowest", "highest"):
            column = getattr(good.certificate, name).copy()
            column[at] = 0.4 if not np.isfinite(column[at]) else column[at] + 1e-3
            refused(certified(good, **{name: column}), "node")
    for name in good.operator:
        for change in (-1, 1, 10**6):
            lines = good.operator | {name: good.operator[name] + change}
            refused(replace(good, operator=lines), "operator")
    refused(replace(good, operator=good.operator | {"gift": 5, "theft": -5}), "operator")
    moved = good.operator | {
        "standing_loss": good.operator["standing_loss"] + 10**8,
        "rounding": good.operator["rounding"] - 10**8,
    }
    refused(replace(good, operator=moved), "operator")
    refused(replace(good, welfare=good.welfare * (1 + 1e-7) + 1e-9), "welfare")
    c = good.certificate
    refused(certified(good, gap=c.gap + 1e-3), "certificate")
    refused(certified(good, welfare_bound=np.nextafter(c.welfare_bound, 1e9)), "certificate")
    for key, value in (("sweeps", 77), ("stuck_nodes", 99), ("stuck", [{"node": "n0"}])):
        refused(replace(good, notes=good.notes | {key: value}), f"notes.{key}")
    far = good.notes["distance"] | {"money": c.gap + 1.0}
    refused(replace(good, notes=good.notes | {"distance": far}), "notes.distance")
    refused(replace(good, notes={}), "notes")
    if good.trades:
        first, *rest = good.trades
        refused(replace(good, trades=tuple(rest)), "trades")
        refused(replace(good, trades=(first, first, *rest)), "trades")
        changed = first._replace(payment_nano=first.payment_nano + 10**8)
        refused(replace(good, trades=(changed, *rest)), "trades")
        refused(replace(good, trades=(first._replace(sent_uj=first.sent_uj + 1), *rest)), "trades")
        refused(replace(good, parameters=good.parameters | {"split": 0.9}), "")
    plain = clear(book, grid)
    for other in (plain, clear(book, grid, "utility-only")):
        refused(replace(other, notes={"x": 1}), "notes")


def test_a_clearing_of_another_number_of_sweeps_is_found() -> None:
    grid = grid_of(3, [{"ends": (0, 1)}, {"ends": (1, 2)}])
    packs = [
        offer(f"b{i}", i, Battery(uj(e), uj(1000), 0.1, 1.1, 1.0))
        for i, e in enumerate((900, 500, 100))
    ]
    book = book_of(grid, packs)
    good = diffuse(book, grid, sweeps=2)
    with pytest.raises(VerificationError) as error:
        check_clearing(book, grid, replace(good, parameters=good.parameters | {"sweeps": 3}))
    assert error.value.place.startswith("link")


def test_the_file_holds_trades_and_notes_and_comes_back(tmp_path: Path) -> None:
    """Written, read and checked; an altered note is found though the digest is right."""
    from isojoule.apps.files.clearing_files import clearing_from_doc
    from isojoule.core.canonical import digest

    case = Path(__file__).parents[1] / "cases" / "market" / "K12" / "book.yaml"
    done = clear_file(case, mechanism="diffusion", sweeps=3)
    assert not isinstance(done, Refusal)
    path = tmp_path / "clearing.json"
    done.write(path)
    file, back = read_clearing(path)
    check_clearing(file.book, file.grid, back)
    assert back.trades == done.clearing.trades
    document = json.loads(path.read_text())
    assert document["notes"]["stuck"][0]["why"] == "full"
    assert "b is full" in document["offers"][0]["reason"]
    assert "b is full" in done.explain("b")
    document["notes"]["stuck"][0]["why"] = "empty"
    document["offers"] = [
        row | {"reason": row["reason"].replace("full", "empty")} for row in document["offers"]
    ]
    document["digest"] = digest({k: v for k, v in document.items() if k != "digest"})
    file, forged = clearing_from_doc(document)
    with pytest.raises(VerificationError, match="empty"):
        check_clearing(file.book, file.grid, forged)
