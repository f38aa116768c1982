"""The report of a world with machines: stages, prices of compute, Orders, who paid whom."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isojoule.apps.report.build import page
from isojoule.apps.report.machine_figures import (
    STAGES,
    compute_price,
    lanes,
    orders_chart,
    price_unit_of,
    runs_of,
)
from isojoule.apps.report.machines import by_machine, ended, lower, section, story, sunlit, who_paid
from isojoule.apps.report.pack import unpack
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import energy, money, percent
from isojoule.apps.report.work import Work, asked, owners, paid, read_work
from isojoule.machine import Stage
from isojoule.microworld.world import World
from isojoule.valuation.battery import freshness, worth_at
from tests.apps.report.test_report import Page
from tests.apps.report.worlds_alone import household, simulated, village

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    return simulated(tmp_path_factory.mktemp("runs") / "household", household(lamp_w=3.0))


@pytest.fixture(scope="module")
def works(run: RunFiles) -> tuple[Work, Work]:
    return read_work(run, "market"), read_work(run, "baseline")


def test_section_is_there_only_with_machines(run: RunFiles, tmp_path: Path) -> None:
    told = Page(page(run))
    assert told.open == []
    words = " ".join(told.words)
    labels = " ".join(a.get("aria-label") or "" for _, a in told.elements)
    assert "utility" not in f"{words} {labels}".lower()
    assert "nan" not in labels.lower().split()
    for heading in ("Machines", "Price of compute", "Who did the work", "Who paid whom"):
        assert heading in words
    assert section(simulated(tmp_path / "none", village(2, 1))) == ""


def test_big_figures_are_those_of_the_summary(run: RunFiles) -> None:
    """A2: Orders that are not finished count at their worth."""
    words = " ".join(Page(page(run)).words)
    market, base = run.summary["total"]["market"], run.summary["total"]["baseline"]
    assert f"{market['orders_finished']} of {market['orders']}" in words
    assert f"instead of {base['orders_finished']}" in words
    assert money(market["orders_undone_value"], "EUR") in words
    assert f"{market['orders_finished']} of {market['orders']} Orders finished" in ended(
        run, "market"
    )


def test_page_holds_the_stage_of_every_moment(run: RunFiles, works: tuple[Work, Work]) -> None:
    """R8: the table `machines`, one row an interval and machine."""
    told = Page(page(run))
    stage = unpack(json.loads(told.scripts[1])["stage"])
    np.testing.assert_array_equal(stage, works[0].stage.T)
    names = [m[0] for m in told.facts()["machines"]]
    frame = run.table("market", "machines").filter(pl.col("machine") == names[1])
    assert [Stage(int(v)).name.lower() for v in stage[1]] == frame["stage"].to_list()


def test_work_adds_up(run: RunFiles, works: tuple[Work, Work]) -> None:
    for world, work in zip(("market", "baseline"), works, strict=True):
        steps = run.table(world, "steps")
        assert steps.height == len(work.steps) > 0
        assert work.operations.sum() == pytest.approx(steps["operations"].sum(), rel=1e-12)
        capacity = [m.capacity(run.scenario.interval_s) for m in run.scenario.machines]
        assert (work.operations <= capacity).all()


def test_who_paid_whom_is_what_the_summary_says(run: RunFiles, works: tuple[Work, Work]) -> None:
    """A5: what a customer pays for compute the machine's owner gets."""
    rows = paid(run, works[0])
    assert sum(p.amount for p in rows) == pytest.approx(
        run.summary["total"]["market"]["orders_paid"]
    )
    told = who_paid(run, works[0])
    for p in rows:
        assert money(p.amount, "EUR") in told
    alone = paid(run, works[1])
    assert all(p.customer == p.owner for p in alone)


def test_asked_is_joules_per_operation_times_the_worth_of_a_joule(
    run: RunFiles, works: tuple[Work, Work]
) -> None:
    """X3: the price of compute is its Joules times v(F)."""
    prices = asked(run, "market", works[0])
    s, d = run.scenario, run.scenario.devices
    frame = run.table("market", "devices")
    awake = 0
    for m, machine in enumerate(s.machines):
        i = int(s.machine_device[m])
        stored = frame.filter(pl.col("device") == d.ids[i])["stored_uj"].to_list()
        for t in range(0, len(stored), 7):
            if works[0].stage[t, m] >= Stage.SHUTDOWN:
                assert np.isnan(prices[t, m])
                continue
            f_max = round(d.capacity_j[i] * 1e6)
            worth = worth_at(stored[t], f_max, d.v_min_per_j[i], d.v_max_per_j[i], d.k[i])
            if stored[t]:
                awake += 1
                assert prices[t, m] == pytest.approx(machine.energy_per_operation_j * worth)
    assert awake > 50


