"""docs/spec/machine.md, X14 to X17: machines and Orders over many intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.chance import rank, uniform
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.hashlog import append, start
from isojoule.machine import Machine, Order, revive
from isojoule.microworld.fleet import Fleet, FleetState, Status, Turn
from isojoule.valuation import Battery
from tests.machine.worlds import DT, battery, machine, order

NODES = ("home", "shed", "isle")


def fleet(
    machines: Sequence[Machine],
    orders: Sequence[Order],
    *,
    owners: Sequence[str] | None = None,
    nodes: Sequence[int] | None = None,
    parts: Sequence[int] = (0, 0, 1),
    reach: str = "grid",
    seed: bytes = b"",
) -> Fleet:
    return Fleet.of(
        machines=machines,
        owners=owners or ["bo"] * len(machines),
        nodes=nodes or [0] * len(machines),
        orders=orders,
        node_ids=NODES,
        parts=parts,
        reach=reach,
        interval_s=DT,
        seed=seed,
    )


def play(
    f: Fleet, levels: Sequence[Sequence[float]], state: FleetState | None = None, at: int = 0
) -> list[Turn]:
    """Turns in which each machine's battery stands where it is told, whatever it used."""
    turns = []
    state = f.first() if state is None else state
    for i, row in enumerate(levels):
        turns.append(f.turn(state, at + i * DT, [battery(x) for x in row]))
        state = turns[-1].state
    return turns


def ran_on(turns: Sequence[Turn]) -> list[list[str]]:
    return [[s.machine for s in t.steps] for t in turns]


def told(turns: Sequence[Turn]) -> list[list[tuple[str, str]]]:
    return [[(e.subject, e.what) for e in t.events] for t in turns]


def test_a_long_order_is_paid_step_by_step() -> None:
    """X14: 2500 operations at 1000 an interval, each step on its own terms."""
    turns = play(fleet([machine()], [order(operations=2500)]), [[0.9]] * 4)
    assert [[s.operations for s in t.steps] for t in turns] == [[1000], [1000], [500], []]
    assert [s.step for t in turns for s in t.steps] == [1, 2, 3]
    assert turns[0].steps[0].price_nano == pytest.approx(200.5e9, abs=2)  # mean of v from 90 %
    assert [t.committed_uj for t in turns] == [(10**9,), (10**9,), (5 * 10**8,), (0,)]
    assert told(turns) == [[("o", "starts")], [], [("o", "finishes")], []]
    assert turns[-1].state.orders[0].status is Status.DONE


def test_an_order_takes_the_cheapest_machine() -> None:
    """X14: by Joules times v: at 90 % against 15 % and k = 1, 0.2 against 0.95."""
    turns = play(fleet([machine("a"), machine("b")], [order(critical=True)]), [[0.15, 0.9]])
    assert ran_on(turns) == [["b"]]
    thrifty = machine("a", energy_per_operation_j=0.2)  # a fifth of the Joules at 0.95
    turns = play(fleet([thrifty, machine("b")], [order(critical=True)]), [[0.15, 0.9]])
    assert ran_on(turns) == [["a"]]


def test_a_long_order_moves_to_where_energy_is_cheapest() -> None:
    """X14, X15: as the batteries change places it moves, and pays for its memory twice."""
    pair = [machine("a", energy_per_byte_j=0.01), machine("b", energy_per_byte_j=0.02)]
    f = fleet(pair, [order(operations=3000, memory_byte=100)])
    turns = play(f, [[0.9, 0.8], [0.8, 0.9], [0.8, 0.9]])
    assert ran_on(turns) == [["a"], ["a", "b"], ["b"]]
    left, moved = turns[1].steps
    assert (left.operations, left.moved_byte, left.energy_uj) == (0, 100, 1_000_000)
    assert (moved.operations, moved.moved_byte, moved.energy_uj) == (1000, 100, 1_002_000_000)
    assert left.price_nano == pytest.approx(0.3e9, rel=1e-5)  # 1 J at 80 %
    assert turns[1].committed_uj == (1_000_000, 1_002_000_000)
    assert [s.step for t in turns for s in t.steps] == [1, 2, 3, 4]
    assert ("o", "moves") in told(turns)[1]


