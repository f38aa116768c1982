"""Books to try: a short way to write one, and a seeded generator of every kind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.valuation import Battery, Load, Offer, Spec, Step, Steps, Utility

KINDS = ("path", "tree", "mesh", "islands", "parallel", "copperplate")
POWERS = (0.2, 0.5, 0.75, 1.0, 1.0, 1.5, 2.0, 3.0, 8.0)


def uj(energy_j: float) -> int:
    """Microjoules nearest to so many Joules."""
    return round(energy_j * 1e6)


def grid_of(nodes: int | tuple[str, ...], links: list[dict[str, Any]] = []) -> Grid:  # noqa: B006
    """A grid from links such as {"ends": (0, 1), "capacity_w": 5, "loss": 0.1, "r": 1e-3}.

    `r` is the quadratic loss in an interval of one second, 1/J.
    """
    names = tuple(f"n{i}" for i in range(nodes)) if isinstance(nodes, int) else nodes
    resistance = np.array([float(k.get("r", 0.0)) for k in links])
    return Grid(
        names,
        tuple(k.get("id", f"l{i}") for i, k in enumerate(links)),
        np.array([k["ends"][0] for k in links], np.int32),
        np.array([k["ends"][1] for k in links], np.int32),
        np.array([k.get("capacity_w", math.inf) for k in links]),
        np.array([round(k.get("loss", 0.0) * 1e9) for k in links], np.int64),
        resistance,
        np.zeros(len(links)),
        np.ones(len(links)),
        np.array([float(k.get("standing_w", 0.0)) for k in links]),
        np.array([float(k.get("price", 0.0)) for k in links]),
        tuple(k.get("owner", "") for k in links),
    )


def book_of(
    grid: Grid, offers: list[Offer], *, network: str = "transport", duration_s: float = 1.0
) -> Book:
    """A book over one interval (of one second, so that W and J agree)."""
    return Book.from_offers(offers, grid, interval=Interval(0, duration_s), network=network)


def offer(name: str, node: int | str, spec: Spec, **more: Any) -> Offer:
    """An offer whose id is its participant's name."""
    return Offer(name, f"n{node}" if isinstance(node, int) else node, spec, id=name, **more)


def sell(*steps: tuple[float, ...], spill: float | None = None) -> Steps:
    """Steps to sell: (J, price) or (J, price, end price)."""
    return Steps(sell=_steps(steps), spill_value_per_j=spill)


def buy(*steps: tuple[float, ...]) -> Steps:
    """Steps to buy: (J, price) or (J, price, end price)."""
    return Steps(buy=_steps(steps))


def _steps(steps: tuple[tuple[float, ...], ...]) -> tuple[Step, ...]:
    return tuple(Step(uj(s[0]), s[1], s[-1]) for s in steps)


def clear(book: Book, grid: Grid, mechanism: str = "equilibrium") -> Clearing:
    """Clear, and insist on a clearing."""
    out = get(mechanism).clear(book, grid)
    assert not isinstance(out, Refusal), str(out)
    return out


@dataclass(frozen=True)
class Sizes:
    """Typical sizes of a random book: J, money per J, and how much dearer lost load is."""

    energy_j: float = 100.0
    price: float = 1.0
    lost_load: float = 20.0


SMALL = Sizes()
REAL = Sizes(energy_j=2e7, price=0.30 / 3.6e6, lost_load=17.0)


@dataclass(frozen=True)
class Case:
    """A grid and its offers; `flat` says whether ties may leave energies open."""

    grid: Grid
    offers: list[Offer]
    network: str
    sizes: Sizes
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "book", book_of(self.grid, self.offers, network=self.network))


def random_case(seed: int, sizes: Sizes = SMALL, kind: str | None = None) -> Case:
    """A small random grid with offers of all kinds. Worths are 0 or more: no negative prices."""
    rnd = Random(seed)
    kind = kind or rnd.choice(KINDS)
    n = rnd.randint(1, 2) if kind == "parallel" else rnd.randint(2, 9)
    n = max(n, 2)
    ends: list[tuple[int, int]] = []
    if kind == "path":
        ends = [(i, i + 1) for i in range(n - 1)]
    elif kind in ("tree", "mesh", "copperplate"):
        ends = [(rnd.randrange(i), i) for i in range(1, n)]
    elif kind == "islands":
        ends = [(rnd.randrange(i), i) for i in range(1, n) if rnd.random() < 0.6]
    elif kind == "parallel":
        ends = [(0, 1)] * rnd.randint(2, 4)
    if kind in ("mesh", "islands"):
        ends += [tuple(rnd.sample(range(n), 2)) for _ in range(rnd.randint(1, n))]  # type: ignore[misc]
    ends = [(b, a) if rnd.random() < 0.5 else (a, b) for a, b in ends]
    losses = rnd.choice(("none", "share", "square", "both", "mixed"))
    links = [_random_link(rnd, e, losses, sizes) for e in ends]
    return Case(
        grid_of(n, links),
        _random_offers(rnd, n, sizes),
        "copperplate" if kind == "copperplate" else "transport",
        sizes,
    )


