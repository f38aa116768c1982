"""Pictures of networks: nodes with prices, links with flows."""

from __future__ import annotations

import numpy as np
from picture_frame import RIGHT, WIDTH, Drawing, Example

from isojoule.apps.report.svg import COLOURS, at, fill, path, stroke, words
from isojoule.core.units import UJ_PER_J

PLACES = {
    1: ((320.0, 160.0),),
    2: ((150.0, 90.0), (490.0, 90.0)),
    3: ((130.0, 110.0), (510.0, 110.0), (320.0, 240.0)),
}
"""Where a few nodes lie."""


def network(e: Example) -> Drawing:
    """Nodes with their prices and who trades there, links with what flows."""
    grid, c, book = e.file.grid, e.cleared, e.file.book
    count = grid.node_count
    angle = [2 * np.pi * n / count for n in range(count)]
    places = PLACES.get(count) or [(320 + 230 * np.cos(a), 170 + 110 * np.sin(a)) for a in angle]
    height = 340.0 if count > 2 else 200.0
    parts = []
    for link in range(grid.link_count):
        (x1, y1), (x2, y2) = places[grid.link_from[link]], places[grid.link_to[link]]
        flow = float(c.flow_uj[link]) / UJ_PER_J / e.joules
        most = float(grid.capacity_w[link]) * book.interval.duration_s / e.joules
        full = np.isfinite(most) and abs(flow) >= most * (1 - 1e-6)
        parts.append(
            f'<line x1="{at(x1)}" y1="{at(y1)}" x2="{at(x2)}" y2="{at(y2)}" '
            f"{stroke('bad' if full else 'line', 5 if full else 3)}/>"
        )
        mx, my = (x1 + x2) / 2, (y1 + y2) / 2
        if flow:
            parts.append(_arrow(mx, my, (x2 - x1) * np.sign(flow), (y2 - y1) * np.sign(flow)))
        body = f"{grid.link_ids[link]}: {abs(flow):.4g} {e.unit}" if flow else "nothing flows"
        body += ", full" if full else ""
        parts.append(words(mx, my - 14, body, anchor="middle", colour="bad" if full else "ink"))
    for node, (x, y) in enumerate(places):
        price = float(c.price_per_j[node]) * e.joules
        parts.append(f'<circle cx="{at(x)}" cy="{at(y)}" r="9" {fill("grid")}/>')
        here = [i for i in range(book.offer_count) if int(book.offer_node[i]) == node]
        lines = [(grid.node_ids[node], "ink", True)]
        lines += [(f"{price:.4g} {e.money}", "bad", True)] if np.isfinite(price) else []
        lines += [(_does(e, i), "soft", False) for i in here]
        heads = len(lines) - (len(here) if count < 3 else 0)  # what stands above the node
        heads = heads if y < height / 2 else 0
        for k, (line, colour, bold) in enumerate(lines):
            down = 15 * (k - heads) - 4 if k < heads else 28 + 15 * (k - heads)
            parts.append(words(x, y + down, line, anchor="middle", colour=colour, bold=bold))
    said = f"energy in {e.unit}; a full link is red"
    parts.append(words(WIDTH - RIGHT, height - 10, said, anchor="end", colour="soft"))
    return height, parts


def _does(e: Example, i: int) -> str:
    """What an offer gets or gives."""
    offer, got = e.file.book.offers[i], e.energy(i)
    verb = f"gets {got:.4g}" if got > 0 else f"gives {-got:.4g}" if got < 0 else "nothing"
    return f"{offer.id or offer.participant}: {verb}"


def _arrow(x: float, y: float, dx: float, dy: float) -> str:
    """A head that points along (dx, dy)."""
    size = float(np.hypot(dx, dy))
    ux, uy = dx / size, dy / size
    points = [(x + 10 * ux, y + 10 * uy), (x - 8 * ux - 8 * uy, y - 8 * uy + 8 * ux),
              (x - 8 * ux + 8 * uy, y - 8 * uy - 8 * ux)]  # fmt: skip
    return f'<path d="{path(points, close=True)}" style="fill:var(--ink,{COLOURS["ink"]})"/>'
