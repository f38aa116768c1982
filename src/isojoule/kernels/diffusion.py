"""What the offers of one node want together: its curve, for neighbours who trade pair by pair.

A node that receives z in all shares it among its offers so that their joint worth is greatest.
That makes one falling curve out of theirs, laid out here as a row of *stretches*, dearest first:

- a flat one, where offers are worth the same and share what there is in proportion to what they
  offer at that price, from no trade outwards;
- one where a single piece moves, whose worth is then a closed form of z;
- one where several curved pieces move at one price, which is searched for.

The bid is the worth of the next Joule (right derivative), the ask that of the last one (left
derivative). At a wall there is none. All layouts are packed, so that a node's data lie together.

Pieces: rows of `PIECE`, sorted by node, then offer. Stretches: rows of `STRETCH`. Nodes: rows of
`NODE`. Spec: docs/spec/diffusion.md, D2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.prices import integral_between, marginal_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# columns of a piece: bounds, curve, and its worth at the lower and at the upper bound
PIECE = 9
LO, HI, A, B, C0, C1, K, TOP, BOTTOM = range(PIECE)
# columns of a stretch: where it begins and ends, J; worth there; x of the piece is z - OFF
STRETCH = 5
Z0, Z1, P0, P1, OFF = range(STRETCH)
FLAT, SEVERAL = -1, -2
# columns of a node: its pieces, its stretches, its walls in microjoules
NODE = 6
FIRST, END, STRETCH_FIRST, STRETCH_END, LOW, HIGH = range(NODE)

UNLIMITED_J = 4e12
"""Stands for an unlimited offer where ties are shared in proportion."""


@inline
def least_at(piece: Floats, i: int, price: float) -> float:
    """The least x that piece i wants at this price."""
    if price >= piece[i, TOP]:
        return float(piece[i, LO])
    return _inside(piece, i, price)


@inline
def most_at(piece: Floats, i: int, price: float) -> float:
    """The greatest x that piece i wants at this price."""
    if price > piece[i, BOTTOM] and price >= piece[i, TOP]:
        return float(piece[i, LO])
    return _inside(piece, i, price)


@inline
def _inside(piece: Floats, i: int, price: float) -> float:
    if price <= piece[i, BOTTOM]:
        return float(piece[i, HI])
    t = (price - piece[i, A]) / piece[i, B]
    if piece[i, K] != 1.0:
        t = t ** (1.0 / piece[i, K])
    return float(min(max((piece[i, C0] - t) / piece[i, C1], piece[i, LO]), piece[i, HI]))


@inline
def _moves(piece: Floats, i: int, dear: float, cheap: float) -> bool:
    """Whether a curved piece moves between these two neighbouring prices."""
    return bool(
        piece[i, TOP] > piece[i, BOTTOM] and piece[i, TOP] >= dear and piece[i, BOTTOM] <= cheap
    )


@inline
def _yields(piece: Floats, i: int, price: float) -> float:
    """How far curved piece i moves with the price, but for the sign, J per money per J."""
    above = max(price - piece[i, A], 1e-300)
    t = (above / piece[i, B]) ** (1.0 / piece[i, K])
    return float(t / (piece[i, K] * piece[i, C1] * above))


@kernel
def lay_out(piece: Floats, node: Ints) -> tuple[Floats, Ints, int]:
    """Lay out the curve of every node. Fills the columns of the stretches in `node`.

    Parameters
    ----------
    piece
        Shape (pieces, PIECE), J and money per J, sorted by node.
    node
        Shape (nodes, NODE); `FIRST`, `END` and the walls are given.

    Returns
    -------
    stretch : (stretches, STRETCH)
    moving : (stretches,), the piece that moves, or `FLAT`, or `SEVERAL`
    endless : a node where an unlimited offer to sell meets a dearer unlimited one to buy, or -1
    """
    stretch = np.empty((4 * piece.shape[0], STRETCH))
    moving = np.empty(4 * piece.shape[0], np.int64)
    count = 0
    for v in range(node.shape[0]):
        node[v, STRETCH_FIRST] = count
        first, end = node[v, FIRST], node[v, END]
        levels = np.empty(2 * (end - first))
        m = 0
        for i in range(first, end):
            if piece[i, HI] > piece[i, LO]:
                levels[m] = -piece[i, TOP]
                levels[m + 1] = -piece[i, BOTTOM]
                m += 2
        levels = np.unique(levels[:m])
        for t in range(levels.size):
            price = -levels[t]
            least, most = 0.0, 0.0
            for i in range(first, end):
                least += least_at(piece, i, price)
                most += most_at(piece, i, price)
            if math.isnan(least) or math.isnan(most):
                return stretch[:0], moving[:0], v
            if most > least:
                stretch[count] = (least, most, price, price, 0.0)
                moving[count] = FLAT
                count += 1
            if t + 1 == levels.size:
                break
            below = -levels[t + 1]
            until, off, who, movers = 0.0, 0.0, -1, 0
            for i in range(first, end):
                until += least_at(piece, i, below)
                if _moves(piece, i, price, below):
                    who = i
                    movers += 1
                elif piece[i, BOTTOM] >= price:
                    off += piece[i, HI]
                else:
                    off += piece[i, LO]
            if movers > 0 and until > most:
                stretch[count] = (most, until, price, below, off)
                moving[count] = who if movers == 1 else SEVERAL
                count += 1
        node[v, STRETCH_END] = count
    return stretch[:count], moving[:count], -1


@inline
def _price_for(piece: Floats, first: int, end: int, z: float, dear: float, cheap: float,
               at_dear: float, at_cheap: float) -> float:  # fmt: skip
    """The price between two at which these pieces want z: Illinois, with halving in turn."""
    high, low = dear, cheap
    over, under = at_cheap - z, at_dear - z  # wanted too much at `low`, too little at `high`
    for turn in range(120):
        price = 0.5 * (low + high)
        if turn % 4 != 3 and over > under:
            guess = low + (high - low) * (over / (over - under))
            price = guess if low < guess < high else price
        if price <= low or price >= high:
            break
        want = -z
        for i in range(first, end):
            want += least_at(piece, i, price)
        if want == 0.0:
            return price
        if want > 0.0:
            low, over = price, want
            under *= 0.5
        else:
            high, under = price, want
            over *= 0.5
        if high - low <= 2e-16 * abs(high):
            break
    return 0.5 * (low + high)


@inline
def worth_in(piece: Floats, stretch: Floats, moving: Ints, node: Ints, v: int, s: int,
             z: float) -> float:  # fmt: skip
    """Worth of a Joule at node v when it stands at z, J, within stretch s."""
    i = moving[s]
    if i == FLAT:
        return float(stretch[s, P0])
    if i == SEVERAL:
        return _price_for(piece, node[v, FIRST], node[v, END], z, stretch[s, P0], stretch[s, P1],
                          stretch[s, Z0], stretch[s, Z1])  # fmt: skip
    x = min(max(z - stretch[s, OFF], piece[i, LO]), piece[i, HI])
    return marginal_at(piece[i, A], piece[i, B], piece[i, C0], piece[i, C1], piece[i, K], x)


@inline
def bid_at(piece: Floats, stretch: Floats, moving: Ints, node: Ints, v: int, z_uj: int,
           slack_uj: int) -> float:  # fmt: skip
    """What node v bids for the next Joule, money per J; -inf if it takes no more.

    A kink or wall that is no further than `slack_uj` counts as reached.
    """
    if z_uj + slack_uj >= node[v, HIGH]:
        return -math.inf
    z = z_uj * 1e-6
    beyond = (z_uj + slack_uj) * 1e-6
    low, high = node[v, STRETCH_FIRST], node[v, STRETCH_END]
    last = high
    while low < high:
        middle = (low + high) // 2
        if stretch[middle, Z1] > beyond:
            high = middle
        else:
            low = middle + 1
    if low == last:
        return -math.inf
    return worth_in(piece, stretch, moving, node, v, low, max(z, stretch[low, Z0]))


@inline
def ask_at(piece: Floats, stretch: Floats, moving: Ints, node: Ints, v: int, z_uj: int,
           slack_uj: int) -> float:  # fmt: skip
    """What node v asks for the last Joule, money per J; inf if it gives none."""
    if z_uj - slack_uj <= node[v, LOW]:
        return math.inf
    z = z_uj * 1e-6
    before = (z_uj - slack_uj) * 1e-6
    first = node[v, STRETCH_FIRST]
    low, high = first, node[v, STRETCH_END]
    while low < high:
        middle = (low + high) // 2
        if stretch[middle, Z0] < before:
            low = middle + 1
        else:
            high = middle
    if low == first:
        return math.inf
    return worth_in(piece, stretch, moving, node, v, low - 1, min(z, stretch[low - 1, Z1]))


@inline
def share_out(piece: Floats, stretch: Floats, moving: Ints, node: Ints, v: int, z_uj: int,
              x: Floats) -> None:  # fmt: skip
    """Share what node v receives among its pieces, J: writes its rows of `x`."""
    first, end = node[v, FIRST], node[v, END]
    s, last = node[v, STRETCH_FIRST], node[v, STRETCH_END]
    if s == last:
        x[first:end] = 0.0
        return
    z = z_uj * 1e-6
    while s < last - 1 and stretch[s, Z1] < z:
        s += 1
    z = min(max(z, stretch[s, Z0]), stretch[s, Z1])
    dear, cheap = stretch[s, P0], stretch[s, P1]
    price = dear
    if moving[s] == SEVERAL:
        price = worth_in(piece, stretch, moving, node, v, s, z)
    left = z
    down, up = 0.0, 0.0
    for i in range(first, end):
        if moving[s] == FLAT:
            if piece[i, TOP] == dear and piece[i, BOTTOM] == dear:
                down += max(piece[i, LO], -UNLIMITED_J)
                up += min(piece[i, HI], UNLIMITED_J)
                continue
            x[i] = least_at(piece, i, dear)
        elif i == moving[s]:
            continue
        elif moving[s] == SEVERAL and _moves(piece, i, dear, cheap):
            x[i] = least_at(piece, i, price)
            up += _yields(piece, i, price)
        else:
            x[i] = piece[i, HI] if piece[i, BOTTOM] >= dear else piece[i, LO]
        left -= x[i]
    for i in range(first, end):
        if moving[s] == FLAT:
            if piece[i, TOP] == dear and piece[i, BOTTOM] == dear:
                x[i] = 0.0
                if left > 0.0 and up > 0.0:
                    x[i] = min(left / up, 1.0) * min(piece[i, HI], UNLIMITED_J)
                elif left < 0.0 and down < 0.0:
                    x[i] = min(left / down, 1.0) * max(piece[i, LO], -UNLIMITED_J)
        elif i == moving[s]:
            x[i] = min(max(left, piece[i, LO]), piece[i, HI])
        elif moving[s] == SEVERAL and _moves(piece, i, dear, cheap):
            # the last digits of the price: to each as it moves with the price
            part = left * (_yields(piece, i, price) / up)
            x[i] = min(max(x[i] + part, piece[i, LO]), piece[i, HI])


@inline
def worth_between(piece: Floats, node: Ints, v: int, old: Floats, new: Floats) -> float:
    """Worth of node v's change from `old` to `new`, money."""
    total = 0.0
    for i in range(node[v, FIRST], node[v, END]):
        if old[i] != new[i]:
            total += integral_between(piece[i, A], piece[i, B], piece[i, C0], piece[i, C1],
                                      piece[i, K], old[i], new[i])  # fmt: skip
    return total


