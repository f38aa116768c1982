"""The head of the page and its end: the sentence, what a long run shows, how to do it again."""

from __future__ import annotations

from typing import Any

from isojoule.apps.report import figures, stuck
from isojoule.apps.report.cards import cards
from isojoule.apps.report.markup import table, two_widths
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import day, number, period_name, text, verdict


def headline(run: RunFiles) -> str:
    """The one sentence, and the few big figures, each against the world beside the market."""
    summary = run.summary
    spans = [span(p, run.timezone, named=len(summary["periods"]) > 1) for p in summary["periods"]]
    if len(spans) > 6:
        spans = [*spans[:5], f"and {len(spans) - 5} more periods"]
    things = (
        "people, panels, batteries and machines"
        if run.has_machines
        else ("homes, panels and batteries")
    )
    apart = "dealing with their utility alone"
    if summary["baseline"] != "utility-only":
        apart = "living alone, each by what is theirs"
    return (
        f'<p class="kicker">{text(summary["title"])}</p>'
        f"<h1>{text(verdict(summary))}</h1>"
        f'<p class="lead">This page shows a simulated local energy market (mechanism '
        f"<em>{text(summary['mechanism'])}</em>) beside the same {things} {apart}. "
        f"{'; '.join(spans)}.</p>{stuck.hint(run)}"
        f"{cards(run)}"
    )


def span(period: dict[str, Any], zone: str, *, named: bool) -> str:
    """First and last day of a period."""
    first = day(period["start_s"], zone)
    last = day(max(period["end_s"] - 1, period["start_s"]), zone)
    dates = first if first == last else f"{first} to {last}"
    return f"{text(period_name(period['name']))}: {dates}" if named else dates


def reproduce(run: RunFiles) -> str:
    """How to get the same again, and whose data it is."""
    summary = run.summary
    again = summary["reproduce"]
    rows = [[f"<code>{text(k)}</code>", f"<code>{v}</code>"] for k, v in run.inputs.items()]
    folder = f"runs/{summary['run']}"
    return (
        f"<pre><code>{text(again['command'])}\nisojoule verify {text(folder)}</code></pre>"
        f"<p>Isojoule {text(again['version'])}, seed {text(again['seed'])}. The first command "
        "makes this run again. The second checks the stored files alone: energy and money of "
        "every interval, capacities, prices and hashes.</p>"
        f"<p><b>Data.</b> {text(summary['attribution'])}</p>"
        "<details><summary>Hashes of all inputs (SHA-256)</summary>"
        + table(["File", "SHA-256"], rows, attributes='class="hashes"')
        + "</details><p>The hashes of all results stand in <code>manifest.json</code> beside this "
        "file.</p>"
    )


def long_run(run: RunFiles, whole: bool) -> str:
    """Note and overview for a run that is too long for the slider."""
    if whole:
        return ""
    intervals = number(run.summary["total"]["intervals"])
    picture = two_widths(
        figures.energy_balance(run, 980) + figures.prices(run, 980),
        figures.energy_balance(run, 340) + figures.prices(run, 340),
    )
    grid = run.scenario.has_utility
    keys = "".join(
        f'<span class="key"><i style="background:var(--{colour})"></i>{name}</span>'
        for colour, name in (
            ("sun", "sun"),
            ("battery", "from batteries"),
            ("grid", "from the utility, and mean price" if grid else "mean price"),
            ("full", "need not served"),
            ("use", "used"),
            ("charge", "into batteries"),
            ("export", "to the utility, and range of prices" if grid else "range of prices"),
            ("loss", "lost on the way"),
            ("spill", "sun not used"),
            *((("low", "drawn by machines from their batteries"),) if run.has_machines else ()),
        )
    )
    dashed = "; dashed, the utility's two prices" if grid else ""
    return (
        f'<p class="notice">This run has {intervals} intervals. To keep this file small, the '
        "drawing and the charts with the slider show a few representative stretches of up to a "
        "week: each is the one whose need for energy is closest to the average of its part of "
        "the run. All sums and tables are of the whole run, as is this overview.</p>"
        f"<figure>{picture}<figcaption>The whole run. Above: mean power, sources upward, "
        f"uses downward. Below: lowest to highest price{dashed}. {keys}</figcaption></figure>"
    )
