"""`isojoule certificates`: granular certificates of a run, and the 24/7 score of its members."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isojoule.apps.cli.app import AsJson

if TYPE_CHECKING:
    from isojoule.apps.certificates.write import Checked, Written

MOST_ROWS = 24


def certificates(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Folder of a run; or `verify`, and a folder of certificates."
        ),
    ],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="What to verify.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where they go; RUN-certificates if not given.")
    ] = None,
    of_run: Annotated[
        Path | None,
        typer.Option("--run", help="With `verify`: the run that they should follow from."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue certificates for what a run's meters show, and score who used them in the same hour.

    `isojoule certificates verify FOLDER` checks them again.
    """
    from isojoule.core.errors import InputError

    if run == "verify":
        if folder is None:
            raise InputError("what is to be verified?", remedy="name a folder of certificates")
        _verify(folder, of_run, as_json)
        return
    if folder is not None or of_run is not None:
        raise InputError(
            f"{folder or '--run'} is not understood here",
            remedy="isojoule certificates RUN, or isojoule certificates verify FOLDER",
        )
    from isojoule.apps.certificates.write import write_certificates
    from isojoule.apps.results.show import progress_bar

    path = Path(run)
    with progress_bar(not as_json) as report:
        written = write_certificates(
            path, out or path.with_name(path.name + "-certificates"), report
        )
    found = _document(written)
    if as_json:
        print(json.dumps({"folder": str(written.folder), **found}, ensure_ascii=False))
        return
    _show(found)
    print(f"Registry and scores: {written.folder}")
    print(f"Check:   isojoule verify {written.folder}")


def verify_lines(folder: Path, run: Path | None = None, progress: bool = False) -> list[str]:
    """Check a folder of certificates; what was checked, in words."""
    from isojoule.apps.certificates.write import verify_certificates
    from isojoule.apps.results.show import progress_bar

    with progress_bar(progress) as report:
        return _lines(verify_certificates(folder, run, report))


def _verify(folder: Path, run: Path | None, as_json: bool) -> None:
    checked = verify_lines(folder, run, not as_json)
    if as_json:
        print(json.dumps({"verified": str(folder), "checked": checked}, ensure_ascii=False))
        return
    print(f"{folder}: verified")
    for line in checked:
        print(f"  {line}")


def _lines(found: Checked) -> list[str]:
    return [
        f"{found.files} files have the hashes that were stated",
        (
            f"{found.certificates:,} certificates of {found.devices} devices, in "
            f"{found.bundles:,} bundles: ranges neither overlap nor vanish, none was used twice, "
            "none is without a metered Watt-hour"
        ),
        f"issued, traded and claimed again from {found.run}: the same"
        if found.run
        else "the run was not there to compare with; --run names it",
    ]


def _document(written: Written) -> dict[str, Any]:
    from isojoule.apps.certificates import COMMUNITY, scores_of

    scores = scores_of(written.certified)
    together = scores.pop(COMMUNITY)
    return {
        "run": written.certified.run,
        "root": written.told["root"],
        "certificates_wh": written.wh,
        "community": together.document(),
        "members": {member: score.document() for member, score in scores.items()},
    }


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = "Consumption matched by certificates of the same hour, %"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for head in ("score", "self", "local", "storage"):
        table.add_column(head, justify="right")
    members = list(found["members"].items())
    for name, score in members[:MOST_ROWS]:
        table.add_row(name, *_cells(score))
    if len(members) > MOST_ROWS:
        table.add_row(f"... {len(members) - MOST_ROWS} more in scores.csv")
    table.add_row("community", *_cells(found["community"]), style="bold")
    Console().print(table)
    states = ", ".join(
        f"{wh / 1000:,.1f} kWh {state}" for state, wh in found["certificates_wh"].items()
    )
    print(f"\nCertificates: {states or 'none'}")


def _cells(score: dict[str, Any]) -> list[str]:
    keys = ("score", "self", "local", "storage")
    return ["-" if score[key] is None else f"{100 * score[key]:.1f}" for key in keys]
