"""Grids: what is refused, what limits follow, and how a grid becomes arcs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isojoule.core.errors import InputError
from isojoule.core.units import NO_LIMIT_UJ
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from tests.market.books import grid_of


def two(**columns: object) -> Grid:
    return Grid(("a", "b"), ("l",), np.array([0], np.int32), np.array([1], np.int32), **columns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity_w": np.array([-1.0])},
        {"capacity_w": np.array([math.nan])},
        {"capacity_w": np.array([1.0, 2.0])},
        {"loss_ppb": np.array([-1])},
        {"loss_ppb": np.array([10**9])},
        {"resistance_ohm": np.array([-1.0]), "voltage_v": np.array([1.0])},
        {"resistance_ohm": np.array([math.inf]), "voltage_v": np.array([1.0])},
        {"resistance_ohm": np.array([1.0])},
        {"resistance_ohm": np.array([1.0]), "voltage_v": np.array([0.0])},
        {"standing_loss_w": np.array([-1.0])},
        {"standing_loss_w": np.array([math.inf])},
        {"price_per_j": np.array([-1.0])},
        {"price_per_j": np.array([math.nan])},
        {"price_per_j": np.array([math.inf])},
        {"owner": ("x", "y")},
    ],
    ids=str,
)
def test_impossible_links_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError) as error:
        two(**wrong)
    assert error.value.remedy


def test_impossible_ends_and_names_are_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        Grid(("a", "a"))
    with pytest.raises(InputError, match="not a node"):
        grid_of(2, [{"ends": (0, 2)}])
    with pytest.raises(InputError, match="not a node"):
        grid_of(2, [{"ends": (-1, 0)}])
    with pytest.raises(InputError, match="one node"):
        grid_of(2, [{"ends": (1, 1)}])
    with pytest.raises(InputError, match="twice"):
        grid_of(3, [{"ends": (0, 1), "id": "x"}, {"ends": (1, 2), "id": "x"}])


def test_limits_of_an_interval() -> None:
    """By r = R / (V^2 dt): 0.1 ohm at 400 V over 900 s."""
    g = two(
        capacity_w=np.array([50e3]),
        resistance_ohm=np.array([0.1]),
        voltage_v=np.array([400.0]),
    )
    limits = g.limits(900.0)
    assert limits.capacity_uj.tolist() == [45_000_000 * 10**6]
    assert limits.loss_per_j[0] == pytest.approx(0.1 / (160_000 * 900), rel=1e-15)
    assert two().limits(900.0).capacity_uj.tolist() == [NO_LIMIT_UJ]


def test_arcs() -> None:
    """A free link is one arc of either sign; one that costs is two, up to its peak."""
    g = grid_of(3, [{"ends": (0, 1), "capacity_w": 5.0}, {"ends": (1, 2), "loss": 0.5, "r": 0.05}])
    net = network_of(g, "transport", 1.0)
    assert net.arc_link.tolist() == [0, 1, 1]
    assert net.arc_back.tolist() == [False, False, True]
    assert net.arc_lo.tolist() == [-5.0, 0.0, 0.0]
    assert net.arc_hi.tolist() == [5.0, 5.0, 5.0]  # 0.5 / (2 * 0.05)
    assert net.part.tolist() == [0, 0, 0]


def test_a_copperplate_is_one_node() -> None:
    g = grid_of(3, [{"ends": (0, 1), "standing_w": 7.0}])
    net = network_of(g, "copperplate", 1.0)
    assert (net.nodes, net.tail.size) == (1, 0)
    assert net.node_of.tolist() == [0, 0, 0]
    assert net.standing_uj.tolist() == [0]


def test_closed_links_do_not_connect() -> None:
    g = grid_of(3, [{"ends": (0, 1), "capacity_w": 0.0}, {"ends": (1, 2)}])
    part = network_of(g, "transport", 1.0).part
    assert part[1] == part[2] != part[0]
