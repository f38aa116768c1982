"""The savings audit on tables worked by hand. Spec: docs/spec/audit.md."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.units import J_PER_KWH
from isojoule.microworld.audit import audit, imbalance, local_trade_j, totals
from isojoule.microworld.saving import Cost, share_of_cost

UJ = 3_600_000_000_000  # of a kWh
NANO = 1_000_000_000


def table(**columns: list[float]) -> dict[str, np.ndarray]:
    count = len(next(iter(columns.values())))
    names = (
        "import_uj", "export_uj", "loss_uj", "standing_loss_uj", "generated_uj", "spilled_uj",
        "consumed_uj", "unserved_uj", "charged_uj", "discharged_uj", "self_discharge_uj",
        "computed_uj", "bought_uj", "sold_uj", "boundary_cash_nano", "operator_nano",
        "congestion_rent_nano", "loss_rent_nano",
    )  # fmt: skip
    out = {name: np.zeros(count, np.int64) for name in names}
    out["sells_at_per_j"] = np.full(count, 0.30 / J_PER_KWH)
    out["buys_at_per_j"] = np.full(count, 0.08 / J_PER_KWH)
    out["carbon_kg_per_j"] = np.full(count, np.nan)
    for name in ("price_min_per_j", "price_mean_per_j", "price_max_per_j"):
        out[name] = np.full(count, 0.2 / J_PER_KWH)
    for name, values in columns.items():
        scale = UJ if name.endswith("_uj") else NANO
        out[name] = np.array([round(v * scale) for v in values], np.int64)
    return out


def test_two_neighbours_who_net() -> None:
    """One sells 1 kWh at 0.08 and the other buys 1 kWh at 0.30; between them it costs nothing."""
    alone = table(bought_uj=[1], sold_uj=[1], boundary_cash_nano=[0.22])
    together = table(bought_uj=[1], sold_uj=[1], boundary_cash_nano=[0.0])
    found = audit(together, alone, stored_change_uj=(0, 0), fees=0.0)
    assert found.saving == pytest.approx(0.22)
    assert found.netting == pytest.approx(0.22)
    assert (found.dispatch, found.losses, found.storage, found.fees) == (0.0, 0.0, 0.0, 0.0)
    assert found.local_trade_j == J_PER_KWH
    assert found.break_even_fee_per_j == pytest.approx(0.22 / J_PER_KWH)
    assert [row["saving"] for row in found.fee_table] == pytest.approx(
        [0.22, 0.17, 0.12, 0.07, 0.02]
    )


def test_the_imbalance_is_cash_and_the_operator_carries_it() -> None:
    """A7: 8 kWh were cleared for 2.40, 10 are drawn: 2 more at 0.30. Then 1 more is fed in."""
    alone = table(import_uj=[10, 0], boundary_cash_nano=[3.0, 0.0], bought_uj=[10, 0])
    market = table(
        import_uj=[10, 0], boundary_cash_nano=[2.4, 0.0], bought_uj=[10, 0],
        imbalance_uj=[2, -1], imbalance_cash_nano=[0.6, -0.08],
    )  # fmt: skip
    found = audit(market, alone, stored_change_uj=(0, 0), fees=0.0)
    assert found.market_cost == pytest.approx(2.92)
    assert (found.saving, found.dispatch) == pytest.approx((0.08, 0.08))
    sums = totals(market, 0, 900, 0)
    assert sums["cash"] == pytest.approx(2.92)
    assert sums["operator"] == pytest.approx(-0.52)
    assert imbalance(market, 3) == {
        "imbalance_drawn_j": 2 * J_PER_KWH, "imbalance_fed_j": J_PER_KWH,
        "imbalance_cash": pytest.approx(0.52), "overloaded_link_intervals": 3,
    }  # fmt: skip
    assert imbalance(alone, 0) == {}


def test_the_parts_add_up_and_each_has_its_sign() -> None:
    """Baseline imports 10 kWh with 0.5 kWh of losses; the market 8 with 0.3, and keeps 1 kWh."""
    alone = table(import_uj=[10], loss_uj=[0.5], boundary_cash_nano=[4.0], bought_uj=[9.5])
    market = table(
        import_uj=[8], loss_uj=[0.3], boundary_cash_nano=[2.4], bought_uj=[9], sold_uj=[2]
    )
    found = audit(market, alone, stored_change_uj=(UJ, 0), fees=0.20)
    assert found.netting == pytest.approx(4.0 - 3.0)
    assert found.losses == pytest.approx(0.30 * 0.2)
    assert found.dispatch == pytest.approx(3.0 - 2.4 - 0.06)
    assert found.storage == pytest.approx(0.08)
    assert found.fees == pytest.approx(-0.20)
    parts = found.netting + found.losses + found.dispatch + found.storage + found.fees
    assert found.saving == pytest.approx(parts)
    assert found.saving == pytest.approx(found.baseline_cost - found.market_cost)
    assert found.baseline_cost == pytest.approx(4.0)


def test_a_market_may_lose_and_says_so() -> None:
    found = audit(
        table(import_uj=[2], boundary_cash_nano=[0.6]),
        table(import_uj=[1], boundary_cash_nano=[0.3]),
        stored_change_uj=(0, 0),
        fees=0.0,
    )
    assert found.saving == pytest.approx(-0.3)
    assert found.break_even_fee_per_j is None  # nothing is traded next door


def test_local_trade_is_what_meters_deliver_and_does_not_leave() -> None:
    t = table(sold_uj=[5, 2], export_uj=[3, 4])
    assert local_trade_j(t).tolist() == [2 * J_PER_KWH, 0.0]


def test_totals_are_rates_of_what_was_counted() -> None:
    t = table(
        import_uj=[2, 0], export_uj=[0, 1], consumed_uj=[4, 1], unserved_uj=[1, 0],
        generated_uj=[1, 3], spilled_uj=[0, 1],
    )  # fmt: skip
    found = totals(t, 0, 900, 3)
    assert found["self_sufficiency"] == pytest.approx(1 - 2 / 4)
    assert found["self_consumption"] == pytest.approx((4 - 1 - 1) / 4)
    assert found["peak_import_w"] == pytest.approx(8000.0)
    assert found["carbon_kg"] is None
    assert found["saturated_link_intervals"] == 3


def test_what_is_not_served_and_not_done_counts_at_its_stated_cost() -> None:
    """A2, A3: 3 kWh unserved alone and 1 in the market, at 2 a kWh; Orders of 5 and 1 undone."""
    market, alone = table(unserved_uj=[1]), table(unserved_uj=[3])
    for world in (market, alone):  # nothing is bought or sold outside, at no price
        world["sells_at_per_j"] = world["buys_at_per_j"] = np.full(1, np.nan)
    result = audit(
        market,
        alone,
        stored_change_uj=(4 * UJ, 2 * UJ),
        fees=0.0,
        unserved_cost_per_j=2.0 / J_PER_KWH,
        stored_value_per_j=0.5 / J_PER_KWH,
        undone=(1.0, 5.0),
    )
    assert result.served == pytest.approx(4.0)
    assert result.orders == pytest.approx(4.0)
    assert result.storage == pytest.approx(1.0)
    assert result.netting == result.dispatch == result.losses == 0.0
    assert result.saving == pytest.approx(9.0)
    assert result.baseline_cost == pytest.approx(3 * 2 + 5 - 2 * 0.5)
    assert result.market_cost == pytest.approx(1 * 2 + 1 - 4 * 0.5)


@pytest.mark.parametrize(
    ("alone", "together", "share"),
    [(2.0, 1.5, 0.25), (2.0, 2.5, -0.25), (2.0, -0.5, None), (-1.0, -2.0, None), (0.0, 0.0, None)],
)
def test_a_share_is_of_the_cost_without_a_market(
    alone: float, together: float, share: float | None
) -> None:
    """A2: there is none where exports earn more than all pay, or more is saved than was paid."""
    worlds = [table(boundary_cash_nano=[cash]) for cash in (together, alone)]
    found = audit(*worlds, stored_change_uj=(0, 0))
    assert (found.saving, found.baseline_cost) == (alone - together, alone)
    assert found.saving_share == share


money = st.floats(-1e9, 1e9)


@given(st.tuples(money, money, money, money), st.tuples(money, money, money, money))
def test_a_share_is_at_most_all_of_the_cost(
    before: tuple[float, ...], after: tuple[float, ...]
) -> None:
    cost, saving = Cost(*before).total, Cost(*before).total - Cost(*after).total
    share = share_of_cost(saving, cost)
    assert (share is None) == (cost <= 0 or abs(saving) > cost)
    assert share is None or (-1 <= share <= 1 and share * cost == pytest.approx(saving))
