"""The book file: one interval, its grid and its offers, as people write them.

YAML or JSON in one file, or a folder with `book.yaml` and Parquet tables. The format is described
in docs/book-file.md. Whatever is wrong is refused with file, line and remedy. A book that has
been read carries its normal form (`isojoule.apps.files.book_doc`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isojoule.apps.files.amounts import amount, loss_ppb, time_ns
from isojoule.apps.files.book_doc import book_document
from isojoule.apps.files.book_faults import link_label, naming, node_label, offer_label
from isojoule.apps.files.book_offers import known_node, read_offer
from isojoule.apps.files.items import (
    Item,
    choice,
    fields,
    from_document,
    name,
    parse_items,
    read_items,
    rows,
)
from isojoule.core.errors import InputError
from isojoule.core.interval import Interval
from isojoule.core.units import NO_LIMIT_UJ
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.market.book import BOOK_NETWORKS
from isojoule.valuation import Battery, Load, Offer, Steps

BOOK_KEYS = ("isojoule", "currency", "interval", "network", "nodes", "links", "offers")
NODE_KEYS = ("id", "voltage", "min_voltage_pu", "max_voltage_pu", "x", "y")
LINK_KEYS = (
    *("id", "from", "to", "kind", "capacity", "loss", "resistance", "reactance", "voltage"),
    *("standing_loss", "price", "owner"),
)
LINK_KINDS = ("line", "transformer", "link")
_CURRENCY = re.compile("[A-Z]{3,5}")


class Head(NamedTuple):
    """What a book says beside its lists."""

    currency: str
    interval: Interval
    network: str


@dataclass(frozen=True, eq=False)
class BookFile:
    """A book that has been read: the book, its grid, and their normal form.

    Attributes
    ----------
    book, grid
        What it holds.
    files
        Where it was read by columns: its files, and the SHA-256 of each as it was read.
    """

    book: Book
    grid: Grid
    files: dict[Path, str] = field(default_factory=dict)

    @cached_property
    def doc(self) -> dict[str, Any]:
        """The normal form, as one document.

        Raises
        ------
        InputError
            The book has no offers as rows: it is large.
        """
        if self.book.offer_count and not self.book.offers:
            raise InputError(
                f"{self.book.offer_count} offers in columns are not written as one document",
                remedy="write the answer as a folder: --out FOLDER/",
            )
        return book_document(self.book, self.grid)


def read_book(path: Path | str, *, columns: bool = True) -> BookFile:
    """Read a book file (YAML, or JSON by its suffix), or a book folder.

    Parameters
    ----------
    columns
        Whether large tables may be read by columns; the book then has no offers as rows, which few
        mechanisms can do without (`isojoule.apps.files.book_folder.BY_COLUMNS`).

    Raises
    ------
    InputError
        Anything wrong, with `file:line` and a remedy.
    """
    path = Path(path)
    if path.is_dir():
        from isojoule.apps.files.book_folder import read_folder

        return read_folder(path, columns=columns)
    return book_from_item(read_items(path))


def book_from_text(text: str, *, place: str = "book") -> BookFile:
    """Read a book from YAML text."""
    return book_from_item(parse_items(text, place))


def book_from_doc(doc: dict[str, Any], *, place: str = "book") -> BookFile:
    """Read a book from parsed JSON, as the normal form; places are paths (`book.links[0]`)."""
    return book_from_item(from_document(doc, place))


def book_from_item(item: Item) -> BookFile:
    """Read a book from a tree of items."""
    found = fields(item, "a book", BOOK_KEYS, [k for k in BOOK_KEYS if k not in _OPTIONAL])
    head = head_of(found)
    currency = head.currency
    node_items = _unique(rows(found["nodes"], "nodes"), "node")
    places = {node: entry.place for node, entry in node_items}
    link_items = _unique(rows(found["links"], "links") if "links" in found else [], "link")
    grid = _grid(node_items, link_items, currency, places)
    offers = _offers(rows(found["offers"], "offers"), currency, places)
    book = Book.from_offers(
        offers, grid, interval=head.interval, currency=currency, network=head.network
    )
    return BookFile(book, grid)


_OPTIONAL = ("network", "links")


def head_of(found: dict[str, Item]) -> Head:
    """Version, currency, interval and network of a book.

    Raises
    ------
    InputError
        Anything wrong.
    """
    version = found["isojoule"]
    if version.value != 1 or isinstance(version.value, bool):
        raise InputError(
            f"unknown version {version.text!r} of the book file",
            place=version.place,
            remedy="write isojoule: 1",
        )
    currency = name(found["currency"], "currency")
    if not _CURRENCY.fullmatch(currency):
        raise InputError(
            f"{currency!r} is not a currency code",
            place=found["currency"].place,
            remedy="use a code as EUR",
        )
    network = "transport"
    if "network" in found:
        network = choice(found["network"], "network", BOOK_NETWORKS)
    interval = _interval(found["interval"])
    return Head(currency, interval, network)


def _interval(item: Item) -> Interval:
    found = fields(item, "interval", ("start", "duration"), ("start", "duration"))
    start_ns = time_ns(found["start"])
    if start_ns % 10**9:
        raise InputError(
            "the interval starts within a second",
            place=found["start"].place,
            remedy="start it on a whole second",
        )
    duration_s = amount(found["duration"], "s", what="duration", above=0)
    return Interval(start_ns // 10**9, duration_s)


def _unique(items: list[Item], what: str) -> list[tuple[str, Item]]:
    """Nodes or links with their names, in the order of their names; each name stands once."""
    named: dict[str, Item] = {}
    keys, label = (NODE_KEYS, node_label) if what == "node" else (LINK_KEYS, link_label)
    for item in items:
        if isinstance(item.value, dict):
            with naming(label, item):
                own = name(fields(item, f"a {what}", keys, ("id",))["id"], f"the {what}'s id")
        elif what == "node":
            own = name(item, "a node")
        else:
            fields(item, f"a {what}", LINK_KEYS, ("id",))  # refuses what is no mapping
            continue
        if own in named:
            raise InputError(
                f"the {what} {own!r} stands twice, first at {named[own].place}",
                place=item.place,
                remedy=f"give each {what} a name of its own",
            )
        named[own] = item
    return sorted(named.items())


def _grid(
    nodes: list[tuple[str, Item]],
    links: list[tuple[str, Item]],
    currency: str,
    places: dict[str, str],
) -> Grid:
    columns = {key: np.full(len(nodes), np.nan) for key in NODE_KEYS[1:]}
    for i, (_, item) in enumerate(nodes):
        if isinstance(item.value, dict):
            for key, value in node_values(item).items():
                columns[key][i] = value
    given = {k: None if np.isnan(c).all() else c for k, c in columns.items()}
    table = [link_values(item, currency, places) for _, item in links]
    position = {node: i for i, (node, _) in enumerate(nodes)}

    def column(key: str, default: float, kind: type = np.float64) -> Any:
        return np.array([row.get(key, default) for row in table], dtype=kind)

    return Grid(
        node_ids=tuple(position),
        link_ids=tuple(own for own, _ in links),
        link_from=np.array([position[row["from"]] for row in table], dtype=np.int32),
        link_to=np.array([position[row["to"]] for row in table], dtype=np.int32),
        capacity_w=column("capacity", math.inf),
        loss_ppb=column("loss", 0, np.int64),
        resistance_ohm=column("resistance", 0.0),
        reactance_ohm=column("reactance", 0.0),
        voltage_v=column("voltage", math.nan),
        standing_loss_w=column("standing_loss", 0.0),
        price_per_j=column("price", 0.0),
        owner=tuple(row.get("owner", "") for row in table),
        kind=tuple(row.get("kind", "link") for row in table),
        node_voltage_v=given["voltage"],
        min_voltage_pu=given["min_voltage_pu"],
        max_voltage_pu=given["max_voltage_pu"],
        x=given["x"],
        y=given["y"],
    )


def node_values(item: Item) -> dict[str, float]:
    """What a node's mapping says, in SI."""
    with naming(node_label, item):
        return _node_values(item)


