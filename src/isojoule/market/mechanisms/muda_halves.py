"""How MUDA trades: two halves by chance, each at the other's price, the longer side cut.

Spec: docs/spec/auctions.md, U20 to U24.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.displacement import displaced
from isojoule.kernels.money import payments
from isojoule.market.book import Book
from isojoule.market.mechanisms.step_traders import Both, Quotes, Words, drawn, meeting

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Half(NamedTuple):
    """What a half trades, all of it at the price of the other; nan: the other has none.

    `long` is the side that was cut: 1 the buyers, -1 the sellers, 0 nobody.
    """

    price: float
    energy_uj: Ints
    paid_nano: Ints
    long: int


def price_of(both: Both) -> float:
    """The middle of the prices that clear, or the finite end, or nan."""
    ends = [v for v in meeting(both).ends if math.isfinite(v)]
    return sum(ends) / len(ends) if ends else math.nan


def halves(book: Book, both: Both, seed: bytes, *, lottery: bool) -> tuple[Half, Half]:
    """Both halves: first the participants whose word is even."""
    word = drawn("muda", book, seed)
    odd = (word & np.uint64(1)).astype(bool)
    parts = [
        Both(*(steps.at(odd[steps.offer] == half) for steps in both)) for half in (False, True)
    ]
    prices = [price_of(part) for part in parts]
    order = word >> np.uint64(1)
    one, other = (
        _traded(book, part, price, order, lottery=lottery)
        for part, price in zip(parts, prices[::-1], strict=True)
    )
    return one, other


def _traded(book: Book, part: Both, price: float, order: Words, *, lottery: bool) -> Half:
    energy, paid = np.zeros((2, book.offer_count), np.int64)
    if math.isnan(price):
        return Half(price, energy, paid, 0)
    bids = part.bids.at(part.bids.price >= price)
    asks = part.asks.at(part.asks.price <= price)
    wanted, offered = int(bids.size_uj.sum()), int(asks.size_uj.sum())
    most = min(wanted, offered)
    long = int(np.sign(wanted - offered))
    for side, steps in ((1, bids), (-1, asks)):
        if side != long or lottery:
            got = _by_lot(steps, most, order)
            np.add.at(energy, steps.offer, side * got)
            continue
        # the best steps of the longer side win; those at one price in the order of the lottery
        best = steps.at(np.lexsort((order[steps.offer], -side * steps.price)))
        before = np.cumsum(best.size_uj) - best.size_uj
        got = np.clip(most - before, 0, best.size_uj)
        np.add.at(energy, best.offer, side * got)
        lost = best.size_uj - got
        some = lost > 0
        winners = np.flatnonzero(energy * side > 0)
        paid[winners] = displaced(
            winners, np.abs(energy[winners]), best.offer[some], best.price[some], lost[some],
            price, side,
        )  # fmt: skip
    plain = np.sign(energy) != long if not lottery else energy != 0
    paid[plain] = payments(np.full(energy.size, price), energy)[plain]
    return Half(price, energy, paid, long)


def _by_lot(steps: Quotes, most: int, order: Words) -> Ints:
    """What each step trades if traders come in the order of their words until all is gone."""
    if int(steps.size_uj.sum()) <= most:
        return steps.size_uj
    turn = np.argsort(order[steps.offer], kind="stable")  # a trader's best step stays first
    size = steps.size_uj[turn]
    before = np.cumsum(size) - size
    got = np.empty_like(size)
    got[turn] = np.clip(most - before, 0, size)
    return got
