"""The loop of a microworld: state -> offers -> clearing -> delivery -> metering -> record.

Each interval: batteries self-discharge; machines take Orders; every device makes its offer, of what
it expects; the mechanism clears; batteries move by what they received, and machines draw what they
used; all of it is recorded in integers. Where what comes is what was expected, what was cleared is
what is metered. Else meters and links follow from what comes (`isojoule.microworld.delivery`),
which changes nothing of what batteries hold. In a pause the fall-back clears instead of the market.
Nothing here reads a file, a clock or a generator of randomness.

Conservation is asserted, exactly, in every interval, as cleared and as metered: what all offers
receive, what links lose and what transformers draw sums to zero; money sums to the operator's line;
each battery changes by what it received less the loss of its converter, its self-discharge and what
machines drew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError, InvariantError
from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market import Book, Clearing, Mechanism, Refusal
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import NETWORKS
from isojoule.market.contract import Warm
from isojoule.market.mechanisms import get
from isojoule.market.settle import capacity_uj
from isojoule.microworld.delivery import Delivery
from isojoule.microworld.meters import begun, finished, read_meters
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.world import Opened, State, World

if TYPE_CHECKING:
    from isojoule.microworld.fleet import Turn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Record:
    """What happened in R intervals. Offers are the devices, then the utility if there is one.

    Attributes
    ----------
    time_s
        Starts, epoch seconds UTC, (R,).
    wanted_uj
        What loads wanted and PV had (negative), as it came, (R, devices).
    energy_uj, payment_nano
        Received and paid, (R, offers).
    flow_uj, loss_uj, standing_uj, full
        Per link: sent, lost, drawn at `from` whatever flows, whether at its limit, (R, links).
    operator_nano, congestion_nano, loss_rent_nano
        Of the operator, (R,).
    price_per_j
        Per node, nan where undefined, (R, nodes).
    start_uj, stored_uj
        Batteries before the first interval, (batteries,), and after each, (R, batteries).
    decay_uj, committed_uj, used_uj
        Per battery: self-discharge, held back for machines, and drawn by them, (R, batteries).
    turns
        What the machines did in each interval; empty without machines.
    notes
        What the mechanism told about itself in each interval.
    link_payment_nano
        Paid by the owners of links (negative: received), (R, links).
    welfare, gap
        Money, (R,).
    closed
        Whether nothing is left open: nodal prices prove the optimum to rounding, or another rule
        was followed, (R,).
    delivery
        What was metered, where offers were made of a forecast; None: what was cleared.
    paused
        Whether the market paused, (R,); None in a world whose market never does.
    lines
        What the rule names in the operator's account in each interval, nano-units, as `heads_of`
        has it.
    """

    time_s: Ints
    wanted_uj: Ints
    energy_uj: Ints
    payment_nano: Ints
    flow_uj: Ints
    loss_uj: Ints
    full: NDArray[np.bool_]
    standing_uj: Ints
    operator_nano: Ints
    congestion_nano: Ints
    loss_rent_nano: Ints
    price_per_j: Floats
    start_uj: Ints
    stored_uj: Ints
    decay_uj: Ints
    committed_uj: Ints
    used_uj: Ints
    turns: list[Turn]
    notes: list[dict[str, Any]]
    link_payment_nano: Ints
    welfare: Floats
    gap: Floats
    closed: NDArray[np.bool_]
    delivery: Delivery | None = None
    paused: NDArray[np.bool_] | None = None
    lines: list[dict[str, int]] = field(default_factory=list)

    @property
    def offered_uj(self) -> Ints:
        """What the offers of the devices were made of, (R, devices)."""
        return self.wanted_uj if self.delivery is None else self.delivery.offered_uj

    @property
    def metered_uj(self) -> Ints:
        """What each offer received in truth, (R, offers)."""
        return self.energy_uj if self.delivery is None else self.delivery.metered_uj

    @property
    def delivered_flow_uj(self) -> Ints:
        """What links sent in truth, (R, links)."""
        return self.flow_uj if self.delivery is None else self.delivery.flow_uj

    @property
    def delivered_loss_uj(self) -> Ints:
        """What links lost in truth, (R, links)."""
        return self.loss_uj if self.delivery is None else self.delivery.loss_uj

    @property
    def delivered_standing_uj(self) -> Ints:
        """What links drew as standing loss in truth, (R, links)."""
        given = None if self.delivery is None else self.delivery.standing_uj
        return self.standing_uj if given is None else given

    @property
    def unproven(self) -> int:
        """Intervals whose certificate leaves more than rounding."""
        return int((~self.closed).sum())

    @property
    def end_uj(self) -> Ints:
        """Energy in the batteries after the last interval."""
        end: Ints = self.stored_uj[-1]
        return end


def simulate(
    world: World,
    mechanism: Mechanism,
    rows: slice,
    start: State,
    *,
    seed: bytes = b"",
    progress: Progress | None = None,
) -> tuple[Record, State]:
    """Run consecutive intervals of a scenario from a given state; returns the state after them.

    A mechanism may have a method `clear_from` (see `isojoule.market.contract.Warm`): then each
    interval starts from what the one before offers, and the first one from nothing.

    Raises
    ------
    InputError
        The mechanism refuses the scenario.
    """
    maker = world.maker
    s = maker.scenario
    first, last, _ = rows.indices(len(s.times_s))
    count, offers, batteries = last - first, maker.template.offer_count, maker.batteries.size
    links, nodes = s.grid.link_count, s.grid.node_count
    wanted = maker.energies_uj(slice(first, last))
    offered = world.offered_uj(slice(first, last), wanted)
    paused = None if world.pauses is None else world.pauses[first:last]
    record = Record(
        time_s=s.times_s[first:last].astype(np.int64),
        wanted_uj=wanted,
        energy_uj=np.zeros((count, offers), np.int64),
        payment_nano=np.zeros((count, offers), np.int64),
        flow_uj=np.zeros((count, links), np.int64),
        loss_uj=np.zeros((count, links), np.int64),
        full=np.zeros((count, links), bool),
        standing_uj=np.zeros((count, links), np.int64),
        operator_nano=np.zeros(count, np.int64),
        congestion_nano=np.zeros(count, np.int64),
        loss_rent_nano=np.zeros(count, np.int64),
        price_per_j=np.full((count, nodes), np.nan),
        start_uj=start.stored_uj.copy(),
        stored_uj=np.zeros((count, batteries), np.int64),
        decay_uj=np.zeros((count, batteries), np.int64),
        committed_uj=np.zeros((count, batteries), np.int64),
        used_uj=np.zeros((count, batteries), np.int64),
        turns=[],
        notes=[],
        link_payment_nano=np.zeros((count, links), np.int64),
        welfare=np.zeros(count),
        gap=np.zeros(count),
        closed=np.ones(count, bool),
        paused=paused,
    )
    record = begun(world, record, offered)
    fallback = get(world.fallback) if paused is not None and paused.any() else None
    state = start
    follows = mechanism if isinstance(mechanism, Warm) else None
    begin: Any = None
    for at in range(count):
        opened = world.open(first + at, offered[at], state)
        clearing: Clearing | Refusal
        halted = paused is not None and bool(paused[at])
        if halted and fallback is not None:
            clearing, begin = fallback.clear(opened.book, s.grid, seed=seed), None
        elif follows is None:
            clearing = mechanism.clear(opened.book, s.grid, state=state.market, seed=seed)
        else:
            clearing, begin = follows.clear_from(
                opened.book, s.grid, state=state.market, seed=seed, start=begin
            )
        if isinstance(clearing, Refusal):
            raise InputError(
                f"{_when(s, first + at)}: {clearing}", remedy="choose another mechanism"
            )
        carried = state.market if halted else clearing.state  # a pause leaves it as it was
        _write(record, at, opened, clearing, proven_by_prices(opened.book, s.grid, clearing))
        try:
            received = read_meters(world, opened, record, at)
        except InputError as error:
            when = _when(s, first + at)
            raise InputError(error.message, place=when, remedy=error.remedy) from None
        state = world.close(opened, received[maker.batteries], carried)
        record.stored_uj[at] = state.stored_uj
        if progress is not None:
            progress(1)
    record.full[:] = np.abs(record.flow_uj) >= limits_uj(maker)
    record = finished(world, record)
    check_record(maker, record)
    return record, state


def _when(s: Scenario, row: int) -> str:
    return f"interval {Interval(int(s.times_s[row]), 1.0).start_text()}"


def proven_by_prices(book: Book, grid: Grid, clearing: Clearing) -> bool:
    """Whether the prices alone prove the optimum; true of rules that do not seek it.

    A run keeps prices and no duals, so this, not the certificate, is what can be checked later.
    """
    if clearing.certificate.kind == "recomputed":
        return True
    if book.network not in NETWORKS:  # limits have duals of their own: the rule is run again
        return clearing.certificate.kind == "dual"
    if clearing.certificate.by_prices is not None:
        return clearing.certificate.by_prices
    c = clearing
    flows = (c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj)
    return supporting_prices(book, grid, *flows, np.nan_to_num(c.price_per_j)).closed


def line_of(operator: dict[str, int], name: str) -> int:
    """A line of the operator's account, nano-units, all its parts (`name.<link>`) together."""
    parts = name + "."
    return sum([v for line, v in operator.items() if line == name or line.startswith(parts)])


