"""Where something stands in a file, and what its author may have meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from isojoule.core.errors import InputError


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or the list.

    >>> nearest("hose", ["home", "shed"])
    "did you mean 'home'?"
    >>> nearest("x", ["home", "shed"])
    'use one of: home, shed'
    """
    names = sorted(set(known))
    close = get_close_matches(name.lower(), [n.lower() for n in names], n=1)
    if close:
        meant = next(n for n in names if n.lower() == close[0])
        return f"did you mean {meant!r}?"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"use one of: {shown}" if names else "there is none to choose from"


@contextmanager
def located(find: Callable[[str], str | None]) -> Iterator[None]:
    """Give errors that name a thing the file and line where the thing stands.

    The rooms inside know no files; they say "device 'pv7'". `find` turns that into
    "devices.csv:12", or None where it does not know better.
    """
    try:
        yield
    except InputError as error:
        place = find(error.place)
        if place is None:
            raise
        raise InputError(
            f"{error.place}: {error.message}" if error.place else error.message,
            place=place,
            remedy=error.remedy,
        ) from error
