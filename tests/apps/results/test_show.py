"""What the terminal says while a run goes on."""

from __future__ import annotations

from isojoule.apps.results.show import Pace


def test_speed_and_time_left_count_from_what_was_kept() -> None:
    pace = Pace()
    assert pace.text("reading", 0, 0, 0.0) == ""
    assert pace.text("simulating", 60_000, 70_000, 5.0) == "60,000 of 70,000 intervals"
    assert pace.text("simulating", 60_010, 70_000, 5.2) == "60,010 of 70,000 intervals"
    assert pace.text("simulating", 62_000, 70_000, 7.0) == (
        "62,000 of 70,000 intervals, 1,000/s, 8 s left"
    )
    assert pace.text("simulating", 62_000, 70_000, 205.0).endswith("10/s, 13 min left")
    # another stage has its own clock
    assert pace.text("checking", 0, 10, 300.0) == "0 of 10 intervals"
    assert pace.text("checking", 5, 10, 310.0).endswith("0/s, 10 s left")
