"""Surpluses shared by rules: docs/spec/surplus.md Z1 to Z18."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.chance import rank
from isojoule.core.errors import InputError
from isojoule.kernels.coalitions import core_answer
from isojoule.kernels.netting_game import netting, worths
from isojoule.settlement.refused import Refused
from isojoule.settlement.shares import RULES
from isojoule.settlement.surplus import Shares, share_surplus, share_without_market, whole

NAMES = ("ada", "bo", "cy", "di", "ed", "fay")
GAMES = ["shapley", "shapley-sampled", "core", "nucleolus"]
SHARED = [rule for rule in RULES if rule != "keep"]


@dataclass(frozen=True)
class Stretch:
    """What happened: prices per J, readings in microjoules, payments in nano-units."""

    net: np.ndarray
    sells: np.ndarray
    buys: np.ndarray
    loss: np.ndarray
    paid: tuple[int, ...]

    @property
    def members(self) -> tuple[str, ...]:
        return NAMES[: self.net.shape[1]]

    @property
    def cash(self) -> int:
        """What the utility gets: it is paid rounded down, and pays rounded up."""
        boundary = self.net.sum(axis=1) + self.loss
        return sum(
            math.floor(Fraction(float(s if e > 0 else b)) * int(e) * 1000)
            for e, s, b in zip(boundary, self.sells, self.buys, strict=True)
        )

    @property
    def surplus(self) -> int:
        return sum(self.paid) - self.cash

    def share(self, rule: str, surplus: int | None = None, **more: Any) -> Shares | Refused:
        """The answer of a rule; the surplus is what payments and readings say, if none is given."""
        return share_surplus(
            rule,
            self.surplus if surplus is None else surplus,
            self.members,
            self.net,
            self.sells,
            self.buys,
            self.loss,
            self.paid,
            b"seed",
            **{"permutations": 8, **more},
        )

    def amounts(self, rule: str, **more: Any) -> tuple[int, ...]:
        answer = self.share(rule, **more)
        assert isinstance(answer, Shares)
        return answer.amount_nano


@st.composite
def stretches(draw: st.DrawFn) -> Stretch:
    n, t = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    energy = st.one_of(st.just(0), st.integers(-(10**13), 10**13))
    net = np.array(draw(st.lists(energy, min_size=n * t, max_size=n * t)), np.int64).reshape(t, n)
    buys = np.array(draw(st.lists(st.floats(-5e-8, 2e-7), min_size=t, max_size=t)))
    spread = np.array(draw(st.lists(st.floats(0, 1e-7), min_size=t, max_size=t)))
    losses = st.integers(-(10**12), 10**12)
    loss = np.array(draw(st.lists(losses, min_size=t, max_size=t)), np.int64)
    paid = tuple(draw(st.lists(st.integers(-(10**9), 10**9), min_size=n, max_size=n)))
    return Stretch(net, buys + spread, buys, loss, paid)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(stretches(), st.sampled_from(list(RULES)))
def test_amounts_sum_to_the_surplus(stretch: Stretch, rule: str) -> None:
    """docs/spec/surplus.md Z1."""
    answer = stretch.share(rule)
    assert isinstance(answer, Shares)
    assert sum(answer.amount_nano) + answer.kept_nano == stretch.surplus
    assert all(type(a) is int for a in answer.amount_nano)
    assert len(answer.why) == len(answer.members) == len(answer.amount_nano)
    assert all(w.endswith(".") and "\n" not in w for w in answer.why)
    assert len(answer.error_nano) == (len(answer.members) if rule == "shapley-sampled" else 0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(stretches(), st.sampled_from(list(RULES)), st.data())
def test_the_order_of_the_input_changes_nothing(
    stretch: Stretch, rule: str, data: st.DataObject
) -> None:
    """docs/spec/surplus.md Z2: not a nano-unit, and no word."""
    order = data.draw(st.permutations(range(len(stretch.members))))
    moved = share_surplus(
        rule,
        stretch.surplus,
        tuple(stretch.members[i] for i in order),
        stretch.net[:, order],
        stretch.sells,
        stretch.buys,
        stretch.loss,
        [stretch.paid[i] for i in order],
        b"seed",
        permutations=8,
    )
    first = stretch.share(rule)
    assert isinstance(first, Shares) and isinstance(moved, Shares)
    for at, i in enumerate(order):
        assert moved.amount_nano[at] == first.amount_nano[i]
        assert moved.why[at] == first.why[i]
        if first.error_nano:
            assert moved.error_nano[at] == first.error_nano[i]


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.fractions(-1000, 1000, max_denominator=50), min_size=1, max_size=8),
    st.integers(-3, 3),
)
def test_whole_amounts_are_within_one_of_their_quota(quota: list[Fraction], off: int) -> None:
    """docs/spec/surplus.md Z2: largest remainders; what quotas lack is spread evenly first."""
    total = math.floor(sum(quota)) + off
    out = whole(quota, total)
    assert sum(out) == total
    even = (total - sum(quota)) / len(quota)
    over = [q + even - math.floor(q + even) for q in quota]
    for amount, each, rest in zip(out, quota, over, strict=True):
        assert amount in (math.floor(each + even), math.floor(each + even) + 1)
        assert amount == math.floor(each + even) or rest > 0
    given_up = [rest for a, q, rest in zip(out, quota, over, strict=True) if a > q + even]
    left_out = [rest for a, q, rest in zip(out, quota, over, strict=True) if a <= q + even]
    assert not given_up or not left_out or min(given_up) >= max(r for r in left_out)


def test_ties_go_by_the_hash_of_seed_and_name() -> None:
    """docs/spec/surplus.md Z2: one nano-unit for three goes to the first in rank, by seed."""
    stretch = Stretch(np.zeros((1, 3), np.int64), np.ones(1), np.ones(1), np.zeros(1, np.int64),
                      (1, 0, 0))  # fmt: skip
    luck = set()
    for seed in (b"a", b"b", b"c", b"d", b"e", b"f"):
        answer = share_surplus("equal", 1, stretch.members, stretch.net, stretch.sells,
                               stretch.buys, stretch.loss, stretch.paid, seed)  # fmt: skip
        assert isinstance(answer, Shares)
        first = min(stretch.members, key=lambda name: rank(seed, "surplus", name))
        assert answer.amount_nano[stretch.members.index(first)] == 1
        luck.add(first)
    assert len(luck) > 1


LUMP = 2**20 * 10**6
"""2**20 J, 0.291 kWh: at prices that are multiples of 2**-22 per J, money is exact."""
HOMES = Stretch(
    net=np.array([[-4, 2, 2], [0, 4, 0]], np.int64) * LUMP,
    sells=np.array([0.75, 0.75]) / 2**20,
    buys=np.array([0.25, 0.25]) / 2**20,
    loss=np.zeros(2, np.int64),
    paid=(-1_500_000_000, 4_000_000_000, 1_000_000_000),
)
"""Ada delivers 4 lumps, Bo and Cy take half each; then Bo buys 4 of the utility.

