"""Limits of voltage and of apparent power, as rows of the program and as what is left of them.

A book on `lindistflow` is a book on `transport` with more rows: each limit is linear in what
runs down the links, so the program stays concave. Few of them bind, so they are added when an
optimum breaks them. Spec: docs/spec/grid.md, G16 to G19.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.grid.radial import (
    APOTHEM,
    Feeder,
    NotRadial,
    facet_towards,
    farthest,
    feeder_of,
    overload,
)
from isojoule.market.book import Book
from isojoule.valuation import KINDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGIN_PU = 1e-9
"""A limit of voltage is kept if it is passed by no more, per unit; of apparent power, relative."""
UTILITY = KINDS.index("utility")


class Stand(NamedTuple):
    """Where a feeder stands: what runs down each link, J and var s, and squares of voltages."""

    down_j: Floats
    reactive_j: Floats
    square: Floats


class Duals(NamedTuple):
    """What limits cost.

    Attributes
    ----------
    voltage
        Per node, worth of a raise of the square of its voltage, money per square per unit; below
        0 where the upper limit binds.
    active, reactive
        Per link, what its apparent power costs per J and per var s that runs down.
    """

    voltage: Floats
    active: Floats
    reactive: Floats


class Row(NamedTuple):
    """One limit: sum of down * `active` + reactive * `reactive` <= `limit`, over the links.

    `duals` are those that a multiplier of 1 stands for; `name` tells rows apart.
    """

    name: tuple[str, int, int]
    active: Floats
    reactive: Floats
    limit: float
    duals: Duals


def feeder_for(book: Book, grid: Grid) -> Feeder | NotRadial:
    """The feeder of a book: the utility's node holds the voltage where no other does."""
    at = np.unique(book.offer_node[book.offer_kind == UTILITY])
    return feeder_of(grid, book.interval.duration_s, tuple(int(v) for v in at))


def no_duals(feeder: Feeder) -> Duals:
    """Duals where no limit binds."""
    return Duals(np.zeros(feeder.up.size), *(np.zeros(feeder.sign.size) for _ in range(2)))


def stand(feeder: Feeder, book: Book, energy_j: Floats, flow_j: Floats) -> Stand:
    """Where the feeder stands by energies of offers and flows of links, J."""
    drawn = np.bincount(book.offer_node, book.reactive_share * energy_j, feeder.up.size)
    down = feeder.sign * flow_j
    reactive = feeder.reactive_j(drawn.astype(np.float64))
    return Stand(down, reactive, feeder.squares(down, reactive))


def stand_in_integers(feeder: Feeder, book: Book, energy_uj: Ints, flow_uj: Ints) -> Stand:
    """The same, from microjoules."""
    return stand(feeder, book, energy_uj / UJ_PER_J, flow_uj / UJ_PER_J)


def broken_voltage(feeder: Feeder, square: Floats) -> Floats:
    """By how much each voltage is outside its limits, per unit: above 0, below them less than 0."""
    pu = np.sqrt(np.maximum(square, 0.0))
    low = np.sqrt(np.maximum(feeder.lowest_square, 0.0))
    high = np.sqrt(feeder.highest_square)
    out: Floats = np.maximum(pu - high, 0.0) - np.maximum(low - pu, 0.0)
    return out


def kept(feeder: Feeder, grid: Grid, at: Stand) -> str:
    """The node or link whose limit is not kept, in words; "" if all are."""
    beyond = broken_voltage(feeder, at.square)
    if np.any(np.abs(beyond) > MARGIN_PU):
        node = int(np.argmax(np.abs(beyond)))
        return f"the voltage of node {grid.node_ids[node]!r}"
    over = overload(feeder, at.down_j, at.reactive_j)
    if np.any(over > MARGIN_PU):
        return f"the apparent power of link {grid.link_ids[int(np.argmax(over))]!r}"
    return ""


