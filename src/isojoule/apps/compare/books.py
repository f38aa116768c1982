"""Each mechanism clears the same book on the same grid."""

from __future__ import annotations

import math
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from isojoule.apps.compare.asked import Asked
from isojoule.apps.compare.fairness import Fairness, fair_points, fairness
from isojoule.apps.compare.idle import idle_words
from isojoule.apps.compare.points import BOOK, ranking, ratio, simplicity
from isojoule.apps.files.book_files import read_book
from isojoule.apps.studies import TimeUpError, time_limit
from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.market import Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.pay_as_bid import own_money
from isojoule.valuation import KINDS

if TYPE_CHECKING:
    from isojoule.apps.files.book_files import BookFile

UTILITY = KINDS.index("utility")
EVEN = 1e-8
"""Who has ten nano-units less has lost to rounding alone."""
LONG_S = 60.0
"""What takes longer is not measured twice."""
BEST = "equilibrium"
"""The mechanism that says how much there is to gain."""


def compare_book(path: Path, asked: Asked) -> dict[str, Any]:
    """Compare mechanisms on a book.

    Raises
    ------
    InputError
        The book cannot be read, or a parameter or weight is wrong.
    """
    file = read_book(path)
    seed = asked.seed.to_bytes(8, "big", signed=True)
    rows = [
        cleared_row(file, name, asked.of(name), seed, asked.limit_s) for name in asked.mechanisms
    ]
    most = best(file, [row for row in rows if row["status"] == "cleared"], asked.limit_s)
    for row in rows:
        if row["status"] == "cleared":
            row["welfare"]["share_of_best"] = ratio(row["welfare"]["gains"], most)
            row["points"] = _points(row, most)
    book = file.book
    return {
        "isojoule": 1,
        "kind": "book",
        "title": path.name,
        "currency": book.currency,
        "network": book.network,
        "interval": {"start": book.interval.start_text(), "duration_s": book.interval.duration_s},
        "seed": asked.seed,
        "offers": book.offer_count,
        "best": most,
        "mechanisms": rows,
        "ranking": ranking(
            BOOK,
            {r["name"]: r["points"] for r in rows if r["status"] == "cleared"},
            asked.weights,
        ),
    }


def cleared_row(
    file: BookFile, name: str, parameters: dict[str, Any], seed: bytes, limit_s: float | None
) -> dict[str, Any]:
    """One mechanism's row; its welfare's share of the best is still open."""
    mechanism = get(name, **parameters)
    row: dict[str, Any] = {
        "name": name,
        "parameters": parameters,
        "summary": mechanism.traits.summary,
        "simplicity": simplicity(mechanism),
    }
    seconds = math.inf
    try:
        for _ in range(2):  # the first use of a rule may compile it
            begun = perf_counter()
            with time_limit(limit_s):
                outcome = mechanism.clear(file.book, file.grid, seed=seed)
            seconds = min(seconds, perf_counter() - begun)
            if seconds > LONG_S:
                break
    except TimeUpError as error:
        return {**row, "status": "skipped", "reason": error.message, "remedy": "give --limit more"}
    except InputError as error:
        return {**row, "status": "refused", "reason": error.message, "remedy": error.remedy}
    if isinstance(outcome, Refusal):
        return {**row, "status": "refused", "reason": outcome.reason, "remedy": outcome.remedy}
    found = outcome_of(file, outcome)
    still = not any(p["energy_j"] for p in found["participants"])
    found["idle"] = idle_words(mechanism, parameters) if still else ""
    return {**row, "status": "cleared", **found, "seconds": seconds}


