"""Times in files, and the two days a year on which clocks change."""

from __future__ import annotations

from datetime import datetime

import pytest

from isojoule.apps.files.times import epoch_s, local_text, zone
from isojoule.core.errors import InputError

BERLIN = zone("Europe/Berlin")


def test_an_offset_is_taken_as_it_is() -> None:
    noon = epoch_s("2016-07-11T12:00+02:00", BERLIN)
    assert epoch_s("2016-07-11T10:00Z", BERLIN) == noon
    assert epoch_s("2016-07-11 12:00", BERLIN) == noon
    assert epoch_s(datetime(2016, 7, 11, 12), BERLIN) == noon  # noqa: DTZ001 - local, on purpose
    assert epoch_s("2016-07-11T12:00", zone("UTC")) == noon + 7200


def test_a_local_day_has_23_hours_in_march_and_25_in_october() -> None:
    def hours(start: str, end: str) -> float:
        return (epoch_s(end, BERLIN) - epoch_s(start, BERLIN)) / 3600

    assert hours("2016-03-27", "2016-03-28") == 23
    assert hours("2016-10-30", "2016-10-31") == 25
    assert hours("2016-07-11", "2016-07-12") == 24


def test_the_hour_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="does not exist in Europe/Berlin") as caught:
        epoch_s("2016-03-27T02:15", BERLIN, place="profiles.csv:9")
    assert caught.value.place == "profiles.csv:9"
    assert "2016-03-27T03:15+02:00" in caught.value.remedy
    before, after = epoch_s("2016-03-27T01:45", BERLIN), epoch_s("2016-03-27T03:00", BERLIN)
    assert after - before == 900


def test_the_hour_that_exists_twice_needs_an_offset() -> None:
    with pytest.raises(InputError, match="exists twice in Europe/Berlin") as caught:
        epoch_s("2016-10-30T02:15", BERLIN)
    assert "2016-10-30T02:15+02:00" in caught.value.remedy
    assert "2016-10-30T02:15+01:00" in caught.value.remedy
    first, second = (epoch_s(f"2016-10-30T02:15+0{h}:00", BERLIN) for h in (2, 1))
    assert second - first == 3600


@pytest.mark.parametrize("bad", ["noon", "2016-13-01", "31.01.2016 18:15", ""])
def test_what_is_no_time_is_refused(bad: str) -> None:
    with pytest.raises(InputError, match="is not a time"):
        epoch_s(bad, BERLIN)


def test_a_fraction_of_a_second_is_refused() -> None:
    with pytest.raises(InputError, match="fraction"):
        epoch_s("2016-01-01T00:00:00.5Z", BERLIN)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InputError, match="unknown time zone 'Berlin'"):
        zone("Berlin")


def test_local_text_reads_back() -> None:
    for moment in (1459040400, 1477787400, 1477791000):
        assert epoch_s(local_text(moment, BERLIN), BERLIN) == moment
