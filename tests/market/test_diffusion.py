"""Neighbours trade pair by pair: answers worked out by hand (docs/spec/diffusion.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from isojoule.apps.files.book_files import read_book
from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Utility
from tests.market.books import book_of, buy, clear, grid_of, offer, sell, uj

CASES = Path(__file__).parents[1] / "cases" / "market"
OWN = sorted(CASES.glob("*/diffusion.yaml"))


def diffuse(book: Book, grid: Grid, **parameters: Any) -> Clearing:
    """Clear by diffusion, and have it checked."""
    out = get("diffusion", **parameters).clear(book, grid)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, grid, out)
    return out


def battery(energy_j: float, **more: Any) -> Battery:
    """A battery of 1000 J on the line from 1.1 to 0.1."""
    spec = {"v_min_per_j": 0.1, "v_max_per_j": 1.1, "k": 1.0} | more
    return Battery(energy_uj=uj(energy_j), capacity_uj=uj(1000), **spec)


def case(name: str, **parameters: Any) -> Clearing:
    file = read_book(CASES / name / "book.yaml")
    return diffuse(file.book, file.grid, **parameters)


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.parent.name)
def test_stored_answer(path: Path) -> None:
    """Cases with a `diffusion.yaml`: energies, flows, payments, what is stuck, by parameters."""
    file = read_book(path.parent / "book.yaml")
    answers = yaml.safe_load(path.read_text())
    assert answers["origin"]
    for row in answers["answers"]:
        c = diffuse(file.book, file.grid, **row["parameters"])
        told = {
            "energy_j": dict(zip(file.book.offer_ids, (c.energy_uj * 1e-6).tolist(), strict=True)),
            "payment": dict(
                zip(file.book.offer_ids, (c.payment_nano * 1e-9).tolist(), strict=True)
            ),
            "stuck": {s["node"]: s["why"] for s in c.notes["stuck"]},
            "operator": {name: nano * 1e-9 for name, nano in c.operator.items()},
        }
        for key, true in row.items():
            if key == "parameters":
                continue
            if key == "stuck":
                assert told[key] == true
            else:
                assert {k: told[key][k] for k in true} == pytest.approx(true, rel=1e-6, abs=2e-4)


@pytest.mark.parametrize("name", ["K1", "K1-quadratic-loss", "K3", "K4", "K5", "K7", "K8", "K11"])
def test_many_sweeps_reach_the_known_optimum(name: str) -> None:
    """D9: where nothing blocks, energies and prices are those of the equilibrium."""
    answer = yaml.safe_load((CASES / name / "answer.yaml").read_text())
    file = read_book(CASES / name / "book.yaml")
    c = case(name, sweeps=200)
    told = dict(zip(file.book.offer_ids, (c.energy_uj * 1e-6).tolist(), strict=True))
    energy = answer.get("energy_j", {})
    assert {k: told[k] for k in energy} == pytest.approx(energy, rel=1e-5, abs=1e-3)
    assert c.notes["stuck"] == []
    assert c.notes["moving"]["links"] == 0
    assert c.notes["distance"]["share"] < 1e-9


@pytest.mark.parametrize(("split", "paid"), [(0.0, 135.0), (0.5, 180.0), (1.0, 225.0)])
def test_k1_payment_is_cost_plus_share(split: float, paid: float) -> None:
    """D5: the seller's integral is 300 J at a mean of 0.45, the buyer's at 0.75."""
    c = case("K1", split=split)
    assert (c.payment_nano * 1e-9).tolist() == [-paid, paid]
    assert [(t.sent_uj, t.received_uj, t.payment_nano) for t in c.trades] == [
        (uj(300), uj(300), round(paid * 1e9))
    ]
    assert c.surplus_nano == 0


def test_k4_gets_there_sweep_by_sweep() -> None:
    """D4: the middle node must first be moved by one neighbour, then by the other."""
    reached = [case("K4", sweeps=n).notes["distance"]["share"] for n in (0, 1, 2, 3, 8)]
    assert reached[0] == 1.0
    assert reached == sorted(reached, reverse=True)
    assert len(set(reached)) == 5
    assert reached[-1] < 1e-4


def test_k12_is_stuck_behind_the_full_node() -> None:
    """D10, and the witness that it is not efficient: nothing moves, all gains are missed."""
    c = case("K12", sweeps=1000)
    assert not c.energy_uj.any()
    assert not c.trades
    (row,) = c.notes["stuck"]
    assert (row["node"], row["why"], row["from"], row["to"]) == ("b", "full", "a", "c")
    assert row["profit_per_j"] == pytest.approx(0.33 - 0.075)
    assert c.notes["distance"]["share"] == pytest.approx(1.0)


def test_a_bus_without_storage_stops_trade() -> None:
    grid = grid_of(4, [{"ends": (0, 1)}, {"ends": (1, 2)}, {"ends": (2, 3)}])
    book = book_of(grid, [offer("a", 0, battery(800)), offer("c", 3, battery(200))])
    notes = diffuse(book, grid).notes
    assert {row["node"]: row["why"] for row in notes["stuck"]} == {
        "n1": "no storage",
        "n2": "no storage",
    }
    assert all((row["from"], row["to"]) == ("n0", "n3") for row in notes["stuck"])
    assert notes["stuck_nodes"] == 2


def test_a_kink_stops_trade() -> None:
    """A asks .49, C bids .51, B between them bids .475 and asks .526: one efficiency of 0.95."""
    grid = grid_of(3, [{"ends": (0, 1)}, {"ends": (1, 2)}])
    flat = {"v_min_per_j": 0.5, "v_max_per_j": 0.5}
    lossy = battery(500, **flat, charge_efficiency=0.95, discharge_efficiency=0.95)
    book = book_of(
        grid,
        [offer("a", 0, sell((10, 0.49))), offer("b", 1, lossy), offer("c", 2, buy((10, 0.51)))],
    )
    c = diffuse(book, grid)
    (row,) = c.notes["stuck"]
    assert (row["node"], row["why"]) == ("n1", "kink")
    assert row["profit_per_j"] == pytest.approx(0.02)
    assert clear(book, grid).welfare == pytest.approx(0.2)
    assert c.notes["distance"]["money"] == pytest.approx(0.2)


def test_an_empty_node_stops_trade() -> None:
    """A seller of 5 J sells them to one battery or the other, and then lets nothing through."""
    grid = grid_of(3, [{"ends": (0, 1)}, {"ends": (1, 2)}])
    book = book_of(
        grid,
        [offer("a", 0, battery(900)), offer("b", 1, sell((5, 0.0))), offer("c", 2, battery(0))],
    )
    (row,) = diffuse(book, grid, sweeps=100).notes["stuck"]
    assert (row["node"], row["why"], row["from"], row["to"]) == ("n1", "empty", "n0", "n2")


def test_unwanted_energy_does_not_run_in_circles() -> None:
    """D4: where spilling costs, lossy links would burn energy in a ring; and no battery cycles."""
    ring = [{"ends": (i, (i + 1) % 4), "loss": 0.2} for i in range(4)]
    grid = grid_of(4, ring)
    spill = [offer(f"p{i}", i, sell((50, 0.0), spill=-0.1 * (i + 1))) for i in range(3)]
    pack = battery(500, charge_efficiency=0.5, discharge_efficiency=0.5, v_min_per_j=0.0)
    book = book_of(grid, [*spill, offer("b", 3, pack)])
    c = diffuse(book, grid, sweeps=50)
    around = c.flow_uj > 0
    assert not around.all()
    assert around.any() or (c.flow_uj < 0).any()
    assert not (c.flow_uj < 0).all()
    idle = book_of(
        grid, spill[:1] + [offer(f"q{i}", i, sell((50, 0.0), spill=-0.1)) for i in (1, 2)]
    )
    assert not diffuse(idle, grid, sweeps=50).flow_uj.any()


def test_a_trade_that_no_longer_pays_is_undone() -> None:
    """D4: whoever takes the first turn sells to c; what comes over the lossy link is undone.

    Worked by hand: with a alone c buys until its worth has fallen to 0.1, 9 J.
    """
    grid = grid_of(3, [{"ends": (0, 2)}, {"ends": (1, 2), "loss": 0.1}])
    offers = [
        offer("a", 0, sell((10, 0.1))),
        offer("b", 1, sell((10, 0.2))),
        offer("c", 2, buy((10, 1.0, 0.0))),
    ]
    book = book_of(grid, offers)
    first = set()
    for seed in range(8):
        for sweeps in (1, 50):
            c = get("diffusion", sweeps=sweeps).clear(book, grid, seed=bytes([seed]))
            assert isinstance(c, Clearing)
            check_clearing(book, grid, c)
            if sweeps == 1:
                first.add(bool(c.flow_uj[1]))
    assert first == {False, True}
    assert c.flow_uj * 1e-6 == pytest.approx([9.0, 0.0], abs=3e-4)


def test_the_order_may_leave_a_worse_seller_in_place() -> None:
    """D10: c wants 5 J and no more; once b has sold them, c is full, and says so."""
    grid = grid_of(3, [{"ends": (0, 2)}, {"ends": (1, 2), "loss": 0.1}])
    offers = [
        offer("a", 0, sell((10, 0.1))),
        offer("b", 1, sell((10, 0.2))),
        offer("c", 2, buy((5, 1.0))),
    ]
    book = book_of(grid, offers)
    told = set()
    for seed in range(8):
        c = get("diffusion").clear(book, grid, seed=bytes([seed]))
        assert isinstance(c, Clearing)
        check_clearing(book, grid, c)
        told.add((bool(c.flow_uj[1]), tuple((s["node"], s["why"]) for s in c.notes["stuck"])))
    assert told == {(False, ()), (True, (("n2", "full"),))}


def test_own_offers_trade_inside_first_at_the_midpoint() -> None:
    """D1: alone, ann and bob trade at 2; the money stays in the node."""
    c = case("steps-cross")
    assert c.notes["sweeps"] <= 1
    assert int(c.payment_nano.sum()) == c.operator["rounding"]
    assert c.payment_nano[0] == -c.payment_nano[1]


def test_equal_offers_of_one_node_share_in_proportion() -> None:
    """D8: 3 J from two who offer 10 and 20 J at one price."""
    grid = grid_of(2, [{"ends": (0, 1)}])
    offers = [
        offer("a", 0, sell((10, 0.2))),
        offer("b", 0, sell((20, 0.2))),
        offer("c", 1, buy((3, 0.8))),
    ]
    c = diffuse(book_of(grid, offers), grid)
    assert c.energy_uj.tolist() == [-uj(1), -uj(2), uj(3)]
    assert c.payment_nano.tolist() == [-500_000_000, -1_000_000_000, 1_500_000_000]


def test_owner_and_operator_are_paid_the_links_price() -> None:
    """D6: 10 J over a link at 0.1; what is left of the surplus is shared."""
    for owner, lines in (("zoe", 0), ("", 1_000_000_000)):
        grid = grid_of(2, [{"ends": (0, 1), "price": 0.1, "owner": owner}])
        book = book_of(grid, [offer("a", 0, sell((10, 0.2))), offer("b", 1, buy((10, 0.8)))])
        c = diffuse(book, grid)
        assert c.payment_nano.tolist() == [-4_500_000_000, 5_500_000_000]
        assert c.operator["carriage"] == lines
        assert c.link_payment_nano.tolist() == [lines - 1_000_000_000]
        assert c.trades[0].payment_nano == 4_500_000_000


def test_standing_loss_is_the_operators() -> None:
    """D6: a line of the operator; the node's price is paid for what its own offers give."""
    c = case("standing-loss")
    assert c.operator["standing_loss"] < 0
    assert c.standing_uj.tolist() == [uj(2)]


