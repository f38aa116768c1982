"""From clearing and meters to what everybody owes. Spec: docs/spec/settlement.md, Y10 to Y20."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isojoule.core.pause import Pause
from isojoule.settlement.fees import energies_of
from isojoule.settlement.rules import Fee, Imbalance, Rules
from isojoule.settlement.settle import Code, settle
from tests.settlement.stretches import KWH_UJ, stretch_of
from tests.settlement.worlds import ALONE, EUR, PER_KWH, SURPLUS_GOES_OUT, bill, table, world

STREET_BUYS = "ada -1 -0.20, bo 3 0.80, utility -2 -0.60"
DUAL = Rules(Imbalance("dual", short_factor=1.1, long_factor=0.5))
FIXED = Rules(Imbalance("fixed", short_per_j=0.40 * PER_KWH, long_per_j=0.04 * PER_KWH))
TOGETHER = Rules(Imbalance(payer="members"))
SUNK = {"sells_at_per_j": np.array([0.01 * PER_KWH]), "buys_at_per_j": np.array([-0.05 * PER_KWH])}

# the utility sells at 0.30 and buys at 0.08 EUR/kWh, where nothing else is said;
# cleared, metered where that differs, rules, lost as cleared, other fields; the lines that follow
CASES: dict[str, tuple[str, str, Rules, float, dict[str, Any], str]] = {
    "perfect delivery: the contract, and nothing else": (
        SURPLUS_GOES_OUT, "", Rules(), 0, {},
        """
        trade: member/ada with market, -2 kWh, -0.28 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        utility: utility with market, 1 kWh, 0.08 EUR
        """,
    ),
    "what buyers pay above what is delivered is the operator's": (
        "ada -2 -0.28, bo 1 0.20, utility 0.9 0.072", "", Rules(), 0.1, {},
        """
        trade: member/ada with market, -2 kWh, -0.28 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        utility: utility with market, 0.9 kWh, 0.072 EUR
        loss: losses with market, 0.1 kWh, 0 EUR
        surplus: operator with market, 0 kWh, 0.008 EUR
        """,
    ),
    "a seller is short: what did not go out would have earned 0.08": (
        SURPLUS_GOES_OUT, "ada -1.5, utility 0.5", Rules(), 0, {},
        """
        trade: member/ada with market, -2 kWh, -0.28 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        utility: utility with market, 1 kWh, 0.08 EUR
        imbalance: member/ada with balancing, 0.5 kWh, 0.04 EUR
        balancing: utility with balancing, -0.5 kWh, -0.04 EUR
        """,
    ),
    "a buyer takes more, and the street imports: 1.5 kWh at 0.30; the tariff makes 0.15 + 0.08": (
        SURPLUS_GOES_OUT, "bo 2.5, utility -0.5", Rules(), 0, {},
        """
        trade: member/ada with market, -2 kWh, -0.28 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        utility: utility with market, 1 kWh, 0.08 EUR
        imbalance: member/bo with balancing, 1.5 kWh, 0.45 EUR
        balancing: utility with balancing, -1.5 kWh, -0.23 EUR
        balancing_rest: operator with balancing, 0 kWh, -0.22 EUR
        """,
    ),
    "the street buys anyway: each for its own at 0.30, too little as too much": (
        STREET_BUYS, "ada -0.5, bo 2.9, utility -2.4", Rules(), 0, {},
        """
        trade: member/ada with market, -1 kWh, -0.2 EUR
        trade: member/bo with market, 3 kWh, 0.8 EUR
        utility: utility with market, -2 kWh, -0.6 EUR
        imbalance: member/ada with balancing, 0.5 kWh, 0.15 EUR
        imbalance: member/bo with balancing, -0.1 kWh, -0.03 EUR
        balancing: utility with balancing, -0.4 kWh, -0.12 EUR
        """,
    ),
    "dual: short at 1.1 * 0.30, long at 0.5 * 0.08": (
        STREET_BUYS, "ada -0.5, bo 2.9, utility -2.4", DUAL, 0, {},
        """
        trade: member/ada with market, -1 kWh, -0.2 EUR
        trade: member/bo with market, 3 kWh, 0.8 EUR
        utility: utility with market, -2 kWh, -0.6 EUR
        imbalance: member/ada with balancing, 0.5 kWh, 0.165 EUR
        imbalance: member/bo with balancing, -0.1 kWh, -0.004 EUR
        balancing: utility with balancing, -0.4 kWh, -0.12 EUR
        balancing_rest: operator with balancing, 0 kWh, -0.041 EUR
        """,
    ),
    "fixed: 0.40 and 0.04": (
        STREET_BUYS, "ada -0.5, bo 2.9, utility -2.4", FIXED, 0, {},
        """
        trade: member/ada with market, -1 kWh, -0.2 EUR
        trade: member/bo with market, 3 kWh, 0.8 EUR
        utility: utility with market, -2 kWh, -0.6 EUR
        imbalance: member/ada with balancing, 0.5 kWh, 0.2 EUR
        imbalance: member/bo with balancing, -0.1 kWh, -0.004 EUR
        balancing: utility with balancing, -0.4 kWh, -0.12 EUR
        balancing_rest: operator with balancing, 0 kWh, -0.076 EUR
        """,
    ),
    "all pay for imbalance together: 0.12 by 0.5 and 2.5 kWh; energy stays each one's": (
        STREET_BUYS, "ada -0.5, bo 2.5, utility -2", TOGETHER, 0, {},
        """
        trade: member/ada with market, -1 kWh, -0.2 EUR
        trade: member/bo with market, 3 kWh, 0.8 EUR
        utility: utility with market, -2 kWh, -0.6 EUR
        imbalance: member/ada with balancing, 0.5 kWh, 0 EUR
        imbalance: member/bo with balancing, -0.5 kWh, 0 EUR
        """,
    ),
    "more is lost than cleared: the operator pays 0.2 kWh at 0.08": (
        SURPLUS_GOES_OUT, "utility 0.8", Rules(), 0, {},
        """
        trade: member/ada with market, -2 kWh, -0.28 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        utility: utility with market, 1 kWh, 0.08 EUR
        balancing: utility with balancing, -0.2 kWh, -0.016 EUR
        loss_change: losses with balancing, 0.2 kWh, 0 EUR
        loss_charge: operator with balancing, 0 kWh, 0.016 EUR
        """,
    ),
    "or the members, by 2 and 1 kWh": (
        SURPLUS_GOES_OUT, "utility 0.85", Rules(loss_payer="members"), 0, {},
        """
        trade: member/ada with market, -2 kWh, -0.28 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        utility: utility with market, 1 kWh, 0.08 EUR
        balancing: utility with balancing, -0.15 kWh, -0.012 EUR
        loss_change: losses with balancing, 0.15 kWh, 0 EUR
        loss_charge: member/ada with balancing, 0 kWh, 0.008 EUR
        loss_charge: member/bo with balancing, 0 kWh, 0.004 EUR
        """,
    ),
    "negative prices: who delivers less saves the utility 0.05 a kWh, and is paid it": (
        "ada -2 0.04, bo 1 -0.02, utility 1 -0.02", "ada -1.5, utility 0.5", Rules(), 0, SUNK,
        """
        trade: member/ada with market, -2 kWh, 0.04 EUR
        trade: member/bo with market, 1 kWh, -0.02 EUR
        utility: utility with market, 1 kWh, -0.02 EUR
        imbalance: member/ada with balancing, 0.5 kWh, -0.025 EUR
        balancing: utility with balancing, -0.5 kWh, 0.025 EUR
        """,
    ),
    "off the grid there is no tariff: imbalance is free": (
        "ada -1 -0.20, bo 1 0.20", "ada -0.9, bo 0.8", Rules(), 0, ALONE,
        """
        trade: member/ada with market, -1 kWh, -0.2 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        imbalance: member/ada with balancing, 0.1 kWh, 0 EUR
        imbalance: member/bo with balancing, -0.2 kWh, 0 EUR
        loss_change: losses with balancing, 0.1 kWh, 0 EUR
        """,
    ),
    "... unless its price is fixed: 0.04 and 0.008": (
        "ada -1 -0.20, bo 1 0.20", "ada -0.9, bo 0.8", FIXED, 0, ALONE,
        """
        trade: member/ada with market, -1 kWh, -0.2 EUR
        trade: member/bo with market, 1 kWh, 0.2 EUR
        imbalance: member/ada with balancing, 0.1 kWh, 0.04 EUR
        imbalance: member/bo with balancing, -0.2 kWh, -0.008 EUR
        loss_change: losses with balancing, 0.1 kWh, 0 EUR
        balancing_rest: operator with balancing, 0 kWh, -0.032 EUR
        """,
    ),
    "a link earns, and compute is paid for between members": (
        "ada -2 -0.30, bo 2 0.40", "", Rules(), 0,
        {"earned_nano": np.array([[-60_000_000, 0]]), "worked_nano": np.array([[-5_000_000,
        5_000_000]])},
        """
        trade: member/ada with market, -2 kWh, -0.3 EUR
        trade: member/bo with market, 2 kWh, 0.4 EUR
        link: member/ada with market, 0 kWh, -0.06 EUR
        compute: member/ada with market, 0 kWh, -0.005 EUR
        compute: member/bo with market, 0 kWh, 0.005 EUR
        surplus: operator with market, 0 kWh, -0.04 EUR
        """,
    ),
    "paused while the utility's tariff was cleared: 1.5 kWh too few at 0.08, 0.2 more at 0.30": (
        "ada -2 -0.16, bo 1 0.30, utility 1 -0.14", "ada -0.5, bo 1.2, utility -0.7", FIXED, 0,
        {"paused": np.array([True])},
        """
        trade: member/ada with market, -2 kWh, -0.16 EUR
        trade: member/bo with market, 1 kWh, 0.3 EUR
        utility: utility with market, 1 kWh, -0.14 EUR
        imbalance: member/ada with balancing, 1.5 kWh, 0.12 EUR
        imbalance: member/bo with balancing, 0.2 kWh, 0.06 EUR
        balancing: utility with balancing, -1.7 kWh, -0.18 EUR
        """,
    ),
    "paused by the rules: nothing was cleared, meters by the tariff, losses at 0.30": (
        SURPLUS_GOES_OUT, "ada -0.5, bo 1.2, utility -0.8", Rules(pauses=(Pause(999_999,
        1_000_001),)), 0, {},
        """
        imbalance: member/ada with balancing, -0.5 kWh, -0.04 EUR
        imbalance: member/bo with balancing, 1.2 kWh, 0.36 EUR
        balancing: utility with balancing, -0.8 kWh, -0.35 EUR
        loss_change: losses with balancing, 0.1 kWh, 0 EUR
        loss_charge: operator with balancing, 0 kWh, 0.03 EUR
        """,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_known_answers(case: tuple[str, str, Rules, float, dict[str, Any], str]) -> None:
    """Worked out by hand: Y9, Y12 to Y16."""
    cleared, metered, rules, lost, more, lines = case
    settled = settle(world(cleared, metered, lost=lost, **more), rules)
    assert table(settled).splitlines() == [line.strip() for line in lines.strip().splitlines()]


def test_all_paying_together_share_by_the_energy_of_their_meters() -> None:
    """Y3: 0.4 kWh at 0.30 is 0.12, by 0.6 and 3 kWh: 0.02 and 0.10."""
    settled = settle(world(STREET_BUYS, "ada -0.6, bo 3, utility -2.4"), TOGETHER)
    assert bill(settled, "ada") == pytest.approx(-0.20 + 0.02, abs=1e-8)
    assert bill(settled, "bo") == pytest.approx(0.80 + 0.10, abs=1e-8)


# Ada delivers 2 kWh, Bo receives 1, Cy 0.5; 0.4 go out, 0.1 are lost: 1.5 are local
THREE = "ada -2 0, bo 1 0, cy 0.5 0, utility 0.4 0"
FEES: dict[str, tuple[Fee, dict[str, float]]] = {
    "bought": (Fee("f", "bought", 0.02 * PER_KWH, "state"), {"ada": 0, "bo": 0.02, "cy": 0.01}),
    "sold": (Fee("f", "sold", 0.02 * PER_KWH, "state"), {"ada": 0.04, "bo": 0, "cy": 0}),
    "local": (Fee("f", "local", 0.04 * PER_KWH, "dso"), {"ada": 0, "bo": 0.04, "cy": 0.02}),
    "imported": (Fee("f", "imported", 0.04 * PER_KWH, "dso"), {"ada": 0, "bo": 0, "cy": 0}),
    "exported": (Fee("f", "exported", 0.10 * PER_KWH, "dso"), {"ada": 0.04, "bo": 0, "cy": 0}),
    "days": (Fee("f", "days", 0.96 / 86400, "club"), {"ada": 0.01, "bo": 0.01, "cy": 0.01}),
    "subsidy": (Fee("f", "sold", -0.02 * PER_KWH, "state"), {"ada": -0.04, "bo": 0, "cy": 0}),
}


@pytest.mark.parametrize(("fee", "paid"), FEES.values(), ids=list(FEES))
def test_what_fees_are_charged_on(fee: Fee, paid: dict[str, float]) -> None:
    """Y5, Y17: each base by hand."""
    settled = settle(world(THREE, lost=0.1), Rules(fees=(fee,)))
    assert {name: bill(settled, name) for name in paid} == pytest.approx(paid, abs=1e-8)


def test_what_is_imported_is_spread_over_all_who_bought() -> None:
    """Y17: 2 of 3 kWh come from outside; Bo bought 2, Cy 1. While paused all of it does."""
    street = world("ada -1 0, bo 2 0, cy 1 0, utility -2 0")
    found = energies_of(street)
    assert (found.local[0] / KWH_UJ).tolist() == pytest.approx([0, 2 / 3, 1 / 3])
    assert (found.imported[0] / KWH_UJ).tolist() == pytest.approx([0, 4 / 3, 2 / 3])
    paused = energies_of(replace(street, paused=np.array([True])))
    assert (paused.imported[0] / KWH_UJ).tolist() == [0, 2, 1]
    assert (paused.exported[0] / KWH_UJ).tolist() == [1, 0, 0]


def test_vat_is_charged_on_energy_imbalance_losses_and_the_fees_before() -> None:
    """Y18: Bo pays 0.20, 0.004 more for losses, and 0.05 to the network: 19 % of 0.254.

    Ada sells more than she pays for, so her bill is what the club charges: 19 % of 0.01.
    """
    fees = (
        Fee("network", "local", 0.05 * PER_KWH, "dso"),
        Fee("club", "days", 0.96 / 86400, "club"),
        Fee("VAT", "bill", 0.19, "state"),
        Fee("after", "bought", 0.03 * PER_KWH, "state"),
    )
    rules = Rules(loss_payer="members", fees=fees)
    settled = settle(world(SURPLUS_GOES_OUT, "utility 0.85"), rules)
    vat = next(line for line in settled.lines if line.other == "fee/state/VAT")
    assert vat.money_nano is not None
    expected = [0.19 * 0.01, 0.19 * (0.20 + 0.004 + 0.05 + 0.01)]
    assert (vat.money_nano[0] / EUR).tolist() == pytest.approx(expected, abs=1e-8)


def test_a_subsidy_lowers_the_bill_and_not_below_nothing() -> None:
    """Y18: 0.20 less 0.15 is taxed, 0.20 less 0.30 is not."""
    for subsidy, taxed in ((0.15, 0.05), (0.30, 0.0)):
        fees = (
            Fee("bonus", "bought", -subsidy * PER_KWH, "state"),
            Fee("VAT", "bill", 0.2, "state"),
        )
        settled = settle(world(SURPLUS_GOES_OUT), Rules(fees=fees))
        assert bill(settled, "bo") == pytest.approx(0.20 - subsidy + 0.2 * taxed, abs=1e-8)


def test_who_takes_less_is_taxed_on_what_it_took() -> None:
    """Y18: Bo bought 1 kWh for 0.20, is paid back 0.4 * 0.08, and pays 10 % of the rest."""
    rules = Rules(fees=(Fee("VAT", "bill", 0.1, "state"),))
    settled = settle(world(SURPLUS_GOES_OUT, "bo 0.6, utility 1.4"), rules)
    assert bill(settled, "bo") == pytest.approx(1.1 * (0.20 - 0.4 * 0.08), abs=1e-8)


def test_payers_are_rounded_up_and_receivers_down() -> None:
    """Y11: a third of a nano-unit for each of 3 intervals."""
    price = np.array([1e-9 / 3 / 1e-6] * 2)  # a third of a nano-unit per microjoule
    s = stretch_of(
        time_s=np.array([0, 900]),
        group_s=np.array([0, 900]),
        cleared_uj=np.zeros((2, 2), np.int64),
        payment_nano=np.zeros((2, 2), np.int64),
        earned_nano=np.zeros((2, 2), np.int64),
        worked_nano=np.zeros((2, 2), np.int64),
        metered_uj=np.array([[1, 0], [0, -1]]),
        utility_uj=np.zeros(2, np.int64),
        utility_nano=np.zeros(2, np.int64),
        tie_uj=np.array([-1, 1]),
        loss_uj=np.zeros(2, np.int64),
        sells_at_per_j=price,
        buys_at_per_j=price,
        paused=np.array([False, False]),
    )
    line = next(line for line in settle(s, Rules()).lines if line.code is Code.IMBALANCE)
    assert line.money_nano is not None
    assert line.money_nano.tolist() == [[1, 0], [0, 0]]
