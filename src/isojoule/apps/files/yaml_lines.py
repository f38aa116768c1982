"""YAML that remembers its lines: plain data, and the line of every key.

Stricter than PyYAML: a key that stands twice is refused; times stay text, so that the scenario's
own time zone can be applied to them; and so do keys, or `on` would be true (as in YAML 1.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from isojoule.core.errors import InputError

Path_ = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe, and without the guess that something is a timestamp."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


_MERGE, _TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


class Lines:
    """The line, from 1, of each key path of a document."""

    def __init__(self, file: Path, lines: dict[Path_, int]) -> None:
        self.file = file
        self.lines = lines

    def place(self, *keys: str | int) -> str:
        """`file:line` of a key path, or of the nearest thing around it."""
        path: Path_ = keys
        while path not in self.lines and path:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, 1)}"


def read_yaml(file: Path) -> tuple[dict[str, Any], Lines]:
    """Read a YAML mapping.

    Raises
    ------
    InputError
        Unreadable, not YAML, not a mapping, or a key that stands twice.
    """
    try:
        loader = _Loader(file.read_text(encoding="utf-8-sig"))
        root = loader.get_single_node()
        lines: dict[Path_, int] = {}
        if root is not None:
            _walk(root, (), file, lines, set())
        data = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(
            f"not valid YAML: {error.problem or error.context}",
            place=f"{file}:{line}",
            remedy="check indentation, quotes and colons on this line and the one before",
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(
            f"not valid YAML: {error}", place=str(file), remedy="save it as UTF-8 text"
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot read: {error.strerror}", place=str(file), remedy="check path and permissions"
        ) from error
    if not isinstance(data, dict):
        raise InputError(
            "not a mapping of keys and values", place=f"{file}:1", remedy="start with 'isojoule: 1'"
        )
    return data, Lines(file, lines)


def _walk(
    node: yaml.Node, path: Path_, file: Path, lines: dict[Path_, int], seen: set[int]
) -> None:
    if id(node) in seen:  # an alias: its lines are those of the first place
        return
    seen.add(id(node))
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _walk(item, (*path, i), file, lines, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT
            line = key.start_mark.line + 1
            if (*path, name) in lines:
                raise InputError(
                    f"the key {name!r} stands twice",
                    place=f"{file}:{line}",
                    remedy=f"remove one; the first is on line {lines[(*path, name)]}",
                )
            lines[(*path, name)] = line
            _walk(value, (*path, name), file, lines, seen)
