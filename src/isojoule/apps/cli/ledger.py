"""`isojoule ledger`: look into a ledger that is kept, check it, sign what it holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isojoule.apps.cli.app import AsJson

if TYPE_CHECKING:
    from isojoule.apps.ledger import LedgerReader
    from isojoule.apps.ledger.verify import Progress
    from isojoule.core.transfer import Account, Transfer
    from isojoule.settlement.ledger.balance import Balance

ledgers = typer.Typer(
    no_args_is_help=True,
    help="Look into a ledger that is kept in a database, check it, sign what it holds.",
)
Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        envvar="ISOJOULE_LEDGER",
        help="A file of SQLite, or postgresql://USER@HOST/DATABASE.",
    ),
]
MOST_ROWS = 40


@ledgers.command("verify")
def verify(
    url: Url,
    public_key: Annotated[
        str | None,
        typer.Option("--public-key", metavar="TEXT", help="The key that must have signed it."),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A note that was kept elsewhere: the ledger must still extend it; several times.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything: each row, the rules, balances, the tree, signatures."""
    from isojoule.apps.ledger import verify_ledger

    kept = {str(file): file.read_bytes() for file in checkpoints or ()}
    with _progress(not as_json) as progress:
        found = verify_ledger(url, public_key, progress, kept=kept)
    if as_json:
        told = {"verified": True, **found._asdict(), "root": found.root.hex()}
        told |= {"kept": list(kept)} if kept else {}
        print(json.dumps(told, ensure_ascii=False))
        return
    print(f"verified: {found.origin}")
    print(
        f"{found.accounts} accounts, {found.transfers} transfers, {found.checkpoints} checkpoints"
    )
    print(f"root     {found.root.hex()} of {found.size} entries")
    print(f"key      {found.public_key}")
    for name in kept:
        print(f"extends  {name}")
    if public_key is None:
        print("The key is the ledger's own word; --public-key asks for the one you know.")


@ledgers.command("show")
def show(url: Url, as_json: AsJson = False) -> None:
    """Show all accounts with their balances."""
    from isojoule.apps.ledger import read_ledger

    with read_ledger(url) as ledger:
        head, found = ledger.head, list(ledger.accounts())
    if as_json:
        rows = [_account_document(account, balance) for account, balance in found]
        told = {"size": head.size, "root": head.root.hex(), "accounts": rows}
        print(json.dumps(told, ensure_ascii=False))
        return
    _show_accounts(found)
    print(f"\n{len(found)} accounts; {head.size} entries, root {head.root.hex()}")


@ledgers.command("transfers")
def transfers(
    url: Url,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of this account alone, in all its units.")
    ] = None,
    start: Annotated[
        int, typer.Option("--from", min=0, help="First place in the log, from 0.")
    ] = 0,
    most: Annotated[int, typer.Option("--most", min=1, help="Most rows to print.")] = MOST_ROWS,
    as_json: AsJson = False,
) -> None:
    """List transfers in the order in which they were written."""
    from isojoule.apps.ledger import read_ledger

    with read_ledger(url) as ledger:
        accounts = {known.id: known for known, _ in ledger.accounts()}
        rows = list(islice(_rows(ledger, accounts, account, start), most + 1))
    more = rows[most][0] if len(rows) > most else None
    rows = rows[:most]
    if as_json:
        told = {"transfers": [_document(seq, t, accounts) for seq, t in rows], "next": more}
        print(json.dumps(told, ensure_ascii=False))
        return
    _show_transfers(rows, accounts)
    if more is not None:
        print(f"\nThere are more: --from {more}")


