"""From a record of intervals to the tables of a run folder.

Tables, each a folder of Parquet parts: `intervals` (totals), `nodes` (prices), `links` (flows),
`devices` (energies, payments, batteries), and `operator` (the lines of its account) where there are
any; of a mechanism that tells where trade is stuck also `stuck`; with machines also `machines`
(their stage), `steps` (work done, and paid for) and `events` (who slows down, sleeps, wakes).
Integers are exact; units stand in the names.

Where offers were made of a forecast, energies and flows stand there as cleared and as they were
metered, and the totals are the metered ones. Else the two are the same, and there is one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.results.checkpoint import HALF
from isojoule.apps.results.machine_tables import machine_frames
from isojoule.kernels.money import payments
from isojoule.microworld.delivery import imbalance_cash_nano, imbalance_uj
from isojoule.microworld.islands import Islands
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import DeviceKind, Scenario
from isojoule.microworld.simulate import Record, limits_uj

Ints = NDArray[np.int64]


def part_frames(
    maker: OfferMaker, record: Record, period: str, *, prices: bool
) -> dict[str, pl.DataFrame]:
    """The tables of a record. `prices` says whether nodal prices mean something."""
    s = maker.scenario
    frames = {
        "intervals": _intervals(maker, record, period),
        "links": _links(maker, record, period),
        "devices": _devices(maker, record, period),
    }
    if prices:
        frames["nodes"] = _nodes(s, record, period)
    if any(record.lines):
        frames["operator"] = operator_frame(record, period)
    if any("stuck" in notes for notes in record.notes):
        frames["stuck"] = stuck_frame(record, period)
    if s.machines:
        frames.update(machine_frames(maker, record, period))
    return frames


def write_part(folder: Path, number: int, frames: dict[str, pl.DataFrame]) -> list[Path]:
    """Write one part of each table below `folder`, each file whole or not at all.

    What an earlier round left as this part in other tables is taken away.
    """
    written = []
    for name, frame in frames.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        path = _part(folder, name, number)
        half = path.with_name(path.name + HALF)
        frame.write_parquet(half, compression="zstd", statistics=False)
        half.replace(path)
        written.append(path)
    for path in folder.glob(f"*/part-{number:05}.parquet"):
        if path not in written:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    return written


class Facts(NamedTuple):
    """What the outcome of a job needs of one part.

    Attributes
    ----------
    metered_uj
        Received, (intervals, offers).
    loss_uj
        Lost in the links, (intervals,).
    unproven
        Intervals whose prices do not prove the optimum.
    """

    metered_uj: Ints
    loss_uj: Ints
    unproven: int


def part_facts(folder: Path, number: int) -> Facts:
    """Read what the outcome needs from a part that was written."""
    table = pl.read_parquet(_part(folder, "intervals", number), columns=["loss_uj", "proven"])
    energy = read_metered(_part(folder, "devices", number))
    return Facts(
        energy["metered_uj"].to_numpy().reshape(table.height, -1),
        table["loss_uj"].to_numpy(),
        int((~table["proven"]).sum()),
    )


def read_metered(path: Path, *others: str) -> pl.DataFrame:
    """Columns of a part of `devices`: what meters showed, as `metered_uj`, and others."""
    name = "metered_uj" if "metered_uj" in pl.read_parquet_schema(path) else "energy_uj"
    return pl.read_parquet(path, columns=[name, *others]).rename({name: "metered_uj"})


def _part(folder: Path, table: str, number: int) -> Path:
    return folder / table / f"part-{number:05}.parquet"


def _names(values: Sequence[str], count: int) -> pl.Series:
    """The names, once per interval."""
    codes = np.tile(np.arange(len(values), dtype=np.uint32), count)
    return pl.Series(list(values), dtype=pl.String).gather(codes)


def _time(record: Record, period: str, per_row: int) -> dict[str, Any]:
    count = record.time_s.size * per_row
    return {
        "period": pl.repeat(period, count, dtype=pl.String, eager=True),
        "time_s": np.repeat(record.time_s, per_row),
    }


def _nodes(s: Scenario, record: Record, period: str) -> pl.DataFrame:
    nodes = s.grid.node_count
    return pl.DataFrame(
        {
            **_time(record, period, nodes),
            "node": _names(s.grid.node_ids, record.time_s.size),
            "price_per_j": pl.Series(record.price_per_j.ravel()).fill_nan(None),
        }
    )


def _links(maker: OfferMaker, record: Record, period: str) -> pl.DataFrame:
    s = maker.scenario
    links = s.grid.link_count
    columns = {
        **_time(record, period, links),
        "link": _names(s.grid.link_ids, record.time_s.size),
        "flow_uj": record.flow_uj.ravel(),
        "loss_uj": record.loss_uj.ravel(),
        "standing_loss_uj": record.standing_uj.ravel(),
        "owner_payment_nano": record.link_payment_nano.ravel(),
        "saturated": record.full.ravel(),
    }
    if record.delivery is not None:
        flow = record.delivered_flow_uj
        columns["delivered_flow_uj"] = flow.ravel()
        columns["delivered_loss_uj"] = record.delivered_loss_uj.ravel()
        if record.delivery.standing_uj is not None:
            columns["delivered_standing_loss_uj"] = record.delivery.standing_uj.ravel()
        columns["overloaded"] = (np.abs(flow) > limits_uj(maker)).ravel()
    return pl.DataFrame(columns)


def _devices(maker: OfferMaker, record: Record, period: str) -> pl.DataFrame:
    s, count = maker.scenario, record.time_s.size
    offers = maker.template.offer_count
    owners = tuple(maker.template.participants[i] for i in maker.template.offer_participant)
    nodes = tuple(s.grid.node_ids[i] for i in maker.template.offer_node)
    stored = np.full((count, offers), -1, np.int64)
    stored[:, maker.batteries] = record.stored_uj
    used = np.zeros((count, offers), np.int64)
    used[:, maker.batteries] = record.used_uj
    columns = {
        **_time(record, period, offers),
        "device": _names(maker.template.offer_ids, count),
        "participant": _names(owners, count),
        "node": _names(nodes, count),
        "energy_uj": record.energy_uj.ravel(),
        "payment_nano": record.payment_nano.ravel(),
        "stored_uj": stored.ravel(),
        "used_uj": used.ravel(),
    }
    if record.delivery is not None:
        offered = np.zeros((count, offers), np.int64)
        offered[:, : s.devices.count] = record.offered_uj
        columns["offered_uj"] = offered.ravel()
        columns["metered_uj"] = record.metered_uj.ravel()
    return pl.DataFrame(columns).with_columns(
        pl.when(pl.col("stored_uj") >= 0).then(pl.col("stored_uj")).alias("stored_uj")
    )


def by_member(values: Ints, owner: NDArray[np.int32], people: int) -> Ints:
    """Columns summed by their owner: (T, columns) to (T, people)."""
    out = np.zeros((len(values), people), np.int64)
    for column, member in enumerate(owner.tolist()):
        out[:, member] += values[:, column]
    return out


def interval_columns(maker: OfferMaker, record: Record) -> dict[str, Ints]:
    """Totals of each interval, integers, (intervals,), as metered.

    They add up exactly:

    generated + imported + discharged + unserved
        = consumed + exported + charged + loss + standing loss + spilled
    """
    d = maker.scenario.devices
    plain = d.kind != DeviceKind.BATTERY
    metered = record.metered_uj
    wanted, got = record.wanted_uj[:, plain], metered[:, : d.count][:, plain]
    battery = metered[:, maker.batteries]
    # what lies behind the devices is the utility's, if there is one
    outside = record.energy_uj[:, d.count :].sum(1), record.payment_nano[:, d.count :].sum(1)
    paid = utility_nano(maker.scenario, record.time_s, *outside, record.paused)
    utility = metered[:, d.count :].sum(1)
    net = by_member(metered[:, : d.count], d.participant, len(maker.scenario.participants))

    def above(values: Ints) -> Ints:
        total: Ints = np.maximum(values, 0).sum(axis=-1) if values.ndim > 1 else values.clip(0)
        return total

    return {
        "import_uj": above(-utility),
        "export_uj": above(utility),
        "loss_uj": record.delivered_loss_uj.sum(1),
        "standing_loss_uj": record.delivered_standing_uj.sum(1),
        "generated_uj": above(-wanted),
        "spilled_uj": above(np.where(wanted < 0, got - wanted, 0)),
        "consumed_uj": above(wanted),
        "unserved_uj": above(np.where(wanted > 0, wanted - got, 0)),
        "charged_uj": above(battery),
        "discharged_uj": above(-battery),
        "self_discharge_uj": record.decay_uj.sum(1),
        "computed_uj": record.used_uj.sum(1),
        "stored_uj": record.stored_uj.sum(1),
        "bought_uj": above(net),
        "sold_uj": above(-net),
        "boundary_cash_nano": -paid,
        "operator_nano": record.operator_nano + paid - outside[1],
        "congestion_rent_nano": record.congestion_nano,
        "loss_rent_nano": record.loss_rent_nano,
    }


def utility_nano(
    s: Scenario,
    time_s: Ints,
    energy_uj: Ints,
    payment_nano: Ints,
    paused: NDArray[Any] | None,
) -> Ints:
    """What the utility pays for what was cleared (negative: is paid), nano-units, (intervals,).

    Parameters
    ----------
    energy_uj, payment_nano
        What it was cleared for (received), and what the rule makes it pay, (intervals,).
    paused
        Where the market paused and the tariff was the rule, for each meter, (intervals,).
    """
    if not s.tariff_outside or not s.has_utility:
        return payment_nano
    rows = np.searchsorted(s.times_s, time_s)
    price = np.where(energy_uj < 0, s.sells_at_per_j[rows], s.buys_at_per_j[rows])
    paid: Ints = -payments(price, -energy_uj)  # who pays is rounded up
    return paid if paused is None else np.where(paused, payment_nano, paid)


def _intervals(maker: OfferMaker, record: Record, period: str) -> pl.DataFrame:
    s = maker.scenario
    rows = np.searchsorted(s.times_s, record.time_s)
    sells, buys = s.sells_at_per_j[rows], s.buys_at_per_j[rows]
    further: dict[str, Any] = {}
    if record.delivery is not None:
        devices, both = s.devices.count, (record.energy_uj, record.metered_uj)
        further["imbalance_uj"] = imbalance_uj(*both, devices)
        further["imbalance_cash_nano"] = imbalance_cash_nano(*both, devices, sells, buys)
        if record.delivery.standing_uj is not None and Islands.of(s).parts:
            more = record.energy_uj[:, maker.batteries] - record.metered_uj[:, maker.batteries]
            further["made_up_uj"] = more.clip(0).sum(1)
            further["taken_up_uj"] = -more.clip(None, 0).sum(1)
    if record.paused is not None:
        further["paused"] = record.paused
    return pl.DataFrame(
        {
            **_time(record, period, 1),
            **interval_columns(maker, record),
            "sells_at_per_j": pl.Series(sells).fill_nan(None),
            "buys_at_per_j": pl.Series(buys).fill_nan(None),
            "carbon_kg_per_j": pl.Series(s.carbon_kg_per_j[rows]).fill_nan(None),
            **price_columns(record),
            "welfare": record.welfare,
            "gap": record.gap,
            "proven": record.closed,
            **further,
        }
    )


_OPERATOR = {
    "period": pl.String, "time_s": pl.Int64, "line": pl.String, "amount_nano": pl.Int64,
}  # fmt: skip


def operator_frame(record: Record, period: str) -> pl.DataFrame:
    """The lines of the operator's account as the rule names them; add up to what it collects."""
    rows = [
        (period, time, line, nano)
        for time, lines in zip(record.time_s.tolist(), record.lines, strict=True)
        for line, nano in lines.items()
    ]
    return pl.DataFrame(rows, schema=_OPERATOR, orient="row")


