"""An optimum on a forest from one nearby, by Newton's method; O(places) in each step.

Every place wants something linear in its price: what stands at an end of its room is constant, a
curve is followed by its tangent, and so is what a link with a quadratic loss carries. From the
leaves to the roots each place is eliminated into the one above it, from the roots to the leaves
prices, flows and energies follow. A piece whose worth is the same throughout, in the middle of its
room, pins the price of its place, and through links that lose nothing by the square that of others;
it takes what is left over. Then who passed an end of its room stays there, who would leave it may,
and links fill, empty and turn around; until nothing changes.

Nothing here is sure to come to an end, or to be the optimum: the caller has the balance of each
place and the duals to tell (`isojoule.kernels.left_out`), and other ways where it is none.

Source: semismooth Newton (Qi, Sun 1993, Math. Program. 58:353, https://doi.org/10.1007/BF01581275).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, merged
from isojoule.kernels.prices import PEAK, marginal_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = 25
"""Most steps."""
STILL = 1e-8
"""Prices that change by no more than this share stand still: the next step is the last."""
HAIR = 1e-12
"""Prices nearer to each other than this, relative to their size, are one."""
EVEN = 1e-9
"""Where no price changes anything, this share of what is fixed may be off balance."""
LITTLE = 1e-200
"""What a link begins with that comes to carry."""

LEAST, MOST, INSIDE = 0, 1, 2  # where pieces stand
IDLE, CARRIES, FULL_AWAY, FULL_BACK = 0, 1, 2, 3  # what links do
TANGENT, FOLLOWS, APART = 0, 1, 2  # how a place depends on the one above


class Newton(NamedTuple):
    """Where it stands, which is changed in place. J and money per J.

    Attributes
    ----------
    above, first, fixed
        Place above each place, before it, -1: none; pieces of each place; what each place gives
        away whatever happens.
    pieces, links
        As rows: lo, hi, a, b, c0, c1, k; capacity, gain, quadratic loss, fee, of the link to each
        place.
    x, flow, price
        Of each piece; of the link to each place, sent, positive away from the root; of each place.
    """

    above: Ints
    first: Ints
    fixed: Floats
    pieces: Floats
    links: Floats
    x: Floats
    flow: Floats
    price: Floats


class _Step(NamedTuple):
    """What each place wants, alpha + beta * price, and how it hangs on the one above.

    `pin` is a price that cannot change, nan: none; `source` what takes what is left over then: a
    piece, or -2 - child. `way`, and with it price = at + by * price above, and drawn likewise.
    """

    alpha: Floats
    beta: Floats
    pin: Floats
    source: Ints
    way: Ints
    at: Floats
    by: Floats
    drawn: Floats
    drawn_by: Floats
    residual: Floats


@inline
def newton(now: Newton) -> bool:
    """Step from a nearby optimum to one; whether it came to an end."""
    places, count = now.above.size, now.x.size
    stand, link = np.empty(count, np.int64), np.zeros(places, np.int64)
    for j in range(count):
        lo, hi = now.pieces[0, j], now.pieces[1, j]
        stand[j] = LEAST if now.x[j] <= lo else (MOST if now.x[j] >= hi else INSIDE)
    for n in range(places):
        capacity, f = now.links[0, n], now.flow[n]
        if now.above[n] < 0 or capacity == 0.0:
            now.flow[n] = 0.0
        elif f != 0.0 or (now.links[1, n] == 1.0 and now.links[3, n] == 0.0):
            link[n] = FULL_AWAY if f >= capacity else (FULL_BACK if f <= -capacity else CARRIES)
    step = _Step(
        np.empty(places), np.empty(places), np.empty(places), np.empty(places, np.int64),
        np.empty(places, np.int64), np.empty(places), np.empty(places), np.empty(places),
        np.empty(places), np.empty(places),
    )  # fmt: skip
    old = np.empty(places)
    still = False
    for _ in range(STEPS):
        old[:] = now.flow
        changed = _wanted(now, stand, step)
        _eliminate(now, link, step)
        moved = _follow(now, stand, link, step)
        if not moved < math.inf:
            return False
        changed = _pieces_turn(now, stand) or changed
        changed = _links_turn(now, link, old) or changed
        if still and not changed:
            return True
        still = moved <= STILL and not changed
    return False


@inline
def _wanted(now: Newton, stand: Ints, step: _Step) -> bool:
    """Fill what each place wants by itself. Whether a piece had to give way to another's price."""
    changed = False
    for n in range(now.above.size):
        alpha, beta, pin, source = now.fixed[n], 0.0, math.nan, -1
        for j in range(now.first[n], now.first[n + 1]):
            if stand[j] == INSIDE:
                level, slope = _tangent(now.pieces, j, now.x[j])
                if slope < 0.0:
                    alpha -= level / slope
                    beta += 1.0 / slope
                elif math.isnan(pin):
                    pin, source = level, j
                    continue
                elif abs(level - pin) > HAIR * abs(pin):
                    changed = True
                    stand[j] = LEAST if pin > level else MOST
                    now.x[j] = now.pieces[0, j] if pin > level else now.pieces[1, j]
            alpha += now.x[j]
        step.alpha[n], step.beta[n], step.pin[n], step.source[n] = alpha, beta, pin, source
    return changed


