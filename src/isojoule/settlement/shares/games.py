"""Rules that share what one meter for all would pay less. See docs/spec/surplus.md Z7 to Z17.

What is shared is that of the netting game (`isojoule.kernels.netting_game`). A rule says what part
of it is each member's; what the market has already left a member, against the utility alone for the
same readings, is taken off, and the rest is its dividend.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from isojoule.core.chance import rank
from isojoule.kernels import coalitions, netting_game, permutations
from isojoule.kernels import nucleolus as nucleoli
from isojoule.kernels.money import payments
from isojoule.kernels.netting_game import Netting
from isojoule.settlement.refused import Refused
from isojoule.settlement.shares.case import Case, Floats, Ints, Split

MOST_SHAPLEY = 14
MOST_NUCLEOLUS = 12
ROUNDINGS = 2
"""Nano-units an interval by which a surplus may differ from what it is said to be."""


def shapley(case: Case) -> Split | Refused:
    """What a member adds to those who came before, averaged over all orders."""
    if len(case.members) > MOST_SHAPLEY:
        return _too_many("shapley", MOST_SHAPLEY, case, "shapley-sampled")
    game = _game(case)
    if isinstance(game, Refused):
        return game
    saved = coalitions.shapley(netting_game.worths(game))
    return _split(case, game, saved, "what you add to it on average, whoever comes first")


def shapley_sampled(case: Case) -> Split | Refused:
    """The same over orders drawn by the seed, in pairs of an order and its reverse."""
    game = _game(case)
    if isinstance(game, Refused):
        return game
    seeds = [
        int.from_bytes(rank(case.seed, "shapley-sampled", pair)[:8], "big")
        for pair in range(case.permutations // 2)
    ]

    def adds(order: Ints) -> Floats:
        return netting_game.adds(game.energy_uj, game.bill_nano, game.spread_per_j, order)

    found = permutations.sampled_shapley(np.array(seeds, np.uint64), len(case.members), adds)
    how = f"what you add to it on average over {case.permutations} orders of coming"
    return _split(case, game, found.value, how, found.error)


def core(case: Case) -> Split | Refused:
    """Bills at the dual price of one meter."""
    game = _game(case)
    if isinstance(game, Refused):
        return game
    sells, buys = case.sells_at_per_j, case.buys_at_per_j
    prices = netting_game.one_meter_prices(_boundary(case), sells, buys)
    saved = netting_game.owen_core(game, prices, sells, buys)
    how = "what you gain at the price of one Joule more for all, which no group can better alone"
    return _split(case, game, saved, how)


def nucleolus(case: Case) -> Split | Refused:
    """The group that gains least gains as much as it can; then the next."""
    if len(case.members) > MOST_NUCLEOLUS:
        return _too_many("nucleolus", MOST_NUCLEOLUS, case, "core")
    game = _game(case)
    if isinstance(game, Refused):
        return game
    saved = nucleoli.nucleolus(netting_game.worths(game))
    return _split(case, game, saved, "what leaves the group that gains least as much as can be")


def _too_many(rule: str, most: int, case: Case, other: str) -> Refused:
    return Refused(
        f"{rule} looks at all groups, of {most} members at most; here are {len(case.members)}",
        f"use {other}, which takes any number",
    )


def _boundary(case: Case) -> Ints:
    boundary: Ints = case.net_uj.sum(axis=1, dtype=np.int64) + case.loss_uj
    return boundary


def _game(case: Case) -> Netting | Refused:
    """The game of this case, if its surplus is what payments and readings say (Z8)."""
    boundary = _boundary(case)
    price = np.where(boundary > 0, case.sells_at_per_j, case.buys_at_per_j)
    cash = -sum(payments(price, -boundary).tolist())
    said = sum(case.paid_nano) - cash
    if abs(said - case.surplus_nano) > ROUNDINGS * boundary.size:
        return Refused(
            f"members paid {case.told(said)} more than the utility gets for their readings and "
            f"losses, and the surplus to share is {case.told(case.surplus_nano)}",
            "give readings, losses, prices and payments of one and the same stretch, without fees; "
            "or use energy or equal, which ask for no saving",
        )
    return netting_game.netting(case.net_uj, case.sells_at_per_j, case.buys_at_per_j, case.loss_uj)


def _split(
    case: Case, game: Netting, saved: Floats, how: str, error: Floats | None = None
) -> Split:
    """Dividends: what a rule says is saved, less what the market has saved already (Z7)."""
    alone = game.alone_nano.tolist()
    total = case.told(sum(game.alone_nano) - sum(case.paid_nano) + case.surplus_nano)
    quota = tuple(
        Fraction(mine) - Fraction(bill) + paid
        for mine, bill, paid in zip(saved.tolist(), alone, case.paid_nano, strict=True)
    )
    why = tuple(
        f"One meter for all would pay {total} less than a meter each, for what they show. Of that "
        f"{case.told(mine)} is yours: {how}; the market had already left you "
        f"{case.told(bill - paid)} of it, for you paid {case.told(paid)}, and the utility alone "
        f"would have charged {case.told(bill)} for the same."
        for mine, bill, paid in zip(saved.tolist(), alone, case.paid_nano, strict=True)
    )
    return Split(quota, why, () if error is None else tuple(error.tolist()))
