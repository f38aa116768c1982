"""Small radial feeders, and a second opinion on them by another modeller and another solver."""

from __future__ import annotations

import warnings
from random import Random
from typing import Any

import numpy as np

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import Load, Offer, Step, Steps, Utility
from tests.market.referee import Verdict, _offer

KWH_J = 3.6e6
KWH_UJ = 3_600_000_000_000
DT = 900.0
NAN = float("nan")


def feeder(
    nodes: list[str],
    links: list[dict[str, Any]],
    limits: dict[str, tuple[float, float]] | None = None,
    volt: float = 400.0,
) -> Grid:
    """A grid of links {ends, r, x, capacity_w, loss, price, owner, standing_w}, ohm and W."""
    at = {name: i for i, name in enumerate(nodes)}
    limits = limits or {}

    def column(name: str, default: float) -> np.ndarray:
        return np.array([float(link.get(name, default)) for link in links])

    return Grid(
        tuple(nodes),
        tuple(link.get("id", "-".join(link["ends"])) for link in links),
        np.array([at[link["ends"][0]] for link in links], np.int32),
        np.array([at[link["ends"][1]] for link in links], np.int32),
        capacity_w=column("capacity_w", np.inf),
        loss_ppb=np.rint(column("loss", 0.0) * 1e9).astype(np.int64),
        resistance_ohm=column("r", 0.0),
        reactance_ohm=column("x", 0.0),
        voltage_v=np.array([float(link.get("volt", volt)) for link in links]),
        standing_loss_w=column("standing_w", 0.0),
        price_per_j=column("price", 0.0),
        owner=tuple(link.get("owner", "") for link in links),
        min_voltage_pu=np.array([limits.get(n, (NAN, NAN))[0] for n in nodes]),
        max_voltage_pu=np.array([limits.get(n, (NAN, NAN))[1] for n in nodes]),
    )


def kwh(energy: float) -> int:
    """Whole microjoules."""
    return round(energy * KWH_UJ)


def buys(name: str, node: str, energy: float, price: float, end: float | None = None,
         factor: float = 1.0) -> Offer:  # fmt: skip
    """An offer to buy so many kWh at a price per kWh."""
    step = Step(kwh(energy), price / KWH_J, (price if end is None else end) / KWH_J)
    return Offer(name, node, Steps(buy=(step,)), id=name, power_factor=factor)


def sells(name: str, node: str, energy: float, price: float, end: float | None = None,
          factor: float = 1.0) -> Offer:  # fmt: skip
    """An offer to sell so many kWh at a price per kWh."""
    step = Step(kwh(energy), price / KWH_J, (price if end is None else end) / KWH_J)
    return Offer(name, node, Steps(sell=(step,)), id=name, power_factor=factor)


def outside(node: str, sells_at: float = 0.30, buys_at: float = 0.08) -> Offer:
    """The utility."""
    return Offer("utility", node, Utility(sells_at / KWH_J, buys_at / KWH_J), id="utility")


def book_of(grid: Grid, *offers: Offer, network: str = "lindistflow") -> Book:
    """A book of a quarter of an hour."""
    return Book.from_offers(offers, grid, interval=Interval(0, DT), network=network)


def random_feeder(rnd: Random) -> tuple[Grid, Book]:
    """A tree of up to nine nodes where voltages and a transformer bind now and then."""
    n = rnd.randint(2, 9)
    names = [f"n{i}" for i in range(n)]
    links = []
    for v in range(1, n):
        up = rnd.choice((v - 1, rnd.randrange(v)))
        ends = (names[up], names[v]) if rnd.random() < 0.7 else (names[v], names[up])
        link: dict[str, Any] = {"ends": ends, "r": rnd.choice((0.0, 0.1, 0.4))}
        link["x"] = rnd.choice((0.0, 0.05, 0.3))
        if rnd.random() < 0.3:
            link["capacity_w"] = rnd.choice((6e3, 15e3, 40e3))
        if rnd.random() < 0.2:
            link["loss"] = 0.01
        if rnd.random() < 0.2:
            link["price"] = 0.01 / KWH_J
        links.append(link)
    held = rnd.choice((1.0, 1.02, 0.99))
    limits = {names[0]: (held, held)}
    for name in names[1:]:
        if rnd.random() < 0.7:
            limits[name] = (rnd.choice((0.93, 0.96)), rnd.choice((1.03, 1.05)))
    grid = feeder(names, links, limits)
    offers = [outside(names[0])]
    for v in range(1, n):
        factor = rnd.choice((1.0, 1.0, 0.95, 0.9))
        kind = rnd.random()
        if kind < 0.4:
            spec: Any = Steps(
                sell=(
                    Step(kwh(rnd.uniform(0.5, 6)), 0.01 / KWH_J, rnd.choice((0.01, 0.05)) / KWH_J),
                )
            )
        elif kind < 0.7:
            spec = Load(kwh(rnd.uniform(0.2, 4)), 5 / KWH_J)
        else:
            high = rnd.uniform(0.2, 0.6)
            spec = Steps(buy=(Step(kwh(rnd.uniform(0.5, 6)), high / KWH_J, 0.1 / KWH_J),))
        offers.append(Offer(f"p{v}", names[v], spec, id=f"p{v}", power_factor=factor))
    return grid, book_of(grid, *offers)


