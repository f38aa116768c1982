"""The report in a real browser: no errors, no network, and a slider that moves the drawing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from isojoule.apps.report import write_report
from isojoule.apps.report.build import page
from tests.apps.report.fake_run import Shape, make_fake_run
from tests.apps.report.worlds_alone import household, simulated, village
from tests.conftest import need

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Opened:
    """A page, what it complained about, and what it asked the network for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda m: self.errors.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.route("**/*", self.route)

    def route(self, route: Any) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def open(self, path: Path) -> Any:
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_selector("body[data-ready]", timeout=20_000)
        return self.page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(2)>')
    return write_report(make_fake_run(tmp_path_factory.mktemp("runs") / "r", Shape(names=names)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    need(find_spec("playwright"), "playwright")
    need(path, "Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def make(**options: Any) -> Opened:
        contexts.append(browser.new_context(**options))
        return Opened(contexts[-1].new_page())

    yield make
    for context in contexts:
        context.close()


DRAWING = "document.getElementById('feeder').innerHTML"


def test_slider_play_and_periods_change_the_drawing(
    opened: Callable[..., Opened], report: Path
) -> None:
    seen = opened(viewport={"width": 1200, "height": 900})
    page = seen.open(report)
    page.locator("#slider").fill("48")
    assert "12:00" in page.inner_text("#clock")
    noon = page.evaluate(DRAWING)
    page.focus("#slider")
    for _ in range(28):
        page.keyboard.press("ArrowRight")
    assert "19:00" in page.inner_text("#clock")
    evening = page.evaluate(DRAWING)
    assert evening != noon
    assert "Homes use" in page.inner_text("#moment")
    page.click("#play")
    for _ in range(50):  # the page forbids eval, so the waiting is done here
        if "19:00" not in page.inner_text("#clock"):
            break
        page.wait_for_timeout(100)
    assert "19:00" not in page.inner_text("#clock")
    page.click("#play")
    page.select_option("#window", index=1)
    assert "Apr 2016" in page.inner_text("#clock")
    page.select_option("#colours", "now")
    page.select_option("#layout", "map")
    assert page.evaluate(DRAWING) != evening
    assert seen.errors == []
    assert seen.requests == []


def test_pointing_tells_node_and_link(opened: Callable[..., Opened], report: Path) -> None:
    seen = opened(viewport={"width": 1200, "height": 900})
    page = seen.open(report)
    page.select_option("#pick", "node 2")
    told = page.inner_text("#panel")
    assert "ct/kWh" in told
    assert "</script><script>alert(1)</script>" in told  # shown, not run
    assert "holds" in told
    page.select_option("#pick", "link 0")
    told = page.inner_text("#panel")
    assert "kW" in told
    assert "loses" in told
    box = page.locator("#feeder rect").first.bounding_box()
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    assert "Utility" in page.inner_text("#panel")
    before = page.inner_text("#clock")
    page.locator("#balance").click(position={"x": 60, "y": 100})
    assert "00:" in page.inner_text("#clock")
    assert page.inner_text("#clock") != before
    assert seen.errors == []


def test_table_is_searched_and_sorted(opened: Callable[..., Opened], report: Path) -> None:
    page = opened().open(report)
    page.fill("#find", "household 7")
    assert page.locator("#people tbody tr:visible").count() == 1
    page.fill("#find", "")
    saved = "[...document.querySelectorAll('#people tbody tr')].map(r => +r.cells[1].dataset.v)"
    page.click("#people th:nth-child(2) button")
    page.click("#people th:nth-child(2) button")
    values = page.evaluate(saved)
    assert values == sorted(values)
    assert len(set(values)) > 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone_and_follows_the_scheme(
    opened: Callable[..., Opened], report: Path, scheme: str
) -> None:
    seen = opened(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = seen.open(report)
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(paper[4:].split(",")[0]) < 60) == (scheme == "dark")
    for name in ("balance", "price", "stored", "feeder"):
        assert page.get_attribute(f"#{name}", "aria-label")
    assert seen.errors == []
    assert seen.requests == []


def test_without_scripts_the_sums_are_still_there(
    opened: Callable[..., Opened], report: Path
) -> None:
    page = opened(java_script_enabled=False).page
    page.goto(report.resolve().as_uri())
    assert "Where the saving comes from" in page.inner_text("main")
    assert page.is_visible("#no-data")
    assert not page.is_visible("#live")


@pytest.fixture(scope="module")
def off_grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Reports of a village and of a household of machines."""
    paths = []
    for name, scenario in (("hamlet", village(6, 2)), ("household", household(20, lamp_w=3.0))):
        folder = tmp_path_factory.mktemp("runs") / name
        text = page(simulated(folder, scenario))
        paths.append(folder / "report.html")
        paths[-1].write_text(text, encoding="utf-8")
    return paths[0], paths[1]


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("which", [0, 1])
def test_off_the_grid_nothing_moving_names_a_utility(
    opened: Callable[..., Opened], off_grid: tuple[Path, Path], which: int, width: int
) -> None:
    seen = opened(viewport={"width": width, "height": 900})
    page_ = seen.open(off_grid[which])
    root = "document.documentElement"
    assert page_.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    for moment in ("0", "40", "120"):
        page_.locator("#slider").fill(moment)
        assert "utility" not in page_.inner_text("main").lower()
    page_.select_option("#layout", "tree")
    page_.select_option("#pick", "node 1")
    assert "ct/kWh" in page_.inner_text("#panel")
    assert "NaN" not in page_.inner_text("main")
    labels = page_.evaluate("[...document.querySelectorAll('svg')].map(s => s.ariaLabel).join()")
    assert "utility" not in labels.lower()
    assert "NaN" not in labels
    assert seen.errors == []
    assert seen.requests == []


def test_a_battery_tells_what_it_feeds(
    opened: Callable[..., Opened], off_grid: tuple[Path, Path]
) -> None:
    seen = opened(viewport={"width": 1200, "height": 900})
    page_ = seen.open(off_grid[1])
    page_.locator("#slider").fill("0")
    page_.select_option("#pick", "node 1")
    assert "feeds laptop: normal" in page_.inner_text("#panel")
    assert "Wh" in page_.inner_text("#panel")
    assert page_.locator("#balance text").first.text_content() == "W"
    assert seen.errors == []


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("layout", ["map", "tree"])
def test_few_nodes_have_names_inside_the_drawing(
    opened: Callable[..., Opened], off_grid: tuple[Path, Path], width: int, layout: str
) -> None:
    page_ = opened(viewport={"width": width, "height": 900}).open(off_grid[1])
    page_.select_option("#layout", layout)
    nodes = page_.evaluate("JSON.parse(document.getElementById('facts').textContent).nodes")
    names = page_.locator("#feeder text").all_text_contents()
    assert sorted(n.split(" (")[0] for n in names) == sorted(nodes)
    frame = page_.locator("#feeder").bounding_box()
    for label in page_.locator("#feeder text").all():
        box = label.bounding_box()
        assert box["y"] >= frame["y"] - 1
        assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1


def test_many_batteries_are_folded_and_go_by_their_owners(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    """Twelve are seen, the others after a click; each by its owner, who has no other."""
    scenario = village(45, 2)
    text = page(simulated(tmp_path / "thirty", scenario))
    path = tmp_path / "thirty.html"
    path.write_text(text, encoding="utf-8")
    page_ = opened(viewport={"width": 1200, "height": 900}).open(path)
    facts = page_.evaluate("JSON.parse(document.getElementById('facts').textContent)")
    owners = {facts["devices"][d][1] for d in facts["batteries"]}
    assert len(owners) == len(facts["batteries"]) > 12
    assert page_.locator("#heat .label").count() == 12
    assert page_.locator("#heat-rest .label:visible").count() == 0
    page_.click("#heat-more summary")
    assert page_.locator("#heat-rest .label:visible").count() == len(owners) - 12
    labels = page_.locator(".heat .label").all_inner_texts()
    assert set(labels) == owners
