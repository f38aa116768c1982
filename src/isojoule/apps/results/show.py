"""A run in the terminal: progress while it runs, a table and a sentence at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from isojoule.apps.results.run import Report
from isojoule.apps.results.store import Run
from isojoule.core.units import J_PER_KWH

A_CENT = 0.005
SOON_S = 1.0
"""Before this a speed says little."""


@contextmanager
def progress_bar(on: bool = True) -> Iterator[Report]:
    """A progress bar on standard error; a reporter that does nothing when off."""
    if not on:
        yield lambda stage, done, total: None
        return
    with Progress(
        TextColumn("{task.description:28}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("starting", total=None, count="")
        pace = Pace()

        def report(stage: str, done: int, total: int) -> None:
            count = pace.text(stage, done, total, monotonic())
            bar.update(task, description=stage, completed=done, total=total or None, count=count)

        yield report


class Pace:
    """How fast a stage goes on, and how long it still takes.

    What was done before the stage was first heard of, by a run that was interrupted, does not
    count as speed.
    """

    def __init__(self) -> None:
        self.stage, self.first, self.begun_s = "", 0, 0.0

    def text(self, stage: str, done: int, total: int, now_s: float) -> str:
        """Where a stage is, at a time of any clock, s.

        >>> pace = Pace()
        >>> pace.text("simulating", 1000, 4000, 10.0)
        '1,000 of 4,000 intervals'
        >>> pace.text("simulating", 2000, 4000, 12.0)
        '2,000 of 4,000 intervals, 500/s, 4 s left'
        """
        if stage != self.stage:
            self.stage, self.first = stage, done
        if done == self.first:  # workers may still be starting
            self.begun_s = now_s
        if not total:
            return ""
        where = f"{done:,} of {total:,} intervals"
        passed_s = now_s - self.begun_s
        if done == self.first or passed_s < SOON_S:
            return where
        rate = (done - self.first) / passed_s
        left_s = (total - done) / rate
        left = f"{left_s:,.0f} s" if left_s < 120 else f"{left_s / 60:,.0f} min"
        return f"{where}, {rate:,.0f}/s, {left} left"


def print_run(run: Run, console: Console | None = None) -> None:
    """The savings audit as a table, the headline, and where the report is."""
    out = console or Console()
    s = run.summary
    currency = s["currency"]
    table = Table(title=s["title"], title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    stretches = [*s["periods"], s["total"]] if len(s["periods"]) > 1 else [s["total"]]
    for stretch in stretches:
        table.add_column(stretch["name"], justify="right")

    def row(label: str, *path: str, style: str = "", scale: float = 1.0, digits: int = 2,
            suffix: str = "") -> None:  # fmt: skip
        cells = [_cell(stretch, path, scale, digits, suffix) for stretch in stretches]
        table.add_row(label, *cells, style=style)

    grid, total = s["baseline"] == "utility-only", s["total"]
    alone = "with the utility alone" if grid else "living alone"

    cents = _cents(total)
    unit, per = _energy_unit(total)

    def part(label: str, name: str) -> None:
        if any(abs(stretch["audit"][name]) >= A_CENT for stretch in stretches) or grid:
            row(f"  {label}", "audit", name, scale=-1, digits=cents)

    row(f"cost {alone}, {currency}", "audit", "baseline_cost", digits=cents)
    for label, name in (
        ("trading next door", "netting"),
        ("better use of batteries", "dispatch"),
        ("losses in the lines", "losses"),
    ):
        part(label, name)
    if total["audit"]["served"]:
        row("  need that is served", "audit", "served", scale=-1, digits=cents)
    if s["orders"] is not None:
        row("  Orders that are finished", "audit", "orders", scale=-1, digits=cents)
    row("  energy left in batteries", "audit", "storage", scale=-1, digits=cents)
    part("fees", "fees")
    row(f"cost with the market, {currency}", "audit", "market_cost", digits=cents)
    row(f"saving, {currency}", "audit", "saving", style="bold", digits=cents)
    row(
        f"  of the cost {alone}",
        "audit",
        "saving_share",
        scale=100,
        digits=1,
        suffix=" %",
        style="bold",
    )
    row("participants who gain", "audit", "gainers", digits=0)
    row("participants who lose", "audit", "losers", digits=0)
    # below 0 there is nothing that a fee could take away
    fees = [stretch["audit"]["break_even_fee_per_j"] for stretch in stretches]
    scale = 100 * J_PER_KWH
    table.add_row(
        "fee at which the saving is gone, ct/kWh",
        *("-" if fee is None or fee <= 0 else f"{fee * scale:,.1f}" for fee in fees),
    )
    if grid:
        row("self-sufficiency", "market", "self_sufficiency", scale=100, digits=1, suffix=" %")
        row("peak import, kW", "market", "peak_import_w", scale=1e-3, digits=1)
    if s["orders"] is not None:
        finished = f"Orders finished, of {total['market']['orders']:,}"
        for world, label in (("market", finished), ("baseline", f"  {alone}")):
            row(label, world, "orders_finished", digits=0)
        row(f"energy for Orders and idling, {unit}", "market", "computed_j", scale=per, digits=1)
        row(f"  {alone}", "baseline", "computed_j", scale=per, digits=1)
    if not grid and total["market"]["served_share"] is not None:
        for world, label in (("market", "need served"), ("baseline", f"  {alone}")):
            row(label, world, "served_share", scale=100, digits=1, suffix=" %")
    row(f"lost in the lines, {unit}", "market", "loss_j", scale=per, digits=1)
    if total["market"]["standing_loss_j"]:
        row(f"drawn by transformer iron, {unit}", "market", "standing_loss_j", scale=per, digits=1)
    for key, word in (("spilled_j", "spilled"), ("unserved_j", "unserved")):
        row(f"{word}, {unit}", "market", key, scale=per, digits=1)
        row(f"  {alone}", "baseline", key, scale=per, digits=1)
    row("prices from, ct/kWh", "market", "price_min_per_j", scale=100 * J_PER_KWH, digits=1)
    row("prices to, ct/kWh", "market", "price_max_per_j", scale=100 * J_PER_KWH, digits=1)
    row("links full (link-intervals)", "market", "saturated_link_intervals", digits=0)
    if "imbalance_cash" in total["market"] and grid:
        row(f"imbalance drawn, {unit}", "market", "imbalance_drawn_j", scale=per, digits=1)
        row(f"imbalance fed in, {unit}", "market", "imbalance_fed_j", scale=per, digits=1)
        row(f"imbalance paid for, {currency}", "market", "imbalance_cash", digits=cents)
        row("links overloaded (link-intervals)", "market", "overloaded_link_intervals", digits=0)
    if "battery_made_up_j" in total["market"]:
        row(f"made up for by batteries, {unit}", "market", "battery_made_up_j", scale=per, digits=1)
        row(f"taken up by batteries, {unit}", "market", "battery_taken_up_j", scale=per, digits=1)
    out.print(table)
    if s["ac"] is not None:
        ac, base = s["ac"]["market"], s["ac"]["baseline"]
        out.print(
            f"\nAC power flow: {ac['voltage_violations']} voltage and {ac['loading_violations']} "
            f"loading violations, {alone} {base['voltage_violations']} and "
            f"{base['loading_violations']} (balanced three-phase; unbalance is not seen)."
        )
    left = s["distance"]
    if left["share"] > 1e-6:
        out.print(
            f"Of what the best for all could gain by the curves, {s['mechanism']} left "
            f"{100 * left['share']:.2g} %; the report says where trade is stuck."
        )
    score = s["settlement"].get("certificates", {}).get("community", {}).get("score")
    if score is not None:
        out.print(
            f"Certificates of their own hour matched {100 * score:.1f} % of what was used; the "
            "registry lies in the folder certificates."
        )
    for words in chapter_words(s["settlement"], currency):
        out.print(words, highlight=False)
    open_ended = [
        p["name"] for p in s["periods"] if not (p["cyclic_market"] and p["cyclic_baseline"])
    ]
    if open_ended:
        out.print(f"[yellow]Not cyclic after all rounds: {', '.join(open_ended)}.[/yellow]")
    unproven = sum(p["unproven_market"] for p in s["periods"])
    if unproven:
        out.print(
            f"[yellow]In {unproven} intervals the optimum is not proven, only bounded.[/yellow]"
        )
    out.print(f"\n[bold]{s['headline']}[/bold]\n", soft_wrap=True)
    out.print(f"Report:  {run.report}", soft_wrap=True, highlight=False)
    out.print(f"Check:   isojoule verify {run.folder}", soft_wrap=True, highlight=False)


def chapter_words(settlement: dict[str, Any], currency: str) -> list[str]:
    """A sentence on each of contracts, bonds and bills, where the rules ask for them."""
    told = []
    agreed, bonds, bills = (settlement.get(name) for name in ("day_ahead", "bonds", "payment"))
    if agreed is not None and agreed["contracts"]:
        told.append(
            f"Day-ahead contracts: {agreed['contracts']:,} about "
            f"{agreed['energy_j'] / J_PER_KWH:,.1f} kWh, {agreed['defaults']:,} ended by default."
        )
    elif agreed is not None:
        days = settlement["rules"]["day_ahead"]["least_days"]
        told.append(
            "[yellow]Day-ahead contracts: none. Nobody had enough to give by "
            f"{days} days of its own before (least_days); longer runs know more.[/yellow]"
        )
    if bonds is not None:
        told.append(
            f"Bonds: at most {bonds['most']:,.2f} {currency} lay in escrow at once, "
            f"{bonds['slashed']:,.2f} were taken for broken promises, the rest came back."
        )
    if bills is not None:
        alone, ways = bills["ways"]["none"], bills["ways"]
        best = ways[bills["shown"]]
        told.append(
            f"Bills: {best['cash_moved']:,.2f} {currency} of cash move, {best['paid_late']:,.2f} "
            f"of them late; {alone['cash_moved']:,.2f} if each bill is paid by itself."
        )
    return told


def _cents(total: dict[str, Any]) -> int:
    """Digits of money: four where all of it is small change."""
    audit = total["audit"]
    return 4 if abs(audit["baseline_cost"]) < 10 and abs(audit["saving"]) < 1 else 2


def _energy_unit(total: dict[str, Any]) -> tuple[str, float]:
    """Unit of energies by what the world moves, and how many of it a Joule is."""
    most = max(total["market"][key] for key in ("generated_j", "consumed_j", "computed_j"))
    return ("Wh", 1e3 / J_PER_KWH) if most < 10 * J_PER_KWH else ("kWh", 1 / J_PER_KWH)


def _cell(
    stretch: dict[str, Any], path: tuple[str, ...], scale: float, digits: int, suffix: str
) -> str:
    value: Any = stretch
    for key in path:
        value = value[key]
    if value is None:
        return "-"
    number = value * scale + 0.0
    if round(number, digits) == 0:
        number = 0.0
    return f"{number:,.{digits}f}{suffix}"
