"""`diffusion` once more, slowly: plain Python from the statements of the rule, to audit by.

Nothing is shared with the kernels: prices are found by halving, flows by halving over whole
microjoules, links are coloured with sets, sums are Python's. Spec: docs/spec/diffusion.md, D1 to
D8; the margin with which it is compared is D12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from isojoule.core.chance import rank

PPB = 1_000_000_000
SAME = 1e-9
DUST_UJ = 100
UNLIMITED_J = 4e12


class Piece(NamedTuple):
    """A piece of a curve (`isojoule.valuation.curve`), its offer, and its worth at both bounds."""

    lo: float
    hi: float
    a: float
    b: float
    c0: float
    c1: float
    k: float
    offer: int
    top: float
    bottom: float

    def wants(self, price: float, tied: float) -> float:
        """What is wanted at this price, J; `tied` where a flat piece is worth exactly that."""
        if self.top == self.bottom == price:
            return tied
        if price >= self.top or price <= self.bottom:
            return self.lo if price >= self.top else self.hi
        x = (self.c0 - math.pow((price - self.a) / self.b, 1.0 / self.k)) / self.c1
        return min(max(x, self.lo), self.hi)

    def yields(self, price: float) -> float:
        """How far a curved piece moves with the price, but for the sign."""
        above = max(price - self.a, 1e-300)
        return math.pow(above / self.b, 1.0 / self.k) / (self.k * self.c1 * above)

    def gains(self, old: float, new: float) -> float:
        """Integral of the worth, money."""
        total = self.a * (new - old)
        t0, t1 = (max(self.c0 - self.c1 * x, 0.0) for x in (old, new))
        top = max(t0, t1)
        if not self.b or top == 0.0:
            return total
        d = abs(t0 - t1) / top
        mean = 1.0
        if d > 0.0:
            power = -1.0 if d >= 1.0 else math.expm1((self.k + 1.0) * math.log1p(-d))
            mean = -power / ((self.k + 1.0) * d)
        return total + self.b * (new - old) * math.pow(top, self.k) * mean


def piece_of(
    offer: int, lo: float, hi: float, a: float, b: float, c0: float, c1: float, k: float
) -> Piece:
    """A piece with its worth at both bounds."""
    top, bottom = (
        a + b * math.pow(max(c0 - c1 * x, 0.0), k) if b else a
        for x in (end if math.isfinite(end) else 0.0 for end in (lo, hi))
    )
    return Piece(lo, hi, a, b, c0, c1, k, offer, top, bottom)


class Rung(NamedTuple):
    """A price at which a piece begins or ends to move, and what is wanted there at least, most."""

    price: float
    least: float
    most: float


@dataclass
class Node:
    """A node's pieces, its walls, what it holds (uJ), and where its pieces stand (J)."""

    pieces: list[Piece] = field(default_factory=list)
    low: int = 0
    high: int = 0
    z: int = 0
    x: list[float] = field(default_factory=list)
    ladder: list[Rung] = field(default_factory=list)

    def ready(self) -> None:
        """Build the ladder, cheapest first, and let the offers trade among themselves."""
        prices = {end for p in self.pieces if p.hi > p.lo for end in (p.top, p.bottom)}
        self.ladder = [
            Rung(price, self._wanted(price), sum(p.wants(price, p.hi) for p in self.pieces))
            for price in sorted(prices)
        ]
        self.x = self.shares(self.z)

    def _wanted(self, price: float) -> float:
        return sum(p.wants(price, p.lo) for p in self.pieces)

    def bid(self, z: float, slack: int = 0) -> float:
        """Worth of the next Joule: the dearest price at which more than z is wanted."""
        if z + slack >= self.high:
            return -math.inf
        here, beyond = z * 1e-6, (z + slack) * 1e-6
        above = None
        for rung in reversed(self.ladder):
            if rung.most > beyond:
                if above is None or not rung.least > beyond:
                    return rung.price
                if above.most >= here:
                    return above.price
                return _halve(rung.price, above.price, lambda p: self._wanted(p) > here)
            above = rung
        return -math.inf

    def ask(self, z: float, slack: int = 0) -> float:
        """Worth of the last Joule: the cheapest price at which less than z is wanted."""
        if z - slack <= self.low:
            return math.inf
        here, before = z * 1e-6, (z - slack) * 1e-6
        below = None
        for rung in self.ladder:
            if rung.least < before:
                if below is None or not rung.most < before:
                    return rung.price
                if below.least <= here:
                    return below.price
                return _halve(rung.price, below.price, lambda p: self._wanted(p) < here)
            below = rung
        return math.inf

    def shares(self, z: int) -> list[float]:
        """How the pieces share z, J: by worth, ties in proportion to what they offer."""
        price = self.bid(z) if z < self.high else self.ask(z)
        if not math.isfinite(price):
            return [0.0 for _ in self.pieces]
        tied = [p.hi > p.lo and p.top == p.bottom == price for p in self.pieces]
        x = [0.0 if t else p.wants(price, 0.0) for p, t in zip(self.pieces, tied, strict=True)]
        left = z * 1e-6 - sum(x)
        flat = any(tied)
        if flat:
            side = [
                min(p.hi, UNLIMITED_J) if left > 0 else max(p.lo, -UNLIMITED_J) for p in self.pieces
            ]
            room = [r if t else 0.0 for r, t in zip(side, tied, strict=True)]
            whole = sum(room)
            share = min(1.0, left / whole) if whole else 0.0
            x = [x[i] + r * share for i, r in enumerate(room)]
            left -= whole * share
            if abs(left) < 1e-6:
                left = 0.0  # else a curve that is flat to the last digit lies beside them
        room = [
            p.yields(price) if p.lo < x[i] < p.hi and not flat else 0.0
            for i, p in enumerate(self.pieces)
        ]  # the last digits of the price: to each as it moves with the price
        if left and not any(room):
            # a large k: so flat at its bound that its worth there is the price
            room = [
                (p.hi if left > 0 else p.lo) - x[i] if price in (p.top, p.bottom) else 0.0
                for i, p in enumerate(self.pieces)
            ]
        whole = sum(room)
        parts = [left * (r / whole) if whole else 0.0 for r in room]
        return [min(max(x[i] + parts[i], p.lo), p.hi) for i, p in enumerate(self.pieces)]