@pytest.mark.parametrize(
    ("out_j", "in_j", "moves"), [(1.0, 0.0, False), (0.0, 1.0, False), (0.3, 0.0, True)]
)
def test_both_ways_of_carrying_count(out_j: float, in_j: float, moves: bool) -> None:
    """X15: at 0.3 and 0.2 a step is 300 or 200; 1000 bytes out at 1 J are 300 more, in 200."""
    pair = [machine("a", energy_per_byte_j=out_j), machine("b", energy_per_byte_j=in_j)]
    f = fleet(pair, [order(operations=3000, memory_byte=1000)])
    expected = ["a", "b"] if moves else ["a"]
    assert ran_on(play(f, [[0.9, 0.7], [0.8, 0.9]])) == [["a"], expected]


def test_a_machine_without_the_energy_to_hand_over_keeps_its_orders() -> None:
    """X15: 10 % are 100 kJ, to carry the memory out takes 200 kJ."""
    pair = [machine("a", energy_per_byte_j=200.0), machine("b")]
    f = fleet(pair, [order(operations=3000, memory_byte=1000)])
    turns = play(f, [[0.9, 0.8], [0.1, 1.0]])
    assert ran_on(turns) == [["a"], []]
    assert turns[1].waits[0].reason == (
        "its machine lacks the energy to hand it over; short of energy: critical Orders only"
    )
    assert turns[1].waits[0].remedy == "wait for the sun; wait, or ask another machine"


def test_the_first_step_away_carries_its_input() -> None:
    """X15: only if it runs at another node than it arrived at."""
    m = machine(energy_per_byte_j=1.0)
    home = play(fleet([m], [order(transfer_byte=7)], nodes=[0]), [[0.9]])
    away = play(fleet([m], [order(transfer_byte=7)], nodes=[1]), [[0.9]])
    assert [t[0].steps[0].moved_byte for t in (home, away)] == [0, 7]
    assert away[0].committed_uj[0] - home[0].committed_uj[0] == 7_000_000


def test_reach() -> None:
    """X16: the grid's part, or of it one's own machines; own machines ask the same price."""
    machines, owners, nodes = (
        [machine("a"), machine("b"), machine("c")],
        ["ada", "bo", "bo"],
        [0, 1, 2],
    )
    asks = [order("o"), order("p", node="isle")]
    levels = [[0.6, 0.9, 1.0]]
    grid = play(fleet(machines, asks, owners=owners, nodes=nodes), levels)
    assert [(s.order, s.machine) for s in grid[0].steps] == [("o", "b"), ("p", "c")]
    own = play(fleet(machines, asks, owners=owners, nodes=nodes, reach="own"), levels)
    assert [(s.order, s.machine) for s in own[0].steps] == [("o", "a")]
    assert [(w.order, w.reason) for w in own[0].waits] == [("p", "no machine is in reach")]
    others = play(fleet(machines[:1], asks[:1], owners=["bo"], nodes=[0]), [[0.6]])
    assert others[0].steps[0].price_nano == own[0].steps[0].price_nano


def test_critical_orders_look_first_then_by_arrival_then_by_name() -> None:
    """X14: and each step makes the next dearer."""
    asks = [
        order("d", at_s=0),
        order("c", at_s=1),
        order("b", at_s=0),
        order("a", at_s=2, critical=True),
    ]
    f = fleet([machine(operations_per_s=100.0)], asks)
    state = f.turn(f.first(), 0, [battery(0.01)]).state
    turn = f.turn(state, DT, [battery(0.9)])
    assert [s.order for s in turn.steps] == ["a", "b", "d", "c"]
    prices = [s.price_nano for s in turn.steps]
    assert prices == sorted(set(prices))


