"""What a clearing of `diffusion` tells about itself, in words.

Neighbours know each other alone. So what keeps an offer from more is found at its own node: a link
that is full, or a neighbour through which a Joule could come or go at a better price (a row of
`stuck`, D10) but that passes nothing on. Of all such causes the one that misses most is told.
Spec: docs/spec/diffusion.md, D9 and D10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, PPB, UJ_PER_J, price_text
from isojoule.market.contract import Clearing, Trade
from isojoule.valuation import Battery

if TYPE_CHECKING:
    from isojoule.market.reasons import Reader

NAME = "diffusion"
MOST_LINES = 5
MOST_NAMES = 3
ROUNDING = 1e-9
"""A smaller share of the gains, or of a price, is rounding."""
ALONE = "neighbours trade only with each other"


class Cause(NamedTuple):
    """What keeps energy from coming in, or going out, over a link of a node.

    `far_per_j` is the price beyond the link, `profit_per_j` what a Joule would gain; `row` is the
    row of `stuck` where the neighbour passes nothing on, None where the link is full.
    """

    profit_per_j: float
    link: int
    far: int
    inward: bool
    far_per_j: float
    row: dict[str, Any] | None


def told(clearing: Clearing) -> bool:
    """Whether the clearing carries these notes."""
    return clearing.mechanism == NAME and "stuck" in clearing.notes


def missed(clearing: Clearing, currency: str) -> str:
    """How much more the best for all gains, in words, or nothing where it is within rounding."""
    if not told(clearing):
        return ""
    distance = clearing.notes["distance"]
    if distance["money"] is None:
        return f"the best for all gains at most {clearing.certificate.gap:.3g} {currency} more"
    if distance["share"] < ROUNDING:
        return ""
    share = f"{100 * distance['share']:.3g} % of its gains"
    return f"the best for all gains {distance['money']:.3g} {currency} more ({share})"


def summary(reader: Reader) -> list[str]:
    """How far the sweeps came, and where they are stuck: a few lines."""
    if not told(reader.clearing):
        return []
    notes, currency = reader.clearing.notes, reader.book.currency
    lines = [_sweeps(reader)]
    if notes["distance"]["money"] is None:
        lines[0] += f". How far the best for all is, is not known: {notes['distance']['why']}"
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in notes["stuck"]:
        if _on_the_way(reader, row):
            pairs.setdefault((row["from"], row["to"]), []).append(row)
    shown = list(pairs.items())[:MOST_LINES]
    for (one, other), rows in shown:
        where = f"Stuck between {one} and {other}" if one != other else f"Stuck for {one}"
        each = [_why(reader, row) for row in rows[:MOST_NAMES]]
        if len(rows) > MOST_NAMES:
            each.append(f"{len(rows) - MOST_NAMES} more")
        why = " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)
        lines.append(f"{where}: {why}. {_would(rows[0], currency)}")
    more = sum(map(len, pairs.values())) - sum(len(rows) for _, rows in shown)
    more += notes["stuck_nodes"] - len(notes["stuck"])
    if more > 0:
        lines.append(f"... and {more} more node{'s' if more != 1 else ''} where trade is stuck")
    return lines


def _sweeps(reader: Reader) -> str:
    """How many sweeps were made, and whether they were enough."""
    c = reader.clearing
    made, most, moving = c.notes["sweeps"], int(c.parameters["sweeps"]), c.notes["moving"]
    if made < most:
        after = f"After {made} of {most} sweeps"
    else:
        after = (
            f"After {'the only' if made == 1 else f'all {made}'} sweep{'s' if made != 1 else ''}"
        )
    after = after if most else "Without a sweep"
    count = moving["links"]
    if not count:
        return f"{after} no link moved any more"
    return (
        f"{after} {count} link{'s' if count != 1 else ''} would still move, most of all "
        f"{moving['link']} at a profit of {reader.price_text(moving['profit_per_j'])}"
    )


def _why(reader: Reader, row: dict[str, Any]) -> str:
    """Why a node passes nothing on, by what it is."""
    name, why = row["node"], row["why"]
    if why == "no storage":
        return f"{name} holds nothing"
    if why == "kink":
        return f"{name} asks more than it bids"
    if _battery_at_its_end(reader, reader.grid.node_index[name], full=why == "full"):
        return f"the battery at {name} is {why}"
    return f"{name} takes no more" if why == "full" else f"{name} has no more to give"


def _battery_at_its_end(reader: Reader, node: int, *, full: bool) -> bool:
    """Whether a battery there is full or empty: held by its energy, not by power or a reserve."""
    book = reader.book
    for i in np.flatnonzero(book.offer_node == node).tolist():
        pack = book.offers[i].spec if i < len(book.offers) else None
        if not isinstance(pack, Battery):
            continue
        power_w = pack.charge_power_w if full else pack.discharge_power_w
        moved_j = abs(int(reader.clearing.energy_uj[i])) / UJ_PER_J
        bounded = moved_j >= power_w * book.interval.duration_s - reader.slack_j
        if not bounded and (full or not (pack.reserve_uj or pack.committed_uj)):
            return True
    return False


def _would(row: dict[str, Any], currency: str) -> str:
    """What is missed because a node passes nothing on."""
    if row["from"] == row["to"]:
        return (
            f"So energy of {row['from']} does not change to another link that would save "
            f"{price_text(row['profit_per_j'], currency)}"
        )
    return (
        f"N{ALONE[1:]}: a Joule of {row['from']} would cost "
        f"{price_text(row['comes_at_per_j'], currency)} at {row['node']} and be worth "
        f"{price_text(row['goes_at_per_j'], currency)} there, on its way to {row['to']}"
    )


def _on_the_way(reader: Reader, row: dict[str, Any]) -> bool:
    """Whether the node stands between the two ends of its row, and is not a way there and back.

    It does if two paths from it, to one end each, share no other node (Menger 1927): then there is
    no node without which it reaches neither.
    """
    at = reader.grid.node_index
    node, one, other = at[row["node"]], at[row["from"]], at[row["to"]]
    if node in (one, other):
        return False
    if one == other:
        return True
    path = _path(reader, node, {one}, -1)
    return bool(path) and all(_path(reader, node, {one, other} - {w}, w) for w in path)


def _path(reader: Reader, start: int, ends: set[int], without: int) -> list[int]:
    """Nodes of a shortest path from a node, itself not included, to one of some; or none."""
    came = {start: start}
    queue = [start]
    for v in queue:
        if v in ends:
            path = []
            while v != start:
                path.append(v)
                v = came[v]
            return path
        for e in reader.incident[v]:
            u = reader.other_end(e, v)
            if u not in came and u != without:
                came[u] = v
                queue.append(u)
    return []


def causes(reader: Reader, node: int, bid: float, ask: float) -> list[Cause]:
    """What keeps somebody at a node who bids and asks this from more, worst first."""
    c = reader.clearing
    stuck = {row["node"]: row for row in c.notes["stuck"] if row["from"] != row["to"]}
    found: list[Cause] = []
    for e in reader.incident[node]:
        far = reader.other_end(e, node)
        row = stuck.get(reader.grid.node_ids[far])
        prices: list[tuple[float, float, dict[str, Any] | None]] = []
        prices.append((float(c.certificate.highest[far]), float(c.certificate.lowest[far]), None))
        if row is not None:
            prices.append((row["comes_at_per_j"], row["goes_at_per_j"], row))
        for comes, goes, why in prices:
            for inward, there in ((True, comes), (False, goes)):
                here, open_ = _over(reader, e, node, there, inward=inward)
                profit = bid - here if inward else here - ask
                some = abs(bid if inward else ask) + abs(here)
                if np.isfinite(profit) and profit > ROUNDING * some and (why or not open_):
                    found.append(Cause(profit, e, far, inward, there, why if open_ else None))
    return sorted(found, key=lambda f: (-f.profit_per_j, reader.grid.link_ids[f.link]))


def _over(
    reader: Reader, link: int, node: int, there_per_j: float, *, inward: bool
) -> tuple[float, bool]:
    """What a price beyond a link is at this end of it, and whether the link has room."""
    limits = reader.limits
    flow_j = int(reader.clearing.flow_uj[link]) / UJ_PER_J
    out_j = flow_j if int(reader.grid.link_from[link]) == node else -flow_j
    left = 1.0 - limits.loss_ppb[link] / PPB - 2.0 * limits.loss_per_j[link] * abs(flow_j)
    price = float(reader.grid.price_per_j[link])
    undone = out_j > 0 if inward else out_j < 0
    room = undone or not bool(reader.full[link])
    if inward != undone:  # here is where the link ends: what is lost and carried comes on top
        here = there_per_j + price
        return (here / left if here > 0.0 and left > 0.0 else here), room
    return (left * there_per_j if there_per_j > 0.0 else there_per_j) - price, room


def reason(reader: Reader, offer: int, how: str, bid: float, ask: float) -> str:
    """Why an offer got no more; `how` says how much it got, bid and ask what one more is worth."""
    notes = reader.clearing.notes
    node = int(reader.book.offer_node[offer])
    found = causes(reader, node, bid, ask)
    if found:
        first = found[0]
        if first.row is not None:
            return f"{how}: {_why(reader, first.row)}, and {ALONE}"
        does = "asks" if first.inward else "bids"
        return (
            f"{how}: link {reader.grid.link_ids[first.link]} is full, and behind it "
            f"{reader.grid.node_ids[first.far]} {does} {reader.price_text(first.far_per_j)}"
        )
    near = [reader.other_end(e, node) for e in reader.incident[node]]
    prices = reader.clearing.price_per_j[near]
    if near and np.isnan(prices).all() and len(notes["stuck"]) < notes["stuck_nodes"]:
        # its row may be one of those that are not listed
        some = min(reader.grid.node_ids[v] for v in near)
        return f"{how}: {some} holds nothing, and {ALONE}"
    if notes["moving"]["links"]:
        made = notes["sweeps"]
        return f"{how}: the {made} sweeps ended before trade did" if made else f"{how}: no sweep"
    return f"{how}: no neighbour would trade more with it"


def price_words(reader: Reader, node: int) -> str:
    """What the price at a node is, and at which prices it traded."""
    grid, c = reader.grid, reader.clearing
    name = grid.node_ids[node]
    stuck = _stuck_at(reader, node)
    if np.isnan(c.price_per_j[node]):
        return " ".join([f"No price is defined at {name}: nobody there buys or sells.", *stuck])
    low, high = float(c.certificate.lowest[node]), float(c.certificate.highest[node])
    words = f"At {name} a Joule is worth {reader.price_text(float(c.price_per_j[node]))}: "
    if np.isfinite(low) and np.isfinite(high):
        if reader.equal(low, high):
            words += "that is what its offers bid and ask for one more"
        else:
            words += (
                f"the midpoint of {reader.price_text(low)}, which its offers bid for one more, "
                f"and {reader.price_text(high)}, which they ask"
            )
    elif np.isfinite(low):
        words += "that is what its offers bid for one more; they have none to sell"
    else:
        words += "that is what its offers ask for one more; they take no more"
    mine = [t for t in c.trades if node in (t.seller, t.buyer)]
    if not mine:
        words += ". It trades with no neighbour"
    else:
        mine.sort(key=lambda t: grid.link_ids[t.link])
        deals = [_deal(reader, t, node) for t in mine[:MOST_LINES]]
        rest = len(mine) - len(deals)
        words += ". Each pair has its own price: it " + "; it ".join(deals)
        words += f"; and {rest} more trades" if rest else ""
    return " ".join([words + ".", *stuck])


def _stuck_at(reader: Reader, node: int) -> list[str]:
    """What a node stops, and what stops it: a few sentences."""
    grid, c = reader.grid, reader.clearing
    name = grid.node_ids[node]
    sentences = [
        f"Stuck: {_why(reader, row)}. {_would(row, reader.book.currency)}."
        for row in c.notes["stuck"]
        if row["node"] == name and _on_the_way(reader, row)
    ]
    bid, ask = float(c.certificate.lowest[node]), float(c.certificate.highest[node])
    for cause in causes(reader, node, bid, ask)[:MOST_NAMES]:
        if cause.row is not None:
            sentences.append(
                f"Stuck: {_why(reader, cause.row)}. {_would(cause.row, reader.book.currency)}."
            )
            continue
        far, price = grid.node_ids[cause.far], reader.price_text(cause.far_per_j)
        limit = (
            f"Link {grid.link_ids[cause.link]} is full{reader.limit_text(cause.link)}, so no more"
        )
        sentences.append(
            f"{limit} of the cheaper energy of {far}, which asks {price}, can reach {name}."
            if cause.inward
            else f"{limit} energy of {name} can reach {far}, which bids {price}."
        )
    return list(dict.fromkeys(sentences))


def _deal(reader: Reader, trade: Trade, node: int) -> str:
    """A trade as one of its nodes tells it."""
    sells = trade.seller == node
    other = reader.grid.node_ids[trade.buyer if sells else trade.seller]
    energy_j = (trade.sent_uj if sells else trade.received_uj) / UJ_PER_J
    paid = trade.payment_nano / NANO_PER_UNIT
    if not sells:  # the buyer pays for the carriage, too
        paid += float(reader.grid.price_per_j[trade.link]) * trade.sent_uj / UJ_PER_J
    if not energy_j:
        return f"traded with {other} and undid it"
    large = energy_j >= 0.001 * J_PER_KWH
    size = f"{energy_j / J_PER_KWH:.4g} kWh" if large else f"{energy_j:.4g} J"
    act = f"sold {size} to {other}" if sells else f"bought {size} from {other}"
    return f"{act} at {reader.price_text(paid / energy_j)}"
