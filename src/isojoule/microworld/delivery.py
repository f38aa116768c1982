"""What meters show, and what links carry, when something else comes than was forecast.

The market clears on what was expected. Then comes what comes:

- A load draws what it wants, less what the market left unserved of its offer.
- A PV, or whatever else feeds in, delivers what comes. If the market spilled some of its offer, it
  delivers no more than was cleared: it was told to.
- Batteries keep to what was cleared.
- The utility makes up for the difference at its node, losses included: the imbalance.

Where everything comes as forecast, meters show what was cleared, to the last microjoule. What
happens where no utility makes up for it stands in `isojoule.microworld.balancing`.
Spec: docs/spec/run.md, R18 and R19.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.interval import Interval
from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid.dc import NotLinear, linear_flow_of
from isojoule.grid.formulation import network_of
from isojoule.kernels.deliver import deliver, tree_from
from isojoule.kernels.incidence import incidence
from isojoule.kernels.money import payments
from isojoule.kernels.round_flow import round_flow
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import DeviceKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDING_UJ = UJ_PER_J
"""A market that spills no more than a Joule did not tell anybody to spill: it rounded."""


@dataclass(frozen=True, eq=False, slots=True)
class Delivery:
    """R intervals as they were metered.

    Attributes
    ----------
    offered_uj
        The forecast that the offers were made of, (R, devices).
    metered_uj
        What each offer received in truth, (R, offers); devices, then the utility.
    flow_uj, loss_uj
        What links carried and lost in truth, (R, links).
    standing_uj
        What links drew as standing loss in truth, (R, links); None: what was cleared.
    """

    offered_uj: Ints
    metered_uj: Ints
    flow_uj: Ints
    loss_uj: Ints
    standing_uj: Ints | None = None


class Cleared(NamedTuple):
    """What a market made of R intervals: energies of offers, flows and losses of links."""

    energy_uj: Ints
    flow_uj: Ints
    loss_uj: Ints


def metered_uj(wanted_uj: Ints, offered_uj: Ints, energy_uj: Ints) -> Ints:
    """What meters of loads and PV show, microjoules; three arrays of one shape.

    Parameters
    ----------
    wanted_uj
        What came: loads want it, PV has it (negative).
    offered_uj
        What was forecast, and offered.
    energy_uj
        What was cleared of the offer.
    """
    unserved = np.maximum(offered_uj, 0) - np.maximum(energy_uj, 0)
    drawn = np.maximum(np.maximum(wanted_uj, 0) - unserved, 0)
    came, cleared = np.maximum(-wanted_uj, 0), np.maximum(-energy_uj, 0)
    spilled = np.maximum(-offered_uj, 0) - cleared
    told = spilled > ROUNDING_UJ
    fed = np.where(told, np.minimum(came, cleared), np.maximum(came - spilled, 0))
    metered: Ints = drawn - fed
    return metered


def delivered(maker: OfferMaker, wanted_uj: Ints, offered_uj: Ints, cleared: Cleared,
              times_s: Ints, *, apart: NDArray[np.bool_] | None = None) -> Delivery:  # fmt: skip
    """Meters and links of R intervals, as far as the utility makes up for what comes.

    Parameters
    ----------
    wanted_uj, offered_uj
        What came and what was forecast, (R, devices).
    cleared
        What the market made of the forecast.
    times_s
        Starts of the intervals, (R,), for the words of a refusal.
    apart
        Devices that the utility does not reach, (devices,): as cleared here. None: none.

    Raises
    ------
    InputError
        A link cannot carry what came, however much is sent: the voltage would collapse.
    """
    s = maker.scenario
    network = network_of(s.grid, maker.template.network, float(s.interval_s))
    energy, links = cleared.energy_uj, network.tail.size
    metered = energy.copy()
    here = s.devices.kind != DeviceKind.BATTERY
    plain = np.flatnonzero(here if apart is None else here & ~apart)
    metered[:, plain] = metered_uj(wanted_uj[:, plain], offered_uj[:, plain], energy[:, plain])
    if maker.template.network == "dc":
        metered[:, s.devices.count] -= (metered - energy).sum(1)  # nothing is lost
        flow = _by_law(maker, metered, energy, cleared.flow_uj)
        return Delivery(offered_uj, metered, flow, cleared.loss_uj.copy())
    root = int(network.node_of[s.utility_node])
    order, link = tree_from(
        root, network.tail, network.head, network.start, network.incident, network.capacity_j > 0
    )
    with np.errstate(divide="ignore"):
        top = network.gain / (2.0 * network.limits.loss_per_j) * UJ_PER_J
    peak = np.floor(np.minimum(top, float(NO_LIMIT_UJ))).astype(np.int64)
    flow, loss = cleared.flow_uj.copy(), cleared.loss_uj.copy()
    extra = np.zeros(len(energy), np.int64)
    node = network.node_of[maker.template.offer_node].astype(np.int64)
    limits = network.limits
    own_flow, own_loss = flow[:, :links].copy(), loss[:, :links].copy()
    at, which = deliver(
        network.tail, network.head, limits.loss_ppb, limits.loss_per_j, peak, order, link, node,
        metered - energy, own_flow, own_loss, extra,
    )  # fmt: skip
    if at >= 0:
        when = Interval(int(times_s[at]), 1.0).start_text()
        raise InputError(
            f"interval {when}: link {s.grid.link_ids[which]!r} cannot carry what came instead of "
            "what was forecast, however much is sent: the voltage would collapse",
            place="forecast",
            remedy="give the link less resistance, or the forecast a smaller error",
        )
    flow[:, :links], loss[:, :links] = own_flow, own_loss
    metered[:, s.devices.count] += extra
    return Delivery(offered_uj, metered, flow, loss)


def _by_law(maker: OfferMaker, metered_uj: Ints, energy_uj: Ints, flow_uj: Ints) -> Ints:
    """Flows of a mesh when meters show this: those of the linear power flow, (R, links).

    They are rounded down or up so that every node balances (spec grid.md, G12); limits do not hold.
    Intervals in which all came as cleared keep their flows.
    """
    s = maker.scenario
    linear = linear_flow_of(s.grid, float(s.interval_s))
    assert not isinstance(linear, NotLinear)  # it was cleared
    out = flow_uj.copy()
    rows = np.flatnonzero((metered_uj != energy_uj).any(1))
    fed_in = np.zeros((linear.nodes, rows.size), np.int64)
    np.subtract.at(fed_in, maker.template.offer_node, metered_uj[rows].T)
    angles = linear.angles(fed_in.astype(np.float64))
    start, incident = incidence(linear.nodes, linear.tail, linear.head)
    for at, row in enumerate(rows.tolist()):
        out[row, linear.live] = round_flow(
            linear.tail, linear.head, linear.flows(angles[:, at]), fed_in[:, at].copy(),
            linear.up, linear.link, linear.order, start, incident,
        )  # fmt: skip
    return out


def imbalance_uj(energy_uj: Ints, metered_uj: Ints, devices: int) -> Ints:
    """What was drawn from the utility beyond what was cleared (negative: less), (R,)."""
    out: Ints = (energy_uj[:, devices:] - metered_uj[:, devices:]).sum(1)
    return out


def imbalance_cash_nano(
    energy_uj: Ints, metered_uj: Ints, devices: int, sells_at_per_j: Floats, buys_at_per_j: Floats
) -> Ints:
    """What the imbalance costs at the utility's two prices, nano-units, (R,).

    The tie line's meter at the tariff, less what was cleared there at the tariff: so more drawn
    while drawing is paid at what the utility sells at, and more fed in while feeding in earns what
    it buys at.
    """

    def bill(received_uj: Ints) -> Ints:
        drawn = -received_uj[:, devices:].sum(1)
        price = np.where(drawn > 0, sells_at_per_j, buys_at_per_j)
        paid: Ints = payments(price, drawn)
        return paid

    return bill(metered_uj) - bill(energy_uj)
