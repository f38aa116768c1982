"""A run settled: its money comes from a ledger that is kept, checked, corrected, read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from isojoule.apps.files.settlement_rules import read_rules
from isojoule.apps.files.times import zone
from isojoule.apps.ledger import read_ledger, verify_ledger
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.correct import corrections
from isojoule.apps.results.manifest import write_manifest
from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.settlement import keep, settle_run
from isojoule.apps.results.store import Run
from isojoule.apps.results.stretch import stretches
from isojoule.apps.results.verify import verify_run
from isojoule.apps.statements import write_statements
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.transfer import ENERGY
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.booking import write
from isojoule.settlement.settle import Code, settle
from tests.apps.results.late_readings import money, settled_by, settled_rightly

RULES = """\
isojoule: 1
currency: EUR
imbalance: {price: dual, short_factor: 1.1, long_factor: 0.9}
losses: members
fees:
  - {name: network fee, on: local, rate: 0.05 EUR/kWh, to: network operator}
  - {name: membership, on: days, rate: 0.03 EUR/d, to: community}
  - {name: VAT, on: bill, rate: 19 %, to: state}
surplus: {rule: shapley-sampled, permutations: 20}
"""


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A summer day of `rural` on forecasts that err, with fees, into a ledger of SQLite."""
    folder = tmp_path_factory.mktemp("settled")
    rules, ledger = folder / "rules.yaml", folder / "ledger.db"
    rules.write_text(RULES)
    run = run_scenario(
        "rural", start="2016-07-11", end="2016-07-12", forecast="noise", rules=rules,
        ledger=str(ledger), out=folder / "run",
    )  # fmt: skip
    return run, ledger


def test_the_money_of_a_run_is_the_ledgers(ruled: tuple[Run, Path]) -> None:
    run, url = ruled
    found = verify_ledger(str(url))
    settlement = run.summary["settlement"]
    assert found.transfers == settlement["ledger"]["transfers"] > 500
    with read_ledger(str(url)) as ledger:
        net = {(a.name, a.unit): b.net for a, b in ledger.accounts()}
    day = settlement["periods"][0]
    money = {name: nano / NANO_PER_UNIT for (name, unit), nano in net.items() if unit == "EUR"}
    assert sum(nano for (_, unit), nano in net.items() if unit == "EUR") == 0
    assert money["utility"] == pytest.approx(day["utility"], abs=1e-9)
    assert money["market"] == money["balancing"] == money["operator"] == 0
    assert money["fee/state/VAT"] == pytest.approx(day["fees"]["state/VAT"]) and day["short_j"] > 0
    # the audit counts the same: what the community paid outside, and its fees
    audit = run.summary["total"]["audit"]
    assert audit["fees"] == pytest.approx(-sum(day["fees"].values()))
    savings = sum(p["saving"] for p in run.summary["participants"])
    operator = run.summary["operator"]
    assert audit["saving"] == pytest.approx(
        savings + operator["market"] - operator["baseline"], abs=1e-6
    )


def test_meters_are_energy_accounts(ruled: tuple[Run, Path]) -> None:
    run, url = ruled
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    [(_, stretch)] = stretches(run.folder, asked.scenario, "day")
    with read_ledger(str(url)) as ledger:
        net = {(a.name, a.unit): b.net for a, b in ledger.accounts()}
    for i, name in enumerate(stretch.members):
        assert net.get((f"member/{name}", ENERGY), 0) == int(stretch.metered_uj[:, i].sum())
    assert net["utility", ENERGY] == int(stretch.tie_uj.sum())
    assert net["losses", ENERGY] == int(stretch.metered_loss_uj.sum()) > 0


def test_statements_sum_to_the_ledger(ruled: tuple[Run, Path], tmp_path: Path) -> None:
    run, url = ruled
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    settled = settle_run(run.folder, asked.scenario, asked.rules, run.manifest["run"], 0)
    with read_ledger(str(url)) as ledger:
        written = write_statements(run.folder, tmp_path, asked.scenario, settled, ledger=ledger)
        net = {(a.name, a.unit): b.net for a, b in ledger.accounts()}
    assert len(written) == len(asked.scenario.participants)
    others = -sum(n for (a, u), n in net.items() if u == "EUR" and not a.startswith("member/"))
    assert sum(w.statement.sum_nano for w in written) == -others
    for w in written[:5]:
        with w.bill.open(encoding="utf-8-sig", newline="") as stream:
            total = list(csv.DictReader(stream))[-1]
        assert round(float(total["pays_eur"]) * NANO_PER_UNIT) == w.statement.sum_nano
        assert w.statement.sum_nano == -net[f"member/{w.member}", "EUR"]


def test_keeping_it_again_writes_nothing(ruled: tuple[Run, Path]) -> None:
    run, url = ruled
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    settled = settle_run(run.folder, asked.scenario, asked.rules, run.manifest["run"], 0)
    before = verify_ledger(str(url))
    assert keep(settled, str(url)) == before.transfers
    assert verify_ledger(str(url)).root == before.root


