"""The table of offers of a large book, read by columns into a book.

Offers stand in the order of their nodes, then of arrival and id (M2): a walk over offers then is
one over nodes, in the order in which these lie in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.files.amounts import time_ns
from isojoule.apps.files.book_faults import naming, offer_label
from isojoule.apps.files.book_files import Head
from isojoule.apps.files.book_frame import BookFrame, ByRows
from isojoule.apps.files.book_offers import read_offer
from isojoule.apps.files.book_tables import FORMS, offers_of
from isojoule.apps.files.items import Item, name
from isojoule.apps.files.name_columns import explain, names_there, positions, refuse_twice, some
from isojoule.apps.files.offer_columns import Curves, curves_of, kind_of
from isojoule.apps.files.text_series import names_of
from isojoule.core.errors import InputError
from isojoule.core.name_index import NameIndex
from isojoule.core.names import Names
from isojoule.core.units import NO_LIMIT_UJ
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation.curve import Pieces

Bools = NDArray[np.bool_]
FEW_TIMES = 10_000
"""Times of arrival written as texts are read one by one, so many different ones at most."""


def book_of(table: BookFrame, grid: Grid, head: Head) -> Book:
    """The book of a table of offers.

    Raises
    ------
    InputError
        With the row that is wrong.
    ByRows
        It holds what only rows know.
    """
    _only_divisible(table)
    participant, form = table.text("participant"), table.text("form")
    nodes = Names.of(grid.node_ids)
    node = positions(table, "node", NameIndex(nodes))
    bad = node < 0
    for series in (participant, form):
        bad |= True if series is None else series.is_null().to_numpy()
    if participant is not None:
        bad |= ~names_there(participant)
    factor = table.number("power_factor", head.currency).si
    bad |= ~(np.isnan(factor) | ((factor > 0) & (factor <= 1)))
    at_ns, wrong = _arrival(table)
    bad |= wrong
    forms = np.full(table.height, -1, np.int8)
    parts: list[tuple[NDArray[np.int64], Curves]] = []
    for code, own in enumerate(FORMS):
        rows = np.zeros(0, np.int64)
        if form is not None:
            rows = np.flatnonzero((form == own).fill_null(False).to_numpy())
        forms[rows] = code
        if rows.size:
            part = table if rows.size == table.height else table.taken(rows)
            curves = curves_of(part, own, head.interval.duration_s, head.currency)
            bad[rows] |= curves.bad
            parts.append((rows, curves))
    bad |= forms < 0
    explain(table, bad, lambda item: _alone(item, head, nodes))
    assert participant is not None
    names = names_of(participant)
    ids = _ids(table, names)
    _countable(table, parts)
    participants, who = names.distinct()
    order = ids.order()
    order = order[np.argsort(at_ns[order], kind="stable")] if at_ns.any() else order
    order = order[np.argsort(node[order], kind="stable")]
    row, columns = _pieces(parts, order)
    spill0, spill1, short0, short1 = (
        _column(table.height, parts, name)[order]
        for name in ("spill0", "spill1", "short0", "short1")
    )
    unity = bool(np.isnan(factor).all())
    kinds = np.array([kind_of(own) for own in FORMS], np.uint8)
    return Book(
        currency=head.currency,
        interval=head.interval,
        network=head.network,
        participants=participants,
        offer_ids=ids.take(order),
        offer_participant=who[order],
        offer_node=node[order],
        offer_kind=kinds[forms[order]],
        piece_offer=row,
        pieces=Pieces(*columns[:7]),
        on_curve=columns[7],
        spill0=spill0,
        spill1=spill1,
        short0=short0,
        short1=short1,
        power_factor=None if unity else np.where(np.isnan(factor), 1.0, factor)[order],
    )


def _only_divisible(table: BookFrame) -> None:
    """What only an integer program, or a rule that answers offers one by one, can read."""
    for key in ("all_or_nothing", "immediate"):
        series = table.column(key)
        if series is not None and (series.dtype != pl.Boolean or series.any()):
            raise ByRows
    group = table.column("group")
    if group is not None and group.null_count() < table.height:
        raise ByRows


def _arrival(table: BookFrame) -> tuple[NDArray[np.int64], Bools]:
    """Times of arrival, nanoseconds since 1970, and the rows where there is none."""
    series = table.column("at")
    if series is None:
        return np.zeros(table.height, np.int64), np.zeros(table.height, bool)
    if series.dtype == pl.Datetime:
        if series.dtype.time_zone != "UTC":  # type: ignore[attr-defined]
            raise ByRows
        at_ns = series.dt.epoch("ns").fill_null(0).to_numpy()
        return at_ns, at_ns < 0
    if series.dtype != pl.String or series.n_unique() > FEW_TIMES:
        raise ByRows
    known: dict[str, int] = {}
    for text in series.drop_nulls().unique().to_list():
        try:
            known[text] = time_ns(Item(text, "", text))
        except InputError:
            known[text] = -1
    at_ns = series.replace_strict(known, default=0, return_dtype=pl.Int64).fill_null(0).to_numpy()
    return at_ns, at_ns < 0


def _alone(item: Item, head: Head, nodes: Names) -> None:
    """Read one row as an offer by itself."""
    wanted = [item.value["node"].text] if "node" in item.value else []
    with naming(offer_label, item):
        offers = offers_of([item])
    for offer in offers:
        read_offer(offer, head.currency, some(nodes, wanted))


def _ids(table: BookFrame, participants: Names) -> Names:
    """Ids of the offers; those without one have their participant's name, if that is enough."""
    series = table.text("id")
    if series is None or series.null_count():
        named = series is not None and series.null_count() < table.height
        if named:
            assert series is not None
            own = table.text("participant")
            assert own is not None
            series = series.zip_with(series.is_not_null(), own)
            explain(table, ~names_there(series), _no_id)
            participants = names_of(series)
        if participants.first_repeat() >= 0:
            raise ByRows  # they are numbered by what they say
        return participants
    explain(table, ~names_there(series), _no_id)
    ids = names_of(series)
    twice = ids.first_repeat()
    form = table.text("form")
    if twice >= 0 and form is not None and form[twice] == "steps" == form[ids.index(ids[twice])]:
        raise ByRows  # an offer of several steps
    refuse_twice(table, ids, "offer")
    return ids


