"""Who gains by what: the traits of a mechanism, measured on one book.

Two worlds are compared. In the first everybody tells the truth; in the second some do not: they
hand in other offers than their own, under their own names or under more names, or claim another
price for their links. What each side is worth is told by the true curves (`isojoule.market.worth`).

Utility is worth less payment. Several who agree share by side payments, so what counts is the sum
of their utilities; each is metered by itself, and what false names receive goes to whom of them
it is worth most. The operator's utility is its surplus less what its links cost it, less what its
planted offers pay. Spec: docs/spec/traits.md, T1 to T9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from math import inf
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.book import Book
from isojoule.market.contract import TRAITS, Clearing, Mechanism, Refusal, State
from isojoule.market.worth import Truth, money_scale, received_uj, welfare_of
from isojoule.valuation import Offer

OPERATOR = "operator"
MARGIN = 1e-6
"""A gain below this share of a book's `money_scale` is rounding."""
STRATEGIC = ("incentive_compatible", "false_name_proof", "coalition_proof", "credible")
"""Traits about gains by deviating."""


class World(NamedTuple):
    """What was handed in, on which grid, and what came out."""

    book: Book
    grid: Grid
    clearing: Clearing


@dataclass(frozen=True, eq=False)
class Deviation:
    """What liars hand in instead of their own offers.

    Parameters
    ----------
    liars
        Who deviates together: all their offers are withdrawn. None, where an operator only plants.
    offers
        What is handed in instead, under any names; names that the book does not have are theirs.
    link_price_per_j
        What they claim that their links cost, by the link's name, money per J.
    """

    liars: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    link_price_per_j: Mapping[str, float] = field(default_factory=dict)

    def names(self, truth: Book) -> tuple[str, ...]:
        """All names under which the liars act."""
        others = {o.participant for o in self.offers} - set(self.liars)
        known = sorted(others & set(truth.participants))
        if known:
            raise InputError(
                f"the liars offer in the name of {known[0]!r}, who takes no part in it",
                remedy="use a name that the book does not have, or list it among the liars",
            )
        return (*self.liars, *sorted(others))

    def apply(self, truth: Book, grid: Grid) -> tuple[Book, Grid]:
        """The book and the grid that the mechanism sees."""
        for name in self.liars:
            if name not in truth.participants and name not in grid.owner:
                raise InputError(
                    f"{name!r} takes no part in the book",
                    remedy=f"name one of {', '.join(truth.participants)}",
                )
        self.names(truth)
        honest = [o for o in truth.offers if o.participant not in self.liars]
        book = Book.from_offers(
            [*honest, *self.offers],
            grid,
            interval=truth.interval,
            currency=truth.currency,
            network=truth.network,
        )
        if not self.link_price_per_j:
            return book, grid
        price = grid.price_per_j.copy()
        for link, claimed in self.link_price_per_j.items():
            if link not in grid.link_ids or grid.owner[grid.link_ids.index(link)] not in self.liars:
                raise InputError(
                    f"the liars have no link {link!r}", remedy="name a link that they own"
                )
            price[grid.link_ids.index(link)] = claimed
        return book, replace(grid, price_per_j=price)


def utility(
    truth: Book | Truth, grid: Grid, book: Book, clearing: Clearing, names: Iterable[str]
) -> float:
    """What those who act together gain by a clearing: worth by their true curves less payments.

    Parameters
    ----------
    truth, grid
        The book and grid in which everybody tells the truth.
    book, clearing
        What was handed in, and what came out; on the same nodes and links.
    names
        All names under which they act. Those that `truth` does not have are false names.

    Returns
    -------
    Money; -inf if they cannot deliver what they promised.
    """
    true = truth if isinstance(truth, Truth) else Truth(truth, grid)
    names = tuple(dict.fromkeys(names))
    liars = [n for n in names if n in true.book.participants or n in grid.owner]
    others = [n for n in names if n not in liars]

    def offers_of(name: str) -> np.ndarray:
        if name not in book.participants:
            return np.zeros(book.offer_count, bool)
        return np.asarray(book.offer_participant == book.participants.index(name))

    got = {n: received_uj(book, grid, clearing, offers_of(n)) for n in names}
    paid_nano = sum(int(clearing.payment_nano[offers_of(n)].sum()) for n in names)
    for i, owner in enumerate(grid.owner):
        if owner in liars:
            paid_nano += int(clearing.link_payment_nano[i])
    owned = np.array([owner in liars for owner in grid.owner], bool)
    carriage = float(np.sum((grid.price_per_j * np.abs(clearing.flow_uj))[owned])) / UJ_PER_J

    others = [n for n in others if got[n].any()]
    most = -inf
    for holders in product(liars or [""], repeat=len(others)):
        hold = {n: got[n].copy() for n in liars or [""] if n}
        hold = hold or {"": np.zeros(grid.node_count, np.int64)}
        for name, holder in zip(others, holders, strict=True):
            hold[holder] += got[name]
        most = max(most, sum(true.worth(n, energy) for n, energy in hold.items()))
    return most - carriage - paid_nano / NANO_PER_UNIT


