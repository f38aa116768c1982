"""A run's certificates as a folder, and the folder checked again.

| File | What it holds |
|---|---|
| `certificates.json` | the run, the head of the log, hashes of the other files, its own digest |
| `registry.json`, tables | see `isojoule.apps.files.certificate_parts` |
| `scores.csv` | the scores, a row for each period and member, and for the community |
| `hours.parquet` | consumption and what was claimed, a row for each hour and member |

The folder appears whole or not at all. It is written while certificates are issued: what has ended
leaves memory.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isojoule.apps.certificates.flows import Source, certified_devices
from isojoule.apps.certificates.run import CertifiedRun, Claimed, Report, certify, source_of
from isojoule.apps.certificates.scores import COMMUNITY, scores_of
from isojoule.apps.files.certificate_check import check_registry_folder
from isojoule.apps.files.certificate_parts import RegistryWriter
from isojoule.apps.results.manifest import file_hash
from isojoule.apps.results.store import Run
from isojoule.core.canonical import digest
from isojoule.core.errors import InputError, VerificationError
from isojoule.settlement.certificates.community import BATCH

NAME, SCORES, HOURS = "certificates.json", "scores.csv", "hours.parquet"
ALL = "all periods"
SUFFIX = "-certificates"


class Written(NamedTuple):
    """Certificates that were written.

    Attributes
    ----------
    folder
        Where.
    certified
        What was claimed; its registry holds what had not ended.
    wh
        Certificates by state, as `Claimed`.
    told
        What `certificates.json` says.
    """

    folder: Path
    certified: CertifiedRun
    wh: dict[str, int]
    told: dict[str, Any]


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


def write_certificates(
    run: str | Path, folder: Path, report: Report | None = None, *, batch: int = BATCH
) -> Written:
    """Certify a run, into a folder that is not there yet, or holds certificates.

    Parameters
    ----------
    batch
        How many bundles are let go of at once; what is written does not depend on it, but the
        order of the rows and the parts of the tables do.

    Raises
    ------
    InputError
        It is no run, or something else is in the way.
    """
    source, run_digest = source_of(run), Run(run).manifest["digest"]
    if folder.exists() and not is_certificates(folder):
        raise InputError(
            "is there already, and holds no certificates", place=str(folder),
            remedy="name another folder with --out",
        )  # fmt: skip
    return write_folder(source, folder, {"run_digest": run_digest}, report, batch)


def write_folder(
    source: Source,
    folder: Path,
    besides: dict[str, Any],
    report: Report | None = None,
    batch: int = BATCH,
) -> Written:
    """Certify, into a folder; `besides` stands in `certificates.json`, too."""
    half = folder.with_name(folder.name + ".half")
    if half.exists():
        shutil.rmtree(half)
    half.mkdir(parents=True)
    writer = RegistryWriter(half, certified_devices(source.scenario)[0], batch)
    certified = certify(source, shelf=writer.add, batch=batch, report=report)
    writer.finish(certified.registry)
    _write_scores(certified, half / SCORES)
    hour_table(certified).write_parquet(half / HOURS, compression="zstd", statistics=False)
    head = certified.registry.head
    names = [p for p in half.rglob("*") if p.is_file()]
    files = {p.relative_to(half).as_posix(): file_hash(p) for p in sorted(names)}
    told: dict[str, Any] = {
        "isojoule": 1, "run": source.run, **besides, "entries": head.size,
        "root": head.root.hex(), "certificates_wh": dict(sorted(writer.wh.items())),
        "files": files,
    }  # fmt: skip
    told["digest"] = digest(told)
    (half / NAME).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if folder.exists():
        shutil.rmtree(folder)
    half.rename(folder)
    return Written(folder, certified, dict(told["certificates_wh"]), told)


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
    beside = run or _beside(folder, told["run"])
    if beside is None:
        return Checked(len(told["files"]) + 1, *check_folder(folder), None)
    besides = {"run_digest": Run(beside).manifest["digest"]}
    compare(folder, source_of(beside), besides, beside, report)
    return Checked(len(told["files"]) + 1, *check_folder(folder), beside)


def check_folder(folder: Path) -> tuple[int, int, int]:
    """Check the registry of a folder by itself; how many devices, bundles and certificates."""
    counts = check_registry_folder(folder)
    return counts["devices"], counts["bundles"], counts["certificates"]


def compare(
    folder: Path,
    source: Source,
    besides: dict[str, Any],
    name: Path,
    report: Report | None = None,
) -> Written:
    """Certify once more, and hold it against a folder; what should stand there.

    Raises
    ------
    VerificationError
        Names the file that does not follow from the run, which is called `name`.
    """
    told = _read(folder)
    with TemporaryDirectory() as place:
        again = write_folder(source, Path(place) / "again", besides, report)
        for key in again.told.keys() - {"files", "digest"}:
            if told.get(key) != again.told[key]:
                raise VerificationError(
                    f"{key} is {told.get(key)!r}; from {name} follows {again.told[key]!r}",
                    place=str(folder / NAME),
                )
        files = again.told["files"]
        for file in sorted(files.keys() | told["files"].keys()):
            same = file in files and told["files"].get(file) == files[file]
            if not same and not _same(folder / file, again.folder / file):
                raise VerificationError("does not follow from the run", place=str(folder / file))
    return again


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
    inside = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    there = set(inside) - {NAME}
    for name in sorted(there ^ files.keys()):
        what = "does not belong here" if name in there else "is missing"
        raise VerificationError(what, place=str(folder / name))
    for name, hash_ in files.items():
        if file_hash(folder / name) != hash_:
            raise VerificationError("was changed afterwards", place=str(folder / name))
    return told


def _same(one: Path, other: Path) -> bool:
    """Whether two tables hold the same; another version of the library may write other bytes."""
    if not one.is_file() or not other.is_file() or one.suffix != ".parquet":
        return False
    return pl.read_parquet(one).equals(pl.read_parquet(other))


def _write_scores(certified: Claimed, path: Path) -> None:
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


def hour_table(claimed: Claimed) -> pl.DataFrame:
    """What was consumed and claimed, a row for each hour and member."""
    people = len(claimed.members)
    frames = []
    for name, hours in claimed.periods:
        count = hours.time_s.size
        codes = np.tile(np.arange(people, dtype=np.uint32), count)
        frames.append(
            pl.DataFrame(
                {
                    "period": pl.repeat(name, count * people, dtype=pl.String, eager=True),
                    "time_s": np.repeat(hours.time_s, people),
                    "member": pl.Series(list(claimed.members), dtype=pl.String).gather(codes),
                    "consumed_uj": hours.consumed_uj.ravel(),
                    "self_wh": hours.claimed_wh[..., 0].ravel(),
                    "local_wh": hours.claimed_wh[..., 1].ravel(),
                    "storage_wh": hours.claimed_wh[..., 2].ravel(),
                }
            )
        )
    return pl.concat(frames)
