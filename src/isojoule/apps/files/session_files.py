"""The message file of sessions: one JSON message a line, as people and programs write them.

Units are those of book files. A message that has been read can be written in its one normal form,
which a transcript holds (`isojoule.apps.files.transcript`). The format: docs/session-file.md.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from isojoule.apps.files.amounts import amount, time_ns
from isojoule.apps.files.book_doc import book_document
from isojoule.apps.files.book_files import BOOK_KEYS, book_from_item
from isojoule.apps.files.book_offers import read_offer
from isojoule.apps.files.items import Item, choice, fields, name, parse_items, rows
from isojoule.core.errors import InputError
from isojoule.core.interval import time_text
from isojoule.core.units import NANO_PER_UNIT, money_text, parse_exact
from isojoule.market.session import (
    CancelOffer,
    Close,
    Commit,
    OpenSession,
    Query,
    Reveal,
    SessionMessage,
    Settle,
    SubmitOffer,
    commitment,
)
from isojoule.valuation import Offer
from isojoule.valuation.document import offer_document

Document = dict[str, Any]
HEAD = ("message", "session", "sender", "at")
KEYS = {
    "open": (
        *("mechanism", "parameters", "book", "offers_until", "commit_until", "reveal_until"),
        *("enough_bidders", "least_bidders", "most_bids", "most_bytes", "members", "visible"),
        *("seed", "seed_commitment", "state"),
    ),
    "offer": ("offer",),
    "commit": ("commitment", "collateral", "id", "offer", "salt"),
    "reveal": ("offer", "salt", "id"),
    "cancel": ("id",),
    "close": ("seed",),
    "settle": (),
    "query": ("what", "cursor", "limit"),
}
"""Keys of each message besides `HEAD`."""
NEEDED = {
    "open": ("mechanism", "book", "offers_until"),
    "offer": ("offer",),
    "reveal": ("offer", "salt"),
    "cancel": ("id",),
    "query": ("what",),
}
COUNTS = {"enough_bidders": None, "least_bidders": 0, "most_bids": 1000, "most_bytes": 65_536}
"""Whole numbers of an opening, and their defaults."""


class Nodes(dict[str, str]):
    """All names are nodes: whether a session has them is the market's to say."""

    def __contains__(self, key: object) -> bool:
        return True


