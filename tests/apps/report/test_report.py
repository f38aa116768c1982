"""The report is one safe, small, complete HTML file, whatever the run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from isojoule.apps.report import build_report, figures, write_report
from isojoule.apps.report.layout import CROWDED_ALONE, crowded, straighten
from isojoule.apps.report.pack import pack, unpack
from isojoule.apps.report.read import Drawn, read_run
from isojoule.apps.report.windows import choose_windows
from isojoule.core.errors import InputError
from tests.apps.report.fake_run import Shape, make_fake_run

VOID = {"meta", "input", "link", "br", "img", "hr"}
SVG_SHAPES = {"rect", "line", "path", "circle"}


class Page(HTMLParser):
    """Checks that elements close in order; collects scripts, ids and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    def facts(self) -> dict[str, Any]:
        """The JSON that the page's script reads."""
        out: dict[str, Any] = json.loads(self.scripts[0])
        return out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_fake_run(tmp_path_factory.mktemp("runs") / "small")


def test_is_well_formed_and_has_every_section(run: Path) -> None:
    page = Page(build_report(run))
    assert page.open == []
    told = " ".join(page.words)
    for words in (
        "moment by moment",
        "over time",
        "Where the saving comes from",
        "Who saved what",
        "Can the network carry it?",
        "cannot see unbalance",
        "isojoule run fake --seed 0",
        "isojoule verify runs/small",
        "Made by a seeded generator",
    ):
        assert words in told
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_loads_nothing_from_anywhere(run: Path) -> None:
    text = build_report(run)
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert not {"src", "href", "srcset", "action"} & set(attributes)
    assert "default-src 'none'" in text
    found = set(re.findall(r"https?://[^\s\"'<>]+", text))
    assert found == {"http://www.w3.org/2000/svg"}  # a name, not an address that is fetched
    assert "url(" not in text
    assert "@import" not in text


def test_every_picture_has_a_text_alternative(run: Path) -> None:
    pictures = [a for tag, a in Page(build_report(run)).elements if tag == "svg"]
    assert len(pictures) > 8
    for attributes in pictures:
        assert attributes.get("role") == "img"
        # the live charts get theirs from the script, which the browser test checks
        assert attributes.get("aria-label") or attributes.get("id")


def test_same_run_gives_same_bytes_with_and_without_manifest(run: Path, tmp_path: Path) -> None:
    again = make_fake_run(tmp_path / "small")
    first = build_report(again)
    (again / "manifest.json").write_text("{}")
    assert build_report(again) == first == build_report(run)
    assert write_report(again).read_text(encoding="utf-8") == first


NASTY = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "Ben & Ada's <b>house</b>",
    "<!-- ${title} $title -->",
    "line\u2028separator",
)


def test_names_are_escaped(tmp_path: Path) -> None:
    folder = make_fake_run(tmp_path / "nasty", Shape(names=NASTY))
    text = build_report(folder)
    page = Page(text)
    assert page.open == []
    assert "alert(1)</script>" not in text
    assert "<img" not in text
    assert len([1 for tag, _ in page.elements if tag == "script"]) == 3
    assert [d[1] for d in page.facts()["devices"]][:5] == list(NASTY)
    headings = " ".join(page.words)
    for name in NASTY:
        assert name in headings  # the table of participants shows it as it is


def test_says_plainly_that_the_market_costs_more(tmp_path: Path) -> None:
    folder = make_fake_run(tmp_path / "loses", Shape(loses=True))
    told = " ".join(Page(build_report(folder)).words)
    assert "dearer for this neighbourhood" in told
    assert "There is no saving that a network fee could take away." in told


def test_works_without_coordinates_batteries_violations_and_power_flow(tmp_path: Path) -> None:
    bare = Shape(coordinates=False, batteries=0, pv=0, violations=False, ac=False, periods=1)
    page = Page(build_report(make_fake_run(tmp_path / "bare", bare)))
    facts = page.facts()
    assert facts["map"] is None
    assert facts["batteries"] == []
    assert "This run has no AC power flow" in " ".join(page.words)


def test_tables_hold_what_the_run_says(run: Path) -> None:
    page = Page(build_report(run))
    tables, facts = json.loads(page.scripts[1]), page.facts()
    flow = unpack(tables["flow"])
    stored = pl.read_parquet(sorted((run / "market" / "links").glob("*.parquet")))
    want = stored.filter(pl.col("link") == "Line 3")["flow_uj"].to_numpy() / 1e6 / 900
    row = facts["links"].index("Line 3")
    np.testing.assert_allclose(flow[row], want, atol=0.51 * max(1.0, np.abs(want).max() / 32000))
    price = unpack(tables["node_price"])
    # undefined where the run has no price: at the utility, as each period begins
    assert np.argwhere(np.isnan(price)).tolist() == [[0, 0], [0, 96]]
    assert sum(w["times"]["count"] for w in facts["windows"]) == flow.shape[1] == 192


