"""Times in files to seconds since 1970, with daylight saving taken seriously.

A time with an offset or Z is taken as it is. A time without is local time of the scenario's zone.
Once a year a local hour does not exist, and once a year one exists twice: both are refused, since
to guess would shift every later value by an hour.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from isojoule.core.errors import InputError


def zone(name: str, *, place: str = "") -> ZoneInfo:
    """The time zone of an IANA name.

    Raises
    ------
    InputError
        Unknown zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"unknown time zone {name!r}",
            place=place,
            remedy="use an IANA name, as Europe/Berlin or UTC",
        ) from error


def epoch_s(value: str | datetime, tz: ZoneInfo, *, place: str = "") -> int:
    """A time as whole seconds since 1970-01-01T00:00Z.

    Parameters
    ----------
    value
        ISO 8601 text, or a datetime, with an offset or naive.
    tz
        Zone of naive times.
    place
        Where it stands, for the error.

    Raises
    ------
    InputError
        No time, a fraction of a second, or a local time that does not exist or exists twice.

    Examples
    --------
    >>> berlin = zone("Europe/Berlin")
    >>> epoch_s("2016-01-01T01:00", berlin), epoch_s("1970-01-01T00:01Z", berlin)
    (1451606400, 60)
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise InputError(
                f"{value!r} is not a time", place=place, remedy="write it as 2016-01-31T18:15"
            ) from error
    else:
        moment = value
    if moment.microsecond:
        raise InputError(
            f"{value} has a fraction of a second", place=place, remedy="give whole seconds"
        )
    if moment.tzinfo is None:
        moment = _localise(moment, tz, place)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


def _localise(naive: datetime, tz: ZoneInfo, place: str) -> datetime:
    early, late = naive.replace(tzinfo=tz, fold=0), naive.replace(tzinfo=tz, fold=1)
    if early.utcoffset() == late.utcoffset():
        return early
    shown = naive.isoformat(timespec="minutes")
    if early.astimezone(UTC).astimezone(tz).replace(tzinfo=None) != naive:
        after = (naive + timedelta(hours=1)).replace(tzinfo=tz)
        raise InputError(
            f"{shown} does not exist in {tz.key}: the clocks go forward",
            place=place,
            remedy=f"the hour is skipped; go on with {after.isoformat(timespec='minutes')}",
        )
    raise InputError(
        f"{shown} exists twice in {tz.key}: the clocks go back",
        place=place,
        remedy=(
            f"write {early.isoformat(timespec='minutes')} for the first and "
            f"{late.isoformat(timespec='minutes')} for the second"
        ),
    )


def local_text(time_s: int, tz: ZoneInfo) -> str:
    """Epoch seconds as local ISO 8601 text with its offset.

    >>> local_text(1451606400, zone("Europe/Berlin"))
    '2016-01-01T01:00+01:00'
    """
    return datetime.fromtimestamp(time_s, tz).isoformat(timespec="minutes")
