"""What the community rules share: each home acts alone, then the nets of the homes are priced.

Theory of operation. `mid-market` and `supply-demand-ratio` are rules for bills. Nobody offers
anything in them: each home first does what it would do with the utility alone (`utility-only`),
and what then crosses its meter is priced: an import at the buyers' price, an export at the
sellers' price. Both lie between the utility's two prices and follow from these, from what all
exports sum to (the supply) and from what all imports sum to (the demand). What supply and demand
leave of each other is the utility's, at its own prices.

Prices are fractions of whole numbers, payments are rounded once: payers up, receivers down. Buyers
pay what sellers and the utility get, so the operator has one line, `rounding`.

Spec: docs/spec/community.md, N1 to N6.
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J, price_text
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.prices import fill
from isojoule.market.allocation import columns_of
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Clearing, Refusal
from isojoule.market.copperplate import refuse_links
from isojoule.market.mechanisms.equilibrium import refuse_unfit
from isojoule.market.mechanisms.utility_only import (
    Tariff,
    alone,
    meters_of,
    tariff_of,
    to_uj,
)
from isojoule.market.settle import MOST_MONEY
from isojoule.valuation.curve import integral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NANO_PER_UJ = 1000
"""A unit of money per J is this many nano-units per microjoule."""


class Prices(NamedTuple):
    """What a Joule costs those who import, and what it earns those who export, money per J."""

    buyers: Fraction
    sellers: Fraction


class Rule(Protocol):
    """A community rule: a name, and two prices from supply, demand and the tariff."""

    @property
    def name(self) -> str:
        """As in the list of mechanisms."""
        ...

    def prices(self, supply_uj: int, demand_uj: int, tariff: Tariff) -> Prices:
        """The two prices of an interval."""
        ...


class Nets(NamedTuple):
    """What crosses the meters.

    Attributes
    ----------
    meter
        Meter of each offer, shape (offers,).
    net_uj
        Import (positive) or export of each meter, the utility's left out (0), shape (meters,).
    supply_uj, demand_uj
        The sum of all exports, and of all imports; both 0 or more.
    """

    meter: Ints
    net_uj: Ints
    supply_uj: int
    demand_uj: int


def refuse_book(name: str, book: Book, least_per_j: float) -> Refusal | Tariff:
    """The refusal of a book that has no such community, or the utility's tariff.

    Parameters
    ----------
    least_per_j
        A buying price of the utility below this is refused, money per J.
    """
    refusal = refuse_links(name, book) or refuse_unfit(name, book)
    if refusal is not None:
        return refusal
    tariff = tariff_of(book)
    if isinstance(tariff, str):
        text = tariff.replace("the baseline needs", "the rule needs")
        return Refusal(name, text, "give the book one utility with both prices")
    who = book.offer_participant
    if np.count_nonzero(who == who[tariff.offer]) > 1:
        name_of = book.participants[int(who[tariff.offer])]
        return Refusal(
            name, f"the utility {name_of!r} has other offers", "give them to another participant"
        )
    if tariff.sells_at < tariff.buys_at:
        return Refusal(name, "the utility buys dearer than it sells", "correct its two prices")
    if tariff.buys_at < least_per_j:
        return Refusal(
            name,
            f"the utility buys at {price_text(tariff.buys_at, book.currency)}, and a ratio of "
            "prices below 0 means nothing",
            "use mid-market",
        )
    return tariff


def clear_community(
    rule: Rule, book: Book, grid: Grid, seed: bytes, least_per_j: float
) -> Clearing | Refusal:
    """The clearing of a community rule."""
    tariff = refuse_book(rule.name, book, least_per_j)
    if isinstance(tariff, Refusal):
        return tariff
    network = network_of(grid, book.network, book.interval.duration_s)
    energy = to_uj(book, columns_of(book, network), alone(book, tariff))[: book.offer_count]
    energy[tariff.offer] = 0
    rest = sum(energy.tolist())  # as whole numbers of any size
    if abs(rest) > NO_LIMIT_UJ:
        return Refusal(rule.name, "the utility trades more than 2**62 microjoules", "offer less")
    energy[tariff.offer] = -rest
    dearest = max(abs(tariff.sells_at), abs(tariff.buys_at))
    if not dearest * float(np.abs(energy.astype(np.float64)).sum()) / UJ_PER_J < MOST_MONEY:
        return Refusal(
            rule.name,
            f"the payments pass {MOST_MONEY:.0e} units of money",
            "use a larger unit of money, or correct the prices",
        )
    return priced(rule, book, grid, tariff, energy, seed)


def nets_of(book: Book, tariff: Tariff, energy_uj: Ints) -> Nets:
    """What crosses each meter, from what the offers receive."""
    meter, count = meters_of(book)
    net = np.zeros(count, np.int64)
    np.add.at(net, meter, energy_uj)
    net[meter[tariff.offer]] = 0
    values = net.tolist()
    return Nets(meter, net, -sum(v for v in values if v < 0), sum(v for v in values if v > 0))


def priced(
    rule: Rule, book: Book, grid: Grid, tariff: Tariff, energy: Ints, seed: bytes
) -> Clearing:
    """Payments and prices that the rule attaches to these energies."""
    nets = nets_of(book, tariff, energy)
    prices = rule.prices(nets.supply_uj, nets.demand_uj, tariff)
    imports = (nets.net_uj > 0)[nets.meter]
    paid = np.zeros(book.offer_count, np.int64)
    for rows, price in ((imports, prices.buyers), (~imports, prices.sellers)):
        above, below = price.numerator * NANO_PER_UJ, price.denominator
        paid[rows] = [-((-above * e) // below) for e in energy[rows].tolist()]
    at = tariff.sells_at if energy[tariff.offer] < 0 else tariff.buys_at
    whole = Fraction(at) * int(energy[tariff.offer]) * NANO_PER_UJ
    paid[tariff.offer] = -(-whole.numerator // whole.denominator)
    at_node = _node_prices(book, grid, tariff, nets, prices)
    p = book.pieces
    x = fill(book.piece_offer.astype(np.int64), p.lo, p.hi, energy / UJ_PER_J)
    welfare = float(integral(p, x).sum())
    none = np.zeros(grid.link_count, np.int64)
    parameters: dict[str, Any] = asdict(rule) if is_dataclass(rule) else {}
    return Clearing(
        mechanism=rule.name,
        parameters=parameters,
        seed=seed,
        energy_uj=energy,
        payment_nano=paid,
        flow_uj=none,
        loss_uj=none.copy(),
        link_payment_nano=none.copy(),
        standing_uj=none.copy(),
        price_per_j=at_node,
        welfare=welfare,
        operator={"rounding": int(paid.sum())},
        certificate=Certificate(
            kind="recomputed",
            duals=np.where(np.isnan(at_node), 0.0, at_node),
            lowest=np.full(grid.node_count, float(prices.sellers)),
            highest=np.full(grid.node_count, float(prices.buyers)),
            welfare_bound=welfare,
            gap=0.0,
        ),
    )


def _node_prices(book: Book, grid: Grid, tariff: Tariff, nets: Nets, prices: Prices) -> Floats:
    """What the meters at a node pay or get; nan where they differ, or there is none."""
    low, high = np.full(grid.node_count, np.inf), np.full(grid.node_count, -np.inf)
    members = np.arange(book.offer_count) != tariff.offer
    buyers, sellers = float(prices.buyers), float(prices.sellers)
    at = np.where((nets.net_uj > 0)[nets.meter], buyers, sellers)
    np.minimum.at(low, book.offer_node[members], at[members])
    np.maximum.at(high, book.offer_node[members], at[members])
    price: Floats = np.where(low == high, low, np.nan)
    return price
