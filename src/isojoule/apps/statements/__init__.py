"""Statements for households: a page and tables for each period: "why did I pay this?".

    statements_of_run(run_folder, out)                        # settles the run again
    write_statements(run_folder, out, scenario, settled)      # of one that is settled

Lines of the bill come from the ledger alone (`isojoule.settlement.statements`). Reasons of prices
are read again from the run (`reasons`), the comparison from its baseline (`worlds`). `page`,
`price_section` and `sheets` write what people read, `chart` draws.
"""

from isojoule.apps.statements.write import Written, statements_of_run, write_statements

__all__ = ["Written", "statements_of_run", "write_statements"]
