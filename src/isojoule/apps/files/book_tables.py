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

from pathlib import Path

from isojoule.apps.files.book_faults import naming, offer_label
from isojoule.apps.files.book_frame import TABLES, read_frame
from isojoule.apps.files.book_offers import COMMON
from isojoule.apps.files.items import Item, choice, read_items
from isojoule.core.errors import InputError

FORMS = ("steps", "load", "battery", "utility")


def read_head(folder: Path) -> Item:
    """What `book.yaml` holds.

    Raises
    ------
    InputError
        The folder is no book.
    """
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
    for what in TABLES:
        path = folder / f"{what}.parquet"
        if what in head.value and path.exists():
            raise InputError(
                f"{what} stand in book.yaml and in {path.name}",
                place=head.value[what].place,
                remedy="keep one of the two",
            )
    return head


def read_book_folder(folder: Path) -> Item:
    """The tree of a book folder, as if it were one file."""
    head = read_head(folder)
    book = dict(head.value)
    for what in TABLES:
        table = read_frame(folder, what)
        if table is not None:
            rows = table.items()
            book[what] = Item(offers_of(rows) if what == "offers" else rows, str(table.path))
    return Item(book, head.place)


def offers_of(table: list[Item]) -> list[Item]:
    """Rows to offers as the book file has them; the steps of one id are put together."""
    offers: list[Item] = []
    steps: dict[str, dict[str, Item]] = {}
    for row in table:
        cells = dict(row.value)
        with naming(offer_label, row):
            form = choice(_taken(cells, "form", row), "form", FORMS)
            side = ""
            if form == "steps":
                side = choice(_taken(cells, "side", row), "side", ("sell", "buy"))
        offer = {key: cells.pop(key) for key in COMMON if key in cells}
        if form == "steps":
            if "end_price" in cells and "price" in cells:
                both = [cells["price"], cells.pop("end_price")]
                cells["price"] = Item(both, row.place)
            if "spill_value" in cells:
                offer["spill_value"] = cells.pop("spill_value")
            own = offer["id"].text if "id" in offer else ""
            if own in steps:
                with naming(offer_label, row):
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
