"""One interval of a world, without its clearing: what stands open before it, what it leaves.

    opened = world.open(row, offered, state)     # self-discharge, Orders taken, the book
    ...                                          # somebody clears the book, or reads a clearing
    state = world.close(opened, received)        # batteries move, machines draw what they used

The simulation and the check of a run walk through these same two steps; between them the one
asks a mechanism and the other reads a file. So whatever happens in a world besides the market
follows from its scenario, its seed and what its batteries received.

In an interval, in this order: batteries self-discharge; machines take Orders against the free
energy of their batteries, and commit it at once; what is committed is held back from the market;
after the clearing it is drawn. A battery whose curve perishes has idled since it last gave energy:
after q out of its free energy F the clock stands at t * (1 - q/F).

A market may see a forecast instead of what comes, and may pause (docs/spec/run.md, R17 to R20). A
world without a market does neither: everybody is billed by the meter.

Spec: docs/spec/run.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.core.units import UJ_PER_J
from isojoule.grid.formulation import network_of
from isojoule.kernels.packs import idle_packs, move_packs
from isojoule.market import Book
from isojoule.market.book import NETWORKS
from isojoule.market.contract import State as MarketState
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.pauses import paused
from isojoule.microworld.scenario import Scenario
from isojoule.valuation import Battery
from isojoule.valuation.battery import freshness

if TYPE_CHECKING:
    from isojoule.machine import Machine
    from isojoule.microworld.fleet import Fleet, FleetState, Turn
    from isojoule.microworld.islands import Islands

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """What a world carries from one interval to the next.

    Attributes
    ----------
    stored_uj
        Energy in each battery, (batteries,).
    idle_s
        Since each battery last gave energy, s, (batteries,).
    fleet
        Machines and their Orders; None without machines.
    market
        The state that the last clearing left; empty before the first.
    """

    stored_uj: Ints
    idle_s: Floats
    fleet: FleetState | None
    market: MarketState = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class Opened:
    """An interval before its clearing.

    Attributes
    ----------
    book
        To be cleared.
    stored_uj, decay_uj
        Per battery: after self-discharge, and what that took.
    committed_uj, used_uj
        Per battery: held back for machines during the clearing, and drawn by them after it.
    turn
        What the machines did; None without machines.
    """

    book: Book
    stored_uj: Ints
    decay_uj: Ints
    committed_uj: Ints
    used_uj: Ints
    idle_s: Floats
    turn: Turn | None


@dataclass(frozen=True, eq=False)
class Packs:
    """Parameters of a scenario's batteries, (batteries,), as `World` needs them."""

    eta_c: Floats
    eta_d: Floats
    capacity_uj: Ints
    reserve_j: Floats
    reserve_uj: Floats
    tau_s: Floats
    floor: Floats
    ones: Floats
    perish: bool

    @classmethod
    def of(cls, maker: OfferMaker) -> Packs:
        """The batteries of a scenario."""
        d, i = maker.scenario.devices, maker.batteries
        return cls(
            eta_c=d.charge_efficiency[i],
            eta_d=d.discharge_efficiency[i],
            capacity_uj=np.rint(d.capacity_j[i] * UJ_PER_J).astype(np.int64),
            reserve_j=d.reserve_j[i],
            reserve_uj=np.rint(d.reserve_j[i] * UJ_PER_J),
            tau_s=d.tau_s[i],
            floor=d.floor[i],
            ones=np.ones(i.size),
            perish=bool(np.isfinite(d.tau_s[i]).any()),
        )

    def charge(self, stored_uj: Ints, received_uj: Ints, kept_uj: Ints) -> Ints:
        """Energy in the batteries after receiving (negative: delivering), microjoules.

        Converters round against the battery: charging down, discharging up. `kept_uj` is what
        was promised to machines, and never leaves.

        Raises
        ------
        InvariantError
            A battery would leave its bounds.
        """
        # an offer rounded to the microjoule may reach one microjoule past a wall
        after, bad = move_packs(
            stored_uj, received_uj, kept_uj, self.eta_c, self.eta_d, self.capacity_uj
        )
        if bad >= 0:
            raise InvariantError("a battery left its bounds")
        return after


