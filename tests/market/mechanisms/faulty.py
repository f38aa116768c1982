"""Mechanisms with planted faults: each breaks one promise, and the suite has to find it.

All of them are the equilibrium with a change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from isojoule.grid import Grid
from isojoule.market import Book, Claim, Clearing, Refusal, Traits
from isojoule.market.contract import State
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.market.worth import welfare_at

HONEST = Equilibrium.traits


def recomputed(c: Clearing, **changes: Any) -> Clearing:
    """The clearing with changes, checked by running the rule again."""
    certificate = replace(c.certificate, kind="recomputed")
    return replace(c, mechanism="faulty", certificate=certificate, **changes)


@dataclass(frozen=True)
class Sound(Equilibrium):
    """No fault at all: the suite passes it."""

    name: ClassVar[str] = "faulty"
    traits: ClassVar[Traits] = HONEST

    def clear(
        self, book: Book, grid: Grid, *, state: State | None = None, seed: bytes = b""
    ) -> Clearing | Refusal:
        found = super().clear(book, grid, state=state, seed=seed)
        if isinstance(found, Refusal):
            return replace(found, mechanism="faulty")
        return self.change(
            recomputed(found, state_before=dict(state or {})), book, grid, state, seed
        )

    def change(
        self, c: Clearing, book: Book, grid: Grid, state: State | None, seed: bytes
    ) -> Clearing | Refusal:
        """What is wrong."""
        return c


class TakesFromLosers(Sound):
    """Who gets nothing pays a fee."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        fee = np.where(c.energy_uj == 0, 10**9, 0)
        lines = {**c.operator, "fee": int(fee.sum())}
        return replace(c, payment_nano=c.payment_nano + fee, operator=lines)


class PaysFirst(Sound):
    """The first offer in the book is paid a bonus."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        if not book.offer_count:
            return c
        paid = c.payment_nano.copy()
        paid[0] -= 10**9
        return replace(c, payment_nano=paid, operator={**c.operator, "bonus": -(10**9)})


class Truthful(Sound):
    """Claims to be incentive compatible."""

    traits: ClassVar[Traits] = replace(HONEST, incentive_compatible=Claim(True, "believe me"))


class NameProof(Sound):
    """Claims to be false-name-proof."""

    traits: ClassVar[Traits] = replace(HONEST, false_name_proof=Claim(True, "believe me"))


class PactProof(Sound):
    """Claims to be coalition-proof."""

    traits: ClassVar[Traits] = replace(HONEST, coalition_proof=Claim(True, "believe me"))


class Credible(Sound):
    """Claims to be credible."""

    traits: ClassVar[Traits] = replace(HONEST, credible=Claim(True, "believe me"))


class Balanced(Sound):
    """Claims to keep nothing."""

    traits: ClassVar[Traits] = replace(HONEST, budget_class="balanced")


class Subsidised(Sound):
    """Pays everybody a bonus, and claims that the operator never pays."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        bonus = -(10**9) * (c.energy_uj != 0)
        lines = {**c.operator, "bonus": int(bonus.sum())}
        return replace(c, payment_nano=c.payment_nano + bonus, operator=lines)


class Idle(Sound):
    """Lets nobody trade, and claims to be efficient."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        none, links = np.zeros_like(c.energy_uj), np.zeros_like(c.flow_uj)
        welfare = welfare_at(book, none)
        certificate = replace(c.certificate, welfare_bound=welfare, gap=0.0)
        return replace(
            c, energy_uj=none, payment_nano=none, flow_uj=links, loss_uj=links,
            link_payment_nano=links, operator={}, welfare=welfare, certificate=certificate,
        )  # fmt: skip


class Remembers(Sound):
    """Keeps a count where nobody sees it."""

    seen: ClassVar[list[int]] = []

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        self.seen.append(1)
        return replace(c, operator={**c.operator, "count": 0, f"n{len(self.seen)}": 0})


class WritesOnBook(Sound):
    """Changes the book that came in."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        book.spill0[:] = 1.0
        return c


class WritesOnState(Sound):
    """Changes the state that came in."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        if state is not None:
            state["seen"] = True
        return replace(c, state={"seen": True})


class HidesState(Sound):
    """Does not tell the state that came in."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        return replace(c, state={"count": 1}, state_before={})


class StateOfArrays(Sound):
    """A state that JSON cannot hold."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        return replace(c, state={"sold": (1, 2)})


class ForgetsSeed(Sound):
    """Does not record the seed."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        return replace(c, seed=b"")


class LinesAmiss(Sound):
    """The operator's lines are not the sum of all payments."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        return replace(c, operator={**c.operator, "gift": 1})


class BelievesAll(Sound):
    """An audit that finds nothing."""

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Nothing is looked at."""


class ByName(Sound):
    """Of twins, the first by name gets it all."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        energy = c.energy_uj.copy()
        twins = [i for i, n in enumerate(book.offer_ids) if n in ("abe", "mia", "zoe")]
        if len(twins) == 3 and len({book.offer_node[i] for i in twins}) == 1:
            total, p = int(energy[twins].sum()), book.pieces
            for i in sorted(twins, key=lambda i: book.offer_ids[i]):
                of = book.piece_offer == i
                low, high = int(p.lo[of].sum() * 1e6), int(p.hi[of].sum() * 1e6)
                energy[i] = min(max(total, low), high)
                total -= int(energy[i])
        return replace(c, energy_uj=energy)


class RefusesMost(Sound):
    """Refuses nearly everything."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        return c if book.offer_count % 5 == 0 else Refusal("faulty", "not today", "come tomorrow")


class RefusesInSilence(Sound):
    """Refuses without a reason."""

    def change(self, c, book, grid, state, seed):  # type: ignore[no-untyped-def]
        return c if book.offer_count else Refusal("faulty", "")


class Raises(Sound):
    """Raises where it should refuse."""

    def clear(self, book, grid, *, state=None, seed=b""):  # type: ignore[no-untyped-def]
        if book.indivisible:
            raise ValueError("indivisible")
        return super().clear(book, grid, state=state, seed=seed)


class IgnoresNetworks(Sound):
    """Clears on networks that are not among its own."""

    traits: ClassVar[Traits] = replace(HONEST, networks=("copperplate",))


class NoWords(Sound):
    """A claim without a reason."""

    traits: ClassVar[Traits] = replace(HONEST, credible=Claim(False, ""))