def _node_values(item: Item) -> dict[str, float]:
    found = fields(item, "a node", NODE_KEYS, ("id",))
    values: dict[str, float] = {}
    if "voltage" in found:
        values["voltage"] = amount(found["voltage"], "V", what="voltage", above=0)
    for key in ("min_voltage_pu", "max_voltage_pu"):
        if key in found:
            values[key] = amount(found[key], "1", what=key, above=0)
    if values.get("min_voltage_pu", 0.0) > values.get("max_voltage_pu", math.inf):
        raise InputError(
            "min_voltage_pu is above max_voltage_pu",
            place=found["min_voltage_pu"].place,
            remedy="exchange or correct them",
        )
    for key in ("x", "y"):
        if key in found:
            values[key] = amount(found[key], "1", what=key)
    return values


def link_values(item: Item, currency: str, nodes: dict[str, str]) -> dict[str, Any]:
    """What a link's mapping says, in SI, losses in parts of 1e-9; `nodes` as in `read_offer`."""
    with naming(link_label, item):
        return _link_values(item, currency, nodes)


def _link_values(item: Item, currency: str, nodes: dict[str, str]) -> dict[str, Any]:
    found = fields(item, "a link", LINK_KEYS, ("id", "from", "to"))
    values: dict[str, Any] = {end: known_node(found[end], nodes) for end in ("from", "to")}
    if values["from"] == values["to"]:
        raise InputError(
            "both ends are one node",
            place=found["to"].place,
            remedy="connect two nodes",
        )
    for key, unit in (("capacity", "W"), ("standing_loss", "W"), ("resistance", "ohm")):
        if key in found:
            values[key] = amount(found[key], unit, what=key, lowest=0)
    if "reactance" in found:
        values["reactance"] = amount(found["reactance"], "ohm", what="reactance")
    if "voltage" in found:
        values["voltage"] = amount(found["voltage"], "V", what="voltage", above=0)
    elif values.get("resistance"):
        raise InputError(
            "a resistance without a voltage",
            place=found["resistance"].place,
            remedy="add its voltage, as voltage: 400 V",
        )
    if "loss" in found:
        values["loss"] = loss_ppb(found["loss"])
    if "price" in found:
        values["price"] = amount(found["price"], "money/J", currency, what="price", lowest=0)
    if "owner" in found:
        values["owner"] = name(found["owner"], "owner")
    if "kind" in found:
        values["kind"] = choice(found["kind"], "kind", LINK_KINDS)
    return values


def _offers(items: list[Item], currency: str, nodes: dict[str, str]) -> list[Offer]:
    offers: list[Offer] = []
    ids: dict[str, str] = {}
    total_uj = 0
    for item in items:
        offer = read_offer(item, currency, nodes)
        if offer.id in ids:
            raise InputError(
                f"the offer {offer.id!r} stands twice, first at {ids[offer.id]}",
                place=item.place,
                remedy="give each offer an id of its own, or none",
            )
        if offer.id:
            ids[offer.id] = item.place
        total_uj += _size_uj(offer)
        if total_uj >= NO_LIMIT_UJ:
            raise InputError(
                f"{offer_label(item)}: up to here the energies of the book are too large to be "
                "counted in microjoules",
                place=item.place,
                remedy="check the units, or clear a smaller area",
            )
        offers.append(offer)
    return offers


def _size_uj(offer: Offer) -> int:
    spec = offer.spec
    if isinstance(spec, Steps):
        return sum(s.energy_uj for s in (*spec.sell, *spec.buy))
    if isinstance(spec, Battery):
        return spec.capacity_uj + abs(spec.inflow_uj)
    return spec.energy_uj if isinstance(spec, Load) else 0
