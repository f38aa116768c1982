"""`settlement.yaml`, read and refused. Spec: docs/spec/settlement.md, Y1 to Y9."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml

from isojoule.apps.files.scenario_files import new_scenario, read_scenario
from isojoule.apps.files.settlement_rules import (
    RULES_NAME,
    Surplus,
    read_rules,
    rules_schema,
)
from isojoule.apps.files.times import zone
from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.settlement.payments.rules import Credit, Late, Payment
from isojoule.settlement.rules import Fee, Imbalance, Rules
from isojoule.settlement.shares import RULES

BERLIN = zone("Europe/Berlin")
KWH = 3.6e6
FULL = """\
isojoule: 1
currency: EUR
imbalance: {price: tie, payer: cause}
losses: operator
fees:
  - {name: network fee, on: local, rate: 0.05 EUR/kWh, to: network operator}
  - {name: electricity tax, on: bought, rate: 2.05 ct/kWh, to: state}
  - {name: membership, on: days, rate: 0.10 EUR/d, to: community}
  - {name: VAT, on: bill, rate: 19 %, to: state}
surplus: {rule: shapley-sampled, permutations: 200}
netting: interval
pauses:
  - {from: 2016-07-12T00:00, to: 2016-07-13T00:00, reason: meters are replaced}
  - {from: 2016-07-14T00:00, to: 2016-07-14T12:00}
payment:
  every: month
  matched: day
  due: 10 d
  late:
    - {share: 25 %, by: 30 d}
    - {members: [ada, bo], by: 6 h}
  interest: 4 %
  clear: true
  credit:
    - {limit: 50 EUR, accepts: 80 EUR}
    - {limit: 0, members: [cy]}
"""


def read(folder: Path, text: str) -> Rules:
    file = folder / RULES_NAME
    file.write_text(text)
    return read_rules(file, currency="EUR", tz=BERLIN, members=("ada", "bo", "cy"))


def test_every_key_is_read(tmp_path: Path) -> None:
    """In SI; times without an offset are those of the scenario's zone."""
    noon = 1468447200  # 2016-07-14T00:00 in Berlin
    assert read(tmp_path, FULL) == Rules(
        imbalance=Imbalance("tie", payer="cause"),
        loss_payer="operator",
        fees=(
            Fee("network fee", "local", 0.05 / KWH, "network operator"),
            Fee("electricity tax", "bought", 2.05 / 100 / KWH, "state"),
            Fee("membership", "days", 0.10 / 86400, "community"),
            Fee("VAT", "bill", 0.19, "state"),
        ),
        surplus="shapley-sampled",
        permutations=200,
        netting="interval",
        pauses=(
            Pause(noon - 2 * 86400, noon - 86400, "meters are replaced"),
            Pause(noon, noon + 43200),
        ),
        payment=Payment(
            every="month",
            matched="day",
            due_s=864000,
            late=(Late(2592000, share=0.25), Late(21600, ("ada", "bo"))),
            interest_ppb=40_000_000,
            credit=(Credit(50 * 10**9, 80 * 10**9), Credit(0, 0, ("cy",))),
        ),
    )
    assert read_rules(tmp_path, currency="EUR", tz=BERLIN).permutations == 200  # by its folder


def test_what_is_absent_is_the_default(tmp_path: Path) -> None:
    assert read(tmp_path, "isojoule: 1\ncurrency: EUR\n") == Rules()


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("{price: dual}", Imbalance("dual")),
        (
            "{price: dual, short_factor: 120 %, long_factor: 0.9}",
            Imbalance("dual", short_factor=1.2, long_factor=0.9),
        ),
        (
            "{price: fixed, short: 0.40 EUR/kWh, long: 4 ct/kWh, payer: members}",
            Imbalance("fixed", short_per_j=0.40 / KWH, long_per_j=0.04 / KWH, payer="members"),
        ),
        ("{price: fixed, short: 0, long: 0}", Imbalance("fixed")),
    ],
)
def test_each_way_of_pricing(tmp_path: Path, written: str, means: Imbalance) -> None:
    """Y2."""
    text = f"isojoule: 1\ncurrency: EUR\nimbalance: {written}\n"
    found = read(tmp_path, text).imbalance
    assert found.price == means.price and found.payer == means.payer
    for name in ("short_factor", "long_factor", "short_per_j", "long_per_j"):
        assert getattr(found, name) == pytest.approx(getattr(means, name), rel=1e-14)


