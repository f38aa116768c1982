"""Diffusion: neighbours trade pair by pair, knowing each other and nobody else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.commit import losses
from isojoule.market.allocation import NotSolved, allocate, columns_of, supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Claim, Clearing, Refusal, State, Traits
from isojoule.market.mechanisms.diffusion_audit import audit
from isojoule.market.mechanisms.diffusion_notes import notes
from isojoule.market.mechanisms.diffusion_run import curves_of, run, settle, trades_of, wires_of
from isojoule.market.mechanisms.equilibrium import refuse_unfit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_SWEEPS = 1_000_000


@dataclass(frozen=True)
class Diffusion:
    """Energy trickles from neighbour to neighbour, for a number of sweeps over all links.

    Each node first trades inside itself. Then link after link the two ends move the link's one
    net flow for as long as that pays them both, undoing what no longer does. They share what a
    trade gains: the seller's node gets `split` of it. What is far needs many sweeps to come, and
    a full node, a bus without storage or a kink may stop it for good; the notes say where.

    Other names: pairwise exchange, gossip, coordinate ascent, Gauss-Seidel on the flows.

    Ties: links take their turn by an edge colouring that a hash of seed and names decides;
    offers of one node that are worth the same share in proportion; the last microjoule goes by
    largest fraction, then by name. The order of the input does not matter.

    Sources: Boyd, Ghosh, Prabhakar, Shah 2006 (IEEE Trans. Inf. Theory 52:2508), Feldman 1973
    (Rev. Econ. Stud. 40:463).

    Parameters
    ----------
    sweeps
        How often every link takes its turn, at most; it ends when no link moves any more.
    split
        The seller's share of what a trade gains, 0 to 1.
    measure
        Whether to solve for the optimum, to tell how far from it the sweeps ended.
    """

    sweeps: int = 16
    split: float = 0.5
    measure: bool = True

    name: ClassVar[str] = "diffusion"
    tells: ClassVar[bool] = True
    """Its clearings carry trades and notes, which its audit checks."""
    traits: ClassVar[Traits] = Traits(
        summary="Neighbours trade pair by pair, sweep after sweep, and know nobody else.",
        efficient=Claim(False, "it may end early, or be stuck behind a full node (K12)"),
        incentive_compatible=Claim(False, "who claims to gain less pays less"),
        individually_rational=Claim(True, "every trade is shared by those whom it pays"),
        budget=Claim(
            True,
            "payers pay what receivers and links get, but for rounding; standing losses, if any, "
            "the operator pays for",
        ),
        false_name_proof=Claim(False, "under two names a buyer shares less of what it gains"),
        coalition_proof=Claim(False, "two who claim to gain less both pay less"),
        credible=Claim(
            False,
            "who has no energy may sell before the neighbours' arrives, and buy back for less",
        ),
        budget_class="balanced",
        networks=("transport",),
        agency="indirect",
        information="bilateral",
        game="competition",
        how="Neighbours trade pair by pair: link after link, sweep after sweep, the two ends move "
        "energy for as long as that pays them both, and undo what no longer does. Nobody sees "
        "further than the next node. They share what each trade gains.",
        good_for="Seeing what a market without a centre reaches, how many rounds of talk with the "
        "neighbours that takes, and what a node that stands in the way costs.",
        not_for="Grids with junctions that hold nothing, such as most feeders and villages: only "
        "those who share a link trade. Nor loads that must be served and should pay what energy "
        "costs: it shares what being served is worth.",
        other_names=("pairwise exchange", "gossip", "coordinate ascent"),
        sources=(
            "Boyd, Ghosh, Prabhakar, Shah 2006, IEEE Trans. Inf. Theory 52:2508",
            "Feldman 1973, Rev. Econ. Stud. 40:463",
        ),
    )

    def __post_init__(self) -> None:
        whole = isinstance(self.sweeps, int) and not isinstance(self.sweeps, bool)
        if not (whole and 0 <= self.sweeps <= MOST_SWEEPS):
            raise InputError(
                f"sweeps of {self.sweeps!r} is not a number of sweeps",
                remedy=f"give a whole number from 0 to {MOST_SWEEPS}",
            )
        number = isinstance(self.split, int | float) and not isinstance(self.split, bool)
        if not (number and 0.0 <= self.split <= 1.0):
            raise InputError(
                f"split of {self.split!r} is not a share", remedy="give a number from 0 to 1"
            )
        if not isinstance(self.measure, bool):
            raise InputError(f"measure of {self.measure!r}", remedy="give true or false")
        object.__setattr__(self, "split", float(self.split))

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        if book.network != "transport":
            return Refusal(
                self.name,
                f"network {book.network!r} does not say who is whose neighbour",
                "use transport",
            )
        refusal = refuse_unfit(self.name, book)
        if refusal is not None:
            return refusal
        network = network_of(grid, book.network, book.interval.duration_s)
        columns = columns_of(book, network)
        curves = curves_of(columns, network.nodes)
        wires = wires_of(grid, network, seed)
        o = run(book, grid, curves, columns, wires, self.sweeps, self.split)
        if o.endless:
            return Refusal(
                self.name,
                f"{o.endless} has no limit: an unlimited offer to sell meets a dearer unlimited "
                "offer to buy",
                "limit the link between them, or correct the prices",
            )
        paid = settle(grid, columns, o, book.offer_count)
        if paid.offers.size != book.offer_count:
            return Refusal(
                self.name,
                f"the payments are {paid.total:.1e} units of money",
                "use a larger unit of money, or correct the prices",
            )
        energy, standing = o.energy_uj[: book.offer_count], np.zeros(grid.link_count, np.int64)
        standing[columns.standing_links] = o.energy_uj[book.offer_count :]
        loss = losses(o.flow_uj, network.limits.loss_ppb, network.limits.loss_per_j)
        told = notes(
            grid, curves, wires, z_uj=o.z_uj, flow_uj=o.flow_uj, x=o.x, bid=o.bid, ask=o.ask,
            made=o.made,
        )  # fmt: skip
        duals, best = np.nan_to_num(o.price), "the optimum was not asked for"
        optimum = None
        if self.measure:
            found = allocate(book, grid)
            if isinstance(found, NotSolved):
                best = found.reason
            else:
                duals, optimum = found.duals, found.support.welfare
        s = supporting_prices(book, grid, energy, o.flow_uj, loss, standing, duals)
        told["distance"] = distance(optimum, s.welfare, best)
        return Clearing(
            mechanism=self.name,
            parameters=asdict(self),
            seed=seed,
            energy_uj=energy,
            payment_nano=paid.offers,
            flow_uj=o.flow_uj,
            loss_uj=loss,
            link_payment_nano=paid.links,
            standing_uj=standing,
            price_per_j=o.price,
            welfare=s.welfare,
            operator=paid.operator,
            certificate=Certificate(
                kind="recomputed",
                duals=duals,
                lowest=o.bid,
                highest=o.ask,
                welfare_bound=s.welfare + s.gap,
                gap=s.gap,
            ),
            trades=trades_of(wires, network, o),
            notes=told,
        )

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        audit(self.sweeps, self.split, book, grid, clearing)


def distance(optimum: float | None, welfare: float, why: str) -> dict[str, Any]:
    """How much more the optimum gains, and as a share of its gains; or why that is not known."""
    if optimum is None:
        return {"money": None, "share": None, "why": why}
    money = max(optimum - welfare, 0.0)
    # an optimum that gains nothing (standing losses may cost more than trade gains) is missed whole
    share = money / optimum if optimum > 0.0 else float(money > 0.0)
    return {"money": money, "share": share, "why": ""}
