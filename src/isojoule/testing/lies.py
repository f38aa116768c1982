"""Random lies: what somebody may hand in instead of the own offers.

Lies are drawn where they are likely to pay: at the prices of others, a little above and below, at
more and at less energy, at the same node, under the own name or under others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from isojoule.market.deviation import Deviation
from isojoule.testing.books import J, Sample
from isojoule.testing.draws import Draw
from isojoule.valuation import Battery, Bundle, Load, Offer, Spec, Step, Steps, Utility

NEAR = 0.25
"""How far from the prices of others: between the halves that random books have."""
SHARES = (1.0, 0.5, 0.0, 2.0, 0.75)


def misreport(draw: Draw, sample: Sample, who: str) -> Deviation:
    """One participant, under its own name."""
    return Deviation((who,), tuple(_lied(draw, sample, who)), _claims(draw, sample, (who,)))


def split_names(draw: Draw, sample: Sample, who: str) -> Deviation:
    """One participant under two or three names."""
    offers = _lied(draw, sample, who) if draw.whole(0, 1) else _own(sample, who)
    out = [o for offer in offers for o in _parted(draw, offer, who)]
    if draw.whole(0, 1) or len({o.participant for o in out}) < 2:
        out.append(_extra(draw, sample, who, f"{who}-x"))
    return Deviation((who,), _numbered(out), _claims(draw, sample, (who,)))


def agree(draw: Draw, sample: Sample, who: str, other: str) -> Deviation:
    """Two participants who agree, each under its own name."""
    truthful = draw.whole(0, 3) == 0
    more = _own(sample, other) if truthful else _lied(draw, sample, other)
    offers = [*_lied(draw, sample, who), *more]
    return Deviation((who, other), tuple(offers), _claims(draw, sample, (who, other)))


def plants(draw: Draw, sample: Sample) -> Deviation:
    """An operator who plants one or two offers."""
    owners = sample.book.participants
    count = draw.whole(1, 2)
    who = [draw.of(owners) for _ in range(count)]
    return Deviation((), tuple(_extra(draw, sample, w, f"plant-{i}") for i, w in enumerate(who)))


def _own(sample: Sample, who: str) -> list[Offer]:
    return [o for o in sample.book.offers if o.participant == who]


def _claims(draw: Draw, sample: Sample, liars: Sequence[str]) -> dict[str, float]:
    grid = sample.grid
    own = [i for i in range(grid.link_count) if grid.owner[i] in liars]
    return {grid.link_ids[i]: draw.whole(0, 8) / 4 for i in own if draw.whole(0, 1)}


def _lied(draw: Draw, sample: Sample, who: str) -> list[Offer]:
    """The own offers with prices and energies changed, one perhaps left out or added."""
    out = []
    for offer in _own(sample, who):
        if draw.whole(0, 7) == 0:
            continue
        out.append(replace(offer, spec=_changed(draw, sample, who, offer.spec)))
    if draw.whole(0, 7) == 0:
        out.append(_extra(draw, sample, who, who))
    return list(_numbered(out))


def _numbered(offers: list[Offer]) -> tuple[Offer, ...]:
    """Each with an id of its own."""
    seen: dict[str, int] = {}
    out = []
    for o in offers:
        seen[o.id] = seen.get(o.id, 0) + 1
        out.append(o if seen[o.id] == 1 else replace(o, id=f"{o.id}-{seen[o.id]}"))
    return tuple(out)


def _changed(draw: Draw, sample: Sample, who: str, spec: Spec) -> Spec:
    share = draw.of(SHARES) if draw.whole(0, 2) == 0 else 1.0
    target = _target(draw, sample, who)
    if isinstance(spec, Steps):
        return _changed_steps(draw, spec, share, target)
    if isinstance(spec, Load):
        return Load(int(spec.energy_uj * share), abs(target))
    if isinstance(spec, Utility):
        sells, buys = spec.sells_at_per_j, spec.buys_at_per_j
        if sells is not None and (buys is None or target >= buys) and draw.whole(0, 1):
            return Utility(target, buys)
        if buys is not None and (sells is None or target <= sells):
            return Utility(sells, target)
        return spec
    if isinstance(spec, Battery):
        stored = min(int(spec.energy_uj * draw.of((1.0, 0.0, 0.5, 2.0))), spec.capacity_uj)
        low = abs(target)
        high = low + max(spec.v_max_per_j - spec.v_min_per_j, 0.0) * draw.of((1.0, 0.0, 2.0))
        level = None if spec.v_critical_per_j is None else max(spec.v_critical_per_j, high)
        lost = None if spec.lost_load_per_j is None else max(spec.lost_load_per_j, high, level or 0)
        spill = min(spec.spill_value_per_j, low * spec.factor)
        return replace(
            spec, energy_uj=stored, v_min_per_j=low, v_max_per_j=high, v_critical_per_j=level,
            lost_load_per_j=lost, spill_value_per_j=spill,
        )  # fmt: skip
    assert isinstance(spec, Bundle)
    return Bundle(spec.legs, spec.price * draw.of((0.5, 1.0, 1.5, 0.0)))


def _changed_steps(draw: Draw, spec: Steps, share: float, target: float) -> Steps:
    """All steps at one price, or shifted; less or more of each."""
    flat = draw.whole(0, 1) == 0
    steps = (*spec.sell, *spec.buy)
    shift = 0.0 if flat or not steps else target - steps[0].price_per_j

    def side(old: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(
            Step(int(s.energy_uj * share), target, target)
            if flat
            else Step(int(s.energy_uj * share), s.price_per_j + shift, s.end_price_per_j + shift)
            for s in old
        )

    spill = spec.spill_value_per_j
    sells = side(spec.sell)
    if spill is not None and sells:
        spill = min(spill, sells[0].price_per_j)
    return Steps(sells, side(spec.buy), spill)


def _target(draw: Draw, sample: Sample, who: str) -> float:
    """A price near one of the book's, one's own too."""
    prices = sorted(
        {float(m) for m in sample.book.pieces.a} | {float(m) for m in _tops(sample)} | {0.0}
    )
    return max(draw.of(prices) + draw.of((0.0, -NEAR, NEAR)), 0.0)


def _tops(sample: Sample) -> list[float]:
    p = sample.book.pieces
    return [float(a + b) for a, b in zip(p.a, p.b, strict=True)]


def _parted(draw: Draw, offer: Offer, who: str) -> list[Offer]:
    """An offer whole under some name, or in two parts."""
    name = draw.of((who, f"{who}-x", f"{who}-y"))
    spec = offer.spec
    steps = isinstance(spec, Steps) and sum(s.energy_uj for s in (*spec.sell, *spec.buy)) > 1
    if not steps or offer.group or draw.whole(0, 2) == 0:
        return [replace(offer, participant=name)]
    assert isinstance(spec, Steps)
    share = draw.of((0.5, 0.25, 0.75))

    def side(old: tuple[Step, ...], rest: bool) -> tuple[Step, ...]:
        sizes = [int(s.energy_uj * share) for s in old]
        return tuple(
            Step(s.energy_uj - size if rest else size, s.price_per_j, s.end_price_per_j)
            for s, size in zip(old, sizes, strict=True)
        )

    parts = [
        replace(spec, sell=side(spec.sell, rest), buy=side(spec.buy, rest))
        for rest in (False, True)
    ]
    other = draw.of((f"{who}-x", f"{who}-y"))
    return [
        replace(offer, participant=who, spec=parts[0]),
        replace(offer, participant=other, spec=parts[1], id=f"{offer.id}-{other}"),
    ]


def _extra(draw: Draw, sample: Sample, who: str, name: str) -> Offer:
    """One more offer at a node of somebody, of a size and form that the book has."""
    like = draw.of(_own(sample, who) or list(sample.book.offers))
    price = _target(draw, sample, who)
    spec = like.spec
    sizes = [s.energy_uj for s in (*spec.sell, *spec.buy)] if isinstance(spec, Steps) else [J]
    energy = draw.of(sizes or [J])
    sells = draw.whole(0, 1) == 1
    if isinstance(spec, Steps) and draw.whole(0, 1) == 0:
        sells = bool(spec.sell)
    step = (Step(energy, price, price),)
    node = like.node or sample.grid.node_ids[0]
    made = Steps(sell=step) if sells else Steps(buy=step)
    whole = like.all_or_nothing
    return Offer(name, node, made, id=f"{name}-extra", at_ns=like.at_ns, all_or_nothing=whole)
