"""Imbalances that no utility makes up for. Spec: docs/spec/settlement.md, Y2, Y14, Y24."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.settlement.rules import Imbalance, Rules
from isojoule.settlement.settle import Code, Settled, settle
from isojoule.settlement.stretch import Stretch
from tests.settlement.stretches import KWH_UJ, random_stretch, some_rules, stretch_of

PER_KWH = 1 / 3.6e6


def village(metered: list[float], price: list[float], lost: float = 0.0) -> Stretch:
    """Ada was to sell Bo 1 kWh at 0.20; Cleo has a battery. kWh, money per kWh."""
    none = np.full(1, np.nan)
    return stretch_of(
        members=("ada", "bo", "cleo"),
        cleared_uj=np.array([[-KWH_UJ, KWH_UJ, 0]]),
        payment_nano=np.array([[-200_000_000, 200_000_000, 0]]),
        earned_nano=np.zeros((1, 3), np.int64),
        worked_nano=np.zeros((1, 3), np.int64),
        metered_uj=np.rint(np.array([metered]) * KWH_UJ).astype(np.int64),
        utility_uj=np.array([0]),
        utility_nano=np.array([0]),
        tie_uj=np.array([0]),
        sells_at_per_j=none,
        buys_at_per_j=none,
        local_per_j=np.array([price]) * PER_KWH,
    )


def paid(settled: Settled, *codes: Code) -> dict[str, float]:
    """Money of these lines by party."""
    out: dict[str, float] = {}
    for line in settled.lines:
        if line.code in codes and line.money_nano is not None:
            for party, nano in zip(line.parties, line.money_nano[0].tolist(), strict=True):
                out[party] = out.get(party, 0.0) + nano / 1e9
    return {party: amount for party, amount in out.items() if round(amount, 6)}


def test_who_caused_it_pays_whose_battery_made_up_for_it() -> None:
    """Y2: Bo took half a kWh more, at 0.22 at his home; Cleo's battery gave it, at 0.20 at hers."""
    settled = settle(village([-1, 1.5, -0.5], [0.20, 0.22, 0.20]), Rules())
    imbalance = paid(settled, Code.IMBALANCE)
    assert imbalance == pytest.approx({"member/bo": 0.11, "member/cleo": -0.10})
    assert paid(settled, Code.BALANCING_REST) == pytest.approx({"operator": -0.01})
    assert not paid(settled, Code.BALANCING, Code.LOSS_CHARGE)  # no utility, nothing lost


@pytest.mark.parametrize(
    ("rule", "bo", "cleo"),
    [
        (Imbalance("tie"), 0.11, -0.10),
        (Imbalance("dual", short_factor=1.5, long_factor=0.5), 0.165, -0.05),
        (Imbalance("fixed", short_per_j=0.4 * PER_KWH, long_per_j=0.1 * PER_KWH), 0.2, -0.05),
    ],
)
def test_each_way_of_pricing(rule: Imbalance, bo: float, cleo: float) -> None:
    """Y2: `dual` goes by the price at home, where no utility has two."""
    settled = settle(village([-1, 1.5, -0.5], [0.20, 0.22, 0.20]), Rules(rule))
    assert paid(settled, Code.IMBALANCE) == pytest.approx({"member/bo": bo, "member/cleo": cleo})


def test_what_is_lost_more_on_the_way_costs_the_mean_price() -> None:
    """Y14: Cleo gives 0.55 for the 0.5 that Bo takes; all prices are 0.20."""
    stretch = village([-1, 1.5, -0.55], [0.2, 0.2, 0.2])
    settled = settle(stretch, Rules())
    assert paid(settled, Code.LOSS_CHARGE) == pytest.approx({"operator": 0.01})
    assert not paid(settled, Code.BALANCING_REST)
    shared = paid(settle(stretch, Rules(loss_payer="members")), Code.LOSS_CHARGE)
    assert sum(shared.values()) == pytest.approx(0.01) and len(shared) == 3


def test_two_parts_of_one_market() -> None:
    """Y2: Ada has the utility, at 0.30 while it sells; Bo and Cleo are cut off, at 0.50."""
    stretch = replace(
        village([-0.8, 1.1, -0.1], [np.nan, 0.5, 0.5]),
        tie_uj=np.array([-KWH_UJ // 5]),
        sells_at_per_j=np.array([0.3 * PER_KWH]),
        buys_at_per_j=np.array([0.1 * PER_KWH]),
    )
    settled = settle(stretch, Rules())
    assert paid(settled, Code.IMBALANCE) == pytest.approx(
        {"member/ada": 0.06, "member/bo": 0.05, "member/cleo": -0.05}
    )
    assert paid(settled, Code.BALANCING) == pytest.approx({"utility": -0.06})
    assert not paid(settled, Code.LOSS_CHARGE, Code.BALANCING_REST)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_nothing_is_made_or_lost(seed: int, other: int) -> None:
    """Y19, with some members that no utility reaches."""
    s = random_stretch(seed)
    rng = np.random.default_rng(seed)
    local = rng.uniform(-0.1, 1, s.cleared_uj.shape) * PER_KWH
    local[:, rng.random(len(s.members)) < 0.5] = np.nan
    settled = settle(replace(s, local_per_j=local), some_rules(other))
    for account in ("market", "balancing"):
        for field in ("money_nano", "energy_uj"):
            parts = [getattr(line, field) for line in settled.lines if line.other == account]
            assert not sum(part.sum(1) for part in parts if part is not None).any()


def test_the_hash_of_results_sees_the_local_prices() -> None:
    """Y24: and without them it is what it was."""
    s = village([-1, 1, 0], [0.2, 0.2, 0.2])
    assert s.local_per_j is not None
    hashes = {
        replace(s, local_per_j=local).results_hash(slice(0, 1))
        for local in (s.local_per_j, s.local_per_j * 1.1, None)
    }
    assert len(hashes) == 3


def test_local_prices_that_cannot_be_are_refused() -> None:
    s = village([-1, 1, 0], [0.2, 0.2, 0.2])
    with pytest.raises(InputError, match="infinite"):
        replace(s, local_per_j=np.full((1, 3), np.inf))
    with pytest.raises(InputError, match="local_per_j is not of 1 intervals, 3 members"):
        replace(s, local_per_j=np.zeros((1, 2)))
