"""What nobody means, and files hold all the same: status 2, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from isojoule.apps.cli.main import app

BOOK = """
isojoule: 1
currency: EUR
interval: {start: 2030-01-01T00:00Z, duration: 1 h}
network: copperplate
nodes: [x]
offers:
  - {participant: ada, node: x, sell: [{energy: 6 J, price: 1 EUR/J}]}
  - {participant: bob, node: x, buy: [{energy: 6 J, price: 5 EUR/J}]}
"""


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2, result.output
    return result.output


@pytest.fixture
def book(tmp_path: Path) -> str:
    path = tmp_path / "book.yaml"
    path.write_text(BOOK, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("depth", [600, 900, 100_000])
@pytest.mark.parametrize("mechanism", ["uniform-price", "pay-as-bid", "cda", "vrgda"])
def test_a_state_that_is_nested_deeply(
    book: str, tmp_path: Path, mechanism: str, depth: int
) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"x":' + "[" * depth + "]" * depth + "}", encoding="utf-8")
    more = ("--mechanism", mechanism, "--state", str(state), "--out", str(tmp_path / "out.json"))
    refused("clear", book, *more)


@pytest.mark.parametrize("path", ["/", "."])
def test_the_answer_into_a_folder(book: str, path: str) -> None:
    assert "folder" in refused("clear", book, "--out", path)


def test_a_seed_that_is_not_utf8(book: str) -> None:
    assert "--seed" in refused("clear", book, "--seed", "\udcff")


@pytest.mark.parametrize("unit", ["1e308", "1e300", "0", "-1", "1e-9", "nan", "inf"])
def test_units_that_nobody_can_count(book: str, unit: str) -> None:
    assert "unit_j" in refused("clear", book, "--mechanism", "vrgda", "--set", f"unit_j={unit}")


@pytest.mark.parametrize("command", ["clear", "verify", "replay", "check"])
@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe", b"null", b"[]", b"{", b"NaN", b"&a [*a]", b"- " * 3000, b"a: 1\n---\nb: 2",
     b"? [a]\n: b", b'{"a": 1, "a": 2}', b'{"entry":', b"\x00", b"1e999999", b"[" * 5000],
)  # fmt: skip
def test_what_is_no_file_of_ours(command: str, text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(text)
    assert str(path) in refused(command, str(path))
