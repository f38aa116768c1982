"""Chance is stated: anyone can draw the same numbers with SHA-256 alone."""

from __future__ import annotations

import hashlib
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.chance import normal, rank, ranks, uniform, words

names = st.lists(st.text(max_size=4) | st.integers(-9, 9), max_size=3).map(tuple)


def test_uniform_by_hand() -> None:
    """The preimage as the module's opening states it, written out byte for byte."""
    preimage = (
        b"isojoule.chance.1"
        b"s\0\0\0\0\0\0\0\x07uniform"
        b"b\0\0\0\0\0\0\0\x02\x01\x02"
        b"s\0\0\0\0\0\0\0\x03ada"
        b"i\0\0\0\0\0\0\0\x03-17"
    )
    bits = bin(int(hashlib.sha256(preimage).hexdigest(), 16))[2:].zfill(256)
    assert uniform(b"\x01\x02", "ada", -17) == int(bits[:53], 2) / 2**53


@given(st.binary(max_size=4), names)
def test_bounds_and_repetition(seed: bytes, name: tuple[str | int, ...]) -> None:
    assert 0 <= uniform(seed, *name) < 1
    assert uniform(seed, *name) == uniform(seed, *name)
    assert abs(normal(seed, *name)) < 8.3
    assert len(rank(seed, *name)) == 32


@given(st.tuples(st.binary(max_size=3), names), st.tuples(st.binary(max_size=3), names))
def test_other_names_are_another_draw(
    one: tuple[bytes, tuple[str | int, ...]], other: tuple[bytes, tuple[str | int, ...]]
) -> None:
    same = one == other
    assert (rank(one[0], *one[1]) == rank(other[0], *other[1])) == same


def test_parts_do_not_run_together() -> None:
    draws = [
        uniform(b"s", "ab", "c"),
        uniform(b"s", "a", "bc"),
        uniform(b"s", "abc"),
        uniform(b"sa", "bc"),
        uniform(b"s", "1"),
        uniform(b"s", 1),
        uniform(b"s"),
        uniform(b"", "s"),
    ]
    assert len(set(draws)) == len(draws)


def test_uniform_fills_the_interval_evenly() -> None:
    """Kolmogorov-Smirnov at 0.1 % on a fixed seed: D < 1.95/sqrt(n)."""
    n = 4000
    drawn = sorted(uniform(b"even", i) for i in range(n))
    worst = max(max((i + 1) / n - u, u - i / n) for i, u in enumerate(drawn))
    assert worst < 1.95 / math.sqrt(n)


def test_normal_has_its_distribution() -> None:
    """Kolmogorov-Smirnov against the error function, and draws are not those of `uniform`."""
    n = 4000
    drawn = sorted(normal(b"bell", i) for i in range(n))
    cdf = [0.5 * math.erfc(-x / math.sqrt(2)) for x in drawn]
    worst = max(max((i + 1) / n - u, u - i / n) for i, u in enumerate(cdf))
    assert worst < 1.95 / math.sqrt(n)
    u = uniform(b"bell", 0)
    assert abs(0.5 * math.erfc(-normal(b"bell", 0) / math.sqrt(2)) - u) > 1e-6


def test_neighbouring_names_are_independent() -> None:
    """Pairs of draws fill the square evenly: chi-square of 16 cells, 15 degrees, 0.1 %: 37.7."""
    drawn = [uniform(b"pairs", i) for i in range(4001)]
    cells = [0] * 16
    for a, b in itertools.pairwise(drawn):
        cells[int(a * 4) * 4 + int(b * 4)] += 1
    assert sum((c - 250) ** 2 / 250 for c in cells) < 37.7


def test_a_name_is_a_text_or_a_whole_number() -> None:
    with pytest.raises(TypeError):
        uniform(b"", 0.5)  # type: ignore[arg-type]


@given(st.binary(max_size=4), st.text(max_size=4), st.lists(st.text(max_size=4), max_size=5))
def test_many_ranks_are_the_same_ranks(seed: bytes, name: str, many: list[str]) -> None:
    assert ranks(seed, name, many) == [rank(seed, name, one) for one in many]


def test_words_by_hand() -> None:
    """SHAKE256 of the preimage; the first words do not depend on how many follow."""
    preimage = (
        b"isojoule.chance.1s\0\0\0\0\0\0\0\x05wordsb\0\0\0\0\0\0\0\x01xs\0\0\0\0\0\0\0\x04muda"
    )
    assert words(b"x", "muda", 40) == hashlib.shake_256(preimage).digest(320)
    assert words(b"x", "muda", 3) == words(b"x", "muda", 40)[:24]
    assert words(b"y", "muda", 3) != words(b"x", "muda", 3)
