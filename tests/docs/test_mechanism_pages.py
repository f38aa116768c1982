"""A page and a picture for each mechanism: none is missing or left over, and they are true."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from isojoule.apps.files.case_files import example_of
from isojoule.market import Clearing
from isojoule.market.mechanisms import _BUILT_IN, get

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs/mechanisms"
PICTURES = ROOT / "docs/img/mechanisms"
SVG = "{http://www.w3.org/2000/svg}"
SAYS = {
    "ascending-clock": ("bo leaves, 2 kWh sold at 0.21",),
    "bonding-curve": ("1. bo draws 1 kWh at 0.21", "2. ada brings 2 kWh at 0.19"),
    "core": ("bids 0.8 EUR, pays 0.6 EUR", "bids 0.6 EUR, pays 0.4 EUR"),
    "dutch": ("1. bo: 0.3 kWh at 0.24", "2. cleo: 0.4 kWh at 0.16", "3. dan: 1 kWh at 0.08"),
    "equilibrium": ("0.12 EUR/kWh", "0.3 EUR/kWh", "wire: 2 kWh, full"),
    "huang": ("buyers pay 0.2", "sellers get 0.12", "4 kWh traded"),
    "lmp": ("0.3 EUR/kWh", "short: 12.5 kWh, full"),
    "mcafee": ("price 0.085", "4 kWh traded"),
    "muda": ("price 0.19", "price 0.14"),
    "trade-reduction": ("buyers pay 0.09", "sellers get 0.08", "3 kWh traded"),
    "vcg-exchange": ("buyers pay 0.08", "sellers get 0.09", "4 kWh traded"),
}
"""What pictures must say: figures that the comments of the examples give, with their sources."""


def said(name: str) -> list[str]:
    """The texts of a picture."""
    picture = ET.fromstring((PICTURES / f"{name}.svg").read_text(encoding="utf-8"))
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def test_each_has_a_page_and_a_picture_and_there_are_no_others() -> None:
    assert sorted(p.name for p in PAGES.iterdir()) == sorted(
        ["README.md", *(f"{name}.md" for name in _BUILT_IN)]
    )
    assert sorted(p.name for p in PICTURES.iterdir()) == sorted(f"{n}.svg" for n in _BUILT_IN)


@pytest.mark.parametrize("name", _BUILT_IN)
def test_a_page_tells_of_every_offer_what_it_gets_and_pays(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert f"(../img/mechanisms/{name}.svg)" in text
    file = example_of(name)
    assert file is not None
    cleared = get(name).clear(file.book, file.grid)
    assert isinstance(cleared, Clearing)
    table = text.partition("| Offer | Gets ")[2].partition("\n\n")[0]
    uj = 3.6e12 if table.startswith("kWh") else 1e6
    rows = re.findall(r"^\| ([\w-]+) .*? \| (-?[\d.]+) \| (-?[\d.]+) \| ", table, re.M)
    assert [row[0] for row in rows] == list(file.book.offer_ids)
    for i, (_, got, paid) in enumerate(rows):
        assert float(got) == pytest.approx(cleared.energy_uj[i] / uj, abs=5.1e-5)
        assert float(paid) == pytest.approx(cleared.payment_nano[i] / 1e9, abs=5.1e-7)


@pytest.mark.parametrize("name", _BUILT_IN)
def test_nothing_of_a_picture_lies_outside_it(name: str) -> None:
    picture = ET.fromstring((PICTURES / f"{name}.svg").read_text(encoding="utf-8"))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for part in picture.iter():
        for key, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert 0 <= float(part.attrib.get(key, 0)) <= most
        for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", part.attrib.get("d", "")):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height


@pytest.mark.parametrize("name", SAYS)
def test_pictures_show_the_known_prices_and_quantities(name: str) -> None:
    texts = said(name)
    for line in SAYS[name]:
        assert line in texts
