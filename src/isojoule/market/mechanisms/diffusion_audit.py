"""The check of a clearing of `diffusion` against its naive implementation.

Integers that the rule states are compared exactly, what curves decide within the margin of D12.
Spec: docs/spec/diffusion.md, D11 and D12.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.names import not_empty
from isojoule.core.units import NANO_PER_UNIT
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.money import payments
from isojoule.market.allocation import bounds_uj, columns_of, price_between, supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.diffusion_naive import Link, Node, piece_of, sweep, turns
from isojoule.market.mechanisms.diffusion_notes import notes
from isojoule.market.mechanisms.diffusion_run import (
    REST_UJ,
    curves_of,
    stands_at,
    wires_of,
)
from isojoule.market.optimum import Columns
from isojoule.market.settle import capacity_uj
from isojoule.market.verify import check_welfare

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MARGIN = 1e-9
"""Of what follows from the stored energies alone: the last places of the curves."""
AS_IF_UJ = 1e-3
"""Some curves are so steep at a kink that prices are compared as if energies were off by this."""
PATH = 1e-7
PATH_UJ = 8
"""Of what follows from all sweeps: this share of the most energy that moves, and so much more."""


class Again(NamedTuple):
    """What the naive implementation finds, in floats for offers."""

    nodes: list[Node]
    links: list[Link]
    energy_uj: Floats
    payment_nano: Floats
    made: int


def audit(sweeps: int, split: float, book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check a clearing; its physics has been checked. Raises VerificationError."""
    network = network_of(grid, "transport", book.interval.duration_s)
    columns = columns_of(book, network)
    c = clearing
    _check_sums(book, grid, c)
    if c.state:
        raise VerificationError("diffusion leaves none", place="state")
    again = _again(sweeps, split, book, grid, columns, network, c.seed)
    energy = np.concatenate([c.energy_uj, c.standing_uj[columns.standing_links]])
    z = np.array([node.z for node in again.nodes], np.int64)
    stored_z = np.zeros_like(z)
    np.add.at(stored_z, columns.offer_node, energy)
    flow = np.array([link.flow for link in again.links], np.int64)
    most = float(np.max(np.abs(np.concatenate([z, flow])), initial=0.0))
    most = max(most, float(np.max(np.abs(again.energy_uj), initial=0.0)))
    margin_uj = PATH_UJ + PATH * most
    names = [*book.offer_ids, *(grid.link_ids[e] for e in columns.standing_links)]
    for what, ids, stored, true in (
        ("link", grid.link_ids, c.flow_uj, flow),
        ("node", grid.node_ids, stored_z, z),
        ("offer", names, energy, again.energy_uj),
    ):
        _near(what, ids, stored, true, margin_uj, "uJ")
    dear = _check_prices(grid, again, stored_z, c)
    margin_nano = 2.0 + margin_uj * dear * 1e-6 * NANO_PER_UNIT
    margin_nano += PATH * float(np.max(np.abs(again.payment_nano), initial=0.0))
    true = again.payment_nano[: book.offer_count]
    _near("offer", book.offer_ids, c.payment_nano, true, margin_nano, "nano-units")
    standing = -float(again.payment_nano[book.offer_count :].sum())
    off = abs(c.operator["standing_loss"] - standing)
    if not off <= margin_nano * (1 + columns.standing_links.size):
        raise VerificationError(
            f"is {c.operator['standing_loss']}, not {standing:.0f}", place="operator.standing_loss"
        )
    _check_trades(grid, c, again, margin_nano)
    _check_welfare(book, grid, c)
    _check_notes(grid, columns, network, c, energy, stored_z, again.made)


