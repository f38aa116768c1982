"""The page of a comparison in a real browser: no errors, no network, and the same flips as here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from isojoule.apps.compare import (
    Asked,
    compare_book,
    compare_scenario,
    show_comparison,
    write_page,
)
from isojoule.apps.files.scenario_files import new_scenario
from tests.apps.report.test_report_in_browser import Opened, browser, opened

__all__ = ["browser", "opened"]  # fixtures
NAMES = """
[...document.querySelectorAll("#bars text[text-anchor=end]")].map((t) => t.firstChild.textContent)
"""
PLACES = """
[...document.querySelectorAll("#bars .place")].map((t) => Number(t.textContent))
"""
BOOK = Path(__file__).parents[3] / "examples" / "books" / "community.yaml"


def flip_told(document: dict[str, Any]) -> str:
    """The nearest flip, as the page says it."""
    flip = document["ranking"]["flips"][0]
    label = next(
        c["label"] for c in document["ranking"]["criteria"] if c["key"] == flip["criterion"]
    )
    rises = flip["to"] >= flip["from"]
    return (
        f"The ranking flips if the weight of {label.lower()} {'rises' if rises else 'falls'} from "
        f"{flip['from']:g} to {'more' if rises else 'less'} than {flip['to']:.4g}: "
        f"then {flip['winner']} is first."
    )


def test_a_book(opened: Callable[..., Opened], tmp_path: Path) -> None:
    asked = Asked(("equilibrium", "utility-only", "diffusion", "autarky", "cda"))
    document = compare_book(BOOK, asked)
    seen = opened()
    page = seen.open(write_page(document, tmp_path))
    assert not seen.errors and not seen.requests
    assert page.evaluate(NAMES) == document["ranking"]["order"]
    assert page.locator("#flips b").text_content() == flip_told(document)
    assert page.locator("#time-part").is_hidden()
    # the weight of everything but simplicity to 0: the order is that of simplicity
    for key in ("Gains from trade", "Stays with members", "Fairness", "Nobody loses"):
        page.get_by_label(f"Weight of {key}").fill("0")
    page.get_by_label("Weight of Simplicity").fill("1")
    rows = {r["name"]: r for r in document["mechanisms"] if r["status"] == "cleared"}
    simple = sorted(rows, key=lambda n: (-rows[n]["points"]["simplicity"], n))
    assert page.evaluate(NAMES) == simple
    weights = dict.fromkeys((c["key"] for c in document["ranking"]["criteria"]), 0.0)
    again = compare_book(BOOK, Asked(asked.mechanisms, weights={**weights, "simplicity": 1.0}))
    assert again["ranking"]["order"] == simple
    page.get_by_label("Weight of Simplicity").fill("0")
    assert "nothing is better" in page.locator("#flips").text_content()
    assert not seen.errors


def test_ties_and_flips_that_can_be_reached(opened: Callable[..., Opened], tmp_path: Path) -> None:
    """Who is level is said to be; a flip at 49 can be typed, and tried by a click."""
    asked = Asked(("vcg-exchange", "lmp", "equilibrium", "pay-as-bid", "bonding-curve"))
    document = compare_book(BOOK.with_name("unit-demand.yaml"), asked)
    level = ["equilibrium", "lmp", "vcg-exchange"]
    seen = opened()
    page = seen.open(write_page(document, tmp_path))
    assert page.evaluate(NAMES)[:3] == level == document["ranking"]["order"][:3]
    assert "equilibrium, lmp and vcg-exchange are level" in page.inner_text("#flips .level")
    assert page.evaluate(PLACES) == list(document["ranking"]["places"].values())
    assert page.locator("#flips b").text_content() == flip_told(document)
    flip = document["ranking"]["flips"][0]
    assert (flip["criterion"], flip["winner"]) == ("simplicity", "pay-as-bid") and flip["to"] > 3
    field = page.get_by_label("Weight of Simplicity")
    field.fill(f"{0.9 * flip['to']}")
    assert page.evaluate(NAMES)[0] in level
    field.fill(f"{2 * flip['to']}")
    assert page.evaluate(NAMES)[0] == "pay-as-bid"
    page.get_by_role("button", name="All as at first").click()
    assert page.evaluate(NAMES)[:3] == level
    page.locator("#flips .try").first.click()
    assert page.evaluate(NAMES)[0] == "pay-as-bid"
    assert page.evaluate(PLACES)[:2] == [1, 2]
    assert float(field.input_value()) > flip["to"]
    slider = page.get_by_label("Simplicity, from 0 to 100")
    slider.fill("1")
    assert field.input_value() == "100"
    assert "did not trade with its default parameters" in page.inner_text("table.compare")
    assert "\N{MINUS SIGN}0.0" not in page.inner_text("main")
    assert not seen.errors and not seen.requests


@pytest.mark.parametrize("width", [1200, 380])
def test_a_scenario(opened: Callable[..., Opened], tmp_path: Path, width: int) -> None:
    new_scenario(tmp_path / "street")
    asked = Asked(("equilibrium", "mid-market"))
    document = compare_scenario(tmp_path / "street", asked, tmp_path / "out", days=1)
    seen = opened(viewport={"width": width, "height": 900})
    page = seen.open(write_page(document, tmp_path / "out"))
    assert page.locator("#flips b").text_content() == flip_told(document)
    chips = page.locator("#chips button")
    assert chips.count() == 2
    before = page.locator("#clock").text_content()
    told = chips.all_text_contents()
    colours = "[...document.querySelectorAll('#feeders figure')].map((f) => f.innerHTML)"
    drawn = page.evaluate(colours)
    page.locator("#slider").fill("80")
    assert page.locator("#clock").text_content() != before
    assert chips.all_text_contents() != told  # one slider moves all of them
    moved = page.evaluate(colours)
    assert len(moved) == 2 and all(a != b for a, b in zip(drawn, moved, strict=True))
    lines = page.locator("#price path").count()
    chips.nth(1).click()
    assert page.locator("#price path").count() == lines - 1
    page.locator("#node").select_option("1")
    page.locator("#person").select_option("0")
    assert page.locator("#gains path").count() == 1
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width  # tables scroll by themselves
    assert not seen.errors and not seen.requests


def test_what_dwarfs_all_else_is_broken_off_and_told(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    """A rule that pays bids at the cost of unserved need, and one that costs 17 times all bills."""
    new_scenario(tmp_path / "street")
    asked = Asked(("equilibrium", "mid-market"))
    document = compare_scenario(tmp_path / "street", asked, tmp_path / "out", days=0.1)
    row = next(r for r in document["mechanisms"] if r["name"] == "mid-market")
    row["points"]["cost"] = -17.0
    row["participants"][0]["saving"] = -1234.0
    row["operator"]["shared"] = 20 * document["baseline"]["bills"]
    document["ranking"]["order"] = ["equilibrium", "mid-market"]
    seen = opened(viewport={"width": 1200, "height": 900})
    page = seen.open(write_page(document, tmp_path / "out"))
    used = sum(c["weight"] for c in document["ranking"]["criteria"])
    assert float(
        page.locator("#bars .broken").last.text_content().replace("\N{MINUS SIGN}", "-")
    ) <= (-1700 / used + 0.1)
    widths = "[...document.querySelectorAll('#bars rect')].map((r) => r.width.baseVal.value)"
    assert max(page.evaluate(widths)) < 900
    assert "1, to \N{MINUS SIGN}1,234 EUR" in page.locator("#gains").text_content()
    marked = page.locator("table.compare tr", has_text="mid-market")
    assert "\N{DAGGER}" in marked.text_content()
    others = page.locator("table.compare tr", has_text="equilibrium")
    assert "\N{DAGGER}" not in others.text_content()
    shown = Console(record=True, width=200)
    show_comparison(document, shown)
    lines = shown.export_text().splitlines()
    assert [line for line in lines if "\N{DAGGER}" in line and "mid-market" in line]
    assert [line for line in lines if line.startswith("\N{DAGGER} more passes through")]
    assert not seen.errors and not seen.requests
