"""How much: bonds, penalties, credit. Exact: prices are taken as the fractions that they are.

Spec: docs/spec/collateral.md, B1 to B6.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor, isfinite

from isojoule.core.errors import InputError
from isojoule.settlement.collateral.nouns import Held, Outcome, Penalty, Promise, Side, Terms

NANO_PER_PRICE_UJ = 1000
"""A price of 1 money/J makes so many nano-units of a microjoule."""
MOST = 2**62
"""Bonds and quantities stay below."""


def check_terms(terms: Terms) -> None:
    """Refuse terms that make no sense.

    Raises
    ------
    InputError
        Names the field.
    """
    finite = (terms.highest_per_j, terms.lowest_per_j, terms.fine_per_j, terms.least_share)
    if not all(isfinite(value) for value in finite):
        raise InputError("a price is not finite", place="collateral terms", remedy="give a number")
    faults = {
        "highest_per_j": terms.highest_per_j >= terms.lowest_per_j,
        "fine_per_j": terms.fine_per_j >= 0,
        "most_credit_nano": terms.most_credit_nano >= 0,
        "least_share": 0 <= terms.least_share < 1,
        "prior_uj": terms.prior_uj >= 0,
    }
    for field, fine in faults.items():
        if not fine:
            raise InputError(
                f"{field} is out of its range", place="collateral terms",
                remedy="prices: highest >= lowest; shares from 0 to below 1; nothing negative",
            )  # fmt: skip


def bond_nano(promise: Promise, terms: Terms) -> int:
    """The least bond under which default is no free option, rounded up. B1.

    >>> p = Promise("m", "o", 0, "member/ada", Side.SELL, 3_600_000_000, 0.10 / 3.6e6)
    >>> bond_nano(p, Terms("EUR", highest_per_j=0.90 / 3.6e6))
    800000
    """
    worst = {
        Side.SELL: Fraction(terms.highest_per_j) - Fraction(promise.price_per_j),
        Side.BUY: Fraction(promise.price_per_j) - Fraction(terms.lowest_per_j),
    }[promise.side]
    per_uj = (max(worst, Fraction(0)) + Fraction(terms.fine_per_j)) * NANO_PER_PRICE_UJ
    return ceil(per_uj * promise.quantity_uj)


def shortfall_uj(promise: Promise, outcome: Outcome) -> int:
    """What was promised, was not delivered, and was not curtailed. B3."""
    return max(0, promise.quantity_uj - outcome.delivered_uj - outcome.curtailed_uj)


def penalty_of(held: Held, outcome: Outcome, terms: Terms) -> Penalty:
    """How the bond is slashed: harm first, then the fine, never beyond the bond. B4."""
    promise = held.promise
    short = shortfall_uj(promise, outcome)
    gap = Fraction(outcome.imbalance_per_j) - Fraction(promise.price_per_j)
    gap = gap if promise.side is Side.SELL else -gap
    due = ceil(max(gap, Fraction(0)) * NANO_PER_PRICE_UJ * short)
    harm = min(held.bond_nano, max(0, due - outcome.paid_nano))
    fine = ceil(Fraction(terms.fine_per_j) * NANO_PER_PRICE_UJ * short)
    return Penalty(harm, min(held.bond_nano - harm, fine))


def credit_nano(history: Iterable[tuple[int, int]], terms: Terms) -> int:
    """The most that the guarantee fund stands in for a party, by what it did. B6.

    Parameters
    ----------
    history
        For each measured interval what was promised, uJ, and what of it was short.

    >>> terms = Terms("EUR", 1.0, most_credit_nano=1000, least_share=0.5, prior_uj=100)
    >>> credit_nano([], terms), credit_nano([(900, 0)], terms), credit_nano([(900, 450)], terms)
    (0, 800, 0)
    """
    promised, short = 0, 0
    for wanted, missing in history:
        promised += wanted
        short += min(wanted, missing)
    return credit_of_sums(promised, promised - short, terms)


def credit_of_sums(promised_uj: int, delivered_uj: int, terms: Terms) -> int:
    """As `credit_nano`, from what was promised and delivered in all. B6."""
    counted = promised_uj + terms.prior_uj
    if not counted:
        return 0
    least = Fraction(terms.least_share)
    above = (Fraction(delivered_uj, counted) - least) / (1 - least)
    return floor(terms.most_credit_nano * max(above, Fraction(0)))


def split_among(total: int, weights: tuple[tuple[str, int], ...]) -> list[tuple[str, int]]:
    """Share a whole number by weight, by largest remainder, among equals by name; no zeros.

    >>> split_among(10, (("b", 1), ("a", 1), ("c", 1)))
    [('a', 4), ('b', 3), ('c', 3)]
    """
    whole = sum(weight for _, weight in weights)
    ordered = sorted(weights)
    parts = {name: total * weight // whole for name, weight in ordered}
    rests = sorted(ordered, key=lambda row: (-(total * row[1] % whole), row[0]))
    for name, _ in rests[: total - sum(parts.values())]:
        parts[name] += 1
    return [(name, part) for name, part in parts.items() if part]
