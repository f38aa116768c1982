"""The JSON Schema of book files, for editors and other programs.

It describes form, not sense: that nodes exist, curves fall and currencies agree is for
`isojoule.apps.files.book_files` to check. Published as docs/schema/book.schema.json.
"""

from __future__ import annotations

from typing import Any

from isojoule.apps.files.book_files import LINK_KINDS
from isojoule.market.book import BOOK_NETWORKS

Schema = dict[str, Any]
ID = "urn:isojoule:schema:book:1"
NUMBER = r"^\s*[+-]?([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*"


def book_schema() -> Schema:
    """The schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Isojoule book file",
        "description": "All offers of one interval, and the grid between them.",
        **_mapping(
            {
                "isojoule": {"const": 1, "description": "Version of the format."},
                "currency": {"type": "string", "pattern": "^[A-Z]{3,5}$"},
                "interval": _mapping(
                    {"start": _time(), "duration": _ref("time")}, ["start", "duration"]
                ),
                "network": {"enum": [*BOOK_NETWORKS, None], "default": "transport"},
                "nodes": {"type": "array", "items": {"anyOf": [_ref("name"), _ref("node")]}},
                "links": {"type": ["array", "null"], "items": _ref("link")},
                "offers": {"type": "array", "items": _ref("offer")},
            },
            ["isojoule", "currency", "interval", "nodes", "offers"],
        ),
        "$defs": {
            **_quantities(),
            "name": {"type": ["string", "number"], "description": "Printable, unique of its kind."},
            "node": _node(),
            "link": _link(),
            "steps": {"type": "array", "minItems": 1, "items": _ref("step")},
            "step": _step(),
            "load": _mapping({"energy": _ref("energy"), "lost_load": _ref("price")}, _ALL),
            "battery": _battery(),
            "utility": {
                **_mapping({"sells_at": _ref("price"), "buys_at": _ref("price")}, []),
                "minProperties": 1,
            },
            "leg": _leg(),
            "offer": _offer(),
        },
    }


_ALL = ["*"]


def _mapping(properties: Schema, required: list[str]) -> Schema:
    """A mapping without other keys; optional ones may be null."""
    needed = list(properties) if required == _ALL else required
    return {
        "type": "object",
        "additionalProperties": False,
        "required": needed,
        "properties": {
            key: value if key in needed or "default" in value or _takes_null(value) else _or(value)
            for key, value in properties.items()
        },
    }


def _takes_null(value: Schema) -> bool:
    return "null" in value.get("type", ()) and isinstance(value["type"], list)


def _or(value: Schema) -> Schema:
    return {"anyOf": [value, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _quantity(unit: str, example: str) -> Schema:
    return {
        "description": f"A number in {unit}, or a text with its unit, as '{example}'.",
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": NUMBER}],
    }


def _quantities() -> Schema:
    return {
        "energy": _quantity("J", "13.5 kWh"),
        "power": _quantity("W", "5 kW"),
        "price": _quantity("money per J", "0.30 EUR/kWh"),
        "money": _quantity("the book's currency", "0.50 EUR"),
        "time": _quantity("s", "15 min"),
        "share": _quantity("parts of one", "0.02"),
        "ohm": _quantity("ohm", "0.1 ohm"),
        "voltage": _quantity("V", "400 V"),
    }


def _time() -> Schema:
    return {
        "type": "string",
        "description": "ISO 8601 with an offset or Z.",
        "pattern": r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?\s*([Zz]|[+-]\d\d:?\d\d)$",
    }


def _node() -> Schema:
    return _mapping(
        {
            "id": _ref("name"),
            "voltage": _ref("voltage"),
            "min_voltage_pu": _ref("share"),
            "max_voltage_pu": _ref("share"),
            "x": _ref("share"),
            "y": _ref("share"),
        },
        ["id"],
    )


def _link() -> Schema:
    return _mapping(
        {
            "id": _ref("name"),
            "from": _ref("name"),
            "to": _ref("name"),
            "kind": {"enum": [*LINK_KINDS, None], "default": "link"},
            "capacity": _ref("power"),
            "loss": _ref("share"),
            "resistance": _ref("ohm"),
            "reactance": _ref("ohm"),
            "voltage": _ref("voltage"),
            "standing_loss": _ref("power"),
            "price": _ref("price"),
            "owner": _ref("name"),
        },
        ["id", "from", "to"],
    )


def _step() -> Schema:
    pair = {"type": "array", "items": _ref("price"), "minItems": 2, "maxItems": 2}
    price = {"anyOf": [_ref("price"), pair], "description": "One price, or from start to end."}
    return _mapping({"energy": _ref("energy"), "price": price}, _ALL)


def _leg() -> Schema:
    legs = _mapping({"node": _ref("name"), "buy": _ref("energy"), "sell": _ref("energy")}, ["node"])
    return {**legs, "minProperties": 2}


def _battery() -> Schema:
    energies = ("energy", "capacity", "reserve", "committed", "inflow")
    prices = ("v_min", "v_max", "v_critical", "lost_load", "spill_value")
    shares = ("k", "charge_efficiency", "discharge_efficiency", "floor")
    return _mapping(
        {
            **{key: _ref("energy") for key in energies},
            **{key: _ref("price") for key in prices},
            **{key: _ref("power") for key in ("charge_power", "discharge_power")},
            **{key: _ref("share") for key in shares},
            **{key: _ref("time") for key in ("idle", "tau")},
        },
        ["energy", "capacity", "v_min", "v_max"],
    )


def _offer() -> Schema:
    properties = {
        "id": _ref("name"),
        "participant": _ref("name"),
        "at": _time(),
        "node": _ref("name"),
        "all_or_nothing": {"type": "boolean"},
        "group": _ref("name"),
        "power_factor": _ref("share"),
        "immediate": {"type": "boolean"},
        "sell": _ref("steps"),
        "buy": _ref("steps"),
        "spill_value": _ref("price"),
        "load": _ref("load"),
        "battery": _ref("battery"),
        "utility": _ref("utility"),
        "legs": {"type": "array", "minItems": 1, "items": _ref("leg")},
        "price": _ref("money"),
    }
    forms = [
        {"anyOf": [_has("sell"), _has("buy")], "required": ["node"]},
        *({**_has(form), "required": [form, "node"]} for form in ("load", "battery", "utility")),
        {**_has("legs"), "required": ["legs", "price"]},
    ]
    return {**_mapping(properties, ["participant"]), "oneOf": forms}


def _has(key: str) -> Schema:
    """The key stands there and is not null."""
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}
