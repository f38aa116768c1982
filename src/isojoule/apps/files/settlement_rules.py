"""`settlement.yaml`: who pays for imbalance, losses and fees, and who gets what is left.

The format is described in docs/settlement.md. Spec: docs/spec/settlement.md, Y1 to Y9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from isojoule.apps.files.certificate_rules import (
    CertificatesDoc,
    WithdrawalDoc,
    certificate_rules,
)
from isojoule.apps.files.day_ahead_rules import (
    BondsDoc,
    ClaimDoc,
    DayAheadDoc,
    bonds_of,
    day_ahead_of,
)
from isojoule.apps.files.payees import account_of_fines, payees_of
from isojoule.apps.files.payment_rules import INNER as INNER_PAYMENT
from isojoule.apps.files.payment_rules import REMEDIES as PAYMENT_REMEDIES
from isojoule.apps.files.payment_rules import PaymentDoc, payment_of
from isojoule.apps.files.places import located
from isojoule.apps.files.quantities import is_bare, parse_quantity, parse_share, parse_with_unit
from isojoule.apps.files.strict_doc import Quantity, Strict, doc_schema, read_doc
from isojoule.apps.files.times import epoch_s
from isojoule.apps.files.yaml_lines import Lines, read_yaml
from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.settlement.rules import PARAMETERS, Base, Fee, Imbalance, Price, Rules

RULES_NAME = "settlement.yaml"
Surplus = Literal["keep", "equal", "energy", "shapley", "shapley-sampled", "core", "nucleolus"]
PERMUTATIONS = 1000


class ImbalanceDoc(Strict):
    """What a Joule costs that was metered and not cleared."""

    price: Price = Field(
        default="tie",
        description="`tie`: the utility's price at its meter, the same for too much and too "
        "little; `dual`: its selling price times `short_factor`, its buying price times "
        "`long_factor`; where no utility reaches, both go by the price at each home; `fixed`: "
        "`short` and `long`",
    )
    payer: Literal["cause", "members"] = Field(
        default="cause",
        description="`cause`: each for its own; `members`: all, by the energy of their meters",
    )
    short_factor: Quantity | None = Field(
        default=None,
        description="dual: for who took more or delivered less than cleared; 1 if absent",
    )
    long_factor: Quantity | None = Field(
        default=None,
        description="dual: for who took less or delivered more; 1 if absent",
    )
    short: Quantity | None = Field(
        default=None,
        description="fixed, and needed there: what a Joule too few costs, as '0.40 EUR/kWh'",
    )
    long: Quantity | None = Field(
        default=None,
        description="fixed, and needed there: what a Joule too many earns, as '0.04 EUR/kWh'",
    )


class FeeDoc(Strict):
    """A fee, tax or contribution."""

    name: str = Field(description="what statements call it")
    on: Base = Field(
        description="what it is charged on: energy of the meter, net per interval (`bought`, "
        "`sold`, `local`: bought from neighbours, `imported`: bought from outside, `exported`: "
        "sold to outside), time (`days`), or the `bill` up to this fee"
    )
    rate: Quantity = Field(
        description="as '0.05 EUR/kWh' on energy, '0.10 EUR/d' on days, '19 %' on the bill; below "
        "0: a subsidy"
    )
    to: str = Field(description="who receives it")


class SurplusDoc(Strict):
    """How the operator's line is shared."""

    rule: Surplus = Field(description="one of the rules that share a surplus")
    permutations: int | None = Field(
        default=None,
        ge=4,
        multiple_of=2,
        description=f"shapley-sampled: orders that are drawn; {PERMUTATIONS} if absent",
    )


class RulePauseDoc(Strict):
    """A time that is settled by the utility's tariff."""

    start: str = Field(
        alias="from",
        description="ISO 8601; without an offset: local time of the scenario's `timezone`",
    )
    end: str = Field(alias="to", description="the moment after the last interval")
    reason: str = Field(default="", description="why, for statements")


def _by_name(value: Any) -> Any:
    """A rule without parameters may stand as its name alone."""
    return {"rule": value} if isinstance(value, str) else value


