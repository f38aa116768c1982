"""One household, one period, one page: what it pays, and why.

The page needs no other file, no script and no network; it reads well on a screen and on A4.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from string import Template
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.report.words import A_CENT, SPACE, money, number, text
from isojoule.apps.statements.agreed import agreed
from isojoule.apps.statements.alone_section import alone_section, compared
from isojoule.apps.statements.bases import basis_of, note_of
from isojoule.apps.statements.bonds import bonds
from isojoule.apps.statements.corrected import columns_apart
from isojoule.apps.statements.payment_section import payment_section
from isojoule.apps.statements.price_section import price_section
from isojoule.apps.statements.score_section import score_section
from isojoule.apps.statements.sheet import Sheet, asset, exact, kwh, table
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.collateral.nouns import Code as BondCode
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import Code
from isojoule.settlement.statements import BillLine, payee_of

WHO = {
    "market": "the local market",
    "balancing": "balancing",
    "operator": "the operator",
    "utility": "the utility",
    "collateral": "other members",
    "guarantee": "the guarantee fund",
}
SIGNS = "Energy that you gave and money that you get have a minus sign."
PRODUCT = (
    "What a line is for, times its rate, is what you pay. Rates of energy, of shares and of what "
    "all pay together are means; fees are rounded up in each interval, at the ninth digit."
)
TIMES = "\N{MULTIPLICATION SIGN}"
BALANCED_AT = {
    "tie": "at the utility's price in that moment: the one at which it sells while the "
    "neighbourhood draws from it, the one at which it buys while it feeds it",
    "dual": "at a price for too much and one for too little, which follow from the utility's two",
    "fixed": "at a fixed price for too much and one for too little",
}
"""What the rules of settlement say of the price of an imbalance."""
BALANCED_APART = {
    "tie": "at the price that energy had at your home in that moment: your neighbours' batteries "
    "made up for it, or yours for theirs",
    "dual": "at a price for too much and one for too little, which follow from the one that energy "
    "had at your home in that moment",
    "fixed": BALANCED_AT["fixed"],
}
"""The same for members that no utility reaches."""


def page(sheet: Sheet) -> str:
    """The page as HTML."""
    return Template(asset("statement.html")).substitute(
        title=text(f"Statement: {sheet.label}, {_period(sheet)}"),
        style=asset("statement.css"),
        head=_head(sheet),
        bill=_bill(sheet),
        promised=agreed(sheet) + bonds(sheet),
        payment=payment_section(sheet),
        price=price_section(sheet),
        score=score_section(sheet),
        alone=alone_section(sheet),
        check=_check(sheet),
    )


def _head(sheet: Sheet) -> str:
    """The sum, the period, and the comparison in a sentence."""
    pays = sheet.statement.sum_nano / NANO_PER_UNIT
    amount = money(abs(pays), sheet.currency)
    verb = "You pay" if pays >= 0 else "You get"
    tone = "" if abs(sheet.saved) < A_CENT else "good" if sheet.saved > 0 else "bad"
    return (
        f'<header class="{tone}"><p class="kicker">Statement of {text(sheet.label)} '
        f"({text(sheet.facts.stretch.members[sheet.who])})<br>{text(_title(sheet))}</p>"
        f"<h1>{verb} {amount}</h1>"
        f'<p class="lead">{text(_period(sheet))}. {compared(sheet)}</p></header>'
    )


def _bill(sheet: Sheet) -> str:
    """The lines of the bill."""
    rows = [_line(sheet, line) for line in sheet.statement.lines]
    total = exact(sheet.statement.sum_nano, sheet.currency)
    cells = f"<td></td><td></td><td></td><td>{total}</td>"
    rows.append(f'<tr class="sum"><th scope="row">Sum</th>{cells}</tr>')
    codes = {line.code for line in sheet.statement.lines}
    net = f"In all your meter shows {kwh(sheet.statement.energy_uj)}."
    told = [SIGNS, net, PRODUCT]
    if Code.IMBALANCE in codes:
        local = sheet.facts.stretch.local_per_j
        apart = local is not None and bool(np.isfinite(local[:, sheet.who]).all())
        told.append(
            "What your meter shows besides what was announced is settled "
            f"{(BALANCED_APART if apart else BALANCED_AT)[sheet.facts.rules.imbalance.price]}."
        )
    names = " and ".join(f"<code>{text(name)}</code>" for name in sheet.sheets)
    told.append("Amounts are rounded here.")
    told += [f"{names} hold exact amounts, and every interval."] if names else []
    if any(columns_apart(sheet.facts, sheet.who, sheet.statement)):
        told.append(
            "Readings of your meter that came late changed this bill. What is told of single "
            "intervals is as it was before."
        )
    return (
        '<section class="bill"><h2>Your bill</h2>'
        + table(["", "With whom", "For", "Rate", "You pay"], rows)
        + f'<p class="soft">{" ".join(told)}</p></section>'
    )


def _line(sheet: Sheet, line: BillLine) -> str:
    """A row of the bill."""
    basis = basis_of(sheet, line)
    name = line.name[:1].upper() + line.name[1:]
    who = WHO.get(line.payee, line.payee)
    if line.code is BondCode.SLASH:
        who = slashed_for(sheet.facts.rules)
    rate = basis.rate_shown(sheet.currency) if line.money_nano else ""
    # a narrow screen has no room for a column of rates
    narrow = f"<small>{TIMES}{SPACE}{rate}</small>" if rate else ""
    cells = [
        f'<td class="word">{text(who)}</td>',
        f"<td>{basis.amount_shown(sheet.currency)}{narrow}</td>",
        f"<td>{rate}</td>",
        f"<td>{exact(line.money_nano, sheet.currency)}</td>",
    ]
    note = note_of(sheet, line, basis)
    below = f"<small>{text(note)}</small>" if note else ""
    return f'<tr><th scope="row">{text(name)}{below}</th>{"".join(cells)}</tr>'


def slashed_for(rules: Rules) -> str:
    """Who gets what is taken from bonds: those who bore the cost, and whoever has the fines.

    Where each pays for its own imbalance nobody else bears a cost. Spec: B29.
    """
    asked = rules.collateral
    got = ["other members"] if rules.imbalance.payer == "members" else []
    if asked is not None and asked.fine_per_j:
        payee = payee_of(asked.fines_to)
        got.append(WHO.get(payee, payee))
    return " and ".join(got) or "escrow"


def _check(sheet: Sheet) -> str:
    """How to check the bill."""
    manifest = sheet.facts.files.manifest
    rows = [
        ("Account in the ledger", f"<code>{text(sheet.statement.party)}</code>"),
        ("Transfers", number(sheet.statement.transfers)),
        ("Run", f"<code>{text(manifest['run'])}</code>"),
    ]
    if sheet.head is not None:
        rows += [
            ("Entries in the ledger", number(sheet.head.size)),
            ("Root of the ledger", f"<code>{sheet.head.root.hex()}</code>"),
        ]
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    root = (
        " The root stands for every entry of the ledger: whoever has the same root has the same "
        "entries."
        if sheet.head is not None
        else ""
    )
    return (
        "<section><h2>How to check this</h2><p>The bill is what stands in the ledger for your "
        f"account, to the last digit.{root}</p><dl>{body}</dl></section>"
    )


def _title(sheet: Sheet) -> str:
    return str(sheet.facts.files.summary["title"])


def _period(sheet: Sheet) -> str:
    """First and last day, and the name of the period."""
    span, zone = sheet.facts.span, ZoneInfo(sheet.facts.files.scenario.timezone)
    first = datetime.fromtimestamp(span.start_s, zone)
    last = datetime.fromtimestamp(span.end_s, zone) - timedelta(seconds=1)
    days = f"{first.day} {first:%B %Y}"
    if last.date() != first.date():
        same = (first.year, first.month) == (last.year, last.month)
        start = f"{first.day}" if same else days
        days = f"{start} to {last.day} {last:%B %Y}"
    name = span.name[:1].upper() + span.name[1:]
    return f"{name}, {days}" if name else days
