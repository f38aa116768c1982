"""`isojoule clear --solver` (docs/spec/solvers.md, E1, E4 and E5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import isojoule
from isojoule.apps.cli import app
from isojoule.market.solvers import AUTO, names

BOOKS = Path(__file__).parents[3] / "examples/books"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "140", "NO_COLOR": "1"})


BOOK = """
isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 15 min}
network: transport
nodes: [roof, home, shed]
links:
  - {id: l1, from: roof, to: home LINK}
  - {id: l2, from: home, to: shed LINK}
offers:
  - {participant: ada, node: roof, battery: {energy: 9 kWh, capacity: 10 kWh,
     v_min: 0.05 EUR/kWh, v_max: 0.30 EUR/kWh, k: 2}}
  - {participant: bo, node: home, battery: {energy: 1 kWh, capacity: 10 kWh,
     v_min: 0.05 EUR/kWh, v_max: 0.30 EUR/kWh, k: 1}}
  - {participant: cy, node: shed, battery: {energy: 5 kWh, capacity: 10 kWh,
     v_min: 0.05 EUR/kWh, v_max: 0.30 EUR/kWh, k: 0.2}}
"""
EVERYTHING = ("auto", "interior-point", "primal-dual")
"""These take every book."""


@pytest.mark.parametrize("solver", [AUTO, *names()])
@pytest.mark.parametrize("link", ["", ", loss: 0.02, capacity: 5 kW"], ids=["free", "lossy"])
def test_each_solver_gives_an_answer_that_verifies_or_says_why_not(
    solver: str, link: str, tmp_path: Path
) -> None:
    book, out = tmp_path / "book.yaml", tmp_path / "answer.json"
    book.write_text(BOOK.replace(" LINK", link))
    done = call("clear", str(book), "--solver", solver, "--out", str(out))
    if done.exit_code:
        assert done.exit_code == 2 and not out.exists()
        assert f"solver '{solver}' does not fit: " in done.stderr
        assert "use another solver: auto, " in done.stderr
        assert link and solver not in EVERYTHING
        return
    assert "proven within" in done.stdout
    answer = json.loads(out.read_text())
    assert answer["certificate"]["kind"] == "dual"
    assert answer["parameters"] == {}
    assert solver not in out.read_text()
    assert call("verify", str(out)).exit_code == 0


@pytest.mark.parametrize("solver", ["auto", "first-order", "interior-point", "primal-dual"])
def test_a_known_answer(solver: str) -> None:
    done = call("clear", str(BOOKS / "two-batteries.yaml"), "--solver", solver, "--json")
    answer = json.loads(done.stdout)
    assert answer["prices"] == pytest.approx({"left": 0.4, "right": 0.8})  # K3


def test_what_does_not_fit_is_refused_with_the_link() -> None:
    done = call("clear", str(BOOKS / "two-batteries.yaml"), "--solver", "closed-form", "--json")
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "refusal"
    assert "link 'wire' has a limit" in error["message"]
    assert "primal-dual" in error["remedy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--solver", "simplex"), "unknown solver 'simplex'"),
        (("--solver", "primal-dual", "--mechanism", "vcg"), "has no solver to choose"),
    ],
)
def test_bad_names_are_bad_input(arguments: tuple[str, ...], message: str) -> None:
    done = call("clear", str(BOOKS / "two-batteries.yaml"), *arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_in_python_too() -> None:
    cleared = isojoule.clear(BOOKS / "two-batteries.yaml", solver="primal-dual")
    assert isinstance(cleared, isojoule.Cleared)
    assert cleared.prices == pytest.approx({"left": 0.4, "right": 0.8})
