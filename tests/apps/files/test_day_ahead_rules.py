"""`day_ahead` and `collateral` in `settlement.yaml`, read and refused. Spec: B19 to B31."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from isojoule.apps.files.settlement_rules import RULES_NAME, read_rules, rules_schema
from isojoule.apps.files.times import zone
from isojoule.core.errors import InputError
from isojoule.settlement.collateral.asked import BondRules, Claim
from isojoule.settlement.day_ahead.rules import DAY_S, LOT_UJ, DayAhead
from isojoule.settlement.rules import Rules

KWH = 3.6e6
HEAD = "isojoule: 1\ncurrency: EUR\nday_ahead:\n"
FULL = f"""{HEAD}\
  move: 0.05 EUR/kWh
  hour: 9
  block: 30 min
  level: 90 %
  bearable: 0.1
  least_days: 2
  history: 14 d
  least: 0.1 kWh
  highest: 0.60 EUR/kWh
  firm: 4 h
  grace: 30 min
  mark: 2 h
  cash: 12.50 EUR
"""


def read(folder: Path, text: str) -> Rules:
    (folder / RULES_NAME).write_text(text)
    return read_rules(folder, currency="EUR", tz=zone("Europe/Berlin"))


def test_every_key_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, FULL).day_ahead == DayAhead(
        move_per_j=0.05 / KWH,
        agreed_s=9 * 3600,
        block_s=1800,
        level=0.9,
        bearable=0.1,
        least_days=2,
        history_s=14 * DAY_S,
        least_uj=100 * LOT_UJ,
        highest_per_j=0.60 / KWH,
        firm_s=4 * 3600,
        grace_s=1800,
        mark_s=7200,
        cash_nano=12_500_000_000,
    )
    jsonschema.validate(yaml.safe_load(FULL), rules_schema())


def test_what_is_absent(tmp_path: Path) -> None:
    assert read(tmp_path, f"{HEAD}  move: 0.05 EUR/kWh\n").day_ahead == DayAhead(0.05 / KWH)
    assert read(tmp_path, "isojoule: 1\ncurrency: EUR\n").day_ahead is None


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ("  hour: 24", "settlement.yaml:5", "less than or equal to 23"),
        ("  block: 7 h", "settlement.yaml:5", "day_ahead.block: is out of its range"),
        ("  block: 5 EUR", "settlement.yaml:5", "is money, not a unit of s"),
        ("  level: 100 %", "settlement.yaml:5", "day_ahead.level"),
        ("  bearable: -1 %", "settlement.yaml:5", "day_ahead.bearable"),
        ("  cash: 50", "settlement.yaml:5", "50 has no unit"),
        ("  least: 5", "settlement.yaml:5", "5 has no unit"),
        ("  highest: 1 USD/kWh", "settlement.yaml:5", "USD"),
        ("  history: 3 a", "settlement.yaml:5", "history"),
        ("  cash: 1e30 EUR", "settlement.yaml:5", "too large"),
        ("  margin: 3", "settlement.yaml:5", "margin"),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, line: str, place: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"{HEAD}  move: 0.05 EUR/kWh\n{line}\n")
    assert caught.value.place.endswith(place) and words in str(caught.value)
    assert caught.value.remedy


def test_move_is_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"{HEAD}  hour: 12\n")
    assert "move" in str(caught.value) and "0.05 EUR/kWh" in caught.value.remedy


def test_every_key_of_collateral_is_read(tmp_path: Path) -> None:
    text = """\
isojoule: 1
currency: EUR
payees: [community]
collateral:
  highest: 0.60 EUR/kWh
  lowest: 0.01 EUR/kWh
  fine: 0.02 EUR/kWh
  fines_to: fee/community/fines
  credit: 5 EUR
  least_share: 80 %
  prior: 10 kWh
  claims:
    - {member: ada, from: 2016-07-14T00:00, to: 2016-07-15T00:00, decided: 2016-07-20T00:00Z,
       upheld: true, reason: a new meter}
