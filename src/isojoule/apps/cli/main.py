"""The commands of the application, and its entry point."""

from __future__ import annotations

from isojoule.apps.cli import (
    books,
    certificates,
    files,
    generate,
    ledger_books,
    mechanisms,
    sessions,
    worlds,
)
from isojoule.apps.cli import net as obligations
from isojoule.apps.cli import statements as statement_pages
from isojoule.apps.cli.app import app
from isojoule.apps.cli.compare import compare

app.command("clear")(books.clear)
app.command("verify")(books.verify)
app.command("session")(sessions.session)
app.command("seal")(sessions.seal)
app.command("replay")(mechanisms.replay)
app.command("check")(files.check)
app.command("schema")(files.schema)
app.command("scenarios")(worlds.scenarios)
app.command("new")(worlds.new)
app.command("run")(worlds.run)
app.command("net")(obligations.net)
app.command("certificates")(certificates.certificates)
app.command("compare")(compare)
app.command("statements")(statement_pages.statements)
app.add_typer(mechanisms.mechanisms, name="mechanisms")
app.add_typer(worlds.imports, name="import")
app.add_typer(generate.generates, name="generate")
app.add_typer(ledger_books.ledgers, name="ledger")


def main() -> None:
    """Run the command line."""
    app(prog_name="isojoule")
