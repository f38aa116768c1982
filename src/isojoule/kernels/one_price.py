"""One price for a place without limits or losses inside: the root of the summed demand.

Demand falls in the price, and is smooth but at the prices where a piece begins or ends. Those are
searched; between two of them the root is bracketed. What is left by the last digit of
the price is shared by what moves there, so the amounts are exact even where a digit of the price
moves much energy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.incidence import grouped
from isojoule.kernels.prices import demand_at, marginal_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_HALVINGS = 200


@inline
def _demand(price: float, side: int, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats,
            c1: Floats, k: Floats) -> float:  # fmt: skip
    """What all want at a price; those who are indifferent take least (side < 0) or most."""
    total = 0.0
    for i in range(lo.size):
        stay = lo[i] if side < 0 else hi[i]
        total += demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], price, stay)
    return total


@kernel
def one_price(lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats, k: Floats,
              supply: float, x: Floats) -> float:  # fmt: skip
    """The price at which the pieces want just `supply`; O(n log n) in the number of pieces.

    Parameters
    ----------
    lo, hi, a, b, c0, c1, k
        Pieces, J and money per J. Only flat pieces may be unlimited.
    supply
        What they receive together, J.
    x
        Filled: what each receives, J. At a price where flat pieces are indifferent, the rest is
        shared in proportion to their size; unlimited ones, if there are any, take it in equal
        parts.

    Returns
    -------
    The price, money per J; nan if the pieces cannot take so much or so little.
    """
    marks = np.empty(2 * lo.size)
    count = 0
    for i in range(lo.size):
        if hi[i] > lo[i]:
            at = 0.0 if math.isinf(lo[i]) else lo[i]
            marks[count] = marginal_at(a[i], b[i], c0[i], c1[i], k[i], at)
            count += 1
            if b[i] != 0.0 and c1[i] != 0.0:  # else it is flat: both ends are one mark
                at = 0.0 if math.isinf(hi[i]) else hi[i]
                marks[count] = marginal_at(a[i], b[i], c0[i], c1[i], k[i], at)
                count += 1
    if count == 0:
        total = 0.0
        for i in range(lo.size):
            x[i] = lo[i]
            total += lo[i]
        return 0.0 if total == supply else math.nan
    # the lowest mark above which no more than the supply is wanted; what cannot be it is put aside,
    # which takes less than sorting
    first, last = 0, count
    price = math.nan
    while first < last:
        middle = _middle(marks[first], marks[(first + last) // 2], marks[last - 1])
        below, above = _part(marks, first, last, middle)
        if _demand(middle, -1, lo, hi, a, b, c0, c1, k) <= supply:
            price, last = middle, below
        else:
            first = above
    if math.isnan(price):
        return math.nan
    if _demand(price, 1, lo, hi, a, b, c0, c1, k) >= supply:
        _share(price, lo, hi, a, b, c0, c1, k, supply, x)
        return float(price)
    before = -math.inf
    for i in range(count):
        if marks[i] < price:
            before = max(before, marks[i])
    if before == -math.inf:
        return math.nan
    # inside, demand is continuous; `cheap` wants too much, `dear` too little
    cheap, dear = before, price
    much = _demand(cheap, -1, lo, hi, a, b, c0, c1, k) - supply
    little = _demand(dear, 1, lo, hi, a, b, c0, c1, k) - supply
    for turn in range(MOST_HALVINGS):
        middle = 0.5 * (cheap + dear)
        if turn % 3 < 2 and much > little:  # two steps along the chord, then one that halves
            middle = cheap + (dear - cheap) * (much / (much - little))
        if not cheap < middle < dear:
            middle = 0.5 * (cheap + dear)
        if not cheap < middle < dear:
            break
        here = _demand(middle, 0, lo, hi, a, b, c0, c1, k) - supply
        if here >= 0.0:
            cheap, much = middle, here
        if here <= 0.0:
            dear, little = middle, here
        if cheap == dear:
            break
    theta = much / (much - little) if much > little else 0.0
    for i in range(lo.size):
        most = demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], cheap, lo[i])
        least = demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], dear, hi[i])
        x[i] = most + theta * (least - most) if least != most else most
    return float(cheap + theta * (dear - cheap))


@inline
def _middle(one: float, two: float, three: float) -> float:
    return max(min(one, two), min(max(one, two), three))


@inline
def _part(values: Floats, first: int, last: int, middle: float) -> tuple[int, int]:
    """Bring values below the middle one to the front, those above it to the end, in place.

    Returns
    -------
    Where those that equal it begin, and where they end.
    """
    below, at, above = first, first, last
    while at < above:
        value = values[at]
        if value < middle:
            values[at], values[below] = values[below], value
            below += 1
            at += 1
        elif value > middle:
            above -= 1
            values[at], values[above] = values[above], value
        else:
            at += 1
    return below, above


@inline
def _share(price: float, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats,
           k: Floats, supply: float, x: Floats) -> None:  # fmt: skip
    """Fill x at a price where some are indifferent."""
    rest = supply
    for i in range(lo.size):
        x[i] = demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], price, 0.0)
        rest -= x[i]
    if rest == 0.0:
        return
    room = 0.0
    endless = 0
    for i in range(lo.size):
        if (b[i] == 0.0 or c1[i] == 0.0) and price == marginal_at(
            a[i], b[i], c0[i], c1[i], k[i], 0.0
        ):
            end = hi[i] if rest > 0.0 else -lo[i]
            if math.isinf(end):
                endless += 1
            else:
                room += end
    for i in range(lo.size):
        if (b[i] == 0.0 or c1[i] == 0.0) and price == marginal_at(
            a[i], b[i], c0[i], c1[i], k[i], 0.0
        ):
            end = hi[i] if rest > 0.0 else lo[i]
            if endless > 0:
                x[i] = rest / endless if math.isinf(end) else 0.0
            elif room > 0.0:
                x[i] = min(max(end * (abs(rest) / room), lo[i]), hi[i])


@kernel
def forest_flows(tail: Ints, order: Ints, up: Ints, link: Ints, over: Floats) -> Floats:
    """Flows along a spanning forest that bring every node into balance; all other links idle.

    Parameters
    ----------
    tail
        Per link.
    order, up, link
        The forest, see `isojoule.kernels.incidence.walk`.
    over
        What each node has to give (negative: needs), J; sums to 0 in every part. Changed.

    Returns
    -------
    (links,) signed flows, J.
    """
    flow = np.zeros(tail.size)
    for at in range(order.size - 1, -1, -1):
        v = order[at]
        e = link[v]
        if e >= 0:
            flow[e] = over[v] if tail[e] == v else -over[v]
            over[up[v]] += over[v]
    return flow


@kernel
def prices_of_parts(part: Ints, parts: int, node: Ints, lo: Floats, hi: Floats, a: Floats,
                    b: Floats, c0: Floats, c1: Floats, k: Floats, inject: Floats,
                    x: Floats) -> tuple[Floats, bool]:  # fmt: skip
    """The price of each part, by `one_price`, and whether there is one everywhere; fills `x`.

    Parameters
    ----------
    part, inject
        Part of each node, and what is given there, J, (nodes,).
    node, lo, hi, a, b, c0, c1, k
        Pieces.
    """
    first, order = grouped(part[node], parts)
    supply = np.zeros(parts)
    for v in range(part.size):
        supply[part[v]] += inject[v]
    price = np.zeros(parts)
    solved = True
    for p in range(parts):
        own = order[first[p] : first[p + 1]]
        some = np.zeros(own.size)
        price[p] = one_price(
            lo[own], hi[own], a[own], b[own], c0[own], c1[own], k[own], supply[p], some
        )
        x[own] = some
        solved = solved and math.isfinite(price[p])
    for i in range(x.size):
        solved = solved and math.isfinite(x[i])
    return price, solved
