"""Cases of a mechanism: its worked example, and the witnesses of what it cannot do.

Beside each mechanism lies a folder `cases/<name>/`: `example.yaml`, a book, and for each trait that
is denied a file, the witness, as `budget.yaml`. For mechanisms of ours the folder stands in the
package `isojoule.market`, for others in the top package of their class. The format is described in
docs/spec/traits.md, T10 and T11.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile
from pathlib import Path
from typing import Any

from isojoule.apps.files.amounts import amount
from isojoule.apps.files.book_files import BookFile, book_from_item, book_from_text
from isojoule.apps.files.book_offers import read_offer
from isojoule.apps.files.items import Item, choice, fields, name, parse_items, rows
from isojoule.core.canonical import number
from isojoule.core.errors import InputError
from isojoule.market import Book, Mechanism, Refusal
from isojoule.market.contract import TRAITS
from isojoule.market.deviation import OPERATOR, STRATEGIC, Deviation, Shown, show
from isojoule.market.mechanisms import get
from isojoule.market.worth import money_scale
from isojoule.valuation import Offer
from isojoule.valuation.document import offer_document

WITNESS_KEYS = (
    *("isojoule", "mechanism", "parameters", "trait", "origin", "claim", "seed", "state"),
    *("book", "liars", "instead", "links", "auctioneer", "expect"),
)
EXPECT = {
    "efficient": ("welfare", "best"),
    "budget": ("operator",),
    "individually_rational": ("participant", "utility"),
    **dict.fromkeys(STRATEGIC, ("honest", "lying")),
}
EXAMPLE = "example"
SAME = 1e-6
"""Figures that differ by less than this share of the book's sums are the same."""


@dataclass(frozen=True, eq=False)
class Witness:
    """A book on which a trait does not hold. See T10 for its fields."""

    place: str
    mechanism: str
    parameters: dict[str, Any]
    trait: str
    origin: str
    claim: str
    seed: bytes
    state: dict[str, Any]
    file: BookFile
    deviation: Deviation
    auctioneer: str
    expect: dict[str, float | str]


@dataclass(frozen=True, eq=False)
class Replay:
    """A witness that has been run: what it shows, and whether that is what it claims.

    `wrong` says what is not as claimed, "" if all is.
    """

    witness: Witness
    shown: Shown
    wrong: str


def read_witness(path: Path) -> Witness:
    """Read a witness file (YAML, or JSON by its suffix).

    Raises
    ------
    InputError
        Anything wrong, with `file:line` and a remedy.
    """
    from isojoule.apps.files.items import read_items

    return _witness(read_items(path))


def witness_from_text(text: str, place: str = "witness") -> Witness:
    """Read a witness from YAML text."""
    return _witness(parse_items(text, place))


def _witness(item: Item) -> Witness:
    required = ("isojoule", "mechanism", "trait", "origin", "claim", "book", "expect")
    found = fields(item, "a witness", WITNESS_KEYS, required)
    if found["isojoule"].value != 1 or isinstance(found["isojoule"].value, bool):
        raise InputError(
            f"unknown version {found['isojoule'].text!r} of the witness file",
            place=found["isojoule"].place,
            remedy="write isojoule: 1",
        )
    trait = choice(found["trait"], "trait", TRAITS)
    file = book_from_item(found["book"])
    strategic = trait in STRATEGIC
    for key in ("liars", "instead", "links", "auctioneer"):
        if key in found and not strategic:
            raise InputError(
                f"{key!r} in a witness of {trait!r}, where nobody lies",
                place=found[key].place,
                remedy=f"remove {key!r}",
            )
    if strategic and not {"liars", "instead", "links"} & set(found):
        raise InputError(
            f"nobody lies in a witness of {trait!r}",
            place=item.place,
            remedy="add liars, and what they hand in instead",
        )
    if "auctioneer" in found and trait != "credible":
        raise InputError(
            "an auctioneer matters for 'credible' alone",
            place=found["auctioneer"].place,
            remedy="remove 'auctioneer'",
        )
    nodes = dict.fromkeys(file.grid.node_ids, "")
    known = {*file.book.participants, *file.grid.owner}
    liars = (
        [choice(row, "a liar", known) for row in rows(found["liars"], "liars")]
        if "liars" in found
        else []
    )
    offers: list[Offer] = []
    if "instead" in found:
        listed = rows(found["instead"], "instead")
        offers = [read_offer(row, file.book.currency, nodes) for row in listed]
    witness = Witness(
        place=item.place,
        mechanism=name(found["mechanism"], "mechanism"),
        parameters=_mapping(found, "parameters"),
        trait=trait,
        origin=_text(found["origin"], "origin"),
        claim=_text(found["claim"], "claim"),
        seed=seed_of(found["seed"]) if "seed" in found else b"",
        state=_mapping(found, "state"),
        file=file,
        deviation=Deviation(tuple(liars), tuple(offers), _links(found, file)),
        auctioneer=name(found["auctioneer"], "auctioneer") if "auctioneer" in found else OPERATOR,
        expect=_expect(found["expect"], trait),
    )
    try:
        witness.deviation.apply(file.book, file.grid)
    except InputError as error:
        place = found["instead" if "instead" in found else "liars"].place
        raise InputError(error.message, place=place, remedy=error.remedy) from None
    return witness


