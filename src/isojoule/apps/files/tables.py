"""Tables from CSV or Parquet, with units in the header and the line of every row.

A header is either the SI name (`capacity_w`) or the name without its suffix and a unit in brackets
(`capacity [kW]`); the unit is parsed once and the column comes out in SI. In CSV, lines that start
with # are comments, and decimals are written with a point.

CSV is read with the standard library: it knows on which line of the file a row stands, which is
what an error has to say. Parquet is read with polars, imported when first needed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.places import nearest
from isojoule.apps.files.quantities import Factor, parse_unit
from isojoule.core.errors import InputError

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
SUFFIX = {
    "W": "_w",
    "J": "_j",
    "money/J": "_per_j",
    "V": "_v",
    "ohm": "_ohm",
    "kg/J": "_kg_per_j",
    "s": "_s",
    "byte": "_byte",
    "1/s": "_per_s",
}
_EXAMPLE = {
    "W": "kW",
    "J": "kWh",
    "money/J": "EUR/kWh",
    "V": "kV",
    "ohm": "mohm",
    "kg/J": "kg/kWh",
    "s": "d",
    "byte": "GB",
    "1/s": "GHz",
    "1": "%",
}
_HEADER = re.compile(r"\s*([^\[\]]+?)\s*(?:\[\s*([^\[\]]*?)\s*\])?\s*")
_ONE = Factor(1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a table may have.

    Parameters
    ----------
    name
        Its SI name.
    kind
        "text", "time", or the SI unit of a number ("W", "money/J", "1", ...).
    required
        The table must have it.
    text
        What it says, for the documentation.
    """

    name: str
    kind: str
    required: bool = False
    text: str = ""

    @property
    def bare(self) -> str:
        """The name without its unit, for headers with brackets."""
        return self.name.removesuffix(SUFFIX.get(self.kind, ""))


@dataclass(frozen=True)
class Table:
    """A table in memory, numbers in SI.

    Attributes
    ----------
    file
        Where it came from.
    lines
        Line of each row in a CSV, or None for Parquet, shape (rows,).
    header_line
        Line of the header in a CSV.
    texts, numbers, times
        Columns by SI name: text ("" where empty), float64 (nan where empty), and times as found.
    """

    file: Path
    rows: int
    lines: tuple[int, ...] | None
    header_line: int
    texts: dict[str, list[str]] = field(default_factory=dict)
    numbers: dict[str, Floats] = field(default_factory=dict)
    times: dict[str, list[Any]] = field(default_factory=dict)

    def place(self, row: int | None = None) -> str:
        """`nodes.csv:7` or `nodes.parquet row 7`; without a row, the header."""
        if self.lines is None:
            return str(self.file) if row is None else f"{self.file} row {row + 1}"
        return f"{self.file}:{self.header_line if row is None else self.lines[row]}"

    def text(self, name: str, default: str = "") -> list[str]:
        """A text column, `default` where it is absent or empty."""
        return [value or default for value in self.texts.get(name, [""] * self.rows)]

    def number(self, name: str, default: float = float("nan")) -> Floats:
        """A number column, `default` where it is absent or empty."""
        values = self.numbers.get(name)
        if values is None:
            return np.full(self.rows, default)
        return np.where(np.isnan(values), default, values)

    def unique(self, name: str, what: str) -> list[str]:
        """A column of names: none empty, none twice.

        Raises
        ------
        InputError
            With the line of the second.
        """
        values = self.texts[name]
        first: dict[str, int] = {}
        for row, value in enumerate(values):
            if not value:
                raise InputError(
                    f"a {what} without a name", place=self.place(row), remedy=f"fill in {name!r}"
                )
            if value in first:
                raise InputError(
                    f"{what} {value!r} stands twice",
                    place=self.place(row),
                    remedy=f"rename one; the first is at {self.place(first[value])}",
                )
            first[value] = row
        return values

    def index_of(
        self, name: str, what: str, known: Sequence[str], *, of: list[str] | None = None
    ) -> NDArray[np.int32]:
        """Positions of a column's names (or of the names `of`) in `known`.

        Raises
        ------
        InputError
            With the line of a name that is not there, and the nearest that is.
        """
        at = {value: i for i, value in enumerate(known)}
        values = self.texts[name] if of is None else of
        for row, value in enumerate(values):
            if value not in at:
                raise InputError(
                    f"unknown {what} {value!r}" if value else f"no {what} given",
                    place=self.place(row),
                    remedy=nearest(value, [other for other in known if other]),
                )
        return np.array([at[value] for value in values], dtype=np.int32)


