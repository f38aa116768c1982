"""Tables of obligations and the stored answer. Spec: docs/spec/obligations.md, O1 to O8."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.files import obligation_files
from isojoule.apps.files.netting_files import (
    is_netting,
    netting_document,
    netting_text,
    read_netting,
    verify_netting,
)
from isojoule.apps.files.obligation_files import read_liquidity, read_obligations
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.obligations import Obligations, clear
from tests.settlement.obligation_draws import liquidity, obligations

TABLE = "debtor,creditor,amount\nada,bo,100\nbo,cy,80.5\ncy,ada,70.000000001\n"


def file_of(folder: Path, text: str, name: str = "debts.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def rows_of(o: Obligations) -> list[tuple[str, str, int]]:
    columns = (o.debtor.tolist(), o.creditor.tolist(), o.amount_nano.tolist())
    return [(o.parties[d], o.parties[c], a) for d, c, a in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "amount, creditor ,debtor\n# a comment\n\n100,bo,ada\n 80.50,cy,bo\n+70.000000001,ada,cy\n",
        TABLE.replace("ada", '"ada"').replace("\n", "\r\n"),
        "\ufeff" + TABLE,
    ],
)
def test_tables_are_read_exactly(tmp_path: Path, text: str) -> None:
    """O1."""
    o = read_obligations(file_of(tmp_path, text))
    assert rows_of(o) == [
        ("ada", "bo", 100_000_000_000),
        ("bo", "cy", 80_500_000_000),
        ("cy", "ada", 70_000_000_001),
    ]


amounts = st.builds(
    lambda whole, part: f"{whole}.{part}" if part else str(whole),
    st.integers(0, 10**6),
    st.text("0123456789", max_size=9),
)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), amounts), min_size=1, max_size=9
    )
)
@settings(max_examples=60, deadline=None)
def test_both_ways_of_reading_agree(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    """Read by columns, and row by row."""
    text = "debtor,creditor,amount\n" + "".join(",".join(row) + "\n" for row in rows)
    file = file_of(tmp_path_factory.mktemp("net"), text)
    at_once = read_obligations(file)
    patch = pytest.MonkeyPatch()
    with patch.context() as within:
        within.setattr(obligation_files, "_columns", lambda *_: None)
        one_by_one = read_obligations(file)
    assert rows_of(at_once) == rows_of(one_by_one)


def test_plain_tables_are_read_by_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path, TABLE)
    monkeypatch.setattr(obligation_files, "_rows", None)
    assert len(rows_of(read_obligations(file))) == 3


@pytest.mark.parametrize(
    ("row", "words", "remedy"),
    [
        ("ada,ada,5", "owes itself", "leave the row out"),
        ("ada,bo,-5", "negative", "exchange debtor and creditor"),
        ("ada,bo,five", "'five' is not a number", "plain digits"),
        ("ada,bo,1e3", "'1e3' is not a number", "exponent"),
        ('ada,bo,"1,5"', "is not a number", "point for decimals"),
        ("ada,bo,nan", "is not a number", "plain digits"),
        ("ada,bo,", "no amount given", "plain digits"),
        ("ada,bo,0.0000000001", "finer than 1e-9", "nine digits"),
        ("ada,bo,4611686018.427387904", "reaches", "larger unit"),
        ("ada,bo,9999999999999999999999", "reaches", "larger unit"),
        (",bo,5", "no debtor given", "letters"),
        ("ada,b\x07o,5", "is no name", "printable"),
        ("ada,bo", "2 cells under 3 headers", "one cell per column"),
    ],
)
def test_bad_rows_are_refused_with_line_and_remedy(
    tmp_path: Path, row: str, words: str, remedy: str
) -> None:
    """O1."""
    file = file_of(tmp_path, f"debtor,creditor,amount\nada,bo,1\n{row}\n")
    with pytest.raises(InputError, match=words) as told:
        read_obligations(file)
    assert told.value.place == f"{file}:3"
    assert remedy in told.value.remedy


def test_a_sum_that_is_too_large_names_the_row(tmp_path: Path) -> None:
    """O1."""
    file = file_of(tmp_path, "debtor,creditor,amount\n" + "a,b,1600000000\n" * 3)
    with pytest.raises(InputError, match="reaches") as told:
        read_obligations(file)
    assert told.value.place == f"{file}:4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("debtor,creditor\na,b\n", "'amount' is missing"),
        ("debtor,creditor,amount,debtor\n", "'debtor' stands twice"),
        ("debtor,creditor,sum\n", "unknown column 'sum'"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_obligations(file_of(tmp_path, text))
    with pytest.raises(InputError, match="no such file"):
        read_obligations(tmp_path / "none.csv")


def test_liquidity_is_read(tmp_path: Path) -> None:
    """O3."""
    o = Obligations.of([("ada", "bo", 5)])
    table = "party,can_spend,accepts\nbo,0,9000000000\nada,1.5,0\n"
    l = read_liquidity(file_of(tmp_path, table), o)  # noqa: E741
    assert l.can_spend_nano.tolist() == [1_500_000_000, 0]
    assert l.accepts_nano.tolist() == [0, 9 * 10**18]


@pytest.mark.parametrize(
    ("row", "words", "remedy"),
    [
        ("adda,1,1", "'adda' has no obligation", "did you mean 'ada'"),
        ("bo,1,1", "stands twice, first at", "keep one"),
        ("ada,-1,1", "can_spend is negative", "write 0"),
        ("ada,1,", "no accepts given", "plain digits"),
        ("ada,99999999999,1", "beyond", "no use"),
    ],
)
def test_bad_liquidity_is_refused(tmp_path: Path, row: str, words: str, remedy: str) -> None:
    """O3."""
    o = Obligations.of([("ada", "bo", 5)])
    file = file_of(tmp_path, f"party,can_spend,accepts\nbo,1,1\n{row}\n")
    with pytest.raises(InputError, match=words) as told:
        read_liquidity(file, o)
    assert told.value.place == f"{file}:3"
    assert remedy in told.value.remedy


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_answers_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    o = data.draw(obligations())
    l = data.draw(liquidity(len(o.parties)))  # noqa: E741
    netted = clear(o, l)
    text = netting_text(netting_document(o, l, netted, "EUR"))
    file = file_of(tmp_path_factory.mktemp("net"), text, "netted.json")
    assert is_netting(file)
    assert len(verify_netting(file)) == 4
    found, cash, again, currency = read_netting(file)
    assert currency == "EUR"
    assert (found.parties, rows_of(found)) == (o.parties, rows_of(o))
    assert again.set_off_nano.tolist() == netted.set_off_nano.tolist()
    assert np.array_equal(cash.accepts_nano, l.accepts_nano)


@pytest.fixture
def answer(tmp_path: Path) -> dict[str, Any]:
    o = read_obligations(file_of(tmp_path, TABLE))
    l = read_liquidity(file_of(tmp_path, "party,can_spend,accepts\nada,5,0\ncy,0,9\n", "l.csv"), o)  # noqa: E741
    return netting_document(o, l, clear(o, l))


ALTERED = [
    (("cleared",), "300"),
    (("cleared",), "235.50"),
    (("total",), "1"),
    (("net_internal_debt",), "0"),
    (("liquidity_used",), 5),
    (("isojoule",), True),
    (("isojoule",), 2),
    (("currency",), "CHF"),
    (("digest",), "00"),
    (("set_offs", 0, "amount"), "1"),
    (("set_offs", 0, "amount"), "1000"),
    (("set_offs", 0, "obligation"), 2),
    (("set_offs", 0, "obligation"), 99),
    (("set_offs", 0, "obligation"), True),
    (("set_offs", 0, "debtor"), "cy"),
    (("obligations", 1, "amount"), "81"),
    (("obligations", 1, "amount"), "-1"),
    (("obligations", 1, "creditor"), "bo"),
    (("obligations", 1, "creditor"), "zed"),
    (("obligations", 1), "no row"),
    (("liquidity", 0, "can_spend"), "4"),
    (("liquidity", 0, "spent"), "6"),
    (("liquidity", 0, "party"), "bo"),
    (("potentials", "ada"), 999),
    (("potentials", "ada"), 1.5),
    (("potentials", "ada"), 2**70),
    (("potentials",), []),
]


@pytest.mark.parametrize(("where", "value"), ALTERED, ids=str)
def test_whatever_is_altered_is_found(
    tmp_path: Path, answer: dict[str, Any], where: tuple[str | int, ...], value: Any
) -> None:
    """O6, O7: no fact can be altered without being found."""
    file = file_of(tmp_path, netting_text(answer), "netted.json")
    assert verify_netting(file)
    inner: Any = answer
    for key in where[:-1]:
        inner = inner[key]
    assert inner[where[-1]] != value or type(inner[where[-1]]) is not type(value)
    inner[where[-1]] = value
    file.write_text(json.dumps(answer), encoding="utf-8")
    with pytest.raises(VerificationError):
        verify_netting(file)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text[:-40],
        lambda text: text.replace('"digest"', '"digests"'),
        lambda text: text.replace('"total"', '"cleared": "1", "total"'),
        lambda text: "[]",
        lambda text: "[" * 100_000,
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, answer: dict[str, Any], edit: Any) -> None:
    file = file_of(tmp_path, edit(netting_text(answer)), "netted.json")
    with pytest.raises(VerificationError, match=re.escape(str(file))):
        verify_netting(file)


def test_the_example_of_the_page_prints_what_it_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/obligations.md").read_text("utf-8")
    block, shown = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.S)[0]
    exec(block, {})
    assert capsys.readouterr().out == shown
