"""Whole amounts shared in proportion, whoever stands first. Spec: docs/spec/settlement.md, Y4."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isojoule.settlement.share_out import share_out

NAMES = ("ada", "bo", "cy", "dan", "eve", "finn", "gus")


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 3), min_size=7, max_size=7),
    st.permutations(range(7)),
)
def test_the_order_of_names_changes_nothing(
    total: int, weight: list[int], order: list[int]
) -> None:
    """Y4: with many ties."""
    one = share_out(np.array([total]), np.array([weight]), NAMES)[0]
    turned = share_out(
        np.array([total]), np.array([[weight[i] for i in order]]), tuple(NAMES[i] for i in order)
    )[0]
    assert one[order].tolist() == turned.tolist()
    assert one.sum() == total


def test_ties_are_broken_by_the_hash_of_the_name() -> None:
    """Y4: written down here once more, so that another program can find it again."""

    def part(kind: bytes, content: bytes) -> bytes:
        return kind + len(content).to_bytes(8, "big") + content

    def key(name: str) -> bytes:
        head = b"isojoule.chance.1" + part(b"s", b"rank")
        seed = part(b"b", b"isojoule.settlement.share")
        return hashlib.sha256(head + seed + part(b"s", name.encode())).digest()

    first = sorted(NAMES, key=key)[:3]
    parts = share_out(np.array([3]), np.array([[1] * 7]), NAMES)[0]
    assert [name for name, part in zip(NAMES, parts, strict=True) if part] == sorted(first)


def test_nobody_shares_nothing() -> None:
    assert share_out(np.array([5]), np.zeros((1, 0), np.int64), ()).shape == (1, 0)
