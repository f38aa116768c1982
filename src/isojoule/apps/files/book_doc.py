"""The normal form of a book: one document for one book and grid.

Nodes, links and offers stand in the order of their names, keys at their default are left out,
energies are decimal strings exact to the microjoule, everything else is SI: so the document, and
its digest, do not depend on the order or the units of the input. It is itself a book file.
"""

from __future__ import annotations

import math
from typing import Any

from isojoule.apps.files.amounts import time_text
from isojoule.core.units import PPB, joules_text
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import Battery, Bundle, Load, Offer, Step, Steps, Utility

Document = dict[str, Any]


def book_document(book: Book, grid: Grid) -> Document:
    """The normal form. `book_files.book_from_doc` reads it back to the same book and grid.

    The book must hold its offers as rows, as `Book.from_offers` makes it.
    """
    return {
        "isojoule": 1,
        "currency": book.currency,
        "interval": {
            "start": book.interval.start_text(),
            "duration": number(book.interval.duration_s),
        },
        "network": book.network,
        "nodes": [_node(grid, i) for i in _order(grid.node_ids)],
        "links": [_link(grid, i) for i in _order(grid.link_ids)],
        "offers": [_offer(o) for o in sorted(book.offers, key=lambda o: o.id)],
    }


def number(value: float) -> float | int:
    """A float as JSON reads it back: whole ones as int.

    >>> number(900.0), number(0.5), number(-0.0)
    (900, 0.5, 0)
    """
    value = float(value)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _order(names: tuple[str, ...]) -> list[int]:
    return sorted(range(len(names)), key=lambda i: names[i])


def _node(grid: Grid, i: int) -> str | Document:
    columns = {
        "voltage": grid.node_voltage_v,
        "min_voltage_pu": grid.min_voltage_pu,
        "max_voltage_pu": grid.max_voltage_pu,
        "x": grid.x,
        "y": grid.y,
    }
    known = {
        key: number(column[i])
        for key, column in columns.items()
        if column is not None and not math.isnan(column[i])
    }
    return {"id": grid.node_ids[i], **known} if known else grid.node_ids[i]


def _link(grid: Grid, i: int) -> Document:
    link: Document = {
        "id": grid.link_ids[i],
        "from": grid.node_ids[grid.link_from[i]],
        "to": grid.node_ids[grid.link_to[i]],
    }
    if math.isfinite(grid.capacity_w[i]):
        link["capacity"] = number(grid.capacity_w[i])
    if grid.loss_ppb[i]:
        link["loss"] = int(grid.loss_ppb[i]) / PPB
    for key, column in (
        ("resistance", grid.resistance_ohm),
        ("reactance", grid.reactance_ohm),
        ("standing_loss", grid.standing_loss_w),
        ("price", grid.price_per_j),
    ):
        if column[i]:
            link[key] = number(column[i])
    if not math.isnan(grid.voltage_v[i]):
        link["voltage"] = number(grid.voltage_v[i])
    if grid.owner[i]:
        link["owner"] = grid.owner[i]
    if grid.kind[i] != "link":
        link["kind"] = grid.kind[i]
    return link


def _offer(offer: Offer) -> Document:
    row: Document = {"id": offer.id, "participant": offer.participant}
    if offer.at_ns:
        row["at"] = time_text(offer.at_ns)
    if offer.node:
        row["node"] = offer.node
    if offer.all_or_nothing:
        row["all_or_nothing"] = True
    if offer.group:
        row["group"] = offer.group
    if offer.power_factor != 1.0:
        row["power_factor"] = number(offer.power_factor)
    spec = offer.spec
    if isinstance(spec, Steps):
        for side in ("sell", "buy"):
            steps: tuple[Step, ...] = getattr(spec, side)
            if steps:
                row[side] = [_step(s) for s in steps]
        if spec.spill_value_per_j is not None:
            row["spill_value"] = number(spec.spill_value_per_j)
    elif isinstance(spec, Load):
        row["load"] = {
            "energy": joules_text(spec.energy_uj),
            "lost_load": number(spec.lost_load_per_j),
        }
    elif isinstance(spec, Battery):
        row["battery"] = _battery(spec)
    elif isinstance(spec, Utility):
        prices = {"sells_at": spec.sells_at_per_j, "buys_at": spec.buys_at_per_j}
        row["utility"] = {k: number(v) for k, v in prices.items() if v is not None}
    elif isinstance(spec, Bundle):
        row["legs"] = [
            {
                "node": leg.node,
                "buy" if leg.energy_uj >= 0 else "sell": joules_text(abs(leg.energy_uj)),
            }
            for leg in spec.legs
        ]
        row["price"] = number(spec.price)
    return row


def _step(step: Step) -> Document:
    first, last = number(step.price_per_j), number(step.end_price_per_j)
    return {
        "energy": joules_text(step.energy_uj),
        "price": first if first == last else [first, last],
    }


def _battery(spec: Battery) -> Document:
    row: Document = {
        "energy": joules_text(spec.energy_uj),
        "capacity": joules_text(spec.capacity_uj),
        "v_min": number(spec.v_min_per_j),
        "v_max": number(spec.v_max_per_j),
    }
    for key in ("reserve", "committed", "inflow"):
        energy_uj: int = getattr(spec, f"{key}_uj")
        if energy_uj:
            row[key] = joules_text(energy_uj)
    for key, value, default in (
        ("v_critical", spec.v_critical_per_j, None),
        ("lost_load", spec.lost_load_per_j, None),
        ("spill_value", spec.spill_value_per_j, 0.0),
        ("k", spec.k, 1.0),
        ("charge_power", spec.charge_power_w, math.inf),
        ("discharge_power", spec.discharge_power_w, math.inf),
        ("charge_efficiency", spec.charge_efficiency, 1.0),
        ("discharge_efficiency", spec.discharge_efficiency, 1.0),
        ("idle", spec.idle_s, 0.0),
        ("tau", spec.tau_s, math.inf),
        ("floor", spec.floor, 0.0),
    ):
        if value != default and value is not None:
            row[key] = number(value)
    return row
