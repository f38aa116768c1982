"""Large books: read by columns they are, bit for bit, what reading by rows makes of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from isojoule.apps.files import offer_columns
from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.book_folder import read_folder
from isojoule.core.errors import InputError
from isojoule.market import Clearing
from isojoule.market.check_book import check_book
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from tests.apps.files.folders import write_folder

LINKS = (
    *("capacity_w", "loss_ppb", "resistance_ohm", "reactance_ohm", "voltage_v", "standing_loss_w"),
    *("price_per_j", "owner", "kind"),
)
NODES = ("node_voltage_v", "min_voltage_pu", "max_voltage_pu", "x", "y")


def by_rows(folder: Path) -> BookFile:
    return read_folder(folder, columns=False)


def by_columns(folder: Path) -> BookFile:
    file = read_folder(folder, least=0)
    assert not file.book.offers and file.files
    return file


def bits(value: Any) -> Any:
    """Floats by their bits, but for the sign of 0."""
    return np.asarray(value + 0.0).view(np.int64).tolist() if hasattr(value, "dtype") else value


def by_name(names: Any, column: Any) -> dict[str, Any]:
    return dict(zip(names, column, strict=True))


def assert_same(one: BookFile, other: BookFile) -> None:
    """The same nodes, links and offers, whatever the order of nodes and links."""
    g, h = one.grid, other.grid
    for name in NODES:
        mine, theirs = getattr(g, name), getattr(h, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            here, there = by_name(g.node_ids, mine), by_name(h.node_ids, theirs)
            assert here.keys() == there.keys()
            np.testing.assert_array_equal([here[n] for n in here], [there[n] for n in here])
    assert sorted(g.node_ids) == sorted(h.node_ids) and sorted(g.link_ids) == sorted(h.link_ids)
    for name in LINKS:
        here, there = by_name(g.link_ids, getattr(g, name)), by_name(h.link_ids, getattr(h, name))
        for link, value in here.items():
            assert bits(value) == bits(there[link]), (name, link)
    for end in ("link_from", "link_to"):
        here = {k: g.node_ids[v] for k, v in by_name(g.link_ids, getattr(g, end)).items()}
        there = {k: h.node_ids[v] for k, v in by_name(h.link_ids, getattr(h, end)).items()}
        assert here == there
    a, b = one.book, other.book
    assert (a.currency, a.interval, a.network) == (b.currency, b.interval, b.network)
    assert tuple(a.participants) == tuple(b.participants)
    assert np.all(np.diff(b.offer_node) >= 0)
    assert offers(one) == offers(other)


def offers(file: BookFile) -> dict[str, Any]:
    """All that a book says of each offer, with the pieces that have a width."""
    grid, b = file.grid, file.book
    share = b.reactive_share
    told: dict[str, Any] = {}
    for i, own in enumerate(b.offer_ids):
        rows = np.flatnonzero((b.piece_offer == i) & (b.pieces.lo < b.pieces.hi))
        columns = [bits(column[rows]) for column in b.pieces]
        numbers = [bits(x[i]) for x in (b.spill0, b.spill1, b.short0, b.short1, share)]
        at = (b.participants[b.offer_participant[i]], grid.node_ids[b.offer_node[i]])
        told[own] = (at, int(b.offer_kind[i]), numbers, columns, b.on_curve[rows].tolist())
    return told


@pytest.mark.parametrize("seed", range(12))
def test_columns_and_rows_are_the_same_book(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:
        monkeypatch.setattr(offer_columns, "ROWS", 3)
    folder = write_folder(tmp_path / "book", seed)
    one, other = by_rows(folder), by_columns(folder)
    assert_same(one, other)
    check_book(other.book, other.grid)


def test_the_order_of_the_tables_has_no_say(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "book", 3)
    one = by_columns(folder)
    for what in ("nodes", "links", "offers"):
        table = pl.read_parquet(folder / f"{what}.parquet")
        table.sample(fraction=1.0, shuffle=True, seed=5).write_parquet(folder / f"{what}.parquet")
    other = by_columns(folder)
    assert one.grid.node_ids == other.grid.node_ids and one.grid.link_ids == other.grid.link_ids
    assert one.book.offer_ids == other.book.offer_ids
    assert bits(one.book.pieces.lo) == bits(other.book.pieces.lo)


def test_neighbours_lie_near(tmp_path: Path) -> None:
    """Along a path of nodes in random order, the two ends of every link stand side by side."""
    folder, n = tmp_path, 500
    ids = np.random.default_rng(1).permutation(n)
    (folder / "book.yaml").write_text(
        "isojoule: 1\ncurrency: EUR\ninterval: {start: 2026-06-21T12:00:00Z, duration: 900}\n"
    )
    pl.DataFrame({"id": [f"n{i}" for i in ids]}).write_parquet(folder / "nodes.parquet")
    pl.DataFrame(
        {
            "id": [f"l{i}" for i in range(n - 1)],
            "from": [f"n{i}" for i in range(n - 1)],
            "to": [f"n{i + 1}" for i in range(n - 1)],
        }
    ).write_parquet(folder / "links.parquet")
    pl.DataFrame(
        {
            "participant": ["a"],
            "node": ["n0"],
            "form": ["load"],
            "energy_j": [1],
            "lost_load_per_j": [1],
        }
    ).write_parquet(folder / "offers.parquet")
    grid = by_columns(folder).grid
    assert np.abs(grid.link_from - grid.link_to).max() == 1
    assert np.all(np.diff(np.minimum(grid.link_from, grid.link_to)) == 1)


@pytest.mark.parametrize("seed", range(4))
def test_both_clear_to_the_same_welfare_and_prices(seed: int, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "book", seed, calm=True)
    one, other = by_rows(folder), by_columns(folder)
    found = [get("equilibrium").clear(f.book, f.grid) for f in (one, other)]
    first, second = found
    assert isinstance(first, Clearing) and isinstance(second, Clearing)
    check_clearing(other.book, other.grid, second)
    assert second.welfare == pytest.approx(first.welfare, rel=1e-6)
    here = by_name(one.grid.node_ids, first.price_per_j)
    there = by_name(other.grid.node_ids, second.price_per_j)
    scale = max(abs(p) for p in here.values() if p == p)
    close = [abs(here[n] - there[n]) <= 1e-4 * scale for n in here if here[n] == here[n]]
    assert np.mean(close) > 0.9  # flows around rings of free links leave some open


def change(folder: Path, what: str, row: int, column: str, value: Any) -> str:
    """Put a value into a cell; where that is, as messages name it."""
    path = folder / f"{what}.parquet"
    table = pl.read_parquet(path)
    if column not in table.columns:
        kind = pl.String if isinstance(value, str) else pl.Float64
        table = table.with_columns(pl.lit(None, kind).alias(column))
    cells = table[column].to_list()
    cells[row] = value
    table = table.with_columns(pl.Series(column, cells, dtype=table.schema[column]))
    table.write_parquet(path)
    return f"{path}: row {row + 1}"


def label_of(folder: Path, what: str, row: int) -> str:
    """How a message names a row: by the names that stand in it."""
    cells = pl.read_parquet(folder / f"{what}.parquet").row(row, named=True)
    words = {
        "nodes": ("node", {"id": "{!r}"}),
        "links": ("link", {"id": "{!r}", "from": "from {!r}", "to": "to {!r}"}),
        "offers": ("offer", {"id": "{!r}", "participant": "of {!r}", "node": "at node {!r}"}),
    }
    first, rest = words[what]
    said = [text.format(cells[key]) for key, text in rest.items() if cells[key]]
    return " ".join((first, *said)) + ": "


NAN = float("nan")
INF = float("inf")
WRONG = [
    ("nodes", "id", None, "lacks 'id'"),
    ("nodes", "id", " blank", "must be a name"),
    ("nodes", "id", "tab\tted", "must be a name"),
    ("nodes", "x", INF, "not a finite number"),
    ("nodes", "voltage [kV]", 0.0, "voltage must be above 0"),
    ("nodes", "min_voltage_pu", 1.2, "min_voltage_pu"),
    ("links", "from", "nowhere", "unknown node 'nowhere'"),
    ("links", "to", None, "lacks 'to'"),
    ("links", "capacity [kW]", -1.0, "capacity is negative"),
    ("links", "capacity [kW]", INF, "'inf kW' is not a quantity"),
    ("links", "loss [%]", 100.0, "loss is outside 0 <= loss < 1"),
    ("links", "loss [%]", -0.5, "loss is outside 0 <= loss < 1"),
    ("links", "loss [%]", 0.123456789, "loss is finer than 1e-9"),
    ("links", "resistance_ohm", -1.0, "resistance is negative"),
    ("links", "voltage_v", -1.0, "voltage must be above 0"),
    ("links", "standing_loss_w", -1.0, "standing_loss is negative"),
    ("links", "price [ct/kWh]", -1.0, "price is negative"),
    ("links", "kind", "rope", "kind is 'rope'"),
    ("links", "owner", "", "must be a name"),
    ("offers", "node", "nowhere", "unknown node 'nowhere'"),
    ("offers", "participant", None, "lacks 'participant'"),
    ("offers", "form", "lode", "form is 'lode'"),
    ("offers", "power_factor", 1.5, "power_factor is above 1"),
    ("offers", "at", "noon", "'noon' is not a time"),
]


@pytest.mark.parametrize(("what", "column", "value", "words"), WRONG)
def test_a_wrong_cell_is_told_as_by_rows(
    what: str, column: str, value: Any, words: str, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "book", 8)
    row = 4
    if column == "min_voltage_pu":
        row = int(pl.read_parquet(folder / "nodes.parquet")[column].is_not_null().arg_max() or 0)
    place = change(folder, what, row, column, value)
    label = label_of(folder, what, row)
    for read in (by_columns, by_rows):
        with pytest.raises(InputError, match=re.escape(words)) as refused:
            read(folder)
        assert refused.value.place == place and refused.value.remedy
        assert refused.value.message.startswith(label)


FORMS = [
    ("load", "energy [kWh]", -1.0, "load is negative"),
    ("load", "energy [kWh]", None, "lacks 'energy'"),
    ("load", "energy [kWh]", 1e30, "beyond"),
    ("load", "lost_load [EUR/kWh]", -1.0, "lost_load is negative"),
    ("load", "lost_load [EUR/kWh]", NAN, "lacks 'lost_load'"),
    ("load", "price [EUR/kWh]", 1.0, "unknown key 'price'"),
    ("steps", "side", None, "no 'side'"),
    ("steps", "side", "give", "side is 'give'"),
    ("steps", "price [EUR/kWh]", None, "lacks 'price'"),
    ("steps", "price [EUR/kWh]", INF, "'inf EUR/kWh' is not a quantity"),
    ("steps", "capacity [kWh]", 1.0, "unknown key 'capacity'"),
    ("utility", "buys_at [EUR/kWh]", 0.4, "buys dearer than it sells"),
    ("battery", "energy [kWh]", 1e6, "is above the capacity"),
    ("battery", "capacity [kWh]", None, "lacks 'capacity'"),
    ("battery", "reserve [kWh]", 1e6, "reserve and committed"),
    ("battery", "v_min [EUR/kWh]", 3.0, "0 <= v_min <= v_max"),
    ("battery", "v_max [EUR/kWh]", INF, "'inf EUR/kWh' is not a quantity"),
    ("battery", "k", 0.0, "k must be above 0"),
    ("battery", "v_critical [EUR/kWh]", 0.01, "v_critical is below v_max"),
    ("battery", "lost_load [EUR/kWh]", 0.01, "lost_load is below v_critical"),
    ("battery", "charge_efficiency", 1.1, "charge_efficiency is above 1"),
    ("battery", "discharge_power [kW]", -2.0, "discharge_power is negative"),
    ("battery", "floor", 1.5, "floor is above 1"),
    ("battery", "spill_value [EUR/kWh]", 0.1, "the spill value is above v_min"),
]


@pytest.mark.parametrize(("form", "column", "value", "words"), FORMS)
def test_a_wrong_form_is_told_as_by_rows(
    form: str, column: str, value: Any, words: str, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "book", 9)
    forms = pl.read_parquet(folder / "offers.parquet")["form"].to_list()
    place = change(folder, "offers", forms.index(form), column, value)
    label = label_of(folder, "offers", forms.index(form))
    for read in (by_columns, by_rows):
        with pytest.raises(InputError, match=re.escape(words)) as refused:
            read(folder)
        assert place == refused.value.place and refused.value.remedy
        assert refused.value.message.startswith(label)


@pytest.mark.parametrize("what", ["nodes", "links", "offers"])
def test_a_name_that_stands_twice_is_refused_with_both_rows(what: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "book", 10)
    table = pl.read_parquet(folder / f"{what}.parquet")
    rows = [5, 9]
    if what == "offers":  # steps of one id are one offer
        rows = np.flatnonzero((table["form"] == "battery").to_numpy())[[1, 3]].tolist()
    name = table["id"][rows[0]]
    second = change(folder, what, rows[1], "id", name)
    for read in (by_columns, by_rows):
        with pytest.raises(InputError, match="stands twice") as refused:
            read(folder)
        assert refused.value.place == second and f"row {rows[0] + 1}" in refused.value.message


@pytest.mark.parametrize(
    ("column", "value"),
    [("group", "either"), ("all_or_nothing", True), ("immediate", True), ("id", None)],
)
def test_what_only_rows_know_is_read_by_rows(column: str, value: Any, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "book", 11)
    table = pl.read_parquet(folder / "offers.parquet")
    at = table["form"].to_list().index("load")
    cells = [None] * table.height
    if column == "id":  # several of one participant are numbered
        both = zip(table["id"], table["participant"], strict=True)
        cells = [None if who == "ada" else own for own, who in both]
    else:
        cells[at] = value
    table.with_columns(pl.Series(column, cells)).write_parquet(folder / "offers.parquet")
    file = read_folder(folder, least=0)
    assert file.book.offers and tuple(file.book.offer_ids) == tuple(by_rows(folder).book.offer_ids)


def test_offers_without_ids_have_the_names_of_their_participants(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "book", 12)
    table = pl.read_parquet(folder / "offers.parquet")
    named = table.with_columns(("q" + pl.col("id")).alias("participant"))
    named.drop("id").write_parquet(folder / "offers.parquet")
    assert_same(by_rows(folder), by_columns(folder))
    some = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("id")).alias("id")
    named.with_columns(some).write_parquet(folder / "offers.parquet")
    assert_same(by_rows(folder), by_columns(folder))


@pytest.mark.parametrize(
    ("what", "old", "new", "words"),
    [
        ("links", "capacity [kW]", "capacity [kg]", "'kg' is not a unit of W"),
        ("links", "capacity [kW]", "capacity", "unknown column 'capacity'"),
        ("offers", "price [EUR/kWh]", "price [USD/kWh]", "the currency USD is not EUR"),
        ("offers", "energy [kWh]", "energy [kW]", "'kW' is not a unit of J"),
    ],
)
def test_wrong_units_are_refused_with_the_table(
    what: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "book", 13)
    path = folder / f"{what}.parquet"
    pl.read_parquet(path).rename({old: new}).write_parquet(path)
    with pytest.raises(InputError, match=re.escape(words)) as refused:
        read_folder(folder, least=0)
    assert str(path) in refused.value.place


def test_half_microjoules_are_rounded_from_their_digits(tmp_path: Path) -> None:
    """0.0000005 J is half a microjoule and goes to the even one, though no float is it."""
    energies = [0.0000005, 0.0000015, 2.5000005, 1000.0000005, 1234567.1234565, 9e11, 4e10 + 0.3]
    folder = write_folder(tmp_path / "book", 14)
    count = len(energies)
    pl.DataFrame(
        {
            "participant": [f"p{i}" for i in range(count)],
            "node": pl.read_parquet(folder / "nodes.parquet")["id"][:count],
            "form": ["load"] * count,
            "energy_j": energies,
            "lost_load_per_j": [1.0] * count,
        }
    ).write_parquet(folder / "offers.parquet")
    one, other = by_rows(folder), by_columns(folder)
    assert_same(one, other)
    told = offers(other)
    half, more = (told[own][3][1] for own in ("p0", "p1"))  # hi; half a microjoule is nothing
    assert half == [] and more == bits(np.array([2e-6]))
