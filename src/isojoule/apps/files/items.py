"""Documents with places: what a file says, and on which line it says it.

YAML and JSON files become trees of `Item`: values that know their place, so that every refusal
can name file and line. The rules:

- A plain scalar is a number only if JSON would call it one (plus a leading `+` or bare point);
  `true`, `false`, `null`, `~` and nothing are themselves; all else is text. So a node may be
  named `no` or `12:30`, which YAML 1.1 would turn into False and 750.
- A key stands once. Anchors, aliases, tags and several documents in one file are refused.
- The text is read as a stream of events, without recursion, to a depth of 32.
- `from_document` makes the same tree from parsed JSON, with paths for places.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isojoule.core.errors import InputError

DEEPEST = 32
LONGEST_NAME = 200
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_JSON_ESCAPE = re.compile(r"\\(?:u([dD][89abAB]\w\w)\\u([dD][c-fC-F]\w\w)|.)", re.DOTALL)
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A value and its place.

    Attributes
    ----------
    value
        None, bool, int, float, str, a list of items, or a dict of items by key.
    place
        `file:line`, or a path inside a document.
    text
        A scalar as it was written, "" for lists and mappings.
    """

    value: Any
    place: str
    text: str = ""


def read_items(path: Path) -> Item:
    """The tree of a YAML or JSON file (by its suffix `.json`).

    Raises
    ------
    InputError
        No such file, not UTF-8, not YAML or JSON, or against the rules above.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", place=str(path), remedy="check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 at byte {error.start}", place=str(path), remedy="save the file as UTF-8"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", place=str(path), remedy="give a readable file"
        ) from None
    return parse_items(text, str(path), is_json=path.suffix.lower() == ".json")


def parse_items(text: str, name: str, *, is_json: bool = False) -> Item:
    """The tree of a text; `name` stands in its places."""
    if is_json:
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(
                f"not JSON: {error.msg}",
                place=f"{name}:{error.lineno}",
                remedy="correct the JSON there",
            ) from None
        except (RecursionError, ValueError):
            raise InputError("not a usable JSON text", place=name, remedy="flatten it") from None
        # What YAML does not share with JSON: tabs between tokens, `\/`, escaped surrogate pairs.
        text = _JSON_ESCAPE.sub(_yaml_escape, text.replace("\t", " "))
    return _Builder(name).build(text)


def from_document(value: Any, place: str) -> Item:
    """The tree of parsed JSON; places are paths such as `book.offers[2].sell`."""
    if isinstance(value, dict):
        return Item(
            {
                str(k): from_document(v, f"{place}.{k}" if place else str(k))
                for k, v in value.items()
            },
            place,
        )
    if isinstance(value, list | tuple):
        return Item([from_document(v, f"{place}[{i}]") for i, v in enumerate(value)], place)
    text = repr(value) if isinstance(value, int | float) else value or ""
    return Item(value, place, str(text))


def _yaml_escape(match: re.Match[str]) -> str:
    if match[1]:
        return bytes.fromhex(match[1] + match[2]).decode("utf-16-be")
    return "/" if match[0] == "\\/" else match[0]


class _Builder:
    """Builds a tree from the events of a YAML text."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self, text: str) -> Item:
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            return self._tree(yaml.parse(text, Loader=loader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{self.name}:{mark.line + 1}" if mark else self.name
            raise InputError(
                f"not YAML: {error.problem or error.context}",
                place=place,
                remedy="check indentation, colons and quotes near that line",
            ) from None
        except yaml.YAMLError as error:
            raise InputError(
                f"not YAML: {str(error).splitlines()[0]}",
                place=self.name,
                remedy="save the file as plain UTF-8 text",
            ) from None

    def _tree(self, events: Iterable[Any]) -> Item:
        import yaml

        root: Item | None = None
        # Each frame: the container, its keys' lines, the key that waits for its value.
        stack: list[tuple[Item, dict[str, str], list[str]]] = []
        for event in events:
            place = f"{self.name}:{event.start_mark.line + 1}" if event.start_mark else self.name
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise InputError(
                    "anchors and aliases are not taken", place=place, remedy="write the value out"
                )
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                raise InputError(
                    "a second document in one file", place=place, remedy="use one file for each"
                )
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                stack.pop()
                continue
            if isinstance(event, yaml.ScalarEvent):
                item = self._scalar(event, place)
            elif isinstance(event, yaml.MappingStartEvent):
                item = Item({}, place)
            elif isinstance(event, yaml.SequenceStartEvent):
                item = Item([], place)
            else:
                continue
            if not stack:
                root = item
            elif isinstance(stack[-1][0].value, list):
                stack[-1][0].value.append(item)
            else:
                item = self._into_mapping(stack[-1], item)
            if not isinstance(event, yaml.ScalarEvent):
                if len(stack) == DEEPEST:
                    raise InputError("nested too deeply", place=place, remedy="flatten it")
                stack.append((item, {}, []))
        return root or Item(None, self.name)

    def _into_mapping(self, frame: tuple[Item, dict[str, str], list[str]], item: Item) -> Item:
        mapping, lines, waiting = frame
        if waiting:
            key = waiting.pop()
            if not item.text and isinstance(item.value, list | dict):
                item = Item(item.value, lines[key])  # a block starts at its key
            mapping.value[key] = item
            return item
        if isinstance(item.value, list | dict):
            raise InputError("a key must be a text", place=item.place, remedy="write a plain key")
        key = item.text
        if key in lines:
            raise InputError(
                f"the key {key!r} stands twice, first at {lines[key]}",
                place=item.place,
                remedy="keep one of the two",
            )
        lines[key] = item.place
        waiting.append(key)
        return item

    def _scalar(self, event: Any, place: str) -> Item:
        text: str = event.value
        if event.tag is not None:
            raise InputError(
                f"the tag {event.tag!r} is not taken", place=place, remedy="leave the tag out"
            )
        return Item(scalar(text) if event.implicit[0] else text, place, text)


def scalar(text: str) -> Any:
    """The value of an unquoted scalar.

    >>> [scalar(t) for t in ("1", "0.5", "1e3", "no", "12:30", "~", "true")]
    [1, 0.5, 1000.0, 'no', '12:30', None, True]
    """
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        digits = text.lstrip("+-")
        return int(text) if digits.isdigit() and len(digits) < 300 else float(text)
    return text


def fields(
    item: Item, what: str, allowed: Iterable[str], required: Iterable[str] = ()
) -> dict[str, Item]:
    """The keys of a mapping that have a value; null counts as absent.

    Raises
    ------
    InputError
        Not a mapping, an unknown key (with the nearest known one), or a missing key.
    """
    allowed = tuple(allowed)
    if not isinstance(item.value, dict):
        raise InputError(
            f"{what} must be a mapping of keys, not {kind(item)}",
            place=item.place,
            remedy=f"use the keys {', '.join(allowed)}",
        )
    for key, value in item.value.items():
        if key not in allowed:
            raise InputError(
                f"unknown key {key!r} in {what}",
                place=value.place,
                remedy=nearest(key, allowed) or f"use one of {', '.join(allowed)}",
            )
    found = {k: v for k, v in item.value.items() if v.value is not None}
    for key in required:
        if key not in found:
            raise InputError(
                f"{what} lacks {key!r}", place=item.place, remedy=f"add the key {key!r}"
            )
    return found


def rows(item: Item, what: str) -> list[Item]:
    """The items of a list."""
    if isinstance(item.value, list):
        return list(item.value)
    raise InputError(
        f"{what} must be a list, not {kind(item)}",
        place=item.place,
        remedy="write it as [ ... ] or with a dash for each item",
    )


def name(item: Item, what: str) -> str:
    """A name: a text or a bare number, printable, without blanks around it."""
    text = item.text
    scalar_item = isinstance(item.value, str | int | float) and not isinstance(item.value, bool)
    short = 0 < len(text) <= LONGEST_NAME and text.isprintable()
    if scalar_item and short and text == text.strip():
        return text
    raise InputError(
        f"{what} must be a name, not {kind(item)}",
        place=item.place,
        remedy="write a printable text of 1 to 200 characters, without blanks around it",
    )


def flag(item: Item, what: str) -> bool:
    """True or False."""
    if isinstance(item.value, bool):
        return item.value
    raise InputError(
        f"{what} must be true or false, not {kind(item)}",
        place=item.place,
        remedy="write true or false",
    )


def choice(item: Item, what: str, options: Iterable[str]) -> str:
    """One of several words."""
    options = tuple(options)
    if isinstance(item.value, str) and item.value in options:
        return item.value
    raise InputError(
        f"{what} is {item.text or kind(item)!r}",
        place=item.place,
        remedy=nearest(item.text, options) or f"use one of {', '.join(options)}",
    )


def nearest(word: str, words: Iterable[str]) -> str:
    """A remedy that names the nearest known word, or ""."""
    close = difflib.get_close_matches(word, list(words), 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def kind(item: Item) -> str:
    """What an item is, in words."""
    if item.value is None:
        return "nothing"
    if isinstance(item.value, dict):
        return "a mapping"
    if isinstance(item.value, list):
        return "a list"
    return repr(item.text if len(item.text) <= 60 else item.text[:60] + "...")
