"""The order book: hand-worked sequences as tables, refusals, forgeries, conformance.

Spec: docs/spec/sequential.md, Q6 to Q14. Prices per J, sizes in J.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isojoule.core.errors import VerificationError
from isojoule.market import Book, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.cda import Cda
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance, Seeded
from isojoule.testing.odd import twins
from isojoule.valuation import Battery, Bundle, Leg, Load, Offer, Utility
from tests.market.books import book_of, buy, sell, uj
from tests.market.mechanisms.sessions import GRID, at, copper, rows, same
from tests.market.mechanisms.sessions import clear_cda as clear

# what comes, what is cancelled, what is traded: (seller, buyer, J, money)
TABLE: dict[str, tuple[list[Offer], list[tuple[str, int]], list[tuple[str, str, float, float]]]] = {
    "the resting order names the price": (
        [at(1, "ada", sell((1, 4))), at(2, "bo", buy((1, 10)))], [],
        [("ada", "bo", 1, 4)],
    ),
    "whoever rests": (
        [at(1, "bo", buy((1, 10))), at(2, "ada", sell((1, 4)))], [],
        [("ada", "bo", 1, 10)],
    ),
    "price first, then time": (
        [
            at(1, "ada", sell((1, 5))), at(2, "cleo", sell((1, 4))), at(3, "dan", sell((1, 4))),
            at(4, "bo", buy((3, 5))),
        ], [],
        [("cleo", "bo", 1, 4), ("dan", "bo", 1, 4), ("ada", "bo", 1, 5)],
    ),
    "a part rests and keeps its time": (
        [
            at(1, "ada", sell((3, 4))), at(2, "cleo", sell((3, 4))), at(3, "bo", buy((2, 4))),
            at(4, "eve", buy((2, 9))),
        ], [],
        [("ada", "bo", 2, 8), ("ada", "eve", 1, 4), ("cleo", "eve", 1, 4)],
    ),
    "a step that does not cross rests": (
        [at(1, "ada", sell((1, 4), (1, 6))), at(2, "bo", buy((1, 9), (1, 5))),
         at(3, "cleo", sell((1, 2)))], [],
        [("ada", "bo", 1, 4), ("cleo", "bo", 1, 5)],
    ),
    "equal prices trade": (
        [at(1, "ada", sell((1, 4))), at(2, "bo", buy((1, 4)))], [], [("ada", "bo", 1, 4)],
    ),
    "one nanosecond: by id": (
        [at(1, "bo", buy((1, 9))), at(2, "zed", sell((1, 4))), at(2, "ada", sell((1, 4)))], [],
        [("ada", "bo", 1, 9)],
    ),
    "cancelled before": (
        [at(1, "ada", sell((1, 4))), at(2, "cleo", sell((1, 5))), at(4, "bo", buy((2, 9)))],
        [("ada", 3)],
        [("cleo", "bo", 1, 5)],
    ),
    "cancelled in the same nanosecond: after the offers": (
        [at(1, "ada", sell((1, 4))), at(3, "bo", buy((2, 9)))], [("ada", 3), ("bo", 3)],
        [("ada", "bo", 1, 4)],
    ),
    "a rest is cancelled": (
        [at(1, "ada", sell((3, 4))), at(2, "bo", buy((1, 9))), at(4, "eve", buy((1, 9)))],
        [("ada", 3)],
        [("ada", "bo", 1, 4)],
    ),
    "immediate: the rest is dropped": (
        [at(1, "ada", sell((1, 4))), at(2, "bo", buy((2, 9)), immediate=True),
         at(3, "cleo", sell((1, 1)))], [],
        [("ada", "bo", 1, 4)],
    ),
    "a load waits at its lost load": (
        [at(1, "bo", Load(uj(2), 50.0)), at(2, "ada", sell((1, 4)))], [],
        [("ada", "bo", 1, 50)],
    ),
    "a must-sell at its spill value": (
        [at(1, "bo", buy((1, 3))), at(2, "ada", sell((2, 0.0), spill=0.0), immediate=True),
         at(3, "eve", buy((1, 5)))], [],
        [("ada", "bo", 1, 3)],
    ),
    "fill or kill, killed": (
        [at(1, "ada", sell((1, 4))), at(2, "cleo", sell((1, 5))),
         at(3, "bo", buy((2, 4.5)), immediate=True, all_or_nothing=True),
         at(4, "eve", buy((2, 5)))], [],
        [("ada", "eve", 1, 4), ("cleo", "eve", 1, 5)],
    ),
    "fill or kill, filled": (
        [at(1, "ada", sell((1, 4))), at(2, "cleo", sell((1, 5))),
         at(3, "bo", buy((2, 5)), immediate=True, all_or_nothing=True)], [],
        [("ada", "bo", 1, 4), ("cleo", "bo", 1, 5)],
    ),
    "own orders are passed over, and keep their place": (
        [at(1, "bo-sun", sell((1, 1))), at(2, "ada", sell((1, 4))), at(3, "bo-car", buy((2, 6))),
         at(4, "eve", buy((1, 9)))], [],
        [("ada", "bo-car", 1, 4), ("bo-sun", "eve", 1, 1)],
    ),
    "a utility rests on both sides without limit": (
        [at(1, "grid", Utility(30.0, 8.0)), at(2, "ada", sell((5, 2))), at(3, "bo", buy((9, 40)))],
        [],
        [("ada", "grid", 5, 40), ("grid", "bo", 9, 270)],
    ),
    "a utility that comes": (
        [at(1, "ada", sell((5, 2))), at(2, "bo", buy((4, 40))), at(3, "grid", Utility(30.0, 8.0))],
        [],
        [("ada", "bo", 4, 8), ("ada", "grid", 1, 2)],
    ),
    "prices below 0": (
        [at(1, "ada", sell((1, -3), spill=-5.0)), at(2, "bo", buy((1, -1)))], [],
        [("ada", "bo", 1, -3)],
    ),
    "nothing crosses": ([at(1, "ada", sell((1, 4))), at(2, "bo", buy((1, 3)))], [], []),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_table(name: str) -> None:
    """docs/spec/sequential.md, Q7 to Q11."""
    offers, cancelled, traded = TABLE[name]
    c = clear(offers, *cancelled)
    assert rows(copper(offers), c) == traded


def test_what_is_told_at_the_end() -> None:
    """docs/spec/sequential.md, Q13."""
    offers = [
        at(1, "ada", sell((3, 4), (1, 7))), at(2, "bo", buy((1, 9))), at(3, "cleo", buy((1, 3))),
        at(4, "dan", buy((2, 5))), at(5, "eve", buy((1, 2)), immediate=True),
    ]  # fmt: skip
    c = clear(offers)
    assert c.notes == {
        "best_bid_per_j": 3.0, "best_ask_per_j": 7.0, "last_price_per_j": 4.0,
        "mean_price_per_j": 4.0, "volume_j": "3",
    }  # fmt: skip
    assert c.price_per_j.tolist() == [4.0]
    assert (c.certificate.lowest.item(), c.certificate.highest.item()) == (3.0, 7.0)
    assert c.welfare == pytest.approx(5 + 1 + 1)
    assert c.state == {} and c.operator == {} and c.surplus_nano == 0
    empty = clear([at(1, "ada", sell((1, 4)))])
    assert np.isnan(empty.price_per_j).all() and empty.notes["mean_price_per_j"] is None


def test_the_gap_is_what_the_order_of_arrival_cost() -> None:
    """docs/spec/sequential.md, Q13; by hand: ada's unit goes to bo, though eve wanted it more."""
    c = clear([at(1, "ada", sell((1, 1))), at(2, "bo", buy((1, 2))), at(3, "eve", buy((1, 10)))])
    assert c.welfare == pytest.approx(1)
    assert c.certificate.gap == pytest.approx(8)


