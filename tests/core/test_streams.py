"""Words by a counter: anyone can make the same with SHA-256 and Philox4x64-10."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.streams import block_words, words


def test_the_known_answers_of_random123() -> None:
    """`kat_vectors` of Random123 (Salmon et al. 2011), philox4x64, 10 rounds."""
    assert [f"{int(w):016x}" for w in block_words(0, 0, 4)] == [
        "16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b",
    ]  # fmt: skip
    ones = block_words(2**128 - 1, -4, 4)  # the counter of 256 ones
    assert [f"{int(w):016x}" for w in ones] == [
        "87b092c3013fe90b", "438c3c67be8d0224", "9cc7d7c69cd777b6", "a09caebf594f0ba0",
    ]  # fmt: skip


def test_the_key_by_hand() -> None:
    preimage = (
        b"isojoule.chance.1s\0\0\0\0\0\0\0\x06streamb\0\0\0\0\0\0\0\x01\x07s\0\0\0\0\0\0\0\x03ada"
    )
    key = int.from_bytes(hashlib.sha256(preimage).digest()[:16], "big")
    assert np.array_equal(words(b"\x07", "ada", first=5, count=7), block_words(key, 5, 7))


@given(st.integers(-(2**40), 2**40), st.integers(0, 9), st.integers(0, 9))
def test_no_word_depends_on_where_a_stretch_begins(first: int, skip: int, count: int) -> None:
    whole = words(b"s", "ada", first=first, count=skip + count)
    assert np.array_equal(whole[skip:], words(b"s", "ada", first=first + skip, count=count))


def test_other_names_and_seeds_are_another_stream() -> None:
    streams = [words(s, n, first=0, count=4) for s in (b"", b"1") for n in ("ada", "bo")]
    assert len({int(w) for stream in streams for w in stream}) == 16
