"""What a book and its grid weigh: `python -m benchmarks.memory [--nodes N] [--links M]`.

A random grid of N nodes and M links with capacity and loss, a battery of one piece at every node,
all built from arrays, checked, and made into the network that solvers see. Prints the bytes of
names and columns for each node and link, and the most memory that the process ever held, after each
step. Names are texts in a buffer, as tables have them, not made by a rule.

A solver by sweeps needs, beside book and grid, the links at each node (16 bytes a link and 4 a
node), capacity and gain (16 bytes a link), and for each node and link three numbers that change (24
bytes each). `--sweep` allocates and touches as much. `--clear` clears the book by `equilibrium`, to
integers, prices, payments and certificate.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.interval import Interval
from isojoule.core.names import Names
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market import Book, Clearing
from isojoule.market.check_book import check_book
from isojoule.market.mechanisms import get
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces

GIB = 2**30
DURATION_S = 900.0
FULL_J = 1000.0
CELL = 64
"""A node is linked to nodes at most this far away in their order, as on a map."""


def grid_of(nodes: int, links: int, seed: int) -> Grid:
    """Links between nodes that are near in their order, as after ordering by place."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, nodes - 1, links, dtype=np.int32)
    start.sort()
    reach = np.minimum(nodes - 1 - start, min(CELL, nodes - 1)).astype(np.int32)
    end = start + 1 + (rng.random(links, dtype=np.float32) * reach).astype(np.int32)
    np.minimum(end, nodes - 1, out=end)
    return Grid(
        written("n", nodes),
        written("l", links),
        start,
        end,
        capacity_w=rng.uniform(0.0, 0.1, links),
        loss_ppb=rng.integers(20_000_000, 40_000_000, links),
    )


def book_of(nodes: int, seed: int) -> Book:
    """A battery at every node, k = 1, filled at random: one piece."""
    stored = np.random.default_rng(seed).uniform(0.0, FULL_J, nodes)
    every = np.arange(nodes, dtype=np.int32)
    names = written("p", nodes)
    zeros = np.zeros(nodes)  # the system's, until written
    return Book(
        currency="EUR",
        interval=Interval(0, DURATION_S),
        network="transport",
        participants=names,
        offer_ids=names,
        offer_participant=every,
        offer_node=every,
        offer_kind=np.full(nodes, KINDS.index("battery"), np.uint8),
        piece_offer=every,
        pieces=Pieces(
            -stored,
            FULL_J - stored,
            np.full(nodes, 0.1),
            np.full(nodes, 1.0),
            1.0 - stored / FULL_J,
            np.full(nodes, 1.0 / FULL_J),
            np.full(nodes, 1.0),
        ),
        on_curve=np.ones(nodes, bool),
        spill0=zeros,
        spill1=zeros,
        short0=zeros,
        short1=zeros,
    )


def written(prefix: str, count: int) -> Names:
    """Names as a table has them: every one written out."""
    return Names.numbered(prefix, count).take(np.arange(count))


def weight(*things: Any) -> int:
    """Bytes of names and arrays; an array of one number and zeros never written weigh nothing."""
    total = 0
    for thing in things:
        one_number = isinstance(thing, np.ndarray) and (0 in thing.strides or not thing.any())
        total += 0 if one_number else thing.nbytes
    return total


def sweep(nodes: int, links: int) -> list[NDArray[Any]]:
    """What a solver by sweeps keeps beside book and grid, written to."""
    kept: list[NDArray[Any]] = [np.ones(nodes + 1, np.int32)]
    kept += [np.ones(links, np.int32) for _ in range(4)]
    kept += [np.ones(links) for _ in range(2)]
    kept += [np.ones(nodes) for _ in range(3)]
    kept += [np.ones(links) for _ in range(3)]
    return kept


def main() -> None:
    """Build, weigh, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--links", type=int, default=None, help="three for each node if not given")
    parser.add_argument("--network", action="store_true", help="also the network of solvers")
    parser.add_argument("--sweep", action="store_true", help="also what a solver by sweeps needs")
    parser.add_argument("--clear", action="store_true", help="clear the book")
    given = parser.parse_args()
    nodes, links = given.nodes, given.links or 3 * given.nodes
    print(f"{nodes:,} nodes, {links:,} links")
    step("started", lambda: None)
    grid = step("grid, checked", lambda: grid_of(nodes, links, 1))
    book = step("book", lambda: book_of(nodes, 2))
    step("book, checked", lambda: check_book(book, grid))
    per_node = weight(grid.node_ids, book.offer_ids, *book.pieces, book.piece_offer, book.on_curve)
    per_node += weight(book.offer_node, book.offer_kind)
    per_link = weight(grid.link_ids, *(getattr(grid, name) for name in LINK_COLUMNS))
    print(f"{per_node / nodes:.1f} bytes a node, {per_link / links:.1f} bytes a link")
    if given.network:
        step("network", lambda: network_of(grid, "transport", DURATION_S))  # the grid keeps it
    if given.sweep:
        step("arrays of a sweep", lambda: sweep(nodes, links))
    if given.clear:
        found = step("cleared", lambda: get("equilibrium").clear(book, grid))
        proven = isinstance(found, Clearing) and found.certificate.kind == "dual"
        print("proven" if proven else f"not proven: {found}")


LINK_COLUMNS = (
    *("link_from", "link_to", "capacity_w", "loss_ppb", "resistance_ohm", "reactance_ohm"),
    *("voltage_v", "standing_loss_w", "price_per_j", "owner", "kind"),
)


def step(name: str, build: Callable[[], Any]) -> Any:
    """Build, and print how long it took and the most memory held so far."""
    begun = time.perf_counter()
    built = build()
    took = time.perf_counter() - begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{name:<20} {took:7.1f} s   peak {most / GIB:6.3f} GiB   now {now() / GIB:6.3f} GiB")
    return built


def now() -> int:
    """Bytes that the process holds."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
