"""`isojoule generate`: scenarios by rule, from a seed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from isojoule.apps.cli.app import AsJson

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")]
Seed = Annotated[int, typer.Option(help="Seed for all chance; the same seed, the same scenario.")]

Csv = Annotated[bool, typer.Option("--csv", help="Tables as CSV, to edit by hand.")]

generates = typer.Typer(
    no_args_is_help=True, help="Make a scenario by rule, from a seed; nothing is measured."
)


@generates.command("village")
def village(
    folder: Folder,
    homes: Annotated[int, typer.Option(help="How many homes, 8 to 1000.")] = 40,
    days: Annotated[int, typer.Option(help="How many days, from a Monday on.")] = 7,
    seed: Seed = 1,
    csv: Csv = False,
    as_json: AsJson = False,
) -> None:
    """Make a village off the grid: panels, batteries, a small DC network."""
    from isojoule.apps.importers.village import generate_village

    with _whole(folder):
        generate_village(
            folder, homes=homes, days=days, seed=seed, file_format="csv" if csv else "parquet"
        )
    _made(folder, as_json)


@generates.command("machines")
def machines(folder: Folder, seed: Seed = 1, csv: Csv = False, as_json: AsJson = False) -> None:
    """Make two neighbours' machines: sun here, the big battery there, Orders all day."""
    from isojoule.apps.importers.machines import generate_machines

    with _whole(folder):
        generate_machines(folder, seed=seed, file_format="csv" if csv else "parquet")
    _made(folder, as_json)


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """Leave nothing half-written: what was put into the folder goes if something fails."""
    existed = folder.exists()
    taken = existed and (not folder.is_dir() or any(folder.iterdir()))
    try:
        yield
    except BaseException:
        if not taken and folder.is_dir():
            shutil.rmtree(folder)
            if existed:
                folder.mkdir()
        raise


def _made(folder: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"scenario": str(folder)}, ensure_ascii=False))
        return
    print(f"Made the scenario {folder}\n\nNext:  isojoule check {folder}")
    print(f"       isojoule run {folder}")