def outcome_of(file: BookFile, c: Clearing) -> dict[str, Any]:
    """What a clearing means to everybody, as plain data."""
    book, grid = file.book, file.grid
    own = own_money(book, c.energy_uj, c.taken)
    count = len(book.participants)
    worth = np.bincount(book.offer_participant, own.worth, count)
    paid = np.zeros(count, np.int64)
    np.add.at(paid, book.offer_participant, c.payment_nano)
    energy = np.zeros(count, np.int64)
    np.add.at(energy, book.offer_participant, c.energy_uj)
    gain = worth - paid / NANO_PER_UNIT
    owned: dict[str, float] = {}
    carried = grid.price_per_j * np.abs(c.flow_uj) / UJ_PER_J
    for link, owner in enumerate(grid.owner):
        if owner:
            earned = -int(c.link_payment_nano[link]) / NANO_PER_UNIT - float(carried[link])
            owned[owner] = owned.get(owner, 0.0) + earned
    outside = {int(book.offer_participant[i]) for i in np.flatnonzero(book.offer_kind == UTILITY)}
    people: list[dict[str, Any]] = [
        {
            "participant": name,
            "outside": at in outside,
            "energy_j": int(energy[at]) / UJ_PER_J,
            "pays": int(paid[at]) / NANO_PER_UNIT,
            "gain": float(gain[at]) + owned.pop(name, 0.0),
        }
        for at, name in enumerate(book.participants)
    ]
    people += [
        {"participant": name, "outside": False, "energy_j": 0.0, "pays": 0.0, "gain": gained}
        for name, gained in sorted(owned.items())
    ]
    levy(people, c.surplus_nano / NANO_PER_UNIT)
    fair = fairness([p["gain"] - p["levy"] for p in people if not p["outside"]], EVEN)
    known = c.price_per_j[np.isfinite(c.price_per_j)]
    return {
        "network": book.network,
        "welfare": {"gains": c.welfare, "share_of_best": None},
        "operator": {
            "surplus": c.surplus_nano / NANO_PER_UNIT,
            "lines": {name: nano / NANO_PER_UNIT for name, nano in sorted(c.operator.items())},
        },
        "prices": {
            "min_per_j": float(known.min()) if known.size else None,
            "mean_per_j": float(known.mean()) if known.size else None,
            "max_per_j": float(known.max()) if known.size else None,
            "nodes": {
                node: None if math.isnan(price) else price
                for node, price in zip(grid.node_ids, c.price_per_j.tolist(), strict=True)
            },
        },
        "energy": _energy(people, c),
        "fairness": fair._asdict(),
        "participants": people,
    }


def levy(people: list[dict[str, Any]], surplus: float) -> None:
    """Write what each must pay for the operator's deficit: by energy, of all but the utility.

    A rule that pays more than it collects would else look good to everybody.
    """
    inside = [p for p in people if not p["outside"]]
    moved = [abs(p["energy_j"]) for p in inside]
    whole = sum(moved)
    for p in people:
        p["levy"] = 0.0
    for p, mine in zip(inside, moved, strict=True):
        p["levy"] = max(-surplus, 0.0) * (mine / whole if whole else 1.0 / len(inside))


def _energy(people: list[dict[str, Any]], c: Clearing) -> dict[str, Any]:
    inside = [p["energy_j"] for p in people if not p["outside"]]
    imported = sum(max(-p["energy_j"], 0.0) for p in people if p["outside"])
    used = sum(max(e, 0.0) for e in inside)
    lost = (int(c.loss_uj.sum()) + int(c.standing_uj.sum())) / UJ_PER_J
    needed = used + lost
    return {
        "used_j": used,
        "lost_j": lost,
        "imported_j": imported,
        "exported_j": sum(max(p["energy_j"], 0.0) for p in people if p["outside"]),
        "self_sufficiency": 1.0 - imported / needed if needed > 0 else None,
    }


def best(file: BookFile, rows: list[dict[str, Any]], limit_s: float | None) -> float | None:
    """The most that there is to gain: what the optimum proves, or else the best of the rows."""
    found: list[float] = [row["welfare"]["gains"] for row in rows]
    if any(row["name"] == BEST for row in rows):
        return max(found)
    try:
        with time_limit(limit_s):
            outcome = get(BEST).clear(file.book, file.grid)
    except InputError:
        return max(found, default=None)
    if isinstance(outcome, Clearing) and math.isfinite(outcome.welfare):
        found.append(outcome.welfare)
    return max(found, default=None)


def _points(row: dict[str, Any], most: float | None) -> dict[str, float | None]:
    fair, people = row["fairness"], row["participants"]
    return {
        "welfare": row["welfare"]["share_of_best"],
        "members": ratio(sum(p["gain"] - p["levy"] for p in people if not p["outside"]), most),
        "fairness": fair_points(Fairness(**fair)),
        "nobody_loses": 1.0 - fair["losers"] / fair["people"] if fair["people"] else None,
        "simplicity": row["simplicity"]["points"],
    }
