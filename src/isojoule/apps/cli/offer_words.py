"""Offers and links in words, for people who read a small book."""

from __future__ import annotations

import math
from collections.abc import Sequence

from isojoule.core.units import J_PER_KWH, UJ_PER_J, price_text
from isojoule.grid import Grid
from isojoule.valuation import Battery, Bundle, Load, Offer, Step, Steps, Utility


def offers_told(offers: Sequence[Offer], ids: Sequence[str], currency: str) -> list[str]:
    """A line for each offer: who, and what it would do at which price.

    Parameters
    ----------
    offers, ids
        Offers and their names, as in a book.
    currency
        Of the book.

    Examples
    --------
    >>> step = Step(3_600_000_000_000, 1e-7, 1e-7)
    >>> offers_told([Offer("ada", "home", Steps(sell=(step,)))], ["ada"], "EUR")
    ['ada sells 1 kWh at 0.36 EUR/kWh or more']
    """
    several = len({offer.node for offer in offers if offer.node}) > 1
    return [
        offer_words(offer, name, currency, several) for offer, name in zip(offers, ids, strict=True)
    ]


def links_told(grid: Grid, currency: str) -> list[str]:
    """A line for each link: between which nodes, and what it limits, loses and costs."""
    lines = []
    for i in range(grid.link_count):
        start, end = grid.node_ids[grid.link_from[i]], grid.node_ids[grid.link_to[i]]
        words = f"link {grid.link_ids[i]} from {start} to {end}"
        if math.isfinite(grid.capacity_w[i]):
            words += f", up to {_power(float(grid.capacity_w[i]))}"
        if grid.loss_ppb[i]:
            words += f", loses {grid.loss_ppb[i] / 1e7:.4g} %"
        if grid.price_per_j[i]:
            words += f", costs {_price(float(grid.price_per_j[i]), currency)}"
        lines.append(words + (f", of {grid.owner[i]}" if grid.owner[i] else ""))
    return lines


def _power(power_w: float) -> str:
    return f"{power_w / 1000:.6g} kW" if power_w >= 1000 else f"{power_w:.6g} W"


def offer_words(offer: Offer, name: str, currency: str, with_node: bool) -> str:
    """One offer in words; the node is told if there are several."""
    who = name or offer.participant
    if offer.participant not in who:
        who += f" ({offer.participant})"
    where = f" at {offer.node}" if with_node and offer.node and offer.node != who else ""
    whole = ", all or nothing" if offer.all_or_nothing else ""
    group = f", one of its group {offer.group}" if offer.group else ""
    return f"{who}{where} {_form(offer, currency)}{whole}{group}"


def _form(offer: Offer, currency: str) -> str:
    spec = offer.spec
    if isinstance(spec, Steps):
        parts = []
        for verb, steps, bound in (("sells", spec.sell, "or more"), ("buys", spec.buy, "or less")):
            told = " and ".join(_step(step, currency, bound) for step in steps)
            parts += [f"{verb} {told}"] if steps else []
        return ", ".join(parts)
    if isinstance(spec, Load):
        lost = _price(spec.lost_load_per_j, currency)
        return f"needs {_energy(spec.energy_uj)}, worth {lost}"
    if isinstance(spec, Utility):
        sides = (("sells", spec.sells_at_per_j), ("buys", spec.buys_at_per_j))
        prices = [f"{verb} at {_price(p, currency)}" for verb, p in sides if p is not None]
        return f"{' and '.join(prices)}, as much as anybody wants"
    if isinstance(spec, Bundle):
        legs = [
            f"{'buys' if leg.energy_uj > 0 else 'sells'} {_energy(leg.energy_uj)} at {leg.node}"
            for leg in spec.legs
        ]
        money = f"{abs(spec.price):.6g} {currency}"
        paid = f"pays {money} or less" if spec.price >= 0 else f"gets {money} or more"
        return f"{' and '.join(legs)}, and {paid} for all of it or nothing"
    return _battery(spec, currency)


def _battery(spec: Battery, currency: str) -> str:
    low, high = (_price(p, currency) for p in (spec.v_min_per_j, spec.v_max_per_j))
    stored, most = _energy(spec.energy_uj), _energy(spec.capacity_uj)
    return f"has a battery with {stored} of {most}, worth {high} when it is empty, {low} when full"


def _step(step: Step, currency: str, bound: str) -> str:
    if step.price_per_j == step.end_price_per_j:
        return f"{_energy(step.energy_uj)} at {_price(step.price_per_j, currency)} {bound}"
    first, last = (_price(p, currency) for p in (step.price_per_j, step.end_price_per_j))
    return f"{_energy(step.energy_uj)} at {first} to {last}"


def _price(price_per_j: float, currency: str) -> str:
    """A price; for nothing is no price a kWh or a J."""
    return price_text(price_per_j, currency) if price_per_j else f"0 {currency}"


def _energy(energy_uj: int) -> str:
    """The size of an energy, in kWh, or in J where it is small."""
    joules = abs(energy_uj) / UJ_PER_J
    if joules >= 0.001 * J_PER_KWH:
        return f"{joules / J_PER_KWH:.6g} kWh"
    return f"{joules:.6g} J"
