"""Grids: what is refused, what limits follow, and how a grid becomes arcs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isojoule.core.errors import InputError
from isojoule.core.names import Names
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
        {"loss_ppb": np.array([math.nan])},
        {"loss_ppb": np.array([0.02])},
        {"reactance_ohm": np.array([math.nan])},
        {"voltage_v": np.array([0.0])},
        {"voltage_v": np.array([math.inf])},
        {"x": np.array([0.0, math.inf])},
        {"y": np.array([0.0])},
        {"node_voltage_v": np.array([400.0, -1.0])},
        {"min_voltage_pu": np.array([0.9, 0.0])},
        {"min_voltage_pu": np.array([0.9, 1.1]), "max_voltage_pu": np.array([1.0, 1.0])},
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


def test_the_first_link_or_node_that_is_wrong_is_named() -> None:
    """Ten thousand links, checked as arrays."""
    n = 10_000
    ends = np.arange(n, dtype=np.int32)
    loss = np.zeros(n, np.int64)
    loss[[7_000, 9_000]] = -1
    nodes, links = Names.numbered("n", n + 1), Names.numbered("l", n)
    with pytest.raises(InputError, match="loss is outside") as error:
        Grid(nodes, links, ends, ends + 1, loss_ppb=loss)
    assert str(error.value).startswith("link 'l7000': loss is outside")
    voltage = np.full(n + 1, 400.0)
    voltage[8_000:] = 0.0
    with pytest.raises(InputError) as error:
        Grid(nodes, links, ends, ends + 1, node_voltage_v=voltage)
    assert error.value.place == "node 'n8000'"
    double = Names.of([*nodes[:-1], "n17"])
    with pytest.raises(InputError, match="node 'n17' stands twice"):
        Grid(double, links, ends, ends + 1)
    with pytest.raises(InputError, match="link 'x' stands twice"):
        Grid(nodes, Names.repeated("x", n), ends, ends + 1)
    with pytest.raises(InputError, match="not whole numbers"):
        Grid(nodes, links, ends.astype(float), ends + 1)
    with pytest.raises(InputError, match="link_to has 9999 entries for 10000 links"):
        Grid(nodes, links, ends, ends[1:])


def test_columns_that_are_not_given_are_one_number() -> None:
    grid = two()
    assert grid.owner == ("",) and grid.kind == ("link",)
    assert grid.capacity_w.strides == grid.voltage_v.strides == (0,)
    # what kernels read lies in a row
    assert grid.price_per_j.flags.c_contiguous and grid.loss_ppb.flags.c_contiguous
    assert all(column.flags.c_contiguous for column in grid.limits(1.0))


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
