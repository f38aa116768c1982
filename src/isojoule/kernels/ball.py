"""The nodes around some nodes of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@kernel
def ball(tail: Ints, head: Ints, start: Ints, incident: Ints, open_: Bools, seeds: Ints,
         most: int) -> Ints:  # fmt: skip
    """Nodes in the order of their distance from the seeds, no more than `most`; seeds first.

    Parameters
    ----------
    tail, head, start, incident
        Links, and those at each node (see `isojoule.kernels.incidence`).
    open_
        Which links count.
    """
    seen = np.zeros(start.size - 1, np.bool_)
    out = np.empty(max(most, seeds.size), np.int64)
    count = 0
    for v in seeds:
        if not seen[v]:
            seen[v] = True
            out[count] = v
            count += 1
    done = 0
    while done < count and count < most:
        v = out[done]
        done += 1
        for p in range(start[v], start[v + 1]):
            e = incident[p]
            w = tail[e] + head[e] - v
            if open_[e] and not seen[w] and count < most:
                seen[w] = True
                out[count] = w
                count += 1
    return out[:count]
