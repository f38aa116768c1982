"""A root stands for its log, and a proof proves one thing only (docs/spec/log.md, L1 to L6).

Known answers: the tests of the reference implementation of RFC 6962, as they stand in
github.com/transparency-dev/merkle, `proof/verify_test.go`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import InputError, InvariantError, VerificationError
from isojoule.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    record_hashes,
    root_of,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [
    bytes.fromhex(entry)
    for entry in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                  "606162636465666768696a6b6c6d6e6f")
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
ONE_OF_EIGHT = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
INCLUSION = {  # (index, size): proof
    (0, 1): [],
    (0, 8): ONE_OF_EIGHT,
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old size, new size): proof
    (1, 1): [],
    (1, 8): ONE_OF_EIGHT,
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
LEAVES = [leaf_hash(bytes([i])) for i in range(71)]


def naive(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\1" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def turns(index: int, size: int) -> list[str]:
    """On which side the trees beside an entry's way lie, lowest first."""
    if size == 1:
        return []
    k = split(size)
    return [*turns(index, k), "R"] if index < k else [*turns(index - k, size - k), "L"]


def holds(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except VerificationError:
        return False
    return True


def flipped(data: bytes, bit: int) -> bytes:
    number = int.from_bytes(data, "big") ^ 1 << bit % (8 * len(data))
    return number.to_bytes(len(data), "big")


def mutations(proof: Sequence[bytes], data: st.DataObject) -> list[tuple[bytes, ...]]:
    """A bit flipped; a hash doubled, dropped, cut, moved; something put before or after."""
    proof = tuple(proof)
    found = [(*proof, EMPTY_ROOT), (EMPTY_ROOT, *proof), (*proof, b""), (b"", *proof)]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        before, here, after = proof[:at], proof[at], proof[at + 1 :]
        found += [
            (*before, flipped(here, bit), *after),
            (*before, here, here, *after),
            (*before, *after),
            (*before, here[:-1], *after),
            (*before, here + b"\0", *after),
        ]
        if len(proof) > 1:
            found.append(proof[::-1])
    return found


def test_known_roots() -> None:
    """L1."""
    assert EMPTY_ROOT.hex() == ROOTS[0]
    log = Frontier()
    for size, root in enumerate(ROOTS):
        assert root_of(ENTRIES[:size]).hex() == root
        assert log.root().hex() == root
        log = log.append(leaf_hash(ENTRIES[size])) if size < 8 else log


def test_known_inclusion_proofs() -> None:
    """L4."""
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    for (index, size), proof in INCLUSION.items():
        given_ = [bytes.fromhex(text) for text in proof]
        assert list(inclusion_proof(leaves[:size], index)) == given_
        verify_inclusion(leaves[index], index, size, given_, bytes.fromhex(ROOTS[size]))


def test_known_consistency_proofs() -> None:
    """L5."""
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    for (old, new), proof in CONSISTENCY.items():
        given_ = [bytes.fromhex(text) for text in proof]
        assert list(consistency_proof(leaves[:new], old)) == given_
        verify_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), given_)


def test_a_leaf_is_no_node() -> None:
    """An entry that is the text of a node has another hash than the node (L1)."""
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
    assert leaf_hash(b"") != EMPTY_ROOT


def test_frontier_is_the_naive_recursion() -> None:
    """L1, L2."""
    one_by_one = Frontier()
    for size in range(71):
        log = Frontier().extend(LEAVES[:size])
        assert log == one_by_one
        assert log.size == size and log.root() == naive(LEAVES[:size])
        at = 0
        for bit in reversed(range(7)):
            if size >> bit & 1:
                assert log.roots[(size >> bit).bit_count() - 1] == naive(LEAVES[at : at + 2**bit])
                at += 2**bit
        one_by_one = one_by_one.append(LEAVES[size])


@given(st.lists(st.integers(0, 40), max_size=6))
def test_any_parts_give_the_same_log(parts: list[int]) -> None:
    """L2. Each log on the way is a value: growing it leaves it as it is."""
    leaves = [leaf_hash(bytes([i])) for i in range(sum(parts))]
    log, at = Frontier(), 0
    for part in parts:
        before, root = log, log.root()
        log = log.extend(iter(leaves[at : at + part]))
        at += part
        assert before.root() == root
    assert log == Frontier().extend(leaves)
    assert log.root() == naive(leaves)


def test_more_than_is_hashed_at_once() -> None:
    """Parts of 2**14 leaves are hashed together; the borders do not show."""
    leaves = [leaf_hash(i.to_bytes(3, "big")) for i in range(2 * 2**14 + 5)]
    log = Frontier().extend(leaves[:7]).extend(leaves[7:])
    assert log == Frontier().extend(leaves)
    assert log.root() == naive(leaves)
    records = b"".join(i.to_bytes(3, "big") for i in range(2 * 2**14 + 5))
    assert Frontier().extend_records(records, 3) == log
    assert list(record_hashes(records, 3)) == leaves


