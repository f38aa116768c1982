"""The normal form of an offer: one document for one offer, whatever the units it came in.

Energies are decimal strings exact to the microjoule, everything else is SI, keys at their default
are left out. What is committed to, hashed or stored of an offer is this.
"""

from __future__ import annotations

import math
from typing import Any

from isojoule.core.canonical import number
from isojoule.core.interval import time_text
from isojoule.core.units import joules_text
from isojoule.valuation.offer import Battery, Bundle, Load, Offer, Step, Steps, Utility

Document = dict[str, Any]


def offer_document(offer: Offer) -> Document:
    """The offer in its normal form, as a book file holds it: SI, defaults left out."""
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
    if offer.immediate:
        row["immediate"] = True
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
