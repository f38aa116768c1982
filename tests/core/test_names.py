"""Names without objects: they are what a tuple of the same strings is."""

from __future__ import annotations

import pickle
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core import text_arrays
from isojoule.core.errors import InputError
from isojoule.core.name_index import NameIndex
from isojoule.core.names import Names, first_repeat, not_empty

TEXTS = st.lists(st.text(st.sampled_from("ab\0é€𝄞0 "), max_size=20), max_size=40)


@given(TEXTS)
def test_names_are_the_tuple_of_their_strings(texts: list[str]) -> None:
    names, plain = Names.of(texts), tuple(texts)
    assert names == plain and plain == names and len(names) == len(plain)
    assert tuple(names) == plain and hash(names) == hash(plain)
    assert [names[i] for i in range(-len(plain), len(plain))] == [*plain, *plain]
    for part in (slice(2, 5), slice(None, None, -1), slice(-3, None), slice(5, 2), slice(0, 9, 3)):
        assert names[part] == plain[part]
    assert not_empty(names).tolist() == [bool(text) for text in texts]
    assert names.lengths().tolist() == [len(text.encode()) for text in texts]
    assert [plain[i] for i in names.order()] == sorted(plain)
    assert first_repeat(names) == first_repeat(plain)
    once, at = names.distinct()
    assert [*once] == sorted(set(plain)) and once.take(at) == plain
    assert pickle.loads(pickle.dumps(names)) == plain


@given(TEXTS, TEXTS)
def test_names_are_found_where_they_stand(known: list[str], sought: list[str]) -> None:
    known = list(dict.fromkeys(known))
    found = NameIndex(Names.of(known)).find(Names.of([*sought, *known]))
    at = {name: i for i, name in enumerate(known)}
    assert found.tolist() == [at.get(name, -1) for name in [*sought, *known]]
    for name in sought:
        assert (name in Names.of(known)) == (name in at)


@given(TEXTS, TEXTS)
def test_names_differ_where_strings_do(one: list[str], other: list[str]) -> None:
    assert (Names.of(one) == Names.of(other)) == (one == other)
    assert (Names.of(one) == tuple(other)) == (one == other)


def test_names_by_a_rule_are_those_written_out() -> None:
    for start, count in ((0, 1), (7, 5), (95, 12), (0, 1205), (99_999, 3)):
        rule = Names.numbered("né", count, start)
        plain = tuple(f"né{i}" for i in range(start, start + count))
        assert rule == plain and Names.of(plain) == rule and rule[1:4] == plain[1:4]
        at = np.arange(count)[::-2]
        assert rule.take(at) == tuple(plain[i] for i in at.tolist())
        assert rule.first_repeat() == -1
    assert Names.repeated("€", 3) == ("€", "€", "€") and Names.repeated("€", 3).first_repeat() == 1
    assert Names.repeated("x", 5)[1:3] == ("x", "x") and Names.repeated("x", 0) == ()
    assert Names.repeated("", 3).lengths().tolist() == [0, 0, 0]
    with pytest.raises(InputError, match="below 0"):
        Names.numbered("n", 3, -1)


def test_the_first_of_many_that_stands_twice_is_named() -> None:
    many = [f"name-{i:07}" for i in range(200_000)]
    Random(1).shuffle(many)
    assert first_repeat(Names.of(many)) == -1
    many[150_000], many[120_000] = many[7], many[9]
    assert first_repeat(Names.of(many)) == 120_000


def test_equal_hashes_do_not_make_names_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_arrays, "_FIRST", np.uint64(0))  # now all of one length collide
    names = Names.of(["ab", "cd", "ef", "gh"])
    assert np.unique(names.hashes()).size == 1
    assert names.first_repeat() == -1
    assert NameIndex(names).find(Names.of(["gh", "xy", "ab"])).tolist() == [3, -1, 0]
    assert names.index("ef") == 2 and names.index("ef", 1) == 2 and "xy" not in names
    with pytest.raises(ValueError, match="'ab' is not among the names"):
        names.index("ab", 1)


@pytest.mark.parametrize(
    ("data", "offsets"),
    [(b"ab", [0, 1]), (b"ab", [1, 2]), (b"ab", [0, 2, 1, 2]), ("é".encode(), [0, 1, 2]),
     (b"\xff", [0, 1]), (b"", [])],
)  # fmt: skip
def test_buffers_that_are_no_texts_are_refused(data: bytes, offsets: list[int]) -> None:
    with pytest.raises(InputError, match="not UTF-8 texts"):
        Names.of_buffer(np.frombuffer(data, np.uint8), np.array(offsets, np.int64))


def test_a_buffer_is_not_copied_per_name() -> None:
    data = np.frombuffer("aébc".encode(), np.uint8)
    names = Names.of_buffer(data, np.array([0, 3, 3, 5]))
    assert names == ("aé", "", "bc")
    assert names.nbytes == 5 + 4 * 4
    assert Names.numbered("n", 10**7).nbytes == 1
