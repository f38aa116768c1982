"""Valuation curves, and the devices that make offers of them."""

from isojoule.valuation.offer import (
    KINDS,
    Battery,
    Bundle,
    Leg,
    Load,
    Offer,
    Spec,
    Step,
    Steps,
    Utility,
)

__all__ = [
    "KINDS",
    "Battery",
    "Bundle",
    "Leg",
    "Load",
    "Offer",
    "Spec",
    "Step",
    "Steps",
    "Utility",
]
