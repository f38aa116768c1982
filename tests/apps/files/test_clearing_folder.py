"""A clearing as a folder: the same outcome as in one document, and no number in it may be another.

C12, with C1 to C5 and C9, of docs/spec/certificate.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from isojoule.apps.clearing import Cleared, clear
from isojoule.apps.cli.books import verify_path
from isojoule.apps.files import clearing_folder, clearing_tables
from isojoule.apps.files.book_files import BookFile, read_book
from isojoule.apps.files.book_folder import read_folder
from isojoule.apps.files.clearing_folder import (
    fits_folder,
    read_clearing_folder,
    write_clearing_folder,
)
from isojoule.core.canonical import digest
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.units import joules_text, money_text
from tests.apps.files.folders import write_folder

EXAMPLES = Path("examples/books")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Cleared]:
    """The folder of a book that was read by columns, and its outcome."""
    folder = tmp_path_factory.mktemp("made")
    book = write_folder(folder / "book", 2, calm=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isojoule.apps.files.book_columns.LARGE", 0)
        cleared = clear(book)
        assert isinstance(cleared, Cleared) and cleared.file.files
        cleared.write(folder / "answer")
        verify_path(folder / "answer")
    return folder / "answer", cleared


@pytest.fixture
def answer(made: tuple[Path, Cleared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to be altered; its book counts as large."""
    monkeypatch.setattr("isojoule.apps.files.book_columns.LARGE", 0)
    return Path(shutil.copytree(made[0], tmp_path / "answer"))


def test_what_is_read_is_what_was_written(made: tuple[Path, Cleared], answer: Path) -> None:
    file, back = read_clearing_folder(answer)
    c = made[1].clearing
    for name in ("energy_uj", "payment_nano", "flow_uj", "loss_uj", "link_payment_nano"):
        np.testing.assert_array_equal(getattr(back, name), getattr(c, name))
    for name in ("duals", "lowest", "highest"):
        np.testing.assert_array_equal(getattr(back.certificate, name), getattr(c.certificate, name))
    np.testing.assert_array_equal(back.price_per_j, c.price_per_j)
    assert (back.welfare, back.operator, back.seed) == (c.welfare, c.operator, c.seed)
    assert file.grid.node_ids == made[1].file.grid.node_ids
    told = verify_path(answer)
    assert any(re.fullmatch(r"read in [\d.]+ s, checked in [\d.]+ s", line) for line in told)


SMALL = [("three-homes", "equilibrium"), ("community", "equilibrium"), ("feeder", "lmp")]


@pytest.mark.parametrize(("name", "mechanism"), [*SMALL, ("three-buses", "lmp")])
def test_the_folder_of_a_small_book_says_what_its_document_says(
    name: str, mechanism: str, tmp_path: Path
) -> None:
    cleared = clear(EXAMPLES / f"{name}.yaml", mechanism=mechanism)
    assert isinstance(cleared, Cleared)
    write_clearing_folder(tmp_path / "answer", cleared.file, cleared.clearing)
    verify_path(tmp_path / "answer")
    document = cleared.answer()
    short = json.loads((tmp_path / "answer" / "clearing.json").read_text())
    for key in (
        "mechanism",
        "parameters",
        "seed",
        "welfare",
        "operator",
        "spilled_j",
        "unserved_j",
    ):
        assert short[key] == document[key]
    tables = {
        what: pl.read_parquet(tmp_path / "answer" / f"{what}.parquet").to_dicts()
        for what in ("offers", "links", "nodes")
    }
    for row, told in zip(tables["offers"], document["offers"], strict=True):
        assert row["id"] == told["id"]
        assert joules_text(row["energy_uj"]) == told["energy_j"]
        assert money_text(row["payment_nano"]) == told["payment"]
    for row, told in zip(tables["links"], document["links"], strict=True):
        assert (row["id"], joules_text(row["flow_uj"])) == (told["id"], told["flow_j"])
        assert joules_text(row["loss_uj"]) == told["loss_j"]
    for row in tables["nodes"]:
        told = document["prices"][row["id"]]
        assert row["price_per_j"] == told or (told is None and np.isnan(row["price_per_j"]))
    again = read_book(tmp_path / "answer" / "book")
    assert digest(again.doc) == digest(document["book"])


