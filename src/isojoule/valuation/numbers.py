"""What counts as a number in an offer, and what as so many microjoules."""

from __future__ import annotations

import math
from numbers import Real

from isojoule.core.errors import InputError


def need_number(value: object, what: str, remedy: str) -> None:
    """Refuse what is no finite number.

    >>> need_number(float("nan"), "price", "give a price as 0.30 EUR/kWh")
    Traceback (most recent call last):
    ...
    isojoule.core.errors.InputError: price is not a finite number
      remedy: give a price as 0.30 EUR/kWh
    """
    if not (isinstance(value, Real) and math.isfinite(value)):
        raise InputError(f"{what} is not a finite number", remedy=remedy)


def need_whole(value: object, what: str) -> None:
    """Refuse what is no whole number of microjoules.

    >>> need_whole(1.5, "energy")
    Traceback (most recent call last):
    ...
    isojoule.core.errors.InputError: energy is not a whole number of microjoules
      remedy: give a finite, whole number; a Joule is 1,000,000
    """
    if not (isinstance(value, Real) and math.isfinite(value) and value == math.floor(value)):
        raise InputError(
            f"{what} is not a whole number of microjoules",
            remedy="give a finite, whole number; a Joule is 1,000,000",
        )


def need_energies(owner: object, *names: str) -> None:
    """Refuse an energy of these names, fields with `_uj`, that is no whole number."""
    for name in names:
        need_whole(getattr(owner, f"{name}_uj"), name)


def need_share(value: float, what: str) -> None:
    """Refuse what is no share above 0."""
    if not 0 < value <= 1:
        raise InputError(f"{what} is not above 0 and at most 1", remedy="give a share, as 0.95")
