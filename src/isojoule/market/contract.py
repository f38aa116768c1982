"""The one contract of all mechanisms: book and grid in, clearing or refusal out.

The rules:

- `clear` is a pure function of its arguments. No clock, no file, no generator of randomness.
- What does not fit is answered with a `Refusal`, a value; broken invariants raise.
- A clearing's energies, flows and losses are int64 microjoules that add up exactly at every
  node; its payments are int64 nano-units of money. Payers are rounded up, receivers down, and
  the remainder is the operator's.
- Signs: energy received is positive, a payment made is positive.
- A clearing carries a certificate that `isojoule.market.verify` checks without the solver.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.book import Book

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
State = dict[str, Any]
"""What a mechanism carries from one interval to the next; plain data that JSON can hold."""


class Claim(NamedTuple):
    """A trait that holds (or not), and on what condition or by which witness."""

    holds: bool
    because: str


@dataclass(frozen=True, slots=True)
class Traits:
    """What a mechanism promises. Each claim is tested; each denial names its witness.

    The tags agency, information and game follow Charbonnier, Morstyn, McCulloch (Applied Energy
    318:119188, 2022).
    """

    summary: str
    efficient: Claim
    incentive_compatible: Claim
    individually_rational: Claim
    budget: Claim
    networks: tuple[str, ...]
    agency: str
    information: str
    game: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A mechanism's "no": what does not fit, and what would."""

    mechanism: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        tail = f" ({self.remedy})" if self.remedy else ""
        return f"{self.mechanism} refuses: {self.reason}{tail}"


@dataclass(frozen=True, eq=False, slots=True)
class Certificate:
    """Why the clearing is right, for anyone to check.

    Attributes
    ----------
    kind
        "dual": `duals` prove the welfare optimal within `gap`. "bound": `welfare_bound` bounds
        the welfare, the gap may be wide (one-way flow under negative prices). "recomputed":
        the rule is run again by a second, naive implementation.
    duals
        A price per node, money per J, that proves the bound; shape (nodes,).
    lowest, highest
        Least and greatest prices that support the allocation, per node; -inf or inf if none.
    welfare_bound
        No allocation has more welfare than this, money.
    gap
        `welfare_bound` less the welfare reached, money.
    """

    kind: str
    duals: Floats
    lowest: Floats
    highest: Floats
    welfare_bound: float
    gap: float


class Trade(NamedTuple):
    """What two neighbours traded over a link in all, where a rule makes trades.

    Attributes
    ----------
    link
        Position of the link.
    seller, buyer
        Positions of the nodes.
    sent_uj, received_uj
        Energy that the seller's node sent and the buyer's received, microjoules.
    payment_nano
        What the seller's node is paid by the buyer's, nano-units, the link's price excluded.
    """

    link: int
    seller: int
    buyer: int
    sent_uj: int
    received_uj: int
    payment_nano: int


@dataclass(frozen=True, eq=False, slots=True)
class Clearing:
    """The outcome of one book.

    Attributes
    ----------
    energy_uj, payment_nano
        Per offer, int64.
    flow_uj, loss_uj
        Per link, int64: sent (at the sender, positive from -> to), and lost on the way.
    link_payment_nano
        Per link, what its owner pays (negative: is paid); 0 for the operator's links.
    standing_uj
        Per link, energy drawn at `from` as standing loss.
    price_per_j
        Per node, money per J, nan where no price is defined.
    welfare
        Gains from trade, money: integrals of the curves less price times flow.
    operator
        Named lines of the operator's account, nano-units of money, income positive; their sum is
        what all participants pay less what they receive.
    certificate
        See `Certificate`.
    state
        What the next interval needs.
    trades
        Where the rule makes them.
    notes
        What a mechanism tells about itself; plain data that JSON can hold.
    """

    mechanism: str
    parameters: dict[str, Any]
    seed: bytes
    energy_uj: Ints
    payment_nano: Ints
    flow_uj: Ints
    loss_uj: Ints
    link_payment_nano: Ints
    standing_uj: Ints
    price_per_j: Floats
    welfare: float
    operator: dict[str, int]
    certificate: Certificate
    state: State = field(default_factory=dict)
    trades: tuple[Trade, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def surplus_nano(self) -> int:
        """The operator's line in all."""
        return sum(self.operator.values())


@runtime_checkable
class Mechanism(Protocol):
    """A frozen object whose fields are its parameters."""

    name: ClassVar[str]
    traits: ClassVar[Traits]

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book on the grid."""
        ...