def _again(
    sweeps: int, split: float, book: Book, grid: Grid, columns: Columns, network: Network,
    seed: bytes,
) -> Again:  # fmt: skip
    """Run the naive implementation."""
    count = columns.offer_node.size
    low, high = (bound.tolist() for bound in bounds_uj(columns.offer, columns.pieces, count))
    nodes = [Node() for _ in range(network.nodes)]
    rows = zip(*(column.tolist() for column in columns.pieces), strict=True)
    for row, offer, v in zip(rows, columns.offer.tolist(), columns.node.tolist(), strict=True):
        nodes[v].pieces.append(piece_of(offer, *row))
    for offer, v in enumerate(columns.offer_node.tolist()):
        nodes[v].low += low[offer]
        nodes[v].high += high[offer]
    for node in nodes:
        node.ready()
    own = [price_between(np.array([n.bid(0)]), np.array([n.ask(0)])).item() for n in nodes]
    links = [
        Link(*row)
        for row in zip(
            grid.link_ids, network.tail.tolist(), network.head.tolist(),
            capacity_uj(network).tolist(), network.limits.loss_ppb.tolist(),
            network.limits.loss_per_j.tolist(), network.price.tolist(), strict=True,
        )
    ]  # fmt: skip
    start = [list(node.x) for node in nodes]
    profit = [0.0] * count
    order = turns(links, seed)
    made = 0
    while made < sweeps:
        made += 1
        if not sweep(nodes, order, split, profit):
            break
    energy, paid = np.zeros(count), -np.array(profit)
    for v, node in enumerate(nodes):
        for p, x0, x in zip(node.pieces, start[v], node.x, strict=True):
            energy[p.offer] += x * 1e6
            at_home = own[v] * x0 if not math.isnan(own[v]) else 0.0
            paid[p.offer] += at_home + p.gains(x0, x)
    return Again(nodes, links, energy, paid * NANO_PER_UNIT, made)


def _check_sums(book: Book, grid: Grid, c: Clearing) -> None:
    """Owners of links get its price, the lines add up: integers, exactly."""
    carried = payments(grid.price_per_j, -np.abs(c.flow_uj))
    owned = not_empty(grid.owner)
    wrong = np.flatnonzero(c.link_payment_nano != np.where(owned, carried, 0))
    if wrong.size:
        raise VerificationError(
            "pays its owner something else than price times what it carries",
            place=f"link {grid.link_ids[int(wrong[0])]!r}",
        )
    lines = ("carriage", "standing_loss", "rounding")
    if set(c.operator) != set(lines):
        raise VerificationError(f"its lines are not {', '.join(lines)}", place="operator")
    if c.operator["carriage"] != -int(carried[~owned].sum()):
        raise VerificationError("is not price times flow", place="operator.carriage")
    if c.surplus_nano != int(c.payment_nano.sum()) + int(c.link_payment_nano.sum()):
        raise VerificationError("the lines do not add up to the payments", place="operator")


def _check_prices(grid: Grid, again: Again, z: Ints, c: Clearing) -> float:
    """Bids, asks and prices follow from the stored energies. Returns the dearest worth."""
    ends = [p for n in again.nodes for p in n.pieces if p.hi > p.lo]
    scale = max((abs(end) for p in ends for end in (p.top, p.bottom)), default=0.0)
    for name in ("lowest", "highest"):
        bad = np.zeros(z.size, bool)
        for v, node in enumerate(again.nodes):
            worth = node.bid if name == "lowest" else node.ask
            stored = float(getattr(c.certificate, name)[v])
            here = int(z[v])
            most, true, least = (worth(here + d, REST_UJ) for d in (-AS_IF_UJ, 0, AS_IF_UJ))
            near = least - MARGIN * scale <= stored <= most + MARGIN * scale
            bad[v] = not (stored == true or (near and math.isfinite(stored)))
        _none(bad, grid, f"has a {name} price that its offers do not have")
    price = price_between(c.certificate.lowest, c.certificate.highest)
    same = (c.price_per_j == price) | (np.isnan(c.price_per_j) & np.isnan(price))
    _none(~same, grid, "has a price that is not the midpoint of its bid and ask")
    return scale


