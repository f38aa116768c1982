"""Traders without any intelligence reach nearly all gains in an order book, if they keep to budget.

Gode and Sunder (1993) let programs shout prices by chance. Six homes here want four kWh each, one
after the other, and six have four to sell. Constrained, none shouts a price at which it would lose;
unconstrained, any price goes. A trade clears the book, as theirs did. After a fixed number of
shouts the constrained ones have 97 to 100 % of what could be gained. The others go on to trade what
should not be traded, and lose much of it again. So most of a market's success is in its rules, not
in its traders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _picture import BLUE, RED, SOFT, axes, label, picture, run
from _world import CT_PER_KWH, asks, bids

from isojoule.core.chance import uniform
from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book, Clearing
from isojoule.market.mechanisms.cda import Cda
from isojoule.market.messages import Cancel, Submit
from isojoule.market.verify import check_clearing
from isojoule.valuation import Offer

HOMES, EACH = 6, 4
UNITS = HOMES * EACH
WORTH = [40 - 1.5 * i for i in range(UNITS)]
"""Of each kWh to its buyer, ct: home h wants those of h, h + 6, h + 12, h + 18, in this order."""
COST = [1 + 1.5 * i for i in range(UNITS)]
"""Of each kWh to its seller, ct; likewise."""
TOP = 40.0
SHOUTS = 1000
SESSIONS = 12
GRID = Grid(("street",))
PLACE: Any = {"interval": Interval(0, 900.0), "network": "copperplate"}
BEST = sum(max(w - c, 0.0) for w, c in zip(WORTH, COST, strict=True))


def session(number: int, *, constrained: bool) -> tuple[list[float], list[float]]:
    """Share of the gains reached after each shout, and the price of each trade, ct/kWh."""
    seed, cda = bytes([number]), Cda()
    state: Any = cda.first(Book.from_offers([], GRID, **PLACE), GRID)
    offers: list[Offer] = []
    resting: dict[int, str] = {}
    count = [0] * (2 * HOMES)  # of the kWh that each home has traded
    gains, reached, prices = 0.0, [], []
    for shout in range(SHOUTS):
        now = 2 * shout
        who = int(uniform(seed, "who", shout) * 2 * HOMES)
        chance = uniform(seed, "price", shout)
        buys = who < HOMES
        if count[who] < EACH:
            unit = who % HOMES + HOMES * count[who]
            low, high = (0.0, WORTH[unit]) if buys else (COST[unit], TOP)
            price = low + chance * (high - low) if constrained else chance * TOP
            if who in resting:  # a new shout takes the place of the old one
                state, _ = cda.step(state, Cancel(resting.pop(who), f"home{who}"), now)
            spec = bids(1, price) if buys else asks(1, price)
            offer = Offer(f"home{who}", "street", spec, id=f"{shout:04}-{who}", at_ns=now + 1)
            state, events = cda.step(state, Submit(offer), now + 1)
            offers.append(offer)
            resting[who] = offer.id
            if events[0]["event"] == "traded":
                pair = [int(events[0][side][5:]) for side in ("buy_offer", "sell_offer")]
                units = [home % HOMES + HOMES * count[home] for home in pair]
                gains += WORTH[units[0]] - COST[units[1]]
                prices.append(events[0]["price_per_j"] / CT_PER_KWH)
                for home in pair:
                    count[home] += 1
                for other, name in resting.items():
                    if other not in pair:
                        state, _ = cda.step(state, Cancel(name, f"home{other}"), now + 1)
                resting = {}
        reached.append(100 * gains / BEST)
    book = Book.from_offers(offers, GRID, **PLACE)
    cleared = cda.close(state, book)
    assert isinstance(cleared, Clearing)
    check_clearing(book, GRID, cleared)  # a session verifies like any other clearing
    return reached, prices


def main(out: Path) -> str:
    """Run the sessions; draw what is reached by how many shouts, and the prices of one."""
    kept = [session(i, constrained=True) for i in range(SESSIONS)]
    wild = [session(i, constrained=False) for i in range(SESSIONS)]
    last = [reached[-1] for reached, _ in kept]
    mean, least = sum(last) / SESSIONS, min(last)
    free = sum(reached[-1] for reached, _ in wild) / SESSIONS
    assert 97 <= mean <= 100 and least > 94
    assert free < 60
    most = max(sum(r[i] for r, _ in wild) / SESSIONS for i in range(SHOUTS))
    assert most > free + 5  # they were better off before they went on

    with picture(
        out,
        "zero_intelligence",
        "Order book: shouting by chance is enough, within one's budget",
        2,
        size=(9.4, 4.4),
    ) as (left, right):
        shouts = range(1, SHOUTS + 1)
        for sessions, colour in ((kept, BLUE), (wild, RED)):
            for reached, _ in sessions:
                left.plot(shouts[::5], reached[::5], color=colour, linewidth=0.5, alpha=0.35)
            middle = [sum(r[i] for r, _ in sessions) / SESSIONS for i in range(0, SHOUTS, 5)]
            left.plot(shouts[::5], middle, color=colour)
        label(left, SHOUTS, mean, "within budget", BLUE, dx=0, dy=8, ha="right", va="bottom")
        label(left, SHOUTS, free, "any price", RED, dx=0, dy=-12, ha="right", va="top")
        axes(left, "Shouts", "Reached of all gains, %", low=0)
        left.set_ylim(0, 112)
        for (_, prices), colour, text in ((kept[0], BLUE, "within budget"),
                                          (wild[0], RED, "any price")):  # fmt: skip
            right.plot(range(1, len(prices) + 1), prices, color=colour, marker="o", linewidth=1)
            label(right, len(prices), prices[-1], text, colour, dy=-8)
        right.axhline(20.5, color=SOFT, linewidth=1, linestyle=":")
        label(right, UNITS + 7, 20.5, "worth meets cost", SOFT, dx=0, dy=7, ha="right")
        axes(right, "Trade of the first session", "Price, ct/kWh", low=0)
        right.set_xlim(0.5, UNITS + 7.5)
    return (
        f"after {SHOUTS} shouts constrained traders have {mean:.1f} % of the gains (least "
        f"{least:.1f} %), unconstrained ones {free:.1f} %, after {most:.1f} % at their best"
    )


if __name__ == "__main__":
    run(main)
