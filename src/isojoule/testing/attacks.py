"""What is claimed is attacked, what is denied has to be shown: the part of the suite about traits.

Spec: docs/spec/traits.md, T3 to T9.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from isojoule.apps.files.case_files import case_names, find_witness, replay, witness_text
from isojoule.core.errors import InputError
from isojoule.market import Clearing, Mechanism, Refusal
from isojoule.market.contract import TRAITS
from isojoule.market.deviation import Deviation, Shown, World, show
from isojoule.market.worth import money_scale
from isojoule.testing import lies
from isojoule.testing.books import KINDS, Sample, sample, samples
from isojoule.testing.draws import Draw, Seeded, drawn_by
from isojoule.testing.smaller import smaller

TRIES = 20
"""Books that are tried to see whether a mechanism takes a kind of sample."""
_kinds: dict[tuple[type, str], str] = {}
"""Kinds that were found, by suite and mechanism."""


class TraitAttacks:
    """How hard a suite tries, who may lie, and the attacks on each trait.

    Attributes
    ----------
    sample
        Kind of random books, one of `isojoule.testing.KINDS`; "" takes the mechanism's own
        `sample`, or else the first kind of which it clears most.
    examples
        Random books per property.
    lies
        Lies per random book, where a trait is attacked.
    least_share
        Share of the random books that must be cleared.
    margin
        A gain below this share of all worths of a book is rounding.
    """

    sample: ClassVar[str] = ""
    examples: ClassVar[int] = 12
    lies: ClassVar[int] = 4
    least_share: ClassVar[float] = 0.5
    margin: ClassVar[float] = 1e-6

    # --- what a subclass may replace ---------------------------------------------------------

    def books(self, mechanism: Mechanism) -> st.SearchStrategy[Sample]:
        """Random books that the mechanism is made for."""
        return samples(self._kind(mechanism), mechanism.traits.networks)

    def liars(self, mechanism: Mechanism, found: Sample) -> Sequence[str]:
        """Who may lie: all to whom the claims apply. An auction may except its auctioneer."""
        return found.book.participants

    # --- the traits --------------------------------------------------------------------------

    @pytest.mark.parametrize("trait", TRAITS)
    def test_claims_hold_and_denials_are_shown(self, mechanism: Mechanism, trait: str) -> None:
        """T3 to T9: what is claimed is attacked; what is denied has a witness that shows it."""
        claim = getattr(mechanism.traits, trait)
        if claim.holds:
            getattr(self, f"attack_{trait}")(mechanism)
            return
        stem = claim.witness or trait
        assert stem in case_names(mechanism), (
            f"{trait} is denied without a witness: write cases/{mechanism.name}/{stem}.yaml"
        )
        witness = find_witness(mechanism, stem)
        assert (witness.mechanism, witness.trait) == (mechanism.name, trait)
        assert replay(witness).wrong == ""

    def attack_efficient(self, mechanism: Mechanism) -> None:
        """Compare with the greatest welfare, found by the solver that fits the book."""
        self._each(mechanism, lambda found: self._holds("efficient", mechanism, found))

    def attack_individually_rational(self, mechanism: Mechanism) -> None:
        """Nobody who tells the truth has a utility below 0."""
        most = 3 * self.examples
        self._each(
            mechanism, lambda f: self._holds("individually_rational", mechanism, f), most=most
        )

    def attack_budget(self, mechanism: Mechanism) -> None:
        """The operator never pays; a balanced one earns nothing but its links' prices."""

        def look(found: Sample) -> None:
            shown = self._holds("budget", mechanism, found)
            if mechanism.traits.budget_class != "balanced":
                return
            surplus = shown.figures["operator"]
            assert isinstance(surplus, float)
            grid, c = found.grid, shown.honest.clearing
            unowned = np.array([not owner for owner in grid.owner], bool)
            carried = float(np.sum((grid.price_per_j * np.abs(c.flow_uj))[unowned])) * 1e-6
            least = max(1e-5, self.margin) * money_scale(found.book) + 1e-8
            assert surplus <= carried + least, f"the operator keeps {surplus}"

        self._each(mechanism, look, most=3 * self.examples)

    def attack_incentive_compatible(self, mechanism: Mechanism) -> None:
        """One participant lies under its own name."""
        self._attack("incentive_compatible", mechanism, self._one_liar(mechanism, lies.misreport))

    def attack_false_name_proof(self, mechanism: Mechanism) -> None:
        """One participant under several names."""
        self._attack("false_name_proof", mechanism, self._one_liar(mechanism, lies.split_names))

    def attack_coalition_proof(self, mechanism: Mechanism) -> None:
        """Two who agree, and share by side payments."""

        def lie(draw: Draw, found: Sample) -> Deviation:
            names = self.liars(mechanism, found)
            assume(len(names) > 1)
            one = draw.whole(0, len(names) - 1)
            other = (one + draw.whole(1, len(names) - 1)) % len(names)
            return lies.agree(draw, found, names[one], names[other])

        self._attack("coalition_proof", mechanism, lie)

    def attack_credible(self, mechanism: Mechanism) -> None:
        """An operator who plants offers."""
        self._attack("credible", mechanism, lies.plants)

    # --- how ---------------------------------------------------------------------------------

    def _attack(
        self, trait: str, mechanism: Mechanism, lie: Callable[[Draw, Sample], Deviation]
    ) -> None:
        def attempts(draw: Draw, found: Sample) -> list[Deviation]:
            return [lie(draw, found) for _ in range(self.lies)]

        both = self.books(mechanism).flatmap(
            lambda found: st.tuples(st.just(found), drawn_by(attempts, found))
        )

        def look(drawn: tuple[Sample, list[Deviation]]) -> None:
            found, deviations = drawn
            honest = self._cleared(mechanism, found)
            for deviation in deviations:
                self._holds(trait, mechanism, found, deviation, honest)

        self._run(look, both, most=2 * self.examples)

    def _one_liar(
        self, mechanism: Mechanism, lie: Callable[[Draw, Sample, str], Deviation]
    ) -> Callable[[Draw, Sample], Deviation]:
        def by_one(draw: Draw, found: Sample) -> Deviation:
            names = self.liars(mechanism, found)
            assume(len(names) > 0)
            return lie(draw, found, draw.of(names))

        return by_one

    def _holds(
        self,
        trait: str,
        mechanism: Mechanism,
        found: Sample,
        deviation: Deviation | None = None,
        honest: World | None = None,
    ) -> Shown:
        honest = honest or self._cleared(mechanism, found)
        margin = self.margin
        shown = show(
            trait, mechanism, found.book, found.grid, deviation, margin=margin, honest=honest
        )
        if isinstance(shown, Refusal):
            return Shown(trait, True, {}, honest)  # a lie that is refused gains nothing
        if shown.holds:
            return shown
        shown, found, deviation = smaller(shown, mechanism, found, deviation, margin)
        parameters: dict[str, Any] = asdict(mechanism) if is_dataclass(mechanism) else {}
        text = witness_text(shown, mechanism, parameters, found.file.doc, deviation)
        pytest.fail(
            f"{trait} is claimed, and does not hold. As a witness, cases/{mechanism.name}/"
            f"{trait}.yaml:\n\n{text}"
        )

    def _cleared(self, mechanism: Mechanism, found: Sample, seed: bytes = b"") -> World:
        outcome = mechanism.clear(found.book, found.grid, seed=seed)
        assume(isinstance(outcome, Clearing))
        assert isinstance(outcome, Clearing)
        return World(found.book, found.grid, outcome)

    def _kind(self, mechanism: Mechanism) -> str:
        """The kind of random books."""
        named = self.sample or getattr(mechanism, "sample", "")
        if named:
            if named not in KINDS:
                raise InputError(f"unknown sample {named!r}", remedy=f"use one of {KINDS}")
            return str(named)
        key = (type(self), repr(mechanism))
        if key not in _kinds:
            _kinds[key] = self._fitting(mechanism)
        return _kinds[key]

    def _fitting(self, mechanism: Mechanism) -> str:
        """The first kind of which most books are cleared."""
        best, share = KINDS[0], -1.0
        for kind in KINDS:
            drawn = [sample(Seeded(seed), kind, mechanism.traits.networks) for seed in range(TRIES)]
            cleared = [isinstance(mechanism.clear(s.book, s.grid), Clearing) for s in drawn]
            if sum(cleared) / TRIES > max(share, self.least_share - 1e-9):
                if share >= self.least_share:
                    break
                best, share = kind, sum(cleared) / TRIES
        return best

    def _each(
        self, mechanism: Mechanism, look: Callable[[Sample], Any], most: int | None = None
    ) -> None:
        self._run(look, self.books(mechanism), most=most)

    def _run(
        self, look: Callable[..., Any], *strategies: st.SearchStrategy[Any], most: int | None = None
    ) -> None:
        @settings(
            max_examples=most or self.examples,
            derandomize=True,
            deadline=None,
            database=None,
            phases=(
                Phase.generate,
            ),  # samples are small; `smaller` leaves out what does not matter
            suppress_health_check=list(HealthCheck),
        )
        @given(st.tuples(*strategies))
        def check(drawn: tuple[Any, ...]) -> None:
            look(*drawn)

        check()
