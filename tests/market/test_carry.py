"""Energies that were fixed without the wires, sent through them. Spec: docs/spec/run.md, R21."""

from __future__ import annotations

import numpy as np
import pytest

from isojoule.apps.files.book_files import BookFile, read_book
from isojoule.market import Clearing, Refusal
from isojoule.market.carry import Carried, carry
from isojoule.market.mechanisms import get

BOOK = """\
isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 1 h}
network: copperplate
nodes: [grid, street, sun, home]
links:
  - {id: trafo, from: grid, to: street, capacity: CAPACITY, loss: 1 %, standing_loss: 10 W}
  - {id: roof, from: street, to: sun, capacity: 10 kW, loss: 2 %}
  - {id: cable, from: street, to: home, capacity: 10 kW, loss: 5 %}
offers:
  - {participant: utility, node: grid, utility: {sells_at: 0.30 EUR/kWh, buys_at: 0.08 EUR/kWh}}
  - {participant: ada, id: sun, node: sun, sell: [{energy: 3 kWh, price: 0 EUR/kWh}]}
  - {participant: bo, id: home, node: home, load: {energy: 1 kWh, lost_load: 5 EUR/kWh}}
"""
KWH = 3_600_000_000_000


def cleared(tmp_path: object, capacity: str) -> tuple[BookFile, Clearing]:
    path = tmp_path / "book.yaml"  # type: ignore[operator]
    path.write_text(BOOK.replace("CAPACITY", capacity))
    file = read_book(path)
    c = get("uniform-price").clear(file.book, file.grid)
    assert isinstance(c, Clearing)
    return file, c


def by_id(file: BookFile, energy_uj: np.ndarray) -> dict[str, int]:
    return dict(zip(file.book.offer_ids, energy_uj.tolist(), strict=True))


def test_losses_are_the_utilitys_to_make_up_for(tmp_path: object) -> None:
    """Cleared: 3 kWh from the roof, 1 to the home, 2 to the utility.

    In truth 3 kWh lose 2 %, the home's 1 kWh needs 1 / 0.95 sent, the rest passes the transformer,
    which draws 10 Wh.
    """
    file, c = cleared(tmp_path, "10 kW")
    assert by_id(file, c.energy_uj) == {"utility": 2 * KWH, "sun": -3 * KWH, "home": KWH}
    found = carry(file.book, file.grid, c.energy_uj)
    assert isinstance(found, Carried)
    got = by_id(file, found.energy_uj)
    assert (got["sun"], got["home"]) == (-3 * KWH, KWH)
    # 10 Wh of iron are drawn at the grid's end, so the utility gets them less
    arrives = (3 * 0.98 - 1 / 0.95) * 0.99 - 0.010
    assert got["utility"] / KWH == pytest.approx(arrives, abs=1e-9)
    links = dict(
        zip(file.grid.link_ids, zip(found.standing_uj, found.flow_uj, strict=True), strict=True)
    )
    assert links["trafo"][0] == found.standing_uj.sum() == 10 * 3600 * 10**6
    assert abs(links["roof"][1]) == 3 * KWH
    whole = found.energy_uj.sum() + found.loss_uj.sum() + found.standing_uj.sum()
    assert whole == 0


def test_what_a_full_link_cannot_carry_is_curtailed_at_the_source(tmp_path: object) -> None:
    """1 kWh may pass the transformer: the roof delivers (1 + 1 / 0.95) / 0.98 and no more."""
    file, c = cleared(tmp_path, "1 kW")
    found = carry(file.book, file.grid, c.energy_uj)
    assert isinstance(found, Carried)
    got = by_id(file, found.energy_uj)
    assert got["home"] == KWH  # who is served is served
    assert -got["sun"] / KWH == pytest.approx((1 + 1 / 0.95) / 0.98, abs=1e-6)
    assert abs(found.flow_uj[file.grid.link_ids.index("trafo")]) <= KWH
    assert found.energy_uj.sum() + found.loss_uj.sum() + found.standing_uj.sum() == 0


def test_without_a_utility_nobody_makes_up_for_losses(tmp_path: object) -> None:
    path = tmp_path / "book.yaml"  # type: ignore[operator]
    path.write_text("\n".join(li for li in BOOK.splitlines() if "utility" not in li).replace(
        "CAPACITY", "1 kW"))  # fmt: skip
    file = read_book(path)
    found = carry(file.book, file.grid, np.zeros(2, np.int64))
    assert isinstance(found, Refusal) and "utility" in found.reason
