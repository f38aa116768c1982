"""The book: all offers of one interval, columnar and immutable.

Two ways in: `Book.from_offers` for people and files (offers as rows, brought into canonical
order, so that no result depends on the order of the input), and the constructor itself for
simulations, which fill the columns directly. Names may be a tuple of strings or, where they are
many, `isojoule.core.names.Names`. Columns from outside are looked at by
`isojoule.market.check_book.check_book`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.interval import Interval
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.valuation import KINDS, Bundle, Offer
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
NETWORKS = ("copperplate", "transport")
"""Network formulations that can be cleared."""
BOOK_NETWORKS = (*NETWORKS, "dc", "lindistflow")
"""Network formulations that a book may name."""


@dataclass(frozen=True, eq=False, slots=True)
class Book:
    """All offers of an interval.

    Parameters
    ----------
    currency
        Code of the one currency of the book, as "EUR".
    interval
        The slice of time.
    network
        Network formulation, one of `BOOK_NETWORKS`.
    participants
        Names; offers refer to them by position.
    offer_ids
        Names of the offers, unique, shape (offers,).
    offer_participant, offer_node
        Positions, int32, shape (offers,). The node of a bundle is -1.
    offer_kind
        Position in `isojoule.valuation.KINDS`, uint8.
    piece_offer
        Offer of each piece, int32, ascending, shape (pieces,).
    pieces
        Columns of `isojoule.valuation.curve.Pieces`, J and money per J, shape (pieces,).
    on_curve
        Whether the piece lies on a battery's curve v(F), shape (pieces,).
    spill0, spill1, short0, short1
        Per offer: spilled = max(0, spill0 + spill1*q), unserved = max(0, short0 - short1*q), J.
    offers
        The rows that the columns were made from; empty in simulations.
    power_factor
        Per offer, of what it receives or delivers (lagging); None: 1 for all.

    Attributes
    ----------
    indivisible
        Id of an offer that only an integer program can clear, or "".
    """

    currency: str
    interval: Interval
    network: str
    participants: Sequence[str]
    offer_ids: Sequence[str]
    offer_participant: NDArray[np.int32]
    offer_node: NDArray[np.int32]
    offer_kind: NDArray[np.uint8]
    piece_offer: NDArray[np.int32]
    pieces: Pieces
    on_curve: NDArray[np.bool_]
    spill0: Floats
    spill1: Floats
    short0: Floats
    short1: Floats
    offers: tuple[Offer, ...] = ()
    power_factor: Floats | None = None
    indivisible: str = field(init=False, default="")

    def __post_init__(self) -> None:
        # once: every clearing asks, and a walk over all rows takes longer than many auctions
        whole = (o.id for o in self.offers if o.all_or_nothing or o.group or _is_bundle(o))
        object.__setattr__(self, "indivisible", next(whole, ""))

    @property
    def offer_count(self) -> int:
        """Number of offers."""
        return len(self.offer_ids)

    @property
    def reactive_share(self) -> Floats:
        """Reactive energy that each offer draws per Joule that it receives, var s per J.

        A load consumes it; what delivers energy at the same power factor delivers it, too.
        """
        if self.power_factor is None:
            return np.zeros(self.offer_count)
        # by square roots alone, which are the same on every machine
        share: Floats = np.sqrt(1.0 - self.power_factor**2) / self.power_factor
        return share

    def spilled_j(self, energy_uj: NDArray[np.int64]) -> Floats:
        """Energy spilled per offer, J, when the offers receive `energy_uj`."""
        q = energy_uj / UJ_PER_J
        return np.maximum(0.0, self.spill0 + self.spill1 * q)

    def unserved_j(self, energy_uj: NDArray[np.int64]) -> Floats:
        """Energy unserved per offer, J, when the offers receive `energy_uj`."""
        q = energy_uj / UJ_PER_J
        return np.maximum(0.0, self.short0 - self.short1 * q)

    @classmethod
    def from_offers(
        cls,
        offers: Iterable[Offer],
        grid: Grid,
        *,
        interval: Interval,
        currency: str = "EUR",
        network: str = "transport",
    ) -> Book:
        """Build a book from rows.

        Offers without an id are named `participant` or, if it has several, `participant-1`,
        `participant-2`, ... in the order of (at, canonical text). The book is in the order of
        (at, id).

        Raises
        ------
        InputError
            Unknown node or network, or an id that stands twice; names the offer.
        """
        if network not in BOOK_NETWORKS:
            raise InputError(
                f"unknown network {network!r}", remedy=f"use one of {', '.join(BOOK_NETWORKS)}"
            )
        rows = sorted(_named(list(offers)), key=lambda o: (o.at_ns, o.id))
        names = sorted({o.participant for o in rows})
        position = {name: i for i, name in enumerate(names)}
        for o in rows:
            for node in _nodes(o):
                if node not in grid.node_index:
                    raise InputError(
                        f"unknown node {node!r}",
                        place=f"offer {o.id!r}",
                        remedy=f"use one of the book's nodes: {', '.join(grid.node_ids[:8])}",
                    )
        curves = [o.spec.rows(interval.duration_s) for o in rows]
        counts = [len(c.on_curve) for c in curves]
        columns = [np.concatenate([np.zeros(0), *(c.pieces[i] for c in curves)]) for i in range(7)]
        return cls(
            currency=currency,
            interval=interval,
            network=network,
            participants=tuple(names),
            offer_ids=tuple(o.id for o in rows),
            offer_participant=np.array([position[o.participant] for o in rows], dtype=np.int32),
            offer_node=np.array([grid.node_index.get(o.node, -1) for o in rows], dtype=np.int32),
            offer_kind=np.array([o.spec.kind for o in rows], dtype=np.uint8),
            piece_offer=np.repeat(np.arange(len(rows), dtype=np.int32), counts),
            pieces=Pieces(*columns),
            on_curve=np.concatenate([np.zeros(0, bool), *(c.on_curve for c in curves)]),
            spill0=np.array([c.spill0 for c in curves]),
            spill1=np.array([c.spill1 for c in curves]),
            short0=np.array([c.short0 for c in curves]),
            short1=np.array([c.short1 for c in curves]),
            offers=tuple(rows),
            power_factor=np.array([o.power_factor for o in rows], dtype=np.float64),
        )


def _is_bundle(offer: Offer) -> bool:
    return isinstance(offer.spec, Bundle)


def _nodes(offer: Offer) -> list[str]:
    if isinstance(offer.spec, Bundle):
        return [leg.node for leg in offer.spec.legs]
    return [offer.node]


def _named(offers: list[Offer]) -> list[Offer]:
    """Give a name to every offer that has none; refuse names that stand twice."""
    taken: set[str] = set()
    for o in offers:
        if o.id and o.id in taken:
            raise InputError(f"offer {o.id!r} stands twice", remedy="give each offer its own id")
        if o.id:
            taken.add(o.id)
    nameless: dict[str, list[Offer]] = {}
    for o in offers:
        if not o.id:
            nameless.setdefault(o.participant, []).append(o)
    named = [o for o in offers if o.id]
    for participant, rows in nameless.items():
        rows.sort(key=lambda o: (o.at_ns, canonical_text(o)))
        alone = len(rows) == 1 and participant not in taken
        number = 0
        for o in rows:
            name = participant
            while name in taken or (not alone and name == participant):
                number += 1
                name = f"{participant}-{number}"
            taken.add(name)
            named.append(replace(o, id=name))
    return named


def canonical_text(offer: Offer) -> str:
    """One text for one offer, without its id: breaks ties when offers are numbered."""
    flags = (offer.all_or_nothing, offer.group, offer.power_factor, offer.immediate)
    return repr((offer.participant, offer.node, KINDS[offer.spec.kind], offer.spec, *flags))
