"""What auctions on a copperplate share: the refusal of links, and the clearing of an optimum."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

from isojoule.core import units
from isojoule.market.allocation import Allocation
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Clearing, Mechanism, Refusal, State
from isojoule.market.settle import Paid

NETWORK = "copperplate"


def refuse_links(name: str, book: Book) -> Refusal | None:
    """The refusal of a book that has a network, or None."""
    if book.network == NETWORK:
        return None
    return Refusal(
        name,
        f"it would ignore the links of network {book.network!r}",
        f"use network {NETWORK}, or a mechanism that knows links, as equilibrium",
    )


def clearing_of(
    mechanism: Mechanism, state: State | None, seed: bytes, found: Allocation, paid: Paid
) -> Clearing:
    """The clearing of an optimum at these payments, with the proof that it is one."""
    s = found.support
    parameters: dict[str, Any] = asdict(mechanism) if is_dataclass(mechanism) else {}
    return Clearing(
        mechanism=mechanism.name,
        parameters=parameters,
        seed=seed,
        energy_uj=found.energy_uj,
        payment_nano=paid.offers,
        flow_uj=found.flow_uj,
        loss_uj=found.loss_uj,
        link_payment_nano=paid.links,
        standing_uj=found.standing_uj,
        price_per_j=s.price,
        welfare=s.welfare,
        operator=paid.operator,
        certificate=Certificate(
            kind="dual" if s.closed else "bound",
            duals=found.duals,
            lowest=s.lowest,
            highest=s.highest,
            welfare_bound=s.welfare + s.gap,
            gap=s.gap,
            side=found.side,
            leaves=found.leaves,
        ),
        taken=found.taken,
        state_before=dict(state or {}),
    )


def price_text(book: Book, price_per_j: float) -> str:
    """A price in words."""
    return units.price_text(price_per_j, book.currency)
