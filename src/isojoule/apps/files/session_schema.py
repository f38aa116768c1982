"""The JSON Schema of a line of a message file. Published as docs/schema/message.schema.json.

It describes form, not sense; what an offer may say is taken from the schema of books.
"""

from __future__ import annotations

from typing import Any

from isojoule.apps.files.book_schema import book_schema
from isojoule.apps.files.session_files import KEYS, NEEDED

Schema = dict[str, Any]
ID = "urn:isojoule:schema:message:1"


def session_schema() -> Schema:
    """The schema of one message, draft 2020-12."""
    book = book_schema()
    frame = {key: book[key] for key in ("type", "additionalProperties", "properties", "required")}
    frame["required"] = [key for key in frame["required"] if key != "offers"]
    frame["properties"] = {**frame["properties"], "offers": {"type": "array", "maxItems": 0}}
    offer = book["$defs"]["offer"]
    whose = {**offer, "required": [key for key in offer["required"] if key != "participant"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Isojoule session message",
        "description": "One line of a message file.",
        "oneOf": [_message(what) for what in KEYS],
        "$defs": {**book["$defs"], "frame": frame, "offer": whose},
    }


def _message(what: str) -> Schema:
    time = book_schema()["$defs"]["offer"]["properties"]["at"]
    at = time["anyOf"][0] if "anyOf" in time else time
    name = {"$ref": "#/$defs/name"}
    whole = {"type": ["integer", "null"], "minimum": 0}
    text = {"type": ["string", "null"], "description": "A text, or hexadecimal after 0x."}
    digest = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
    known: Schema = {
        "mechanism": name,
        "parameters": {"type": ["object", "null"]},
        "state": {"type": ["object", "null"]},
        "book": {"$ref": "#/$defs/frame"},
        "offers_until": at,
        "commit_until": {"anyOf": [at, {"type": "null"}]},
        "reveal_until": {"anyOf": [at, {"type": "null"}]},
        **dict.fromkeys(("enough_bidders", "least_bidders", "most_bids", "most_bytes"), whole),
        "members": {"type": ["array", "null"], "items": name},
        "visible": {"enum": ["always", "closed", None]},
        "seed": text,
        "salt": text,
        "seed_commitment": digest,
        "commitment": digest,
        "offer": {"$ref": "#/$defs/offer"},
        "collateral": {"anyOf": [{"$ref": "#/$defs/money"}, {"type": "null"}]},
        "id": name,
        "what": {"enum": ["session", "bids", "winner"]},
        "cursor": whole,
        "limit": whole,
    }
    head: Schema = {"message": {"const": what}, "session": name, "sender": name, "at": at}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*head, *NEEDED.get(what, ())],
        "properties": {**head, **{key: known[key] for key in KEYS[what]}},
    }
