"""The key `payment` of `settlement.yaml`: bills, who pays them late, mutual credit.

Spec: docs/spec/obligations.md, O15, O17 and O19.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from isojoule.apps.files.places import located
from isojoule.apps.files.quantities import parse_share, parse_with_unit
from isojoule.apps.files.strict_doc import Quantity, Strict
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.payments.rules import PARTS, Credit, Every, Late, Matched, Payment


class LateDoc(Strict):
    """Members who pay late."""

    by: Quantity = Field(description="how long after the bill is due they pay it, as '30 d'")
    share: Quantity | None = Field(
        default=None,
        description="how many of all members, as '25 %': drawn by the run's seed and their names, "
        "among those whom no other entry names; instead of `members`",
    )
    members: list[str] | None = Field(default=None, description="who; instead of `share`")


class CreditDoc(Strict):
    """Mutual credit of members."""

    limit: Quantity = Field(
        description="how far a member's balance of mutual credit may go below 0, as '50 EUR'"
    )
    accepts: Quantity | None = Field(
        default=None, description="how far it may go above 0; `limit` if absent"
    )
    members: list[str] | None = Field(
        default=None, description="whose; if absent, of all whom no other entry names"
    )


class PaymentDoc(Strict):
    """How bills are paid."""

    every: Every = Field(
        default="period",
        description="what one bill adds up: a `period` of the scenario, a calendar `month` or "
        "`day`, or a `week` of seven days; all end with the period",
    )
    matched: Matched = Field(
        default="interval",
        description="whose balances say who owes whom: those of each `interval`, so that "
        "neighbours owe each other what they traded, of each `day`, or of the whole `bill`",
    )
    due: Quantity = Field(
        default="14 d", description="how long after its date a bill is due, as '14 d'"
    )
    late: list[LateDoc] = Field(default=[], description="who pays late; absent: nobody")
    interest: Quantity = Field(
        default=0, description="a year, on what is open after it was due, as '5 %'"
    )
    clear: bool = Field(
        default=True, description="whether what is open is cleared in circles at each bill date"
    )
    credit: list[CreditDoc] = Field(
        default=[], description="mutual credit, used when clearing; absent: none"
    )


INNER = {"payment": PaymentDoc, "late": LateDoc, "credit": CreditDoc}
"""Keys that hold mappings of their own."""
REMEDIES = {
    "every": "use period, month, week or day",
    "matched": "use interval, day or bill",
    "clear": "write true or false",
    "late": "list who pays late, each as {share: 25 %, by: 30 d} or {members: [ada], by: 30 d}",
    "credit": "list mutual credit, each as {limit: 50 EUR} or {limit: 50 EUR, members: [ada]}",
    "payment": "write it as {every: period, due: 14 d}",
    "members": "list names, as [ada, bo]",
}


def payment_of(
    doc: PaymentDoc, lines: Lines, currency: str, members: Sequence[str] | None
) -> Payment:
    """The rules behind the key.

    Parameters
    ----------
    members
        Of the scenario; None: names are not checked.

    Raises
    ------
    InputError
        With file, line and remedy.
    """
    late = tuple(_late(given, at, lines) for at, given in enumerate(doc.late))
    credit = tuple(_credit(given, at, lines, currency) for at, given in enumerate(doc.credit))
    share = parse_share(doc.interest, place=lines.place("payment", "interest"))
    due_s = _duration(doc.due, lines.place("payment", "due"))

    def place(found: str) -> str | None:
        """Of a thing that the rules name, as `late[0]`."""
        key, _, rest = found.partition("[")
        return lines.place("payment", key, *([int(rest[:-1])] if rest else []))

    with located(place):
        payment = Payment(
            doc.every, doc.matched, due_s, late, round(share * PARTS), doc.clear, credit
        )
        if members is not None:
            payment.check_names(members)
        return payment


def _late(doc: LateDoc, at: int, lines: Lines) -> Late:
    here = lines.place("payment", "late", at)
    if (doc.share is None) == (not doc.members):
        raise InputError(
            "names nobody" if doc.share is None else "has both members and a share",
            place=here,
            remedy="give either share, as 25 %, or members, as [ada, bo]",
        )
    share = 0.0
    if doc.share is not None:
        share = parse_share(doc.share, place=lines.place("payment", "late", at, "share"))
    by_s = _duration(doc.by, lines.place("payment", "late", at, "by"))
    with located(lambda key: lines.place("payment", "late", at, key)):
        return Late(by_s, tuple(doc.members or ()), share)


def _credit(doc: CreditDoc, at: int, lines: Lines, currency: str) -> Credit:
    if doc.members is not None and not doc.members:
        raise InputError(
            "names nobody",
            place=lines.place("payment", "credit", at),
            remedy="name members, or leave the key out for all others",
        )
    limit, accepts = (
        _money(given, lines.place("payment", "credit", at, key), currency)
        for key, given in (
            ("limit", doc.limit),
            ("accepts", doc.limit if doc.accepts is None else doc.accepts),
        )
    )
    with located(lambda key: lines.place("payment", "credit", at, key)):
        return Credit(
            round(limit * NANO_PER_UNIT), round(accepts * NANO_PER_UNIT), tuple(doc.members or ())
        )


def _money(value: Quantity, place: str, currency: str) -> float:
    """An amount. Without a currency it is refused, as everywhere in these rules."""
    example = f"{value} {currency}"
    return parse_with_unit(value, "money", example=example, place=place, currency=currency)


def _duration(value: Quantity, place: str) -> int:
    """Whole seconds. Without a unit it is refused: nobody thinks of bills in seconds."""
    return round(parse_with_unit(value, "s", example="14 d", place=place))
