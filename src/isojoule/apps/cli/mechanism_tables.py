"""Mechanisms as tables for people: all of them, and one."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from isojoule.apps.cli.offer_words import links_told, offers_told
from isojoule.apps.files.book_files import BookFile
from isojoule.apps.mechanism_cards import MEANING, NARROW, WORDS, tags
from isojoule.core.units import J_PER_KWH, price_unit
from isojoule.market.contract import TRAITS

Document = dict[str, Any]
MOST_OFFERS = 20
"""Offers that are told one by one."""


def show_list(cards: list[Document], console: Console | None = None) -> None:
    """Print all mechanisms with their traits and tags."""
    console = console or Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
    table.add_column("Mechanism", overflow="fold", vertical="bottom")
    for trait in TRAITS:  # heads are parted, so that all fit into 80 columns
        table.add_column(NARROW[trait], justify="center", no_wrap=True, vertical="bottom")
    for card in cards:
        if "error" not in card:
            marks = ["yes" if card["traits"][t]["holds"] else "no" for t in TRAITS]
            table.add_row(escape(card["name"]), *marks)
    console.print(table)
    console.print()
    meanings = Table(box=None, show_header=False, pad_edge=False)
    meanings.add_column(no_wrap=True)
    meanings.add_column()
    for trait, meaning in MEANING.items():
        meanings.add_row(WORDS[trait].partition(" (")[0], meaning)
    console.print(meanings)
    console.print()
    for card in cards:
        if "error" in card:
            console.print(escape(f"{card['name']}: cannot be loaded: {card['error']}"))
            continue
        console.print(f"[bold]{escape(card['name'])}[/bold]: {escape(card['summary'])}")
        console.print(f"  {tags(card)}; {', '.join(card['networks'])}")
    console.print("\nEach yes has its conditions, each no a small book that shows it:")
    console.print("  isojoule mechanisms show NAME")


def show_card(
    card: Document, file: BookFile | None, worked: Document | None, console: Console | None = None
) -> None:
    """Print one mechanism, with its example and what comes out of it."""
    console = console or Console(highlight=False)
    console.print(f"[bold]{escape(card['name'])}[/bold]: {escape(card['summary'])}")
    for key, head in (("how", ""), ("good_for", "Use it for: "), ("not_for", "Not for: ")):
        if card[key]:
            text = card[key][:1].upper() + card[key][1:]
            console.print(escape(f"\n{head}{text}"))
    if file is not None and worked is not None:
        console.print("\n[bold]A worked example[/bold]")
        if card["example_says"]:
            console.print(escape(card["example_says"]))
        _show_worked(file, worked, console)
    console.print()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("It is", no_wrap=True)
    table.add_column("")
    table.add_column("Because", overflow="fold")
    for trait, claim in card["traits"].items():
        because = claim["because"]
        if not claim["holds"]:
            because += f"\n-> isojoule replay {claim['witness']}"
        word = WORDS[trait].replace(" (", "\n(")
        table.add_row(word, "yes" if claim["holds"] else "no", escape(because))
    console.print(table)
    if card["parameters"]:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("Parameter", no_wrap=True)
        table.add_column("Default", no_wrap=True)
        table.add_column("", overflow="fold")
        above = ""
        for row in card["parameters"]:
            text = row["text"] if row["text"] != above else '"'
            above = row["text"]
            text = text.replace("``", "").replace("`", "")
            table.add_row(escape(row["name"]), escape(json.dumps(row["default"])), escape(text))
        console.print()
        console.print(table)
    console.print()
    for key, head in (("other_names", "Other names"), ("sources", "Sources")):
        if card[key]:
            console.print(escape(f"{head}: {'; '.join(card[key])}"))
    if card["checked"]:
        console.print(escape(f"Checked: {card['checked']}"))
    console.print(escape(f"Networks: {', '.join(card['networks'])}"))
    console.print(escape(f"Tags: {tags(card)}"))


def show_offers(file: BookFile, console: Console) -> None:
    """Print what everybody in a small book offers, and the links where they count."""
    book = file.book
    for lines in (
        offers_told(book.offers, book.offer_ids, book.currency),
        links_told(file.grid, book.currency) if book.network != "copperplate" else [],
    ):
        for line in lines[:MOST_OFFERS]:
            indented(line, console)
        if len(lines) > MOST_OFFERS:
            indented(f"... and {len(lines) - MOST_OFFERS} more", console)


def indented(line: str, console: Console) -> None:
    """Print a line two blanks to the right, also where it goes on."""
    console.print(Padding.indent(escape(line), 2))


def _show_worked(file: BookFile, worked: Document, console: Console) -> None:
    console.print()
    show_offers(file, console)
    console.print()
    if "refused" in worked:
        console.print(escape(worked["refused"]))
        return
    currency = worked["book"]["currency"]
    scale, unit = scale_of([worked])
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("Who", f"Gets {unit}", f"Pays {currency}"):
        table.add_column(head, justify="left" if head == "Who" else "right")
    for who, row in worked["participants"].items():
        table.add_row(escape(who), energy(row, scale), money(row["payment"]))
    table.add_row("the operator", "", money(f"-{worked['operator']['surplus']}"))
    console.print(table)
    prices = {n: p for n, p in worked["prices"].items() if p is not None}
    if prices:
        joules, per = price_unit(*prices.values())
        listed = ", ".join(f"{node} {price * joules:.6g}" for node, price in prices.items())
        console.print(escape(f"Price {currency}/{per}: {listed}"))
    for offer in worked["offers"]:
        if offer["reason"] != "filled":
            indented(f"{offer['id']}: {offer['reason']}", console)


def scale_of(worlds: list[Document]) -> tuple[float, str]:
    """In kWh, or in J where all is small."""
    energies = [
        abs(float(e))
        for world in worlds
        for row in world["participants"].values()
        for e in row["energy_j"].values()
    ]
    most = max(energies, default=0.0)
    return (J_PER_KWH, "kWh") if most >= 0.001 * J_PER_KWH else (1.0, "J")


def energy(row: Document, scale: float) -> str:
    """What a participant gets at all nodes together."""
    total = sum(float(e) for e in row["energy_j"].values()) / scale
    return f"{round(total, 4) + 0.0:.4f}"


def money(text: str) -> str:
    """Money to the microunit; `--` before it turns the sign twice."""
    return f"{round(float(text.replace('--', '')), 6) + 0.0:.6f}"
