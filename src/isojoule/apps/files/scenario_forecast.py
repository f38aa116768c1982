"""The forecast of a scenario, as its file writes it, and as one word of a command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, ValidationError

from isojoule.apps.files.places import located, nearest
from isojoule.apps.files.quantities import parse_quantity, parse_share
from isojoule.apps.files.strict_doc import Quantity, Strict
from isojoule.core.errors import InputError
from isojoule.microworld.forecast import Forecast, Noise, Persistence

NONE = "none"
METHODS = ("persistence", "noise")
ASKED = "--forecast"


class ForecastDoc(Strict):
    """What the market's offers are made of, before it comes."""

    method: Literal["persistence", "noise"] = Field(
        description="persistence: as 24 hours before; noise: what comes, times an error"
    )
    load_error: Quantity | None = Field(
        default=None,
        description="noise: relative standard deviation of what loads expect; 20 % if absent",
    )
    pv_error: Quantity | None = Field(
        default=None,
        description="noise: relative standard deviation of what PV expects; 25 % if absent",
    )
    correlation_time: Quantity | None = Field(
        default=None,
        description="noise: after which an error is down to 1/e of itself; 3 h if absent",
    )
    pv_common: Quantity | None = Field(
        default=None,
        description="noise: correlation between the errors of any two roofs; 50 % if absent",
    )


_SHARES = ("load_error", "pv_error", "pv_common")
_FIELDS = {**{key: key for key in _SHARES}, "correlation_time": "correlation_s"}
"""Key in files: field of `Noise`. What is no share is a time."""


def forecast_of(
    doc: ForecastDoc, place: Callable[[str], str], before: Forecast | None = None
) -> Forecast:
    """The forecast that a document describes.

    Parameters
    ----------
    place
        Where a key stands, for errors.
    before
        Gives what the document leaves out, if it is of the same method.

    Raises
    ------
    InputError
        A parameter that the method has no use for, or out of its bounds.
    """
    given = {key: value for key in _FIELDS if (value := getattr(doc, key)) is not None}
    if doc.method == "persistence":
        for key in given:
            raise InputError(
                f"{key} does not apply to persistence",
                place=place(key),
                remedy="leave it out, or use the method noise",
            )
        return Persistence()
    values: dict[str, Any] = {
        _FIELDS[key]: parse_share(value, place=place(key), what=key)
        if key in _SHARES
        else parse_quantity(value, "s", place=place(key))
        for key, value in given.items()
    }
    known = before if isinstance(before, Noise) else Noise()
    with located(place):
        return replace(known, **values)


def forecast_asked(text: str, own: Forecast | None) -> Forecast | None:
    """The forecast that a command asks for, as "noise" or "noise,load_error=10%".

    Parameters
    ----------
    text
        "none", or a method and its parameters.
    own
        The scenario's: gives the parameters that are left out, if it is of the same method.

    Raises
    ------
    InputError
        An unknown method or parameter, or a bad value.
    """
    method, *settings = [part.strip() for part in text.split(",")]
    if method == NONE and not settings:
        return None
    if method not in METHODS:
        raise InputError(
            f"unknown forecast {method!r}", place=ASKED, remedy=nearest(method, (NONE, *METHODS))
        )
    given: dict[str, Any] = {"method": method}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if key not in _FIELDS:
            raise InputError(
                f"unknown parameter {key!r}", place=ASKED, remedy=nearest(key, _FIELDS)
            )
        if not equals or not value:
            raise InputError(
                f"{key} has no value", place=ASKED, remedy=f"write it as {method},{key}=20%"
            )
        given[key] = value
    try:
        doc = ForecastDoc.model_validate(given)
    except ValidationError as error:  # the keys and their kinds are checked above
        raise InputError(str(error), place=ASKED) from error
    return forecast_of(doc, lambda key: ASKED, own)
