"""From a clearing and the meters to what everybody owes, interval by interval.

    settled = settle(stretch, rules)

Comes in: a `Stretch`, and `Rules`. Goes out: *lines*, each a named reason for which money, energy
or both move between parties and one account. `isojoule.settlement.booking` makes transfers of them.

Theory of operation:

- What was cleared is a contract: members and the utility exchange energy for money with the account
  `market`, losses take their energy from it, and what money is left in it is the operator's. After
  each interval `market` is empty.
- What the meters show besides is an imbalance: members take it from `balancing` (or give it) at the
  price that the rules set, the utility delivers it to `balancing` at its tariff (where none
  reaches, members who made up for it gave it), the change of losses takes its energy, and what
  money is left is the operator's. After each interval `balancing` is empty.
- While the market is paused each member settles its own meter at the utility's tariff, as if it
  were alone: what the meter shows besides costs what the tariff makes of the difference.
- Fees follow, in the order of the rules (`isojoule.settlement.fees`).
- Payers are rounded up and receivers down, to the nano-unit, in every interval. Nothing is rounded
  again afterwards: netting adds whole numbers.

Spec: docs/spec/settlement.md, Y10 to Y20.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.settlement.fees import Charged, charge_fees, money_for
from isojoule.settlement.rules import Imbalance, Rules
from isojoule.settlement.share_out import share_out
from isojoule.settlement.stretch import Stretch, at_rest, check_size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARKET, BALANCING, OPERATOR, UTILITY, LOSSES = (
    "market", "balancing", "operator", "utility", "losses",
)  # fmt: skip
"""Accounts that every market has; members' are `member/<name>`, fees' `fee/<to>/<name>`. Y12."""


class Code(IntEnum):
    """What a transfer is for; the number in its `code`."""

    TRADE = 1
    LINK = 2
    COMPUTE = 3
    UTILITY = 4
    LOSS = 5
    SURPLUS = 6
    IMBALANCE = 7
    BALANCING = 8
    LOSS_CHANGE = 9
    LOSS_CHARGE = 10
    BALANCING_REST = 11
    FEE = 12
    DIVIDEND = 13
    DIVIDEND_CHANGE = 14


class Line(NamedTuple):
    """Why money or energy moved between some parties and one account.

    Attributes
    ----------
    code
        What it is for.
    parties
        Accounts on one side, (Q,).
    other
        The account on the other side.
    money_nano
        Paid by each party, (T, Q); None: no money.
    energy_uj
        Received by each party, (T, Q); None: no energy.
    """

    code: Code
    parties: tuple[str, ...]
    other: str
    money_nano: Ints | None
    energy_uj: Ints | None = None


class Settled(NamedTuple):
    """The outcome.

    Attributes
    ----------
    lines
        In the order in which they are booked.
    delivered_uj
        Of what was cleared, what the meters show, (T, P), with the sign of what was cleared.
    shortfall_uj
        Cleared less delivered, (T, P), with that sign.
    imbalance_uj
        Metered less cleared, (T, P).
    """

    lines: tuple[Line, ...]
    delivered_uj: Ints
    shortfall_uj: Ints
    imbalance_uj: Ints


def member(name: str) -> str:
    """Name of a member's account."""
    return f"member/{name}"


