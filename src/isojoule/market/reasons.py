"""Reads a clearing: which links bind, who stands at the margin, and why each offer got its fill.

All of it follows from book, grid and clearing: stored answers hold the reasons, and an auditor
derives them again. Two readings of the network are used:

- links that are not full tie their ends to one *region*; a full link separates regions;
- links that are used and not full (or free of loss and price) *couple* prices: an offer that is
  partly filled sets the price wherever it is coupled to, plus what is lost on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J, price_text
from isojoule.grid import Grid, LinkLimits
from isojoule.kernels.prices import fill
from isojoule.market import diffusion_words
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms import get
from isojoule.market.radial.prices import offer_prices
from isojoule.valuation import KINDS
from isojoule.valuation.curve import marginal

Floats = NDArray[np.float64]
BUNDLE = KINDS.index("bundle")
UTILITY = KINDS.index("utility")
SAME = 1e-6
"""Prices that differ by less than this share are called equal in words."""
MOST_NAMES = 3


class Full(NamedTuple):
    """A full link as seen from a region: its position, the far node, whether energy comes in."""

    link: int
    far: int
    inward: bool


class Reached(NamedTuple):
    """A node whose price is coupled to another: the links on the way."""

    node: int
    over: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Reader:
    """What reasons and explanations are read from, computed once for a clearing."""

    book: Book
    grid: Grid
    clearing: Clearing

    @cached_property
    def x(self) -> Floats:
        """Where each piece stands, J."""
        p = self.book.pieces
        energy_j = self.clearing.energy_uj / UJ_PER_J
        x: Floats = fill(self.book.piece_offer.astype(np.int64), p.lo, p.hi, energy_j)
        return x

    @cached_property
    def worth(self) -> Floats:
        """Marginal worth of each piece where it stands, money per J."""
        return marginal(self.book.pieces, self.x)

    @cached_property
    def slack_j(self) -> float:
        """Nearer to a bound than this counts as at the bound (rounding to microjoules)."""
        p = self.book.pieces
        ends = np.concatenate([p.lo, p.hi])
        return 4e-6 + 1e-9 * float(np.max(np.abs(ends[np.isfinite(ends)]), initial=0.0))

    @cached_property
    def pieces_of(self) -> NDArray[np.int64]:
        """First piece of each offer, and one behind the last: shape (offers + 1,)."""
        count = np.arange(self.book.offer_count + 1)
        return np.searchsorted(self.book.piece_offer, count).astype(np.int64)

    @cached_property
    def own_words(self) -> Sequence[str]:
        """What the mechanism itself says of each offer, "" where it leaves that to these words."""
        rule = get(self.clearing.mechanism, **self.clearing.parameters)
        own = getattr(rule, "reasons", None)
        words: Sequence[str] = own(self.book, self.grid, self.clearing) if own else ()
        return words

    @cached_property
    def offer_price(self) -> Floats:
        """What each offer sees per Joule: its node's price, and that of its reactive energy."""
        reactive = self.clearing.certificate.side.get("reactive")
        if reactive is None or reactive.size != self.grid.node_count:
            plain: Floats = self.clearing.price_per_j[self.book.offer_node]
            return plain
        return offer_prices(self.book, self.clearing.price_per_j, reactive)

    @cached_property
    def one_node(self) -> bool:
        """Whether the links do not matter."""
        return self.book.network == "copperplate"

    @cached_property
    def limits(self) -> LinkLimits:
        """What each link carries and loses in the interval."""
        return self.grid.limits(self.book.interval.duration_s)

    @cached_property
    def full(self) -> NDArray[np.bool_]:
        """Whether each link carries all that it can, shape (links,)."""
        if self.one_node:
            return np.zeros(self.grid.link_count, bool)
        limit = self.limits.capacity_uj
        near = 10 + limit // 10**9  # microjoules
        full: NDArray[np.bool_] = np.abs(self.clearing.flow_uj) >= limit - near
        return full

    @cached_property
    def incident(self) -> list[list[int]]:
        """Links at each node."""
        at: list[list[int]] = [[] for _ in range(self.grid.node_count)]
        for e in range(self.grid.link_count):
            at[self.grid.link_from[e]].append(e)
            at[self.grid.link_to[e]].append(e)
        return at

    @cached_property
    def region(self) -> NDArray[np.int64]:
        """Number of each node's region."""
        region = np.full(self.grid.node_count, -1)
        for seed in range(self.grid.node_count):
            if region[seed] >= 0:
                continue
            region[seed] = seed
            stack = [seed]
            while stack and not self.one_node:
                v = stack.pop()
                for e in self.incident[v]:
                    u = self.other_end(e, v)
                    if not self.full[e] and region[u] < 0:
                        region[u] = seed
                        stack.append(u)
        return region

    @cached_property
    def walls(self) -> dict[int, list[Full]]:
        """Full links around each region, in the order of the links' names."""
        walls: dict[int, list[Full]] = {}
        for e in sorted(np.flatnonzero(self.full).tolist(), key=lambda e: self.grid.link_ids[e]):
            tail, head = int(self.grid.link_from[e]), int(self.grid.link_to[e])
            if self.clearing.flow_uj[e] < 0:
                tail, head = head, tail
            walls.setdefault(int(self.region[tail]), []).append(Full(int(e), head, False))
            walls.setdefault(int(self.region[head]), []).append(Full(int(e), tail, True))
        return walls

    def other_end(self, link: int, node: int) -> int:
        """The node at the far side of a link."""
        return int(self.grid.link_from[link] + self.grid.link_to[link]) - node

    def coupled(self, node: int) -> Iterator[Reached]:
        """The nodes whose price is tied to this one's, nearest first."""
        if self.one_node:
            for v in [node, *(v for v in range(self.grid.node_count) if v != node)]:
                yield Reached(v, ())
            return
        limits = self.limits
        plain = (limits.loss_ppb == 0) & (limits.loss_per_j == 0) & (self.grid.price_per_j == 0)
        seen = {node}
        queue = [Reached(node, ())]
        for here in queue:
            yield here
            for e in self.incident[here.node]:
                u = self.other_end(e, here.node)
                used = abs(int(self.clearing.flow_uj[e])) > self.slack_j * UJ_PER_J
                if u not in seen and not self.full[e] and (used or plain[e]):
                    seen.add(u)
                    queue.append(Reached(u, (*here.over, e)))

    def price_text(self, price_per_j: float) -> str:
        """A price in words."""
        return price_text(price_per_j, self.book.currency)

    def limit_text(self, link: int) -> str:
        """What a full link carries, in words."""
        power_w = float(self.grid.capacity_w[link])
        if not np.isfinite(power_w):
            sent_j = abs(int(self.clearing.flow_uj[link])) / UJ_PER_J
            power_w = sent_j / self.book.interval.duration_s
        return f" at {power_w / 1000:.4g} kW" if power_w >= 1000 else f" at {power_w:.4g} W"

    def reason(self, offer: int) -> str:
        """Why the offer at this position got what it got.

        Examples: "filled"; "price: the node's price of 0.12 EUR/kWh is above its bid of
        0.1 EUR/kWh"; "partly filled: marginal at the node's price of 0.3 EUR/kWh".
        """
        if self.own_words and self.own_words[offer]:
            return self.own_words[offer]
        energy_uj = int(self.clearing.energy_uj[offer])
        rival = self._rival(offer) if energy_uj == 0 else ""
        if rival:
            return f"not taken: offer {rival!r} of its group is"
        rows = slice(int(self.pieces_of[offer]), int(self.pieces_of[offer + 1]))
        p = self.book.pieces
        empty = self.book.offer_kind[offer] != BUNDLE and not np.any(p.lo[rows] < p.hi[rows])
        if self.clearing.taken is not None and not self.clearing.taken[offer] and not empty:
            return "not taken: another choice has more welfare"
        if self.book.offer_kind[offer] == BUNDLE:
            return "filled"
        q = energy_uj / UJ_PER_J
        low, high = float(p.lo[rows].sum()), float(p.hi[rows].sum())
        if (q > 0 and q >= high - self.slack_j) or (q < 0 and q <= low + self.slack_j):
            return "filled"
        if low == 0 == high:
            return "nothing offered"
        if self.clearing.certificate.kind == "recomputed":
            how = "partly filled" if abs(q) > self.slack_j else "not filled"
            if diffusion_words.told(self.clearing):
                return diffusion_words.reason(self, offer, how, *self._next_prices(rows))
            return f"{how}: by the rule of {self.clearing.mechanism}"
        price = float(self.offer_price[offer])
        if np.isnan(price):
            return "network: nobody whom it can reach trades, so its node has no price"
        bid, ask = self._next_prices(rows)
        if abs(q) > self.slack_j:  # less is the rounding of other energies
            return self._partly(offer, rows, price, bid, ask)
        return self._idle(offer, price, bid, ask)

    def _rival(self, offer: int) -> str:
        """Id of the offer that is taken of this one's group, or ""."""
        taken = self.clearing.taken
        mine = self.book.offers[offer] if taken is not None else None
        if taken is None or mine is None or not mine.group:
            return ""
        for i, o in enumerate(self.book.offers):
            if i != offer and (o.participant, o.group) == (mine.participant, mine.group):
                whole = o.all_or_nothing or self.book.offer_kind[i] == BUNDLE
                if taken[i] if whole else self.clearing.energy_uj[i] != 0:
                    return o.id
        return ""

    def _next_prices(self, rows: slice) -> tuple[float, float]:
        """What the next Joule is worth to the offer: received (bid), and delivered (ask).

        -inf and inf where it takes or gives no more.
        """
        p = self.book.pieces
        x, worth = self.x[rows], self.worth[rows]
        up = x < p.hi[rows] - self.slack_j
        down = x > p.lo[rows] + self.slack_j
        bid = float(np.max(worth[up], initial=-np.inf))
        ask = float(np.min(worth[down], initial=np.inf))
        return bid, ask

    def _named(self, offer: int, price: float) -> str:
        """The price that an offer sees, in words."""
        plain = float(self.clearing.price_per_j[self.book.offer_node[offer]])
        beside = "" if price == plain else ", that of its reactive power included"
        return f"the node's price of {self.price_text(price)}{beside}"

    def _partly(self, offer: int, rows: slice, price: float, bid: float, ask: float) -> str:
        here = self._named(offer, price)
        for value in (bid, ask):
            if np.isfinite(value) and self.equal(value, price):
                return f"partly filled: marginal at {here}"
        words = f"partly filled: {here}"
        if np.isfinite(bid) and np.isfinite(ask):
            return (
                f"{words} lies between {self.price_text(bid)} and {self.price_text(ask)}, "
                "what it bids and asks for more"
            )
        side = "bids" if np.isfinite(bid) else "asks"
        return f"{words} does not meet what it {side} for more"

    def _idle(self, offer: int, price: float, bid: float, ask: float) -> str:
        node = int(self.book.offer_node[offer])
        here = self._named(offer, price)
        if np.isfinite(bid) and self.equal(bid, price):
            return f"price: {here} is its bid, and others at that price were enough"
        if np.isfinite(ask) and self.equal(ask, price):
            return f"price: {here} is its ask, and others at that price were enough"
        if np.isfinite(bid) and np.isfinite(ask):
            both = f"its bid of {self.price_text(bid)} and its ask of {self.price_text(ask)}"
            words, limit = f"{here} lies between {both}", None
        elif np.isfinite(bid):
            word = "above" if price > bid else "at or below"
            words, limit = f"{here} is {word} its bid of {self.price_text(bid)}", bid
        else:
            word = "below" if price < ask else "at or above"
            words, limit = f"{here} is {word} its ask of {self.price_text(ask)}", ask
        wall = self._wall(node, limit, buys=np.isfinite(bid))
        if wall is None or limit is None:
            return f"price: {words}"
        return f"network: link {self.grid.link_ids[wall.link]} is full, and {words}"

    def _wall(self, node: int, limit: float | None, *, buys: bool) -> Full | None:
        """A full link behind which the offer would have found its price."""
        if limit is None:
            return None
        for wall in self.walls.get(int(self.region[node]), ()):
            far = float(self.clearing.price_per_j[wall.far])
            if wall.inward == buys and (far < limit if buys else far > limit):
                return wall
        return None

    def equal(self, one: float, other: float) -> bool:
        """Whether two prices are the same but for rounding."""
        return abs(one - other) <= SAME * max(abs(one), abs(other)) + 1e-15