def _halve(yes: float, no: float, holds: Callable[[float], bool]) -> float:
    """The last price, from `yes` towards `no`, at which it still holds, as near as floats go."""
    for _ in range(200):
        middle = 0.5 * (yes + no)
        if middle in (yes, no):
            break
        if holds(middle):
            yes = middle
        else:
            no = middle
    return yes


@dataclass
class Link:
    """A link, its net flow, and what its tail was paid."""

    name: str
    tail: int
    head: int
    capacity: int
    ppb: int
    r: float
    price: float
    flow: int = 0
    received: float = 0.0

    def arrives(self, sent: int) -> int:
        """What is left of `sent`, microjoules."""
        loss = -(-sent * self.ppb // PPB)
        if self.r > 0.0:
            f = sent * 1e-6
            loss += math.ceil(self.r * f * f * 1e6)
        return sent - min(loss, sent)

    def left(self, sent: int) -> float:
        """What is left of the last Joule sent."""
        return (1.0 - self.ppb / PPB) - 2.0 * self.r * sent * 1e-6


def wish(link: Link, s: Node, t: Node) -> int:
    """The flow from s to t that both would have; `link.flow` >= 0 is what it is."""
    sent = link.flow
    now = link.arrives(sent)

    def less_pays(n: int) -> bool:
        cost = t.ask(t.z - now + link.arrives(sent - n))
        worth = s.bid(s.z + n) + link.price
        cost *= link.left(sent - n if cost > 0.0 else sent)
        return worth - cost - SAME * (abs(worth) + abs(cost)) > 0.0

    def less_fits(n: int) -> bool:
        return s.z + n <= s.high and t.z - now + link.arrives(sent - n) >= t.low

    less = _most(sent, less_pays, less_fits)
    if 0 < less < sent:
        return sent - less
    if less == sent:
        s, t = replace(s, z=s.z + sent), replace(t, z=t.z - now)
        sent = now = 0

    def pays(a: Node, b: Node, n: int) -> bool:
        worth = b.bid(b.z - now + link.arrives(sent + n))
        cost = a.ask(a.z - n) + link.price
        worth *= link.left(sent + n) if worth > 0.0 else 1.0
        return worth - cost - SAME * (abs(worth) + abs(cost)) > 0.0

    def fits(a: Node, b: Node, n: int) -> bool:
        return a.z - n >= a.low and b.z - now + link.arrives(sent + n) <= b.high

    room = link.capacity - sent
    more = _most(room, lambda n: pays(s, t, n), lambda n: fits(s, t, n))
    if more or sent:
        return sent + more
    return -_most(room, lambda n: pays(t, s, n), lambda n: fits(t, s, n))


def _most(room: int, pays: Callable[[int], bool], fits: Callable[[int], bool]) -> int:
    """The greatest n up to `room` that fits, and whose every Joule pays."""
    low, high = 0, max(room, 0)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle) and pays(middle - 1):
            low = middle
        else:
            high = middle - 1
    return low


