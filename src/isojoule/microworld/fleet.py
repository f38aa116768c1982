"""The machines of a world: in each interval Orders look around, and take the cheapest step.

A turn, in this order:

1. Machines begin the interval: stage by the level of their battery, idle draw committed. One that
   falls asleep writes a checkpoint; one that wakes checks it and takes up its work again.
2. Orders that have arrived look, one after the other: critical ones first, then by time of arrival,
   then by name. An Order asks every machine that it reaches and that is awake for its next step,
   and takes the cheapest per operation; ties go by a hash of (seed, Order, machine). Each step
   makes the next dearer, so later Orders see higher prices.
3. It runs if the step costs no more than its share of the Order's value, else it waits. One step an
   interval: an Order is sequential. Past its deadline it is given up; what was done is paid.

The first step at another node than it arrived at carries the input and results. A move carries the
memory out of the one machine and into the other; both are paid, and both must be awake. So the
Orders of a machine that sleeps wait with it. Orders that arrived before the first turn are not of
this run.

Nothing here reads a clock or a generator: a turn follows from state, time and batteries, whatever
the order in which machines and Orders are listed. Spec: docs/spec/machine.md, X14 to X17.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.hashlog import start
from isojoule.machine import Machine, Order, Stage
from isojoule.microworld.fleet_state import (
    Event,
    FleetState,
    Memory,
    Progress,
    Status,
    StepDone,
    Turn,
    Waits,
)
from isojoule.valuation import Battery

REACHES = ("grid", "own")
"""Who may run an Order: any machine in the same connected part, or its customer's own there."""

__all__ = [
    "Event",
    "Fleet",
    "FleetState",
    "Memory",
    "Progress",
    "Status",
    "StepDone",
    "Turn",
    "Waits",
]


@dataclass(frozen=True)
class Fleet:
    """Machines and Orders of a world. Make it by `Fleet.of`.

    Parameters
    ----------
    machines, owners, nodes
        One each: the machine, who owns it, the row of its node.
    orders, order_nodes
        One each: the Order, and the row of the node where it arrives.
    reach
        Per Order the rows of the machines that may run it, by name.
    queue
        Rows of the Orders in the order in which they look.
    """

    machines: tuple[Machine, ...]
    owners: tuple[str, ...]
    nodes: tuple[int, ...]
    orders: tuple[Order, ...]
    order_nodes: tuple[int, ...]
    reach: tuple[tuple[int, ...], ...]
    queue: tuple[int, ...]
    interval_s: int
    seed: bytes

    @classmethod
    def of(
        cls,
        *,
        machines: Sequence[Machine],
        owners: Sequence[str],
        nodes: Sequence[int] | NDArray[np.int64],
        orders: Sequence[Order],
        node_ids: Sequence[str],
        parts: Sequence[int] | NDArray[np.integer],
        reach: str,
        interval_s: int,
        seed: bytes = b"",
    ) -> Fleet:
        """Prepare a fleet.

        Parameters
        ----------
        machines, owners, nodes
            One each: the machine, the participant who owns it, the row of its node.
        orders
            Jobs; their nodes are names in `node_ids`.
        node_ids, parts
            One each: name of the node, and number of the connected part that it lies in.
        reach
            "grid": an Order reaches all machines in its part. "own": of these, its customer's.
        interval_s
            Length of an interval, s.
        seed
            Breaks ties.

        Raises
        ------
        InputError
            An unknown reach or node, or two of one name.
        """
        if reach not in REACHES:
            raise InputError(f"unknown reach {reach!r}", remedy=f"use one of {', '.join(REACHES)}")
        for what, names in (
            ("machine", [m.name for m in machines]),
            ("order", [o.name for o in orders]),
        ):
            if len(set(names)) < len(names):
                raise InputError(f"two of one {what}'s name", remedy="give each its own")
        row_of = {name: row for row, name in enumerate(node_ids)}
        for order in orders:
            if order.node not in row_of:
                raise InputError(
                    f"unknown node {order.node!r}",
                    place=f"order {order.name!r}",
                    remedy="name a known node",
                )
        by_name = sorted(range(len(machines)), key=lambda m: machines[m].name)
        order_nodes = tuple(row_of[o.node] for o in orders)
        return cls(
            machines=tuple(machines),
            owners=tuple(owners),
            nodes=tuple(int(n) for n in nodes),
            orders=tuple(orders),
            order_nodes=order_nodes,
            reach=tuple(
                tuple(
                    m
                    for m in by_name
                    if parts[int(nodes[m])] == parts[at]
                    and (reach == "grid" or owners[m] == order.customer)
                )
                for order, at in zip(orders, order_nodes, strict=True)
            ),
            queue=tuple(
                sorted(
                    range(len(orders)),
                    key=lambda i: (not orders[i].critical, orders[i].at_s, orders[i].name),
                )
            ),
            interval_s=interval_s,
            seed=seed,
        )

    def first(self) -> FleetState:
        """The state before the first turn: all awake, nothing arrived."""
        return FleetState(
            started=False,
            machines=tuple(Memory(Stage.NORMAL, 0, start(m.name)) for m in self.machines),
            orders=(Progress(),) * len(self.orders),
        )

    def turn(self, state: FleetState, time_s: int, batteries: Sequence[Battery]) -> Turn:
        """Play the interval that starts at `time_s`.

        Parameters
        ----------
        state
            Of the turn before.
        time_s
            Start of the interval, epoch seconds UTC.
        batteries
            One each machine, after self-discharge and with nothing committed.
        """
        from isojoule.microworld.fleet_turn import Play

        play = Play(self, state, time_s, batteries)
        for m in sorted(range(len(self.machines)), key=lambda m: self.machines[m].name):
            play.begin(m)
        for i in self.queue:
            if play.orders[i].status is Status.OPEN and self.orders[i].at_s <= time_s:
                play.look(i)
        return Turn(
            state=FleetState(True, tuple(play.memories), tuple(play.orders)),
            committed_uj=tuple(
                h.battery.committed_uj - b.committed_uj
                for h, b in zip(play.hosts, batteries, strict=True)
            ),
            stage=tuple(h.stage for h in play.hosts),
            steps=tuple(play.steps),
            waits=tuple(play.waits),
            events=tuple(play.events),
        )
