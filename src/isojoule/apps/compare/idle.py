"""Rules under which nobody traded, and what would let them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from isojoule.market.contract import Mechanism


def idle_words(mechanism: Mechanism, parameters: Mapping[str, Any]) -> str:
    """Say that nobody traded, and by which parameters that might change.

    Posted prices and curves trade only where somebody likes their price, and by default nobody has
    asked who is there: their gains of 0 say nothing about the rule.
    """
    own = [f.name for f in fields(mechanism)]  # type: ignore[arg-type]
    if not own:
        return "did not trade"
    which = "these" if parameters else "its default"
    return (
        f"did not trade with {which} parameters; --set {mechanism.name}.NAME=VALUE, "
        f"where NAME is {' or '.join([', '.join(own[:-1]), own[-1]] if own[1:] else own)}"
    )
