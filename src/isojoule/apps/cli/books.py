"""`isojoule clear` and `isojoule verify`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isojoule.apps.cli.app import AsJson, Refused
from isojoule.core.errors import InputError

if TYPE_CHECKING:
    from isojoule.apps.files.book_files import BookFile
    from isojoule.market import Clearing


def clear(
    book: Annotated[Path, typer.Argument(help="Book file (YAML or JSON), or book folder.")],
    mechanism: Annotated[str, typer.Option(help="Name of the mechanism.")] = "equilibrium",
    solver: Annotated[
        str, typer.Option(help="Name of the solver, for equilibrium and lmp.")
    ] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the mechanism."),
    ] = None,
    seed: Annotated[
        str, typer.Option(help="Seed for ties and chance: a text, or hexadecimal after 0x.")
    ] = "",
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="State to go on from: of a clearing (JSON), or JSON of its own."
        ),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(metavar="NODE", help="Say why the price there is what it is.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Write the JSON answer to this file, or tables into this folder: a name that ends "
            "in /. Large books have a folder.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Clear a book: who gets what, at which price, over which link."""
    from isojoule.apps.files.clearing_files import answer, answer_text, write_whole

    parameters = read_settings(settings or [])
    folder = out is not None and is_folder(out)

    def ready(file: BookFile) -> None:
        as_document = (out is not None and not folder) or (as_json and not folder)
        if file.files and as_document:
            raise InputError(
                "the answer of a large book is a folder",
                place="--out" if out is not None else "--json",
                remedy=f"--out {out or 'answer'}/",
            )
        if out is not None and folder:
            from isojoule.apps.files.clearing_folder import fits_folder

            fits_folder(Path(out))

    file, clearing = clear_file(book, mechanism, parameters, read_seed(seed), state, solver, ready)
    why = None
    if explain is not None:
        from isojoule.market.explain import explain as explain_price

        why = explain_price(file.book, file.grid, clearing, explain)
    text = ""
    if out is not None and folder:
        from isojoule.apps.files.clearing_files import document_text
        from isojoule.apps.files.clearing_folder import KEYS, write_clearing_folder

        text = document_text(write_clearing_folder(out, file, clearing), KEYS)
    elif out is not None or as_json:
        text = answer_text(answer(file, clearing))
        if out is not None:
            write_whole(Path(out), text)
    if as_json:
        print(text, end="")
        if why is not None:
            print(why, file=sys.stderr)  # the answer stays the same document
        return
    from isojoule.apps.cli.tables import show_clearing
    from isojoule.apps.cli.totals import show_totals

    if file.files:
        show_totals(file, clearing)
    else:
        show_clearing(file, clearing)
    if why is not None:
        from rich.console import Console

        Console(highlight=False, markup=False).print(f"\n{why}")
    if out is not None:
        print(f"\nThe answer is in {out}")


def is_folder(out: str) -> bool:
    """Whether an answer goes into a folder: one that is there, or whose name ends in a slash."""
    return out.endswith(("/", os.sep)) or Path(out).is_dir()


