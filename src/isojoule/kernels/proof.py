"""The proof of an allocation in integers, in one call: prices, welfare, gap, and what dust costs.

Nothing here knows how the allocation was found. A clearing is made, and checked, by this very
function, so on one machine they agree to the last bit. Sums are compensated (Neumaier 1974,
Z. Angew. Math. Mech. 54:39): they do not depend on how many terms there are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.pairwise import largest_trade
from isojoule.kernels.prepare import reach
from isojoule.kernels.prices import best_profit, demand_at, integral_between
from isojoule.kernels.support import own_bounds, support

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UJ_PER_J = 1e6
GAP_SHARE = 1e-7
GAP_LEAST = 1e-8
DUST_J = 2e-6
NEAR_J = 4e-6
NEAR_SHARE = 1e-9
WIDENINGS = (1.0, 10.0, 100.0)
"""How much dust there may be, one after the other, until the prices prove the optimum (C7): first
as a share of the largest quantity offered, then of the largest that moves."""


class Proof(NamedTuple):
    """What `proof` finds. Nodes (n,), money per J; sums in money.

    Attributes
    ----------
    lowest, highest, price
        Least and greatest supporting prices, and the price by the rule, nan where nothing bounds.
    welfare
        Reached by the pieces that count, less what links cost.
    gap
        How much more any allocation could reach at most, by the duals.
    dust
        What whole microjoules may cost of it.
    price_gap, price_dust
        The same by the price, 0 where there is none.
    size
        All worths without sign.
    trade
        What the largest trade left between neighbours would gain, money per J.
    """

    lowest: Floats
    highest: Floats
    price: Floats
    welfare: float
    gap: float
    dust: float
    price_gap: float
    price_dust: float
    size: float
    trade: float


@inline
def is_closed(welfare: float, gap: float, dust: float) -> bool:
    """Whether a gap counts as closed, but for `dust`, what whole microjoules cost (C6)."""
    return gap <= max(GAP_SHARE * abs(welfare), GAP_LEAST) + dust


@inline
def between(low: float, high: float) -> float:
    """The price rule (M7): the midpoint, or the finite end, or nan."""
    if abs(low) < math.inf:
        return 0.5 * (low + high) if abs(high) < math.inf else low
    return high if abs(high) < math.inf else math.nan


@inline
def _lost(total: float, term: float) -> float:
    """What `total + term` loses to rounding."""
    new = total + term
    return (total - new) + term if abs(total) >= abs(term) else (term - new) + total


@kernel
def stand(offer: Ints, lo: Floats, hi: Floats, energy_uj: Ints, standing_uj: Ints,
          standing_links: Ints) -> tuple[Floats, float]:  # fmt: skip
    """Where each piece stands, filled from zero outwards, J; and the largest finite bound."""
    x = np.zeros(lo.size)
    largest = 0.0
    offers = energy_uj.size
    i = 0
    while i < lo.size:
        o = offer[i]
        end = i
        while end < lo.size and offer[end] == o:
            if lo[end] > -math.inf:
                largest = max(largest, -lo[end])
            if hi[end] < math.inf:
                largest = max(largest, hi[end])
            end += 1
        if o < offers:
            left = energy_uj[o] / UJ_PER_J
        else:
            left = standing_uj[standing_links[o - offers]] / UJ_PER_J
        if left > 0.0:
            for p in range(i, end):
                x[p] = min(hi[p], left)
                left -= x[p]
        elif left < 0.0:
            for p in range(end - 1, i - 1, -1):
                x[p] = max(lo[p], left)
                left -= x[p]
        i = end
    return x, largest


@inline
def _same(one: Floats, other: Floats) -> bool:
    """Whether two columns of prices are the same."""
    return one.size == other.size and bool(np.all(one == other))


@inline
def _size_at(price: float, low: float, high: float) -> float:
    """What a price counts where dust is measured: no more than the supporting prices."""
    most = 0.0
    if abs(low) < math.inf:
        most = abs(low)
    if abs(high) < math.inf:
        most = max(most, abs(high))
    return min(abs(price), most)


@kernel
def gaps(node: Ints, offer: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats,
         c1: Floats, k: Floats, counts: Bools, offer_node: Ints, x: Floats, tail: Ints, head: Ints,
         flow_uj: Ints, loss_uj: Ints, capacity: Floats, gain: Floats, r: Floats, price: Floats,
         first: Floats, second: Floats, low: Floats, high: Floats, reach_j: float) -> tuple[
             float, float, float, float, float, float]:  # fmt: skip
    """Welfare, size, and for two choices of prices the gap and what dust costs of it, in one walk.

    See `isojoule.kernels.prices.welfare_gap` and `isojoule.market.dust`. Bounds beyond `reach_j`
    are cut to it.

    Parameters
    ----------
    first, second
        Prices, one for each node.
    low, high
        Supporting prices: no price counts as larger than they are where dust is measured.

    Returns
    -------
    welfare, size, gap and dust at `first`, gap and dust at `second`; money.
    """
    welfare = welfare_lost = size = size_lost = 0.0
    one = one_lost = two = two_lost = 0.0
    one_dust = two_dust = 0.0
    one_size, two_size = np.empty(first.size), np.empty(first.size)
    for v in range(first.size):
        one_size[v] = _size_at(first[v], low[v], high[v])
        two_size[v] = _size_at(second[v], low[v], high[v])
        if not abs(first[v]) < math.inf:  # what is no number proves nothing
            one = math.nan
        if not abs(second[v]) < math.inf:
            two = math.nan
    done = 0  # offers whose dust is counted
    i = 0
    while i < lo.size:
        o = offer[i]
        dearest, room = 0.0, 0.0
        while i < lo.size and offer[i] == o:
            v = node[i]
            ai, bi, ci, di, ki, xi = a[i], b[i], c0[i], c1[i], k[i], x[i]
            if counts[i]:
                term = integral_between(ai, bi, ci, di, ki, 0.0, xi)
                welfare_lost += _lost(welfare, term)
                welfare += term
                term = abs(term)
                size_lost += _lost(size, term)
                size += term
            least, most = max(lo[i], -reach_j), min(hi[i], reach_j)
            p = first[v]
            want = demand_at(least, most, ai, bi, ci, di, ki, p, xi)
            if want != xi:
                term = integral_between(ai, bi, ci, di, ki, xi, want) - p * (want - xi)
                if not term <= 0.0:  # a nan must show
                    one_lost += _lost(one, term)
                    one += term
            p = second[v]
            want = demand_at(least, most, ai, bi, ci, di, ki, p, xi)
            if want != xi:
                term = integral_between(ai, bi, ci, di, ki, xi, want) - p * (want - xi)
                if not term <= 0.0:
                    two_lost += _lost(two, term)
                    two += term
            dearest = max(dearest, abs(ai) + bi)
            room += hi[i] - lo[i]
            i += 1
        while done < o:  # legs of what is taken whole have no piece: their energies are given
            v = offer_node[done]
            one_dust += DUST_J * one_size[v]
            two_dust += DUST_J * two_size[v]
            done += 1
        v = offer_node[o]
        amount = min(2.0 * room, DUST_J)
        one_dust += amount * max(dearest, one_size[v])
        two_dust += amount * max(dearest, two_size[v])
        done = o + 1
    while done < offer_node.size:
        v = offer_node[done]
        one_dust += DUST_J * one_size[v]
        two_dust += DUST_J * two_size[v]
        done += 1
    for e in range(tail.size):
        u, w, f = tail[e], head[e], flow_uj[e] / UJ_PER_J
        sent, received = abs(f), (abs(flow_uj[e]) - loss_uj[e]) / UJ_PER_J
        most = min(capacity[e], reach_j)
        term = _link_term(f, sent, received, most, gain[e], r[e], price[e], first[u], first[w])
        if not term <= 0.0:
            one_lost += _lost(one, term)
            one += term
        term = _link_term(f, sent, received, most, gain[e], r[e], price[e], second[u],
                          second[w])  # fmt: skip
        if not term <= 0.0:
            two_lost += _lost(two, term)
            two += term
        term = price[e] * sent
        if term != 0.0:
            welfare_lost += _lost(welfare, -term)
            welfare -= term
            size_lost += _lost(size, term)
            size += term
        one_dust += DUST_J * max(one_size[u], one_size[w])
        two_dust += DUST_J * max(two_size[u], two_size[w])
    return (welfare + welfare_lost, size + size_lost, one + one_lost, one_dust, two + two_lost,
            two_dust)  # fmt: skip


@inline
def _link_term(flow: float, sent: float, received: float, most: float, gain: float, r: float,
               price: float, at_tail: float, at_head: float) -> float:  # fmt: skip
    """What a link would still gain, one way or the other, at the prices of its ends."""
    here = at_tail if flow >= 0.0 else at_head
    there = at_head if flow >= 0.0 else at_tail
    now = there * received - (here + price) * sent
    ahead = best_profit(gain, r, price, at_tail, at_head, most)
    back = best_profit(gain, r, price, at_head, at_tail, most)
    return max(ahead, back) - now


@kernel
def proof(node: Ints, offer: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats,
          c1: Floats, k: Floats, counts: Bools, offer_node: Ints, energy_uj: Ints,
          standing_uj: Ints, standing_links: Ints, tail: Ints, head: Ints, capacity: Floats,
          gain: Floats, r: Floats, price: Floats, start: Ints, incident: Ints, order: Ints,
          up: Ints, link: Ints, whole: bool, flow_uj: Ints, loss_uj: Ints, dual: Floats,
          reach_j: float) -> tuple[
              Floats, Floats, Floats, float, float, float, float, float, float, float]:  # fmt: skip
    """Supporting prices of an allocation, and what they and the duals prove; see `Proof`.

    Parameters
    ----------
    node, offer, lo, hi, a, b, c0, c1, k, counts
        Pieces (P,), those of standing losses last; whether their worth counts.
    offer_node
        Of each offer, standing losses last.
    energy_uj, standing_uj, standing_links
        Received by offers, drawn by links, and the links whose standing loss is an offer.
    tail, head, capacity, gain, r, price, start, incident, order, up, link, whole
        The network, as in `isojoule.kernels.support.support`; capacity in J.
    flow_uj, loss_uj
        Of links.
    dual
        Prices that may prove more than the supporting prices, (n,).
    reach_j
        Unlimited quantities are cut here; 0: at `isojoule.kernels.prepare.reach`.
    """
    x, largest = stand(offer, lo, hi, energy_uj, standing_uj, standing_links)
    if reach_j == 0.0:
        reach_j = reach(lo, hi, a, b, c0, k, capacity)
    flow = np.empty(tail.size)
    for e in range(tail.size):
        flow[e] = flow_uj[e] / UJ_PER_J
    nodes = start.size - 1
    known, none = np.empty(nodes), np.empty(0)
    out = (none, none, none, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    moved, trade = 0.0, 0.0
    for i in range(x.size):
        moved = max(moved, abs(x[i]))
    for e in range(tail.size):
        moved = max(moved, abs(flow[e]))
    # what is nearer to a kink than the dust of the commit stands at the kink; how much dust
    # there is shows in whether the prices prove the optimum. Beside an offer that is many powers
    # of ten larger than all that moves, its dust would hide them: then what moves is the measure
    count = len(WIDENINGS)
    last_low, last_high = none, none
    for attempt in range(2 * count):
        if attempt == count and not moved < largest:
            break  # the same again
        measure = largest if attempt < count else moved
        slack = WIDENINGS[attempt % count] * (NEAR_J + NEAR_SHARE * measure)
        bid, ask, scale = own_bounds(node, lo, hi, a, b, c0, c1, k, x, nodes, slack)
        lowest, highest = support(
            bid, ask, scale, tail, head, flow, capacity, gain, r, price, start, incident, order,
            up, link, whole, slack,
        )  # fmt: skip
        if _same(lowest, last_low) and _same(highest, last_high):
            continue  # and they prove as little
        last_low, last_high = lowest, highest
        middle = np.empty(nodes)
        for v in range(nodes):
            middle[v] = between(lowest[v], highest[v])
            known[v] = 0.0 if math.isnan(middle[v]) else middle[v]
        welfare, size, price_gap, price_dust, gap, dust = gaps(
            node, offer, lo, hi, a, b, c0, c1, k, counts, offer_node, x, tail, head, flow_uj,
            loss_uj, capacity, gain, r, price, known, dual, lowest, highest, reach_j,
        )  # fmt: skip
        closed = is_closed(welfare, price_gap, price_dust)
        if closed or attempt == 0:
            out = (lowest, highest, middle, welfare, gap, dust, price_gap, price_dust, size)
            trade = largest_trade(
                bid, ask, scale, tail, head, flow, capacity, gain, r, price, slack
            )  # fmt: skip
        if closed:
            break
    return out + (trade,)  # noqa: RUF005, what the compiler knows
