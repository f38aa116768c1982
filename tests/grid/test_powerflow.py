"""AC power flow: against closed forms, against pandapower, and against its own books."""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.grid import powerflow as pf
from isojoule.grid.powerflow import AcCheck, check_ac
from tests.conftest import need

VOLT = 400.0


def feeder(ends: list[tuple[int, int]], **columns: object) -> Grid:
    """A grid of 400 V links between these nodes."""
    nodes = 1 + max(max(pair) for pair in ends)
    given = {key: np.asarray(column, float) for key, column in columns.items()}
    given.setdefault("voltage_v", np.full(len(ends), VOLT))
    return Grid(
        tuple(f"n{i}" for i in range(nodes)),
        tuple(f"l{i}" for i in range(len(ends))),
        np.array([a for a, _ in ends], np.int32),
        np.array([b for _, b in ends], np.int32),
        **given,  # type: ignore[arg-type]
    )


def random_feeder(nodes: int, seed: int, extra: int = 0) -> Grid:
    """A tree of short cables with a transformer at its root, and some links that close loops."""
    rng = np.random.default_rng(seed)
    ends = [(int(rng.integers(max(0, i - 4), i)), i) for i in range(1, nodes)]
    ends += [tuple(map(int, rng.choice(nodes, 2, replace=False))) for _ in range(extra)]  # type: ignore[misc]
    links = len(ends)
    resistance = rng.uniform(1e-3, 6e-3, links)
    reactance = rng.uniform(0.3e-3, 3e-3, links)
    bare = rng.random(links) < 0.1
    resistance[bare] = reactance[bare] = 0.0
    standing = np.zeros(links)
    standing[0] = 210.0
    return feeder(
        ends, resistance_ohm=resistance, reactance_ohm=reactance, standing_loss_w=standing
    )


def two_bus_pu(r: float, x: float, p: float, q: float, slack_pu: float) -> float:
    """Voltage at the far end of one link: the greater root of U4 + (2(Pr+Qx) - V2) U2 + S2 Z2."""
    v2 = (VOLT * slack_pu) ** 2
    b = 2 * (p * r + q * x) - v2
    c = (p * p + q * q) * (r * r + x * x)
    return math.sqrt((-b + math.sqrt(b * b - 4 * c)) / 2) / VOLT


@pytest.mark.parametrize("x_ohm", [0.0, 0.2])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_two_buses_follow_the_closed_form(x_ohm: float, turned: bool, scale: float) -> None:
    """Voltage, loss, slack power and loading, to 1e-9; at 400 V and, scaled, at 20 kV."""
    grid = feeder(
        [(1, 0) if turned else (0, 1)],
        resistance_ohm=[0.5 * scale**2],
        reactance_ohm=[x_ohm * scale**2],
        voltage_v=[VOLT * scale],
        capacity_w=[10e3],
    )
    p = np.array([4e3, 8e3, -10e3, 20e3])
    q = np.array([0.0, 1e3, 500.0, -2e3])
    for i in range(len(p)):
        found = check_ac(
            grid, 0, np.array([[70.0, p[i]]]), np.array([[0.0, q[i]]]), slack_voltage_pu=1.02
        )
        u = two_bus_pu(0.5, x_ohm, p[i], q[i], 1.02)
        current = math.hypot(p[i], q[i]) / (math.sqrt(3) * VOLT * u)
        loss = 3 * current**2 * 0.5
        assert found.lowest_pu[1] == pytest.approx(u, rel=1e-9)
        assert found.highest_pu[0] == pytest.approx(1.02, rel=1e-9)
        assert found.loss_w[0] == pytest.approx(loss, rel=1e-9)
        assert found.slack_w[0] == pytest.approx(70.0 + p[i] + loss, rel=1e-9)
        thermal = 10e3 / (math.sqrt(3) * VOLT)
        assert found.highest_loading[0] == pytest.approx(current / thermal, rel=1e-9)


@pytest.mark.parametrize("extra", [0, 3], ids=["tree", "mesh"])
def test_slack_supplies_loads_and_losses(extra: int) -> None:
    """Conservation of power in each interval; the loss is found from the currents alone."""
    grid = random_feeder(40, seed=7, extra=extra)
    rng = np.random.default_rng(1)
    p = rng.uniform(-2e3, 4e3, (50, 40))
    found = check_ac(grid, 0, p, 0.2 * p, slack_voltage_pu=1.03)
    assert not len(found.failed)
    assert found.standing_loss_w == 210.0
    assert (found.loss_w > 1).all()
    np.testing.assert_allclose(found.slack_w, p.sum(1) + found.loss_w + 210.0, rtol=0, atol=1e-4)


