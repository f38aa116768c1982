"""The rules that share a surplus among members, by name."""

from __future__ import annotations

from typing import NamedTuple

from isojoule.settlement.shares import games, plain
from isojoule.settlement.shares.case import Rule


class Entry(NamedTuple):
    """A rule and what it does, in one line.

    Attributes
    ----------
    share
        The function.
    summary
        For tables and `--help`.
    compares
        It compares with the utility's prices, and so needs them.
    """

    share: Rule
    summary: str
    compares: bool = False


RULES: dict[str, Entry] = {
    "keep": Entry(plain.keep, "nothing is shared, the operator keeps it"),
    "equal": Entry(plain.equal, "the same for every member"),
    "energy": Entry(plain.energy, "in proportion to energy bought plus sold, net per interval"),
    "shapley": Entry(
        games.shapley, "what a member adds, on average over all orders of coming", True
    ),
    "shapley-sampled": Entry(games.shapley_sampled, "the same over orders drawn by the seed", True),
    "core": Entry(
        games.core, "bills at the price of one meter: no group would pay less alone", True
    ),
    "nucleolus": Entry(games.nucleolus, "the group that gains least gains as much as can be", True),
}