Alone: -1, 4.5, 1.5, in all 5. Together the utility gets 3, so 2 is saved. Members paid 3.5 in all:
0.5 is the surplus. The market had saved them 0.5 each.
"""


def test_plain_rules_by_hand() -> None:
    """docs/spec/surplus.md Z4 to Z6."""
    assert HOMES.surplus == 500_000_000
    kept = HOMES.share("keep")
    assert isinstance(kept, Shares)
    assert kept.amount_nano == (0, 0, 0) and kept.kept_nano == 500_000_000
    assert sorted(HOMES.amounts("equal")) == [166_666_666, 166_666_667, 166_666_667]
    # 4, 6 and 2 lumps of 12
    assert sorted(HOMES.amounts("energy")) == [83_333_333, 166_666_667, 250_000_000]
    answer = HOMES.share("energy")
    assert isinstance(answer, Shares)
    assert "1.748 kWh of the 3.495 kWh" in answer.why[1] and "of 0.5 is" in answer.why[1]


def test_games_by_hand() -> None:
    """docs/spec/surplus.md Z7, Z11, Z13 to Z15: dividends, some of them negative.

    Saved by groups: Ada with Bo 1, with Cy 1, all 2, Bo with Cy 0. Shapley: 1, 0.5, 0.5. The
    balance of the first interval is 0, so its price is the middle, 0.5: the core's point is 1, 0.5,
    0.5, too, and so is the nucleolus.
    """
    for rule in GAMES:
        assert HOMES.amounts(rule) == (500_000_000, 0, 0), rule
    # if Bo wants one lump more, all of Ada's is wanted: at the selling price the gain is hers
    net = HOMES.net.copy()
    net[0, 1] += LUMP
    more = replace(HOMES, net=net, paid=(-1_500_000_000, 4_750_000_000, 1_000_000_000))
    assert more.surplus == 500_000_000
    assert more.amounts("core") == (1_500_000_000, -500_000_000, -500_000_000)
    # groups: with Bo 1.5, with Cy 1, all 2
    exact = [(1.5 + 1 + 2 * 2) / 6, (1.5 + 2 * (2 - 1)) / 6, (1 + 2 * (2 - 1.5)) / 6]
    for amount, saved in zip(more.amounts("shapley"), exact, strict=True):
        assert amount == pytest.approx((saved - 0.5) * 1e9, abs=2)
    answer = more.share("shapley")
    assert isinstance(answer, Shares)
    assert "One meter for all would pay 2 less" in answer.why[0]
    assert "Of that 1.0833 is yours" in answer.why[0]
    assert "already left you 0.5 of it," in answer.why[0]
    assert "utility alone would have charged -1 for the same." in answer.why[0]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(stretches())
def test_after_the_dividend_everybody_has_saved_what_the_rule_says(stretch: Stretch) -> None:
    """docs/spec/surplus.md Z7, Z15: with `core` and `nucleolus` no group could pay less alone."""
    if stretch.net.shape[0] == 0:
        return
    game = netting(stretch.net, stretch.sells, stretch.buys, stretch.loss)
    value = worths(game)
    for rule in ("core", "nucleolus"):
        paid = np.array(stretch.paid) - np.array(stretch.amounts(rule))
        saved = game.alone_nano - paid
        answer = core_answer(value, saved, 20.0)  # nano-units
        assert answer.inside, (rule, answer)


def test_sampled_is_near_exact_and_says_how_near() -> None:
    """docs/spec/surplus.md Z12."""
    rng = np.random.default_rng(5)
    net = (rng.normal(0.1, 1.0, (30, 6)) * 1e12).astype(np.int64)
    stretch = Stretch(net, np.full(30, 3e-7), np.full(30, 1e-7), np.full(30, 10**10),
                      tuple(rng.integers(-(10**9), 10**9, 6).tolist()))  # fmt: skip
    exact = stretch.amounts("shapley")
    for permutations in (100, 2000):
        near = stretch.share("shapley-sampled", permutations=permutations)
        assert isinstance(near, Shares)
        for a, b, error in zip(near.amount_nano, exact, near.error_nano, strict=True):
            assert abs(a - b) <= 4.5 * error + 2
            assert 0 < error < 0.2 * 1e9
        assert f"over {permutations} orders" in near.why[0]


@pytest.mark.parametrize("rule", SHARED)
def test_nothing_to_share_one_member_and_no_energy(rule: str) -> None:
    """docs/spec/surplus.md Z1, Z6."""
    none = np.zeros((2, 3), np.int64)
    idle = Stretch(none, HOMES.sells, HOMES.buys, HOMES.loss, (0, 0, 0))
    assert idle.surplus == 0
    assert idle.amounts(rule) == (0, 0, 0)
    one = Stretch(HOMES.net[:, :1], HOMES.sells, HOMES.buys, HOMES.loss, (-600_000_000,))
    assert one.amounts(rule) == (one.surplus,) == (400_000_000,)
    loss = np.array([4, 0], np.int64) * LUMP  # that nobody paid for
    lost = Stretch(none, HOMES.sells, HOMES.buys, loss, (0, 0, 0))
    assert lost.amounts(rule) == (-1_000_000_000,) * 3
    # Z10: wrong readings may say that more came than went; here the utility bought it
    found = replace(lost, loss=np.array([-12, 0], np.int64) * LUMP)
    assert found.surplus == 3_000_000_000 and found.amounts(rule) == (1_000_000_000,) * 3


def test_energy_falls_back_to_equal_and_says_so() -> None:
    """docs/spec/surplus.md Z6."""
    idle = Stretch(np.zeros((1, 2), np.int64), np.ones(1), np.ones(1), np.zeros(1, np.int64),
                   (5, 5))  # fmt: skip
    answer = idle.share("energy")
    assert isinstance(answer, Shares)
    assert answer.amount_nano == (5, 5)
    assert answer.why[0].startswith("Nobody bought or sold energy")


def test_energy_is_exact_beyond_doubles_and_64_bits() -> None:
    """docs/spec/surplus.md Z6: to the microjoule."""
    huge = 2**61 - 3
    net = np.array([[huge, -1]] * 8, np.int64)
    answer = share_surplus("energy", 10**18, ("ada", "bo"), net, np.zeros(8), np.zeros(8),
                           np.zeros(8, np.int64), (0, 0), b"")  # fmt: skip
    assert isinstance(answer, Shares)
    assert answer.amount_nano == (10**18, 0)
    assert share_surplus("energy", 2**61 - 2, ("ada", "bo"), net, np.zeros(8), np.zeros(8),
                         np.zeros(8, np.int64), (0, 0), b"").amount_nano == (huge, 1)  # fmt: skip


def test_what_is_refused() -> None:
    """docs/spec/surplus.md Z3, Z8, Z11, Z14: a value, with a remedy."""
    for rule in GAMES:
        off = HOMES.share(rule, surplus=HOMES.surplus + 10)
        assert isinstance(off, Refused)
        assert "0.5 " in off.reason and "fees" in off.remedy
        assert isinstance(HOMES.share(rule, surplus=HOMES.surplus + 4), Shares)  # roundings
    many = 15
    net = np.ones((1, many), np.int64) * 10**9
    names = tuple(f"m{i}" for i in range(many))

    def of(rule: str) -> Shares | Refused:
        return share_surplus(rule, -many * 300, names, net, np.full(1, 3e-7), np.full(1, 1e-7),
                             np.zeros(1, np.int64), [300_000 - 300] * many, b"")  # fmt: skip

    for rule, other in (("shapley", "shapley-sampled"), ("nucleolus", "core")):
        refused = of(rule)
        assert isinstance(refused, Refused)
        assert other in refused.remedy and "15" in refused.reason
        assert of(other).amount_nano == (-300,) * many
    none = share_surplus("equal", 5, (), np.zeros((1, 0), np.int64), np.ones(1), np.ones(1),
                         np.zeros(1, np.int64), (), b"")  # fmt: skip
    assert isinstance(none, Refused)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sells": np.full(2, np.nan)}, "missing"),
        ({"buys": np.full(2, 1e-6)}, "dearer"),
        ({"loss": np.zeros(3, np.int64)}, "shape"),
        ({"net": HOMES.net.astype(float)}, "int64"),
        ({"net": HOMES.net * 2_000_000}, "64 bits"),
        ({"sells": np.full(2, 1e3)}, "money does not fit"),
    ],
)
def test_bad_input(changed: dict[str, np.ndarray], said: str) -> None:
    """docs/spec/surplus.md Z3."""
    with pytest.raises(InputError, match=said):
        replace(HOMES, **changed).share("core", surplus=0)


def test_bad_names_and_numbers() -> None:
    """docs/spec/surplus.md Z3, Z12."""
    with pytest.raises(InputError, match="unknown rule") as error:
        HOMES.share("fair")
    assert "nucleolus" in error.value.remedy
    for permutations in (2, 7):
        with pytest.raises(InputError, match="permutations"):
            HOMES.share("shapley-sampled", permutations=permutations)
    with pytest.raises(InputError, match="twice"):
        share_surplus("equal", 0, ("ada", "ada"), HOMES.net[:, :2], HOMES.sells, HOMES.buys,
                      HOMES.loss, (0, 0), b"")  # fmt: skip


def test_without_a_utility_plain_rules_still_share() -> None:
    """docs/spec/surplus.md Z3: they ask for no price."""
    off_grid = replace(HOMES, sells=np.full(2, np.nan), buys=np.full(2, np.nan))
    assert sum(off_grid.amounts("energy", surplus=7)) == 7


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**15), min_size=1, max_size=6),
    st.binary(max_size=3),
    st.randoms(use_true_random=False),
)
def test_without_a_market_the_line_goes_by_the_same_rule(
    line: int, moved: list[int], seed: bytes, draws: random.Random
) -> None:
    """Z18: `equal` and `energy` as in Z5 and Z6, games by energy, `keep` not at all; any order."""
    names = tuple(f"m{i}" for i in range(len(moved)))
    nothing = np.zeros(1)
    for rule, like in (("equal", "equal"), ("energy", "energy"), ("core", "energy")):
        found = share_without_market(rule, line, names, moved, seed)
        once = share_surplus(
            like, line, names, np.array([moved], np.int64), nothing, nothing,
            np.zeros(1, np.int64), [0] * len(moved), seed,
        )  # fmt: skip
        assert isinstance(once, Shares) and found == once.amount_nano
        order = draws.sample(range(len(moved)), len(moved))
        again = share_without_market(
            rule, line, tuple(names[i] for i in order), [moved[i] for i in order], seed
        )
        assert again == tuple(found[i] for i in order)
    assert share_without_market("keep", line, names, moved, seed) == (0,) * len(moved)
