"""From trades between offers to a clearing, and the checks that hold for every such clearing.

For mechanisms on a copperplate in which a buyer pays a seller: what an offer receives and pays is
the sum of its trades, so money balances to the nano-unit and the operator has no line.
Spec: docs/spec/sequential.md, Q12 to Q14.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.canonical import first_difference
from isojoule.core.errors import VerificationError
from isojoule.core.units import NANO_PER_UNIT, NO_LIMIT_UJ
from isojoule.grid import Grid
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Clearing, Match, Refusal, State
from isojoule.market.settle import MOST_MONEY
from isojoule.valuation import Bundle

Floats = NDArray[np.float64]
NETWORK = "copperplate"


def refuse_network(name: str, book: Book) -> Refusal | None:
    """The refusal of a book with wires, or None."""
    if book.network == NETWORK:
        return None
    return Refusal(name, f"network {book.network!r} would be ignored", f"use {NETWORK}")


def clearing_of(
    name: str,
    parameters: dict[str, Any],
    seed: bytes,
    book: Book,
    grid: Grid,
    matches: tuple[Match, ...],
    *,
    price_per_j: float,
    lowest: float,
    highest: float,
    notes: dict[str, Any],
    state: State,
    before: State,
) -> Clearing | Refusal:
    """The clearing in which these offers traded.

    Parameters
    ----------
    price_per_j, lowest, highest
        Of every node, money per J: the price, and what the rule gives as its bounds.
    """
    energy, paid = totals(book, matches)
    turnover = sum(abs(m.payment_nano) for m in matches)
    if turnover >= MOST_MONEY * NANO_PER_UNIT:
        text = f"the trades pass {MOST_MONEY:.0e} units of money"
        return Refusal(name, text, "use a larger unit of money, or correct the prices")
    if max(map(abs, energy), default=0) > NO_LIMIT_UJ:
        return Refusal(name, "an offer trades more than 2**62 microjoules", "offer less")
    none = np.zeros(grid.link_count, np.int64)
    energy_uj = np.array(energy, np.int64)
    everywhere = np.ones(grid.node_count)
    duals = competitive_price(book) * everywhere
    s = supporting_prices(book, grid, energy_uj, none, none, none, duals)
    return Clearing(
        mechanism=name,
        parameters=parameters,
        seed=seed,
        energy_uj=energy_uj,
        payment_nano=np.array(paid, np.int64),
        flow_uj=none,
        loss_uj=none.copy(),
        link_payment_nano=none.copy(),
        standing_uj=none.copy(),
        price_per_j=price_per_j * everywhere,
        welfare=s.welfare,
        operator={},
        certificate=Certificate(
            kind="recomputed",
            duals=duals,
            lowest=lowest * everywhere,
            highest=highest * everywhere,
            welfare_bound=s.welfare + s.gap,
            gap=s.gap,
        ),
        state=state,
        notes=notes,
        taken=taken(book, energy_uj),
        matches=matches,
        state_before=before,
    )


def totals(book: Book, matches: Iterable[Match]) -> tuple[list[int], list[int]]:
    """What each offer receives, microjoules, and pays, nano-units."""
    energy, paid = [0] * book.offer_count, [0] * book.offer_count
    for sell, buy, energy_uj, payment_nano, _ in matches:
        energy[buy] += energy_uj
        energy[sell] -= energy_uj
        paid[buy] += payment_nano
        paid[sell] -= payment_nano
    return energy, paid


def taken(book: Book, energy_uj: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Which offers that are all or nothing traded; None where every offer is divisible."""
    if not book.indivisible:
        return None
    whole = [o.all_or_nothing or isinstance(o.spec, Bundle) for o in book.offers]
    found: NDArray[np.bool_] = ~np.array(whole) | (energy_uj != 0)
    return found


def competitive_price(book: Book) -> float:
    """A price at which the offers of a copperplate would balance; proves a bound on welfare.

    All pieces are flat. Sorting finds it: O(n log n).
    """
    p = book.pieces
    worth = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    sells, buys = p.lo < 0, p.hi > 0
    ask, bid = _stack(worth[sells], -p.lo[sells]), _stack(-worth[buys], p.hi[buys])
    for level in np.unique(worth[sells | buys]).tolist():
        # at the lowest price above which no more is wanted than offered
        if _up_to(bid, -level, strict=True) <= _up_to(ask, level, strict=False):
            return float(level)
    return 0.0


def _stack(key: Floats, energy: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(key, kind="stable")
    return key[order], np.concatenate([np.zeros(1), np.cumsum(energy[order])])


def _up_to(stack: tuple[Floats, Floats], level: float, *, strict: bool) -> float:
    side = "left" if strict else "right"
    return float(stack[1][np.searchsorted(stack[0], level, side=side)])  # type: ignore[call-overload]


def check_matched(book: Book, grid: Grid, clearing: Clearing, again: Iterable[Match]) -> None:
    """Check that a clearing has these trades, and that all else follows from them.

    Notes, price and state are for the mechanism's own check. Raises VerificationError.
    """
    from isojoule.market.verify import check_welfare

    c = clearing
    true = tuple(again)
    for i, (one, other) in enumerate(zip(c.matches, true, strict=False)):
        if one != other:
            raise VerificationError("is not what the rule gives", place=f"trades[{i}]")
    if len(c.matches) != len(true):
        raise VerificationError(f"has {len(c.matches)} rows, not {len(true)}", place="trades")
    energy, paid = totals(book, true)
    for name, stored, right, unit in (
        ("receives", c.energy_uj, energy, "uJ"),
        ("pays", c.payment_nano, paid, "nano-units"),
    ):
        for i, (one, value) in enumerate(zip(stored.tolist(), right, strict=True)):
            if one != value:
                raise VerificationError(
                    f"{name} {one}, its trades give {value} {unit}",
                    place=f"offer {book.offer_ids[i]!r}",
                )
    if c.operator or c.link_payment_nano.any():
        raise VerificationError("has lines, but buyers pay sellers", place="operator")
    if c.trades:
        raise VerificationError("nothing is traded over links", place="trades")
    whole = taken(book, c.energy_uj)
    if (whole is None) != (c.taken is None) or not np.array_equal(whole, c.taken):  # type: ignore[arg-type]
        raise VerificationError("is not what the trades give", place="taken")
    flows = (c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj)
    if not np.all(np.isfinite(c.certificate.duals)):
        raise VerificationError("a dual price is not finite", place="certificate.duals")
    check_welfare(c, supporting_prices(book, grid, *flows, c.certificate.duals))


def check_uniform(grid: Grid, clearing: Clearing, values: dict[str, float]) -> None:
    """Check what stands alike at every node: the price, and the certificate's lowest and highest.

    Raises VerificationError.
    """
    for name, true in values.items():
        owner = clearing if name == "price_per_j" else clearing.certificate
        stored = getattr(owner, name)
        wrong = np.flatnonzero((stored != true) & ~(np.isnan(stored) & np.isnan(true)))
        if wrong.size:
            node = grid.node_ids[int(wrong[0])]
            raise VerificationError(
                f"has another {name} than the rule gives", place=f"node {node!r}"
            )


def check_told(clearing: Clearing, notes: dict[str, Any], state: State) -> None:
    """Check notes and next state. Raises VerificationError."""
    if first_difference(clearing.notes, notes):  # which knows 1 from true
        raise VerificationError("are not what the rule gives", place="notes")
    if first_difference(clearing.state, state):
        raise VerificationError("is not what the rule gives", place="state")
