"""The AC power flow equations of a grid, solved by power-grid-model.

Newton-Raphson, many intervals at once: the factorization's pattern is found once and shared.
Source: Xiang et al. 2023, "Power Grid Model: a high-performance distribution grid calculation
library" (CIRED, paper 10323). The library is loaded when it is first needed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.grid.network import Floats, Grid, Ints

NOMINAL_V = 400.0
"""Voltage that the solver is given for all nodes. Any would do: only per unit values count."""
BASE_VA = 1e6
TINY_PU = 1e-6
"""Reactance of a link that gives no impedance, per unit on `BASE_VA`: it loses nothing."""
SLACK_VA = 1e20
"""Short-circuit power of the slack: so great that its own impedance is not seen."""
STEP_PU = 1e-8
"""Newton stops when no voltage moves by more. What is left is about its square; a smaller bound
drowns in rounding where impedances are tiny, and would call good intervals unsolved."""


class Solved(NamedTuple):
    """What one batch gave. All but `good` have only the rows that were solved.

    Attributes
    ----------
    good
        Which rows of the batch were solved, shape (rows,).
    u_pu
        Voltage of each node, per unit, shape (solved, nodes).
    current_a
        Current of each link, A at `NOMINAL_V`, shape (solved, links).
    from_w, to_w
        Power that enters each link at its ends, W, shape (solved, links).
    """

    good: NDArray[np.bool_]
    u_pu: Floats
    current_a: Floats
    from_w: Floats
    to_w: Floats


class AcModel:
    """A grid as the solver sees it.

    Parameters
    ----------
    grid, slack_node, slack_voltage_pu
        As in `isojoule.grid.powerflow.check_ac`.
    loads
        Rows of the nodes that draw or feed in.

    Attributes
    ----------
    r_ohm
        Resistance of each link, ohm at `NOMINAL_V`.
    """

    def __init__(self, grid: Grid, slack_node: int, slack_voltage_pu: float, loads: Ints) -> None:
        from power_grid_model import LoadGenType, PowerGridModel, initialize_array

        nodes, links = grid.node_count, grid.link_count
        self.shape = (nodes, links)
        self.r_ohm, x_ohm = impedances(grid)
        node = initialize_array("input", "node", nodes)
        node["id"] = np.arange(nodes)
        node["u_rated"] = NOMINAL_V
        line = initialize_array("input", "line", links)
        line["id"] = nodes + np.arange(links)
        line["from_node"] = grid.link_from
        line["to_node"] = grid.link_to
        line["from_status"] = line["to_status"] = 1
        line["r1"] = self.r_ohm
        line["x1"] = x_ohm
        line["c1"] = line["tan1"] = 0.0
        source = initialize_array("input", "source", 1)
        source["id"] = nodes + links
        source["node"] = slack_node
        source["status"] = 1
        source["u_ref"] = slack_voltage_pu
        source["sk"] = SLACK_VA
        # A batch must vary something: where nothing draws, a load of 0 at the slack node does.
        self.idle = len(loads) == 0
        places = np.array([slack_node]) if self.idle else loads
        load = initialize_array("input", "sym_load", len(places))
        load["id"] = nodes + links + 1 + np.arange(len(places))
        load["node"] = places
        load["status"] = 1
        load["type"] = LoadGenType.const_power
        load["p_specified"] = load["q_specified"] = 0.0
        parts = {"node": node, "line": line, "source": source, "sym_load": load}
        self.load_ids = load["id"]
        self.model: Any = PowerGridModel({name: part for name, part in parts.items() if len(part)})

    def solve(self, p_w: Floats, q_var: Floats) -> Solved:
        """Solve one batch.

        Parameters
        ----------
        p_w, q_var
            Power drawn by each of the loads, shape (rows, loads).
        """
        rows = len(p_w)
        if self.idle:
            p_w = q_var = np.zeros((rows, 1))
        update = {
            "sym_load": {
                "id": np.tile(self.load_ids, (rows, 1)),
                "p_specified": np.ascontiguousarray(p_w),
                "q_specified": np.ascontiguousarray(q_var),
            }
        }
        wanted = {"node": {"u_pu"}}
        if self.shape[1]:
            wanted["line"] = {"i_from", "p_from", "p_to"}
        found = self.model.calculate_power_flow(
            update_data=update,
            output_component_types=wanted,
            error_tolerance=STEP_PU,
            threading=0,
            continue_on_batch_error=True,
        )
        good = np.ones(rows, bool)
        if self.model.batch_error is not None:
            good[self.model.batch_error.failed_scenarios] = False
        good &= np.isfinite(found["node"]["u_pu"]).all(1)
        none = np.zeros((rows, 0))
        line = found.get("line", {"i_from": none, "p_from": none, "p_to": none})
        return Solved(
            good,
            found["node"]["u_pu"][good],
            line["i_from"][good],
            line["p_from"][good],
            line["p_to"][good],
        )


def reached(grid: Grid, slack_node: int) -> NDArray[np.bool_]:
    """Which nodes have a path to the slack node, shape (nodes,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = (grid.link_from, grid.link_to)
    shape = (grid.node_count, grid.node_count)
    graph = coo_array((np.ones(grid.link_count), ends), shape=shape)
    part = connected_components(graph, directed=False)[1]
    return np.asarray(part == part[slack_node])


def impedances(grid: Grid) -> tuple[Floats, Floats]:
    """Resistance and reactance of each link, ohm at `NOMINAL_V`, shape (links,).

    Raises
    ------
    InputError
        A reactance without a voltage.
    """
    voltage_v = grid.voltage_v
    if grid.node_voltage_v is not None:  # a link without a voltage has that of an end
        for end in (grid.link_from, grid.link_to):
            voltage_v = np.where(np.isnan(voltage_v), grid.node_voltage_v[end], voltage_v)
    given = (grid.resistance_ohm != 0) | (grid.reactance_ohm != 0)
    bad = given & ~(voltage_v > 0)
    if bad.any():
        raise InputError(
            "reactance without a voltage",
            place=f"link {grid.link_ids[int(np.flatnonzero(bad)[0])]!r}",
            remedy="give the link's voltage, as '400 V'",
        )
    scale = (NOMINAL_V / np.where(given, voltage_v, NOMINAL_V)) ** 2
    x_ohm = np.where(given, grid.reactance_ohm * scale, TINY_PU * NOMINAL_V**2 / BASE_VA)
    return grid.resistance_ohm * scale, x_ohm
