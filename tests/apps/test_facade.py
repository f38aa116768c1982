"""`import isojoule`: the public names."""

from __future__ import annotations

from pathlib import Path

import pytest

import isojoule

EXAMPLES = Path(__file__).parents[2] / "examples/books"


def test_all_public_names_are_there() -> None:
    for name in isojoule.__all__:
        assert getattr(isojoule, name) is not None
        assert name in dir(isojoule)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = isojoule.nonsense


def test_clear_from_a_file_and_from_a_book(tmp_path: Path) -> None:
    cleared = isojoule.clear(EXAMPLES / "two-batteries.yaml")
    assert isinstance(cleared, isojoule.Cleared)
    assert cleared.prices == pytest.approx({"left": 0.4, "right": 0.8})  # K3
    assert cleared.energy_j == pytest.approx({"ada": -100.0, "bo": 100.0})
    assert cleared.payments == pytest.approx({"ada": -40.0, "bo": 80.0})
    assert "wire is full at 100 W" in cleared.explain("right")
    cleared.write(tmp_path / "answer.json")
    again = isojoule.clear(cleared.file.book, cleared.file.grid)
    assert isinstance(again, isojoule.Cleared)
    assert again.answer() == cleared.answer()


def test_outcomes_are_shown_as_tables() -> None:
    """In a notebook and when printed; in a list of objects in one line."""
    cleared = isojoule.clear(EXAMPLES / "three-homes.yaml")
    assert repr(cleared) == "<Cleared by equilibrium: 5 offers, gains from trade 1.71258 EUR>"
    assert str(cleared).startswith("equilibrium on transport") and "\x1b" not in str(cleared)
    assert isinstance(cleared, isojoule.Cleared)
    assert "<pre>equilibrium on transport" in cleared._repr_html_()
    played = isojoule.play_session(EXAMPLES.parent / "sessions/procurement.jsonl")
    assert repr(played) == "<Played: 26 messages; sessions: noon, evening, night>"
    assert "cleared by reverse-vcg" in str(played)
    assert "offers are no longer taken: the phase is &#x27;settled&#x27;" in played._repr_html_()


def test_what_does_not_fit() -> None:
    refusal = isojoule.clear(EXAMPLES / "design.yaml")
    assert isinstance(refusal, isojoule.Refusal)
    file = isojoule.read_book(EXAMPLES / "two-batteries.yaml")
    with pytest.raises(isojoule.InputError, match="without its grid"):
        isojoule.clear(file.book)
    with pytest.raises(isojoule.InputError, match="a grid beside"):
        isojoule.clear(EXAMPLES / "design.yaml", file.grid)
