"""The section on how far from the best a market stayed. Spec: docs/spec/run.md, R7 and R8."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from isojoule.apps.report import build, stuck
from isojoule.apps.report.figures import waterfall
from isojoule.apps.report.read import read_run
from isojoule.apps.report.words import verdict
from isojoule.apps.results import Run, run_scenario


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder: Path = tmp_path_factory.mktemp("runs")
    given = {"village": {"sweeps": 4}, "machines": {"sweeps": 1}}
    made = {
        name: run_scenario(
            name, days=0.2, mechanism="diffusion", parameters=parameters, out=folder / name
        )
        for name, parameters in given.items()
    }
    made["best"] = run_scenario("machines", days=0.05, out=folder / "best")
    return made


def test_where_nobody_passes_energy_on_the_page_says_so(runs: dict[str, Run]) -> None:
    """In the village poles hold nothing: no two homes are neighbours, and nothing is traded."""
    run = runs["village"]
    told = stuck.section(read_run(run.folder))
    assert "nobody there buys or sells, so nobody passes energy on" in told
    table = run.to_polars("stuck")
    assert set(table["why"]) == {"no storage"}
    assert f"{table['node'].n_unique()} places" in told
    assert run.summary["total"]["market"]["local_trade_j"] == 0
    assert "neither better nor worse off" in run.summary["headline"]


def test_what_is_left_is_what_the_tables_say(runs: dict[str, Run]) -> None:
    run = runs["machines"]
    left = run.to_polars()
    distance = run.summary["distance"]
    assert distance["welfare"] == pytest.approx(left["gap"].sum())
    assert distance["share"] == pytest.approx(
        left["gap"].sum() / (left["gap"].sum() + left["welfare"].sum())
    )
    assert 0 < distance["share"] < 0.5
    assert "Of that <em>diffusion</em> left" in stuck.section(read_run(run.folder))


def test_the_best_for_all_has_no_such_section(runs: dict[str, Run]) -> None:
    run = runs["best"]
    assert stuck.section(read_run(run.folder)) == ""
    assert abs(run.summary["distance"]["share"]) < 1e-6
    assert "How far from the best" not in (run.folder / "report.html").read_text()


def test_a_page_on_no_trade_says_so_and_shows_no_dust(runs: dict[str, Run]) -> None:
    """Costs that differ by rounding alone are one cost: no cut axis, no bars, no colours."""
    plain = read_run(runs["village"].folder)
    summary = copy.deepcopy(plain.summary)
    for i, person in enumerate(summary["participants"]):
        person["saving"] = (-1) ** i * 7e-7
    summary["total"]["audit"].update(saving=-5e-13, served=-5e-13, saving_share=-1e-14)
    page = build.page(replace(plain, summary=summary))
    assert verdict(summary).startswith("Nobody traded: ")
    assert verdict(summary) in page
    assert 'href="#far"' in page
    assert 'id="far"' in page
    assert "Nobody's cost changes" in page
    assert "do not start at zero" not in waterfall(summary)
    assert "Better off by" not in page
    assert "Worse off by" not in page
    assert 'class="good"' not in page
    assert 'class="bad"' not in page


def test_trade_that_is_there_gets_no_such_lines(runs: dict[str, Run]) -> None:
    for name in ("machines", "best"):
        run = runs[name]
        assert not verdict(run.summary).startswith("Nobody traded")
        page = (run.folder / "report.html").read_text()
        assert "Nobody's cost changes" not in page
        assert "Nobody traded" not in page


def test_places_alike_share_a_row(runs: dict[str, Run]) -> None:
    told = stuck.section(read_run(runs["village"].folder))
    assert told.count("<tr>") < runs["village"].to_polars("stuck")["node"].n_unique()
