"""A book folder: read by rows where it is small, by columns where its tables are large."""

from __future__ import annotations

from pathlib import Path

from isojoule.apps.files.book_files import BOOK_KEYS, BookFile, book_from_item, head_of
from isojoule.apps.files.book_frame import TABLES
from isojoule.apps.files.book_tables import read_book_folder, read_head
from isojoule.apps.files.items import fields
from isojoule.apps.results.manifest import file_hash

BY_COLUMNS = ("equilibrium", "lmp")
"""Mechanisms that clear a book without its offers as rows."""


def read_folder(folder: Path, *, columns: bool = True, least: int | None = None) -> BookFile:
    """Read a book folder.

    Parameters
    ----------
    columns
        Whether large tables may be read by columns.
    least
        Rows of all tables together that make it large; `isojoule.apps.files.book_columns.LARGE` if
        not given.

    Raises
    ------
    InputError
        Anything wrong, with its place and a remedy.
    """
    head = read_head(folder)
    if columns and not any(what in head.value for what in TABLES):
        from isojoule.apps.files.book_columns import LARGE, is_large, read_columns

        if is_large(folder, LARGE if least is None else least):
            required = ("isojoule", "currency", "interval")
            names = ["book.yaml", *(f"{what}.parquet" for what in TABLES)]
            there = [folder / name for name in names if (folder / name).is_file()]
            files = {path: file_hash(path) for path in there}
            found = read_columns(folder, head_of(fields(head, "a book", BOOK_KEYS, required)))
            if found is not None:
                return BookFile(*found, files)
    return book_from_item(read_book_folder(folder))
