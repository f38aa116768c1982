"""Statements are the ledger, told as lines: nothing more, nothing less."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from isojoule.core.errors import InputError
from isojoule.core.transfer import ENERGY, Account, Kind, Transfer
from isojoule.settlement.booking import book, dividends, write
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.rules import Fee, Imbalance, Rules
from isojoule.settlement.settle import Code, settle
from isojoule.settlement.statements import (
    Span,
    Statement,
    Way,
    payee_of,
    statement_of,
    statements_of,
)
from isojoule.settlement.stretch import Stretch
from tests.settlement.stretches import KWH_UJ, random_stretch, stretch_of

J = 3.6e6
FEES = (
    Fee("network fee", "local", 0.03 / J, "grid"),
    Fee("membership", "days", 0.1 / 86400, "club"),
    Fee("VAT", "bill", 0.19, "tax office"),
)


def settled(
    stretch: Stretch, rules: Rules, shared: tuple[int, ...] = (), end_s: int = 0
) -> MemoryLedger:
    ledger = MemoryLedger()
    assert list(write(ledger, book(stretch, settle(stretch, rules), "test"), 1)) == []
    if shared:
        paid = dividends(
            "EUR", stretch.members, shared, market="test", period="all", at_s=end_s, ref=bytes(32)
        )
        assert list(write(ledger, paid, 2)) == []
    return ledger


def all_statements(ledger: MemoryLedger, *spans: Span) -> dict[tuple[str, str], Statement]:
    accounts = [account for account, _ in ledger.accounts()]
    return statements_of(accounts, ledger.transfers(), "EUR", spans)


def test_a_market_of_one_interval_by_hand() -> None:
    """Ada sells 2 kWh for 0.28 EUR, Bo buys 1 kWh for 0.20; both pay 900 s / 2048 for the meter."""
    rules = Rules(fees=(Fee("meter", "days", 1 / 2048, "grid"),))
    ledger = settled(stretch_of(), rules)
    accounts = [account for account, _ in ledger.accounts()]
    span = Span("day", 1_000_000, 1_000_900)
    ada = statement_of("member/ada", accounts, ledger.transfers(), "EUR", span)
    assert [(x.name, x.payee, x.money_nano, x.energy_uj) for x in ada.lines] == [
        ("Energy sold", "market", -280_000_000, -2 * KWH_UJ),
        ("meter", "grid", 439_453_125, 0),
    ]
    assert ada.sum_nano == 159_453_125
    assert ada.transfers == 3
    assert ada.lines[0].price_per_j * J == pytest.approx(0.14)
    bo = statement_of("member/bo", accounts, ledger.transfers(), "EUR", span)
    assert [(x.name, x.way) for x in bo.lines] == [
        ("Energy bought", Way.RECEIVED),
        ("meter", Way.NONE),
    ]
    assert bo.sum_nano == 639_453_125
    nobody = statement_of("member/cy", accounts, ledger.transfers(), "EUR", span)
    assert nobody.lines == () and nobody.sum_nano == 0


@pytest.mark.parametrize("seed", range(6))
def test_all_statements_are_the_ledger_to_the_nano_unit(seed: int) -> None:
    """Each sums to its account, all sum to 0, and periods add up; energy as well as money."""
    stretch = random_stretch(seed)
    price = ("tie", "dual", "fixed")[seed % 3]
    imbalance = Imbalance(price, short_factor=1.2, long_factor=0.8, short_per_j=1e-7)  # type: ignore[arg-type]
    netting = "interval" if seed % 2 else "day"
    rules = Rules(imbalance, "members" if seed > 2 else "operator", FEES, netting=netting)  # type: ignore[arg-type]
    start, end = int(stretch.time_s[0]), int(stretch.time_s[-1]) + 900
    shared = tuple(10**9 + 7 * i * (-1) ** i for i in range(len(stretch.members)))
    ledger = settled(stretch, rules, shared, end)
    middle = int(stretch.group_s[stretch.group_s.size // 2])
    whole = all_statements(ledger, Span("all", start, end))
    halves = all_statements(ledger, Span("one", start, middle), Span("two", middle, end))

    balances = {(a.name, a.unit): balance.net for a, balance in ledger.accounts()}
    assert {key[0] for key in whole} == {name for name, _ in balances}
    for (party, _), statement in whole.items():
        assert statement.sum_nano == -balances.get((party, "EUR"), 0)
        assert statement.energy_uj == balances.get((party, ENERGY), 0)
        parts = [halves[party, half] for half in ("one", "two") if (party, half) in halves]
        assert sum(part.sum_nano for part in parts) == statement.sum_nano
        assert sum(part.transfers for part in parts) == statement.transfers
    assert sum(statement.sum_nano for statement in whole.values()) == 0
    assert sum(statement.energy_uj for statement in whole.values()) == 0
    assert sum(s.transfers for s in whole.values()) == 2 * sum(1 for _ in ledger.transfers())


@pytest.mark.parametrize("seed", range(3))
def test_bought_and_sold_are_told_apart_as_they_were_settled(seed: int) -> None:
    stretch = random_stretch(seed)
    rules = Rules(fees=FEES)
    found = settle(stretch, rules)
    ledger = settled(stretch, rules)
    whole = all_statements(ledger, Span("all", 0, 2**40))
    for i, name in enumerate(stretch.members):
        sums: dict[tuple[Code, int], list[int]] = defaultdict(lambda: [0, 0])
        for line in found.lines:
            if not line.parties[0].startswith("member/") or line.code is Code.FEE:
                continue
            nothing = np.zeros_like(stretch.cleared_uj)
            energy = (nothing if line.energy_uj is None else line.energy_uj)[:, i]
            money = (nothing if line.money_nano is None else line.money_nano)[:, i]
            for way, rows in ((0, energy > 0), (1, energy < 0), (2, energy == 0)):
                sums[line.code, way][0] += int(money[rows].sum())
                sums[line.code, way][1] += int(energy[rows].sum())
        told = {
            (x.code, int(x.way)): [x.money_nano, x.energy_uj]
            for x in whole[f"member/{name}", "all"].lines
            if x.code is not Code.FEE
        }
        assert told == {key: value for key, value in sums.items() if any(value)}
        fees = [x for x in whole[f"member/{name}", "all"].lines if x.code is Code.FEE]
        assert {(x.name, x.payee) for x in fees} == {
            ("membership", "club"), ("network fee", "grid"), ("VAT", "tax office"),
        }  # fmt: skip


def test_a_dividend_belongs_to_the_period_that_ends_with_it() -> None:
    ledger = settled(stretch_of(), Rules(), (3, -4), end_s=1_000_900)
    spans = (Span("one", 1_000_000, 1_000_900), Span("two", 1_000_900, 1_001_800))
    found = all_statements(ledger, *spans)
    share = found["member/ada", "one"].lines[-1]
    assert (share.code, share.money_nano, share.payee) == (Code.DIVIDEND, -3, "operator")
    assert found["operator", "one"].lines[-1].payee == "bo"
    assert not any(period == "two" for _, period in found)


def test_only_what_is_posted_counts() -> None:
    """A pending transfer does not, once it is posted it does, voided it never does."""
    ledger = MemoryLedger()
    ada, bo = Account("member/ada", "EUR"), Account("member/bo", "EUR")
    ledger.open_accounts([ada, bo], 0)
    code = int(Code.COMPUTE)
    ledger.post([Transfer(1, ada.id, bo.id, 50, Kind.PENDING, code=code, for_s=5)], 1)
    ledger.post([Transfer(2, ada.id, bo.id, 70, Kind.PENDING, code=code, for_s=5)], 1)
    assert all_statements(ledger, Span("all", 0, 10)) == {}
    ledger.post([Transfer(3, 0, 0, 20, Kind.POST, 1, code=code, for_s=5)], 2)
    ledger.post([Transfer(4, 0, 0, 0, Kind.VOID, 2, code=code, for_s=5)], 2)
    found = all_statements(ledger, Span("all", 0, 10))
    assert found["member/ada", "all"].sum_nano == 20 == -found["member/bo", "all"].sum_nano
    assert found["member/ada", "all"].lines[0].payee == "bo"


def test_periods_that_overlap_are_refused() -> None:
    with pytest.raises(InputError, match="overlap"):
        statements_of([], [], "EUR", [Span("a", 0, 10), Span("b", 9, 20)])
    with pytest.raises(InputError, match="one name"):
        statements_of([], [], "EUR", [Span("a", 0, 10), Span("a", 10, 20)])


def test_names_behind_accounts() -> None:
    assert payee_of("operator") == "operator"
    assert payee_of("member/ada/flat") == "ada/flat"
