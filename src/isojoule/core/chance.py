"""Chance from a recorded seed by a stated hash, not from a library's generator.

The rules:

- A draw has names, as ("ada", "arrives", 17). The same seed and names give the same number, on
  every machine and in every version, and no draw depends on how many were made before it.
- The 256 bits are SHA-256 over `isojoule.chance.1`, the distribution, the seed and the names. Each
  part is preceded by a letter for its kind (b bytes, s text in UTF-8, i whole number in decimal
  digits) and its length in bytes, 8 bytes big-endian, so that ("ab", "c") is not ("a", "bc"), nor
  "1" the number 1.
- `uniform` is the first 53 bits over 2**53: each double k/2**53 is equally likely.
- `words` are SHAKE256 over the same parts, as long as needed, for who needs many draws at once.
- `normal` is the inverse of the normal distribution function at (k + 1/2)/2**52, k the first 52
  bits; never infinite, and at most 8.3 from 0.

Source of the inverse: Wichura, Algorithm AS 241, Applied Statistics 37:477-484, 1988,
https://doi.org/10.2307/2347330, as in Python's `statistics`. In its tails a logarithm may differ
in the last place between machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from operator import index
from statistics import NormalDist

_STANDARD = NormalDist()


def uniform(seed: bytes, *names: str | int) -> float:
    """A number in [0, 1), equally likely everywhere.

    Parameters
    ----------
    seed
        Recorded with the run.
    names
        What is drawn; two draws with the same names are the same draw.

    Examples
    --------
    >>> uniform(b"seed", "ada", 1), uniform(b"seed", "ada", 2)
    (0.7381336003994944, 0.08189357727663449)
    """
    return (bits(seed, "uniform", names) >> 203) / 2**53


def normal(seed: bytes, *names: str | int) -> float:
    """A number from the normal distribution with mean 0 and standard deviation 1.

    Parameters
    ----------
    seed, names
        As for `uniform`, from which it is independent.

    Examples
    --------
    >>> round(normal(b"seed", "ada", 1), 12)
    -0.171220981754
    """
    return _STANDARD.inv_cdf(((bits(seed, "normal", names) >> 204) + 0.5) / 2**52)


def rank(seed: bytes, *names: str | int) -> bytes:
    """32 bytes to break a tie by: who has the lowest goes first.

    Depends on the names alone, never on the order in which they came in.
    """
    return bits(seed, "rank", names).to_bytes(32, "big")


def words(seed: bytes, name: str, count: int) -> bytes:
    """`count` words of 64 bits, big-endian, one after the other: so many draws by one hash.

    The first word is the same however many follow.
    """
    parts = b"".join(_begun(seed, "words", (name,)))
    return hashlib.shake_256(parts).digest(8 * count)


def ranks(seed: bytes, name: str, many: Iterable[str]) -> list[bytes]:
    """`rank(seed, name, one)` for each of many texts, faster."""
    known = hashlib.sha256(b"".join(_begun(seed, "rank", (name,))))
    found = []
    for one in many:
        more = known.copy()
        more.update(_part(b"s", one.encode()))
        found.append(more.digest())
    return found


def bits(seed: bytes, distribution: str, names: tuple[str | int, ...]) -> int:
    """The 256 bits that stand behind a draw, as a whole number."""
    parts = _begun(seed, distribution, names)
    return int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "big")


def _begun(seed: bytes, distribution: str, names: tuple[str | int, ...]) -> list[bytes]:
    parts = [b"isojoule.chance.1", _part(b"s", distribution.encode()), _part(b"b", seed)]
    for name in names:
        if isinstance(name, str):
            parts.append(_part(b"s", name.encode()))
        else:
            parts.append(_part(b"i", str(index(name)).encode()))
    return parts


def _part(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(8, "big") + content