@kernel
def stand(piece: Floats, stretch: Floats, moving: Ints, node: Ints, z_uj: Ints,
          slack_uj: int) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Bid and ask of every node, money per J, and where every piece stands, J."""
    bid = np.empty(node.shape[0])
    ask = np.empty(node.shape[0])
    x = np.zeros(piece.shape[0])
    for v in range(node.shape[0]):
        bid[v] = bid_at(piece, stretch, moving, node, v, z_uj[v], slack_uj)
        ask[v] = ask_at(piece, stretch, moving, node, v, z_uj[v], slack_uj)
        share_out(piece, stretch, moving, node, v, z_uj[v], x)
    return bid, ask, x


@kernel
def in_whole(node: Ints, z_uj: Ints, offer: Ints, wanted_j: Floats, low: Ints,
             high: Ints) -> Ints:  # fmt: skip
    """Energies of offers in microjoules that add up to what their node receives.

    Each is rounded down; what is left goes, one each, to the largest fractions, then in the order
    of the rows, which the caller sorts by node and name.

    Parameters
    ----------
    node, z_uj
        First and last row of offers at each node, shape (nodes, 2), and what it receives.
    offer, wanted_j, low, high
        By row: the offer, its energy in J, and by offer its bounds in microjoules.
    """
    energy = np.zeros(low.size, np.int64)
    for v in range(node.shape[0]):
        first, end = node[v, 0], node[v, 1]
        if end - first == 1:
            energy[offer[first]] = z_uj[v]
            continue
        rest = z_uj[v]
        part = np.empty(end - first)
        for i in range(first, end):
            o = offer[i]
            whole = math.floor(wanted_j[i] * 1e6)
            part[i - first] = whole - wanted_j[i] * 1e6  # largest fraction first
            energy[o] = min(max(int(whole), low[o]), high[o])
            rest -= energy[o]
        order = np.argsort(part, kind="mergesort")
        step = 1
        while rest != 0 and step < 2**61:
            for t in order:
                o = offer[first + t]
                if rest > 0:
                    move = min(rest, step, high[o] - energy[o])
                else:
                    move = max(rest, -step, low[o] - energy[o])
                energy[o] += move
                rest -= move
            step *= 2
    return energy
