"""A run's market settled: every payment as transfers of a ledger.

    settled = settle_run(folder, scenario, rules, run, seed)

The ledger of a run follows from its tables and rules alone, so `isojoule verify` makes it again. It
is written with the times at which its periods end. All money figures of a run are its balances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isojoule.apps.results.stretch import stretches
from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import ENERGY
from isojoule.microworld.scenario import Period, Scenario
from isojoule.settlement.booking import Booked, book, dividends, write
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.ledger.port import Head
from isojoule.settlement.refused import Refused
from isojoule.settlement.rules import Fee, Rules
from isojoule.settlement.settle import OPERATOR, Code, Settled, member, settle
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import Shares, share_surplus

NETWORK_FEE = "network fee"


@dataclass(frozen=True, eq=False)
class SettledPeriod:
    """One period in money and energy, from the ledger.

    Attributes
    ----------
    name, end_s
        Of the period; its end in s since 1970.
    stretch, settled
        What was told, and what followed.
    booked
        The transfers of trade, imbalance and fees, then those of dividends.
    paid_nano
        What each account of money paid (negative: received), by name.
    energy_uj
        What each account of energy received, by name.
    shares
        How the operator's line was shared.
    """

    name: str
    end_s: int
    stretch: Stretch
    settled: Settled
    booked: tuple[Booked, ...]
    paid_nano: dict[str, int]
    energy_uj: dict[str, int]
    shares: Shares

    def fees_nano(self) -> dict[str, int]:
        """What the members paid in fees, by the account that received them."""
        return {
            name: -nano for name, nano in self.paid_nano.items() if name.startswith("fee/") and nano
        }


@dataclass(frozen=True, eq=False)
class SettledRun:
    """All periods, and the ledger that holds them."""

    rules: Rules
    ledger: MemoryLedger
    periods: tuple[SettledPeriod, ...] = field(default_factory=tuple)

    @property
    def head(self) -> Head:
        """What stands for the whole ledger."""
        return self.ledger.head

    def booked(self) -> Iterator[tuple[SettledPeriod, Booked]]:
        """All transfers, in the order in which they were written."""
        for period in self.periods:
            for part in period.booked:
                yield period, part


def default_rules(scenario: Scenario) -> Rules:
    """The rules of a scenario that brings none: the network fee, and the operator keeps its line."""
    fee = scenario.network_fee_per_j
    fees = (Fee(NETWORK_FEE, "local", fee, "network operator"),) if fee else ()
    return Rules(fees=fees)


def settle_run(
    folder: Path, scenario: Scenario, rules: Rules, run: str, seed: int
) -> SettledRun:
    """Settle the market of a run, period by period.

    Raises
    ------
    InputError
        The rule by which the operator's line is shared does not fit.
    """
    ledger = MemoryLedger()
    periods = [
        _settle_period(ledger, period, stretch, rules, run, seed)
        for period, stretch in stretches(folder, scenario, rules.netting)
    ]
    return SettledRun(rules, ledger, tuple(periods))


def _settle_period(
    ledger: MemoryLedger, period: Period, stretch: Stretch, rules: Rules, run: str, seed: int
) -> SettledPeriod:
    money, energy = _balances(ledger)
    settled = settle(stretch, rules)
    booked = [book(stretch, settled, run)]
    now_ns = period.end_s * 10**9
    _write(ledger, booked[0], now_ns)
    shares = _share(stretch, settled, rules, _paid(ledger, money), seed)
    if any(shares.amount_nano):
        booked.append(
            dividends(
                stretch.currency, shares.members, shares.amount_nano, market=run,
                period=period.name, at_s=period.end_s,
                ref=stretch.results_hash(slice(0, stretch.time_s.size)),
            )
        )  # fmt: skip
        _write(ledger, booked[1], now_ns)
    received = _balances(ledger)[1]
    return SettledPeriod(
        period.name,
        period.end_s,
        stretch,
        settled,
        tuple(booked),
        _paid(ledger, money),
        {name: uj - energy.get(name, 0) for name, uj in received.items()},
        shares,
    )


def _share(
    stretch: Stretch, settled: Settled, rules: Rules, paid: dict[str, int], seed: int
) -> Shares:
    """Share the operator's line of one period. Fees are others' money: the game is played without."""
    fees = sum(
        (line.money_nano.sum(0) for line in settled.lines if line.code is Code.FEE),
        np.zeros(len(stretch.members), np.int64),
    )
    shares = share_surplus(
        rules.surplus,
        -paid.get(OPERATOR, 0),
        stretch.members,
        stretch.metered_uj,
        np.nan_to_num(stretch.sells_at_per_j),
        np.nan_to_num(stretch.buys_at_per_j),
        stretch.metered_loss_uj,
        [paid.get(member(name), 0) - fee for name, fee in zip(stretch.members, fees, strict=True)],
        seed.to_bytes(8, "big", signed=True),
        permutations=rules.permutations,
    )
    if isinstance(shares, Refused):
        raise InputError(
            f"the surplus cannot be shared by {rules.surplus!r}: {shares.reason}",
            place="settlement rules",
            remedy=shares.remedy,
        )
    return shares


def _write(ledger: MemoryLedger, booked: Booked, now_ns: int) -> None:
    for refused in write(ledger, booked, now_ns):
        raise InvariantError(f"the ledger of a run refused: {refused.answer.reason}")


def _balances(ledger: MemoryLedger) -> tuple[dict[str, int], dict[str, int]]:
    """Net balances by name: money, and energy."""
    money: dict[str, int] = {}
    energy: dict[str, int] = {}
    for account, balance in ledger.accounts():
        (energy if account.unit == ENERGY else money)[account.name] = balance.net
    return money, energy


def _paid(ledger: MemoryLedger, before: dict[str, int]) -> dict[str, int]:
    """What each account of money has paid since."""
    return {name: before.get(name, 0) - nano for name, nano in _balances(ledger)[0].items()}
