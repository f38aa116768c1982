"""The suite finds planted faults, each by the test that is meant for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isojoule.market import mechanisms
from isojoule.testing import MechanismConformance, attacks
from tests.market.mechanisms import faulty

Found = (AssertionError, pytest.fail.Exception, ValueError)


def claims(trait: str) -> Callable[[MechanismConformance, Any], None]:
    return lambda suite, m: suite.test_claims_hold_and_denials_are_shown(m, trait)


def says(suite: MechanismConformance, m: Any) -> None:
    suite.test_says_what_it_is(m)


def odd(case: str) -> Callable[[MechanismConformance, Any], None]:
    return lambda suite, m: suite.test_answers_odd_books(m, case)


SUITE = MechanismConformance
FAULTS: list[tuple[type, Callable[..., None], str]] = [
    (faulty.TakesFromLosers, claims("individually_rational"), "does not hold"),
    (faulty.PaysFirst, SUITE.test_order_of_the_input_does_not_matter, "order of the input"),
    (faulty.Truthful, claims("incentive_compatible"), "does not hold"),
    (faulty.NameProof, claims("false_name_proof"), "does not hold"),
    (faulty.PactProof, claims("coalition_proof"), "does not hold"),
    (faulty.Credible, claims("credible"), "does not hold"),
    (faulty.Balanced, claims("budget"), "operator keeps"),
    (faulty.Subsidised, claims("budget"), "does not hold"),
    (faulty.Idle, claims("efficient"), "does not hold"),
    (faulty.Remembers, SUITE.test_is_pure, "another answer"),
    (faulty.WritesOnBook, SUITE.test_is_pure, "was changed"),
    (faulty.WritesOnState, SUITE.test_is_pure, "was changed"),
    (faulty.HidesState, SUITE.test_state_and_seed_are_told, "state_before"),
    (faulty.StateOfArrays, SUITE.test_state_and_seed_are_told, "plain data"),
    (faulty.ForgetsSeed, SUITE.test_state_and_seed_are_told, "b'one'"),
    (faulty.LinesAmiss, SUITE.test_clearings_verify_and_forged_ones_do_not, "lines are not"),
    (faulty.BelievesAll, SUITE.test_clearings_verify_and_forged_ones_do_not, "forged"),
    (faulty.ByName, SUITE.test_ties_are_broken_by_the_seed, "always comes first"),
    (faulty.RefusesMost, SUITE.test_clears_most_of_its_books, "not today"),
    (faulty.RefusesInSilence, odd("empty"), "without a reason"),
    (faulty.Raises, SUITE.test_answers_books_that_do_not_fit, "indivisible"),
    (faulty.IgnoresNetworks, SUITE.test_answers_books_that_do_not_fit, "clears on"),
    (faulty.NoWords, says, "neither a condition nor a reason"),
    (faulty.Sound, claims("credible"), "without a witness"),
    (faulty.Sound, SUITE.test_has_a_worked_example, "there is no"),
]


def known(monkeypatch: pytest.MonkeyPatch, made: type) -> Any:
    """The mechanism, found by its name."""
    place = f"{faulty.__name__}:{made.__name__}"
    monkeypatch.setitem(mechanisms._BUILT_IN, "faulty", place)
    return made()


@pytest.mark.parametrize(
    ("made", "test", "words"), FAULTS, ids=lambda v: getattr(v, "__name__", "")
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, made: type, test: Callable[..., None], words: str
) -> None:
    mechanism = known(monkeypatch, made)
    with pytest.raises(Found, match=words):
        test(MechanismConformance(), mechanism)


SOUND = sorted(
    {name for name in dir(SUITE) if name.startswith("test_")}
    - {"test_has_a_worked_example", "test_claims_hold_and_denials_are_shown"}  # it has no cases
)


@pytest.mark.parametrize("name", SOUND)
def test_without_a_fault_it_passes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """So that the faults above are what is found."""
    mechanism = known(monkeypatch, faulty.Sound)
    more = {"test_answers_odd_books": ("ties",)}.get(name, ())
    getattr(MechanismConformance(), name)(mechanism, *more)


def test_a_witness_that_shows_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """T10: a stored figure that is not what comes out."""
    from isojoule.apps.files.case_files import find_witness
    from isojoule.market.mechanisms import get

    witness = find_witness("equilibrium", "credible")
    wrong = type(witness)(
        **{
            **{f: getattr(witness, f) for f in witness.__dataclass_fields__},
            "expect": {"honest": 0.0, "lying": 2.0},
        }
    )
    monkeypatch.setattr(attacks, "find_witness", lambda *_: wrong)
    with pytest.raises(AssertionError, match="lying is 3"):
        claims("credible")(MechanismConformance(), get("equilibrium"))
