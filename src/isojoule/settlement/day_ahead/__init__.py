"""A day-ahead market: contracts about tomorrow's energy, held over a run.

`rules.py` says what it is told, `blocks.py` sums what is seen, `promises.py` says what holders can
commit, `match.py` who deals with whom, and `market.py` holds it. What happens to each contract is
decided in `isojoule.settlement.commitments`. Spec: docs/spec/collateral.md, B19 to B26.
"""