class RulesDoc(Strict):
    """The rules of settlement of Isojoule: one file beside a scenario."""

    isojoule: Literal[1] = Field(description="version of the format")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code, the scenario's")
    imbalance: ImbalanceDoc = Field(
        default=ImbalanceDoc(),
        description="what meters show besides what was cleared; absent: `tie`",
    )
    losses: Literal["operator", "members"] = Field(
        default="operator",
        description="who pays for losses beyond those cleared: the operator, or all members by the "
        "energy of their meters",
    )
    fees: list[FeeDoc] = Field(default=[], description="in the order of the bill; absent: none")
    payees: list[str] | None = Field(
        default=None,
        description="whom fees and fines may go to outside; absent: whom fees name",
    )
    surplus: Annotated[
        SurplusDoc, BeforeValidator(_by_name, json_schema_input_type=SurplusDoc | Surplus)
    ] = Field(
        default=SurplusDoc(rule="keep"),
        description="how what the operator has left is shared: the name of a rule, or `rule` with "
        "its parameters; absent: `keep`",
    )
    netting: Literal["interval", "day"] = Field(
        default="day", description="what one transfer of the ledger adds up"
    )
    pauses: list[RulePauseDoc] = Field(
        default=[],
        description="times without a market, settled by the utility's tariff; absent: none",
    )
    certificates: CertificatesDoc | None = Field(
        default=None,
        description="issue granular certificates of the market in the run; `{}` asks for them as "
        "they are by default; absent: none",
    )
    day_ahead: DayAheadDoc | None = Field(
        default=None,
        description="contracts about tomorrow's energy, with margins behind them; absent: none",
    )
    collateral: BondsDoc | None = Field(
        default=None,
        description="bonds behind what is cleared; `{}` takes all as it stands; absent: none",
    )
    payment: PaymentDoc | None = Field(
        default=None,
        description="how bills are paid, late ones and mutual credit; absent: no bills are made",
    )


INNER = {
    "imbalance": ImbalanceDoc,
    "fees": FeeDoc,
    "surplus": SurplusDoc,
    "pauses": RulePauseDoc,
    "certificates": CertificatesDoc,
    "withdraw": WithdrawalDoc,
    "day_ahead": DayAheadDoc,
    "collateral": BondsDoc,
    "claims": ClaimDoc,
    **INNER_PAYMENT,
}
"""Keys that hold mappings of their own."""


def rules_schema() -> dict[str, Any]:
    """The JSON Schema of `settlement.yaml`."""
    return doc_schema(RulesDoc)


def read_rules(
    path: Path, *, currency: str, tz: ZoneInfo, members: Sequence[str] | None = None
) -> Rules:
    """Read and check the rules of settlement.

    Parameters
    ----------
    path
        The file, or the folder in which it is called `settlement.yaml`.
    currency, tz
        Those of the scenario: of all money, and of times without an offset.
    members
        Those of the scenario, which rules may name; None: names are not checked.

    Raises
    ------
    InputError
        The first thing that is wrong, with file, line and remedy.
    """
    file = path / RULES_NAME if path.is_dir() else path
    doc, lines = read_doc(file, RulesDoc, _REMEDIES)
    _refuse_empty(doc, lines)
    if doc.currency != currency:
        raise InputError(
            f"the currency is {doc.currency}, but {currency} in the scenario",
            place=lines.place("currency"),
            remedy="settle in the currency of the scenario, and convert the amounts",
        )
    imbalance = _imbalance(doc.imbalance, lines, currency)
    fees = [_fee(given, at, lines, currency) for at, given in enumerate(doc.fees)]
    pauses = [_pause(given, at, lines, tz) for at, given in enumerate(doc.pauses)]
    day_ahead = None if doc.day_ahead is None else day_ahead_of(doc.day_ahead, lines, currency)
    payees = payees_of(doc.payees, fees, lines)
    bonds = None
    if doc.collateral is not None:
        bonds = bonds_of(
            doc.collateral, lines, currency, tz,
            lambda name, place: account_of_fines(name, payees, fees, place),
        )  # fmt: skip
    if doc.surplus.permutations is not None and doc.surplus.rule != "shapley-sampled":
        raise InputError(
            f"{doc.surplus.rule} has no 'permutations'",
            place=lines.place("surplus", "permutations"),
            remedy="remove it, or use shapley-sampled",
        )
    payment = None
    if doc.payment is not None:
        payment = payment_of(doc.payment, lines, currency, members)
    places = {f"fees[{at}]": lines.place("fees", at, "name") for at in range(len(fees))}
    places |= {f"pauses[{at}]": lines.place("pauses", at, "from") for at in range(len(pauses))}
    with located(places.get):
        return Rules(
            imbalance=imbalance,
            loss_payer=doc.losses,
            fees=tuple(fees),
            surplus=doc.surplus.rule,
            permutations=doc.surplus.permutations or PERMUTATIONS,
            netting=doc.netting,
            pauses=tuple(pauses),
            certificates=certificate_rules(doc.certificates, lines, tz),
            day_ahead=day_ahead,
            collateral=bonds,
            payment=payment,
        )


def place_in(file: Path, found: str) -> str:
    """File and line of a thing that a check of rules against their scenario names.

    Parameters
    ----------
    found
        As `settlement rules: collateral.claims[0]`, or `certificates: withdraw[0]`.
    """
    _, lines = read_yaml(file)
    whole, _, inside = found.partition(": ")
    path = inside if whole == "settlement rules" else f"{whole}.{inside}"
    keys = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", path)]
    return lines.place(*keys)


def _refuse_empty(doc: RulesDoc, lines: Lines) -> None:
    """A key without a value is no wish: who wrote it meant something, and would not get it."""
    for key in ("payees", "certificates", "day_ahead", "collateral", "payment"):
        if key in doc.model_fields_set and getattr(doc, key) is None:
            raise InputError(
                f"the key {key!r} is empty", place=lines.place(key),
                remedy=f"{_REMEDIES[key]}; or remove the key",
            )  # fmt: skip


