"""Clearing files: what they hold, and that no alteration passes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.files.book_files import BookFile, book_from_text, read_book
from isojoule.apps.files.clearing_files import (
    answer,
    answer_text,
    clearing_from_doc,
    read_clearing,
    write_clearing,
)
from isojoule.core.canonical import digest, dumps, load_strict
from isojoule.core.errors import InputError, VerificationError
from isojoule.market import Clearing
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from tests.apps.files.books import EVERY_KIND

EXAMPLES = Path(__file__).parents[3] / "examples/books"


def cleared(text: str, mechanism: str = "equilibrium") -> tuple[BookFile, Clearing]:
    file = book_from_text(text)
    clearing = get(mechanism).clear(file.book, file.grid, seed=b"\x01seed")
    assert isinstance(clearing, Clearing), clearing
    return file, clearing


@cache
def the_clearing() -> tuple[BookFile, Clearing]:
    """What most tests alter; cleared by the first that asks, not while tests are collected."""
    return cleared(EVERY_KIND)


@cache
def the_document() -> dict[str, Any]:
    return answer(*the_clearing())


@cache
def the_text() -> str:
    return answer_text(the_document())


def verify(document: Any) -> None:
    """All that `isojoule verify` does with a clearing that has been parsed."""
    file, clearing = clearing_from_doc(document)
    check_clearing(file.book, file.grid, clearing)


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a digest that is right again."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    return {**bare, "digest": digest(bare)}


def test_the_file_reads_back_and_holds(tmp_path: Path) -> None:
    path = tmp_path / "clearing.json"
    true_file, true_clearing = the_clearing()
    written = write_clearing(path, true_file, true_clearing)
    assert [p.name for p in tmp_path.iterdir()] == ["clearing.json"]
    file, clearing = read_clearing(path)
    check_clearing(file.book, file.grid, clearing)
    assert dumps(answer(file, clearing)) == dumps(written)
    for name in ("energy_uj", "payment_nano", "flow_uj", "loss_uj", "standing_uj", "price_per_j"):
        stored, true = getattr(clearing, name), getattr(true_clearing, name)
        assert stored.dtype == true.dtype and stored.tobytes() == true.tobytes(), name
    assert clearing.seed == b"\x01seed"


def test_what_the_answer_says() -> None:
    offers = {row["id"]: row for row in the_document()["offers"]}
    assert list(offers) == sorted(offers)
    assert offers["ada-must"]["energy_j"] == "3600000"
    assert offers["ada-must"]["reason"] == "filled"
    assert offers["solar"]["energy_j"] == "-1800000"  # 2 kW for 15 min
    assert the_document()["spilled_j"] != "0"
    assert the_document()["unserved_j"] == "360000"  # the load on the lone node
    assert the_document()["prices"]["lone"] == pytest.approx(5 / 3.6e6)
    assert the_document()["trades"] == []
    assert the_document()["seed"] == "0173656564"
    links = {row["id"]: row for row in the_document()["links"]}
    assert links["l1"] == {
        "id": "l1",
        "from": "roof",
        "to": "home",
        "flow_j": "1800000",
        "loss_j": "36000",
    }
    assert links["l2"]["standing_loss_j"] == "9000"
    carl = the_document()["participants"]["carl"]
    assert carl == {"energy_j": {}, "payment": links["l3"]["payment"]}


def test_everything_adds_up() -> None:
    paid = sum(Decimal(p["payment"]) for p in the_document()["participants"].values())
    assert paid == Decimal(the_document()["operator"]["surplus"])
    lines = [Decimal(v) for k, v in the_document()["operator"].items() if k != "surplus"]
    assert sum(lines) == paid
    energy = sum(Decimal(o["energy_j"]) for o in the_document()["offers"])
    lost = sum(
        Decimal(r["loss_j"]) + Decimal(r.get("standing_loss_j", "0"))
        for r in the_document()["links"]
    )
    assert energy + lost == 0


@pytest.mark.parametrize("mechanism", ["equilibrium", "utility-only"])
@pytest.mark.parametrize("name", ["two-batteries", "community", "three-homes"])
def test_examples_verify(name: str, mechanism: str) -> None:
    file = read_book(EXAMPLES / f"{name}.yaml")
    clearing = get(mechanism).clear(file.book, file.grid)
    if not isinstance(clearing, Clearing):
        assert (name, mechanism) == ("two-batteries", "utility-only"), clearing
        return
    verify(load_strict(answer_text(answer(file, clearing))))


def digits() -> list[int]:
    return [m.start() for m in re.finditer(r"\d", the_text())]


@settings(max_examples=300, deadline=None)
@given(st.deferred(lambda: st.sampled_from(digits())), st.integers(1, 9))
def test_one_altered_digit_anywhere_is_refused(at: int, by: int) -> None:
    text = the_text()
    altered = text[:at] + str((int(text[at]) + by) % 10) + text[at + 1 :]
    with pytest.raises(VerificationError):
        verify(load_strict(altered))


def facts(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of all energies, flows, losses, prices and payments outside book and certificate."""
    if isinstance(node, dict):
        for key, value in node.items():
            if path or key in FACTS:
                yield from facts(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from facts(value, (*path, i))
    elif node is not None and path[-1] not in ("id", "from", "to", "reason"):
        yield path


FACTS = ("operator", "participants", "offers", "links", "prices", "spilled_j", "unserved_j")


def places() -> list[tuple[tuple[str | int, ...], int]]:
    """Every digit of every fact: its path, and where it stands in the value."""
    return [
        (path, m.start())
        for path in facts(the_document())
        for m in re.finditer(r"\d", dumps(reduce(getitem, path, the_document())))
    ]


@settings(max_examples=500, deadline=None)
@given(st.deferred(lambda: st.sampled_from(places())), st.integers(1, 9))
def test_an_altered_fact_is_refused_with_a_right_digest(
    place: tuple[tuple[str | int, ...], int], by: int
) -> None:
    path, at = place
    document = json.loads(json.dumps(the_document()))
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    text = dumps(holder[path[-1]])
    altered = text[:at] + str((int(text[at]) + by) % 10) + text[at + 1 :]
    try:
        holder[path[-1]] = load_strict(altered)
    except VerificationError:
        return  # not in canonical form: the file is not even read
    text = dumps(sealed(document))
    with pytest.raises(VerificationError) as caught:
        verify(load_strict(text))
    assert caught.value.place


NUDGED = ["energy_uj", "payment_nano", "flow_uj", "loss_uj", "standing_uj", "link_payment_nano"]


@pytest.mark.parametrize("by", [1, -1, 1000])
@pytest.mark.parametrize("column", NUDGED)
def test_a_forged_clearing_is_refused_though_its_file_is_consistent(column: str, by: int) -> None:
    file, clearing = the_clearing()
    values = getattr(clearing, column)
    for i in range(values.size):
        if column == "link_payment_nano" and not file.grid.owner[i]:
            continue  # does not stand in the file
        if column == "standing_uj" and not file.grid.standing_loss_w[i]:
            continue
        forged = values.copy()
        forged[i] += by
        with pytest.raises(VerificationError):
            verify(answer(file, replace(clearing, **{column: forged})))


def test_forged_prices_are_refused() -> None:
    file, clearing = the_clearing()
    c = clearing.certificate
    for i in range(clearing.price_per_j.size):
        price = clearing.price_per_j.copy()
        price[i] = np.nextafter(price[i], 1)
        with pytest.raises(VerificationError, match="does not take from"):
            verify(answer(file, replace(clearing, price_per_j=price)))
        # prices and their bounds moved together by a hundred millionth
        lowest, highest = c.lowest.copy(), c.highest.copy()
        lowest[i] *= 1 + 1e-8
        highest[i] *= 1 + 1e-8
        price[i] = 0.5 * (lowest[i] + highest[i])
        moved = replace(c, lowest=lowest, highest=highest)
        if abs(price[i] - clearing.price_per_j[i]) < 1e-9 * np.nanmax(clearing.price_per_j):
            continue  # within the stated margin of curve values
        with pytest.raises(VerificationError):
            verify(answer(file, replace(clearing, price_per_j=price, certificate=moved)))


ALTERATIONS = [
    ("a key more", lambda d: d.update(note="hello"), "keys lack or are unknown: note"),
    ("a key less", lambda d: d.pop("trades"), "trades"),
    ("the book", lambda d: d["book"]["links"][0].update(capacity=2001), "gap"),
    ("a book that is none", lambda d: d["book"].update(nodes=[]), "unknown node"),
    ("a book in another form", lambda d: d["book"]["nodes"].reverse(), r"does not follow"),
    ("the order of offers", lambda d: d["offers"].reverse(), r"offers\[0\]"),
    ("an offer twice", lambda d: d["offers"].append(d["offers"][0]), r"offers\[\d+\]"),
    ("an offer less", lambda d: d["offers"].pop(), "not a clearing of its book"),
    ("a reason", lambda d: d["offers"][0].update(reason="bribed"), r"offers\[0\]\.reason"),
    ("energy", lambda d: d["offers"][0].update(energy_j="1.0"), "canonical form"),
    ("energy as a number", lambda d: d["offers"][0].update(energy_j=1), "canonical form"),
    (
        "an energy beyond all",
        lambda d: d["offers"][0].update(energy_j="9" * 30),
        "canonical form|too large",
    ),
    ("welfare", lambda d: d.update(welfare=d["welfare"] * 1.001), "welfare"),
    ("welfare and bound", lambda d: _more(d), "welfare"),
    ("the gap", lambda d: d["certificate"].update(gap=1), "gap"),
    (
        "the kind",
        lambda d: d["certificate"].update(kind="recomputed"),
        "does not give a certificate|does not follow",
    ),
    ("the mechanism", lambda d: d.update(mechanism="magic"), "unknown mechanism"),
    ("another mechanism", lambda d: d.update(mechanism="utility-only"), "kind"),
    ("a parameter", lambda d: d["parameters"].update(speed=1), "does not take"),
    ("a dual", lambda d: d["certificate"]["duals"].update(home=1), "gap|dual"),
    ("a trade", lambda d: d["trades"].append({"from": "a"}), r"trades\[0\]"),
    ("the surplus", lambda d: d["operator"].update(surplus="0"), "operator.surplus"),
    ("the seed", lambda d: d.update(seed="01zz"), "not a clearing|seed"),
    ("the seed's form", lambda d: d.update(seed="AB"), "seed"),
    ("the version", lambda d: d.update(isojoule=2), "isojoule"),
    ("a price that is none", lambda d: d["prices"].update(home=None), "price"),
]


def _more(document: dict[str, Any]) -> None:
    document["welfare"] += 0.5
    document["certificate"]["welfare_bound"] = document["welfare"] + document["certificate"]["gap"]


@pytest.mark.parametrize(("what", "change", "message"), ALTERATIONS)
def test_alterations_with_a_right_digest(what: str, change: Any, message: str) -> None:
    document = json.loads(json.dumps(the_document()))
    change(document)
    assert document != the_document(), what
    with pytest.raises((VerificationError, InputError), match=message):
        verify(sealed(document))


def test_a_wrong_digest_is_named() -> None:
    with pytest.raises(VerificationError, match="digest") as caught:
        clearing_from_doc({**the_document(), "digest": "0" * 64}, place="c.json")
    assert caught.value.place == "c.json: digest"


def test_numbers_in_another_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(the_text().replace('"capacity":2000,', '"capacity":2000.0,'))
    with pytest.raises(VerificationError, match="canonical form, which is 2000") as caught:
        read_clearing(path)
    line = the_text()[: the_text().index('"capacity":2000,')].count("\n") + 1
    assert caught.value.place.startswith(f"{path}:{line}:")


def test_files_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_clearing(tmp_path / "none" / "c.json", *the_clearing())
    with pytest.raises(InputError, match="cannot be read"):
        read_clearing(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(VerificationError, match="not UTF-8"):
        read_clearing(tmp_path / "bytes.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(VerificationError, match="keys lack"):
        read_clearing(tmp_path / "list.json")