@given(st.binary(max_size=60), st.integers(1, 9), st.binary(max_size=4))
def test_records(buffer: bytes, size: int, prefix: bytes) -> None:
    """L3."""
    whole = buffer[: len(buffer) // size * size]
    entries = [prefix + whole[i : i + size] for i in range(0, len(whole), size)]
    expected = Frontier().extend(map(leaf_hash, entries))
    for kind in (bytes, bytearray, memoryview):
        assert Frontier().extend_records(kind(whole), size, prefix) == expected
    if whole != buffer:
        with pytest.raises(InvariantError, match="are not records"):
            Frontier().extend_records(buffer, size, prefix)


def test_records_have_a_size() -> None:
    with pytest.raises(InvariantError):
        Frontier().extend_records(b"", 0)


@given(st.integers(0, 70))
def test_a_frontier_is_stored(size: int) -> None:
    """L2: 8 bytes of size, then the roots; every other length is refused."""
    log = Frontier().extend(LEAVES[:size])
    stored = log.to_bytes()
    assert stored == size.to_bytes(8, "big") + b"".join(log.roots)
    assert Frontier.from_bytes(stored) == log
    for length in range(len(stored)):
        with pytest.raises(VerificationError, match="frontier"):
            Frontier.from_bytes(stored[:length])
    for more in (b"\0", bytes(31), bytes(32)):
        with pytest.raises(VerificationError, match="frontier"):
            Frontier.from_bytes(stored + more)


def test_what_is_no_frontier() -> None:
    for size, roots in [(0, (EMPTY_ROOT,)), (3, (EMPTY_ROOT,)), (-1, (EMPTY_ROOT,)), (1, (b"",)),
                        (2**64, (EMPTY_ROOT,))]:  # fmt: skip
        with pytest.raises(InvariantError):
            Frontier(size, roots)
    for grow in (Frontier().append, lambda leaf: Frontier().extend([leaf])):
        with pytest.raises(InvariantError, match="32 bytes"):
            grow(bytes(31))


def test_every_small_proof_holds() -> None:
    """L4, L5: lengths are those of the way, and all sizes to 33 are proved against all others."""
    for size in range(1, 34):
        leaves, root = LEAVES[:size], naive(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(leaves, index)
            assert len(proof) == len(turns(index, size))
            verify_inclusion(leaves[index], index, size, proof, root)
        for old in range(size + 1):
            proof = consistency_proof(leaves, old)
            verify_consistency(old, naive(leaves[:old]), size, root, proof)


@given(st.integers(1, 70), st.data())
def test_no_other_inclusion_is_proved(size: int, data: st.DataObject) -> None:
    """L4, L6."""
    index = data.draw(st.integers(0, size - 1))
    leaves, root = LEAVES[:size], naive(LEAVES[:size])
    leaf, proof = leaves[index], inclusion_proof(leaves, index)
    bit = data.draw(st.integers(0, 255))
    assert holds(verify_inclusion, leaf, index, size, proof, root)
    for other in mutations(proof, data):
        assert not holds(verify_inclusion, leaf, index, size, other, root)
    for other_index in {*range(-2, size + 2), index + 2**40} - {index}:
        assert not holds(verify_inclusion, leaf, other_index, size, proof, root)
    for wrong in (flipped(leaf, bit), leaf[:-1], leaf + b"\0", b"", root if size > 1 else b""):
        assert not holds(verify_inclusion, wrong, index, size, proof, root)
    for wrong in (flipped(root, bit), root[:-1], b"", EMPTY_ROOT):
        assert not holds(verify_inclusion, leaf, index, size, proof, wrong)
    for other_size in range(-1, 140):
        same_way = other_size > index and turns(index, other_size) == turns(index, size)
        assert holds(verify_inclusion, leaf, index, other_size, proof, root) == same_way


def test_a_size_that_a_proof_leaves_open() -> None:
    """L6: its own example."""
    proof = inclusion_proof(LEAVES[:4], 0)
    verify_inclusion(LEAVES[0], 0, 3, proof, naive(LEAVES[:4]))


@given(st.integers(1, 70), st.data())
def test_no_other_history_is_proved(size: int, data: st.DataObject) -> None:
    """L5, L6."""
    old = data.draw(st.integers(0, size))
    leaves = LEAVES[:size]
    root, old_root = naive(leaves), naive(leaves[:old])
    proof = consistency_proof(leaves, old)
    bit = data.draw(st.integers(0, 255))
    assert holds(verify_consistency, old, old_root, size, root, proof)
    for other in mutations(proof, data):
        assert not holds(verify_consistency, old, old_root, size, root, other)
    for other_old in {*range(-2, size + 2), old + 2**40} - {old}:
        assert not holds(verify_consistency, other_old, old_root, size, root, proof)
    for wrong in (flipped(old_root, bit), old_root[:-1], b""):
        assert not holds(verify_consistency, old, wrong, size, root, proof)
    if old:
        for wrong in (flipped(root, bit), root[:-1], b"", EMPTY_ROOT):
            assert not holds(verify_consistency, old, old_root, size, wrong, proof)
    for other_size in range(-1, 140):
        # From the empty log every other log goes on; else as with the old log's last entry.
        same_way = other_size > 0 if old == 0 else (
            (other_size > old < size and turns(old - 1, other_size) == turns(old - 1, size))
            or other_size == size
        )  # fmt: skip
        assert holds(verify_consistency, old, old_root, other_size, root, proof) == same_way


@given(st.integers(2, 70), st.data())
def test_a_changed_past_is_found(size: int, data: st.DataObject) -> None:
    """Neither the proof of the changed log nor that of the log as it was leads to both (L5)."""
    old = data.draw(st.integers(1, size - 1))
    at = data.draw(st.integers(0, old - 1))
    changed = [*LEAVES[:at], leaf_hash(b"changed"), *LEAVES[at + 1 : size]]
    with pytest.raises(VerificationError, match=r"old root|does not begin"):
        verify_consistency(
            old, naive(LEAVES[:old]), size, naive(changed), consistency_proof(changed, old)
        )
    with pytest.raises(VerificationError, match="does not begin with the old one"):
        verify_consistency(
            old, naive(LEAVES[:old]), size, naive(changed), consistency_proof(LEAVES[:size], old)
        )


def test_bytes_do_not_move_within_a_node() -> None:
    """A longer leaf and a shorter hash beside it give the same node; neither is a hash (L4)."""
    left, right = LEAVES[:2]
    longer, shorter, root = left + right[:1], right[1:], node_hash(left, right)
    assert node_hash(longer, shorter) == root
    with pytest.raises(VerificationError, match="32 bytes"):
        verify_inclusion(longer, 0, 2, [shorter], root)
    with pytest.raises(VerificationError, match="32 bytes"):
        verify_consistency(1, longer, 2, root, [shorter])


def test_no_entry_stands_before_the_first() -> None:
    """Below zero the way of the last entry would go on to the left without end (L4)."""
    proof = inclusion_proof(LEAVES[:4], 3)
    with pytest.raises(VerificationError, match="no such entry"):
        verify_inclusion(LEAVES[3], -1, 1, proof, naive(LEAVES[:4]))


def test_empty_logs() -> None:
    """L5."""
    root = naive(LEAVES[:5])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    verify_consistency(0, EMPTY_ROOT, 5, root, ())
    for old, old_root, new, new_root in [
        (0, root, 5, root), (0, root, 0, root), (0, EMPTY_ROOT, 0, root), (0, root, 0, EMPTY_ROOT),
        (5, root, 0, EMPTY_ROOT), (5, root, 5, EMPTY_ROOT),
    ]:  # fmt: skip
        assert not holds(verify_consistency, old, old_root, new, new_root, ())
    assert not holds(verify_inclusion, EMPTY_ROOT, 0, 0, (), EMPTY_ROOT)


@pytest.mark.parametrize("index", [-1, 5])
def test_no_such_entry(index: int) -> None:
    with pytest.raises(InputError, match=f"entry {index}: the log has 5"):
        inclusion_proof(LEAVES[:5], index)
    with pytest.raises(InputError, match="the log has 4"):
        consistency_proof(LEAVES[:4], index)


SAME, ODD = leaf_hash(b"same"), leaf_hash(b"odd one")


@cache
def uniform(size: int) -> bytes:
    """Root of a log that has the same entry again and again, by the recursion."""
    if size == 1:
        return SAME
    k = split(size)
    return node_hash(uniform(k), uniform(size - k))


def with_one(size: int, at: int) -> bytes:
    """The same, with the odd one at an index."""
    if size == 1:
        return ODD
    k = split(size)
    if at < k:
        return node_hash(with_one(k, at), uniform(size - k))
    return node_hash(uniform(k), with_one(size - k, at - k))


def path(size: int, at: int) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if size == 1:
        return []
    k = split(size)
    if at < k:
        return [*path(k, at), uniform(size - k)]
    return [*path(size - k, at - k), uniform(k)]


def subproof(old: int, size: int, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if old == size:
        return [] if whole else [uniform(size)]
    k = split(size)
    if old <= k:
        return [*subproof(old, k, whole), uniform(size - k)]
    return [*subproof(old - k, size - k, False), uniform(k)]


@given(st.integers(2**32, 2**63 - 2), st.data())
def test_logs_of_more_than_32_bits(size: int, data: st.DataObject) -> None:
    """L2, L4, L5 where nobody could hash all leaves."""
    index = data.draw(st.integers(0, size - 1))
    root, proof = with_one(size, index), path(size, index)
    verify_inclusion(ODD, index, size, proof, root)
    for other in {index - 1, index + 1, index ^ 2**32, index ^ 2**20, index ^ 2} - {index}:
        assert not holds(verify_inclusion, ODD, other, size, proof, root)
    old = data.draw(st.integers(1, size))
    steps = subproof(old, size, True)
    verify_consistency(old, uniform(old), size, uniform(size), steps)
    for other in (old - 1, old + 1, old ^ 2**32):
        assert not holds(verify_consistency, other, uniform(old), size, uniform(size), steps)
    log = Frontier(size, tuple(uniform(1 << k) for k in reversed(range(63)) if size >> k & 1))
    assert log.root() == uniform(size)
    assert log.append(SAME).root() == log.extend([SAME]).root() == uniform(size + 1)
    assert Frontier.from_bytes(log.to_bytes()) == log
