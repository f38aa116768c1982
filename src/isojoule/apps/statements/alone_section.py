"""What it would have been without the market, and what was saved: a sentence, and line by line."""

from __future__ import annotations

import numpy as np

from isojoule.apps.report.words import A_CENT, energy, money, number, percent
from isojoule.apps.statements.sheet import Sheet, exact, kwh, table
from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.saving import share_of_cost

NOTABLE_J = 0.05 * J_PER_KWH
"""A smaller difference of what a battery holds at the end, and is worth nothing, is not told."""
BESIDES = {
    "served": "need that was not served",
    "orders": "work that was not done",
    "storage": "what your battery holds",
}
"""What counts besides the bill, as the first sentence calls it."""


def compared(sheet: Sheet) -> str:
    """One sentence of the comparison with the baseline."""
    alone = sheet.alone_nano / NANO_PER_UNIT
    would = "paid" if alone >= 0 else "got"
    there = f"{would} {money(abs(alone), sheet.currency)} {sheet.without}"
    told = [BESIDES[name] for name, value in sheet.saved_besides.items() if abs(value) >= A_CENT]
    counting = f", counting {' and '.join(told)}" if told else ""
    if abs(sheet.saved) < A_CENT:
        return f"You would have {there}: no difference{counting}."
    share = share_of_cost(sheet.saved, sheet.cost_alone)
    amount = money(abs(sheet.saved), sheet.currency)
    amount += "" if share is None else f" ({percent(abs(share))})"
    if sheet.saved > 0:
        return f'<b class="good">You saved {amount}</b>{counting}: you would have {there}.'
    return f'<b class="bad">That is {amount} worse</b>{counting}: you would have {there}.'


def alone_section(sheet: Sheet) -> str:
    """The comparison with the world without a market."""
    alone, who = sheet.facts.alone, sheet.who
    net = alone.net_uj[:, who]
    bought, sold = int(np.maximum(net, 0).sum()), int(np.maximum(-net, 0).sum())
    drawn = f"drawn {kwh(bought)}, given {kwh(sold)}"
    gets = int(alone.shared_nano[who])
    lines = [
        (f"You would pay {sheet.without}", drawn, exact(int(alone.paid_nano[who]), sheet.currency))
    ]
    if gets:
        what = "which the rules share: without a market it would buy what the lines lose"
        lines.append(("Your share of the operator's account", what, exact(-gets, sheet.currency)))
    bill = "the bill above, with all its fees"
    lines.append(("You pay with the market", bill, exact(sheet.statement.sum_nano, sheet.currency)))
    lines += [
        (title, what, number(sheet.saved_besides[name], 4, sign=True) + f" {sheet.currency}")
        for name, title, what in _besides(sheet)
    ]
    saved = round(sheet.saved * NANO_PER_UNIT)
    lines.append(("Saved" if saved >= 0 else "Lost", "", exact(abs(saved), sheet.currency)))
    rows = [
        f'<tr class="{"sum" if line is lines[-1] else ""}"><th scope="row">{line[0]}</th>'
        f'<td class="word">{line[1]}</td><td>{line[2]}</td></tr>'
        for line in lines
    ]
    tariff = (
        " The utility's two prices are taken as all that it charges."
        if sheet.facts.files.scenario.has_utility
        else ""
    )
    plus = " What has a plus sign counts as saved, too." if sheet.saved_besides else ""
    head = sheet.without[:1].upper() + sheet.without[1:]
    return (
        f"<section><h2>{head}</h2><p>The same home, sun and battery in the same time, without "
        f"neighbours to trade with.{tariff}{plus}</p>{table(['', '', 'Amount'], rows)}"
        f"{_uncounted(sheet)}</section>"
    )


def _kept_j(sheet: Sheet) -> float:
    """What the battery holds more at the end than it would without the market, J."""
    alone, who = sheet.facts.alone, sheet.who
    with_it, without = (int(w.stored_change_uj[who]) for w in (alone.market, alone.beside))
    return (with_it - without) / UJ_PER_J


def _short_j(sheet: Sheet) -> tuple[float, float]:
    """Need that was not served with the market, and without it, J."""
    alone, who = sheet.facts.alone, sheet.who
    return int(alone.market.short_uj[who]) / UJ_PER_J, int(alone.beside.short_uj[who]) / UJ_PER_J


def _besides(sheet: Sheet) -> list[tuple[str, str, str]]:
    """What counts besides the bills: its name, and what the line says."""
    kept, (short, alone) = _kept_j(sheet), _short_j(sheet)
    words = {
        "served": (
            "Need that was not served",
            f"{energy(short)}, {sheet.without} {energy(alone)}, at its stated cost",
        ),
        "orders": ("Work that was not done", "Orders at their worth"),
        "storage": (
            f"Your battery ends with {'more' if kept > 0 else 'less'} in it",
            f"{energy(abs(kept))}, at what it is worth",
        ),
    }
    return [(name, *words[name]) for name in sheet.saved_besides]


def _uncounted(sheet: Sheet) -> str:
    """Differences that no price is known for."""
    told = []
    kept, short = _kept_j(sheet), _short_j(sheet)
    if abs(kept) >= NOTABLE_J and "storage" not in sheet.saved_besides:
        how = "more" if kept > 0 else "less"
        told.append(
            f"Your battery ends the period with {energy(abs(kept))} {how} in it than it would have "
            f"{sheet.without}; the sums do not count that."
        )
    if max(short) >= NOTABLE_J and "served" not in sheet.saved_besides:
        told.append(
            f"Need that was not served: {energy(short[0])} with the market, {energy(short[1])} "
            f"{sheet.without}; the sums do not count that."
        )
    return f'<p class="soft">{" ".join(told)}</p>' if told else ""
