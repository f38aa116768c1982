"""The report of a world without a utility: its words, its numbers, its pictures."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isojoule.apps.report import build_report, figures
from isojoule.apps.report.build import page
from isojoule.apps.report.cards import cards, dark_card, gainers_card
from isojoule.apps.report.layout import straighten
from isojoule.apps.report.links import full_counts, full_figure
from isojoule.apps.report.offgrid import (
    dark,
    days_of,
    glance,
    hours_short,
    pairs_figure,
    without,
)
from isojoule.apps.report.plot import block_size, calendar, shorten
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.sections import long_run
from isojoule.apps.report.words import energy, money, percent, verdict
from isojoule.core.units import J_PER_KWH
from tests.apps.report.fake_run import make_fake_run
from tests.apps.report.test_report import Page, grid_of
from tests.apps.report.worlds_alone import simulated, village


@pytest.fixture(scope="module")
def hamlet(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    return simulated(tmp_path_factory.mktemp("runs") / "hamlet", village(6, 2))


@pytest.fixture(scope="module")
def told(hamlet: RunFiles) -> Page:
    return Page(page(hamlet))


def test_names_no_utility_and_is_whole(told: Page) -> None:
    assert told.open == []
    words = " ".join(told.words)
    labels = " ".join(a.get("aria-label") or "" for _, a in told.elements)
    assert "utility" not in f"{words} {labels}".lower()
    assert "nan" not in re.findall(r"[a-z]+", f"{words} {labels}".lower())
    for heading in ("Who went without", "Where the saving comes from", "Can the network carry it?"):
        assert heading in words
    ids = [a["id"] for _, a in told.elements if "id" in a]
    assert len(ids) == len(set(ids))
    facts = told.facts()
    assert facts["utility"] == -1
    assert facts["alone"] == "living alone"
    assert facts["map"] is not None
    assert "stage" not in json.loads(told.scripts[1])


def test_says_the_summarys_numbers_and_at_what_cost(hamlet: RunFiles, told: Page) -> None:
    """A2: need that is not served counts at the stated cost, and the page names it."""
    plain = " ".join(" ".join(told.words).split())
    total = hamlet.summary["total"]
    market, base = total["market"], total["baseline"]
    assert market["served_share"] > base["served_share"]
    assert "1.00 USD a kWh" in plain
    shares = (percent(market["served_share"]), percent(base["served_share"]))
    for value in (money(total["audit"]["saving"], "USD"), energy(base["unserved_j"]), *shares):
        assert " ".join(value.split()) in plain
    assert f"{total['audit']['gainers']} gain" in plain
    assert percent(market["served_share"]) in verdict(hamlet.summary)


def test_beside_a_utility_nothing_of_it_shows(tmp_path: Path) -> None:
    words = " ".join(Page(build_report(make_fake_run(tmp_path / "grid"))).words)
    for heading in ("Who went without", "Machines", "living alone", "Need that is served"):
        assert heading not in words
    assert "Utility alone" in words


def test_who_lacked_nothing_gets_no_section(tmp_path: Path) -> None:
    run = simulated(tmp_path / "bright", village(3, 1))
    for world in ("market", "baseline"):
        run.summary["total"][world]["unserved_j"] = 0.0
    assert dark(run) == ""


@pytest.mark.parametrize("world", ["market", "baseline"])
def test_hours_short_by_counting_one_by_one(hamlet: RunFiles, world: str) -> None:
    """R2: a load wants power * profile * duration; what it lacks of that, row by row."""
    s = hamlet.scenario
    frame = hamlet.table(world, "devices").filter(pl.col("device").str.ends_with("use"))
    hours = dict.fromkeys(s.participants, 0.0)
    for time, who, device, got in frame.select(
        "time_s", "participant", "device", "energy_uj"
    ).iter_rows():
        i = s.devices.ids.index(device)
        share = s.profiles[list(s.times_s).index(time), s.devices.profile[i]]
        wanted = s.devices.power_w[i] * share * s.interval_s
        hours[who] += 0.25 * (wanted - got / 1e6 > 0.01 * wanted)
    assert hours_short(hamlet, world) == hours


def test_pairs_hold_everybody_who_lacked_something(hamlet: RunFiles) -> None:
    people = without(hamlet)
    assert [p.alone_j for p in people] == sorted((p.alone_j for p in people), reverse=True)
    of_summary = {p["label"]: p["unserved_market_j"] for p in hamlet.summary["participants"]}
    assert {p.label: p.market_j for p in people} == of_summary
    picture = pairs_figure(people, 340)
    shapes = Page(picture)
    assert shapes.open == []
    assert sum(tag == "circle" for tag, _ in shapes.elements) == 2 * len(people)
    assert energy(people[0].alone_j) in picture
    assert Page(pairs_figure([])).open == []


def test_days_add_up_to_the_run(hamlet: RunFiles) -> None:
    days, total = days_of(hamlet), hamlet.summary["total"]
    assert [d.name for d in days] == ["Sunday, 16 June", "Monday, 17 June"]
    assert sum(d.sun_j for d in days) == pytest.approx(total["market"]["generated_j"], rel=1e-9)
    frame = hamlet.intervals("baseline")
    first = frame.head(96)
    missing = first["unserved_uj"].sum() / first["consumed_uj"].sum()
    assert days[0].alone_share == pytest.approx(1 - missing, rel=1e-12)


def test_full_lines_are_those_of_the_summary(hamlet: RunFiles) -> None:
    counts, intervals = full_counts(hamlet)
    assert counts.sum() == hamlet.summary["total"]["market"]["saturated_link_intervals"]
    assert intervals == 192
    picture = full_figure(hamlet, counts, intervals)
    bars = sum(tag == "rect" for tag, _ in Page(picture).elements)
    assert bars == np.count_nonzero(counts)
    first = hamlet.grid.links[int(counts.argmax())]
    assert f"{first} {percent(counts.max() / intervals)}" in picture


def test_pictures_are_svg_at_both_widths(hamlet: RunFiles) -> None:
    for width in (340.0, 980.0):
        pictures = [
            glance(hamlet, width),
            figures.prices(hamlet, width),
            figures.energy_balance(hamlet, width),
            figures.waterfall(hamlet.summary, "total", width),
        ]
        for picture in pictures:
            shapes = Page(picture)
            assert shapes.open == []
            assert shapes.elements[0][0] == "svg"
            assert shapes.elements[0][1]["aria-label"]
            assert "nan" not in picture


def test_waterfall_keeps_what_changes_something(hamlet: RunFiles) -> None:
    """A3: off the grid no cash crosses the boundary, so netting and dispatch are not told."""
    picture = figures.waterfall(hamlet.summary)
    assert "Living alone" in picture
    assert "Need that is served" in picture
    for name in ("Trading next door", "Better use of batteries", "Not explained", "Fees"):
        assert name not in picture


def test_long_runs_are_told_without_the_utilitys_prices(hamlet: RunFiles) -> None:
    told = long_run(hamlet, whole=False)
    assert Page(told).open == []
    assert "utility" not in told.lower()
    assert "range of prices" in told
    assert long_run(hamlet, whole=True) == ""


def test_big_figures_name_the_worst_off(hamlet: RunFiles) -> None:
    worst = max(hamlet.summary["participants"], key=lambda p: p["unserved_market_j"])
    told = dark_card(hamlet.summary)
    assert f'<div class="value">{energy(worst["unserved_market_j"])}</div>' in told
    assert worst["label"] in told
    summary = copy.deepcopy(hamlet.summary)
    for person in summary["participants"]:
        person["unserved_market_j"] = 0.0
    assert '<div class="value">Nobody</div>' in dark_card(summary)
    both = cards(hamlet)
    audit = hamlet.summary["total"]["audit"]
    assert money(audit["saving"], "USD") in both
    assert f"{audit['losers']} lose" in gainers_card(hamlet.summary)


def test_table_of_people_tells_what_each_lacked(hamlet: RunFiles, told: Page) -> None:
    words = " ".join(told.words)
    assert "Lacked alone" in words
    for person in hamlet.summary["participants"]:
        assert energy(person["unserved_baseline_j"]) in words
        assert energy(person["unserved_market_j"]) in words


def test_a_world_of_watts_is_told_in_watts(tmp_path: Path) -> None:
    run = simulated(tmp_path / "small", village(2, 1))
    assert ">W</text>" in figures.energy_balance(run)
    assert energy(0.25 * J_PER_KWH) == "250\N{NO-BREAK SPACE}Wh"


def test_the_tree_begins_where_most_links_meet_if_there_is_no_utility() -> None:
    grid = grid_of([(0, 1), (1, 2), (1, 3), (3, 4)], 6)
    object.__setattr__(grid, "utility", -1)
    tree = straighten(grid)
    assert tree.depth.tolist() == [1, 0, 1, 1, 2, 0]
    assert len(set(zip(tree.depth.tolist(), tree.row.tolist(), strict=True))) == 6


def test_shortening_knows_what_is_missing() -> None:
    values = np.array([1.0, np.nan, 5.0, np.nan, np.nan])
    assert shorten(values, 3).tolist()[:2] == [1.0, 5.0]
    assert np.isnan(shorten(values, 3)[2])
    assert shorten(values, 1, "min").tolist() == [1.0]
    assert shorten(values, 1, "max").tolist() == [5.0]
    assert [block_size(n, 370) for n in (370, 371, 9000)] == [1, 2, 96]


def test_calendar_marks_midnights_of_the_zone() -> None:
    times = np.arange(0, 3 * 86_400, 3600, dtype=np.int64)
    told = calendar(0.0, 720.0, 0.0, 100.0, times, 3 * 86_400, "Europe/Berlin")
    assert re.findall(r">([^<]+)</text>", told) == ["Thu 1 Jan", "Fri 2 Jan", "Sat 3 Jan"]
    assert 'x1="230"' in told  # 23 h UTC is midnight there
    hours = calendar(0.0, 720.0, 0.0, 100.0, times[:24], 86_400, "UTC")
    assert re.findall(r">([^<]+)</text>", hours)[:3] == ["00:00", "03:00", "06:00"]
