"""The market on radial feeders: answers by hand, a second opinion, refusals, forged clearings."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from isojoule.apps.cli import app
from isojoule.apps.files.scenario_files import bundled
from isojoule.apps.results import run_scenario
from isojoule.apps.results.verify import verify_run
from isojoule.core.canonical import digest
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.allocation import Allocation, NotSolved
from isojoule.market.best import best
from isojoule.market.mechanisms import get
from isojoule.market.radial.model import feeder_for, stand_in_integers
from isojoule.market.verify import check_clearing
from isojoule.valuation import Load, Offer
from tests.market.feeders import (
    KWH_J,
    book_of,
    buys,
    feeder,
    kwh,
    outside,
    random_feeder,
    second_opinion,
    sells,
)


def solved(book: Book, grid: Grid) -> Allocation:
    found = best(book, grid)
    assert isinstance(found, Allocation), found
    assert found.support.closed
    return found


def cleared(book: Book, grid: Grid) -> Clearing:
    """The optimum at nodal prices, checked."""
    c = get("lmp").clear(book, grid)
    assert isinstance(c, Clearing), str(c)
    check_clearing(book, grid, c)
    return c


def energies(book: Book, found: Allocation | Clearing) -> dict[str, float]:
    return dict(zip(book.offer_ids, (found.energy_uj / kwh(1)).tolist(), strict=True))


def prices(grid: Grid, price: np.ndarray) -> dict[str, float]:
    return dict(zip(grid.node_ids, (price * KWH_J).tolist(), strict=True))


def reactive_case() -> tuple[Grid, Book]:
    grid = feeder(["sub", "home"], [{"ends": ("sub", "home"), "x": 0.4}], {"home": (0.95, 1.05)})
    return grid, book_of(grid, outside("sub"), buys("load", "home", 10, 0.50, factor=0.8))


def test_a_load_whose_reactive_power_draws_the_voltage_down() -> None:
    """0.4 ohm of reactance at 400 V, power factor 0.8: 0.75 var a W.

    A kWh in a quarter of an hour lowers the square by 2 * 0.4 * 0.75 * 4000 / 160000 = 0.015;
    there is room for 1 - 0.95**2 = 0.0975, which is 6.5 kWh. The Joules themselves lower
    nothing, so a Joule costs 0.30 at the home, too; the load bids 0.50, and the 0.20 between
    are what 0.75 var seconds cost.
    """
    grid, book = reactive_case()
    found = solved(book, grid)
    assert energies(book, found)["load"] == pytest.approx(6.5, rel=1e-7)
    assert prices(grid, found.support.price) == pytest.approx({"sub": 0.30, "home": 0.30})
    assert found.side["reactive"] * KWH_J == pytest.approx([0.0, 0.20 / 0.75], rel=1e-6)
    # 0.20 a kWh for 0.015 of the square a kWh
    assert found.side["voltage"] == pytest.approx([0.0, 0.20 / 0.015], rel=1e-6)
    c = cleared(book, grid)
    paid = dict(zip(book.offer_ids, (c.payment_nano * 1e-9).tolist(), strict=True))
    assert paid == pytest.approx({"load": 6.5 * 0.50, "utility": -6.5 * 0.30}, rel=1e-6)
    assert c.operator["voltage_rent.home"] * 1e-9 == pytest.approx(6.5 * 0.20, rel=1e-6)


def sunny_case() -> tuple[Grid, Book]:
    grid = feeder(["sub", "roof"], [{"ends": ("sub", "roof"), "r": 0.5}], {"roof": (0.95, 1.05)})
    return grid, book_of(grid, outside("sub"), sells("sun", "roof", 10, 0.02))


def test_sun_that_would_raise_the_voltage() -> None:
    """0.5 ohm: a kWh sent in a quarter of an hour raises the square by 0.025.

    Room for 1.05**2 - 1 = 0.1025, which is 4.1 kWh. Of them r f**2 are lost, with
    r = 0.5 / (160000 * 900) a J: 5.125 %, and of the last one twice as much. So a Joule at the
    roof would be worth 0.08 * 0.8975 outside; it is sold for 0.02, and the voltage costs the rest.
    """
    grid, book = sunny_case()
    found = solved(book, grid)
    got = energies(book, found)
    assert got["sun"] == pytest.approx(-4.1, rel=1e-7)
    assert got["utility"] == pytest.approx(4.1 * (1 - 0.05125), rel=1e-7)
    assert prices(grid, found.support.price) == pytest.approx({"sub": 0.08, "roof": 0.02})
    toll = 0.08 * 0.8975 - 0.02
    assert found.side["voltage"] == pytest.approx([0.0, -toll / 0.025], rel=1e-6)
    c = cleared(book, grid)
    assert c.operator["voltage_rent.roof"] * 1e-9 == pytest.approx(4.1 * toll, rel=1e-6)
    assert c.operator["loss_rent.sub-roof"] * 1e-9 == pytest.approx(0.08 * 4.1 * 0.05125, rel=1e-6)
    assert c.operator.get("rounding", 0) in (0, 1, 2, 3)


def test_a_neighbour_who_uses_the_sun_makes_room() -> None:
    """Behind the roof whose voltage binds a car may charge for the roof's price: it makes room."""
    grid = feeder(
        ["sub", "roof", "car"],
        [{"ends": ("sub", "roof"), "r": 0.5}, {"ends": ("roof", "car")}],
        {"roof": (0.95, 1.05)},
    )
    book = book_of(
        grid, outside("sub"), sells("sun", "roof", 10, 0.02), buys("car", "car", 3, 0.10)
    )
    found = solved(book, grid)
    got = energies(book, found)
    assert got["car"] == pytest.approx(3.0, rel=1e-9)
    assert got["sun"] == pytest.approx(-7.1, rel=1e-7)
    assert prices(grid, found.support.price)["car"] == pytest.approx(0.02)