@merged
def _tangent(pieces: Floats, j: int, x: float) -> tuple[float, float]:
    """Marginal worth of a piece, and its slope; 0 where it is flat."""
    a, b, c0, c1, k = pieces[2, j], pieces[3, j], pieces[4, j], pieces[5, j], pieces[6, j]
    level = marginal_at(a, b, c0, c1, k, x)
    t = c0 - c1 * x
    if b == 0.0 or c1 == 0.0 or t <= 0.0:
        return level, 0.0
    return level, -b * c1 * (1.0 if k == 1.0 else k * t ** (k - 1.0))


@inline
def _eliminate(now: Newton, link: Ints, step: _Step) -> None:
    """Add what each place and all behind it want to the place above."""
    for n in range(now.above.size - 1, -1, -1):
        u = now.above[n]
        step.way[n] = APART
        if u < 0:
            continue
        f, gain, r, fee = now.flow[n], now.links[1, n], now.links[2, n], now.links[3, n]
        drawn = f if f >= 0.0 else (gain + r * f) * f
        pinned = not math.isnan(step.pin[n])
        if link[n] != CARRIES:
            step.alpha[u] += drawn
            continue
        slope = max(gain - 2.0 * r * abs(f), PEAK * gain)
        if f >= 0.0:
            bend = 2.0 * r * max(now.price[n], 0.0)
            brought = (gain - r * f) * f
            if not pinned:
                under = slope - bend * step.beta[n] / slope
                step.by[n] = 1.0 / under
                step.at[n] = (fee + bend * (step.alpha[n] - brought) / slope) / under
                step.drawn_by[n] = step.beta[n] * step.by[n] / slope
                step.drawn[n] = f + (step.alpha[n] + step.beta[n] * step.at[n] - brought) / slope
            elif bend > 0.0:
                step.drawn_by[n] = -1.0 / bend
                step.drawn[n] = f + (slope * step.pin[n] - fee) / bend
            hold = slope * step.pin[n] - fee
        else:
            bend = 2.0 * r * max(now.price[u], 0.0)
            if not pinned:
                under = 1.0 - bend * step.beta[n]
                step.by[n] = slope / under
                step.at[n] = (bend * (step.alpha[n] - f) - fee) / under
                step.drawn_by[n] = slope * step.beta[n] * step.by[n]
                step.drawn[n] = drawn + slope * (step.alpha[n] + step.beta[n] * step.at[n] - f)
            elif bend > 0.0:
                step.drawn_by[n] = -slope * slope / bend
                step.drawn[n] = drawn + slope * (step.pin[n] + fee) / bend
            hold = (step.pin[n] + fee) / slope
        if pinned and bend > 0.0:
            step.at[n], step.by[n] = step.pin[n], 0.0
        elif pinned:
            if math.isnan(step.pin[u]):  # the price above is pinned, too
                step.pin[u], step.source[u] = hold, -2 - n
                step.way[n] = FOLLOWS
            else:  # two prices meet: it carries what it did, and then one of them gives way
                step.alpha[u] += drawn
            continue
        step.way[n] = TANGENT
        step.alpha[u] += step.drawn[n]
        step.beta[u] += step.drawn_by[n]


