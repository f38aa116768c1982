"""`isojoule compare`: mechanisms side by side on a book or a scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from isojoule.apps.cli.app import AsJson
from isojoule.core.errors import InputError


def compare(
    what: Annotated[
        str, typer.Argument(metavar="BOOK-or-SCENARIO", help="A book, or a scenario as for run.")
    ],
    mechanisms: Annotated[str, typer.Option(help="Names with commas between, or all.")] = "all",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MECHANISM.NAME=VALUE", help="A parameter of a mechanism."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="CRITERION=NUMBER", help="As fairness=2."),
    ] = None,
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
    rules: Annotated[
        Path | None,
        typer.Option(help="Rules of settlement, instead of the scenario's settlement.yaml."),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Skip a mechanism that takes longer."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as there are cores if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for all chance.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of runs and page; of a book: where the page goes."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew instead of using what is finished.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare mechanisms: gains, who pays what, prices, fairness, and when the ranking flips.

    Mechanisms that do not fit are rows with their reasons. If it is interrupted, the same command
    goes on from what was finished.
    """
    from isojoule.apps.compare import Asked, compare_book, write_page
    from isojoule.apps.compare.asked import chosen

    parameters = read_parameters(settings or [])
    asked = Asked(
        chosen(mechanisms, parameters), parameters, read_weights(weights or []), seed, limit
    )
    if abs(seed) >= 2**53:
        raise InputError(f"seed {seed} is too large", remedy="give a number below 2**53")
    if is_book(what):
        for name, value in (
            ("from", start), ("to", end), ("days", days), ("periods", periods), ("rules", rules),
        ):  # fmt: skip
            if value is not None:
                raise InputError(
                    "a book is one interval, without settlement",
                    place=f"--{name}",
                    remedy="leave it out, or name a scenario",
                )
        document, folder = compare_book(Path(what), asked), out
    else:
        from isojoule.apps.compare import compare_scenario
        from isojoule.apps.results.show import progress_bar
        from isojoule.apps.results.workers import cores

        folder = out or Path("comparisons") / Path(what).resolve().name
        with progress_bar(not as_json) as report:
            document = compare_scenario(
                what, asked, folder, start=start, end=end, days=days, periods=periods, rules=rules,
                workers=workers or cores(), fresh=fresh, report=report,
            )  # fmt: skip
    page = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "compare.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
        page = write_page(document, folder)
    if as_json:
        print(json.dumps(document, ensure_ascii=False, allow_nan=False))
        return
    from isojoule.apps.compare import show_comparison

    show_comparison(document)
    if page is not None:
        print(f"Page:    {page}")
        if document["kind"] == "scenario":
            print(f"Check:   isojoule verify {page.parent / 'runs' / 'NAME'}")


def is_book(what: str) -> bool:
    """Whether this names a book: a file, or a folder with `book.yaml`, and no scenario."""
    path = Path(what)
    if path.is_dir():
        return (path / "book.yaml").is_file()
    if path.is_file():
        import yaml

        if path.suffix == ".json":
            return True
        try:
            head = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            return True  # the reader of books says what is wrong
        return not (isinstance(head, dict) and "mechanism" in head and "periods" in head)
    return path.suffix in (".yaml", ".yml", ".json") and path.name != "scenario.yaml"


def read_parameters(settings: list[str]) -> dict[str, dict[str, Any]]:
    """Parameters by mechanism from `mechanism.name=value`."""
    from isojoule.apps.cli.books import read_settings

    own: dict[str, list[str]] = {}
    for setting in settings:
        name, dot, rest = setting.partition(".")
        if not dot or "=" in name:
            raise InputError(
                f"{setting!r} does not say whose parameter it is",
                place="--set",
                remedy="write --set MECHANISM.NAME=VALUE",
            )
        own.setdefault(name, []).append(rest)
    return {name: read_settings(mine) for name, mine in own.items()}


def read_weights(texts: list[str]) -> dict[str, float]:
    """Weights from `criterion=number`."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip().replace("-", "_")] = float(number)
        except ValueError:
            raise InputError(
                f"{text!r} is not a weight", place="--weight", remedy="write it as fairness=2"
            ) from None
    return found
