"""`isojoule scenarios`, `new`, `import` and `run`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from isojoule.apps.cli.app import AsJson

imports = typer.Typer(
    no_args_is_help=True,
    help="Make a scenario from data of another program (needs the extra `import`).",
)


def scenarios(as_json: AsJson = False) -> None:
    """List the scenarios that come with Isojoule."""
    import yaml

    from isojoule.apps.files.scenario_files import bundled

    titles = {}
    for name, path in sorted(bundled().items()):
        head = yaml.safe_load((path / "scenario.yaml").read_text(encoding="utf-8"))
        titles[name] = str(head.get("title", ""))
    if as_json:
        print(json.dumps({"scenarios": titles}, ensure_ascii=False))
        return
    for name, title in titles.items():
        print(f"{name:12} {title}")
    print("\nRun one:  isojoule run NAME")


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist.")],
    as_json: AsJson = False,
) -> None:
    """Make a small commented scenario to edit."""
    from isojoule.apps.files.scenario_files import new_scenario

    made = new_scenario(folder)
    _made(made or folder, as_json)


@imports.command("simbench")
def import_simbench(
    code: Annotated[str, typer.Argument(help="SimBench code, as 1-LV-rural3--2-no_sw.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the scenario goes.")],
    weeks: Annotated[
        str,
        typer.Option(help="Weeks to take, as winter=2016-01-11,2016-07-04; default: the year."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a scenario of a SimBench grid and its profiles."""
    from isojoule.apps.importers.simbench_code import import_simbench as convert

    with _nothing_left(folder):
        made = convert(code, folder, weeks=weeks.replace(",", " ").split() or None)
    _made(made.folder, as_json, made.warnings)


@imports.command("pandapower")
def import_pandapower(
    file: Annotated[Path, typer.Argument(help="A grid that pandapower.to_json has written.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the scenario goes.")],
    as_json: AsJson = False,
) -> None:
    """Make a scenario of a pandapower grid."""
    from isojoule.apps.importers.pandapower_net import import_pandapower as convert

    with _nothing_left(folder):
        made = convert(file, folder)
    _made(made.folder, as_json, made.warnings)


def run(
    scenario: Annotated[str, typer.Argument(help="Name of a bundled scenario, or a folder.")],
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First interval, as 2016-01-11.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End, not run itself.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="Length from the start of each period, in days.")
    ] = None,
    periods: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Some of the periods, as winter,summer.")
    ] = None,
    mechanism: Annotated[
        str | None, typer.Option(help="Another mechanism than the scenario names.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the mechanism."),
    ] = None,
    forecast: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="What offers are made of: none, persistence or noise, also with parameters as "
            "noise,load_error=10%.",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="copperplate",
            help="Let the market ignore the wires; what it clears is then sent through them.",
        ),
    ] = None,
    utility: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="How the utility is paid: cleared (as the mechanism says) or tariff.",
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="Rules of settlement, instead of the scenario's settlement.yaml."),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="ISOJOULE_LEDGER",
            help="A ledger that keeps the transfers: a file, or postgresql://USER@HOST/DATABASE.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for all chance.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Begin anew instead of going on with an interrupted run."),
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write the tables as CSV, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario, with the savings audit and the report.

    If it is interrupted, the same command goes on from what was finished.
    """
    from isojoule.apps.cli.books import read_settings
    from isojoule.apps.results.run import run_scenario
    from isojoule.apps.results.show import print_run, progress_bar
    from isojoule.apps.results.workers import cores

    with progress_bar(not as_json) as report:
        result = run_scenario(
            scenario,
            start=start,
            end=end,
            days=days,
            periods=periods,
            mechanism=mechanism,
            parameters=read_settings(settings or []),
            forecast=forecast,
            network=network,
            utility=utility,
            rules=rules,
            ledger=ledger,
            seed=seed,
            out=out,
            workers=cores(),
            fresh=fresh,
            report=report,
        )
    written = result.to_csv() if csv else []
    if as_json:
        print(json.dumps({**result.summary, "folder": str(result.folder)}, ensure_ascii=False))
        return
    print_run(result)
    if written:
        print(f"Tables:  {written[0].parent}")


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Take an empty folder away again if what should fill it fails."""
    existed = folder.exists()
    try:
        yield
    except BaseException:
        if not existed and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _made(folder: Path, as_json: bool, warnings: tuple[str, ...] = ()) -> None:
    if as_json:
        found = {"scenario": str(folder), "warnings": list(warnings)}
        print(json.dumps(found, ensure_ascii=False))
        return
    for warning in warnings:
        print(f"note: {warning}", file=sys.stderr)
    print(f"Made the scenario {folder}\n\nNext:  isojoule check {folder}")
    print(f"       isojoule run {folder}")
