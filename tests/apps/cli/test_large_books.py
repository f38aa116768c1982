"""Large books on the command line: a short summary, a folder, and its check."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from isojoule.apps.cli import app
from isojoule.core.canonical import load_strict
from tests.apps.files.folders import write_folder


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A book that counts as large."""
    monkeypatch.setattr("isojoule.apps.files.book_columns.LARGE", 10)
    return str(write_folder(tmp_path / "book", 2, calm=True))


def test_totals_are_printed_and_the_folder_verifies(book: str, tmp_path: Path) -> None:
    out = str(tmp_path / "answer") + "/"
    done = call("clear", book, "--out", out)
    assert done.exit_code == 0, done.output
    for word in ("offers:", "links:", "nodes:", "Gains from trade", f"The answer is in {out}"):
        assert word in done.stdout
    assert len(done.stdout.splitlines()) < 12
    received = pl.read_parquet(tmp_path / "answer" / "offers.parquet")["energy_uj"].clip(0).sum()
    assert f"receive {received / 3.6e12:,.3f} kWh" in done.stdout
    verified = call("verify", out)
    assert verified.exit_code == 0, verified.output
    assert "checked in" in verified.stdout
    again = call("clear", book, "--out", out, "--json")  # a folder that is there is replaced
    assert again.exit_code == 0, again.output
    assert load_strict(again.stdout)["files"].keys() >= {"offers.parquet", "book/book.yaml"}
    assert again.stdout == (tmp_path / "answer" / "clearing.json").read_text()


def test_totals_alone_need_no_folder(book: str) -> None:
    done = call("clear", book)
    assert done.exit_code == 0, done.output
    assert "Gains from trade" in done.stdout and "answer" not in done.stdout


@pytest.mark.parametrize("options", [("--out", "answer.json"), ("--json",)])
def test_one_document_of_a_large_book_is_refused(book: str, options: tuple[str, ...]) -> None:
    done = call("clear", book, *options)
    assert done.exit_code == 2
    assert "the answer of a large book is a folder" in done.stderr
    assert "remedy: --out answer" in done.stderr


def test_other_rules_read_the_rows(book: str, tmp_path: Path) -> None:
    done = call("clear", book, "--mechanism", "diffusion", "--json")
    assert done.exit_code == 0, done.output
    assert len(load_strict(done.stdout)["offers"]) > 10


def test_a_small_book_has_a_folder_if_one_is_named(tmp_path: Path) -> None:
    out = str(tmp_path / "answer") + "/"
    done = call("clear", "examples/books/three-homes.yaml", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["book"]["nodes"] == 5
    assert call("verify", out).exit_code == 0
    assert call("clear", str(tmp_path / "answer" / "book"), "--json").exit_code == 0


def test_checks_tell_what_a_large_book_holds(book: str) -> None:
    done = call("check", book)
    assert done.exit_code == 0, done.output
    assert "30 nodes, 39 links" in done.stdout


def test_a_book_folder_is_no_clearing(book: str) -> None:
    done = call("verify", book)
    assert done.exit_code == 2
    assert "a book is no clearing" in done.stderr
    assert f"isojoule clear {book} --out answer/" in done.stderr