def has_table(folder: Path, stem: str) -> bool:
    """Whether a folder has this table, in either format."""
    return any((folder / f"{stem}{suffix}").exists() for suffix in (".csv", ".parquet"))


def read_table(
    folder: Path,
    stem: str,
    columns: Sequence[Column],
    *,
    currency: str,
    open_numbers: bool = False,
) -> Table:
    """Read `stem.csv` or `stem.parquet` of a folder.

    Parameters
    ----------
    columns
        What the table may hold.
    currency
        The scenario's currency, for units of money.
    open_numbers
        Take any further columns as pure numbers (the profiles).

    Raises
    ------
    InputError
        Missing table, both formats, unknown, double or missing column, wrong unit, bad cell.
    """
    files = [folder / f"{stem}.csv", folder / f"{stem}.parquet"]
    there = [file for file in files if file.exists()]
    if len(there) != 1:
        raise InputError(
            f"both {files[0].name} and {files[1].name} are there"
            if there
            else f"the table {stem!r} is missing",
            place=str(folder),
            remedy="keep one of the two"
            if there
            else f"add {files[0].name} with the columns "
            + ", ".join(column.name for column in columns if column.required),
        )
    raw = _read_csv(there[0]) if there[0].suffix == ".csv" else _read_parquet(there[0])
    table = Table(raw.file, raw.rows, raw.lines, raw.header_line)
    for header, cells in zip(raw.headers, raw.cells, strict=True):
        column, factor = _match(header, columns, table.place(), currency, open_numbers)
        taken = column.name in {**table.texts, **table.numbers, **table.times}
        if taken:
            raise InputError(
                f"column {column.name!r} stands twice", place=table.place(), remedy="keep one"
            )
        if column.kind == "text":
            table.texts[column.name] = [_text(cell) for cell in cells]
        elif column.kind == "time":
            table.times[column.name] = list(cells)
        else:
            table.numbers[column.name] = factor.apply_array(_numbers(cells, header, table))
    have = {**table.texts, **table.numbers, **table.times}
    for column in columns:
        if column.required and column.name not in have:
            raise InputError(
                f"column {column.name!r} is missing",
                place=table.place(),
                remedy=f"add it; the columns are {', '.join(c.name for c in columns)}",
            )
    return table


def _match(
    header: str, columns: Sequence[Column], place: str, currency: str, open_numbers: bool
) -> tuple[Column, Factor]:
    """The column that a header means, and what turns its numbers into SI."""
    found = _HEADER.fullmatch(header)
    name, unit = (found[1], found[2]) if found else (header, None)
    for column in columns:
        number = column.kind not in ("text", "time")
        if unit is None and name == column.name:
            return column, _ONE
        if unit is not None and number and name == column.bare:
            return column, parse_unit(unit, column.kind, place=place, currency=currency)
        both = unit is not None and name == column.name
        if number and (both or (unit is None and name == column.bare)):
            raise InputError(
                f"column {header!r} names its unit {'twice' if both else 'nowhere'}",
                place=place,
                remedy=f"write {column.name!r} (SI) or '{column.bare} [{_EXAMPLE[column.kind]}]'",
            )
    if open_numbers and name and unit is None:
        return Column(name, "1"), _ONE
    if open_numbers:
        raise InputError(
            f"column {header!r} has a unit or no name",
            place=place,
            remedy="a profile is a pure number, per unit of the device's power: drop the unit",
        )
    known = [c.name for c in columns] + [c.bare for c in columns if c.bare != c.name]
    raise InputError(f"unknown column {header!r}", place=place, remedy=nearest(name, known))


