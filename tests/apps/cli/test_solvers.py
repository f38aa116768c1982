"""`isojoule clear --solver` (docs/spec/solvers.md, E1, E4 and E5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import isojoule
from isojoule.apps.cli import app

BOOKS = Path(__file__).parents[3] / "examples/books"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "140", "NO_COLOR": "1"})


@pytest.mark.parametrize("solver", ["auto", "first-order", "interior-point", "primal-dual"])
def test_each_solver_gives_an_answer_that_verifies(solver: str, tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    book = str(BOOKS / "two-batteries.yaml")
    done = call("clear", book, "--solver", solver, "--out", str(out))
    assert done.exit_code == 0, done.output
    answer = json.loads(out.read_text())
    assert answer["prices"] == pytest.approx({"left": 0.4, "right": 0.8})  # K3
    assert answer["parameters"] == {}
    assert solver not in out.read_text()
    assert call("verify", str(out)).exit_code == 0


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
