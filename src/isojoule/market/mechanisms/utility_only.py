"""The baseline: no market, every household alone with the utility."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.commit import commit, losses
from isojoule.kernels.household import behind_the_meter, meters, pieces_by_meter, serve_own_home
from isojoule.kernels.money import payments
from isojoule.kernels.prices import fill
from isojoule.market.allocation import (
    NotSolved,
    allocate,
    bounds_uj,
    columns_of,
    supporting_prices,
)
from isojoule.market.book import NETWORKS, Book
from isojoule.market.contract import Certificate, Claim, Clearing, Refusal, State, Traits
from isojoule.market.mechanisms.equilibrium import refuse_unfit
from isojoule.market.optimum import Columns
from isojoule.market.settle import capacity_uj, too_much
from isojoule.market.unproved import check_unproved
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces, inverse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NEARLY_FULL_UJ = 4096
NEARLY_FULL = 1e-7
FAR = 100.0
"""What is left of a Joule on the longest way, inverted, at most, when limits curtail."""
UTILITY = KINDS.index("utility")
BATTERY = KINDS.index("battery")


@dataclass(frozen=True)
class UtilityOnly:
    """Each household nets its own devices first; the rest trades at the utility's two prices.

    A household is a participant at a node, behind one meter. Its battery takes its own surplus
    and serves its own load wherever the two prices make that worth the losses of the round
    trip, whatever its curve says: the baseline is as good as it can be without neighbours. What
    remains is bought or sold at the meter. Losses and standing losses are bought at the utility's
    selling price by the operator. Limits hold: what the network cannot carry is curtailed,
    generation first, so that lost load is the last resort.

    Prices at nodes are what the meter pays or gets there; nan where meters of one node differ.
    """

    name: ClassVar[str] = "utility-only"
    traits: ClassVar[Traits] = Traits(
        summary="No market: own devices first, the rest at the utility's two prices.",
        efficient=Claim(False, "neighbours do not trade"),
        incentive_compatible=Claim(
            False, "prices are posted, but a battery serves the own home whatever it is worth"
        ),
        individually_rational=Claim(False, "owners of links carry energy and are not paid"),
        budget=Claim(False, "the operator pays for the losses"),
        false_name_proof=Claim(False, "under another name a battery serves nobody"),
        coalition_proof=Claim(False, "one of the two gains by hiding a battery"),
        credible=Claim(
            True,
            "where no link costs the operator anything: the tariff is posted; anybody can read it "
            "against the own meter",
        ),
        budget_class="deficit",
        networks=NETWORKS,
        agency="indirect",
        information="implicit",
        game="competition",
        how="No market. Each household uses its own sun and battery first, and trades the rest "
        "with the utility at its two prices. The operator buys the losses. It needs one utility "
        "with both prices.",
        good_for="The baseline. Every run has it beside the market, for the audit.",
        not_for="Judging tariffs that change by the hour: its batteries do not plan.",
        other_names=("net billing", "feed-in tariff"),
    )

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        refusal = refuse_unfit(self.name, book)
        if refusal is not None:
            return refusal
        tariff = tariff_of(book)
        if isinstance(tariff, str):
            return Refusal(self.name, tariff, "give the book one utility with both prices")
        network = network_of(grid, book.network, book.interval.duration_s)
        columns = columns_of(book, network)
        x = alone(book, tariff)
        energy = to_uj(book, columns, x)
        sent = send(book, network, columns, energy, tariff)
        if sent is None:
            found = allocate(_curtailable(book, energy, tariff), without_prices(grid))
            if isinstance(found, NotSolved):
                return Refusal(self.name, found.reason, found.remedy)
            energy, flow, loss = found.energy_uj, found.flow_uj, found.loss_uj
            standing = found.standing_uj
        else:
            energy, flow, standing = sent
            loss = np.zeros(grid.link_count, np.int64)
            loss[: network.tail.size] = losses(
                flow[: network.tail.size], network.limits.loss_ppb, network.limits.loss_per_j
            )
        beyond = too_much(book, energy, np.full(grid.node_count, tariff.sells_at))
        if beyond:
            return Refusal(self.name, beyond, "use a larger unit of money, or correct the prices")
        return _clearing(self, book, grid, tariff, energy, flow, loss, standing, seed)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive reading of the rule. Raises VerificationError."""
        again = self.check_tables(book, grid, clearing, clearing.surplus_nano)
        c = clearing
        if c.operator != again.operator:
            raise VerificationError("does not follow from the losses", place="operator")
        check_unproved(grid, c, again)

    def check_tables(
        self, book: Book, grid: Grid, clearing: Clearing, operator_nano: int
    ) -> Clearing:
        """Check energies and payments, without prices and lines; returns what should stand."""
        tariff = tariff_of(book)
        if isinstance(tariff, str):
            raise VerificationError(tariff, place="book")
        c = clearing
        again = _clearing(
            self, book, grid, tariff, c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj, c.seed
        )
        for what, names, stored, true in (
            ("offer", book.offer_ids, c.payment_nano, again.payment_nano),
            ("link", grid.link_ids, c.link_payment_nano, again.link_payment_nano),
        ):
            bad = np.flatnonzero(stored != true)
            if bad.size:
                raise VerificationError(
                    f"pays {stored[bad[0]]}, not {true[bad[0]]} nano-units",
                    place=f"{what} {names[bad[0]]!r}",
                )
        if operator_nano != again.surplus_nano:
            raise VerificationError("does not follow from the losses", place="operator")
        network = network_of(grid, book.network, book.interval.duration_s)
        sent = np.abs(c.flow_uj[: network.tail.size])
        limit = capacity_uj(network)
        # near the peak of a quadratic loss what arrives is not worth what is lost
        share = np.where(limit < network.limits.capacity_uj, 0.1, NEARLY_FULL)
        near = share * limit + NEARLY_FULL_UJ
        part = network.part[network.node_of[book.offer_node]]
        cut_off = part != part[tariff.offer]
        check_alone(book, tariff, c.energy_uj, cut_off | bool(np.any(sent >= limit - near)))
        return again


