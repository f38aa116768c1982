"""One period of a run in money and energy, as its ledger has it."""

from __future__ import annotations

from dataclasses import dataclass

from isojoule.settlement.booking import Booked
from isojoule.settlement.settle import Settled
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import Shares


@dataclass(frozen=True, eq=False)
class SettledPeriod:
    """One period in money and energy, from the ledger.

    Attributes
    ----------
    name, end_s
        Of the period; its end in s since 1970.
    stretch, settled
        What was told, and what followed.
    booked
        The transfers of trade, imbalance and fees, then those of dividends.
    paid_nano
        What each account of money paid (negative: received), by name.
    energy_uj
        What each account of energy received, by name.
    shares
        How the operator's line was shared.
    """

    name: str
    end_s: int
    stretch: Stretch
    settled: Settled
    booked: tuple[Booked, ...]
    paid_nano: dict[str, int]
    energy_uj: dict[str, int]
    shares: Shares

    @property
    def start_s(self) -> int:
        """Start of its first interval, s since 1970."""
        return int(self.stretch.time_s[0])

    def fees_nano(self) -> dict[str, int]:
        """What the members paid in fees, by the account that received them."""
        return {
            name: -nano for name, nano in self.paid_nano.items() if name.startswith("fee/") and nano
        }