@ledgers.command("checkpoint")
def checkpoint(
    url: Url,
    key: Annotated[
        str | None, typer.Option(metavar="FILE", help="Key file; default: the ledger's own place.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign what the ledger holds now, and print the note: whoever keeps it can hold you to it."""
    from isojoule.apps.ledger import open_ledger

    with open_ledger(url, key=key, create=False) as ledger:
        note = ledger.checkpoint()
    if as_json:
        print(json.dumps({"checkpoint": note}, ensure_ascii=False))
        return
    print(note, end="")


def _rows(
    ledger: LedgerReader, accounts: dict[int, Account], name: str | None, start: int
) -> Iterator[tuple[int, Transfer]]:
    import heapq

    from isojoule.core.errors import InputError

    if name is None:
        return ledger.placed(start=start)
    ids = [number for number, account in accounts.items() if account.name == name]
    if not ids:
        raise InputError(
            f"there is no account {name!r}",
            place=ledger.place.text,
            remedy="`isojoule ledger show` lists them",
        )
    return heapq.merge(*(ledger.placed(number, start) for number in ids))


def amount_text(amount: int, unit: str) -> str:
    """An amount as an exact decimal: J, or units of the currency.

    >>> amount_text(1_500_000, "J"), amount_text(250_000_000, "EUR")
    ('1.5', '0.25')
    """
    from isojoule.core.transfer import ENERGY
    from isojoule.core.units import joules_text, money_text

    return joules_text(amount) if unit == ENERGY else money_text(amount)


def _account_document(account: Account, balance: Balance) -> dict[str, Any]:
    """An account for `--json`: amounts exact, in J or in units of the currency."""
    amounts = {**balance._asdict(), "net": balance.net}
    return {
        "id": f"{account.id:032x}",
        "name": account.name,
        "unit": account.unit,
        "limit": account.limit.name.lower() if account.limit.name else "none",
        **{name: amount_text(value, account.unit) for name, value in amounts.items()},
    }


def _document(seq: int, t: Transfer, accounts: dict[int, Account]) -> dict[str, Any]:
    from isojoule.core.interval import time_text

    debit, credit = accounts[t.debit], accounts[t.credit]
    return {
        "seq": seq,
        "id": f"{t.id:032x}",
        "kind": t.kind.name.lower(),
        "debit": debit.name,
        "credit": credit.name,
        "unit": debit.unit,
        "amount": amount_text(t.amount, debit.unit),
        "pending_id": f"{t.pending_id:032x}" if t.pending_id else None,
        "linked": t.linked,
        "timeout_s": t.timeout_s,
        "code": t.code,
        "for_s": t.for_s,
        "ref": t.ref.hex() if any(t.ref) else None,
        "at": time_text(t.at_ns),
    }


def people(amount: int, unit: str) -> tuple[str, str]:
    """An amount for people, and its unit: kWh for energy.

    >>> people(3_600_000_000_000, "J"), people(-250_000_000, "EUR")
    (('1.0000', 'kWh'), ('-0.250000', 'EUR'))
    """
    from decimal import Decimal

    from isojoule.core.transfer import ENERGY

    energy = unit == ENERGY
    size, digits = (3_600_000_000_000, 4) if energy else (10**9, 6)
    text = f"{Decimal(amount) / size:.{digits}f}"
    zero = f"{0:.{digits}f}"
    return (zero if text == f"-{zero}" else text), "kWh" if energy else unit


def _show_accounts(found: list[tuple[Account, Balance]]) -> None:
    from rich.console import Console
    from rich.markup import escape

    table = _table(("Account", ""), ("Unit", ""), ("Gave", "right"), ("Received", "right"))
    table.add_column("Net", justify="right")
    pending = any(b.debits_pending or b.credits_pending for _, b in found)
    if pending:
        table.add_column("Reserved", justify="right")
    for account, balance in found:
        amounts = [balance.debits, balance.credits, balance.net]
        amounts += [balance.debits_pending] if pending else []
        told = [people(amount, account.unit) for amount in amounts]
        table.add_row(escape(account.name), told[0][1], *(text for text, _ in told))
    Console(highlight=False).print(table)


def _show_transfers(rows: list[tuple[int, Transfer]], accounts: dict[int, Account]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from isojoule.core.interval import time_text

    table = _table(("Place", "right"), ("Time (UTC)", ""), ("From", ""), ("To", ""))
    for header, side in (("Amount", "right"), ("Unit", "left"), ("Kind", "left")):
        table.add_column(header, justify=side)
    for seq, t in rows:
        text, unit = people(t.amount, accounts[t.debit].unit)
        names = (escape(accounts[number].name) for number in (t.debit, t.credit))
        kind = t.kind.name.lower() + (" +" if t.linked else "")
        table.add_row(str(seq), time_text(t.at_ns)[:19], *names, text, unit, kind)
    Console(highlight=False).print(table)


def _table(*columns: tuple[str, str]) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for header, side in columns:
        right = side == "right"
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    return table


@contextmanager
def _progress(shown: bool) -> Iterator[Progress | None]:
    """A bar on stderr, on a terminal; nothing elsewhere."""
    if not shown or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("entries", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
