"""Write a scenario folder: `scenario.yaml` and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from isojoule.apps.files.scenario_columns import OPTIONAL, TABLES
from isojoule.core.errors import InputError, InvariantError

TableData = Mapping[str, Any]
"""Columns by their SI name: lists or arrays of one length. A column of times holds datetimes."""


def write_scenario(
    scenario_dir: Path,
    doc: Mapping[str, Any],
    tables: Mapping[str, TableData],
    *,
    file_format: Literal["parquet", "csv"] = "parquet",
) -> Path:
    """Write a scenario into a new or empty folder.

    Parameters
    ----------
    scenario_dir
        Made if it is not there.
    doc
        The keys of `scenario.yaml`, in the order to write them.
    tables
        All that the format knows, but those that may be missing as the world has it (`OPTIONAL`);
        SI columns.
    file_format
        Parquet is compressed with zstd and has no rounding; CSV is for people.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder is not empty.
    """
    import polars

    if not set(TABLES) - OPTIONAL <= set(tables) <= set(TABLES):
        raise InvariantError(f"tables {sorted(tables)} are not {sorted(TABLES)}")
    empty_folder(scenario_dir)
    text = yaml.safe_dump(dict(doc), sort_keys=False, allow_unicode=True, width=98)
    (scenario_dir / "scenario.yaml").write_text(text, encoding="utf-8")
    for stem, data in tables.items():
        if stem != "profiles" and not set(data) <= {column.name for column in TABLES[stem]}:
            raise InvariantError(f"unknown column in {stem}: {sorted(data)}")
        given = dict(data) or {column.name: [] for column in TABLES[stem]}  # a table of no rows
        frame = polars.DataFrame(given, nan_to_null=stem != "profiles")
        if file_format == "parquet":
            frame.write_parquet(
                scenario_dir / f"{stem}.parquet", compression="zstd", compression_level=19
            )
        else:
            frame.write_csv(scenario_dir / f"{stem}.csv", datetime_format="%Y-%m-%dT%H:%M:%S%:z")
    return scenario_dir


def empty_folder(folder: Path) -> None:
    """Make a folder, or refuse one that holds something.

    Raises
    ------
    InputError
        It is a file, cannot be made, or is not empty.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside: Sequence[Path] = list(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"cannot make this folder: {error.strerror}",
            place=str(folder),
            remedy="name a folder that is new or empty",
        ) from error
    if inside:
        raise InputError(
            f"the folder is not empty ({inside[0].name})",
            place=str(folder),
            remedy="name a new folder; nothing is overwritten",
        )
