"""`isojoule session` and `isojoule seal`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isojoule.apps.cli.app import AsJson

if TYPE_CHECKING:
    from rich.console import Console

    from isojoule.apps.session import Played
    from isojoule.market.messages import Event
    from isojoule.market.session import SessionMessage


def session(
    messages: Annotated[Path, typer.Argument(help="Message file: one JSON message a line.")],
    out: Annotated[Path | None, typer.Option(help="Write the transcript to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play the messages of sessions: offers, sealed bids, clearing, settlement."""
    from isojoule.apps.session import play_session

    played = play_session(messages)
    if out is not None:
        played.write(out)
    if as_json:
        print(json.dumps(document(played), ensure_ascii=False))
        return
    show(played)
    print(f"\n{len(played.messages)} messages, head {played.head}")
    if out is not None:
        print(f"The transcript is in {out}")


def seal(
    offer: Annotated[
        Path, typer.Argument(help="File (YAML or JSON) with one offer, its keys as in a book.")
    ],
    session: Annotated[str, typer.Option(help="Name of the session.")],
    sender: Annotated[str, typer.Option(help="Who bids.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="When the commitment is handed in.")],
    open_at: Annotated[str, typer.Option(metavar="TIME", help="When it is opened.")],
    collateral: Annotated[str, typer.Option(metavar="MONEY", help="Posted with it: 2 EUR.")] = "0",
    salt: Annotated[
        str, typer.Option(help="16 to 64 bytes, a text or hexadecimal after 0x; drawn if absent.")
    ] = "",
    currency: Annotated[str, typer.Option(help="Of the session.")] = "EUR",
    as_json: AsJson = False,
) -> None:
    """Seal an offer: make the message that commits to it, and the one that opens it later."""
    from isojoule.apps.cli.books import read_seed
    from isojoule.apps.files.items import read_items
    from isojoule.apps.files.session_files import message_document
    from isojoule.apps.sealing import seal_item

    sealed = seal_item(
        read_items(offer), session=session, sender=sender, at=at, open_at=open_at,
        salt=read_seed(salt, "--salt"), collateral=collateral, currency=currency,
    )  # fmt: skip
    if as_json:
        rows = {"commit": message_document(sealed.commit), "open": message_document(sealed.reveal)}
        print(json.dumps(rows, ensure_ascii=False))
        return
    commit, reveal = sealed.lines
    print(f"Hand in, it shows nothing of the offer:\n{commit}\n")
    print(f"Keep to yourself until openings are taken, then hand in:\n{reveal}")


def document(played: Played) -> dict[str, Any]:
    """What happened as one document."""
    from isojoule.apps.files.session_files import message_document

    told = [
        {"message": message_document(m), "events": list(e)}
        for m, e in zip(played.messages, played.events, strict=True)
    ]
    return {"entries": told, "head": played.head}


def show(played: Played, console: Console | None = None) -> None:
    """Print every message and what it brought about, then the outcome of each session."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from isojoule.core.interval import time_text

    console = console or Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    days = {m.at_ns // (86_400 * 10**9) for m in played.messages}
    for header in ("Time (UTC)", "Session", "Sender", "What happened"):
        table.add_column(header, overflow="fold")
    for message, events in zip(played.messages, played.events, strict=True):
        when = time_text(message.at_ns)
        when = when if len(days) > 1 else when[11:-1]
        words = "\n".join(_words(message, event) for event in events)
        table.add_row(when, escape(message.session), escape(message.sender), escape(words))
    console.print(table)
    for name in played.market.sessions:
        _outcome(played, name, console)


def played_text(played: Played, width: int = 100) -> str:
    """The same tables as a text without colours."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    with console.capture() as printed:
        show(played, console)
    return "\n".join(line.rstrip() for line in printed.get().splitlines())


def _words(message: SessionMessage, event: Event) -> str:
    """An event in words."""
    kind = event["event"]
    if kind == "refused":
        return f"REFUSED: {event['reason']} ({event['remedy']})"
    if kind == "opened":
        posted = f", collateral {event['collateral']} or more" if "collateral" in event else ""
        return f"opens: {event['mechanism']}{posted}"
    if kind == "accepted":
        return f"offer {event['id']} accepted"
    if kind == "committed":
        posted = f", collateral {event['collateral']}" if event["collateral"] != "0" else ""
        return f"commits to {event['id']}: {event['commitment'][:12]}...{posted}"
    if kind == "revealed":
        return f"opens the commitment {event['id']}"
    if kind == "unopened":
        return f"{event['id']} was not opened: collateral of {event['collateral']} is forfeited"
    if kind == "cleared":
        count = sum(row["energy_j"] != "0" for row in event["offers"])
        return f"cleared: {count} of {len(event['offers'])} offers trade"
    if kind == "void":
        return f"void: {event['reason']} ({event['remedy']})"
    if kind == "settled":
        return f"settled: {len(event['transfers'])} transfers, operator {event['operator']}"
    if kind == "answer":
        return _answer(event)
    facts = ", ".join(f"{k} {v}" for k, v in event.items() if k not in ("event", "session"))
    return f"{kind}: {facts}"


def _answer(event: Event) -> str:
    if "rows" not in event:
        return f"asks for the session: phase {event['phase']}, {event['bids']} bids"
    names = ", ".join(row["id"] for row in event["rows"]) or "none"
    more = f" (next page from {event['next']})" if event["next"] is not None else ""
    return f"asks for {event['what']}: {names}{more}"


def _outcome(played: Played, name: str, console: Console) -> None:
    """Offers of a cleared session and why, and who pays what in the end."""
    from rich.markup import escape
    from rich.table import Table

    from isojoule.apps.clearing import Cleared
    from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J
    from isojoule.market.reasons import Reader

    found = played.cleared(name)
    if not isinstance(found, Cleared):
        return
    book, c = found.file.book, found.clearing
    top_j = max([abs(int(e)) / UJ_PER_J for e in c.energy_uj], default=0.0)
    scale, unit = (J_PER_KWH, "kWh") if top_j >= 0.001 * J_PER_KWH else (1.0, "J")
    console.print(f"\n[bold]{escape(name)}[/bold], cleared by {escape(c.mechanism)}")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in ("Offer", "Participant", f"Received {unit}", f"Pays {book.currency}", "Why"):
        right = header.startswith(("Received", "Pays"))
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    reader = Reader(book, found.file.grid, c)
    for i in sorted(range(book.offer_count), key=lambda i: book.offer_ids[i]):
        table.add_row(
            escape(book.offer_ids[i]),
            escape(book.offers[i].participant),
            f"{round(int(c.energy_uj[i]) / UJ_PER_J / scale, 4) + 0.0:.4f}",
            f"{int(c.payment_nano[i]) / NANO_PER_UNIT:.6f}",
            escape(reader.reason(i)),
        )
    console.print(table)
    settled = [e for told in played.events for e in told if e["event"] == "settled"]
    for event in settled:
        if event["session"] != name:
            continue
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("Settlement")
        table.add_column("For")
        table.add_column(f"Pays {book.currency}", justify="right")
        for row in event["transfers"]:
            table.add_row(escape(row["participant"]), row["for"], row["payment"])
        table.add_row("(operator)", "", event["operator"])
        console.print()
        console.print(table)