def verify(
    path: Annotated[
        Path,
        typer.Argument(
            help="A clearing (a file or a folder), a transcript, a run's folder, its certificates, "
            "or an answer of `isojoule net`."
        ),
    ],
    ledger: Annotated[
        str | None,
        typer.Option(metavar="URL", help="With a run: whether this ledger holds all of it."),
    ] = None,
    readings: Annotated[
        list[Path] | None,
        typer.Option(
            "--readings",
            metavar="FILE",
            help="A table by which that ledger was corrected: whether it holds that, too; several "
            "times, all in their order.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a stored clearing, transcript, run or netting from its files alone."""
    import json

    if ledger is None and readings:
        raise InputError(
            "late readings are in no ledger",
            place="--readings",
            remedy="give --ledger with the one that was corrected by them",
        )
    if ledger is not None and not (path / "manifest.json").is_file():
        raise InputError(
            "is no folder of a run", place=str(path), remedy="leave --ledger out, or give a run"
        )
    checked = verify_path(path, progress=not as_json)
    if ledger is not None:
        checked += kept_lines(path, ledger, readings or [])
    if as_json:
        print(json.dumps({"verified": str(path), "checked": checked}, ensure_ascii=False))
        return
    print(f"{path}: verified")
    for line in checked:
        print(f"  {line}")


def clear_file(
    path: Path | str,
    mechanism: str,
    parameters: dict[str, Any],
    seed: bytes,
    state: Path | None = None,
    solver: str = "auto",
    ready: Callable[[BookFile], None] | None = None,
) -> tuple[BookFile, Clearing]:
    """Read a book and clear it, going on from the state in a file if there is one.

    `ready` may look at the book and refuse, before it is cleared.

    Raises
    ------
    InputError, Refused
        Bad input, or the mechanism's no.
    """
    from isojoule.apps.files.book_files import read_book
    from isojoule.apps.files.book_folder import BY_COLUMNS
    from isojoule.market import Refusal
    from isojoule.market.mechanisms import get
    from isojoule.market.solvers import check, clear_with

    rule = get(mechanism, **parameters)
    check(rule, solver)
    file = read_book(path, columns=mechanism in BY_COLUMNS)
    if ready is not None:
        ready(file)
    before = None
    if state is not None:
        from isojoule.apps.files.state_files import read_state

        before = read_state(state, mechanism)
    cleared = clear_with(rule, file.book, file.grid, solver, state=before, seed=seed)
    if isinstance(cleared, Refusal):
        raise Refused(cleared)
    return file, cleared


def verify_path(path: Path, progress: bool = False) -> list[str]:
    """Check a clearing file or a run folder; what was checked, in words."""
    if (path / "certificates.json").is_file():
        from isojoule.apps.cli.certificates import verify_lines

        return verify_lines(path, progress=progress)
    if path.is_dir() and not (path / "manifest.json").exists():
        from isojoule.apps.files.clearing_folder import is_clearing_folder

        if (path / "book.yaml").exists():
            raise no_clearing(path, "answer/")
        if is_clearing_folder(path):
            return verify_clearing_folder(path)
    if path.is_dir():
        from isojoule.apps.results.show import progress_bar
        from isojoule.apps.results.store import Run
        from isojoule.apps.results.verify import verify_run
        from isojoule.market.mechanisms import get

        with progress_bar(progress) as report:
            found = verify_run(path, report)
        run = Run(path)
        rule = get(run.manifest["mechanism"], **run.manifest["parameters"])
        proof = (
            f"follow from the rule of {rule.name}"
            if hasattr(rule, "audit")
            else "prove the optimum by their prices"
        )
        open_ended = sum(period["unproven_market"] for period in run.summary["periods"])
        if open_ended:
            proof += f", but for {open_ended:,} that are only bounded"
        parts = ["totals", "audit"]
        parts += ["AC power flow"] if run.summary["ac"] is not None else []
        parts += ["Orders"] if run.summary["orders"] is not None else []
        return [
            f"{found['files']} files have the hashes that the manifest states",
            (
                f"{found['intervals']:,} intervals (market and baseline) keep limits, losses and "
                f"balances to the microjoule; those of the market {proof}"
            ),
            f"{found['payments']:,} payments follow from rule and energies to the nano-unit",
            f"{', '.join(parts[:-1])} and {parts[-1]} follow from the tables",
        ]
    if path.suffix in (".yaml", ".yml") and path.is_file():
        raise no_clearing(path, "answer.json")
    from isojoule.apps.files.transcript import (
        is_transcript,
        merkle_leaves,
        read_lines,
        verify_transcript,
    )

    if is_transcript(path):
        from isojoule.core.merkle import Frontier

        tip, market, messages = verify_transcript(path)
        root = Frontier().extend(merkle_leaves(read_lines(path))).root()
        cleared = sum(s.outcome is not None for s in market.sessions.values())
        return [
            f"{tip.length} lines follow each from the one before; head {tip.head}",
            f"their Merkle tree has the root {root.hex()}",
            f"{messages} messages, played again, bring about the same events",
            f"{len(market.sessions)} sessions, {cleared} closed; every clearing keeps its rule",
        ]
    from isojoule.apps.files.netting_files import is_netting, verify_netting

    if is_netting(path):
        return verify_netting(path)
    from isojoule.apps.files.clearing_files import read_clearing

    file, clearing = read_clearing(path)
    return [
        "all numbers are in canonical form, and the digest is right",
        "participants, sums, prices and reasons follow from the offers and links",
        *check_of(path, file, clearing),
    ]


def kept_lines(folder: Path, url: str, readings: list[Path]) -> list[str]:
    """Check that a ledger holds a run and its corrections; what was checked, in words."""
    from isojoule.apps.results.kept import verify_kept

    found = verify_kept(folder, url, readings)
    told = [f"the ledger holds its {found.run:,} transfers, and verifies; {found.others:,} others"]
    if readings:
        tables = f"{len(readings)} table{'s' * (len(readings) != 1)} of late readings"
        told.append(f"and {found.corrections:,} that correct it by {tables}")
    return told


def no_clearing(path: Path, out: str) -> InputError:
    """What is given to be checked is a book."""
    return InputError(
        "a book is no clearing",
        place=str(path),
        remedy=f"clear it first: isojoule clear {path} --out {out}",
    )


def verify_clearing_folder(path: Path) -> list[str]:
    """Check the folder of a large book's clearing; what was checked, and how long it took."""
    from time import perf_counter

    import isojoule.market.verify  # noqa: F401 - it is not checking yet
    from isojoule.apps.files.clearing_folder import read_clearing_folder

    begun = perf_counter()
    file, clearing = read_clearing_folder(path)
    read = perf_counter()
    checked = check_of(path, file, clearing)
    done = perf_counter()
    return [
        "the folder holds the files that were written, and the digest is right",
        "sums follow from the offers and links, and all stand under the names of the book",
        *checked,
        f"read in {read - begun:.2f} s, checked in {done - read:.2f} s",
    ]


def check_of(path: Path, file: BookFile, clearing: Clearing) -> list[str]:
    """Check a clearing against its book; what was checked, in words."""
    from isojoule.core.errors import VerificationError
    from isojoule.core.units import price_text
    from isojoule.market.mechanisms import get as rule_named
    from isojoule.market.verify import check_clearing

    try:
        check_clearing(file.book, file.grid, clearing)
    except VerificationError as error:
        raise VerificationError(error.message, place=f"{path}: {error.place}") from None
    told = rule_named(clearing.mechanism, **clearing.parameters)
    left, most = clearing.certificate.largest_trade_per_j, ""
    if left == left:
        most = f"; a Joule more between neighbours gains {price_text(left, file.book.currency)}"
    paid = "follow from prices and energies to the nano-unit"
    if hasattr(told, "pays"):
        paid = "are the pivots that solving the book anew gives"
    return [
        f"{file.book.offer_count} offers lie within their bounds",
        f"{file.grid.link_count} links keep their limits and losses",
        f"{file.grid.node_count} nodes balance to the microjoule",
        f"payments {paid}, and sum to the operator's line",
        f"certificate of kind {clearing.certificate.kind!r}: at most "
        f"{clearing.certificate.gap:.3g} {file.book.currency} below the optimum{most}"
        if clearing.certificate.kind != "recomputed"
        else f"the rule of {clearing.mechanism} was recomputed",
    ]


def read_settings(settings: list[str]) -> dict[str, Any]:
    """Parameters from `name=value`; values are read as in a book file."""
    from isojoule.apps.files.items import scalar

    parameters: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(
                f"{setting!r} is not a setting", place="--set", remedy="write --set name=value"
            )
        if name in parameters:
            raise InputError(f"{name!r} is set twice", place="--set", remedy="keep one of them")
        parameters[name] = scalar(value)
    return parameters


def read_seed(text: str, option: str = "--seed") -> bytes:
    """The bytes of a seed or a salt: its UTF-8 text, or hexadecimal digits after 0x."""
    try:
        return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()
    except UnicodeEncodeError:
        raise InputError("is not UTF-8", place=option, remedy="write it as 0x...") from None
    except ValueError:
        raise InputError(
            f"{text!r} is not hexadecimal", place=option, remedy="give pairs of 0-9 and a-f"
        ) from None
