"""The baseline of worlds without a utility: everybody alone with what is theirs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.prices import PEAK, fill
from isojoule.market.allocation import (
    DUST_J,
    NotSolved,
    allocate,
    columns_of,
    proven,
    reach_of,
    rounding_of,
    supporting_prices,
)
from isojoule.market.book import NETWORKS, Book
from isojoule.market.contract import Certificate, Claim, Clearing, Refusal, State, Traits
from isojoule.market.mechanisms.equilibrium import refuse_unfit
from isojoule.market.optimum import Columns
from isojoule.valuation import KINDS
from isojoule.valuation.battery import PIECES
from isojoule.valuation.curve import integral, inverse

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BATTERY = KINDS.index("battery")
OVERFLOW, SHORT = 1, 2
"""Pieces of a battery, by position: energy above the wall, and what is physically missing."""
FAR = 100.0
"""Energy is sent to the own load, and sun to the own battery, while this share of it, inverted,
arrives of the next Joule."""
KEPT = 0.05
"""So much above its curve, as a share of the dearest one, a stored Joule counts."""
MARGIN = 1e-9
SAME = 1e-6
"""Prices that differ by less than this share support the same energies."""


@dataclass(frozen=True)
class Autarky:
    """Everybody alone: own sun, own batteries, own loads, own links; no trade.

    A node belongs to the only participant with offers at it; a node without offers to the owner
    of all its links, if that is one. A link is open if both its ends belong to one participant,
    else it is switched off. Where several participants have offers at one node, each is alone
    there. A utility, if there is one, is a participant like any other.

    Within what is theirs each reaches the greatest worth, but for two rules, which make the
    baseline as good as it can be whatever the curves of the batteries say: load is served before
    anything is kept, and sun is stored before it is spilled.

    Nobody pays; nodes have no price (nan).
    """

    name: ClassVar[str] = "autarky"
    traits: ClassVar[Traits] = Traits(
        summary="No trade at all: everybody alone with what is theirs.",
        efficient=Claim(False, "neighbours do not trade"),
        incentive_compatible=Claim(True, "what others offer does not matter, and nobody pays"),
        individually_rational=Claim(True, "it is the outside option itself"),
        budget=Claim(True, "no money changes hands"),
        networks=NETWORKS,
        agency="indirect",
        information="implicit",
        game="competition",
    )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        refusal = refuse_unfit(self.name, book)
        if refusal is not None:
            return refusal
        apart = apart_of(book, grid)
        found = allocate(own_book(book, apart), apart.grid)
        if isinstance(found, NotSolved):
            return Refusal(self.name, found.reason, found.remedy)
        flow, loss, standing = np.zeros((3, grid.link_count), np.int64)
        flow[apart.links], loss[apart.links] = found.flow_uj, found.loss_uj
        standing[apart.links] = found.standing_uj
        return _clearing(self, book, grid, found.energy_uj, flow, loss, standing, seed)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive reading of the rule. Raises VerificationError."""
        c = clearing
        again = self.check_tables(book, grid, c, c.surplus_nano)
        if c.operator != again.operator:
            raise VerificationError("nobody pays", place="operator")
        if not np.isnan(c.price_per_j).all():
            at = grid.node_ids[int(np.flatnonzero(~np.isnan(c.price_per_j))[0])]
            raise VerificationError("has a price, though nobody trades", place=f"node {at!r}")
        if not abs(c.welfare - again.welfare) <= MARGIN * abs(again.welfare) + 1e-12:
            raise VerificationError(f"is {c.welfare!r}, not {again.welfare!r}", place="welfare")

    def check_tables(
        self, book: Book, grid: Grid, clearing: Clearing, operator_nano: int
    ) -> Clearing:
        """Check energies and payments, without prices and lines; returns what should stand."""
        c = clearing
        for what, names, paid in (
            ("offer", book.offer_ids, c.payment_nano),
            ("link", grid.link_ids, c.link_payment_nano),
        ):
            if paid.any():
                at = int(np.flatnonzero(paid)[0])
                raise VerificationError("nobody pays", place=f"{what} {names[at]!r}")
        if operator_nano != 0:
            raise VerificationError("nobody pays", place="operator")
        apart = apart_of(book, grid)
        shut = np.ones(grid.link_count, bool)
        shut[apart.links] = False
        used = shut & ((c.flow_uj != 0) | (c.loss_uj != 0) | (c.standing_uj != 0))
        if used.any():
            at = int(np.flatnonzero(used)[0])
            raise VerificationError(
                "is switched off: its ends have not one owner", place=f"link {grid.link_ids[at]!r}"
            )
        _check_own(book, grid, apart, c)
        _check_best(book, grid, apart, c)
        return _clearing(self, book, grid, c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj, c.seed)


