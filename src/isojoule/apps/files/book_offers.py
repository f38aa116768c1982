"""Offers of a book file: each form of the design, with its keys, to `Offer` rows."""

from __future__ import annotations

import math
from typing import Any

from isojoule.apps.files.amounts import amount, energy_uj, time_ns
from isojoule.apps.files.book_faults import leg_label, naming, offer_label
from isojoule.apps.files.items import Item, fields, flag, name, nearest, rows
from isojoule.core.errors import InputError
from isojoule.valuation import Battery, Bundle, Leg, Load, Offer, Spec, Step, Steps, Utility

FORMS = {  # what makes an offer, and the keys that go with it
    "sell": ("sell", "buy", "spill_value"),
    "buy": ("sell", "buy", "spill_value"),
    "load": ("load",),
    "battery": ("battery",),
    "utility": ("utility",),
    "legs": ("legs", "price"),
}
COMMON = (
    *("id", "at", "participant", "node"),
    *("all_or_nothing", "group", "power_factor", "immediate"),
)
OFFER_KEYS = (*COMMON, "sell", "buy", "spill_value", "load", "battery", "utility", "legs", "price")
BATTERY_KEYS = (
    *("energy", "capacity", "reserve", "committed", "inflow"),
    *("v_min", "v_max", "v_critical", "lost_load", "spill_value", "k"),
    *("charge_power", "discharge_power", "charge_efficiency", "discharge_efficiency"),
    *("idle", "tau", "floor"),
)


def read_offer(item: Item, currency: str, nodes: dict[str, str]) -> Offer:
    """One offer.

    Parameters
    ----------
    item
        The mapping of the offer.
    currency
        Of the book.
    nodes
        Places of the known nodes by name.

    Raises
    ------
    InputError
        Anything wrong, with its place, the offer's participant and node, and a remedy.
    """
    with naming(offer_label, item):
        return _offer(item, currency, nodes)


def _offer(item: Item, currency: str, nodes: dict[str, str]) -> Offer:
    found = fields(item, "an offer", OFFER_KEYS, ("participant",))
    form = _form(found, item)
    spec: Spec
    node = ""
    if form == "legs":
        if "node" in found:
            raise InputError(
                "a bundle names its nodes in its legs",
                place=found["node"].place,
                remedy="remove 'node'",
            )
        spec = _bundle(found, item, currency, nodes)
    else:
        if "node" not in found:
            raise InputError("an offer lacks 'node'", place=item.place, remedy="add the key 'node'")
        node = known_node(found["node"], nodes)
        if form in ("sell", "buy"):
            spec = _steps(found, item, currency)
        elif form == "load":
            spec = _load(found["load"], currency)
        elif form == "battery":
            spec = _battery(found["battery"], currency)
        else:
            spec = _utility(found["utility"], currency)
    power_factor = 1.0
    if "power_factor" in found:
        power_factor = amount(found["power_factor"], "1", what="power_factor", above=0, highest=1)
    built: Offer = _built(
        Offer,
        found["all_or_nothing"].place if "all_or_nothing" in found else item.place,
        participant=name(found["participant"], "participant"),
        node=node,
        spec=spec,
        id=name(found["id"], "id") if "id" in found else "",
        at_ns=time_ns(found["at"]) if "at" in found else 0,
        all_or_nothing="all_or_nothing" in found and flag(found["all_or_nothing"], "flag"),
        group=name(found["group"], "group") if "group" in found else "",
        power_factor=power_factor,
        immediate="immediate" in found and flag(found["immediate"], "flag"),
    )
    return built


def known_node(item: Item, nodes: dict[str, str]) -> str:
    """The name of a node that exists."""
    node = name(item, "a node")
    if node in nodes:
        return node
    some = ", ".join(list(nodes)[:8]) or "none is given"
    raise InputError(
        f"unknown node {node!r}",
        place=item.place,
        remedy=nearest(node, nodes) or f"use one of the nodes: {some}",
    )


def _form(found: dict[str, Item], item: Item) -> str:
    forms = [form for form in FORMS if form in found]
    if not forms:
        raise InputError(
            "an offer without content",
            place=item.place,
            remedy="give sell and/or buy, or load, battery, utility, or legs with a price",
        )
    allowed = (*COMMON, *FORMS[forms[0]])
    for key, value in found.items():
        if key not in allowed:
            raise InputError(
                f"{key!r} does not go with {forms[0]!r} in one offer",
                place=value.place,
                remedy="make two offers of it" if key in FORMS else f"remove {key!r}",
            )
    return forms[0]


def _built(kind: type, place: str, **arguments: Any) -> Any:
    """Build a spec; what it refuses gets the place."""
    try:
        return kind(**arguments)
    except InputError as error:
        raise InputError(error.message, place=error.place or place, remedy=error.remedy) from None