def seed_of(item: Item) -> bytes:
    """A seed: the UTF-8 bytes of a text, or hexadecimal digits after 0x."""
    text = item.text
    if not text.startswith("0x"):
        return text.encode()
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        raise InputError(
            f"{text!r} is not hexadecimal", place=item.place, remedy="give pairs of 0-9 and a-f"
        ) from None


def _text(item: Item, what: str) -> str:
    if isinstance(item.value, str) and item.value.strip():
        return " ".join(item.value.split())
    raise InputError(f"{what} must be a text", place=item.place, remedy="write a plain sentence")


def _mapping(found: dict[str, Item], key: str) -> dict[str, Any]:
    if key not in found:
        return {}
    value = plain(found[key])
    if not isinstance(value, dict):
        raise InputError(
            f"{key} must be a mapping of keys", place=found[key].place, remedy="write {} for none"
        )
    return value


def plain(item: Item) -> Any:
    """An item as plain data that JSON can hold."""
    if isinstance(item.value, dict):
        return {key: plain(value) for key, value in item.value.items()}
    if isinstance(item.value, list):
        return [plain(value) for value in item.value]
    return item.value


def _links(found: dict[str, Item], file: BookFile) -> dict[str, float]:
    claimed: dict[str, float] = {}
    for row in rows(found["links"], "links") if "links" in found else []:
        keys = fields(row, "a link", ("id", "price"), ("id", "price"))
        claimed[name(keys["id"], "the link's id")] = amount(
            keys["price"], "money/J", file.book.currency, what="price", lowest=0
        )
    return claimed


def _expect(item: Item, trait: str) -> dict[str, float | str]:
    found = fields(item, f"what {trait!r} is shown by", EXPECT[trait], EXPECT[trait])
    return {
        key: name(value, key)
        if key == "participant"
        else amount(Item(value.value, value.place, value.text), "1", what=key)
        for key, value in found.items()
    }


def replay(witness: Witness) -> Replay:
    """Run a witness.

    Raises
    ------
    InputError
        The mechanism is unknown, or refuses a world of the witness.
    """
    w = witness
    rule = get(w.mechanism, **w.parameters)
    shown = show(
        w.trait, rule, w.file.book, w.file.grid, w.deviation, auctioneer=w.auctioneer, seed=w.seed,
        state=w.state or None,
    )  # fmt: skip
    if isinstance(shown, Refusal):
        raise InputError(str(shown), place=w.place, remedy=shown.remedy)
    least = SAME * max(money_scale(w.file.book), *(_size(v) for v in w.expect.values()))
    wrong = ""
    for key, wanted in w.expect.items():
        got = shown.figures[key]
        if isinstance(wanted, str) or isinstance(got, str):
            same = wanted == got
        else:
            same = wanted == got or abs(got - wanted) <= least
        if not same:
            wrong = wrong or f"{key} is {got}, not {wanted}"
    if shown.holds:
        wrong = wrong or f"{w.trait} holds here: it is no witness"
    return Replay(w, shown, wrong)


def _size(value: float | str) -> float:
    return 0.0 if isinstance(value, str) else abs(value)


