"""Bonds of all members and intervals, beside the rules of one promise. Spec: B27 to B32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.core.transfer import Kind
from isojoule.settlement.collateral.asked import BondRules, Claim
from isojoule.settlement.collateral.columns import (
    LEAST_UJ,
    Promises,
    Slashed,
    cost_of_missing,
    kept_by_claims,
    on_grain,
    promises_of,
    slash,
)
from isojoule.settlement.collateral.folded import Groups, Part, accounts, chains, fold
from isojoule.settlement.collateral.nouns import Held, Outcome, Promise, Side, Terms
from isojoule.settlement.collateral.sizes import bond_nano, credit_nano, penalty_of, shortfall_uj
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.prices import short_price
from isojoule.settlement.rules import Imbalance, Rules
from isojoule.settlement.settle import Code, Settled, settle
from isojoule.settlement.stretch import Stretch
from tests.settlement.stretches import KWH_UJ, random_stretch, stretch_of

KWH = 3.6e6
CHANCE = st.integers(0, 2**16)
PAYERS = st.sampled_from(["cause", "members"])


def grain(price: float) -> float:
    return float(on_grain(np.array(price)))


TERMS = Terms("EUR", grain(0.60 / KWH), grain(0.01 / KWH), grain(0.02 / KWH))


def settled_with(
    s: Stretch, payer: str, held: int = 0, terms: Terms = TERMS
) -> tuple[Settled, Promises, Slashed, Imbalance]:
    rule = Imbalance("dual", short_factor=1.2, long_factor=0.9, payer=payer)  # type: ignore[arg-type]
    settled = settle(s, Rules(imbalance=rule))
    rng = np.random.default_rng(held)
    back = rng.integers(0, held + 1, (2, *s.cleared_uj.shape))
    promises = promises_of(s, settled, *back)
    return settled, promises, slash(s, settled, promises, terms, rule), rule


def charged(s: Stretch, settled: Settled) -> np.ndarray:
    for line in settled.lines:
        if line.code is Code.IMBALANCE and line.money_nano is not None:
            return line.money_nano
    return np.zeros_like(s.cleared_uj)


@given(CHANCE, PAYERS, st.sampled_from([0, KWH_UJ]))
@settings(max_examples=30, deadline=None)
def test_columns_are_the_rules_of_one_promise(seed: int, payer: str, held: int) -> None:
    """B27 to B29, cell by cell, by `sizes.py`."""
    s = random_stretch(seed)
    settled, p, found, rule = settled_with(s, payer, held)
    paid = charged(s, settled)
    cost = cost_of_missing(paid, np.where(p.sells, p.short_uj, 0), short_price(s, rule))
    for t, i in np.ndindex(*s.cleared_uj.shape):
        quantity = int(p.quantity_uj[t, i])
        if not quantity:
            assert s.paused[t] or abs(int(s.cleared_uj[t, i])) < LEAST_UJ
            assert found.bond[t, i] == found.harm[t, i] == found.fine[t, i] == 0
            continue
        sells = bool(p.sells[t, i])
        assert sells == (s.cleared_uj[t, i] < 0)
        promise = Promise(
            "m", str(i), int(s.time_s[t]), s.members[i], Side.SELL if sells else Side.BUY,
            quantity, float(p.price_per_j[t, i]),
        )  # fmt: skip
        excused, missing = int(p.excused_uj[t, i]), int(p.short_uj[t, i])
        # who takes has paid for what it did not take; who gives has paid what it was charged
        mine = int(paid[t, i])
        outcome = Outcome(
            quantity - missing - excused, excused,
            float(cost[t]) if sells else promise.price_per_j,
            (("others", 1),), max(0, mine),
        )  # fmt: skip
        assert shortfall_uj(promise, outcome) == missing
        assert found.bond[t, i] == bond_nano(promise, TERMS)
        penalty = penalty_of(Held(promise, int(found.bond[t, i]), 0), outcome, TERMS)
        alone = np.maximum(paid[t], 0).sum() == max(0, mine)
        harm = penalty.harm_nano if payer == "members" and not alone else 0
        assert found.harm[t, i] == harm
        if harm == penalty.harm_nano:
            assert found.fine[t, i] == penalty.fine_nano


@given(CHANCE, PAYERS, st.integers(0, 10**10))
@settings(max_examples=30, deadline=None)
def test_bonds_are_slashed_or_returned_and_nothing_is_made_or_lost(
    seed: int, payer: str, credit: int
) -> None:
    """B30 to B32, in a ledger: everything ends, escrow and fund keep nothing, twice is once."""
    terms = TERMS._replace(most_credit_nano=credit, least_share=0.1, prior_uj=KWH_UJ)
    parts = []
    for number in range(2):
        s = random_stretch(seed + number)
        s = replace(s, time_s=s.time_s + 10**6 * number, group_s=s.group_s + 10**6 * number)
        _, promises, slashed, _ = settled_with(s, payer)
        parts.append(Part(s, promises, slashed))
    groups = fold(parts, terms)
    assert np.array_equal(groups.bond.sum(0), sum(p.slashed.bond.sum(0) for p in parts))
    assert np.all(groups.slashed <= groups.bond) and np.all(groups.lent <= groups.bond)
    assert np.array_equal(groups.harm.sum(1), groups.made_good.sum(1))
    written = list(chains(groups, terms, "m"))
    assert [at for at, _ in written] == sorted(at for at, _ in written)
    ledger = MemoryLedger()
    ledger.open_accounts(list(accounts(groups, terms).values()), 0)
    for _ in range(2):
        for _, chain in written:
            assert all(answer.done for answer in ledger.post(chain, 0))
    assert ledger.size == len(accounts(groups, terms)) + sum(len(c) for _, c in written)
    net = {a.name: b for a, b in ledger.accounts()}
    assert all(b.debits_pending == b.credits_pending == 0 for b in net.values())
    assert net["collateral"].net == net["guarantee"].net == 0
    assert net["operator"].net == groups.fine.sum()
    paid = dict(zip(groups.members, (groups.made_good - groups.slashed).sum(0), strict=True))
    for name, balance in net.items():
        if name in paid:
            assert balance.net == paid[name]


@given(CHANCE)
@settings(max_examples=20, deadline=None)
def test_credit_follows_from_what_was_measured_before(seed: int) -> None:
    """B31, by `credit_nano`: what a group is lent depends on earlier groups alone."""
    terms = TERMS._replace(most_credit_nano=10**9, least_share=0.2, prior_uj=KWH_UJ)
    s = random_stretch(seed)
    _, promises, slashed, _ = settled_with(s, "cause")
    g: Groups = fold([Part(s, promises, slashed)], terms)
    for at, i in np.ndindex(*g.bond.shape):
        before = zip(g.promised_uj[:at, i].tolist(), g.short_uj[:at, i].tolist(), strict=True)
        assert g.lent[at, i] == min(int(g.bond[at, i]), credit_nano(before, terms))
    assert not g.lent[0].any()


def two_sellers(payer: str) -> tuple[Stretch, Groups]:
    """Ada was to give 2 kWh and gives 1; Bo keeps his word. The price of imbalance is 0.36."""
    cleared = np.array([[-2 * KWH_UJ, KWH_UJ]])
    s = stretch_of(
        metered_uj=np.array([[-KWH_UJ, KWH_UJ]]), tie_uj=np.array([0]), cleared_uj=cleared
    )
    _, promises, slashed, _ = settled_with(s, payer)
    return s, fold([Part(s, promises, slashed)], TERMS)


def test_who_pays_for_its_imbalance_loses_the_fine_alone() -> None:
    """B29. Bond of Ada: 2 * (0.60 + 0.02); of Bo, who bought 1 at 0.20: 0.20 - 0.01 + 0.02."""
    _, g = two_sellers("cause")
    assert g.bond[0] == pytest.approx([1.24e9, 0.21e9], abs=2)
    assert g.harm[0].tolist() == [0, 0] and g.fine[0] == pytest.approx([0.02e9, 0], abs=1)


def test_what_all_paid_for_one_is_made_good() -> None:
    """B29. The missing kWh costs 0.36, half each by their meters; Ada gives Bo his 0.18 back."""
    _, g = two_sellers("members")
    assert g.harm[0] == pytest.approx([0.18e9, 0], abs=2)
    assert g.made_good[0] == pytest.approx([0, 0.18e9], abs=2)
    assert g.fine[0] == pytest.approx([0.02e9, 0], abs=1)


def test_what_the_network_held_back_is_no_shortfall() -> None:
    s = stretch_of(metered_uj=np.array([[-KWH_UJ, KWH_UJ]]), tie_uj=np.array([0]))
    rule = Imbalance("dual", payer="members")
    settled = settle(s, Rules(imbalance=rule))
    back = np.array([[KWH_UJ // 2, 0]])
    promises = promises_of(s, settled, back, np.zeros_like(back))
    assert promises.short_uj.tolist() == promises.excused_uj.tolist() == back.tolist()


def test_what_is_slashed_of_the_funds_part_is_paid_back() -> None:
    """B31: a fund that lends all gets back what was taken, in the same chain."""
    s, g = two_sellers("members")
    g = replace(g, lent=g.bond.copy())
    assert g.repaid.tolist() == g.slashed.tolist()
    last = list(chains(g, TERMS, "m"))[-1][1]
    assert all(t.linked for t in last[:-1]) and not last[-1].linked
    assert last[-1].amount == g.slashed[0, 0]
    assert [t.kind for t in last[:2]] == [Kind.POST, Kind.VOID]
    assert s.members == ("ada", "bo")


def disputed(s: Stretch, *claims: Claim) -> Groups:
    rule = Imbalance("dual", short_factor=1.2, long_factor=0.9, payer="members")
    settled = settle(s, Rules(imbalance=rule))
    promises = promises_of(s, settled, *np.zeros((2, *s.cleared_uj.shape), np.int64))
    promises = kept_by_claims(s, promises, claims)
    return fold(
        [Part(s, promises, slash(s, settled, promises, TERMS, rule, claims))], TERMS, claims
    )


def test_a_disputed_bond_moves_when_the_dispute_has_ended() -> None:
    """B33: Ada's bond waits, and Bo's 0.18 with it; his own comes back at once."""
    s, plain = two_sellers("members")
    begin, end = 1_000_000, 1_000_900
    claim = Claim("ada", begin, end, end + 5000)
    g = disputed(s, claim)
    assert g.harm.tolist() == plain.harm.tolist() and len(g.frozen) == 1
    times = [at for at, _ in chains(g, TERMS, "m")]
    assert times == [begin, begin, end, end + 5000]
    early, late = (chain for _, chain in chains(g, TERMS, "m")[2:])
    assert [t.kind for t in early] == [Kind.VOID]
    assert sum(t.amount for t in late if t.kind is Kind.POST) == g.slashed[0, 0]
    assert sum(t.amount for t in late if t.kind is Kind.POSTED) == g.slashed[0, 0]
    # decided before the group ends, it changes nothing; two of one group wait for the last
    assert chains(disputed(s, replace(claim, decided_s=end)), TERMS, "m") == chains(
        plain, TERMS, "m"
    )


def test_a_dispute_that_is_upheld_gives_the_bond_back() -> None:
    s, _ = two_sellers("members")
    g = disputed(s, Claim("ada", 1_000_000, 1_000_900, 1_005_000, upheld=True))
    assert not g.slashed.any() and not g.made_good.any() and not g.short_uj.any()
    assert {t.kind for _, chain in chains(g, TERMS, "m")[2:] for t in chain} == {Kind.VOID}


@given(CHANCE)
@settings(max_examples=20, deadline=None)
def test_with_disputes_too_everything_ends_once(seed: int) -> None:
    """B33: two claims in one group, and some elsewhere; what moves in all is what moved without."""
    s = random_stretch(seed)
    start = int(s.time_s[0])
    claims = (
        Claim("m1", start, start + 900, start + 10_000),
        Claim("m1", start + 900, start + 1800, start + 20_000),
        Claim("m2", start + 3000, start + 8000, start + 9000),
    )
    g, plain = disputed(s, *claims), disputed(s)
    assert g.frozen[0].until_s == start + 20_000 and not plain.frozen
    ledger = MemoryLedger()
    ledger.open_accounts(list(accounts(g, TERMS).values()), 0)
    for _, chain in chains(g, TERMS, "m"):
        assert all(answer.done for answer in ledger.post(chain, 0))
    for account, balance in ledger.accounts():
        assert balance.debits_pending == balance.credits_pending == 0
        if account.name in plain.members:
            who = plain.members.index(account.name)
            assert balance.net == int((plain.made_good - plain.slashed)[:, who].sum())
        elif account.name != "operator":
            assert balance.net == 0


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ((Claim("a", 5, 5, 9),), "has ended when it is decided"),
        ((Claim("a", 5, 9, 8),), "has ended when it is decided"),
        ((Claim("a", 0, 9, 9), Claim("b", 0, 9, 9), Claim("a", 8, 10, 12)), "overlap"),
    ],
)
def test_claims_that_cannot_be_are_refused(claims: tuple[Claim, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        BondRules(claims=claims)


@pytest.mark.parametrize(
    "change",
    [
        {"highest_per_j": 1.0}, {"highest_per_j": 0.0, "lowest_per_j": 1e-9},
        {"fine_per_j": -1e-9}, {"credit_nano": -1}, {"least_share": 1.0}, {"prior_uj": -1},
        {"fines_to": "collateral"}, {"fines_to": ""},
    ],
)  # fmt: skip
def test_rules_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError):
        BondRules(**change)  # type: ignore[arg-type]
