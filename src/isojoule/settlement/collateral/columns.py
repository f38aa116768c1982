"""Bonds and penalties of all members and intervals at once.

As `sizes.py` has them for one promise, in columns; a test compares the two. In a run a seller is
paid by its contract whatever it delivers, so that all of what its shortfall cost is the harm; a
buyer has paid for what it did not take, and does no harm.
Spec: docs/spec/collateral.md, B27 to B29.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.money import payments
from isojoule.settlement.collateral.asked import Claim
from isojoule.settlement.collateral.nouns import Terms
from isojoule.settlement.prices import LEAST_UJ, short_price
from isojoule.settlement.rules import Imbalance
from isojoule.settlement.settle import Code, Settled, member
from isojoule.settlement.share_out import share_out
from isojoule.settlement.stretch import Stretch, check_size

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
GRAIN = 2.0**-60
"""Prices are whole multiples of it, money/J: sums and differences are exact then."""
MOST_PRICE = 2.0**-8
ROWS = 4096
"""So many penalties are shared at once."""


class Promises(NamedTuple):
    """What members were cleared for, as promises, (T, P) each; 0 where there is none.

    Attributes
    ----------
    sells
        Whether it was to deliver.
    quantity_uj
        How much.
    price_per_j
        At which price; 0 for who delivers.
    short_uj
        Of it, what was not delivered, or not taken, and not held back by the network.
    excused_uj
        What the network held back.
    """

    sells: Bools
    quantity_uj: Ints
    price_per_j: Floats
    short_uj: Ints
    excused_uj: Ints


class Slashed(NamedTuple):
    """Bonds and what is taken of them, nano-units, (T, P) each.

    Attributes
    ----------
    bond
        Of each promise.
    harm, fine
        Taken from it.
    made_good
        What each member gets for what others' promises cost it.
    disputed
        Of it, what comes from promises in dispute, for each claim; none where it has nothing here.
    """

    bond: Ints
    harm: Ints
    fine: Ints
    made_good: Ints
    disputed: tuple[Ints | None, ...] = ()


def promises_of(s: Stretch, settled: Settled, giving_uj: Ints, taking_uj: Ints) -> Promises:
    """The promises of a stretch: a member's net in an interval is one. B27.

    Parameters
    ----------
    giving_uj, taking_uj
        What the network held back of what members had to give, and wanted to take, (T, P).
    """
    there = (np.abs(s.cleared_uj) >= LEAST_UJ) & ~s.paused[:, None]
    quantity = np.where(there, np.abs(s.cleared_uj), 0)
    sells = there & (s.cleared_uj < 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        paid = s.payment_nano / (s.cleared_uj * 1000.0)
    price = np.where(there & ~sells, np.clip(paid, -MOST_PRICE, MOST_PRICE), 0.0)
    missing = np.where(there, np.abs(settled.shortfall_uj), 0)
    excused = np.minimum(missing, np.where(sells, giving_uj, taking_uj))
    return Promises(sells, quantity, on_grain(price), missing - excused, excused)


def kept_by_claims(s: Stretch, promises: Promises, claims: Sequence[Claim]) -> Promises:
    """Promises of which what is short counts as kept where a claim was upheld. B33."""
    short = promises.short_uj.copy()
    for claim in claims:
        if claim.upheld:
            short[_disputed(s, claim)] = 0
    return promises._replace(short_uj=short)


def slash(s: Stretch, settled: Settled, promises: Promises, terms: Terms, rule: Imbalance,
          claims: Sequence[Claim] = ()) -> Slashed:  # fmt: skip
    """Bonds and penalties of a stretch. B28 and B29.

    Parameters
    ----------
    terms
        With prices on the grain.
    claims
        Disputes: what comes from promises in groups that they touch is told apart.
    """
    p, fine = promises, terms.fine_per_j
    worst = np.where(p.sells, terms.highest_per_j, p.price_per_j - terms.lowest_per_j)
    bond = _money(np.maximum(worst, 0.0) + fine, p.quantity_uj)
    check_size("the bonds", bond)
    charged = _charged(s, settled)
    harm = np.zeros_like(bond)
    if rule.payer == "members":
        cost = cost_of_missing(charged, np.where(p.sells, p.short_uj, 0), short_price(s, rule))
        due = _money(np.broadcast_to(cost[:, None], bond.shape), np.where(p.sells, p.short_uj, 0))
        harm = np.minimum(bond, np.maximum(due - np.maximum(charged, 0), 0))
    weight = np.maximum(charged, 0)
    harm[weight.sum(1, keepdims=True) - weight == 0] = 0  # nobody else bore anything
    fines = np.minimum(bond - harm, _money(np.full(bond.shape, fine), p.short_uj))
    apart = []
    for claim in claims:
        mine = np.where(frozen_cells(s, claim), harm, 0)
        apart.append(_made_good(mine, weight, s.members) if mine.any() else None)
    return Slashed(bond, harm, fines, _made_good(harm, weight, s.members), tuple(apart))


def frozen_cells(s: Stretch, claim: Claim) -> Bools:
    """The cells of the groups in which a claim has an interval, (T, P)."""
    groups = np.unique(s.group_s[_disputed(s, claim).any(1)])
    mine = np.array([name == claim.member for name in s.members])
    cells: Bools = np.isin(s.group_s, groups)[:, None] & mine
    return cells


def _disputed(s: Stretch, claim: Claim) -> Bools:
    """The cells that a claim is about, (T, P)."""
    there = (s.time_s >= claim.start_s) & (s.time_s < claim.end_s)
    mine = np.array([name == claim.member for name in s.members])
    cells: Bools = there[:, None] & mine
    return cells


def cost_of_missing(charged: Ints, short_uj: Ints, most_per_j: Floats) -> Floats:
    """What it cost members in all to make up for a missing Joule, money/J, (T,), rounded down.

    No more than the price of imbalance, `most_per_j`, (T,).
    """
    total, missing = np.maximum(charged.sum(1), 0), short_uj.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cost = np.where(missing > 0, total / (missing * 1000.0), 0.0)
    return np.floor(np.minimum(cost, most_per_j) / GRAIN) * GRAIN


def on_grain(price_per_j: Floats) -> Floats:
    """Prices as whole multiples of the grain."""
    out: Floats = np.floor(price_per_j / GRAIN + 0.5) * GRAIN
    return out


def _charged(s: Stretch, settled: Settled) -> Ints:
    """What each member paid for imbalance, (T, P)."""
    parties = tuple(member(name) for name in s.members)
    for line in settled.lines:
        if line.code is Code.IMBALANCE and line.parties == parties and line.money_nano is not None:
            return line.money_nano
    return np.zeros_like(s.cleared_uj)


def _made_good(harm: Ints, weight: Ints, members: tuple[str, ...]) -> Ints:
    """What each member gets: the harm goes to all others by what they were charged, (T, P)."""
    out = np.zeros_like(harm)
    rows, whose = np.nonzero(harm)
    for first in range(0, rows.size, ROWS):
        at, who = rows[first : first + ROWS], whose[first : first + ROWS]
        others = weight[at]
        others[np.arange(at.size), who] = 0
        np.add.at(out, at, share_out(harm[at, who], others, members))
    return out


def _money(price_per_j: Floats, energy_uj: Ints) -> Ints:
    """ceil(price * energy), nano-units."""
    price = np.ascontiguousarray(price_per_j, np.float64)
    money: Ints = payments(price.ravel(), np.ascontiguousarray(energy_uj).ravel())
    return money.reshape(energy_uj.shape)
