"""Net demand at a node, as a polyline: how much is wanted at each price.

A polyline is a row of points (price, wanted), prices falling, wanted rising. Between two points it
is linear; two points of one price are a jump; beyond its ends it is constant. Sums of pieces and of
what is behind links are polylines, and so is what a link makes of one, so that a tree can be
folded, leaf by leaf, into one polyline at its root (`isojoule.kernels.tree`).

Rows are slices of two arrays, `at` (prices) and `want` (J). Nothing is allocated here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, merged
from isojoule.kernels.prices import PEAK, marginal_at

Floats = NDArray[np.float64]

FIRST_POINTS = 9
"""Points on a bent curve before anything is known of the price."""
RUNGS = 14
"""Steps of a ladder to each side; the longest is so many times the first that it leaves a piece."""
MOST_POINTS = 2 * RUNGS + 3
"""Most points that are drawn of a piece, or added to a row."""
STEPS = np.concatenate([-(8.0 ** np.arange(RUNGS)[::-1]), [0.0], 8.0 ** np.arange(RUNGS)])
"""The ladder: 0, 1, 8, 64, ... times the first step, to both sides."""


@merged
def add(at: Floats, want: Floats, first: int, middle: int, last: int, out_at: Floats,
        out_want: Floats, to: int) -> int:  # fmt: skip
    """Sum of the rows [first, middle) and [middle, last), written from `to`; returns its end.

    It has at most as many points as both together.
    """
    i, j, end = first, middle, to
    while i < middle or j < last:
        if j == last or (i < middle and at[i] > at[j]):
            price = at[i]
            value = want[i] + between(at, want, middle, last, j, price)
            i += 1
        elif i == middle or at[j] > at[i]:
            price = at[j]
            value = want[j] + between(at, want, first, middle, i, price)
            j += 1
        else:
            price = at[i]
            value = want[i] + want[j]
            i += 1
            j += 1
        if end >= to + 2 and out_at[end - 1] == price and out_at[end - 2] == price:
            end -= 1  # a jump has two ends
        out_at[end] = price
        out_want[end] = value
        end += 1
    return end


@merged
def between(at: Floats, want: Floats, first: int, last: int, next_: int, price: float) -> float:
    """Value at a price between the points next_ - 1 and next_ of the row [first, last)."""
    if next_ == first:
        return float(want[first])
    if next_ == last:
        return float(want[last - 1])
    high, low = at[next_ - 1], at[next_]
    if high == price:
        return float(want[next_ - 1])
    share = (high - price) / (high - low)
    return float(want[next_ - 1] + share * (want[next_] - want[next_ - 1]))


@merged
def crossing(at: Floats, want: Floats, i: int, level: float) -> float:
    """Price at which the row passes `level` between its points i - 1 and i."""
    share = (level - want[i - 1]) / (want[i] - want[i - 1])
    return float(at[i - 1] + share * (at[i] - at[i - 1]))


@merged
def draw(lo: float, hi: float, a: float, b: float, c0: float, c1: float, k: float, near: float,
         wide: float, at: Floats, want: Floats, to: int) -> int:  # fmt: skip
    """Write what a piece wants from `to`; returns the end. A straight piece is two points.

    A bent one is followed by chords: fine ones around `near`, the first of length `wide`, or, where
    `wide` is not finite, some everywhere.
    """
    if b == 0.0 or c1 == 0.0 or k == 1.0:
        at[to], want[to] = marginal_at(a, b, c0, c1, k, lo), lo
        at[to + 1], want[to + 1] = marginal_at(a, b, c0, c1, k, hi), hi
        return to + 2
    end = to
    if not wide < math.inf:
        for p in range(FIRST_POINTS):
            x = lo + (hi - lo) * (p / (FIRST_POINTS - 1.0)) if p else lo
            if p == FIRST_POINTS - 1:
                x = hi
            at[end], want[end] = marginal_at(a, b, c0, c1, k, x), x
            end += 1
        return end
    # the ends, the place itself, and a ladder to both sides of it
    at[end], want[end] = marginal_at(a, b, c0, c1, k, lo), lo
    end += 1
    for step in STEPS:
        x = near + wide * step
        if want[end - 1] < x < hi:
            at[end], want[end] = marginal_at(a, b, c0, c1, k, x), x
            end += 1
    at[end], want[end] = marginal_at(a, b, c0, c1, k, hi), hi
    return end + 1


@merged
def refine(at: Floats, want: Floats, first: int, last: int, near: float, wide: float,
           out_at: Floats, out_want: Floats, to: int) -> int:  # fmt: skip
    """The row with more points, at the level `near` and on a ladder around it; returns its end.

    None where its own points are about as near.
    """
    end = to
    for i in range(first, last):
        if i > first and want[i] - want[i - 1] > 2.0 * wide:
            for rung in range(STEPS.size):
                level = near + wide * STEPS[rung]
                if level >= want[i]:
                    break
                if level > want[i - 1] and want[i] - want[i - 1] > wide * abs(STEPS[rung]):
                    out_at[end], out_want[end] = crossing(at, want, i, level), level
                    end += 1
        out_at[end], out_want[end] = at[i], want[i]
        end += 1
    return end


@merged
def trim(at: Floats, want: Floats, first: int, last: int, low: float,
         high: float) -> tuple[int, int]:  # fmt: skip
    """Cut the row to prices between `low` and `high`, in place; returns its first and last."""
    while last - first > 1 and at[first + 1] >= high:
        first += 1
    if last - first > 1 and at[first] > high:
        want[first] = between(at, want, first, last, first + 1, high)
        at[first] = high
    while last - first > 1 and at[last - 2] <= low:
        last -= 1
    if last - first > 1 and at[last - 1] < low:
        want[last - 1] = between(at, want, first, last, last - 1, low)
        at[last - 1] = low
    return first, last


@inline
def sent_for(arrives: float, gain: float, r: float) -> float:
    """What is sent so that so much arrives: gain * sent - r * sent**2 = arrives >= 0."""
    if r == 0.0:
        return arrives / gain
    return 2.0 * arrives / (gain + math.sqrt(max(gain * gain - 4.0 * r * arrives, 0.0)))


@merged
def through(at: Floats, want: Floats, first: int, last: int, capacity: float, gain: float,
            r: float, price: float, marks: Floats, place: int, out_at: Floats, out_want: Floats,
            to: int) -> int:  # fmt: skip
    """What a link makes of the net demand behind it, seen from its near end.

    Points are mapped exactly. With a quadratic loss what lies between them bends, slightly.

    Parameters
    ----------
    at, want, first, last
        The row behind the link.
    capacity, gain, r, price
        Of the link: most that is sent, J, no more than a quadratic loss lets through; share that
        arrives; quadratic loss, 1/J; price per Joule sent.
    marks, place
        Filled, its row of this place: prices behind the link at which it comes to carry as much as
        it can from there; from which on it carries nothing, and to which; at which it carries as
        much as it can there. Falling; inf or -inf where there is none. Shape (nodes, 4).

    Returns
    -------
    The end of what was written from `to`: at most three points more than the row has.
    """
    end = to
    marks[place, 0], marks[place, 1] = math.inf, math.inf
    marks[place, 2], marks[place, 3] = -math.inf, -math.inf
    i = first
    most, last_gain = gain * capacity, gain
    if r > 0.0:
        most -= r * capacity * capacity
        last_gain = max(gain - 2.0 * r * capacity, PEAK * gain)
    # from the highest price down: what is sent from behind
    if want[first] < -capacity:
        while i < last and want[i] < -capacity:
            i += 1
        if i == last:  # more than it carries, at every price
            marks[place, 0] = marks[place, 1] = at[last - 1]
            out_at[to], out_want[to] = at[last - 1], -most
            return to + 1
        marks[place, 0] = crossing(at, want, i, -capacity)
        out_at[end], out_want[end] = (marks[place, 0] + price) / last_gain, -most
        end += 1
    while i < last and want[i] < 0.0:
        slope = max(gain + 2.0 * r * want[i], PEAK * gain)
        out_at[end] = (at[i] + price) / slope
        out_want[end] = (gain + r * want[i]) * want[i]
        end += 1
        i += 1
    if i == last:  # too much even at the least price
        marks[place, 1] = -math.inf
        return end
    if i > first:
        marks[place, 1] = at[i] if want[i] == 0.0 else crossing(at, want, i, 0.0)
        end = _point((marks[place, 1] + price) / gain, 0.0, out_at, out_want, to, end)
    # the least price at which nothing is wanted
    if want[i] == 0.0:
        while i + 1 < last and want[i + 1] == 0.0:
            i += 1
        marks[place, 2] = at[i] if i + 1 < last else -math.inf
        i += 1
    else:
        marks[place, 2] = marks[place, 1]
    if i == last:
        return end
    if marks[place, 2] < math.inf:
        end = _point(gain * marks[place, 2] - price, 0.0, out_at, out_want, to, end)
    while i < last and want[i] < most:
        sent = sent_for(want[i], gain, r)
        out_at[end], out_want[end] = (gain - 2.0 * r * sent) * at[i] - price, sent
        end += 1
        i += 1
    if i < last:
        marks[place, 3] = at[i] if i == first else crossing(at, want, i, most)
        end = _point(last_gain * marks[place, 3] - price, capacity, out_at, out_want, to, end)
    return end


@merged
def _point(price: float, value: float, out_at: Floats, out_want: Floats, to: int,
           end: int) -> int:  # fmt: skip
    """Append a point, unless it is the one before."""
    if end > to and out_at[end - 1] == price and out_want[end - 1] == value:
        return end
    out_at[end] = price
    out_want[end] = value
    return end + 1