def heads_of(operator: dict[str, int]) -> dict[str, int]:
    """Lines of the operator that are not 0, nano-units, parts (`name.<link>`) together."""
    found: dict[str, int] = {}
    for line, nano in operator.items():
        head = line.partition(".")[0]
        found[head] = found.get(head, 0) + nano
    return {head: found[head] for head in sorted(found) if found[head]}


def limits_uj(maker: OfferMaker) -> Ints:
    """Most that each link may send in an interval, microjoules, (links,)."""
    s = maker.scenario
    network = network_of(s.grid, maker.template.network, float(s.interval_s))
    limit = np.full(s.grid.link_count, np.iinfo(np.int64).max, dtype=np.int64)
    limit[: network.tail.size] = capacity_uj(network)
    return limit


def _write(
    record: Record,
    at: int,
    opened: Opened,
    clearing: Clearing,
    closed: bool,
) -> None:
    record.decay_uj[at] = opened.decay_uj
    record.committed_uj[at] = opened.committed_uj
    record.used_uj[at] = opened.used_uj
    if opened.turn is not None:
        record.turns.append(opened.turn)
    record.notes.append(clearing.notes)
    record.lines.append(heads_of(clearing.operator))
    record.energy_uj[at] = clearing.energy_uj
    record.payment_nano[at] = clearing.payment_nano
    record.flow_uj[at] = clearing.flow_uj
    record.loss_uj[at] = clearing.loss_uj
    record.standing_uj[at] = clearing.standing_uj
    record.operator_nano[at] = clearing.surplus_nano
    record.congestion_nano[at] = line_of(clearing.operator, "congestion_rent")
    record.loss_rent_nano[at] = line_of(clearing.operator, "loss_rent")
    record.price_per_j[at] = clearing.price_per_j
    record.link_payment_nano[at] = clearing.link_payment_nano
    record.closed[at] = closed
    record.welfare[at] = clearing.welfare
    record.gap[at] = clearing.certificate.gap