def transformer_case() -> tuple[Grid, Book]:
    grid = feeder(
        ["mv", "lv"], [{"ends": ("mv", "lv"), "id": "trafo", "capacity_w": 10e3}], {"mv": (1, 1)}
    )
    return grid, book_of(grid, outside("mv"), buys("load", "lv", 10, 0.50, factor=0.8))


def test_a_transformer_is_full_of_reactive_power_too() -> None:
    """10 kVA at a power factor of 0.8 carry 8 kW on the circle, and a little less on the polygon.

    Its side towards 36.87 degrees has its normal at 39.375: 10 cos(5.625) / (cos + 0.75 sin).
    """
    grid, book = transformer_case()
    found = solved(book, grid)
    turn = np.radians(39.375)
    power = 10.0 * np.cos(np.radians(5.625)) / (np.cos(turn) + 0.75 * np.sin(turn))
    assert 0.995 * 8.0 < power < 8.0
    assert energies(book, found)["load"] == pytest.approx(power / 4, rel=1e-7)
    price, reactive = found.support.price * KWH_J, found.side["reactive"] * KWH_J
    assert price[1] + 0.75 * reactive[1] == pytest.approx(0.50, rel=1e-6)
    gamma = 0.20 / (np.cos(turn) + 0.75 * np.sin(turn))  # toll of the side, a kVAh
    assert price[1] - 0.30 == pytest.approx(gamma * np.cos(turn), rel=1e-6)
    assert reactive[1] == pytest.approx(gamma * np.sin(turn), rel=1e-6)
    c = cleared(book, grid)
    assert c.operator["congestion_rent.trafo"] * 1e-9 == pytest.approx(power / 4 * 0.2, rel=1e-6)


def test_where_no_limit_binds_it_is_transport() -> None:
    grid = feeder(
        ["sub", "a", "b"],
        [{"ends": ("sub", "a"), "r": 0.02, "x": 0.01}, {"ends": ("a", "b"), "loss": 0.01}],
        {"a": (0.9, 1.1), "b": (0.9, 1.1)},
    )
    offers = (outside("sub"), buys("car", "b", 2, 0.4, 0.1, factor=0.9), sells("sun", "a", 1, 0.0))
    book, plain = book_of(grid, *offers), book_of(grid, *offers, network="transport")
    c, t = cleared(book, grid), get("equilibrium").clear(plain, grid)
    assert isinstance(t, Clearing)
    assert np.array_equal(c.energy_uj, t.energy_uj)
    assert np.array_equal(c.flow_uj, t.flow_uj)
    assert np.array_equal(c.payment_nano, t.payment_nano)
    assert c.price_per_j == pytest.approx(t.price_per_j, rel=1e-12)
    assert not np.any(c.certificate.side["voltage"])


