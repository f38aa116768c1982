"""The clearing of a large book for people: totals, not rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape

from isojoule.apps.cli.tables import money_line
from isojoule.core.units import J_PER_KWH, UJ_PER_J, price_unit
from isojoule.market.reasons import Reader

if TYPE_CHECKING:
    from isojoule.apps.files.book_files import BookFile
    from isojoule.market import Clearing


def show_totals(file: BookFile, clearing: Clearing, console: Console | None = None) -> None:
    """Print what was traded in all, the range of prices, full links, and a line on money."""
    console = console or Console(highlight=False)
    book, grid, c = file.book, file.grid, clearing
    reader = Reader(book, grid, c)

    def kwh(values_uj: np.ndarray) -> str:
        return f"{int(values_uj.sum()) / UJ_PER_J / J_PER_KWH:,.3f} kWh"

    console.print(
        f"[bold]{escape(c.mechanism)}[/bold] on {book.network}, "
        f"{book.interval.start_text()} for {book.interval.duration_s:g} s"
    )
    trading = np.count_nonzero(c.energy_uj)
    console.print(
        f"{book.offer_count:,} offers: {trading:,} trade, receive {kwh(c.energy_uj.clip(0))}, "
        f"deliver {kwh(-c.energy_uj.clip(None, 0))}"
    )
    carrying = np.count_nonzero(c.flow_uj)
    console.print(
        f"{grid.link_count:,} links: {carrying:,} carry energy, {np.count_nonzero(reader.full):,} "
        f"are full, lose {kwh(c.loss_uj)}"
    )
    known = c.price_per_j[np.isfinite(c.price_per_j)]
    words = f"{grid.node_count:,} nodes: {known.size:,} have a price"
    if known.size:
        least, middle, most = np.quantile(known, (0.0, 0.5, 1.0)).tolist()
        joules, per = price_unit(least, most)
        words += (
            f", {least * joules:.6g} to {most * joules:.6g} {book.currency}/{per}, "
            f"half of them up to {middle * joules:.6g}"
        )
    console.print(escape(words))
    console.print(escape(money_line(reader)))
