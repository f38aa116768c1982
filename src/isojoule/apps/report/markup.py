"""Parts of the page that several sections use."""

from __future__ import annotations

from importlib.resources import files

from isojoule.apps.report.words import nothing


def asset(name: str) -> str:
    """A file of the page."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def table(heads: list[str], rows: list[list[str]], *, attributes: str = "") -> str:
    """A table; the first column is a heading of its row. Cells are HTML already."""
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    body = "".join(
        f'<tr><th scope="row">{r[0]}</th>' + "".join(f"<td>{c}</td>" for c in r[1:]) + "</tr>"
        for r in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table {attributes}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def two_widths(wide: str, narrow: str) -> str:
    """A picture for wide screens and one for narrow ones; only one of them is shown."""
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def toned(value: float, body: str, size: float = 0.0) -> str:
    """A text in the colour of a gain or a loss; in none where the amount is 0 beside its size."""
    if nothing(value, size):
        return body
    return f'<span class="{"good" if value >= 0 else "bad"}">{body}</span>'


def key_of(entries: list[tuple[str, str]]) -> str:
    """What the colours of a picture mean; names of CSS variables, and words."""
    return "".join(
        f'<span class="key"><i style="background:var(--{colour})"></i>{name}</span>'
        for colour, name in entries
    )