def turns(links: list[Link], seed: bytes) -> list[Link]:
    """Links in their turn: by colour, each the least that is free at both ends."""
    used: dict[int, set[int]] = {}
    colour: dict[str, int] = {}
    for link in sorted(links, key=lambda e: rank(seed, "diffusion", e.name)):
        taken = used.setdefault(link.tail, set()) | used.setdefault(link.head, set())
        colour[link.name] = next(c for c in range(len(taken) + 1) if c not in taken)
        used[link.tail].add(colour[link.name])
        used[link.head].add(colour[link.name])
    return sorted(links, key=lambda e: (colour[e.name], e.name))


def sweep(nodes: list[Node], order: list[Link], split: float, profit: list[float]) -> int:
    """One sweep. Changes nodes, links and the offers' profits; how many links moved."""
    moved = 0
    for link in order:
        s, t = link.tail, link.head
        old = link.flow
        if old < 0:
            s, t, link.flow = t, s, -old
        new = wish(link, nodes[s], nodes[t])
        new, link.flow = (-new, old) if old < 0 else (new, old)
        if abs(new - old) < DUST_UJ:
            continue
        after = []
        for v, sign in ((link.tail, 1), (link.head, -1)):
            node = nodes[v]
            z = node.z + _brings(link, sign * new) - _brings(link, sign * old)
            x = node.shares(z)
            gain = sum(p.gains(node.x[i], x[i]) for i, p in enumerate(node.pieces))
            after.append((node, z, x, gain))
        gained = after[0][3] + after[1][3] - link.price * (abs(new) - abs(old)) * 1e-6
        if not gained > 0.0:
            continue
        share = split if new > old else 1.0 - split
        for (node, z, x, _), mine in zip(after, (share, 1.0 - share), strict=True):
            move: dict[int, float] = {}
            for i, p in enumerate(node.pieces):
                move[p.offer] = move.get(p.offer, 0.0) + x[i] - node.x[i]
            total = sum(abs(m) for m in move.values())
            for offer, m in move.items():
                profit[offer] += mine * gained * (abs(m) / total) if total else 0.0
            node.z, node.x = z, x
        link.received += share * gained - after[0][3]
        link.flow = new
        moved += 1
    return moved


def _brings(link: Link, flow: int) -> int:
    """What a flow that leaves an end (negative: comes to it) brings there."""
    return -flow if flow >= 0 else link.arrives(-flow)
