"""Offers as quotes: so much energy at one price, as order books and posted prices take them.

The rules:

- Flat steps are one quote each, a load is a quote to buy at its lost load, a utility is an
  unlimited quote on each side that it has open.
- What has no single price (sloped steps, a battery's curve) and what hangs on something else (a
  bundle, a group) is unfit, with a remedy.
- The energies of an offer add up to its bounds (docs/spec/valuation.md, V14), to the microjoule.

Spec: docs/spec/sequential.md, Q6.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.market.sequential import Unfit
from isojoule.valuation import Load, Offer, Step, Steps, Utility

BUY, SELL = 1, -1
EXACT_UJ = 2**42
"""Below, the float bound of a single step is its energy, to the microjoule."""


class Quote(NamedTuple):
    """Energy at a price.

    Attributes
    ----------
    side
        `BUY` or `SELL`.
    price_per_j
        The bid or the ask, money per J.
    energy_uj
        Microjoules; None if unlimited.
    """

    side: int
    price_per_j: float
    energy_uj: int | None


def quotes_of(offer: Offer) -> list[Quote] | Unfit:
    """The quotes of an offer, each side from its best price on; or why it is unfit."""
    if offer.group:
        return Unfit("it is in a group, of which at most one is taken", "leave the group out")
    spec = offer.spec
    if isinstance(spec, Steps) and len(spec.sell) + len(spec.buy) == 1:  # most offers
        side, step = (SELL, spec.sell[0]) if spec.sell else (BUY, spec.buy[0])
        if step.price_per_j == step.end_price_per_j and 0 < step.energy_uj < EXACT_UJ:
            return [Quote(side, step.price_per_j, step.energy_uj)]
    if isinstance(spec, Load):
        step = Step(spec.energy_uj, spec.lost_load_per_j, spec.lost_load_per_j)
        return _side(BUY, (step,))
    if isinstance(spec, Utility):
        both = ((SELL, spec.sells_at_per_j), (BUY, spec.buys_at_per_j))
        return [Quote(side, price, None) for side, price in both if price is not None]
    if isinstance(spec, Steps):
        for step in (*spec.sell, *spec.buy):
            if step.price_per_j != step.end_price_per_j:
                return Unfit("it has a sloped step", "offer several flat steps instead")
        sell, buy = _side(SELL, spec.sell), _side(BUY, spec.buy)
        if isinstance(sell, Unfit):
            return sell
        return buy if isinstance(buy, Unfit) else sell + buy
    if hasattr(spec, "legs"):
        return Unfit("it is a bundle", "offer each leg by itself")
    return Unfit("it is a battery's curve", "offer its energy in flat steps to buy and to sell")


def _side(side: int, steps: tuple[Step, ...]) -> list[Quote] | Unfit:
    quotes = [Quote(side, s.price_per_j, s.energy_uj) for s in steps if s.energy_uj]
    total, room = sum(s.energy_uj for s in steps), _bound_uj(side, steps)
    if total > NO_LIMIT_UJ:
        return Unfit("it offers more than 2**62 microjoules", "offer less, or be a utility")
    while total > room and quotes:  # a float bound may round inwards: the last step gives way
        last = quotes.pop()
        size = last.energy_uj or 0
        kept = max(size - (total - room), 0)
        total -= size - kept
        if kept:
            quotes.append(last._replace(energy_uj=kept))
    return quotes


def _bound_uj(side: int, steps: tuple[Step, ...]) -> int:
    """The bound of the offer as the check of a clearing reckons it."""
    energy_j = 0.0
    for step in steps if side == BUY else reversed(steps):
        energy_j += step.energy_uj / UJ_PER_J
    return math.floor(energy_j * UJ_PER_J + 1e-3)
