"""The community rules once more, naively: one meter after the other, by who owes what.

Nothing is shared with the first implementation but the tariff. Meters are named by participant and
node, prices follow from what is owed: of `mid-market`, that each Joule between neighbours costs
the middle price and the long side bears the rest; of `supply-demand-ratio`, that one over the
sellers' price runs straight from one over the selling to one over the buying price.
What a home nets is checked as that of `utility-only`, whose second implementation it is.

Spec: docs/spec/community.md, N6.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Refusal
from isojoule.market.mechanisms.community import Rule, priced, refuse_book
from isojoule.market.mechanisms.utility_only import Tariff, check_alone
from isojoule.market.unproved import check_unproved


def audit(rule: Rule, book: Book, grid: Grid, clearing: Clearing, least_per_j: float) -> None:
    """Check a clearing of a community rule. Raises VerificationError."""
    c = clearing
    again = check_tables(rule, book, grid, c, c.surplus_nano, least_per_j)
    if c.operator != again.operator:
        raise VerificationError("has other lines than the rounding", place="operator")
    check_unproved(grid, c, again)


def check_tables(
    rule: Rule, book: Book, grid: Grid, clearing: Clearing, operator_nano: int, least_per_j: float
) -> Clearing:
    """Check energies and payments, without prices and lines; returns what should stand."""
    tariff = refuse_book(rule.name, book, least_per_j)
    if isinstance(tariff, Refusal):
        raise VerificationError(tariff.reason, place="book")
    c = clearing
    owed = _owed(rule.name, book, tariff, c)
    for i, (stored, true) in enumerate(zip(c.payment_nano.tolist(), owed, strict=True)):
        if stored != true:
            raise VerificationError(
                f"pays {stored}, not {true} nano-units", place=f"offer {book.offer_ids[i]!r}"
            )
    if c.link_payment_nano.any():
        raise VerificationError("links earn nothing here", place="links")
    if operator_nano != sum(owed):
        raise VerificationError("is not the rounding of the payments", place="operator")
    check_alone(book, tariff, c.energy_uj, np.zeros(book.offer_count, bool))
    return priced(rule, book, grid, tariff, c.energy_uj, c.seed)


def _owed(name: str, book: Book, tariff: Tariff, clearing: Clearing) -> list[int]:
    """What each offer pays, nano-units."""
    rows = [
        (int(who), int(node), int(energy))
        for who, node, energy in zip(
            book.offer_participant, book.offer_node, clearing.energy_uj, strict=True
        )
    ]
    net: dict[tuple[int, int], int] = {}
    for i, (who, node, energy) in enumerate(rows):
        if i != tariff.offer:
            net[who, node] = net.get((who, node), 0) + energy
    demand = sum(max(v, 0) for v in net.values())
    supply = sum(max(-v, 0) for v in net.values())
    buyers, sellers = _PRICES[name](supply, demand, tariff)
    owed = []
    for i, (who, node, energy) in enumerate(rows):
        each = buyers if net.get((who, node), 0) > 0 else sellers
        if i == tariff.offer:
            each = Fraction(tariff.sells_at if demand > supply else tariff.buys_at)
        owed.append(math.ceil(each * energy * 1000))
    return owed


def _mid_market(supply: int, demand: int, tariff: Tariff) -> tuple[Fraction, Fraction]:
    sells, buys = Fraction(tariff.sells_at), Fraction(tariff.buys_at)
    middle, shared = (sells + buys) / 2, min(supply, demand)
    from_utility, to_utility = (demand - shared) * sells, (supply - shared) * buys
    buyers = (shared * middle + from_utility) / demand if demand else middle
    sellers = (shared * middle + to_utility) / supply if supply else middle
    return buyers, sellers


def _by_ratio(supply: int, demand: int, tariff: Tariff) -> tuple[Fraction, Fraction]:
    sells, buys = Fraction(tariff.sells_at), Fraction(tariff.buys_at)
    if supply == 0:
        return sells, sells
    if supply > demand or buys == 0:
        covered = Fraction(min(supply, demand), demand) if demand else 1
        return covered * buys + (1 - covered) * sells, buys
    covered = Fraction(supply, demand)
    sellers = 1 / ((1 - covered) / sells + covered / buys)
    return (supply * sellers + (demand - supply) * sells) / demand, sellers


_PRICES = {"mid-market": _mid_market, "supply-demand-ratio": _by_ratio}
