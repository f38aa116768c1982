"""From a solution in floats to integers that conserve exactly.

`commit` takes rounded flows and energies and makes every node balance to the last microjoule:

1. A spanning forest of used links with room is rooted, tree by tree, where an offer has the most
   room both ways. It grows breadth first over links with ample room, and over others only where
   no such link leads on. An idle link that costs (loss, price) is left out: a microjoule on it
   would claim that its use pays, and would tie the prices of its ends.
2. From the leaves to the roots, each link takes exactly what is left at its node. Losses are
   integers, and every amount can be received exactly (`isojoule.kernels.links`).
3. What is left at a root is taken by the offers there, inside the piece that sets their price.
4. Where a cap or a kink is in the way, a breadth-first search leads the rest to the nearest
   offer with room, inside its piece if there is one, else anywhere; a full link may always
   carry less, an accepted offer may always take less.
5. Only what is left then may use idle links, by the same steps.

The amounts moved are dust: rounding, and the solver's last digits. Steps 1 to 3 walk a few times
over nodes and links; the searches of step 4 together look at no more than `VISITS` times as many
nodes as there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.links import loss_of, sent_for

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

VISITS = 20
"""So often, times the nodes, searches may look at a node before idle links are used,"""
FEW_VISITS = 100_000
"""and so often more."""
TRIES = 8
"""So often what is left at a node is led away, each time to another offer."""
NONE, SOME, AMPLE = 0, 1, 2
"""How much room a link has: too little for the dust of all nodes, enough, or at least a share of
`1 / AMPLE_PART` of its capacity."""
AMPLE_PART = 8


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


@inline
def _pushed(flow: int, is_tail: bool, rest: int, capacity: int, ppb: int,
            r: float) -> tuple[int, int, int]:  # fmt: skip
    """Let a link take what is left at one end: its flow, and what that end and the other get."""
    old = _at_tail(flow, ppb, r) if is_tail else _at_head(flow, ppb, r)
    old_far = _at_head(flow, ppb, r) if is_tail else _at_tail(flow, ppb, r)
    new = min(max(_flow_for(old - rest, is_tail, ppb, r), -capacity), capacity)
    now = _at_tail(new, ppb, r) if is_tail else _at_head(new, ppb, r)
    far = _at_head(new, ppb, r) if is_tail else _at_tail(new, ppb, r)
    return new, now - old, far - old_far


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
    visits = VISITS * nodes + FEW_VISITS
    idle = np.zeros(links, np.bool_)
    for e in range(links):
        costs = ppb[e] > 0 or r[e] > 0.0 or price[e] > 0.0
        idle[e] = costs and abs(flow[e]) < margin
    _gather(idle, margin, tail, head, capacity, ppb, r, flow, rest, start, incident,
            offers_at, offer_list, node, energy, inner_low, inner_high)  # fmt: skip
    bad = _unbalanced(rest)
    if bad > 0:
        _lead_all(idle, visits, tail, head, capacity, ppb, r, flow, rest, start, incident,
                  offers_at, offer_list, energy, inner_low, inner_high)  # fmt: skip
        bad = _unbalanced(rest)
    if bad > 0:
        _lead_all(idle, visits, tail, head, capacity, ppb, r, flow, rest, start, incident,
                  offers_at, offer_list, energy, low, high)  # fmt: skip
        bad = _unbalanced(rest)
    if bad > 0:
        idle[:] = False
        _gather(idle, margin, tail, head, capacity, ppb, r, flow, rest, start, incident,
                offers_at, offer_list, node, energy, low, high)  # fmt: skip
        _lead_all(idle, 2**62, tail, head, capacity, ppb, r, flow, rest, start, incident,
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


@kernel
def _forest(grade: NDArray[np.uint8], tail: Ints, head: Ints, start: Ints,
            incident: Ints) -> tuple[NDArray[np.int32], int, Ints, Ints]:  # fmt: skip
    """A spanning forest over links with room; those with ample room come first.

    Returns
    -------
    part : (nodes,), number of the tree of each node
    parts : number of trees
    sequence : (nodes,), each node after the one above it
    parent : (nodes,), link to the node above, -1 at the top
    """
    nodes = start.size - 1
    part = np.full(nodes, -1, np.int32)
    sequence = np.empty(nodes, np.int64)
    parent = np.full(nodes, -1, np.int64)
    later = np.empty(grade.size, np.int64)
    count, done, parts = 0, 0, 0
    for root in range(nodes):
        if part[root] >= 0:
            continue
        part[root] = parts
        sequence[count] = root
        count += 1
        first, last = 0, 0
        while done < count:
            u = sequence[done]
            done += 1
            for p in range(start[u], start[u + 1]):
                e = incident[p]
                if grade[e] == NONE:
                    continue
                w = tail[e] + head[e] - u
                if part[w] >= 0:
                    continue
                if grade[e] == SOME:
                    later[last] = e
                    last += 1
                    continue
                part[w] = parts
                parent[w] = e
                sequence[count] = w
                count += 1
            while done == count and first < last:  # no ample link leads on
                e = later[first]
                first += 1
                w = head[e] if part[tail[e]] >= 0 else tail[e]
                if part[w] < 0:
                    part[w] = parts
                    parent[w] = e
                    sequence[count] = w
                    count += 1
        parts += 1
    return part, parts, sequence, parent


@kernel
def _gather(idle: Bools, margin: int, tail: Ints, head: Ints, capacity: Ints, ppb: Ints,
            r: Floats, flow: Ints, rest: Ints, start: Ints, incident: Ints, offers_at: Ints,
            offer_list: Ints, node: Ints, energy: Ints, low: Ints,
            high: Ints) -> None:  # fmt: skip
    """Lead what is left along a forest of links with room to the offer with the most room."""
    nodes = start.size - 1
    links = tail.size
    grade = np.zeros(links, np.uint8)
    for e in range(links):
        room = capacity[e] - abs(flow[e])
        if room >= margin and not idle[e]:
            grade[e] = AMPLE if room >= capacity[e] // AMPLE_PART else SOME
    part, parts, sequence, parent = _forest(grade, tail, head, start, incident)
    best_node = np.full(parts, -1, np.int64)
    best_room = np.full(parts, -1, np.int64)
    for o in range(node.size):
        v = node[o]
        if v < 0:
            continue
        slack = min(high[o] - energy[o], energy[o] - low[o])
        if slack > best_room[part[v]]:
            best_room[part[v]] = slack
            best_node[part[v]] = v
    # the tree hangs from its best node if the links between it and the top are turned round; all
    # else is led to that path first
    on_path = np.zeros(nodes, np.bool_)
    for tree in range(parts):
        v = best_node[tree]
        while v >= 0:
            on_path[v] = True
            e = parent[v]
            v = tail[e] + head[e] - v if e >= 0 else -1
    for at in range(nodes - 1, -1, -1):
        v = sequence[at]
        e = parent[v]
        if e >= 0 and rest[v] != 0 and not on_path[v]:
            u = tail[e] + head[e] - v
            flow[e], here, there = _pushed(flow[e], tail[e] == v, rest[v], capacity[e], ppb[e],
                                           r[e])  # fmt: skip
            rest[v] += here
            rest[u] += there
    path = np.empty(nodes, np.int64)
    for tree in range(parts):
        v = best_node[tree]
        length = 0
        while v >= 0 and parent[v] >= 0:
            path[length] = parent[v]
            length += 1
            v = tail[parent[v]] + head[parent[v]] - v
        for at in range(length - 1, -1, -1):  # from the top down
            e = path[at]
            u = tail[e] + head[e] - v
            if rest[v] != 0:
                flow[e], here, there = _pushed(flow[e], tail[e] == v, rest[v], capacity[e],
                                               ppb[e], r[e])  # fmt: skip
                rest[v] += here
                rest[u] += there
            v = u
    for v in range(nodes):
        if rest[v] != 0:
            rest[v] = _absorb(rest[v], offers_at[v], offers_at[v + 1], offer_list, energy, low,
                              high)  # fmt: skip


@inline
def _absorb(rest: int, first: int, end: int, offer_list: Ints, energy: Ints, low: Ints,
            high: Ints) -> int:  # fmt: skip
    """Let some offers take what is left at their node: first those with room both ways.

    Returns what then is left.
    """
    for inner in (True, False):
        for p in range(first, end):
            o = offer_list[p]
            if rest == 0:
                return 0
            if inner and min(high[o] - energy[o], energy[o] - low[o]) < abs(rest):
                continue
            take = min(max(rest, low[o] - energy[o]), high[o] - energy[o])
            energy[o] += take
            rest -= take
    return rest


@kernel
def _lead_all(idle: Bools, visits: int, tail: Ints, head: Ints, capacity: Ints, ppb: Ints,
              r: Floats, flow: Ints, rest: Ints, start: Ints, incident: Ints, offers_at: Ints,
              offer_list: Ints, energy: Ints, low: Ints, high: Ints) -> None:  # fmt: skip
    """Lead away what is left, node by node, along links with room to the nearest offer with room.

    The searches look at no more than so many nodes in all.
    """
    nodes = start.size - 1
    seen = np.zeros(nodes, np.int64)  # in which search
    came = np.empty(nodes, np.int64)
    queue = np.empty(nodes, np.int64)
    search = 0
    for v in range(nodes):
        tries = 0
        while rest[v] != 0 and tries < TRIES and visits > 0:
            tries += 1
            search += 1
            amount = rest[v]
            queue[0] = v
            seen[v] = search
            done, count, goal = 0, 1, -1
            while done < count:
                u = queue[done]
                done += 1
                for p in range(offers_at[u], offers_at[u + 1]):
                    o = offer_list[p]
                    if high[o] > energy[o] if amount > 0 else low[o] < energy[o]:
                        goal = u
                if goal >= 0:
                    break
                for p in range(start[u], start[u + 1]):
                    e = incident[p]
                    w = tail[e] + head[e] - u
                    outward = flow[e] if tail[e] == u else -flow[e]
                    free = capacity[e] - outward if amount > 0 else capacity[e] + outward
                    if seen[w] != search and free > 0 and not idle[e]:
                        seen[w] = search
                        came[w] = e
                        queue[count] = w
                        count += 1
            visits -= done
            if goal < 0:
                break
            length = 0
            u = goal
            while u != v:  # the queue is not needed any more: it takes the way back
                e = came[u]
                u = tail[e] + head[e] - u
                queue[length] = e
                length += 1
            for at in range(length - 1, -1, -1):
                e = queue[at]
                w = tail[e] + head[e] - u
                flow[e], here, there = _pushed(flow[e], tail[e] == u, rest[u], capacity[e],
                                               ppb[e], r[e])  # fmt: skip
                rest[u] += here
                rest[w] += there
                u = w
            rest[goal] = _absorb(rest[goal], offers_at[goal], offers_at[goal + 1], offer_list,
                                 energy, low, high)  # fmt: skip
