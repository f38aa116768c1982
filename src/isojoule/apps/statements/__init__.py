"""Statements: a page and two tables for every household and period that answer "why did I pay this?".

    write_statements(run_folder, out, stretches=..., ledger=..., rules=...)

Lines of the bill come from the ledger alone (`isojoule.settlement.statements`). Reasons of prices are
read again from the run (`reasons`), the comparison from its baseline (`worlds`). `page` and `sheets`
write what people read, `chart` draws.
"""

from isojoule.apps.statements.write import Written, write_statements

__all__ = ["Written", "write_statements"]
