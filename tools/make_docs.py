"""Write the parts of the documentation that follow from the code.

    .venv/bin/python tools/make_docs.py

fills the tables of docs/scenario.md, docs/settlement.md and docs/mechanisms.md, between `<!-- made
by ... -->` and `<!-- end -->`, and writes the JSON Schemas in docs/schema/ and a page with a
picture for each mechanism in docs/mechanisms/. A test checks that what is committed is up to date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from isojoule.apps.files.book_schema import book_schema
from isojoule.apps.files.scenario_columns import NEEDED_BY, TABLES, USED_BY
from isojoule.apps.files.scenario_doc import INNER, ScenarioDoc, scenario_schema
from isojoule.apps.files.session_schema import session_schema
from isojoule.apps.files.settlement_rules import INNER as INNER_RULES
from isojoule.apps.files.settlement_rules import RulesDoc, rules_schema
from isojoule.apps.files.strict_doc import keys_of
from isojoule.apps.mechanism_cards import MEANING, WORDS, card, tags
from isojoule.market.mechanisms import _BUILT_IN

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # a test loads this file from elsewhere

from mechanism_pages import pages_of, wrapped  # noqa: E402 - found by the line above

CASES = "../src/isojoule/market/cases"
"""Where witnesses lie, seen from docs/."""
ABOUT = {
    "nodes": "Where things are connected.",
    "links": "What connects them: lines, cables, transformers, converters.",
    "participants": "Who takes part: one metered home or owner each.",
    "devices": "Loads, solar roofs (PV) and batteries.",
    "profiles": "One row an interval. Further columns are profiles: pure numbers that multiply a "
    "device's power.",
    "prices": "The utility's two prices. Each row holds until the next; one row is enough.\n"
    "Off the grid there is none.",
    "machines": "Nodes that compute ([X1](spec/machine.md)). May be missing.",
    "orders": "Jobs that pay machines for compute ([X2](spec/machine.md)). May be missing.",
}


def keys() -> str:
    """The keys of `scenario.yaml`."""
    return _keys(ScenarioDoc, INNER)


def rules() -> str:
    """The keys of `settlement.yaml`."""
    return _keys(RulesDoc, INNER_RULES)


def _keys(document: type[BaseModel], inside: Mapping[str, type[BaseModel]]) -> str:
    """The keys of a document, and of the mappings in it."""
    lines = ["| Key | Holds | If absent |", "|---|---|---|"]
    for within, model in (("", document), *inside.items()):
        for key, field in keys_of(model).items():
            named = f"`{key}` in `{within}`" if within else f"`{key}`"
            info = model.model_fields[field]
            lines.append(f"| {named} | {_text(info)} | {_absent(info)} |")
    return "\n".join(lines)


def _text(model: FieldInfo) -> str:
    return (model.description or "").removesuffix(".")


def _absent(model: FieldInfo) -> str:
    if model.is_required():
        return "required"
    if "absent" in (model.description or ""):
        return "see left"
    return "none" if model.default in ("", None) else f"`{model.default}`"


def tables() -> str:
    """The columns of all tables."""
    parts = []
    for name, columns in TABLES.items():
        lines = [f"### {name}", "", ABOUT[name], ""]
        lines += ["| Column | Or with a unit | Kind | | What it says |", "|---|---|---|---|---|"]
        for column in columns:
            unit = column.bare != column.name or column.kind == "money"
            bare = f"`{column.bare} [...]`" if unit else ""
            kind = {"1": "number"}.get(column.kind, column.kind)
            need = "required" if column.required else ""
            lines.append(f"| `{column.name}` | {bare} | {kind} | {need} | {column.text} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def kinds() -> str:
    """Which columns of `devices` a kind uses and needs."""
    lines = ["| Kind | Needs | May have |", "|---|---|---|"]
    for kind, used in USED_BY.items():
        needed = NEEDED_BY[kind]
        order = [c.name for c in TABLES["devices"] if c.name in used and c.name not in needed]
        lines.append(f"| {kind} | {_list(needed)} | {_list(order)} |")
    return "\n".join(lines)


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def meanings() -> str:
    """What each trait says, in plain words."""
    lines = ["| Word | Says |", "|---|---|"]
    return "\n".join(lines + [f"| {WORDS[trait]} | {says} |" for trait, says in MEANING.items()])


def traits() -> str:
    """Which mechanism promises what, in the order of the sections; wide enough to read as text."""
    heads = [WORDS[trait].partition(" (")[0] for trait in WORDS]
    rows = [["", *heads]]
    for name in _sections():
        marks = ["yes" if claim["holds"] else "no" for claim in card(name)["traits"].values()]
        rows.append([f"[{name}](#{name})", *marks])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in rows
    ]
    lines.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    return "\n".join(lines)


def _sections() -> list[str]:
    """The mechanisms in the order of their sections in docs/mechanisms.md."""
    page = (ROOT / "docs/mechanisms.md").read_text(encoding="utf-8")
    return [name for name in re.findall(r"^##+ ([\w-]+)$", page, re.M) if name in _BUILT_IN]


def mechanism(name: str) -> str:
    """How a mechanism works, what it is for, what it promises, and its parameters."""
    about = card(name)
    others = about["other_names"]
    paragraphs = [about["how"] + (f" Also known as {_or(others)}." if others else "")]
    for key, head in (("good_for", "Use it for"), ("not_for", "Not for")):
        text = about[key][:1].upper() + about[key][1:]
        paragraphs.append(f"**{head}:** {text}")
    paragraphs.append(
        f"**Example:** {about['example_says']} ([worked out, with a picture](mechanisms/{name}.md))"
    )
    lines = ["| It is | | Because |", "|---|---|---|"]
    for trait, claim in about["traits"].items():
        shown = f"[yes]({_test_of(name)})" if claim["holds"] else "no"
        because = claim["because"]
        if not claim["holds"]:
            because += f" ([{claim['witness']}]({CASES}/{claim['witness']}.yaml))"
        lines.append(f"| {WORDS[trait]} | {shown} | {because} |")
    lines.append(f"| Networks | | {_list(about['networks'])} |")
    lines.append(f"| Tags | | {tags(about)} |")
    paragraphs.append("\n".join(lines))
    if about["parameters"]:
        lines = ["| Parameter | Default | |", "|---|---|---|"]
        for text, group in groupby(about["parameters"], lambda row: row["text"]):
            rows = list(group)  # several that share a text share a row
            defaults = ", ".join(json.dumps(row["default"]) for row in rows)
            named, says = _list([row["name"] for row in rows]), text.replace("|", "/")
            lines.append(f"| {named} | {defaults} | {says} |")
        paragraphs.append("\n".join(lines).replace("``", "`"))
    if about["sources"]:
        paragraphs.append(f"Sources: {'; '.join(about['sources'])}.")
    return "\n\n".join(wrapped(paragraph) for paragraph in paragraphs)


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _test_of(name: str) -> str:
    """The test file in which the suite runs on a mechanism, seen from docs/."""
    made = _BUILT_IN[name].split(":")[1]
    folder = ROOT / "tests/market/mechanisms"
    for file in sorted(folder.glob("test_*.py")):
        if f"def mechanism(self) -> {made}:" in file.read_text(encoding="utf-8"):
            return f"../tests/market/mechanisms/{file.name}"
    return "../tests/market/mechanisms/test_conformance.py"


MAKERS: dict[str, Callable[..., str]] = {
    "keys": keys,
    "rules": rules,
    "tables": tables,
    "kinds": kinds,
    "meanings": meanings,
    "traits": traits,
    "mechanism": mechanism,
}
PART = re.compile(
    r"(<!-- made by tools/make_docs.py: (\w+)((?: [\w-]+)?) -->).*?<!-- end -->", re.S
)


def filled(text: str) -> str:
    """The page with all its made parts made anew."""

    def anew(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{MAKERS[found[2]](*found[3].split())}\n\n<!-- end -->"

    return PART.sub(anew, text)


def made() -> dict[Path, str]:
    """Every file that this script writes, and what it should hold."""
    pages = [ROOT / f"docs/{name}.md" for name in ("scenario", "settlement", "mechanisms")]
    files = {page: filled(page.read_text(encoding="utf-8")) for page in pages}
    schemas = {
        "book": book_schema(),
        "scenario": scenario_schema(),
        "settlement": rules_schema(),
        "message": session_schema(),
    }
    for name, document in schemas.items():
        path = ROOT / f"docs/schema/{name}.schema.json"
        files[path] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    names = _sections()
    files.update(pages_of(ROOT, names, {name: _test_of(name) for name in names}))
    return files


def main() -> None:
    """Write what has changed."""
    for path, text in made().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
