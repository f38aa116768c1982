"""Nodal prices on every network: a worked ring, rents by name, what it refuses.

Spec: docs/spec/market.md, M4 to M9; docs/spec/grid.md, G10 to G15.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isojoule.apps.files.case_files import example_of
from isojoule.core.errors import VerificationError
from isojoule.market import Clearing, Refusal
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.lmp import Lmp
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Bundle, Leg, Load, Offer
from tests.market.books import book_of, buy, clear, grid_of, offer, sell, uj

KWH = 3.6e6


class TestLmp(MechanismConformance):
    sample = "any"

    @pytest.fixture
    def mechanism(self) -> Lmp:
        return Lmp()


def example() -> tuple[object, object, Clearing]:
    file = example_of(Lmp())
    assert file is not None
    cleared = Lmp().clear(file.book, file.grid)
    assert isinstance(cleared, Clearing)
    return file.book, file.grid, cleared


def test_a_price_above_every_offer() -> None:
    """Worked by hand in the example's head: 7.5 and 22.5 kWh, prices 0.10, 0.20 and 0.30."""
    book, grid, c = example()
    energy = dict(zip(book.offer_ids, (c.energy_uj / 3.6e12).tolist(), strict=True))
    assert energy == pytest.approx({"works": -7.5, "depot": -22.5, "town": 30.0}, rel=1e-12)
    price = dict(zip(grid.node_ids, (c.price_per_j * KWH).tolist(), strict=True))
    assert price == pytest.approx({"works": 0.1, "depot": 0.2, "town": 0.3}, rel=1e-12)
    flow = dict(zip(grid.link_ids, (c.flow_uj / 3.6e12).tolist(), strict=True))
    assert flow == pytest.approx({"short": 12.5, "long-1": -5.0, "long-2": 17.5}, rel=1e-12)
    assert c.operator["congestion_rent.short"] == pytest.approx(3.75e9, abs=2)
    assert set(c.operator) <= {"congestion_rent.short", "rounding"}


def test_the_price_in_words() -> None:
    book, grid, c = example()
    assert explain(book, grid, c, "town") == (
        "At town a Joule is worth 0.3 EUR/kWh. At works, where works is partly filled, it is worth "
        "0.1 EUR/kWh, and power from there takes all ways to town. Link short adds 0.2 EUR/kWh: it "
        "is full at 50 kW, and 66.7 % of a Joule would run over it, where a Joule more would be "
        "worth 0.3 EUR/kWh."
    )
    assert "works sells the last one at that price" in explain(book, grid, c, "works")


def test_the_owner_of_a_full_link_earns_its_rent() -> None:
    book, grid, _ = example()
    owned = replace(grid, owner=tuple("ada" if e == "short" else "" for e in grid.link_ids))
    c = Lmp().clear(book, owned)
    assert isinstance(c, Clearing)
    check_clearing(book, owned, c)
    at = owned.link_ids.index("short")
    assert c.link_payment_nano[at] == pytest.approx(-3.75e9, abs=2)
    assert set(c.operator) <= {"rounding"}


def test_rents_by_name_on_transport() -> None:
    """M9, link by link: the same sums as `equilibrium` has, and lines of 0 are left out."""
    grid = grid_of(
        3,
        [
            {"ends": (0, 1), "capacity_w": 2.0, "price": 0.5, "r": 0.01},
            {"ends": (1, 2), "loss": 0.1, "standing_w": 0.25},
        ],
    )
    book = book_of(
        grid, [offer("s", 0, sell((9, 1.0))), offer("t", 1, sell((9, 5.0))),
               offer("b", 2, buy((3, 9.0)))]
    )  # fmt: skip
    c, whole = clear(book, grid, "lmp"), clear(book, grid)
    check_clearing(book, grid, c)
    assert np.array_equal(c.payment_nano, whole.payment_nano)
    assert c.surplus_nano == whole.surplus_nano
    lines = {name: nano for name, nano in c.operator.items() if name != "rounding"}
    assert set(lines) == {
        "congestion_rent.l0", "loss_rent.l0", "carriage.l0", "standing_loss",
    }  # fmt: skip
    for name in ("congestion_rent", "loss_rent", "carriage"):
        assert lines[f"{name}.l0"] == pytest.approx(whole.operator[name], abs=2)
    assert lines["carriage.l0"] == 1_000_000_000  # 0.5 on 2 J
    assert lines["standing_loss"] == whole.operator["standing_loss"] < 0


@pytest.mark.parametrize("network", ["copperplate", "transport", "dc"])
def test_refuses_what_is_indivisible(network: str) -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    offers = [
        offer("s", 0, sell((2, 1.0)), all_or_nothing=True),
        offer("b", 1, buy((3, 9.0))),
        Offer("x", "", Bundle((Leg("n0", uj(1)), Leg("n1", uj(1))), 1.0), id="x"),
    ]
    for some in (offers[:2], offers[1:]):
        out = get("lmp").clear(book_of(grid, some, network=network), grid)
        assert isinstance(out, Refusal)
        assert "nodal prices that suit everybody need not exist" in out.reason
        assert "vcg-exchange" in out.remedy


def test_a_load_that_wires_cannot_serve() -> None:
    """The price behind a full line is what the load loses; the rent is the operator's."""
    grid = replace(grid_of(2, [{"ends": (0, 1), "capacity_w": 1.0}]), reactance_ohm=np.ones(1))
    book = book_of(
        grid, [offer("s", 0, sell((9, 1.0))), offer("b", 1, Load(uj(3), 50.0))], network="dc"
    )
    c = clear(book, grid, "lmp")
    check_clearing(book, grid, c)
    assert c.price_per_j.tolist() == [1.0, 50.0]
    assert sum(c.operator.values()) == 49_000_000_000
    assert c.operator["congestion_rent.l0"] == pytest.approx(49_000_000_000, abs=1)  # a last digit
    assert "link l0 is full" in " ".join(explain(book, grid, c, n) for n in ("n0", "n1")).lower()


def test_a_forged_line_is_found() -> None:
    book, grid, c = example()
    lines = dict(c.operator)
    lines["congestion_rent.short"] -= 10
    lines["rounding"] = lines.get("rounding", 0) + 10
    with pytest.raises(VerificationError, match=r"operator.congestion_rent.short"):
        check_clearing(book, grid, replace(c, operator=lines))