class Apart(NamedTuple):
    """A grid cut into what belongs to each.

    Attributes
    ----------
    grid
        A node for each participant at each node, and the open links, which cost nothing.
    offer_node
        Node of each offer there, shape (offers,).
    links
        Rows of the open links in the whole grid, in the order of `grid`.
    places
        Participant and node of the whole grid, for each node of `grid`.
    """

    grid: Grid
    offer_node: NDArray[np.int32]
    links: Ints
    places: tuple[tuple[str, int], ...]


def apart_of(book: Book, grid: Grid) -> Apart:
    """What belongs to whom, kept with the grid once made: the next book may have it, too."""
    kept: tuple[Book, Apart] | None = grid.__dict__.get("_apart")
    if kept is not None and all(
        np.array_equal(getattr(book, name), getattr(kept[0], name))
        for name in ("network", "participants", "offer_participant", "offer_node")
    ):
        return kept[1]
    apart = _cut(book, grid)
    grid.__dict__["_apart"] = (book, apart)
    return apart


def owners_of(book: Book, grid: Grid) -> list[str]:
    """The participant to whom each node belongs; "" if none, or several."""
    found: list[set[str]] = [set() for _ in grid.node_ids]
    links: list[set[str]] = [set() for _ in grid.node_ids]
    for who, node in zip(book.offer_participant, book.offer_node, strict=True):
        found[node].add(book.participants[who])
    for owner, *ends in zip(grid.owner, grid.link_from, grid.link_to, strict=True):
        for node in ends:
            links[node].add(owner)
    every = [offers or owners for offers, owners in zip(found, links, strict=True)]
    return [next(iter(names)) if len(names) == 1 else "" for names in every]


def _cut(book: Book, grid: Grid) -> Apart:
    wires = book.network == "transport"
    owner = owners_of(book, grid)
    same = [a if owner[a] == owner[b] and owner[a] else -1
            for a, b in zip(grid.link_from, grid.link_to, strict=True)]  # fmt: skip
    links = np.flatnonzero(np.array(same, np.int64) >= 0) if wires else np.zeros(0, np.int64)
    number: dict[tuple[str, int], int] = {}

    def node_of(who: str, node: int) -> int:
        # on a copperplate there is one node, where each is alone
        return number.setdefault((who, node if wires else 0), len(number))

    offer_node = [
        node_of(book.participants[who], node)
        for who, node in zip(book.offer_participant, book.offer_node.tolist(), strict=True)
    ]
    tail, head = (
        np.array([node_of(owner[v], v) for v in end[links].tolist()], np.int32)
        for end in (grid.link_from, grid.link_to)
    )
    own = Grid(
        tuple(str(i) for i in range(max(len(number), 1))),
        tuple(grid.link_ids[e] for e in links),
        tail,
        head,
        grid.capacity_w[links],
        grid.loss_ppb[links],
        grid.resistance_ohm[links],
        grid.reactance_ohm[links],
        grid.voltage_v[links],
        grid.standing_loss_w[links],
    )
    return Apart(own, np.array(offer_node, np.int32), links, tuple(number))


