"""How kernels are compiled: once, cached on disk, without the interpreter lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile to machine code; IEEE arithmetic in the written order (no fast math)."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def inline(function: F) -> F:
    """A scalar function that other kernels call."""
    return cast(
        F, numba.njit(cache=True, nogil=True, error_model="numpy", inline="never")(function)
    )


def merged(function: F) -> F:
    """A function that is written into the kernels that call it.

    For what is called for every point or row of an inner loop with arrays among its arguments: a
    call counts the references of each array, which takes longer than the arithmetic of a few
    points.
    """
    return cast(
        F, numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")(function)
    )
