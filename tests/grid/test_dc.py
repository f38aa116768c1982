"""The linear power flow: by hand, as pandapower has it, and what has none.

Spec: docs/spec/grid.md, G10 and G11.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandapower
import pytest

from isojoule.grid import Grid
from isojoule.grid.dc import LinearFlow, NotLinear, linear_flow_of
from tests.market.ieee import case_of, network_of, solved


def ring(**columns: Any) -> Grid:
    """Three nodes a, b, c and links ab, bc, ac of 1 ohm."""
    columns = {"reactance_ohm": np.ones(3), **columns}
    ends = np.array([0, 1, 0], np.int32), np.array([1, 2, 2], np.int32)
    return Grid(("a", "b", "c"), ("ab", "bc", "ac"), *ends, **columns)


def flow_of(grid: Grid, duration_s: float = 1.0) -> LinearFlow:
    linear = linear_flow_of(grid, duration_s)
    assert isinstance(linear, LinearFlow)
    return linear


def test_a_ring_splits_by_reactance() -> None:
    """G10: of what goes from a to b, 2/3 take the short way where all links are alike."""
    linear = flow_of(ring())
    flow = linear.flows(linear.angles(np.array([3.0, -3.0, 0.0])))
    assert flow == pytest.approx([2.0, -1.0, 1.0], abs=1e-14)
    linear = flow_of(ring(reactance_ohm=np.array([1.0, 2.0, 1.0])))
    flow = linear.flows(linear.angles(np.array([4.0, -4.0, 0.0])))
    assert flow == pytest.approx([3.0, -1.0, 1.0], abs=1e-14)


def test_voltages_refer_reactances() -> None:
    """G10: at twice the voltage, four times the reactance is the same link."""
    one = flow_of(ring(voltage_v=np.array([400.0, 400.0, 400.0])))
    other = flow_of(
        ring(voltage_v=np.array([400.0, 800.0, 400.0]), reactance_ohm=np.array([1.0, 4.0, 1.0]))
    )
    none = flow_of(ring())
    at_nodes = flow_of(ring(node_voltage_v=np.full(3, 230.0)))
    for linear in (other, none, at_nodes):
        assert linear.weight == pytest.approx(one.weight, rel=1e-15)


def test_shift_factors_are_flows_and_prices() -> None:
    """G13: the share of a Joule from the reference to a node that runs over the link."""
    linear = flow_of(ring())
    shift = linear.shift(np.array([0, 2]))
    assert shift[:, 0] == pytest.approx([0.0, 2 / 3, 1 / 3], abs=1e-15)
    assert shift[:, 1] == pytest.approx([0.0, 1 / 3, 2 / 3], abs=1e-15)


def test_open_links_islands_and_parallel_links() -> None:
    """G10, G11: capacity 0 opens a link, whatever it lacks; parts stand side by side."""
    grid = Grid(
        ("a", "b", "c", "d", "e"),
        ("one", "two", "open", "far"),
        np.array([0, 0, 1, 3], np.int32),
        np.array([1, 1, 2, 2], np.int32),
        capacity_w=np.array([np.inf, 5.0, 0.0, 9.0]),
        reactance_ohm=np.array([1.0, 2.0, 0.0, 1.0]),
        loss_ppb=np.array([0, 0, 5, 0], np.int64),
        price_per_j=np.array([0, 0, 1.0, 0]),
    )
    linear = flow_of(grid)
    assert linear.live.tolist() == [0, 1, 3]
    assert linear.part[[0, 2, 4]].tolist() == sorted({0, 1, 2})
    flow = linear.flows(linear.angles(np.array([3.0, -3.0, -1.0, 1.0, 0.0])))
    assert flow == pytest.approx([2.0, 1.0, 1.0], abs=1e-14)
    assert linear.astray(flow) == pytest.approx([0.0, 0.0, 0.0], abs=1e-14)
    assert linear.astray(flow + np.array([0.5, -0.5, 0])) == pytest.approx(
        [0.5, -0.5, 0.0], abs=1e-14
    )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"loss_ppb": np.array([0, 1, 0])}, "'bc' loses energy"),
        (
            {"resistance_ohm": np.array([0, 0, 0.1]), "voltage_v": np.full(3, 400.0)},
            "'ac' loses energy",
        ),
        ({"standing_loss_w": np.array([0, 0, 3.0])}, "'ac' has a standing loss"),
        ({"reactance_ohm": np.array([1.0, 0.0, 1.0])}, "'bc' has no reactance"),
        ({"reactance_ohm": np.array([1.0, -2.0, 1.0])}, "'bc' has no reactance"),
        ({"voltage_v": np.array([400.0, np.nan, 400.0])}, "'bc' has no voltage"),
        ({"price_per_j": np.array([0.1, 0.0, 0.0])}, "'ab' has a price"),
    ],
)
def test_what_has_no_linear_power_flow(columns: dict[str, Any], words: str) -> None:
    """G11: each with its link and a remedy."""
    out = linear_flow_of(ring(**columns), 1.0)
    assert isinstance(out, NotLinear)
    assert words in out.reason
    assert out.remedy


@pytest.mark.parametrize("name", ["case14", "case30", "case118"])
def test_flows_of_ieee_cases_are_pandapowers(name: str) -> None:
    """G10: flows of any injections, against pandapower's own DC power flow."""
    net = network_of(name)
    case = case_of(solved(net))
    grid = Grid(
        tuple(f"b{v}" for v in range(case.load.size)),
        tuple(f"l{e}" for e in range(case.tail.size)),
        case.tail,
        case.head,
        reactance_ohm=case.reactance,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pandapower.rundcpp(net)
    arrays = net._ppc
    bus, branch, gen = (np.real(arrays[k]) for k in ("bus", "branch", "gen"))
    fed_in = -bus[:, 2]
    np.add.at(fed_in, gen[:, 0].astype(int), gen[:, 1])
    linear = flow_of(grid)
    assert abs(fed_in.sum()) < 1e-6
    fed_in[linear.root] -= fed_in.sum()
    assert linear.flows(linear.angles(fed_in)) == pytest.approx(branch[:, 13], abs=1e-6)