def _random_link(rnd: Random, ends: tuple[int, int], losses: str, sizes: Sizes) -> dict[str, Any]:
    e = sizes.energy_j
    link: dict[str, Any] = {"ends": ends}
    if rnd.random() < 0.5:
        link["capacity_w"] = rnd.choice((0.0, 0.1, 0.3, 1.0, 3.0)) * e
    how = losses if losses != "mixed" else rnd.choice(("none", "share", "square", "both"))
    if how in ("share", "both"):
        link["loss"] = rnd.choice((0.001, 0.02, 0.1, 0.5))
    if how in ("square", "both"):
        link["r"] = rnd.choice((0.01, 0.1, 1.0)) / e
    if rnd.random() < 0.2:
        link["price"] = rnd.choice((0.01, 0.1, 0.5)) * sizes.price
    return link


def _random_offers(rnd: Random, n: int, sizes: Sizes) -> list[Offer]:
    offers: list[Offer] = []
    for v in range(n):
        for _ in range(rnd.choice((0, 1, 1, 1, 2))):  # some buses have nothing
            spec = rnd.choice((random_battery, random_battery, random_steps, random_load))
            offers.append(offer(f"p{len(offers)}", v, spec(rnd, sizes)))
    if rnd.random() < 0.5:
        sells = rnd.uniform(0.5, 1.5) * sizes.price
        utility = Utility(
            sells if rnd.random() < 0.9 else None,
            sells * rnd.uniform(0.1, 1.0) if rnd.random() < 0.9 else None,
        )
        offers.append(offer("utility", rnd.randrange(n), utility))
    return offers


def random_battery(rnd: Random, sizes: Sizes) -> Battery:
    """A battery anywhere: walls, reserve, commitments, overflow and shortfall included."""
    e, p = sizes.energy_j, sizes.price
    capacity = uj(e * rnd.choice((0.3, 1.0, 3.0)))
    reserve = int(capacity * rnd.choice((0.0, 0.0, 0.1, 0.4)))
    committed = int((capacity - reserve) * rnd.choice((0.0, 0.0, 0.0, 0.3)))
    v_min = p * rnd.choice((0.0, 0.05, 0.3))
    v_max = v_min + p * rnd.choice((0.0, 0.3, 1.0))
    critical = v_max * rnd.uniform(1.0, 2.0) if rnd.random() < 0.5 else None
    level = v_max if critical is None else critical
    real = rnd.random() < 0.5
    return Battery(
        energy_uj=int(capacity * rnd.choice((0.0, 1.0, rnd.random(), rnd.random()))),
        capacity_uj=capacity,
        v_min_per_j=v_min,
        v_max_per_j=v_max,
        k=rnd.choice(POWERS),
        reserve_uj=reserve,
        committed_uj=committed,
        inflow_uj=uj(e * rnd.uniform(-0.6, 0.6)) if rnd.random() < 0.5 else 0,
        v_critical_per_j=critical,
        lost_load_per_j=max(level, sizes.lost_load * p) if rnd.random() < 0.5 else None,
        spill_value_per_j=v_min * rnd.choice((0.0, 0.0, 0.5, 1.0)),
        charge_power_w=e * rnd.choice((0.05, 0.3, 1.0)) if rnd.random() < 0.5 else math.inf,
        discharge_power_w=e * rnd.choice((0.05, 0.3, 1.0)) if rnd.random() < 0.5 else math.inf,
        charge_efficiency=rnd.choice((0.5, 0.9, 0.95)) if real else 1.0,
        discharge_efficiency=rnd.choice((0.5, 0.9, 0.95)) if real else 1.0,
    )


def random_steps(rnd: Random, sizes: Sizes) -> Steps:
    """Steps and sloped steps, on one side or on both."""
    e, p = sizes.energy_j, sizes.price

    def side(lo: float, hi: float, rising: bool) -> tuple[Step, ...]:
        prices = sorted(rnd.uniform(lo, hi) for _ in range(4))
        if not rising:
            prices.reverse()
        steps = []
        for i in range(rnd.randint(1, 2)):
            end = prices[2 * i + 1] if rnd.random() < 0.5 else prices[2 * i]
            steps.append(Step(uj(e * rnd.choice((0.0, 0.1, 1.0))), prices[2 * i], end))
        return tuple(steps)

    which = rnd.choice(("sell", "buy", "both", "pv"))
    if which == "pv":
        return Steps(sell=(Step(uj(e * rnd.random()), 0.0, 0.0),), spill_value_per_j=0.0)
    sells = side(0.5 * p, 1.2 * p, True) if which != "buy" else ()
    high = 0.5 * p if which == "both" else 1.5 * p
    return Steps(sell=sells, buy=side(0.1 * p, high, False) if which != "sell" else ())


def random_load(rnd: Random, sizes: Sizes) -> Load:
    """A must-serve load."""
    return Load(uj(sizes.energy_j * rnd.choice((0.05, 0.3, 1.0))), sizes.lost_load * sizes.price)
