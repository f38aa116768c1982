"""One number for what was saved, wherever it is told. Spec: docs/spec/audit.md, A2, A5 and A6."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from isojoule.apps.compare import Asked, compare_scenario, write_page
from isojoule.apps.compare.table import show_comparison
from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.report.words import money, percent, share_of
from isojoule.apps.results import Run, run_scenario
from isojoule.apps.results.show import print_run
from isojoule.apps.statements import statements_of_run
from isojoule.microworld.saving import share_of_cost


class Told(NamedTuple):
    """The same day: run by itself, and compared."""

    run: Run
    page: str
    row: dict[str, Any]
    document: dict[str, Any]
    compared: Run


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    base = tmp_path_factory.mktemp("saved")
    folder = new_scenario(base / "street")
    (folder / "settlement.yaml").write_text(
        "isojoule: 1\ncurrency: EUR\nsurplus: energy\n"
        "fees: [{name: fee, on: local, rate: 0.01 EUR/kWh, to: us}]\n"
    )
    run = run_scenario(folder, days=1, out=base / "run")
    document = compare_scenario(folder, Asked(("equilibrium",)), base / "compared", days=1)
    page = write_page(document, base / "compared").read_text()
    [row] = document["mechanisms"]
    return Told(run, page, row, document, Run(base / "compared" / "runs" / "equilibrium"))


def printed(show: Any, what: Any) -> str:
    out = StringIO()
    show(what, Console(file=out, width=250))
    return out.getvalue()


def test_the_run_and_the_comparison_say_the_same(told: Told) -> None:
    """To the digits that are shown; the comparison pays the utility its tariff, rounded anew."""
    audit, row = told.run.summary["total"]["audit"], told.row
    assert audit["saving"] > 0.1 and audit["fees"] < 0
    assert row["saving"] == pytest.approx(audit["saving"], abs=1e-6)
    assert row["saving_share"] == pytest.approx(audit["saving_share"], abs=1e-6)
    assert row["cost"] == pytest.approx(audit["market_cost"], abs=1e-6)
    assert told.document["baseline"]["cost"] == pytest.approx(audit["baseline_cost"], abs=1e-9)
    assert sum(row["parts"].values()) == pytest.approx(row["saving"], abs=1e-9)
    for person, again in zip(told.run.summary["participants"], row["participants"], strict=True):
        assert again["saving"] == pytest.approx(person["saving"], abs=1e-6)


def test_it_follows_from_what_is_shown(told: Told) -> None:
    audit, s = told.run.summary["total"]["audit"], told.run.summary
    assert audit["saving"] == pytest.approx(audit["baseline_cost"] - audit["market_cost"])
    assert audit["saving_share"] == pytest.approx(audit["saving"] / audit["baseline_cost"])
    # the rules share the operator's line, in both worlds: so all that was saved is somebody's
    assert (s["operator"]["market"], s["operator"]["baseline"]) == (0, 0)
    assert s["operator"]["baseline_shared"] < 0  # it would buy what the lines lose
    saved = sum(person["saving"] for person in s["participants"])
    assert saved == pytest.approx(audit["saving"], abs=1e-8)
    for person in s["participants"]:
        for period in person["periods"]:
            assert sum(period["parts"].values()) == pytest.approx(period["saving"], abs=1e-9)


def test_every_page_tells_it(told: Told) -> None:
    audit = told.run.summary["total"]["audit"]
    amount, share = money(audit["saving"], "EUR"), percent(audit["saving_share"])
    assert share_of(audit) == share
    for page in (told.run.report.read_text(), told.compared.report.read_text(), told.page):
        assert amount in page and share in page
    assert "The members share what it is left with" in told.run.report.read_text()
    plain = f"{100 * audit['saving_share']:.1f}"
    for text in (printed(print_run, told.run), printed(show_comparison, told.document)):
        assert f"{audit['saving']:.2f}" in text and plain in text


def test_statements_tell_it_to_each(told: Told, tmp_path: Path) -> None:
    people = {p["participant"]: p for p in told.run.summary["participants"]}
    for w in statements_of_run(told.run.folder, tmp_path):
        page, person = w.page.read_text().replace("\N{NO-BREAK SPACE}", " "), people[w.member]
        [(word, amount)] = re.findall(r'scope="row">(Saved|Lost)</th>.*?([\d.]+) EUR', page)
        signed = float(amount) * (1 if word == "Saved" else -1)
        assert signed == pytest.approx(person["saving"], abs=5.1e-5)
        share = share_of_cost(person["saving"], person["baseline_cost"])
        if share is not None and abs(person["saving"]) > 0.01:
            assert f"({percent(abs(share))})".replace("\N{NO-BREAK SPACE}", " ") in page