def test_asked_follows_batteries_that_perish(tmp_path: Path) -> None:
    """R2: the clock of a battery that idles, as the world itself keeps it."""
    s = household(6)
    tau = np.where(np.isfinite(s.devices.capacity_j), 3 * HOUR_S, np.nan)
    floor = np.where(np.isfinite(s.devices.capacity_j), 0.4, np.nan)
    s = replace(s, devices=replace(s.devices, tau_s=tau, floor=floor))
    run = simulated(tmp_path / "perishing", s)
    work = read_work(run, "market")
    prices = asked(run, "market", work)
    world = World.of(s, seed=bytes(8))
    maker = world.maker
    wanted = maker.energies_uj(slice(None))
    frame = run.table("market", "devices")
    received = frame["energy_uj"].to_numpy().reshape(len(s.times_s), -1)[:, maker.batteries]
    state = world.first()
    d, i = s.devices, maker.batteries
    for row in range(len(s.times_s)):
        state = world.close(world.open(row, wanted[row], state), received[row])
        left = 1 - state.stored_uj / (d.capacity_j[i] * 1e6)
        worth = d.v_min_per_j[i] + (d.v_max_per_j[i] - d.v_min_per_j[i]) * left
        worth *= freshness(state.idle_s, tau[i], floor[i])
        want = worth * [m.energy_per_operation_j for m in s.machines]
        awake = work.stage[row] < Stage.SHUTDOWN
        np.testing.assert_allclose(prices[row][awake], want[awake], rtol=1e-9)
    assert np.isfinite(prices).sum() > 100


def test_lanes_tell_the_hours_of_every_stage(run: RunFiles, works: tuple[Work, Work]) -> None:
    picture = lanes(run, works, 980)
    assert Page(picture).open == []
    for m, machine in enumerate(run.scenario.machines):
        for work, word in zip(works, ("with the market", "alone"), strict=True):
            hours = np.bincount(work.stage[:, m], minlength=5) * 300 / HOUR_S
            told = ", ".join(
                f"{STAGES[s][1]} {h:.1f} h" for s, h in enumerate(hours.tolist()) if h > 0
            )
            name = machine.name.replace("'", "&#x27;")
            assert f"{name} {word}: {told}" in picture
    assert len(STAGES) == len(Stage)


@pytest.mark.parametrize("world", ["market", "baseline"])
def test_orders_chart_crosses_what_was_given_up(
    run: RunFiles, works: tuple[Work, Work], world: str
) -> None:
    orders = run.summary["orders"][world]
    work = works[0] if world == "market" else works[1]
    picture = orders_chart(run, work, world)
    assert Page(picture).open == []
    undone = sum(not o["finished"] for o in orders)
    assert picture.count("stroke-width:1.4") == undone
    assert f"{len(orders) - undone} of {len(orders)} finished" in picture
    ran = {step.order for step in work.steps if step.operations > 0}
    assert all(f"<title>{name}: " in picture for name in ran)


def test_price_picture_has_a_line_a_machine(run: RunFiles, works: tuple[Work, Work]) -> None:
    prices = asked(run, "market", works[0])
    picture = compute_price(run, works[0], prices)
    assert Page(picture).open == []
    assert "nan" not in picture
    for machine in run.scenario.machines:
        assert machine.name.replace("'", "&#x27;") in picture


def test_prices_of_compute_are_told_by_the_power_of_ten_that_reads_well() -> None:
    assert price_unit_of(np.array([2e-8, np.nan]), "EUR") == (1e6 * 100, "10⁶", "ct")
    assert price_unit_of(np.array([3e-17]), "EUR") == (1e15 * 100, "10¹⁵", "ct")
    assert price_unit_of(np.array([0.5]), "JPY") == (1.0, "10⁰", "JPY")
    assert price_unit_of(np.array([np.nan]), "JPY") == (1e9, "10⁹", "JPY")


