"""From a book on which a trait fails to a smaller one on which it still does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from isojoule.core.errors import InputError
from isojoule.market import Mechanism, Refusal
from isojoule.market.deviation import Deviation, Shown, show
from isojoule.testing.books import Sample


def smaller(
    shown: Shown,
    mechanism: Mechanism,
    found: Sample,
    deviation: Deviation | None,
    margin: float,
    *,
    auctioneer: str = "operator",
) -> tuple[Shown, Sample, Deviation | None]:
    """Leave out, one by one, every offer without which the trait still fails."""
    again = True
    while again:
        again = False
        for sample, lie in _without_one(found, deviation):
            try:
                less = show(
                    shown.trait, mechanism, sample.book, sample.grid, lie, margin=margin,
                    auctioneer=auctioneer,
                )  # fmt: skip
            except InputError:  # a liar without offers is nobody
                continue
            if isinstance(less, Refusal) or less.holds:
                continue
            shown, found, deviation, again = less, sample, lie, True
            break
    return shown, found, deviation


def _without_one(
    found: Sample, deviation: Deviation | None
) -> Iterator[tuple[Sample, Deviation | None]]:
    rows = found.book.offers  # with their names
    for i in range(len(rows)):
        yield replace(found, offers=(*rows[:i], *rows[i + 1 :])), deviation
    if deviation is None:
        return
    for i in range(len(deviation.offers)):
        offers = (*deviation.offers[:i], *deviation.offers[i + 1 :])
        yield found, replace(deviation, offers=offers)
    for link in deviation.link_price_per_j:
        rest = {k: v for k, v in deviation.link_price_per_j.items() if k != link}
        yield found, replace(deviation, link_price_per_j=rest)
    if len(deviation.liars) > 1:
        for who in deviation.liars:
            rest_of = tuple(n for n in deviation.liars if n != who)
            offers = tuple(o for o in deviation.offers if o.participant != who)
            yield found, replace(deviation, liars=rest_of, offers=offers)