def test_agrees_with_pandapower() -> None:
    """Voltages, currents and losses of a meshed feeder against `runpp`."""
    need(find_spec("pandapower"), "pandapower")
    pandapower = import_module("pandapower")
    grid = random_feeder(12, seed=3, extra=2)
    given = grid.resistance_ohm + grid.reactance_ohm > 0
    rng = np.random.default_rng(2)
    p, q = rng.uniform(-6e3, 9e3, (2, 12))
    net = pandapower.create_empty_network()
    for _ in range(12):
        pandapower.create_bus(net, VOLT / 1e3)
    pandapower.create_ext_grid(net, 0, vm_pu=1.01)
    for k in range(grid.link_count):
        x = grid.reactance_ohm[k] if given[k] else 1.6e-7  # 1e-6 per unit on 1 MVA
        pandapower.create_line_from_parameters(
            net, grid.link_from[k], grid.link_to[k], 1.0, grid.resistance_ohm[k], x, 0.0, 1.0
        )
    drawn = p.copy()
    drawn[grid.link_from[0]] += 210.0
    for i in range(12):
        pandapower.create_load(net, i, drawn[i] / 1e6, q[i] / 1e6)
    pandapower.runpp(net, tolerance_mva=1e-12, numba=False)
    found = check_ac(grid, 0, p[None], q[None], slack_voltage_pu=1.01)
    np.testing.assert_allclose(found.lowest_pu, net.res_bus.vm_pu, rtol=1e-8)
    assert found.loss_w[0] == pytest.approx(net.res_line.pl_mw.sum() * 1e6, rel=1e-6)
    assert found.slack_w[0] == pytest.approx(-net.res_bus.p_mw[0] * 1e6 + drawn[0], rel=1e-6)


def test_violations_are_placed_where_they_are_made() -> None:
    """One weak end, one strong end, one overloaded link: each is named, and nothing else."""
    grid = feeder(
        [(0, 1), (1, 2), (1, 3)],
        resistance_ohm=[0.01, 0.5, 0.5],
        capacity_w=[100e3, 100e3, 6e3],
    )
    object.__setattr__(grid, "min_voltage_pu", np.array([np.nan, 0.95, 0.95, 0.90]))
    object.__setattr__(grid, "max_voltage_pu", np.array([np.nan, 1.05, 1.05, 1.05]))
    p = np.zeros((4, 4))
    p[1, 2] = 15e3  # drops node 2 below 0.95
    p[2, 3] = 9e3  # overloads link 2; node 3 stays above its own 0.90
    p[3, 2] = -20e3  # lifts node 2 above 1.05
    found = check_ac(grid, 0, p, np.zeros((4, 4)))
    assert found.voltage_intervals.tolist() == [0, 0, 2, 0]
    assert found.overload_intervals.tolist() == [0, 0, 1]
    assert (found.voltage_violations, found.loading_violations) == (2, 1)
    told = found.summary(grid, 900.0, np.zeros(4))
    assert [n["node"] for n in told["nodes"]] == ["n2"]
    assert [(k["link"], k["intervals"]) for k in told["links"]] == [("l2", 1)]
    assert told["worst_voltage_node"] == told["highest_voltage_node"] == "n2"
    assert told["worst_voltage_pu"] == found.lowest_pu[2] == told["nodes"][0]["min_pu"] < 0.95
    assert told["worst_loading_link"] == "l2" and told["worst_loading"] > 1.5
    assert told["residual_j"] == pytest.approx(found.loss_w.sum() * 900.0)


def test_limit_itself_is_no_violation() -> None:
    """A voltage exactly at the limit, and a current exactly at the limit, are within it."""
    u = two_bus_pu(0.5, 0.0, 8e3, 0.0, 1.0)
    grid = feeder([(0, 1)], resistance_ohm=[0.5], capacity_w=[8e3 / u])
    object.__setattr__(grid, "min_voltage_pu", np.array([1.0, u]))
    found = check_ac(grid, 0, np.array([[0.0, 8e3], [0.0, 8e3 * 1.001]]), np.zeros((2, 2)))
    assert found.voltage_intervals.tolist() == [0, 1]
    assert found.overload_intervals.tolist() == [1]


def test_islands_and_impossible_intervals_are_named() -> None:
    """Neither crashes nor touches what can be solved."""
    grid = feeder([(0, 1), (2, 3)], resistance_ohm=[0.5, 0.5], standing_loss_w=[5.0, 7.0])
    p = np.array([[0.0, 8e3, 1e3, 1e3], [0.0, 1e9, 0.0, 0.0], [0.0, 8e3, 0.0, 0.0]])
    found = check_ac(grid, 0, p, np.zeros_like(p))
    assert found.islands.tolist() == [2, 3]
    assert found.failed.tolist() == [1]
    assert np.isnan(found.loss_w).tolist() == [False, True, False]
    assert found.loss_w[0] == found.loss_w[2] > 0
    assert found.slack_w[0] == pytest.approx(8e3 + 5.0 + found.loss_w[0])
    assert found.standing_loss_w == 5.0
    assert found.lowest_pu[1] == pytest.approx(two_bus_pu(0.5, 0.0, 8e3, 0.0, 1.0))
    assert np.isnan(found.lowest_pu[2:]).all() and np.isnan(found.highest_loading[1])
    told = found.summary(grid, 900.0, np.array([1.0, 2.0, 4.0]))
    assert told["failed_intervals"] == 1 and told["islands"] == ["n2", "n3"]
    assert told["market_loss_j"] == 5.0


