"""One way to draw, from Hypothesis (which shrinks what fails) or from a seeded generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Draw(Protocol):
    """Where choices come from."""

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included; 0 or the lowest is the simplest."""
        ...

    def of(self, options: Sequence[T]) -> T:
        """One of several; the first is the simplest."""
        ...


class Seeded:
    """Draws from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def of(self, options: Sequence[T]) -> T:
        """One of several."""
        return self._random.choice(options)


class Drawn:
    """Draws from Hypothesis, by the `draw` of a composite strategy."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        found: int = self._draw(st.integers(low, high))
        return found

    def of(self, options: Sequence[T]) -> T:
        """One of several."""
        found: T = self._draw(st.sampled_from(options))
        return found


def drawn_by(make: Callable[..., T], *arguments: Any) -> st.SearchStrategy[T]:
    """A strategy of what `make(draw, *arguments)` gives."""

    @st.composite
    def made(draw: Callable[[st.SearchStrategy[Any]], Any]) -> T:
        return make(Drawn(draw), *arguments)

    return made()
