"""Settlement: what a market cleared is delivered, metered, paid and proven.

Trades and meter readings go in; exact transfers, statements and a ledger that anyone can check
come out. No file, no clock, no database: those are in `isojoule.apps`.
"""
