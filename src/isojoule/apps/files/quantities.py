"""Quantities with units, as people write them, to SI numbers.

"5 kW" is 5000 W, "0.30 EUR/kWh" is 0.30/3.6e6 money per Joule, "15 min" is 900 s; a bare number
is SI already. A currency code is a dimension of its own ("money"): a document names one currency,
and another one in it is refused, for nobody here knows the exchange rate. "ct" is a hundredth of
that currency.

The unit registry is pint's, made once, on first need: it takes a moment to load. A unit string is
parsed once and remembered, so a table pays for its header, not for its cells.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError

if TYPE_CHECKING:
    from pint import UnitRegistry

# ISO 4217, the codes in use. A code that is not listed works too where a document names it as
# its currency; the list is there to tell a foreign currency from a misspelt unit.
_ISO_4217 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
    "GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR "
    "KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR "
    "SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS "
    "UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
)
CURRENCIES = frozenset(_ISO_4217.split())
SIGNS = {"€": "EUR", "£": "GBP", "¥": "JPY"}
LONGEST_UNIT = 40

_NUMBER = re.compile(
    r"\s*([+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL
)
_WORD = re.compile(r"[^\W\d_]+")
_BYTE = re.compile(r"([A-Za-z]*?)(?:B|bytes?)")
# Products and quotients of words, with at most one digit of exponent: pint computes what it reads,
# and 9**9**9**9 would keep it busy for good.
_UNIT = re.compile(r"(?:[^\W\d_]|[%°/*· ]|(?:\*\*|\^)-?\d(?!\s*(?:\*\*|\^|\d)))+")
_EXAMPLES = {
    "W": "5 kW",
    "J": "13.5 kWh",
    "money/J": "0.30 EUR/kWh",
    "money": "0.50 EUR",
    "money/s": "0.10 EUR/d",
    "s": "15 min",
    "ohm": "0.1 ohm",
    "V": "400 V",
    "kg/J": "380 g/kWh",
    "byte": "16 GB",
    "1/s": "2 GHz",
    "1": "0.02",
}


class Factor(NamedTuple):
    """What turns a number in some unit into SI: number * up / down.

    Two whole numbers rather than one float, so that 0.30 EUR/kWh is 0.30/3600000 rounded once.
    """

    up: float
    down: float

    def apply(self, value: float) -> float:
        """One number in SI."""
        return value * self.up / self.down

    def apply_array(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """An array of any shape in SI, a new array; infinite where that is out of range."""
        with np.errstate(over="ignore"):
            out: NDArray[np.float64] = values * self.up / self.down
        return out


def parse_quantity(value: Any, unit: str, *, place: str = "", currency: str | None = None) -> float:
    """A quantity as an SI number.

    Parameters
    ----------
    value
        A number (SI already) or a text of a number and a unit.
    unit
        The SI unit wanted: "W", "J", "s", "V", "ohm", "money", "money/J", "money/s", "kg/J",
        "byte", "1/s", or "1" for a pure number.
    place
        Where the value stands, for the error.
    currency
        The document's currency. None: any one currency is taken.

    Raises
    ------
    InputError
        Not a number, not finite, another unit, or another currency.

    Examples
    --------
    >>> parse_quantity("5 kW", "W"), parse_quantity("15 min", "s"), parse_quantity(2, "J")
    (5000.0, 900.0, 2.0)
    >>> parse_quantity("0.36 EUR/kWh", "money/J", currency="EUR")
    1e-07
    """
    example = _EXAMPLES.get(unit, f"1 {unit}")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(
            f"{value!r} is not a quantity", place=place, remedy=f"write it as '{example}'"
        )
    if isinstance(value, int | float):
        return _finite(float(value), place, example)
    found = _NUMBER.fullmatch(value)
    if found is None or found[2].startswith((",", ".")):
        remedy = f"write a number and a unit, as '{example}'"
        if "," in value:
            remedy = f"use a point for decimals, no commas, as '{example}'"
        raise InputError(f"{value!r} is not a quantity", place=place, remedy=remedy)
    number = _finite(float(found[1]), place, example)
    if not found[2]:
        return number
    return parse_unit(found[2], unit, place=place, currency=currency).apply(number)


def parse_with_unit(
    value: Any, unit: str, *, example: str, place: str = "", currency: str | None = None
) -> float:
    """A quantity as an SI number, which must carry its unit; 0 need not.

    For files in which nobody would think in SI, as in money per Joule.

    Parameters
    ----------
    value, unit, place, currency
        See `parse_quantity`.
    example
        How it could be written, for the remedy.

    Raises
    ------
    InputError
        As `parse_quantity`, and where the unit is missing.
    """
    number = parse_quantity(value, unit, place=place, currency=currency)
    if number and is_bare(value):
        raise InputError(f"{value} has no unit", place=place, remedy=f"write it as '{example}'")
    return number


def parse_share(value: Any, *, place: str = "", what: str = "") -> float:
    """A share as a number, 1 being the whole. Beyond the whole it must carry its unit.

    Nobody who writes 10 means ten times the whole; who means it writes 1000 %. `what` it is may be
    told, where the place does not say it.

    Raises
    ------
    InputError
        As `parse_quantity`, and for a number beyond 1 without a unit.

    Examples
    --------
    >>> parse_share("10 %"), parse_share(0.1), parse_share("150 %")
    (0.1, 0.1, 1.5)
    """
    number = parse_quantity(value, "1", place=place)
    if abs(number) > 1 and is_bare(value):
        raise InputError(
            f"{what} {value} without a unit would be {number * 100:g} %".lstrip(),
            place=place,
            remedy=f"write it as '{value} %' or {number / 100:g}",
        )
    return number


def is_bare(value: Any) -> bool:
    """Whether it is a number without a unit, be it as text.

    >>> is_bare(5), is_bare("5.0"), is_bare("5 kW")
    (True, True, False)
    """
    try:
        float(value)
    except ValueError:
        return False
    return True


def parse_unit(text: str, unit: str, *, place: str = "", currency: str | None = None) -> Factor:
    """What turns numbers in the unit `text` into the SI unit `unit`.

    Parameters
    ----------
    text
        A unit, as "kW", "EUR/kWh", "min", "%".
    unit, place, currency
        As in `parse_quantity`.

    Raises
    ------
    InputError
        Unknown unit, another dimension, or another currency.

    Examples
    --------
    >>> parse_unit("kWh", "J")
    Factor(up=3600000.0, down=1.0)
    """
    answer = _factor(text.strip(), unit, currency)
    if isinstance(answer, Factor):
        return answer
    message, remedy = answer
    raise InputError(message, place=place, remedy=remedy)


def _finite(number: float, place: str, example: str) -> float:
    if math.isfinite(number):
        return number
    raise InputError(
        f"{number} is not a finite number", place=place, remedy=f"write it as '{example}'"
    )


@lru_cache(maxsize=1)
def _registry() -> UnitRegistry[Any]:
    from pint import UnitRegistry

    registry: UnitRegistry[Any] = UnitRegistry(non_int_type=Fraction, cache_folder=None)
    registry.define("isojoule_money = [isojoule_money]")
    registry.define("isojoule_cent = isojoule_money / 100")
    registry.define("isojoule_byte = [isojoule_byte]")  # pint's byte is a pure number
    return registry


@lru_cache(maxsize=1024)
def _factor(text: str, unit: str, currency: str | None) -> Factor | tuple[str, str]:
    """The factor, or what is wrong and its remedy (a cached function must not hold a place)."""
    remedy = f"use a unit as in '{_EXAMPLES.get(unit, unit)}'"
    for sign, code in SIGNS.items():
        text = text.replace(sign, code)
    if len(text) > LONGEST_UNIT or not _UNIT.fullmatch(text):
        return f"{text[:LONGEST_UNIT]!r} is not a unit", remedy
    wants_money = unit.startswith("money")
    codes = [w for w in _WORD.findall(text) if w in CURRENCIES or w == currency]
    foreign = sorted({c for c in codes if c != (currency or codes[0])})
    if foreign:
        return (
            f"the currency {foreign[0]} is not {currency or codes[0]}, that of the rest",
            f"convert the amount to {currency or codes[0]}: one document has one currency",
        )
    if codes and not wants_money:
        return f"{text!r} is money, not a unit of {unit}", remedy

    def in_words(match: re.Match[str]) -> str:
        word = match[0]
        if word in codes:
            return "isojoule_money"
        byte = _BYTE.fullmatch(word)
        if byte:
            return f"{byte[1]}isojoule_byte"
        return "isojoule_cent" if wants_money and word in ("ct", "cent", "cents") else word

    wanted = unit.replace("money", "isojoule_money").replace("byte", "isojoule_byte")
    wanted = "dimensionless" if unit == "1" else wanted
    registry = _registry()
    try:
        ratio = registry.Quantity(Fraction(1), registry.parse_units(_WORD.sub(in_words, text))).to(
            registry.parse_units(wanted)
        )
        exact = Fraction(ratio.magnitude)
    except Exception as error:  # noqa: BLE001 - pint raises half a dozen kinds, tokenize's too
        known = type(error).__name__ == "DimensionalityError"
        return f"{text!r} is {'not a unit of ' + unit if known else 'not a known unit'}", remedy
    return Factor(float(exact.numerator), float(exact.denominator))
