"""The manifest of a run: versions, seed, hashes of all inputs and outputs, its own digest."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from isojoule.core.canonical import digest
from isojoule.core.errors import VerificationError

NAME = "manifest.json"
PACKAGES = ("isojoule", "numpy", "numba", "scipy", "polars", "power-grid-model")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def input_files(folder: Path) -> list[Path]:
    """The files that make a scenario."""
    return sorted(
        p
        for p in folder.iterdir()
        if p.is_file()
        and not p.name.startswith(".")
        and p.suffix in {".yaml", ".csv", ".parquet", ".md"}
    )


def inputs_of(folder: Path, instead: dict[str, Path]) -> dict[str, Path]:
    """The inputs of a run by name: the scenario's files, and what is given instead of some."""
    return {**{p.name: p for p in input_files(folder)}, **instead}


def input_hashes(inputs: dict[str, Path]) -> dict[str, str]:
    """Hash of each input by name."""
    return {name: file_hash(inputs[name]) for name in sorted(inputs)}


def copy_inputs(inputs: dict[str, Path], target: Path) -> None:
    """Copy the inputs beside the results, so that the run verifies alone."""
    target.mkdir(parents=True)
    for name, path in inputs.items():
        shutil.copyfile(path, target / name)


def versions() -> dict[str, str]:
    """Versions of everything that computes."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def run_id(identity: dict[str, Any]) -> str:
    """Id of a run: its scenario, its mechanism, and a digest of all that determines it."""
    plain = json.loads(json.dumps(identity))
    return f"{identity['scenario']}-{identity['mechanism']}-{digest(plain)[:8]}"


def write_manifest(folder: Path, identity: dict[str, Any], run: str) -> dict[str, Any]:
    """Hash everything in the folder and write the manifest."""
    outputs = {
        str(p.relative_to(folder)): file_hash(p)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != NAME and p.parent != folder / "scenario"
    }
    document: dict[str, Any] = {"isojoule": 1, "run": run, **identity, "outputs": outputs}
    document = json.loads(json.dumps(document))
    document["digest"] = digest(document)
    (folder / NAME).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    return document


def check_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest and check every hash.

    Raises
    ------
    VerificationError
        Names the file.
    """
    path = folder / NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise VerificationError(f"cannot be read: {error}", place=str(path)) from None
    stated = document.pop("digest", None)
    if digest(document) != stated:
        raise VerificationError("does not match its own digest", place=str(path))
    expected = {f"scenario/{name}": value for name, value in document["inputs"].items()}
    expected.update(document["outputs"])
    for name, value in sorted(expected.items()):
        file = folder / name
        if not file.is_file():
            raise VerificationError("is missing", place=str(file))
        if file_hash(file) != value:
            raise VerificationError("was changed after the run", place=str(file))
    present = {
        str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != NAME
    }
    for name in sorted(present - set(expected)):
        raise VerificationError("does not belong to the run", place=str(folder / name))
    return document
