"""What is asked to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isojoule.core.errors import InputError
from isojoule.market.mechanisms import get, names

ALL = "all"


@dataclass(frozen=True)
class Asked:
    """Mechanisms, and how they are run.

    Parameters
    ----------
    mechanisms
        Names, in the order of the rows; none twice.
    parameters
        Of some of them, by name.
    weights
        Of some criteria, by key, instead of their own.
    seed
        The same for all: the same chance meets all of them.
    limit_s
        Longest time of each, s; None: as long as it takes.
    """

    mechanisms: tuple[str, ...]
    parameters: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    limit_s: float | None = None

    def of(self, name: str) -> dict[str, Any]:
        """Parameters of a mechanism."""
        return self.parameters.get(name, {})


def chosen(text: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The mechanisms of a list as "equilibrium,cda", or all that are installed.

    Raises
    ------
    InputError
        A name is unknown, stands twice, or parameters are for a mechanism that is not compared.
    """
    known = names()
    found = known if text.strip() == ALL else [n.strip() for n in text.split(",") if n.strip()]
    if not found:
        raise InputError(
            "no mechanism is named", place="--mechanisms", remedy="name some, or write `all`"
        )
    for at, name in enumerate(found):
        if name not in known:
            get(name)  # says which there are
        if name in found[:at]:
            raise InputError(
                f"{name!r} is named twice", place="--mechanisms", remedy="name it once"
            )
    for name, own in parameters.items():
        if name not in found:
            raise InputError(
                f"{name!r} is not compared", place="--set", remedy="name it in --mechanisms"
            )
        get(name, **own)
    return tuple(found)
