"""A run's market settled: every payment as transfers of a ledger.

    settled = settle_run(folder, scenario, rules, run, seed)

The ledger of a run follows from its tables and rules alone, so `isojoule verify` makes it again. It
is written with the times at which its periods end. All money figures of a run are its balances.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.results.chapters import Settling, Told, check_chapters, write_chapters
from isojoule.apps.results.chapters.nouns import Clock
from isojoule.apps.results.settled import SettledPeriod
from isojoule.apps.results.sharing import cannot_share, shares_of
from isojoule.apps.results.stretch import stretches
from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import ENERGY
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.scenario import Period, Scenario
from isojoule.settlement.booking import Booked, book, dividends, write
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.ledger.port import Head, Ledger
from isojoule.settlement.refused import Refused
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import OPERATOR, UTILITY, Code, Settled, member, settle
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import share_surplus


@dataclass(frozen=True, eq=False)
class SettledRun:
    """All periods, and the ledger that holds them."""

    settling: Settling
    ledger: MemoryLedger
    told: dict[str, Told]

    @property
    def rules(self) -> Rules:
        """By which it was settled."""
        return self.settling.rules

    @cached_property
    def periods(self) -> tuple[SettledPeriod, ...]:
        """The periods, with what chapters add to what accounts paid."""
        told = self.told.values()
        return tuple(
            replace(p, paid_nano=_sum(p.paid_nano, (t.paid_nano.get(p.name, {}) for t in told)))
            for p in self.settling.periods
        )

    @property
    def head(self) -> Head:
        """What stands for the whole ledger."""
        return self.ledger.head

    def booked(self) -> Iterator[tuple[SettledPeriod, Booked]]:
        """All transfers, in the order in which they were written."""
        for period in self.periods:
            for part in period.booked:
                yield period, part


def settle_run(
    folder: Path,
    scenario: Scenario,
    rules: Rules,
    run: str,
    seed: int,
    start_uj: Iterable[Sequence[int] | NDArray[np.int64]] = (),
) -> SettledRun:
    """Settle the market of a run, period by period.

    Parameters
    ----------
    start_uj
        In the batteries of the market at the start of each period, where no summary says it yet.

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
    starts = tuple(np.array(start, np.int64) for start in start_uj)
    settling = Settling(folder, scenario, rules, run, seed, tuple(periods), starts)
    return SettledRun(settling, ledger, write_chapters(settling, ledger, _as_it_happens))


def settlement_summary(settled: SettledRun) -> dict[str, Any]:
    """What `summary.json` says of the settlement: the ledger's head, and who was paid what for."""
    rules = settled.rules
    return {
        "rules": {key: value for key, value in _plain(rules).items() if value is not None},
        "ledger": {
            "entries": settled.head.size,
            "root": settled.head.root.hex(),
            "transfers": settled.head.size - sum(1 for _ in settled.ledger.accounts()),
        },
        "periods": [_period_summary(period) for period in settled.periods],
        **{name: told.summary for name, told in settled.told.items()},
    }


def _plain(rules: Rules) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(rules)))
    return plain


def _period_summary(period: SettledPeriod) -> dict[str, Any]:
    s, imbalance = period.stretch, period.settled.imbalance_uj
    paid = {name: nano / NANO_PER_UNIT for name, nano in period.paid_nano.items() if nano}
    return {
        "name": period.name,
        "members_paid": sum(
            nano for name, nano in period.paid_nano.items() if name.startswith(member(""))
        )
        / NANO_PER_UNIT,
        "utility": -paid.get(UTILITY, 0.0),
        "operator": -paid.get(OPERATOR, 0.0),
        "fees": {n.removeprefix("fee/"): v / NANO_PER_UNIT for n, v in period.fees_nano().items()},
        "short_j": int(imbalance.clip(0).sum()) / UJ_PER_J,
        "long_j": int(-imbalance.clip(None, 0).sum()) / UJ_PER_J,
        "shortfall_j": int(np.abs(period.settled.shortfall_uj).sum()) / UJ_PER_J,
        "cleared_j": int(np.abs(s.cleared_uj).sum()) / UJ_PER_J,
        "imbalance_paid": _line_sum(period.settled, Code.IMBALANCE) / NANO_PER_UNIT,
        "dividends": sum(period.shares.amount_nano) / NANO_PER_UNIT,
        "kept": period.shares.kept_nano / NANO_PER_UNIT,
    }


