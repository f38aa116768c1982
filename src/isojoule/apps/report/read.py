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
        Index of the node where the utility sits.
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
    timezone
        IANA name of the scenario's zone.
    grid
        The grid.
    devices
        All devices, in the order of the scenario.
    inputs
        SHA-256 of each file in `scenario/`, by its path in the run folder.
    """

    folder: Path
    summary: dict[str, Any]
    timezone: str
    grid: Drawn
    devices: tuple[Device, ...]
    inputs: dict[str, str]

    def intervals(self, world: str) -> pl.DataFrame:
        """The table of intervals of "market" or "baseline", ordered as it was written."""
        return self._scan(world, "intervals").collect()

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
    import yaml

    summary = json.loads(path.read_text(encoding="utf-8"))
    scenario = folder / "scenario"
    config = yaml.safe_load((scenario / "scenario.yaml").read_text(encoding="utf-8"))
    labels = {p["participant"]: p.get("label") or p["participant"] for p in summary["participants"]}
    grid = read_grid(scenario, str(config.get("utility", "")))
    inputs = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(scenario.rglob("*"))
        if p.is_file()
    }
    return RunFiles(
        folder=folder,
        summary=summary,
        timezone=str(config.get("timezone", "UTC")),
        grid=grid,
        devices=read_devices(scenario, grid, labels),
        inputs=inputs,
    )


def read_grid(scenario: Path, utility: str) -> Drawn:
    """Nodes and links of a scenario folder."""
    nodes = read_table(scenario / "nodes")
    names = tuple(nodes["node"])
    index = {name: i for i, name in enumerate(names)}
    links = read_table(scenario / "links", missing_ok=True)
    count = len(links.get("link", []))
    return Drawn(
        nodes=names,
        links=tuple(links.get("link", [])),
        link_from=np.array([index[n] for n in links.get("from", [])], dtype=np.int64),
        link_to=np.array([index[n] for n in links.get("to", [])], dtype=np.int64),
        capacity_w=numbers(links.get("capacity_w"), count, np.inf),
        kind=tuple(k or "link" for k in links.get("kind", [None] * count)),
        x=numbers(nodes.get("x"), len(names), np.nan),
        y=numbers(nodes.get("y"), len(names), np.nan),
        utility=index.get(utility, 0),
    )


def read_devices(scenario: Path, grid: Drawn, labels: dict[str, str]) -> tuple[Device, ...]:
    """The devices of a scenario folder."""
    table = read_table(scenario / "devices", missing_ok=True)
    index = {name: i for i, name in enumerate(grid.nodes)}
    count = len(table.get("device", []))
    capacity = numbers(table.get("capacity_j"), count, np.nan)
    return tuple(
        Device(
            name=table["device"][i],
            owner=labels.get(table["participant"][i], table["participant"][i]),
            node=index[table["node"][i]],
            kind=table["kind"][i],
            capacity_j=float(capacity[i]) if np.isfinite(capacity[i]) else None,
        )
        for i in range(count)
    )


def read_table(stem: Path, *, missing_ok: bool = False) -> dict[str, list[Any]]:
    """A CSV or Parquet table as columns, names as text, numbers in SI."""
    import polars as pl

    names = {"node", "link", "from", "to", "device", "participant", "kind"}
    if stem.with_suffix(".parquet").is_file():
        frame = pl.read_parquet(stem.with_suffix(".parquet"))
    elif stem.with_suffix(".csv").is_file():
        frame = pl.read_csv(stem.with_suffix(".csv"), infer_schema=False)
    elif missing_ok:
        return {}
    else:
        raise InputError(f"no table {stem.name}", place=str(stem.parent), remedy="run it again")
    out: dict[str, list[Any]] = {}
    for header in frame.columns:
        column = header.strip()
        if column in names:
            out[column] = frame[header].cast(pl.String).to_list()
        elif column in ("x", "y", "capacity_w", "capacity_j") or column.startswith("capacity ["):
            name, values = to_si(column, frame[header].cast(pl.Float64, strict=False).to_numpy())
            out[name] = values.tolist()
    return out


def to_si(header: str, values: Floats) -> tuple[str, Floats]:
    """`capacity [kW]` as `capacity_w`, `capacity [kWh]` as `capacity_j`; others as they are."""
    if "[" not in header:
        return header, values
    from isojoule.apps.files.quantities import parse_unit

    unit = header[header.index("[") + 1 : header.rindex("]")]
    try:
        return "capacity_w", parse_unit(unit, "W").apply_array(values)
    except InputError:
        return "capacity_j", parse_unit(unit, "J").apply_array(values)


def numbers(values: list[Any] | None, count: int, default: float) -> Floats:
    """A column as floats, with the default where it is empty or absent."""
    if values is None:
        return np.full(count, default)
    out = np.array([default if v is None else v for v in values], dtype=np.float64)
    return np.where(np.isnan(out), default, out)
