"""The second, naive implementation of MUDA: traders one by one, fees by leaving each of them out.

Spec: docs/spec/auctions.md, U20 to U24.
"""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

from isojoule.core.canonical import first_difference
from isojoule.core.chance import words
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.step_traders_naive import (
    NANO_PER_UJ,
    Row,
    Told,
    check_told,
    cleared_between,
    rows_of,
)


def audit(book: Book, grid: Grid, clearing: Clearing, *, lottery: bool) -> None:
    """Check a clearing. Raises VerificationError at the first thing that is wrong."""
    rows = rows_of(book)
    offers = {(row.who, row.offer, row.buys) for row in rows}
    if len({who for who, _, _ in offers}) < len(offers):
        raise VerificationError("somebody has several offers, or buys and sells", place="book")
    raw = words(clearing.seed, "muda", len(book.participants))
    word = [int.from_bytes(raw[8 * i : 8 * i + 8], "big") for i in range(len(book.participants))]
    parts = [[row for row in rows if word[row.who] % 2 == half] for half in (0, 1)]
    prices = [_price(part) for part in parts][::-1]
    energy: Counter[int] = Counter()
    nano: dict[int, Fraction] = {}
    longer, at, fees = [], [], 0
    for part, price in zip(parts, prices, strict=True):
        side = ""
        if price is not None:
            got, paid, side, more = _traded(part, price, word, lottery=lottery)
            energy.update(got)
            nano.update(paid)
            fees += more
            at += [price] * bool(any(got.values()))
        longer.append(side)
    lines = {} if lottery else {"displacement": fees}
    low, high = (min(at), max(at)) if at else (-math.inf, math.inf)
    price = low if at and low == high else math.nan
    check_told(book, grid, clearing, Told(dict(energy), nano, lines, price, low, high))
    if first_difference(clearing.notes, {"prices_per_j": prices, "longer": longer}):
        raise VerificationError("are not what the rule gives", place="notes")


def _price(part: list[Row]) -> float | None:
    _, low, high = cleared_between(part)
    ends = [v for v in (low, high) if math.isfinite(v)]
    return sum(ends) / len(ends) if ends else None


def _traded(
    part: list[Row], price: float, word: list[int], *, lottery: bool
) -> tuple[dict[int, int], dict[int, Fraction], str, int]:
    """Energies, payments, the longer side and the fees of a half at a price."""
    want = [row for row in part if row.buys and row.price >= price]
    have = [row for row in part if not row.buys and row.price <= price]
    demand, supply = sum(r.size_uj for r in want), sum(r.size_uj for r in have)
    side = "buyers" if demand > supply else "sellers" if supply > demand else ""
    energy: Counter[int] = Counter()
    nano: dict[int, Fraction] = {}
    fees = 0
    for rows, name, sign in ((want, "buyers", 1), (have, "sellers", -1)):
        cut = name == side
        turn = rows
        if cut:
            worse = 0 if lottery else -sign
            turn = sorted(rows, key=lambda r: (worse * r.price, word[r.who] // 2))
        got = _filled(turn, min(demand, supply))
        for row, size in zip(turn, got, strict=True):
            energy[row.offer] += sign * size
        for offer in {row.offer for row in rows}:
            plain = Fraction(price) * (energy[offer] * NANO_PER_UJ)
            nano[offer] = plain
            if cut and not lottery:
                nano[offer] = _displaced(turn, got, offer, min(demand, supply), price, sign)
                fees += math.ceil(nano[offer]) - math.ceil(plain)
    return dict(energy), nano, side, fees


def _filled(rows: list[Row], most: int) -> list[int]:
    out = []
    for row in rows:
        size = min(row.size_uj, most)
        most -= size
        out.append(size)
    return out


def _displaced(
    rows: list[Row], got: list[int], offer: int, most: int, price: float, sign: int
) -> Fraction:
    """What others would have got without this one, at their own prices, the rest at the price."""
    others = [row for row in rows if row.offer != offer]
    now = [size for row, size in zip(rows, got, strict=True) if row.offer != offer]
    without = _filled(others, most)
    paid, left = 0, sum(got) - sum(now)
    for row, one, other in zip(others, now, without, strict=True):
        paid += math.ceil(Fraction(row.price) * (sign * (other - one) * NANO_PER_UJ))
        left -= other - one
    return Fraction(paid + math.ceil(Fraction(price) * (sign * left * NANO_PER_UJ)))