@dataclass(frozen=True, eq=False)
class World:
    """A scenario with its offers and its machines. All methods are pure."""

    maker: OfferMaker
    fleet: Fleet | None
    battery_of: Ints
    """Position among the batteries of the one that feeds each machine."""
    market: bool = False
    """Whether there is a market, which forecasts and pauses as the scenario says."""
    seed: bytes = b""

    @classmethod
    def of(
        cls, scenario: Scenario, *, alone: bool = False, seed: bytes = b"", market: bool = True
    ) -> World:
        """Build the world of a scenario.

        Parameters
        ----------
        alone
            Orders go to machines of their own participant only, as in the baseline; else to any
            that the grid reaches. Where the market sees voltages or the laws of meshes, the
            baseline, which is no market, sees what links carry and lose (`transport`).
        seed
            Of ties between Orders, and of the forecast.
        market
            Whether there is a market: without one nothing is forecast, and nothing pauses. None
            for the baseline in any case.
        """
        market = market and not alone
        if scenario.tariff_outside and not market:  # there each meter is billed by itself
            scenario = replace(scenario, tariff_outside=False)
        plain = alone and scenario.network not in NETWORKS
        maker = OfferMaker.of(scenario, "transport" if plain else market * scenario.market_network)
        at = np.searchsorted(maker.batteries, scenario.machine_device).astype(np.int64)
        if not scenario.machines:
            return cls(maker, None, at, market, seed)
        from isojoule.microworld.fleet import Fleet

        d = scenario.devices
        network = network_of(scenario.grid, "transport", float(scenario.interval_s))
        fleet = Fleet.of(
            machines=scenario.machines,
            owners=tuple(scenario.participants[d.participant[i]] for i in scenario.machine_device),
            nodes=d.node[scenario.machine_device].astype(np.int64),
            orders=scenario.orders,
            node_ids=scenario.grid.node_ids,
            parts=network.part,
            reach="own" if alone else "grid",
            interval_s=scenario.interval_s,
            seed=seed,
        )
        return cls(maker, fleet, at, market, seed)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """The machines of the scenario."""
        return self.maker.scenario.machines

    def first(self) -> State:
        """The state in which the scenario begins."""
        d = self.maker.scenario.devices
        stored = np.rint(d.energy_j[self.maker.batteries] * UJ_PER_J).astype(np.int64)
        return self.at(stored)

    def at(self, stored_uj: Ints) -> State:
        """A state with these batteries, nothing idle, no Order taken, no market before."""
        fleet = None if self.fleet is None else self.fleet.first()
        return State(stored_uj.copy(), np.zeros(stored_uj.size), fleet)

    def offered_uj(self, rows: slice, wanted_uj: Ints) -> Ints:
        """What the offers of these intervals are made of, (rows, devices).

        Parameters
        ----------
        wanted_uj
            What comes, `OfferMaker.energies_uj` of the rows. It is handed back as it is where
            nothing is forecast; in a pause it is what counts.
        """
        scenario = self.maker.scenario
        if not self.market or scenario.forecast is None:
            return wanted_uj
        expected = scenario.forecast.energies_uj(self.maker, rows, self.seed)
        if self.pauses is None:
            return expected
        out: Ints = np.where(self.pauses[rows, None], wanted_uj, expected)
        return out

    @property
    def forecasts(self) -> bool:
        """Whether offers are made of a forecast."""
        return self.market and self.maker.scenario.forecast is not None

    @property
    def beside_wires(self) -> bool:
        """Whether the market ignores the wires that there are."""
        return self.market and self.maker.scenario.beside_wires

    @cached_property
    def islands(self) -> Islands | None:
        """Where batteries make up for what comes otherwise; None: nowhere, or nothing does."""
        if not (self.forecasts or self.beside_wires):
            return None
        from isojoule.microworld.islands import Islands

        found = Islands.of(self.maker.scenario)
        return found if found.parts else None

    @property
    def follows_meters(self) -> bool:
        """Whether batteries move by what meters show, and not by what was cleared."""
        return self.beside_wires or self.islands is not None

    @cached_property
    def pauses(self) -> NDArray[np.bool_] | None:
        """Whether the market pauses, for each interval of the scenario; None: it never does."""
        scenario = self.maker.scenario
        if not self.market or not scenario.pauses:
            return None
        return paused(scenario.pauses, scenario.times_s)

    @property
    def fallback(self) -> str:
        """The rule in a pause: name of a mechanism."""
        return "utility-only" if self.maker.scenario.has_utility else "autarky"

    def open(self, row: int, offered_uj: Ints, state: State) -> Opened:
        """Begin the interval `row`; `offered_uj` is its row of `offered_uj`."""
        maker = self.maker
        decay = maker.decay_uj(state.stored_uj)
        stored = state.stored_uj - decay
        fresh = self._freshness(stored, state.idle_s)
        committed, used = np.zeros_like(stored), np.zeros_like(stored)
        turn = None
        if self.fleet is not None and state.fleet is not None:
            packs = [self._battery(i, stored, fresh) for i in self.battery_of]
            time_s = int(maker.scenario.times_s[row])
            turn = self.fleet.turn(state.fleet, time_s, packs)
            committed[self.battery_of] = turn.committed_uj
            used[self.battery_of] = turn.used_uj
        book = maker.make(row, offered_uj, stored, committed, fresh)
        by_wires = book.network in NETWORKS and not self.beside_wires
        if self.pauses is not None and self.pauses[row] and not by_wires:
            book = replace(book, network="transport")  # as the baseline sees it
        return Opened(book, stored, decay, committed, used, state.idle_s, turn)

    def close(self, opened: Opened, received_uj: Ints, market: MarketState | None = None) -> State:
        """End the interval: batteries receive (negative: deliver), machines draw what they used.

        Parameters
        ----------
        market
            The state that the clearing leaves to the next one.

        Raises
        ------
        InvariantError
            A battery would leave its bounds.
        """
        packs = self.packs
        if opened.turn is not None and np.any(opened.used_uj > opened.stored_uj):
            raise InvariantError("machines drew more than their battery held")
        after = packs.charge(opened.stored_uj, received_uj, opened.used_uj) - opened.used_uj
        idle = idle_packs(
            opened.idle_s, opened.stored_uj, received_uj, opened.used_uj, packs.reserve_uj,
            packs.eta_d, float(self.maker.scenario.interval_s),
        )  # fmt: skip
        fleet = None if opened.turn is None else opened.turn.state
        return State(after, idle, fleet, market or {})

    @cached_property
    def packs(self) -> Packs:
        """The batteries of the scenario."""
        return Packs.of(self.maker)

    def _freshness(self, stored_uj: Ints, idle_s: Floats) -> Floats:
        """Factor on each battery's curve; 1 where it does not perish, or has nothing to sell."""
        packs = self.packs
        if not packs.perish:
            return packs.ones
        perishes = np.isfinite(packs.tau_s) & (stored_uj > packs.reserve_j * UJ_PER_J)
        tau = np.where(perishes, packs.tau_s, 1.0)
        return np.where(perishes, freshness(idle_s, tau, packs.floor), 1.0)

    def _battery(self, at: int, stored_uj: Ints, fresh: Floats) -> Battery:
        """The battery as a machine sees it, with its curve already scaled by its freshness."""
        d = self.maker.scenario.devices
        i = self.maker.batteries[at]
        return Battery(
            energy_uj=int(stored_uj[at]),
            capacity_uj=round(float(d.capacity_j[i]) * UJ_PER_J),
            reserve_uj=round(float(d.reserve_j[i]) * UJ_PER_J),
            v_min_per_j=float(d.v_min_per_j[i] * fresh[at]),
            v_max_per_j=float(d.v_max_per_j[i] * fresh[at]),
            v_critical_per_j=float(d.v_critical_per_j[i]),
            k=float(d.k[i]),
        )
