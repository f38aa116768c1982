"""Book files: all forms, the normal form, folders, and the published schema."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import jsonschema
import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.files.book_files import BookFile, book_from_doc, book_from_text, read_book
from isojoule.apps.files.book_schema import book_schema
from isojoule.core.canonical import digest, dumps, load_strict
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import Battery, Bundle, Leg, Load, Steps, Utility
from tests.apps.files.books import ALL_FORMS

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples/books").glob("*.yaml"))


def same(one: object, other: object) -> bool:
    """Equal bit for bit, nan included."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def assert_same(one: BookFile, other: BookFile) -> None:
    for kind, a, b in ((Book, one.book, other.book), (Grid, one.grid, other.grid)):
        for field in fields(kind):
            assert same(getattr(a, field.name), getattr(b, field.name)), field.name


def test_every_form_is_read() -> None:
    book = book_from_text(ALL_FORMS).book
    offers = {o.id: o for o in book.offers}
    kwh = 3_600_000_000_000
    solar = offers["solar"].spec
    assert isinstance(solar, Steps)
    assert (solar.sell[0].energy_uj, solar.sell[0].price_per_j) == (kwh, 0.05 / J_PER_KWH)
    assert solar.spill_value_per_j == 0.0
    slope = offers["bo-1"].spec  # the earlier one: it has no time of arrival
    assert isinstance(slope, Steps)
    assert slope.sell[0].end_price_per_j == 0.09 / J_PER_KWH
    both = offers["bo-2"]
    assert isinstance(both.spec, Steps)
    assert both.spec.sell and both.spec.buy and both.at_ns == 1782039600_500_000_000
    load = offers["ada-must"]
    assert isinstance(load.spec, Load)
    assert load.power_factor == 0.9
    old = offers["old"].spec
    assert old == Battery(
        energy_uj=kwh, capacity_uj=2 * kwh, committed_uj=kwh // 10, v_min_per_j=1e-8,
        v_max_per_j=2e-8, v_critical_per_j=3e-8, lost_load_per_j=4e-8, spill_value_per_j=-1e-9,
        idle_s=7200.0, tau_s=3600.0, floor=0.5,
    )  # fmt: skip
    assert offers["utility"].spec == Utility(0.30 / J_PER_KWH, 0.08 / J_PER_KWH)
    bundle = [o.spec for o in book.offers if isinstance(o.spec, Bundle)]
    assert bundle == [Bundle((Leg("home", 2 * kwh), Leg("shed", -kwh)), -0.1)]
    flags = sorted((o.all_or_nothing, o.group) for o in book.offers if o.participant == "dora")
    assert flags == [(False, ""), (False, ""), (False, "g"), (True, "g")]


def test_the_grid_is_read() -> None:
    grid = book_from_text(ALL_FORMS).grid
    assert grid.node_ids == ("attic", "grid", "home", "lone", "roof", "shed")
    assert grid.link_ids == ("l1", "l2", "l3", "l4")
    assert grid.capacity_w.tolist() == [2000.0, 20000.0, math.inf, math.inf]
    assert grid.loss_ppb.tolist() == [20_000_000, 0, 0, 0]
    assert grid.owner == ("", "", "carl", "")
    assert grid.kind == ("link", "transformer", "link", "link")
    assert grid.standing_loss_w.tolist() == [0.0, 10.0, 0.0, 0.0]
    assert grid.x is not None and grid.x[5] == 1.5 and math.isnan(grid.x[0])
    assert grid.min_voltage_pu is None


def test_units_are_taken_and_bare_numbers_are_si() -> None:
    bare = ALL_FORMS.replace("0.05 ohm", "0.05").replace("400 V", "400").replace("15 min", "900")
    bare = bare.replace("2 kW,", "2000,").replace("1 kWh, price: 0.05", "3600000, price: 0.05")
    assert_same(book_from_text(ALL_FORMS), book_from_text(bare))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_normal_form_reads_back_bit_for_bit(path: Path, tmp_path: Path) -> None:
    file = read_book(path)
    again = book_from_doc(load_strict(dumps(file.doc)))
    assert_same(file, again)
    assert dumps(again.doc) == dumps(file.doc)
    for name in ("normal.json", "normal.yaml"):  # it is a book file itself
        (tmp_path / name).write_text(dumps(file.doc), encoding="utf-8")
        assert_same(file, read_book(tmp_path / name))


