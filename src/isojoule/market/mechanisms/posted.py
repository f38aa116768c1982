"""What the posted prices share: one sale as a sequential mechanism, its check and its words.

A mechanism gives a name, a `side` and its schedule; `Posted` makes the rest of it. What goes on to
the next interval is how much was sold and since when, unless `runs_on` is false: then each
interval begins anew.
Spec: docs/spec/sequential.md, Q15 to Q28.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict
from math import inf, isfinite, nan
from typing import Any, ClassVar

from isojoule.core.errors import InputError
from isojoule.core.units import UJ_PER_J, joules_text, parse_exact
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Match, Refusal, State
from isojoule.market.matched import (
    check_matched,
    check_told,
    check_uniform,
    clearing_of,
)
from isojoule.market.mechanisms.posted_naive import replay
from isojoule.market.mechanisms.posted_price import PriceSchedule
from isojoule.market.mechanisms.posted_sale import Sale, Terms, state_of
from isojoule.market.mechanisms.posted_words import reasons
from isojoule.market.one_machine import OneMachine, Running

OWN_KEYS = {"sold_j", "start_ns"}
LARGEST_UNIT_UJ = 2**52


class Posted(OneMachine[Sale]):
    """A posted price as a mechanism; subclasses are frozen dataclasses."""

    runs_on: ClassVar[bool] = True
    side: str

    def schedule_of(self, frame: Book) -> PriceSchedule:
        """How the price moves in this interval."""
        raise NotImplementedError

    def unit_uj(self) -> int:
        """The step by which the price moves, microjoules."""
        raise NotImplementedError

    def terms(self, frame: Book, state: State) -> Terms:
        """What stands fast in an interval, from parameters and the state that came in.

        Raises
        ------
        InputError
            The state is not one that this mechanism leaves.
        """
        opens_ns = frame.interval.start_s * 10**9
        schedule = self.schedule_of(frame)
        own = {key: value for key, value in state.items() if key != "cancelled"}
        if not own:
            return Terms(schedule, self.unit_uj(), opens_ns, 0, opens_ns)
        if not self.runs_on:
            raise InputError(
                "each interval begins anew, but a state came in", place="state",
                remedy="hand in none",
            )  # fmt: skip
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
        return Terms(schedule, self.unit_uj(), start_ns, sold_uj, opens_ns)

    def carried(self, sold_uj: int, terms: Terms) -> State:
        """What the next interval needs."""
        return state_of(sold_uj, terms.start_ns) if self.runs_on else {}

    def begun(self, frame: Book, came: State) -> Sale:
        """The sale as the interval before left it."""
        return Sale(self.terms(frame, came))

    def known(self, machine: Sale) -> Container[str]:
        """Who came."""
        return machine.posted

    def closed(self, state: Running[Sale], book: Book) -> Clearing | Refusal:
        """The clearing of all that was sold."""
        sale = state.machine
        position = {name: i for i, name in enumerate(book.offer_ids)}
        matches: tuple[Match, ...] = ()
        if sale.poster is not None:
            poster = position[sale.poster.id]
            matches = tuple(self._match(poster, position[s.offer_id], *s[1:]) for s in sale.sold)
        told = notes(sale.sold_uj, sale.terms, sale.price_per_j(), sale.posted)
        return clearing_of(
            self.name, _parameters(self), state.seed, book, state.grid, matches, **bounds(told),
            notes=told, state=self.carried(sale.sold_uj, sale.terms),
            before=state.before(sale.cancelled),
        )  # fmt: skip

    def _match(self, poster: int, taker: int, energy_uj: int, paid: int, at_ns: int) -> Match:
        pair = (poster, taker) if self.side == "sell" else (taker, poster)
        return Match(*pair, energy_uj, paid, at_ns)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        again = replay(self, book, grid, clearing.state_before)
        check_matched(book, grid, clearing, [self._match(again.poster, *row) for row in again.rows])
        told = notes(again.sold_uj, again.terms, again.price_per_j, again.posted)
        check_told(clearing, told, self.carried(again.sold_uj, again.terms))
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


def _parameters(rule: Posted) -> dict[str, Any]:
    found: dict[str, Any] = asdict(rule)  # type: ignore[call-overload]
    return found


def need(holds: bool, message: str, remedy: str) -> None:
    """Insist on a parameter. Raises InputError."""
    if not holds:
        raise InputError(message, remedy=remedy)


def need_side(side: Any) -> None:
    """Insist on a side. Raises InputError."""
    need(side in ("sell", "buy"), f"side of {side!r}", "use sell or buy")


def need_above_zero(rule: object, *names: str) -> None:
    """Insist on finite numbers above 0, and make floats of them. Raises InputError."""
    for name in names:
        value = getattr(rule, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        need(
            number and isfinite(value) and value > 0,
            f"{name} of {value!r} is not a number above 0",
            "give a number above 0",
        )
        object.__setattr__(rule, name, float(value))


def unit_uj_of(unit_j: float) -> int:
    """A unit in microjoules. Raises InputError where it is none."""
    need(
        0.5 <= unit_j * UJ_PER_J <= LARGEST_UNIT_UJ and round(unit_j * UJ_PER_J) >= 1,
        f"unit_j of {unit_j!r}",
        "give a microjoule or more, and at most 4.5e9 J",
    )
    return round(unit_j * UJ_PER_J)
