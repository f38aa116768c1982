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
from math import nan
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.integer.units import Leaf
from isojoule.market.messages import Event, Message

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
State = dict[str, Any]
"""What a mechanism carries from one interval to the next; plain data that JSON can hold."""


class Claim(NamedTuple):
    """A trait that holds (or not), and on what condition or by which witness.

    Attributes
    ----------
    holds
        Whether it does.
    because
        The conditions of a "yes", the reason of a "no", in words.
    witness
        Of a "no": the stem of the case file that refutes it, beside the mechanism's other cases;
        "" stands for the trait's own name.
    """

    holds: bool
    because: str
    witness: str = ""


TRAITS = (
    "efficient",
    "incentive_compatible",
    "individually_rational",
    "budget",
    "false_name_proof",
    "coalition_proof",
    "credible",
)
"""What is claimed or denied of every mechanism; fields of `Traits` that hold a `Claim`."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a mechanism promises. Each claim is tested; each denial names its witness.

    Attributes
    ----------
    summary
        One line.
    efficient
        No other allocation has more welfare, if everybody tells the truth.
    incentive_compatible
        Nobody gains by offering something else than the own curve.
    individually_rational
        Nobody who tells the truth is worse off than without trading.
    budget
        The operator never pays; `budget_class` says whether it earns ("surplus") or the
        payments add up to 0 ("balanced"). Where it may have to pay: "deficit".
    false_name_proof
        Nobody gains by taking part under several names.
    coalition_proof
        No two who agree gain together.
    credible
        Whoever runs it cannot gain by breaking the rules in a way that nobody can see.
    networks
        Network formulations that it clears.
    kind
        "batch", "sequential" or "posted".
    agency, information, game
        "direct" or "indirect"; "mediated", "bilateral" or "implicit"; "competition" or
        "cooperation": the tags of Charbonnier, Morstyn, McCulloch (Applied Energy 318:119188,
        2022).
    how
        The rule in plain words.
    good_for, not_for
        When to use it, and when not.
    other_names, sources
        As the literature has them.
    checked
        Against which of the sources the rule was checked, and which were not read.
    """

    summary: str
    efficient: Claim
    incentive_compatible: Claim
    individually_rational: Claim
    budget: Claim
    false_name_proof: Claim
    coalition_proof: Claim
    credible: Claim
    networks: tuple[str, ...]
    agency: str
    information: str
    game: str
    budget_class: str = "surplus"
    kind: str = "batch"
    how: str = ""
    good_for: str = ""
    not_for: str = ""
    other_names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    checked: str = ""


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
    side
        Duals of what else binds, by name: the links of `dc`, the voltages of `lindistflow`.
    largest_trade_per_j
        What one more Joule between neighbours would still gain at most, money per J; nan where
        the rule seeks no optimum, or more than links decides what may flow.
    leaves
        Where offers are indivisible: parts of all choices, each with prices that bound it, which
        together cover every choice. Empty: `duals` bound all of them.
    by_prices
        Whether the clearing's prices alone, as duals, close the gap, where the mechanism knows; no
        part of what is stored or checked.
    """

    kind: str
    duals: Floats
    lowest: Floats
    highest: Floats
    welfare_bound: float
    gap: float
    side: dict[str, Floats] = field(default_factory=dict)
    leaves: tuple[Leaf, ...] = ()
    largest_trade_per_j: float = nan
    by_prices: bool | None = None


class Match(NamedTuple):
    """What two offers traded with each other, where a rule matches offers.

    Attributes
    ----------
    sell_offer, buy_offer
        Positions of the offers.
    energy_uj
        Energy delivered, microjoules.
    payment_nano
        What the buyer pays the seller, nano-units.
    at_ns
        When, nanoseconds since 1970-01-01T00:00Z.
    """

    sell_offer: int
    buy_offer: int
    energy_uj: int
    payment_nano: int
    at_ns: int = 0


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
        What neighbours traded over links, where the rule makes such trades.
    notes
        What a mechanism tells about itself; plain data that JSON can hold.
    taken
        Per offer, whether an all-or-nothing offer or a bundle is taken (true for all others);
        None where every offer of the book is divisible. The energy of a bundle that is taken is
        the sum of its legs.
    matches
        What offers traded with each other, where the rule makes such trades.
    state_before
        The state that came in.
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
    taken: NDArray[np.bool_] | None = None
    matches: tuple[Match, ...] = ()
    state_before: State = field(default_factory=dict)

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


@runtime_checkable
class Warm(Mechanism, Protocol):
    """A mechanism whose solver can start from where it ended in the interval before.

    What it starts from is a hint that saves time: the clearing holds by its own certificate, and
    may differ from that of `clear` by no more than that leaves open.
    """

    def clear_from(
        self, book: Book, grid: Grid, *, state: State | None, seed: bytes, start: Any
    ) -> tuple[Clearing | Refusal, Any]:
        """The clearing, and what the next interval may start from; `start` None: from nothing."""
        ...


@runtime_checkable
class Sequential(Mechanism, Protocol):
    """A mechanism that answers each message as it comes.

    `clear` is the fold of `step` over the offers of the book by (`at`, `id`), with what
    `state["cancelled"]` lists (see `isojoule.market.messages`) in between; so a live session and
    a replay are the same code.
    """

    def first(
        self, frame: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Any | Refusal:
        """The first state: it holds grid, seed, and what `frame`, a book without offers, says."""
        ...

    def step(self, state: Any, message: Message, now_ns: int) -> tuple[Any, tuple[Event, ...]]:
        """The state after a message, and what happened. The state that came in stays as it was."""
        ...

    def close(self, state: Any, book: Book) -> Clearing | Refusal:
        """The clearing of all that was traded; `book` has the offers that came in."""
        ...
