"""A package of one's own mechanism to start from: it works, and passes the suite as it comes."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from isojoule.apps.files.scenario_write import empty_folder
from isojoule.core.errors import InputError
from isojoule.market.mechanisms import names

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SUFFIX = ".tmpl"


def new_mechanism(name: str, folder: Path | None = None) -> Path:
    """Write the package `name` into a folder (of that name, if none is given).

    Parameters
    ----------
    name
        Of the mechanism, in lower case with hyphens, as `fair-share`.

    Raises
    ------
    InputError
        Not such a name, one that is taken, or a folder that is not empty.
    """
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise InputError(
            f"{name!r} is not a name for a mechanism",
            remedy="use small letters, digits and hyphens, as fair-share",
        )
    package = name.replace("-", "_")
    if name in names():
        raise InputError(f"there is a mechanism {name!r} already", remedy="choose another name")
    if keyword.iskeyword(package) or find_spec(package) is not None:
        raise InputError(f"there is a package {package!r} already", remedy="choose another name")
    folder = folder or Path(name)
    empty_folder(folder)
    words = {
        "__NAME__": name,
        "__PACKAGE__": package,
        "__CLASS__": "".join(part.title() for part in name.split("-")),
    }
    _copy(files("isojoule.apps") / "templates" / "mechanism", folder, words)
    return folder


def _copy(source: Traversable, target: Path, words: dict[str, str]) -> None:
    for inside in sorted(source.iterdir(), key=lambda entry: entry.name):
        own = _filled(inside.name.removesuffix(SUFFIX), words)
        if inside.is_dir():
            (target / own).mkdir()
            _copy(inside, target / own, words)
        elif inside.name.endswith(SUFFIX):
            text = _filled(inside.read_text(encoding="utf-8"), words)
            (target / own).write_text(text, encoding="utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
