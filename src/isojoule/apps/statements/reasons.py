"""Why the price at each home was what it was, interval by interval, read from a run folder.

The offers of every interval are made again from the stored scenario and the stored batteries, as
`isojoule verify` makes them; energies, flows and prices are those of the tables. No solver runs,
but for a rule without nodal prices, which is asked again for the intervals that are told in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.results.stretch import home_nodes
from isojoule.apps.results.tables import read_metered
from isojoule.apps.results.verify_tables import read_record
from isojoule.apps.results.worlds import part_rows, parts_of, world_of
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import NETWORKS, Book
from isojoule.market.contract import Certificate, Clearing, Refusal
from isojoule.market.explain import price_words
from isojoule.market.mechanisms import get
from isojoule.market.price_reasons import Kind, PriceReasons, price_reasons
from isojoule.market.reasons import Reader
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import Record
from isojoule.microworld.world import World

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MARKET = "market"


class HomeReasons(NamedTuple):
    """Reasons of the prices at the members' homes in a period, (T, P) each.

    Attributes
    ----------
    kind, offer, sells, link, inward
        As in `isojoule.market.price_reasons.PriceReasons`.
    told
        The full reason in words, by interval and member, where it was asked for.
    """

    kind: NDArray[np.uint8]
    offer: NDArray[np.int32]
    sells: Bools
    link: NDArray[np.int32]
    inward: Bools
    told: dict[tuple[int, int], str]


@dataclass(frozen=True, eq=False)
class MarketFiles:
    """The market of a run, opened to be read again.

    Attributes
    ----------
    folder
        The run folder.
    scenario
        As it was run: its periods are those of the run.
    manifest, summary
        As they stand in the folder.
    """

    folder: Path
    scenario: Scenario
    manifest: dict[str, Any]
    summary: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, scenario: Scenario) -> MarketFiles:
        """Read what stands in the folder besides tables."""
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        return cls(folder, scenario, manifest, summary)

    @cached_property
    def world(self) -> World:
        """The world of the market."""
        return world_of(self.scenario, self.manifest["mechanism"], self.seed)

    @property
    def seed(self) -> bytes:
        """Of the run, as mechanisms take it."""
        seed: int = self.manifest["seed"]
        return int(seed).to_bytes(8, "big", signed=True)

    @cached_property
    def mechanism(self) -> Any:
        """The rule of the market."""
        return get(self.manifest["mechanism"], **self.manifest["parameters"])

    @cached_property
    def home(self) -> Ints:
        """Node of each member's home, (P,); -1 where there is none."""
        return home_nodes(self.scenario)

    def part_numbers(self, period: int) -> range:
        """Which parts of the tables hold a period."""
        counts = [parts_of(self.scenario, p) for p in self.scenario.periods]
        first = sum(counts[:period])
        return range(first, first + counts[period])

    def home_prices(self, period: int) -> Floats:
        """Price at each member's home, (T, P), nan where there is none."""
        nodes = self.scenario.grid.node_count
        parts = []
        for number in self.part_numbers(period):
            path = self.folder / MARKET / "nodes" / f"part-{number:05}.parquet"
            column = pl.read_parquet(path, columns=["price_per_j"])["price_per_j"]
            parts.append(column.fill_null(float("nan")).to_numpy().reshape(-1, nodes))
        price = np.concatenate(parts)
        out: Floats = np.where(self.home >= 0, price[:, self.home], np.nan)
        return out

    def carried_uj(self, period: int) -> Ints | None:
        """What the links that each member owns carried in all, either way, (P,); None: no links."""
        people, owners = self.scenario.participants, self.scenario.grid.owner
        mine = [(at, people.index(owner)) for at, owner in enumerate(owners) if owner]
        if not mine:
            return None
        carried = np.zeros(len(people), np.int64)
        for number in self.part_numbers(period):
            path = self.folder / MARKET / "links" / f"part-{number:05}.parquet"
            flow = pl.read_parquet(path, columns=["flow_uj"])["flow_uj"].to_numpy()
            by_link = np.abs(flow.reshape(-1, len(owners))).sum(0)
            for link, owner in mine:
                carried[owner] += by_link[link]
        return carried

    def reasons(
        self,
        period: int,
        paused: Bools,
        wanted: Mapping[int, Sequence[int]],
        progress: Callable[[int], None] | None = None,
    ) -> HomeReasons:
        """Walk through a period.

        Parameters
        ----------
        paused
            Intervals in which the market rested, (T,).
        wanted
            Members whose reason is to be told in words, by interval.
        progress
            Called with the number of intervals done since it was last called.
        """
        asked = self.scenario.periods[period]
        start = np.array(self.summary["periods"][period]["start_uj_market"], np.int64)
        state = self.world.at(start)
        rows: list[PriceReasons] = []
        told: dict[tuple[int, int], str] = {}
        at = 0
        for part, number in enumerate(self.part_numbers(period)):
            where = part_rows(self.scenario, asked, part)
            record = read_record(
                self.world.maker, self.folder / MARKET, number, where, state.stored_uj
            )
            offered = self.world.offered_uj(where, record.wanted_uj)
            devices = self.folder / MARKET / "devices" / f"part-{number:05}.parquet"
            metered = read_metered(devices)["metered_uj"].to_numpy()
            received = metered.reshape(record.energy_uj.shape)[:, self.world.maker.batteries]
            for i in range(record.time_s.size):
                opened = self.world.open(where.start + i, offered[i], state)
                clearing = self._clearing(record, i, bool(paused[at]))
                rows.append(price_reasons(opened.book, self.scenario.grid, clearing))
                if wanted.get(at):
                    words = self._told(opened.book, clearing, wanted[at])
                    told.update({(at, member): text for member, text in words.items()})
                state = self.world.close(opened, received[i])  # the market's is not followed
                at += 1
            if progress is not None:
                progress(record.time_s.size)
        kind, offer, sells, link, inward = (
            np.stack(column)[:, self.home] for column in zip(*rows, strict=True)
        )
        kind[:, self.home < 0] = Kind.NONE
        return HomeReasons(kind, offer, sells, link, inward, told)

    def _clearing(self, record: Record, i: int, paused: bool) -> Clearing:
        """What the tables say of an interval; without a certificate."""
        none = np.zeros(0)
        return Clearing(
            mechanism=self.world.fallback if paused else self.mechanism.name,
            parameters={} if paused else self.manifest["parameters"],
            seed=self.seed,
            energy_uj=record.energy_uj[i],
            payment_nano=record.payment_nano[i],
            flow_uj=record.flow_uj[i],
            loss_uj=record.loss_uj[i],
            link_payment_nano=record.link_payment_nano[i],
            standing_uj=record.standing_uj[i],
            price_per_j=record.price_per_j[i],
            welfare=float(record.welfare[i]),
            operator={},
            certificate=Certificate("recomputed", none, none, none, 0.0, 0.0),
        )

    def _told(self, book: Book, clearing: Clearing, members: Sequence[int]) -> dict[int, str]:
        """The reason in words at some members' homes."""
        grid = self.scenario.grid
        kinds = price_reasons(book, grid, clearing).kind
        whole = None
        out = {}
        for member in members:
            node = int(self.home[member])
            kind = Kind(int(kinds[node]))
            if kind in (Kind.TARIFF, Kind.ALONE):
                out[member] = ""
                continue
            if whole is None:
                proven = kind is not Kind.RULE and book.network in NETWORKS
                whole = _proven(book, grid, clearing) if proven else self._again(book, clearing)
            reader = Reader(book, grid, whole)
            words = [price_words(reader, node)]
            if kind is Kind.RULE:
                mine = np.flatnonzero(book.offer_participant == member)
                words += [
                    f"{book.offer_ids[i]}: {reader.reason(i)}."
                    for i in mine.tolist()
                    if whole.energy_uj[i]
                ]
            out[member] = " ".join(words)
        return out

    def _again(self, book: Book, clearing: Clearing) -> Clearing:
        """The rule asked again, for what it tells about itself; if it gives what is stored."""
        grid = self.scenario.grid
        again: Clearing | Refusal = self.mechanism.clear(book, grid, seed=self.seed)
        if isinstance(again, Refusal):
            return clearing
        for name in ("energy_uj", "payment_nano", "flow_uj"):
            if not np.array_equal(getattr(again, name), getattr(clearing, name)):
                return clearing
        return again


def _proven(book: Book, grid: Any, clearing: Clearing) -> Clearing:
    """The clearing with the range of prices that support it."""
    c = clearing
    duals = np.nan_to_num(c.price_per_j, nan=0.0)
    found = supporting_prices(book, grid, c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj, duals)
    proof = Certificate("dual", duals, found.lowest, found.highest, 0.0, found.gap)
    return replace(c, certificate=proof)
