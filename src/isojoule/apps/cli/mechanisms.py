"""`isojoule mechanisms` and `isojoule replay`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isojoule.apps.cli.app import BAD_INPUT, AsJson
from isojoule.core.errors import InputError

if TYPE_CHECKING:
    from isojoule.apps.files.case_files import Witness

mechanisms = typer.Typer(
    no_args_is_help=True, help="The rules of the market: what they promise, and your own."
)


@mechanisms.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List all mechanisms with what they promise."""
    from isojoule.apps.mechanism_cards import cards

    found = cards()
    if as_json:
        print(json.dumps({"mechanisms": found}, ensure_ascii=False))
        return
    from isojoule.apps.cli.mechanism_tables import show_list

    show_list(found)


@mechanisms.command("show")
def show_one(
    name: Annotated[str, typer.Argument(help="Name of the mechanism.")],
    as_json: AsJson = False,
) -> None:
    """Explain a mechanism: how it works, an example, and each promise with its proof or witness."""
    from isojoule.apps.files.case_files import example_of
    from isojoule.apps.files.clearing_files import answer
    from isojoule.apps.mechanism_cards import card
    from isojoule.market import Refusal
    from isojoule.market.mechanisms import get

    found = card(name)
    file = example_of(name)
    worked: dict[str, Any] | None = None
    if file is not None:
        cleared = get(name).clear(file.book, file.grid)
        worked = (
            {"refused": str(cleared)} if isinstance(cleared, Refusal) else answer(file, cleared)
        )
    if as_json:
        print(json.dumps({**found, "example": worked}, ensure_ascii=False))
        return
    from isojoule.apps.cli.mechanism_tables import show_card

    show_card(found, file, worked)


@mechanisms.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Its name, as fair-share.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where it goes; default: its name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a package with a mechanism of your own, which works and passes the suite as it comes."""
    from isojoule.apps.files.mechanism_new import new_mechanism

    made = new_mechanism(name, folder)
    if as_json:
        print(json.dumps({"mechanism": name, "folder": str(made)}, ensure_ascii=False))
        return
    print(f"{made}: a mechanism {name!r}, with its test, a worked example and witnesses")
    print(f"\nInstall it:  pip install -e '{made}[test]'")
    print(f"Test it:     pytest {made}")
    print(f"Read it:     isojoule mechanisms show {name}")


def replay(
    case: Annotated[
        str, typer.Argument(help="A witness: a path, or MECHANISM/TRAIT as vcg/budget.")
    ],
    as_json: AsJson = False,
) -> None:
    """Run a witness: what everybody gets and pays when all tell the truth, and when some lie."""
    from isojoule.apps.files.case_files import replay as run

    found = run(_witness(case))
    if as_json:
        from isojoule.apps.cli.replay_tables import replay_document

        print(json.dumps({"case": case, **replay_document(found)}, ensure_ascii=False))
    else:
        from isojoule.apps.cli.replay_tables import show_replay

        show_replay(case, found)
    if found.wrong:
        print(f"isojoule: {case}: {found.wrong}", file=sys.stderr)
        raise typer.Exit(BAD_INPUT)


def _witness(case: str) -> Witness:
    from isojoule.apps.files.case_files import EXAMPLE, case_names, find_witness, read_witness
    from isojoule.market.mechanisms import names

    mechanism, slash, stem = case.partition("/")
    if slash and mechanism in names() and not Path(case).is_file():
        return find_witness(mechanism, stem.removesuffix(".yaml"))
    if not slash and case in names() and not Path(case).exists():
        known = [f"{case}/{stem}" for stem in case_names(case) if stem != EXAMPLE]
        raise InputError(
            f"{case!r} is a mechanism with several witnesses",
            remedy=f"name one: {', '.join(known)}" if known else "it has none",
        )
    if slash and not stem.endswith((".yaml", ".json")) and not Path(case).exists():
        raise InputError(
            f"neither a file nor a case of a mechanism: {case!r}",
            remedy="give a path, or a case as vcg/budget; `isojoule mechanisms list` has the names",
        )
    return read_witness(Path(case))
