"""The answer of a large book: a folder of tables, a short document, and the book itself.

`clearing.json` holds what is one for all, and the SHA-256 of every other file; the tables hold
whole microjoules and nano-units, in the order of names; `book/` is the book as it was read. The
reading believes nothing that can be derived, as for one document
(`isojoule.apps.files.clearing_files`). The folder is written beside its place and then renamed: it
is there whole, or not at all. The keys and columns are described in docs/clearing-file.md.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.book_folder import BY_COLUMNS, read_folder
from isojoule.apps.files.clearing_files import (
    check_rule,
    document_text,
    or_nan,
    or_null,
    plain,
    total_text,
)
from isojoule.apps.files.clearing_tables import TABLES, frame_of, read_table, write_table
from isojoule.apps.files.trade_rows import exact
from isojoule.apps.results.manifest import file_hash
from isojoule.core.canonical import digest, dumps, first_difference, load_strict, number
from isojoule.core.errors import InputError, IsojouleError, VerificationError
from isojoule.core.names import Names
from isojoule.core.units import money_text
from isojoule.market import Certificate, Clearing

Document = dict[str, Any]
NAME = "clearing.json"
KEYS = (
    *("isojoule", "mechanism", "parameters", "seed", "book", "welfare", "operator"),
    *("spilled_j", "unserved_j", "state_before", "state", "notes", "certificate", "files"),
    "digest",
)


def is_clearing_folder(path: Path) -> bool:
    """Whether a folder is, or was to become, an answer."""
    return (path / NAME).exists() or any((path / f"{what}.parquet").exists() for what in TABLES)


def fits_folder(path: Path) -> None:
    """Refuse a place where no answer can be written, before it is computed.

    Raises
    ------
    InputError
        No such parent, a file in the way, or a folder of something else.
    """
    if not path.resolve().parent.is_dir():
        raise InputError(
            "lies in no folder", place=str(path), remedy="give a path in a folder that exists"
        )
    if path.exists() and not path.is_dir():
        raise InputError(
            "is a file", place=str(path), remedy="the answer is a folder: give another name"
        )
    if path.is_dir() and any(path.iterdir()) and not (path / NAME).is_file():
        raise InputError(
            "is a folder of something else",
            place=str(path),
            remedy="give a folder that is not there, is empty, or holds an answer",
        )


def write_clearing_folder(path: Path | str, file: BookFile, clearing: Clearing) -> Document:
    """Write the answer, whole or not at all; return its document.

    Raises
    ------
    InputError
        It cannot be written there, or it has what is only written as one document.
    """
    path = Path(path)
    fits_folder(path)
    c = clearing
    if c.trades or c.matches or c.taken is not None or c.certificate.leaves:
        raise InputError(
            f"what {c.mechanism} tells of trades and choices is written as one document",
            place=str(path),
            remedy="give a file: --out answer.json",
        )
    path = path.resolve()
    new = path.with_name(f".{path.name}.{os.getpid()}.part")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        new.mkdir()
        _copy_book(file, new / "book")
        for what in TABLES:
            write_table(new / f"{what}.parquet", frame_of(what, file, clearing))
        document = _document(file, clearing, _hashes(new))
        document["digest"] = digest(document)
        text = document_text(document, KEYS)
        (new / NAME).write_text(text, encoding="utf-8", newline="\n")
        if path.exists():
            path.rename(old)
        new.rename(path)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}",
            place=str(path),
            remedy="give a folder that can be written, on a disk with space",
        ) from None
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return document


def read_clearing_folder(path: Path | str) -> tuple[BookFile, Clearing]:
    """Read an answer's folder and check that all of it hangs together.

    Raises
    ------
    VerificationError
        A file that lacks, is too many, or is not the one that was written; a wrong digest; a row
        or value that does not follow from the rest.
    """
    path = Path(path)
    document = _read_document(path / NAME)
    try:
        _check_files(path, document["files"])
        by_columns = document["mechanism"] in BY_COLUMNS
        try:
            file = read_folder(path / "book", columns=by_columns)
        except IsojouleError as error:
            raise VerificationError(str(error), place=str(path / "book")) from None
        clearing = _clearing(path, document, file)
        check_rule(clearing)
        derived = _document(file, clearing, document["files"])
    except VerificationError as error:
        place = (
            error.place if error.place.startswith(str(path)) else f"{path / NAME}: {error.place}"
        )
        raise VerificationError(error.message, place=place) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise VerificationError(
            f"not a clearing of its book: {error}", place=str(path / NAME)
        ) from None
    del document["digest"]  # has been checked
    found = first_difference(document, derived)
    if found:
        where, stored, wanted = found
        raise VerificationError(
            f"{dumps(stored)} does not follow from the rest, which gives {dumps(wanted)}",
            place=f"{path / NAME}: {where.removeprefix('$.')}",
        )
    return file, clearing


def _document(file: BookFile, clearing: Clearing, files: dict[str, str]) -> Document:
    """All of the document but its digest, from the facts."""
    book, grid, c = file.book, file.grid, clearing
    if "surplus" in c.operator:
        raise VerificationError("a line of the operator is called surplus", place="operator")
    lines = {name: money_text(nano) for name, nano in c.operator.items()}
    return {
        "isojoule": 1,
        "mechanism": c.mechanism,
        "parameters": c.parameters,
        "seed": c.seed.hex(),
        "book": {
            "currency": book.currency,
            "interval": {
                "start": book.interval.start_text(),
                "duration": number(book.interval.duration_s),
            },
            "network": book.network,
            "nodes": grid.node_count,
            "links": grid.link_count,
            "offers": book.offer_count,
        },
        "welfare": number(c.welfare),
        "operator": {**lines, "surplus": money_text(c.surplus_nano)},
        "spilled_j": total_text(book.spilled_j(c.energy_uj)),
        "unserved_j": total_text(book.unserved_j(c.energy_uj)),
        "state_before": plain(c.state_before),
        "state": plain(c.state),
        "notes": plain(c.notes),
        "certificate": {
            "kind": c.certificate.kind,
            "welfare_bound": number(c.certificate.welfare_bound),
            "gap": number(c.certificate.gap),
            "largest_trade_per_j": or_null(c.certificate.largest_trade_per_j),
            "side": plain({k: v.tolist() for k, v in c.certificate.side.items()}),
        },
        "files": files,
    }


def _copy_book(file: BookFile, folder: Path) -> None:
    """The book as it was read: its files, or the normal form of one that is small."""
    folder.mkdir()
    for path, stated in file.files.items():
        shutil.copyfile(path, folder / path.name)
        if file_hash(folder / path.name) != stated:
            raise InputError(
                "was changed while it was cleared", place=str(path), remedy="clear the book again"
            )
    if not file.files:  # JSON is YAML, too
        text = document_text(file.doc, tuple(file.doc))
        (folder / "book.yaml").write_text(text, encoding="utf-8", newline="\n")


def _hashes(folder: Path) -> dict[str, str]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p != folder / NAME)
    return {p.relative_to(folder).as_posix(): file_hash(p) for p in files}


def _read_document(path: Path) -> Document:
    place = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VerificationError("is not there: the folder is not whole", place=place) from None
    except UnicodeDecodeError:
        raise VerificationError("not UTF-8", place=place) from None
    try:
        document = load_strict(text, place=place)
    except RecursionError:
        raise VerificationError("nested too deeply", place=place) from None
    if not isinstance(document, dict) or set(document) != set(KEYS):
        odd = set(document) ^ set(KEYS) if isinstance(document, dict) else set(KEYS)
        raise VerificationError(f"keys lack or are unknown: {', '.join(sorted(odd))}", place=place)
    bare = {key: value for key, value in document.items() if key != "digest"}
    if document["digest"] != digest(bare):
        raise VerificationError("the digest is not that of the file", place=f"{place}: digest")
    return document


def _check_files(folder: Path, files: Any) -> None:
    """The folder holds these files, unaltered, and no others."""
    if not isinstance(files, dict) or not all(f"{what}.parquet" in files for what in TABLES):
        raise VerificationError("does not name all tables", place="files")
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    for name in sorted(set(files) | present - {NAME}):
        if name not in files:
            raise VerificationError("does not belong to the clearing", place=str(folder / name))
        if name not in present:
            raise VerificationError("is missing", place=str(folder / name))
        if file_hash(folder / name) != files[name]:
            raise VerificationError("is not the file that was written", place=str(folder / name))


def _clearing(path: Path, document: Document, file: BookFile) -> Clearing:
    """The facts of the folder as a clearing."""
    names = {
        "offers": file.book.offer_ids,
        "links": file.grid.link_ids,
        "nodes": file.grid.node_ids,
    }
    columns: dict[str, Any] = {}
    for what, ids in names.items():
        columns.update(read_table(path / f"{what}.parquet", what, Names.of(ids)))
    certificate, operator = document["certificate"], document["operator"]
    wanted: tuple[tuple[str, Any, type], ...] = (
        ("mechanism", document["mechanism"], str),
        ("parameters", document["parameters"], dict),
        ("state", document["state"], dict),
        ("state_before", document["state_before"], dict),
        ("notes", document["notes"], dict),
        ("certificate.kind", certificate["kind"], str),
        ("certificate.side", certificate["side"], dict),
    )
    for place, value, kind in wanted:
        if not isinstance(value, kind):
            raise VerificationError(f"is not a {kind.__name__}", place=place)
    return Clearing(
        mechanism=document["mechanism"],
        parameters=document["parameters"],
        seed=bytes.fromhex(document["seed"]),
        energy_uj=columns["energy_uj"],
        payment_nano=columns["payment_nano"],
        flow_uj=columns["flow_uj"],
        loss_uj=columns["loss_uj"],
        link_payment_nano=columns["link_payment_nano"],
        standing_uj=columns["standing_uj"],
        price_per_j=columns["price_per_j"],
        welfare=_number(document["welfare"]),
        operator={k: exact(v, 9, f"operator.{k}") for k, v in operator.items() if k != "surplus"},
        certificate=Certificate(
            kind=certificate["kind"],
            duals=columns["dual_per_j"],
            lowest=columns["lowest_per_j"],
            highest=columns["highest_per_j"],
            welfare_bound=_number(certificate["welfare_bound"]),
            gap=_number(certificate["gap"]),
            side={
                key: np.array([_number(v) for v in values], dtype=np.float64)
                for key, values in certificate["side"].items()
            },
            largest_trade_per_j=or_nan(certificate["largest_trade_per_j"]),
        ),
        state=document["state"],
        state_before=document["state_before"],
        notes=document["notes"],
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{json.dumps(value)} is not a number")
    return float(value)
