"""The AC check of a run: part by part, and the results of all periods as one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid.powerflow import AcCheck, AcResult
from isojoule.microworld.scenario import Scenario

if TYPE_CHECKING:
    from isojoule.apps.results.worlds import Outcome


class PowerCheck:
    """The AC power flow of a period, fed part by part, in a thread beside the simulation.

    The solver works without the interpreter's lock, so on a second core it costs no time. No more
    than one part waits for it. Off the grid, where there is no slack node, it finds nothing.
    """

    def __init__(self, scenario: Scenario) -> None:
        d = scenario.devices
        self.devices, self.node = d.count, d.node
        self.to_q = np.sqrt(1.0 - d.factor**2) / d.factor
        self.uj_per_watt = UJ_PER_J * scenario.interval_s
        self.check: AcCheck | None = None
        if scenario.has_utility:
            drawing = np.bincount(d.node, minlength=scenario.grid.node_count) > 0
            self.check = AcCheck(
                scenario.grid,
                scenario.utility_node,
                slack_voltage_pu=scenario.slack_voltage_pu,
                drawing=drawing,
            )
        self.pool = ThreadPoolExecutor(max_workers=1)
        self.running: Future[None] | None = None
        self.parts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def add_once(self, number: int, metered_uj: NDArray[np.int64]) -> None:
        """Check one part: what meters of the offers showed, (intervals, offers), devices first.

        Parts come in their order; one that was added before is left out.
        """
        if self.check is None or number != self.parts:
            return
        self.parts += 1
        self._wait()
        self.running = self.pool.submit(self._solve, metered_uj)

    def result(self) -> AcResult | None:
        """What was found in all parts; None off the grid."""
        self._wait()
        return None if self.check is None else self.check.result()

    def _wait(self) -> None:
        if self.running is not None:
            self.running.result()

    def _solve(self, metered_uj: NDArray[np.int64]) -> None:
        assert self.check is not None
        power_w = metered_uj[:, : self.devices] / self.uj_per_watt
        p_w, q_var = np.zeros((2, len(power_w), self.check.grid.node_count))
        for device in range(self.devices):
            node = int(self.node[device])
            p_w[:, node] += power_w[:, device]
            q_var[:, node] += power_w[:, device] * self.to_q[device]
        self.check.add(p_w, q_var)


def power_summary(scenario: Scenario, outcomes: list[Outcome]) -> dict[str, Any] | None:
    """Violations, worst places and losses of both worlds, as `summary.json` holds them.

    None off the grid, where there is no slack node.
    """
    if not scenario.has_utility:
        return None
    summary: dict[str, Any] = {}
    for world in ("market", "baseline"):
        mine = [o for o in outcomes if o.job.world == world]
        merged = merge([o.ac for o in mine if o.ac is not None])
        lost_j = np.concatenate([o.loss_uj for o in mine]) / 1e6
        summary["intervals"] = merged.intervals
        summary[world] = merged.summary(scenario.grid, scenario.interval_s, lost_j)
    return summary


def merge(results: list[AcResult]) -> AcResult:
    """Results of consecutive stretches as one result."""
    if len(results) == 1:
        return results[0]
    offsets = np.cumsum([0, *(r.intervals for r in results[:-1])])
    return AcResult(
        intervals=sum(r.intervals for r in results),
        failed=np.concatenate([r.failed + at for r, at in zip(results, offsets, strict=True)]),
        islands=results[0].islands,
        voltage_intervals=np.sum([r.voltage_intervals for r in results], axis=0),
        lowest_pu=np.fmin.reduce([r.lowest_pu for r in results]),
        highest_pu=np.fmax.reduce([r.highest_pu for r in results]),
        overload_intervals=np.sum([r.overload_intervals for r in results], axis=0),
        highest_loading=np.fmax.reduce([r.highest_loading for r in results]),
        loss_w=np.concatenate([r.loss_w for r in results]),
        slack_w=np.concatenate([r.slack_w for r in results]),
        standing_loss_w=results[0].standing_loss_w,
    )