def test_too_dear_waits_and_the_deadline_ends_it() -> None:
    """X17: what was done is paid; the rest is given up in the first interval that is too late."""
    o = order(operations=2000, value=450.0, deadline_s=350)
    turns = play(fleet([machine()], [o]), [[0.9], [0.6], [0.6], [0.9], [0.9]])
    assert [len(t.steps) for t in turns] == [1, 0, 0, 0, 0]
    assert "the step costs 500.5" in turns[1].waits[0].reason
    assert [w.given_up for t in turns for w in t.waits] == [False, False, True]
    assert "deadline" in turns[3].waits[0].reason
    assert told(turns)[3] == [("o", "is given up")]
    assert turns[-1].state.orders[0].status is Status.GIVEN_UP


def test_orders_from_before_the_first_turn_are_not_of_this_run() -> None:
    """X17."""
    asks = [order("early", at_s=99), order("now", at_s=100), order("soon", at_s=150)]
    f = fleet([machine()], asks)
    turns = play(f, [[0.9], [0.9]], at=100)
    assert [[s.order for s in t.steps] for t in turns] == [["now"], ["soon"]]
    assert not any(w.order == "early" for t in turns for w in t.waits)
    assert turns[0].state.orders[0].status is Status.NOT_OURS


def test_a_life() -> None:
    """X7 to X13: slows, sleeps, dies, revives and goes on where it was, all of it checked."""
    o = order(operations=3000, customer="bo", critical=True)
    f = fleet([machine(idle_w=1.0)], [o])
    levels = [[0.6], [0.3], [0.1], [0.04], [0.0], [0.1], [0.25], [0.9]]
    turns = play(f, levels)
    assert [t.stage[0].name for t in turns] == [
        "NORMAL", "SAVING", "CRITICAL", "SHUTDOWN", "DEAD", "SHUTDOWN", "SAVING", "NORMAL",
    ]  # fmt: skip
    assert [[(e.subject, e.what) for e in t.events if e.subject == "m"] for t in turns] == [
        [], [("m", "slows")], [("m", "slows")], [("m", "sleeps")], [("m", "dies")], [],
        [("m", "revives")], [("m", "recovers")],
    ]  # fmt: skip
    assert [[s.operations for s in t.steps] for t in turns] == [[1000]] * 3 + [[]] * 5
    asleep = turns[3].state.machines[0]
    saved = revive(asleep.checkpoint)
    roots = {e.root for t in turns for e in t.events if e.what in ("sleeps", "dies", "revives")}
    assert roots == {saved.root}
    assert (saved.sequence, saved.time_s, saved.log) == (1, 300, asleep.log)
    assert [t.committed_uj[0] for t in turns][3:6] == [0, 0, 0]
    assert turns[6].committed_uj[0] == 100_000_000


def test_unfinished_orders_wait_asleep_and_resume() -> None:
    """X15, X13: its memory sleeps with the machine; another machine does not have it."""
    f = fleet([machine("a"), machine("b")], [order(operations=2500)])
    turns = play(f, [[0.9, 0.8], [0.04, 0.9], [0.1, 0.9], [0.9, 0.8], [0.9, 0.8]])
    assert ran_on(turns) == [["a"], [], [], ["a"], ["a"]]
    assert [w.reason for t in turns[1:3] for w in t.waits] == [
        "its machine sleeps, and its memory with it"
    ] * 2
    assert turns[1].state.machines[0].work == (("o", 1000, 1),)
    assert turns[-1].state.orders[0].status is Status.DONE


def test_finished_orders_are_no_work_to_wake_up_to() -> None:
    """X13."""
    f = fleet([machine()], [order(), order("p", operations=9000)])
    turns = play(f, [[0.9], [0.01]])
    assert turns[0].state.orders[0].status is Status.DONE
    assert turns[1].state.machines[0].work == (("p", 500, 1),)


def test_an_order_given_up_while_its_machine_slept_does_not_stop_the_revival() -> None:
    """X13, X17."""
    f = fleet([machine()], [order(operations=2000, deadline_s=300), order("p", at_s=100)])
    turns = play(f, [[0.9], [0.01], [0.1], [0.1], [0.9]])
    assert ("o", "is given up") in told(turns)[3]
    assert ("m", "revives") in told(turns)[4]
    assert [s.order for s in turns[4].steps] == ["p"]