def forge(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Alter a file, and put all hashes and the digest right again, as a forger would."""
    path = folder / name
    if name.endswith(".parquet"):
        change(pl.read_parquet(path)).write_parquet(path)
    document = json.loads((folder / "clearing.json").read_text())
    if name.endswith(".parquet"):
        document["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        change(document)
    del document["digest"]
    document["digest"] = digest(document)
    (folder / "clearing.json").write_text(json.dumps(document))


def more(column: str, row: int | str = "largest", by: float = 1) -> Callable[[Any], Any]:
    """One more in a cell, by default in that of the largest number."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        values = frame[column].to_numpy().copy()
        sizes = np.where(np.isfinite(values), np.abs(values), -1)
        at = int(np.argmax(sizes)) if row == "largest" else int(row)
        values[at] += by if values.dtype == np.int64 else by * 1e-3 * abs(values[at])
        return frame.with_columns(pl.Series(column, values))

    return change


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("offers.parquet", more("energy_uj"), "off balance|outside"),
        ("offers.parquet", more("payment_nano"), "pays something else"),
        ("links.parquet", more("flow_uj"), "loses something else|off balance|limit"),
        ("links.parquet", more("loss_uj"), "loses something else"),
        ("links.parquet", more("standing_uj", 0), "has no standing loss|outside"),
        ("links.parquet", more("payment_nano", 0), "pays its owner something else"),
        ("nodes.parquet", more("price_per_j"), "has a price that the rule"),
        ("nodes.parquet", more("lowest_per_j"), "price that"),
        ("nodes.parquet", more("highest_per_j"), "price that"),
        ("nodes.parquet", more("dual_per_j", by=100), "certificate.gap"),
        ("nodes.parquet", lambda f: f[1:], "29 rows for 30 nodes"),
        ("nodes.parquet", lambda f: f.reverse(), "row 1: is "),
        ("links.parquet", lambda f: f.rename({"flow_uj": "flow"}), "has not the columns"),
        ("offers.parquet", lambda f: f.cast({"energy_uj": pl.Float64}), "has not the columns"),
        (
            "offers.parquet",
            lambda f: f.with_columns(
                pl.when(pl.int_range(pl.len()) == 3)
                .then(None)
                .otherwise("energy_uj")
                .alias("energy_uj")
            ),
            "row 4: energy_uj is null",
        ),
        ("book/links.parquet", more("capacity [kW]", by=-1e6), "."),
        ("clearing.json", lambda d: d.update(welfare=d["welfare"] * 1.001), "welfare"),
        ("clearing.json", lambda d: d.update(spilled_j="1"), "spilled_j"),
        ("clearing.json", lambda d: d.update(seed="zz"), "not a clearing of its book"),
        ("clearing.json", lambda d: d.update(mechanism="lmp"), "."),
        ("clearing.json", lambda d: d.update(mechanism="magic"), "mechanism"),
        ("clearing.json", lambda d: d.update(notes={"by": "me"}), "notes"),
        ("clearing.json", lambda d: d["book"].update(nodes=31), "book.nodes"),
        ("clearing.json", lambda d: d["operator"].update(rounding="7"), "operator"),
        ("clearing.json", lambda d: d["certificate"].update(gap=0), "welfare_bound|gap"),
        ("clearing.json", lambda d: d["certificate"].update(kind="bound"), "called a bound"),
        ("clearing.json", lambda d: d["files"].pop("nodes.parquet"), "does not name all tables"),
        ("clearing.json", lambda d: d["files"].pop("book/nodes.parquet"), "does not belong"),
        ("clearing.json", lambda d: d.pop("state"), "keys lack or are unknown: state"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_forged_folder_is_refused(
    name: str, change: Callable[[Any], Any], words: str, answer: Path
) -> None:
    forge(answer, name, change)
    with pytest.raises(VerificationError, match=words) as refused:
        verify_path(answer)
    assert str(answer) in refused.value.place


FILES = (
    "offers.parquet",
    "links.parquet",
    "nodes.parquet",
    "book/offers.parquet",
    "book/book.yaml",
)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_altered_or_is_gone_is_named(name: str, answer: Path) -> None:
    path = answer / name
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    with pytest.raises(VerificationError, match="is not the file that was written") as refused:
        verify_path(answer)
    assert refused.value.place == str(path)
    path.unlink()
    with pytest.raises(VerificationError, match="is missing") as refused:
        verify_path(answer)
    assert refused.value.place == str(path)


def test_a_folder_that_is_not_whole_or_holds_more_is_refused(answer: Path) -> None:
    (answer / "more.txt").write_text("more")
    with pytest.raises(VerificationError, match="does not belong") as refused:
        verify_path(answer)
    assert refused.value.place == str(answer / "more.txt")
    (answer / "more.txt").unlink()
    text = (answer / "clearing.json").read_text()
    (answer / "clearing.json").write_text(text.replace('"seed": ""', '"seed": "00"'))
    with pytest.raises(VerificationError, match="the digest is not that of the file"):
        verify_path(answer)
    (answer / "clearing.json").unlink()
    with pytest.raises(VerificationError, match="the folder is not whole"):
        verify_path(answer)


def test_an_interrupted_writing_leaves_what_was_there(
    made: tuple[Path, Cleared], answer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (answer / "clearing.json").read_bytes()
    cleared = made[1]

    def interrupted(path: Path, frame: pl.DataFrame) -> None:
        if path.name == "nodes.parquet":
            raise KeyboardInterrupt
        clearing_tables.write_table(path, frame)

    monkeypatch.setattr(clearing_folder, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cleared.write(answer)
    assert (answer / "clearing.json").read_bytes() == before
    assert [p.name for p in answer.parent.iterdir()] == ["answer"]
    monkeypatch.undo()
    write_clearing_folder(answer, cleared.file, cleared.clearing)
    assert (answer / "clearing.json").read_bytes() == before


def test_a_book_that_changed_meanwhile_is_not_written_as_what_was_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isojoule.apps.files.book_columns.LARGE", 0)
    book = write_folder(tmp_path / "book", 2, calm=True)
    cleared = clear(book)
    assert isinstance(cleared, Cleared)
    write_folder(tmp_path / "book", 3)
    with pytest.raises(InputError, match="was changed while it was cleared"):
        cleared.write(tmp_path / "answer")
    assert [p.name for p in tmp_path.iterdir()] == ["book"]


def test_places_where_no_folder_can_be_are_refused_before_clearing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    for name, words in (
        ("none/answer", "lies in no folder"),
        ("file", "is a file"),
        ("other", "is a folder of something else"),
    ):
        with pytest.raises(InputError, match=words) as refused:
            fits_folder(tmp_path / name)
        assert refused.value.remedy
    (tmp_path / "empty").mkdir()
    fits_folder(tmp_path / "empty")


def test_what_only_a_document_tells_is_not_written_as_a_folder(tmp_path: Path) -> None:
    cleared = clear(EXAMPLES / "two-batteries.yaml", mechanism="diffusion")
    assert isinstance(cleared, Cleared)
    with pytest.raises(InputError, match="written as one document"):
        write_clearing_folder(tmp_path / "answer", cleared.file, cleared.clearing)
    assert not (tmp_path / "answer").exists()


def test_columns_without_rows_are_not_written_as_one_document(tmp_path: Path) -> None:
    file: BookFile = read_folder(write_folder(tmp_path / "book", 2, calm=True), least=0)
    with pytest.raises(InputError, match="not written as one document") as refused:
        assert file.doc
    assert "--out FOLDER/" in refused.value.remedy