@dataclass(frozen=True)
class _Raw:
    file: Path
    headers: list[str]
    cells: list[Sequence[Any]]
    rows: int
    lines: tuple[int, ...] | None
    header_line: int


def _read_csv(file: Path) -> _Raw:
    records: list[tuple[int, list[str]]] = []
    reader: Any = None
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(_without_comments(stream), strict=True)
            start = 1
            for cells in reader:  # a record may span lines: it starts after the one before
                if any(cell.strip() for cell in cells):
                    records.append((start, cells))
                start = reader.line_num + 1
    except (csv.Error, UnicodeDecodeError) as error:
        line = f":{reader.line_num}" if isinstance(error, csv.Error) and reader else ""
        raise InputError(
            f"not readable as CSV: {error}",
            place=f"{file}{line}",
            remedy="save it as UTF-8 with commas between the columns, and close all quotes",
        ) from error
    if not records:
        raise InputError("the table is empty", place=str(file), remedy="add a header and rows")
    header_line, headers = records[0][0], records[0][1]
    if len(headers) == 1 and ";" in headers[0]:
        raise InputError(
            "columns are separated by semicolons",
            place=f"{file}:{header_line}",
            remedy="use commas between columns and points for decimals",
        )
    for start, row in records[1:]:
        if len(row) != len(headers):
            raise InputError(
                f"{len(row)} cells under {len(headers)} headers",
                place=f"{file}:{start}",
                remedy="give each row one cell per column; leave cells empty, not out",
            )
    columns: list[Sequence[Any]] = list(zip(*(cells for _, cells in records[1:]), strict=True))
    return _Raw(
        file,
        headers,
        columns or [[] for _ in headers],
        len(records) - 1,
        tuple(line for line, _ in records[1:]),
        header_line,
    )


def _without_comments(stream: Iterator[str]) -> Iterator[str]:
    for line in stream:
        yield "\n" if line.startswith("#") else line


def _read_parquet(file: Path) -> _Raw:
    import polars

    try:
        frame = polars.read_parquet(file)
    except Exception as error:  # polars raises many kinds for a damaged file
        raise InputError(
            f"not readable as Parquet: {error}", place=str(file), remedy="write the file anew"
        ) from error
    columns = [_parquet_cells(frame[name]) for name in frame.columns]
    return _Raw(file, list(frame.columns), columns, frame.height, None, 1)


def _parquet_cells(column: polars.Series) -> Sequence[Any]:
    import polars

    if column.dtype.is_numeric():
        return column.cast(polars.Float64).fill_null(float("nan")).to_numpy()  # type: ignore[return-value]
    return column.to_list()


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _numbers(cells: Sequence[Any], header: str, table: Table) -> Floats:
    """Cells as float64, nan where empty.

    Raises
    ------
    InputError
        With the line of a cell that is not a finite number.
    """
    if isinstance(cells, np.ndarray) and cells.dtype == np.float64:
        values: Floats = cells
        bad = np.isinf(values)
    else:
        try:
            values = np.array(cells, dtype=np.float64)
            bad = np.isinf(values)
        except (ValueError, TypeError):
            values = np.array([_number(cell) for cell in cells], dtype=np.float64)
            bad = np.isinf(values)
        if table.file.stem != "profiles":  # a gap in a profile is told as a gap
            for at in np.flatnonzero(np.isnan(values)).tolist():
                bad[at] = bool(_text(cells[at]))  # "nan" is no number; an empty cell is empty
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        comma = isinstance(cells[row], str) and "," in cells[row]
        raise InputError(
            f"{cells[row]!r} in column {header!r} is not a number",
            place=table.place(row),
            remedy="use a point for decimals, no commas"
            if comma
            else "write a plain number; units stand in the header",
        )
    return values


def _number(cell: Any) -> float:
    """A float; nan for an empty cell, inf for what is no number."""
    text = _text(cell)
    if not text:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return float("inf")
