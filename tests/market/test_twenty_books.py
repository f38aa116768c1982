"""The twenty books of `examples/books`: every mechanism clears each, or says why it does not.

What clears what stands in `twenty_books.yaml`, so that a change is seen: by mechanism, the books
in which energy changes hands, and those that it clears without any. The others it refuses.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml

from isojoule.apps.clearing import clear
from isojoule.apps.cli.books import verify_path
from isojoule.apps.files.book_files import BookFile, read_book
from isojoule.market import Refusal
from isojoule.market.mechanisms import names

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {path.stem: read_book(path) for path in sorted((EXAMPLES / "books").glob("*.yaml"))}
TABLE = Path(__file__).with_name("twenty_books.yaml")
EXPECTED: dict[str, dict[str, list[str]]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))


class Row(NamedTuple):
    """What a mechanism does with the books, by their names.

    Attributes
    ----------
    trades
        Cleared, and somebody receives energy.
    rests
        Cleared, and nobody does.
    refusals
        The refusal of each other book.
    """

    trades: list[str]
    rests: list[str]
    refusals: dict[str, Refusal]


def row_of(mechanism: str, folder: Path) -> Row:
    """Clear all books, and verify each clearing from its file as `isojoule verify` does."""
    row = Row([], [], {})
    for name, file in FILES.items():
        outcome = clear(file, mechanism=mechanism)
        if isinstance(outcome, Refusal):
            row.refusals[name] = outcome
            continue
        answer = folder / f"{name}.json"
        outcome.write(answer)
        verify_path(answer)
        traded = bool(np.any(outcome.clearing.energy_uj))
        (row.trades if traded else row.rests).append(name)
    return row


def forms_in(file: BookFile) -> set[str]:
    """What is special about a book, for the list of what the twenty must show."""
    doc = file.doc
    found = {doc["network"]}
    for one in doc["offers"]:
        found |= {key for key in one if key not in ("participant", "id", "node")}
        steps = one.get("sell", []) + one.get("buy", [])
        found |= {"several steps"} if len(steps) > 1 else set()
        for step in steps:
            prices = step["price"] if isinstance(step["price"], list) else [step["price"]]
            found |= {"slope"} if len(prices) > 1 else set()
            found |= {"price below 0"} if min(prices) < 0 else set()
    links = doc.get("links", [])
    found |= {f"link {key}" for one in links for key in ("price", "owner") if key in one}
    ends = [frozenset((one["from"], one["to"])) for one in links]
    found |= {"parallel links"} if len(set(ends)) < len(ends) else set()
    return found


@pytest.mark.parametrize("mechanism", names())
def test_a_mechanism_clears_each_book_or_says_why_not(mechanism: str, tmp_path: Path) -> None:
    row = row_of(mechanism, tmp_path)
    for name, refusal in row.refusals.items():
        assert refusal.reason, name
        assert refusal.remedy, name
        assert refusal.mechanism == mechanism, name
    assert row.trades, "it trades in one of them, or another book is needed"
    found = {"trades": row.trades, "rests": row.rests}
    assert found == EXPECTED.get(mechanism), f"if that is right, put it into {TABLE.name}"


def test_each_book_is_cleared_by_two_mechanisms_that_trade() -> None:
    for name in FILES:
        ways = [m for m, row in EXPECTED.items() if m != "autarky" and name in row["trades"]]
        assert len(ways) >= 2, name


def test_there_are_twenty_and_the_table_names_no_other() -> None:
    assert len(FILES) == 20
    assert set(EXPECTED) == set(names())
    for row in EXPECTED.values():
        assert {*row["trades"], *row["rests"]} <= set(FILES)
        assert not set(row["trades"]) & set(row["rests"])


def test_the_readme_has_a_line_for_each() -> None:
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name in FILES:
        assert readme.count(f"\n| [{name}](books/{name}.yaml) | ") == 1, name


@pytest.mark.parametrize(
    "form",
    [
        *("copperplate", "transport", "dc", "lindistflow"),
        *("sell", "buy", "load", "utility", "battery", "legs", "spill_value"),
        *("all_or_nothing", "group", "power_factor", "immediate", "at"),
        *("several steps", "slope", "price below 0"),
        *("link price", "link owner", "parallel links"),
    ],
)
def test_they_show_each_form(form: str) -> None:
    assert any(form in forms_in(file) for file in FILES.values())
