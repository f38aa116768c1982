"""From the optimum in floats to microjoules that balance and keep the power flow.

Energies are rounded, and the dust is taken by offers inside the piece that sets their price. Which
flows follow is then fixed. Rounding may lift some of them a little above their limits: then pairs
of offers, the same ones first, exchange a few microjoules, one pair after the other, until no flow
is above. Where pairs do not lead there, all offers move at once, towards flows a little below. At
last each flow is rounded down or up (`isojoule.kernels.round_flow`). Spec: docs/spec/grid.md, G12.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid.dc import LinearFlow
from isojoule.kernels.round_flow import round_flow
from isojoule.market.allocation import bounds_uj
from isojoule.market.book import Book
from isojoule.market.meshed.parts import parts_of
from isojoule.market.optimum import Columns, Optimum, in_integers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGINS_UJ = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 1000.0)
"""How far below their limits flows are moved, one margin after the other."""
SLIGHT_UJ = 0.4
"""A flow that is above its limit by no more may be rounded down to it."""
ROOM_UJ = 1e4
"""An offer with less room inside its piece moves only if nothing else helps."""
RELUCTANT = 1e-3
NEAR_UJ = 50.0
"""Flows nearer to their limits are watched when offers exchange energy."""
FEW = 24
"""So many offers on each side are looked at for an exchange, those that help most."""
EXCHANGES = 300
LEAST_EFFECT = 1e-6
"""An exchange that changes a flow by a smaller share does not help it."""
COST = 1e6
"""How much more a microjoule above a limit counts than one exchanged by the willing."""


def in_whole(
    book: Book, linear: LinearFlow, columns: Columns, found: Optimum, most: Ints
) -> tuple[Ints, Ints] | int:
    """Energies of offers and flows of live links, microjoules; or a live link in the way.

    `most` is what live links may carry, microjoules.
    """
    parts, at = parts_of(linear, columns, found)
    low, high = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    energy, _, _ = in_integers(parts, replace_node(columns, linear.part), at, low, high)
    movable = _movable(found, energy, low, high)
    both = np.concatenate([linear.tail, linear.head])
    incident = np.argsort(both, kind="stable")
    start = np.searchsorted(both[incident], np.arange(linear.nodes + 1)).astype(np.int64)
    worst = 0
    for margin in MARGINS_UJ:
        whole = energy
        if margin:
            whole = _moved(linear, columns, energy, low, high, movable, most, margin)
        whole = _exchanged(linear, columns, whole, low, high, movable, most)
        flow = _flows(linear, columns, whole)
        over = np.abs(flow) - most
        worst = int(np.argmax(over)) if over.size else 0
        if over.size and over[worst] > SLIGHT_UJ:
            continue
        fed_in = np.zeros(linear.nodes, np.int64)
        np.subtract.at(fed_in, columns.offer_node, whole)
        rounded = round_flow(
            linear.tail, linear.head, flow, fed_in, linear.up, linear.link, linear.order, start,
            (incident % max(linear.live.size, 1)).astype(np.int64),
        )  # fmt: skip
        if np.all(np.abs(rounded) <= most):
            return whole[: book.offer_count], rounded
    return worst


def replace_node(columns: Columns, place: Ints) -> Columns:
    """The columns with another place for each node."""
    return columns._replace(node=place[columns.node], offer_node=place[columns.offer_node])


def _flows(linear: LinearFlow, columns: Columns, energy: Ints) -> Floats:
    """The power flow of these energies, microjoules."""
    fed_in = -np.bincount(columns.offer_node, energy, linear.nodes).astype(np.float64)
    return linear.flows(linear.angles(fed_in))


def _movable(found: Optimum, energy: Ints, low: Ints, high: Ints) -> Floats:
    """How willingly each offer moves: 1 inside the piece that sets its price, 0 if it cannot."""
    p, x = found.columns.pieces, found.x
    room = np.where(found.side == 0, np.minimum(x - p.lo, p.hi - x), 0.0) * UJ_PER_J
    inside = np.zeros(energy.size)
    np.maximum.at(inside, found.columns.offer, np.minimum(room, 1e18))
    out = np.where(inside > ROOM_UJ, 1.0, np.where(high > low, RELUCTANT, 0.0))
    return np.asarray(out, np.float64)


def _exchanged(
    linear: LinearFlow, columns: Columns, energy: Ints, low: Ints, high: Ints, movable: Floats,
    most: Ints,
) -> Ints:  # fmt: skip
    """Energies after pairs of offers have exchanged what lifts flows above their limits."""
    flow = _flows(linear, columns, energy)
    near = np.flatnonzero(np.abs(flow) > most - NEAR_UJ)
    flow, limit = flow[near], most[near].astype(np.float64)
    if not np.any(np.abs(flow) - limit > SLIGHT_UJ):
        return energy
    effect = linear.shift(near)[columns.offer_node]
    part, wall_part = linear.part[columns.offer_node], linear.part[linear.tail[near]]
    unwilling = np.where(movable == 1.0, 1.0, 1.0 / RELUCTANT)
    out = energy.copy()
    for _ in range(EXCHANGES):
        over = np.abs(flow) - limit
        worst = int(np.argmax(over))
        if over[worst] <= SLIGHT_UJ:
            break
        pull = effect[:, worst] * np.sign(flow[worst]) / np.sqrt(unwilling)
        here = (movable > 0) & (part == wall_part[worst])
        more = np.flatnonzero(here & (out < high))
        less = np.flatnonzero(here & (out > low))
        more = more[np.argsort(pull[more], kind="stable")[:FEW]]
        less = less[np.argsort(-pull[less], kind="stable")[:FEW]]
        change = effect[more][:, None] - effect[less][None]  # (more, less, near)
        relief = -change[:, :, worst] * np.sign(flow[worst])
        room = np.minimum((high - out)[more][:, None], (out - low)[less][None])
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.ceil((over[worst] - SLIGHT_UJ) / relief)
        step = np.where(relief > LEAST_EFFECT, np.minimum(step, room), 0.0)
        after = np.maximum(np.abs(flow + step[:, :, None] * change) - limit, 0.0).sum(axis=2)
        cost = after * COST + step * (unwilling[more][:, None] + unwilling[less][None])
        cost[step == 0] = np.inf
        if not cost.size or after.flat[int(np.argmin(cost))] >= np.maximum(over, 0.0).sum():
            break
        i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
        out[more[i]] += int(step[i, j])
        out[less[j]] -= int(step[i, j])
        flow = flow + step[i, j] * change[i, j]
    return out


def _moved(
    linear: LinearFlow, columns: Columns, energy: Ints, low: Ints, high: Ints, movable: Floats,
    most: Ints, margin: float,
) -> Ints:  # fmt: skip
    """Energies at which flows that are about full stand at `margin` below their limits."""
    node, part = columns.offer_node, linear.part[columns.offer_node]
    flow, limit = _flows(linear, columns, energy), most.astype(np.float64)
    near = np.flatnonzero(np.abs(flow) > limit - margin - 5.0)
    sign = np.sign(flow[near])
    who = np.flatnonzero(movable > 0)
    sums = np.zeros((linear.root.size, who.size))
    sums[part[who], np.arange(who.size)] = 1.0
    effect = (linear.shift(near)[node[who]] * sign).T
    rows = np.vstack([sums, effect]) * movable[who]
    wanted = np.concatenate([np.zeros(linear.root.size), (limit - margin - np.abs(flow))[near]])
    move = np.linalg.lstsq(rows, wanted, rcond=1e-10)[0] * movable[who]
    out = energy.copy()
    out[who] = np.clip(energy[who] + np.rint(move).astype(np.int64), low[who], high[who])
    for number in range(linear.root.size):  # what rounding left
        rest = int(energy[part == number].sum() - out[part == number].sum())
        mine = who[part[who] == number]
        for o in mine[np.argsort(-movable[mine], kind="stable")].tolist():
            step = int(np.clip(rest, low[o] - out[o], high[o] - out[o]))
            out[o] += step
            rest -= step
            if rest == 0:
                break
        if rest:
            return energy
    return out
