"""What members of a community save by standing behind one meter, as a cooperative game.

In every interval a utility sells at one price and buys at another, no higher one. A coalition that
is read at one meter pays for what it needs together; what it saves is what its members would pay
for the same readings at a meter each, less that. Losses of the wires are borne by the coalition in
proportion to its share of the members' absolute energy.

So a member's share of the losses does not depend on whom it is with, and its reading with that
share, `energy`, is a number of its own. What a coalition saves is then

> v(S) = sum over t of spread_t * min(needed_t(S), given_t(S)) - sum over i in S of bill_i

with what its members need and give at `energy`, and `bill_i` what the share of losses costs at i's
own meter. The first part is a market for one good, as with left and right gloves; the second is
fixed.

Energies are microjoules, prices money per J, amounts nano-units of money as floats: 1 microjoule at
1 per J is `NANO` of them. See docs/spec/surplus.md Z9 to Z13.

References
----------
Owen 1975, On the core of linear production games, Mathematical Programming 9:358-370,
https://doi.org/10.1007/BF01681356 (dual prices give core allocations).
Shapley, Shubik 1969, On market games, Journal of Economic Theory 1:9-25,
https://doi.org/10.1016/0022-0531(69)90008-8 (every such game and its parts have a core).
Han, Morstyn, McCulloch 2019, Incentivizing prosumer coalitions with energy management using
cooperative game theory, IEEE Transactions on Power Systems 34:303-313,
https://doi.org/10.1109/TPWRS.2018.2858540 (the game for communities with batteries).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.coalitions import sums
from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NANO = 1000.0
"""Nano-units in a microjoule at a price of 1 per J."""


class Netting(NamedTuple):
    """A community's netting game.

    Attributes
    ----------
    energy_uj
        (members, intervals) readings with each one's share of the losses, received positive.
    alone_nano
        (members,) what each would pay the utility for its reading without losses.
    bill_nano
        (members,) what its share of the losses would cost each at its own meter.
    spread_per_j
        (intervals,) selling less buying price, at least 0.
    """

    energy_uj: Floats
    alone_nano: Floats
    bill_nano: Floats
    spread_per_j: Floats


def netting(net_uj: Ints, sells_at_per_j: Floats, buys_at_per_j: Floats, loss_uj: Ints) -> Netting:
    """The game of these readings.

    Parameters
    ----------
    net_uj
        (intervals, members), received positive.
    sells_at_per_j, buys_at_per_j
        (intervals,) prices of the utility, finite, the second no higher than the first.
    loss_uj
        (intervals,) losses; below 0 where readings say that more came than went. Where nobody
        receives or delivers, all bear the same.
    """
    net = np.ascontiguousarray(net_uj.T, np.float64)
    size = np.abs(net)
    total = size.sum(axis=0)
    part = np.full(net.shape, 1.0 / max(net.shape[0], 1))
    np.divide(size, total, out=part, where=total > 0.0)
    energy = net + part * loss_uj
    alone = _bill(net, sells_at_per_j, buys_at_per_j)
    bill = _bill(energy, sells_at_per_j, buys_at_per_j) - alone
    return Netting(energy, alone, bill, sells_at_per_j - buys_at_per_j)


def _bill(energy_uj: Floats, sells_at_per_j: Floats, buys_at_per_j: Floats) -> Floats:
    """What each pays at a meter of its own, nano-units, (members,)."""
    price = np.where(energy_uj > 0.0, sells_at_per_j, buys_at_per_j)
    bills: Floats = (price * energy_uj).sum(axis=1) * NANO
    return bills


@kernel
def _saved(energy_uj: Floats, spread_per_j: Floats) -> Floats:
    n, intervals = energy_uj.shape
    out = np.zeros(1 << n)
    needs = np.zeros(1 << n)
    gives = np.zeros(1 << n)
    for t in range(intervals):
        if spread_per_j[t] == 0.0:
            continue
        worth = spread_per_j[t] * NANO
        for i in range(n):
            half = 1 << i
            need, give = max(energy_uj[i, t], 0.0), max(-energy_uj[i, t], 0.0)
            for s in range(half):
                needs[half + s] = needs[s] + need
                gives[half + s] = gives[s] + give
                out[half + s] += worth * min(needs[half + s], gives[half + s])
    return out


def worths(game: Netting) -> Floats:
    """What every coalition saves, nano-units, (2**members,), as `coalitions` wants it.

    O(2**members * intervals): for up to some 20 members.
    """
    return _saved(game.energy_uj, game.spread_per_j) - sums(game.bill_nano)


@kernel
def adds(energy_uj: Floats, bill_nano: Floats, spread_per_j: Floats, order: Ints) -> Floats:
    """What each member adds to what those before it save, nano-units, (members,).

    A member that needs energy saves, with those before it, the spread on what they have over, up to
    what it needs; and the other way round. O(intervals) a member.

    Parameters
    ----------
    energy_uj, bill_nano, spread_per_j
        Of `Netting`.
    order
        Who comes when, (members,).
    """
    intervals = spread_per_j.size
    out = np.empty(order.size)
    before = np.zeros(intervals)  # what those before need together, less what they give
    for i in order:
        saved = 0.0
        for t in range(intervals):
            e = energy_uj[i, t]
            met = min(e, max(-before[t], 0.0)) if e > 0.0 else min(-e, max(before[t], 0.0))
            saved += spread_per_j[t] * met
            before[t] += e
        out[i] = saved * NANO - bill_nano[i]
    return out


def one_meter_prices(boundary_uj: Ints, sells_at_per_j: Floats, buys_at_per_j: Floats) -> Floats:
    """What one Joule more costs everybody together, per interval: Owen's dual prices.

    The utility's selling price where the community imports, its buying price where it exports.
    Where it does neither, every price between is one; the middle is taken.

    Parameters
    ----------
    boundary_uj
        (intervals,) what all receive, and the losses: whole numbers, so that 0 is 0.
    """
    middle = 0.5 * (sells_at_per_j + buys_at_per_j)
    prices: Floats = np.select(
        [boundary_uj > 0, boundary_uj < 0], [sells_at_per_j, buys_at_per_j], middle
    )
    return prices


def owen_core(
    game: Netting, prices: Floats, sells_at_per_j: Floats, buys_at_per_j: Floats
) -> Floats:
    """What each member has saved if all energies cost `prices`, nano-units, (members,).

    In the core at any number of members: what a coalition pays at prices between the utility's two
    is never more than it would pay at one meter of its own, and all together pay just that.

    Parameters
    ----------
    game
        The members' energies and bills.
    prices
        (intervals,), of `one_meter_prices`.
    sells_at_per_j, buys_at_per_j
        As for `netting`.
    """
    better = np.where(game.energy_uj > 0.0, sells_at_per_j - prices, buys_at_per_j - prices)
    saved: Floats = (better * game.energy_uj).sum(axis=1) * NANO - game.bill_nano
    return saved
