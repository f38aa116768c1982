"""The clearing of an optimum: the same for all rules that seek one, whatever people pay."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

from isojoule.market.allocation import Allocation
from isojoule.market.contract import Certificate, Clearing, Mechanism, State
from isojoule.market.settle import Paid


def clearing_of(
    mechanism: Mechanism, state: State | None, seed: bytes, found: Allocation, paid: Paid
) -> Clearing:
    """The clearing of an optimum at these payments, with the proof that it is one."""
    parameters: dict[str, Any] = {}
    if is_dataclass(mechanism) and mechanism.__dataclass_fields__:
        parameters = asdict(mechanism)
    return clearing_named(mechanism.name, parameters, state, seed, found, paid)


def clearing_named(
    name: str, parameters: dict[str, Any], state: State | None, seed: bytes, found: Allocation,
    paid: Paid,
) -> Clearing:  # fmt: skip
    """As `clearing_of`, by the mechanism's name and parameters."""
    s = found.support
    return Clearing(
        mechanism=name,
        parameters=parameters,
        seed=seed,
        energy_uj=found.energy_uj,
        payment_nano=paid.offers,
        flow_uj=found.flow_uj,
        loss_uj=found.loss_uj,
        link_payment_nano=paid.links,
        standing_uj=found.standing_uj,
        price_per_j=s.price,
        welfare=s.welfare,
        operator=paid.operator,
        certificate=Certificate(
            kind="dual" if s.closed else "bound",
            duals=found.duals,
            lowest=s.lowest,
            highest=s.highest,
            welfare_bound=s.welfare + s.gap,
            gap=s.gap,
            side=found.side,
            leaves=found.leaves,
            largest_trade_per_j=s.largest_trade_per_j,
            by_prices=s.by_prices,
        ),
        taken=found.taken,
        state_before=dict(state or {}),
    )
