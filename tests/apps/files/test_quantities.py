"""Quantities as people write them, to SI."""

from __future__ import annotations

from itertools import pairwise

import pytest

from isojoule.apps.files.quantities import CURRENCIES, parse_quantity, parse_unit
from isojoule.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "unit", "si"),
    [
        ("5 kW", "W", 5000.0),
        ("-3kW", "W", -3000.0),
        ("1_000 W", "W", 1000.0),
        ("13.5 kWh", "J", 13.5 * 3.6e6),
        ("15 min", "s", 900.0),
        ("1 h", "s", 3600.0),
        ("0.30 EUR/kWh", "money/J", 0.30 / 3.6e6),
        ("0.30 €/kWh", "money/J", 0.30 / 3.6e6),
        ("300 EUR/MWh", "money/J", 300 / 3.6e9),
        ("30 ct/kWh", "money/J", 30 / 3.6e8),
        ("0.50 EUR", "money", 0.5),
        ("0.4 kV", "V", 400.0),
        ("100 mohm", "ohm", 0.1),
        ("380 g/kWh", "kg/J", 0.38 / 3.6e6),
        ("2 %", "1", 0.02),
        ("16 GB", "byte", 16e9),
        ("1 KiB", "byte", 1024.0),
        ("2 Mbyte", "byte", 2e6),
        ("3 bytes", "byte", 3.0),
        ("2 GHz", "1/s", 2e9),
        ("1 d", "s", 86400.0),
        ("0.10 EUR/d", "money/s", 0.10 / 86400),
        ("120 ct/year", "money/s", 1.2 / (365.25 * 86400)),
        ("7", "W", 7.0),
        (7, "W", 7.0),
    ],
)
def test_units_come_out_in_si(text: object, unit: str, si: float) -> None:
    assert parse_quantity(text, unit, currency="EUR") == pytest.approx(si, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "unit", "says", "remedy"),
    [
        ("5 kW", "J", "'kW' is not a unit of J", "13.5 kWh"),
        ("5 KW", "W", "'KW' is not a known unit", "5 kW"),
        ("0,3 EUR/kWh", "money/J", "not a quantity", "point for decimals"),
        ("0.3 USD/kWh", "money/J", "USD is not EUR", "one document has one currency"),
        ("4 EUR", "W", "'EUR' is money", "5 kW"),
        ("16 GB", "1", "'GB' is not a unit of 1", "0.02"),
        ("50 %", "byte", "'%' is not a unit of byte", "16 GB"),
        ("1 Hz", "byte", "'Hz' is not a unit of byte", "16 GB"),
        ("EUR/kWh", "money/J", "not a quantity", "0.30 EUR/kWh"),
        ("nan", "W", "not a quantity", "5 kW"),
        ("1e999 W", "W", "not a finite number", "5 kW"),
        (float("inf"), "W", "not a finite number", "5 kW"),
        (True, "W", "not a quantity", "5 kW"),
        (None, "W", "not a quantity", "5 kW"),
        ("5 9**9**9**9 W", "W", "is not a unit", "5 kW"),
        ("5 W**9**9", "W", "is not a unit", "5 kW"),
    ],
)
def test_what_is_no_quantity_is_refused(text: object, unit: str, says: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_quantity(text, unit, place="book.yaml:7", currency="EUR")
    assert caught.value.place == "book.yaml:7"
    assert says in caught.value.message
    assert remedy in caught.value.remedy


def test_two_currencies_in_one_unit_are_refused_without_a_document_too() -> None:
    with pytest.raises(InputError, match="CHF is not EUR"):
        parse_unit("EUR*CHF/kWh", "money/J")


def test_a_local_currency_works_where_the_document_names_it() -> None:
    assert parse_quantity("3 SUN/kWh", "money/J", currency="SUN") == 3 / 3.6e6
    with pytest.raises(InputError, match="not a known unit"):
        parse_quantity("3 SUN/kWh", "money/J", currency="EUR")


def test_the_list_of_currencies_is_one_of_codes() -> None:
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)
    assert {"EUR", "USD", "GBP", "CHF"} <= CURRENCIES


def test_the_same_number_rises_with_its_unit() -> None:
    powers = [parse_quantity(f"2 {unit}", "W") for unit in ("mW", "W", "kW", "MW", "GW")]
    assert all(high == pytest.approx(1e3 * low) for low, high in pairwise(powers))