_REMEDIES = {
    "isojoule": "write 'isojoule: 1', the version of the format",
    "currency": "use the scenario's code of three capitals, as EUR",
    "price": "use tie, dual or fixed",
    "payer": "use cause or members",
    "losses": "use operator or members",
    "on": "use bought, sold, local, imported, exported, days or bill",
    "rule": "use keep, equal, energy, shapley, shapley-sampled, core or nucleolus",
    "permutations": "orders come in pairs: give an even number from 4",
    "netting": "use interval or day",
    "fees": "list fees, each as {name: network fee, on: local, rate: 0.05 EUR/kWh, to: operator}",
    "payees": "list names, as [network operator, state]",
    "pauses": "list pauses, each as {from: 2026-07-12T00:00, to: 2026-07-13T00:00}",
    "surplus": "write the name of a rule, as surplus: equal",
    "imbalance": "write it as {price: tie, payer: cause}",
    "certificates": "write it as {expires_after: 730 d}, or {} for what is usual",
    "withdraw": "list withdrawals, each as {device: roof-3, from: 2026-07-12, to: 2026-07-13}",
    "day_ahead": "write it as {move: 0.05 EUR/kWh}, with other keys as needed",
    "collateral": "write it as {fine: 0.02 EUR/kWh}, or {}",
    "hour": "give an hour from 0 to 23",
    "least_days": "give 1 to 366 days",
    **PAYMENT_REMEDIES,
}
_KEYS = {"short_factor": "short_factor", "long_factor": "long_factor",
         "short": "short_per_j", "long": "long_per_j"}  # fmt: skip
"""Key of a price rule: field of `Imbalance`."""
_UNITS: dict[Base, str] = {
    **dict.fromkeys(("bought", "sold", "local", "imported", "exported"), "money/J"),
    "days": "money/s",
    "bill": "1",
}
"""The unit of a fee's rate, by what the fee is charged on."""
_PER = {"money/J": "money per energy", "money/s": "money per time", "1": "a share"}
_EXAMPLE = {"money/J": "0.05 EUR/kWh", "money/s": "0.10 EUR/d", "1": "19 %"}


def _imbalance(doc: ImbalanceDoc, lines: Lines, currency: str) -> Imbalance:
    values = {}
    for key, name in _KEYS.items():
        given = getattr(doc, key)
        belongs = name in PARAMETERS[doc.price]
        place = lines.place("imbalance", key)
        if given is None:
            if belongs and doc.price == "fixed":
                raise InputError(
                    f"the price {doc.price!r} needs {key!r}",
                    place=lines.place("imbalance"),
                    remedy=f"add it, as {key}: 0.40 EUR/kWh",
                )
            continue
        if not belongs:
            rule = next(price for price, names in PARAMETERS.items() if name in names)
            raise InputError(
                f"the price {doc.price!r} has no {key!r}",
                place=place,
                remedy=f"remove it, or write price: {rule}",
            )
        unit = "money/J" if name.endswith("_per_j") else "1"
        values[name] = _quantity(given, unit, place, currency)
    with located(lambda _: lines.place("imbalance")):
        return Imbalance(price=doc.price, payer=doc.payer, **values)


def _fee(doc: FeeDoc, at: int, lines: Lines, currency: str) -> Fee:
    place = lines.place("fees", at, "rate")
    unit = _UNITS[doc.on]
    for other in _PER:
        if other != unit and _is_of(doc.rate, other, currency):
            raise InputError(
                f"fee {doc.name!r} is charged on {doc.on}, so its rate is {_PER[unit]}; "
                f"{doc.rate!r} is {_PER[other]}",
                place=place,
                remedy=f"write the rate as '{_EXAMPLE[unit]}', or charge the fee on something else",
            )
    if unit == "1":
        rate = parse_share(doc.rate, place=place)
    else:
        rate = _quantity(doc.rate, unit, place, currency)
    with located(lambda _: lines.place("fees", at)):
        return Fee(doc.name, doc.on, rate, doc.to)


def _is_of(value: Quantity, unit: str, currency: str) -> bool:
    """Whether a text has a unit, and one of this kind."""
    try:
        parse_quantity(value, unit, currency=currency)
    except InputError:
        return False
    return not is_bare(value)


def _quantity(value: Quantity, unit: str, place: str, currency: str) -> float:
    """A quantity in SI. Money without a unit is refused: nobody thinks in money per Joule."""
    if unit == "1":
        return parse_quantity(value, unit, place=place, currency=currency)
    return parse_with_unit(value, unit, example=_EXAMPLE[unit], place=place, currency=currency)


def _pause(doc: RulePauseDoc, at: int, lines: Lines, tz: ZoneInfo) -> Pause:
    start = epoch_s(doc.start, tz, place=lines.place("pauses", at, "from"))
    end = epoch_s(doc.end, tz, place=lines.place("pauses", at, "to"))
    with located(lambda _: lines.place("pauses", at, "to")):
        return Pause(start, end, doc.reason)