def test_owners_of_links_get_their_rent_and_not_that_of_voltages() -> None:
    grid = feeder(
        ["sub", "roof"],
        [{"ends": ("sub", "roof"), "r": 0.5, "owner": "wire", "price": 0.01 / KWH_J}],
        {"roof": (0.95, 1.05)},
    )
    book = book_of(grid, outside("sub"), sells("sun", "roof", 10, 0.02))
    c = cleared(book, grid)
    earned = 4.1 * 0.01 + 0.08 * 4.1 * 0.05125  # carriage and loss rent
    assert c.link_payment_nano[0] * 1e-9 == pytest.approx(-earned, rel=1e-6)
    toll = 0.08 * 0.8975 - 0.02 - 0.01
    assert c.operator["voltage_rent.roof"] * 1e-9 == pytest.approx(4.1 * toll, rel=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_a_second_solver_agrees(seed: int) -> None:
    """docs/spec/grid.md, G16 to G22. A conic solver, its limits and losses written anew."""
    grid, book = random_feeder(Random(seed))
    found = best(book, grid)
    assert isinstance(found, Allocation), found
    assert grid.min_voltage_pu is not None
    other = second_opinion(book, grid, 0, float(grid.min_voltage_pu[0]))
    scale = max(abs(other.welfare), 1e-3)
    if np.min(found.support.price) >= 0:
        assert found.support.closed
        assert found.support.welfare == pytest.approx(other.welfare, abs=2e-6 * scale)
    else:  # the other throws energy away where a limit makes it worth less than nothing
        assert found.support.welfare <= other.welfare + 2e-6 * scale
    f = feeder_for(book, grid)
    assert not isinstance(f, tuple)
    at = stand_in_integers(f, book, found.energy_uj, found.flow_uj)
    assert np.all(np.sqrt(at.square) <= np.sqrt(f.highest_square) + 1e-9)
    assert np.all(at.square >= f.lowest_square - 2e-9)
    cleared(book, grid)


def test_the_random_feeders_meet_every_limit() -> None:
    """Or the second solver would prove nothing."""
    low = high = full = reactive = 0
    for seed in range(25):
        grid, book = random_feeder(Random(seed))
        found = best(book, grid)
        assert isinstance(found, Allocation)
        side = found.side
        low += bool(np.any(side["voltage"] > 1e-9))
        high += bool(np.any(side["voltage"] < -1e-9))
        full += bool(np.any(side["capacity"] != 0))
        reactive += bool(np.any(side["reactive"] != 0))
    assert min(low, high, full, reactive) >= 1


def test_refusals() -> None:
    grid = feeder(
        ["sub", "a", "b"],
        [{"ends": ("sub", "a")}, {"ends": ("a", "b")}, {"ends": ("b", "sub")}],
    )
    no = best(book_of(grid, outside("sub"), buys("x", "a", 1, 0.5)), grid)
    assert isinstance(no, NotSolved)
    assert "ring" in no.reason
    assert isinstance(get("lmp").clear(book_of(grid, outside("sub")), grid), Refusal)
    assert "dc or transport" in no.remedy
    tree = feeder(["sub", "a"], [{"ends": ("sub", "a")}])
    no = best(book_of(tree, sells("y", "sub", 1, 0.1), buys("x", "a", 1, 0.5)), tree)
    assert isinstance(no, NotSolved)
    assert "no node holds the voltage" in no.reason
    whole = Offer("w", "a", Load(kwh(1), 1e-6), id="w", all_or_nothing=True)
    no = best(book_of(tree, outside("sub"), whole), tree)
    assert isinstance(no, NotSolved)
    assert "all-or-nothing" in no.reason


def test_a_voltage_that_cannot_be_kept_is_refused() -> None:
    """The root stands above the limit of a node, and nobody draws it down."""
    grid = feeder(
        ["sub", "a"], [{"ends": ("sub", "a"), "r": 0.1}], {"sub": (1.05, 1.05), "a": (0.9, 1.02)}
    )
    found = best(book_of(grid, outside("sub"), sells("sun", "a", 1, 0.01)), grid)
    assert isinstance(found, NotSolved)
    assert "voltage" in found.reason


def forged(c: Clearing, **changes: Any) -> Clearing:
    certificate = {k: v for k, v in changes.items() if k in ("side", "duals", "lowest", "highest")}
    rest = {k: v for k, v in changes.items() if k not in certificate}
    return dataclasses.replace(
        c, certificate=dataclasses.replace(c.certificate, **certificate), **rest
    )


def moved(values: np.ndarray, at: int, by: float) -> np.ndarray:
    out = values.copy()
    out[at] += by
    return out


def test_forged_clearings_are_refused() -> None:
    grid, book = sunny_case()
    c = cleared(book, grid)
    side = c.certificate.side
    more = 10**6  # a J more, sold and sent
    loss = np.ceil(0.5 / (160000 * 900) * ((-c.flow_uj[0] + more) * 1e-6) ** 2 * 1e6)
    arrives = -int(c.flow_uj[0]) + more - int(loss)
    sun, utility = book.offer_ids.index("sun"), book.offer_ids.index("utility")
    energy = c.energy_uj.copy()
    energy[sun], energy[utility] = c.energy_uj[sun] - more, arrives
    beyond = forged(c, energy_uj=energy, flow_uj=c.flow_uj - more, loss_uj=np.array([int(loss)]))
    for clearing, place in (
        (beyond, "voltage of node 'roof'"),
        (forged(c, side={**side, "voltage": side["voltage"] * 1.001}), ""),
        (forged(c, side={**side, "voltage": np.abs(side["voltage"])}), ""),
        (forged(c, side={**side, "reactive": moved(side["reactive"], 1, 1e-9)}), "reactive"),
        (forged(c, side={**side, "capacity": np.array([1e-9])}), ""),
        (forged(c, side={k: v for k, v in side.items() if k != "voltage"}), "side"),
        (forged(c, side={**side, "voltage": np.zeros(2)}), ""),
        (forged(c, side={**side, "voltage": np.array([0.0, np.nan])}), "voltage"),
        (forged(c, price_per_j=c.price_per_j * 1.01), "sub"),
        (forged(c, payment_nano=moved(c.payment_nano, 0, 1)), "offer"),
        (
            forged(c, operator={**c.operator, "voltage_rent.roof": 0, "rounding": c.operator[
                "rounding"] + c.operator["voltage_rent.roof"]}),
            "voltage_rent.roof",
        ),
    ):  # fmt: skip
        with pytest.raises(VerificationError, match=place or None):
            check_clearing(book, grid, clearing)


def test_less_than_the_optimum_is_refused() -> None:
    """The sun sells a kWh less: voltages are kept, but no prices prove it."""
    grid, book = sunny_case()
    c = cleared(book, grid)
    less = 10**9
    flow = c.flow_uj + less
    loss = np.ceil(0.5 / (160000 * 900) * (-flow[0] * 1e-6) ** 2 * 1e6).astype(np.int64)
    energy = c.energy_uj.copy()
    energy[book.offer_ids.index("sun")] += less
    energy[book.offer_ids.index("utility")] = -flow[0] - loss
    clearing = forged(c, energy_uj=energy, flow_uj=flow, loss_uj=np.array([loss]))
    with pytest.raises(VerificationError):
        check_clearing(book, grid, clearing)


def test_from_a_book_file_to_a_verified_answer(tmp_path: Path) -> None:
    """The sample book of a feeder; what voltages take is told, and an altered dual is refused."""
    answer = tmp_path / "answer.json"
    book = Path(__file__).resolve().parents[2] / "examples/books/feeder.yaml"

    def call(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(arguments))
        return done.exit_code, " ".join(done.output.split())

    status, text = call(
        "clear", str(book), "--mechanism", "lmp", "--out", str(answer), "--explain", "roof"
    )
    assert status == 0, text
    assert "voltage rent.roof" in text
    assert "for limits: the voltage of roof at its upper limit of 1.05" in text
    document = json.loads(answer.read_text())
    assert any("its reactive power included" in o["reason"] for o in document["offers"])
    assert call("verify", str(answer))[0] == 0
    document["certificate"]["side"]["voltage"][1] *= 1.01
    document["digest"] = digest({k: v for k, v in document.items() if k != "digest"})
    answer.write_text(json.dumps(document))
    status, text = call("verify", str(answer))
    assert status == 2, text


def test_a_scenario_on_lindistflow_keeps_voltages_and_verifies(tmp_path: Path) -> None:
    """Reactive power of its devices, the slack's voltage at the utility's node; AC agrees."""
    strained = tmp_path / "strained"
    shutil.copytree(bundled()["strained"], strained)
    file = strained / "scenario.yaml"
    text = file.read_text()
    file.write_text(text.replace("network: transport", "network: lindistflow"))
    run = run_scenario(
        strained, mechanism="lmp", start="2016-04-11T12:30", days=0.125, out=tmp_path / "run"
    )
    market = run.summary["ac"]["market"]
    assert market["voltage_violations"] == 0
    assert 1.09 < market["highest_voltage_pu"] <= 1.1
    assert all(p["unproven_market"] == 0 for p in run.summary["periods"])
    verify_run(tmp_path / "run")
