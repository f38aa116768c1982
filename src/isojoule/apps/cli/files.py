"""`isojoule check` and `isojoule schema`."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from isojoule.apps.cli.app import AsJson


class Schema(StrEnum):
    """Formats with a published schema."""

    book = "book"
    scenario = "scenario"
    message = "message"
    settlement = "settlement"


def check(
    path: Annotated[Path, typer.Argument(help="A book file or folder, or a scenario's folder.")],
    as_json: AsJson = False,
) -> None:
    """Read a book or a scenario, and say what is wrong with it or what it holds."""
    found = check_path(path)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    holds = ", ".join(
        f"{count} {what.removesuffix('s') if count == 1 else what}"
        for what, count in found["holds"].items()
    )
    print(f"{path}: a {found['kind']} in good order, with {holds}")
    if "digest" in found:
        print(f"  digest of its normal form: {found['digest']}")


def schema(of: Annotated[Schema, typer.Argument(help="Which format.")]) -> None:
    """Print the JSON Schema (draft 2020-12) of a file format."""
    document: dict[str, Any]
    if of is Schema.book:
        from isojoule.apps.files.book_schema import book_schema

        document = book_schema()
    elif of is Schema.message:
        from isojoule.apps.files.session_schema import session_schema

        document = session_schema()
    elif of is Schema.settlement:
        from isojoule.apps.files.settlement_rules import rules_schema

        document = rules_schema()
    else:
        from isojoule.apps.files.scenario_doc import scenario_schema

        document = scenario_schema()
    print(json.dumps(document, indent=2, ensure_ascii=False))


def check_path(path: Path) -> dict[str, Any]:
    """Kind, content and, for books, the digest of what is at a path.

    Raises
    ------
    InputError
        If anything is wrong with it.
    """
    folder = path if path.is_dir() else path.parent
    is_scenario = path.name == "scenario.yaml" or (
        path.is_dir() and (path / "scenario.yaml").exists()
    )
    if is_scenario:
        from isojoule.apps.files.scenario_files import read_scenario
        from isojoule.core.errors import InputError
        from isojoule.market.mechanisms import get, names

        s = read_scenario(folder)
        try:
            rule = get(s.mechanism)
            if s.network not in rule.traits.networks:
                fit = [n for n in names() if s.network in get(n).traits.networks]
                raise InputError(
                    f"{s.mechanism} does not clear the network {s.network}",
                    remedy=f"use one of {', '.join(fit)}, or another network",
                )
        except InputError as error:
            place = str(folder / "scenario.yaml")
            raise InputError(error.message, place=place, remedy=error.remedy) from None
        from isojoule.apps.files.settlement_rules import RULES_NAME, read_rules
        from isojoule.apps.files.times import zone

        rules = None
        if (folder / RULES_NAME).is_file():
            rules = read_rules(
                folder, currency=s.currency, tz=zone(s.timezone), members=s.participants
            )
            from isojoule.apps.results.settlement import check_rules_of

            check_rules_of(folder / RULES_NAME, s, rules)
        return {
            "kind": "scenario",
            "holds": {
                "nodes": s.grid.node_count,
                "links": s.grid.link_count,
                "participants": len(s.participants),
                "devices": len(s.devices.ids),
                **({"machines": len(s.machines), "orders": len(s.orders)} if s.machines else {}),
                "intervals": len(s.times_s),
                "periods": len(s.periods),
                **({"fees": len(rules.fees)} if rules else {}),
            },
        }
    from isojoule.apps.files.book_files import read_book
    from isojoule.core.canonical import digest

    file = read_book(path)
    return {
        "kind": "book",
        "holds": {
            "nodes": file.grid.node_count,
            "links": file.grid.link_count,
            "participants": len(file.book.participants),
            "offers": file.book.offer_count,
        },
        # a large book has no normal form in one document
        **({} if file.files else {"digest": digest(file.doc)}),
    }