"""
    midnight = 1468447200  # 2016-07-14T00:00 in Berlin
    assert read(tmp_path, text).collateral == BondRules(
        highest_per_j=0.60 / KWH,
        lowest_per_j=0.01 / KWH,
        fine_per_j=0.02 / KWH,
        fines_to="fee/community/fines",
        credit_nano=5 * 10**9,
        least_share=0.8,
        prior_uj=10_000 * LOT_UJ,
        claims=(
            Claim(
                "ada", midnight, midnight + DAY_S, midnight + 6 * DAY_S + 7200, True, "a new meter"
            ),
        ),
    )
    jsonschema.validate(yaml.safe_load(text), rules_schema())
    empty = read(tmp_path, "isojoule: 1\ncurrency: EUR\ncollateral: {}\n")
    assert empty.collateral == BondRules()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  fine: -0.02 EUR/kWh", "collateral.fine"),
        ("  fine: 2", "has no unit"),
        ("  least_share: 100 %", "collateral.least_share"),
        ("  least_share: 90", "'90 %' or 0.9"),
        ("  fines_to: guarantee", "keeps nothing"),
        ("  fines_to: losses", "keeps nothing"),
        ("  fines_to: operater", "did you mean 'operator'? Or declare who is outside"),
        (
            "  fines_to: club",
            "write operator, or member/NAME, or declare who is outside, as payees: [club]",
        ),
        ("  fines_to: fee/club/fines", "nobody called 'fee/club/fines'"),
        ("  fines_to: ''", "is no name"),
        ("  credit: 5 kWh", "credit"),
        ("  bond: 5 EUR", "bond"),
        (
            "  claims: [{member: a, from: 2016-07-14, to: 2016-07-14, decided: 2016-07-15}]",
            "ended when it is decided",
        ),
    ],
)
def test_refusals_of_collateral_name_the_line(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"isojoule: 1\ncurrency: EUR\ncollateral:\n{line}\n")
    assert "settlement.yaml:4" in caught.value.place and words in f"{caught.value} {line}"
    assert caught.value.remedy


FEES = """\
isojoule: 1
currency: EUR
fees:
  - {name: membership, on: days, rate: 0.03 EUR/d, to: community}
  - {name: tax, on: bought, rate: 2 ct/kWh, to: state}
"""


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("operator", "operator"),
        ("utility", "utility"),
        ("member/ada", "member/ada"),
        ("state", "fee/state/fines"),
        ("fee/state/fines", "fee/state/fines"),
        ("fee/state/tax", "fee/state/tax"),
    ],
)
def test_who_may_have_the_fines(tmp_path: Path, name: str, account: str) -> None:
    text = f"{FEES}collateral: {{fines_to: {name}}}\n"
    for more in ("", "payees: [community, state, shelter]\n"):
        bonds = read(tmp_path, text + more).collateral
        assert bonds is not None and bonds.fines_to == account
    listed = text.replace(name + "}", "shelter}") + "payees: [community, state, shelter]\n"
    bonds = read(tmp_path, listed).collateral
    assert bonds is not None and bonds.fines_to == "fee/shelter/fines"


@pytest.mark.parametrize(
    ("more", "line", "told", "remedy"),
    [
        ("payees: [community, stade]", 5, "fee 'tax' goes to 'state'", "mean 'stade'? Or add it"),
        ("payees: []", 4, "fee 'membership' goes to 'community'", "; or add it"),
        ("payees: [community, state, a/b]", 6, "the payee 'a/b' has a '/' in it", "without"),
        ("payees:", 6, "the key 'payees' is empty", "[network operator, state]; or remove"),
        ("payees: state", 6, "payees: this is no list", "list names"),
        ("collateral: {fines_to: comunity}", 6, "nobody called 'comunity'", "mean 'community'?"),
        (
            "collateral: {fines_to: shelter}", 6, "nobody called 'shelter'",
            "as payees: [community, state, shelter]",
        ),
        (
            "collateral: {fines_to: fee/state/tex}", 6, "nobody called 'fee/state/tex'",
            "did you mean 'fee/state/tax'?",
        ),
    ],
)  # fmt: skip
def test_a_typo_opens_no_account(
    tmp_path: Path, more: str, line: int, told: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"{FEES}{more}\n")
    assert f"settlement.yaml:{line}" in caught.value.place
    assert told in caught.value.message and remedy in caught.value.remedy


def test_payees_that_are_nearly_one_are_listed(tmp_path: Path) -> None:
    """Without a list a fee may name anybody, but not almost the payee of another."""
    fees = "  - {name: roads, on: bought, rate: 1 ct/kWh, to: comunity}\n"
    with pytest.raises(InputError, match="goes to 'comunity', and another to 'community'") as told:
        read(tmp_path, FEES + fees)
    assert "settlement.yaml:6" in told.value.place
    assert "payees: [community, state, comunity]" in told.value.remedy
    assert len(read(tmp_path, f"{FEES}{fees}payees: [community, state, comunity]\n").fees) == 3
    numbered = fees.replace("comunity", "district 1") + fees.replace("comunity", "district 2")
    assert len(read(tmp_path, FEES + numbered.replace("roads", "parks", 1)).fees) == 4
