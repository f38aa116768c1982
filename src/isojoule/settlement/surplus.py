"""The operator's surplus, shared among the members by a rule. See docs/spec/surplus.md.

Theory of operation: the input is checked, and the members are put into the order of their rank, a
hash of seed and name. So the order of the input changes nothing, not even the last digit of a
float. The rule of that name gives quotas (`isojoule.settlement.shares`), and they are made whole:
everybody gets the whole part, rounded down, and the nano-units that are left go to the largest
remainders, ties to the first in rank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from isojoule.core.chance import rank
from isojoule.core.errors import InputError, InvariantError
from isojoule.settlement.refused import Refused
from isojoule.settlement.shares import RULES
from isojoule.settlement.shares.case import Case, Floats, Ints, Split

MOST_UJ = 2**62
MOST_NANO = 2**62


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets how much of a surplus.

    Attributes
    ----------
    rule
        By its name.
    surplus_nano
        What was shared: all amounts and what is kept.
    members
        As they came in.
    amount_nano
        Each one's dividend; negative: it pays.
    kept_nano
        What the operator keeps.
    why
        One plain sentence for each, for its statement.
    error_nano
        Standard error of each amount; empty where nothing is drawn.
    """

    rule: str
    surplus_nano: int
    members: tuple[str, ...]
    amount_nano: tuple[int, ...]
    kept_nano: int
    why: tuple[str, ...]
    error_nano: tuple[float, ...] = ()


def share_surplus(
    rule: str,
    surplus_nano: int,
    members: tuple[str, ...],
    net_uj: Ints,
    sells_at_per_j: Floats,
    buys_at_per_j: Floats,
    loss_uj: Ints,
    paid_nano: Sequence[int] | Ints,
    seed: bytes,
    *,
    permutations: int = 1000,
    currency: str = "",
) -> Shares | Refused:
    """Share a surplus by a rule (Z1 to Z3).

    Parameters
    ----------
    rule
        A key of `isojoule.settlement.shares.RULES`.
    surplus_nano
        What the members paid in all less what the utility was paid; negative: to be collected.
    members
        Names, distinct.
    net_uj
        (intervals, members) readings, received positive.
    sells_at_per_j, buys_at_per_j
        (intervals,) the utility's prices, finite where the rule is a game, the second no higher.
    loss_uj
        (intervals,) losses of the wires; below 0 where readings say that more came than went.
    paid_nano
        (members,) what each paid in the market.
    seed
        Recorded with the stretch; breaks ties and draws orders.
    permutations
        Orders of `shapley-sampled`, an even number from 4.
    currency
        Of all money, for the sentences.

    Raises
    ------
    InputError
        An unknown rule, shapes that do not fit, numbers out of range.
    """
    if rule not in RULES:
        raise InputError(f"unknown rule {rule!r}", remedy=f"use one of {', '.join(RULES)}")
    paid = tuple(int(each) for each in paid_nano)
    _check(members, net_uj, sells_at_per_j, buys_at_per_j, loss_uj, paid)
    if RULES[rule].compares:
        _check_prices(sells_at_per_j, buys_at_per_j, net_uj, loss_uj)
    if permutations < 4 or permutations % 2:
        raise InputError(
            f"{permutations} permutations",
            remedy="orders come in pairs: give an even number from 4",
        )
    if not members:
        return Refused("there is nobody to share with", "wait for members, or use no rule")
    order = sorted(range(len(members)), key=lambda i: rank(seed, "surplus", members[i]))
    case = Case(
        int(surplus_nano),
        tuple(members[i] for i in order),
        np.ascontiguousarray(net_uj[:, order]),
        sells_at_per_j,
        buys_at_per_j,
        loss_uj,
        tuple(paid[i] for i in order),
        seed,
        permutations,
        currency,
    )
    split = RULES[rule].share(case)
    if isinstance(split, Refused):
        return split
    return _told(rule, case, members, order, split)


