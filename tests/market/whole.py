"""Books with indivisible offers: short ways to write them, a generator, and their clearing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import numpy as np

from isojoule.core.errors import InvariantError
from isojoule.grid import Grid
from isojoule.market import Book, Certificate, Clearing
from isojoule.market.allocation import Allocation, NotSolved, allocate
from isojoule.market.best import best
from isojoule.market.integer.units import crowded, rest_of, units_of
from isojoule.valuation import Bundle, Offer, Steps
from isojoule.valuation.offer import Leg
from tests.market.books import (
    SMALL,
    Case,
    Sizes,
    offer,
    random_battery,
    random_case,
    random_load,
    random_steps,
    uj,
)


def bundle(name: str, legs: list[tuple[int, float]], price: float, **more: Any) -> Offer:
    """A bundle whose id is its participant's name; legs are (node, J received)."""
    spec = Bundle(tuple(Leg(f"n{node}", uj(energy)) for node, energy in legs), price)
    return Offer(more.pop("participant", name), "", spec, id=name, **more)


def solve(book: Book, grid: Grid, seed: bytes = b"") -> Allocation:
    """The best allocation; insists on one."""
    found = best(book, grid, seed=seed)
    assert not isinstance(found, NotSolved), found.reason
    return found


def clearing_of(book: Book, grid: Grid, found: Allocation) -> Clearing:
    """A clearing without payments, for the checks of physics and prices."""
    s = found.support
    return Clearing(
        mechanism="equilibrium",
        parameters={},
        seed=b"",
        energy_uj=found.energy_uj,
        payment_nano=np.zeros(book.offer_count, np.int64),
        flow_uj=found.flow_uj,
        loss_uj=found.loss_uj,
        link_payment_nano=np.zeros(grid.link_count, np.int64),
        standing_uj=found.standing_uj,
        price_per_j=s.price,
        welfare=s.welfare,
        operator={},
        certificate=Certificate(
            kind="bound",
            duals=found.duals,
            lowest=s.lowest,
            highest=s.highest,
            welfare_bound=s.welfare + s.gap,
            gap=s.gap,
            leaves=found.leaves,
            largest_trade_per_j=s.largest_trade_per_j,
        ),
        taken=found.taken,
    )


def every_choice(book: Book, grid: Grid) -> dict[tuple[bool, ...], float]:
    """Welfare of every choice that can be balanced, each a book of divisible offers."""
    units = units_of(book, grid)
    out = {}
    for bits in product((False, True), repeat=units.count):
        choice = np.array(bits, bool)
        if crowded(units, choice) >= 0:
            continue
        try:
            found = allocate(*_turned(rest_of(book, units, choice), grid), 1e12)
        except InvariantError:
            continue
        if not isinstance(found, NotSolved):
            out[bits] = found.value + float(units.worth[choice].sum())
    return out


def _turned(rest: tuple[Book, Any], grid: Grid) -> tuple[Book, Grid, Any]:
    return rest[0], grid, rest[1]


def random_whole(seed: int, sizes: Sizes = SMALL, kind: str | None = None) -> Case:
    """A random book with up to four all-or-nothing offers, bundles or groups beside the rest."""
    case, rnd = random_case(seed, sizes, kind), Random(seed + 1)
    n, e, p = case.grid.node_count, sizes.energy_j, sizes.price
    offers = list(case.offers)
    for i in range(rnd.randint(1, 4)):
        form = rnd.choice(("whole", "bundle", "group"))
        who = f"w{i}"
        if form == "whole":
            spec = random_steps(rnd, sizes)
            if spec.buy and (rnd.random() < 0.5 or not spec.sell):
                spec = Steps(buy=spec.buy)
            else:
                spec = replace(spec, buy=())
            offers.append(offer(who, rnd.randrange(n), spec, all_or_nothing=True))
        elif form == "bundle":
            legs = [
                (rnd.randrange(n), e * rnd.choice((-1, -0.3, 0.1, 0.5, 1)) * rnd.uniform(0.5, 1))
                for _ in range(rnd.randint(1, 3))
            ]
            net = sum(energy for _, energy in legs)
            price = net * p * rnd.uniform(0.3, 1.7) + rnd.uniform(0, 0.2) * e * p
            offers.append(bundle(who, legs, price))
        else:
            for j in range(rnd.randint(2, 3)):
                make = rnd.choice((random_battery, random_steps, random_load))
                node = f"n{rnd.randrange(n)}"
                offers.append(Offer(who, node, make(rnd, sizes), id=f"{who}-{j}", group="g"))
    return Case(case.grid, offers, case.network, sizes)
