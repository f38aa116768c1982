"""What a session takes at all: names, sizes and numbers that everything behind it can hold."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from isojoule.core.canonical import dumps
from isojoule.core.units import NO_LIMIT_UJ
from isojoule.grid import Grid
from isojoule.market.messages import Event
from isojoule.valuation import Battery, Bundle, Load, Offer, Steps
from isojoule.valuation.document import offer_document

LONGEST_NAME = 200
LONGEST_SENDER = 180
"""A session adds a number to the sender's name where an offer has none of its own."""
LATEST_NS = 2**63


class No(NamedTuple):
    """Why a message is refused, and what would help."""

    reason: str
    remedy: str = ""

    def event(self, session: str) -> Event:
        """The answer to the sender."""
        return {
            "event": "refused", "session": session, "reason": self.reason, "remedy": self.remedy,
        }  # fmt: skip


def is_name(text: Any, longest: int = LONGEST_NAME) -> bool:
    """Whether a text can name a thing: printable, without blanks around it."""
    short = isinstance(text, str) and 0 < len(text) <= longest
    return short and text.isprintable() and text == text.strip()


def is_digest(text: Any) -> bool:
    """Whether a text is 64 hexadecimal digits in lower case."""
    return isinstance(text, str) and len(text) == 64 and not set(text) - set("0123456789abcdef")


def size_uj(offer: Offer) -> int:
    """Energy that an offer may move at most, microjoules; 0 for an unlimited one."""
    spec = offer.spec
    if isinstance(spec, Steps):
        return sum(step.energy_uj for step in (*spec.sell, *spec.buy))
    if isinstance(spec, Battery):
        return spec.capacity_uj + abs(spec.inflow_uj)
    if isinstance(spec, Bundle):
        return sum(abs(leg.energy_uj) for leg in spec.legs)
    return spec.energy_uj if isinstance(spec, Load) else 0


def check_offer(offer: Offer, sender: str, grid: Grid, most_bytes: int) -> No | None:
    """Why a session cannot hold this offer, whatever its mechanism, or None."""
    if offer.participant != sender:
        return No(
            f"the offer is that of {offer.participant!r}, and comes from {sender!r}",
            "hand in offers of your own",
        )
    for text, what in ((offer.id, "id"), (offer.group, "group")):
        if text and not is_name(text):
            return No(f"its {what} is no name", "use a printable text of 1 to 200 characters")
    nodes = [offer.node]
    if isinstance(offer.spec, Bundle):
        nodes = [leg.node for leg in offer.spec.legs]
        if not nodes or len(set(nodes)) < len(nodes) or offer.node:
            return No("a bundle needs legs, each at a node of its own", "add up what is at a node")
    elif isinstance(offer.spec, Steps) and not (offer.spec.sell or offer.spec.buy):
        return No("an offer without content", "give sell or buy")
    for node in nodes:
        if node not in grid.node_index:
            some = ", ".join(grid.node_ids[:8])
            return No(f"unknown node {node!r}", f"use one of the session's nodes: {some}")
    if not (math.isfinite(offer.power_factor) and 0 < offer.power_factor <= 1):
        return No("its power factor is not above 0 and at most 1", "give a share, as 0.95")
    try:
        size = len(dumps(offer_document(offer)).encode())
    except (ValueError, TypeError, OverflowError, OSError):  # a time beyond the calendar
        return No("it has no canonical form", "give plain numbers, names and times")
    if size > most_bytes:
        return No(f"it has {size} bytes, at most {most_bytes} are taken", "offer fewer steps")
    if size_uj(offer) >= NO_LIMIT_UJ:
        return No("its energy is too large to be counted in microjoules", "check the unit")
    return None