def own_book(book: Book, apart: Apart) -> Book:
    """The book on the grid cut apart, with worths by which load comes first and sun last.

    From dear to cheap: load, and what a battery physically lacks; what batteries keep, along
    their curves, which share between batteries of one owner; sun that would be spilled. Other
    offers keep their prices among each other: what is dearer than some load stays so.
    """
    p = book.pieces
    role = _role(book)
    sun, load = sun_of(book), _load_of(book)
    kept = (book.offer_kind == BATTERY)[book.piece_offer] & ~sun & ~load & (p.hi > p.lo)
    level = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    dearest = float(np.max(np.abs(level), initial=0.0)) or 1.0
    stored = float(np.max(level[kept], initial=0.0))
    lift = KEPT * stored if stored > 0 else dearest / FAR
    first = load | ((role < 0) & ~sun & (p.a >= np.min(p.a[load], initial=np.inf)))
    a = np.where(kept, p.a + lift, np.where(first, p.a + FAR * (stored + lift), p.a))
    b = p.b
    if sun.any():
        least, most = float(p.a[sun].min()), float(level[sun].max())
        scale = lift / FAR / ((most - least) or 1.0)
        a = np.where(sun, lift / FAR + scale * (p.a - least), a)
        b = np.where(sun, scale * p.b, b)
    return replace(
        book, network="transport", offer_node=apart.offer_node, pieces=p._replace(a=a, b=b)
    )


def _role(book: Book) -> Ints:
    """Position of each piece in its battery; -1 for pieces of other offers."""
    first = np.searchsorted(book.piece_offer, book.piece_offer)
    role = np.arange(book.piece_offer.size) - first
    return np.where((book.offer_kind == BATTERY)[book.piece_offer], role % PIECES, -1)


def sun_of(book: Book) -> Bools:
    """Pieces of energy that is lost if nobody takes it; not of offers that also buy."""
    p = book.pieces
    buys = np.bincount(book.piece_offer, p.hi > 0, book.offer_count) > 0
    lost = (book.spill1 > 0) & ~buys & (book.offer_kind != BATTERY)
    sun: Bools = (lost[book.piece_offer] & (p.lo < 0)) | ((_role(book) == OVERFLOW) & (p.lo < 0))
    return sun


def _load_of(book: Book) -> Bools:
    """Pieces that must be served: loads, and what batteries physically lack."""
    p = book.pieces
    short = (book.short1 > 0) & (book.offer_kind != BATTERY)
    load: Bools = (short[book.piece_offer] | (_role(book) == SHORT)) & (p.hi > 0)
    return load


def _clearing(
    mechanism: Autarky, book: Book, grid: Grid, energy: Ints, flow: Ints, loss: Ints,
    standing: Ints, seed: bytes,
) -> Clearing:  # fmt: skip
    """What the rule attaches to these energies and flows: no money, no price."""
    p = book.pieces
    x = fill(book.piece_offer.astype(np.int64), p.lo, p.hi, energy / UJ_PER_J)
    carriage = float(np.sum(grid.price_per_j * (np.abs(flow) / UJ_PER_J)))
    welfare = float(integral(p, x).sum()) - carriage
    nodes = grid.node_count
    return Clearing(
        mechanism=mechanism.name,
        parameters=asdict(mechanism),
        seed=seed,
        energy_uj=energy,
        payment_nano=np.zeros(book.offer_count, np.int64),
        flow_uj=flow,
        loss_uj=loss,
        link_payment_nano=np.zeros(grid.link_count, np.int64),
        standing_uj=standing,
        price_per_j=np.full(nodes, np.nan),
        welfare=welfare,
        operator={},
        certificate=Certificate(
            kind="recomputed",
            duals=np.zeros(nodes),
            lowest=np.full(nodes, -np.inf),
            highest=np.full(nodes, np.inf),
            welfare_bound=welfare,
            gap=0.0,
        ),
    )


def _check_own(book: Book, grid: Grid, apart: Apart, clearing: Clearing) -> None:
    """The naive reading, meter by meter and from the book alone: no worth, no price, no solver.

    No load goes unserved while a battery at the same meter could give; and no sun is spilled
    while a battery there could take, or a load there is unserved.
    """
    p, offer = book.pieces, book.piece_offer.astype(np.int64)
    x = fill(offer, p.lo, p.hi, clearing.energy_uj / UJ_PER_J)
    node = apart.offer_node[offer]
    battery = (book.offer_kind == BATTERY)[offer] & ~sun_of(book) & ~_load_of(book)

    def at_meter(which: Bools, rest: Floats) -> Floats:
        return np.bincount(node[which], rest[which], apart.grid.node_count).astype(np.float64)

    finite = np.abs(np.concatenate([p.lo, p.hi]))
    largest = float(np.max(finite[np.isfinite(finite)], initial=0.0))
    slack = 4e-6 * (2 + np.bincount(node, minlength=apart.grid.node_count)) + MARGIN * largest
    unserved = at_meter(_load_of(book), p.hi - x) > slack
    spilled = at_meter(sun_of(book), x - p.lo) > slack
    gives = at_meter(battery, x - p.lo) > slack
    takes = at_meter(battery, p.hi - x) > slack
    for bad, what in (
        (unserved & gives, "leaves load unserved beside a battery of its own that could serve it"),
        (unserved & spilled, "spills sun beside unserved load of its own"),
        (spilled & takes, "spills sun beside a battery of its own that could take it"),
    ):
        if bad.any():
            who, where = apart.places[int(np.flatnonzero(bad)[0])]
            raise VerificationError(
                what, place=f"participant {who!r} at node {grid.node_ids[where]!r}"
            )


