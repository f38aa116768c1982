"""The command line. `main` is the entry point `isojoule`.

The rules:

- Nothing heavy is imported before it is needed: `isojoule --help` answers at once. Modules here
  import typer alone; each command imports the rest when it runs.
- Bad input, a stored result that does not hold, and a mechanism's refusal end with a message on
  stderr and exit status 2, as do errors of usage. An interrupt ends with 130, an output that
  is not read to its end silently with 1. Anything else is a bug: a traceback and status 1.
- With `--json`, stdout holds exactly one JSON document, in the case of such an error too:
  {"error": {"kind", "message", "place", "remedy"}}.
- Files are written whole or not at all.
"""

from isojoule.apps.cli.app import app
from isojoule.apps.cli.main import main

__all__ = ["app", "main"]
