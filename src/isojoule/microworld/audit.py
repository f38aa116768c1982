"""The savings audit: what a market saved, and why, against the baseline.

Welfare on curves is not money. What a community saved (`isojoule.microworld.saving`) is the cash
across its boundary, plus fees, less the change in the value of stored energy, against the same
assets behaving as well as they can without the market (`utility-only`, or off the grid `autarky`).
Need that is not served, and Orders that are not finished, count as cost where the scenario states
at what. The saving is split into parts that add up:

- netting: the baseline's own flows, settled at the utility's node as one meter instead of many.
  Energy that neighbours used to sell at the low price and buy back at the high one stays here.
- losses: what links lose, less than in the baseline, at the utility's price of the interval.
- dispatch: the rest of the cash: batteries that serve neighbours too, curtailment avoided; and
  plans made on a forecast that came otherwise.
- served: need that went unserved in the baseline, at the scenario's stated cost.
- orders: work that was left undone in the baseline, at what it was worth to who ordered it.
- storage: more energy left in batteries at the end, at the utility's buying price or a stated one.
- fees: what participants pay to others because of the market, as the network fee.

Where offers are made of a forecast, all of it is counted as metered. The imbalance at the utility's
node is then part of the cash, at the utility's prices.

Spec: docs/spec/audit.md, A1 to A7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.saving import Cost, share_of_cost

Columns = Mapping[str, NDArray[np.generic]]
FEES_PER_KWH = (0.0, 0.05, 0.10, 0.15, 0.20)


@dataclass(frozen=True, slots=True)
class Audit:
    """Parts of the saving, money; positive is good for the community.

    `saving_share` is None where a share says nothing, see `saving.share_of_cost`.
    """

    baseline_cost: float
    market_cost: float
    saving: float
    saving_share: float | None
    netting: float
    dispatch: float
    losses: float
    served: float
    orders: float
    storage: float
    fees: float
    local_trade_j: float
    break_even_fee_per_j: float | None
    fee_table: list[dict[str, float]]


def audit(
    market: Columns,
    baseline: Columns,
    *,
    stored_change_uj: tuple[int, int],
    fees: float = 0.0,
    market_cash: float | None = None,
    unserved_cost_per_j: float = 0.0,
    stored_value_per_j: float | None = None,
    undone: tuple[float, float] = (0.0, 0.0),
) -> Audit:
    """Audit one stretch of time from the interval tables of both worlds.

    Parameters
    ----------
    market, baseline
        Columns of the table `intervals`, equal times.
    stored_change_uj
        Change of the energy in batteries over the stretch, market and baseline.
    fees
        What participants pay in fees because of the market, money.
    market_cash
        What the market's utility was paid, by the ledger, money; None: by the table.
    unserved_cost_per_j
        What a Joule of need that is not served counts.
    stored_value_per_j
        What a Joule left in batteries counts; None: the mean of the utility's buying price.
    undone
        Worth of the Orders that were not finished, money, market and baseline.
    """
    # off the grid nothing is bought or sold outside, at no price
    sells = np.nan_to_num(np.asarray(baseline["sells_at_per_j"], np.float64))
    buys = np.nan_to_num(np.asarray(baseline["buys_at_per_j"], np.float64))

    def joules(table: Columns, name: str) -> NDArray[np.float64]:
        return np.asarray(table[name], np.float64) / UJ_PER_J

    before, after = (int(cash_nano(table).sum()) / NANO_PER_UNIT for table in (baseline, market))
    after = after if market_cash is None else market_cash
    one_meter = float(
        np.sum(sells * joules(baseline, "import_uj") - buys * joules(baseline, "export_uj"))
    )
    at_margin = np.where(joules(market, "import_uj") > 0, sells, buys)
    lost = [
        joules(table, "loss_uj") + joules(table, "standing_loss_uj") for table in (baseline, market)
    ]
    losses = float(np.sum(at_margin * (lost[0] - lost[1])))
    local_j = float(local_trade_j(market).sum())
    per_j = float(np.mean(buys)) if stored_value_per_j is None else stored_value_per_j
    worth = per_j / UJ_PER_J
    unserved = [
        unserved_cost_per_j * float(joules(table, "unserved_uj").sum())
        for table in (market, baseline)
    ]
    stored = [worth * change for change in stored_change_uj]
    costs = [
        Cost(cash, *beside).total
        for cash, *beside in zip((after + fees, before), unserved, undone, stored, strict=True)
    ]
    served, orders = unserved[1] - unserved[0], undone[1] - undone[0]
    netting = before - one_meter
    dispatch = one_meter - after - losses
    saving = costs[1] - costs[0]
    free = saving + fees
    return Audit(
        baseline_cost=costs[1],
        market_cost=costs[0],
        saving=saving,
        saving_share=share_of_cost(saving, costs[1]),
        netting=netting,
        dispatch=dispatch,
        losses=losses,
        served=served,
        orders=orders,
        storage=stored[0] - stored[1],
        fees=-fees,
        local_trade_j=local_j,
        break_even_fee_per_j=free / local_j if local_j > 0 else None,
        fee_table=[
            {"fee_per_kwh": fee, "saving": free - fee / J_PER_KWH * local_j} for fee in FEES_PER_KWH
        ],
    )


def cash_nano(table: Columns) -> NDArray[np.int64]:
    """Paid to the utility in each interval, the imbalance included, nano-units."""
    paid = np.asarray(table["boundary_cash_nano"], np.int64)
    return paid + imbalance_nano(table)


def imbalance_nano(table: Columns) -> NDArray[np.int64]:
    """Paid to the utility for the imbalance in each interval, nano-units; 0 without forecasts."""
    if "imbalance_cash_nano" not in table:
        return np.zeros(np.size(table["boundary_cash_nano"]), np.int64)
    return np.asarray(table["imbalance_cash_nano"], np.int64)


def imbalance(table: Columns, overloaded: int) -> dict[str, float | int]:
    """Sums of the imbalance over a stretch of time, J and money; nothing without forecasts.

    Parameters
    ----------
    overloaded
        Links times intervals beyond their limit.
    """
    if "imbalance_uj" not in table:
        return {}
    more = np.asarray(table["imbalance_uj"], np.int64)
    packs = {
        f"battery_{name}_j": int(np.asarray(table[f"{name}_uj"], np.int64).sum()) / UJ_PER_J
        for name in ("made_up", "taken_up")
        if f"{name}_uj" in table
    }
    return {
        "imbalance_drawn_j": int(more.clip(0).sum()) / UJ_PER_J,
        "imbalance_fed_j": int(-more.clip(None, 0).sum()) / UJ_PER_J,
        "imbalance_cash": int(imbalance_nano(table).sum()) / NANO_PER_UNIT,
        "overloaded_link_intervals": overloaded,
        **packs,
    }


def local_trade_j(table: Columns) -> NDArray[np.float64]:
    """Energy that neighbours sold to neighbours in each interval, J.

    What participants deliver, each net of all that is theirs, less what leaves through the
    boundary.
    """
    out = np.asarray(table["sold_uj"], np.float64)
    exported = np.asarray(table["export_uj"], np.float64)
    return np.maximum(out - exported, 0.0) / UJ_PER_J


def totals(
    table: Columns,
    stored_change_uj: int,
    interval_s: int,
    saturated: int,
    stored_value_per_j: float | None = None,
) -> dict[str, float | int | None]:
    """Sums and rates of one world over a stretch of time. J, W, money, kg.

    `served_share` is of what was needed; None where nothing was.
    """

    def joules(name: str) -> float:
        return int(np.sum(np.asarray(table[name], np.int64))) / UJ_PER_J

    def money(name: str) -> float:
        return int(np.sum(np.asarray(table[name], np.int64))) / NANO_PER_UNIT

    def peak_w(name: str) -> float:
        return float(np.max(np.asarray(table[name], np.int64), initial=0)) / UJ_PER_J / interval_s

    energy = {
        name: joules(name.replace("_j", "_uj"))
        for name in (
            "import_j", "export_j", "loss_j", "standing_loss_j", "generated_j", "spilled_j",
            "consumed_j", "unserved_j", "charged_j", "discharged_j", "self_discharge_j",
            "computed_j",
        )
    }  # fmt: skip
    served = energy["consumed_j"] - energy["unserved_j"]
    needed = served + energy["loss_j"] + energy["standing_loss_j"]
    generated = energy["generated_j"]
    used = generated - energy["spilled_j"] - energy["export_j"]
    carbon = np.asarray(table["carbon_kg_per_j"], np.float64)
    imports = np.asarray(table["import_uj"], np.float64) / UJ_PER_J
    carbon_kg = float(np.sum(carbon * imports))
    buys = float(np.nan_to_num(np.mean(np.asarray(table["buys_at_per_j"], np.float64))))
    worth = buys if stored_value_per_j is None else stored_value_per_j
    return {
        "cash": int(cash_nano(table).sum()) / NANO_PER_UNIT,
        **energy,
        "stored_change_j": stored_change_uj / UJ_PER_J,
        "stored_change_value": stored_change_uj / UJ_PER_J * worth,
        "operator": money("operator_nano") - int(imbalance_nano(table).sum()) / NANO_PER_UNIT,
        "congestion_rent": money("congestion_rent_nano"),
        "loss_rent": money("loss_rent_nano"),
        "served_share": served / energy["consumed_j"] if energy["consumed_j"] > 0 else None,
        "self_sufficiency": 1.0 - energy["import_j"] / needed if served > 0 else None,
        "self_consumption": used / generated if generated > 0 else None,
        "peak_import_w": peak_w("import_uj"),
        "peak_export_w": peak_w("export_uj"),
        "carbon_kg": carbon_kg if np.isfinite(carbon_kg) else None,
        "local_trade_j": float(local_trade_j(table).sum()),
        "price_min_per_j": _finite(np.min(table["price_min_per_j"])),
        "price_mean_per_j": _finite(np.mean(np.asarray(table["price_mean_per_j"], np.float64))),
        "price_max_per_j": _finite(np.max(table["price_max_per_j"])),
        "saturated_link_intervals": saturated,
    }


def _finite(value: object) -> float | None:
    number = float(np.asarray(value, np.float64))
    return number if np.isfinite(number) else None