def settle(stretch: Stretch, rules: Rules) -> Settled:
    """Settle a stretch.

    Raises
    ------
    InputError
        A price or fee makes more money than can be counted, or a pause finds no tariff.
    InvariantError
        Money or energy was made or lost. A bug.
    """
    s = at_rest(stretch, rules.pauses)
    members = tuple(member(name) for name in s.members)
    imbalance = s.metered_uj - s.cleared_uj
    check_size("the imbalance", imbalance)
    delivered = np.clip(s.metered_uj, np.minimum(s.cleared_uj, 0), np.maximum(s.cleared_uj, 0))
    surplus = s.payment_nano.sum(1) + s.earned_nano.sum(1) + s.worked_nano.sum(1) + s.utility_nano
    lines = [
        Line(Code.TRADE, members, MARKET, s.payment_nano, s.cleared_uj),
        Line(Code.LINK, members, MARKET, s.earned_nano),
        Line(Code.COMPUTE, members, MARKET, s.worked_nano),
        Line(Code.UTILITY, (UTILITY,), MARKET, _column(s.utility_nano), _column(s.utility_uj)),
        Line(Code.LOSS, (LOSSES,), MARKET, None, _column(s.loss_uj)),
        Line(Code.SURPLUS, (OPERATOR,), MARKET, _column(-surplus)),
    ]
    bill = s.payment_nano
    if np.any(imbalance) or np.any(s.tie_uj != s.utility_uj):
        balanced, charged = _balance(s, rules, members, imbalance)
        lines += balanced
        bill = bill + charged
    for one in charge_fees(s, rules.fees, bill):
        lines.append(Line(Code.FEE, members, one.fee.account, one.money_nano))
    lines = [line for line in lines if _moves(line)]
    settled = Settled(tuple(lines), delivered, s.cleared_uj - delivered, imbalance)
    _check(s, settled)
    return settled


def fees_of(stretch: Stretch, settled: Settled, rules: Rules) -> list[Charged]:
    """What each fee of a stretch that was settled was charged on, in the order of the rules.

    Parameters
    ----------
    settled
        What `settle` made of the stretch by these rules.
    """
    s = at_rest(stretch, rules.pauses)
    parties = tuple(member(name) for name in s.members)
    bill = np.zeros_like(s.payment_nano)
    for line in settled.lines:
        billed = line.code in (Code.TRADE, Code.IMBALANCE, Code.LOSS_CHARGE)
        if billed and line.parties == parties and line.money_nano is not None:
            bill += line.money_nano
    return list(charge_fees(s, rules.fees, bill))


def tie_price(s: Stretch) -> Floats:
    """The utility's price at its metered node: selling while it imports, buying while it exports.

    Where the meter stands still, the price on the side that the members' imbalance pushes to; 0
    without a utility, where members have prices of their own (`Stretch.local_per_j`). (T,),
    money/J.
    """
    push = (s.metered_uj - s.cleared_uj).sum(1)
    imports = (s.tie_uj < 0) | ((s.tie_uj == 0) & (push > 0))
    return np.nan_to_num(np.where(imports, s.sells_at_per_j, s.buys_at_per_j))


def _balance(
    s: Stretch, rules: Rules, members: tuple[str, ...], imbalance: Ints
) -> tuple[list[Line], Ints]:
    """Lines of the account `balancing`, and what members are charged for imbalance and losses."""
    charge = _charges(s, rules.imbalance, imbalance)
    energy = np.abs(s.metered_uj)
    if rules.imbalance.payer == "members":
        charge = share_out(charge.sum(1), energy, s.members)
    paused = s.paused
    if paused.any():
        charge[paused] = (_tariff(s, s.metered_uj) - _tariff(s, s.cleared_uj))[paused]
    loss_change = s.metered_loss_uj - s.loss_uj
    check_size("the change of losses", loss_change)
    lost_cost = _lost_cost(s, imbalance, loss_change)
    utility_pays = _tariff_of_tie(s, s.tie_uj) - _tariff_of_tie(s, s.utility_uj)
    # each member stands alone with the utility then: what they are charged is the utility's
    utility_pays = np.where(paused, -charge.sum(1) - lost_cost, utility_pays)
    check_size("what the utility pays", utility_pays)
    tie_change = s.tie_uj - s.utility_uj
    lines = [
        Line(Code.IMBALANCE, members, BALANCING, charge, imbalance),
        Line(Code.BALANCING, (UTILITY,), BALANCING, _column(utility_pays), _column(tie_change)),
        Line(Code.LOSS_CHANGE, (LOSSES,), BALANCING, None, _column(loss_change)),
    ]
    rest = charge.sum(1) + utility_pays + lost_cost
    if rules.loss_payer == "members":
        shared = share_out(lost_cost, energy, s.members)
        lines.append(Line(Code.LOSS_CHARGE, members, BALANCING, shared))
        charge = charge + shared
    else:
        lines.append(Line(Code.LOSS_CHARGE, (OPERATOR,), BALANCING, _column(lost_cost)))
    lines.append(Line(Code.BALANCING_REST, (OPERATOR,), BALANCING, _column(-rest)))
    return lines, charge


