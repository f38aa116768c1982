"""The rules by which all runs of a comparison are settled.

They are the scenario's own, or those that are given; but what the operator has left, or lacks,
goes to the members by the energy of their meters, unless the rules already share it. Else a
mechanism that leaves its losses with the operator would look cheap to the members, and one that
collects rents dear.

Where a market ignores the wires, what they lose and what they could not carry is nobody's fault, so
all members pay the imbalance together. Off the grid there is no utility to be paid, but neighbours
whose batteries make up for it: there each is paid for what its own meter shows, and what is lost
falls to the operator, whose line goes to all members.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isojoule.apps.results.asked import RULES
from isojoule.microworld.scenario import Scenario

SHARED = "energy"
BESIDE = "settlement-beside-wires.yaml"


def settlement_rules(
    folder: Path, scenario: Scenario, given: Path | None, out: Path
) -> tuple[Path, Path]:
    """Write both files of rules; returns them: for markets that see the wires, and that do not.

    Parameters
    ----------
    folder, scenario
        The scenario, and where it stands.
    given
        Rules instead of the scenario's.
    out
        Where they go.

    Raises
    ------
    InputError
        The file is not YAML; whether it holds rules is seen when it is used.
    """
    import yaml

    from isojoule.apps.files.yaml_lines import read_yaml

    inside = folder / RULES
    file = given or (inside if inside.is_file() else None)
    document: dict[str, Any] = {"isojoule": 1, "currency": scenario.currency}
    if file is not None:
        document, _ = read_yaml(file)
    if document.get("surplus", "keep") in ("keep", {"rule": "keep"}):
        document = {**document, "surplus": SHARED}
    out.mkdir(parents=True, exist_ok=True)
    given_rules = document.get("imbalance", {})
    own = given_rules if isinstance(given_rules, dict) else {}  # the first file says what is wrong
    payer = {"payer": "members"} if scenario.has_utility else {}
    beside = {**document, "imbalance": {"price": "tie", **own, **payer}}
    paths = out / RULES, out / BESIDE
    for path, content in zip(paths, (document, beside), strict=True):
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return paths
