"""A scenario and its rules of settlement, as a run was asked for them.

The rules are those of `settlement.yaml`, which lies in the scenario's folder or is given to the
run; a run keeps it with its other inputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from isojoule.apps.results.periods import as_asked
from isojoule.microworld.pauses import check_pauses
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.rules import Fee, Rules

RULES = "settlement.yaml"
NETWORK_FEE = "network fee"


class Asked(NamedTuple):
    """What is run, and how it is settled."""

    scenario: Scenario
    rules: Rules


def read_asked(folder: Path, arguments: Mapping[str, Any], rules: Path | None = None) -> Asked:
    """Read a scenario and its rules.

    Parameters
    ----------
    folder
        Of the scenario, or its `scenario.yaml`.
    arguments
        Of the run: which part of the scenario, on which forecast.
    rules
        Instead of the `settlement.yaml` of the folder.

    Raises
    ------
    InputError
        With file, line and remedy for what is wrong.
    """
    from isojoule.apps.files.scenario_files import read_scenario

    scenario = read_scenario(folder)
    file = rules_file(folder, rules)
    if file is None:
        found = Rules()
    else:
        from isojoule.apps.files.settlement_rules import read_rules
        from isojoule.apps.files.times import zone

        found = read_rules(
            file,
            currency=scenario.currency,
            tz=zone(scenario.timezone),
            members=scenario.participants,
        )
    return as_settled(as_asked(scenario, arguments), found)


def rules_file(folder: Path, rules: Path | None = None) -> Path | None:
    """The file of the rules: `rules`, or that in a scenario's folder; None if it has none."""
    inside = (folder.parent if folder.is_file() else folder) / RULES
    return rules or (inside if inside.is_file() else None)


def as_settled(scenario: Scenario, rules: Rules) -> Asked:
    """The scenario with the pauses of the rules, the rules with the scenario's network fee."""
    fee = scenario.network_fee_per_j
    if fee and all(known.name != NETWORK_FEE for known in rules.fees):
        own = Fee(NETWORK_FEE, "local", fee, "network operator")
        rules = dataclasses.replace(rules, fees=(own, *rules.fees))
    if rules.pauses:
        pauses = tuple(sorted((*scenario.pauses, *rules.pauses), key=lambda p: p.start_s))
        check_pauses(pauses, scenario.times_s, scenario.interval_s)
        scenario = dataclasses.replace(scenario, pauses=pauses)
    return Asked(scenario, rules)
