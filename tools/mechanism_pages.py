"""A page for each mechanism: what it does, what it promises, and its worked example with a picture.

`pages_of` gives the files of docs/mechanisms/ and docs/img/mechanisms/, from the traits of the
mechanism, its docstring and its cases; the outcome of the example is computed here and now.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from mechanism_pictures import alternative_of, example, picture
from picture_frame import Example

from isojoule.apps.cli.mechanism_tables import energy, money, scale_of
from isojoule.apps.cli.offer_words import links_told, offers_told
from isojoule.apps.files.clearing_files import answer
from isojoule.apps.mechanism_cards import WORDS, card, tags
from isojoule.core.units import price_unit

CASES = "../../src/isojoule/market/cases"
"""Where cases lie, seen from docs/mechanisms/."""
FROM_DOCS = re.compile(r"\]\((?!http)([^)]+)\)")


def pages_of(root: Path, names: Sequence[str], tests: dict[str, str]) -> dict[Path, str]:
    """All pages and pictures.

    Parameters
    ----------
    root
        The repository.
    names
        Mechanisms, in the order of their sections in docs/mechanisms.md.
    tests
        For each the file of its tests, seen from docs/.
    """
    overview = (root / "docs/mechanisms.md").read_text(encoding="utf-8")
    files: dict[Path, str] = {}
    for name in names:
        worked = example(name)
        if worked is not None:
            files[root / f"docs/img/mechanisms/{name}.svg"] = picture(worked)
        text = page(name, worked, _rules(overview, name), f"../{tests[name]}")
        files[root / f"docs/mechanisms/{name}.md"] = text
    files[root / "docs/mechanisms/README.md"] = _index(names)
    return files


def page(name: str, worked: Example | None, rules: str, test: str) -> str:
    """The page of one mechanism."""
    about = card(name)
    parts = [f"# {name}", about["summary"]]
    if about["other_names"]:
        parts.append(f"Also known as {'; '.join(about['other_names'])}.")
    if worked is not None:
        parts.append(f"![{alternative_of(worked)}](../img/mechanisms/{name}.svg)")
    parts += ["## How it works", about["how"]]
    parts += [
        f"**{head}:** {about[key][:1].upper()}{about[key][1:]}"
        for key, head in (("good_for", "Use it for"), ("not_for", "Not for"))
        if about[key]
    ]
    if worked is not None:
        parts += ["## A worked example", *_example(about, worked)]
    parts += ["## What it promises", _promises(about, test)]
    if about["parameters"]:
        parts += ["## Parameters", _parameters(about)]
    parts += ["## More", _more(about, rules)]
    text = "\n\n".join(wrapped(part) for part in parts)
    return f"<!-- made by tools/make_docs.py -->\n\n{text}\n"


def wrapped(part: str) -> str:
    """Prose in lines as long as those that people write; tables, lists and headings stay."""
    if part.startswith(("|", "#", "!", "-", "`")):
        return part
    whole = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), part)
    lines = textwrap.fill(whole, 100, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def table(*rows: Sequence[str]) -> str:
    """A table; the first row is its head."""
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _example(about: dict[str, Any], worked: Example) -> list[str]:
    """The offers and what came of them, a row for each offer."""
    file, name = worked.file, about["name"]
    book, document = file.book, answer(file, worked.cleared)
    scale, unit = scale_of([document])
    told = offers_told(book.offers, book.offer_ids, book.currency)
    rows = [("Offer", f"Gets {unit}", f"Pays {book.currency}", "Why")]
    outcome = {row["id"]: row for row in document["offers"]}  # in another order than the book
    for offer_id, words in zip(book.offer_ids, told, strict=True):
        row = outcome[offer_id]
        got = f"{round(float(row['energy_j']) / scale, 4) + 0.0:.4f}"
        rows.append((words, got, money(row["payment"]), row["reason"]))
    parts = [about["example_says"], table(*rows)]
    links = links_told(file.grid, book.currency) if book.network != "copperplate" else []
    if links:
        lines = []
        flows = {row["id"]: row for row in document["links"]}
        for link_id, link in zip(file.grid.link_ids, links, strict=True):
            row = flows[link_id]
            flow = float(row["flow_j"]) / scale
            way = f" from {row['to']}" if flow < 0 else ""
            lines.append(f"- {link}: {abs(flow):.4g} {unit} flow{way}")
        parts.append("\n".join(lines))
    if len(document["participants"]) < len(document["offers"]):
        totals = [("In all", f"Gets {unit}", f"Pays {book.currency}")]
        for who, row in document["participants"].items():
            totals.append((who, energy(row, scale), money(row["payment"])))
        parts.append(table(*totals))
    earns = round(float(document["operator"]["surplus"]), 6)
    verb = "earns" if earns >= 0 else "adds"
    said = f"The operator {verb} {abs(earns):.6g} {book.currency}."
    prices = {node: p for node, p in document["prices"].items() if p is not None}
    if prices:
        joules, per = price_unit(*prices.values())
        listed = ", ".join(f"{node} {price * joules:.6g}" for node, price in prices.items())
        said += f" Price in {book.currency}/{per}: {listed}."
    parts.append(said)
    parts.append(
        f"Again: `isojoule mechanisms show {name}`. The book: "
        f"[example.yaml]({CASES}/{name}/example.yaml)."
    )
    return parts


def _promises(about: dict[str, Any], test: str) -> str:
    """Each trait: its conditions and its test, or its witness."""
    rows = [("It is", "", "Because", "Shown by")]
    for trait, claim in about["traits"].items():
        if claim["holds"]:
            rows.append((WORDS[trait], "yes", claim["because"], f"[its tests]({test})"))
        else:
            witness = claim["witness"]
            shown = f"[`isojoule replay {witness}`]({CASES}/{witness}.yaml)"
            rows.append((WORDS[trait], "no", claim["because"], shown))
    return table(*rows)


def _parameters(about: dict[str, Any]) -> str:
    """Names, defaults and meanings; several that share a text share a row."""
    rows = [("Parameter", "Default", "")]
    for text, group in groupby(about["parameters"], lambda row: row["text"]):
        found = list(group)
        names = ", ".join(f"`{row['name']}`" for row in found)
        defaults = ", ".join(f"`{json.dumps(row['default'])}`" for row in found)
        rows.append((names, defaults, text.replace("``", "`")))
    return table(*rows)


def _more(about: dict[str, Any], rules: str) -> str:
    networks = ", ".join(f"`{network}`" for network in about["networks"])
    lines = [f"- Networks: {networks}", f"- Tags: {tags(about)}"]
    lines += [f"- {rules}"] if rules else []
    lines += [f"- Source: {source}" for source in about["sources"]]
    lines += [f"- Checked: {about['checked']}"] if about["checked"] else []
    lines.append(f"- Beside the others: [mechanisms.md](../mechanisms.md#{about['name']})")
    return "\n".join(lines)


def _rules(overview: str, name: str) -> str:
    """Where the rules are numbered, as the section of a mechanism says at its end."""
    section = re.split(r"^##+ ", overview.partition(f"\n### {name}\n")[2], maxsplit=1, flags=re.M)
    found = re.search(r"^Rules: .*?(?=\n\n|\Z)", section[0], re.M | re.S)
    return FROM_DOCS.sub(r"](../\1)", " ".join(found[0].split())) if found else ""


def _index(names: Sequence[str]) -> str:
    lines = [f"- [{name}]({name}.md): {card(name)['summary']}" for name in names]
    head = "<!-- made by tools/make_docs.py -->\n\n# A page for each mechanism\n\n"
    about = "Which promises what, side by side: [mechanisms.md](../mechanisms.md).\n\n"
    return head + about + "\n".join(lines) + "\n"
