"""Random books, small enough to read and to shrink.

Energies are whole Joules and prices halves of money per Joule, in an interval of one second, so
that W and J agree and ties are frequent. A sample has a kind, which says what is in it:

- "any": steps, slopes, loads, batteries and utilities, several nodes;
- "utility": the same, with one utility that buys and sells;
- "steps": sellers and buyers with one or two flat steps each;
- "unit": sellers and buyers of one Joule each, one offer a participant;
- "one-seller": one seller of several Joules, buyers of one Joule each;
- "one-buyer": one buyer of several Joules, sellers of one step each;
- "whole": steps, some of them all or nothing or in a group, and bundles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st

from isojoule.apps.files.book_files import BookFile
from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.testing.draws import Draw, drawn_by
from isojoule.valuation import Battery, Bundle, Leg, Load, Offer, Spec, Step, Steps, Utility

J = 1_000_000
"""A Joule, in microjoules."""
INTERVAL = Interval(3600, 1.0)
MOST_PRICE = 12
KINDS = ("any", "utility", "steps", "unit", "one-seller", "one-buyer", "whole")


@dataclass(frozen=True, eq=False)
class Sample:
    """A grid and its offers, and the book that they make."""

    grid: Grid
    offers: tuple[Offer, ...]
    network: str

    @cached_property
    def book(self) -> Book:
        """The book of the offers."""
        return Book.from_offers(self.offers, self.grid, interval=INTERVAL, network=self.network)

    @cached_property
    def file(self) -> BookFile:
        """Book, grid and normal form."""
        return BookFile(self.book, self.grid)

    def __repr__(self) -> str:
        lines = [f"Sample on {self.network}, nodes {', '.join(self.grid.node_ids)}"]
        lines += [f"  {row}" for row in self.file.doc["links"]]
        lines += [f"  {row}" for row in self.file.doc["offers"]]
        return "\n".join(lines)


def samples(kind: str = "any", networks: Sequence[str] = ("transport",)) -> st.SearchStrategy[Any]:
    """A strategy of samples of a kind, on one of the networks."""
    return drawn_by(sample, kind, tuple(networks))


def sample(draw: Draw, kind: str, networks: tuple[str, ...]) -> Sample:
    """One sample."""
    network = draw.of(networks)
    nodes = draw.whole(1, 3) if kind in ("any", "utility", "steps", "whole") else 1
    if network in ("transport", "dc", "lindistflow"):
        nodes = max(nodes, 2)
    grid = small_grid(draw, network, nodes, owned=kind in ("any", "utility"))
    return Sample(grid, tuple(_MAKERS[kind](draw, nodes)), network)


def small_grid(draw: Draw, network: str, nodes: int, *, owned: bool = False) -> Grid:
    """A tree of a few nodes (on `dc` sometimes with a ring), as the network takes it."""
    names = tuple(f"n{i}" for i in range(nodes))
    if network == "copperplate":
        return Grid(names)
    ends = [(draw.whole(0, i - 1), i) for i in range(1, nodes)]
    if network == "dc" and nodes == 3 and draw.whole(0, 1):
        ends = [(0, 1), (1, 2), (0, 2)]
    count = len(ends)
    steered = network == "transport"
    loss = [draw.of((0, 0, 20_000_000, 100_000_000)) if steered else 0 for _ in ends]
    capacity = [draw.of((np.inf, np.inf, 1.0, 3.0)) for _ in ends]
    price = [draw.of((0.0, 0.0, 0.0, 0.5)) if owned and steered else 0.0 for _ in ends]
    owner = tuple(draw.of(("", "p0")) if p else "" for p in price)
    near = network == "lindistflow"
    ohm = [draw.of((1.0, 2000.0)) if near else 0.0 for _ in ends]  # 2000: voltages bind
    held = np.where(np.arange(nodes) == 0, 1.0, np.nan)  # the first node holds the voltage
    return Grid(
        names,
        tuple(f"l{i}" for i in range(count)),
        np.array([a for a, _ in ends], np.int32),
        np.array([b for _, b in ends], np.int32),
        capacity_w=np.array(capacity),
        loss_ppb=np.array(loss, np.int64),
        resistance_ohm=np.array(ohm),
        reactance_ohm=np.full(count, 1.0 if not steered else 0.0),
        voltage_v=np.full(count, np.nan if steered else 400.0),
        price_per_j=np.array(price),
        owner=owner,
        node_voltage_v=np.full(nodes, 400.0) if near else None,
        min_voltage_pu=np.where(np.isnan(held), 0.9, held) if near else None,
        max_voltage_pu=np.where(np.isnan(held), 1.1, held) if near else None,
    )


def price(draw: Draw, low: int = 0, high: int = 2 * MOST_PRICE) -> float:
    """A price, money per J: halves."""
    return draw.whole(low, high) / 2.0


def unit(name: str, side: str, price_per_j: float, node: str = "n0", joules: float = 1) -> Offer:
    """An offer of one step, named as its participant."""
    step = (Step(round(joules * J), price_per_j, price_per_j),)
    return Offer(name, node, on_side(side, step), id=name)


def on_side(side: str, steps: tuple[Step, ...]) -> Steps:
    """Steps to "buy" or to "sell"."""
    return Steps(sell=steps) if side == "sell" else Steps(buy=steps)


def _any(draw: Draw, nodes: int, *, utility: bool = False) -> list[Offer]:
    offers = []
    makers: tuple[Callable[[Draw], Spec], ...] = (_steps, _steps, _load, _battery)
    for i in range(draw.whole(2, 5)):
        spec = draw.of(makers)(draw)
        who = f"p{draw.whole(0, i) if draw.whole(0, 3) == 0 else i}"
        offers.append(Offer(who, f"n{draw.whole(0, nodes - 1)}", spec, id=f"o{i}"))
    if utility or draw.whole(0, 1):
        sells = price(draw, 4)
        buys = draw.whole(0, int(2 * sells)) / 2.0
        node = f"n{draw.whole(0, nodes - 1)}"
        offers.append(Offer("utility", node, Utility(sells, buys), id="utility"))
    return offers


def _steps(draw: Draw) -> Steps:
    side = draw.of(("buy", "sell"))
    prices = sorted(price(draw) for _ in range(draw.whole(1, 3)))
    if side == "buy":
        prices.reverse()
    if len(prices) == 2:  # a slope
        return on_side(side, (Step(draw.whole(1, 5) * J, prices[0], prices[1]),))
    return on_side(side, tuple(Step(draw.whole(1, 5) * J, p, p) for p in prices))


def _load(draw: Draw) -> Load:
    return Load(draw.whole(1, 5) * J, price(draw, 4, 8 * MOST_PRICE))


def _battery(draw: Draw) -> Battery:
    capacity = draw.whole(1, 10)
    v_min = price(draw, 0, MOST_PRICE)
    return Battery(
        draw.whole(0, capacity) * J,
        capacity * J,
        v_min_per_j=v_min,
        v_max_per_j=v_min + price(draw, 0, MOST_PRICE),
        k=draw.of((1.0, 2.0, 0.5)),
        charge_efficiency=draw.of((1.0, 0.9)),
        discharge_efficiency=draw.of((1.0, 0.9)),
    )


def _flat(draw: Draw, nodes: int) -> list[Offer]:
    offers = []
    for i in range(draw.whole(2, 6)):
        side = draw.of(("buy", "sell"))
        prices = sorted((price(draw) for _ in range(draw.whole(1, 2))), reverse=side == "buy")
        steps = tuple(Step(draw.whole(1, 4) * J, p, p) for p in prices)
        node = f"n{draw.whole(0, nodes - 1)}"
        offers.append(Offer(f"p{i}", node, on_side(side, steps), id=f"p{i}"))
    return offers


def _units(draw: Draw, nodes: int) -> list[Offer]:
    buyers = [unit(f"b{i}", "buy", price(draw)) for i in range(draw.whole(1, 4))]
    return buyers + [unit(f"s{i}", "sell", price(draw)) for i in range(draw.whole(1, 4))]


def _one_seller(draw: Draw, nodes: int) -> list[Offer]:
    joules = draw.whole(1, 3)
    reserve = price(draw, 0, MOST_PRICE)
    buyers = [unit(f"b{i}", "buy", price(draw)) for i in range(draw.whole(1, 5))]
    return [*buyers, unit("seller", "sell", reserve, joules=joules)]


def _one_buyer(draw: Draw, nodes: int) -> list[Offer]:
    joules = draw.whole(1, 4)
    most = price(draw, MOST_PRICE, 4 * MOST_PRICE)
    count = draw.whole(1, 5)
    sellers = [unit(f"s{i}", "sell", price(draw), joules=draw.whole(1, 3)) for i in range(count)]
    return [*sellers, unit("buyer", "buy", most, joules=joules)]


def _whole(draw: Draw, nodes: int) -> list[Offer]:
    offers = []
    for i in range(draw.whole(2, 5)):
        side = draw.of(("buy", "sell"))
        who, node = f"p{i}", f"n{draw.whole(0, nodes - 1)}"
        p, joules = price(draw), draw.whole(1, 4)
        form = draw.whole(0, 3)
        step = (Step(joules * J, p, p),)
        if form == 3:
            signed = joules * J if side == "buy" else -joules * J
            money = p * joules if side == "buy" else -p * joules
            offers.append(Offer(who, "", Bundle((Leg(node, signed),), money), id=who))
            continue
        group = "either" if form == 2 else ""
        spec = on_side(side, step)
        offers.append(Offer(who, node, spec, id=who, all_or_nothing=form == 1, group=group))
        if group:
            p, joules = price(draw), draw.whole(1, 4)
            other = on_side(side, (Step(joules * J, p, p),))
            offers.append(Offer(who, node, other, id=f"{who}-other", group=group))
    return offers


_MAKERS: dict[str, Callable[[Draw, int], list[Offer]]] = {
    "any": _any,
    "utility": lambda draw, nodes: _any(draw, nodes, utility=True),
    "steps": _flat,
    "unit": _units,
    "one-seller": _one_seller,
    "one-buyer": _one_buyer,
    "whole": _whole,
}
