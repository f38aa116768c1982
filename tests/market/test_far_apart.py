"""Where sizes are far apart, an outcome proves itself or there is none (E10)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isojoule.grid.formulation import network_of
from isojoule.market import far_apart
from isojoule.market.allocation import Allocation, NotSolved, allocate, columns_of
from isojoule.market.optimum import optimum
from tests.market.books import clear, uj
from tests.market.solvers.conformance import CORNERS, Given

GIANT = CORNERS["a giant that stands aside"]


def halfway(given: Given) -> Allocation:
    """An outcome that balances and is not the optimum: half of what should move does."""
    network = network_of(given.grid, given.book.network, given.book.interval.duration_s)
    found = optimum(network, columns_of(given.book, network))
    wrong = replace(
        found, x=0.5 * found.x, side=0 * found.side, offer_x=0.5 * found.offer_x,
        flow=0.5 * found.flow, sent=0.5 * found.sent,
    )  # fmt: skip
    out = allocate(given.book, given.grid, found=wrong)
    assert isinstance(out, Allocation)
    return out


def test_a_giant_that_stands_aside_hides_nobody() -> None:
    """By hand: 0.5 J are sent, 0.49 J arrive, less than wanted, so both ends pay 0.9 there (C7)."""
    found = clear(GIANT.book, GIANT.grid)
    energy = dict(zip(GIANT.book.offer_ids, found.energy_uj.tolist(), strict=True))
    assert energy == {"giant": 0, "small": -500_000, "lamp": 490_000}
    assert found.price_per_j[1:] == pytest.approx([0.882, 0.9], rel=1e-9)
    paid = dict(zip(GIANT.book.offer_ids, found.payment_nano.tolist(), strict=True))
    assert paid["lamp"] == pytest.approx(0.441e9, abs=1)
    assert paid["small"] == pytest.approx(-0.441e9, abs=1)


def test_what_does_not_prove_itself_is_looked_for_again() -> None:
    given = CORNERS["full and empty"]
    wrong = halfway(given)
    assert not wrong.support.closed
    found = far_apart.prove(given.book, given.grid, wrong)
    assert isinstance(found, Allocation) and found.support.closed
    assert found.support.welfare > wrong.support.welfare


def test_without_a_proof_there_is_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    given = CORNERS["full and empty"]
    wrong = halfway(given)
    monkeypatch.setattr(far_apart, "_again", lambda *_: iter([wrong, NotSolved("no", "")]))
    found = far_apart.prove(given.book, given.grid, wrong)
    assert isinstance(found, NotSolved)
    told = f"only proved to lie within {wrong.support.gap:.1e} EUR of the optimum"
    assert told in found.reason and "powers of ten apart" in found.remedy


def test_why_it_was_not_solved_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    given = CORNERS["full and empty"]
    monkeypatch.setattr(far_apart, "_again", lambda *_: iter([]))
    why = NotSolved("trade has no limit", "limit it")
    assert far_apart.prove(given.book, given.grid, why) == why


def test_a_cut_that_bites_does_not_count() -> None:
    """Quantities cut to a hundredth of what moves: the gap at the true bounds stays open."""
    given = CORNERS["full and empty"]
    network = network_of(given.grid, given.book.network, given.book.interval.duration_s)
    narrow, cut = far_apart._cut(network, columns_of(given.book, network), 1.0)
    found = allocate(given.book, given.grid, found=optimum(narrow, cut))
    assert isinstance(found, Allocation)
    assert np.max(np.abs(found.energy_uj)) <= uj(1.0)
    assert not far_apart.proved(given.book, given.grid, found)
