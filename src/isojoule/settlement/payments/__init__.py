"""Bills, who pays them when, and what of them need not be paid.

    bills = [bill_of(span, paid_nano), ...]
    plan = plan_of(bills, payment, delays, credits, way)
    post(ledger, plan, "EUR", run="rural-equilibrium-1f2e3d4c", clock=clock)

The rules:

- At the end of each stretch of time the balance of every account becomes obligations, who owes
  whom as in `isojoule.settlement.netting.unpaid`. A balance that was billed stands in claims and
  obligations, and no longer in the account of its party: nothing is counted twice.
- At each bill date everything that is open is cleared multilaterally, with mutual credit if the
  rules grant it. What is left is paid in cash: when it is due, or later by who pays late.
- In the end nothing is open: every obligation was set off or paid, mutual credit was redeemed, and
  each party's cash has changed by exactly what it was billed, with interest.
- A plan follows from bills and rules alone. It holds every step; transfers, figures and what stands
  on a statement are read from it.

Spec: docs/spec/obligations.md, O15 to O24.
"""
