"""Rules that need no game: keep it, the same, by energy. See docs/spec/surplus.md Z4 to Z6."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from isojoule.settlement.shares.case import Case, Ints, Split, in_text


def keep(case: Case) -> Split:
    """Nothing is shared."""
    n = len(case.members)
    kept = case.told(case.surplus_nano)
    why = f"The operator keeps its surplus of {kept}: the rule shares nothing."
    return Split((Fraction(0),) * n, (why,) * n, kept_nano=case.surplus_nano)


def equal(case: Case) -> Split:
    """The same for every member."""
    n = len(case.members)
    why = f"The surplus of {case.told(case.surplus_nano)} is shared equally by {n} members."
    return Split((Fraction(case.surplus_nano, n),) * n, (why,) * n)


def energy(case: Case) -> Split:
    """In proportion to energy bought plus sold, net per interval."""
    moved = _moved(case.net_uj)
    total = sum(moved)
    if total == 0:
        n = len(case.members)
        why = (
            f"Nobody bought or sold energy, so the surplus of {case.told(case.surplus_nano)} is "
            f"shared equally by {n} members."
        )
        return Split((Fraction(case.surplus_nano, n),) * n, (why,) * n)
    return Split(
        tuple(Fraction(case.surplus_nano * own, total) for own in moved),
        tuple(
            f"You bought and sold {in_text(own)} of the {in_text(total)} of all members, and "
            f"the surplus of {case.told(case.surplus_nano)} is shared in that proportion."
            for own in moved
        ),
    )


def _moved(net_uj: Ints) -> list[int]:
    """Energy bought plus sold by each, exactly: sums of halves, which do not leave 64 bits."""
    size = np.abs(net_uj)
    high, low = (size >> 32).sum(axis=0), (size & 0xFFFFFFFF).sum(axis=0)
    return [(int(h) << 32) + int(b) for h, b in zip(high, low, strict=True)]