def test_fill_or_kill_tells_whether_it_was_taken() -> None:
    """docs/spec/sequential.md, Q9."""
    for size, taken in ((1, True), (2, False)):
        whole = at(2, "bo", buy((size, 9)), immediate=True, all_or_nothing=True)
        c = clear([at(1, "ada", sell((1, 4))), whole])
        assert c.taken is not None and c.taken.tolist() == [True, taken]
        assert c.energy_uj.any() == taken


REFUSED = [
    (sell((1, 4, 6)), {}, "sloped", "flat steps"),
    (Battery(uj(1), uj(2), 1.0, 2.0), {}, "battery", "flat steps"),
    (buy((1, 4)), {"group": "g"}, "group", "leave the group"),
    (buy((1, 4)), {"all_or_nothing": True}, "would wait", "immediate"),
    (buy((1, 4), (1, 3)), {"all_or_nothing": True, "immediate": True}, "several", "one price"),
]


@pytest.mark.parametrize(("spec", "flags", "reason", "remedy"), REFUSED)
def test_refusals(spec: Any, flags: dict[str, Any], reason: str, remedy: str) -> None:
    """docs/spec/sequential.md, Q6 and Q9."""
    out = get("cda").clear(copper([at(1, "ada", spec, **flags)]), GRID)
    assert isinstance(out, Refusal)
    assert reason in out.reason and "'ada'" in out.reason and remedy in out.remedy


