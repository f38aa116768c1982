"""Print how fast books clear, beside Clarabel: `python -m benchmarks.run [--largest 100000]`."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from benchmarks.clearing import measure

SIZES = (100, 1_000, 10_000, 100_000)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="most nodes")
    parser.add_argument("--peer", type=int, default=1_000, help="most nodes given to Clarabel")
    given = parser.parse_args()
    measure(100, "tree", with_peer=False)  # compiles the kernels
    table = Table(title="One interval cleared, `equilibrium`, transport network, linear losses")
    for head in ("grid", "nodes", "first [ms]", "again [ms]", "us/node", "Clarabel [ms]"):
        table.add_column(head, justify="right")
    table.add_column("Clarabel / again", justify="right")
    table.add_column("welfare apart", justify="right")
    for nodes in SIZES:
        for shape in ("tree", "mesh"):
            if nodes > given.largest:
                continue
            r = measure(nodes, shape, with_peer=nodes <= given.peer)
            asked = nodes <= given.peer
            table.add_row(
                r.shape,
                f"{r.nodes:,}",
                f"{1e3 * r.first_s:,.1f}",
                f"{1e3 * r.again_s:,.1f}",
                f"{1e6 * r.again_s / r.nodes:.1f}",
                f"{1e3 * r.peer_s:,.1f}" if asked else "-",
                f"{r.peer_s / r.again_s:.2f}" if asked else "-",
                f"{r.apart:.1e}" if asked else "-",
            )
    Console(width=100).print(table)
    print(
        f"Python {platform.python_version()}, numba {version('numba')}, Clarabel "
        f"{version('clarabel')}. First: with the analysis of a new grid, which is kept. Ours is "
        "the whole way from book to exact integers, prices and certificate; Clarabel's is its "
        "setup and solving alone."
    )


if __name__ == "__main__":
    main()
