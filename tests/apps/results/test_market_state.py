"""A market's state goes through a run and its check, and through `clear --state`.

Spec: docs/spec/sequential.md, Q4, Q5 and Q21.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import isojoule
from isojoule.apps.cli import app
from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.results import run_scenario
from isojoule.apps.results.verify import verify_run
from isojoule.core.errors import VerificationError
from isojoule.market import Refusal
from isojoule.market.mechanisms import get

VRGDA: dict[str, Any] = {"unit_j": 360_000.0, "rate_per_s": 0.0005}


def without_batteries(folder: Path, *, utility: bool) -> Path:
    """The street of a newcomer as a copperplate of loads and sun; without a utility, one sun."""
    new_scenario(folder)
    text = (
        (folder / "scenario.yaml").read_text().replace("network: transport", "network: copperplate")
    )
    rows = (folder / "devices.csv").read_text().splitlines()
    rows = [row for row in rows if "-battery" not in row]
    if not utility:
        lines = [line for line in text.splitlines() if not line.startswith("utility:")]
        text = "\n".join([*lines, "baseline: autarky", ""])
        rows = [row for row in rows if "-pv" not in row or row.startswith("ada-")]
        (folder / "prices.csv").unlink()
    (folder / "scenario.yaml").write_text(text)
    (folder / "devices.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_schedule_runs_on_through_a_run_and_its_check(tmp_path: Path) -> None:
    """Q4: what one interval sold makes the next one dearer; the check walks the same way."""
    street = without_batteries(tmp_path / "street", utility=False)
    run = run_scenario(
        street, mechanism="vrgda", parameters=VRGDA, start="2026-06-21T08:00", days=0.2,
        out=tmp_path / "run", workers=1,
    )  # fmt: skip
    intervals = run.summary["periods"][0]["intervals"]
    assert verify_run(run.folder)["intervals"] == 2 * intervals
    table = run.to_polars("devices").filter(pl.col("device") == "ada-pv")
    sold = table.filter(pl.col("energy_uj") < 0)
    each = (sold["payment_nano"] / sold["energy_uj"]).to_list()
    assert len(each) > 5
    # sales run ahead of the schedule, over the end of the first interval
    assert max(each) > 2 * each[0]
    # a check that forgets the state does not follow
    rule = get("vrgda", **VRGDA)
    clear = type(rule).clear
    try:
        type(rule).clear = lambda self, book, grid, state=None, seed=b"": clear(  # type: ignore[method-assign]
            self, book, grid, seed=seed
        )
        with pytest.raises(VerificationError):
            verify_run(run.folder)
    finally:
        type(rule).clear = clear  # type: ignore[method-assign]


def test_an_order_book_in_a_run(tmp_path: Path) -> None:
    """Q5: offers of a simulation come at the start of their interval, by id."""
    street = without_batteries(tmp_path / "street", utility=True)
    run = run_scenario(street, mechanism="cda", days=0.5, out=tmp_path / "run", workers=1)
    verify_run(run.folder)
    table = run.to_polars("devices")
    sun = table.filter(pl.col("device").str.ends_with("-pv"))
    by_night = sun.filter(pl.col("energy_uj") == 0)
    assert by_night["payment_nano"].abs().sum() == 0 < by_night.height
    # by id, ada-home bids before any sun has come: her lost load is what the sun is paid
    assert run.to_polars("nodes")["price_per_j"].max() > 4 / 3.6e6


BOOK = """isojoule: 1
currency: EUR
interval: {{start: 2026-06-21T{at}:00:00Z, duration: 1 h}}
network: copperplate
nodes: [home]
links: []
offers:
  - {{participant: pat, node: home, sell: [{{energy: 2 kWh, price: 0 EUR/kWh}}]}}
  - participant: bo
    node: home
    load: {{energy: 1 kWh, lost_load: 5 EUR/kWh}}
    at: 2026-06-21T{at}:30:00Z
"""


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_clear_goes_on_from_a_state(tmp_path: Path) -> None:
    """`clear --state`: of a clearing file, or of a JSON file of its own."""
    first, second, out = tmp_path / "1.yaml", tmp_path / "2.yaml", tmp_path / "1.json"
    first.write_text(BOOK.format(at=12))
    second.write_text(BOOK.format(at=13))
    assert call("clear", first, "--mechanism", "vrgda", "--out", out).exit_code == 0
    done = call("clear", second, "--mechanism", "vrgda", "--json", "--state", out)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    before = json.loads(out.read_text())["state"]
    assert answer["state_before"] == before
    assert (before["sold_j"], answer["state"]["sold_j"]) == ("3600000", "7200000")
    assert answer["state"]["start_ns"] == before["start_ns"]
    own = tmp_path / "state.json"
    own.write_text(json.dumps(before))
    same = call("clear", second, "--mechanism", "vrgda", "--json", "--state", own)
    assert same.stdout == done.stdout
    other = tmp_path / "2.json"
    other.write_text(done.stdout)
    assert call("verify", other).exit_code == 0
    # in Python, too
    cleared = isojoule.clear(second, mechanism="vrgda", state=before)
    assert not isinstance(cleared, Refusal)
    assert cleared.clearing.state == answer["state"]


@pytest.mark.parametrize(
    ("text", "mechanism", "why"),
    [
        (None, "vrgda", "cannot be read"),
        ("[1]", "vrgda", "not a JSON object"),
        ("{", "vrgda", "remedy: give a JSON file"),
        ('{"sold_j": "1"}', "vrgda", "the state is not"),
        ('{"digest": ""}', "vrgda", "keys lack"),
        ("clearing", "cda", "the clearing is by vrgda, not by cda"),
    ],
)
def test_states_that_do_not_fit(tmp_path: Path, text: str | None, mechanism: str, why: str) -> None:
    book, file = tmp_path / "book.yaml", tmp_path / "state.json"
    book.write_text(BOOK.format(at=12))
    if text == "clearing":
        assert call("clear", book, "--mechanism", "vrgda", "--out", file).exit_code == 0
    elif text is not None:
        file.write_text(text)
    done = call("clear", book, "--mechanism", mechanism, "--state", file)
    assert done.exit_code == 2
    assert why in done.stderr