def _check_best(book: Book, grid: Grid, apart: Apart, clearing: Clearing) -> None:
    """Prices that follow from the energies alone show that nobody could do better alone.

    Either they prove the worth (weak duality), or at them no piece would gain by standing
    elsewhere (but for rounding, in money) and no link by carrying more or less (but for `SAME`,
    in price). Below a price of 0 one-way flow may leave both open (G4).
    """
    c, links = clearing, apart.links
    own = own_book(book, apart)
    network = network_of(apart.grid, own.network, own.interval.duration_s)
    columns = columns_of(own, network)
    flow, loss, standing = c.flow_uj[links], c.loss_uj[links], c.standing_uj[links]
    flows = (c.energy_uj, flow, loss, standing)
    price = np.zeros(network.nodes)
    for _ in range(2):  # first to find them, then to prove by them
        found = supporting_prices(own, apart.grid, *flows, price)
        price = np.nan_to_num(found.price)
    if found.closed or bool(np.any(columns.pieces.a < 0)):
        return
    price = np.where(np.diff(network.start) == 0, _crossing(columns, network.nodes), price)
    p, here = columns.pieces, price[columns.node]
    reach = reach_of(p, network.capacity_j)
    p = p._replace(lo=np.maximum(p.lo, -reach), hi=np.minimum(p.hi, reach))
    energy = np.concatenate([c.energy_uj, standing[columns.standing_links]])
    x = fill(columns.offer, p.lo, p.hi, energy / UJ_PER_J)
    want = inverse(p, here)
    gain = integral(p, want) - integral(p, x) - here * (want - x)
    dust = rounding_of(columns, network, price)
    bad = np.zeros(network.nodes, bool)
    if not proven(float(integral(p, x).sum()), float(np.maximum(gain, 0.0).sum()), dust):
        bad[columns.node[int(np.argmax(gain))]] = True

    sent = np.abs(flow) / UJ_PER_J
    room = sent < network.capacity_j - DUST_J - MARGIN * sent
    for tail, head, ahead in (
        (network.tail, network.head, flow >= 0),
        (network.head, network.tail, flow <= 0),
    ):
        arrives = network.gain - 2.0 * network.limits.loss_per_j * sent
        more = arrives * price[head] - price[tail]
        near = SAME * np.maximum(price[tail], price[head])
        bad[tail[ahead & room & (more > near) & (arrives > PEAK)]] = True
        bad[tail[ahead & (sent > DUST_J) & (more < -near)]] = True
    if bad.any():
        who, where = apart.places[int(np.flatnonzero(bad)[0])]
        raise VerificationError(
            "does not do the best that is possible alone",
            place=f"participant {who!r} at node {grid.node_ids[where]!r}",
        )


def _crossing(columns: Columns, nodes: int) -> Floats:
    """Price at which what is wanted at each node crosses 0, by halving; shape (nodes,)."""
    p = columns.pieces
    most = float(np.max(p.a + p.b * np.maximum(p.c0, 0.0) ** p.k, initial=0.0))
    low, high = np.zeros(nodes), np.full(nodes, most)
    for _ in range(100):
        middle = 0.5 * (low + high)
        wanted = np.bincount(columns.node, inverse(p, middle[columns.node]), nodes) > 0
        low, high = np.where(wanted, middle, low), np.where(wanted, high, middle)
    crossing: Floats = 0.5 * (low + high)
    return crossing
