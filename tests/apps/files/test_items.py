"""Trees with places: YAML without its traps."""

from __future__ import annotations

from pathlib import Path

import pytest

from isojoule.apps.files.amounts import energy_uj, loss_ppb, time_ns
from isojoule.apps.files.items import Item, from_document, parse_items, read_items
from isojoule.core.errors import InputError
from isojoule.core.interval import time_text


def plain(item: Item) -> object:
    """The tree without its places."""
    if isinstance(item.value, dict):
        return {key: plain(value) for key, value in item.value.items()}
    if isinstance(item.value, list):
        return [plain(value) for value in item.value]
    return item.value


def test_only_json_numbers_are_numbers() -> None:
    text = "[1, -2.5, 1e3, +4, no, yes, 12:30, 0x10, 1_000, ~, null, true, '1', 2026-06-21, .5]"
    assert plain(parse_items(text, "f")) == [
        *(1, -2.5, 1000.0, 4, "no", "yes", "12:30", "0x10", "1_000", None, None, True, "1"),
        *("2026-06-21", 0.5),
    ]


def test_places_are_lines() -> None:
    tree = parse_items("a: 1\nb:\n  - x\n  - c: {d: 2}\n", "f.yaml")
    assert tree.value["b"].place == "f.yaml:2"
    assert tree.value["b"].value[0].place == "f.yaml:3"
    assert tree.value["b"].value[1].value["c"].value["d"].place == "f.yaml:4"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f:3", "'a' stands twice, first at f:1"),
        ("a: &x 1\nb: *x", "f:1", "anchors and aliases"),
        ("a: 1\n---\nb: 2", "f:2", "a second document"),
        ("a: !!python/object:os.system x", "f:1", "the tag"),
        ("a: b: c", "f:1", "not YAML"),
        ("? [1]\n: 2", "f:1", "a key must be a text"),
        ("a:\n - 1\n\t- 2", "f:3", "not YAML"),
        ("[" * 200_000, "f:1", "nested too deeply"),
        ("a: \x07", "f", "not YAML"),
    ],
)
def test_what_is_not_taken(text: str, place: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_items(text, "f")
    assert caught.value.place == place
    assert caught.value.remedy


def test_json_files(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_text('{\n\t"a":\t1.5e3, "b": "\\ud83d\\ude00\\/\\\\/\\u00e9"}', encoding="utf-8")
    assert plain(read_items(path)) == {"a": 1500.0, "b": "😀/\\/é"}
    path.write_text('{\n"a": 1,\n"a": 2}')
    with pytest.raises(InputError, match="stands twice"):
        read_items(path)
    path.write_text('{\n"a": 1,\n}')
    with pytest.raises(InputError, match="not JSON") as caught:
        read_items(path)
    assert caught.value.place == f"{path}:3"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_items(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        read_items(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("value", "uj"),
    [
        ("13.5 kWh", 48_600_000_000_000),
        ("0.1 J", 100_000),
        (0.1, 100_000),
        ("0.0000005", 0),  # half to even
        ("0.0000015", 2),
        ("4611686018427.000001", 4_611_686_018_427_000_001),
        ("1 Wh", 3_600_000_000),
    ],
)
def test_energies_are_exact(value: object, uj: int) -> None:
    assert energy_uj(from_document(value, "x")) == uj


@pytest.mark.parametrize(
    ("value", "message"),
    [("-1 J", "negative"), ("1e10 kWh", "beyond"), ("1 kW", "not a unit of J"), ([1], "a list")],
)
def test_energies_that_are_refused(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        energy_uj(from_document(value, "x"))


def test_losses_are_exact_parts_of_a_billion() -> None:
    assert loss_ppb(from_document("2 %", "x")) == 20_000_000
    assert loss_ppb(from_document(0.000000001, "x")) == 1
    for value, message in ((1, "outside"), (-0.1, "outside"), (1e-10, "finer")):
        with pytest.raises(InputError, match=message):
            loss_ppb(from_document(value, "x"))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-06-21T12:00:00Z", "2026-06-21T12:00:00Z"),
        ("2026-06-21 14:00+02:00", "2026-06-21T12:00:00Z"),
        ("2026-06-21T12:00:00.000000001-0000", "2026-06-21T12:00:00.000000001Z"),
    ],
)
def test_times_read_and_write(text: str, same: str) -> None:
    assert time_text(time_ns(from_document(text, "x"))) == same


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-06-21T12:00:00", "has no offset"),
        ("2026-02-30T12:00:00Z", "calendar"),
        ("1960-01-01T00:00:00Z", "since 1970"),
        ("noon", "not a time"),
        (0, "not a time"),
    ],
)
def test_times_that_are_refused(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        time_ns(from_document(value, "x"))
    assert caught.value.place == "x"
