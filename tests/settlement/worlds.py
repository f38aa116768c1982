"""Worlds of one interval, and what was settled, as small tables in kWh and EUR."""

from __future__ import annotations

from typing import Any

import numpy as np

from isojoule.settlement.settle import Settled
from isojoule.settlement.stretch import Stretch
from tests.settlement.stretches import KWH_UJ, stretch_of

EUR = 10**9
PER_KWH = 1 / 3.6e6
"""EUR/kWh in EUR/J."""

SURPLUS_GOES_OUT = "ada -2 -0.28, bo 1 0.20, utility 1 0.08"
ALONE: dict[str, Any] = {name: np.array([np.nan]) for name in ("sells_at_per_j", "buys_at_per_j")}
"""Off the grid: nobody sells or buys outside."""


def world(cleared: str, metered: str = "", *, lost: float = 0.0, **more: Any) -> Stretch:
    """One interval of a quarter of an hour.

    Parameters
    ----------
    cleared
        `ada -2 -0.28, bo 1 0.20, utility 1 0.08`: who was cleared for how many kWh, and pays what.
    metered
        `ada -1.5, bo 1, utility 0.5`: what meters show; who is left out stands as cleared.
    lost
        kWh lost as cleared.
    more
        Fields of the stretch.
    """
    deals = {name: (float(kwh), float(eur)) for name, kwh, eur in map(str.split, parts(cleared))}
    shown = {name: float(kwh) for name, kwh in map(str.split, parts(metered))}
    utility, paid = deals.pop("utility", (0.0, 0.0))
    members = tuple(deals)
    energy = np.array([[_uj(deals[name][0]) for name in members]])
    prices = {
        "sells_at_per_j": np.array([0.30 * PER_KWH]),
        "buys_at_per_j": np.array([0.08 * PER_KWH]),
    }
    return stretch_of(**{
        "members": members,
        "cleared_uj": energy,
        "payment_nano": np.array([[round(deals[name][1] * EUR) for name in members]]),
        "metered_uj": np.array([[_uj(shown.get(name, deals[name][0])) for name in members]]),
        "earned_nano": np.zeros((1, len(members)), np.int64),
        "worked_nano": np.zeros((1, len(members)), np.int64),
        "utility_uj": np.array([_uj(utility)]),
        "utility_nano": np.array([round(paid * EUR)]),
        "tie_uj": np.array([_uj(shown.get("utility", utility))]),
        "loss_uj": np.array([_uj(lost)]),
        **prices,
        **more,
    })  # fmt: skip


def parts(text: str) -> list[str]:
    """The parts of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def table(settled: Settled) -> str:
    """All lines, one party a row: for what, who, with whom, kWh received, EUR paid (to 1e-6)."""
    rows = []
    for line in settled.lines:
        for at, party in enumerate(line.parties):
            kwh = 0.0 if line.energy_uj is None else float(line.energy_uj[:, at].sum()) / KWH_UJ
            eur = 0.0 if line.money_nano is None else float(line.money_nano[:, at].sum()) / EUR
            if round(kwh, 6) or round(eur, 6):
                rows.append(
                    f"{line.code.name.lower()}: {party} with {line.other}, "
                    f"{round(kwh, 6):g} kWh, {round(eur, 6):g} EUR"
                )
    return "\n".join(rows)


def bill(settled: Settled, name: str) -> float:
    """What a member pays in all, EUR."""
    return sum(
        float(line.money_nano[:, line.parties.index(f"member/{name}")].sum()) / EUR
        for line in settled.lines
        if line.money_nano is not None and f"member/{name}" in line.parties
    )


def _uj(kwh: float) -> int:
    return round(kwh * KWH_UJ)
