"""What a clearing of `diffusion` tells about itself, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J
from isojoule.market.contract import Clearing, Trade

if TYPE_CHECKING:
    from isojoule.market.reasons import Reader

NAME = "diffusion"
MOST_LINES = 5
WHY = {
    "full": "{node} is full",
    "empty": "{node} is empty",
    "no storage": "{node} holds nothing",
    "kink": "{node} asks more than it bids",
}


def told(clearing: Clearing) -> bool:
    """Whether the clearing carries these notes."""
    return clearing.mechanism == NAME and "stuck" in clearing.notes


def summary(clearing: Clearing, currency: str) -> list[str]:
    """How far the sweeps came, and where they are stuck: a few lines."""
    if not told(clearing):
        return []
    notes = clearing.notes
    made, moving, distance = notes["sweeps"], notes["moving"], notes["distance"]
    words = f"{made} sweep{'s' if made != 1 else ''}; "
    if moving["links"]:
        count = moving["links"]
        words += f"{count} link{'s' if count != 1 else ''} would still move, most of all "
        words += f"{moving['link']} at a profit of {_price(moving['profit_per_j'], currency)}"
    else:
        words += "no link would move any more"
    if distance["money"] is None:
        words += f". How far the optimum is, is not known: {distance['why']}"
    else:
        words += f". The optimum gains {distance['money']:.6g} {currency} more"
        words += f" ({100 * distance['share']:.3g} % of its gains)"
    lines = [words]
    lines += [f"Stuck: {stuck_words(row, currency)}" for row in notes["stuck"][:MOST_LINES]]
    more = notes["stuck_nodes"] - len(lines) + 1
    if more > 0:
        lines.append(f"... and {more} more nodes where trade is stuck")
    return lines


def stuck_words(row: dict[str, Any], currency: str) -> str:
    """Why trade is stuck at a node."""
    why = WHY[row["why"]].format(node=row["node"])
    if row["from"] == row["to"]:
        return (
            f"{why}, so that energy of {row['from']} does not change to another link that would "
            f"save {_price(row['profit_per_j'], currency)}"
        )
    return (
        f"{why}, and neighbours trade only with each other. Through it a Joule of {row['from']} "
        f"would cost {_price(row['comes_at_per_j'], currency)} there and be worth "
        f"{_price(row['goes_at_per_j'], currency)} on its way to {row['to']}"
    )


def reason(reader: Reader, offer: int, how: str) -> str:
    """Why an offer got no more; `how` says how much it got."""
    notes = reader.clearing.notes
    node = reader.grid.node_ids[reader.book.offer_node[offer]]
    for row in notes["stuck"]:
        if node in (row["from"], row["to"]) and row["from"] != row["to"]:
            why = WHY[row["why"]].format(node=row["node"])
            return f"{how}: {why}, and neighbours trade only with each other"
    if notes["moving"]["links"]:
        made = notes["sweeps"]
        return f"{how}: the {made} sweeps ended before trade did" if made else f"{how}: no sweep"
    return f"{how}: no neighbour would trade more with it"


def price_words(reader: Reader, node: int) -> str:
    """What the price at a node is, and at which prices it traded."""
    grid, c = reader.grid, reader.clearing
    name = grid.node_ids[node]
    rows = [row for row in c.notes["stuck"] if row["node"] == name]
    stuck = [f"Stuck: {stuck_words(row, reader.book.currency)}." for row in rows]
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


def _price(price_per_j: float, currency: str) -> str:
    return f"{price_per_j * J_PER_KWH:.4g} {currency}/kWh"
