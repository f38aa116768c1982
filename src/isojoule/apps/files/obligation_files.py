"""Files of obligations and of liquidity: CSV, exact amounts, the line of what is wrong.

A table is read twice at the most: at once by columns, and only if something in it is odd, row by
row, which finds the line and says what to do. Formats: docs/obligations.md.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.items import LONGEST_NAME
from isojoule.apps.files.name_columns import PLAIN
from isojoule.apps.files.places import nearest
from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, money_text
from isojoule.settlement.obligations import MOST_NANO, Liquidity, Obligations

if TYPE_CHECKING:
    import polars

Ints = NDArray[np.int64]
OBLIGATIONS = ("debtor", "creditor", "amount")
LIQUIDITY = ("party", "can_spend", "accepts")
AMOUNT = r"^\+?\d{1,10}(\.\d{1,9})?$"
_NUMBER = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Row(NamedTuple):
    """A row of a table: its line, and its cells by the names of the columns."""

    line: int
    cells: dict[str, str]


def read_obligations(path: Path | str) -> Obligations:
    """Obligations from a CSV file with the columns debtor, creditor, amount.

    Raises
    ------
    InputError
        With file and line: a cell that is no name or no amount, a party that owes itself, a sum
        that is too large.
    """
    file = Path(path)
    frame = _columns(file, OBLIGATIONS)
    if frame is not None and _plain(frame, ("debtor", "creditor"), ("amount",)):
        amounts = _amounts(frame, "amount")
        total = float(amounts.astype(np.float64).sum())
        if total < 0.99 * MOST_NANO and not (frame["debtor"] == frame["creditor"]).any():
            return _from_frame(frame, amounts)
    rows: list[tuple[str, str, int]] = []
    total = 0
    for row in _rows(file, OBLIGATIONS):
        place = f"{file}:{row.line}"
        debtor, creditor = (_name(row.cells[side], side, place) for side in ("debtor", "creditor"))
        if debtor == creditor:
            raise InputError(
                f"{debtor!r} owes itself", place=place, remedy="leave the row out, or name another"
            )
        amount = amount_nano(row.cells["amount"], "amount", place, "exchange debtor and creditor")
        total += amount
        if total >= MOST_NANO:
            raise InputError(
                f"what is owed up to here reaches {money_text(MOST_NANO)}",
                place=place,
                remedy="give amounts in a larger unit, or clear in parts",
            )
        rows.append((debtor, creditor, amount))
    return Obligations.of(rows)


def read_liquidity(path: Path | str, obligations: Obligations) -> Liquidity:
    """What parties can spend and take, from a CSV file with the columns party, can_spend, accepts.

    Parties that are not in it neither spend nor take any.

    Raises
    ------
    InputError
        With file and line: an unknown party, one that stands twice, a cell that is no amount.
    """
    file = Path(path)
    at = {name: place for place, name in enumerate(obligations.parties)}
    seen: dict[str, int] = {}
    out = Liquidity.none(len(at))
    for row in _rows(file, LIQUIDITY):
        place = f"{file}:{row.line}"
        name = _name(row.cells["party"], "party", place)
        if name not in at:
            raise InputError(
                f"the party {name!r} has no obligation", place=place, remedy=nearest(name, at)
            )
        if name in seen:
            raise InputError(
                f"the party {name!r} stands twice, first at {file}:{seen[name]}",
                place=place,
                remedy="keep one of the two rows",
            )
        seen[name] = row.line
        for column, into in zip(LIQUIDITY[1:], (out.can_spend_nano, out.accepts_nano), strict=True):
            value = amount_nano(row.cells[column], column, place, "write 0 for none")
            if value >= 2 * MOST_NANO:
                raise InputError(
                    f"{column} is beyond {money_text(2 * MOST_NANO - 1)}",
                    place=place,
                    remedy="what is beyond all that the party owes or is owed is of no use",
                )
            into[at[name]] = value
    return out


def amount_nano(text: str, what: str, place: str, if_negative: str) -> int:
    """An exact amount in nano-units from decimal digits.

    Raises
    ------
    InputError
        No number, below 0, or finer than 1e-9.

    >>> amount_nano("12.50", "amount", "", "")
    12500000000
    """
    found = _NUMBER.fullmatch(text)
    if found is None or found[3]:
        comma = "," in text and "." not in text
        raise InputError(
            f"{what} {text!r} is not a number" if text else f"no {what} given",
            place=place,
            remedy="use a point for decimals"
            if comma
            else "write plain digits, as 12.50; without unit or exponent",
        )
    whole, _, part = found[2].partition(".")
    digits = part.rstrip("0")
    if len(digits) > 9:
        raise InputError(
            f"{what} {text} is finer than 1e-9",
            place=place,
            remedy="give at most nine digits after the point",
        )
    value = int(whole or "0") * NANO_PER_UNIT + int(digits.ljust(9, "0") or "0")
    if found[1] == "-" and value:
        raise InputError(f"{what} is negative: {text}", place=place, remedy=if_negative)
    return value


def _columns(file: Path, names: Sequence[str]) -> polars.DataFrame | None:
    """The columns as texts, if the file is a plain table of them."""
    import polars as pl

    try:
        frame = pl.read_csv(file, infer_schema=False, quote_char=None, encoding="utf8")
    except Exception:  # noqa: BLE001 - whatever it is, reading row by row says it
        return None
    return frame if sorted(frame.columns) == sorted(names) and frame.height else None


def _plain(frame: polars.DataFrame, names: Sequence[str], amounts: Sequence[str]) -> bool:
    """Whether nothing in it needs a second look."""
    import polars as pl

    tests = [pl.col(c).str.contains(PLAIN) & ~pl.col(c).str.contains('["#]') for c in names]
    tests += [pl.col(c).str.contains(AMOUNT) for c in amounts]
    return bool(frame.select(pl.all_horizontal(tests).fill_null(False).all()).item())


def _amounts(frame: polars.DataFrame, column: str) -> Ints:
    """Nano-units of a column of plain amounts of up to ten digits before the point."""
    import polars as pl

    parts = pl.col(column).str.strip_prefix("+").str.splitn(".", 2).struct
    whole = parts.field("field_0").cast(pl.Int64)
    part = parts.field("field_1").fill_null("").str.pad_end(9, "0").cast(pl.Int64)
    # 10 digits of nano-units may wrap around: the sum in floats sees that they are too many
    largest = frame.select(whole.cast(pl.Float64).sum().alias("sum")).item()
    if largest >= MOST_NANO / NANO_PER_UNIT:
        return np.full(frame.height, MOST_NANO, np.int64)
    return frame.select((whole * NANO_PER_UNIT + part).alias("nano"))["nano"].to_numpy()


def _from_frame(frame: polars.DataFrame, amounts: Ints) -> Obligations:
    import polars as pl

    both = pl.concat([frame["debtor"], frame["creditor"].alias("debtor")])
    parties = both.unique(maintain_order=True)
    place = both.cast(pl.Enum(parties)).to_physical().to_numpy().astype(np.int32)
    rows = frame.height
    return Obligations(tuple(parties.to_list()), place[:rows], place[rows:], amounts)


def _rows(file: Path, names: Sequence[str]) -> Iterator[Row]:
    """The rows of a table of these columns, in any order. Lines that begin with # are comments."""
    header: list[str] | None = None
    reader: Any = None
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            lines = ("\n" if line.startswith("#") else line for line in stream)
            reader = csv.reader(lines, strict=True)
            start = 1
            for cells in reader:
                line, start = start, reader.line_num + 1
                if not any(cell.strip() for cell in cells):
                    continue
                if header is None:
                    header = _header([cell.strip() for cell in cells], names, f"{file}:{line}")
                    continue
                if len(cells) != len(header):
                    raise InputError(
                        f"{len(cells)} cells under {len(header)} headers",
                        place=f"{file}:{line}",
                        remedy="give each row one cell per column, and quote names with commas",
                    )
                yield Row(line, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    except (csv.Error, UnicodeDecodeError) as error:
        at = f":{reader.line_num}" if isinstance(error, csv.Error) and reader else ""
        raise InputError(
            f"not readable as CSV: {error}",
            place=f"{file}{at}",
            remedy="save it as UTF-8 with commas between the columns, and close all quotes",
        ) from None
    except FileNotFoundError:
        raise InputError(
            "there is no such file", place=str(file), remedy="check the path"
        ) from None
    if header is None:
        raise InputError(
            "the table is empty", place=str(file), remedy=f"begin it with {','.join(names)}"
        )


def _header(cells: list[str], names: Sequence[str], place: str) -> list[str]:
    for cell in cells:
        if cell not in names:
            raise InputError(f"unknown column {cell!r}", place=place, remedy=nearest(cell, names))
    for name in names:
        if cells.count(name) != 1:
            raise InputError(
                f"column {name!r} {'is missing' if name not in cells else 'stands twice'}",
                place=place,
                remedy=f"the columns are {', '.join(names)}",
            )
    return cells


def _name(text: str, what: str, place: str) -> str:
    if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
        raise InputError(
            f"the {what} {text!r} is no name" if text else f"no {what} given",
            place=place,
            remedy=f"give 1 to {LONGEST_NAME} printable letters",
        )
    return text
