"""What the two clock auctions share: a sequential mechanism, its payments, its check.

Spec: docs/spec/sequential.md, Q37 to Q43.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict
from fractions import Fraction
from math import inf, isfinite, nan
from typing import Any, ClassVar

from isojoule.grid import Grid
from isojoule.kernels.money import payment_of
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Match, Refusal, State
from isojoule.market.matched import (
    check_matched,
    check_told,
    check_uniform,
    clearing_of,
)
from isojoule.market.mechanisms.clock import S_NS, Clock, Ended, Terms, clinched, run
from isojoule.market.mechanisms.clock_naive import replay
from isojoule.market.mechanisms.clock_words import reasons
from isojoule.market.mechanisms.posted import need, need_above_zero
from isojoule.market.one_machine import OneMachine, Running, no_state


class ClockAuction(OneMachine[Clock]):
    """A clock auction as a mechanism; subclasses are frozen dataclasses."""

    sells: ClassVar[bool]
    start_price_per_j: float
    step_per_j: float
    payment: str
    opens_s: float
    round_s: float

    def check(self) -> None:
        """Insist on the parameters. Raises InputError."""
        start = self.start_price_per_j
        number = isinstance(start, int | float) and not isinstance(start, bool)
        need(number and isfinite(start), f"start_price_per_j of {start!r}", "give a number")
        object.__setattr__(self, "start_price_per_j", float(start))
        need_above_zero(self, "step_per_j", "round_s")
        need(round(self.round_s * S_NS) >= 1, f"round_s of {self.round_s!r}", "give a nanosecond")
        opens = self.opens_s
        number = isinstance(opens, int | float) and not isinstance(opens, bool)
        need(
            number and isfinite(opens) and opens >= 0,
            f"opens_s of {opens!r}",
            "give a number, 0 or more",
        )
        object.__setattr__(self, "opens_s", float(opens))
        need(
            self.payment in ("uniform", "clinching"),
            f"payment of {self.payment!r}",
            "use uniform or clinching",
        )

    def terms(self, frame: Book) -> Terms:
        """What stands fast in an interval."""
        opens_ns = frame.interval.start_s * S_NS
        return Terms(
            self.sells, Fraction(self.start_price_per_j), Fraction(self.step_per_j),
            opens_ns + round(self.opens_s * S_NS), round(self.round_s * S_NS), opens_ns,
        )  # fmt: skip

    def begun(self, frame: Book, came: State) -> Clock:
        """Before the first call."""
        no_state(came, "hand in none")
        return Clock(self.terms(frame))

    def known(self, machine: Clock) -> Container[str]:
        """Who came."""
        return machine.quotes

    def closed(self, state: Running[Clock], book: Book) -> Clearing | Refusal:
        """The calls are made, one after the other; what was traded."""
        clock = state.machine
        bids, asks = clock.bids(), clock.asks()
        ended = run(bids, asks, state.seed)
        paid = self._paid(clock, ended)
        matches: tuple[Match, ...] = ()
        if clock.auctioneer is not None:
            at_ns = clock.terms.first_ns + (ended.call or 0) * clock.terms.round_ns
            matches = tuple(
                self._match(book, clock.auctioneer.id, name, ended.energy_uj[name], money, at_ns)
                for name, money in paid.items()
            )
        told = notes(clock.terms, ended.call, ended.price_call, bool(matches))
        return clearing_of(
            self.name, _parameters(self), state.seed, book, state.grid, matches, **bounds(told),
            notes=told, state={}, before=state.before(clock.cancelled),
        )  # fmt: skip

    def _paid(self, clock: Clock, ended: Ended) -> dict[str, int]:
        """What each offer that trades pays (or is paid), nano-units, by id in order."""
        at, terms = ended.price_call, clock.terms
        if self.payment == "uniform":
            price = terms.price_per_j(at)
            return {n: self._nano(price, e) for n, e in sorted(ended.energy_uj.items())}
        parts = {
            who: [[terms.price_per_j(n), size] for n, size in sorted(rows.items())]
            for who, rows in clinched(clock.bids(), clock.asks(), ended).items()
        }
        out: dict[str, int] = {}
        for name, energy in sorted(ended.energy_uj.items()):
            out[name], left = 0, energy
            mine = parts[clock.owner[name]]
            while left:
                size = min(left, int(mine[0][1]))
                out[name] += self._nano(float(mine[0][0]), size)
                mine[0][1] -= size
                left -= size
                if not mine[0][1]:
                    mine.pop(0)
        return out

    def _nano(self, price: float, energy_uj: int) -> int:
        """Who buys is rounded up, who sells down."""
        return (
            int(payment_of(price, energy_uj)) if self.sells else -int(payment_of(price, -energy_uj))
        )

    def _match(
        self, book: Book, auctioneer: str, other: str, energy: int, paid: int, at_ns: int
    ) -> Match:
        pair = (book.offer_ids.index(auctioneer), book.offer_ids.index(other))
        return Match(*(pair if self.sells else pair[::-1]), energy, paid, at_ns)

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        again = replay(self, book, grid, clearing.state_before, clearing.seed)
        at_ns = again.terms.first_ns + (again.call or 0) * again.terms.round_ns
        matches = [
            self._match(book, again.auctioneer, name, energy, paid, at_ns)
            for name, energy, paid in again.rows
        ]
        check_matched(book, grid, clearing, matches)
        told = notes(again.terms, again.call, again.price_call, bool(matches))
        check_told(clearing, told, {})
        check_uniform(grid, clearing, bounds(told))

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer got what it got."""
        return reasons(self.sells, book, grid, clearing)


def notes(terms: Terms, call: int | None, price_call: int, traded: bool) -> dict[str, Any]:
    """What the auction tells: the last call, its price, and the price that was traded at."""
    return {
        "calls": 0 if call is None else call + 1,
        "last_call_per_j": None if call is None else terms.price_per_j(call),
        "price_per_j": terms.price_per_j(price_call) if traded else None,
    }


def bounds(told: dict[str, Any]) -> dict[str, float]:
    """Price of every node: the one that was traded at."""
    price = told["price_per_j"]
    if price is None:
        return {"price_per_j": nan, "lowest": -inf, "highest": inf}
    return {"price_per_j": price, "lowest": price, "highest": price}


def _parameters(rule: ClockAuction) -> dict[str, Any]:
    found: dict[str, Any] = asdict(rule)  # type: ignore[call-overload]
    return found
