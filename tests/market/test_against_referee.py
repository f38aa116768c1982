"""Every clearing of a random small book agrees with an independent convex solver.

See `tests.market.referee`. What must agree: the welfare lies between what the clearing reaches
and what its certificate allows; the referee's prices lie between the clearing's lowest and
highest; batteries that stand inside their curve hold the same energy.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.market import Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery
from tests.conftest import need
from tests.market.books import KINDS, REAL, SMALL, Case, random_case
from tests.market.referee import judge

SHARE = 1e-6


@pytest.fixture(autouse=True)
def _solver() -> None:
    need(find_spec("cvxpy") and find_spec("clarabel"), "cvxpy with Clarabel")


def agree(case: Case) -> None:
    found = get("equilibrium").clear(case.book, case.grid)
    assert not isinstance(found, Refusal), str(found)
    check_clearing(case.book, case.grid, found)
    assert found.certificate.kind == "dual"
    e0, p0 = case.sizes.energy_j, case.sizes.price
    other = judge(case.book, case.grid, e0, p0)
    if np.isnan(other.welfare):
        return  # the other solver gave up (seldom, where a curve ends steeply)
    margin = SHARE * abs(other.welfare) + 1e-7 * e0 * p0
    assert found.welfare - margin <= other.welfare <= found.certificate.welfare_bound + margin
    assert found.certificate.gap <= 1e-5 * (abs(found.welfare) + e0 * p0)
    batteries = [o.spec for o in case.book.offers if isinstance(o.spec, Battery)]
    if any(b.k < 0.5 for b in batteries):
        return  # the other solver tells no price where a curve ends that steeply
    near = 2e-3 * np.maximum(np.abs(other.price), p0)
    assert np.all(other.price >= found.certificate.lowest - near)
    assert np.all(other.price <= found.certificate.highest + near)
    for o, mine, theirs in zip(
        case.book.offers, found.energy_uj * 1e-6, other.energy_j, strict=True
    ):
        if isinstance(o.spec, Battery) and strict_inside(o.spec, mine):
            assert mine == pytest.approx(theirs, abs=2e-3 * o.spec.capacity_uj * 1e-6)


def strict_inside(b: Battery, received_j: float) -> bool:
    """Whether the battery ends where its curve falls with at least a tenth of its mean slope."""
    if b.charge_efficiency < 1 or b.discharge_efficiency < 1 or b.v_min_per_j == b.v_max_per_j:
        return False
    room = (b.capacity_uj - b.reserve_uj) * 1e-6
    t = (
        1.0
        - ((b.energy_uj + b.inflow_uj - b.reserve_uj - b.committed_uj) * 1e-6 + received_j) / room
    )
    return 0.05 < t < 0.95 and b.k * t ** (b.k - 1.0) > 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_small_numbers(kind: str, seed: int) -> None:
    agree(random_case(1000 + seed, SMALL, kind))


@pytest.mark.parametrize("seed", range(60))
def test_real_sizes(seed: int) -> None:
    """Kilowatt-hours and cents: 1e7 J, 1e-7 money per J."""
    agree(random_case(seed, REAL))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10**9), st.sampled_from((SMALL, REAL)))
def test_any_seed(seed: int, sizes: object) -> None:
    agree(random_case(seed, sizes))  # type: ignore[arg-type]


# What once failed, by what was wrong.
@pytest.mark.parametrize(
    ("seed", "sizes"),
    [
        (0, SMALL),  # dust on a cycle let supporting prices climb without end
        (9, SMALL),
        (49, SMALL),  # dust on an idle lossy link tied the prices of its ends
        (91, SMALL),  # duals of shut ways were taken as proof
        (142, SMALL),  # burning free energy over two parallel links
        (13, SMALL),  # roundings where a Joule is dear
        (162, SMALL),
        (32, SMALL),  # a slack of 0
        (242, SMALL),  # the scale of prices was that of a nearly full battery
        (272, SMALL),  # a curve with k = 0.2 at its end
        (293, SMALL),  # an island where nobody buys
        (95, REAL),  # a circle of dust that nobody could feed
        (102, REAL),  # a price behind a link at the peak of its quadratic loss
    ],
)
def test_once_broken(seed: int, sizes: object) -> None:
    agree(random_case(seed, sizes))  # type: ignore[arg-type]
