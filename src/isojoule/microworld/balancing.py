"""Who makes up for what comes otherwise, where no utility does.

The market clears on what was expected. Then comes what comes, and there is no outside to take the
difference. In each interval:

1. Each home keeps its own balance as long as it can: with its sun that was told to spill, or its
   load that was told to do without, then with its batteries.
2. What then is left is shared in the part of the grid that is connected, within what links carry,
   losses included. Too little: sun that was told to spill, then batteries, then load goes without.
   Too much: load that was told to do without, then batteries, then sun is spilled. Among each kind
   all give up, or take, the same share of what they can, but for what is lost on the way.

Theory of operation. The second step is a concave program over the network, like a market's, but its
worths only say who comes first: bands, one above the other, with a gap that no loss on the way
bridges. Within a band the worth falls with the share that is used, so at one price all have used
the same share; this is how droop control shares a load among converters. A battery has a kink where
it stands after the first step, so that a home that is in balance moves no battery of another.

Spec: docs/spec/run.md, R23 to R25.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market.allocation import Allocation, NotSolved, allocate, columns_of
from isojoule.market.book import NETWORKS, Book
from isojoule.market.carry import Carried
from isojoule.market.solvers.auto import fitting
from isojoule.microworld.delivery import metered_uj
from isojoule.microworld.devices import DeviceKind
from isojoule.microworld.islands import PIECES, Island, Islands, Packs
from isojoule.microworld.world import Opened
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUN, CHARGE, LOAD_BACK, SUN_BACK, DISCHARGE, REFILL, LOAD = (3.0**n for n in range(7))
"""Where the bands begin. Each ends at `TOP` times that; so the next begins at twice its end."""
TOP = 1.5
MOST_RATIO = 10.0
"""A load counts by its lost load, as this many times the least in its part at most."""


class Reach(NamedTuple):
    """What batteries can receive in an interval, microjoules at the grid's side, (B,).

    `keep` is what of the planned charging only fills up the reserve.
    """

    low: Ints
    high: Ints
    keep: Ints


def balance(
    islands: Islands, opened: Opened, wanted_uj: Ints, offered_uj: Ints, sent: Carried,
    *, afresh: bool = False,
) -> Carried:  # fmt: skip
    """What meters and links of the islands show; all else is as cleared.

    Parameters
    ----------
    opened
        The interval, with the energy in the batteries.
    wanted_uj, offered_uj
        What came and what was forecast, (devices,).
    sent
        As cleared.
    afresh
        Whether the clearing ignored the links, so that flows must be found although nothing came
        otherwise.

    Raises
    ------
    InputError
        No flows are found that carry what came.
    """
    energy, flow = sent.energy_uj.copy(), sent.flow_uj.copy()
    loss, standing = sent.loss_uj.copy(), sent.standing_uj.copy()
    kind, worth = islands.scenario.devices.kind, islands.scenario.devices.lost_load_per_j
    for island, packs in zip(islands.parts, islands.packs, strict=True):
        i = island.devices
        wanted, cleared = wanted_uj[i], sent.energy_uj[i]
        plain = kind[i] != DeviceKind.BATTERY
        shown = np.where(plain, metered_uj(wanted, offered_uj[i], cleared), cleared)
        reach = reach_of(packs, opened, cleared[packs.at])
        shown, rest = at_home(island, packs, reach, wanted, shown, cleared)
        if afresh or rest.any():
            book = _book(islands, opened, island, packs, reach, wanted, shown, worth[i])
            found = _solved(book, island.grid)
            if isinstance(found, NotSolved):
                raise InputError(
                    f"nobody can make up for what came instead of what was forecast: "
                    f"{found.reason}",
                    place="forecast",
                    remedy=found.remedy,
                )
            shown = found.energy_uj
            flow[island.links], loss[island.links] = found.flow_uj, found.loss_uj
            standing[island.links] = found.standing_uj
        energy[i] = shown
    return Carried(energy, flow, loss, standing)


def _solved(book: Book, grid: Grid) -> Allocation | NotSolved:
    """The optimum, by the solver that fits. It only shares out; so no proof to the last digit."""
    if book.network not in NETWORKS:
        from isojoule.market.meshed.optimum import allocate_meshed

        return allocate_meshed(book, grid)
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    for solver in fitting(network, columns):
        found = allocate(book, grid, solver=solver, columns=columns)
        if isinstance(found, Allocation):
            return found
    return allocate(book, grid, columns=columns)


def reach_of(packs: Packs, opened: Opened, cleared_uj: Ints) -> Reach:
    """What the batteries can receive: power, room, and nothing of reserve and promised energy."""
    stored = opened.stored_uj[packs.row]
    floor = packs.reserve_uj + opened.committed_uj[packs.row]
    free = np.minimum(packs.most_out_uj, np.maximum(stored - floor, 0.0) * packs.eta_d)
    room = np.minimum(packs.most_in_uj, np.maximum(packs.capacity_uj - stored, 0.0) / packs.eta_c)
    fill = np.ceil(np.maximum(floor - stored, 0.0) / packs.eta_c).astype(np.int64)
    return Reach(
        low=np.minimum(-np.floor(free).astype(np.int64), cleared_uj),
        high=np.maximum(np.floor(room).astype(np.int64), cleared_uj),
        keep=np.minimum(fill, np.maximum(cleared_uj, 0)),
    )


def at_home(
    island: Island, packs: Packs, reach: Reach, wanted: Ints, shown: Ints, cleared: Ints
) -> tuple[Ints, Ints]:
    """Let each home balance itself as far as it can, in whole microjoules.

    Parameters
    ----------
    wanted, shown, cleared
        What came, what meters would show if all of it were balanced, and what was cleared, (D,).

    Returns
    -------
    shown
        What meters show after it, (D,).
    rest
        What each home then takes beyond what it was cleared for, (homes,).
    """
    off = _by_home(island, shown - cleared)
    # to make up for too little; sun first, then what batteries can give
    more = np.where(wanted < 0, np.maximum(shown - wanted, 0), 0)
    more[packs.at] = cleared[packs.at] - reach.low - reach.keep  # one of the two is 0
    # and for too much: load first, then what batteries can take
    less = np.where(wanted > 0, np.maximum(wanted - shown, 0), 0)
    less[packs.at] = reach.high - cleared[packs.at]
    battery = np.zeros(shown.size, bool)
    battery[packs.at] = True
    short = off[island.home] > 0
    can = np.where(short, more, less)
    order = np.lexsort((np.arange(shown.size), battery, island.home))
    home, sorted_can = island.home[order], can[order]
    before = np.cumsum(sorted_can) - sorted_can
    first = np.searchsorted(home, np.arange(island.homes))
    before -= before[first][home]
    took = np.empty_like(can)
    took[order] = np.clip(np.abs(off)[home] - before, 0, sorted_can)
    shown = shown + np.where(short, -took, took)
    return shown, _by_home(island, shown - cleared)


def _by_home(island: Island, values: Ints) -> Ints:
    out = np.zeros(island.homes, np.int64)
    np.add.at(out, island.home, values)
    return out


def _book(
    islands: Islands, opened: Opened, island: Island, packs: Packs, reach: Reach, wanted: Ints,
    shown: Ints, worth: Floats,
) -> Book:  # fmt: skip
    """The program of the second step. Everybody has five pieces, some of them empty."""
    count = wanted.size
    ends = np.zeros((4, count, PIECES))  # lo, hi, and the worth at each
    takes, gives = np.maximum(wanted, 0), np.maximum(-wanted, 0)
    got, fed = np.minimum(np.maximum(shown, 0), takes), np.minimum(np.maximum(-shown, 0), gives)
    known = np.where(worth > 0, worth, np.inf)
    least = float(np.min(known[takes > 0], initial=np.inf))
    ratio = np.clip(np.where(np.isfinite(known), known, 0.0) / least, 1.0, MOST_RATIO)
    # sun that was told to spill, sun, load, load that was told to do without
    ends[:, :, 0] = _band(fed - gives, 0 * fed, SUN_BACK)
    ends[:, :, 1] = _band(-fed, 0 * fed, SUN)
    ends[:, :, 2] = _band(0 * got, got, LOAD * ratio)
    ends[:, :, 3] = _band(0 * got, takes - got, LOAD_BACK)
    if packs.at.size:
        ends[:, packs.at, :] = _packs(reach, shown[packs.at])
    lo, hi, at_lo, at_hi = ends.reshape(4, -1)
    span = hi - lo
    some = span > 0
    width = np.where(some, span, 1.0)
    pieces = Pieces(
        lo=lo, hi=hi, a=at_hi, b=np.where(some, at_lo - at_hi, 0.0),
        c0=np.where(some, hi / width, 1.0), c1=np.where(some, 1.0 / width, 0.0),
        k=np.ones(lo.size),
    )  # fmt: skip
    s, zero = islands.scenario, np.zeros(count)
    return Book(
        currency=s.currency,
        interval=opened.book.interval,
        network=islands.network,
        participants=s.participants,
        offer_ids=island.names,
        offer_participant=island.participant,
        offer_node=island.node,
        offer_kind=np.full(count, KINDS.index("steps"), np.uint8),
        piece_offer=island.piece_offer,
        pieces=pieces,
        on_curve=np.zeros(lo.size, bool),
        spill0=zero, spill1=zero, short0=zero, short1=zero,
    )  # fmt: skip


def _band(lo: Ints, hi: Ints, level: float | Floats) -> Floats:
    """A piece from `lo` to `hi`, microjoules, over the whole of a band. J and worths, (4, D)."""
    worth = np.broadcast_to(np.asarray(level, np.float64), lo.shape)
    return np.stack([lo / UJ_PER_J, hi / UJ_PER_J, worth * TOP, worth])


def _packs(reach: Reach, stands: Ints) -> Floats:
    """Pieces of batteries that stand at some energy received, (4, B, 5).

    A piece begins or ends at 0 (V1), so each is moved there; worths are those of where it belongs.
    Below it they give more, up to the upper end of the band of discharging; above it they take
    more, down to the lower end of that of charging. What refills the reserve is a band of its own.
    """
    low, high = reach.low / UJ_PER_J, np.maximum(reach.high, stands) / UJ_PER_J
    keep, at = np.minimum(reach.keep, np.maximum(stands, 0)) / UJ_PER_J, stands / UJ_PER_J
    down, up = (at - keep) - np.minimum(low, 0.0), high - at
    negative, positive = np.minimum(at, 0.0), np.maximum(at, 0.0)
    down = np.where(down > 0, down, 1.0)
    up = np.where(up > 0, up, 1.0)

    def giving(x: Floats) -> Floats:  # of all that can be given, what is given at x
        held = np.where(x > 0, keep, 0.0)  # the refill lies between, and is not of this band
        share = (at - keep - (x - held)) / down
        return np.asarray(DISCHARGE * (1.0 + (TOP - 1.0) * np.clip(share, 0.0, 1.0)))

    def taking(x: Floats) -> Floats:
        share = (x - at) / up
        return np.asarray(CHARGE * (TOP - (TOP - 1.0) * np.clip(share, 0.0, 1.0)))

    zero = np.zeros(at.size)
    out = np.zeros((4, at.size, PIECES))
    out[:, :, 0] = np.stack([low - negative, zero, giving(low), giving(negative)])
    out[:, :, 1] = np.stack([negative, zero, taking(negative), taking(zero)])
    out[:, :, 2] = np.stack([zero, keep, zero + REFILL * TOP, zero + REFILL])
    out[:, :, 3] = np.stack([zero, positive - keep, giving(keep), giving(positive)])
    out[:, :, 4] = np.stack([zero, high - positive, taking(positive), taking(high)])
    return out