def share_without_market(
    rule: str, surplus_nano: int, members: tuple[str, ...], moved_uj: Sequence[int], seed: bytes
) -> tuple[int, ...]:
    """What each member gets of the operator's line in the world without a market (Z18), nano-units.

    Parameters
    ----------
    rule
        By which the market's line is shared.
    surplus_nano
        What the operator is left with; negative, as a rule: it buys what the wires lose.
    members, moved_uj
        Names, and what each bought and sold in all.
    seed
        Breaks ties.

    >>> share_without_market("energy", -9, ("ada", "bo"), (2, 1), b"")
    (-6, -3)
    >>> share_without_market("keep", -9, ("ada", "bo"), (2, 1), b"")
    (0, 0)
    """
    if rule == "keep" or not members:
        return (0,) * len(members)
    even = rule == "equal" or not any(moved_uj)
    weights = [1 if even else int(moved) for moved in moved_uj]
    total = sum(weights)
    order = sorted(range(len(members)), key=lambda i: rank(seed, "surplus", members[i]))
    amount = whole([Fraction(surplus_nano * weights[i], total) for i in order], surplus_nano)
    by_place = dict(zip(order, amount, strict=True))
    return tuple(by_place[i] for i in range(len(members)))


def whole(quota: Sequence[Fraction], total: int) -> list[int]:
    """Whole amounts near the quotas that sum to `total`: largest remainders, ties to the first.

    What the quotas have too much or too little in all is first spread evenly.

    >>> whole([Fraction(1, 3)] * 3, 1), whole([Fraction(-5, 2)] * 2, -5)
    ([1, 0, 0], [-2, -3])
    """
    even = (total - sum(quota, Fraction(0))) / len(quota)
    exact = [each + even for each in quota]
    out = [math.floor(each) for each in exact]
    first = sorted(range(len(out)), key=lambda i: (out[i] - exact[i], i))
    for i in first[: total - sum(out)]:
        out[i] += 1
    return out


def _told(
    rule: str, case: Case, members: tuple[str, ...], order: list[int], split: Split
) -> Shares:
    """The answer, members in the order of the input."""
    amount = whole(split.quota, case.surplus_nano - split.kept_nano)
    if sum(amount) + split.kept_nano != case.surplus_nano:
        raise InvariantError(f"{rule}: amounts do not sum to the surplus")
    place = [0] * len(order)
    for at, i in enumerate(order):
        place[i] = at
    error = split.error_nano
    return Shares(
        rule,
        case.surplus_nano,
        members,
        tuple(amount[at] for at in place),
        split.kept_nano,
        tuple(split.why[at] for at in place),
        tuple(error[at] for at in place) if error else (),
    )


def _check(
    members: tuple[str, ...],
    net_uj: Ints,
    sells: Floats,
    buys: Floats,
    loss_uj: Ints,
    paid: tuple[int, ...],
) -> None:
    if len(set(members)) != len(members):
        raise InputError("a member is named twice", remedy="add up what belongs to one name")
    intervals = loss_uj.size
    shapes = {
        "net_uj": (net_uj.shape, (intervals, len(members))),
        "sells_at_per_j": (sells.shape, (intervals,)),
        "buys_at_per_j": (buys.shape, (intervals,)),
        "loss_uj": (loss_uj.shape, (intervals,)),
        "paid_nano": ((len(paid),), (len(members),)),
    }
    for name, (found, wanted) in shapes.items():
        if found != wanted:
            raise InputError(f"{name} has shape {found}, not {wanted}", place=name)
    for name, array in (("net_uj", net_uj), ("loss_uj", loss_uj)):
        if array.dtype != np.int64:
            raise InputError(f"{name} is not int64", place=name, remedy="give whole microjoules")
    moved = _moved(net_uj, loss_uj)
    if moved.size and moved.max() >= MOST_UJ:
        raise InputError(
            "energies of an interval do not fit 64 bits", place="net_uj", remedy="check their unit"
        )


def _moved(net_uj: Ints, loss_uj: Ints) -> Floats:
    """Energies of an interval without their signs, and its loss, (intervals,)."""
    size: Floats = np.abs(net_uj.astype(np.float64)).sum(axis=1) + np.abs(loss_uj)
    return size


def _check_prices(sells: Floats, buys: Floats, net_uj: Ints, loss_uj: Ints) -> None:
    if not (np.isfinite(sells).all() and np.isfinite(buys).all()):
        raise InputError(
            "a price of the utility is missing",
            place="sells_at_per_j, buys_at_per_j",
            remedy="give a price for every interval, or use energy or equal, which need none",
        )
    if (buys > sells).any():
        raise InputError(
            f"the utility buys dearer than it sells in interval {int(np.argmax(buys > sells))}",
            place="buys_at_per_j",
            remedy="keep buys_at at or below sells_at",
        )
    moved = _moved(net_uj, loss_uj)
    dearest = np.maximum(np.abs(sells), np.abs(buys))
    if (moved * dearest * 1000.0).sum() >= MOST_NANO:
        raise InputError("money does not fit 64 bits", place="sells_at_per_j", remedy="check units")
