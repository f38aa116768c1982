"""The application, and how its errors end. See `isojoule.apps.cli` for the rules."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from isojoule.core.errors import InputError, IsojouleError, VerificationError

if TYPE_CHECKING:
    from isojoule.market import Refusal

JSON = "isojoule.json"
"""Key of the context's `meta` that says whether `--json` was given."""
BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 1
"""As rich ends what it prints itself."""


class Refused(IsojouleError):
    """Carries a mechanism's refusal to the end of the command."""

    def __init__(self, refusal: Refusal) -> None:
        self.message = refusal.reason
        self.place = refusal.mechanism
        self.remedy = refusal.remedy
        super().__init__(str(refusal))


class Commands(TyperGroup):
    """A group whose commands end with status 2 where the user is at fault."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors of ours become messages."""
        try:
            return super().invoke(ctx)
        except (InputError, VerificationError, Refused) as error:
            report(error, as_json=bool(ctx.meta.get(JSON)))
            raise typer.Exit(BAD_INPUT) from None
        except BrokenPipeError:  # whoever reads the output, as `head`, has seen enough
            with contextlib.suppress(OSError, ValueError):  # nor is there one for the rest of it
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        except OSError as error:
            found = InputError(
                (error.strerror or str(error)).lower(),
                place=str(error.filename or ""),
                remedy="check the path, its permissions, and the space left",
            )
            report(found, as_json=bool(ctx.meta.get(JSON)))
            raise typer.Exit(BAD_INPUT) from None
        except RecursionError:
            deep = InputError("the input is nested too deeply", remedy="write it flatter")
            report(deep, as_json=bool(ctx.meta.get(JSON)))
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt as error:
            print(f"isojoule: {str(error) or 'interrupted'}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


def report(error: IsojouleError, *, as_json: bool) -> None:
    """Print an error for people on stderr, and with `--json` as a document on stdout."""
    if as_json:
        kinds = ((InputError, "input"), (VerificationError, "verification"), (Refused, "refusal"))
        kind = next(name for of, name in kinds if isinstance(error, of))
        keys = {key: getattr(error, key, "") for key in ("message", "place", "remedy")}
        print(json.dumps({"error": {"kind": kind, **keys}}, ensure_ascii=False))
    print(f"isojoule: {error}", file=sys.stderr)


def _json(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[JSON] = value
    return value


AsJson = Annotated[
    bool,
    typer.Option(
        "--json", callback=_json, is_eager=True, help="Print one JSON document instead of tables."
    ),
]

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Design, simulate and operate local energy markets.",
)


def _version(value: bool) -> None:
    if value:
        from isojoule import __version__

        print(f"isojoule {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options of the program itself."""
