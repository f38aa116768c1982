"""`isojoule net`: clear obligations, as far as they go in circles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isojoule.apps.cli.app import AsJson

if TYPE_CHECKING:
    from isojoule.settlement.netting.rings import Rings
    from isojoule.settlement.obligations import Netted, Obligations

SHOWN = 8
"""Circles in the terminal."""
MOST_NAMES = 12
"""Names of one of them."""


def net(
    file: Annotated[
        Path, typer.Argument(help="CSV file with the columns debtor, creditor, amount.")
    ],
    liquidity: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV file with the columns party, can_spend, accepts."),
    ] = None,
    currency: Annotated[
        str, typer.Option(metavar="CODE", help="What the amounts are counted in, as EUR.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the JSON answer to this file.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page (HTML) that shows who was in which circle."
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Write obligations and set-offs into this ledger, all of them or none.",
        ),
    ] = None,
    batch: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="With --ledger: names this clearing; it is written once."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Clear obligations multilaterally: the most that can be set off, with the least cash."""
    from isojoule.apps.files.netting_files import netting_document, netting_text, write_netting
    from isojoule.apps.files.obligation_files import read_liquidity, read_obligations
    from isojoule.settlement.obligations import clear

    check_currency(currency)
    check_batch(ledger, batch, currency)
    obligations = read_obligations(file)
    cash = None if liquidity is None else read_liquidity(liquidity, obligations)
    netted = clear(obligations, cash)
    document = None
    if out is not None or as_json:
        document = netting_document(obligations, cash, netted, currency)
    if out is not None and document is not None:
        write_netting(out, document)
    if page is not None:
        from isojoule.apps.files.clearing_files import write_whole
        from isojoule.apps.report.obligations import obligations_page

        write_whole(page, obligations_page(obligations, netted, currency, title=file.name))
    wrote = None if ledger is None else _write(ledger, batch, obligations, netted, currency)
    if as_json and document is not None:
        print(netting_text(document), end="")
        return
    from isojoule.settlement.netting.rings import rings

    _show(obligations, netted, rings(obligations, netted, SHOWN), currency)
    for path in (out, page):
        if path is not None:
            print(f"written: {path}")
    if wrote is not None:
        print(f"in the ledger: {wrote}")


def check_currency(currency: str) -> None:
    """Refuse what is no code of a currency; none is fine.

    Raises
    ------
    InputError
        It is not 1 to 12 letters and digits, or it is `J`, which counts energy.
    """
    from isojoule.core.errors import InputError

    fits = currency.isascii() and currency.isalnum() and len(currency) <= 12 and currency != "J"
    if currency and not fits:
        raise InputError(
            f"{currency!r} is no currency", place="--currency", remedy="give a code such as EUR"
        )


def check_batch(ledger: str | None, batch: str, currency: str) -> None:
    """Refuse a ledger without a name and a currency for what is written, and a name without one.

    Raises
    ------
    InputError
        Says what is missing.
    """
    from isojoule.core.errors import InputError

    if ledger is None:
        if batch:
            raise InputError("names nothing", place="--batch", remedy="give --ledger, too")
        return
    for option, given, example in (("--batch", batch, "june"), ("--currency", currency, "EUR")):
        if not given:
            raise InputError(
                "a ledger needs it", place=option, remedy=f"add it, as {option} {example}"
            )


def _write(url: str, batch: str, obligations: Obligations, netted: Netted, currency: str) -> str:
    """Obligations and notices as one chain of a ledger; says how many transfers it has of them."""
    import time

    from isojoule.apps.ledger import open_ledger
    from isojoule.core.errors import InputError
    from isojoule.settlement.netting.posting import arising, notices, post, together

    given = together(
        arising(obligations, currency, batch=batch),
        notices(obligations, netted, currency, batch=batch),
    )
    with open_ledger(url) as kept:
        before = kept.head.size
        refused = post(kept, given, time.time_ns())
        written = kept.head.size - before
    if refused is not None:
        raise InputError(
            f"refused, and no transfer was written: {refused.reason}",
            place=url,
            remedy="use another --batch if these are other obligations",
        )
    count = f"{given.records.size} transfers of {batch!r}"
    return count if written else f"{count}, which were there already"


def _show(obligations: Obligations, netted: Netted, found: Rings, currency: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from isojoule.core.units import money_text

    o, n = obligations, netted
    console = Console(highlight=False)
    unit = f" {currency}" if currency else ""
    total, cleared = o.total_nano, n.cleared_nano
    share = f" ({cleared / total:.1%})" if total else ""
    used = n.liquidity_used_nano
    rows = [
        ("Obligations", f"{o.amount_nano.size:,} among {len(o.parties):,} parties"),
        ("Owed in all", f"{money_text(total)}{unit}"),
        ("Net internal debt", f"{money_text(o.net_internal_debt_nano)}{unit}"),
        ("Cleared", f"{money_text(cleared)}{unit}{share}"),
        ("Cash used", f"{money_text(used)}{unit}"),
        ("Cash spared", f"{money_text(cleared - used)}{unit}"),
        ("Left to pay", f"{money_text(total - cleared)}{unit}"),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if not found.largest:
        console.print("\nNothing goes in circles: nothing can be set off.")
        return
    more = f"; others clear {money_text(found.rest_nano)}{unit}" if found.rest_nano else ""
    console.print(f"\nThe largest circles{more}")
    circles = Table(box=None, header_style="bold", pad_edge=False)
    circles.add_column("Each lets off", justify="right")
    circles.add_column("Who owes whom", overflow="fold")
    for ring in found.largest:
        names = [escape(name) for name in ring.parties]
        if len(names) > MOST_NAMES:
            names = [*names[: MOST_NAMES - 2], f"... {len(names) - MOST_NAMES + 1} ...", names[-1]]
        way = " > ".join(names if ring.paid else [*names, names[0]])
        circles.add_row(money_text(ring.amount_nano), f"{way}{'  (cash)' if ring.paid else ''}")
    console.print(circles)
