"""Payments by pivots: limits that bind, square losses, bent curves, offers taken whole, meshes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks import graphs
from benchmarks.clock import once, timed
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, seconds, table, times, tiny
from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import Optimal, exactly, optimal, pivots_of, worth_of
from isojoule.valuation import Battery, Bundle, Leg, Load, Offer, Step, Steps, Utility

TITLE = "Payments under limits"
SEED = 5
RUNS, BUDGET_S = 5, 10.0
COLD = 8
KWH_J = 3.6e6
DURATION_S = 900.0
INTERVAL = Interval(0, DURATION_S)


def _step(rng: np.random.Generator, low: float, high: float, slope: float) -> Step:
    energy = int(rng.integers(500_000, 9_000_000)) * 1_000_000
    price = float(rng.uniform(low, high))
    return Step(energy, price / KWH_J, (price + slope) / KWH_J)


def meshed(size: int, seed: int, people: int = 100) -> tuple[Book, Grid]:
    """So many nodes in rings on dc, a few lines full: steps, slopes, loads and batteries."""
    rng = np.random.default_rng(seed)
    ends = [(int(rng.integers(max(0, v - 5), v)), v) for v in range(1, size)]
    ends += [tuple(sorted(rng.choice(size, 2, replace=False).tolist())) for _ in range(size // 2)]
    ends = list(dict.fromkeys(ends))
    narrow = rng.random(len(ends)) < 0.3
    grid = Grid(
        tuple(f"n{i}" for i in range(size)),
        tuple(f"l{i}" for i in range(len(ends))),
        np.array([e[0] for e in ends], np.int32),
        np.array([e[1] for e in ends], np.int32),
        capacity_w=np.where(narrow, rng.uniform(1e3, 4e3, len(ends)), np.inf),
        loss_ppb=np.zeros(len(ends), np.int64),
        reactance_ohm=rng.uniform(0.1, 1.0, len(ends)),
    )
    offers = []
    for i in range(people):
        spec: Steps | Load | Battery
        form = int(rng.integers(5))
        if form < 2:
            spec = Steps(sell=(_step(rng, 0.05, 0.3, rng.choice([0.0, 0.05])),))
        elif form < 3:
            spec = Steps(buy=(_step(rng, 0.1, 0.4, rng.choice([0.0, -0.05])),))
        elif form < 4:
            spec = Load(int(rng.integers(100_000, 3_000_000)) * 1_000_000, 3.0 / KWH_J)
        else:
            most = 9_000_000_000_000
            spec = Battery(
                int(rng.integers(1, 9)) * most // 10, most, v_min_per_j=0.08 / KWH_J,
                v_max_per_j=0.3 / KWH_J,
            )  # fmt: skip
        offers.append(Offer(f"p{i}", f"n{int(rng.integers(size))}", spec, id=f"o{i}"))
    offers.append(Offer("utility", "n0", Utility(0.45 / KWH_J, 0.04 / KWH_J), id="utility"))
    return Book.from_offers(offers, grid, interval=INTERVAL, network="dc"), grid


def stepped(people: int, seed: int) -> tuple[Book, Grid]:
    """Steps of so many participants at 60 nodes in rings on dc, and a utility."""
    _, grid = meshed(60, seed, 3)
    rng = np.random.default_rng(seed)
    offers = []
    for i in range(people):
        sells = rng.random() < 0.5
        step = _step(rng, 0.05, 0.3 if sells else 0.45, 0.0)
        spec = Steps(sell=(step,)) if sells else Steps(buy=(step,))
        offers.append(Offer(f"p{i}", f"n{int(rng.integers(60))}", spec, id=f"o{i}"))
    offers.append(Offer("utility", "n0", Utility(0.30 / KWH_J, 0.08 / KWH_J), id="utility"))
    return Book.from_offers(offers, grid, interval=INTERVAL, network="dc"), grid


def feeder(size: int, seed: int) -> tuple[Book, Grid]:
    """A feeder of so many homes whose sun lifts voltages to their limits; lines lose energy."""
    rng = np.random.default_rng(seed)
    parent = [max(0, v - int(rng.integers(1, 5))) for v in range(1, size)]
    count = size - 1
    grid = Grid(
        tuple(f"n{i}" for i in range(size)),
        tuple(f"l{i}" for i in range(count)),
        np.array(parent, np.int32),
        np.arange(1, size, dtype=np.int32),
        capacity_w=np.full(count, 2e5),
        loss_ppb=np.zeros(count, np.int64),
        resistance_ohm=rng.uniform(0.005, 0.02, count),
        reactance_ohm=rng.uniform(0.002, 0.01, count),
        voltage_v=np.full(count, 400.0),
        min_voltage_pu=np.append(1.0, np.full(count, 0.95)),
        max_voltage_pu=np.append(1.0, np.full(count, 1.05)),
    )
    offers = [Offer("utility", "n0", Utility(0.30 / KWH_J, 0.08 / KWH_J), id="utility")]
    for v in range(1, size):
        factor = float(rng.choice([1.0, 0.95]))
        sun = rng.random() < 0.5
        spec = (
            Steps(sell=(_step(rng, 0.02, 0.06, 0.0),))
            if sun
            else Steps(buy=(_step(rng, 0.1, 0.4, -0.02),))
        )
        offers.append(Offer(f"p{v}", f"n{v}", spec, id=f"o{v}", power_factor=factor))
    return Book.from_offers(offers, grid, interval=INTERVAL, network="lindistflow"), grid


def bundles(size: int, seed: int) -> tuple[Book, Grid]:
    """So many participants with bundles, blocks and groups at ten nodes, and sellers of steps."""
    rng = np.random.default_rng(seed)
    nodes = 10
    grid = Grid(
        tuple(f"n{i}" for i in range(nodes)),
        tuple(f"l{i}" for i in range(nodes - 1)),
        np.array([max(0, v - int(rng.integers(1, 3))) for v in range(1, nodes)], np.int32),
        np.arange(1, nodes, dtype=np.int32),
        capacity_w=rng.uniform(1e4, 4e4, nodes - 1),
        loss_ppb=np.full(nodes - 1, 10_000_000, np.int64),
    )
    offers = []
    for i in range(size):
        who, form = f"p{i}", int(rng.integers(4))
        at = rng.choice(nodes, 2, replace=False).tolist()
        each = int(rng.integers(500, 4_000)) * 1_000_000_000
        worth = float(rng.uniform(0.1, 0.4)) / KWH_J
        if form == 0:
            legs = tuple(Leg(f"n{v}", each) for v in at)
            offers.append(Offer(who, "", Bundle(legs, 2 * each * 1e-6 * worth), id=f"o{i}"))
        elif form == 1:
            block = Steps(buy=(Step(each, worth, worth),))
            offers.append(Offer(who, f"n{at[0]}", block, id=f"o{i}", all_or_nothing=True))
        elif form == 2:
            for j, v in enumerate(at):
                block = Steps(buy=(Step(each * (j + 1), worth, worth),))
                more = {"all_or_nothing": True, "group": "g"}
                offers.append(Offer(who, f"n{v}", block, id=f"o{i}.{j}", **more))
        else:
            sells = Steps(sell=(Step(2 * each, worth / 3, worth / 2),))
            offers.append(Offer(who, f"n{at[0]}", sells, id=f"o{i}"))
    return Book.from_offers(offers, grid, interval=INTERVAL, network="transport"), grid


def homes(size: int, seed: int) -> tuple[Book, Grid]:
    """A feeder of so many homes with bent batteries, whose lines lose by the square of the flow."""
    rng = np.random.default_rng(seed)
    count = size - 1
    grid = Grid(
        tuple(f"n{i}" for i in range(size)),
        tuple(f"l{i}" for i in range(count)),
        np.array([max(0, v - int(rng.integers(1, 5))) for v in range(1, size)], np.int32),
        np.arange(1, size, dtype=np.int32),
        capacity_w=np.full(count, 2e5),
        loss_ppb=np.zeros(count, np.int64),
        resistance_ohm=rng.uniform(0.005, 0.02, count),
        voltage_v=np.full(count, 400.0),
    )
    offers = [Offer("utility", "n0", Utility(0.30 / KWH_J, 0.08 / KWH_J), id="utility")]
    most = 9_000_000_000_000
    for v in range(1, size):
        pack = Battery(
            int(rng.integers(1, 9)) * most // 10, most, v_min_per_j=0.09 / KWH_J,
            v_max_per_j=0.27 / KWH_J, k=float(rng.choice([0.5, 1.0, 2.0])),
        )  # fmt: skip
        need = Load(int(rng.integers(100, 2_000)) * 1_000_000_000, 3.0 / KWH_J)
        offers += [
            Offer(f"p{v}", f"n{v}", spec, id=f"{k}{v}") for k, spec in (("b", pack), ("l", need))
        ]
    return Book.from_offers(offers, grid, interval=INTERVAL, network="transport"), grid


def lots(size: int, seed: int) -> tuple[Book, Grid]:
    """So many lots at places of their own, and as many bidders of whom each wants one of them."""
    rng = np.random.default_rng(seed)
    names = tuple(f"n{i}" for i in range(size))
    nothing = np.zeros(0, np.int32)
    grid = Grid(names, (), nothing, nothing, np.zeros(0), np.zeros(0, np.int64))
    lot = 1_000_000_000_000
    offers = [
        Offer(f"s{v}", n, Steps(sell=(_step(rng, 0.02, 0.06, 0.0),)), id=f"s{v}")
        for v, n in enumerate(names)
    ]
    for b in range(size):
        for v, n in enumerate(names):
            worth = float(rng.integers(1, 100)) / 100
            one = Bundle((Leg(n, lot),), worth)
            offers.append(Offer(f"b{b}", "", one, id=f"b{b}-{v}", group="g"))
    return Book.from_offers(offers, grid, interval=INTERVAL, network="transport"), grid


def square(size: int, seed: int, loss: float) -> tuple[Book, Grid]:
    """A square of about so many homes: sun, need, batteries; two of three links are narrow."""
    rng = np.random.default_rng(seed)
    rows = math.isqrt(size)
    shape = graphs.grid(rows, rows)
    grid = Grid(
        tuple(f"n{i}" for i in range(shape.nodes)),
        tuple(f"l{i}" for i in range(shape.links)),
        shape.tail,
        shape.head,
        capacity_w=rng.choice([np.inf, 1e4, 4e3], shape.links),
        loss_ppb=np.full(shape.links, round(loss * 1e9), np.int64),
    )
    offers, most = [], 9_000_000_000_000
    for v in range(shape.nodes):
        form = int(rng.integers(3))
        spec: Steps | Battery
        if form == 0:
            spec = Steps(sell=(_step(rng, 0.05, 0.2, 0.1),))
        elif form == 1:
            spec = Steps(buy=(_step(rng, 0.2, 0.4, -0.1),))
        else:
            spec = Battery(
                int(rng.integers(1, 9)) * most // 10, most, v_min_per_j=0.08 / KWH_J,
                v_max_per_j=0.3 / KWH_J,
            )  # fmt: skip
        offers.append(Offer(f"p{v}", f"n{v}", spec, id=f"o{v}"))
    return Book.from_offers(offers, grid, interval=INTERVAL, network="transport"), grid


class Kind(NamedTuple):
    """What is measured: a maker, its sizes, and what it is.

    `few` is for how many payments are asked, 0: all. `cold` solves anew; by the interior point
    where it would be by steps on flows, which know a welfare to 1e-8.
    """

    make: Callable[[int, int], tuple[Book, Grid]]
    sizes: tuple[int, ...]
    told: str
    few: int = 0
    cold: Callable[[Book, Grid, bytes], Optimal | NotSolved] = worth_of


KINDS = {
    "meshed": Kind(meshed, (30, 60, 120), "`dc`, 101 participants, nodes:"),
    "stepped": Kind(stepped, (100, 300), "`dc`, 60 nodes, steps and a utility, participants:"),
    "feeder": Kind(feeder, (30, 60, 100), "`lindistflow`, homes:"),
    "homes": Kind(homes, (100, 300), "`transport`, square losses and bent batteries, homes:"),
    "bundles": Kind(bundles, (20, 40), "bundles, blocks, groups, participants:"),
    "lots": Kind(lots, (15, 30, 60), "assignment, bidders and sellers each:"),
    "mesh": Kind(partial(square, loss=0.02), (400, 5_041), "`transport`, rings, 2 % lossy, homes:",
                 300, exactly),
    "even": Kind(partial(square, loss=0.0), (400, 5_041), "`transport`, rings, lossless, homes:",
                 300, exactly),
}  # fmt: skip


def measure(quick: bool, say: Say) -> Data:
    """All kinds, at all sizes; the smallest of each if it is to be quick."""
    rows = []
    for name, kind in KINDS.items():
        _one(kind, 12, 1)  # compiles
        for size in kind.sizes[: 1 if quick else None]:
            say(f"{name}, {size}")
            rows.append({"kind": name, "size": size} | _one(kind, size, COLD))
    return {"rows": rows, "cold": COLD}


def _one(kind: Kind, size: int, cold: int) -> Data:
    """Times of the optimum, of the payments, and of one more solution each."""
    book, grid = kind.make(size, SEED)
    solve_s, found = once(lambda: best(book, grid))
    if isinstance(found, NotSolved):
        raise ValueError(found.reason)
    parties = parties_of(book, grid)
    every = np.arange(parties.count)
    if kind.few:
        every = every[:: max(1, parties.count // kind.few)][: kind.few]
    spent, pays = timed(lambda: pivots_of(book, grid, found, parties, every), RUNS, BUDGET_S)
    if isinstance(pays, NotSolved):
        raise ValueError(pays.reason)
    busy = np.flatnonzero(~parties.silent(book, found, found.taken)[every])
    some = busy[:: max(1, busy.size // cold)]
    stands, whole = optimal(book, grid, found), kind.cold(book, grid, b"")
    if isinstance(whole, NotSolved):
        raise ValueError(whole.reason)
    differ = cold_s = 0.0
    for at, i in zip(some.tolist(), every[some].tolist(), strict=True):
        left = without(book, grid, parties.name(i))
        took_s, rest = once(lambda left=left: kind.cold(*left, b""))
        if isinstance(rest, NotSolved):
            raise ValueError(rest.reason)
        cold_s += took_s
        own = stands.terms(parties.offer == i, parties.link == i)
        money = _total(rest) - _total(whole) + float(np.sum(own))
        differ = max(differ, abs(money - float(pays.money[at])))
    return {
        "payments": int(busy.size),
        "optimum_s": solve_s,
        "ours_s": spent.median_s,
        "cold_s": cold_s * busy.size / max(some.size, 1),
        "differ": differ / float(np.abs(stands.offers).sum()),
    }


def _total(one: Optimal) -> float:
    return float(np.sum(one.terms())) + one.operator + one.slack


def page(data: Data) -> str:
    """The table."""
    rows = [
        [
            f"{KINDS[r['kind']].told} {count(r['size'])}",
            count(r["payments"]),
            seconds(r["optimum_s"]),
            seconds(r["ours_s"]),
            seconds(r["cold_s"]),
            times(r["cold_s"] / r["ours_s"]),
            tiny(r["differ"]),
        ]
        for r in data["rows"]
    ]
    heads = ["book", "payments", "optimum", "all payments", "one solution each", "ratio", "differ"]
    return f"""\
Where lines are full, voltages at their limits, losses quadratic, curves bent, or offers taken
whole, and on meshes, payments go on from the optimum ([spec/vcg.md](spec/vcg.md), P16 to P21).
Beside it, the same book is solved anew without a participant, for {data["cold"]} or a few more of
those who trade, scaled to all; on meshes 300 of the homes are asked for. *Differ*: by how much
their payments differ at most, as a share of what all offers are worth.

{table(heads, rows)}
"""
