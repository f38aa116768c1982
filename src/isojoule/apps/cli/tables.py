"""A clearing as tables for people."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J, price_text, price_unit
from isojoule.market.diffusion_words import missed, summary, told
from isojoule.market.mechanisms import get
from isojoule.market.reasons import Reader

if TYPE_CHECKING:
    from isojoule.apps.files.book_files import BookFile
    from isojoule.market import Clearing

MOST_ROWS = 40
PRICES = (
    "A node's price is what a Joule more or less is worth to it now; "
    "what was paid is in the trades."
)


def show_clearing(file: BookFile, clearing: Clearing, console: Console | None = None) -> None:
    """Print offers, nodes, links, and a line on money."""
    console = console or Console(highlight=False)
    book, grid, c = file.book, file.grid, clearing
    top_j = max([abs(int(e)) / UJ_PER_J for e in (*c.energy_uj, *c.flow_uj)], default=0.0)
    scale, unit = (J_PER_KWH, "kWh") if top_j >= 0.001 * J_PER_KWH else (1.0, "J")

    def energy(value_uj: int) -> str:
        return f"{round(value_uj / UJ_PER_J / scale, 4) + 0.0:.4f}"  # no -0

    console.print(
        f"[bold]{escape(c.mechanism)}[/bold] on {book.network}, "
        f"{book.interval.start_text()} for {book.interval.duration_s:g} s"
    )
    offers = _table("Offer", "Participant", "Node", f"Received {unit}", f"Pays {book.currency}")
    offers.add_column("Why", overflow="fold")
    reader = Reader(book, grid, c)
    rows = sorted(range(book.offer_count), key=lambda i: book.offer_ids[i])
    for i in rows[:MOST_ROWS]:
        node = book.offers[i].node or "(bundle)"
        offers.add_row(
            escape(book.offer_ids[i]),
            escape(book.offers[i].participant),
            escape(node),
            energy(int(c.energy_uj[i])),
            f"{int(c.payment_nano[i]) / NANO_PER_UNIT:.6f}",
            escape(reader.reason(i)),
        )
    _print(console, offers, len(rows), "offers")

    joules, per = price_unit(*c.price_per_j.tolist())
    nodes = _table("Node", f"Price {book.currency}/{per}")
    for i in range(min(grid.node_count, MOST_ROWS)):
        price = float(c.price_per_j[i])
        text = "-" if price != price else f"{price * joules:.6g}"
        nodes.add_row(escape(grid.node_ids[i]), text)
    _print(console, nodes, grid.node_count, "nodes")

    if grid.link_count:
        links = _table("Link", "From", "To", f"Sent {unit}", f"Lost {unit}")
        links.add_column("")
        for i in range(min(grid.link_count, MOST_ROWS)):
            links.add_row(
                escape(grid.link_ids[i]),
                escape(grid.node_ids[grid.link_from[i]]),
                escape(grid.node_ids[grid.link_to[i]]),
                energy(int(c.flow_uj[i])),
                energy(int(c.loss_uj[i])),
                "full" if reader.full[i] else "",
            )
        _print(console, links, grid.link_count, "links")

    if told(c):
        trades = _table("Trade over", "From", "To", f"Sent {unit}", f"Paid {book.currency}")
        trades.add_column(f"{book.currency}/{per}", justify="right", overflow="fold")
        for t in c.trades[:MOST_ROWS]:
            paid = t.payment_nano / NANO_PER_UNIT
            each = f"{paid / (t.sent_uj / UJ_PER_J) * joules:.6g}" if t.sent_uj else "-"
            trades.add_row(
                escape(grid.link_ids[t.link]),
                escape(grid.node_ids[t.seller]),
                escape(grid.node_ids[t.buyer]),
                energy(t.sent_uj),
                f"{paid:.6f}",
                each,
            )
        if c.trades:
            _print(console, trades, len(c.trades), "trades")
        console.print(PRICES if c.trades else f"No neighbours traded. {PRICES.partition(';')[0]}.")
    mechanism = get(c.mechanism, **c.parameters)
    if hasattr(mechanism, "pays"):  # what payments are, where they are not price times energy
        console.print(escape(mechanism.pays))
    if c.matches:
        matched = _table("Sells", "Buys", f"Received {unit}", f"Pays {book.currency}")
        matched.add_column(f"{book.currency}/{per}", justify="right", overflow="fold")
        for m in c.matches[:MOST_ROWS]:
            paid = m.payment_nano / NANO_PER_UNIT
            each = f"{paid / (m.energy_uj / UJ_PER_J) * joules:.6g}" if m.energy_uj else "-"
            matched.add_row(
                escape(book.offer_ids[m.sell_offer]),
                escape(book.offer_ids[m.buy_offer]),
                energy(m.energy_uj),
                f"{paid:.6f}",
                each,
            )
        _print(console, matched, len(c.matches), "trades")
    console.print(escape(money_line(reader)))
    for line in summary(reader):
        console.print(escape(line))


def clearing_text(file: BookFile, clearing: Clearing, width: int = 100) -> str:
    """The same tables as a text without colours."""
    console = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    with console.capture() as printed:
        show_clearing(file, clearing, console)
    return "\n".join(line.rstrip() for line in printed.get().splitlines())


def money_line(reader: Reader) -> str:
    """What all gain together, how sure that is the most, and the operator's account."""
    c, currency = reader.clearing, reader.book.currency
    words = f"Gains from trade {c.welfare:.6g} {currency}"
    if c.certificate.kind != "recomputed":
        words += f", proven within {c.certificate.gap:.2g}"
        left = c.certificate.largest_trade_per_j
        if c.certificate.kind == "bound" and left == left:
            told = price_text(left, currency)
            words += f" (a Joule more between neighbours gains at most {told})"
    elif more := missed(c, currency):
        words += f"; {more}"
    lines = ", ".join(
        f"{name.replace('_', ' ')} {nano / NANO_PER_UNIT:.6g}"
        for name, nano in c.operator.items()
        if nano
    )
    words += f"; operator {c.surplus_nano / NANO_PER_UNIT:.6g} {currency}"
    return words + (f" ({lines})" if lines else "")


def _table(*headers: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in headers:
        numeric = any(
            header.startswith(w) for w in ("Received", "Pays", "Price", "Sent", "Lost", "Paid")
        )
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    return table


def _print(console: Console, table: Table, count: int, what: str) -> None:
    console.print(table)
    if count > MOST_ROWS:
        console.print(f"... and {count - MOST_ROWS} more {what}; --json has all")
    console.print()