class Tariff(NamedTuple):
    """The utility's offer in the book, and its two prices, money per J."""

    offer: int
    buys_at: float
    sells_at: float


def tariff_of(book: Book) -> Tariff | str:
    """The one utility of a book, or what is wrong with it."""
    utilities = np.flatnonzero(book.offer_kind == UTILITY)
    if utilities.size != 1:
        return f"the book has {utilities.size} utilities, the baseline needs one"
    offer, p = int(utilities[0]), book.pieces
    mine = slice(*np.searchsorted(book.piece_offer, [offer, offer + 1]))
    sells, buys = p.a[mine][p.lo[mine] < 0], p.a[mine][p.hi[mine] > 0]
    if sells.size != 1 or buys.size != 1:
        return "the utility does not both sell and buy"
    return Tariff(offer, float(buys[0]), float(sells[0]))


def baseline_pieces(book: Book, tariff: Tariff) -> Pieces:
    """The book's pieces with batteries that serve their own household, where that pays."""
    p = book.pieces
    lo, hi, a, b = serve_own_home(
        book.piece_offer, book.on_curve, book.offer_count, p.lo, p.hi, p.a, p.b, p.c0, p.k,
        tariff.buys_at, tariff.sells_at,
    )  # fmt: skip
    return p._replace(lo=lo, hi=hi, a=a, b=b)


def alone(book: Book, tariff: Tariff) -> Floats:
    """Where each piece stands when each household trades with the utility alone, J."""
    of_offer, count = meters_of(book)
    meter, start, order = pieces_by_meter(of_offer, count, book.piece_offer, tariff.offer)
    p = baseline_pieces(book, tariff)
    return behind_the_meter(count, meter, start, order, *p, tariff.buys_at, tariff.sells_at)


