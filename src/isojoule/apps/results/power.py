"""The AC check of a run: the results of all periods as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isojoule.grid.powerflow import AcResult
from isojoule.microworld.scenario import Scenario

if TYPE_CHECKING:
    from isojoule.apps.results.worlds import Outcome


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
