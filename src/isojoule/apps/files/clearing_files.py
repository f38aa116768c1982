"""The JSON answer of a clearing, and its reading, which believes nothing that can be derived.

`answer` writes; `read_clearing` takes the few facts that nothing else implies (book, energies,
payments, flows, losses, welfare, certificate, operator's lines, prices), builds the answer again
and refuses the file at the first place where it differs. Whether those facts are right is then
for `isojoule.market.verify.check_clearing`. The keys are described in docs/clearing-file.md.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.book_files import BookFile, book_from_doc
from isojoule.apps.files.leaf_rows import leaf_row, read_leaves
from isojoule.apps.files.trade_rows import (
    exact,
    match_row,
    read_matches,
    read_trades,
    trade_row,
)
from isojoule.core.canonical import digest, dumps, first_difference, load_strict, number
from isojoule.core.errors import InputError, IsojouleError, VerificationError
from isojoule.core.units import UJ_PER_J, joules_text, money_text
from isojoule.grid import Grid
from isojoule.market import Book, Certificate, Clearing
from isojoule.market.mechanisms import get
from isojoule.market.reasons import Reader
from isojoule.valuation import Bundle

Document = dict[str, Any]
KEYS = (
    *("isojoule", "mechanism", "parameters", "seed", "book", "welfare", "operator"),
    *("participants", "offers", "trades", "links", "prices", "spilled_j", "unserved_j"),
    *("state_before", "state", "notes", "certificate", "digest"),
)


def answer(book: BookFile, clearing: Clearing) -> Document:
    """The answer as a document, digest included.

    Raises
    ------
    VerificationError
        If the clearing does not have the shape of its book.
    """
    document = _derive(book, clearing)
    document["digest"] = digest(document)
    return document


def answer_text(document: Document) -> str:
    """The answer as a file holds it: one key a line at the top, numbers in canonical form."""
    return document_text(document, KEYS)


def document_text(document: Document, keys: Sequence[str]) -> str:
    """A document with one of its keys a line, in this order."""
    lines = [f"{json.dumps(key)}: {_rows(document[key])}" for key in keys if key in document]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_clearing(path: Path | str, book: BookFile, clearing: Clearing) -> Document:
    """Write the answer, whole or not at all; return it."""
    document = answer(book, clearing)
    write_whole(Path(path), answer_text(document))
    return document


def write_whole(path: Path, text: str) -> None:
    """Write a text file by a temporary file beside it and a rename.

    A link is followed to its file; what is no file (a device, a pipe) is written to as it is.
    """
    path = path.resolve()
    if path.is_dir():
        raise InputError("is a folder", place=str(path), remedy="give a path of a file")
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"cannot be written: {error.strerror}",
            place=str(path),
            remedy="give a path in a folder that exists and is writable",
        ) from None


def read_clearing(path: Path | str) -> tuple[BookFile, Clearing]:
    """Read a clearing file and check that all of it hangs together.

    Raises
    ------
    InputError
        No such file.
    VerificationError
        Not canonical numbers, a wrong digest, or a value that does not follow from the rest.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise VerificationError("not UTF-8", place=str(path)) from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", place=str(path), remedy="check the path"
        ) from None
    return clearing_from_doc(load_strict(text, place=str(path)), place=str(path))


def clearing_from_doc(document: Any, *, place: str = "") -> tuple[BookFile, Clearing]:
    """As `read_clearing`, from a document that `load_strict` has read."""
    try:
        return _from_doc(document, place)
    except RecursionError:
        raise VerificationError("nested too deeply", place=place) from None


def _from_doc(document: Any, place: str) -> tuple[BookFile, Clearing]:
    if not isinstance(document, dict) or set(document) != set(KEYS):
        odd = set(document) ^ set(KEYS) if isinstance(document, dict) else set(KEYS)
        raise VerificationError(f"keys lack or are unknown: {', '.join(sorted(odd))}", place=place)
    bare = {key: value for key, value in document.items() if key != "digest"}
    if document["digest"] != digest(bare):
        raise VerificationError("the digest is not that of the file", place=_at(place, "digest"))
    try:
        book = book_from_doc(document["book"])
    except IsojouleError as error:
        raise VerificationError(str(error), place=_at(place, "book")) from None
    try:
        clearing = _read(document, book)
        check_rule(clearing)
        derived = _derive(book, clearing)
    except VerificationError as error:
        raise VerificationError(error.message, place=_at(place, error.place)) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise VerificationError(f"not a clearing of its book: {error}", place=place) from None
    found = first_difference(bare, derived)  # the digest has been checked
    if found:
        path, stored, derived = found
        raise VerificationError(
            f"{dumps(stored)} does not follow from the rest, which gives {dumps(derived)}",
            place=_at(place, path.removeprefix("$.")),
        )
    return book, clearing