def _steps(found: dict[str, Item], item: Item, currency: str) -> Spec:
    sides: dict[str, tuple[Step, ...]] = {}
    for side in ("sell", "buy"):
        if side not in found:
            continue
        steps = rows(found[side], side)
        if not steps:
            raise InputError(
                f"{side} has no steps", place=found[side].place, remedy=f"add one or drop {side!r}"
            )
        sides[side] = tuple(_step(step, side, currency) for step in steps)
    spill = None
    if "spill_value" in found:
        if "sell" not in sides:
            raise InputError(
                "spill_value without sell",
                place=found["spill_value"].place,
                remedy="only what is offered for sale can be spilled",
            )
        spill = amount(found["spill_value"], "money/J", currency)
    place = found["sell" if "sell" in sides else "buy"].place
    spec: Steps = _built(Steps, place, spill_value_per_j=spill, **sides)
    return spec


def _step(item: Item, side: str, currency: str) -> Step:
    found = fields(item, f"a step to {side}", ("energy", "price"), ("energy", "price"))
    price = found["price"]
    ends = [price]
    if isinstance(price.value, list):
        ends = price.value
        if len(ends) != 2:
            raise InputError(
                f"a sloped step has two prices, not {len(ends)}",
                place=price.place,
                remedy="give one price, or its start and its end: [0.05 EUR/kWh, 0.09 EUR/kWh]",
            )
    first, last = (amount(end, "money/J", currency) for end in (ends[0], ends[-1]))
    return Step(energy_uj(found["energy"]), first, last)


def _load(item: Item, currency: str) -> Load:
    found = fields(item, "load", ("energy", "lost_load"), ("energy", "lost_load"))
    load: Load = _built(
        Load,
        item.place,
        energy_uj=energy_uj(found["energy"], what="load"),
        lost_load_per_j=amount(found["lost_load"], "money/J", currency, what="lost_load", lowest=0),
    )
    return load


def _utility(item: Item, currency: str) -> Utility:
    found = fields(item, "utility", ("sells_at", "buys_at"))
    if not found:
        raise InputError(
            "a utility without a price", place=item.place, remedy="give sells_at, buys_at, or both"
        )
    prices = {
        f"{key}_per_j": amount(found[key], "money/J", currency) if key in found else None
        for key in ("sells_at", "buys_at")
    }
    utility: Utility = _built(Utility, item.place, **prices)
    return utility


def _battery(item: Item, currency: str) -> Battery:
    found = fields(item, "battery", BATTERY_KEYS, ("energy", "capacity", "v_min", "v_max"))
    values: dict[str, Any] = {}
    for key in ("capacity", "energy", "reserve", "committed", "inflow"):
        if key in found:
            values[f"{key}_uj"] = energy_uj(found[key], what=key, signed=key == "inflow")
    if values["energy_uj"] > values["capacity_uj"]:
        raise InputError(
            f"energy {found['energy'].text} is above the capacity {found['capacity'].text}",
            place=found["energy"].place,
            remedy="give what is stored at the start; what comes in during the interval is inflow",
        )
    for key in ("v_min", "v_max", "v_critical", "lost_load", "spill_value"):
        if key in found:
            values[f"{key}_per_j"] = amount(found[key], "money/J", currency)
    for key in ("charge_power", "discharge_power"):
        if key in found:
            values[f"{key}_w"] = amount(found[key], "W", what=key, lowest=0)
    for key in ("charge_efficiency", "discharge_efficiency"):
        if key in found:
            values[key] = amount(found[key], "1", what=key, above=0, highest=1)
    for key in ("idle", "tau"):
        if key in found:
            values[f"{key}_s"] = amount(found[key], "s", what=key, lowest=0)
    if "floor" in found:
        values["floor"] = amount(found["floor"], "1", what="floor", lowest=0, highest=1)
    if "k" in found:
        values["k"] = amount(found["k"], "1", what="k", above=0)
    battery: Battery = _built(Battery, item.place, **values)
    return battery


def _bundle(found: dict[str, Item], item: Item, currency: str, nodes: dict[str, str]) -> Bundle:
    if "price" not in found:
        raise InputError(
            "a bundle lacks 'price'",
            place=item.place,
            remedy="add the money for all of it: 0.50 EUR; below 0 for what it asks",
        )
    legs = [_leg(leg, nodes) for leg in rows(found["legs"], "legs")]
    if not legs:
        raise InputError("a bundle without legs", place=found["legs"].place, remedy="add legs")
    names = [leg.node for leg in legs]
    if len(set(names)) < len(names):
        raise InputError(
            "a node stands twice in the bundle",
            place=found["legs"].place,
            remedy="add up its energy in one leg",
        )
    price = amount(found["price"], "money", currency)
    if not math.isfinite(price):
        raise InputError("the price is not finite", place=found["price"].place, remedy="give money")
    return Bundle(tuple(sorted(legs)), price)


def _leg(item: Item, nodes: dict[str, str]) -> Leg:
    with naming(leg_label, item):
        return _leg_of(item, nodes)


def _leg_of(item: Item, nodes: dict[str, str]) -> Leg:
    found = fields(item, "a leg", ("node", "buy", "sell"), ("node",))
    sides = [side for side in ("buy", "sell") if side in found]
    if len(sides) != 1:
        raise InputError(
            "a leg either buys or sells",
            place=item.place,
            remedy="give one of the two, as buy: 1 kWh",
        )
    size = energy_uj(found[sides[0]], what=sides[0])
    return Leg(known_node(found["node"], nodes), size if sides[0] == "buy" else -size)
