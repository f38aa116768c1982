"""One street, five rules: the same offers, other payments, and something that each rule gives up.

Five homes want a kWh each, five have one to sell. One price for all is simple, but whoever is
large enough moves it. Pay-as-bid leaves nothing to those who tell the truth: the operator gets it.
McAfee's rule makes the truth the best offer by leaving out the last pair, and the operator keeps a
little. VCG makes it the best offer and trades all that pays, but the operator has to add money. In
the order book it matters who came first, and not all that pays is traded. Nobody can have
everything at once (Myerson and Satterthwaite, 1983); what a community would rather give up is its
own choice.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from _picture import BLUE, LINE, RED, SOFT, label, picture, run
from _world import asks, bids

from isojoule.core.interval import Interval
from isojoule.core.units import NANO_PER_UNIT
from isojoule.grid import Grid
from isojoule.market import Book, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import Offer

GRID = Grid(("street",))
WORTH = (17.0, 14.0, 13.0, 9.0, 2.0)
"""Of a kWh to the five who want one, ct."""
COST = (1.0, 4.0, 5.0, 8.0, 11.0)
"""Of a kWh to the five who have one, ct."""
COMES = (("s", 4), ("b", 0), ("s", 0), ("b", 3), ("b", 1), ("s", 1), ("s", 2), ("b", 2), ("s", 3),
         ("b", 4))  # fmt: skip
"""Who came when: the order book answers each on arrival, the others wait for all."""
RULES = (
    ("uniform-price", "one price"),
    ("pay-as-bid", "pay as bid"),
    ("mcafee", "McAfee"),
    ("vcg-exchange", "VCG"),
    ("cda", "order book"),
)


class Outcome(NamedTuple):
    """Who trades at what, in ct, by position in `WORTH` and `COST`."""

    pays: dict[int, float]
    gets: dict[int, float]
    gains: float
    operator: float


def street() -> Book:
    """The ten offers."""
    offers = [
        Offer(
            f"{side}{i}",
            "street",
            bids(1.0, WORTH[i]) if side == "b" else asks(1.0, COST[i]),
            at_ns=at,
        )
        for at, (side, i) in enumerate(COMES)
    ]
    return Book.from_offers(offers, GRID, interval=Interval(0, 900.0), network="copperplate")


def outcome(rule: str) -> Outcome:
    """The street under a rule, checked as an auditor would."""
    book = street()
    found = get(rule).clear(book, GRID)
    assert not isinstance(found, Refusal), str(found)
    check_clearing(book, GRID, found)
    pays: dict[int, float] = {}
    gets: dict[int, float] = {}
    for i, name in enumerate(book.offer_ids):
        paid = float(found.payment_nano[i]) / NANO_PER_UNIT * 100
        if found.energy_uj[i] > 0:
            pays[int(name[1:])] = paid
        elif found.energy_uj[i] < 0:
            gets[int(name[1:])] = -paid
    return Outcome(pays, gets, found.welfare * 100, found.surplus_nano / NANO_PER_UNIT * 100)


def close(one: float, other: float) -> bool:
    """The same but for rounding to nano-units."""
    return abs(one - other) < 1e-6


def main(folder: Path) -> str:
    """Assert the claims, and draw what each home pays or gets."""
    found = {rule: outcome(rule) for rule, _ in RULES}
    one, bid, left, vcg, book = (found[rule] for rule, _ in RULES)
    best = sum(w - c for w, c in zip(WORTH, COST, strict=True) if w > c)
    assert close(one.gains, best) and close(bid.gains, best) and close(vcg.gains, best)
    assert {round(p, 6) for p in (*one.pays.values(), *one.gets.values())} == {8.5}
    assert close(one.operator, 0) and close(bid.operator, best), "all gains, or nothing"
    assert len(left.pays) == 3 and close(left.gains, best - 1) and close(left.operator, 3)
    assert all(close(p, 8) for p in vcg.pays.values()) and close(vcg.operator, -4)
    assert book.gains < best and close(book.operator, 0)
    for o in found.values():
        assert all(paid <= WORTH[i] + 1e-6 for i, paid in o.pays.items()), "nobody overpays"
        assert all(paid >= COST[i] - 1e-6 for i, paid in o.gets.items())
    with picture(
        folder,
        "one_street_five_rules",
        "One street, five rules: who pays and gets what",
        len(RULES),
        size=(10.5, 3.7),
    ) as panels:
        edges = list(range(len(WORTH) + 1))
        for ax, (rule, name) in zip(panels, RULES, strict=True):
            o = found[rule]
            for heights in (WORTH, COST):
                ax.stairs(heights, edges, baseline=None, color=LINE, linewidth=3)
            for side, colour, mark in ((o.pays, BLUE, "v"), (o.gets, RED, "^")):
                x = [i + 0.5 for i in side]
                ax.plot(x, list(side.values()), mark, color=colour, markersize=8)
            ax.set_ylim(0, 18.5)
            ax.set_xticks([])
            ax.set_yticks([0, 5, 10, 15])
            ax.set_title(name)
            gains = f"gains {o.gains:.0f} ct of {best:.0f}"
            ax.set_xlabel(f"{gains}\noperator {round(o.operator) + 0:+d} ct".replace("+0", "0"))
        panels[0].set_ylabel("ct/kWh")
        label(panels[0], 0.5, 8.5, "pays", BLUE, dx=8, dy=12)
        label(panels[0], 0.5, 8.5, "gets", RED, dx=8, dy=-12)
        label(panels[0], 1.1, WORTH[0], "worth to buyers", SOFT, dx=2, dy=0)
        label(panels[0], 1.0, COST[0], "cost to sellers", SOFT, dx=6, dy=0)
    return (
        f"of {best:.0f} ct to be gained the rules reach "
        + ", ".join(f"{o.gains:.0f} ({rule})" for rule, o in found.items())
        + "; the operator ends with "
        + ", ".join(f"{round(o.operator):+d}" for o in found.values())
        + " ct"
    )


if __name__ == "__main__":
    run(main)
