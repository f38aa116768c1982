"""A run's certificates as a folder, and the folder checked again.

| File | What it holds |
|---|---|
| `certificates.json` | the run, the head of the log, hashes of the other files, its own digest |
| `registry.json`, `bundles.parquet` | see `isojoule.apps.files.certificate_files` |
| `scores.csv` | the scores, a row for each period and member, and for the community |
| `hours.parquet` | consumption and what was claimed, a row for each hour and member |

The folder appears whole or not at all.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from isojoule.apps.certificates.run import (
    CertifiedRun,
    Report,
    certify_run,
    document,
    period_rows,
)
from isojoule.apps.certificates.scores import COMMUNITY, scores_of
from isojoule.apps.files.certificate_files import read_registry, snapshot_of, write_registry
from isojoule.apps.results.manifest import file_hash
from isojoule.core.canonical import digest
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.certificates.check import check_registry

NAME, SCORES, HOURS = "certificates.json", "scores.csv", "hours.parquet"
ALL = "all periods"
SUFFIX = "-certificates"


class Checked(NamedTuple):
    """What was checked.

    Attributes
    ----------
    files, devices, bundles, certificates
        How many.
    run
        The folder of the run that they follow from; None: it was not there to compare with.
    """

    files: int
    devices: int
    bundles: int
    certificates: int
    run: Path | None


def is_certificates(folder: Path) -> bool:
    """Whether a folder holds certificates."""
    return (folder / NAME).is_file()


def write_certificates(certified: CertifiedRun, folder: Path) -> Path:
    """Write a run's certificates into a folder that is not there yet, or holds others.

    Raises
    ------
    InputError
        Something else is in the way.
    """
    if folder.exists() and not is_certificates(folder):
        raise InputError(
            "is there already, and holds no certificates", place=str(folder),
            remedy="name another folder with --out",
        )  # fmt: skip
    half = folder.with_name(folder.name + ".half")
    if half.exists():
        shutil.rmtree(half)
    half.mkdir(parents=True)
    write_registry(half, snapshot_of(certified.registry))
    _write_scores(certified, half / SCORES)
    pl.DataFrame(period_rows(certified)).write_parquet(half / HOURS, compression="zstd")
    files = {path.name: file_hash(path) for path in sorted(half.iterdir())}
    told: dict[str, Any] = {"isojoule": 1, **document(certified), "files": files}
    told["digest"] = digest(told)
    (half / NAME).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if folder.exists():
        shutil.rmtree(folder)
    half.rename(folder)
    return folder


def verify_certificates(
    folder: Path, run: Path | None = None, report: Report | None = None
) -> Checked:
    """Check a folder of certificates: hashes, the registry, and that it follows from its run.

    Parameters
    ----------
    run
        Folder of the run; if it is not given, the one beside the certificates.

    Raises
    ------
    VerificationError
        At the first thing that does not hold; names it.
    InputError
        A file is malformed, or `run` is no run.
    """
    told = _read(folder)
    counts = check_registry(read_registry(folder))
    devices, bundles, certificates = (
        counts[name] for name in ("devices", "bundles", "certificates")
    )
    files = len(told["files"]) + 1
    source = run or _beside(folder, told["run"])
    if source is None:
        return Checked(files, devices, bundles, certificates, None)
    again = certify_run(source, report)
    for key, true in document(again).items():
        if told.get(key) != true:
            raise VerificationError(
                f"{key} is {told.get(key)!r}; from {source} follows {true!r}",
                place=str(folder / NAME),
            )
    half = folder.with_name(folder.name + ".again")
    try:
        write_certificates(again, half)
        for name, hash_ in _read(half)["files"].items():
            if told["files"].get(name) != hash_ and not _same(folder / name, half / name):
                raise VerificationError("does not follow from the run", place=str(folder / name))
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return Checked(files, devices, bundles, certificates, source)


def _beside(folder: Path, run: str) -> Path | None:
    """The folder of the run, where it lies by one of its names beside the certificates."""
    names = (folder.resolve().name.removesuffix(SUFFIX), run)
    paths = [folder.resolve().parent / name for name in names]
    return next((path for path in paths if (path / "manifest.json").is_file()), None)


def _read(folder: Path) -> dict[str, Any]:
    """The document of a folder, with the hashes of all files right."""
    path = folder / NAME
    try:
        told: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise VerificationError(f"cannot be read: {error}", place=str(path)) from None
    stated = told.pop("digest", None) if isinstance(told, dict) else None
    if stated is None or digest(told) != stated:
        raise VerificationError("does not match its own digest", place=str(path))
    files = told.get("files")
    if not isinstance(files, dict) or not isinstance(told.get("run"), str):
        raise VerificationError("names no run, or no files", place=str(path))
    there = {p.name for p in folder.iterdir() if p.name != NAME}
    for name in sorted(there ^ files.keys()):
        what = "does not belong here" if name in there else "is missing"
        raise VerificationError(what, place=str(folder / name))
    for name, hash_ in files.items():
        if file_hash(folder / name) != hash_:
            raise VerificationError("was changed afterwards", place=str(folder / name))
    return told


def _same(one: Path, other: Path) -> bool:
    """Whether two tables hold the same; another version of the library may write other bytes."""
    if not one.is_file() or one.suffix != ".parquet":
        return False
    return pl.read_parquet(one).equals(pl.read_parquet(other))


def _write_scores(certified: CertifiedRun, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        first = True
        for name in (*(name for name, _ in certified.periods), ALL):
            scores = scores_of(certified, None if name == ALL else name)
            for member, score in scores.items():
                row = score.document()
                if first:
                    out.writerow(["period", "member", *row])
                    first = False
                who = "community" if member == COMMUNITY else f"member/{member}"
                out.writerow([name, who, *row.values()])