@inline
def _follow(now: Newton, stand: Ints, link: Ints, step: _Step) -> float:
    """Prices, flows and energies from the roots to the leaves.

    Returns the largest share by which a price changed; inf where there is none.
    """
    largest = 0.0
    for n in range(now.above.size):
        u, was, f = now.above[n], now.price[n], now.flow[n]
        gain, r, fee = now.links[1, n], now.links[2, n], now.links[3, n]
        slope = max(gain - 2.0 * r * abs(f), PEAK * gain)
        brought = (gain - r * f) * f if f >= 0.0 else f
        to = f
        if step.way[n] == TANGENT:
            now.price[n] = step.at[n] + step.by[n] * now.price[u]
            drawn = step.drawn[n] + step.drawn_by[n] * now.price[u]
            to = drawn if f >= 0.0 else f + (drawn - (gain + r * f) * f) / slope
        elif step.way[n] == FOLLOWS:
            now.price[n] = step.pin[n]
            drawn = step.residual[u]
            to = drawn if f >= 0.0 else f + (drawn - (gain + r * f) * f) / slope
        elif not math.isnan(step.pin[n]):
            now.price[n] = step.pin[n]
        elif step.beta[n] < 0.0:
            now.price[n] = (brought - step.alpha[n]) / step.beta[n]
        else:
            size = abs(now.fixed[n]) + abs(brought)
            for j in range(now.first[n], now.first[n + 1]):
                size += abs(now.x[j])
            if abs(brought - step.alpha[n]) > EVEN * size:
                return math.inf
            if u >= 0 and link[n] == IDLE and now.links[0, n] > 0.0:
                near = now.price[u]
                now.price[n] = min(max(was, gain * near - fee), (near + fee) / gain)
        brought += (slope if f >= 0.0 else 1.0) * (to - f)
        now.flow[n] = to
        lam = now.price[n]
        largest = max(largest, abs(lam - was) / max(abs(lam), abs(was), 1e-300))
        step.residual[n] = brought - step.alpha[n] - step.beta[n] * lam
        for j in range(now.first[n], now.first[n + 1]):
            if stand[j] != INSIDE:
                continue
            level, bends = _tangent(now.pieces, j, now.x[j])
            if bends < 0.0:
                now.x[j] += (lam - level) / bends
            elif step.source[n] == j:
                now.x[j] = step.residual[n]
        if math.isnan(lam) or math.isnan(to):
            return math.inf
    return largest


@inline
def _pieces_turn(now: Newton, stand: Ints) -> bool:
    """Pieces stop at the ends of their room, or leave them. Whether any did."""
    changed = False
    for n in range(now.above.size):
        lam = now.price[n]
        hair = HAIR * abs(lam)
        for j in range(now.first[n], now.first[n + 1]):
            lo, hi = now.pieces[0, j], now.pieces[1, j]
            if not hi > lo:
                stand[j] = LEAST
                continue
            if stand[j] == INSIDE:
                if now.x[j] < lo or now.x[j] > hi:
                    stand[j] = LEAST if now.x[j] < lo else MOST
                    now.x[j] = lo if now.x[j] < lo else hi
                    changed = True
                continue
            level, _ = _tangent(now.pieces, j, now.x[j])
            if (stand[j] == LEAST and lam < level - hair) or (
                stand[j] == MOST and lam > level + hair
            ):
                stand[j] = INSIDE
                changed = True
    return changed


@inline
def _links_turn(now: Newton, link: Ints, old: Floats) -> bool:
    """Links fill, stop, start and turn around. Whether any did."""
    changed = False
    for n in range(now.above.size):
        u, capacity = now.above[n], now.links[0, n]
        if u < 0 or capacity == 0.0:
            continue
        gain, r, fee, f = now.links[1, n], now.links[2, n], now.links[3, n], now.flow[n]
        here, there = now.price[u], now.price[n]
        hair = HAIR * max(abs(here), abs(there))
        before = link[n]
        if before == CARRIES:
            if abs(f) > capacity:
                link[n] = FULL_AWAY if f > 0.0 else FULL_BACK
                now.flow[n] = capacity if f > 0.0 else -capacity
            elif (gain < 1.0 or fee > 0.0) and f * old[n] <= 0.0:  # it stops before it turns
                link[n], now.flow[n] = IDLE, 0.0
        elif before == IDLE:
            if gain * there - fee - here > hair or gain * here - fee - there > hair:
                link[n] = CARRIES
                now.flow[n] = LITTLE if gain * there - fee - here > hair else -LITTLE
        else:
            slope = max(gain - 2.0 * r * capacity, PEAK * gain)
            more = slope * there - fee - here if before == FULL_AWAY else slope * here - fee - there
            if more < -hair:
                link[n] = CARRIES
        changed = changed or link[n] != before
    return changed
