"""Ledgers written as ledgers; how to read them: tables.py. docs/spec/ledger.md, J6 to J14."""

from __future__ import annotations

import pytest

from isojoule.settlement.ledger import Status
from tests.settlement.ledger.tables import Table

OPEN = """
    account bank EUR                       | created
    account ada  EUR  debits<=credits      | created
    account bo   EUR                       | created
    account cap  EUR  credits<=debits      | created
    account sun  J                         | created

"""
TABLES = {
    "J6 accounts are opened once": """
        account ada EUR                    | created
        account bo  EUR                    | created
        account ada EUR                    | exists

        account ada EUR                    | exists
        account ada J                      | created
        account bo  EUR debits<=credits    | exists_different limit
    """,
    "J7 a transfer moves its amount": OPEN
    + """
        1  bank -> ada  100                | created
        2  ada -> bo     30                | created

        balance bank 100   0  0 0
        balance ada   30 100  0 0
        balance bo     0  30  0 0
    """,
    "J8 what is out of its range": OPEN
    + """
        0  bank -> bo  1                   | out_of_range id
        1  bank -> bo  0                   | out_of_range amount
        1  bank -> bo  -5                  | out_of_range amount
        1  bank -> bo  9223372036854775808 | out_of_range amount
        1  bank -> bo  1 debit=-1          | out_of_range debit
        1  bank -> bo  1 credit=-1         | out_of_range credit
        1  bank -> bo  1 timeout_s=5       | out_of_range timeout_s
        1  bank -> bo  1 pending 4294967296s | out_of_range timeout_s
        1  bank -> bo  1 pending_id=2      | out_of_range pending_id
        1  post 0                          | out_of_range pending_id
        1  bank -> bo  1 code=65536        | out_of_range code
        1  bank -> bo  1 for_s=9223372036854775808 | out_of_range for_s
        1  bank -> bo  1 ref=0             | out_of_range ref
        1  bank -> bo  1 at_ns=1           | out_of_range at_ns
        1  bank -> bo  1 kind=9            | out_of_range kind
        1  bank -> bo  9223372036854775807 | created

        2  bank -> bo  1 linked=2          | out_of_range linked
        3  bank -> bo  1                   | linked_failed

        balance bo 0 9223372036854775807  0 0
    """,
    "J8 accounts that do not fit": OPEN
    + """
        1  bank -> bank  1                 | accounts_the_same
        1  eve  -> bank  1                 | debit_not_found
        1  bank -> eve   1                 | credit_not_found
        1  bank -> sun   1                 | units_differ
        1  expired 7                       | kind_reserved
        1  bank -> ada   1                 | created         # a refused id is free
    """,
    "J9 the same is the same, and nothing else is": OPEN
    + """
        1  bank -> bo  5 code=2            | created

        at 9
        1  bank -> bo  5 code=2            | exists
        1  bank -> bo  6 code=2            | exists_different amount
        1  bank -> ada 5 code=2            | exists_different credit
        1  bank -> bo  5                   | exists_different code
        1  bank -> bo  5 code=2 pending    | exists_different kind
        1  post 4                          | exists_different debit
        1  post 1                          | exists_different debit

        balance bo 0 5  0 0
    """,
    "J10 debits stay within credits, pending ones counted": OPEN
    + """
        1  bank -> ada  10                 | created
        2  ada -> bo     6 pending         | created
        3  ada -> bo     5                 | exceeds_credits
        4  ada -> bo     4                 | created
        5  ada -> bo     1                 | exceeds_credits
        6  ada -> bo     1 pending         | exceeds_credits

        7  bo  -> ada    1 pending         | created         # not there yet
        8  ada -> bo     1                 | exceeds_credits
        9  void 2                          | created
        8  ada -> bo     1                 | created         # asked again, it stands now

        balance ada 5 10  0 1
    """,
    "J10 credits stay within debits": OPEN
    + """
        1  cap  -> bank  10                | created
        2  bank -> cap    4 pending        | created
        3  bank -> cap    7                | exceeds_debits
        4  bank -> cap    6                | created
        5  bank -> cap    1 pending        | exceeds_debits

        balance cap 10 6  0 4
    """,
    "J11 a pending transfer is posted, in part or whole": OPEN
    + """
        1  bank -> bo  10 pending          | created
        2  bank -> bo  10 pending          | created

        balance bo 0 0  0 20

        3  post 1  11                      | pending_exceeded
        3  post 1  debit=bo                | pending_different
        3  post 1  credit=ada              | pending_different
        3  post 1  4                       | created         # the rest returns
        4  post 1  4                       | already_posted
        4  void 1                          | already_posted
        4  post 2  debit=bank credit=bo    | created         # all of it

        3  post 1  4                       | exists
        3  post 1  5                       | exists_different amount
        4  post 2                          | exists
        4  post 2  10                      | exists
        4  void 2                          | exists_different kind
        5  post 4                          | pending_not_found
        5  post 9                          | pending_not_found

        balance bo 0 14  0 0
    """,
    "J11 a pending transfer is voided, whole": OPEN
    + """
        1  bank -> bo  10 pending          | created
        2  void 1  4                       | pending_different
        2  void 1  11                      | pending_exceeded
        2  void 1  10                      | created
        3  post 1                          | already_voided
        3  void 1                          | already_voided
        2  void 1                          | exists

        balance bo 0 0  0 0
    """,
    "J12 a pending transfer runs out, not before, not after": OPEN
    + """
        at 10
        1  bank -> bo  3 pending 5s        | created
        2  bank -> bo  4 pending 5s        | created
        3  bank -> bo  5 pending           | created

        at 14.999
        expire 0
        4  post 1  2                       | created

        at 15
        5  post 2                          | already_expired
        6  post 1                          | already_posted
        1  bank -> bo  3 pending 5s        | exists

        at 999
        expire 0
        5  post 3                          | created

        balance bo 0 7  0 0
    """,
    "J12 a clock that steps back does not turn the ledger's back": OPEN
    + """
        at 20
        1  bank -> bo  3 pending 5s        | created

        at 2
        2  bank -> bo  4 pending 5s        | created         # runs out at 25, too

        at 24
        expire 0

        at 7
        expire 0

        at 25
        expire 2
        balance bo 0 0  0 0
    """,
    "J12 what it reserved is there again at once": OPEN
    + """
        1  bank -> ada  10                 | created
        2  ada -> bo    10 pending 1s      | created
        3  ada -> bo     1                 | exceeds_credits

        at 1
        3  ada -> bo     1                 | created

        balance ada 1 10  0 0
    """,
    "J13 a chain stands or falls": OPEN
    + """
        1  bank -> ada  10  +              | created
        2  ada -> bo     7  +              | created         # what the first one brought
        3  ada -> bank   3                 | created

        4  bank -> ada  10  +              | linked_failed
        5  ada -> bo    11  +              | exceeds_credits
        6  ada -> bank   1                 | linked_failed
        7  bank -> bo    1                 | created         # not of the chain

        5  ada -> bo     1                 | exceeds_credits # 4 was taken back
        balance ada 10 10  0 0
    """,
    "J13 a chain that is open at the end": OPEN
    + """
        1  bank -> bo  1                   | created
        2  bank -> bo  1  +                | linked_failed
        3  bank -> bo  1  +                | linked_open

        4  bank -> bo  1  +                | linked_open

        balance bo 0 1  0 0
    """,
    "J13 a chain reserves, posts and voids": OPEN
    + """
        1  bank -> bo  8 pending  +        | created
        2  post 1  3                       | created

        3  bank -> bo  8 pending           | created

        4  void 3  +                       | linked_failed
        5  post 3                          | already_voided

        5  post 3                          | created         # taken back, 3 was open again
        balance bo 0 11  0 0
    """,
    "J14 a chain asked again": OPEN
    + """
        1  bank -> ada 10  +               | created
        2  ada -> bo    7                  | created

        1  bank -> ada 10  +               | exists
        2  ada -> bo    7                  | exists

        1  bank -> ada 10  +               | exists_apart    # with another one behind it
        3  ada -> bo    1                  | linked_failed

        4  bank -> ada 10  +               | linked_failed
        2  ada -> bo    7                  | exists_apart

        1  bank -> ada 10  +               | linked_failed
        2  ada -> bo    8                  | exists_different amount

        1  bank -> ada 10                  | exists_different linked

        5  bank -> ada  1  +               | linked_failed   # twice in one chain
        5  bank -> ada  1  +               | exists_apart
        6  bank -> ada  1                  | linked_failed

        balance ada 7 10  0 0
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_table(name: str) -> None:
    assert Table().run(TABLES[name])


def test_every_status_is_reached() -> None:
    """And has words of its own."""
    seen = set().union(*(Table().run(text) for text in TABLES.values()))
    assert seen == set(Status)


def test_a_wrong_table_fails() -> None:
    """What the tests above stand on."""
    for wrong in (
        "1 bank -> bo 1 | exists",
        "1 bank -> bo 1 | created\n\nbalance bo 1 0 0 0",
        "1 bank -> bo 1 pending 1s | created\n\nat 1\nexpire 0",
        "0 bank -> bo 1 | out_of_range amount",
    ):
        with pytest.raises(AssertionError):
            Table().run(OPEN + wrong)
