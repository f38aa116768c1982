"""What the report needs of a run folder, read from its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.units import UJ_PER_J

if TYPE_CHECKING:
    import polars as pl

    from isojoule.grid import Grid
    from isojoule.microworld.scenario import Scenario

Floats = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Drawn:
    """The grid as it is drawn: names, ends and coordinates.

    Parameters
    ----------
    nodes, links
        Names.
    link_from, link_to
        Node index of each end, shape (links,).
    capacity_w
        Shape (links,), W, `inf` if unlimited.
    kind
        "line", "transformer" or "link".
    x, y
        Shape (nodes,), nan if not given.
    utility
        Index of the node where the utility sits; -1 off the grid.
    """

    nodes: tuple[str, ...]
    links: tuple[str, ...]
    link_from: Index
    link_to: Index
    capacity_w: Floats
    kind: tuple[str, ...]
    x: Floats
    y: Floats
    utility: int


@dataclass(frozen=True)
class Device:
    """A device, as the page shows it. Capacity in J, None if it stores nothing."""

    name: str
    owner: str
    node: int
    kind: str
    capacity_j: float | None


@dataclass(frozen=True, eq=False)
class RunFiles:
    """A run folder, opened.

    Parameters
    ----------
    folder
        The run folder.
    summary
        `summary.json`.
    scenario
        The whole scenario, also where a part of it was run.
    grid
        The grid.
    devices
        All devices, in the order of the scenario.
    inputs
        SHA-256 of each file in `scenario/`, by its path in the run folder.
    """

    folder: Path
    summary: dict[str, Any]
    scenario: Scenario
    grid: Drawn
    devices: tuple[Device, ...]
    inputs: dict[str, str]

    @property
    def timezone(self) -> str:
        """IANA name of the scenario's zone."""
        return self.scenario.timezone

    @property
    def has_machines(self) -> bool:
        """Whether something computes in this world."""
        return bool(self.scenario.machines)

    def table(self, world: str, name: str) -> pl.DataFrame:
        """A whole table of "market" or "baseline", ordered as it was written."""
        return self._scan(world, name).collect()

    def intervals(self, world: str) -> pl.DataFrame:
        """The table of intervals of "market" or "baseline", ordered as it was written."""
        return self.table(world, "intervals")

    def as_it_came(self, table: str, column: str, world: str = "market") -> str:
        """The column that holds as metered what this one holds as cleared; itself if none does."""
        if not (self.folder / world / table).is_dir():
            return column
        name = {"energy_uj": "metered_uj"}.get(column, f"delivered_{column}")
        return name if name in self._scan(world, table).collect_schema().names() else column

    def matrix(
        self,
        table: str,
        names: Sequence[str],
        column: str,
        period: str,
        times_s: Index,
        world: str = "market",
    ) -> Floats:
        """One column of a long table as a matrix, shape (names, times), nan where missing.

        Energies are turned from microjoules into J.
        """
        import polars as pl

        key = table[:-1]
        out = np.full((len(names), len(times_s)), np.nan)
        if not len(times_s) or not names or not (self.folder / world / table).is_dir():
            return out
        rows = (
            self._scan(world, table)
            .filter(
                (pl.col("period") == period)
                & pl.col("time_s").is_between(int(times_s[0]), int(times_s[-1]))
            )
            .select(pl.col(key).cast(pl.String), "time_s", pl.col(column).cast(pl.Float64))
            .collect()
        )
        index = pl.DataFrame(
            {key: list(names), "row": np.arange(len(names))},
            schema_overrides={key: pl.String},
        )
        rows = rows.join(index, on=key, how="inner")
        at = np.searchsorted(times_s, rows["time_s"].to_numpy())
        values = rows[column].to_numpy()
        out[rows["row"].to_numpy(), at] = values / UJ_PER_J if column.endswith("_uj") else values
        return out

    def _scan(self, world: str, table: str) -> pl.LazyFrame:
        import polars as pl

        parts = sorted((self.folder / world / table).glob("part-*.parquet"))
        if not parts:
            raise InputError(
                f"no table {world}/{table}",
                place=str(self.folder),
                remedy="run it again",
            )
        return pl.scan_parquet(parts)


def read_run(folder: Path) -> RunFiles:
    """Open a run folder.

    Raises
    ------
    InputError
        The folder is not a run, or a table that the page needs is missing.
    """
    path = folder / "summary.json"
    if not path.is_file():
        raise InputError(
            "not a run folder: it has no summary.json",
            place=str(folder),
            remedy="name a folder that `isojoule run` has written, as runs/<id>",
        )
    from isojoule.apps.files.scenario_files import read_scenario

    return open_run(folder, read_scenario(folder / "scenario"))


def open_run(folder: Path, scenario: Scenario) -> RunFiles:
    """A run folder whose scenario is at hand; its copy in the folder is hashed, not read."""
    inputs = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted((folder / "scenario").rglob("*"))
        if p.is_file()
    }
    return RunFiles(
        folder=folder,
        summary=json.loads((folder / "summary.json").read_text(encoding="utf-8")),
        scenario=scenario,
        grid=drawn(scenario.grid, scenario.utility_node),
        devices=devices_of(scenario),
        inputs=inputs,
    )


def drawn(grid: Grid, utility: int) -> Drawn:
    """What is drawn of a grid."""
    nowhere = np.full(grid.node_count, np.nan)
    return Drawn(
        nodes=tuple(grid.node_ids),
        links=tuple(grid.link_ids),
        link_from=grid.link_from.astype(np.int64),
        link_to=grid.link_to.astype(np.int64),
        capacity_w=grid.capacity_w,
        kind=tuple(grid.kind),
        x=nowhere if grid.x is None else grid.x,
        y=nowhere if grid.y is None else grid.y,
        utility=utility,
    )


def devices_of(scenario: Scenario) -> tuple[Device, ...]:
    """The devices of a scenario, in its order."""
    from isojoule.microworld.devices import KIND_NAMES

    d = scenario.devices
    return tuple(
        Device(
            name=name,
            owner=scenario.labels[int(d.participant[i])],
            node=int(d.node[i]),
            kind=KIND_NAMES[int(d.kind[i])],
            capacity_j=float(d.capacity_j[i]) if np.isfinite(d.capacity_j[i]) else None,
        )
        for i, name in enumerate(d.ids)
    )
