"""Large books: tables of nodes, links and offers, read column by column.

Reading by rows makes a tree of items for each cell and can say where everything stands; that is how
small folders are read (`isojoule.apps.files.book_tables`). Here the same tables become the columns
of a book at once. Whatever looks wrong is read again, that row alone, by the reader of rows, whose
words those are. What only rows know (bundles, groups, offers that are all or nothing or of several
steps, nameless offers that must be numbered) sends the whole book to the reader of rows.

The nodes are put in the order of their names, so that the order of the table has no say, and then
so that neighbours lie near (`isojoule.grid.locality`); links stand in the order of their ends,
offers in that of their nodes. Answers are by name, so nobody sees that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.files.amount_columns import losses_ppb
from isojoule.apps.files.book_files import LINK_KINDS, Head, link_values, node_values
from isojoule.apps.files.book_frame import TABLES, BookFrame, ByRows, read_frame
from isojoule.apps.files.book_offer_columns import book_of
from isojoule.apps.files.items import Item
from isojoule.apps.files.name_columns import explain, names_there, positions, some, unique_names
from isojoule.apps.files.text_series import names_of
from isojoule.core.name_index import NameIndex
from isojoule.core.names import Names
from isojoule.grid import Grid
from isojoule.grid.locality import near_order, places
from isojoule.market import Book

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LARGE = 100_000
"""Tables that have so many rows together are read column by column."""
NONE = np.zeros(0, np.int32)
LINK_FILLERS = {
    "capacity": ("capacity_w", np.inf),
    "resistance": ("resistance_ohm", 0.0),
    "reactance": ("reactance_ohm", 0.0),
    "voltage": ("voltage_v", np.nan),
    "standing_loss": ("standing_loss_w", 0.0),
    "price": ("price_per_j", 0.0),
}
"""Column of the grid for each key, and what stands there where a link does not give it."""


def is_large(folder: Path, least: int = LARGE) -> bool:
    """Whether the tables of a book folder have many rows, which their footers tell."""
    rows = 0
    for what in TABLES:
        path = folder / f"{what}.parquet"
        if path.is_file():
            try:
                rows += int(pl.scan_parquet(path).select(pl.len()).collect().item())
            except (pl.exceptions.PolarsError, OSError):
                return False  # the reader of rows says what is wrong with it
    return rows >= least


def read_columns(folder: Path, head: Head) -> tuple[Book, Grid] | None:
    """Book and grid of a folder of tables, or None where rows are needed to read it.

    Raises
    ------
    InputError
        Anything wrong, with table, row, the name of what is wrong, and a remedy.
    """
    try:
        nodes, offers = read_frame(folder, "nodes"), read_frame(folder, "offers")
        if nodes is None or offers is None:
            return None
        grid = _grid(nodes, read_frame(folder, "links"), head)
        return book_of(offers, grid, head), grid
    except ByRows:
        return None


def _grid(nodes: BookFrame, links: BookFrame | None, head: Head) -> Grid:
    ids = unique_names(nodes, "node")
    columns = {key: nodes.number(key, head.currency).si for key in TABLES["nodes"][1:]}
    bad = np.zeros(nodes.height, bool)
    for key, values in columns.items():
        bad |= np.isinf(values) if key in ("x", "y") else np.isinf(values) | (values <= 0)
    bad |= columns["min_voltage_pu"] > columns["max_voltage_pu"]
    explain(nodes, bad, node_values)
    order = ids.order()
    ids = ids.take(order)
    wires: dict[str, Any] = {}
    if links is not None:
        wires = _links(links, ids, head)
    near = near_order(nodes.height, wires.get("link_from", NONE), wires.get("link_to", NONE))
    if links is not None:
        at = places(near)
        wires["link_from"], wires["link_to"] = at[wires["link_from"]], at[wires["link_to"]]
        wires = _taken(wires, np.lexsort((wires["link_to"], wires["link_from"])))
    seen = order[near]
    given = {key: None if np.isnan(c).all() else c[seen] for key, c in columns.items()}
    return Grid(
        node_ids=ids.take(near),
        node_voltage_v=given["voltage"],
        min_voltage_pu=given["min_voltage_pu"],
        max_voltage_pu=given["max_voltage_pu"],
        x=given["x"],
        y=given["y"],
        **wires,
    )


def _links(links: BookFrame, nodes: Names, head: Head) -> dict[str, Any]:
    """Columns of the grid's links, in the order of their names; those that say nothing are out."""
    ids = unique_names(links, "link")
    index = NameIndex(nodes)
    tail, into = (positions(links, key, index) for key in ("from", "to"))
    bad = (tail < 0) | (into < 0) | (tail == into)
    si = {key: links.number(key, head.currency).si for key in LINK_FILLERS}
    for key, values in si.items():
        bad |= np.isinf(values)
        if key != "reactance":
            bad |= (values <= 0) if key == "voltage" else (values < 0)
    bad |= (si["resistance"] > 0) & np.isnan(si["voltage"])
    loss, wrong = losses_ppb(links.number("loss", head.currency))
    bad |= wrong
    owner = links.text("owner")
    kind = links.text("kind")
    if owner is not None:
        bad |= ~names_there(owner)
    if kind is not None:
        bad |= ~(kind.is_in(LINK_KINDS).fill_null(True)).to_numpy()
    explain(links, bad, lambda item: _link_alone(item, head, nodes))
    columns: dict[str, Any] = {"link_ids": ids, "link_from": tail, "link_to": into}
    for key, (column, filler) in LINK_FILLERS.items():
        if 0 not in si[key].strides or not links.height:
            columns[column] = np.where(np.isnan(si[key]), filler, si[key])
    if loss.any():
        columns["loss_ppb"] = loss
    if owner is not None:
        columns["owner"] = names_of(owner.fill_null(""))
    if kind is not None:
        columns["kind"] = names_of(kind.fill_null("link"))
    return _taken(columns, ids.order())


def _taken(columns: dict[str, Any], at: NDArray[np.int64]) -> dict[str, Any]:
    return {
        key: column.take(at) if isinstance(column, Names) else column[at]
        for key, column in columns.items()
    }


def _link_alone(item: Item, head: Head, nodes: Names) -> None:
    """Read one link by itself; of the nodes it sees those that it names, and some like them."""
    wanted = [item.value[key].text for key in ("from", "to") if key in item.value]
    link_values(item, head.currency, some(nodes, wanted))
