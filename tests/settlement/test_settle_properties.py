"""What always holds when a stretch is settled, and what is refused. Spec: Y10 to Y20."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.kernels.money import payments
from isojoule.settlement.rules import Fee, Imbalance, Rules
from isojoule.settlement.settle import Settled, settle
from isojoule.settlement.stretch import MOST, Stretch
from tests.settlement.stretches import KWH_UJ, random_stretch, some_rules, stretch_of
from tests.settlement.worlds import ALONE, SURPLUS_GOES_OUT, world

SEEDS = st.integers(0, 2**32)


@settings(max_examples=60, deadline=None)
@given(SEEDS, SEEDS)
def test_nothing_is_made_or_lost(seed: int, other: int) -> None:
    """Y19: in every interval `market` and `balancing` end empty, and all accounts together at 0."""
    stretch, rules = random_stretch(seed), some_rules(other)
    settled = settle(stretch, rules)
    for account in ("market", "balancing"):
        for field in ("money_nano", "energy_uj"):
            parts = [getattr(line, field) for line in settled.lines if line.other == account]
            assert not sum(part.sum(1) for part in parts if part is not None).any()


@settings(max_examples=60, deadline=None)
@given(SEEDS, SEEDS)
def test_energy_booked_is_what_meters_show(seed: int, other: int) -> None:
    """Y19: each member's, the utility's, and what is lost."""
    stretch, rules = random_stretch(seed), some_rules(other)
    energy: dict[str, Any] = {}
    for line in settle(stretch, rules).lines:
        if line.energy_uj is not None:
            for at, party in enumerate(line.parties):
                energy[party] = energy.get(party, 0) + line.energy_uj[:, at]
    for at, name in enumerate(stretch.members):
        assert (energy.get(f"member/{name}", 0) == stretch.metered_uj[:, at]).all()
    assert (energy.get("utility", 0) == stretch.tie_uj).all()
    assert (energy.get("losses", 0) == stretch.metered_loss_uj).all()


@settings(max_examples=60, deadline=None)
@given(SEEDS, SEEDS)
def test_delivered_and_shortfall_are_what_was_cleared(seed: int, other: int) -> None:
    """Y13: delivered lies between nothing and what was cleared."""
    stretch = random_stretch(seed)
    settled = settle(stretch, replace(some_rules(other), pauses=()))
    cleared, delivered = stretch.cleared_uj, settled.delivered_uj
    assert (delivered + settled.shortfall_uj == cleared).all()
    assert (np.abs(delivered) <= np.abs(cleared)).all() and (
        delivered * np.sign(cleared) >= 0
    ).all()
    full = np.abs(stretch.metered_uj) >= np.abs(cleared)
    same_way = np.sign(stretch.metered_uj) == np.sign(cleared)
    assert (settled.shortfall_uj[full & same_way] == 0).all()


@settings(max_examples=60, deadline=None)
@given(SEEDS, SEEDS)
def test_the_utility_is_paid_its_tariff_for_what_its_meter_shows(seed: int, other: int) -> None:
    """Y15: to the nano-unit, where it was cleared at its tariff and the market was not paused."""
    stretch = random_stretch(seed)
    settled = settle(stretch, replace(some_rules(other), pauses=()))
    price = np.where(stretch.tie_uj > 0, stretch.buys_at_per_j, stretch.sells_at_per_j)
    open_ = ~stretch.paused
    assert (_utility(settled)[open_] == payments(price, stretch.tie_uj)[open_]).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, SEEDS)
def test_in_a_pause_all_pay_the_tariff_of_their_own_meter(seed: int, other: int) -> None:
    """Y9: whatever was cleared and whatever the rules say; and the utility gets all of it."""
    whole = (Pause(0, 2**40),)
    stretch = replace(random_stretch(seed), paused=np.zeros(12, np.bool_))
    rules = replace(some_rules(other), fees=(), pauses=whole, loss_payer="operator")
    settled = settle(stretch, rules)
    meters, members = stretch.metered_uj, len(stretch.members)
    sells, buys = (
        np.repeat(price, members).reshape(meters.shape)
        for price in (stretch.sells_at_per_j, stretch.buys_at_per_j)
    )
    tariff = payments(np.where(meters > 0, sells, buys).ravel(), meters.ravel())
    for_energy = _members(settled) - stretch.worked_nano  # compute is paid for all the same
    assert (for_energy == tariff.reshape(meters.shape)).all()
    losses = payments(stretch.sells_at_per_j, stretch.metered_loss_uj)
    assert (_utility(settled) == -for_energy.sum(1) - losses).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, SEEDS, st.permutations(range(5)))
def test_the_order_of_members_changes_nothing(seed: int, other: int, order: list[int]) -> None:
    """Y4: ties in sharing go by names."""
    stretch, rules = random_stretch(seed), some_rules(other)
    columns = ("cleared_uj", "payment_nano", "earned_nano", "worked_nano", "metered_uj")
    turned = replace(
        stretch,
        members=tuple(stretch.members[i] for i in order),
        **{name: getattr(stretch, name)[:, order] for name in columns},
    )
    assert (_members(settle(stretch, rules))[:, order] == _members(settle(turned, rules))).all()


def test_alike_members_share_ties_by_their_names() -> None:
    """Y4: 100 nano-units for three who are alike; who gets 34, gets it in any order."""
    names = ("ada", "bo", "cy")
    shares = []
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        text = ", ".join(f"{names[i]} 1 0" for i in order) + ", utility -3 0"
        stretch = replace(
            world(text), tie_uj=np.array([-3 * KWH_UJ - 1]), sells_at_per_j=np.array([0.0999])
        )
        settled = settle(stretch, Rules(loss_payer="members"))
        money = _members(settled)[0]
        assert sorted(money) == [33, 33, 34]
        shares.append({names[i]: int(money[at]) for at, i in enumerate(order)})
    assert shares[0] == shares[1] == shares[2]


@pytest.mark.parametrize("name", ["cleared_uj", "payment_nano", "metered_uj", "earned_nano"])
def test_huge_amounts_are_refused(name: str) -> None:
    """Y10: not wrapped around."""
    with pytest.raises(InputError, match=f"{name} is beyond"):
        stretch_of(**{name: np.array([[MOST, -MOST]])})


def test_huge_prices_and_fees_are_refused() -> None:
    """Y10: each is named."""
    short = world(SURPLUS_GOES_OUT, "ada -1.5, utility 0.5")
    dear = Rules(Imbalance("fixed", short_per_j=1e6))
    with pytest.raises(InputError, match="the money for the imbalance is beyond"):
        settle(short, dear)
    for on, rate in (("bought", 1e6), ("sold", -1e6), ("days", 1e7), ("days", -1e7)):
        with pytest.raises(InputError, match=r"fee 'f'.* is beyond"):
            settle(short, Rules(fees=(Fee("f", on, rate, "x"),)))  # type: ignore[arg-type]
    twice = tuple(Fee(f"f{at}", "bill", 1.0, "x") for at in range(60))
    with pytest.raises(InputError, match="is beyond"):
        settle(short, Rules(fees=twice))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"members": ("ada", "ada")}, "two members have one name"),
        ({"tie_uj": np.zeros(2, np.int64)}, "tie_uj is not of 1 intervals"),
        ({"metered_uj": np.zeros((1, 3), np.int64)},
        "metered_uj is not of 1 intervals and 2 members"),
        ({"loss_uj": np.array([1])}, "do not sum to 0"),
        ({"worked_nano": np.array([[1, 0]])}, "compute does not sum to 0"),
        ({"buys_at_per_j": np.array([np.nan])}, "utility trades where buys_at_per_j says nothing"),
        ({"sells_at_per_j": np.array([np.inf])}, "sells_at_per_j is infinite"),
    ],
)  # fmt: skip
def test_a_stretch_that_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    """Y10."""
    with pytest.raises(InputError, match=says):
        stretch_of(**changes)


def test_intervals_out_of_order_are_refused() -> None:
    """Y10."""
    late = random_stretch(1)
    for name in ("time_s", "group_s"):
        with pytest.raises(InputError, match="out of order"):
            replace(late, **{name: getattr(late, name)[::-1]})


def test_a_pause_without_a_tariff_is_refused() -> None:
    """Y9: off the grid."""
    alone = world("ada -1 -0.20, bo 1 0.20", **ALONE)
    with pytest.raises(InputError, match="the utility's tariff holds, and there is none"):
        settle(alone, Rules(pauses=(Pause(0, 2**40),)))
    settle(alone, Rules(pauses=(Pause(0, 1),)))  # another time


def _members(settled: Settled) -> Any:
    """What members pay in all, (T, P)."""
    lines = [line for line in settled.lines if line.parties[:1] and "member/" in line.parties[0]]
    return sum(line.money_nano for line in lines if line.money_nano is not None)


def _utility(settled: Settled) -> Any:
    """What the utility pays in all, (T,)."""
    lines = [line for line in settled.lines if line.parties == ("utility",)]
    return sum(line.money_nano[:, 0] for line in lines if line.money_nano is not None)


def test_the_hash_of_results_sees_every_field() -> None:
    """Y24: and is that of the rows one after the other."""
    stretch: Stretch = random_stretch(3)
    whole = stretch.results_hash(slice(0, 4))
    assert whole == random_stretch(3).results_hash(slice(0, 4))
    assert whole != stretch.results_hash(slice(0, 3))
    seen = {whole}
    for name in ("payment_nano", "earned_nano", "metered_uj", "utility_nano", "tie_uj"):
        column = getattr(stretch, name).copy()
        column.ravel()[0] += 1
        seen.add(replace(stretch, **{name: column}).results_hash(slice(0, 4)))
    for name in ("sells_at_per_j", "buys_at_per_j"):
        seen.add(replace(stretch, **{name: getattr(stretch, name) * 2}).results_hash(slice(0, 4)))
    seen.add(replace(stretch, paused=~stretch.paused).results_hash(slice(0, 4)))
    seen.add(replace(stretch, interval_s=300.0).results_hash(slice(0, 4)))
    seen.add(replace(stretch, currency="CHF").results_hash(slice(0, 4)))
    seen.add(replace(stretch, members=("x", *stretch.members[1:])).results_hash(slice(0, 4)))
    assert len(seen) == 12