@pytest.mark.parametrize(("network", "words"), [("copperplate", "neighbour"), ("dc", "neighbour")])
def test_networks_without_neighbours_are_refused(network: str, words: str) -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    book = book_of(grid, [offer("a", 0, battery(500))], network=network)
    refusal = get("diffusion").clear(book, grid)
    assert isinstance(refusal, Refusal)
    assert words in refusal.reason


def test_what_has_no_limit_is_refused() -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    offers = [offer("a", 0, Utility(0.1, None)), offer("b", 1, Utility(None, 0.3))]
    refusal = get("diffusion").clear(book_of(grid, offers), grid)
    assert isinstance(refusal, Refusal)
    assert "no limit" in refusal.reason
    offers = [offer("a", 1, Utility(0.1, None)), offer("b", 1, Utility(None, 0.3))]
    refusal = get("diffusion").clear(book_of(grid, offers), grid)
    assert isinstance(refusal, Refusal)
    assert "'n1'" in refusal.reason
    dear = [offer("a", 0, sell((1e6, 0.0))), offer("b", 0, Load(uj(1e6), 1e9))]
    refusal = get("diffusion").clear(book_of(grid, dear), grid)
    assert isinstance(refusal, Refusal)
    assert "unit of money" in refusal.remedy


def test_indivisible_offers_are_refused() -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    book = book_of(grid, [offer("a", 0, buy((1, 0.5)), all_or_nothing=True)])
    assert isinstance(get("diffusion").clear(book, grid), Refusal)


@pytest.mark.parametrize(
    "wrong",
    [{"sweeps": -1}, {"sweeps": 1.5}, {"sweeps": True}, {"split": 1.1}, {"split": "x"},
     {"measure": 1}],
)  # fmt: skip
def test_wrong_parameters(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        get("diffusion", **wrong)


def test_without_measuring_the_distance_is_not_told() -> None:
    c = case("K4", sweeps=1, measure=False)
    assert c.notes["distance"]["money"] is None
    assert c.notes["distance"]["why"]
    assert c.certificate.gap > 0
    assert np.isfinite(c.certificate.welfare_bound)