def check_rule(clearing: Clearing) -> None:
    """The mechanism is known here, takes these parameters, and proves itself in this way."""
    try:
        rule = get(clearing.mechanism, **clearing.parameters)
    except InputError as error:
        raise VerificationError(error.message, place="mechanism") from None
    if is_dataclass(rule) and dumps(asdict(rule)) != dumps(clearing.parameters):
        raise VerificationError("are not all that the mechanism has", place="parameters")
    if hasattr(rule, "audit") and clearing.certificate.kind != "recomputed":
        raise VerificationError(
            f"{clearing.mechanism} does not give a certificate of this kind",
            place="certificate.kind",
        )


def _at(place: str, path: str) -> str:
    return f"{place}: {path}" if place else path


def _rows(value: Any) -> str:
    """Canonical text, with one row of a list or mapping a line."""
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(dumps(v) for v in value) + "\n]"
    if isinstance(value, dict) and any(isinstance(v, dict | list) for v in value.values()):
        inner = [f"  {dumps(key)}: {_indented(value[key])}" for key in sorted(value)]
        return "{\n" + ",\n".join(inner) + "\n}"
    return dumps(value)


def _indented(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n    " + ",\n    ".join(dumps(v) for v in value) + "\n  ]"
    return dumps(value)


def _derive(file: BookFile, clearing: Clearing) -> Document:
    book, grid, c = file.book, file.grid, clearing
    if c.energy_uj.size != book.offer_count or c.flow_uj.size != grid.link_count:
        raise VerificationError("the clearing is not of this book")
    reader = Reader(book, grid, c)
    order = sorted(range(book.offer_count), key=lambda i: book.offer_ids[i])
    offers: list[Document] = [
        {
            "id": book.offer_ids[i],
            "energy_j": joules_text(int(c.energy_uj[i])),
            "payment": money_text(int(c.payment_nano[i])),
            "reason": reader.reason(i),
        }
        for i in order
    ]
    if c.taken is not None:
        for row, i in zip(offers, order, strict=True):
            if book.offers[i].all_or_nothing or isinstance(book.offers[i].spec, Bundle):
                row["taken"] = bool(c.taken[i])
    if "surplus" in c.operator:
        raise VerificationError("a line of the operator is called surplus", place="operator")
    lines = {name: money_text(nano) for name, nano in c.operator.items()}
    leaves = [leaf_row(book, grid, leaf) for leaf in c.certificate.leaves]
    return {
        "isojoule": 1,
        "mechanism": c.mechanism,
        "parameters": c.parameters,
        "seed": c.seed.hex(),
        "book": file.doc,
        "welfare": number(c.welfare),
        "operator": {**lines, "surplus": money_text(c.surplus_nano)},
        "participants": _participants(book, grid, c),
        "offers": offers,
        "trades": [
            *sorted((trade_row(grid, t) for t in c.trades), key=lambda row: str(row["link"])),
            *(match_row(book, m) for m in c.matches),
        ],
        "links": [_link(grid, c, i) for i in _by_name(grid.link_ids)],
        "prices": _per_node(grid, c.price_per_j),
        "spilled_j": total_text(book.spilled_j(c.energy_uj)),
        "unserved_j": total_text(book.unserved_j(c.energy_uj)),
        "state_before": plain(c.state_before),
        "state": plain(c.state),
        "notes": plain(c.notes),
        "certificate": {
            "kind": c.certificate.kind,
            "duals": _per_node(grid, c.certificate.duals),
            "lowest": _per_node(grid, c.certificate.lowest),
            "highest": _per_node(grid, c.certificate.highest),
            "welfare_bound": number(c.certificate.welfare_bound),
            "gap": number(c.certificate.gap),
            "largest_trade_per_j": or_null(c.certificate.largest_trade_per_j),
            "side": plain({k: v.tolist() for k, v in c.certificate.side.items()}),
            **({"leaves": leaves} if leaves else {}),
        },
    }


def _by_name(names: Sequence[str]) -> list[int]:
    return sorted(range(len(names)), key=lambda i: names[i])


def _per_node(grid: Grid, values: NDArray[np.float64]) -> Document:
    """A number for each node, null where it is not finite."""
    return {
        name: or_null(value) for name, value in zip(grid.node_ids, values.tolist(), strict=True)
    }


def or_null(value: float) -> int | float | None:
    """A number as a document holds it, null where it is not finite."""
    return number(value) if math.isfinite(value) else None


def total_text(energy_j: NDArray[np.float64]) -> str:
    """Sum of energies in exact microjoules, each rounded to the nearest."""
    return joules_text(int(np.rint(energy_j * UJ_PER_J).astype(np.int64).sum()))


