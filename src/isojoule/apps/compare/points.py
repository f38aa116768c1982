"""What mechanisms are judged by, and how many points each gets.

A point is a hundredth of something that is named here. The scales are fixed: none depends on which
mechanisms are compared (see `isojoule.apps.compare.ranking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isojoule.apps.compare.ranking import Criterion, Flip, flips, order, places, scores
from isojoule.core.errors import InputError
from isojoule.market.contract import Mechanism

MANY_WORDS = 200
"""A rule that takes so many words to say has no points for simplicity."""
DIGITS = 9
"""Points are rounded to so many digits: what differs less is the same."""
_SIMPLE = Criterion(
    "simplicity",
    "Simplicity",
    f"1 less the words that the rule takes in plain English (as its description says it) "
    f"over {MANY_WORDS}. A judgement: its weight is 0 until you give it one.",
    0.0,
)
_FAIR = Criterion(
    "fairness",
    "Fairness",
    "1 less the Gini coefficient of the gains, times what is gained over all that is gained and "
    "lost: 100 % if all gain the same amount, 0 % if one gains all, or nobody gains.",
)
_SERVED = "; need that is not served counts as imported"
OUTSIDE = ("self_sufficiency", "peak", "carbon")
"""Criteria of what comes from outside."""
NO_OUTSIDE = "off the grid nothing comes from outside under any rule"
UNKNOWN = "not known of all"
_SAFE = Criterion("nobody_loses", "Nobody loses", "Share of the participants who do not lose.")
BOOK = (
    Criterion("welfare", "Gains from trade", "Gains from trade over the most that is possible."),
    Criterion(
        "members",
        "Stays with members",
        "What participants gain, less what they must pay for the operator's deficit, over the most "
        "that is possible: the rest stays with the operator, goes to the utility, or is lost.",
    ),
    _FAIR,
    _SAFE,
    _SIMPLE,
)
SCENARIO = (
    Criterion(
        "cost",
        "Cost",
        "What the community saves over all bills of its members without a market, where what a "
        "member is paid counts like what it pays.",
    ),
    _FAIR,
    _SAFE,
    Criterion(
        "self_sufficiency",
        "Self-sufficiency",
        f"Share of the need that is not imported{_SERVED}.",
    ),
    Criterion(
        "peak",
        "Peak",
        "By how much the highest power over the utility's meter, in or out, is below that without "
        f"a market{_SERVED}.",
    ),
    Criterion(
        "carbon",
        "Carbon",
        f"By how much the carbon of what is imported is below that without a market{_SERVED}.",
    ),
    _SIMPLE,
)


def simplicity(mechanism: Mechanism) -> dict[str, Any]:
    """Words of the rule, and points; None for a rule that nobody has put in words."""
    words = len(mechanism.traits.how.split())
    return {"words": words, "points": max(0.0, 1.0 - words / MANY_WORDS) if words else None}


def ranking(
    criteria: tuple[Criterion, ...],
    points: Mapping[str, Mapping[str, float | None]],
    weights: Mapping[str, float],
    idle: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Order, places, scores and flips, as plain data.

    Criteria that are not known of all who are ranked are left out, and named in `left_out` with the
    reason.

    Parameters
    ----------
    idle
        Criteria that tell nothing here, with the reason.

    Raises
    ------
    InputError
        A weight is negative, or of an unknown criterion.
    """
    for key, weight in weights.items():
        if key not in {c.key for c in criteria}:
            raise InputError(
                f"{key!r} is no criterion here",
                place="--weight",
                remedy=f"use one of {', '.join(c.key for c in criteria)}",
            )
        if not 0 <= weight < 1e9:
            raise InputError(
                f"the weight {weight:g} of {key!r} is not between 0 and a billion",
                place="--weight",
                remedy="give a number from 0",
            )
    idle = idle or {}
    known = [
        c
        for c in criteria
        if c.key not in idle and all(p.get(c.key) is not None for p in points.values())
    ]
    used = {c.key: float(weights.get(c.key, c.weight)) for c in known}
    table = {n: [round(float(p[c.key] or 0.0), DIGITS) for c in known] for n, p in points.items()}
    mine = list(used.values())
    found, place = scores(table, mine), places(table, mine)
    first = order(table, mine)
    whole = sum(used.values()) or 1.0
    return {
        "criteria": [
            {"key": c.key, "label": c.label, "says": c.says, "weight": used[c.key]} for c in known
        ],
        "left_out": {c.key: idle.get(c.key, UNKNOWN) for c in criteria if c not in known}
        if points
        else {},
        "order": first,
        "places": {name: place[name] for name in first},
        "scores": {name: float(found[name]) / whole for name in first},
        "flips": [_flip(known, f) for f in flips(table, mine)],
    }


def _flip(criteria: list[Criterion], flip: Flip) -> dict[str, Any]:
    return {
        "criterion": criteria[flip.criterion].key,
        "from": float(flip.at - flip.change),
        "to": float(flip.at),
        "winner": flip.winner,
    }


def ratio(part: float | None, whole: float | None) -> float | None:
    """`part / whole`; None where there is no whole."""
    return None if part is None or not whole else part / whole
