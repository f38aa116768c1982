"""Called prices: the paper's example, auctions by hand, sessions, properties, conformance.

Spec: docs/spec/sequential.md, Q37 to Q43. Prices per J, sizes in J; calls are 1 apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.market import Clearing, Mechanism, Refusal, Sequential
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.ascending_clock import AscendingClock
from isojoule.market.mechanisms.clock_auction import ClockAuction
from isojoule.market.mechanisms.descending_clock import DescendingClock
from isojoule.market.messages import Cancel, Submit
from isojoule.market.sequential import fold, frame_of, in_order
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance, Sample, samples
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import buy, sell, uj
from tests.market.mechanisms.places import HERE, at_one_place
from tests.market.mechanisms.sessions import GRID, S, at, book_at, same

UP = AscendingClock(start_price_per_j=0.0, step_per_j=1.0)
DOWN = DescendingClock(start_price_per_j=20.0, step_per_j=1.0)


def clear(
    rule: ClockAuction, offers: list[Offer], state: Any = None, seed: bytes = b""
) -> Clearing:
    book = book_at(offers)
    out = rule.clear(book, GRID, state=state, seed=seed)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, GRID, out)
    return out


def got(rule: ClockAuction, *offers: Offer, state: Any = None) -> dict[str, Any]:
    """J and money of each that came and traded, both positive."""
    c, book = clear(rule, list(offers), state), book_at(list(offers))
    side = "buy_offer" if rule.sells else "sell_offer"
    return {
        book.offer_ids[getattr(m, side)]: (m.energy_uj / 1e6, m.payment_nano / 1e9)
        for m in c.matches
    }


AUSUBEL = {
    "a": (123, 113, 103), "b": (75, 5, 3), "c": (125, 125, 49), "d": (85, 65, 7), "e": (45, 25, 5),
}  # fmt: skip


@pytest.mark.parametrize("step", [1.0, 0.125])
def test_ausubel(step: float) -> None:
    """Q42, `ausubel`: Ausubel 2004, Table 1; D leaves after 65, B after 75, D after 85."""
    rows = [at(1, n, buy(*((1, v) for v in values))) for n, values in AUSUBEL.items()]
    rule = replace(UP, step_per_j=step, payment="clinching")
    found = got(rule, at(1, "seller", sell((5, 0))), *rows)
    assert found == {
        "a": (3.0, 65 + 75 + 85 + 3 * step),
        "c": (2.0, 75 + 85 + 2 * step),
    }
    one = got(replace(rule, payment="uniform"), at(1, "seller", sell((5, 0))), *rows)
    assert one == {"a": (3.0, 3 * (85 + step)), "c": (2.0, 2 * (85 + step))}


def test_clinching_pays_what_vcg_does() -> None:
    """Q42: within a step (Ausubel 2004, Theorem 1)."""
    rows = [Offer(n, "here", buy(*((1, v) for v in w)), id=n) for n, w in AUSUBEL.items()]
    book = at_one_place([*rows, Offer("seller", "here", sell((5, 0)), id="seller")])
    true = get("vcg").clear(book, HERE)
    fine = replace(UP, step_per_j=0.01, payment="clinching").clear(book, HERE)
    assert isinstance(true, Clearing) and isinstance(fine, Clearing)
    assert fine.energy_uj.tolist() == true.energy_uj.tolist()
    assert fine.payment_nano / 1e9 == pytest.approx(true.payment_nano / 1e9, abs=0.0501)
    # and wanting less gains nothing then
    lying = [o for o in rows if o.id != "a"] + [Offer("a", "here", buy((1, 123)), id="a")]
    other = replace(UP, step_per_j=0.01, payment="clinching").clear(
        at_one_place([*lying, Offer("seller", "here", sell((5, 0)), id="seller")]), HERE
    )
    assert isinstance(other, Clearing)
    assert 123 - other.payment_nano[0] / 1e9 < 123 + 113 + 103 - fine.payment_nano[0] / 1e9


def test_going_up_by_hand() -> None:
    """Q37, Q39 to Q41."""
    pat = at(1, "pat", sell((2, 0)))
    ada, bo = at(1, "ada", buy((2, 10))), at(1, "bo", buy((1, 6)))
    assert got(UP, pat, ada, bo) == {"ada": (2.0, 14.0)}
    # at once where no more is wanted than is there
    assert got(UP, pat, bo) == {"bo": (1.0, 0.0)}
    # back a call: both leave after 9, three Joules are shared among 4 and 2
    wide = at(1, "pat", sell((3, 0)))
    rows = [at(1, "ada", buy((4, 9.5))), at(1, "bo", buy((2, 9.1)))]
    assert got(UP, wide, *rows) == {"ada": (2.0, 18.0), "bo": (1.0, 9.0)}
    # who stays gets all, the rest is shared
    rows.append(at(1, "cleo", buy((1, 12))))
    found = got(UP, wide, *rows)
    assert found["cleo"] == (1.0, 9.0)
    assert found["ada"][0] + found["bo"][0] == pytest.approx(2.0)
    # the reserve: a second Joule is offered from 8 on
    steps = at(1, "pat", sell((1, 0), (1, 8)))
    assert got(UP, steps, ada) == {"ada": (2.0, 16.0)}
    assert got(UP, at(1, "pat", sell((2, 8))), bo) == {}
    # a load stays in to its lost load
    assert got(UP, pat, ada, at(1, "bo", Load(uj(1), 50.0))) == {
        "ada": (1.0, 10.0), "bo": (1.0, 10.0),
    }  # fmt: skip


def test_going_down_by_hand() -> None:
    """Q37: the mirror."""
    pat = at(1, "pat", buy((2, 20)))
    ada, bo = at(1, "ada", sell((2, 10))), at(1, "bo", sell((1, 14)))
    assert got(DOWN, pat, ada, bo) == {"ada": (2.0, 26.0)}
    assert got(DOWN, pat, bo) == {"bo": (1.0, 20.0)}
    # nothing above what the buyer bids
    assert got(DOWN, at(1, "pat", buy((2, 12))), ada, bo) == {"ada": (2.0, 24.0)}
    clinch = replace(DOWN, payment="clinching")
    # at 13 ada clinches both; at 20 bo leaves her one of them
    assert got(clinch, pat, ada, bo) == {"ada": (2.0, 20.0 + 13.0)}


def test_a_session_in_which_they_leave() -> None:
    """Q38: call n comes 60 + 5 n seconds after the start."""
    pat = at(0, "a-pat", sell((1, 0)))
    ada, bo = at(S, "ada", buy((1, 99))), at(S, "bo", buy((1, 99)))

    def with_left(ns: int) -> dict[str, Any]:
        return {"cancelled": [{"id": "bo", "at_ns": str(ns)}]}

    # bo is in at the call of 80 s (n = 4), out at the next
    assert got(UP, pat, ada, bo, state=with_left(80 * S)) == {"ada": (1.0, 5.0)}
    assert got(UP, pat, ada, bo, state=with_left(80 * S - 1)) == {"ada": (1.0, 4.0)}
    assert got(UP, pat, ada, bo, state=with_left(2 * S)) == {"ada": (1.0, 0.0)}
    # nobody leaves: both go to 99, and share
    assert got(UP, pat, ada, bo) == {"ada": (0.5, 49.5), "bo": (0.5, 49.5)}
    state: Any = UP.first(frame_of(book_at([]), GRID), GRID)
    told = []
    for message, now in (
        (Submit(pat), 0),
        (Submit(ada), S),
        (Submit(bo), S),
        (Cancel("bo", "eve"), 70 * S),
        (Cancel("a-pat", "a"), 70 * S),
        (Submit(at(71 * S, "eve", buy((1, 99)))), 71 * S),
        (Cancel("bo", "bo"), 80 * S),
        (Cancel("bo", "bo"), 81 * S),
        (Cancel("zed", "zed"), 82 * S),
    ):
        state, events = UP.step(state, message, now)
        told.append(events[0]["event"])
    assert told == [*["accepted"] * 3, *["refused"] * 3, "cancelled", "refused", "refused"]
    live = UP.close(state, book_at([pat, ada, bo]))
    assert isinstance(live, Clearing)
    assert same(live, clear(UP, [pat, ada, bo], with_left(80 * S)))
    assert live.notes == {"calls": 6, "last_call_per_j": 5.0, "price_per_j": 5.0}


@st.composite
def rooms(draw: st.DrawFn) -> tuple[ClockAuction, list[Offer], list[tuple[str, int]], bytes]:
    """An auctioneer, those who came, and who leaves when."""
    sells = draw(st.booleans())
    payment = draw(st.sampled_from(["uniform", "clinching"]))
    step = draw(st.sampled_from([1.0, 0.3, 2.5]))
    rule: ClockAuction = (
        AscendingClock(0.0, step, payment) if sells else DescendingClock(12.0, step, payment)
    )
    posts, takes = (sell, buy) if sells else (buy, sell)
    size = st.sampled_from([0.5, 1.0, 2.000001, 1e-6, 3.0])
    price = st.sampled_from([0.0, 1.0, 2.0, 4.1, 5.0, 8.0, 1 / 3, -1.0])

    def steps(make: Any) -> Any:
        rows = draw(st.lists(st.tuples(size, price), min_size=1, max_size=3))
        return make(*sorted(rows, key=lambda r: r[1], reverse=make is buy))

    offers = [at(draw(st.integers(0, 2)) * S, "pat", steps(posts))]
    for i in range(draw(st.integers(0, 6))):
        who = draw(st.sampled_from(["ada", "bo", "cleo", "pat"]))
        offers.append(at(draw(st.integers(0, 60)) * S, f"{who}-{i}", steps(takes)))
    names = [o.id for o in offers if o.participant != "pat"]
    leave = st.tuples(st.sampled_from(names), st.integers(0, 90)) if names else st.nothing()
    gone = draw(st.lists(leave, max_size=3)) if names else []
    return rule, offers, [(n, t * S) for n, t in gone], draw(st.binary(max_size=2))


@settings(max_examples=250, deadline=None)
@given(rooms())
def test_properties(
    case: tuple[ClockAuction, list[Offer], list[tuple[str, int]], bytes],
) -> None:
    """All that is there is sold, nobody is worse off, both read the rule alike, sessions replay."""
    rule, offers, gone, seed = case
    state = {"cancelled": [{"id": n, "at_ns": str(t)} for n, t in gone]} if gone else {}
    c = clear(rule, offers, state, seed)
    book = book_at(offers)
    assert int(c.energy_uj.sum()) == 0 and int(c.payment_nano.sum()) == 0
    assert len({book.offers[i].participant for m in c.matches for i in m[:2]}) <= 4
    for m in c.matches:
        sells, buys = book.offers[m.sell_offer], book.offers[m.buy_offer]
        assert sells.participant != buys.participant
        if rule.payment == "uniform" or buys.participant != "pat":
            most = buys.spec.buy[0].price_per_j
            assert m.payment_nano <= most * m.energy_uj * 1000 + 9 + 1e-9 * m.energy_uj * 1000
        if rule.payment == "uniform" or sells.participant != "pat":
            least = sells.spec.sell[0].price_per_j
            assert m.payment_nano >= least * m.energy_uj * 1000 - 9 - 1e-9 * m.energy_uj * 1000
    assert isinstance(rule, Sequential)
    now = rule.first(frame_of(book, GRID), GRID, seed=seed)
    owner = {o.id: o.participant for o in offers}
    for message, when in in_order(list(book.offers), [(Cancel(n, owner[n]), t) for n, t in gone]):
        now, events = rule.step(now, message, when)
        assert events
    live = rule.close(now, book)
    assert same(c, live) and same(c, fold(rule, book, GRID, state=state, seed=seed))
    assert len(rule.reasons(book, GRID, c)) == book.offer_count


@pytest.mark.parametrize(
    ("offers", "why"),
    [
        ([at(1, "a", sell((1, 0))), at(1, "b", sell((1, 0)))], "is the auctioneer, and it also"),
        ([at(61 * S, "a", buy((1, 0)))], "runs already"),
        ([at(1, "grid", Utility(30.0, 8.0))], "utility"),
        ([at(1, "a", replace(sell((1, 5)), buy=buy((1, 4)).buy))], "both sells and buys"),
        ([at(1, "a", buy((1, 5)), all_or_nothing=True)], "leave the flag out"),
        ([at(1, "a", buy((1, 5)), immediate=True)], "leave the flag out"),
        ([at(1, "a", Battery(uj(1), uj(2), 1.0, 2.0))], "battery"),
        ([at(1, "a", buy((1, 1e6)))], "calls from the first"),
    ],
)
def test_refusals(offers: list[Offer], why: str) -> None:
    """Q6, Q38 and Q39."""
    out = UP.clear(book_at(offers), GRID)
    assert isinstance(out, Refusal) and why in str(out)


@pytest.mark.parametrize("name", ["ascending-clock", "descending-clock"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"step_per_j": 0.0}, {"start_price_per_j": "x"}, {"payment": "first"}, {"opens_s": -1.0},
        {"round_s": 0.0}, {"round_s": 1e-12},
    ],
)  # fmt: skip
def test_parameters(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        get(name, **wrong)


def test_words() -> None:
    """M14."""
    offers = [
        at(1, "pat", sell((2, 0))), at(1, "ada", buy((2, 10))), at(1, "bo", buy((1, 6))),
        at(1, "cleo", buy((1, 9))), at(1, "pat-car", buy((1, 9))),
    ]  # fmt: skip
    c = clear(UP, offers, {"cancelled": [{"id": "cleo", "at_ns": str(70 * S)}]})
    book = book_at(offers)
    texts = dict(zip(book.offer_ids, UP.reasons(book, GRID, c), strict=True))
    assert texts["ada"] == "filled at 7 EUR/J by pat"
    assert texts["bo"] == "not filled: it left at its bid of 6 EUR/J; the clock went on to 7 EUR/J"
    assert texts["cleo"] == "not filled: it was withdrawn"
    assert texts["pat-car"].endswith("it would have traded with itself")
    alone = UP.reasons(book_at(offers[1:2]), GRID, clear(UP, offers[1:2]))
    assert alone == ["not filled: nobody was there to trade with"]


@pytest.mark.parametrize(
    ("what", "place"),
    [
        (lambda c: replace(c, matches=()), "trades"),
        (lambda c: replace(c, state={"x": 1}), "state"),
        (lambda c: replace(c, notes={**c.notes, "calls": 3}), "notes"),
        (lambda c: replace(c, price_per_j=c.price_per_j + 1e-9), "node"),
        (lambda c: replace(c, parameters={**c.parameters, "step_per_j": 2.0}), "trades"),
        (lambda c: replace(c, state_before={"supply_j": "3"}), "state_before"),
    ],
)
def test_alterations_are_found(what: Any, place: str) -> None:
    """Q43."""
    offers = [at(1, "pat", sell((2, 0))), at(1, "ada", buy((2, 10))), at(1, "bo", buy((1, 6)))]
    with pytest.raises(VerificationError) as caught:
        check_clearing(book_at(offers), GRID, what(clear(UP, offers)))
    assert place in caught.value.place


class Clocks(MechanismConformance):
    """The suite of all mechanisms; the example is in kWh, for the default parameters."""

    def test_has_a_worked_example(self, mechanism: Mechanism) -> None:
        """The example is in kWh, for the parameters that are there without saying."""
        super().test_has_a_worked_example(get(mechanism.name))


class TestAscending(Clocks):
    sample = "one-seller"

    @pytest.fixture
    def mechanism(self) -> AscendingClock:
        return UP


class TestDescending(Clocks):
    sample = "one-buyer"

    @pytest.fixture
    def mechanism(self) -> DescendingClock:
        return DescendingClock(start_price_per_j=25.0, step_per_j=0.5)


def hungry(found: Sample) -> Sample:
    """Every buyer wants three Joules, each worth half of the one before."""
    offers = []
    for o in found.offers:
        spec: Any = o.spec
        if o.participant != "seller":
            p = spec.buy[0].price_per_j
            spec = buy((1, p), (1, p / 2), (1, p / 4))
        offers.append(replace(o, spec=spec))
    return replace(found, offers=tuple(offers))


class TestClinching(Clocks):
    """Q42: with clinching, units are bought at what the others leave; truth pays within a step."""

    sample = "one-seller"
    examples = 14
    lies = 15
    margin = 3e-3

    @pytest.fixture
    def mechanism(self) -> AscendingClock:
        return replace(UP, step_per_j=0.05, payment="clinching")

    def books(self, mechanism: Mechanism) -> st.SearchStrategy[Sample]:
        return samples("one-seller", ("copperplate",)).map(hungry)

    def test_truth_pays(self, mechanism: Mechanism) -> None:
        """Buyers gain by a lie no more than what steps are worth; with one price they gain more."""
        self.attack_incentive_compatible(mechanism)
        with pytest.raises(pytest.fail.Exception, match="incentive_compatible is claimed"):
            self.attack_incentive_compatible(replace(UP, step_per_j=0.05))

    def liars(self, mechanism: Mechanism, found: Sample) -> list[str]:
        """Buyers."""
        return [name for name in found.book.participants if name != "seller"]


del Clocks, MechanismConformance  # run for the mechanisms alone