def _check_trades(grid: Grid, c: Clearing, again: Again, margin_nano: float) -> None:
    """Trades name every link that carries something, its flow and its ends."""
    rows = {trade.link: trade for trade in c.trades}
    if len(rows) != len(c.trades) or list(rows) != sorted(rows):
        raise VerificationError("a link stands twice or out of order", place="trades")
    for e, link in enumerate(again.links):
        flow = int(c.flow_uj[e])
        trade = rows.pop(e, None)
        paid = link.received
        if flow < 0:
            paid = -paid - link.price * abs(flow) * 1e-6
        paid *= NANO_PER_UNIT
        place = f"trades: link {grid.link_ids[e]!r}"
        if trade is None:
            if flow or abs(paid) > margin_nano:
                raise VerificationError("is not told", place=place)
            continue
        ends = (link.tail, link.head) if flow >= 0 else (link.head, link.tail)
        if trade[1:5] != (*ends, abs(flow), abs(flow) - int(c.loss_uj[e])):
            raise VerificationError("is not what the link carries", place=place)
        if not abs(trade.payment_nano - paid) <= margin_nano:
            raise VerificationError(f"pays {trade.payment_nano}, not {paid:.0f}", place=place)
    if rows:
        raise VerificationError("a trade over no link", place="trades")


def _check_welfare(book: Book, grid: Grid, c: Clearing) -> None:
    """The welfare is that of the energies; the duals prove the bound on what it could be."""
    cert = c.certificate
    if not np.all(np.isfinite(cert.duals)):
        raise VerificationError("a dual price is not finite", place="certificate.duals")
    found = supporting_prices(
        book, grid, c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj, cert.duals
    )
    check_welfare(c, found)


def _check_notes(
    grid: Grid, columns: Columns, network: Network, c: Clearing, energy: Ints, z: Ints, made: int
) -> None:
    """What is told of the end follows from energies and flows; the distance is within the gap."""
    told = dict(c.notes)
    distance = told.pop("distance", None)
    if not isinstance(distance, dict) or set(distance) != {"money", "share", "why"}:
        raise VerificationError("is not told", place="notes.distance")
    if not isinstance(distance["why"], str) or (distance["money"] is None) != bool(distance["why"]):
        raise VerificationError("says why it is not known, and only then", place="notes.distance")
    if distance["money"] is None and distance["share"] is not None:
        raise VerificationError("is a share of nothing", place="notes.distance")
    if distance["money"] is not None:
        money, share = _number(distance["money"]), _number(distance["share"])
        margin = MARGIN * (abs(c.welfare) + c.certificate.gap) + 1e-12
        if not 0.0 <= money <= c.certificate.gap + margin:
            raise VerificationError("is more than the duals prove", place="notes.distance")
        best = c.welfare + money
        whole = share == 1.0 and best <= margin
        if not (whole or abs(share * best - money) <= margin):
            raise VerificationError("is not the share of that", place="notes.distance")
    curves = curves_of(columns, network.nodes)
    bid, ask, x = stands_at(curves, z)
    true = notes(
        grid, curves, wires_of(grid, network, c.seed), z_uj=z, flow_uj=c.flow_uj, x=x, bid=bid,
        ask=ask, made=made,
    )  # fmt: skip
    _same_note(told, true, "notes")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise VerificationError(f"{value!r} is no number", place="notes.distance")
    return float(value)


def _same_note(stored: Any, true: Any, place: str) -> None:
    """Two documents that agree but for the last places of their numbers."""
    if isinstance(true, float) and isinstance(stored, int | float):
        if abs(stored - true) <= 1e-6 * abs(true) + 1e-15:
            return
    elif isinstance(true, dict) and isinstance(stored, dict) and stored.keys() == true.keys():
        for key, value in true.items():
            _same_note(stored[key], value, f"{place}.{key}")
        return
    elif isinstance(true, list) and isinstance(stored, list) and len(stored) == len(true):
        for i, value in enumerate(true):
            _same_note(stored[i], value, f"{place}[{i}]")
        return
    elif type(stored) is type(true) and stored == true:
        return
    raise VerificationError(f"is {stored!r}, not {true!r}", place=place)


def _near(
    what: str, names: Any, stored: NDArray[Any], true: NDArray[Any], margin: float, unit: str
) -> None:
    off = ~(np.abs(stored - true) <= margin)
    if off.any():
        at = int(np.flatnonzero(off)[0])
        raise VerificationError(
            f"is {stored[at]} {unit}, the rule run again gives {true[at]:.0f}",
            place=f"{what} {names[at]!r}",
        )


def _none(bad: NDArray[np.bool_], grid: Grid, message: str) -> None:
    if bad.any():
        raise VerificationError(
            message, place=f"node {grid.node_ids[int(np.flatnonzero(bad)[0])]!r}"
        )
