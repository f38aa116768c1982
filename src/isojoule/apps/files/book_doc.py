"""The normal form of a book: one document for one book and grid.

Nodes, links and offers stand in the order of their names, keys at their default are left out,
energies are decimal strings exact to the microjoule, everything else is SI: so the document, and
its digest, do not depend on the order or the units of the input. It is itself a book file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from isojoule.core.canonical import number
from isojoule.core.units import PPB
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation.document import offer_document

Document = dict[str, Any]


def book_document(book: Book, grid: Grid) -> Document:
    """The normal form. `book_files.book_from_doc` reads it back to the same book and grid.

    The book must hold its offers as rows, as `Book.from_offers` makes it.
    """
    return {
        "isojoule": 1,
        "currency": book.currency,
        "interval": {
            "start": book.interval.start_text(),
            "duration": number(book.interval.duration_s),
        },
        "network": book.network,
        "nodes": [_node(grid, i) for i in _order(grid.node_ids)],
        "links": [_link(grid, i) for i in _order(grid.link_ids)],
        "offers": [offer_document(o) for o in sorted(book.offers, key=lambda o: o.id)],
    }


def _order(names: Sequence[str]) -> list[int]:
    return sorted(range(len(names)), key=lambda i: names[i])


def _node(grid: Grid, i: int) -> str | Document:
    columns = {
        "voltage": grid.node_voltage_v,
        "min_voltage_pu": grid.min_voltage_pu,
        "max_voltage_pu": grid.max_voltage_pu,
        "x": grid.x,
        "y": grid.y,
    }
    known = {
        key: number(column[i])
        for key, column in columns.items()
        if column is not None and not math.isnan(column[i])
    }
    return {"id": grid.node_ids[i], **known} if known else grid.node_ids[i]


def _link(grid: Grid, i: int) -> Document:
    link: Document = {
        "id": grid.link_ids[i],
        "from": grid.node_ids[grid.link_from[i]],
        "to": grid.node_ids[grid.link_to[i]],
    }
    if math.isfinite(grid.capacity_w[i]):
        link["capacity"] = number(grid.capacity_w[i])
    if grid.loss_ppb[i]:
        link["loss"] = int(grid.loss_ppb[i]) / PPB
    for key, column in (
        ("resistance", grid.resistance_ohm),
        ("reactance", grid.reactance_ohm),
        ("standing_loss", grid.standing_loss_w),
        ("price", grid.price_per_j),
    ):
        if column[i]:
            link[key] = number(column[i])
    if not math.isnan(grid.voltage_v[i]):
        link["voltage"] = number(grid.voltage_v[i])
    if grid.owner[i]:
        link["owner"] = grid.owner[i]
    if grid.kind[i] != "link":
        link["kind"] = grid.kind[i]
    return link
