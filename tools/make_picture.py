"""Make the README's picture of a report, in a headless browser.

    .venv/bin/python tools/make_picture.py runs/NAME [OUT] [PERIOD] [INTERVAL]

shows interval INTERVAL of period number PERIOD (from 0). Needs Playwright and Chromium.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
WIDTH, MARGIN = 1240, 60


def picture(report: Path, out: Path, period: int, interval: int) -> None:
    """From the headline to the end of the drawing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": WIDTH, "height": 1400}, device_scale_factor=1.25)
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("#feeder svg, #feeder")
        page.select_option("#window", index=period)
        page.select_option("#colours", "now")
        page.eval_on_selector(
            "#slider",
            "(s, at) => { s.value = at; s.dispatchEvent(new Event('input', {bubbles: true})); }",
            interval,
        )
        page.wait_for_timeout(500)
        end = page.eval_on_selector(
            "#feeder-part", "part => part.getBoundingClientRect().bottom + window.scrollY"
        )
        clip = {"x": MARGIN, "y": 20, "width": WIDTH - 2 * MARGIN, "height": end}
        page.screenshot(path=out, full_page=True, clip=clip)
        browser.close()
    print(f"{out}: {out.stat().st_size // 1024} kB")


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    target = Path(rest[0]) if rest else ROOT / "docs/img/report.png"
    numbers = [int(n) for n in rest[1:]] or [1, 240]
    picture(Path(folder) / "report.html", target, *numbers)
