"""The variable rate gradual Dutch auction: a posted price that follows a schedule of sales."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isfinite, nan
from typing import Any, ClassVar

from isojoule.core.errors import InputError
from isojoule.core.units import UJ_PER_J, joules_text, parse_exact
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Match, Refusal, State, Traits
from isojoule.market.matched import (
    NETWORK,
    check_matched,
    check_told,
    check_uniform,
    clearing_of,
    refuse_network,
)
from isojoule.market.mechanisms.vrgda_naive import replay
from isojoule.market.mechanisms.vrgda_price import Schedule
from isojoule.market.mechanisms.vrgda_sale import Sale, Terms, state_of
from isojoule.market.mechanisms.vrgda_words import reasons
from isojoule.market.messages import Event, Message
from isojoule.market.sequential import Session, cancelled_rows, fold

OWN_KEYS = {"sold_j", "start_ns"}
LARGEST_UNIT_UJ = 2**52


@dataclass(frozen=True, eq=False, slots=True)
class VrgdaState:
    """Where a session stands; `came` is what came in from the interval before."""

    grid: Grid
    seed: bytes
    came: State
    session: Session[Sale]


@dataclass(frozen=True)
class Vrgda:
    """One participant posts a price that falls with time and rises with each unit sold.

    The price is `target_price_per_j` while sales are on schedule, falls by the share `decay` in
    `decay_s` seconds behind it, and rises as fast ahead of it. Takers come one after the other and
    take what the price suits them for; what they do not take is dropped. The poster's own ask is
    its reserve: the price never falls below it. With `side` "buy" the poster buys, the price rises
    with time, and the poster's bid is the most that it pays. The schedule runs on over intervals.

    Parameters
    ----------
    side
        "sell" or "buy": what the poster does.
    target_price_per_j
        Price on schedule, money per J.
    decay, decay_s
        The price falls by the share `decay` in `decay_s` seconds without a sale.
    schedule
        "linear", `rate_per_s` units a second; or "logistic", `most_units` in all, half of them
        sold after ln(3)/`rate_per_s` seconds.
    rate_per_s
        Units per second, or how fast the logistic curve bends, 1/s.
    most_units
        Logistic only: all that is ever sold; 0 else.
    unit_j
        Energy of a unit, J.

    Other names: VRGDA. Source: Frankie, Robinson, White, Dave, "Variable Rate GDAs", Paradigm,
    2022. Spec: docs/spec/sequential.md, Q15 to Q22.
    """

    side: str = "sell"
    target_price_per_j: float = 0.20 / 3.6e6
    decay: float = 0.5
    decay_s: float = 3600.0
    schedule: str = "linear"
    rate_per_s: float = 0.01
    most_units: int = 0
    unit_j: float = 360_000.0

    name: ClassVar[str] = "vrgda"
    tells: ClassVar[bool] = True
    traits: ClassVar[Traits] = Traits(
        summary="A posted price that follows a schedule of sales, over many intervals.",
        efficient=Claim(
            False, "who bids below the posted price goes, even where the energy costs less"
        ),
        incentive_compatible=Claim(
            True,
            "for takers with one divisible offer, who come once, at a moment of their own that "
            "they do not choose: the price does not depend on what they offer; the poster sets its "
            "reserve as it likes",
        ),
        individually_rational=Claim(
            True, "nobody trades beyond the own price, but for a nano-unit a unit of rounding"
        ),
        budget=Claim(True, "takers pay the poster, or it pays them, to the nano-unit"),
        false_name_proof=Claim(
            False, "in one nanosecond the lowest offer id is first, and another name can have it"
        ),
        coalition_proof=Claim(False, "who leaves a unit to the next taker saves it the rise"),
        credible=Claim(
            False, "the poster can buy from itself under another name, and the price rises"
        ),
        networks=(NETWORK,),
        agency="indirect",
        information="implicit",
        game="competition",
        budget_class="balanced",
        kind="posted",
        how="One participant has energy to sell and a schedule by which to sell it. The posted "
        "price is right while sales keep to the schedule; it falls while they lag and rises with "
        "every unit sold. Whoever comes takes what the price is worth it, or goes.",
        good_for="One seller (or buyer) whose takers come and go over hours or days, and who wants "
        "to sell at a steady rate without knowing what the energy is worth.",
        not_for="Many sellers against each other, a single moment, or takers who can wait: they "
        "wait for the price to fall.",
        other_names=("VRGDA", "variable rate GDA"),
        sources=(
            "Frankie, Robinson, White, Dave 2022, Variable Rate GDAs, Paradigm",
            "Frankie, Robinson, White 2022, Gradual Dutch Auctions, Paradigm",
        ),
    )

    def __post_init__(self) -> None:
        def need(holds: bool, message: str, remedy: str) -> None:
            if not holds:
                raise InputError(message, remedy=remedy)

        need(self.side in ("sell", "buy"), f"side of {self.side!r}", "use sell or buy")
        need(
            self.schedule in ("linear", "logistic"),
            f"schedule of {self.schedule!r}",
            "use linear or logistic",
        )
        for name in ("target_price_per_j", "decay", "decay_s", "rate_per_s", "unit_j"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            need(
                number and isfinite(value) and value > 0,
                f"{name} of {value!r} is not a number above 0",
                "give a number above 0",
            )
            object.__setattr__(self, name, float(value))
        need(self.decay < 1, f"decay of {self.decay!r}", "give a share below 1")
        whole = isinstance(self.most_units, int) and not isinstance(self.most_units, bool)
        logistic = self.schedule == "logistic"
        need(
            whole and (self.most_units > 0 if logistic else self.most_units == 0),
            f"most_units of {self.most_units!r} on a {self.schedule} schedule",
            "logistic: a whole number above 0; linear: leave it out",
        )
        need(
            0.5 <= self.unit_j * UJ_PER_J <= LARGEST_UNIT_UJ and self._unit_uj() >= 1,
            f"unit_j of {self.unit_j!r}",
            "give a microjoule or more, and at most 4.5e9 J",
        )

    def _unit_uj(self) -> int:
        return round(self.unit_j * UJ_PER_J)

    def terms(self, frame: Book, state: State) -> Terms:
        """What stands fast in an interval, from parameters and the state that came in.

        Raises
        ------
        InputError
            The state is not one that this mechanism leaves.
        """
        opens_ns = frame.interval.start_s * 10**9
        schedule = Schedule(
            self.target_price_per_j, self.decay, self.decay_s, self.rate_per_s, self.most_units,
            self.side == "buy",
        )  # fmt: skip
        own = {key: value for key, value in state.items() if key != "cancelled"}
        if not own:
            return Terms(schedule, self._unit_uj(), opens_ns, 0, opens_ns)
        wrong = InputError(
            'the state is not {"sold_j", "start_ns"}, exact decimal strings of 0 or more and of a '
            "time",
            place="state",
            remedy="hand in the state of the interval before, or none",
        )
        if set(own) != OWN_KEYS:
            raise wrong
        try:
            sold_uj, start_ns = parse_exact(own["sold_j"], 6), parse_exact(own["start_ns"], 0)
        except (ValueError, TypeError):
            raise wrong from None
        if sold_uj < 0:
            raise wrong
        return Terms(schedule, self._unit_uj(), start_ns, sold_uj, opens_ns)

    def first(
        self, frame: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> VrgdaState | Refusal:
        """The sale as the interval before left it. See `isojoule.market.contract`."""
        refusal = refuse_network(self.name, frame)
        if refusal is not None:
            return refusal
        came = {key: value for key, value in (state or {}).items() if key != "cancelled"}
        try:
            terms = self.terms(frame, came)
        except InputError as error:
            return Refusal(self.name, error.message, error.remedy)
        return VrgdaState(grid, seed, came, Session.of(Sale(terms)))

    def step(
        self, state: VrgdaState, message: Message, now_ns: int
    ) -> tuple[VrgdaState, tuple[Event, ...]]:
        """The sale after a message, and what happened."""
        session, events = state.session.after(message, now_ns)
        return VrgdaState(state.grid, state.seed, state.came, session), events

    def close(self, state: VrgdaState, book: Book) -> Clearing | Refusal:
        """The clearing of all that was sold."""
        sale = state.session.machine
        for name in book.offer_ids:
            if name not in sale.posted:
                return Refusal(self.name, f"offer {name!r} did not come in", "hand it in")
        position = {name: i for i, name in enumerate(book.offer_ids)}
        matches: tuple[Match, ...] = ()
        if sale.poster is not None:
            poster = position[sale.poster.id]
            matches = tuple(self._match(poster, position[s.offer_id], *s[1:]) for s in sale.sold)
        told = notes(sale.sold_uj, sale.terms, sale.price_per_j(), sale.posted)
        return clearing_of(
            self.name, asdict(self), state.seed, book, state.grid, matches, **bounds(told),
            notes=told, state=state_of(sale.sold_uj, sale.terms.start_ns),
            before={**state.came, **cancelled_rows(sale.cancelled)},
        )  # fmt: skip

    def _match(self, poster: int, taker: int, energy_uj: int, paid: int, at_ns: int) -> Match:
        pair = (poster, taker) if self.side == "sell" else (taker, poster)
        return Match(*pair, energy_uj, paid, at_ns)

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        """Clear the book. See `isojoule.market.contract`."""
        return refuse_network(self.name, book) or fold(self, book, grid, state=state, seed=seed)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        again = replay(self, book, grid, clearing.state_before)
        check_matched(book, grid, clearing, [self._match(again.poster, *row) for row in again.rows])
        told = notes(again.sold_uj, again.terms, again.price_per_j, again.posted)
        check_told(clearing, told, state_of(again.sold_uj, again.terms.start_ns))
        check_uniform(grid, clearing, bounds(told))

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer got what it got."""
        return reasons(self.side == "buy", book, grid, clearing)


def notes(
    sold_uj: int, terms: Terms, price_per_j: float | None, posted: dict[str, float | None]
) -> dict[str, Any]:
    """What the sale tells when it closes: how much went, and the price that each taker met."""
    return {
        "sold_j": joules_text(sold_uj - terms.sold_uj),
        "posted_price_per_j": price_per_j,
        "posted": dict(posted),
    }


def bounds(told: dict[str, Any]) -> dict[str, float]:
    """Price of every node: that of the next unit when the last taker had gone."""
    price = told["posted_price_per_j"]
    return {"price_per_j": nan if price is None else price, "lowest": -inf, "highest": inf}
