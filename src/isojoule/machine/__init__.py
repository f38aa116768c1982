"""Nodes that compute: they sell compute by their battery, and slow down to survive."""

from isojoule.machine.host import Accepted, Host, Quote, accept, promise_energy, quote
from isojoule.machine.metabolism import Stage
from isojoule.machine.model import Machine, Order, Refused, estimate_uj
from isojoule.machine.state import MachineState, Work, revive

__all__ = [
    "Accepted",
    "Host",
    "Machine",
    "MachineState",
    "Order",
    "Quote",
    "Refused",
    "Stage",
    "Work",
    "accept",
    "estimate_uj",
    "promise_energy",
    "quote",
    "revive",
]
