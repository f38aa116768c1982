"""That base times rate is the amount, on every line of a bill, in its table and on its page."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from html import unescape

from isojoule.apps.statements import Written
from isojoule.core.units import NANO_PER_UNIT

SCALES = {"ct/kWh": "0.01", "ct/day": "0.01", "EUR/kWh": "1", "%": "0.01"}


def check_bases(w: Written, slack_nano: int) -> dict[str, dict[str, str]]:
    """The rows of a bill that tell a base, by line and payee; others say why they have none."""
    with w.bill.open(encoding="utf-8", newline="") as stream:
        *rows, total = csv.DictReader(stream)
    assert total["line"] == "Sum" and not total["base"]
    for row in rows:
        assert row["base"] or row["note"] or not Decimal(row["pays_eur"]), row
        if row["base"]:
            due = Decimal(row["base"]) * Decimal(row["rate"]) * NANO_PER_UNIT
            pays = Decimal(row["pays_eur"]) * NANO_PER_UNIT
            assert row["unit"] in ("kWh", "d", "EUR", "EUR year")
            assert abs(due - pays) <= slack_nano, row
    check_page(w, len(rows))
    return {f"{row['line']} {row['payee']}": row for row in rows if row["base"]}


def check_page(w: Written, lines: int) -> None:
    """On the page, too, as far as it is rounded there."""
    part = w.page.read_text(encoding="utf-8").split('class="bill"')[1].split("</table>")[0]
    found = re.findall(
        r"<tr><th.*?</th><td.*?</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>", part
    )
    assert len(found) == lines
    for base, rate, pays in found:
        if not rate:
            continue
        amount, unit = _split(base.split("<small>")[0])
        each, what = _split(rate)
        if unit == "EUR days":
            assert what == "% a year"
            each, what = each / 365, "%"
        scale = Decimal(SCALES[what])
        due, paid = amount * each * scale, _split(pays)[0]
        step = abs(each * scale) * _step(amount) + abs(amount) * _step(each) * scale
        assert abs(due - paid) <= step / 2 + Decimal("0.00006"), (base, rate, pays)


def _split(cell: str) -> tuple[Decimal, str]:
    """A number and its unit."""
    number, unit = unescape(cell).replace("\u2212", "-").replace(",", "").split("\u00a0", 1)
    return Decimal(number), unit.replace("\u00a0", " ")


def _step(number: Decimal) -> Decimal:
    """One in the last digit."""
    return Decimal(1).scaleb(int(number.as_tuple().exponent))
