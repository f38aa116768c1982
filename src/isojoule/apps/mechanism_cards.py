"""What there is to say about a mechanism: from its traits, its parameters and its cases."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from isojoule.apps.files.case_files import EXAMPLE, case_names, example_says
from isojoule.core.canonical import number
from isojoule.core.errors import IsojouleError
from isojoule.market import Mechanism
from isojoule.market.contract import TRAITS
from isojoule.market.mechanisms import get, names

Document = dict[str, Any]
WORDS = {
    "efficient": "Efficient",
    "incentive_compatible": "Truthful (incentive compatible)",
    "individually_rational": "Voluntary (individually rational)",
    "budget": "No deficit",
    "false_name_proof": "False-name-proof",
    "coalition_proof": "Coalition-proof",
    "credible": "Credible",
}
"""Names of the traits for people: one set of words everywhere, the field's in brackets."""
NARROW = {
    "efficient": "Efficient",
    "incentive_compatible": "Truthful",
    "individually_rational": "Voluntary",
    "budget": "No\ndeficit",
    "false_name_proof": "False-\nname-\nproof",
    "coalition_proof": "Coali-\ntion-\nproof",
    "credible": "Credible",
}
"""The same as heads of narrow columns."""
MEANING = {
    "efficient": "no other outcome is worth more to all together",
    "incentive_compatible": "nobody gains by offering anything but the truth",
    "individually_rational": "nobody who tells the truth is worse off than without a trade",
    "budget": "the operator never has to add money",
    "false_name_proof": "nobody gains by coming under several names",
    "coalition_proof": "no two who agree on a lie gain together",
    "credible": "who runs it gains nothing by breaking its rules unseen",
}
"""What each trait says, in plain words; docs/spec/traits.md has them to the letter."""


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
        "checked": t.checked,
        "networks": list(t.networks),
        "kind": t.kind,
        "agency": t.agency,
        "information": t.information,
        "game": t.game,
        "budget_class": t.budget_class,
        "parameters": parameters(rule),
        "traits": {trait: _claim(rule, trait) for trait in TRAITS},
        "example": EXAMPLE in case_names(rule),
        "example_says": example_says(rule),
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


def tags(card: Document) -> str:
    """The tags of a card in one line; docs/mechanisms.md says what they mean."""
    return ", ".join(card[key] for key in ("kind", "agency", "information", "game"))


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
