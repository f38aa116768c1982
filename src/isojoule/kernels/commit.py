"""From a solution in floats to integers that conserve exactly.

`commit` takes rounded flows and energies and makes every node balance to the last microjoule:

1. A spanning forest of used links with room is rooted, tree by tree, where an offer has the most
   room both ways. An idle link that costs (loss, price) is left out: a microjoule on it would
   claim that its use pays, and would tie the prices of its ends.
2. From the leaves to the roots, each link takes exactly what is left at its node. Losses are
   integers, and every amount can be received exactly (`isojoule.kernels.links`).
3. What is left at a root is taken by the offers there, inside the piece that sets their price.
4. Where a cap or a kink is in the way, a breadth-first search leads the rest to the nearest
   offer with room, inside its piece if there is one, else anywhere; a full link may always
   carry less, an accepted offer may always take less.
5. Only what is left then may use idle links, by the same steps.

The amounts moved are dust: rounding, and the solver's last digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.links import loss_of, sent_for

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FEW = 100
"""So many nodes off balance are led away one by one before idle links are used."""


@inline
def _arrives(flow: int, ppb: int, r: float) -> int:
    """Energy that arrives at the far end when |flow| is sent."""
    sent = abs(flow)
    return sent - loss_of(sent, ppb, r)


@inline
def _at_tail(flow: int, ppb: int, r: float) -> int:
    """What a link brings to its tail (negative: takes)."""
    return -flow if flow >= 0 else _arrives(flow, ppb, r)


@inline
def _at_head(flow: int, ppb: int, r: float) -> int:
    """What a link brings to its head (negative: takes)."""
    return _arrives(flow, ppb, r) if flow >= 0 else flow


@inline
def _flow_for(brings: int, is_tail: bool, ppb: int, r: float) -> int:
    """Flow with which a link brings exactly `brings` to one end."""
    if brings <= 0:
        return -brings if is_tail else brings
    sent = sent_for(brings, ppb, r)
    return -sent if is_tail else sent


@kernel
def residuals(tail: Ints, head: Ints, flow: Ints, ppb: Ints, r: Floats, node: Ints, energy: Ints,
              nodes: int) -> Ints:  # fmt: skip
    """Imbalance per node, microjoules: brought by links less received by offers."""
    rest = np.zeros(nodes, np.int64)
    for e in range(tail.size):
        rest[tail[e]] += _at_tail(flow[e], ppb[e], r[e])
        rest[head[e]] += _at_head(flow[e], ppb[e], r[e])
    for o in range(node.size):
        if node[o] >= 0:
            rest[node[o]] -= energy[o]
    return rest


@kernel
def losses(flow: Ints, ppb: Ints, r: Floats) -> Ints:
    """Loss per link, microjoules."""
    out = np.zeros(flow.size, np.int64)
    for e in range(flow.size):
        out[e] = loss_of(abs(flow[e]), ppb[e], r[e])
    return out


@kernel
def commit(tail: Ints, head: Ints, capacity: Ints, ppb: Ints, r: Floats, price: Floats, flow: Ints,
           node: Ints, energy: Ints, low: Ints, high: Ints, inner_low: Ints, inner_high: Ints,
           start: Ints, incident: Ints) -> int:  # fmt: skip
    """Balance every node exactly. Changes `flow` (links) and `energy` (offers) in place.

    Parameters
    ----------
    tail, head, capacity, ppb, r, price
        Links: ends, capacity in microjoules, losses, price per J.
    flow
        Signed flow at the sender, microjoules.
    node, energy, low, high
        Offers: node, energy received and its bounds, microjoules.
    inner_low, inner_high
        Bounds within which the offer stays on the piece that sets its price; equal where it
        stands at a kink. Dust goes there first, so that no price moves.
    start, incident
        Links at each node: incident[start[v]:start[v+1]].

    Returns
    -------
    Number of nodes that could not be balanced (0 unless the input is far from feasible).
    """
    nodes = start.size - 1
    links = tail.size
    rest = residuals(tail, head, flow, ppb, r, node, energy, nodes)
    offers_at, offer_list = _by_node(nodes, node)
    margin = 1024 + 4 * nodes
    idle = np.zeros(links, np.bool_)
    for e in range(links):
        costs = ppb[e] > 0 or r[e] > 0.0 or price[e] > 0.0
        idle[e] = costs and abs(flow[e]) < margin
    _gather(idle, margin, tail, head, capacity, ppb, r, flow, rest, start, incident,
            offers_at, offer_list, node, energy, inner_low, inner_high)  # fmt: skip
    bad = _unbalanced(rest)
    if 0 < bad <= FEW:
        _lead_all(idle, tail, head, capacity, ppb, r, flow, rest, start, incident,
                  offers_at, offer_list, energy, inner_low, inner_high)  # fmt: skip
        bad = _unbalanced(rest)
    if 0 < bad <= FEW:
        _lead_all(idle, tail, head, capacity, ppb, r, flow, rest, start, incident,
                  offers_at, offer_list, energy, low, high)  # fmt: skip
        bad = _unbalanced(rest)
    if bad:
        idle[:] = False
        _gather(idle, margin, tail, head, capacity, ppb, r, flow, rest, start, incident,
                offers_at, offer_list, node, energy, low, high)  # fmt: skip
        _lead_all(idle, tail, head, capacity, ppb, r, flow, rest, start, incident,
                  offers_at, offer_list, energy, low, high)  # fmt: skip
        bad = _unbalanced(rest)
    return bad


@inline
def _unbalanced(rest: Ints) -> int:
    bad = 0
    for v in range(rest.size):
        if rest[v] != 0:
            bad += 1
    return bad


@kernel
def _gather(idle: Bools, margin: int, tail: Ints, head: Ints, capacity: Ints, ppb: Ints,
            r: Floats, flow: Ints, rest: Ints, start: Ints, incident: Ints, offers_at: Ints,
            offer_list: Ints, node: Ints, energy: Ints, low: Ints,
            high: Ints) -> None:  # fmt: skip
    """Lead what is left along a forest of links with room to the offer with the most room."""
    nodes = start.size - 1
    links = tail.size
    # spanning forest over links with room, the roomiest first where there are cycles
    root_of = np.arange(nodes)
    in_tree = np.zeros(links, np.bool_)
    room = np.empty(links, np.int64)
    for e in range(links):
        room[e] = capacity[e] - abs(flow[e])
    order = np.arange(links)
    if links >= nodes:
        order = np.argsort(-room, kind="mergesort")
    for link in order:
        if room[link] < margin or idle[link]:
            continue
        a, b = tail[link], head[link]
        while root_of[a] != a:
            root_of[a] = root_of[root_of[a]]
            a = root_of[a]
        while root_of[b] != b:
            root_of[b] = root_of[root_of[b]]
            b = root_of[b]
        if a != b:
            root_of[a] = b
            in_tree[link] = True
    best_node = np.full(nodes, -1, np.int64)
    best_room = np.full(nodes, -1, np.int64)
    for v in range(nodes):
        while root_of[v] != root_of[root_of[v]]:
            root_of[v] = root_of[root_of[v]]
    for o in range(node.size):
        v = node[o]
        if v < 0:
            continue
        slack = min(high[o] - energy[o], energy[o] - low[o])
        if slack > best_room[root_of[v]]:
            best_room[root_of[v]] = slack
            best_node[root_of[v]] = v
    # breadth first from the roots
    parent = np.full(nodes, -1, np.int64)
    sequence = np.empty(nodes, np.int64)
    seen = np.zeros(nodes, np.bool_)
    count = 0
    done = 0
    for v in range(nodes):
        if root_of[v] != v:
            continue
        top = best_node[v] if best_node[v] >= 0 else v
        seen[top] = True
        sequence[count] = top
        count += 1
        while done < count:
            u = sequence[done]
            done += 1
            for p in range(start[u], start[u + 1]):
                e = incident[p]
                w = tail[e] + head[e] - u
                if in_tree[e] and not seen[w]:
                    seen[w] = True
                    parent[w] = e
                    sequence[count] = w
                    count += 1
    for at in range(count - 1, -1, -1):
        v = sequence[at]
        e = parent[v]
        if e >= 0 and rest[v] != 0:
            _push(v, e, tail, head, capacity, ppb, r, flow, rest)
    for v in range(nodes):
        if rest[v] != 0:
            _absorb(v, rest, offers_at, offer_list, energy, low, high)


@kernel
def _lead_all(idle: Bools, tail: Ints, head: Ints, capacity: Ints, ppb: Ints, r: Floats,
              flow: Ints, rest: Ints, start: Ints, incident: Ints, offers_at: Ints,
              offer_list: Ints, energy: Ints, low: Ints, high: Ints) -> None:  # fmt: skip
    """Lead away what is left, node by node."""
    for v in range(start.size - 1):
        tries = 0
        while rest[v] != 0 and tries < 8:
            tries += 1
            if not _lead_away(v, idle, tail, head, capacity, ppb, r, flow, rest, start, incident,
                              offers_at, offer_list, energy, low, high):  # fmt: skip
                break


@inline
def _push(v: int, e: int, tail: Ints, head: Ints, capacity: Ints, ppb: Ints, r: Floats, flow: Ints,
          rest: Ints) -> None:  # fmt: skip
    """Let link e take what is left at its end v; the other end gets the difference."""
    is_tail = tail[e] == v
    u = head[e] if is_tail else tail[e]
    old_v = _at_tail(flow[e], ppb[e], r[e]) if is_tail else _at_head(flow[e], ppb[e], r[e])
    old_u = _at_head(flow[e], ppb[e], r[e]) if is_tail else _at_tail(flow[e], ppb[e], r[e])
    new = _flow_for(old_v - rest[v], is_tail, ppb[e], r[e])
    new = min(max(new, -capacity[e]), capacity[e])
    flow[e] = new
    now_v = _at_tail(new, ppb[e], r[e]) if is_tail else _at_head(new, ppb[e], r[e])
    now_u = _at_head(new, ppb[e], r[e]) if is_tail else _at_tail(new, ppb[e], r[e])
    rest[v] += now_v - old_v
    rest[u] += now_u - old_u


@inline
def _by_node(nodes: int, node: Ints) -> tuple[Ints, Ints]:
    """Offers of each node: list[start[v]:start[v+1]]."""
    start = np.zeros(nodes + 1, np.int64)
    for o in range(node.size):
        if node[o] >= 0:
            start[node[o] + 1] += 1
    for v in range(nodes):
        start[v + 1] += start[v]
    fill = start[:-1].copy()
    out = np.empty(start[nodes], np.int64)
    for o in range(node.size):
        if node[o] >= 0:
            out[fill[node[o]]] = o
            fill[node[o]] += 1
    return start, out


@inline
def _absorb(v: int, rest: Ints, offers_at: Ints, offer_list: Ints, energy: Ints, low: Ints,
            high: Ints) -> None:  # fmt: skip
    """Let the offers at v take what is left there: first those with room both ways."""
    for inner in (True, False):
        for p in range(offers_at[v], offers_at[v + 1]):
            o = offer_list[p]
            if rest[v] == 0:
                return
            if inner and min(high[o] - energy[o], energy[o] - low[o]) < abs(rest[v]):
                continue
            take = min(max(rest[v], low[o] - energy[o]), high[o] - energy[o])
            energy[o] += take
            rest[v] -= take


@inline
def _has_room(v: int, amount: int, offers_at: Ints, offer_list: Ints, energy: Ints, low: Ints,
              high: Ints) -> bool:  # fmt: skip
    for p in range(offers_at[v], offers_at[v + 1]):
        o = offer_list[p]
        if amount > 0 and high[o] > energy[o]:
            return True
        if amount < 0 and low[o] < energy[o]:
            return True
    return False


@kernel
def _lead_away(v: int, idle: Bools, tail: Ints, head: Ints, capacity: Ints, ppb: Ints,
               r: Floats, flow: Ints, rest: Ints, start: Ints, incident: Ints, offers_at: Ints,
               offer_list: Ints, energy: Ints, low: Ints, high: Ints) -> bool:  # fmt: skip
    """Lead what is left at v along links with room to the nearest offer with room."""
    nodes = start.size - 1
    amount = rest[v]
    came = np.full(nodes, -1, np.int64)
    seen = np.zeros(nodes, np.bool_)
    queue = np.empty(nodes, np.int64)
    queue[0] = v
    seen[v] = True
    done, count = 0, 1
    goal = -1
    while done < count and goal < 0:
        u = queue[done]
        done += 1
        if _has_room(u, amount, offers_at, offer_list, energy, low, high):
            goal = u
            break
        for p in range(start[u], start[u + 1]):
            e = incident[p]
            w = tail[e] + head[e] - u
            outward = flow[e] if tail[e] == u else -flow[e]
            free = capacity[e] - outward if amount > 0 else capacity[e] + outward
            if not seen[w] and free > 0 and not idle[e]:
                seen[w] = True
                came[w] = e
                queue[count] = w
                count += 1
    if goal < 0:
        return False
    path = np.empty(nodes, np.int64)
    length = 0
    u = goal
    while u != v:
        e = came[u]
        path[length] = e
        length += 1
        u = tail[e] + head[e] - u
    for at in range(length - 1, -1, -1):
        e = path[at]
        _push(u, e, tail, head, capacity, ppb, r, flow, rest)
        u = tail[e] + head[e] - u
    _absorb(goal, rest, offers_at, offer_list, energy, low, high)
    return True
