"""Faults in books: what is wrong in an offer, a node or a link names it.

A line number says where to look, a name what to look for: `b.yaml:7: offer of 'ada' at node
'home': load lacks 'lost_load'`. The names are those that stand there, right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from isojoule.apps.files.items import Item
from isojoule.core.errors import InputError


@contextmanager
def naming(label: Callable[[Item], str], item: Item) -> Iterator[None]:
    """What is refused within begins with the label of the item.

    Parameters
    ----------
    label
        One of the functions below.
    item
        What is being read.

    Raises
    ------
    InputError
        As refused within, place and remedy unchanged.
    """
    try:
        yield
    except InputError as error:
        message = f"{label(item)}: {error.message}"
        raise InputError(message, place=error.place, remedy=error.remedy) from None


def offer_label(item: Item) -> str:
    """An offer: its id, participant and node, as far as it has them.

    >>> ada = {"participant": Item("ada", "", "ada"), "node": Item("home", "", "home")}
    >>> offer_label(Item(ada, ""))
    "offer of 'ada' at node 'home'"
    """
    return (
        "offer"
        + _said(item, "id", "{!r}")
        + _said(item, "participant", "of {!r}")
        + _said(item, "node", "at node {!r}")
    )


def leg_label(item: Item) -> str:
    """A leg of a bundle, and its node."""
    return "leg" + _said(item, "node", "at node {!r}")


def node_label(item: Item) -> str:
    """A node and its name."""
    return "node" + _said(item, "id", "{!r}")


def link_label(item: Item) -> str:
    """A link, its name and its ends."""
    return (
        "link"
        + _said(item, "id", "{!r}")
        + _said(item, "from", "from {!r}")
        + _said(item, "to", "to {!r}")
    )


def _said(item: Item, key: str, words: str) -> str:
    """What a mapping says under a key, in these words; "" where it says nothing."""
    cell = item.value.get(key) if isinstance(item.value, dict) else None
    text = cell.text if isinstance(cell, Item) else ""
    if not text:
        return ""
    return " " + words.format(text if len(text) <= 60 else text[:60] + "...")
