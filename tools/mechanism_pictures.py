"""Pictures of the worked examples of mechanisms, as SVG written by hand.

`picture(example(name))` draws the worked example of a mechanism: bids and asks where all meet at
one place, prices over time (or over what was drawn) where a price moves, nodes and flows on a
network, bids and payments where bundles are sold. All of it follows from the example's book and its
clearing.
"""

from __future__ import annotations

from picture_crossing import bundles, crossing, halves
from picture_frame import WIDTH, Drawer, Example
from picture_moving import clock, pool, posted, quotes
from picture_network import network

from isojoule.apps.files.book_files import BookFile
from isojoule.apps.files.case_files import example_of
from isojoule.apps.report.svg import COLOURS, at, fill
from isojoule.core.units import price_unit
from isojoule.market import Refusal
from isojoule.market.mechanisms import get
from isojoule.valuation import Bundle


def example(name: str) -> Example | None:
    """The worked example of a mechanism, cleared; None if it has none, or refuses it."""
    file, rule_ = example_of(name), get(name)
    if file is None:
        return None
    cleared = rule_.clear(file.book, file.grid)
    if isinstance(cleared, Refusal):
        return None
    joules, unit = price_unit(*(float(p) for p in cleared.price_per_j))
    return Example(name, rule_, file, cleared, joules, unit)


def picture(e: Example) -> str:
    """The picture of an example, an SVG file."""
    height, parts = _drawer(e)(e)
    body = [part for part in parts if not part.startswith("<text")]
    said = [part for part in parts if part.startswith("<text")]  # above all lines
    lines = "\n".join([*body, *said])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{at(WIDTH)}" height="{at(height)}" '
        f'viewBox="0 0 {at(WIDTH)} {at(height)}" role="img" aria-label="{alternative_of(e)}" '
        f'style="font:12px system-ui,sans-serif">\n<style>text{{paint-order:stroke;'
        f"stroke:{COLOURS['paper']};stroke-width:3px;stroke-linejoin:round}}</style>\n"
        f'<rect width="{at(WIDTH)}" height="{at(height)}" {fill("paper")}/>\n{lines}\n</svg>\n'
    )


def alternative_of(e: Example) -> str:
    """What the picture shows, in a line."""
    return ALTERNATIVES[_drawer(e)]


def _drawer(e: Example) -> Drawer:
    if e.name in OWN:
        return OWN[e.name]
    if _bundled(e.file):
        return bundles
    return network if e.file.grid.link_count else crossing


def _bundled(file: BookFile) -> bool:
    return any(isinstance(offer.spec, Bundle) for offer in file.book.offers)


OWN: dict[str, Drawer] = {
    "ascending-clock": clock,
    "bonding-curve": pool,
    "cda": quotes,
    "descending-clock": clock,
    "dutch": posted,
    "gda": posted,
    "muda": halves,
    "vrgda": posted,
}
"""Mechanisms whose picture is neither a crossing nor a network."""
ALTERNATIVES: dict[Drawer, str] = {
    bundles: "What each bids, and what it pays or gets",
    clock: "The price that is called over time, and how much is still in",
    crossing: "Bids from dear to cheap, asks from cheap to dear; thick is what was traded",
    halves: "Bids and asks of both halves; each trades at the price of the other",
    network: "Nodes with their prices, and what flows over the links",
    pool: "The price over what has been drawn, and how each who came moved along it",
    posted: "The posted price over time, and who took how much",
    quotes: "Bids and asks as they come and rest, and where they trade",
}
"""What each kind of picture shows."""
