"""What one writes without a solver: neighbours trade pair by pair, sweep after sweep.

Two models of the same batteries and links. `Numpy` moves all links at once, each by a part of what
its pair would like, so that nodes with many links do not overshoot. `Mesa` has an agent for each
battery, and an object for each link; one pair after the other trades until neither gains. Both may
undo what they traded before, and both end at the optimum. Straight curves (k = 1), and a battery at
each node.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from benchmarks.program import Answer, Floats, Program, brought


class Model(Protocol):
    """A model that sweeps over all links."""

    def sweep(self) -> None: ...

    def answer(self) -> Answer: ...


class Numpy:
    """Whole arrays: prices, then flows, then energies."""

    def __init__(self, program: Program) -> None:
        p = program.pieces
        self.program = program
        self.flow = np.zeros(program.tail.size)
        self.x = np.zeros(program.nodes)
        self.slope = p.b * p.c1
        degree = np.bincount(program.tail, minlength=program.nodes)
        degree = degree + np.bincount(program.head, minlength=program.nodes)
        heavy = self.slope * np.maximum(degree, 1)
        self.step = 1.0 / (heavy[program.tail] + heavy[program.head])

    def price(self) -> Floats:
        p = self.program.pieces
        return np.asarray(p.a + p.b * p.c0 - self.slope * self.x)

    def sweep(self) -> None:
        q, price = self.program, self.price()
        here, there = price[q.tail], price[q.head]
        ahead = self.flow + self.step * (q.gain * there - here)
        back = self.flow - self.step * (q.gain * here - there)
        self.flow = np.clip(ahead, 0.0, q.capacity_j) + np.clip(back, -q.capacity_j, 0.0)
        self.x = brought(q, self.flow)

    def answer(self) -> Answer:
        return Answer(self.x, self.flow, self.price())


def mesa_model(program: Program) -> Model:
    """The model of agents; Mesa is asked for only here."""
    import mesa

    class Battery(mesa.Agent):
        """Holds energy, knows its links."""

        def __init__(self, model: Any, worth: float, slope: float, lo: float, hi: float) -> None:
            super().__init__(model)
            self.worth, self.slope, self.lo, self.hi = worth, slope, lo, hi
            self.x = 0.0
            self.links: list[Link] = []

        def step(self) -> None:
            for link in self.links:
                link.trade()

    class Link:
        """A pair of batteries and what flows between them."""

        def __init__(self, one: Battery, other: Battery, gain: float, most: float) -> None:
            self.one, self.other, self.gain, self.most = one, other, gain, most
            self.flow = 0.0

        def trade(self) -> None:
            """Undo what flowed, and trade anew: who values it less sells, until it is equal."""
            self.move(-self.flow)
            here = self.one.worth - self.one.slope * self.one.x
            there = self.other.worth - self.other.slope * self.other.x
            if self.gain * there > here:
                self.move(self.best(self.one, self.other, self.gain * there - here))
            elif self.gain * here > there:
                self.move(-self.best(self.other, self.one, self.gain * here - there))

        def best(self, seller: Battery, buyer: Battery, profit: float) -> float:
            wanted = profit / (seller.slope + self.gain**2 * buyer.slope)
            room = min(seller.x - seller.lo, (buyer.hi - buyer.x) / self.gain)
            return min(wanted, self.most, room)

        def move(self, change: float) -> None:
            """Send more ahead; `flow` is of one sign before and after, or 0 between."""
            ahead = self.flow > 0 or (self.flow == 0 and change > 0)
            self.one.x -= change if ahead else self.gain * change
            self.other.x += self.gain * change if ahead else change
            self.flow += change

    class Neighbourhood(mesa.Model):
        """Batteries that trade with their neighbours."""

        def __init__(self) -> None:
            super().__init__(rng=0)
            p = program.pieces
            columns = (p.a + p.b * p.c0, p.b * p.c1, p.lo, p.hi)
            rows = zip(*(c.tolist() for c in columns), strict=True)
            self.batteries = [Battery(self, *row) for row in rows]
            self.links = []
            ends = (program.tail, program.head, program.gain, program.capacity_j)
            for one, other, gain, most in zip(*(c.tolist() for c in ends), strict=True):
                link = Link(self.batteries[one], self.batteries[other], gain, most)
                self.links.append(link)
                link.one.links.append(link)

        def sweep(self) -> None:
            self.agents.do("step")

        def answer(self) -> Answer:
            x = np.array([battery.x for battery in self.batteries])
            flow = np.array([link.flow for link in self.links])
            p = program.pieces
            return Answer(x, flow, np.asarray(p.a + p.b * (p.c0 - p.c1 * x)))

    return Neighbourhood()
