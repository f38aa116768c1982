"""Known answers, kept as data: each folder has a book, and an answer with its origin.

An answer may name the mechanism (else `equilibrium`) and its parameters, and then `energy_j` and
`payment` (by offer), `flow_j`, `standing_j` and `link_payment` (by link),
`price_per_j` (by node), `operator` (by line), `welfare`, `spilled_j` and `unserved_j` (by offer).
What it does not name is not unique, or does not matter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from isojoule.apps.files.book_files import read_book
from isojoule.market import Clearing
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing

CASES = sorted((Path(__file__).parents[1] / "cases" / "market").iterdir())
LISTED = {"K1", "K1-quadratic-loss", "K3", "K4", "K5", "K7", "K8", "K11", "K12"}


def test_all_listed_answers_are_there() -> None:
    assert {case.name for case in CASES} >= LISTED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_known_answer(case: Path) -> None:
    answer = yaml.safe_load((case / "answer.yaml").read_text())
    assert answer.pop("origin")
    share = float(answer.pop("tolerance"))
    file = read_book(case / "book.yaml")
    rule = get(answer.pop("mechanism", "equilibrium"), **answer.pop("parameters", {}))
    found = rule.clear(file.book, file.grid)
    assert isinstance(found, Clearing), str(found)
    check_clearing(file.book, file.grid, found)
    told = reading(file.book, file.grid, found)
    for name, true in answer.items():
        if isinstance(true, dict):
            assert {key: told[name][key] for key in true} == pytest.approx(
                true, rel=share, abs=5e-9
            )
        else:
            assert told[name] == pytest.approx(true, rel=share, abs=1e-12)


def reading(book: Any, grid: Any, c: Clearing) -> dict[str, Any]:
    by_offer = lambda column: dict(zip(book.offer_ids, column.tolist(), strict=True))  # noqa: E731
    by_link = lambda column: dict(zip(grid.link_ids, column.tolist(), strict=True))  # noqa: E731
    return {
        "energy_j": by_offer(c.energy_uj * 1e-6),
        "payment": by_offer(c.payment_nano * 1e-9),
        "flow_j": by_link(c.flow_uj * 1e-6),
        "standing_j": by_link(c.standing_uj * 1e-6),
        "link_payment": by_link(c.link_payment_nano * 1e-9),
        "price_per_j": dict(zip(grid.node_ids, np.asarray(c.price_per_j).tolist(), strict=True)),
        "operator": {name: nano * 1e-9 for name, nano in c.operator.items()},
        "welfare": c.welfare,
        "spilled_j": by_offer(book.spilled_j(c.energy_uj)),
        "unserved_j": by_offer(book.unserved_j(c.energy_uj)),
    }
