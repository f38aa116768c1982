"""The mechanisms, one per file, found by name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from isojoule.core.errors import InputError
from isojoule.market.contract import Mechanism

GROUP = "isojoule.mechanisms"
"""Entry points by which other packages add theirs."""


def names() -> list[str]:
    """Names of all mechanisms that are installed, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)} | set(_BUILT_IN))


def get(name: str, /, **parameters: Any) -> Mechanism:
    """The mechanism of this name with these parameters.

    Raises
    ------
    InputError
        Unknown name or parameter.
    """
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name].split(":")
        made = getattr(import_module(module), attribute)
    else:
        found = [point for point in entry_points(group=GROUP) if point.name == name]
        if not found:
            close = get_close_matches(name.lower(), names(), n=1)
            meant = f"did you mean {close[0]!r}? Else " if close else ""
            raise InputError(
                f"unknown mechanism {name!r}", remedy=f"{meant}use one of {', '.join(names())}"
            )
        made = found[0].load()
    try:
        mechanism: Mechanism = made(**parameters)
    except TypeError as error:
        own = fields(made) if is_dataclass(made) else ()
        known = ", ".join(field.name for field in own) or "it has none"
        raise InputError(
            f"mechanism {name!r} does not take these parameters: {', '.join(parameters)}",
            remedy=f"its parameters: {known}",
        ) from error
    return mechanism


_BUILT_IN = {
    "diffusion": "isojoule.market.mechanisms.diffusion:Diffusion",
    "autarky": "isojoule.market.mechanisms.autarky:Autarky",
    "central": "isojoule.market.mechanisms.central:Central",
    "bonding-curve": "isojoule.market.mechanisms.bonding_curve:BondingCurve",
    "ascending-clock": "isojoule.market.mechanisms.ascending_clock:AscendingClock",
    "descending-clock": "isojoule.market.mechanisms.descending_clock:DescendingClock",
    "cda": "isojoule.market.mechanisms.cda:Cda",
    "dutch": "isojoule.market.mechanisms.dutch:Dutch",
    "gda": "isojoule.market.mechanisms.gda:Gda",
    "core": "isojoule.market.mechanisms.core:Core",
    "equilibrium": "isojoule.market.mechanisms.equilibrium:Equilibrium",
    "huang": "isojoule.market.mechanisms.huang:Huang",
    "k-double": "isojoule.market.mechanisms.k_double:KDouble",
    "lmp": "isojoule.market.mechanisms.lmp:Lmp",
    "sealed-bid": "isojoule.market.mechanisms.sealed_bid:SealedBid",
    "deferred-revelation": "isojoule.market.mechanisms.deferred_revelation:DeferredRevelation",
    "reverse-vcg": "isojoule.market.mechanisms.reverse_vcg:ReverseVcg",
    "mcafee": "isojoule.market.mechanisms.mcafee:McAfee",
    "mid-market": "isojoule.market.mechanisms.mid_market:MidMarket",
    "supply-demand-ratio": "isojoule.market.mechanisms.supply_demand_ratio:SupplyDemandRatio",
    "muda": "isojoule.market.mechanisms.muda:Muda",
    "pay-as-bid": "isojoule.market.mechanisms.pay_as_bid:PayAsBid",
    "sbba": "isojoule.market.mechanisms.sbba:Sbba",
    "trade-reduction": "isojoule.market.mechanisms.trade_reduction:TradeReduction",
    "uniform-price": "isojoule.market.mechanisms.uniform_price:UniformPrice",
    "utility-only": "isojoule.market.mechanisms.utility_only:UtilityOnly",
    "vcg": "isojoule.market.mechanisms.vcg:Vcg",
    "vcg-exchange": "isojoule.market.mechanisms.vcg_exchange:VcgExchange",
    "vrgda": "isojoule.market.mechanisms.vrgda:Vrgda",
}
