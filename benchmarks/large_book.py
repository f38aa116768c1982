"""A large book from its tables to a checked answer: `python -m benchmarks.large_book [--nodes N]`.

Writes a seeded folder of tables (a battery at every node, every link with a capacity and a loss of
2 %), clears it, writes the answer as a folder, and checks that folder. Prints seconds of the clock
and of the processor (threads together) for each step; the check is done twice, for the first time
also loads the compiled kernels.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isojoule.apps.clearing import Cleared, clear
from isojoule.apps.files.book_folder import read_folder
from isojoule.apps.files.clearing_folder import read_clearing_folder
from isojoule.apps.files.text_series import series_of
from isojoule.core.names import Names
from isojoule.market.verify import check_clearing

T = TypeVar("T")
NEIGHBOURS = 6.0
HEAD = """isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 15 min}
network: transport
"""


def pairs_of(nodes: int, shape: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Ends of the links: a random tree, or a random geometric graph; nodes in random order."""
    if shape == "tree":
        child = np.arange(1, nodes)
        pairs = np.stack([(rng.random(nodes - 1) * child).astype(np.int64), child], axis=1)
    else:
        at = rng.random((nodes, 2))
        near = np.sqrt(NEIGHBOURS / (np.pi * nodes))
        pairs = cKDTree(at).query_pairs(near, output_type="ndarray").astype(np.int64)
    return rng.permutation(nodes)[pairs]


def write_book(folder: Path, nodes: int, shape: str, seed: int) -> None:
    """A book folder of tables."""
    rng = np.random.default_rng(seed)
    ends = pairs_of(nodes, shape, rng)
    links = len(ends)
    folder.mkdir()
    (folder / "book.yaml").write_text(HEAD)
    names = Names.numbered("n", nodes)
    pl.DataFrame({"id": series_of(names)}).write_parquet(folder / "nodes.parquet")
    pl.DataFrame(
        {
            "id": series_of(Names.numbered("l", links)),
            "from": series_of(names.take(ends[:, 0])),
            "to": series_of(names.take(ends[:, 1])),
            "capacity [kW]": rng.uniform(0.5, 3.0, links),
            "loss": np.full(links, 0.02),
        }
    ).write_parquet(folder / "links.parquet")
    pl.DataFrame(
        {
            "participant": series_of(Names.numbered("p", nodes)),
            "node": series_of(names),
            "form": pl.Series(["battery"]).new_from_index(0, nodes),
            "energy [kWh]": rng.uniform(0.0, 1.0, nodes),
            "capacity [kWh]": np.ones(nodes),
            "v_min [EUR/kWh]": np.full(nodes, 0.09),
            "v_max [EUR/kWh]": np.full(nodes, 0.27),
        }
    ).write_parquet(folder / "offers.parquet")


def step(name: str, do: Callable[[], T]) -> T:
    """Do it, and print how long it took."""
    clock, processor = time.perf_counter(), time.process_time()
    done = do()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{name:<28} {clock:8.2f} s   processor {processor:8.2f} s")
    return done


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--shape", choices=("tree", "geometric"), default="tree")
    given = parser.parse_args()
    print(f"{given.shape}, {given.nodes:,} nodes")
    with tempfile.TemporaryDirectory() as folder:
        book, answer = Path(folder) / "book", Path(folder) / "answer"
        step("write the book's tables", lambda: write_book(book, given.nodes, given.shape, 1))
        file = step("read the book", lambda: read_folder(book, least=0))
        cleared = step("clear", lambda: clear(file))
        if not isinstance(cleared, Cleared):
            raise SystemExit(str(cleared))
        step("write the answer", lambda: cleared.write(answer))
        found, clearing = step("read the answer", lambda: read_clearing_folder(answer))
        step("check it", lambda: check_clearing(found.book, found.grid, clearing))
        found, clearing = read_clearing_folder(answer)
        step("check it, kernels loaded", lambda: check_clearing(found.book, found.grid, clearing))


if __name__ == "__main__":
    main()
