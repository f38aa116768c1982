"""Every mechanism passes the suite. Spec: docs/spec/traits.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from isojoule.market import Mechanism
from isojoule.market.mechanisms import _BUILT_IN, get
from isojoule.testing import MechanismConformance

SETTINGS: dict[str, dict[str, Any]] = {
    "autarky": {},
    "diffusion": {},
    "equilibrium": {},
    "utility-only": {"sample": "utility"},
}
"""Mechanisms that have no test file of their own in this folder, and what their suite needs."""


def suite(name: str) -> type[MechanismConformance]:
    """The suite of a mechanism."""

    class Suite(MechanismConformance):
        @pytest.fixture
        def mechanism(self) -> Mechanism:
            return get(name)

    for key, value in SETTINGS[name].items():
        setattr(Suite, key, value)
    Suite.__name__ = Suite.__qualname__ = "Test" + name.title().replace("-", "")
    return Suite


for _name in SETTINGS:
    _suite = suite(_name)
    globals()[_suite.__name__] = _suite


def test_every_mechanism_has_its_suite() -> None:
    """The ones above, and those whose own file subclasses it."""
    own = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        own |= set(re.findall(r"def mechanism\(self\) -> (\w+):", file.read_text(encoding="utf-8")))
    lacking = [n for n, made in _BUILT_IN.items() if made.split(":")[1] not in own]
    assert sorted(lacking) == sorted(SETTINGS)