def operator_utility(
    truth: Book | Truth, grid: Grid, book: Book, clearing: Clearing, planted: Iterable[str] = ()
) -> float:
    """What the operator gains: its surplus, less what its links cost it and its plants pay."""
    unowned = np.array([not owner for owner in grid.owner], bool)
    carriage = float(np.sum((grid.price_per_j * np.abs(clearing.flow_uj))[unowned])) / UJ_PER_J
    return (
        clearing.surplus_nano / NANO_PER_UNIT
        - carriage
        + utility(truth, grid, book, clearing, planted)
    )


@dataclass(frozen=True, eq=False)
class Shown:
    """What a trait comes to on one book.

    Attributes
    ----------
    trait
        Its name, a field of `Traits`.
    holds
        Whether it holds here, but for rounding.
    figures
        What it was measured by, money (and a participant's name).
    honest, lying
        The worlds; `lying` is None where nobody lies.
    """

    trait: str
    holds: bool
    figures: dict[str, float | str]
    honest: World
    lying: World | None = None


def show(
    trait: str,
    rule: Mechanism,
    truth: Book,
    grid: Grid,
    deviation: Deviation | None = None,
    *,
    auctioneer: str = OPERATOR,
    seed: bytes = b"",
    state: State | None = None,
    margin: float = MARGIN,
    honest: World | None = None,
) -> Shown | Refusal:
    """Measure a trait on one book.

    Parameters
    ----------
    trait
        One of `isojoule.market.contract.TRAITS`.
    rule, truth, grid, seed, state
        The mechanism, and what it clears if everybody tells the truth.
    deviation
        Who lies, and how; for the strategic traits.
    auctioneer
        For `credible`: whose gain counts, the operator's or a participant's.
    margin
        A gain below this share of the book's sums is rounding.
    honest
        The honest world, if it is known.

    Returns
    -------
    The figures, or the mechanism's refusal of one of the two worlds.
    """
    if trait not in TRAITS:
        raise InputError(f"unknown trait {trait!r}", remedy=f"use one of {', '.join(TRAITS)}")
    if honest is None:
        cleared = rule.clear(truth, grid, state=state, seed=seed)
        if isinstance(cleared, Refusal):
            return cleared
        honest = World(truth, grid, cleared)
    least = margin * money_scale(truth) + 1e-8
    if trait == "efficient":
        return _efficient(honest, least)
    if trait == "budget":
        surplus = honest.clearing.surplus_nano / NANO_PER_UNIT
        return Shown(trait, surplus >= -least, {"operator": surplus}, honest)
    true = Truth(truth, grid)
    if trait == "individually_rational":
        gains = utilities(true, honest)
        worst = min(gains, key=lambda name: (gains[name], name), default="")
        least_of_all = gains.get(worst, 0.0)
        figures: dict[str, float | str] = {"participant": worst, "utility": least_of_all}
        return Shown(trait, least_of_all >= -least, figures, honest)
    if deviation is None:
        raise InputError(f"{trait} needs somebody who deviates", remedy="give a deviation")
    book, seen = deviation.apply(truth, grid)
    cleared = rule.clear(book, seen, state=state, seed=seed)
    if isinstance(cleared, Refusal):
        return cleared
    lying = World(book, seen, cleared)
    least = max(least, margin * money_scale(book))
    names = deviation.names(truth)
    before, after = (
        _utility_of(trait, true, world, names, auctioneer) for world in (honest, lying)
    )
    return Shown(trait, after <= before + least, {"honest": before, "lying": after}, honest, lying)


def utilities(truth: Truth, world: World) -> dict[str, float]:
    """Utility of every participant and owner of a link, money."""
    owners = {owner for owner in truth.grid.owner if owner}
    names = sorted({*truth.book.participants, *owners})
    return {n: utility(truth, truth.grid, world.book, world.clearing, (n,)) for n in names}


def _utility_of(
    trait: str, truth: Truth, world: World, names: tuple[str, ...], auctioneer: str
) -> float:
    book, clearing = world.book, world.clearing
    if trait == "credible" and auctioneer == OPERATOR:
        return operator_utility(truth, truth.grid, book, clearing, names)
    if trait == "credible":
        names = (auctioneer, *(n for n in names if n != auctioneer))
    return utility(truth, truth.grid, book, clearing, names)


def _efficient(honest: World, least: float) -> Shown | Refusal:
    book, grid, clearing = honest
    found = best(book, grid, seed=clearing.seed)
    if isinstance(found, NotSolved):
        return Refusal("best", found.reason, found.remedy)
    welfare, most = welfare_of(book, grid, clearing), found.support.welfare
    figures: dict[str, float | str] = {"welfare": welfare, "best": most}
    return Shown("efficient", welfare >= most - least, figures, honest)
