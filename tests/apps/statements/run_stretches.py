"""Stretches of a run, made of its tables, for tests of statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from isojoule.apps.statements.reasons import MarketFiles
from isojoule.apps.statements.worlds import by_member, read_metered
from isojoule.settlement.booking import book, write
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import settle
from isojoule.settlement.stretch import Ints, Stretch

NOW_NS = 1_700_000_000_000_000_000


def stretches(files: MarketFiles, errors: int = 0) -> Iterator[tuple[str, Stretch]]:
    """Every period; with a seed above 0 meters deviate from what was cleared by up to a tenth."""
    s = files.scenario
    zone = ZoneInfo(s.timezone)
    for i, period in enumerate(s.periods):
        m = read_metered(files, "market", i)
        times = s.times_s[s.rows(period)].astype(np.int64)
        starts = [
            max(
                period.start_s,
                int(
                    datetime.fromtimestamp(t, zone)
                    .replace(hour=0, minute=0, second=0)
                    .timestamp()
                ),
            )
            for t in times.tolist()
        ]
        change = np.zeros_like(m.net_uj)
        if errors:
            rng = np.random.default_rng(errors)
            share = rng.uniform(-0.1, 0.1, m.net_uj.shape)
            change = np.rint(m.net_uj * share).astype(np.int64)
        yield (
            period.name,
            Stretch(
                currency=s.currency,
                interval_s=float(s.interval_s),
                members=s.participants,
                time_s=times,
                group_s=np.array(starts, np.int64),
                cleared_uj=m.net_uj,
                payment_nano=m.payment_nano,
                earned_nano=_earned(files, i, times.size),
                worked_nano=np.zeros_like(m.net_uj),
                metered_uj=m.net_uj + change,
                utility_uj=m.utility_uj,
                utility_nano=m.utility_nano,
                tie_uj=m.utility_uj - change.sum(1),
                loss_uj=-m.net_uj.sum(1) - m.utility_uj,
                sells_at_per_j=s.sells_at_per_j[s.rows(period)],
                buys_at_per_j=s.buys_at_per_j[s.rows(period)],
                paused=np.zeros(times.size, bool),
            ),
        )


def _earned(files: MarketFiles, period: int, intervals: int) -> Ints:
    """What owners of links pay, (T, P)."""
    s = files.scenario
    out = np.zeros((intervals, len(s.participants)), np.int64)
    owners = list(s.grid.owner) or [""] * s.grid.link_count
    if not any(owners):
        return out
    parts = [
        pl.read_parquet(files.folder / "market" / "links" / f"part-{n:05}.parquet")
        for n in files.part_numbers(period)
    ]
    paid = pl.concat(parts)["owner_payment_nano"].to_numpy().reshape(intervals, -1)
    owned = [e for e, owner in enumerate(owners) if owner in s.participants]
    who = np.array([s.participants.index(owners[e]) for e in owned], np.int32)
    return by_member(paid[:, owned], who, len(s.participants))


def settled_ledger(found: list[tuple[str, Stretch]], rules: Rules) -> MemoryLedger:
    """A ledger with all of these settled."""
    ledger = MemoryLedger()
    for name, stretch in found:
        booked = book(stretch, settle(stretch, rules), market=f"test {name}")
        assert list(write(ledger, booked, NOW_NS)) == []
    return ledger