def _lost_cost(s: Stretch, imbalance: Ints, loss_change: Ints) -> Ints:
    """What the change of losses costs, nano-units, (T,).

    Where no utility reaches, a Joule of it costs the mean of the prices of the members there, by
    the size of their imbalances.
    """
    price = np.where(s.paused, np.nan_to_num(s.sells_at_per_j), tie_price(s))
    if s.local_per_j is None:
        return money_for("losses", price, loss_change)
    apart = ~np.isnan(s.local_per_j) & ~s.paused[:, None]
    mine = np.where(apart, imbalance, 0)
    size = np.abs(mine).astype(np.float64)
    worth = (size * np.where(apart, s.local_per_j, 0.0)).sum(1)
    mean = worth / np.where(size.any(1), size.sum(1), 1.0)
    lost = -mine.sum(1)  # what members there delivered beyond what members there took
    outside: Ints = money_for("losses", price, loss_change - lost)
    return outside + money_for("losses", mean, lost)


def _charges(s: Stretch, rule: Imbalance, imbalance: Ints) -> Ints:
    """What each member pays for its own imbalance, (T, P)."""
    tie = _at_home(s, tie_price(s))
    sells, buys = (
        _at_home(s, np.nan_to_num(price)) for price in (s.sells_at_per_j, s.buys_at_per_j)
    )
    fixed = np.ones_like(tie)
    short, long = {
        "tie": (tie, tie),
        "dual": (sells * rule.short_factor, buys * rule.long_factor),
        "fixed": (fixed * rule.short_per_j, fixed * rule.long_per_j),
    }[rule.price]
    price = np.where(imbalance > 0, short, long)
    return money_for("the imbalance", price, imbalance)


def _at_home(s: Stretch, price: Floats) -> Floats:
    """The utility's price of each interval, or the own one where no utility reaches, (T, P)."""
    if s.local_per_j is None:
        return np.repeat(price[:, None], len(s.members), axis=1)
    return np.where(np.isnan(s.local_per_j), price[:, None], s.local_per_j)


def _tariff(s: Stretch, received_uj: Ints) -> Ints:
    """What members pay for their meters by the utility's two prices, nano-units, (T, P)."""
    sells, buys = np.nan_to_num(s.sells_at_per_j), np.nan_to_num(s.buys_at_per_j)
    price = np.where(received_uj > 0, sells[:, None], buys[:, None])
    return money_for("the tariff", price, received_uj)


def _tariff_of_tie(s: Stretch, received_uj: Ints) -> Ints:
    """What the utility pays for what its meter received, by its two prices, nano-units, (T,)."""
    price = np.where(received_uj > 0, s.buys_at_per_j, s.sells_at_per_j)
    return money_for("the utility's tariff", np.nan_to_num(price), received_uj)


def _column(values: Ints) -> Ints:
    return values[:, None]


def _moves(line: Line) -> bool:
    return any(part is not None and part.any() for part in (line.money_nano, line.energy_uj))


def _check(s: Stretch, settled: Settled) -> None:
    """Nothing is left in `market` and `balancing`."""
    for account in (MARKET, BALANCING):
        for field in ("money_nano", "energy_uj"):
            parts = [getattr(line, field) for line in settled.lines if line.other == account]
            left = np.zeros(s.time_s.size, np.int64)
            for part in parts:
                if part is not None:
                    left += part.sum(1)
            bad = np.flatnonzero(left)
            if bad.size:
                raise InvariantError(
                    f"{account} keeps {field} of {int(left[bad[0]])} in the interval at "
                    f"{int(s.time_s[bad[0]])}"
                )
