"""Which flows are reported where many are optimal, and what has no limit. Spec: M5, M14."""

from __future__ import annotations

import numpy as np
import pytest

from isojoule.market import Refusal
from isojoule.market.mechanisms import get
from isojoule.valuation import Battery, Utility
from tests.market.books import book_of, clear, grid_of, offer, uj


def battery(energy_j: float) -> Battery:
    return Battery(uj(energy_j), uj(1000.0), 0.1, 1.1)


@pytest.mark.parametrize(
    ("capacity_w", "flows"), [(50.0, [50.0, 350.0, -150.0]), (np.inf, [200.0, 200.0, 0.0])]
)
def test_around_a_triangle_the_least_flows_are_taken(capacity_w: float, flows: list[float]) -> None:
    """900, 300, 300 J level at 500. f01 is free within its cap: the least squares."""
    grid = grid_of(
        3,
        [
            {"ends": (0, 1), "capacity_w": capacity_w},
            {"ends": (0, 2)},
            {"ends": (1, 2)},
        ],
    )
    offers = [offer(f"b{i}", i, battery(e)) for i, e in enumerate((900.0, 300.0, 300.0))]
    found = clear(book_of(grid, offers), grid)
    assert found.flow_uj / 1e6 == pytest.approx(flows, abs=2e-6)
    assert found.price_per_j == pytest.approx([0.6] * 3)


def test_two_utilities_without_a_limit_are_refused_and_with_one_cleared() -> None:
    cheap, dear = Utility(1.0, 0.5), Utility(4.0, 2.0)
    for links, limited in (
        ([{"ends": (0, 1)}], False),
        ([{"ends": (0, 1), "capacity_w": 5.0, "loss": 0.02}], True),
    ):
        grid = grid_of(2, links)
        book = book_of(grid, [offer("a", 0, cheap), offer("b", 1, dear)])
        found = get("equilibrium").clear(book, grid)
        if limited:
            assert not isinstance(found, Refusal)
            assert found.energy_uj.tolist() == [-5_000_000, 4_900_000]
        else:
            assert isinstance(found, Refusal)
            assert "has no limit" in found.reason
            assert "limit the link" in found.remedy
