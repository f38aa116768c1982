"""Why an offer got what it got under a community rule, in words.

They never fail where a clearing is wrong. Example: "not filled: homes act by the utility's prices,
and its bid of 0.2 EUR/kWh is below the 0.3 EUR/kWh that the utility sells at".
"""

from __future__ import annotations

import numpy as np

from isojoule.core.units import UJ_PER_J, price_text
from isojoule.grid import Grid
from isojoule.kernels.prices import fill
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Refusal
from isojoule.market.mechanisms.community import Nets, Rule, nets_of, refuse_book
from isojoule.market.mechanisms.utility_only import BATTERY, Tariff
from isojoule.valuation.curve import marginal

NEAR_J = 4e-6
"""Bounds and energies are rounded by so much."""


def reasons(rule: Rule, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
    """A text for each offer, in the order of the book."""
    tariff = refuse_book(rule.name, book, -np.inf)
    if isinstance(tariff, Refusal):
        return [""] * book.offer_count
    nets = nets_of(book, tariff, clearing.energy_uj)
    p, offer = book.pieces, book.piece_offer.astype(np.int64)
    energy_j = clearing.energy_uj / UJ_PER_J
    x = fill(offer, p.lo, p.hi, energy_j)
    worth = marginal(p, x)
    low = np.bincount(offer, p.lo, book.offer_count)
    high = np.bincount(offer, p.hi, book.offer_count)
    texts = []
    for i in range(book.offer_count):
        mine = np.flatnonzero(offer == i)
        if i == tariff.offer:
            texts.append(_of_utility(nets))
        elif not mine.size or (low[i] == 0 and high[i] == 0):
            texts.append("nothing offered")
        elif book.offer_kind[i] == BATTERY:
            texts.append(_of_battery(float(energy_j[i])))
        else:
            sides = []
            if high[i] > 0:
                sides.append(_side(book, tariff, float(energy_j[i]), high[i], worth[mine], buys=1))
            if low[i] < 0:
                sides.append(_side(book, tariff, -float(energy_j[i]), -low[i], worth[mine], buys=0))
            texts.append("; ".join(dict.fromkeys(sides)))
    return texts


def _of_utility(nets: Nets) -> str:
    rest = nets.supply_uj - nets.demand_uj
    if rest > 0:
        return "takes what the homes have left, at its buying price"
    if rest < 0:
        return "gives what the homes lack, at its selling price"
    return "the homes have for each other what they need"


def _of_battery(energy_j: float) -> str:
    if energy_j > NEAR_J:
        return "takes what its own home has left"
    if energy_j < -NEAR_J:
        return "gives to its own home, or what is beyond its capacity"
    return "its own home has nothing for it, and needs nothing of it"


def _side(
    book: Book, tariff: Tariff, got_j: float, most_j: float, worth: np.ndarray, *, buys: int
) -> str:
    """How much of a side is filled, and what keeps the rest."""
    if got_j >= most_j - NEAR_J - 1e-9 * most_j:
        return "filled"
    how = "partly filled" if got_j > NEAR_J else "not filled"
    if buys:
        own, at, name, verb = float(worth.max()), tariff.sells_at, "bid", "sells"
        where = "below"
    else:
        own, at, name, verb = float(worth.min()), tariff.buys_at, "ask", "buys"
        where = "above"
    beyond = own < at if buys else own > at
    if beyond:
        return (
            f"{how}: homes act by the utility's prices, and its {name} of "
            f"{price_text(own, book.currency)} is {where} the {price_text(at, book.currency)} that "
            f"the utility {verb} at"
        )
    return f"{how}: its own home comes first"


def price_reason(rule: Rule, book: Book, grid: Grid, clearing: Clearing) -> str:
    """How the two prices came about."""
    tariff = refuse_book(rule.name, book, -np.inf)
    if isinstance(tariff, Refusal):
        return ""
    nets = nets_of(book, tariff, clearing.energy_uj)
    if not nets.supply_uj and not nets.demand_uj:
        return "No home has anything for another, or needs anything."
    prices = rule.prices(nets.supply_uj, nets.demand_uj, tariff)
    buyers, sellers = (price_text(float(v), book.currency) for v in prices)
    between = (
        f"the utility's {price_text(tariff.buys_at, book.currency)} and "
        f"{price_text(tariff.sells_at, book.currency)}"
    )
    share = ""
    if nets.demand_uj:
        share = f" The homes export {100 * nets.supply_uj / nets.demand_uj:.3g} % of what they need"
        share += ", between " + between + "."
    return f"Homes that import pay {buyers}, homes that export get {sellers}.{share}"
