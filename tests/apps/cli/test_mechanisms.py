"""`isojoule mechanisms` and `isojoule replay`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from isojoule.apps.cli import app
from isojoule.market.contract import TRAITS
from isojoule.market.mechanisms import names

CASES = Path(__file__).parents[3] / "src/isojoule/market/cases"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "140", "NO_COLOR": "1"})


def test_list_has_every_mechanism_with_its_marks() -> None:
    done = call("mechanisms", "list")
    assert done.exit_code == 0, done.output
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert set(names()) <= set(rows)
    assert rows["equilibrium"] == ["yes", "no", "yes", "yes", "no", "no", "no"]
    assert "indirect, mediated, competition; copperplate, transport" in done.stdout


def test_list_fits_into_80_columns_and_parts_no_word_but_by_hyphens() -> None:
    done = CliRunner().invoke(app, ["mechanisms", "list"], env={"COLUMNS": "80", "NO_COLOR": "1"})
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert max(map(len, lines)) <= 80
    table = lines[: lines.index("")]
    assert {"Efficient", "Truthful", "Voluntary", "Credible"} <= set(table[2].split())
    assert [line for line in table if line.startswith("deferred-revelation ")]
    assert "nobody gains by coming under several names" in done.stdout


def test_list_as_json() -> None:
    found = json.loads(call("mechanisms", "list", "--json").stdout)["mechanisms"]
    assert [card["name"] for card in found] == names()
    card = next(c for c in found if c["name"] == "diffusion")
    assert list(card["traits"]) == list(TRAITS)
    assert card["traits"]["efficient"]["witness"] == "diffusion/efficient"
    assert card["traits"]["budget"]["holds"] and "witness" not in card["traits"]["budget"]
    defaults = {p["name"]: p["default"] for p in card["parameters"]}
    assert defaults == {"sweeps": 16, "split": 0.5, "measure": True}
    assert all(p["text"] for p in card["parameters"])


@pytest.mark.parametrize("name", names())
def test_show_explains_every_mechanism(name: str) -> None:
    """In plain words, with an example that is computed, and a proof or witness of each trait."""
    done = call("mechanisms", "show", name)
    assert done.exit_code == 0, done.output
    assert "A worked example" in done.stdout and "the operator" in done.stdout
    told = json.loads(call("mechanisms", "show", name, "--json").stdout)
    for key in ("how", "good_for", "not_for", "summary"):
        assert told[key], f"{name} says nothing of {key}"
    assert told["example"]["mechanism"] == name
    assert any(float(row["energy_j"]) for row in told["example"]["offers"])
    for claim in told["traits"].values():
        assert claim["holds"] or f"isojoule replay {claim['witness']}" in " ".join(
            done.stdout.split()
        )


def test_replay_shows_both_worlds() -> None:
    done = call("replay", "equilibrium/incentive_compatible")
    assert done.exit_code == 0, done.output
    for words in (
        "From: worked by hand",
        "ada hands in instead",
        "cleo buys 1 kWh at 0.1 EUR/kWh or less",
        "Gains EUR",
        "Ada gains 0.1 EUR honest, 0.25 EUR lying, as claimed",
    ):
        assert words in done.stdout
    told = json.loads(call("replay", "equilibrium/incentive_compatible", "--json").stdout)
    assert told["shown"] is True
    assert told["honest"]["participants"]["ada"]["payment"] == "-0.1"
    assert told["lying"]["participants"]["ada"]["utility"] == pytest.approx(0.25)
    assert told["figures"] == pytest.approx(told["expect"])


def test_replay_of_what_does_not_show_its_claim_ends_with_2(tmp_path: Path) -> None:
    text = (CASES / "equilibrium/credible.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("lying: 3", "lying: 4"))
    done = call("replay", str(path))
    assert done.exit_code == 2
    assert "lying is 3.0, not 4.0" in done.stderr
    as_json = call("replay", str(path), "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["shown"] is False


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        (["replay", "vcg"], "several witnesses", "vcg/credible"),
        (["replay", "magic/budget"], "neither a file nor a case", "vcg/budget"),
        (["replay", "equilibrium/budget"], "has no case 'budget'", "credible"),
        (["replay", "none.yaml"], "no such file", "check the path"),
        (["mechanisms", "show", "magic"], "unknown mechanism", "equilibrium"),
        (["mechanisms", "new", "Fair Share"], "is not a name", "small letters"),
        (["mechanisms", "new", "equilibrium"], "already", "another name"),
        (["mechanisms", "new", "numpy"], "package 'numpy' already", "another name"),
        (["mechanisms", "new", "lambda"], "package 'lambda' already", "another name"),
        (["mechanisms", "new", "fair-share", str(CASES)], "not empty", "new folder"),
    ],
)
def test_what_is_wrong_ends_with_2(arguments: list[str], message: str, remedy: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr and remedy in done.stderr
