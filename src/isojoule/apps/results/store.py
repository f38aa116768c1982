"""A run read back: tables, summary, figures."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isojoule.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

TABLES = ("intervals", "nodes", "links", "devices")
FURTHER_TABLES = ("operator", "machines", "steps", "events", "stuck")
"""The operator's lines, tables of worlds with machines, and where trade is stuck."""


class Run:
    """A run folder: its tables, its summary, its figures.

    `isojoule.run("rural", days=1)` makes one and returns it; `Run("runs/<id>")` opens one again.
    In a notebook it shows itself: the headline, the audit and two pictures.

    Parameters
    ----------
    folder
        The folder that `isojoule run` named.

    Raises
    ------
    InputError
        The folder holds no run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "manifest.json").is_file():
            raise InputError(
                "this is no run folder: it has no manifest.json",
                place=str(folder),
                remedy="give the folder that `isojoule run` named",
            )

    @property
    def id(self) -> str:
        """Name of the run."""
        return self.folder.name

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder / "report.html"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Audit, totals, participants, power flow: what `summary.json` holds."""
        document: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return document

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Versions, seed and hashes."""
        document: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return document

    def to_polars(self, table: str = "intervals", world: str = "market") -> pl.DataFrame:
        """One table as a polars DataFrame.

        Parameters
        ----------
        table
            intervals, nodes, links, devices or operator; with machines also machines, steps or
            events; of `diffusion` also stuck.
        world
            market or baseline.
        """
        import polars as pl

        return pl.read_parquet(self._files(table, world)).with_columns(
            pl.from_epoch("time_s", time_unit="s").dt.replace_time_zone("UTC").alias("time")
        )

    def to_pandas(self, table: str = "intervals", world: str = "market") -> pd.DataFrame:
        """One table as a pandas DataFrame (needs pandas and pyarrow)."""
        return self.to_polars(table, world).to_pandas()

    def to_csv(self, folder: str | Path | None = None) -> list[Path]:
        """Write every table as CSV; returns the files."""
        target = Path(folder) if folder is not None else self.folder.with_name(f"{self.id}-csv")
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for world in ("market", "baseline"):
            for table in (*TABLES, *FURTHER_TABLES):
                if (self.folder / world / table).is_dir():
                    path = target / f"{world}-{table}.csv"
                    self.to_polars(table, world).write_csv(path)
                    written.append(path)
        return written

    def figures(self) -> dict[str, str]:
        """Figures as SVG texts: energy balance, prices, waterfall, savings."""
        from isojoule.apps.report import figures

        return {
            "energy_balance": figures.energy_balance(self.folder),
            "prices": figures.prices(self.folder),
            "waterfall": figures.waterfall(self.summary),
            "savings": figures.savings(self.summary),
        }

    def _files(self, table: str, world: str) -> str:
        path = self.folder / world / table
        known = (*TABLES, *FURTHER_TABLES)
        if table not in known or not path.is_dir():
            there = [name for name in known if (self.folder / world / name).is_dir()] or known
            raise InputError(
                f"there is no table {world}/{table}",
                remedy=f"tables: {', '.join(there)}; worlds: market, baseline",
            )
        return str(path / "*.parquet")

    def _repr_html_(self) -> str:
        from isojoule.apps.report.figures import summary_html

        return summary_html(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}): {self.summary['headline']}"