def cases_of(mechanism: str | Mechanism) -> Traversable:
    """The folder of a mechanism's cases; it need not be there."""
    rule = get(mechanism) if isinstance(mechanism, str) else mechanism
    top = type(rule).__module__.partition(".")[0]
    package = "isojoule.market" if top == "isojoule" else top
    return files(package) / "cases" / rule.name


def find_witness(mechanism: str | Mechanism, stem: str) -> Witness:
    """A witness among the cases of a mechanism.

    Raises
    ------
    InputError
        There is none of this name.
    """
    folder = cases_of(mechanism)
    file = folder / f"{stem}.yaml"
    rule = mechanism if isinstance(mechanism, str) else mechanism.name
    if not file.is_file():
        known = [n for n in case_names(mechanism) if n != EXAMPLE]
        raise InputError(
            f"{rule!r} has no case {stem!r}",
            place=str(folder),
            remedy=f"use one of {', '.join(known)}" if known else "it has none",
        )
    return witness_from_text(file.read_text(encoding="utf-8"), f"{rule}/{stem}.yaml")


def example_of(mechanism: str | Mechanism) -> BookFile | None:
    """The worked example among the cases of a mechanism, if it has one."""
    file = cases_of(mechanism) / f"{EXAMPLE}.yaml"
    if not file.is_file():
        return None
    rule = mechanism if isinstance(mechanism, str) else mechanism.name
    return book_from_text(file.read_text(encoding="utf-8"), place=f"{rule}/{EXAMPLE}.yaml")


def example_says(mechanism: str | Mechanism) -> str:
    """What the worked example shows: the comment that it begins with, "" if there is none."""
    file = cases_of(mechanism) / f"{EXAMPLE}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    said = [line[1:].strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    return " ".join(said)


def case_names(mechanism: str | Mechanism) -> list[str]:
    """Stems of the files among the cases of a mechanism, sorted."""
    folder = cases_of(mechanism)
    if not folder.is_dir():
        return []
    names = [file.name for file in folder.iterdir()]
    return sorted(n.removesuffix(".yaml") for n in names if n.endswith(".yaml"))


def witness_text(
    shown: Shown,
    rule: Mechanism,
    parameters: dict[str, Any],
    document: dict[str, Any],
    deviation: Deviation | None = None,
    *,
    auctioneer: str = OPERATOR,
    origin: str = "found by search",
    claim: str = "...",
    seed: bytes = b"",
) -> str:
    """A witness file of what was shown.

    Parameters
    ----------
    document
        The book in its normal form (`isojoule.apps.files.book_doc`).
    """
    lines = ["isojoule: 1", f"mechanism: {rule.name}", f"parameters: {json.dumps(parameters)}"]
    lines += [f"trait: {shown.trait}", f"origin: {json.dumps(origin)}"]
    lines += [f"claim: {json.dumps(claim)}"]
    if seed:
        lines.append(f'seed: "0x{seed.hex()}"')
    lines.append("book:")
    for key, value in document.items():
        if isinstance(value, list) and value:
            lines += [f"  {key}:", *(f"    - {_flow(row)}" for row in value)]
        else:
            lines.append(f"  {key}: {_flow(value)}")
    if deviation is not None:
        lines.append(f"liars: {_flow(list(deviation.liars))}")
        book, _ = deviation.apply(shown.honest.book, shown.honest.grid)
        instead = _offers_of(book, deviation.names(shown.honest.book))
        lines.append("instead:" if instead else "instead: []")
        lines += [f"  - {_flow(offer_document(o))}" for o in instead]
        if deviation.link_price_per_j:
            lines.append("links:")
            claimed = deviation.link_price_per_j.items()
            lines += [f"  - {_flow({'id': k, 'price': number(v)})}" for k, v in claimed]
        if shown.trait == "credible":
            lines.append(f"auctioneer: {auctioneer}")
    lines.append(f"expect: {_flow(dict(shown.figures))}")
    return "\n".join(lines) + "\n"


def _offers_of(book: Book, names: tuple[str, ...]) -> list[Offer]:
    return [o for o in book.offers if o.participant in names]


def _flow(value: Any) -> str:
    """A value in YAML's flow style, names bare where they can be."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(v) for v in value) + "]"
    if isinstance(value, str):
        bare = value.replace("-", "").replace("_", "").replace(".", "").isalnum()
        return value if bare else json.dumps(value)
    return json.dumps(value)
