"""RFC 8785: its own vectors, and round trips."""

from __future__ import annotations

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.canonical import (
    digest,
    dumps,
    first_difference,
    format_number,
    load_strict,
)
from isojoule.core.errors import VerificationError

APPENDIX_B = [  # RFC 8785, appendix B: bits of the double, its form
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "form"), APPENDIX_B)
def test_numbers_of_appendix_b(bits: str, form: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert format_number(value) == form


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_nan_and_infinities_have_no_form(bits: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    with pytest.raises(ValueError, match="no form"):
        dumps({"a": value})


def test_whole_numbers_beyond_two_to_53_are_refused() -> None:
    assert format_number(2**53 - 1) == "9007199254740991"
    with pytest.raises(ValueError, match="beyond"):
        dumps([2**53])
    with pytest.raises(ValueError, match="beyond"):
        dumps([-(2**53)])


def test_example_of_section_3_2_2() -> None:
    source = (
        '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        '"string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",'
        '"literals": [null, true, false]}'
    )
    assert dumps(json.loads(source)) == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_sorting_example_of_section_3_2_3() -> None:
    source = {
        "€": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "ö": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(dumps(source)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({1: 2}, "key 1"),
        ({"a": {1, 2}}, r"\$.a: set"),
        (["\ud800"], r"\$\[0\]: a lone surrogate"),
    ],
)
def test_what_json_cannot_hold_is_refused(document: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dumps(document)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"a": 1.0}', "f:1:7", "canonical form, which is 1"),
        ('{"a":\n [1e2]}', "f:2:3", "canonical form, which is 100"),
        ("[-0]", "f:1:2", "which is 0"),
        ("[1, 0.10]", "f:1:5", "which is 0.1"),
        ("[0.30000000000000003]", "f:1:2", "which is 0.30000000000000004"),
        ("[9007199254740993]", "f:1:2", "which is 9007199254740992"),
        ("[1E3]", "f:1:2", "which is 1000"),
        ("[1e999]", "f:1:2", "range of a double"),
        ("[NaN]", "f:1:2", "NaN|could not"),
        ("[-Infinity]", "f:1:2", "Infinity|could not|range"),
        ('{"a": 1, "b": {"a": 2}, "a": 3}', "f:1:25", "'a' stands twice"),
        ('["1.0", 01]', "f:1:10", "not JSON|canonical"),
        ("[1,]", "f:1:", "not JSON"),
        ("", "f:1:1", "not JSON"),
        ('{"a": "\\ud800"}', "f:1:7", "lone surrogate"),
        ("[" * 100_000, "f", "nested too deeply"),
    ],
)
def test_strict_reading_refuses_and_names_the_place(text: str, place: str, message: str) -> None:
    with pytest.raises(VerificationError, match=message) as caught:
        load_strict(text, place="f")
    assert caught.value.place.startswith(place)


def test_strict_reading_takes_white_space_and_any_order() -> None:
    assert load_strict('\n{"b" :\t1, "a": [null, true, 1e+21, 9007199254740992]}\r\n') == {
        "a": [None, True, 1e21, 2.0**53],
        "b": 1,
    }


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_round_trip(document: object) -> None:
    text = dumps(document)
    again = load_strict(text)
    assert first_difference(document, again) is None
    assert dumps(again) == text
    assert digest(again) == digest(document)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_reads_back(value: float) -> None:
    text = format_number(value)
    assert float(text) == value
    mantissa = text.lstrip("-").partition("e")[0]
    assert len(mantissa.replace(".", "").strip("0")) <= 17
    assert math.copysign(1, float(text)) == math.copysign(1, value) or value == 0


def test_the_first_difference_is_named() -> None:
    one = {"a": [1, {"b": "x"}], "c": True}
    assert first_difference(one, {"a": [1.0, {"b": "x"}], "c": True}) is None
    assert first_difference(one, {"a": [1, {"b": "y"}], "c": True}) == (
        "$.a[1].b",
        "x",
        "y",
    )
    assert first_difference(one, {"a": [1], "c": True}) == ("$.a[1]", {"b": "x"}, None)
    assert first_difference(one, {"a": [1, {"b": "x"}], "c": 1}) == ("$.c", True, 1)
    assert first_difference({"a": 1}, {}) == ("$.a", 1, None)
