"""Canonical JSON by RFC 8785 (JCS), and a reader that accepts no number in any other form.

The rules:

- Numbers are IEEE doubles, written as ECMAScript writes them: the shortest digits that read back
  as the same double. NaN and infinities have no form. Whole numbers beyond 2**53 - 1 are refused,
  since a reader may round them; big counts are decimal strings in our files.
- Keys are sorted by their UTF-16 code units. Strings escape only what JSON demands.
- `digest` is SHA-256 over the UTF-8 bytes of that text.
- `load_strict` reads JSON with any white space and key order, but with numbers in canonical form
  only and each key once: two texts that it accepts and that differ in one digit differ in meaning.

Source: RFC 8785, https://doi.org/10.17487/RFC8785; number samples in its appendix B.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any, NoReturn

from isojoule.core.errors import VerificationError

MAX_SAFE_INTEGER = 2**53 - 1
"""Every whole number up to here is a double of its own."""

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}
_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+|[{}\[\],:]', re.DOTALL)


def format_number(value: float) -> str:
    """A double as ECMAScript writes it.

    Raises
    ------
    ValueError
        NaN, infinity, or a whole Python number beyond 2**53 - 1.

    Examples
    --------
    >>> format_number(1.0), format_number(-0.0), format_number(1e21), format_number(2e-7)
    ('1', '0', '1e+21', '2e-7')
    """
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"the whole number {value} is beyond 2**53 - 1")
        return str(int(value))
    if not math.isfinite(value):
        raise ValueError(f"{value} has no form in JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = float.__repr__(abs(value)).partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    # value = 0.digits * 10**point
    point = len(whole.lstrip("0")) if whole.strip("0") else len(digits) - len(part)
    point += int(exponent or 0)
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return f"{sign}{digits}{'0' * (point - count)}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"


def dumps(document: Any) -> str:
    """The canonical text of a document of dict, list, tuple, str, int, float, bool and None.

    Raises
    ------
    ValueError
        A number without a form (see `format_number`) or a lone surrogate; names the path.
    TypeError
        A key that is no text, or a value of another type; names the path.
    """
    out: list[str] = []
    _write(document, out, "$")
    return "".join(out)


def digest(document: Any) -> str:
    """SHA-256 of the canonical UTF-8 bytes, as 64 hexadecimal digits.

    >>> digest({})
    '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return hashlib.sha256(dumps(document).encode("utf-8")).hexdigest()


def load_strict(text: str, *, place: str = "") -> Any:
    """Read JSON whose numbers stand in canonical form and whose keys stand once.

    Whole numbers up to 2**53 - 1 come back as int, all others as float.

    Parameters
    ----------
    text
        The document.
    place
        Name of the file, for errors; line and column are added.

    Raises
    ------
    VerificationError
        Not JSON, a number in another form (1.0, 1e2, -0, 0.10), NaN or an infinity, a key that
        stands twice, or a lone surrogate; names line and column.

    Examples
    --------
    >>> load_strict('{"a": [1, 0.5]}')
    {'a': [1, 0.5]}
    >>> load_strict('[1.0]', place="a.json")
    Traceback (most recent call last):
    ...
    isojoule.core.errors.VerificationError: a.json:1:2: 1.0 is not in canonical form, which is 1
    """
    try:
        document = json.loads(
            text,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_constant,
            object_pairs_hook=_pairs,
        )
        text.encode("utf-8")
        if "\\u" in text:
            dumps(document)  # escapes may hide a lone surrogate
    except json.JSONDecodeError as error:
        raise VerificationError(
            f"not JSON: {error.msg}",
            place=_join(place, f"{error.lineno}:{error.colno}"),
        ) from None
    except RecursionError:
        raise VerificationError("nested too deeply", place=place) from None
    except ValueError as error:  # of the hooks, which know no place
        offset, message = _offence(text, str(error))
        line = text.count("\n", 0, offset) + 1
        column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        raise VerificationError(message, place=_join(place, f"{line}:{column}")) from None
    return document


def first_difference(one: Any, other: Any, path: str = "$") -> tuple[str, Any, Any] | None:
    """Path and the two values where two documents first differ, None if they are the same.

    A missing key or item shows as `None`. True is not 1, but 1.0 is.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                return f"{path}.{key}", one.get(key), other.get(key)
            found = first_difference(one[key], other[key], f"{path}.{key}")
            if found:
                return found
        return None
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for i, (a, b) in enumerate(zip(one, other, strict=False)):
            found = first_difference(a, b, f"{path}[{i}]")
            if found:
                return found
        if len(one) != len(other):
            at = min(len(one), len(other))
            longer = one if len(one) > at else other
            here = longer[at]
            return f"{path}[{at}]", *((here, None) if longer is one else (None, here))
        return None
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other))
    same = one == other if numbers else type(one) is type(other) and one == other
    return None if same else (path, one, other)


def _join(place: str, position: str) -> str:
    return f"{place}:{position}" if place else position


def _number(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is beyond the range of a double")
    form = format_number(value)
    if form != text:
        raise ValueError(f"{text} is not in canonical form, which is {form}")
    if text.lstrip("-").isdigit() and abs(value) <= MAX_SAFE_INTEGER:
        return int(text)
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} stands twice")
            seen.add(key)
    return document


def _offence(text: str, message: str) -> tuple[int, str]:
    """Offset and message of the first number or key that `load_strict` refuses."""
    keys: list[set[str]] = []
    tokens = list(_TOKEN.finditer(text))
    for i, match in enumerate(tokens):
        token = match[0]
        if token in "{[":
            keys.append(set())
        elif token in "}]":
            keys.pop()
        elif token[0] == '"':
            name = json.loads(token)
            if i + 1 < len(tokens) and tokens[i + 1][0] == ":" and keys:
                if name in keys[-1]:
                    return match.start(), f"the key {name!r} stands twice"
                keys[-1].add(name)
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                return match.start(), "a lone surrogate in a string"
        elif token not in ("true", "false", "null", ",", ":"):
            try:
                _number(token)
            except ValueError as error:
                return match.start(), str(error)
    return 0, message


def _write(value: Any, out: list[str], path: str) -> None:
    if value is None or value is True or value is False:
        out.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        out.append(_string(value, path))
    elif isinstance(value, int | float):
        try:
            out.append(format_number(value))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    elif isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{path}: the key {key!r} is not a text")
        between = "{"
        for key in sorted(value, key=_utf16):
            out.append(f"{between}{_string(key, path)}:")
            _write(value[key], out, f"{path}.{key}")
            between = ","
        out.append("}" if value else "{}")
    elif isinstance(value, list | tuple):
        between = "["
        for i, item in enumerate(value):
            out.append(between)
            _write(item, out, f"{path}[{i}]")
            between = ","
        out.append("]" if value else "[]")
    else:
        raise TypeError(f"{path}: {type(value).__name__} has no form in JSON")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _string(text: str, path: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{path}: a lone surrogate in a string") from None
    return '"' + _MUST_ESCAPE.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"


def number(value: float) -> float | int:
    """A float as JSON reads it back: whole ones as int.

    >>> number(900.0), number(0.5), number(-0.0)
    (900, 0.5, 0)
    """
    value = float(value)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