def test_nothing_solved_gives_no_worst_place() -> None:
    grid = feeder([(0, 1)], resistance_ohm=[0.5])
    found = check_ac(grid, 0, np.array([[0.0, 1e9]]), np.zeros((1, 2)))
    told = found.summary(grid, 900.0, np.zeros(1))
    assert told["worst_voltage_node"] is None and told["highest_voltage_pu"] is None
    assert told["failed_intervals"] == 1 and told["loss_j"] == 0.0


def test_grid_without_links_or_loads() -> None:
    alone = check_ac(Grid(("a",)), 0, np.array([[3.0]]), np.zeros((1, 1)), slack_voltage_pu=1.1)
    assert alone.slack_w.tolist() == [3.0] and alone.highest_pu == pytest.approx([1.1])
    idle = check_ac(feeder([(0, 1)]), 0, np.zeros((2, 2)), np.zeros((2, 2)))
    assert idle.slack_w == pytest.approx([0.0, 0.0], abs=1e-6)
    assert idle.lowest_pu == pytest.approx([1.0, 1.0])


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same counts, one interval at a time and all at once."""
    grid = random_feeder(20, seed=5)
    object.__setattr__(grid, "min_voltage_pu", np.full(20, 0.999))
    p = np.random.default_rng(4).uniform(-4e3, 8e3, (30, 20))
    p[11, 3] = 1e9
    whole = check_ac(grid, 0, p, 0 * p)
    monkeypatch.setattr(pf, "CHUNK_CELLS", 1)
    single = check_ac(grid, 0, p, 0 * p)
    assert whole.voltage_violations > 0
    assert single.failed.tolist() == whole.failed.tolist() == [11]
    assert single.voltage_intervals.tolist() == whole.voltage_intervals.tolist()
    np.testing.assert_allclose(single.loss_w, whole.loss_w, rtol=1e-9)
    np.testing.assert_allclose(single.lowest_pu, whole.lowest_pu, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"slack_node": 9}, "slack node"),
        ({"p_w": np.zeros((1, 3))}, "shape"),
        ({"q_var": np.array([[0.0, np.nan]])}, "n1"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], match: str) -> None:
    given: dict[str, object] = {
        "slack_node": 0,
        "p_w": np.zeros((1, 2)),
        "q_var": np.zeros((1, 2)),
    } | change
    with pytest.raises(InputError, match=match):
        check_ac(feeder([(0, 1)], resistance_ohm=[0.5]), **given)  # type: ignore[arg-type]


def test_reactance_needs_a_voltage_and_takes_the_nodes() -> None:
    grid = feeder([(0, 1)], reactance_ohm=[0.5], voltage_v=[np.nan])
    p = np.array([[0.0, 8e3]])
    with pytest.raises(InputError, match="l0"):
        check_ac(grid, 0, p, 0 * p)
    object.__setattr__(grid, "node_voltage_v", np.array([np.nan, VOLT]))
    found = check_ac(grid, 0, p, 0 * p)
    assert found.lowest_pu[1] == pytest.approx(two_bus_pu(0.0, 0.5, 8e3, 0.0, 1.0), rel=1e-9)


def test_four_weeks_of_a_feeder_are_all_solved() -> None:
    """2688 intervals of 129 nodes, in more than one chunk."""
    grid = random_feeder(129, seed=9)
    p = np.random.default_rng(3).uniform(-2e3, 4e3, (2688, 129))
    found = check_ac(grid, 0, p, 0.1 * p)
    assert found.intervals == 2688
    assert not len(found.failed)


def test_stretches_make_no_difference() -> None:
    """Intervals that come one by one give what all at once give, failures and all."""
    grid = random_feeder(20, 5)
    rng = np.random.default_rng(5)
    p_w, q_var = rng.uniform(-2e3, 4e3, (12, 20)), rng.uniform(-1e3, 1e3, (12, 20))
    p_w[4] *= 1e4  # cannot be supplied
    whole = check_ac(grid, 0, p_w, q_var, slack_voltage_pu=1.02)
    by_parts = AcCheck(grid, 0, slack_voltage_pu=1.02)
    for rows in (slice(0, 5), slice(5, 5), slice(5, 6), slice(6, 12)):
        by_parts.add(p_w[rows], q_var[rows])
    found = by_parts.result()
    assert found.intervals == 12
    assert found.failed.tolist() == whole.failed.tolist() == [4]
    for name in ("voltage_intervals", "overload_intervals"):
        assert np.array_equal(getattr(found, name), getattr(whole, name))
    for name in ("lowest_pu", "highest_pu", "highest_loading", "loss_w", "slack_w"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)