def test_the_rules_that_share_a_surplus_are_those_that_there_are() -> None:
    """Y7."""
    assert get_args(Surplus) == tuple(RULES)


@pytest.mark.parametrize("rule", get_args(Surplus))
def test_a_rule_may_stand_as_its_name_alone(tmp_path: Path, rule: str) -> None:
    """Y7."""
    assert read(tmp_path, f"isojoule: 1\ncurrency: EUR\nsurplus: {rule}\n").surplus == rule


# what is written instead of what, the line, what is said, what helps
CASES: dict[str, tuple[str, str, int, str, str]] = {
    "energy fee per time": (
        "0.05 EUR/kWh", "0.05 EUR/d", 6,
        "on local, so its rate is money per energy; '0.05 EUR/d' is money per time",
        "write the rate as '0.05 EUR/kWh'",
    ),
    "day fee per energy": (
        "0.10 EUR/d", "0.10 EUR/kWh", 8,
        "is charged on days, so its rate is money per time; '0.10 EUR/kWh' is money per energy",
        "'0.10 EUR/d'",
    ),
    "bill fee in money": (
        "19 %", "0.19 EUR/kWh", 9, "so its rate is a share; '0.19 EUR/kWh' is money per energy",
        "'19 %'",
    ),
    "no unit": ("0.05 EUR/kWh", "0.05", 6, "0.05 has no unit", "'0.05 EUR/kWh'"),
    "no unit, as text": ("0.10 EUR/d", "'0.1'", 8, "0.1 has no unit", "'0.10 EUR/d'"),
    "no quantity": ("2.05 ct/kWh", "much", 7, "'much' is not a quantity", "0.30 EUR/kWh"),
    "other currency": ("0.05 EUR/kWh", "0.05 CHF/kWh", 6, "the currency CHF is not EUR", "convert"),
    "other currency of all": (
        "currency: EUR", "currency: CHF", 2, "CHF, but EUR in the scenario", "convert",
    ),
    "no currency code": ("currency: EUR", "currency: euro", 2, "currency: ", "as EUR"),
    "more than all": ("19 %", "190 %", 9, "is 190% of the bill", "100 % at most"),
    "unknown base": ("on: days", "on: weeks", 8, "on: input should be", "days or bill"),
    "two fees": ("name: VAT", "name: membership", 9, "two fees are called 'membership'", "its own"),
    "slash in payee": ("to: community", "to: a/b", 8, "the payee 'a/b' has a '/' in it", "without"),
    "slash in name": ("name: VAT", "name: V/T", 9, "the name 'V/T' has a '/' in it", "without"),
    "no name": ("name: VAT", "name: ''", 9, "the name '' is no name", "printable"),
    "no payee": (", to: community", "", 8, "the key 'to' is missing", "who receives it"),
    "unknown key": (
        "netting: interval", "neting: interval", 11, "unknown key 'neting'", "'netting'",
    ),
    "unknown key inside": ("payer: cause", "payr: cause", 3, "unknown key 'payr'", "'payer'"),
    "unknown key of a fee": ("on: days", "at: days", 8, "the key 'on' is missing", "charged on"),
    "unknown price": (
        "price: tie", "price: spot", 3, "price: input should be", "tie, dual or fixed",
    ),
    "key of another price": (
        "price: tie", "price: tie, short: 0.40 EUR/kWh", 3, "the price 'tie' has no 'short'",
        "price: fixed",
    ),
    "factor of another price": (
        "price: tie", "price: fixed, short: 1 EUR/kWh, long: 0, long_factor: 1", 3,
        "the price 'fixed' has no 'long_factor'", "price: dual",
    ),
    "fixed without": (
        "price: tie", "price: fixed, short: 0.4 EUR/kWh", 3, "needs 'long'", "long: ",
    ),
    "a price without a unit": (
        "price: tie", "price: fixed, short: 0.4, long: 0", 3, "0.4 has no unit", "kWh",
    ),
    "short below long": (
        "price: tie", "price: fixed, short: 0.1 EUR/kWh, long: 0.2 EUR/kWh", 3, "is below",
        "too many earns",
    ),
    "losses": (
        "losses: operator", "losses: nobody", 4, "losses: input should be", "operator or members",
    ),
    "unknown rule": (
        "rule: shapley-sampled", "rule: shapely", 10, "rule: input should be", "nucleolus",
    ),
    "no rule": (
        "{rule: shapley-sampled, permutations: 200}", "[equal]", 10, "surplus: ", "surplus: equal",
    ),
    "odd permutations": (
        "permutations: 200", "permutations: 7", 10, "permutations: ", "even number",
    ),
    "permutations of another": (
        "rule: shapley-sampled", "rule: equal", 10, "equal has no 'permutations'",
        "shapley-sampled",
    ),
    "pause back to front": (
        "to: 2016-07-13T00:00", "to: 2016-07-11T00:00", 13, "ends before it starts", "after",
    ),
    "pauses that overlap": (
        "from: 2016-07-14T00:00", "from: 2016-07-12T12:00", 14,
        "starts before the one before it ends", "order",
    ),
    "a fee of the bill without a unit": (
        "19 %", "19", 9, "19 without a unit would be 1900 %", "'19 %' or 0.19",
    ),
    "no time": (
        "from: 2016-07-12T00:00", "from: tomorrow", 13, "'tomorrow' is not a time", "2016-01-31",
    ),
    "an hour that does not exist": (
        "from: 2016-07-12T00:00", "from: 2016-03-27T02:30", 13, "does not exist in Europe/Berlin",
        "skipped",
    ),
    "bills every": ("every: month", "every: year", 16, "every: input should be", "period, month"),
    "due without a unit": ("due: 10 d", "due: 10", 18, "10 has no unit", "14 d"),
    "due in money": ("due: 10 d", "due: 10 EUR", 18, "EUR", "15 min"),
    "due before": ("due: 10 d", "due: -1 d", 18, "due after", "0 s to 100 years"),
    "late and nobody": (
        "share: 25 %, by: 30 d", "by: 30 d", 20, "names nobody", "either share",
    ),
    "late and both": (
        "members: [ada, bo]", "share: 1 %, members: [ada]", 21, "both members and a share",
        "either",
    ),
    "late twice": ("[ada, bo]", "[ada, ada]", 21, "'ada' is named twice", "once"),
    "a stranger": ("[ada, bo]", "[ada, eve]", 21, "there is no member 'eve'", "ada, bo, cy"),
    "a share above all": ("share: 25 %", "share: 125 %", 20, "a share of 125%", "0 % to 100 %"),
    "not late by anything": ("by: 6 h", "", 21, "the key 'by' is missing", "how long after"),
    "interest": ("interest: 4 %", "interest: 400 %", 22, "interest of 400% a year", "100 %"),
    "interest without a unit": ("interest: 4 %", "interest: 4", 22, "400 %", "'4 %' or 0.04"),
    "a late share without a unit": ("share: 25 %", "share: 25", 20, "2500 %", "'25 %' or 0.25"),
    "credit without clearing": ("clear: true", "clear: false", 24, "nothing is cleared", "clear"),
    "credit in another currency": ("limit: 50 EUR", "limit: 50 CHF", 25, "CHF", "convert"),
    "credit of all twice": (
        ", members: [cy]", "", 26, "a second entry for all others", "name the members",
    ),
    "credit of nobody": ("members: [cy]", "members: []", 26, "names nobody", "leave the key out"),
    "negative credit": ("limit: 50 EUR", "limit: -1 EUR", 25, "limit is below 0", "from 0"),
    "unknown key of payment": ("matched: day", "matches: day", 17, "'matches'", "'matched'"),
    "version": ("isojoule: 1", "isojoule: 2", 1, "isojoule: ", "isojoule: 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_what_is_wrong_is_refused(tmp_path: Path, case: tuple[str, str, int, str, str]) -> None:
    """With file, line and remedy."""
    old, new, line, says, remedy = case
    assert FULL.count(old) == 1
    with pytest.raises(InputError) as caught:
        read(tmp_path, FULL.replace(old, new))
    assert caught.value.place == f"{tmp_path / RULES_NAME}:{line}"
    assert says in caught.value.message
    assert remedy in caught.value.remedy


def test_the_schema_takes_what_is_read_and_refuses_what_is_not(tmp_path: Path) -> None:
    checker = jsonschema.Draft202012Validator(rules_schema())
    strings = json.loads(json.dumps(yaml.load(FULL, yaml.BaseLoader)))  # keys and values as text
    strings["isojoule"], strings["surplus"]["permutations"] = 1, 200
    strings["payment"]["clear"] = True
    checker.validate(strings)
    checker.validate({"isojoule": 1, "currency": "EUR", "surplus": "equal"})
    for bad in ({"losses": "nobody"}, {"fee": []}, {"surplus": "fair"}, {"fees": [{"name": "x"}]}):
        assert not checker.is_valid({"isojoule": 1, "currency": "EUR", **bad}), bad


def test_a_new_scenario_has_rules_that_are_read(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    scenario = read_scenario(folder)
    rules = read_rules(folder, currency=scenario.currency, tz=zone(scenario.timezone))
    assert [fee.name for fee in rules.fees] == ["network fee", "membership"]
    # what is commented out works where it stands, without its "# "
    text = (folder / RULES_NAME).read_text()
    first, _, rest = text.partition("\n")
    assert rest.count("\n# ") > 3
    uncommented = re.sub(r"^( *)# ", r"\1", rest, flags=re.MULTILINE)
    (folder / RULES_NAME).write_text(f"{first}\n{uncommented}")
    again = read_rules(folder, currency="EUR", tz=BERLIN, members=scenario.participants)
    assert [fee.name for fee in again.fees] == ["network fee", "membership", "VAT"]
    assert again.certificates is not None and again.collateral is not None
    assert len(again.pauses) == 1
    assert again.payment is not None and again.payment.way == "credit"


@pytest.mark.parametrize(
    ("extra", "says", "remedy"),
    [
        ("payment:", "the key 'payment' is empty", "write it as {every: period, due: 14 d}"),
        ("certificates:", "the key 'certificates' is empty", "or {} for what is usual"),
        ("collateral: null", "the key 'collateral' is empty", "or remove the key"),
        ("day_ahead: ~", "the key 'day_ahead' is empty", "0.05 EUR/kWh"),
        ("payment: true", "payment: this is no mapping of keys to values", "{every: period"),
        ("payment: {late: {share: 5 %, by: 3 d}}", "late: this is no list", "list who pays late"),
        ("payment: {clear: perhaps}", "neither true nor false", "true or false"),
        ("payment: {credit: [{limit: 50}]}", "50 has no unit", "'50 EUR'"),
        ("payment: {credit: [{limit: 5 EUR, accepts: '7'}]}", "7 has no unit", "'7 EUR'"),
        ("payment: {due: -3 d}", "due after -3 days", "as 14 d"),
        ("payment: {late: [{share: 5 %, bye: 3 d}]}", "unknown key 'bye'", "did you mean 'by'?"),
        ("certificates: {expires_after: 5}", "5 has no unit", "'730 d'"),
        ("day_ahead: {move: 0, history: 2 d}", "day_ahead.history", "as many days as least_days"),
    ],
)
def test_what_a_treasurer_stumbled_over(tmp_path: Path, extra: str, says: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"isojoule: 1\ncurrency: EUR\n{extra}\n")
    assert says in caught.value.message
    assert remedy in caught.value.remedy
    assert caught.value.place == f"{tmp_path / RULES_NAME}:3"


def test_the_rules_of_the_page_are_read(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/settlement.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    assert len(read(tmp_path, text).fees) == 4
