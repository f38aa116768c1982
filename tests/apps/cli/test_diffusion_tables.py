"""What `clear --mechanism diffusion` prints: trades, what prices are, how far the best is."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from isojoule.apps.cli import app

BOOKS = Path(__file__).parents[3] / "examples/books"


def shown(book: str, mechanism: str) -> str:
    """The printed page, each run of blanks as one."""
    arguments = ["clear", str(BOOKS / book), "--mechanism", mechanism]
    done = CliRunner(env={"COLUMNS": "100"}).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def test_trades_stand_with_what_was_paid_on_average() -> None:
    """100 J from where one is worth 0.35 on average to where one is worth 0.85: 60 for both."""
    page = shown("two-batteries.yaml", "diffusion")
    assert "Trade over From To Sent J Paid EUR EUR/J wire left right 100.0000 60.000000" in page
    assert "60.000000 0.6 A node's price is what a Joule more or less is worth" in page
    assert "Gains from trade 50 EUR; operator 0 EUR" in page
    assert "proven within" not in page


def test_without_trades_it_says_so() -> None:
    page = shown("three-homes.yaml", "diffusion")
    assert "No neighbours traded. A node's price is" in page
    assert "what was paid" not in page
    assert "; the best for all gains 1.71 EUR more (100 % of its gains); operator" in page


def test_other_rules_have_no_trades_and_claim_no_proof_that_they_lack() -> None:
    for mechanism, proven in (("equilibrium", True), ("utility-only", False)):
        page = shown("three-homes.yaml", mechanism)
        assert "Trade over" not in page
        assert "node's price is" not in page
        assert ("proven within" in page) == proven
