"""A log whose root stands for all of it, with short proofs: a Merkle tree over byte strings.

The rules (docs/spec/log.md, L1 to L6):

- The tree is that of RFC 6962 and of RFC 9162, section 2.1. A leaf is SHA-256 of a byte 0 and the
  entry, a node SHA-256 of a byte 1, its left and its right child. The left child holds the largest
  power of two of leaves that leaves some for the right one.
- So the tree of n leaves is made of perfect trees, one for each bit set in n. A `Frontier` keeps
  their roots and nothing else: enough to append to a log, however long, and to say its root.
- An inclusion proof leads from one leaf to the root, a consistency proof from the root of an
  earlier, shorter log to that of a later one. Each is about as many hashes as n has bits.
- A proof speaks of a root *and* a size. The size is not in the root: take both from one signed
  checkpoint (see `isojoule.core.checkpoint`).

References
----------
.. [1] B. Laurie, A. Langley, E. Kasper, Certificate Transparency, RFC 6962, 2013.
.. [2] B. Laurie, E. Messeri, R. Stradling, Certificate Transparency Version 2.0, RFC 9162, 2021.
.. [3] S. Crosby, D. Wallach, Efficient data structures for tamper-evident logging, USENIX
   Security 2009.
"""

from __future__ import annotations

from collections.abc import Sequence

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.frontier import (
    EMPTY_ROOT,
    HASH_SIZE,
    Frontier,
    leaf_hash,
    node_hash,
    record_hashes,
    root_of,
)

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "Frontier",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "record_hashes",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """What leads from a leaf to the root: the roots of all trees beside its way, lowest first.

    Parameters
    ----------
    leaf_hashes
        Of the whole log.
    index
        Which leaf, from 0.

    Raises
    ------
    InputError
        There is no such leaf.
    """
    low, high = 0, len(leaf_hashes)
    if not 0 <= index < high:
        raise InputError(f"the log has {high} entries, from 0", place=f"entry {index}")
    beside: list[bytes] = []
    while high - low > 1:
        middle = low + _left_size(high - low)
        if index < middle:
            beside.append(_root(leaf_hashes[middle:high]))
            high = middle
        else:
            beside.append(_root(leaf_hashes[low:middle]))
            low = middle
    return tuple(reversed(beside))


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """What shows that the log of all leaves begins with the log of the first `old_size`.

    Raises
    ------
    InputError
        The log never had this size.
    """
    low, high = 0, len(leaf_hashes)
    if not 0 <= old_size <= high:
        raise InputError(f"the log has {high} entries", place=f"size {old_size}")
    if old_size in (0, high):
        return ()
    proof: list[bytes] = []
    # To the largest perfect tree on the old log's right border, which both logs hold.
    while high != old_size:
        middle = low + _left_size(high - low)
        if old_size <= middle:
            proof.append(_root(leaf_hashes[middle:high]))
            high = middle
        else:
            proof.append(_root(leaf_hashes[low:middle]))
            low = middle
    if low:
        proof.append(_root(leaf_hashes[low:high]))
    return tuple(reversed(proof))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf stands at an index of the log of a size and root (L4).

    Parameters
    ----------
    leaf
        Its hash.
    index
        From 0.
    size, root
        Of the log, both from one checkpoint.
    proof
        Of `inclusion_proof`.

    Raises
    ------
    VerificationError
        Says what does not hold.
    """
    place = f"entry {index} of {size}"
    if not 0 <= index < size:
        raise VerificationError("there is no such entry", place=place)
    # Below, the leaf's way to the root is apart from that of the last leaf; from where they meet,
    # the way runs on the right border, where a tree lies beside it only on the left.
    below = (index ^ (size - 1)).bit_length()
    _check_hashes((leaf, root, *proof), place)
    _check_length(proof, below + (index >> below).bit_count(), place)
    at = leaf
    for level, beside in enumerate(proof[:below]):
        at = node_hash(beside, at) if index >> level & 1 else node_hash(at, beside)
    for beside in proof[below:]:
        at = node_hash(beside, at)
    if at != root:
        raise VerificationError("the entry does not lead to the root", place=place)


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a log begins with an earlier one: nothing was changed, only appended (L5).

    Parameters
    ----------
    old_size, old_root
        Of the earlier log, both from one checkpoint.
    new_size, new_root
        Of the later log, both from one checkpoint.
    proof
        Of `consistency_proof`.

    Raises
    ------
    VerificationError
        Says what does not hold.
    """
    place = f"from {old_size} to {new_size} entries"
    if not 0 <= old_size <= new_size:
        raise VerificationError("a log never gets shorter", place=place)
    _check_hashes((old_root, new_root, *proof), place)
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise VerificationError("this is not the root of an empty log", place=place)
    if old_size == new_size and old_root != new_root:
        raise VerificationError("two roots of one size", place=place)
    if old_size in (0, new_size):
        _check_length(proof, 0, place)
        return
    # The last perfect tree of the old log has 2**start leaves. From it the way goes up as that of
    # an entry does; on its left lies what both logs have, on its right what only the new one has.
    last = old_size - 1
    start = (old_size & -old_size).bit_length() - 1
    meet = (last ^ (new_size - 1)).bit_length()
    given = 0 if old_size == 1 << start else 1  # whether that tree is less than the old log
    length = given + meet - start + (last >> meet).bit_count()
    _check_length(proof, length, place)
    old = new = proof[0] if given else old_root
    for level, beside in enumerate(proof[given : given + meet - start], start):
        if last >> level & 1:
            old, new = node_hash(beside, old), node_hash(beside, new)
        else:
            new = node_hash(new, beside)
    for beside in proof[given + meet - start :]:
        old, new = node_hash(beside, old), node_hash(beside, new)
    if old != old_root:
        raise VerificationError("the proof does not lead to the old root", place=place)
    if new != new_root:
        raise VerificationError("the new log does not begin with the old one", place=place)


def _root(leaf_hashes: Sequence[bytes]) -> bytes:
    return Frontier().extend(leaf_hashes).root()


def _left_size(size: int) -> int:
    """The largest power of two below a size of at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_hashes(hashes: Sequence[bytes], place: str) -> None:
    # Hashes of another length could move the border between left and right within a node.
    if set(map(len, hashes)) != {HASH_SIZE}:
        raise VerificationError(f"a hash does not have {HASH_SIZE} bytes", place=place)


def _check_length(proof: Sequence[bytes], length: int, place: str) -> None:
    if len(proof) != length:
        raise VerificationError(
            f"the proof has {len(proof)} hashes where {length} are due", place=place
        )