def _link(grid: Grid, c: Clearing, i: int) -> Document:
    row: Document = {
        "id": grid.link_ids[i],
        "from": grid.node_ids[grid.link_from[i]],
        "to": grid.node_ids[grid.link_to[i]],
        "flow_j": joules_text(int(c.flow_uj[i])),
        "loss_j": joules_text(int(c.loss_uj[i])),
    }
    if grid.standing_loss_w[i]:
        row["standing_loss_j"] = joules_text(int(c.standing_uj[i]))
    if grid.owner[i]:
        row["payment"] = money_text(int(c.link_payment_nano[i]))
    return row


def plain(value: Any) -> Any:
    """Notes with every number as a document holds it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return number(value) if isinstance(value, float) else value


def _participants(book: Book, grid: Grid, c: Clearing) -> Document:
    """Energy by node and payment of each participant, with all its offers and links."""
    energy: dict[str, dict[str, int]] = {name: {} for name in book.participants}
    paid = dict.fromkeys(book.participants, 0)

    def receive(who: str, node: str, energy_uj: int) -> None:
        energy[who][node] = energy[who].get(node, 0) + energy_uj

    for i, offer in enumerate(book.offers):
        if isinstance(offer.spec, Bundle):
            for leg in offer.spec.legs if c.taken is not None and c.taken[i] else ():
                receive(offer.participant, leg.node, leg.energy_uj)
        else:
            receive(offer.participant, offer.node, int(c.energy_uj[i]))
        paid[offer.participant] += int(c.payment_nano[i])
    for i, owner in enumerate(grid.owner):
        if owner:
            energy.setdefault(owner, {})
            paid[owner] = paid.get(owner, 0) + int(c.link_payment_nano[i])
    return {
        who: {
            "energy_j": {node: joules_text(energy_uj) for node, energy_uj in nodes.items()},
            "payment": money_text(paid[who]),
        }
        for who, nodes in energy.items()
    }


def _read(document: Document, file: BookFile) -> Clearing:
    """The facts of a document as a clearing."""
    book, grid = file.book, file.grid
    offers = {row["id"]: row for row in document["offers"]}
    links = {row["id"]: row for row in document["links"]}
    certificate = document["certificate"]

    def column(names: Sequence[str], rows: Document, key: str, digits: int) -> NDArray[np.int64]:
        values = [exact(rows[name].get(key, "0"), digits, f"{name}.{key}") for name in names]
        return np.array(values, dtype=np.int64)

    def per_node(values: Document, absent: float) -> NDArray[np.float64]:
        listed = [values[name] for name in grid.node_ids]
        return np.array([absent if v is None else _number(v) for v in listed], dtype=np.float64)

    lines = {
        k: exact(v, 9, f"operator.{k}") for k, v in document["operator"].items() if k != "surplus"
    }
    mechanism, kind, state = document["mechanism"], certificate["kind"], document["state"]
    parameters, notes = document["parameters"], document["notes"]
    before, side = document["state_before"], certificate["side"]
    wanted_types = (
        *((mechanism, str), (kind, str), (state, dict), (parameters, dict), (notes, dict)),
        *((before, dict), (side, dict)),
    )
    for value, wanted in wanted_types:
        if not isinstance(value, wanted):
            raise TypeError(f"{value!r} is not a {wanted.__name__}")
    return Clearing(
        mechanism=mechanism,
        parameters=parameters,
        seed=bytes.fromhex(document["seed"]),
        energy_uj=column(book.offer_ids, offers, "energy_j", 6),
        payment_nano=column(book.offer_ids, offers, "payment", 9),
        flow_uj=column(grid.link_ids, links, "flow_j", 6),
        loss_uj=column(grid.link_ids, links, "loss_j", 6),
        link_payment_nano=column(grid.link_ids, links, "payment", 9),
        standing_uj=column(grid.link_ids, links, "standing_loss_j", 6),
        price_per_j=per_node(document["prices"], math.nan),
        welfare=_number(document["welfare"]),
        operator=lines,
        certificate=Certificate(
            kind=kind,
            duals=per_node(certificate["duals"], math.nan),
            lowest=per_node(certificate["lowest"], -math.inf),
            highest=per_node(certificate["highest"], math.inf),
            welfare_bound=_number(certificate["welfare_bound"]),
            gap=_number(certificate["gap"]),
            side={k: np.array([_number(v) for v in side[k]]) for k in sorted(side)},
            leaves=read_leaves(certificate.get("leaves", []), book, grid),
            largest_trade_per_j=or_nan(certificate["largest_trade_per_j"]),
        ),
        state=state,
        trades=read_trades(document["trades"], grid),
        notes=notes,
        taken=_taken(book, offers),
        matches=read_matches(document["trades"], book),
        state_before=before,
    )


def _taken(book: Book, rows: Document) -> NDArray[np.bool_] | None:
    """Which indivisible offers are taken; None where there is none."""
    if not book.indivisible:
        return None
    return np.array([bool(rows[name].get("taken", True)) for name in book.offer_ids])


def or_nan(value: Any) -> float:
    """The number of a document, nan where it is null."""
    return math.nan if value is None else _number(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
