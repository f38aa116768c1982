"""Whose sun was it, and when: the 24/7 score of the community, by member and by hour of the day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from isojoule.apps.report import svg
from isojoule.apps.report.markup import key_of, table, two_widths
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import energy, percent, period_name, text
from isojoule.core.units import J_PER_KWH

PARTS = (
    ("self_wh", "sun", "own production"),
    ("local_wh", "export", "neighbours' production"),
    ("storage_wh", "battery", "out of storage"),
)
"""Key, colour, and words of what matches consumption."""
WH_J = J_PER_KWH / 1000
STATES = {
    "Claimed": "claimed",
    "Active": "left",
    "Expired": "expired",
    "Withdrawn": "taken back by the issuing body",
}
"""What is told of certificates that did not go into storage or into pieces."""


class Bar(NamedTuple):
    """A bar: consumption, and what matches it, J; its name, and what is told when pointed at."""

    total_j: float
    parts_j: tuple[float, ...]
    name: str
    told: str


def section(run: RunFiles) -> str:
    """The section, where the run carries certificates."""
    told = run.summary["settlement"].get("certificates")
    if told is None:
        return ""
    together = told["community"]
    labels = dict(zip(run.scenario.participants, run.scenario.labels, strict=True))
    members = [
        _bar(score, labels[name], f"{labels[name]}: {percent(score['score'])}")
        for name, score in told["members"].items()
        if score["score"] is not None
    ]
    members.sort(key=lambda bar: (-sum(bar.parts_j) / bar.total_j, bar.name))
    hours = [
        _bar(row, str(row["hour"]), f"{row['hour']}:00: {energy(float(row['consumed_j']))}")
        for row in told["hours_of_day"]
    ]
    keys = key_of([*((colour, name) for _, colour, name in PARTS), ("line", "the rest")])
    pictures = two_widths(_pictures(members, hours, 980), _pictures(members, hours, 340))
    return (
        '<section id="certificates"><h2>Whose sun it was, and when</h2>'
        f"<p>Of what the community used, <b>{percent(together['score'])}</b> was matched by "
        "certificates of its own hour: energy that a member's own roof made, or a neighbour's, in "
        "that hour, or that came out of storage in it. Sun of noon does not count for the night, "
        "but through storage.</p>"
        f"<figure>{pictures}<figcaption>Above: each member's consumption as one bar of the same "
        "height, by what matched it. Below: consumption by hour of the day. "
        f"{keys}</figcaption></figure>{_periods(told)}{_states(run)}</section>"
    )


def _bar(score: dict[str, Any], name: str, told: str) -> Bar:
    parts = tuple(score[key] * WH_J for key, _, _ in PARTS)
    return Bar(float(score["consumed_j"]), parts, name, told)


def _pictures(members: Sequence[Bar], hours: Sequence[Bar], width: float) -> str:
    most = max((bar.total_j for bar in hours), default=0.0)
    return _stacks(
        members, width, [1.0 / bar.total_j for bar in members], "The score of each member"
    ) + _stacks(
        hours, width, [1.0 / most if most else 0.0] * len(hours),
        "Consumption by hour of the day, and what matched it", every=3,
    )  # fmt: skip


def _stacks(
    bars: Sequence[Bar], width: float, scale: Sequence[float], words: str, every: int = 0
) -> str:
    """Bars side by side; `scale` makes a share of the height of a Joule of each."""
    height, below = 110.0, 18.0 if every else 4.0
    step = width / max(len(bars), 1)
    thick = max(step - (2.0 if step > 6 else 0.4), 0.6)
    body = []
    for at, (bar, per_j) in enumerate(zip(bars, scale, strict=True)):
        x, top = at * step, height
        full = height * bar.total_j * per_j
        body.append(svg.bar(x, height - full, thick, full, "line", bar.told))
        for part, (_, colour, name) in zip(bar.parts_j, PARTS, strict=True):
            tall = height * part * per_j
            top -= tall
            if tall > 0:
                share = percent(part / bar.total_j)
                body.append(svg.bar(x, top, thick, tall, colour, f"{bar.told}, {name} {share}"))
        if every and at % every == 0:
            middle = x + thick / 2
            body.append(svg.words(middle, height + 13, bar.name, anchor="middle", colour="soft"))
    return svg.picture(width, height + below, "".join(body), words)


def _periods(told: dict[str, Any]) -> str:
    rows = [(period_name(p["name"]), p["community"]) for p in told["periods"]]
    if len(rows) > 1:
        rows.append(("All", told["community"]))
    keys = ("score", "self", "local", "storage")
    return table(
        ["Of consumption", "matched", "own", "neighbours'", "storage"],
        [[text(name), *(percent(score[key]) for key in keys)] for name, score in rows],
        attributes='class="sums"',
    )


def _states(run: RunFiles) -> str:
    """What became of the certificates, as the registry has it."""
    path = run.folder / "certificates" / "certificates.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    wh = told["certificates_wh"]
    parts = [f"{energy(wh[key] * WH_J)} {name}" for key, name in STATES.items() if wh.get(key)]
    return (
        f"<p>Certificates of a Watt-hour each: {', '.join(parts) or 'none'}. What nobody claimed "
        "went out of the community, or was not needed in its hour. The registry lies in the folder "
        f"<code>certificates</code>; its log of {told['entries']:,} entries has the root "
        f"<code>{text(told['root'][:16])}…</code>.</p>"
    )
