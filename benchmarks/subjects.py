"""What is measured, by name: one file each.

A subject has `TITLE`, the heading of its section; `measure(quick, say)`, which measures and
returns what JSON can hold; and `page(data)`, the section in Markdown, made from that alone. If it
draws, it has `pictures(data, folder)`, which writes SVG files there. With `quick`, sizes are such
that it ends in seconds; `say` tells how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeGuard, cast, runtime_checkable

Data = dict[str, Any]
Say = Callable[[str], None]

NAMES = (
    "solve",
    "sweep",
    "bounds",
    "peers",
    "growth",
    "neighbourhood",
    "large",
    "year",
    "pivots",
    "limits",
    "ledger",
    "auctions",
    "obligations",
)
"""In the order of the page."""


class Subject(Protocol):
    """A module of `benchmarks`."""

    TITLE: str

    def measure(self, quick: bool, say: Say) -> Data: ...

    def page(self, data: Data) -> str: ...


@runtime_checkable
class Drawn(Subject, Protocol):
    """One that draws."""

    def pictures(self, data: Data, folder: Path) -> None: ...


def get(name: str) -> Subject:
    """The subject of this name."""
    return cast(Subject, import_module(f"benchmarks.{name}"))


def draws(subject: Subject) -> TypeGuard[Drawn]:
    """Whether it has pictures."""
    return isinstance(subject, Drawn)
