"""Radial feeders: voltages by hand, what is refused, and what AC power flow says.

Spec: docs/spec/grid.md, G16 to G19.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from isojoule.grid import Grid
from isojoule.grid.powerflow import check_ac
from isojoule.grid.radial import (
    APOTHEM,
    SIDES,
    Feeder,
    NotRadial,
    facet_towards,
    farthest,
    feeder_of,
    overload,
)
from isojoule.kernels.radial import gather, spread
from tests.market.feeders import DT, feeder

HELD = {"sub": (1.0, 1.0)}


def made(grid: Grid, *suppliers: int) -> Feeder:
    found = feeder_of(grid, DT, suppliers)
    assert isinstance(found, Feeder), found
    return found


def refused(grid: Grid, *suppliers: int) -> NotRadial:
    found = feeder_of(grid, DT, suppliers)
    assert isinstance(found, NotRadial)
    assert found.remedy
    return found


def test_voltages_by_hand() -> None:
    """Two links in a row, 400 V: 16 kW + 8 kvar of both homes over the first, half over the other.

    0.5 and 0.25 ohm, 0.2 ohm each: drops of 2 (0.5*16 + 0.2*8) / 160 = 0.12 and
    2 (0.25*8 + 0.2*4) / 160 = 0.035 of the square.
    """
    grid = feeder(
        ["sub", "near", "far"],
        [
            {"ends": ("sub", "near"), "r": 0.5, "x": 0.2},
            {"ends": ("far", "near"), "r": 0.25, "x": 0.2},  # against the flow
        ],
        {"sub": (1.02, 1.02)},
    )
    f = made(grid)
    assert f.sign.tolist() == [1.0, -1.0]
    assert f.up.tolist() == [-1, 0, 1]
    flow_j = np.array([16e3, -8e3]) * DT  # signed from -> to
    reactive = f.reactive_j(np.array([0.0, 4e3, 4e3]) * DT)
    assert reactive.tolist() == [8e3 * DT, 4e3 * DT]
    square = f.squares(f.sign * flow_j, reactive)
    assert square == pytest.approx([1.02**2, 1.02**2 - 0.12, 1.02**2 - 0.12 - 0.035], abs=1e-15)


def test_wedges_by_hand() -> None:
    """A price of the far voltage falls on both links by their own drops; signs are upside down."""
    grid = feeder(
        ["sub", "near", "far"],
        [{"ends": ("sub", "near"), "r": 0.5, "x": 0.2}, {"ends": ("near", "far"), "r": 0.25}],
        HELD,
    )
    f = made(grid)
    nu = np.array([0.0, 0.0, 144e6])
    wedge, reactive = f.wedges(nu, np.array([0.0, 7.0]), np.zeros(2))
    # 2 R / (V^2 dt) = 2 * 0.5 / 144e6
    assert wedge == pytest.approx([1.0, 0.5 + 7.0])
    assert reactive == pytest.approx([0.4, 0.0])
    assert f.reactive_price(reactive) == pytest.approx([0.0, 0.4, 0.4])


def test_sums_along_a_tree_are_adjoint() -> None:
    rnd = Random(1)
    for _ in range(20):
        n = rnd.randint(1, 12)
        up = np.array([-1] + [rnd.randrange(v) for v in range(1, n)], np.int64)
        order = np.arange(n)
        a, b = (np.array([rnd.random() for _ in range(n)]) for _ in range(2))
        below = np.where(up >= 0, gather(order, up, a), 0.0)
        assert below @ b == pytest.approx(a @ spread(order, up, b), abs=1e-12)


def test_the_polygon_lies_inside_the_circle_and_misses_little_of_it() -> None:
    grid = feeder(["sub", "home"], [{"ends": ("sub", "home"), "capacity_w": 1.0 / DT}], HELD)
    f = made(grid)
    assert pytest.approx(np.cos(np.pi / SIDES)) == APOTHEM
    assert APOTHEM > 0.995
    for angle in np.linspace(-np.pi, np.pi, 1001):
        p, q = np.array([np.cos(angle)]), np.array([np.sin(angle)])
        at = 1.0 / (1.0 + overload(f, p, q)[0])  # where the ray leaves the polygon
        assert APOTHEM - 1e-12 <= at <= 1.0 + 1e-12
        cos, sin = facet_towards(p, q)
        assert farthest(cos, sin)[0] == pytest.approx(APOTHEM)
        assert farthest(p, q)[0] <= 1.0 + 1e-12
    for p, q in ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)):  # nothing is missed there
        assert overload(f, np.array([p]), np.array([q]))[0] == pytest.approx(0.0, abs=1e-12)


def test_a_ring_is_refused_by_name() -> None:
    ends = [("sub", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]
    links = [{"ends": e, "id": f"l{i}"} for i, e in enumerate(ends)]
    no = refused(feeder(["sub", "a", "b", "c", "d"], links, HELD))
    assert no.reason == "the links l1, l2, l3 make a ring"
    assert "transport" in no.remedy
    twice = [{"ends": ("sub", "a"), "id": "one"}, {"ends": ("a", "sub"), "id": "two"}]
    assert "one, two" in refused(feeder(["sub", "a"], twice, HELD)).reason
    links[2]["capacity_w"] = 0.0  # an open switch
    made(feeder(["sub", "a", "b", "c", "d"], links, HELD))


def test_who_holds_the_voltage() -> None:
    links = [{"ends": ("sub", "a")}, {"ends": ("a", "b")}]
    nodes = ["sub", "a", "b", "alone"]
    assert made(feeder(nodes, links), 0).root_square.tolist() == [1.0] * 4
    held = made(feeder(nodes, links, {"a": (1.05, 1.05)}), 0)
    assert held.up.tolist() == [1, -1, 1, -1]
    assert held.root_square == pytest.approx([1.05**2] * 3 + [1.0])
    assert "'sub'" in refused(feeder(nodes, links)).reason
    both = feeder(nodes, links, {"a": (1.0, 1.0), "b": (1.0, 1.0)})
    assert "both 'a' and 'b'" in refused(both).reason
    assert "both 'sub' and 'b'" in refused(feeder(nodes, links), 0, 2).reason


def test_a_reactance_needs_a_voltage() -> None:
    links = [{"ends": ("sub", "a"), "x": 0.1, "volt": float("nan")}]
    assert "no voltage" in refused(feeder(["sub", "a"], links, HELD)).reason


def test_voltages_are_near_those_of_ac_power_flow() -> None:
    """On random feeders, below a drop of 5 %: within a tenth of the drop, squared terms aside.

    What is neglected is the loss: its share of the power, and so of the drop.
    """
    rnd = Random(5)
    for _ in range(10):
        n = rnd.randint(2, 15)
        nodes = [f"n{i}" for i in range(n)]
        links = [
            {"ends": (nodes[rnd.randrange(v)], nodes[v]), "r": 0.1 * rnd.random(),
             "x": 0.05 * rnd.random()} for v in range(1, n)
        ]  # fmt: skip
        grid = feeder(nodes, links, {"n0": (1.0, 1.0)})
        p = np.array([[0.0, *(rnd.uniform(-3e3, 3e3) for _ in range(n - 1))]])
        q = 0.3 * p
        f = made(grid)
        down = f.reactive_j(p[0] * DT)  # lossless: as what is drawn below
        pu = np.sqrt(f.squares(down, f.reactive_j(q[0] * DT)))
        ac = check_ac(grid, 0, p, q)
        error = np.max(np.abs(pu - ac.lowest_pu))
        assert error < 0.1 * np.max(np.abs(pu - 1.0)) + 1e-6
        assert not np.allclose(pu, 1.0, atol=1e-4)
