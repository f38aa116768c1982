"""What there is to say about a mechanism: from its traits, its parameters and its cases."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from isojoule.apps.files.case_files import EXAMPLE, case_names
from isojoule.core.canonical import number
from isojoule.core.errors import IsojouleError
from isojoule.market import Mechanism
from isojoule.market.contract import TRAITS
from isojoule.market.mechanisms import get, names

Document = dict[str, Any]
WORDS = {
    "efficient": "Efficient",
    "incentive_compatible": "Incentive compatible",
    "individually_rational": "Individually rational",
    "budget": "No deficit",
    "false_name_proof": "False-name-proof",
    "coalition_proof": "Coalition-proof",
    "credible": "Credible",
}
"""Names of the traits for people."""


def card(name: str) -> Document:
    """All about one mechanism, as plain data.

    Raises
    ------
    InputError
        Unknown name.
    """
    rule = get(name)
    t = rule.traits
    return {
        "name": name,
        "summary": t.summary,
        "how": t.how,
        "good_for": t.good_for,
        "not_for": t.not_for,
        "other_names": list(t.other_names),
        "sources": list(t.sources),
        "networks": list(t.networks),
        "kind": t.kind,
        "agency": t.agency,
        "information": t.information,
        "game": t.game,
        "budget_class": t.budget_class,
        "parameters": parameters(rule),
        "traits": {trait: _claim(rule, trait) for trait in TRAITS},
        "example": EXAMPLE in case_names(rule),
    }


def cards() -> list[Document]:
    """The cards of all mechanisms that are installed; of one that fails, its error.

    A package that is broken must not hide the others.
    """
    found: list[Document] = []
    for name in names():
        try:
            found.append(card(name))
        except IsojouleError as error:
            found.append({"name": name, "error": str(error)})
        except Exception as error:  # noqa: BLE001 - what another package does when it is imported
            found.append({"name": name, "error": f"{type(error).__name__}: {error}"})
    return found


def _claim(rule: Mechanism, trait: str) -> Document:
    claim = getattr(rule.traits, trait)
    found: Document = {"holds": claim.holds, "because": claim.because}
    if not claim.holds:
        found["witness"] = f"{rule.name}/{claim.witness or trait}"
    return found


def parameters(rule: Mechanism) -> list[Document]:
    """Name, default and meaning of each parameter; the meaning is that of the class's docstring."""
    if not is_dataclass(rule):
        return []
    texts = described(type(rule))
    return [
        {
            "name": f.name,
            "default": plain(None if f.default is MISSING else f.default),
            "text": texts.get(f.name, ""),
        }
        for f in fields(rule)
    ]


def plain(value: Any) -> Any:
    """A default as plain data."""
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str | int | bool | type(None)) else str(value)


def described(made: type) -> dict[str, str]:
    """Texts of the section `Parameters` of a class's docstring (numpydoc)."""
    doc = inspect.getdoc(made) or ""
    _, found, rest = doc.partition("Parameters\n----------\n")
    section = re.split(r"\n\n?\S[^\n]*\n-{3,}\n", rest)[0] if found else ""
    texts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            current = []
            for name in line.split(" : ")[0].split(","):  # several may share a text
                texts[name.strip()] = current
        elif line.strip():
            current.append(line.strip())
    return {name: " ".join(lines) for name, lines in texts.items()}