def test_story_follows_from_the_tables(run: RunFiles, works: tuple[Work, Work]) -> None:
    told = story(run, *works)
    market = works[0]
    lit = sunlit(run, market)
    frame = run.intervals("market")
    sun = frame["generated_uj"].to_numpy()
    np.testing.assert_array_equal(lit, sun > 0.02 * sun.max())
    for part, rows in (("sun shone", lit), ("without sun", ~lit)):
        sums = market.operations[rows].sum(0)
        m = int(sums.argmax())
        share = percent(sums[m] / sums.sum(), 0)
        after = told[told.index(part) :]
        assert after.index(share) < after.index(
            run.scenario.machines[m].name.replace("'", "&#x27;")
        )
    away = {
        step.order
        for step in market.steps
        if step.operations > 0
        and run.scenario.participants[owners(run)[step.machine]] != step.customer
    }
    assert f"{len(away)} ran at least in part on a neighbour" in told
    total = run.summary["total"]
    assert f"drew <b>{energy(total['market']['computed_j'])}</b> from their batteries" in told
    unfinished = {s.order for s in market.steps if s.operations > 0} - {
        o["order"] for o in run.summary["orders"]["market"] if o["finished"]
    }
    assert (f"({len(unfinished)} of them not to" in told) == bool(unfinished)
    asleep = np.count_nonzero(works[1].stage[:, 0] >= Stage.SHUTDOWN) * 300 / HOUR_S
    assert f"laptop {asleep:.1f} hours alone" in told
    done, before = (w.operations[~lit][:, m].sum() for w in works)
    assert f"Alone, {run.scenario.machines[m].name.replace(chr(39), '&#x27;')} did " in told
    assert f"did {percent(before / done, 0)} of that" in told


def test_machines_that_run_lower_with_the_market_are_named(
    run: RunFiles, works: tuple[Work, Work]
) -> None:
    """Hours from the critical stage on, counted in both worlds; turned round, the others."""
    for market, alone in (works, works[::-1]):
        told = " ".join(lower(run, market, alone))
        for m, machine in enumerate(run.scenario.machines):
            hours = [
                np.count_nonzero(w.stage[:, m] >= Stage.CRITICAL) * 300 / HOUR_S
                for w in (market, alone)
            ]
            name = machine.name.replace("'", "&#x27;")
            named = f"{name} for {hours[0]:.1f} hours" in told
            assert named == (hours[0] >= hours[1] + 0.25)


def test_table_of_machines_counts_orders(run: RunFiles, works: tuple[Work, Work]) -> None:
    told = by_machine(run, works)
    assert Page(told).open == []
    for m, machine in enumerate(run.scenario.machines):
        counts = [
            len({s.order for s in w.steps if s.machine == m and s.operations > 0}) for w in works
        ]
        name = machine.name.replace("'", "&#x27;")
        row = told[told.index(f'<th scope="row">{name}</th>') :]
        cells = row[: row.index("</tr>")].split("<td>")
        assert [c.split("<")[0] for c in cells[2:4]] == [str(c) for c in counts]


def test_stretches_of_equal_values() -> None:
    assert runs_of(np.array([2, 2, 0, 1, 1])) == [(0, 2, 2), (2, 3, 0), (3, 5, 1)]
    assert runs_of(np.array([4])) == [(0, 1, 4)]


def test_machines_beside_a_utility_are_told_with_it(tmp_path: Path) -> None:
    s = household(10)
    prices = np.full(s.times_s.size, 0.3 / 3.6e6)
    grid = replace(s.grid, resistance_ohm=np.full(4, 0.01), voltage_v=np.full(4, 400.0))
    s = replace(
        s, grid=grid, utility_node=4, baseline="utility-only", sells_at_per_j=prices,
        buys_at_per_j=prices / 3,
    )  # fmt: skip
    run = simulated(tmp_path / "both", s)
    words = " ".join(Page(page(run)).words)
    for told in ("Utility alone", "Orders finished", "Self-sufficiency", "Price of compute"):
        assert told in words
    assert "living alone" not in words
    assert "Orders were finished instead of" in run.summary["headline"]