def test_an_altered_checkpoint_stops_the_revival() -> None:
    """X12: in the state that the fleet carries."""
    f = fleet([machine()], [order(operations=2000)])
    slept = play(f, [[0.9], [0.01]])[-1].state
    memory = slept.machines[0]
    for bad in (
        memory._replace(checkpoint=memory.checkpoint.replace("SHUTDOWN", "CRITICAL")),
        memory._replace(work=()),
        memory._replace(log=start("m")),
        memory._replace(sequence=2),
    ):
        with pytest.raises(VerificationError):
            f.turn(replace(slept, machines=(bad,)), 2 * DT, [battery(0.9)])
    forward = slept.orders[0]._replace(done=1500)
    with pytest.raises(VerificationError):
        f.turn(replace(slept, orders=(forward,)), 2 * DT, [battery(0.9)])


def test_the_log_holds_what_was_done() -> None:
    """X13: its head follows from the steps and the stages told."""
    turns = play(fleet([machine()], [order()]), [[0.9], [0.4]])
    step = turns[0].steps[0]
    tip = append(
        start("m"),
        {"time_s": 0, "order": "o", "step": 1, "operations": "500", "moved_byte": "0",
         "energy_j": "500", "price": f"{step.price_nano / 1e9:.9f}".rstrip("0")},
    ).tip  # fmt: skip
    assert turns[0].state.machines[0].log == tip
    tip = append(tip, {"time_s": 100, "what": "slows"}).tip
    assert turns[1].state.machines[0].log == tip


def test_ties_go_by_the_hash_of_seed_order_and_machine() -> None:
    """X14: two equal machines; the stated hash decides, and seeds differ."""
    chosen = set()
    for number in range(8):
        seed = bytes([number])
        turns = play(fleet([machine("a"), machine("b")], [order()], seed=seed), [[0.9, 0.9]])
        first = min("ab", key=lambda name: rank(seed, "o", name))
        assert ran_on(turns) == [[first]]
        chosen.add(first)
    assert chosen == {"a", "b"}


def world(
    seed: int, machines: int = 4, orders: int = 12
) -> tuple[list[Machine], list[str], list[int], list[Order]]:
    """Machines and Orders drawn from a seed."""

    def draw(*names: str | int) -> float:
        return uniform(b"world", seed, *names)

    made = [
        machine(
            f"m{i}",
            energy_per_operation_j=0.2 + 50 * draw("op", i),
            energy_per_byte_j=draw("byte", i),
            energy_per_byte_second_j=0.01 * draw("hold", i),
            idle_w=300 * draw("idle", i),
        )
        for i in range(machines)
    ]
    asked = [
        order(
            f"o{i}",
            customer="ada" if draw("who", i) < 0.5 else "bo",
            node=NODES[int(3 * draw("node", i))],
            at_s=int(600 * draw("at", i)),
            deadline_s=700 + int(1500 * draw("deadline", i)),
            operations=1 + int(4000 * draw("operations", i)),
            memory_byte=int(1100 * draw("memory", i)),
            transfer_byte=int(1000 * draw("transfer", i)),
            value=40_000 * draw("value", i),
            critical=draw("critical", i) < 0.2,
        )
        for i in range(orders)
    ]  # fmt: skip
    owners = ["ada" if draw("owner", i) < 0.5 else "bo" for i in range(machines)]
    return made, owners, [int(3 * draw("at", i)) for i in range(machines)], asked


