"""Large books: a folder with `book.yaml` and Parquet tables of nodes, links and offers.

`book.yaml` holds what the tables do not: version, currency, interval, network, and any list that
has no table. A table's columns are the keys of the book file, with the unit: the SI name
(`capacity_w`, `energy_j`, `price_per_j`) or the key and a unit in brackets (`energy [kWh]`). Null
and NaN are absent. The table of offers has, besides the common keys,

- `form`: steps, load, battery or utility (bundles stand in `book.yaml` only);
- steps: one row a step, with `side` (sell or buy), `energy_j`, `price_per_j`, and where it
  slopes `end_price_per_j`; rows of one `id` are one offer, its steps in the order of the rows;
- load: `energy_j`, `lost_load_per_j`; utility: `sells_at_per_j`, `buys_at_per_j`;
- battery: its keys, as `energy_j`, `capacity_j`, `v_min_per_j`, `charge_power_w`, `tau_s`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from isojoule.apps.files.book_offers import BATTERY_KEYS, COMMON
from isojoule.apps.files.items import Item, choice, nearest, read_items
from isojoule.core.errors import InputError

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
_FORMS = ("steps", "load", "battery", "utility")


def read_book_folder(folder: Path) -> Item:
    """The tree of a book folder, as if it were one file."""
    if not (folder / "book.yaml").is_file():
        scenario = (folder / "scenario.yaml").is_file()
        raise InputError(
            "is a scenario, not a book" if scenario else "holds neither a book nor a scenario",
            place=str(folder),
            remedy=f"isojoule run {folder}"
            if scenario
            else "give a book file, or a folder with book.yaml or scenario.yaml",
        )
    head = read_items(folder / "book.yaml")
    if not isinstance(head.value, dict):
        raise InputError("not a book", place=head.place, remedy="write the keys of a book file")
    book = dict(head.value)
    for what, keys in TABLES.items():
        path = folder / f"{what}.parquet"
        if not path.exists():
            continue
        if what in book:
            raise InputError(
                f"{what} stand in book.yaml and in {path.name}",
                place=book[what].place,
                remedy="keep one of the two",
            )
        table = _table(path, keys, "W" if what == "links" else "J")
        book[what] = Item(_offers(table) if what == "offers" else table, str(path))
    return Item(book, head.place)


def _table(path: Path, keys: tuple[str, ...], capacity_unit: str) -> list[Item]:
    """Rows of a Parquet file as mappings of known keys."""
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"not a Parquet file: {str(error).splitlines()[0]}",
            place=str(path),
            remedy="write it with polars, pandas or pyarrow",
        ) from None
    columns: dict[str, tuple[str, list[Any]]] = {}
    for header in frame.columns:
        key, unit = _column(header, keys, capacity_unit, path)
        if key in columns:
            raise InputError(
                f"two columns for {key!r}", place=str(path), remedy=f"keep one; drop {header!r}"
            )
        if frame[header].dtype == pl.Datetime:  # in UTC, or without an offset, which is refused
            zone = "Z" if frame.schema[header].time_zone == "UTC" else ""  # type: ignore[attr-defined]
            frame = frame.with_columns(pl.col(header).dt.strftime(f"%Y-%m-%dT%H:%M:%S%.9f{zone}"))
        columns[key] = (unit, frame[header].to_list())
    rows: list[Item] = []
    for i in range(frame.height):
        place = f"{path}: row {i + 1}"
        row = {
            key: Item(f"{value!r} {unit}" if unit else value, place, _text(value, unit))
            for key, (unit, values) in columns.items()
            if (value := values[i]) is not None and value == value
        }
        rows.append(Item(row, place))
    return rows


def _text(value: Any, unit: str) -> str:
    if isinstance(value, str):
        return value
    return f"{value!r} {unit}" if unit else repr(value)


def _column(header: str, keys: tuple[str, ...], capacity_unit: str, path: Path) -> tuple[str, str]:
    """Key and unit ("" for SI) of a column."""
    si = {}
    for key in keys:
        suffix = _SUFFIX.get(key, "")
        if key == "capacity":
            suffix = "_w" if capacity_unit == "W" else "_j"
        si[key + suffix] = key
    if header in si:
        return si[header], ""
    bracket = _BRACKET.fullmatch(header)
    if bracket and bracket[1] in keys:
        return bracket[1], bracket[2]
    raise InputError(
        f"unknown column {header!r}",
        place=str(path),
        remedy=nearest(header, si) or f"use the columns {', '.join(si)}",
    )


def _offers(table: list[Item]) -> list[Item]:
    """Rows to offers as the book file has them; the steps of one id are put together."""
    offers: list[Item] = []
    steps: dict[str, dict[str, Item]] = {}
    for row in table:
        cells = dict(row.value)
        form = choice(_taken(cells, "form", row), "form", _FORMS)
        offer = {key: cells.pop(key) for key in COMMON if key in cells}
        if form == "steps":
            side = choice(_taken(cells, "side", row), "side", ("sell", "buy"))
            if "end_price" in cells and "price" in cells:
                both = [cells["price"], cells.pop("end_price")]
                cells["price"] = Item(both, row.place)
            if "spill_value" in cells:
                offer["spill_value"] = cells.pop("spill_value")
            own = offer["id"].text if "id" in offer else ""
            if own in steps:
                _same(steps[own], offer, row)
                offer = steps[own]
            else:
                offers.append(Item(offer, row.place))
                if own:
                    steps[own] = offer
            offer.setdefault(side, Item([], row.place)).value.append(Item(cells, row.place))
        else:
            offer[form] = Item(cells, row.place)
            offers.append(Item(offer, row.place))
    return offers


def _taken(cells: dict[str, Item], key: str, row: Item) -> Item:
    if key not in cells:
        raise InputError(
            f"the row has no {key!r}", place=row.place, remedy=f"fill the column {key!r}"
        )
    return cells.pop(key)


def _same(offer: dict[str, Item], more: dict[str, Item], row: Item) -> None:
    for key, item in more.items():
        if key not in offer or offer[key].text != item.text:
            raise InputError(
                f"rows of one offer differ in {key!r}",
                place=row.place,
                remedy="give the steps of one id the same common values",
            )
