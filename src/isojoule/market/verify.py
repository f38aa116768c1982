"""The check of a clearing, from book, grid and clearing alone. No solver is run.

What is checked, in this order; the first thing that fails is named:

1. every offer's energy lies within its bounds, in integers;
2. every flow within its limit, every loss is the loss of its flow, in integers;
3. every node balances, to the microjoule;
4. the prices follow from the stored energies and flows, and prove the welfare;
5. every payment is price times energy, to the nano-unit, and the operator's lines add up.

Curve values may differ in the last place between machines, so 4 is checked with a margin of
`MARGIN` (relative); everything in integers is exact. Spec: docs/spec/certificate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from isojoule.core.canonical import first_difference
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.commit import losses, residuals
from isojoule.market.allocation import (
    Support,
    bounds_uj,
    columns_of,
    price_between,
    supporting_prices,
)
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Clearing, Mechanism, Refusal
from isojoule.market.integer.check import proved, rest_in
from isojoule.market.integer.units import NO_LEGS
from isojoule.market.mechanisms import get
from isojoule.market.meshed.check import check_flows
from isojoule.market.meshed.check import support_of as support_of_meshed
from isojoule.market.meshed.settle import row_payments
from isojoule.market.radial.check import check_limits, support_of
from isojoule.market.radial.settle import payments_of
from isojoule.market.settle import Paid, capacity_uj, nodal_payments

MARGIN = 1e-9
DIGITS = 1e-12
"""A sum of worths is known to this share of their sizes."""
NO_PRICE = 1e-9
"""A price below this share of the greatest counts as no more than 0."""
SIDED = ("dc", "lindistflow")
"""Networks with duals beside those of the nodes."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
PriceRule = Callable[[Floats, Floats], Floats]
"""From least and greatest supporting prices to the prices of the clearing."""