def second_opinion(book: Book, grid: Grid, root: int, root_pu: float) -> Verdict:
    """The optimum of a book on a feeder: welfare, energies (J), nodal prices (money per J)."""
    import cvxpy as cp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the modeller's, not ours
        return _judge(cp, book, grid, root, root_pu)


def _judge(cp: Any, book: Book, grid: Grid, root: int, root_pu: float) -> Verdict:
    e0, p0 = 3.6e6, 0.1 / 3.6e6
    dt = book.interval.duration_s
    worth: list[Any] = []
    rules: list[Any] = []
    arrives: list[list[Any]] = [[cp.Constant(0.0)] for _ in range(grid.node_count)]
    draws: list[list[Any]] = [[cp.Constant(0.0)] for _ in range(grid.node_count)]
    energies = []
    for o in book.offers:
        q, u, more = _offer(cp, o, dt, e0, p0)
        worth.append(u)
        rules += more
        energies.append(q)
        v = grid.node_index[o.node]
        arrives[v].append(-q)
        draws[v].append(np.tan(np.arccos(o.power_factor)) * q)
    # walk down from the root
    above: dict[int, tuple[int, int]] = {}
    order = [root]
    for u in order:
        for e in range(grid.link_count):
            ends = (int(grid.link_from[e]), int(grid.link_to[e]))
            if u in ends:
                v = ends[0] + ends[1] - u
                if v != root and v not in above:
                    above[v] = (u, e)
                    order.append(v)
    reactive = {v: sum(draws[v]) for v in range(grid.node_count)}
    for v in reversed(order[1:]):
        reactive[above[v][0]] = reactive[above[v][0]] + reactive[v]
    square: dict[int, Any] = {root: cp.Constant(root_pu**2)}
    for v in order[1:]:
        u, e = above[v]
        gain = 1.0 - grid.loss_ppb[e] * 1e-9
        volt = grid.voltage_v[e]
        r = grid.resistance_ohm[e] / (volt**2 * dt) * e0
        x = grid.reactance_ohm[e] / (volt**2 * dt) * e0
        down, upward = cp.Variable(nonneg=True), cp.Variable(nonneg=True)
        for sent, near, far in ((down, u, v), (upward, v, u)):
            got = gain * sent
            if r:
                got = cp.Variable()
                rules.append(got <= gain * sent - r * cp.square(sent))
            arrives[near].append(-sent)
            arrives[far].append(got)
            worth.append(-grid.price_per_j[e] / p0 * sent)
        net = down - upward
        square[v] = square[u] - 2 * (r * net + x * reactive[v])
        if np.isfinite(grid.capacity_w[e]):
            limit = grid.capacity_w[e] * dt / e0
            for k in range(32):
                turn = (k + 0.5) * 2 * np.pi / 32
                side = np.cos(turn) * net + np.sin(turn) * reactive[v]
                rules.append(side <= limit * np.cos(np.pi / 32))
    assert grid.min_voltage_pu is not None and grid.max_voltage_pu is not None
    for v in order[1:]:
        if np.isfinite(grid.min_voltage_pu[v]):
            rules.append(square[v] >= grid.min_voltage_pu[v] ** 2)
            rules.append(square[v] <= grid.max_voltage_pu[v] ** 2)
    balance = [sum(a) >= 0 for a in arrives]
    problem = cp.Problem(cp.Maximize(sum(worth)), rules + balance)
    problem.solve(
        solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11, max_iter=400
    )
    assert problem.status in ("optimal", "optimal_inaccurate"), problem.status
    return Verdict(
        float(problem.value) * e0 * p0,
        np.array([float(q.value) for q in energies]) * e0,
        np.array([float(b.dual_value) for b in balance]) * p0,
    )