def broken_rows(feeder: Feeder, at: Stand, tolerance: float) -> list[Row]:
    """A row for each limit that is passed: on a branch, where the voltage is farthest out."""
    rows: list[Row] = []
    for upper, beyond in (
        (True, at.square - feeder.highest_square),
        (False, feeder.lowest_square - at.square),
    ):
        worst = np.full(feeder.up.size, -np.inf)
        lower = feeder.up >= 0
        np.maximum.at(worst, feeder.up[lower], beyond[lower])
        above = np.where(lower, beyond[feeder.up], -np.inf)
        peak = (beyond > tolerance) & (beyond >= worst) & (beyond >= above)
        rows += [voltage_row(feeder, int(v), upper=upper) for v in np.flatnonzero(peak)]
    cos, sin = facet_towards(at.down_j, at.reactive_j)
    for e in np.flatnonzero(overload(feeder, at.down_j, at.reactive_j) > tolerance).tolist():
        rows.append(facet_row(feeder, e, float(cos[e]), float(sin[e])))
    return rows


def any_broken(feeder: Feeder, at: Stand, tolerance: float) -> bool:
    """Whether any limit is passed."""
    low, high = feeder.lowest_square, feeder.highest_square
    if np.any(at.square - high > tolerance) or np.any(low - at.square > tolerance):
        return True
    return bool(np.any(overload(feeder, at.down_j, at.reactive_j) > tolerance))


def voltage_row(feeder: Feeder, node: int, *, upper: bool) -> Row:
    """The square of a node's voltage keeps its upper, or its lower limit."""
    on_path = np.zeros(feeder.sign.size)
    v = node
    while feeder.up[v] >= 0:
        on_path[feeder.link[v]] = 1.0
        v = int(feeder.up[v])
    sign = -1.0 if upper else 1.0
    duals = no_duals(feeder)
    duals.voltage[node] = sign
    room = feeder.root_square[node] - (
        feeder.highest_square[node] if upper else feeder.lowest_square[node]
    )
    return Row(
        ("voltage", node, int(upper)),
        sign * on_path * feeder.drop_p,
        sign * on_path * feeder.drop_q,
        float(sign * room),
        duals,
    )


def facet_row(feeder: Feeder, link: int, cos: float, sin: float) -> Row:
    """A link's apparent power stays inside one side of its polygon."""
    duals = no_duals(feeder)
    duals.active[link], duals.reactive[link] = cos, sin
    facet = round(float(np.degrees(np.arctan2(sin, cos))) * 1000)
    return Row(
        ("capacity", link, facet),
        duals.active.copy(),
        duals.reactive.copy(),
        float(APOTHEM * feeder.capacity_j[link]),
        duals,
    )


def on_arcs(feeder: Feeder, network: Network, row: Row) -> Floats:
    """Coefficients of a row over the arcs of the network."""
    way = feeder.sign[network.arc_link] * np.where(network.arc_back, -1.0, 1.0)
    out: Floats = row.active[network.arc_link] * way
    return out


def on_nodes(feeder: Feeder, row: Row) -> Floats:
    """Coefficients of a row over the reactive energy that each node draws."""
    return feeder.reactive_price(row.reactive)


def side_gap(feeder: Feeder, at: Stand, duals: Duals) -> float:
    """What the limits, at these duals, leave on the table: 0 where only those that bind cost.

    inf where a limit costs that is not there.
    """
    nu = duals.voltage
    lower, upper = nu > 0, nu < 0
    gap = float(np.sum(nu[lower] * (at.square - feeder.lowest_square)[lower]))
    gap += float(np.sum(nu[upper] * (at.square - feeder.highest_square)[upper]))
    costs = (duals.active != 0) | (duals.reactive != 0)
    most = feeder.capacity_j[costs] * farthest(duals.active[costs], duals.reactive[costs])
    now = duals.active * at.down_j + duals.reactive * at.reactive_j
    return gap + float(np.sum(most - now[costs]))