class Reader:
    """Reads messages one after another; offers are in the currency of their session.

    Parameters
    ----------
    currency
        Of sessions whose opening was not read.
    """

    def __init__(self, currency: str = "EUR") -> None:
        self._currency: dict[str, str] = {}
        self._default = currency

    def read(self, item: Item) -> SessionMessage:
        """One message.

        Raises
        ------
        InputError
            Anything wrong, with its place and a remedy.
        """
        every = {key for keys in KEYS.values() for key in keys}
        kind = fields(item, "a message", (*HEAD, *every), HEAD)["message"]
        choice(kind, "message", KEYS)
        what = kind.text
        found = fields(
            item, f"a message {what!r}", (*HEAD, *KEYS[what]), (*HEAD, *NEEDED.get(what, ()))
        )
        head = (
            name(found["session"], "session"),
            name(found["sender"], "sender"),
            time_ns(found["at"]),
        )
        read: Callable[..., SessionMessage] = getattr(self, f"_{what}")
        return read(head, found, item)

    def _open(self, head: tuple[str, str, int], found: dict[str, Item], item: Item) -> OpenSession:
        frame_item = found["book"]
        inner = fields(frame_item, "book", BOOK_KEYS, [])
        if "offers" in inner and rows(inner["offers"], "offers"):
            raise InputError(
                "the book of a session starts without offers",
                place=inner["offers"].place,
                remedy="hand them in, each as a message 'offer'",
            )
        frame = dict(frame_item.value)
        frame["offers"] = Item([], frame_item.place)
        file = book_from_item(Item(frame, frame_item.place))
        self._currency.setdefault(head[0], file.book.currency)
        given: dict[str, Any] = {f"{key}_ns": time_ns(found[key]) for key in _ENDS if key in found}
        given |= {key: _whole(found[key], key) for key in COUNTS if key in found}
        given |= {key: found[key].text for key in ("visible", "seed_commitment") if key in found}
        members = rows(found["members"], "members") if "members" in found else []
        return OpenSession(
            *head,
            name(found["mechanism"], "mechanism"),
            file.book,
            file.grid,
            parameters=_mapping(found, "parameters"),
            state=_mapping(found, "state"),
            members=tuple(name(m, "a member") for m in members),
            seed=_bytes(found["seed"]) if "seed" in found else b"",
            **given,
        )

    def _offer(self, head: tuple[str, str, int], found: dict[str, Item], item: Item) -> SubmitOffer:
        return SubmitOffer(*head, self._one(head, found["offer"]))

    def _commit(self, head: tuple[str, str, int], found: dict[str, Item], item: Item) -> Commit:
        paid = 0
        if "collateral" in found:
            paid = self._money(head[0], found["collateral"])
        if ("commitment" in found) == ("offer" in found and "salt" in found):
            raise InputError(
                "a commitment is given, or made of offer and salt",
                place=item.place,
                remedy="give `commitment`, or `offer` and `salt`",
            )
        if "commitment" in found:
            text = found["commitment"].text
        else:
            offer = self._one(head, found["offer"])
            text = commitment(head[0], head[1], _bytes(found["salt"]), offer)
        return Commit(*head, text, paid, _id(found))

    def _reveal(self, head: tuple[str, str, int], found: dict[str, Item], item: Item) -> Reveal:
        offer = self._one(head, found["offer"])
        return Reveal(*head, offer, _bytes(found["salt"]), _id(found))

    def _cancel(
        self, head: tuple[str, str, int], found: dict[str, Item], item: Item
    ) -> CancelOffer:
        return CancelOffer(*head, _id(found))

    def _close(self, head: tuple[str, str, int], found: dict[str, Item], item: Item) -> Close:
        return Close(*head, _bytes(found["seed"]) if "seed" in found else b"")

    def _settle(self, head: tuple[str, str, int], found: dict[str, Item], item: Item) -> Settle:
        return Settle(*head)

    def _query(self, head: tuple[str, str, int], found: dict[str, Item], item: Item) -> Query:
        cursor = _whole(found["cursor"], "cursor") if "cursor" in found else 0
        limit = _whole(found["limit"], "limit") if "limit" in found else 50
        return Query(*head, found["what"].text, cursor, limit)

    def _one(self, head: tuple[str, str, int], item: Item) -> Offer:
        """An offer; its participant is the sender if it names none."""
        if isinstance(item.value, dict) and "participant" not in item.value:
            sender = Item(head[1], item.place, head[1])
            item = Item({**item.value, "participant": sender}, item.place)
        return read_offer(item, self._of(head[0]), Nodes())

    def _of(self, session: str) -> str:
        """Currency of a session; of one that was never opened, any will do."""
        return self._currency.get(session, next(iter(self._currency.values()), self._default))

    def _money(self, session: str, item: Item) -> int:
        """Money in whole nano-units."""
        try:
            return parse_exact(item.text, 9)
        except ValueError:
            value = amount(item, "money", self._of(session), what="collateral", lowest=0)
            return round(Fraction(value) * NANO_PER_UNIT)


_ENDS = ("offers_until", "commit_until", "reveal_until")