def to_uj(book: Book, columns: Columns, x: Floats) -> Ints:
    """Energies of offers and standing losses, microjoules, within bounds."""
    count = columns.offer_node.size
    low, high = bounds_uj(columns.offer, columns.pieces, count)
    energy = np.rint(np.bincount(book.piece_offer, x, count) * UJ_PER_J).astype(np.int64)
    energy[book.offer_count :] = high[book.offer_count :]
    return np.clip(energy, low, high)


def send(
    book: Book, network: Network, columns: Columns, energy: Ints, tariff: Tariff
) -> tuple[Ints, Ints, Ints] | None:
    """Flows on a tree when the utility takes the rest; None on a mesh or where a limit binds."""
    links = network.tail.size
    if links >= network.nodes:
        return None
    count = columns.offer_node.size
    low, high = bounds_uj(columns.offer, columns.pieces, count)
    fixed = np.arange(count) != tariff.offer
    low, high = np.where(fixed, energy, low), np.where(fixed, energy, high)
    flow = np.zeros(links, np.int64)
    energy = energy.copy()
    bad = commit(
        network.tail, network.head, capacity_uj(network), network.limits.loss_ppb,
        network.limits.loss_per_j, network.price, flow, columns.offer_node, energy, low, high,
        low, high, network.start, network.incident,
    )  # fmt: skip
    if bad:
        return None
    all_flow = np.zeros(network.standing_uj.size, np.int64)
    all_flow[:links] = flow
    standing = np.zeros(network.standing_uj.size, np.int64)
    standing[columns.standing_links] = energy[book.offer_count :]
    return energy[: book.offer_count], all_flow, standing


def _curtailable(book: Book, energy: Ints, tariff: Tariff) -> Book:
    """The book in which meters may only do less of what they do alone.

    A meter that exports may give up its export, taken from its generation in proportion; one
    that imports may go without its import, taken from its demand in proportion. What a home does
    for itself behind the meter stays as it is. Worths are such that only a limit curtails, not a
    loss on the way: any export is worth its way to the utility, and any import from there.
    """
    p = book.pieces
    offers = np.arange(book.offer_count)
    own = energy[: book.offer_count]
    meter, count = meters_of(book)
    net = np.bincount(meter, own, count)[meter]
    side = np.sign(net)
    part = np.where(side * own > 0, np.abs(own), 0)
    piece_offer = book.piece_offer.astype(np.int64)
    most = fill(piece_offer, p.lo, p.hi, own / UJ_PER_J)
    # of a battery that exports, only the overflow is generation
    over = np.bincount(piece_offer, np.where(book.on_curve, 0.0, -most), book.offer_count)
    packs = (book.offer_kind == BATTERY) & (side < 0)
    part[packs] = np.minimum(part, np.rint(over * UJ_PER_J).astype(np.int64))[packs]
    whole = np.bincount(meter, part, count)[meter]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(whole > 0, np.minimum(np.abs(net) / whole, 1.0), 0.0)
    kept = own - (side * np.floor(part * share)).astype(np.int64)
    least = fill(piece_offer, p.lo, p.hi, kept / UJ_PER_J)
    mine = (offers == tariff.offer)[book.piece_offer]
    lo = np.where(mine, p.lo, np.minimum(least, most))
    hi = np.where(mine, p.hi, np.maximum(least, most))
    # an export is worth a hundredth at home (above 0, or lossy links would run both ways), an
    # import a hundred times what it costs
    worth = tariff.sells_at if tariff.sells_at > 0 else 1.0
    a = np.where(mine, worth, np.where(hi > 0, p.a + FAR * worth, (p.a + worth) / FAR))
    return replace(book, pieces=p._replace(lo=lo, hi=hi, a=a))


def without_prices(grid: Grid) -> Grid:
    """The grid with links that cost nothing, kept with the grid once made."""
    if not grid.price_per_j.any():
        return grid
    kept: Grid | None = grid.__dict__.get("_without_prices")
    if kept is None:
        kept = replace(grid, price_per_j=np.zeros(grid.link_count))
        grid.__dict__["_without_prices"] = kept
    return kept


