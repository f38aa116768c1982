"""Fees, taxes and contributions: what each is charged on, and how much it is.

Spec: docs/spec/settlement.md, Y5, Y6, Y17 and Y18.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NANO_PER_UNIT, PPB
from isojoule.kernels.money import payments
from isojoule.settlement.rules import Fee
from isojoule.settlement.share_out import share_out
from isojoule.settlement.stretch import Stretch, check_size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Energies(NamedTuple):
    """What fees are charged on, each (T, P), microjoules, not negative."""

    bought: Ints
    sold: Ints
    local: Ints
    imported: Ints
    exported: Ints


def energies_of(s: Stretch) -> Energies:
    """What each meter bought and sold, and of that from and to neighbours and outside.

    What neighbours sold and what did not leave through the utility's meter is local. It is spread
    over those who bought in proportion, as what left is over those who sold. While the market is
    paused nothing is local.
    """
    bought, sold = np.maximum(s.metered_uj, 0), np.maximum(-s.metered_uj, 0)
    out = np.maximum(s.tie_uj, 0)
    local_total = np.minimum(np.maximum(sold.sum(1) - out, 0), bought.sum(1))
    local_total = np.where(s.paused, 0, local_total)
    exported_total = np.where(s.paused, sold.sum(1), np.minimum(out, sold.sum(1)))
    local = share_out(local_total, bought, s.members)
    return Energies(bought, sold, local, bought - local, share_out(exported_total, sold, s.members))


class Charged(NamedTuple):
    """A fee, and what it comes to in each interval, (T, P).

    Attributes
    ----------
    money_nano
        What members pay.
    on
        What it is charged on: energy, microjoules; the bill, nano-units; on `days` intervals, ones.
    """

    fee: Fee
    money_nano: Ints
    on: Ints


def charge_fees(s: Stretch, fees: tuple[Fee, ...], bill: Ints) -> Iterator[Charged]:
    """Each fee, what members pay for it, and on what, in the order of the rules.

    Parameters
    ----------
    bill
        What members pay for energy, imbalance and losses, (T, P). Fees on the bill are charged on
        it where it is positive, and on the fees before them.

    Raises
    ------
    InputError
        A fee beyond what can be counted.
    """
    if not fees:
        return
    energies = energies_of(s)
    bill = np.maximum(bill, 0)
    for fee in fees:
        money = _ON[fee.on](s, fee, energies, bill)
        check_size(f"fee {fee.name!r}", money)
        on = bill if fee.on == "bill" else getattr(energies, fee.on, np.ones_like(bill))
        bill = np.maximum(bill + money, 0)
        check_size("the bill", bill)
        yield Charged(fee, money, on)


def money_for(what: str, price_per_j: Floats, energy_uj: Ints) -> Ints:
    """ceil(price * energy), nano-units, of any equal shapes whose rows are intervals.

    Raises
    ------
    InputError
        More money than can be counted; names `what`.
    """
    price, energy = np.ascontiguousarray(price_per_j), np.ascontiguousarray(energy_uj)
    money: Ints = payments(price.ravel(), energy.ravel()).reshape(energy.shape)
    check_size(f"the money for {what}", money)
    return money


def _on_energy(name: str) -> Callable[[Stretch, Fee, Energies, Ints], Ints]:
    def charge(s: Stretch, fee: Fee, energies: Energies, bill: Ints) -> Ints:
        energy: Ints = getattr(energies, name)
        return money_for(f"fee {fee.name!r}", np.full(energy.shape, fee.rate), energy)

    return charge


def _on_days(s: Stretch, fee: Fee, energies: Energies, bill: Ints) -> Ints:
    exact = Fraction(fee.rate) * Fraction(s.interval_s) * NANO_PER_UNIT
    # what does not fit is refused, as every other amount
    return np.full(bill.shape, min(max(math.ceil(exact), -(2**62)), 2**62), np.int64)


def _on_bill(s: Stretch, fee: Fee, energies: Energies, bill: Ints) -> Ints:
    share = round(fee.rate * PPB)
    whole, rest = np.divmod(bill, PPB)
    money: Ints = whole * share - (-(rest * share) // PPB)
    return money


_ON: dict[str, Callable[[Stretch, Fee, Energies, Ints], Ints]] = {
    **{name: _on_energy(name) for name in Energies._fields},
    "days": _on_days,
    "bill": _on_bill,
}
