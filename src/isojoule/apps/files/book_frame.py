"""One Parquet table of a book folder: which column is which key, in which unit.

A column's header is the key's SI name (`capacity_w`, `energy_j`, `price_per_j`) or the key and a
unit in brackets (`energy [kWh]`). Null and NaN are absent. Small tables are read row by row, as if
they were written in `book.yaml`; large ones column by column, each unit parsed once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.book_offers import BATTERY_KEYS, COMMON
from isojoule.apps.files.items import Item, nearest
from isojoule.apps.files.quantities import Factor, parse_unit
from isojoule.core.errors import InputError

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
_SUFFIX = {  # key -> what its SI column adds; keys without a unit are not listed
    "voltage": "_v",
    "standing_loss": "_w",
    **dict.fromkeys(("resistance", "reactance"), "_ohm"),
    **dict.fromkeys(("energy", "reserve", "committed", "inflow"), "_j"),
    **dict.fromkeys(("charge_power", "discharge_power"), "_w"),
    **dict.fromkeys(("idle", "tau"), "_s"),
    **dict.fromkeys(("price", "end_price", "sells_at", "buys_at"), "_per_j"),
    **dict.fromkeys(("v_min", "v_max", "v_critical", "lost_load", "spill_value"), "_per_j"),
}
_UNIT = {"_v": "V", "_w": "W", "_ohm": "ohm", "_j": "J", "_s": "s", "_per_j": "money/J", "": "1"}
_NODES = ("id", "voltage", "min_voltage_pu", "max_voltage_pu", "x", "y")
_LINKS = (
    *("id", "from", "to", "kind", "capacity", "loss", "resistance", "reactance", "voltage"),
    *("standing_loss", "price", "owner"),
)
_OFFERS = (
    *COMMON,
    *("form", "side", "energy", "price", "end_price", "sells_at", "buys_at"),
    *(key for key in BATTERY_KEYS if key != "energy"),
)
TABLES = {"nodes": _NODES, "links": _LINKS, "offers": _OFFERS}
_BRACKET = re.compile(r"(.+?)\s*\[(.+)\]")
_ONE = Factor(1.0, 1.0)
_WHOLE = 2**53
"""Whole numbers below this are floats without loss."""


class ByRows(Exception):  # noqa: N818
    """The table holds something that only the reader of rows knows. Caught where it is read."""


class Amounts(NamedTuple):
    """Numbers as they stand in a column, nan where absent, and what turns them into SI."""

    values: Floats
    factor: Factor

    @property
    def si(self) -> Floats:
        """In SI, nan where absent."""
        if 0 in self.values.strides:  # the whole column is absent
            return self.values
        return self.factor.apply_array(self.values) + 0.0  # no -0


@dataclass(frozen=True, slots=True)
class BookFrame:
    """A table of a book. A column is read when it is asked for, and not kept.

    Attributes
    ----------
    path, what
        The file, and which table it is.
    height
        Number of rows.
    units
        By key: header of its column, and the unit in it ("" for SI).
    rows
        Those of the file that count; None: all.
    """

    path: Path
    what: str
    height: int
    units: dict[str, tuple[str, str]]
    rows: NDArray[np.int64] | slice | None = None

    def taken(self, rows: NDArray[np.int64]) -> BookFrame:
        """Some rows of the file as a table; their places are no longer those in the file."""
        return replace(self, height=rows.size, rows=rows)

    def parts(self, size: int) -> Iterator[BookFrame]:
        """The rows, so many at a time."""
        for start in range(0, self.height, size):
            stop = min(start + size, self.height)
            some = slice(start, stop) if self.rows is None else self.rows[start:stop]  # type: ignore[index]
            yield replace(self, height=stop - start, rows=some)

    def place(self, row: int) -> str:
        """Where a row stands."""
        return f"{self.path}: row {row + 1}"

    def column(self, key: str) -> pl.Series | None:
        """The column of a key, None if it has none or holds nothing."""
        import polars as pl

        if key not in self.units:
            return None
        header = self.units[key][0]
        series = _read(self.path, [header], self.rows)[header]
        return None if series.dtype == pl.Null else series

    def text(self, key: str) -> pl.Series | None:
        """A column of texts."""
        import polars as pl

        series = self.column(key)
        if series is not None and series.dtype in (pl.Categorical, pl.Enum):
            return series.cast(pl.String)
        if series is not None and series.dtype != pl.String:
            raise ByRows
        return series

    def number(self, key: str, currency: str) -> Amounts:
        """A column of numbers; nan where absent.

        Raises
        ------
        InputError
            The header's unit is none of the key; names the table.
        """
        import polars as pl

        series = self.column(key)
        if series is None:
            return Amounts(np.broadcast_to(np.float64(np.nan), (self.height,)), _ONE)
        if not (series.dtype.is_integer() or series.dtype.is_float()):
            raise ByRows
        if series.dtype.is_integer():
            ends: tuple[Any, Any] = (series.min(), series.max())
            if any(end is not None and abs(end) >= _WHOLE for end in ends):
                raise ByRows
        unit = self.units[key][1]
        kind = _UNIT[_suffix(key, self.what)]
        place = str(self.path)
        factor = parse_unit(unit, kind, place=place, currency=currency) if unit else _ONE
        return Amounts(series.cast(pl.Float64).fill_null(np.nan).to_numpy(), factor)

    def items(self, rows: Iterable[int] | None = None) -> list[Item]:
        """Rows (all if not given) as mappings of the keys that they have."""
        import polars as pl

        at = range(self.height) if rows is None else list(rows)
        frame = _read(self.path)
        frame = frame if rows is None else frame[at]
        columns: dict[str, tuple[str, list[Any]]] = {}
        for key, (header, unit) in self.units.items():
            series = frame[header]
            if series.dtype == pl.Datetime:  # in UTC, or without an offset, which is refused
                zone = "Z" if series.dtype.time_zone == "UTC" else ""  # type: ignore[attr-defined]
                series = series.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.9f{zone}")
            columns[key] = (unit, series.to_list())
        items = []
        for i, row in enumerate(at):
            place = self.place(row)
            cells = {
                key: Item(f"{value!r} {unit}" if unit else value, place, _text(value, unit))
                for key, (unit, values) in columns.items()
                if (value := values[i]) is not None and value == value
            }
            items.append(Item(cells, place))
        return items


def read_frame(folder: Path, what: str) -> BookFrame | None:
    """The table `what` of a folder, or None where there is no such file.

    Raises
    ------
    InputError
        Not a Parquet file, or an unknown or double column.
    """
    import polars as pl

    path = folder / f"{what}.parquet"
    if not path.exists():
        return None
    try:
        scan = pl.scan_parquet(path)
        headers = scan.collect_schema().names()
        height = int(scan.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _no_table(path, error) from None
    units: dict[str, tuple[str, str]] = {}
    for header in headers:
        key, unit = _key(header, what, path)
        if key in units:
            raise InputError(
                f"two columns for {key!r}", place=str(path), remedy=f"keep one; drop {header!r}"
            )
        units[key] = (header, unit)
    return BookFrame(path, what, height, units)


def _read(
    path: Path,
    columns: list[str] | None = None,
    rows: NDArray[np.int64] | slice | None = None,
) -> pl.DataFrame:
    import polars as pl

    try:
        if isinstance(rows, slice):
            scan = pl.scan_parquet(path).slice(rows.start, rows.stop - rows.start)
            return scan.select(columns or pl.all()).collect()
        frame = pl.read_parquet(path, columns=columns)
        return frame if rows is None else frame[rows]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _no_table(path, error) from None


def _no_table(path: Path, error: Exception) -> InputError:
    return InputError(
        f"not a Parquet file: {str(error).splitlines()[0]}",
        place=str(path),
        remedy="write it with polars, pandas or pyarrow",
    )


def _key(header: str, what: str, path: Path) -> tuple[str, str]:
    """Key and unit ("" for SI) of a column."""
    si = {key + _suffix(key, what): key for key in TABLES[what]}
    if header in si:
        return si[header], ""
    bracket = _BRACKET.fullmatch(header)
    if bracket and bracket[1] in TABLES[what]:
        return bracket[1], bracket[2]
    raise InputError(
        f"unknown column {header!r}",
        place=str(path),
        remedy=nearest(header, si) or f"use the columns {', '.join(si)}",
    )


def _suffix(key: str, what: str) -> str:
    if key == "capacity":
        return "_w" if what == "links" else "_j"
    return _SUFFIX.get(key, "")


def _text(value: Any, unit: str) -> str:
    if isinstance(value, str):
        return value
    return f"{value!r} {unit}" if unit else repr(value)