def test_two_ledgers_of_a_run_differ_by_the_time_of_writing_alone(
    ruled: tuple[Run, Path], tmp_path: Path
) -> None:
    """So their roots differ; that of the run's own ledger does not. docs/ledger.md."""
    run, url = ruled
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    settled = settle_run(run.folder, asked.scenario, asked.rules, run.manifest["run"], 0)
    keep(settled, str(tmp_path / "other.db"))
    with read_ledger(str(url)) as one, read_ledger(str(tmp_path / "other.db")) as other:
        assert one.head.size == other.head.size and one.head.root != other.head.root
        both = [[t._replace(at_ns=0) for t in kept.transfers()] for kept in (one, other)]
        assert both[0] == both[1] and list(one.accounts()) == list(other.accounts())
    assert settled.head.root.hex() == run.summary["settlement"]["ledger"]["root"]


def test_late_readings_end_as_if_they_had_been_there(
    ruled: tuple[Run, Path], tmp_path: Path
) -> None:
    """Y26: twice corrected equals settled once with all readings; nothing is booked twice."""
    run, _ = ruled
    name = read_asked(run.folder / "scenario", run.manifest["arguments"]).scenario.participants[3]
    files = [tmp_path / "first.csv", tmp_path / "second.csv"]
    head = "time,participant,metered [kWh]\n"
    files[0].write_text(f"{head}2016-07-11T12:00,{name},-1.5\n2016-07-11T12:15,{name},0.25\n")
    files[1].write_text(f"{head}2016-07-11T12:00,{name},-2\n")
    ledger = settled_by(run, RULES).ledger
    count = ledger.size
    for _ in range(2):
        for one in corrections(run.folder, files):
            for part in one.booked:
                assert not list(write(ledger, part, 10**18))
    assert ledger.size > count
    assert money(ledger) == money(settled_rightly(run, RULES, files).ledger)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("2016-07-11T12:00,nobody,1", "unknown participant"),
        ("2016-07-11T12:01,h001,1", "no interval"),
        ("2016-07-11T12:00,h001,", "no energy"),
        ("2016-07-11T12:00,h001,1e300", "1e.300 kWh in one interval is more than a ledger"),
        ("2016-07-11T12:00,h001,-1e305", "more than a ledger can book"),
    ],
)
def test_readings_that_are_none(
    ruled: tuple[Run, Path], tmp_path: Path, row: str, told: str
) -> None:
    file = tmp_path / "late.csv"
    file.write_text(f"time,participant,metered [kWh]\n{row}\n")
    with pytest.raises(InputError, match=told) as caught:
        list(corrections(ruled[0].folder, [file]))
    assert caught.value.place == f"{file}:2" and caught.value.remedy


def test_verify_settles_again(ruled: tuple[Run, Path], tmp_path: Path) -> None:
    """A digit altered in what was paid is found, though all hashes fit."""
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(ruled[0].folder, folder)
    verify_run(folder)
    summary = json.loads((folder / "summary.json").read_text())
    summary["settlement"]["periods"][0]["fees"]["state/VAT"] += 1e-6
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    manifest = dict(ruled[0].manifest)
    run = manifest.pop("run")
    for key in ("isojoule", "outputs", "digest"):
        manifest.pop(key)
    write_manifest(folder, manifest, run)
    with pytest.raises(VerificationError, match="VAT"):
        verify_run(folder)


def test_a_rule_that_does_not_fit_is_refused_before_the_work(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("isojoule: 1\ncurrency: EUR\nsurplus: nucleolus\n")
    with pytest.raises(InputError, match="nucleolus"):
        run_scenario("rural", days=1, rules=rules, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_pause_of_the_rules_is_settled_by_the_tariff(tmp_path: Path) -> None:
    """In a pause nobody trades with neighbours, and everybody pays the utility's two prices."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "isojoule: 1\ncurrency: EUR\npauses:\n"
        "  - {from: 2016-07-11T06:00, to: 2016-07-11T18:00, reason: meters are replaced}\n"
    )
    run = run_scenario(
        "rural", start="2016-07-11", end="2016-07-12", rules=rules, out=tmp_path / "run"
    )
    verify_run(run.folder)
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    [(_, stretch)] = stretches(run.folder, asked.scenario, "interval")
    assert int(stretch.paused.sum()) == 48
    settled = settle(stretch, asked.rules)
    trade = sum(
        line.money_nano
        for line in settled.lines
        if line.code in (Code.TRADE, Code.IMBALANCE) and line.money_nano is not None
    )
    at = np.flatnonzero(stretch.paused)[20]
    metered = stretch.metered_uj[at]
    per_uj = np.where(metered > 0, stretch.sells_at_per_j[at], stretch.buys_at_per_j[at]) * 1e3
    assert np.allclose(np.asarray(trade)[at], metered * per_uj, atol=3)


def test_the_example_rules_can_be_read() -> None:
    file = Path(__file__).parents[3] / "examples" / "rules" / "street.yaml"
    rules = read_rules(file, currency="EUR", tz=zone("Europe/Berlin"))
    assert [fee.name for fee in rules.fees] == ["network fee", "electricity tax", "membership"]
    assert rules.surplus == "shapley-sampled"
    late = read_rules(file.with_name("late.yaml"), currency="EUR", tz=zone("Europe/Berlin"))
    assert late.payment is not None and late.payment.way == "credit"
