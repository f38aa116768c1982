"""The continuous double auction: an order book with price-time priority."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, nan
from typing import Any, ClassVar

from isojoule.core.units import UJ_PER_J, joules_text
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Match, Refusal, State, Traits
from isojoule.market.matched import (
    NETWORK,
    check_matched,
    check_told,
    check_uniform,
    clearing_of,
)
from isojoule.market.mechanisms.cda_book import Fill, OrderBook
from isojoule.market.mechanisms.cda_naive import replay
from isojoule.market.mechanisms.cda_words import reasons
from isojoule.market.messages import Cancel
from isojoule.market.one_machine import OneMachine, Running, no_state
from isojoule.market.quotes import BUY, SELL
from isojoule.market.sequential import Session
from isojoule.valuation import Offer


@dataclass(frozen=True)
class Cda(OneMachine[OrderBook]):
    """Offers trade as they come; what rests waits for the next one.

    An offer that comes in trades with the best that rest on the other side, as far as its price
    allows, each at the price of the order that rested. Among equal prices the earlier order is
    first. What is left rests, or is dropped if the offer is `immediate`. An order never trades
    with its own participant's: those are passed over and keep their place. A load bids its lost
    load, a utility rests without limit at both its prices. Nothing is carried to the next
    interval.

    Other names: order book, limit order market, continuous trading.

    Sources: Smith 1962 (J. Polit. Econ. 70:111, doi 10.1086/258609); Gode, Sunder 1993 (J. Polit.
    Econ. 101:119, doi 10.1086/261868). Spec: docs/spec/sequential.md, Q6 to Q14.
    """

    name: ClassVar[str] = "cda"
    traits: ClassVar[Traits] = Traits(
        summary="Continuous double auction: an order book with price-time priority.",
        efficient=Claim(False, "who comes first trades first, even if a later one wanted it more"),
        incentive_compatible=Claim(False, "an order that rests sets the price, so it asks more"),
        individually_rational=Claim(
            True, "nobody trades beyond the own price, but for a nano-unit a trade of rounding"
        ),
        budget=Claim(True, "each buyer pays its seller, to the nano-unit"),
        false_name_proof=Claim(
            False, "in one nanosecond the lowest offer id is first, and another name can have it"
        ),
        coalition_proof=Claim(False, "two sellers who both ask more are both paid more"),
        credible=Claim(False, "whoever sees an order first can buy ahead of it and resell to it"),
        networks=(NETWORK,),
        agency="indirect",
        information="mediated",
        game="competition",
        budget_class="balanced",
        kind="sequential",
        how="Offers come one after the other. Each trades at once with the best that wait on the "
        "other side, at the price that the waiting one named. What cannot trade waits, in the "
        "order of price and then of time.",
        good_for="Trading at any hour, by people or programs that watch the market, where wires "
        "do not bind.",
        not_for="Many who all bid at one moment: one call auction gives them one price and loses "
        "nothing to the order of arrival. Nor for offers that nobody watches, such as a load that "
        "rests at its lost load.",
        other_names=("order book", "limit order market", "continuous trading"),
        sources=(
            "Smith 1962, J. Polit. Econ. 70:111, doi 10.1086/258609",
            "Gode, Sunder 1993, J. Polit. Econ. 101:119, doi 10.1086/261868",
        ),
    )

    def begun(self, frame: Book, came: State) -> OrderBook:
        """The empty order book."""
        no_state(came, "an order book starts empty")
        return OrderBook()

    def known(self, machine: OrderBook) -> Container[str]:
        """Who came."""
        return machine.orders

    def swift(
        self, state: Running[OrderBook], offers: list[Offer], cancelled: list[tuple[Cancel, int]]
    ) -> Running[OrderBook] | Refusal:
        """The order book after all of them. See `isojoule.market.sequential.Swift`."""
        machine = OrderBook()
        gone = sorted(cancelled, key=lambda row: row[1])[::-1]  # stable
        for offer in offers:
            at_ns = offer.at_ns
            while gone and gone[-1][1] < at_ns:
                machine.cancel(*gone.pop())
            unfit = machine.submit(offer, at_ns)
            if unfit is not None:
                text = f"offer {offer.id!r}: {unfit.reason}"
                return Refusal(self.name, text, unfit.remedy)
        while gone:
            machine.cancel(*gone.pop())
        return replace(state, session=Session.of(machine))

    def closed(self, state: Running[OrderBook], book: Book) -> Clearing | Refusal:
        """The clearing of all that was traded."""
        machine = state.machine
        told = notes(
            machine.energy_uj, machine.payment_nano, machine.traded_per_j, machine.best(BUY),
            machine.best(SELL),
        )  # fmt: skip
        return clearing_of(
            self.name, asdict(self), state.seed, book, state.grid, matches_of(book, machine),
            **bounds(told), notes=told, state={}, before=state.before(machine.cancelled),
        )  # fmt: skip

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        fills, bid, ask = replay(book, grid, clearing.state_before)
        check_matched(book, grid, clearing, matches(book, fills))
        told = notes(
            [f.energy_uj for f in fills], [f.payment_nano for f in fills],
            [f.price_per_j for f in fills], bid, ask,
        )  # fmt: skip
        check_told(clearing, told, {})
        check_uniform(grid, clearing, bounds(told))

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer got what it got."""
        return reasons(book, grid, clearing)


def matches_of(book: Book, machine: OrderBook) -> tuple[Match, ...]:
    """The trades of an order book, with the positions of their offers."""
    position = {name: i for i, name in enumerate(book.offer_ids)}
    at = [position[name] for name in machine.ids]
    sell, buy = [at[order] for order in machine.sold], [at[order] for order in machine.bought]
    return tuple(map(Match, sell, buy, machine.energy_uj, machine.payment_nano, machine.at_ns))


def matches(book: Book, fills: list[Fill]) -> tuple[Match, ...]:
    """The trades with the positions of their offers."""
    position = {name: i for i, name in enumerate(book.offer_ids)}
    return tuple(
        Match(position[f.sell_offer], position[f.buy_offer], f.energy_uj, f.payment_nano, f.at_ns)
        for f in fills
    )


def notes(
    energy_uj: Sequence[int], payment_nano: Sequence[int], price_per_j: Sequence[float],
    bid: float | None, ask: float | None,
) -> dict[str, Any]:  # fmt: skip
    """What the order book tells when it closes: what rests best, what was traded (columns)."""
    volume, paid = sum(energy_uj), sum(payment_nano)
    return {
        "best_bid_per_j": bid,
        "best_ask_per_j": ask,
        "last_price_per_j": price_per_j[-1] if price_per_j else None,
        "mean_price_per_j": paid * 1e-9 / (volume / UJ_PER_J) if volume else None,
        "volume_j": joules_text(volume),
    }


def bounds(told: dict[str, Any]) -> dict[str, float]:
    """Price of every node (that of the last trade), and the best bid and ask that rest."""
    bid, ask, last = (told[f"{key}_per_j"] for key in ("best_bid", "best_ask", "last_price"))
    return {
        "price_per_j": nan if last is None else last,
        "lowest": -inf if bid is None else bid,
        "highest": inf if ask is None else ask,
    }