def _line_sum(settled: Settled, code: Code) -> int:
    lines = [line.money_nano for line in settled.lines if line.code is code]
    return sum(int(part.sum()) for part in lines if part is not None)


def check_rules(scenario: Scenario, rules: Rules) -> None:
    """Refuse, before any work, a rule of sharing that this community is too large for.

    Raises
    ------
    InputError
        Says why, and which rule would do.
    """
    nothing, people = np.zeros(1), len(scenario.participants)
    refused = share_surplus(
        rules.surplus, 0, scenario.participants, np.zeros((1, people), np.int64), nothing, nothing,
        np.zeros(1, np.int64), [0] * people, b"", permutations=rules.permutations,
    )  # fmt: skip
    if isinstance(refused, Refused):
        raise cannot_share(rules, refused)
    check_chapters(scenario, rules)


def check_rules_of(file: Path | None, scenario: Scenario, rules: Rules) -> None:
    """`check_rules`, with the line of the file that holds the rules; None: they have no file.

    Raises
    ------
    InputError
        With file, line and remedy.
    """
    try:
        check_rules(scenario, rules)
    except InputError as error:
        if file is None:
            raise
        from isojoule.apps.files.settlement_rules import place_in

        raise InputError(
            error.message, place=place_in(file, error.place), remedy=error.remedy
        ) from error


def find_ledger(url: str) -> None:
    """Open a ledger for writing, made if it is not there, and close it again.

    Raises
    ------
    InputError
        It cannot be opened; says why.
    """
    from isojoule.apps.ledger import open_ledger

    with open_ledger(url):
        pass


def keep(settled: SettledRun, url: str) -> int:
    """Write the transfers of a run into a ledger that is kept; returns how many it has of them.

    What stands there already, just so, is not written twice.

    Raises
    ------
    InputError
        The ledger cannot be opened, or it refuses a transfer.
    """
    from isojoule.apps.ledger import open_ledger

    with open_ledger(url) as ledger:
        write_run(settled, ledger, lambda _: time.time_ns(), url)
    return sum(part.count for _, part in settled.booked())


def write_run(settled: SettledRun, ledger: Ledger, clock: Clock, place: str) -> None:
    """Write the transfers of a run that was settled into another ledger.

    Raises
    ------
    InputError
        The ledger, at this place, refuses a transfer.
    """
    for period, part in settled.booked():
        for refused in write(ledger, part, clock(period.end_s)):
            raise InputError(
                f"refused a transfer of period {period.name!r}: {refused.answer.reason}",
                place=place,
                remedy="use another ledger, or a run with the same inputs and rules",
            )
    for told in settled.told.values():
        if told.post is not None:
            told.post(ledger, clock)


def _settle_period(
    ledger: MemoryLedger, period: Period, stretch: Stretch, rules: Rules, run: str, seed: int
) -> SettledPeriod:
    money, energy = _balances(ledger)
    settled = settle(stretch, rules)
    booked = [book(stretch, settled, run)]
    now_ns = period.end_s * 10**9
    _write(ledger, booked[0], now_ns)
    shares = shares_of(stretch, settled, rules, seed)
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


def _write(ledger: MemoryLedger, booked: Booked, now_ns: int) -> None:
    for refused in write(ledger, booked, now_ns):
        raise InvariantError(f"the ledger of a run refused: {refused.answer.reason}")


def _as_it_happens(at_s: int) -> int:
    """The clock of a run's own ledger: everything is written when it happens."""
    return at_s * 10**9


def _sum(paid: dict[str, int], more: Iterable[Mapping[str, int]]) -> dict[str, int]:
    out = dict(paid)
    for part in more:
        for name, nano in part.items():
            out[name] = out.get(name, 0) + nano
    return out


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
