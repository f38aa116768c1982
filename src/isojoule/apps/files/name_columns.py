"""Names in the columns of a book's tables: whether they are names, stand once, and are known.

What is wrong in a row is told by the reader of rows, which is given that one row.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.files.book_faults import link_label, naming, node_label
from isojoule.apps.files.book_frame import TABLES, BookFrame, ByRows
from isojoule.apps.files.items import LONGEST_NAME, Item, fields, name
from isojoule.apps.files.text_series import names_of
from isojoule.core.errors import InputError
from isojoule.core.name_index import NameIndex
from isojoule.core.names import Names

Bools = NDArray[np.bool_]
PLAIN = r"^[!-~]([ -~]{0,198}[!-~])?$"
"""A name of ASCII letters: printable, no blanks around it, at most 200 letters."""
SAMPLE = 2_000
"""So many known names are looked through for one that was meant."""


def some(names: Names, wanted: list[str]) -> dict[str, str]:
    """Those of the wanted names that are known, and some known ones that are like them."""
    known = {want: "" for want in wanted if want in names}
    for want in wanted:
        if want not in known:
            alike = (n for n in names if n[:2] == want[:2] or n[-2:] == want[-2:])
            known.update(dict.fromkeys(islice(alike, SAMPLE), ""))
    return known or dict.fromkeys(names[:SAMPLE], "")


def unique_names(table: BookFrame, what: str) -> Names:
    """The ids of nodes or links: none absent, none twice.

    Raises
    ------
    InputError
        With the row of one that is no name, or stands twice.
    """

    def read(item: Item) -> None:
        with naming(node_label if what == "node" else link_label, item):
            found = fields(item, f"a {what}", TABLES[table.what], ("id",))
            name(found["id"], f"the {what}'s id")

    series = table.text("id")
    if series is None:
        explain(table, np.ones(table.height, bool), read)
        return Names.of(())
    explain(table, ~names_there(series) | series.is_null().to_numpy(), read)
    ids = names_of(series)
    refuse_twice(table, ids, what)
    return ids


def refuse_twice(table: BookFrame, ids: Names, what: str) -> None:
    """Refuse an id that stands twice.

    Raises
    ------
    InputError
        With the rows of both.
    """
    at = ids.first_repeat()
    if at >= 0:
        raise InputError(
            f"the {what} {ids[at]!r} stands twice, first at {table.place(ids.index(ids[at]))}",
            place=table.place(at),
            remedy=f"give each {what} a name of its own",
        )


def positions(table: BookFrame, key: str, index: NameIndex) -> NDArray[np.int32]:
    """Positions of a column's names in an index, -1 where there are none."""
    series = table.text(key)
    if series is None:
        return np.full(table.height, -1, np.int32)
    return index.find(names_of(series.fill_null("")))


def names_there(series: pl.Series) -> Bools:
    """Whether each cell is a name, or absent."""
    plain = series.str.contains(PLAIN).fill_null(True).to_numpy().copy()
    for at in np.flatnonzero(~plain).tolist():
        text = series[at]
        plain[at] = 0 < len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()
    return plain


def explain(table: BookFrame, bad: Bools, read: Callable[[Item], Any]) -> None:
    """Let the reader of rows say what is wrong with the first bad row.

    Raises
    ------
    InputError
        What it says.
    ByRows
        It finds nothing wrong: then it shall read all of them.
    """
    if bad.any():
        read(table.items([int(np.argmax(bad))])[0])
        raise ByRows
