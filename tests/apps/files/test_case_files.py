"""Witness files: what they hold, and what is wrong with those that hold something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from isojoule.apps.files.case_files import (
    case_names,
    find_witness,
    read_witness,
    replay,
    witness_from_text,
    witness_text,
)
from isojoule.core.errors import InputError
from isojoule.market.contract import TRAITS
from isojoule.market.mechanisms import _BUILT_IN, get

CASES = Path(__file__).parents[3] / "src/isojoule/market/cases"
TEXT = (CASES / "equilibrium/incentive_compatible.yaml").read_text(encoding="utf-8")
ALL = [(m, n) for m in sorted(_BUILT_IN) for n in case_names(m) if n != "example"]


@pytest.mark.parametrize(("mechanism", "stem"), ALL, ids=lambda v: v)
def test_every_witness_shows_what_it_claims(mechanism: str, stem: str) -> None:
    """docs/spec/traits.md, T10."""
    witness = find_witness(mechanism, stem)
    assert witness.mechanism == mechanism
    assert replay(witness).wrong == ""


@pytest.mark.parametrize("mechanism", sorted(_BUILT_IN))
def test_every_no_has_a_witness_and_every_witness_a_no(mechanism: str) -> None:
    traits = get(mechanism).traits
    denied = {getattr(traits, t).witness or t for t in TRAITS if not getattr(traits, t).holds}
    assert denied <= set(case_names(mechanism))
    for stem in set(case_names(mechanism)) & set(TRAITS):
        assert stem in denied, f"{stem} is claimed, and refuted by a case"


def test_what_is_written_is_what_is_read() -> None:
    witness = find_witness("equilibrium", "credible")
    shown = replay(witness).shown
    text = witness_text(shown, get("equilibrium"), {}, witness.file.doc, witness.deviation)
    again = witness_from_text(text)
    assert again.file.doc == witness.file.doc
    assert replay(again).wrong == ""


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("isojoule: 1\nmech", "isojoule: 2\nmech", "unknown version", 3),
        ("trait: incentive_compatible", "trait: truthful", "trait is 'truthful'", 6),
        ("trait: incentive_compatible", "trait: budget", "where nobody lies", 19),
        ("liars: [ada]", "liars: [bob]", "a liar is 'bob'", 19),
        ("liars: [ada]\n", "auctioneer: operator\nliars: [ada]\n", "matters for 'credible'", 19),
        ("{participant: ada, node: street, sell: [{energy: 1 kWh, price: 0 EUR/kWh}]}\nexp",
         "{participant: bo, node: street, sell: [{energy: 1 kWh, price: 0 EUR/kWh}]}\nexp",
         "in the name of 'bo'", 20),
        ("{honest: 0.10, lying: 0.25}", "{honest: 0.10}", "lacks 'lying'", 22),
        ("origin: ", "origins: ", "unknown key 'origins'", 7),
        ("currency: EUR", "currency: euro", "not a currency code", 11),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, message: str, line: int) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=message) as caught:
        witness_from_text(TEXT.replace(old, new), "w.yaml")
    assert caught.value.place == f"w.yaml:{line}"
    assert caught.value.remedy


def test_a_wrong_figure_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(TEXT.replace("lying: 0.25", "lying: 0.26"))
    assert replay(read_witness(path)).wrong.startswith("lying is 0.25")


def test_a_witness_of_what_holds_is_none() -> None:
    text = TEXT.replace(
        "energy: 1 kWh, price: 0 EUR/kWh}]}\nexp", "energy: 2 kWh, price: 0}]}\nexp"
    )
    text = text.replace("lying: 0.25", "lying: 0.10")
    assert replay(witness_from_text(text)).wrong.endswith("it is no witness")


def test_a_book_that_the_rule_refuses_is_said() -> None:
    with pytest.raises(InputError, match="mcafee refuses"):
        replay(witness_from_text(TEXT.replace("mechanism: equilibrium", "mechanism: mcafee")))
