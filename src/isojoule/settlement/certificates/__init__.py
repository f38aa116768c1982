"""Granular energy certificates: who produced which Watt-hour, when, and who may say it used it.

`rules.py` is the one place that decides what a request does. It reads through a `View` and answers
with `Effects`, and does nothing itself; a store keeps the effects: `memory.py` here. What a
registry holds is checked without believing it by `check.py`.

Fields and states are those of EnergyTag's granular certificates (GC Scheme Standard, version 2).
Spec: docs/spec/certificates.md.
"""

from isojoule.settlement.certificates.answers import Answer, Status
from isojoule.settlement.certificates.memory import MemoryRegistry
from isojoule.settlement.certificates.nouns import Bundle, Device, State

__all__ = ["Answer", "Bundle", "Device", "MemoryRegistry", "State", "Status"]
