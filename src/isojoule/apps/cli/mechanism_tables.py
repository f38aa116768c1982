"""Mechanisms and witnesses as tables for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from isojoule.apps.files.book_doc import book_document
from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.clearing_files import answer
from isojoule.apps.mechanism_cards import WORDS
from isojoule.core.canonical import number
from isojoule.core.units import J_PER_KWH, price_text, price_unit
from isojoule.market.contract import TRAITS
from isojoule.market.deviation import OPERATOR, STRATEGIC, World, utility
from isojoule.market.worth import Truth
from isojoule.valuation.document import offer_document

if TYPE_CHECKING:
    from isojoule.apps.files.case_files import Replay

Document = dict[str, Any]
SHORT = ("Efficient", "Truthful", "Voluntary", "No deficit", "No names", "No pacts", "Credible")
"""Heads of the table of all mechanisms, in the order of `TRAITS`."""


def show_list(cards: list[Document], console: Console | None = None) -> None:
    """Print all mechanisms with their traits and tags."""
    console = console or Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Mechanism", no_wrap=True)
    for head in SHORT:
        table.add_column(head, justify="center", overflow="fold", max_width=9)
    table.add_column("Kind", no_wrap=True)
    for card in cards:
        if "error" not in card:
            marks = ["yes" if card["traits"][t]["holds"] else "no" for t in TRAITS]
            table.add_row(escape(card["name"]), *marks, card["kind"])
    console.print(table)
    console.print()
    for card in cards:
        if "error" in card:
            console.print(escape(f"{card['name']}: cannot be loaded: {card['error']}"))
            continue
        tags = f"{card['agency']}, {card['information']}, {card['game']}"
        networks = ", ".join(card["networks"])
        console.print(f"[bold]{escape(card['name'])}[/bold]: {escape(card['summary'])}")
        console.print(f"  {tags}; {networks}")
    console.print("\nEach yes has its conditions, each no a case that shows it:")
    console.print("  isojoule mechanisms show NAME")


def show_card(card: Document, worked: Document | None, console: Console | None = None) -> None:
    """Print one mechanism."""
    console = console or Console(highlight=False)
    console.print(f"[bold]{escape(card['name'])}[/bold]: {escape(card['summary'])}")
    for key, head in (("how", ""), ("good_for", "Use it for: "), ("not_for", "Not for: ")):
        if card[key]:
            text = card[key][:1].upper() + card[key][1:]
            console.print(escape(f"\n{head}{text}"))
    console.print()
    for key, head in (("other_names", "Other names"), ("sources", "Sources")):
        if card[key]:
            console.print(escape(f"{head}: {'; '.join(card[key])}"))
    console.print(
        f"{card['kind']}; {card['agency']}, {card['information']}, {card['game']}; "
        f"networks {', '.join(card['networks'])}"
    )
    if card["parameters"]:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("Parameter", no_wrap=True)
        table.add_column("Default", no_wrap=True)
        table.add_column("", overflow="fold")
        for row in card["parameters"]:
            table.add_row(
                escape(row["name"]), escape(json.dumps(row["default"])), escape(row["text"])
            )
        console.print()
        console.print(table)
    if worked is not None:
        console.print("\n[bold]A worked example[/bold]")
        _show_worked(worked, console)
    console.print()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("It is", no_wrap=True)
    table.add_column("")
    table.add_column("Because", overflow="fold")
    for trait, claim in card["traits"].items():
        because = claim["because"]
        if not claim["holds"]:
            because += f" (isojoule replay {claim['witness']})"
        table.add_row(WORDS[trait], "yes" if claim["holds"] else "no", escape(because))
    console.print(table)


def _show_worked(worked: Document, console: Console) -> None:
    if "refused" in worked:
        console.print(escape(worked["refused"]))
        return
    currency = worked["book"]["currency"]
    scale, unit = _scale([worked])
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("Who", f"Gets {unit}", f"Pays {currency}"):
        table.add_column(head, justify="left" if head == "Who" else "right")
    for who, row in worked["participants"].items():
        table.add_row(escape(who), _energy(row, scale), _money(row["payment"]))
    table.add_row("the operator", "", _money(f"-{worked['operator']['surplus']}"))
    console.print(table)
    prices = {n: p for n, p in worked["prices"].items() if p is not None}
    if prices:
        joules, per = price_unit(*prices.values())
        listed = ", ".join(f"{node} {price * joules:.6g}" for node, price in prices.items())
        console.print(escape(f"Price {currency}/{per}: {listed}"))
    for offer in worked["offers"]:
        console.print(escape(f"  {offer['id']}: {offer['reason']}"))


def _scale(worlds: list[Document]) -> tuple[float, str]:
    """In kWh, or in J where all is small."""
    energies = [
        abs(float(e))
        for world in worlds
        for row in world["participants"].values()
        for e in row["energy_j"].values()
    ]
    most = max(energies, default=0.0)
    return (J_PER_KWH, "kWh") if most >= 0.001 * J_PER_KWH else (1.0, "J")


def _energy(row: Document, scale: float) -> str:
    total = sum(float(e) for e in row["energy_j"].values()) / scale
    return f"{round(total, 4) + 0.0:.4f}"


def _money(text: str) -> str:
    """Money to the microunit; `--` before it turns the sign twice."""
    return f"{round(float(text.replace('--', '')), 6) + 0.0:.6f}"


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
    file = BookFile(world.book, world.grid, book_document(world.book, world.grid))
    told = answer(file, world.clearing)
    truth = Truth(found.witness.file.book, found.witness.file.grid)
    honest = {*truth.book.participants, *(o for o in truth.grid.owner if o)}
    rows: Document = {}
    for who, row in told["participants"].items():
        gain = utility(truth, truth.grid, world.book, world.clearing, (who,))
        rows[who] = {**row, **({"utility": _finite(gain)} if who in honest else {})}
    return {"participants": rows, "operator": told["operator"]["surplus"]}


def show_replay(case: str, found: Replay, console: Console | None = None) -> None:
    """Print both worlds side by side, and what they show."""
    console = console or Console(highlight=False)
    w = found.witness
    document = replay_document(found)
    console.print(f"[bold]{escape(case)}[/bold]: {escape(w.mechanism)} is not {_trait(w.trait)}")
    console.print(escape(w.claim))
    console.print(escape(f"From: {w.origin}"))
    if w.deviation.liars or w.deviation.offers:
        liars = " and ".join(w.deviation.liars) or "The operator"
        handed = [json.dumps(o, ensure_ascii=False) for o in document["instead"]]
        verb = "hand in" if len(w.deviation.liars) > 1 else "hands in"
        if w.deviation.liars:
            console.print(escape(f"\n{liars} {verb} instead of the truth:"))
        else:
            console.print(escape(f"\n{liars} plants:"))
        for line in handed or ["  nothing"]:
            console.print(escape(f"  {line.strip()}"))
    for link, price in w.deviation.link_price_per_j.items():
        console.print(escape(f"  link {link} at {price_text(price, _currency(w))}"))
    console.print()
    worlds = [document[key] for key in ("honest", "lying") if key in document]
    scale, unit = _scale(worlds)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    both = len(worlds) == 2
    for key in ("honest", "lying")[: len(worlds)]:
        tail = f", {key}" if both else ""
        for head in (f"Gets {unit}{tail}", f"Pays {_currency(w)}{tail}", f"Gains{tail}"):
            table.add_column(head, justify="right")
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
            cells += [_energy(row, scale), _money(row["payment"]), gain]
        table.add_row(escape(name), *cells)
    table.add_row(
        "the operator", *(c for w_ in worlds for c in ("", _money(f"-{w_['operator']}"), ""))
    )
    console.print(table)
    console.print(escape(f"\n{_verdict(found)}"))
    if found.wrong:
        console.print(escape(f"That is not what it claims: {found.wrong}"))


def _currency(witness: Any) -> str:
    return str(witness.file.book.currency)


def _trait(trait: str) -> str:
    return {"budget": "without a deficit", "false_name_proof": "false-name-proof"}.get(
        trait, trait.replace("_", "-" if trait == "coalition_proof" else " ")
    )


def _verdict(found: Replay) -> str:
    """What the figures say, and what was expected."""
    w, f, e = found.witness, found.shown.figures, found.witness.expect
    money = _currency(w)

    def both(key: str) -> str:
        got, wanted = f[key], e[key]
        if isinstance(got, str) or isinstance(wanted, str):
            return f"{got} (expected {wanted})"
        return f"{got:.6g} {money} (expected {wanted:.6g})"

    if w.trait == "efficient":
        return f"Welfare {both('welfare')}; the best is {both('best')}"
    if w.trait == "budget":
        return f"The operator's account: {both('operator')}"
    if w.trait not in STRATEGIC:
        return f"{both('participant')} gains {both('utility')}"
    who = " and ".join(w.deviation.liars)
    if w.trait == "credible":
        who = "the operator" if w.auctioneer == OPERATOR else w.auctioneer
    verb = "gain together" if len(w.deviation.liars) > 1 else "gains"
    who = who[:1].upper() + who[1:]
    return f"{who} {verb} {both('honest')} honest, {both('lying')} lying"
