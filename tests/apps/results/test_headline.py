"""The sentence at the end of a run. It follows from scenario and summary alone (R13)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from isojoule.apps.results.summary import headline
from isojoule.microworld.saving import share_of_cost
from isojoule.microworld.scenario import Scenario
from tests.apps.report.worlds_alone import household, simulated, village


@pytest.fixture(scope="module")
def hamlet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, dict[str, Any]]:
    scenario = village(6, 2)
    return scenario, simulated(tmp_path_factory.mktemp("runs") / "hamlet", scenario).summary


def test_off_the_grid_it_tells_who_was_served_and_at_what_cost(
    hamlet: tuple[Scenario, dict[str, Any]],
) -> None:
    """A2: need that is not served counts at the stated cost."""
    scenario, summary = hamlet
    told = headline(scenario, summary)
    assert told == summary["headline"]
    market, base = (summary["total"][w]["served_share"] for w in ("market", "baseline"))
    assert f"{market:.1%} of the need was served instead of {base:.1%}" in told
    assert "need at 1.00 USD a kWh" in told
    assert f"better off by {summary['total']['audit']['saving']:.2f} USD" in told
    assert "in 2 days" in told
    assert "utility" not in told
    assert "Order" not in told


def test_a_loss_is_called_one(hamlet: tuple[Scenario, dict[str, Any]]) -> None:
    scenario, summary = hamlet
    worse = copy.deepcopy(summary)
    worse["total"]["audit"].update(saving=-3.0, saving_share=-0.1)
    told = headline(scenario, worse)
    assert "worse off by 3.00 USD (10.0%)" in told
    assert worse["total"]["audit"]["saving"] == -3.0


def test_orders_are_told_with_machines(tmp_path: Path) -> None:
    """A2: so do Orders that are not finished, at their worth."""
    scenario = household(12)
    summary = simulated(tmp_path / "household", scenario).summary
    total = summary["total"]
    done = [total[w]["orders_finished"] for w in ("market", "baseline")]
    told = headline(scenario, summary)
    assert f"{done[0]} of 12 Orders were finished instead of {done[1]}" in told
    assert "counting Orders at their worth, the" in told
    assert "of the need" not in told  # nothing needs energy but machines


def test_a_share_is_told_only_of_a_cost_that_is_larger(
    hamlet: tuple[Scenario, dict[str, Any]],
) -> None:
    """R13: saving more than all of a cost, or a share of an income, says nothing: amounts do."""
    scenario, summary = hamlet
    for base, saving in ((2.0, 3.0), (-1.0, 3.0), (0.0, 3.0)):
        less = copy.deepcopy(summary)
        less["total"]["audit"].update(
            baseline_cost=base, market_cost=base - saving, saving=saving,
            saving_share=share_of_cost(saving, base),
        )  # fmt: skip
        told = headline(scenario, less)
        assert f"3.00 USD (a cost of {base - saving:.2f} instead of {base:.2f})" in told


def test_what_stays_as_it_was_is_not_told_as_a_change(
    hamlet: tuple[Scenario, dict[str, Any]],
) -> None:
    scenario, summary = hamlet
    same = copy.deepcopy(summary)
    same["total"]["audit"].update(saving=-5e-13)
    same["total"]["market"].update(
        local_trade_j=0.0, served_share=same["total"]["baseline"]["served_share"]
    )
    told = headline(scenario, same)
    base = same["total"]["baseline"]["served_share"]
    assert f"nobody traded: {base:.1%} of the need was served, as living alone" in told
    assert "neither better nor worse off" in told
    assert "instead of" not in told