def _no_id(item: Item) -> None:
    with naming(offer_label, item):
        name(item.value["id"], "id")


def _countable(table: BookFrame, parts: list[tuple[NDArray[np.int64], Curves]]) -> None:
    size = _column(table.height, parts, "size_uj")
    total = np.cumsum(size)
    if total.size and total[-1] >= NO_LIMIT_UJ:
        at = int(np.argmax(total >= NO_LIMIT_UJ))
        raise InputError(
            f"{offer_label(table.items([at])[0])}: up to here the energies of the book are too "
            "large to be counted in microjoules",
            place=table.place(at),
            remedy="check the units, or clear a smaller area",
        )


def _column(height: int, parts: list[tuple[NDArray[np.int64], Curves]], name: str) -> NDArray[Any]:
    """A column of the rows from those of each form."""
    out = np.zeros(height)
    for rows, curves in parts:
        values = getattr(curves, name)
        if values.any():  # zeros never written take no memory
            out[rows] = values
    return out


def _pieces(
    parts: list[tuple[NDArray[np.int64], Curves]], order: NDArray[np.int64]
) -> tuple[NDArray[np.int32], list[NDArray[Any]]]:
    """Offer of each piece and its columns, offers in this order, their pieces as they come."""
    place = np.empty(order.size, np.int32)
    place[order] = np.arange(order.size, dtype=np.int32)
    none = np.zeros(0, np.int32)
    at = np.concatenate([none, *(place[rows[curves.row]] for rows, curves in parts)])
    sort = np.argsort(at, kind="stable")
    columns = [
        np.concatenate([np.zeros(0), *(curves.pieces[i] for _, curves in parts)])[sort]
        for i in range(7)
    ]
    on_curve = np.concatenate([np.zeros(0, bool), *(curves.on_curve for _, curves in parts)])
    return at[sort], [*columns, on_curve[sort]]