def check_record(maker: OfferMaker, record: Record) -> None:
    """Assert exact conservation of energy and money in every interval.

    Raises
    ------
    InvariantError
        Names the interval.
    """

    def hold(rest: Ints, what: str) -> None:
        bad = np.flatnonzero(np.atleast_2d(rest.T).any(axis=0))
        if bad.size:
            raise InvariantError(f"{what} in interval {int(record.time_s[bad[0]])}")

    # standing losses are drawn without a payment: the operator's surplus already holds their cost
    moved = record.energy_uj.sum(1) + record.loss_uj.sum(1) + record.standing_uj.sum(1)
    hold(moved, "energy is not conserved")
    if record.delivery is not None:
        d = record.delivery
        moved = d.metered_uj.sum(1) + d.loss_uj.sum(1) + record.delivered_standing_uj.sum(1)
        hold(moved, "metered energy is not conserved")
    paid = record.payment_nano.sum(1) + record.link_payment_nano.sum(1)
    hold(paid - record.operator_nano, "money is not conserved")
    loss = conversion_loss_uj(maker, record)
    hold(np.where(loss < -2, 1, 0), "a battery gave more than it had")


def conversion_loss_uj(maker: OfferMaker, record: Record) -> Ints:
    """What the converters of the batteries lost, microjoules, (R, batteries).

    It closes the balance of each battery exactly: received = change of energy + self-discharge
    + drawn by machines + conversion loss.
    """
    before = np.vstack([record.start_uj, record.stored_uj[:-1]])
    received = record.metered_uj[:, maker.batteries]
    loss: Ints = received - (record.stored_uj - before) - record.decay_uj - record.used_uj
    return loss
