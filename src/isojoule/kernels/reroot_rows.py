"""Rows of points for pivots on forests: what somebody wants more or less at each price.

A row is a polyline as in `isojoule.kernels.polyline`, prices falling, but its values are counted
from what is wanted at the optimum, so that small changes keep all their digits. It is cut to a
window of changes. Where it was cut, prices beyond are not known: a row holds between a highest and
a lowest price, infinite where it truly ends.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline
from isojoule.kernels.polyline import between, crossing

Floats = NDArray[np.float64]

HAIR = 1e-13
"""Prices nearer to each other than this, relative to their size, are one."""


@inline
def both(a_at: Floats, a_more: Floats, i: int, a_end: int, b_at: Floats, b_more: Floats, j: int,
         b_end: int, at: Floats, more: Floats, to: int) -> int:  # fmt: skip
    """Sum of two rows, written from `to`; returns its end. At most as many points as both have."""
    a_first, b_first, end = i, j, to
    while i < a_end or j < b_end:
        if j == b_end or (i < a_end and a_at[i] > b_at[j]):
            price = a_at[i]
            value = a_more[i] + between(b_at, b_more, b_first, b_end, j, price)
            i += 1
        elif i == a_end or b_at[j] > a_at[i]:
            price = b_at[j]
            value = b_more[j] + between(a_at, a_more, a_first, a_end, i, price)
            j += 1
        else:
            price = a_at[i]
            value = a_more[i] + b_more[j]
            i += 1
            j += 1
        if end >= to + 2 and at[end - 1] == price and at[end - 2] == price:
            end -= 1  # a jump has two ends
        at[end] = price
        more[end] = value
        end += 1
    return end


@inline
def cut(at: Floats, more: Floats, first: int, last: int, most: float, high: float,
        low: float) -> tuple[int, int, float, float]:  # fmt: skip
    """Cut a row to changes of at most `most` and to prices where it holds, in place.

    Returns its first point, its end, and the highest and the lowest price at which it holds.
    """
    if at[first] > high:
        while first + 1 < last and at[first + 1] > high:
            first += 1
        if first + 1 < last and at[first + 1] < high:
            more[first] = between(at, more, first, last, first + 1, high)
            at[first] = high
        elif first + 1 < last:
            first += 1
        else:
            at[first] = high
    if at[last - 1] < low:
        while last - 1 > first and at[last - 2] < low:
            last -= 1
        if last - 1 > first and at[last - 2] > low:
            more[last - 1] = between(at, more, first, last, last - 1, low)
            at[last - 1] = low
        elif last - 1 > first:
            last -= 1
        else:
            at[last - 1] = low
    if more[first] < -most and first + 1 < last:
        while first + 1 < last and more[first + 1] <= -most:
            first += 1
        if first + 1 < last and more[first] < -most:
            at[first] = crossing(at, more, first + 1, -most)
            more[first] = -most
        high = at[first] + HAIR * abs(at[first])
    if more[last - 1] > most and first + 1 < last:
        while last - 1 > first and more[last - 2] >= most:
            last -= 1
        if last - 1 > first and more[last - 1] > most:
            at[last - 1] = crossing(at, more, last - 1, most)
            more[last - 1] = most
        low = at[last - 1] - HAIR * abs(at[last - 1])
    return first, last, high, low


@inline
def drawn_for(want: float, gain: float) -> float:
    """What a link takes when so much is wanted behind it."""
    return want / gain if want > 0.0 else want * gain


@inline
def carry(at: Floats, more: Floats, first: int, last: int, high: float, low: float, now: float,
          capacity: float, gain: float, fee: float, out_at: Floats, out_more: Floats,
          to: int) -> tuple[int, float, float]:  # fmt: skip
    """What a link makes of the row behind it, where `now` is wanted; seen from its near end.

    Returns the end of what was written from `to`, at most four points more than the row has, and
    the prices between which it holds.
    """
    drawn = drawn_for(now, gain)
    most = gain * capacity
    end = to
    i = first
    out_high, out_low = math.inf, -math.inf
    # from the highest price down: what is sent from behind
    if now + more[first] < -capacity:
        while i < last and now + more[i] < -capacity:
            i += 1
        price = at[last - 1] if i == last else crossing(at, more, i, -capacity - now)
        out_at[to], out_more[to] = (price + fee) / gain, -most - drawn
        if i == last:
            return to + 1, out_high, (low + fee) / gain
        end += 1
    elif high < math.inf:
        out_high = gain * high - fee if now + more[first] >= 0.0 else (high + fee) / gain
    while i < last and now + more[i] < 0.0:
        change = gain * more[i] if now <= 0.0 else gain * (now + more[i]) - drawn
        out_at[end], out_more[end] = (at[i] + fee) / gain, change
        end += 1
        i += 1
    if i == last:
        return end, out_high, (low + fee) / gain
    if i > first:  # from sending to receiving: in between nothing is carried
        price = at[i] if now + more[i] == 0.0 else crossing(at, more, i, -now)
        out_at[end], out_more[end] = (price + fee) / gain, -drawn
        out_at[end + 1], out_more[end + 1] = gain * price - fee, -drawn
        end += 2
    elif now + more[i] == 0.0 and high == math.inf:
        out_at[end], out_more[end] = gain * at[i] - fee, -drawn
        end += 1
        i += 1
    while i < last and now + more[i] <= most:
        change = more[i] / gain if now >= 0.0 else (now + more[i]) / gain - drawn
        out_at[end], out_more[end] = gain * at[i] - fee, change
        end += 1
        i += 1
    if i < last:  # full
        price = at[i] if i == first else crossing(at, more, i, most - now)
        out_at[end], out_more[end] = gain * price - fee, capacity - drawn
        return end + 1, out_high, out_low
    if low > -math.inf:
        out_low = gain * low - fee if now + more[last - 1] > 0.0 else (low + fee) / gain
    return end, out_high, out_low


@inline
def area(at: Floats, more: Floats, first: int, last: int, high: float, low: float,
         change: float) -> tuple[float, float]:  # fmt: skip
    """What it costs those of a row to give up `change` (negative: what they pay to get it).

    The integral of the price over what they want, from less by `change` to now... read off with
    the sign of `change`. Returns it, and the same without signs of prices; nan where the row does
    not reach so far.
    """
    # i received `change`; without it the others want that much more
    if change == 0.0:
        return 0.0, 0.0
    begin, finish = min(change, 0.0), max(change, 0.0)
    near = 1e-9 * abs(change)
    if more[first] > begin + (near if high == math.inf else 0.0):
        return math.nan, 0.0
    if more[last - 1] < finish - (near if low == -math.inf else 0.0):
        return math.nan, 0.0
    total = size = done = 0.0
    here = begin
    for i in range(first, last):
        if i == first:
            if more[first] > begin:  # a digit beyond the end
                step = more[first] - begin
                total += step * at[first]
                size += step * abs(at[first])
                here = more[first]
            continue
        left, right = max(more[i - 1], begin), min(more[i], finish)
        if not right > left:
            continue
        width = more[i] - more[i - 1]
        slope = (at[i] - at[i - 1]) / width
        middle = 0.5 * (left + right) - more[i - 1]
        price = at[i - 1] + slope * middle
        total += (right - left) * price
        size += (right - left) * abs(price)
        here = right
    done = finish - here
    if done > 0.0:
        total += done * at[last - 1]
        size += done * abs(at[last - 1])
    return (total if change > 0.0 else -total), size