def live(f: Fleet, seed: int, count: int = 15) -> tuple[list[Turn], list[list[Battery]]]:
    """Turns with batteries that machines drain and a drawn sun fills."""
    names = [m.name for m in f.machines]
    stored = {n: uniform(b"fill", seed, n) * 1e12 for n in names}
    state, turns, packs = f.first(), [], []
    for t in range(count):
        row = [battery(min(stored[n], 1e12) / 1e12, reserve_uj=10**11) for n in names]
        turn = f.turn(state, t * DT, row)
        for n, b, used in zip(names, row, turn.used_uj, strict=True):
            stored[n] = b.energy_uj - used + 2e11 * uniform(b"sun", seed, n, t) ** 3
        state = turn.state
        turns.append(turn)
        packs.append(row)
    return turns, packs


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["grid", "own"]))
def test_properties_of_any_world(seed: int, reach: str) -> None:
    """X5, X14 to X17: bounds, order of steps, money, and a replay that agrees."""
    machines, owners, nodes, asks = world(seed)
    f = fleet(machines, asks, owners=owners, nodes=nodes, reach=reach)
    turns, packs = live(f, seed)
    by_name = {o.name: o for o in asks}
    owner = dict(zip([m.name for m in machines], owners, strict=True))
    done = dict.fromkeys(by_name, 0)
    steps = dict.fromkeys(by_name, 0)
    state = f.first()
    for t, (turn, row) in enumerate(zip(turns, packs, strict=True)):
        assert f.turn(state, t * DT, row) == turn
        state = turn.state
        drawn = dict.fromkeys(owner, 0)
        operations = dict.fromkeys(owner, 0)
        for s in turn.steps:
            o = by_name[s.order]
            assert s.customer == o.customer
            assert reach == "grid" or owner[s.machine] == o.customer
            assert o.at_s <= t * DT and (t + 1) * DT <= o.deadline_s
            steps[s.order] += 1
            assert s.step == steps[s.order]
            done[s.order] += s.operations
            operations[s.machine] += s.operations
            drawn[s.machine] += s.energy_uj
        for m, b, committed, stage in zip(
            machines, row, turn.committed_uj, turn.stage, strict=True
        ):
            assert 0 <= committed <= max(b.energy_uj - b.reserve_uj, 0)
            assert committed == drawn[m.name] + (m.idle_uj(DT) if stage.awake else 0)
            assert operations[m.name] <= m.capacity(DT)
        for name, o in by_name.items():  # a move has two steps, both paid within the value
            paid = sum(s.price_nano for s in turn.steps if s.order == name)
            got = sum(s.operations for s in turn.steps if s.order == name)
            assert paid * o.operations <= o.value_nano * got
        named = {w.order for w in turn.waits} | {s.order for s in turn.steps}
        for o, p in zip(asks, state.orders, strict=True):
            assert p.done == done[o.name] <= o.operations
            assert (p.status is Status.DONE) == (p.done == o.operations)
            assert p.status is not Status.OPEN or o.at_s > t * DT or o.name in named
        assert all(w.reason and w.remedy for w in turn.waits)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_listing_does_not_matter(seed: int, shuffle: Any) -> None:
    """X14."""
    machines, owners, nodes, asks = world(seed)
    f = fleet(machines, asks, owners=owners, nodes=nodes)
    rows = list(range(len(machines)))
    shuffle.shuffle(rows)
    mixed = list(asks)
    shuffle.shuffle(mixed)
    g = fleet(
        [machines[i] for i in rows], mixed, owners=[owners[i] for i in rows],
        nodes=[nodes[i] for i in rows],
    )  # fmt: skip
    for a, b in zip(live(f, seed)[0], live(g, seed)[0], strict=True):
        assert (a.steps, a.waits, a.events) == (b.steps, b.waits, b.events)
        assert [a.committed_uj[i] for i in rows] == list(b.committed_uj)
        assert [a.state.machines[i] for i in rows] == list(b.state.machines)


def test_worlds_are_lively() -> None:
    """The drawn worlds above do have moves, sleepers, revivals and Orders given up."""
    seen = set()
    for seed in range(30):
        machines, owners, nodes, asks = world(seed)
        turns, _ = live(fleet(machines, asks, owners=owners, nodes=nodes), seed)
        seen |= {e.what for t in turns for e in t.events}
    assert seen == {
        "starts", "moves", "finishes", "is given up",
        "slows", "recovers", "sleeps", "dies", "revives",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reach": "all"}, "unknown reach"),
        ({"orders": [order(node="nowhere")]}, "unknown node"),
        ({"orders": [order(), order()]}, "two of one order"),
        ({"machines": [machine(), machine()]}, "two of one machine"),
    ],
)
def test_fleets_that_cannot_be(change: dict[str, Any], message: str) -> None:
    """X14, X16."""
    given = {"machines": [machine()], "orders": [order()], **change}
    with pytest.raises(InputError, match=message):
        fleet(**given)