def check_clearing(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check a clearing against its book.

    Raises
    ------
    VerificationError
        At the first thing that does not hold; names the offer, link or node.
    """
    check_physics(book, grid, clearing)
    mechanism = get(clearing.mechanism, **clearing.parameters)
    check_fits(mechanism, book, clearing)
    for name in ("trades", "notes", "matches"):
        if getattr(clearing, name) and not getattr(mechanism, "tells", False):
            raise VerificationError(f"{clearing.mechanism} does not tell any", place=name)
    if clearing.certificate.kind in ("dual", "bound"):
        if clearing.state and not getattr(mechanism, "tells", False):
            raise VerificationError(f"{clearing.mechanism} leaves none", place="state")
        price_rule: PriceRule = getattr(mechanism, "prices", price_between)
        check_prices(book, grid, clearing, price_rule)
        check_payments = getattr(mechanism, "check_payments", check_nodal_payments)
        check_payments(book, grid, clearing)
        return
    audit = getattr(mechanism, "audit", None)
    if audit is not None:
        audit(book, grid, clearing)
        if not math.isnan(clearing.certificate.largest_trade_per_j):
            found = support_in(book, grid, clearing)
            check_trade_left(clearing.certificate, found.largest_trade_per_j, 0.0)
        return
    again = mechanism.clear(book, grid, state=clearing.state_before, seed=clearing.seed)
    if isinstance(again, Refusal):
        raise VerificationError(f"the rule, run again, gives no clearing: {again}")
    check_same(book, grid, clearing, again)


def check_fits(mechanism: Mechanism, book: Book, clearing: Clearing) -> None:
    """The mechanism clears such books, and proves itself in this way.

    What else it refuses, it says by `refuses(book)`, or its own check finds.
    """
    name = mechanism.name
    if book.network not in mechanism.traits.networks:
        raise VerificationError(f"{name} does not clear {book.network!r}", place="book.network")
    refuses = getattr(mechanism, "refuses", None)
    refusal = refuses(book) if refuses else None
    if refusal is not None:
        raise VerificationError(f"the rule gives no clearing: {refusal}", place="book")
    if hasattr(mechanism, "audit") and clearing.certificate.kind != "recomputed":
        raise VerificationError(
            f"{name} does not give a certificate of this kind", place="certificate.kind"
        )
    if book.network in SIDED and not math.isnan(clearing.certificate.largest_trade_per_j):
        raise VerificationError("is not told here", place="certificate.largest_trade_per_j")
    if clearing.certificate.side and book.network not in SIDED:
        raise VerificationError(f"{book.network} has no other duals", place="certificate.side")


def check_same(book: Book, grid: Grid, clearing: Clearing, again: Clearing) -> None:
    """Check that a clearing is what the rule gives when it is run again.

    Integers, and all that is told, must be the same; prices and welfare within `MARGIN`.
    """
    if clearing.certificate.kind != again.certificate.kind:
        raise VerificationError("is not what the rule gives", place="certificate.kind")
    for name, names, what in (
        ("energy_uj", book.offer_ids, "offer"),
        ("payment_nano", book.offer_ids, "offer"),
        ("taken", book.offer_ids, "offer"),
        ("flow_uj", grid.link_ids, "link"),
        ("link_payment_nano", grid.link_ids, "link"),
    ):
        one, other = getattr(clearing, name), getattr(again, name)
        if (one is None) != (other is None):
            raise VerificationError("is not what the rule gives", place=name)
        if one is not None:
            _no(one != other, names, what, f"has another {name} than the rule gives")
    for name in ("operator", "state", "trades", "notes", "matches"):
        # which knows 1 from true
        if first_difference(getattr(clearing, name), getattr(again, name)):
            raise VerificationError("is not what the rule gives", place=name)
    one, other = clearing.price_per_j, again.price_per_j
    scale = float(np.max(np.abs(other[np.isfinite(other)]), initial=0.0))
    near = _same(one, other) | (np.abs(one - other) <= MARGIN * scale)
    _no(~near, grid.node_ids, "node", "has another price than the rule gives")
    check_trade_left(clearing.certificate, again.certificate.largest_trade_per_j, scale)
    if not abs(clearing.welfare - again.welfare) <= MARGIN * abs(again.welfare) + 1e-12:
        raise VerificationError(
            f"is {clearing.welfare!r}, the rule gives {again.welfare!r}", place="welfare"
        )


def check_physics(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Bounds, limits, losses and balance, all in integers."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    links = network.tail.size
    for name, length in (
        ("energy_uj", book.offer_count),
        ("payment_nano", book.offer_count),
        ("flow_uj", grid.link_count),
        ("loss_uj", grid.link_count),
        ("standing_uj", grid.link_count),
        ("link_payment_nano", grid.link_count),
        ("price_per_j", grid.node_count),
    ):
        if getattr(clearing, name).shape != (length,):
            raise VerificationError(f"{name} has not {length} entries", place=name)
    for name in ("duals", "lowest", "highest"):
        if getattr(clearing.certificate, name).shape != (grid.node_count,):
            raise VerificationError(
                f"{name} has not {grid.node_count} entries", place=f"certificate.{name}"
            )

    legs, received = NO_LEGS, clearing.energy_uj
    if book.indivisible:
        divisible, legs, received, _ = rest_in(book, grid, clearing)
        columns = columns_of(divisible, network)
    elif clearing.taken is not None:
        raise VerificationError("every offer of the book is divisible", place="taken")
    low, high = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    energy = np.concatenate([received, clearing.standing_uj[columns.standing_links]])
    outside = (energy < low) | (energy > high)
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        if at < book.offer_count:
            name = f"offer {book.offer_ids[at]!r}"
        else:
            link = columns.standing_links[at - book.offer_count]
            name = f"standing loss of link {grid.link_ids[link]!r}"
        raise VerificationError(
            f"energy of {energy[at]} uJ is outside {low[at]} .. {high[at]}", place=name
        )
    silent = np.ones(grid.link_count, bool)
    silent[columns.standing_links] = False
    _no(silent & (clearing.standing_uj != 0), grid.link_ids, "link", "has no standing loss")
    unused = np.arange(grid.link_count) >= links
    _no(
        unused & ((clearing.flow_uj != 0) | (clearing.loss_uj != 0)),
        grid.link_ids,
        "link",
        "carries energy, which this network formulation does not know",
    )
    flow, loss = clearing.flow_uj[:links], clearing.loss_uj[:links]
    names = grid.link_ids
    _no(np.abs(flow) > capacity_uj(network), names, "link", "carries more than its limit")
    true_loss = losses(flow, network.limits.loss_ppb, network.limits.loss_per_j)
    _no(loss != true_loss, names, "link", "loses something else than the loss of its flow")
    rest = residuals(
        network.tail, network.head, flow, network.limits.loss_ppb, network.limits.loss_per_j,
        np.append(columns.offer_node, network.node_of[legs.node]),
        np.append(energy, legs.energy_uj), network.nodes,
    )  # fmt: skip
    nodes = grid.node_ids if network.nodes == grid.node_count else ("(copperplate)",)
    if rest.any():
        at = int(np.flatnonzero(rest)[0])
        raise VerificationError(f"is off balance by {rest[at]} uJ", place=f"node {nodes[at]!r}")
    if book.network == "lindistflow":
        check_limits(book, grid, clearing)
    elif book.network == "dc":
        check_flows(book, grid, clearing)


def check_prices(
    book: Book, grid: Grid, clearing: Clearing, price_rule: PriceRule = price_between
) -> None:
    """Prices, welfare and gap follow from the integers."""
    c = clearing.certificate
    if not np.all(np.isfinite(c.duals)):
        raise VerificationError("a dual price is not finite", place="certificate.duals")
    if book.network == "copperplate" and np.any(c.duals != c.duals[:1]):
        raise VerificationError("one place has one price", place="certificate.duals")
    if book.indivisible:
        found = proved(book, grid, clearing)
    elif book.network == "lindistflow":
        found = support_of(book, grid, clearing)
    elif book.network == "dc":
        found = support_of_meshed(book, grid, clearing)
    else:
        found = support_in(book, grid, clearing)
    _no(
        ~_same(clearing.price_per_j, price_rule(c.lowest, c.highest)) & (book.network != "dc"),
        grid.node_ids,
        "node",
        "has a price that the rule does not take from the certificate's lowest and highest",
    )
    ends = np.concatenate([found.lowest, found.highest])
    scale = float(np.max(np.abs(ends[np.isfinite(ends)]), initial=0.0))
    for name, stored, true in (
        ("lowest", c.lowest, found.lowest),
        ("highest", c.highest, found.highest),
    ):
        with np.errstate(invalid="ignore"):
            near = np.abs(stored - true) <= MARGIN * scale
        what = f"has a {name} supporting price that does not follow from energies and flows"
        _no(~(near | (stored == true)), grid.node_ids, "node", what)
    check_welfare(clearing, found)
    if book.indivisible:
        check_trade_left(c, found.largest_trade_per_j, scale)
        if c.kind != "bound":
            raise VerificationError("a choice is proved by a bound", place="certificate.kind")
        return
    if c.leaves:
        raise VerificationError("there is nothing to choose", place="certificate.leaves")
    if found.closed and c.kind != "dual":
        raise VerificationError("is called a bound, but closed", place="certificate.kind")
    free = c.kind == "bound" and may_burn(book, grid, found.price, scale)
    if not (found.closed or free):
        raise VerificationError(
            f"the duals leave a gap of {found.gap:.3e}: the clearing is not the optimum",
            place="certificate",
        )
    check_trade_left(c, found.largest_trade_per_j, scale)


def support_in(book: Book, grid: Grid, clearing: Clearing) -> Support:
    """Prices and gap of a clearing of divisible offers that only links bind."""
    flows = (clearing.energy_uj, clearing.flow_uj, clearing.loss_uj, clearing.standing_uj)
    return supporting_prices(book, grid, *flows, clearing.certificate.duals)


def check_trade_left(certificate: Certificate, gains: float, scale: float) -> None:
    """The largest trade left between neighbours gains what the curves give (C11)."""
    told = certificate.largest_trade_per_j
    near = abs(told - gains) <= MARGIN * (scale + abs(gains))
    if not (near or (math.isnan(told) and math.isnan(gains))):
        raise VerificationError(
            f"is {told!r}, the curves give {gains!r}", place="certificate.largest_trade_per_j"
        )


def may_burn(book: Book, grid: Grid, price: Floats, scale: float) -> bool:
    """Whether a gap may be left open: one-way flow binds, where energy has no worth (G4).

    Beside a link that loses energy, at a price of no more than 0. Where no worth in the book is
    below 0, only a limit of voltage makes such prices; else the optimum has a proof.
    """
    p = book.pieces
    if book.network != "lindistflow" and not np.any(p.a[p.hi > p.lo] < 0):
        return False
    network = network_of(grid, book.network, book.interval.duration_s)
    at = price[: network.nodes] if network.nodes == grid.node_count else price[:0]
    worthless = at <= NO_PRICE * scale
    loses = (network.limits.loss_ppb > 0) | (network.limits.loss_per_j > 0)
    loses &= network.capacity_j > 0
    return bool(np.any(loses & (worthless[network.tail] | worthless[network.head])))


def check_welfare(clearing: Clearing, found: Support) -> None:
    """Welfare, gap and bound are those that the curves give, and the duals prove."""
    cert = clearing.certificate
    margin = MARGIN * abs(found.welfare) + DIGITS * found.size + 1e-12
    if not math.isfinite(found.gap):
        raise VerificationError("the duals prove nothing", place="certificate.duals")
    if not abs(clearing.welfare - found.welfare) <= margin:
        raise VerificationError(
            f"is {clearing.welfare!r}, the curves give {found.welfare!r}", place="welfare"
        )
    if not abs(cert.gap - found.gap) <= margin + MARGIN * found.gap:
        raise VerificationError(
            f"is {cert.gap!r}, the duals prove {found.gap!r}", place="certificate.gap"
        )
    if cert.welfare_bound != clearing.welfare + cert.gap:
        raise VerificationError("is not welfare plus gap", place="certificate.welfare_bound")


def check_nodal_payments(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Every payment is price times energy; the operator's lines add up."""
    if book.network == "lindistflow":
        side = clearing.certificate.side
        paid = payments_of(book, grid, clearing, clearing.price_per_j, side)
    elif book.network == "dc":
        side = clearing.certificate.side
        paid = row_payments(book, grid, clearing, clearing.price_per_j, side)
    else:
        paid = nodal_payments(book, grid, clearing, clearing.price_per_j)
    check_paid(book, grid, clearing, paid)


def check_paid(book: Book, grid: Grid, clearing: Clearing, paid: Paid) -> None:
    """Payments and the operator's lines are these."""
    _no(
        clearing.payment_nano != paid.offers,
        book.offer_ids,
        "offer",
        "pays something else than price times energy",
    )
    _no(
        clearing.link_payment_nano != paid.links,
        grid.link_ids,
        "link",
        "pays its owner something else than it earns",
    )
    surplus = int(clearing.payment_nano.sum()) + int(clearing.link_payment_nano.sum())
    if clearing.surplus_nano != surplus:
        raise VerificationError("the lines do not add up to the payments", place="operator")
    if clearing.operator.keys() != paid.operator.keys():
        raise VerificationError(f"its lines are not {', '.join(paid.operator)}", place="operator")
    for name, nano in paid.operator.items():
        stored = clearing.operator[name]
        # lines other than the sum are split by float64 products: a nano-unit of margin each
        if abs(stored - nano) > 1 + MARGIN * abs(nano):
            raise VerificationError(f"is {stored}, not {nano} nano-units", place=f"operator.{name}")


def _same(a: Floats, b: Floats) -> NDArray[np.bool_]:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _no(bad: NDArray[np.bool_], names: Sequence[str], what: str, message: str) -> None:
    if bad.any():
        raise VerificationError(message, place=f"{what} {names[int(np.flatnonzero(bad)[0])]!r}")
