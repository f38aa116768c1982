"""Bills, and the rules of payment. Spec: docs/spec/obligations.md, O15, O17, O19."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.settlement.netting.unpaid import matched
from isojoule.settlement.payments.bills import Stretch, bill_of, stretches
from isojoule.settlement.payments.rules import (
    EVERY,
    Credit,
    Every,
    Late,
    Payment,
    credits_of,
    delays,
)
from isojoule.settlement.rules import Rules

BERLIN = "Europe/Berlin"
HALF = Stretch("p", 0, 100)


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).timestamp())


@pytest.mark.parametrize(
    ("every", "starts"),
    [
        ("period", ["2026-03-27T12:00"]),
        ("day", ["2026-03-27T12:00", *(f"2026-03-{d}T00:00" for d in (28, 29, 30, 31)),
                 "2026-04-01T00:00", "2026-04-02T00:00", "2026-04-03T00:00"]),
        ("week", ["2026-03-27T12:00", "2026-04-03T00:00"]),
        ("month", ["2026-03-27T12:00", "2026-04-01T00:00"]),
    ],
)  # fmt: skip
def test_stretches_are_those_of_the_calendar(every: Every, starts: list[str]) -> None:
    """O15: the day on which the clocks change has 23 hours."""
    end = moment("2026-04-03T06:00")
    found = list(stretches("p", moment("2026-03-27T12:00"), end, every, BERLIN))
    assert [s.start_s for s in found] == [moment(text) for text in starts]
    assert found[-1].end_s == end
    assert all(one.end_s == other.start_s for one, other in pairwise(found))
    if every == "day":
        assert found[2].end_s - found[2].start_s == 23 * 3600


@given(
    st.lists(
        st.lists(st.integers(-20, 20), min_size=4, max_size=4).map(lambda r: [*r, -sum(r)]),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=150, deadline=None)
def test_parts_are_matched_as_balances_are(rows: list[list[int]]) -> None:
    """O14, O15: each part as `matched` does, added up by pair; what a party nets is its balance."""
    names = ("ada", "bo", "cy", "dan", "utility")
    paid = {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}
    wanted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        balance = {name: -nano for name, nano in zip(names, row, strict=True)}
        for debtor, creditor, nano in matched(balance):
            wanted[debtor, creditor] += nano
    found = bill_of(HALF, [paid])
    assert {row[:2]: row[2] for row in found.rows} == dict(wanted)
    net: Counter[str] = Counter()
    for debtor, creditor, nano in found.rows:
        net[debtor] -= nano
        net[creditor] += nano
    assert all(net[name] == -int(paid[name].sum()) for name in names)
    # all at once nets first: no more is owed
    whole = bill_of(HALF, [{name: nano.sum(keepdims=True) for name, nano in paid.items()}])
    assert sum(row[2] for row in whole.rows) <= sum(row[2] for row in found.rows)


def test_a_share_of_the_members_is_drawn_by_their_names() -> None:
    """O17: exactly the share, rounded half up; the order of names plays no part."""
    members = [f"h{i:03}" for i in range(50)]
    rules = Payment(late=(Late(9, ("h000", "h001")), Late(5, share=0.25), Late(7, share=0.1)))
    late = delays(rules, members, b"seed")
    assert late == delays(rules, members[::-1], b"seed")
    assert Counter(late.values()) == {9: 2, 5: 13, 7: 5}
    assert late != delays(rules, members, b"other")
    assert delays(Payment(late=(Late(5, share=1.0),)), members, b"") == dict.fromkeys(members, 5)
    assert delays(Payment(late=(Late(0, share=1.0),)), members, b"") == {}


def test_credit_of_all_but_those_who_are_named() -> None:
    """O19."""
    rules = Payment(credit=(Credit(5, 6), Credit(0, 9, ("bo",))))
    assert credits_of(rules, ["ada", "bo"]) == {"ada": Credit(5, 6), "bo": Credit(0, 9, ("bo",))}
    assert credits_of(Payment(credit=(Credit(1, 1, ("bo",)),)), ["ada", "bo"]).keys() == {"bo"}


def test_what_the_rules_ask_for() -> None:
    ways = [Payment(), Payment(clear=False), Payment(credit=(Credit(1, 1),))]
    assert [payment.way for payment in ways] == ["clearing", "none", "credit"]
    assert set(EVERY) == {"period", "month", "week", "day"}
    assert Rules().payment is None


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (lambda: Payment(due_s=-1), "due"),
        (lambda: Payment(every="year"), "every"),  # type: ignore[arg-type]
        (lambda: Payment(matched="hour"), "matched"),  # type: ignore[arg-type]
        (lambda: Payment(interest_ppb=-1), "interest"),
        (lambda: Payment(clear=False, credit=(Credit(1, 1),)), "credit"),
        (lambda: Payment(credit=(Credit(1, 1), Credit(2, 2))), "credit[1]"),
        (lambda: Payment(late=(Late(1, ("a",)), Late(2, ("b", "a")))), "late[0]"),
        (lambda: Payment(late=(Late(1, share=0.6), Late(2, share=0.6))), "late"),
        (lambda: Late(-1), "by"),
        (lambda: Late(1, share=1.5), "share"),
        (lambda: Late(1, ("a",), 0.5), "share"),
        (lambda: Credit(-1, 1), "limit"),
        (lambda: Credit(1, 2**62), "accepts"),
    ],
)
def test_rules_that_cannot_be(wrong: object, place: str) -> None:
    assert callable(wrong)
    with pytest.raises(InputError) as caught:
        wrong()
    assert caught.value.place == place and caught.value.remedy


def test_names_that_nobody_has() -> None:
    rules = Payment(late=(Late(1, share=0.1), Late(1, ("ada", "eve"))))
    rules.check_names(["ada", "eve"])
    with pytest.raises(InputError, match="no member 'eve'") as caught:
        rules.check_names(["ada"])
    assert caught.value.place == "late[1]"
