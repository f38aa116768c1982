"""docs/spec/machine.md, X6 and X8: what a machine refuses, and why; no energy futures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.machine import Accepted, Host, Quote, Refused, Stage, accept, promise_energy, quote
from isojoule.valuation import Battery
from tests.machine.worlds import DT, battery, host, machine, order


@pytest.mark.parametrize(
    ("level", "before", "machine_is", "order_is", "reason"),
    [
        (0.04, Stage.NORMAL, {}, {}, "asleep"),
        (0.10, Stage.SHUTDOWN, {}, {}, "asleep"),
        (0.00, Stage.NORMAL, {}, {}, "no free energy"),
        (1.0, Stage.NORMAL, {}, {"at_s": 100, "deadline_s": 500}, "tomorrow's sun"),
        (1.0, Stage.NORMAL, {}, {"deadline_s": 99}, "deadline passes"),
        (1.0, Stage.NORMAL, {}, {"memory_byte": 1001}, "too little memory"),
        (1.0, Stage.NORMAL, {}, {"operations": 1001, "deadline_s": 199}, "too slow"),
        (0.15, Stage.NORMAL, {}, {}, "critical Orders only"),
        (0.20, Stage.NORMAL, {}, {}, "no more work of others"),
        (1.0, Stage.NORMAL, {"energy_per_operation_j": 2001.0}, {}, "more energy than is free"),
        (1.0, Stage.NORMAL, {}, {"value": 0.5}, "the step costs 50.125"),
    ],
)
def test_refusals_by_hand(
    level: float, before: Stage, machine_is: Any, order_is: Any, reason: str
) -> None:
    """X6: each with its reason and a remedy, and nothing is committed."""
    h = host(level, before=before, **machine_is)
    answer = accept(h, order(**order_is))
    assert isinstance(answer, Refused)
    assert reason in answer.reason
    assert answer.remedy
    assert h == host(level, before=before, **machine_is)


def test_an_interval_sells_out() -> None:
    """X2: 1000 operations an interval, and not one more."""
    taken = accept(host(), order("a", operations=1000))
    assert isinstance(taken, Accepted)
    answer = accept(taken.host, order("b", operations=1))
    assert isinstance(answer, Refused)
    assert "no operations are left" in answer.reason


def test_energy_sells_out_before_it_is_over_committed() -> None:
    """X5: 1 MJ free, 1200 J an operation; 500 are taken, 334 more are too many, 333 not."""
    h = host(owner="ada", energy_per_operation_j=1200.0)
    taken = accept(h, order("a", operations=500))
    assert isinstance(taken, Accepted)
    assert taken.host.free_uj == 400_000_000_000
    answer = accept(taken.host, order("b", operations=334))
    assert isinstance(answer, Refused)
    assert answer.reason == "more energy than is free"
    assert isinstance(accept(taken.host, order("c", operations=333)), Accepted)


def test_value_at_the_price_is_enough() -> None:
    """X6: 500 J out of a full 1 MJ cost 50.125 on the line from 0.1: no more, no less."""
    asked = quote(host(), order())
    assert isinstance(asked, Quote)
    price = asked.price_nano / 1e9
    assert price == pytest.approx(50.125, abs=2e-9)
    assert isinstance(accept(host(), order(value=price)), Accepted)
    assert isinstance(accept(host(), order(value=price - 1e-8)), Refused)


def test_saving_limits_the_work_of_others() -> None:
    """X8: at 35 % half of 1000 operations are open to others, in all; the owner has the rest."""
    h = host(0.35)
    first = accept(h, order("a", operations=300))
    assert isinstance(first, Accepted)
    second = accept(first.host, order("b", operations=300))
    assert isinstance(second, Accepted)
    assert second.quote.operations == 200
    assert isinstance(quote(second.host, order("c")), Refused)
    own = accept(second.host, order("d", customer="bo"))
    assert isinstance(own, Accepted)
    assert own.quote.operations == 500


def test_critical_orders_pass_where_others_do_not() -> None:
    """X8: at 15 %, and beside the share that is open while saving."""
    assert isinstance(quote(host(0.15), order(critical=True)), Quote)
    assert isinstance(quote(host(0.15), order(customer="bo")), Refused)
    assert isinstance(quote(host(0.20), order(critical=True)), Quote)


orders = st.builds(
    order,
    name=st.text("abc", min_size=1, max_size=2),
    customer=st.sampled_from(["ada", "bo"]),
    operations=st.integers(1, 2000),
    memory_byte=st.integers(0, 1200),
    value=st.floats(0, 2000),
    critical=st.booleans(),
    deadline_s=st.integers(1, 500),
)


@given(
    st.floats(0, 1), st.sampled_from(Stage), st.floats(0, 2000), st.floats(0, 100),
    st.lists(orders, max_size=6), st.integers(0, 10**12), st.integers(0, 100),
)  # fmt: skip
def test_never_over_committed(
    level: float,
    before: Stage,
    per_operation_j: float,
    idle_w: float,
    asks: list[Any],
    reserve: int,
    moved: int,
) -> None:
    """X5, X6: whatever is asked, commitments fit into the free energy and refusals say why."""
    m = machine(energy_per_operation_j=per_operation_j, idle_w=idle_w, energy_per_byte_j=3.0)
    pack = battery(level, reserve_uj=reserve)
    h = Host.begin(m, "bo", pack, before, 0, DT)
    for o in asks:
        answer = accept(h, o, 0, moved)
        if isinstance(answer, Refused):
            assert answer.reason and answer.remedy
            continue
        step = answer.quote
        assert 0 < step.operations <= min(o.operations, h.room)
        assert step.price_nano * o.operations <= o.value_nano * step.operations
        h = answer.host
        assert h.room >= 0 and h.others_room >= 0
    assert 0 <= h.battery.committed_uj <= max(pack.energy_uj - reserve, 0)


def test_no_energy_futures() -> None:
    """X6: within the interval it is a sale, after it a promise, and refused."""
    pack = battery(0.5)
    given_now = promise_energy(pack, 10**6, 99, 0, DT)
    assert isinstance(given_now, Battery)
    assert given_now.committed_uj == 10**6
    for later in (100, 101, 86_400):
        answer = promise_energy(pack, 1, later, 0, DT)
        assert isinstance(answer, Refused)
        assert "tomorrow's sun" in answer.reason
        assert "collateral" in answer.remedy


@pytest.mark.parametrize(
    ("energy", "at", "reason"),
    [(500_000_000_001, 0, "more energy"), (-1, 0, "negative"), (1, -1, "past")],
)
def test_promises_that_cannot_be(energy: int, at: int, reason: str) -> None:
    """X6."""
    answer = promise_energy(battery(0.5), energy, at, 0, DT)
    assert isinstance(answer, Refused)
    assert reason in answer.reason


def test_an_order_that_begins_later_is_asked_again() -> None:
    """X6: refused now, taken in its interval."""
    later = order(at_s=150)
    assert isinstance(quote(host(), later), Refused)
    then = Host.begin(machine(), "bo", battery(1.0), Stage.NORMAL, 100, DT)
    assert isinstance(quote(then, later), Quote)


def test_refusals_read_well() -> None:
    answer = quote(host(0.04), order())
    assert str(answer) == "the machine is asleep (ask again when its battery is filled to 20 %)"
