"""The loop around the sweeps of a mesh: momentum, looks at the gap, threads.

A look costs about as much as three sweeps, so the next one is made when the gap is expected to be
closed. With two threads the runs of a sweep are stepped through at a time; what is computed does
not depend on it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.common_price import common_prices, moving
from isojoule.kernels.compile import kernel
from isojoule.kernels.first_order import (
    LOOSE,
    RAISED,
    UPHILL,
    Mesh,
    Steps,
    begin,
    prices,
    rates,
    rest_of,
    sweep,
)
from isojoule.kernels.first_order_gap import (
    GAP,
    OFF,
    WELFARE,
    add_links,
    largest_move,
    price_nodes,
    prove_nodes,
)
from isojoule.kernels.mesh import PARTS

Floats = NDArray[np.float64]
Each = Callable[[Callable[[int], None]], None]

FIRST_LOOK = 24
"""Steps before the first look at the gap;"""
LEAST_LOOK, MOST_LOOK = 6, 60
"""fewest and most steps between two."""
MOST_LOOSENED = 60
"""So often bounds that became too wide are lowered when the momentum is dropped. After that they
only rise, so that steps cannot go to and fro for ever."""
MANY = 60_000
"""Links from which on a second thread pays."""
MOMENTUM, LAST, DROP, LOOSENED = range(4)


class Reached(NamedTuple):
    """Where an iteration stands.

    Attributes
    ----------
    x, flow, price
        Pieces, links in the order of sweeps, and nodes.
    steps
        Steps made.
    welfare, gap, off
        Welfare, how far from the optimum it is at most, and the imbalances at their prices, money.
    error
        Largest change of a flow in the last step.
    """

    x: Floats
    flow: Floats
    price: Floats
    steps: int
    welfare: float
    gap: float
    off: float
    error: float


class Goal(NamedTuple):
    """Gap and imbalance that are small enough: this share of the welfare, or this much money."""

    share: float
    least: float

    def of(self, welfare: float) -> float:
        """The bound, money."""
        return max(self.share * abs(welfare), self.least)

    def reached(self, look: Look) -> bool:
        """Whether both are within it; never where something is not a number."""
        bar = self.of(look.welfare)
        return look.gap <= bar and look.off <= bar


@kernel
def _advance(state: Floats) -> float:
    """The momentum of the next step, from what the last one told."""
    if state[DROP] > 0.0:
        state[MOMENTUM] = 1.0
    after = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * state[MOMENTUM] * state[MOMENTUM]))
    ahead = (state[MOMENTUM] - 1.0) / after
    state[MOMENTUM] = after
    return float(ahead)


@kernel
def _told(mesh: Mesh, steps: Steps, state: Floats) -> None:
    """Take up what `prices` told: new rates where bounds have changed."""
    raised = loose = False
    for p in range(PARTS):
        raised = raised or steps.told[p, RAISED] > 0.0
        loose = loose or steps.told[p, LOOSE] > 0.0
    if loose:
        state[LOOSENED] += 1.0
    if raised or loose:
        rates(mesh, steps)
    if raised:
        state[DROP] = 1.0


@kernel
def _run(mesh: Mesh, steps: Steps, flow: Floats, before: Floats, state: Floats,
         count: int) -> None:  # fmt: skip
    """Make an even number of sweeps, alone; the flows stand in `flow` again."""
    for turn in range(count):
        if not mesh.straight:
            lower = state[DROP] > 0.0 and state[LOOSENED] < MOST_LOOSENED
            for p in range(PARTS):
                prices(mesh, steps, p, lower)
            _told(mesh, steps, state)
        ahead = _advance(state)
        one, other = (flow, before) if turn % 2 == 0 else (before, flow)
        for p in range(PARTS + 1):
            sweep(mesh, steps, one, other, p, state[LAST], ahead)
        _close(steps, state, ahead)


@kernel
def _close(steps: Steps, state: Floats, ahead: float) -> None:
    uphill = 0.0
    for p in range(PARTS + 1):
        uphill += steps.told[p, UPHILL]
    state[DROP] = 1.0 if uphill < 0.0 else 0.0
    state[LAST] = ahead


def _run_together(
    mesh: Mesh, steps: Steps, flow: Floats, before: Floats, state: Floats, count: int, each: Each
) -> None:
    """The same, run by run at a time."""
    for turn in range(count):
        if not mesh.straight:
            lower = bool(state[DROP] > 0.0 and state[LOOSENED] < MOST_LOOSENED)
            each(lambda p, lower=lower: prices(mesh, steps, p, lower))  # type: ignore[misc]
            _told(mesh, steps, state)
        ahead = _advance(state)
        last = float(state[LAST])
        one, other = (flow, before) if turn % 2 == 0 else (before, flow)

        def step(
            p: int, one: Floats = one, other: Floats = other, last: float = last,
            ahead: float = ahead,
        ) -> None:  # fmt: skip
            sweep(mesh, steps, one, other, p, last, ahead)

        each(step)
        step(PARTS)
        _close(steps, state, ahead)


def climb(
    mesh: Mesh, flow: Floats, x: Floats, goal: Goal, calm: float, most: int, threads: int = 0
) -> Reached:
    """Solve the program, or come as near as `most` steps lead.

    Parameters
    ----------
    mesh
        The program, in units in which typical energies and prices are near 1.
    flow, x
        Where to begin: links in the order of sweeps, and all pieces.
    goal
        When gap and imbalance are small enough,
    calm
        where, too, no flow changed by more than this in the last step.
    most
        Most steps.
    threads
        Threads; 0: as many as there are processors and runs, one for small graphs.
    """
    with sweepers(mesh, threads) as each:
        return _climb(mesh, flow, x, goal, calm, most, each)


@contextmanager
def sweepers(mesh: Mesh, threads: int = 0) -> Iterator[Each]:
    """What does some work for all runs, with as many threads; see `climb`."""
    if not threads:
        threads = min(PARTS, os.cpu_count() or 1) if mesh.tail.size >= MANY else 1
    if threads == 1:
        yield alone
        return
    with ThreadPoolExecutor(threads - 1) as pool:

        def shared(work: Callable[[int], None]) -> None:
            waiting = [pool.submit(work, p) for p in range(1, PARTS)]
            work(0)
            for future in waiting:
                future.result()

        yield shared


def alone(work: Callable[[int], None]) -> None:
    """Do some work for all runs, one after the other."""
    for p in range(PARTS):
        work(p)


class Look(NamedTuple):
    """What a look at some flows tells: pieces, prices, and as in `Reached`."""

    x: Floats
    lam: Floats
    welfare: float
    gap: float
    off: float


def look_at(mesh: Mesh, flow: Floats, x: Floats, goal: Goal, each: Each = alone) -> Look:
    """Where main pieces stand at these flows, and the better of two proofs.

    The prices of the main pieces where they stand are one; prices that fit each other where energy
    moves freely are the other, which is tried first.
    """
    out = x.copy()
    rest, lam, fitting = (
        np.empty(mesh.main.size),
        np.zeros(mesh.main.size),
        np.empty(mesh.main.size),
    )
    told = np.zeros((PARTS + 1, 3))
    each(lambda p: rest_of(mesh, flow, out, p, rest))
    rest_of(mesh, flow, out, PARTS, rest)
    each(lambda p: price_nodes(mesh, p, rest, out, lam))
    way = np.empty(flow.size, np.uint8)
    each(lambda p: moving(mesh, flow, lam, p, way))
    moving(mesh, flow, lam, PARTS, way)
    common_prices(mesh, flow, out, lam, way, fitting)

    def proof(price: Floats) -> Look:
        each(lambda p: prove_nodes(mesh, p, rest, out, price, told))
        each(lambda p: add_links(mesh, flow, p, price, told))
        add_links(mesh, flow, PARTS, price, told)
        welfare, gap, off = (float(told[:, i].sum()) for i in (WELFARE, GAP, OFF))
        return Look(out, price, welfare, gap, off)

    found = proof(fitting)
    if goal.reached(found):
        return found
    plain = proof(lam)
    return plain if plain.gap + plain.off < found.gap + found.off else found


def _climb(
    mesh: Mesh, flow: Floats, x: Floats, goal: Goal, calm: float, most: int, each: Each
) -> Reached:
    now, before = flow.copy(), flow.copy()
    steps = begin(mesh, now, x)
    state = np.array([1.0, 0.0, 0.0, 0.0])
    done, ahead, stuck = 0, FIRST_LOOK, 0
    seen = math.inf
    if not flow.any():  # a cold start proves nothing
        done = _sweeps(mesh, steps, now, before, state, min(FIRST_LOOK, most), each)
    while True:
        look = look_at(mesh, now, steps.x, goal, each)
        error = largest_move(now, before) if calm < math.inf else 0.0
        bar = goal.of(look.welfare)
        worst = max(look.gap, look.off)
        near = goal.reached(look) and (calm == math.inf or (done > 0 and error <= calm))
        if near or not math.isfinite(look.gap + look.off) or done >= most:
            break
        # straight on beyond a wall: nothing moves any more, and it does not balance
        if look.off > bar:
            still = largest_move(now, before) <= max(calm, 1e-3 * look.off)
            stuck = stuck + 1 if still and look.gap <= look.off else 0
            if stuck >= 3:
                break
        bar = max(bar, 1e-300)  # a goal of nothing is never reached
        count = min(_next_look(ahead, seen / bar, worst / bar), most - done)
        seen = worst
        ahead = _sweeps(mesh, steps, now, before, state, count, each)
        done += ahead
    return Reached(look.x, now, look.lam, done, look.welfare, look.gap, look.off, error)


def _sweeps(
    mesh: Mesh, steps: Steps, now: Floats, before: Floats, state: Floats, count: int, each: Each
) -> int:
    """Make so many sweeps, or one more: the flows stand in `now` after an even number."""
    count += count % 2
    if each is alone:
        _run(mesh, steps, now, before, state, count)
    else:
        _run_together(mesh, steps, now, before, state, count, each)
    return count


def _next_look(steps: int, before: float, now: float) -> int:
    """Steps until the gap is expected to be closed, if it falls as it did in the last `steps`."""
    if not now > 1.0:
        return LEAST_LOOK
    if not before < math.inf:
        return FIRST_LOOK
    fall = math.log(before / now) if now < before else 0.0
    wanted = 0.8 * steps * math.log(now) / fall if fall > 0.0 else 2.0 * steps
    return int(min(max(wanted, LEAST_LOOK), MOST_LOOK, 2 * steps))
