"""Many random words from a recorded seed, by a counter: any stretch of them, in any order.

`isojoule.core.chance` hashes once for every draw, which is right for some thousands. A year of a
street needs millions. The rules:

- A stream has names, as ("forecast", "ada-pv"). Its key is the first 128 bits of the SHA-256 that
  `isojoule.core.chance` makes of the distribution "stream", the seed and the names.
- Word n of it, for any whole n, is word n mod 4 of the block that Philox4x64-10 makes of this key
  and the counter floor(n / 4) mod 2**256. So no word depends on how many were made before it.

The bits are numpy's (`Philox.random_raw`), and equal the known answers of Random123.

Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC'11,
https://doi.org/10.1145/2063384.2063405.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import bits

WORDS = 4
"""Words in a block."""
COUNTERS = 2**256


def words(seed: bytes, *names: str | int, first: int, count: int) -> NDArray[np.uint64]:
    """Words `first` to `first + count - 1` of a stream, 64 bits each, shape (count,).

    Parameters
    ----------
    seed
        Recorded with the run.
    names
        Of the stream; another name gives another stream.
    first, count
        Which words; `first` may be negative.

    Examples
    --------
    >>> words(b"seed", "ada", first=0, count=3)[2] == words(b"seed", "ada", first=2, count=1)[0]
    np.True_
    """
    return block_words(bits(seed, "stream", names) >> 128, first, count)


def block_words(key: int, first: int, count: int) -> NDArray[np.uint64]:
    """As `words`, of a given key of 128 bits."""
    block, skipped = divmod(first, WORDS)
    # numpy counts up before it makes a block
    generator = np.random.Philox(key=key, counter=(block - 1) % COUNTERS)
    return np.asarray(generator.random_raw(skipped + count), np.uint64)[skipped:]
