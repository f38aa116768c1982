"""Neighbours trade pair by pair, link after link, sweep after sweep.

A link has one net flow, in microjoules at the sender, tentative until the sweeps end. When its
turn comes, the pair moves that flow, either way, for as long as the next Joule pays them both,
everything else as it is:

- send more, from s to t:  g bid(t) > ask(s) + price, g what is left of the last Joule sent; where
  bid(t) < 0, bid(t) > ask(s) + price: what is lost is never credited with a negative worth;
- send less, undo: the mirror image, at what s bids and t asks.

What a node holds is the sum of its links' flows, in integers, so energy is conserved at all times.
A step is made only if it moves `DUST_UJ` or more and if both together truly gain, to the last
microjoule of loss. Spec: docs/spec/diffusion.md, D4 to D7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.diffusion import (
    END,
    FIRST,
    HIGH,
    LOW,
    ask_at,
    bid_at,
    share_out,
    worth_between,
)
from isojoule.kernels.links import loss_of, sent_for

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SAME = 1e-9
"""A profit below this share of the prices it is made of is none."""
DUST_UJ = 100
MOST_UJ = 2**58
"""A flow that passes this has no limit."""

# columns of the links' integers and floats
TAIL, HEAD, CAPACITY, PPB = range(4)
GAIN, LOSS_PER_J, PRICE = range(3)


@inline
def _profit(piece: Floats, stretch: Floats, moving: Ints, node: Ints, s: int, t: int, z_s: int,
            z_t: int, sent: int, n: int, more: bool, ppb: int, gain: float, r: float,
            price: float) -> float:  # fmt: skip
    """What the next Joule gains, after n more (or less) than `sent` from s to t; money per J.

    `z_s` and `z_t` are what the ends hold at `sent`. Less `SAME` of what it is made of.
    """
    arrives = sent - loss_of(sent, ppb, r)
    if more:
        then = sent + n - loss_of(sent + n, ppb, r)
        worth = bid_at(piece, stretch, moving, node, t, z_t + then - arrives, 0)
        cost = ask_at(piece, stretch, moving, node, s, z_s - n, 0) + price
        if worth > 0.0:
            worth *= gain - 2.0 * r * (sent + n) * 1e-6
    else:
        then = sent - n - loss_of(sent - n, ppb, r)
        worth = bid_at(piece, stretch, moving, node, s, z_s + n, 0) + price
        cost = ask_at(piece, stretch, moving, node, t, z_t + then - arrives, 0)
        # unwanted energy that comes back was lost before: count no more of it than now is
        at = sent - n if cost > 0.0 else sent
        cost *= gain - 2.0 * r * at * 1e-6
    return worth - cost - SAME * (abs(worth) + abs(cost))


@inline
def _room(node: Ints, s: int, t: int, z_s: int, z_t: int, sent: int, more: bool, capacity: int,
          ppb: int, r: float) -> int:  # fmt: skip
    """By how much walls and capacity let the flow from s to t change, microjoules."""
    arrives = sent - loss_of(sent, ppb, r)
    if more:
        most = min(capacity - sent, z_s - node[s, LOW])
        room = node[t, HIGH] - z_t
        if room < MOST_UJ:
            most = min(most, sent_for(arrives + room, ppb, r) - sent)
    else:
        most = min(sent, node[s, HIGH] - z_s)
        room = z_t - node[t, LOW]
        if room < arrives:
            most = min(most, sent - sent_for(arrives - room, ppb, r))
    return int(max(most, 0))


@inline
def _change(piece: Floats, stretch: Floats, moving: Ints, node: Ints, s: int, t: int, z_s: int,
            z_t: int, sent: int, more: bool, capacity: int, ppb: int, gain: float, r: float,
            price: float) -> int:  # fmt: skip
    """How much more (or less) to send from s to t: the first n after which it does not pay.

    A search in integers: false position, halving in turn.
    """
    high = _room(node, s, t, z_s, z_t, sent, more, capacity, ppb, r)
    if high == 0:
        return 0
    low = 0
    over = _profit(piece, stretch, moving, node, s, t, z_s, z_t, sent, 0, more, ppb, gain, r,
                   price)  # fmt: skip
    if not over > 0.0:
        return 0
    under = _profit(piece, stretch, moving, node, s, t, z_s, z_t, sent, high - 1, more, ppb, gain,
                    r, price)  # fmt: skip
    if under > 0.0:
        return high
    high -= 1
    turn = 0
    while high - low > 1:
        turn += 1
        n = low + (high - low) // 2
        if turn % 4 != 0 and under > -np.inf:
            step = (over / (over - under)) * (high - low)
            n = min(max(low + int(step), low + 1), high - 1)
        found = _profit(piece, stretch, moving, node, s, t, z_s, z_t, sent, n, more, ppb, gain, r,
                        price)  # fmt: skip
        if found > 0.0:
            low, over = n, found
            under *= 0.5
        else:
            high, under = n, found
            over *= 0.5
    return high


@inline
def _wish(piece: Floats, stretch: Floats, moving: Ints, node: Ints, s: int, t: int, z_s: int,
          z_t: int, sent: int, capacity: int, ppb: int, gain: float, r: float,
          price: float) -> int:  # fmt: skip
    """The flow from s to t, now `sent` >= 0, that the pair would have; negative from t to s."""
    if sent > 0:
        less = _change(piece, stretch, moving, node, s, t, z_s, z_t, sent, False, capacity, ppb,
                       gain, r, price)  # fmt: skip
        if 0 < less < sent:
            return int(sent - less)
        if less == sent:
            z_t -= sent - loss_of(sent, ppb, r)
            z_s += sent
            sent = 0
    more = 0
    if sent > 0 or capacity > 0:
        more = _change(piece, stretch, moving, node, s, t, z_s, z_t, sent, True, capacity, ppb,
                       gain, r, price)  # fmt: skip
    if more == 0 and sent == 0:
        return -_change(piece, stretch, moving, node, t, s, z_t, z_s, 0, True, capacity, ppb, gain,
                        r, price)  # fmt: skip
    return int(sent + more)


@inline
def _brings(flow: int, ppb: int, r: float, to_tail: bool) -> int:
    """What a flow brings to one end (negative: takes), microjoules."""
    sent = abs(flow)
    return -sent if (flow >= 0) == to_tail else sent - loss_of(sent, ppb, r)


@inline
def _step(piece: Floats, stretch: Floats, moving: Ints, node: Ints, e: int, link: Ints,
          rate: Floats, z_uj: Ints, flow: Ints) -> int:  # fmt: skip
    """The flow that the ends of link e would have, within their walls; the same if it is dust."""
    i, j = link[e, TAIL], link[e, HEAD]
    ppb, r, now = link[e, PPB], rate[e, LOSS_PER_J], flow[e]
    s, t = (i, j) if now >= 0 else (j, i)
    wish = _wish(piece, stretch, moving, node, s, t, z_uj[s], z_uj[t], abs(now),
                 link[e, CAPACITY], ppb, rate[e, GAIN], r, rate[e, PRICE])  # fmt: skip
    wish = wish if now >= 0 else -wish
    if abs(wish) > MOST_UJ:
        return int(wish)
    for _ in range(8):  # two ceilings that rise at once may pass a wall by one
        if abs(wish - now) < DUST_UJ:
            return int(now)
        at_i = z_uj[i] + _brings(wish, ppb, r, True) - _brings(now, ppb, r, True)
        at_j = z_uj[j] + _brings(wish, ppb, r, False) - _brings(now, ppb, r, False)
        if node[i, LOW] <= at_i <= node[i, HIGH] and node[j, LOW] <= at_j <= node[j, HIGH]:
            return int(wish)
        wish += 1 if wish < now else -1
    return int(now)


@inline
def _gain(piece: Floats, stretch: Floats, moving: Ints, node: Ints, v: int, z_uj: int, x: Floats,
          new: Floats) -> float:  # fmt: skip
    """What node v gains by holding `z_uj`, money; its rows of `new` then stand there."""
    share_out(piece, stretch, moving, node, v, z_uj, new)
    return worth_between(piece, node, v, x, new)


@inline
def _keep(node: Ints, v: int, offer: Ints, x: Floats, new: Floats, profit: float,
          profits: Floats) -> None:  # fmt: skip
    """Let node v stand at `new`; its profit goes to its offers in proportion to their moves."""
    first, end = node[v, FIRST], node[v, END]
    total = 0.0
    i = first
    while i < end:
        o, move = offer[i], 0.0
        while i < end and offer[i] == o:
            move += new[i] - x[i]
            i += 1
        total += abs(move)
    i = first
    while i < end:
        o, move = offer[i], 0.0
        while i < end and offer[i] == o:
            move += new[i] - x[i]
            x[i] = new[i]
            i += 1
        if total > 0.0:
            profits[o] += profit * (abs(move) / total)


@kernel
def sweep(piece: Floats, stretch: Floats, moving: Ints, node: Ints, offer: Ints, link: Ints,
          rate: Floats, order: Ints, split: float, z_uj: Ints, flow: Ints, x: Floats,
          profits: Floats, received: Floats) -> tuple[int, int]:  # fmt: skip
    """Every link once, in this order. Changes the last five in place.

    Parameters
    ----------
    piece, stretch, moving, node
        The nodes' curves (`isojoule.kernels.diffusion`).
    offer
        Offer of each piece.
    link, rate
        Links: integers `TAIL, HEAD, CAPACITY, PPB`, floats `GAIN, LOSS_PER_J, PRICE`.
    order
        Links in their turn.
    split
        The seller's share of what a trade gains.
    z_uj, flow
        What nodes hold, and net flows, microjoules.
    x
        Where pieces stand, J.
    profits
        By offer, what it gained beyond its own worth's worth, money.
    received
        By link, what its tail was paid by its head, money, price of the link excluded.

    Returns
    -------
    Number of links that moved, and a link whose trade has no limit, or -1.
    """
    new = np.empty_like(x)
    moved = 0
    for e in order:
        now = flow[e]
        wish = _step(piece, stretch, moving, node, e, link, rate, z_uj, flow)
        if wish == now:
            continue
        if abs(wish) > MOST_UJ:
            return moved, e
        i, j = link[e, TAIL], link[e, HEAD]
        ppb, r = link[e, PPB], rate[e, LOSS_PER_J]
        at_i = z_uj[i] + _brings(wish, ppb, r, True) - _brings(now, ppb, r, True)
        at_j = z_uj[j] + _brings(wish, ppb, r, False) - _brings(now, ppb, r, False)
        of_i = _gain(piece, stretch, moving, node, i, at_i, x, new)
        of_j = _gain(piece, stretch, moving, node, j, at_j, x, new)
        gained = of_i + of_j - rate[e, PRICE] * (abs(wish) - abs(now)) * 1e-6
        if not gained > 0.0:
            continue
        share = split if wish > now else 1.0 - split  # whose energy falls sells
        _keep(node, i, offer, x, new, share * gained, profits)
        _keep(node, j, offer, x, new, (1.0 - share) * gained, profits)
        received[e] += share * gained - of_i
        z_uj[i], z_uj[j], flow[e] = at_i, at_j, wish
        moved += 1
    return moved, -1


@kernel
def would_move(piece: Floats, stretch: Floats, moving: Ints, node: Ints, link: Ints, rate: Floats,
               z_uj: Ints, flow: Ints, x: Floats) -> tuple[Bools, Floats]:  # fmt: skip
    """Which links would still move, and what their next Joule would gain, money per J."""
    new = np.empty_like(x)
    moves = np.zeros(link.shape[0], np.bool_)
    profit = np.zeros(link.shape[0])
    for e in range(link.shape[0]):
        now = flow[e]
        wish = _step(piece, stretch, moving, node, e, link, rate, z_uj, flow)
        if wish == now:
            continue
        i, j = link[e, TAIL], link[e, HEAD]
        ppb, gain = link[e, PPB], rate[e, GAIN]
        r, price = rate[e, LOSS_PER_J], rate[e, PRICE]
        at_i = z_uj[i] + _brings(wish, ppb, r, True) - _brings(now, ppb, r, True)
        at_j = z_uj[j] + _brings(wish, ppb, r, False) - _brings(now, ppb, r, False)
        gained = _gain(piece, stretch, moving, node, i, at_i, x, new)
        gained += _gain(piece, stretch, moving, node, j, at_j, x, new)
        if not gained > price * (abs(wish) - abs(now)) * 1e-6:
            continue
        moves[e] = True
        forward = now > 0 or (now == 0 and wish > 0)
        s, t = (i, j) if forward else (j, i)
        more = wish > now if forward else wish < now
        profit[e] = _profit(piece, stretch, moving, node, s, t, z_uj[s], z_uj[t], abs(now), 0,
                            more, ppb, gain, r, price)  # fmt: skip
    return moves, profit
