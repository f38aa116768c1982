"""The baseline of worlds without a utility: everybody alone with what is theirs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.prices import PEAK, fill
from isojoule.market.allocation import NotSolved, columns_of, reach_of, supporting_prices
from isojoule.market.apart import Apart, apart_of, best_alone, load_of, own_book, sun_of
from isojoule.market.book import NETWORKS, Book
from isojoule.market.contract import Certificate, Claim, Clearing, Refusal, State, Traits
from isojoule.market.dust import DUST_J, proven, rounding_of
from isojoule.market.mechanisms.equilibrium import refuse_unfit
from isojoule.market.optimum import Columns
from isojoule.market.unproved import check_unproved
from isojoule.valuation import KINDS
from isojoule.valuation.curve import integral, inverse

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BATTERY = KINDS.index("battery")
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
        incentive_compatible=Claim(
            False, "load is served before anything is kept, however little it is worth"
        ),
        individually_rational=Claim(False, "a cheap load empties a dear battery"),
        budget=Claim(True, "no money changes hands"),
        false_name_proof=Claim(False, "under another name a load does not reach the battery"),
        coalition_proof=Claim(
            False, "where two stand at one node its links are off; one may leave it to the other"
        ),
        credible=Claim(True, "where no link costs the operator anything: there is nothing to run"),
        budget_class="balanced",
        networks=NETWORKS,
        agency="indirect",
        information="implicit",
        game="competition",
        how="No market and no utility: everybody alone with what is theirs. Own sun and batteries "
        "serve the own load first, and sun is stored before it is spilled. Links between two "
        "owners are switched off; links between one's own nodes carry what they can.",
        good_for="The baseline of a world off the grid: what would everyone's own panel and "
        "battery do without the neighbours?",
        not_for="Worlds with a utility that would serve what is missing: it would make any market "
        "look good. Its batteries do not plan, as those of utility-only.",
        other_names=("islanded homes",),
    )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        refusal = refuse_unfit(self.name, book)
        if refusal is not None:
            return refusal
        apart = apart_of(book, grid)
        found = best_alone(book, apart)
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
        check_unproved(grid, c, again)

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
    battery = (book.offer_kind == BATTERY)[offer] & ~sun_of(book) & ~load_of(book)

    def at_meter(which: Bools, rest: Floats) -> Floats:
        return np.bincount(node[which], rest[which], apart.grid.node_count).astype(np.float64)

    finite = np.abs(np.concatenate([p.lo, p.hi]))
    largest = float(np.max(finite[np.isfinite(finite)], initial=0.0))
    slack = 4e-6 * (2 + np.bincount(node, minlength=apart.grid.node_count)) + MARGIN * largest
    unserved = at_meter(load_of(book), p.hi - x) > slack
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
