"""The tables of a run read back, and held against what they must be.

Energies, flows, payments and prices are facts, which other checks judge. Everything else in the
tables follows from them and the scenario: it is made again, and every column of every table must be
the same, to the last row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.results.tables import part_frames, utility_nano
from isojoule.core.errors import VerificationError
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.simulate import Record

Ints = NDArray[np.int64]


def check_tables(
    maker: OfferMaker, record: Record, world: Path, part: int, period: str, *, prices: bool
) -> set[str]:
    """Hold one part of every table against the record. Returns the files that must be there.

    Raises
    ------
    VerificationError
        Names the file and the column.
    """
    files = set()
    for table, true in part_frames(maker, record, period, prices=prices).items():
        path = world / table / f"part-{part:05}.parquet"
        files.add(f"{world.name}/{table}/{path.name}")
        stored = _read(path)
        if stored.columns != true.columns or stored.height != true.height:
            raise VerificationError(
                f"has {stored.height} rows of {len(stored.columns)} columns, not {true.height} of "
                f"{len(true.columns)}",
                place=str(path),
            )
        for name in true.columns:
            if not stored[name].equals(true[name], null_equal=True):
                raise VerificationError(
                    f"{name} does not follow from the other tables", place=str(path)
                )
    return files


def check_files(run: Path, expected: set[str]) -> None:
    """Both worlds hold the parts that the scenario makes, and no others.

    Raises
    ------
    VerificationError
        Names a file that is missing or too many.
    """
    present = {
        path.relative_to(run).as_posix()
        for world in ("market", "baseline")
        for path in (run / world).rglob("*")
        if path.is_file()
    }
    for name in sorted(present - expected):
        raise VerificationError("does not belong to the run", place=str(run / name))
    for name in sorted(expected - present):
        raise VerificationError("is missing", place=str(run / name))


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise VerificationError(f"cannot be read: {error}", place=str(path)) from None


def read_record(maker: OfferMaker, world: Path, part: int, rows: slice, start_uj: Ints) -> Record:
    """One part of a world's tables as a record, as cleared. Turns and notes are left out.

    What was metered, and where the market paused, follows from it and the scenario.

    Raises
    ------
    VerificationError
        A table is missing, or has other rows or columns than this version writes.
    """
    try:
        return _record(maker, world, part, rows, start_uj)
    except pl.exceptions.ColumnNotFoundError as error:
        raise VerificationError(
            f"a table lacks column {error}; perhaps another version made the run", place=str(world)
        ) from None


def _record(maker: OfferMaker, world: Path, part: int, rows: slice, start_uj: Ints) -> Record:
    """As `read_record`, without its refusal."""
    s = maker.scenario
    times = s.times_s[rows].astype(np.int64)
    count, offers = times.size, maker.template.offer_count
    links, nodes = s.grid.link_count, s.grid.node_count

    def read(table: str, name: str, names: Sequence[str]) -> pl.DataFrame:
        path = world / table / f"part-{part:05}.parquet"
        frame = _read(path)
        if frame.height != count * len(names):
            raise VerificationError(f"has {frame.height} rows", place=str(path))
        if not np.array_equal(frame["time_s"].to_numpy(), np.repeat(times, len(names))):
            raise VerificationError("has other times than the scenario", place=str(path))
        expected = pl.Series(list(names), dtype=pl.String).gather(
            np.tile(np.arange(len(names), dtype=np.uint32), count)
        )
        if not (frame[name] == expected).all():
            raise VerificationError(f"has another {name} than the scenario", place=str(path))
        return frame

    def column(frame: pl.DataFrame, name: str, width: int) -> NDArray[Any]:
        return frame[name].to_numpy().reshape(count, width)

    d = read("devices", "device", maker.template.offer_ids)
    link = read("links", "link", s.grid.link_ids)
    price = np.full((count, nodes), np.nan)
    if (world / "nodes").is_dir():
        frame = read("nodes", "node", s.grid.node_ids)
        price = frame["price_per_j"].fill_null(float("nan")).to_numpy().reshape(count, nodes)
    stored = d["stored_uj"].fill_null(0).to_numpy().reshape(count, offers)[:, maker.batteries]
    used = column(d, "used_uj", offers)[:, maker.batteries]
    before = np.vstack([start_uj, stored[:-1]])
    decay = np.stack([maker.decay_uj(row) for row in before]) if count else before
    path = world / "intervals" / f"part-{part:05}.parquet"
    table = _read(path)
    if table.height != count:
        raise VerificationError(f"has {table.height} rows", place=str(path))
    energy, payment = (column(d, name, offers) for name in ("energy_uj", "payment_nano"))
    lines = _lines(world / "operator" / f"part-{part:05}.parquet", times)
    paused = table["paused"].to_numpy() if "paused" in table.columns else None
    out = energy[:, s.devices.count :].sum(1), payment[:, s.devices.count :].sum(1)
    return Record(
        time_s=times,
        wanted_uj=maker.energies_uj(rows),
        energy_uj=energy,
        payment_nano=payment,
        flow_uj=column(link, "flow_uj", links),
        loss_uj=column(link, "loss_uj", links),
        full=column(link, "saturated", links),
        standing_uj=column(link, "standing_loss_uj", links),
        operator_nano=table["operator_nano"].to_numpy()
        + out[1]
        - utility_nano(s, times, *out, paused),  # by the rule, without the tariff
        congestion_nano=table["congestion_rent_nano"].to_numpy(),
        loss_rent_nano=table["loss_rent_nano"].to_numpy(),
        price_per_j=price,
        start_uj=start_uj,
        stored_uj=stored,
        decay_uj=decay,
        committed_uj=np.zeros_like(used),  # what was held back follows from the Orders
        used_uj=used,
        turns=[],
        notes=[],
        link_payment_nano=column(link, "owner_payment_nano", links),
        welfare=table["welfare"].to_numpy(),
        gap=table["gap"].to_numpy(),
        closed=table["proven"].to_numpy(),
        lines=lines,
    )


def _lines(path: Path, times: Ints) -> list[dict[str, int]]:
    """The operator's lines of each interval, nano-units; none where there is no such part."""
    found: dict[int, dict[str, int]] = {time: {} for time in times.tolist()}
    if path.is_file():
        for time, line, nano in _read(path).select("time_s", "line", "amount_nano").iter_rows():
            if line in found.setdefault(time, {}):
                raise VerificationError(f"names {line!r} twice at {time}", place=str(path))
            found[time][line] = nano
    return [found[time] for time in times.tolist()]
