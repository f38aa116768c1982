"""How much: margins, and what a contract pays. Exact, as in `collateral.sizes`.

Spec: docs/spec/collateral.md, B13 and B16.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from isojoule.settlement.collateral.sizes import NANO_PER_PRICE_UJ
from isojoule.settlement.commitments.nouns import Contract, Delivery, Margins, Side


def loss_per_j(contract: Contract, side: Side, price_per_j: float) -> Fraction:
    """What a side loses on each Joule where energy costs so much; below 0 where it gains."""
    gap = Fraction(price_per_j) - Fraction(contract.price_per_j)
    return gap if side is Side.SELL else -gap


def required_nano(
    contract: Contract, side: Side, price_per_j: float, terms: Margins, now_s: int
) -> int:
    """The margin of a side: what it has lost, and may lose until it is marked again. B13.

    >>> c = Contract("m", "c", 90_000, "ada", "bo", 1000, 0.5)
    >>> t = Margins("EUR", move_per_j=0.25, highest_per_j=1.5)
    >>> [required_nano(c, side, 0.625, t, 0) for side in (Side.SELL, Side.BUY)]
    [375000, 125000]
    >>> required_nano(c, Side.SELL, 0.625, t, 90_000 - t.firm_s)
    1000000
    """
    worst = loss_per_j(contract, side, price_per_j) + Fraction(terms.move_per_j)
    if side is Side.SELL and now_s >= contract.start_s - terms.firm_s:
        worst = max(worst, loss_per_j(contract, side, terms.highest_per_j))
    return ceil(max(worst, Fraction(0)) * NANO_PER_PRICE_UJ * contract.quantity_uj)


def due_nano(contract: Contract, delivery: Delivery) -> int:
    """What the seller pays to the buyer at expiry; below 0: the buyer to the seller. B16.

    On what was delivered the difference to the market's price, on what was missing what it cost to
    make up for it. Rounded up where the seller pays, and likewise where the buyer does.
    """
    whole = contract.quantity_uj
    got = min(whole, delivery.delivered_uj)
    short = max(0, whole - delivery.delivered_uj - delivery.curtailed_uj)
    loss = loss_per_j(contract, Side.SELL, delivery.reference_per_j) * got
    missing = max(loss_per_j(contract, Side.SELL, delivery.imbalance_per_j), Fraction(0)) * short
    total = (loss + missing) * NANO_PER_PRICE_UJ
    return ceil(total) if total >= 0 else -ceil(-total)
