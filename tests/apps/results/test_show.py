"""What the terminal says while a run goes on."""

from __future__ import annotations

from isojoule.apps.results.show import Pace, chapter_words


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


def test_contracts_bonds_and_bills_are_told_in_a_sentence_each() -> None:
    settlement = {
        "rules": {"day_ahead": {"least_days": 3}},
        "day_ahead": {"contracts": 0, "energy_j": 0.0, "defaults": 0},
        "bonds": {"most": 12.5, "slashed": 0.25},
        "payment": {
            "shown": "clearing",
            "ways": {
                "none": {"cash_moved": 100.0, "paid_late": 30.0},
                "clearing": {"cash_moved": 80.0, "paid_late": 20.0},
            },
        },
    }
    contracts, bonds, bills = chapter_words(settlement, "EUR")
    assert "none" in contracts and "3 days" in contracts and "least_days" in contracts
    assert "12.50 EUR" in bonds and "0.25 were taken" in bonds
    assert bills.startswith("Bills: 80.00 EUR of cash move, 20.00 of them late; 100.00 if")
    settlement["day_ahead"] = {"contracts": 7, "energy_j": 3.6e6, "defaults": 1}
    assert "7 about 1.0 kWh, 1 ended by default" in chapter_words(settlement, "EUR")[0]
    assert chapter_words({}, "EUR") == []
