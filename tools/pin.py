"""Write requirements/*.txt: the exact versions that this environment has and we test with.

    .venv/bin/python tools/pin.py

`run.txt` is what the package needs to run and to be installed, `dev.txt` what its extras `dev`
and `import` add, `bench.txt` what `bench` adds to both; the environment needs all three. Only
names and versions are written: no index, no host, no hash of a platform's file.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
BUILD = ("hatchling", "editables")
"""To install the project itself without a build environment of its own."""


def key(name: str) -> str:
    """The normal form of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(extras: set[str]) -> dict[str, str]:
    """Name and version of all that the package with these extras needs, transitively."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [Requirement(f"isojoule[{','.join(extras)}]"), *map(Requirement, BUILD)]
    while queue:
        want = queue.pop()
        mark = (key(want.name), frozenset(want.extras))
        if mark in seen:
            continue
        seen.add(mark)
        package = metadata.distribution(want.name)
        found[mark[0]] = package.version
        for line in package.requires or []:
            part = Requirement(line)
            active = part.marker is None or any(
                part.marker.evaluate({"extra": extra}) for extra in {"", *want.extras}
            )
            if active:
                queue.append(part)
    del found["isojoule"]
    return found


def write(path: Path, head: str, pins: dict[str, str]) -> None:
    """Write one file of pins, sorted by name."""
    lines = [f"{name}=={version}" for name, version in sorted(pins.items())]
    path.write_text("\n".join([f"# {head}", "# Written by tools/pin.py.", *lines, ""]))
    print(f"{path.relative_to(ROOT)}: {len(pins)} packages")


def main() -> None:
    """Write all three files."""
    run = needed(set())
    dev = {name: pin for name, pin in needed({"dev", "import"}).items() if name not in run}
    bench = {name: pin for name, pin in needed({"bench"}).items() if name not in run | dev}
    write(ROOT / "requirements/run.txt", "To run: what `make run` installs.", run)
    write(ROOT / "requirements/dev.txt", "To test and check, besides run.txt.", dev)
    write(ROOT / "requirements/bench.txt", "To measure beside others, besides both others.", bench)


if __name__ == "__main__":
    main()
