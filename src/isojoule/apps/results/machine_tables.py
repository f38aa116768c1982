"""Tables of what machines did: `machines` (their stage), `steps` (work), `events` (stages, Orders).

A step of work is paid by the Order's customer to the machine's owner, the price in full, so these
payments add up to zero. What a machine drew from its battery stands in `devices`, as `used_uj`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import Record

_STEPS = {
    "time_s": pl.Int64, "order": pl.String, "step": pl.Int64, "machine": pl.String,
    "customer": pl.String, "operations": pl.Float64, "moved_byte": pl.Float64,
    "energy_uj": pl.Int64, "price_nano": pl.Int64,
}  # fmt: skip
_EVENTS = {"time_s": pl.Int64, "subject": pl.String, "what": pl.String, "root": pl.String}


def machine_frames(maker: OfferMaker, record: Record, period: str) -> dict[str, pl.DataFrame]:
    """The three tables of a record."""
    from isojoule.machine import Stage

    machines = maker.scenario.machines
    names = [m.name for m in machines]
    count = record.time_s.size
    stages = np.array([turn.stage for turn in record.turns]).reshape(count, len(names))
    labels = pl.Series([stage.name.lower() for stage in Stage], dtype=pl.String)
    steps: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    for time, turn in zip(record.time_s.tolist(), record.turns, strict=True):
        steps += [
            (
                time, s.order, s.step, s.machine, s.customer, float(s.operations),
                float(s.moved_byte), s.energy_uj, s.price_nano,
            )
            for s in turn.steps
        ]  # fmt: skip
        events += [(time, e.subject, e.what, e.root) for e in turn.events]
    first = pl.lit(period, dtype=pl.String).alias("period")
    return {
        "machines": pl.DataFrame(
            {
                "time_s": np.repeat(record.time_s, len(names)),
                "machine": names * count,
                "stage": labels.gather(stages.ravel().astype(np.uint32)),
            }
        ).select(first, pl.all()),
        "steps": pl.DataFrame(steps, schema=_STEPS, orient="row").select(first, pl.all()),
        "events": pl.DataFrame(events, schema=_EVENTS, orient="row").select(first, pl.all()),
    }


class Work(NamedTuple):
    """What became of the Orders in one world and period.

    Attributes
    ----------
    undone
        Worth of the Orders that were not finished, by customer, money.
    paid_nano
        For compute, by participant; received is negative, so the sum is 0.
    orders
        One mapping an Order: what it asked for and what it got.
    """

    undone: dict[str, float]
    paid_nano: dict[str, int]
    orders: list[dict[str, Any]]


def work_of(scenario: Scenario, steps: pl.DataFrame, start_s: int, end_s: int) -> Work:
    """Follow the steps of every Order that arrived in a stretch of time."""
    d = scenario.devices
    owner = {
        m.name: scenario.participants[int(d.participant[i])]
        for m, i in zip(scenario.machines, scenario.machine_device, strict=True)
    }
    paid = dict.fromkeys(scenario.participants, 0)
    for machine, customer, nano in steps.select("machine", "customer", "price_nano").iter_rows():
        paid[customer] += nano
        paid[owner[machine]] -= nano
    by_order = {
        str(key[0]): rows for key, rows in steps.partition_by("order", as_dict=True).items()
    }
    undone = dict.fromkeys(scenario.participants, 0.0)
    orders = []
    for order in scenario.orders:
        if not start_s <= order.at_s < end_s:
            continue
        rows = by_order.get(order.name)
        done = 0.0 if rows is None else float(rows["operations"].sum())
        finished = rows is not None and done >= order.operations * (1 - 1e-9)
        if not finished:
            undone[order.customer] += order.value
        orders.append(
            {
                "order": order.name,
                "customer": order.customer,
                "value": order.value,
                "finished": finished,
                "share": min(done / order.operations, 1.0) if order.operations > 0 else 0.0,
                "machines": []
                if rows is None
                else rows["machine"].unique(maintain_order=True).to_list(),
                "energy_uj": 0 if rows is None else int(rows["energy_uj"].sum()),
                "paid_nano": 0 if rows is None else int(rows["price_nano"].sum()),
            }
        )
    return Work(undone, paid, orders)
