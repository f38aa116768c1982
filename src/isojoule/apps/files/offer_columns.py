"""The forms of offers, column by column: rows of a table to pieces of curves.

Every function takes the rows of its form and answers with their pieces and with the rows that are
not as they should be. It does not say what is wrong: that row is then read by itself, by the reader
of single offers, whose words those are. Spec: docs/spec/valuation.md, V1 to V14.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.files.amount_columns import energies_uj, joules
from isojoule.apps.files.book_frame import BookFrame
from isojoule.apps.files.book_offers import BATTERY_KEYS
from isojoule.valuation import KINDS
from isojoule.valuation.battery import CURVE_ROLE, BatteryRows, battery_curves, freshness
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.int64]
FORM_KEYS = {
    "steps": ("side", "energy", "price", "end_price", "spill_value"),
    "load": ("energy", "lost_load"),
    "battery": BATTERY_KEYS,
    "utility": ("sells_at", "buys_at"),
}
"""Keys of the table that go with a form, beside the common ones."""
ROWS = 1 << 20
"""Rows made into curves at a time: a battery has 280 bytes of pieces, most of them of no width."""


class Curves(NamedTuple):
    """Pieces of some rows, in their order, and what of them is spilled or not served.

    Attributes
    ----------
    row, pieces, on_curve
        Row of each piece, ascending, its columns, and whether it lies on a battery's curve.
    spill0, spill1, short0, short1
        Per row, as in a book.
    size_uj
        Per row, what it may move, as in the book file's total, in floats.
    bad
        Per row: read it by itself to hear what is wrong.
    """

    row: Positions
    pieces: Pieces
    on_curve: Bools
    spill0: Floats
    spill1: Floats
    short0: Floats
    short1: Floats
    size_uj: Floats
    bad: Bools


def curves_of(table: BookFrame, form: str, duration_s: float, currency: str) -> Curves:
    """The curves of the rows of one form (all rows of `table` are of it), some rows at a time."""
    parts, start = [], 0
    for part in table.parts(ROWS):
        made = _curves(part, form, duration_s, currency)
        parts.append(made._replace(row=made.row + start))
        start += part.height
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Curves]) -> Curves:
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Curves._fields
        if name != "pieces"
    }
    pieces = Pieces(
        *(np.concatenate(column) for column in zip(*(p.pieces for p in parts), strict=True))
    )
    return Curves(pieces=pieces, **columns)


def _curves(table: BookFrame, form: str, duration_s: float, currency: str) -> Curves:
    bad = np.zeros(table.height, bool)
    for key in {key for keys in FORM_KEYS.values() for key in keys} - {*FORM_KEYS[form]}:
        series = table.column(key)
        if series is not None:
            bad |= _given(series)
    maker = {"steps": _steps, "load": _load, "battery": _battery, "utility": _utility}[form]
    made = maker(table, duration_s, currency)
    return made._replace(bad=made.bad | bad)


def kind_of(form: str) -> int:
    """Position of a form among the kinds of offers."""
    return KINDS.index(form)


def _given(series: pl.Series) -> Bools:
    there = series.is_not_null()
    if series.dtype.is_float():
        there &= series.is_not_nan().fill_null(False)
    return there.to_numpy()


def _steps(table: BookFrame, duration_s: float, currency: str) -> Curves:
    side = table.text("side")
    if side is None:
        return _nothing(table)
    sell = (side == "sell").fill_null(False).to_numpy()
    buy = (side == "buy").fill_null(False).to_numpy()
    energy = table.number("energy", currency)
    size_uj, bad = energies_uj(energy)
    bad |= np.isnan(energy.values) | (size_uj < 0) | ~(sell | buy)
    price = table.number("price", currency).si
    end = table.number("end_price", currency).si
    end = np.where(np.isnan(end), price, end)
    spill = table.number("spill_value", currency).si
    with np.errstate(invalid="ignore"):
        bad |= ~(np.isfinite(price) & np.isfinite(end)) | np.isinf(spill)
        bad |= np.where(sell, end < price, end > price)
        bad |= ~np.isnan(spill) & (~sell | (price < spill))
    e = joules(size_uj)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, rise = np.minimum(price, end), np.abs(end - price)
        slope = np.where(e > 0, 1.0 / e, 0.0)
    bent = (rise > 0) & (slope > 0)
    zero, one = np.zeros(table.height), np.ones(table.height)
    pieces = Pieces(
        np.where(sell, -e, 0.0),
        np.where(sell, 0.0, e),
        low,
        np.where(bent, rise, 0.0),
        np.where(bent & sell, 0.0, 1.0),
        np.where(bent, slope, 0.0),
        one,
    )
    spills = ~np.isnan(spill)
    row = np.arange(table.height)
    return Curves(
        row, pieces, row < 0, np.where(spills, e, 0.0), np.where(spills, 1.0, 0.0), zero, zero,
        size_uj.astype(np.float64), bad,
    )  # fmt: skip


def _load(table: BookFrame, duration_s: float, currency: str) -> Curves:
    energy, lost_load = table.number("energy", currency), table.number("lost_load", currency).si
    size_uj, bad = energies_uj(energy)
    bad |= np.isnan(energy.values) | (size_uj < 0)
    bad |= ~((lost_load >= 0) & np.isfinite(lost_load))
    e, zero, one = joules(size_uj), np.zeros(table.height), np.ones(table.height)
    row = np.arange(table.height)
    pieces = Pieces(zero, e, lost_load, zero, one, zero, one)
    return Curves(
        row, pieces, row < 0, zero, zero, e, one, size_uj.astype(np.float64), bad
    )  # fmt: skip


def _utility(table: BookFrame, duration_s: float, currency: str) -> Curves:
    sells, buys = (table.number(key, currency).si for key in ("sells_at", "buys_at"))
    bad = np.isinf(sells) | np.isinf(buys) | (np.isnan(sells) & np.isnan(buys)) | (buys > sells)
    count = table.height
    row, price = np.repeat(np.arange(count), 2), np.stack([sells, buys], axis=-1).ravel()
    side = np.tile([-1.0, 1.0], count)
    there = ~np.isnan(price)
    row, price, side = row[there], price[there], side[there]
    zero, one = np.zeros(row.size), np.ones(row.size)
    pieces = Pieces(
        np.where(side < 0, -np.inf, 0.0), np.where(side < 0, 0.0, np.inf), price, zero, one, zero,
        one,
    )  # fmt: skip
    none = np.zeros(count)
    return Curves(row, pieces, row < 0, none, none, none, none, none, bad)


def _battery(table: BookFrame, duration_s: float, currency: str) -> Curves:
    bad = np.zeros(table.height, bool)
    energy_uj: dict[str, NDArray[np.int64]] = {}
    for key in ("energy", "capacity", "reserve", "committed", "inflow"):
        column = table.number(key, currency)
        energy_uj[key], wrong = energies_uj(column)
        bad |= wrong
        if key in ("energy", "capacity"):
            bad |= np.isnan(column.values)

    def given(key: str, default: float | Floats) -> Floats:
        values = table.number(key, currency).si
        nonlocal bad
        bad |= np.isinf(values)
        return np.where(np.isnan(values), default, values)

    v_min, v_max = given("v_min", np.nan), given("v_max", np.nan)
    critical = given("v_critical", v_max)
    lost_load = given("lost_load", critical)
    spill, k = given("spill_value", 0.0), given("k", 1.0)
    charge_w, discharge_w = (given(f"{w}_power", np.inf) for w in ("charge", "discharge"))
    eta_c, eta_d = (given(f"{w}_efficiency", 1.0) for w in ("charge", "discharge"))
    idle, tau, floor = given("idle", 0.0), given("tau", np.inf), given("floor", 0.0)
    capacity, stored = energy_uj["capacity"], energy_uj["energy"]
    reserve, committed = energy_uj["reserve"], energy_uj["committed"]
    with np.errstate(invalid="ignore", over="ignore"):
        fresh = freshness(idle, tau, floor)
        fresh = np.where((idle == 0) | np.isinf(tau), 1.0, fresh)
        good = (stored >= 0) & (stored <= capacity)
        good &= (reserve >= 0) & (committed >= 0) & (reserve + committed <= capacity)
        good &= (v_min >= 0) & (v_min <= v_max) & (v_max <= critical) & (critical <= lost_load)
        good &= (k > 0) & (charge_w >= 0) & (discharge_w >= 0)
        good &= (eta_c > 0) & (eta_c <= 1) & (eta_d > 0) & (eta_d <= 1)
        good &= (idle >= 0) & (tau > 0) & (floor >= 0) & (floor <= 1)
        good &= np.isfinite(tau) | ((idle == 0) & (floor == 0))
        good &= spill <= v_min * fresh
    bad |= ~good
    rows = BatteryRows(
        energy_j=joules(energy_uj["energy"]),
        capacity_j=joules(energy_uj["capacity"]),
        reserve_j=joules(energy_uj["reserve"]),
        committed_j=joules(energy_uj["committed"]),
        inflow_j=joules(energy_uj["inflow"]),
        charge_j=charge_w * duration_s,
        discharge_j=discharge_w * duration_s,
        charge_efficiency=eta_c,
        discharge_efficiency=eta_d,
        v_min=v_min,
        v_max=v_max,
        v_critical=critical,
        lost_load=lost_load,
        spill_value=spill,
        k=k,
        freshness=fresh,
    )
    at = np.flatnonzero(~bad)  # what is refused is not computed with
    made = battery_curves(BatteryRows(*(column[at] for column in rows)))
    lo, hi = (column.ravel() for column in (made.pieces.lo, made.pieces.hi))
    some = np.flatnonzero(lo < hi)  # a piece that does not apply has no width
    columns = Pieces(*(column.ravel()[some] for column in made.pieces))
    spill0, short0 = np.zeros(table.height), np.zeros(table.height)
    spill0[at], short0[at] = made.overflow_j, made.short_j
    size = capacity.astype(np.float64) + np.abs(energy_uj["inflow"].astype(np.float64))
    with np.errstate(divide="ignore"):
        spill1 = np.where(spill0 > 0, 1.0 / eta_d, 0.0)
    short1 = np.where(short0 > 0, eta_c, 0.0)
    on_curve = np.tile(CURVE_ROLE, at.size)[some]
    return Curves(
        at[some // CURVE_ROLE.size], columns, on_curve, spill0, spill1, short0, short1, size, bad
    )


def _nothing(table: BookFrame) -> Curves:
    """No row is as it should be."""
    none, row = np.zeros(table.height), np.zeros(0, np.int64)
    pieces = Pieces(*(np.zeros(0) for _ in Pieces._fields))
    return Curves(row, pieces, row < 0, none, none, none, none, none, none == 0)
