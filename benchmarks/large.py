"""Memory and files of large books, each in a process of its own, so that its peak is its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.subjects import Data, Say
from benchmarks.tables import count

TITLE = "Memory and files"
ROOT = Path(__file__).resolve().parent.parent
WEIGHED, SMALL = 10_000_000, 20_000
WRITTEN, FEW = 1_000_000, 2_000
SHAPES = ("tree", "geometric")
MOST_GIB, CHECK_S = 8, 2
"""What ten million nodes may take, and the check of a million, once it is loaded."""


def measure(quick: bool, say: Say) -> Data:
    """Run both programs and keep what they print."""
    weighed, written = (SMALL, FEW) if quick else (WEIGHED, WRITTEN)
    say(f"memory of {weighed:,} nodes")
    out: Data = {
        "weighed": weighed,
        "written": written,
        "memory": _run("memory", "--nodes", str(weighed), "--network", "--sweep"),
        "files": [],
    }
    for shape in SHAPES[:1] if quick else SHAPES:
        say(f"files of a {shape} of {written:,} nodes")
        out["files"].append(_run("large_book", "--nodes", str(written), "--shape", shape))
    return out


def _run(name: str, *arguments: str) -> list[str]:
    """Lines that a program prints.

    Raises
    ------
    RuntimeError
        It failed; says why.
    """
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"benchmarks.{name} failed: {done.stderr.strip()}")
    return [line.rstrip() for line in done.stdout.splitlines()]


def page(data: Data) -> str:
    """What they printed."""
    memory = "\n".join(data["memory"])
    files = "\n\n".join("\n".join(lines) for lines in data["files"])
    return f"""\
{count(data["weighed"])} nodes with a battery each, three links a node: grid and book, what
solvers need of a grid, and what a sweep keeps beside it. Our goal is that ten million nodes and
thirty million links fit in {MOST_GIB} GiB.

```
{memory}
```

A book of {count(data["written"])} nodes as a folder of tables: read, cleared, the answer written
and read again, and checked as `isojoule verify` does. Our goal for the check of a million nodes
is {CHECK_S} s after loading.

```
{files}
```
"""