class Texts(yaml.SafeLoader):
    """YAML as plain data, in which times stay texts, as in our reader."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        key: [r for r in rules if not r[0].endswith("timestamp")]
        for key, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


DOCUMENT = yaml.load(ALL_FORMS, Loader=Texts)
NORMAL = book_from_text(ALL_FORMS)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_order_of_the_input_matters(data: st.DataObject) -> None:
    shuffled = {key: DOCUMENT[key] for key in data.draw(st.permutations(list(DOCUMENT)))}
    for rows in ("nodes", "links", "offers"):
        shuffled[rows] = data.draw(st.permutations(DOCUMENT[rows]))
    file = book_from_doc(shuffled)
    assert digest(file.doc) == digest(NORMAL.doc)
    assert_same(file, NORMAL)


PRICES = st.floats(-1e-3, 1e-3, allow_nan=False)
SIZES = st.integers(0, 2**55)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(SIZES, PRICES, PRICES), min_size=1, max_size=4), st.floats(1e-3, 1e6))
def test_any_steps_and_any_duration_read_back(
    steps: list[tuple[int, float, float]], duration_s: float
) -> None:
    prices = sorted(p for _, a, b in steps for p in (a, b))
    rows = [
        {"energy": f"{uj // 10**6}.{uj % 10**6:06d}", "price": [prices[2 * i], prices[2 * i + 1]]}
        for i, (uj, _, _) in enumerate(steps)
    ]
    document = {
        "isojoule": 1,
        "currency": "EUR",
        "nodes": ["n"],
        "interval": {"start": "2026-01-01T00:00Z", "duration": duration_s},
        "offers": [{"participant": "p", "node": "n", "sell": rows}],
    }
    file = book_from_doc(document)
    spec = file.book.offers[0].spec
    assert isinstance(spec, Steps)
    assert [s.energy_uj for s in spec.sell] == [uj for uj, _, _ in steps]
    assert_same(file, book_from_doc(load_strict(dumps(file.doc))))


def test_a_folder_with_tables_is_the_same_book(tmp_path: Path) -> None:
    file = book_from_text(ALL_FORMS.split("offers:")[0] + """offers:
  - {participant: a, id: s, node: home, sell: [{energy: 1 kWh, price: 0.1 EUR/kWh},
     {energy: 2 kWh, price: [0.1 EUR/kWh, 0.2 EUR/kWh]}], buy: [{energy: 1 kWh, price: 0}]}
  - {participant: b, node: roof, sell: [{energy: 3 kWh, price: 0}], spill_value: 0}
  - {participant: l, node: roof, load: {energy: 1 kWh, lost_load: 5e-6}}
  - {participant: u, node: grid, utility: {sells_at: 3e-6, buys_at: 1e-6}}
  - {participant: p, node: shed, at: 2026-06-21T11:00:00Z,
     battery: {energy: 4 kWh, capacity: 10 kWh, v_min: 1e-8, v_max: 2e-8, charge_power: 3 kW}}
