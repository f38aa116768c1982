"""What rules of settlement cannot be. Spec: docs/spec/settlement.md, Y1 to Y9."""

from __future__ import annotations

from typing import Any

import pytest

from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.settlement.rules import Fee, Imbalance, Rules


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price": "dual", "short_factor": 0.5}, "short_factor is below long_factor"),
        ({"price": "dual", "short_factor": 1.0, "long_factor": -0.1}, "long_factor is below 0"),
        ({"price": "fixed", "short_per_j": 1e-8, "long_per_j": 2e-8}, "short_per_j is below"),
        ({"price": "fixed", "short_per_j": float("nan")}, "short_per_j is not finite"),
    ],
)
def test_an_imbalance_that_would_pay_is_refused(changes: dict[str, Any], says: str) -> None:
    """Y2."""
    with pytest.raises(InputError, match=says):
        Imbalance(**changes)


@pytest.mark.parametrize(
    ("fee", "says"),
    [
        (("tax", "everything", 1.0, "state"), "cannot be charged on 'everything'"),
        (("tax", "bought", float("inf"), "state"), "no finite rate"),
        (("tax", "bill", 1.01, "state"), "is 101% of the bill"),
        (("tax/vat", "bill", 0.1, "state"), "the name 'tax/vat' has a '/'"),
        (("tax", "bill", 0.1, "state/land"), "the payee 'state/land' has a '/'"),
        (("", "bill", 0.1, "state"), "the name '' is no name"),
        (("tax", "bill", 0.1, " state"), "the payee ' state' is no name"),
        (("tax", "bill", 0.1, "a\nb"), "is no name"),
        (("t" * 300, "bill", 0.1, "s" * 300), "is no name"),
    ],
)
def test_a_fee_that_cannot_be_is_refused(fee: tuple[Any, ...], says: str) -> None:
    """Y5, Y6."""
    with pytest.raises(InputError, match=says):
        Fee(*fee)


def test_rules_that_cannot_be_are_refused() -> None:
    """Y5, Y7, Y9."""
    tax = Fee("tax", "bought", 1e-8, "state")
    with pytest.raises(InputError, match="two fees are called 'tax'"):
        Rules(fees=(tax, tax))
    for permutations in (2, 5):
        with pytest.raises(InputError, match=f"{permutations} permutations"):
            Rules(permutations=permutations)
    with pytest.raises(InputError, match="ends before it starts"):
        Pause(10, 10)
    with pytest.raises(InputError, match="starts before the one before it ends"):
        Rules(pauses=(Pause(0, 10), Pause(9, 12)))
    Rules(pauses=(Pause(0, 10), Pause(10, 12)))