def meters_of(book: Book) -> tuple[Ints, int]:
    """Meter of each offer (one a participant and node), and how many there are."""
    return meters(book.offer_participant, book.offer_node)


def _clearing(
    mechanism: UtilityOnly, book: Book, grid: Grid, tariff: Tariff, energy: Ints, flow: Ints,
    loss: Ints, standing: Ints, seed: bytes,
) -> Clearing:  # fmt: skip
    """Payments and prices that the rule attaches to these energies and flows."""
    nodes = grid.node_count
    meter, count = meters_of(book)
    net = np.zeros(count, np.int64)
    np.add.at(net, meter, energy)
    meter_price = np.where(net > 0, tariff.sells_at, tariff.buys_at)
    paid = payments(meter_price[meter], energy)
    lost = int(loss.sum()) + int(standing.sum())
    bill = int(payments(np.array([tariff.sells_at]), np.array([lost], np.int64))[0])
    paid[tariff.offer] = 0
    paid[tariff.offer] = -int(paid.sum()) - bill
    node = np.zeros(count, np.int64)
    node[meter] = book.offer_node
    of_utility = meter[tariff.offer]
    low, high = np.full(nodes, np.inf), np.full(nodes, -np.inf)
    home = np.arange(count) != of_utility
    np.minimum.at(low, node[home], meter_price[home])
    np.maximum.at(high, node[home], meter_price[home])
    price = np.where(low == high, low, np.nan)
    known = np.where(np.isnan(price), 0.0, price)
    s = supporting_prices(book, grid, energy, flow, loss, standing, known)
    return Clearing(
        mechanism=mechanism.name,
        parameters=asdict(mechanism),
        seed=seed,
        energy_uj=energy,
        payment_nano=paid,
        flow_uj=flow,
        loss_uj=loss,
        link_payment_nano=np.zeros(grid.link_count, np.int64),
        standing_uj=standing,
        price_per_j=price,
        welfare=s.welfare,
        operator={"losses": -bill},
        certificate=Certificate(
            kind="recomputed",
            duals=known,
            lowest=np.where(np.isnan(price), -np.inf, price),
            highest=np.where(np.isnan(price), np.inf, price),
            welfare_bound=s.welfare,
            gap=0.0,
        ),
    )


def check_alone(book: Book, tariff: Tariff, energy: Ints, curtailed: NDArray[np.bool_]) -> None:
    """Second implementation: the net of each meter, from what its pieces want at either price.

    What a meter wants falls with the price. If it is still positive at the selling price it
    imports that, if it is negative at the buying price it exports that, else it nets to zero.
    Where a limit of the network is reached, or the utility is not, the meters of the offers that
    are `curtailed` may do less.
    """
    p = baseline_pieces(book, tariff)
    meter, count = meters_of(book)
    wants = []
    for price in (tariff.sells_at, tariff.buys_at):
        want = inverse(p, np.full(p.lo.size, price))
        wants.append(np.bincount(meter[book.piece_offer], want, count))
    expected = np.where(wants[0] >= 0, wants[0], np.where(wants[1] <= 0, wants[1], 0.0))
    net = np.bincount(meter, energy / UJ_PER_J, count)
    slack = 2e-6 * (2 + np.bincount(meter[book.piece_offer], minlength=count))
    off = np.abs(net - expected) > slack
    less = (np.abs(net) <= np.abs(expected) + slack) & (net * expected >= -slack)
    off[meter[curtailed]] &= ~less[meter[curtailed]]
    off[meter[tariff.offer]] = False
    if off.any():
        m = int(np.flatnonzero(off)[0])
        who = book.participants[int(book.offer_participant[int(np.flatnonzero(meter == m)[0])])]
        raise VerificationError(
            f"nets {net[m]} J, its own devices leave {expected[m]} J", place=f"participant {who!r}"
        )