""")  # fmt: skip
    doc = file.doc
    head = {k: doc[k] for k in ("isojoule", "currency", "interval", "network", "nodes")}
    (tmp_path / "book.yaml").write_text(json.dumps(head))
    links = [{**row, "capacity_w": row.get("capacity")} for row in doc["links"]]
    pl.DataFrame(
        {
            **{k: [r.get(k) for r in links] for k in ("id", "from", "to", "kind", "owner", "loss")},
            "capacity [kW]": [r["capacity_w"] and r["capacity_w"] / 1000 for r in links],
            "resistance_ohm": [r.get("resistance") for r in links],
            "voltage_v": [float(r["voltage"]) if "voltage" in r else math.nan for r in links],
            "standing_loss_w": [r.get("standing_loss") for r in links],
            "price_per_j": [r.get("price") for r in links],
        }
    ).write_parquet(tmp_path / "links.parquet")
    kwh = "energy [kWh]"
    rows = [
        {"id": "s", "participant": "a", "node": "home", "form": "steps", "side": "sell", kwh: 1.0,
         "price_per_j": 0.1 / J_PER_KWH},
        {"participant": "b", "node": "roof", "form": "steps", "side": "sell", kwh: 3.0,
         "price_per_j": 0.0, "spill_value_per_j": 0.0},
        {"id": "s", "participant": "a", "node": "home", "form": "steps", "side": "sell", kwh: 2.0,
         "price_per_j": 0.1 / J_PER_KWH, "end_price_per_j": 0.2 / J_PER_KWH},
        {"id": "s", "participant": "a", "node": "home", "form": "steps", "side": "buy", kwh: 1.0,
         "price_per_j": 0.0},
        {"participant": "l", "node": "roof", "form": "load", kwh: 1.0, "lost_load_per_j": 5e-6},
        {"participant": "u", "node": "grid", "form": "utility", "sells_at_per_j": 3e-6,
         "buys_at_per_j": 1e-6},
        {"participant": "p", "node": "shed", "form": "battery", kwh: 4.0, "capacity_j": 3.6e7,
         "v_min_per_j": 1e-8, "v_max_per_j": 2e-8, "charge_power_w": 3000.0,
         "at": "2026-06-21T13:00:00+02:00"},
    ]  # fmt: skip
    offers = pl.DataFrame(rows, infer_schema_length=None)
    offers.write_parquet(tmp_path / "offers.parquet")
    assert_same(read_book(tmp_path), file)

    timed = offers.with_columns(pl.col("at").str.to_datetime(time_zone="UTC"))
    timed.write_parquet(tmp_path / "offers.parquet")
    assert_same(read_book(tmp_path), file)

    def refused(table: pl.DataFrame, message: str, place: str) -> None:
        table.write_parquet(tmp_path / "offers.parquet")
        with pytest.raises(InputError, match=message) as caught:
            read_book(tmp_path)
        assert caught.value.place.endswith(place)
        assert caught.value.remedy

    row = pl.int_range(pl.len())
    refused(
        offers.with_columns(node=pl.when(row == 4).then(pl.lit("rof")).otherwise("node")),
        "unknown node 'rof'", "offers.parquet: row 5",
    )  # fmt: skip
    refused(
        offers.with_columns(participant=pl.when(row == 2).then("node").otherwise("participant")),
        "rows of one offer differ in 'participant'", "row 3",
    )  # fmt: skip
    refused(offers.rename({"side": "sid"}), "unknown column 'sid'", "offers.parquet")
    refused(offers.drop("side"), "no 'side'", "row 1")
    refused(offers.with_columns(pl.col(kwh) * -1), "energy is negative", "row 1")
    refused(timed.with_columns(pl.col("at").dt.replace_time_zone(None)), "has no offset", "row 7")
    (tmp_path / "offers.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_book(tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_schema_takes_the_examples_and_their_normal_forms(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(book_schema())
    validator.validate(yaml.load(path.read_text(), Loader=Texts))
    validator.validate(read_book(path).doc)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda d: d.update(network="dcc"), "network"),
        (lambda d: d.pop("currency"), ""),
        (lambda d: d["links"][0].update(capcity=1), "links/0"),
        (lambda d: d["offers"][0].pop("participant"), "offers/0"),
        (lambda d: d["offers"][0].update(load={"energy": 1, "lost_load": 1}), "offers/0"),
        (lambda d: d["offers"][-1]["utility"].update(sells_at="dear"), "offers/"),
    ],
)
def test_the_schema_refuses(change: object, path: str) -> None:
    document = json.loads(dumps(NORMAL.doc))
    document["offers"] = [o for o in document["offers"] if o["id"] in ("solar", "utility")]
    validator = jsonschema.Draft202012Validator(book_schema())
    assert validator.is_valid(document)
    change(document)  # type: ignore[operator]
    errors = list(validator.iter_errors(document))
    assert errors and "/".join(map(str, errors[0].absolute_path)).startswith(path)


def test_the_published_schema_is_current() -> None:
    published = json.loads((ROOT / "docs/schema/book.schema.json").read_text())
    assert published == book_schema()
    jsonschema.Draft202012Validator.check_schema(published)


def test_books_too_large_to_count_are_refused() -> None:
    rows = "".join(
        f"  - {{participant: p{i}, node: roof, load: {{energy: 1e6 kWh, lost_load: 1}}}}\n"
        for i in range(2)
    )
    with pytest.raises(InputError, match="too large"):
        book_from_text(ALL_FORMS + rows)
