"""The suite that every mechanism passes, ours and yours.

    import pytest
    from isojoule.testing import MechanismConformance

    class TestFairShare(MechanismConformance):
        @pytest.fixture
        def mechanism(self):
            return FairShare()

The rules:

- The contract of `isojoule.market.contract` is tested on random books and on odd ones.
- A trait that is claimed is attacked: random books, random lies. A lie that pays fails the test,
  and is printed as a witness file.
- A trait that is denied has a witness among the mechanism's cases, and it shows the "no".
- A mechanism may refuse books. A suite whose random books are mostly refused fails: choose a
  `sample` that fits, or override `books`.

Spec: docs/spec/traits.md.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from isojoule.apps.files.case_files import EXAMPLE, example_of
from isojoule.apps.files.clearing_files import answer, answer_text, clearing_from_doc
from isojoule.core.canonical import load_strict
from isojoule.core.errors import VerificationError
from isojoule.market import Clearing, Mechanism, Refusal, Traits
from isojoule.market.book import BOOK_NETWORKS
from isojoule.market.contract import TRAITS
from isojoule.market.deviation import World, utilities
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.market.worth import Truth, money_scale
from isojoule.testing.attacks import TraitAttacks
from isojoule.testing.books import Sample, sample
from isojoule.testing.draws import Seeded
from isojoule.testing.odd import ODD, odd_book, reordered, twins

TAGS = {
    "kind": ("batch", "sequential", "posted"),
    "agency": ("direct", "indirect"),
    "information": ("mediated", "bilateral", "implicit"),
    "game": ("competition", "cooperation"),
    "budget_class": ("balanced", "surplus", "deficit"),
}


class MechanismConformance(TraitAttacks):
    """Tests of one mechanism; subclass it with a fixture `mechanism`.

    Class attributes `sample`, `examples`, `lies`, `least_share`, `margin`, and methods `books` and
    `liars`, may be replaced; see `isojoule.testing.attacks`.
    """

    # --- the contract ------------------------------------------------------------------------

    def test_says_what_it_is(self, mechanism: Mechanism) -> None:
        """T12: name, traits, parameters; frozen, and found by its name."""
        traits = mechanism.traits
        assert isinstance(mechanism, Mechanism)
        assert isinstance(traits, Traits)
        assert is_dataclass(mechanism)
        for field in fields(mechanism):
            with pytest.raises(AttributeError):  # frozen
                setattr(mechanism, field.name, None)
        assert json.loads(json.dumps(asdict(mechanism))) == asdict(mechanism)
        found = get(mechanism.name)
        assert type(found) is type(mechanism), f"another mechanism is found as {mechanism.name!r}"
        assert traits.summary
        assert traits.networks
        assert set(traits.networks) <= set(BOOK_NETWORKS)
        for tag, words in TAGS.items():
            assert getattr(traits, tag) in words, tag
        for trait in TRAITS:
            claim = getattr(traits, trait)
            assert claim.because, f"{trait}: says neither a condition nor a reason"
        denied = traits.budget_class == "deficit"
        assert traits.budget.holds != denied, "budget and budget_class disagree"

    def test_clears_most_of_its_books(self, mechanism: Mechanism) -> None:
        """T13: a suite that skips most of its books proves nothing."""
        cleared = refused = 0
        reasons: set[str] = set()

        def look(sample: Sample) -> None:
            nonlocal cleared, refused
            outcome = mechanism.clear(sample.book, sample.grid)
            if isinstance(outcome, Refusal):
                refused += 1
                reasons.add(str(outcome))
            else:
                cleared += 1

        self._each(mechanism, look, most=max(self.examples, 20))
        assert cleared >= self.least_share * (cleared + refused), (
            f"{refused} of {cleared + refused} random books are refused, as: {min(reasons)}. "
            "Choose a `sample` that fits, or override `books`"
        )

    def test_is_pure(self, mechanism: Mechanism) -> None:
        """T14: the same in, the same out, whatever came in between; what came in stays."""
        before: list[tuple[Sample, str]] = []

        def look(sample: Sample) -> None:
            state: dict[str, Any] = {}
            frozen = copy.deepcopy((_columns(sample.book), _columns(sample.grid)))
            first = mechanism.clear(sample.book, sample.grid, state=state, seed=b"s")
            assert state == {}, "the state that came in was changed"
            now = (_columns(sample.book), _columns(sample.grid))
            assert _same(frozen, now), "book or grid was changed"
            text = _text(sample, first)
            again = mechanism.clear(sample.book, sample.grid, state=state, seed=b"s")
            assert _text(sample, again) == text, "another answer to the same book"
            for other, stored in before[-1:]:
                later = mechanism.clear(other.book, other.grid, state={}, seed=b"s")
                assert _text(other, later) == stored, "an answer depends on what was cleared before"
            before.append((sample, text))

        self._each(mechanism, look)

    def test_answers_books_that_do_not_fit(self, mechanism: Mechanism) -> None:
        """T15: another network is refused; all else is cleared rightly or refused, never raised."""
        for network in BOOK_NETWORKS:
            for kind in ("any", "whole"):
                for seed in range(3):
                    found = sample(Seeded(seed), kind, (network,))
                    if network not in mechanism.traits.networks:
                        outcome = mechanism.clear(found.book, found.grid)
                        assert isinstance(outcome, Refusal), f"clears on {network!r}"
                    self._answer(mechanism, found)

    @pytest.mark.parametrize("case", ODD)
    def test_answers_odd_books(self, mechanism: Mechanism, case: str) -> None:
        """T16: nobody, one bidder, all ties, nine digits: a right clearing or a refusal."""
        for network in mechanism.traits.networks:
            for found in odd_book(case, self._kind(mechanism), network):
                self._answer(mechanism, found)

    def test_order_of_the_input_does_not_matter(self, mechanism: Mechanism) -> None:
        """T17: offers, nodes and links in another order: everybody has the same utility."""

        def look(found: Sample, seed: int) -> None:
            one = self._cleared(mechanism, found)
            other = reordered(found, seed)
            two = mechanism.clear(other.book, other.grid)
            assert isinstance(two, Clearing), f"refused in another order: {two}"
            a = utilities(Truth(found.book, found.grid), one)
            b = utilities(Truth(other.book, other.grid), World(other.book, other.grid, two))
            least = max(1e-4, self.margin) * money_scale(found.book) + 1e-8
            for name in a:
                assert abs(a[name] - b[name]) <= least, (
                    f"{name!r} depends on the order of the input"
                )

        self._run(look, self.books(mechanism), st.integers(0, 99))

    def test_ties_are_broken_by_the_seed(self, mechanism: Mechanism) -> None:
        """T18: of offers that are alike but for the name, none is favoured by its place or name."""
        for seed in range(4):
            found, alike = twins(Seeded(seed), self._kind(mechanism), mechanism.traits.networks)
            firsts = set()
            for n in range(12):
                out = mechanism.clear(found.book, found.grid, seed=bytes([n]))
                if isinstance(out, Refusal):
                    break
                at = [found.book.offer_ids.index(name) for name in alike]
                got = [(int(out.energy_uj[i]), int(out.payment_nano[i])) for i in at]
                if len({e for e, _ in got}) == 1 or _close(got):
                    firsts = set(alike)
                    break
                firsts.add(alike[got.index(max(got, key=lambda g: abs(g[0])))])
            assert len(firsts) != 1, f"{firsts} always comes first"

    def test_clearings_verify_and_forged_ones_do_not(self, mechanism: Mechanism) -> None:
        """T19: conservation, money and the rule hold; a nano-unit or a microjoule more does not."""

        def look(found: Sample) -> None:
            world = self._cleared(mechanism, found)
            c = world.clearing
            check_clearing(found.book, found.grid, c)
            paid = int(c.payment_nano.sum()) + int(c.link_payment_nano.sum())
            assert c.surplus_nano == paid, "the operator's lines are not the sum of all payments"
            for i in range(found.book.offer_count):
                for column in ("payment_nano", "energy_uj"):
                    values = getattr(c, column).copy()
                    values[i] += 1
                    self._forged(found, replace(c, **{column: values}), f"{column}[{i}]")
            lines = {**c.operator, "gift": -1}
            self._forged(found, replace(c, operator=lines), "operator")

        self._each(mechanism, look, most=max(6, self.examples // 2))

    def test_the_answer_can_be_stored(self, mechanism: Mechanism) -> None:
        """T20: written as JSON and read again, it is the same clearing, and verifies."""

        def look(found: Sample) -> None:
            world = self._cleared(mechanism, found, seed=b"\x00s")
            text = answer_text(answer(found.file, world.clearing))
            file, again = clearing_from_doc(load_strict(text))
            check_clearing(file.book, file.grid, again)
            assert answer_text(answer(file, again)) == text

        self._each(mechanism, look, most=max(6, self.examples // 2))

    def test_state_and_seed_are_told(self, mechanism: Mechanism) -> None:
        """T21: state is plain data that can be stored and comes in again; the seed is recorded."""

        def look(found: Sample) -> None:
            one = self._cleared(mechanism, found, seed=b"one").clearing
            assert one.seed == b"one"
            assert one.mechanism == mechanism.name
            assert is_dataclass(mechanism) and one.parameters == asdict(mechanism)
            stored = json.loads(json.dumps(one.state))
            assert stored == one.state, "the state is not plain data"
            before = copy.deepcopy(stored)
            two = mechanism.clear(found.book, found.grid, state=stored, seed=b"one")
            assert stored == before, "the state that came in was changed"
            if isinstance(two, Clearing):
                assert two.state_before == stored, "state_before is not what came in"
                check_clearing(found.book, found.grid, two)
                same = mechanism.clear(found.book, found.grid, state=one.state, seed=b"one")
                assert _text(found, same) == _text(found, two)

        self._each(mechanism, look, most=max(6, self.examples // 2))

    def test_has_a_worked_example(self, mechanism: Mechanism) -> None:
        """T11: `cases/<name>/example.yaml` is a book that it clears."""
        file = example_of(mechanism)
        assert file is not None, f"there is no cases/{mechanism.name}/{EXAMPLE}.yaml"
        cleared = mechanism.clear(file.book, file.grid)
        assert isinstance(cleared, Clearing), str(cleared)
        check_clearing(file.book, file.grid, cleared)
        assert cleared.energy_uj.any(), "nobody trades in the example"

    # --- how ---------------------------------------------------------------------------------

    def _answer(self, mechanism: Mechanism, found: Sample) -> Clearing | Refusal:
        """A clearing that verifies, or a refusal with its reason."""
        outcome = mechanism.clear(found.book, found.grid)
        assert isinstance(outcome, Clearing | Refusal), f"answers with {outcome!r}"
        if isinstance(outcome, Refusal):
            assert outcome.reason, "refuses without a reason"
            assert outcome.mechanism == mechanism.name
        else:
            check_clearing(found.book, found.grid, outcome)
            answer(found.file, outcome)
        return outcome

    def _forged(self, found: Sample, clearing: Clearing, what: str) -> None:
        try:
            check_clearing(found.book, found.grid, clearing)
        except VerificationError:
            return
        pytest.fail(f"a forged {what} is not found")


def _text(found: Sample, outcome: Clearing | Refusal) -> str:
    if isinstance(outcome, Refusal):
        return str(outcome)
    return answer_text(answer(found.file, outcome))


def _close(got: list[tuple[int, int]]) -> bool:
    """Whether they share, but for dust."""
    energies = [e for e, _ in got]
    return max(energies) - min(energies) <= 1e-4 * max(map(abs, energies)) + 2


def _columns(thing: Any) -> dict[str, Any]:
    """The fields of a book or a grid, arrays included, caches left out."""
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, dict):
        return all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
