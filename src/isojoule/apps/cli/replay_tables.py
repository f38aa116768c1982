"""Witnesses as tables for people, and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from isojoule.apps.cli.mechanism_tables import (
    Document,
    energy,
    indented,
    money,
    scale_of,
    show_offers,
)
from isojoule.apps.cli.offer_words import offers_told
from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.clearing_files import answer
from isojoule.apps.mechanism_cards import WORDS
from isojoule.core.canonical import number
from isojoule.core.units import price_text
from isojoule.market.deviation import OPERATOR, STRATEGIC, World, utility
from isojoule.market.worth import Truth
from isojoule.valuation.document import offer_document

if TYPE_CHECKING:
    from isojoule.apps.files.case_files import Replay, Witness


def replay_document(found: Replay) -> Document:
    """A replay as plain data."""
    w, shown = found.witness, found.shown
    worlds = {"honest": _world(found, shown.honest)}
    if shown.lying is not None:
        worlds["lying"] = _world(found, shown.lying)
    return {
        "mechanism": w.mechanism,
        "parameters": w.parameters,
        "trait": w.trait,
        "origin": w.origin,
        "claim": w.claim,
        "liars": list(w.deviation.liars),
        "instead": [{k: v for k, v in offer_document(o).items() if v} for o in w.deviation.offers],
        "expect": _plain(w.expect),
        "figures": _plain(shown.figures),
        "shown": not found.wrong,
        "wrong": found.wrong,
        **worlds,
    }


def _plain(figures: dict[str, float | str]) -> Document:
    return {k: v if isinstance(v, str) else _finite(v) for k, v in figures.items()}


def _finite(value: float) -> Any:
    return number(value) if abs(value) != float("inf") else str(value)


def _world(found: Replay, world: World) -> Document:
    """Who gets, pays and gains what in a world, and the operator's account."""
    file = BookFile(world.book, world.grid)
    told = answer(file, world.clearing)
    truth = Truth(found.witness.file.book, found.witness.file.grid)
    honest = {*truth.book.participants, *(o for o in truth.grid.owner if o)}
    rows: Document = {}
    for who, row in told["participants"].items():
        gain = utility(truth, truth.grid, world.book, world.clearing, (who,))
        rows[who] = {**row, **({"utility": _finite(gain)} if who in honest else {})}
    return {"participants": rows, "operator": told["operator"]["surplus"]}


def show_replay(case: str, found: Replay, console: Console | None = None) -> None:
    """Print who wants what, both worlds side by side, and what they show."""
    console = console or Console(highlight=False)
    w = found.witness
    document = replay_document(found)
    console.print(f"[bold]{escape(case)}[/bold]: {escape(w.mechanism)} {_denied(w.trait)}")
    console.print(escape(w.claim))
    console.print(escape(f"From: {w.origin}"))
    console.print("\nWhat is true:")
    show_offers(w.file, console)
    _show_deviation(w, console)
    console.print()
    worlds = [document[key] for key in ("honest", "lying") if key in document]
    scale, unit = scale_of(worlds)
    currency = w.file.book.currency
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("", no_wrap=True)
    for key in ("honest", "lying")[: len(worlds)]:
        tail = f"\n{key}" if len(worlds) == 2 else ""
        for head in (f"Gets {unit}", f"Pays {currency}", f"Gains {currency}"):
            table.add_column(f"{head}{tail}", justify="right")
    names = list(dict.fromkeys(n for world in worlds for n in world["participants"]))
    for name in names:
        cells = []
        for world in worlds:
            row = world["participants"].get(name)
            if row is None:
                cells += ["", "", ""]
                continue
            gain = row.get("utility", "")
            gain = f"{gain:.6f}" if isinstance(gain, int | float) else gain
            cells += [energy(row, scale), money(row["payment"]), gain]
        table.add_row(escape(name), *cells)
    table.add_row(
        "the operator", *(c for w_ in worlds for c in ("", money(f"-{w_['operator']}"), ""))
    )
    console.print(table)
    console.print(escape(f"\n{_verdict(found)}"))
    if found.wrong:
        console.print(escape(f"That is not what it claims: {found.wrong}"))


def _show_deviation(w: Witness, console: Console) -> None:
    """What is handed in instead of the truth, and by whom."""
    liars, offers = w.deviation.liars, w.deviation.offers
    if not (liars or offers):
        return
    if liars:
        verb = "hand in" if len(liars) > 1 else "hands in"
        console.print(escape(f"\n{' and '.join(liars)} {verb} instead of the truth:"))
    else:
        who = "The operator" if w.auctioneer == OPERATOR else f"{w.auctioneer}, who runs it,"
        console.print(escape(f"\n{who} plants:"))
    # a node is told where the book has several, also if the lies are all at one
    places = [*w.file.book.offers, *offers]
    ids = [*w.file.book.offer_ids, *(o.id for o in offers)]
    told = offers_told(places, ids, w.file.book.currency)[len(w.file.book.offers) :]
    told += [
        f"link {link} at {price_text(price, w.file.book.currency)}"
        for link, price in w.deviation.link_price_per_j.items()
    ]
    for line in told or ["nothing"]:
        indented(line, console)


def _denied(trait: str) -> str:
    """What a mechanism is not, in a sentence."""
    if trait == "budget":
        return "may have a deficit"
    word = WORDS[trait]
    return f"is not {word[:1].lower()}{word[1:]}"


def _verdict(found: Replay) -> str:
    """What the figures say, and what was expected if it is something else."""
    w, f, e = found.witness, found.shown.figures, found.witness.expect
    currency = w.file.book.currency
    end = "" if found.wrong else ", as claimed"

    def told(key: str) -> str:
        wanted = e[key]
        words = f"{f[key]:.6g} {currency}"
        return f"{words} (claimed: {wanted:.6g})" if found.wrong else words

    if w.trait == "efficient":
        return f"The gains from trade are {told('welfare')}; the best are {told('best')}{end}"
    if w.trait == "budget":
        return f"The operator's account: {told('operator')}{end}"
    if w.trait not in STRATEGIC:
        return f"{f['participant']} gains {told('utility')}{end}"
    who = " and ".join(w.deviation.liars)
    if w.trait == "credible":
        who = "the operator" if w.auctioneer == OPERATOR else w.auctioneer
    verb = "gain together" if len(w.deviation.liars) > 1 else "gains"
    who = who[:1].upper() + who[1:]
    return f"{who} {verb} {told('honest')} honest, {told('lying')} lying{end}"
