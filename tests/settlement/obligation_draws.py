"""Obligations drawn by Hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from isojoule.settlement.obligations import Liquidity, Obligations

NAMES = tuple("abcdefgh")


@st.composite
def obligations(draw: st.DrawFn, most: int = 24) -> Obligations:
    """Some among up to eight parties, also several between the same two."""
    parties = draw(st.integers(2, len(NAMES)))
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, parties - 1), st.integers(1, parties - 1), st.integers(0, 40)),
            max_size=most,
        )
    )
    debtor = np.array([row[0] for row in rows], np.int32)
    step = np.array([row[1] for row in rows], np.int32)
    amount = np.array([row[2] for row in rows], np.int64)
    return Obligations(NAMES[:parties], debtor, (debtor + step) % np.int32(parties), amount)


@st.composite
def liquidity(draw: st.DrawFn, parties: int) -> Liquidity:
    """Some that spend and some that take, often nothing."""
    amounts = st.lists(
        st.one_of(st.just(0), st.integers(0, 60)), min_size=parties, max_size=parties
    )
    return Liquidity(np.array(draw(amounts), np.int64), np.array(draw(amounts), np.int64))
