"""AC power flow of many intervals: whether the wires would really carry what was cleared.

The market sees capacities and losses; voltages it does not see. This check solves the full
power flow equations for every interval and counts what leaves its limits, and where.

The model, in per unit:

- The three phases are equally loaded (balanced). Unbalance between phases is not seen.
- A link is a series impedance, in ohm at the link's own voltage. Where the voltages of two links
  at a node differ, an ideal transformer of that ratio is understood between them; so a
  transformer, too, is just a series impedance. No shunts.
- A link with neither resistance nor reactance gets a reactance of 1e-6 per unit on 1 MVA: it
  loses nothing, and a MW through it drops a millionth of the voltage. Proportional losses
  (`loss_ppb`) are the market's abstraction, not physics, and are not modelled.
- Standing losses (iron) are constant loads at the link's `from` node.
- The slack node holds its voltage and supplies the rest. Voltages are per unit of each node's
  own nominal voltage.
- A link is loaded by its current: the thermal limit is capacity_w / (sqrt(3) * voltage_v).

The equations are solved in `isojoule.grid.acmodel`; here they are set up and counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.grid.acmodel import NOMINAL_V, AcModel, Solved, reached
from isojoule.grid.network import Floats, Grid, Index, Ints

TOLERANCE = 1e-9
"""A limit is left when it is passed by more than this, relative: rounding is no violation."""
CHUNK_CELLS = 1 << 19  # rows times (nodes + links) in one batch: some 50 MB


@dataclass(frozen=True, eq=False)
class AcResult:
    """What the power flow found, over all intervals that were solved.

    Attributes
    ----------
    intervals
        Number of intervals given, R.
    failed
        Rows where the power flow has no solution (or none was found), int64. They count nowhere
        else, and are nan in `loss_w` and `slack_w`.
    islands
        Nodes without a path to the slack node. Their power is not supplied; they count nowhere
        else.
    voltage_intervals
        Per node, number of intervals outside its voltage limits.
    lowest_pu, highest_pu
        Per node, extreme voltages, per unit; nan on islands.
    overload_intervals
        Per link, number of intervals above its thermal limit.
    highest_loading
        Per link, largest current as a share of the limit; 0 if unlimited, nan on islands.
    loss_w
        Per interval, lost in the links, W, without standing losses. Shape (R,).
    slack_w
        Per interval, what the slack node supplies: all loads and all losses, W. Shape (R,).
    standing_loss_w
        Standing losses of all links with a path to the slack node, W.
    """

    intervals: int
    failed: Ints
    islands: Index
    voltage_intervals: Ints
    lowest_pu: Floats
    highest_pu: Floats
    overload_intervals: Ints
    highest_loading: Floats
    loss_w: Floats
    slack_w: Floats
    standing_loss_w: float

    @property
    def voltage_violations(self) -> int:
        """Nodes times intervals outside voltage limits."""
        return int(self.voltage_intervals.sum())

    @property
    def loading_violations(self) -> int:
        """Links times intervals above thermal limits."""
        return int(self.overload_intervals.sum())

    def summary(self, grid: Grid, interval_s: float, market_loss_j: Floats) -> dict[str, Any]:
        """The result as plain data, for a run's `summary.json`.

        Parameters
        ----------
        grid
            The grid that was checked, for the names.
        interval_s
            Length of an interval, s.
        market_loss_j
            Per interval, what the market lost in the links, J, without standing losses.

        Returns
        -------
        dict
            Totals in J over the intervals that were solved, worst places, and every place where a
            limit was left, most frequent first. None where nothing was solved.
        """
        solved = np.isfinite(self.loss_w)
        loss_j = float(self.loss_w[solved].sum() * interval_s)
        market_j = float(np.asarray(market_loss_j)[solved].sum())
        low = _worst(-self.lowest_pu)
        high = _worst(self.highest_pu)
        loaded = _worst(self.highest_loading)
        nodes = np.argsort(-self.voltage_intervals, kind="stable")
        links = np.argsort(-self.overload_intervals, kind="stable")
        return {
            "voltage_violations": self.voltage_violations,
            "loading_violations": self.loading_violations,
            "worst_voltage_pu": None if low is None else float(self.lowest_pu[low]),
            "worst_voltage_node": None if low is None else grid.node_ids[low],
            "highest_voltage_pu": None if high is None else float(self.highest_pu[high]),
            "highest_voltage_node": None if high is None else grid.node_ids[high],
            "worst_loading": None if loaded is None else float(self.highest_loading[loaded]),
            "worst_loading_link": None if loaded is None else grid.link_ids[loaded],
            "loss_j": loss_j,
            "market_loss_j": market_j,
            "residual_j": loss_j - market_j,
            "failed_intervals": len(self.failed),
            "islands": [grid.node_ids[i] for i in self.islands],
            "nodes": [
                {
                    "node": grid.node_ids[i],
                    "intervals": int(self.voltage_intervals[i]),
                    "min_pu": float(self.lowest_pu[i]),
                    "max_pu": float(self.highest_pu[i]),
                }
                for i in nodes
                if self.voltage_intervals[i]
            ],
            "links": [
                {
                    "link": grid.link_ids[i],
                    "intervals": int(self.overload_intervals[i]),
                    "max_loading": float(self.highest_loading[i]),
                }
                for i in links
                if self.overload_intervals[i]
            ],
        }


def check_ac(
    grid: Grid, slack_node: int, p_w: Floats, q_var: Floats, *, slack_voltage_pu: float = 1.0
) -> AcResult:
    """Solve the AC power flow of every interval and count what leaves its limits.

    Parameters
    ----------
    grid
        Links with impedances; see the rules of this module.
    slack_node
        Row of the node that holds the voltage.
    p_w, q_var
        Active and reactive power received by each node (positive: drawn; negative: fed in),
        W and var, shape (R, nodes). What the slack node itself draws passes no link.
    slack_voltage_pu
        Voltage of the slack node, per unit.

    Raises
    ------
    InputError
        A shape that does not fit, a power that is not finite, a reactance without a voltage.

    Examples
    --------
    >>> grid = Grid(
    ...     ("street", "home"), ("cable",), np.array([0], np.int32), np.array([1], np.int32),
    ...     capacity_w=np.array([10e3]), resistance_ohm=np.array([0.5]),
    ...     voltage_v=np.array([400.0]), min_voltage_pu=np.array([0.9, 0.98]),
    ... )
    >>> found = check_ac(grid, 0, np.array([[0.0, 4e3], [0.0, 8e3]]), np.zeros((2, 2)))
    >>> found.voltage_intervals.tolist(), found.lowest_pu.round(4).tolist()
    ([0, 1], [1.0, 0.9743])
    >>> found.loss_w.round(1).tolist()
    [51.3, 210.7]
    """
    _check_input(grid, p_w, q_var)
    check = AcCheck(grid, slack_node, slack_voltage_pu=slack_voltage_pu, drawing=_some(p_w, q_var))
    check.add(p_w, q_var)
    return check.result()


class AcCheck:
    """The AC power flow of intervals that come in stretches, each of as many as fit into memory.

    Parameters
    ----------
    grid, slack_node, slack_voltage_pu
        As in `check_ac`.
    drawing
        Which nodes may ever draw or feed in, shape (nodes,); None: all.

    Raises
    ------
    InputError
        See `check_ac`.
    """

    def __init__(
        self,
        grid: Grid,
        slack_node: int,
        *,
        slack_voltage_pu: float = 1.0,
        drawing: NDArray[np.bool_] | None = None,
    ) -> None:
        if not 0 <= slack_node < grid.node_count:
            raise InputError("the slack node is not in the grid", remedy="name an existing node")
        self.grid, self.slack_node = grid, slack_node
        self.seen = reached(grid, slack_node)
        self.alive = self.seen[grid.link_from]
        self.standing_w = np.where(self.alive, grid.standing_loss_w, 0.0)
        self.iron_w = np.bincount(grid.link_from, self.standing_w, grid.node_count)
        some = self.seen if drawing is None else self.seen & (drawing | (self.iron_w > 0))
        some = some & (np.arange(grid.node_count) != slack_node)  # passes no link
        self.loads = np.flatnonzero(some)
        self.model = AcModel(grid, slack_node, slack_voltage_pu, self.loads)
        self.tally = _Tally(grid, slack_node, self.model.r_ohm)

    def add(self, p_w: Floats, q_var: Floats) -> None:
        """Solve and count more intervals; powers as in `check_ac`."""
        grid, loads, slack = self.grid, self.loads, self.slack_node
        _check_input(grid, p_w, q_var)
        step = max(1, CHUNK_CELLS // (grid.node_count + grid.link_count))
        for first in range(0, len(p_w), step):
            rows = slice(first, min(first + step, len(p_w)))
            solved = self.model.solve(p_w[rows, loads] + self.iron_w[loads], q_var[rows, loads])
            self.tally.add(solved, p_w[rows, slack] + self.iron_w[slack])

    def result(self) -> AcResult:
        """What was found in all intervals so far."""
        islands = np.flatnonzero(~self.seen).astype(np.int32)
        return self.tally.result(islands, self.alive, float(self.standing_w.sum()))


def _some(p_w: Floats, q_var: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.any(p_w, axis=0) | np.any(q_var, axis=0))


class _Tally:
    """Extremes and counts, gathered chunk by chunk."""

    def __init__(self, grid: Grid, slack_node: int, r_ohm: Floats) -> None:
        nodes, links = grid.node_count, grid.link_count
        self.r_ohm = r_ohm
        self.out = grid.link_from == slack_node
        self.back = grid.link_to == slack_node
        self.low = _limit(grid.min_voltage_pu, nodes, -np.inf) - TOLERANCE
        self.high = _limit(grid.max_voltage_pu, nodes, np.inf) + TOLERANCE
        self.ampere = grid.capacity_w / (math.sqrt(3) * NOMINAL_V)
        self.failed: list[Ints] = []
        self.voltage_intervals = np.zeros(nodes, np.int64)
        self.lowest_pu = np.full(nodes, np.inf)
        self.highest_pu = np.full(nodes, -np.inf)
        self.overload_intervals = np.zeros(links, np.int64)
        self.highest_loading = np.zeros(links)
        self.intervals = 0
        self.loss_w: list[Floats] = []
        self.slack_w: list[Floats] = []

    def add(self, solved: Solved, at_slack_w: Floats) -> None:
        """Count one chunk."""
        rows = np.flatnonzero(solved.good)
        self.failed.append(self.intervals + np.flatnonzero(~solved.good))
        self.intervals += solved.good.size
        loss_w, slack_w = np.full((2, solved.good.size), np.nan)
        self.loss_w.append(loss_w)
        self.slack_w.append(slack_w)
        if not len(rows):
            return
        u_pu = solved.u_pu
        self.voltage_intervals += ((u_pu < self.low) | (u_pu > self.high)).sum(0)
        np.minimum(self.lowest_pu, u_pu.min(0), out=self.lowest_pu)
        np.maximum(self.highest_pu, u_pu.max(0), out=self.highest_pu)
        current = solved.current_a
        with np.errstate(divide="ignore", invalid="ignore"):
            loading = np.where(current > 0, current / self.ampere, 0.0)
        self.overload_intervals += (loading > 1 + TOLERANCE).sum(0)
        np.maximum(self.highest_loading, loading.max(0), out=self.highest_loading)
        # By the current, not by the difference of both ends: that would cancel digits.
        loss_w[rows] = 3 * current**2 @ self.r_ohm
        leaving_w = solved.from_w[:, self.out].sum(1) + solved.to_w[:, self.back].sum(1)
        slack_w[rows] = at_slack_w[solved.good] + leaving_w

    def result(self, islands: Index, alive: NDArray[np.bool_], standing_loss_w: float) -> AcResult:
        """What was counted; islands count nowhere."""
        unseen = np.isinf(self.lowest_pu)
        unseen[islands] = True
        self.voltage_intervals[unseen] = 0
        self.lowest_pu[unseen] = np.nan
        self.highest_pu[unseen] = np.nan
        self.highest_loading[~alive] = np.nan
        return AcResult(
            intervals=self.intervals,
            failed=np.concatenate([np.zeros(0, np.int64), *self.failed]),
            islands=islands,
            voltage_intervals=self.voltage_intervals,
            lowest_pu=self.lowest_pu,
            highest_pu=self.highest_pu,
            overload_intervals=self.overload_intervals,
            highest_loading=self.highest_loading,
            loss_w=np.concatenate([np.zeros(0), *self.loss_w]),
            slack_w=np.concatenate([np.zeros(0), *self.slack_w]),
            standing_loss_w=standing_loss_w,
        )


def _worst(values: Floats) -> int | None:
    """Row of the greatest value, None if there is none."""
    return int(np.nanargmax(values)) if np.isfinite(values).any() else None


def _limit(limits: Floats | None, nodes: int, absent: float) -> Floats:
    if limits is None:
        return np.full(nodes, absent)
    return np.where(np.isnan(limits), absent, limits)


def _check_input(grid: Grid, p_w: Floats, q_var: Floats) -> None:
    shape = (len(p_w), grid.node_count)
    for what, power in (("p_w", p_w), ("q_var", q_var)):
        if power.shape != shape:
            raise InputError(f"{what} has shape {power.shape}, not {shape}")
        if not np.isfinite(power).all():
            row, node = np.argwhere(~np.isfinite(power))[0]
            raise InputError(
                f"{what} is not a number in interval {row}",
                place=f"node {grid.node_ids[node]!r}",
                remedy="fill in the value",
            )
