"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import isojoule
from isojoule.apps.cli import app
from isojoule.core.canonical import digest, load_strict

EXAMPLES = Path(__file__).parents[3] / "examples/books"
COMMUNITY = str(EXAMPLES / "community.yaml")
ISOJOULE = [sys.executable, "-c", "from isojoule.apps.cli import main; main()"]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_clear_prints_tables_and_an_explanation() -> None:
    done = call("clear", COMMUNITY, "--explain", "home3")
    assert done.exit_code == 0, done.output
    for word in ("carl-battery", "home3", "cable3", "full", "Gains from trade", "equilibrium"):
        assert word in done.stdout
    assert "At home3 a Joule is worth" in done.stdout


def test_clear_as_json_is_one_document_that_verifies(tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    done = call("clear", COMMUNITY, "--json", "--seed", "7", "--out", str(out))
    assert done.exit_code == 0
    document = load_strict(done.stdout)
    assert document["seed"] == "37"
    assert digest({k: v for k, v in document.items() if k != "digest"}) == document["digest"]
    assert out.read_text() == done.stdout
    verified = call("verify", str(out))
    assert verified.exit_code == 0, verified.output
    assert "verified" in verified.stdout
    as_json = json.loads(call("verify", str(out), "--json").stdout)
    assert as_json["verified"] == str(out)
    assert len(as_json["checked"]) >= 5


def test_an_explanation_does_not_change_the_json() -> None:
    plain = call("clear", COMMUNITY, "--json")
    told = call("clear", COMMUNITY, "--json", "--explain", "home1")
    assert told.stdout == plain.stdout
    assert "At home1" in told.stderr


def test_the_order_of_arguments_and_the_mechanism() -> None:
    done = call("clear", "--mechanism", "utility-only", COMMUNITY, "--json", "--seed", "0x00ff")
    document = json.loads(done.stdout)
    assert (document["mechanism"], document["seed"]) == ("utility-only", "00ff")


@pytest.mark.parametrize(
    ("arguments", "kind", "message", "remedy"),
    [
        (["clear", "none.yaml"], "input", "no such file", "check the path"),
        (["verify", COMMUNITY], "input", "a book is no clearing", "clear it first"),
        (["clear", COMMUNITY, "--explain", "homme1"], "input", "unknown node", "home1"),
        (["clear", COMMUNITY, "--mechanism", "magic"], "input", "unknown mechanism", "equilib"),
        (["clear", COMMUNITY, "--set", "speed"], "input", "is not a setting", "name=value"),
        (["clear", COMMUNITY, "--set", "speed=1"], "input", "does not take", "its parameters"),
        (["clear", COMMUNITY, "--seed", "0xfg"], "input", "not hexadecimal", "pairs"),
        (["clear", str(EXAMPLES / "design.yaml")], "refusal", "all-or-nothing", "divisible"),
        (["verify", __file__], "verification", "not JSON", ""),
        (["check", "none"], "input", "no such file", "check the path"),
        (["new", str(EXAMPLES)], "input", "", ""),
    ],
)
def test_bad_input_ends_with_status_2(
    arguments: list[str], kind: str, message: str, remedy: str
) -> None:
    done = call(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr and remedy in done.stderr
    assert "Traceback" not in done.stderr
    as_json = call(*arguments, "--json")
    assert as_json.exit_code == 2
    error = json.loads(as_json.stdout)["error"]
    assert error["kind"] == kind
    assert message in error["message"] and remedy in error["remedy"]


def test_an_altered_file_ends_with_status_2(tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    call("clear", COMMUNITY, "--out", str(out))
    text = out.read_text()
    out.write_text(text.replace('"energy_j":"720000"', '"energy_j":"720001"', 1))
    assert out.read_text() != text
    done = subprocess.run(
        [*ISOJOULE, "verify", str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{out}: digest" in done.stderr


def test_errors_of_usage_end_with_status_2() -> None:
    for arguments in (["clear"], ["clear", COMMUNITY, "--bad"], ["schema", "world"], ["what"]):
        assert call(*arguments).exit_code == 2


@pytest.mark.parametrize("of", ["book", "scenario", "message", "settlement"])
def test_schemas_are_printed(of: str) -> None:
    document = json.loads(call("schema", of).stdout)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_check_reads_books_and_scenarios(tmp_path: Path) -> None:
    book = json.loads(call("check", COMMUNITY, "--json").stdout)
    assert book["kind"] == "book" and book["holds"]["offers"] == 14
    assert "in good order" in call("check", COMMUNITY).stdout
    folder = tmp_path / "mine"
    made = call("new", str(folder), "--json")
    assert json.loads(made.stdout)["scenario"] == str(folder)
    for path in (folder, folder / "scenario.yaml"):
        scenario = json.loads(call("check", str(path), "--json").stdout)
        assert scenario["kind"] == "scenario" and scenario["holds"]["participants"] > 1
        assert scenario["holds"]["fees"] == 2
    rules = folder / "settlement.yaml"
    text = rules.read_text()
    rules.write_text(text.replace("losses: operator", "losses: nobody"))
    again = call("check", str(folder))
    assert again.exit_code == 2 and "settlement.yaml:5: losses" in again.stderr
    rules.write_text(text)
    nodes = folder / "nodes.csv"
    nodes.write_text(nodes.read_text() + nodes.read_text().splitlines()[-1] + "\n")
    again = call("check", str(folder))
    assert again.exit_code == 2 and "nodes.csv" in again.stderr


def test_scenarios_are_listed() -> None:
    assert "rural" in json.loads(call("scenarios", "--json").stdout)["scenarios"]
    assert "rural" in call("scenarios").stdout


def test_the_version() -> None:
    assert call("--version").stdout.strip() == f"isojoule {isojoule.__version__}"


HEAVY = ("numba", "numpy", "scipy", "polars", "pandas", "pydantic", "pint", "power_grid_model")


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from isojoule.apps.cli import main
try:
    main()
finally:
    print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "clear" in done.stdout


def test_importing_the_package_costs_nothing() -> None:
    code = f"import isojoule, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["schema", "message"], ["mechanisms", "list"]])
def test_an_output_that_is_not_read_to_its_end_ends_without_words(arguments: list[str]) -> None:
    """As with `| head`: the reader has gone before anything is printed."""
    command = [*ISOJOULE, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None and program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 1


def test_an_interrupt_ends_with_130(tmp_path: Path) -> None:
    fifo = tmp_path / "book.yaml"
    os.mkfifo(fifo)  # a book that never comes: the command waits for it
    with subprocess.Popen(
        [*ISOJOULE, "check", str(fifo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as waiting:
        time.sleep(1.5)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=20) == 130