def test_other_refusals() -> None:
    """docs/spec/sequential.md, Q3, Q4, Q6, Q11 and Q12."""
    cda = get("cda")
    plain = copper([at(1, "ada", sell((1, 4)))])

    def no(book: Book, state: Any = None) -> str:
        out = cda.clear(book, GRID, state=state)
        assert isinstance(out, Refusal)
        return str(out)

    assert "network" in no(book_of(GRID, []))
    two = [at(1, "one", Utility(5.0, None)), at(2, "two", Utility(None, 6.0))]
    assert "no limit" in no(copper(two))
    bundle = Offer("both", "", Bundle((Leg("n0", 1), Leg("n0", 1)), 1.0), id="both")
    assert "bundle" in no(copper([bundle]))
    rich = [at(1, "ada", sell((1e5, 1e5))), at(2, "bo", buy((1e5, 1e5)))]
    assert "units of money" in no(copper(rich))
    assert "starts empty" in no(plain, {"sold_j": "1"})
    assert "does not have" in no(plain, {"cancelled": [{"id": "bo", "at_ns": 1}]})
    for wrong in ("ada", [1], [{"id": "ada"}], [{"id": "ada", "at_ns": 1.5}],
                  [{"id": "ada", "at_ns": True}], [{"id": "ada", "at_ns": "01"}]):  # fmt: skip
        assert "is not a list" in no(plain, {"cancelled": wrong})


@pytest.mark.parametrize(
    ("what", "place"),
    [
        (lambda c: replace(c, matches=c.matches[:-1]), "trades"),
        (
            lambda c: replace(c, matches=(c.matches[0]._replace(payment_nano=1), *c.matches[1:])),
            "trades[0]",
        ),
        (lambda c: replace(c, payment_nano=c.payment_nano + np.array([1, -1, 0])), "offer"),
        (lambda c: replace(c, energy_uj=c.energy_uj + np.array([1, -1, 0])), "offer"),
        (lambda c: replace(c, operator={"rent": 0}), "operator"),
        (lambda c: replace(c, notes={**c.notes, "volume_j": "4"}), "notes"),
        (lambda c: replace(c, state={"sold": 1}), "state"),
        (lambda c: replace(c, price_per_j=c.price_per_j + 1e-9), "node"),
        (lambda c: replace(c, welfare=c.welfare + 1e-6), "welfare"),
        (lambda c: replace(c, state_before={"cancelled": [{"id": "ada", "at_ns": "1"}]}), "trades"),
        (lambda c: replace(c, state_before={"cancelled": [{"id": "ada"}]}), "state_before"),
        (lambda c: replace(c, taken=np.ones(3, bool)), "taken"),
        (lambda c: replace(c, certificate=replace(c.certificate, highest=np.ones(1))), "node"),
    ],
)
def test_alterations_are_found(what: Any, place: str) -> None:
    """docs/spec/sequential.md, Q14."""
    offers = [at(1, "ada", sell((2, 4))), at(2, "bo", buy((1, 9))), at(3, "eve", buy((2, 5)))]
    c = clear(offers)
    with pytest.raises(VerificationError) as caught:
        check_clearing(copper(offers), GRID, what(c))
    assert place in caught.value.place


def test_reasons() -> None:
    offers = [
        at(1, "ada", sell((1, 4))), at(2, "bo", buy((1, 9))), at(3, "cleo", buy((2, 3))),
        at(4, "dan", sell((1, 5))), at(5, "eve", buy((1, 4)), immediate=True),
        at(6, "fay", sell((1, 2))),
    ]  # fmt: skip
    book = copper(offers)
    texts = dict(zip(book.offer_ids, Cda().reasons(book, GRID, clear(offers)), strict=True))
    assert texts["ada"] == "filled at 4 EUR/J by bo"
    assert texts["cleo"] == (
        "partly filled at 3 EUR/J by fay: no seller was left at or below its bid of 3 EUR/J"
    )
    assert texts["dan"] == ("not filled: no buyer was left at or above its ask of 5 EUR/J")
    assert texts["eve"].startswith("not filled: when it came, no seller was left at or below")


class TestConformance(MechanismConformance):
    """The suite of all mechanisms, on books of flat steps."""

    sample = "steps"

    @pytest.fixture
    def mechanism(self) -> Cda:
        return Cda()

    def test_ties_are_broken_by_the_seed(self, mechanism: Cda) -> None:
        """Ties are broken by the order of arrival, in one nanosecond by id (Q2), by no seed."""
        found, alike = twins(Seeded(0), self.sample, ("copperplate",))
        first = mechanism.clear(found.book, found.grid, seed=b"one")
        assert same(first, mechanism.clear(found.book, found.grid, seed=b"other"))
        assert alike