def read_messages(path: Path | str) -> list[SessionMessage]:
    """All messages of a file, one JSON document a line; empty lines count for nothing.

    Raises
    ------
    InputError
        Anything wrong, with `file:line` and a remedy.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", place=str(path), remedy="check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 at byte {error.start}", place=str(path), remedy="save the file as UTF-8"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", place=str(path), remedy="give a readable file"
        ) from None
    reader = Reader()
    messages = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{path}:{number}"
            try:
                messages.append(reader.read(_placed(parse_items(line, place, is_json=True), place)))
            except InputError as error:
                raise InputError(error.message, place=place, remedy=error.remedy) from None
    return messages


def message_document(message: SessionMessage) -> Document:
    """The normal form of a message; what stands at its default is left out."""
    m = message
    head = {"session": m.session, "sender": m.sender, "at": time_text(m.at_ns)}
    if isinstance(m, OpenSession):
        return {"message": "open", **head, **_opening(m)}
    if isinstance(m, SubmitOffer):
        return {"message": "offer", **head, "offer": _offer(m.offer)}
    if isinstance(m, Commit):
        row = {"message": "commit", **head, "commitment": m.commitment, **_named(m.offer_id)}
        return row | ({"collateral": money_text(m.collateral_nano)} if m.collateral_nano else {})
    if isinstance(m, Reveal):
        row = {"message": "reveal", **head, "offer": _offer(m.offer), **_named(m.offer_id)}
        return row | {"salt": f"0x{m.salt.hex()}"}
    if isinstance(m, CancelOffer):
        return {"message": "cancel", **head, "id": m.offer_id}
    if isinstance(m, Close):
        return {"message": "close", **head, **({"seed": f"0x{m.seed.hex()}"} if m.seed else {})}
    if isinstance(m, Settle):
        return {"message": "settle", **head}
    pages = {"cursor": m.cursor} if m.cursor else {}
    return {"message": "query", **head, "what": m.what, **pages, "limit": m.limit}


def _opening(m: OpenSession) -> Document:
    book = book_document(m.frame, m.grid)
    del book["offers"]
    row: Document = {"mechanism": m.mechanism, "book": book}
    for key in _ENDS:
        until: int | None = getattr(m, f"{key}_ns")
        if until is not None:
            row[key] = time_text(until)
    for key in ("parameters", "visible", "seed_commitment", "state"):
        if getattr(m, key):
            row[key] = getattr(m, key)
    if m.members:
        row["members"] = list(m.members)
    if m.seed:
        row["seed"] = f"0x{m.seed.hex()}"
    return row | {k: v for k, default in COUNTS.items() if (v := getattr(m, k)) != default}


def _offer(offer: Offer) -> Document:
    row = offer_document(offer)
    return row if row["id"] else {k: v for k, v in row.items() if k != "id"}


def _named(offer_id: str) -> Document:
    return {"id": offer_id} if offer_id else {}


def _id(found: dict[str, Item]) -> str:
    return name(found["id"], "id") if "id" in found else ""


def _whole(item: Item, what: str) -> int:
    if isinstance(item.value, int) and not isinstance(item.value, bool):
        return item.value
    raise InputError(
        f"{what} is no whole number", place=item.place, remedy="write it without point or quotes"
    )


def _bytes(item: Item) -> bytes:
    """A text (its UTF-8 bytes), or hexadecimal digits after 0x."""
    text = item.text
    try:
        return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()
    except ValueError:
        raise InputError(
            f"{text!r} is neither a text nor hexadecimal",
            place=item.place,
            remedy="write pairs of 0-9 and a-f after 0x",
        ) from None


def _mapping(found: dict[str, Item], key: str) -> Document:
    if key not in found:
        return {}
    value = _plain(found[key])
    if isinstance(value, dict):
        return value
    raise InputError(
        f"{key} must be a mapping", place=found[key].place, remedy='write {"name": value}'
    )


def _plain(item: Item) -> Any:
    if isinstance(item.value, dict):
        return {key: _plain(inner) for key, inner in item.value.items()}
    if isinstance(item.value, list):
        return [_plain(inner) for inner in item.value]
    return item.value


def _placed(item: Item, place: str) -> Item:
    """The same tree, all of it at one place."""
    value = item.value
    if isinstance(value, dict):
        value = {key: _placed(inner, place) for key, inner in value.items()}
    elif isinstance(value, list):
        value = [_placed(inner, place) for inner in value]
    return Item(value, place, item.text)