def test_packing_keeps_half_a_step_and_missing_values() -> None:
    rng = np.random.default_rng(1)
    values = np.cumsum(rng.normal(0, 400, (7, 300)), axis=1)
    values[2, 5:9] = np.nan
    values[3] *= 1000.0
    values[4] = 0.0
    form = pack(values, 1.0)
    back = unpack(form)
    step = np.broadcast_to(np.asarray(form["step"]), (7,))[:, None]
    assert np.array_equal(np.isnan(back), np.isnan(values))
    assert np.nanmax(np.abs(back - values) / step) <= 0.501
    assert pack(np.full((2, 0), np.nan), 1.0)["times"] == 0


def test_a_long_run_stays_small_and_says_so(tmp_path: Path) -> None:
    shape = Shape(nodes=40, strings=5, batteries=6, pv=10, periods=1, intervals=12 * 672)
    folder = make_fake_run(tmp_path / "long", shape)
    text = build_report(folder)
    assert len(text.encode()) < 8e6
    assert "This run has 8,064 intervals" in text
    windows = Page(text).facts()["windows"]
    assert [w["times"]["count"] for w in windows] == [672] * 4


def test_windows_of_large_grids_and_many_periods(tmp_path: Path) -> None:
    folder = make_fake_run(tmp_path / "many", Shape(periods=6))
    frame = read_run(folder).intervals("market")
    windows, whole = choose_windows(frame, 900, 20)
    assert whole
    assert len(windows) == 6
    windows, whole = choose_windows(frame, 900, 100_000)
    assert not whole
    assert len(windows) == 4
    assert sum(len(w.times_s) for w in windows) <= 96


def grid_of(links: list[tuple[int, int]], count: int) -> Drawn:
    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    return Drawn(
        nodes=tuple(f"n{i}" for i in range(count)),
        links=tuple(f"l{i}" for i in range(len(links))),
        link_from=ends[:, 0],
        link_to=ends[:, 1],
        capacity_w=np.full(len(links), np.inf),
        kind=("line",) * len(links),
        x=np.full(count, np.nan),
        y=np.full(count, np.nan),
        utility=0,
    )


def test_straightened_tree_has_one_node_a_place_and_no_crossings() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        count = int(rng.integers(2, 60))
        links = [(int(rng.integers(max(0, i - 4), i)), i) for i in range(1, count)]
        tree = straighten(grid_of(links, count))
        assert tree.in_tree.all()
        assert len(set(zip(tree.depth.tolist(), tree.row.tolist(), strict=True))) == count
        for a, b in links:
            assert tree.depth[b] == tree.depth[a] + 1
            assert tree.row[b] >= tree.row[a]
            # nothing stands in the way of the branch, in its own column
            between = (tree.depth == tree.depth[b]) & (tree.row > tree.row[a])
            passed = np.flatnonzero(between & (tree.row < tree.row[b]))
            parents = {p for p, c in links if c in set(passed.tolist())}
            assert parents <= {a}


def test_rings_and_islands_are_drawn() -> None:
    tree = straighten(grid_of([(0, 1), (1, 2), (2, 0), (3, 4)], 6))
    assert tree.in_tree.tolist() == [True, False, True, True]
    assert len(set(zip(tree.depth.tolist(), tree.row.tolist(), strict=True))) == 6
    assert straighten(grid_of([(i, i + 1) for i in range(4999)], 5000)).depth[-1] == 4999


def test_crowded_maps_are_noticed() -> None:
    spread = np.linspace(0, 1, 20)
    assert not crowded(spread, spread)
    assert crowded(np.append(spread, spread + 0.001), np.append(spread, spread))
    assert not crowded(np.append(spread, 0.001), np.append(spread, 0.0), CROWDED_ALONE)
    assert crowded(np.append(spread, 0.001), np.append(spread, 0.0))


def test_waterfall_names_what_is_not_explained(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert "Not explained" not in figures.waterfall(summary)
    summary["total"]["audit"]["netting"] -= 1.0
    assert "Not explained" in figures.waterfall(summary)


def test_notebook_figures_are_svg(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    pictures = [figures.waterfall(summary, "winter"), figures.savings(summary)]
    pictures += [figures.energy_balance(run), figures.prices(run)]
    for picture in pictures:
        page = Page(picture)
        assert page.open == []
        assert page.elements[0][0] == "svg"
        assert "nan" not in picture
        assert SVG_SHAPES & {tag for tag, _ in page.elements}
    short = figures.summary_html(run)
    assert Page(short).open == []
    assert short.count("<svg") == 2


def test_refuses_what_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        build_report(tmp_path)
