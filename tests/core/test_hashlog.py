"""A head stands for its log: nothing can be changed, dropped, added or moved unseen."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core import hashlog
from isojoule.core.errors import VerificationError
from isojoule.core.hashlog import Line, Tip, append, audit, start, verify_tip

entries = st.lists(st.dictionaries(st.text(max_size=2), st.integers(0, 3), max_size=2), max_size=6)


def written(name: str, items: list[Any]) -> list[Line]:
    lines: list[Line] = []
    tip = start(name)
    for item in items:
        lines.append(append(tip, item))
        tip = lines[-1].tip
    return lines


def test_heads_by_hand() -> None:
    """The chain as the module's opening states it, written out byte for byte."""
    empty = hashlib.sha256(b"isojoule.hashlog.1\0shed").digest()
    assert start("shed") == Tip(0, empty.hex())
    one = hashlib.sha256(
        b"isojoule.hashlog.1\1" + b"\0\0\0\0\0\0\0\x01" + empty + b'{"a":1,"b":0.5}'
    ).digest()
    line = append(start("shed"), {"b": 0.5, "a": 1})
    assert line == Line(1, empty.hex(), one.hex(), {"a": 1, "b": 0.5})
    two = hashlib.sha256(
        b"isojoule.hashlog.1\1" + b"\0\0\0\0\0\0\0\x02" + one + b'"slept"'
    ).hexdigest()
    assert append(line.tip, "slept").tip == Tip(2, two)


@given(entries)
def test_a_log_audits(items: list[Any]) -> None:
    lines = written("a", items)
    tip = audit("a", lines)
    assert tip.length == len(items)
    assert audit("a", lines, tip) == tip
    verify_tip(tip, lines[-1] if lines else None, name="a")


@given(entries.filter(len), st.data())
def test_alterations_are_found(items: list[Any], data: st.DataObject) -> None:
    lines = written("a", items)
    tip = lines[-1].tip
    at = data.draw(st.integers(0, len(items) - 1))
    changed = [*lines[:at], lines[at]._replace(entry={"other": 9}), *lines[at + 1 :]]
    with pytest.raises(VerificationError, match=f"entry {at + 1}"):
        audit("a", changed, tip)
    with pytest.raises(VerificationError):
        audit("a", [*lines[:at], *lines[at + 1 :]], tip)
    with pytest.raises(VerificationError):
        audit("a", [*lines, append(tip, "more")], tip)
    with pytest.raises(VerificationError):
        audit("b", lines, tip)


def test_a_rewritten_log_has_another_tip() -> None:
    """Consistent from end to end, but not the log that the tip stands for."""
    tip = written("a", [1, 2, 3])[-1].tip
    with pytest.raises(VerificationError, match="another head"):
        audit("a", written("a", [1, 9, 3]), tip)


@pytest.mark.parametrize(
    "change",
    [{"number": 2}, {"number": -1}, {"number": 2**64}, {"previous": "00" * 32}, {"previous": "zz"},
     {"previous": ""}, {"head": "00" * 32}, {"head": ""}, {"entry": 2}],
)  # fmt: skip
def test_an_altered_last_line_is_found(change: dict[str, Any]) -> None:
    last = written("a", [5, 6, 7])[-1]
    with pytest.raises(VerificationError):
        verify_tip(last.tip, last._replace(**change))


def test_a_head_in_other_letters_is_another_head() -> None:
    last = written("a", [5])[-1]
    with pytest.raises(VerificationError):
        verify_tip(last.tip, last._replace(previous=last.previous.upper()))


def test_an_empty_log_needs_its_name() -> None:
    verify_tip(start("a"), None, name="a")
    with pytest.raises(VerificationError):
        verify_tip(start("a"), None, name="b")


@pytest.mark.parametrize("length", [1, 2000])
def test_the_tip_costs_one_hash_whatever_the_length(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = written("a", list(range(length)))[-1]
    calls: list[int] = []

    def counted(data: bytes) -> Any:
        calls.append(len(data))
        return real(data)

    real = hashlib.sha256
    monkeypatch.setattr(hashlog.hashlib, "sha256", counted)
    verify_tip(last.tip, last)
    assert len(calls) == 1
    assert calls[0] < 100