_STUCK = {
    "period": pl.String, "time_s": pl.Int64, "node": pl.String, "why": pl.String,
    "from": pl.String, "to": pl.String, "profit_per_j": pl.Float64,
}  # fmt: skip


def stuck_frame(record: Record, period: str) -> pl.DataFrame:
    """Nodes through which energy would have paid to pass, as far as the mechanism lists them."""
    rows = [
        (period, time, *(row[name] for name in list(_STUCK)[2:]))
        for time, notes in zip(record.time_s.tolist(), record.notes, strict=True)
        for row in notes.get("stuck", ())
    ]
    return pl.DataFrame(rows, schema=_STUCK, orient="row")


def price_columns(record: Record) -> dict[str, pl.Series]:
    """Least, mean and greatest price of the nodes in each interval; null without prices."""
    known = np.isfinite(record.price_per_j)
    price = np.where(known, record.price_per_j, 0.0)
    with np.errstate(all="ignore"):
        values = {
            "price_min_per_j": np.where(known, price, np.inf).min(1, initial=np.inf),
            "price_mean_per_j": price.sum(1) / known.sum(1),
            "price_max_per_j": np.where(known, price, -np.inf).max(1, initial=-np.inf),
        }
    some = known.any(1)
    return {
        name: pl.Series(name, np.where(some, column, np.nan)).fill_nan(None)
        for name, column in values.items()
    }
