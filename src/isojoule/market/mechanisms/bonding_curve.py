"""A pool whose price follows from how much has been drawn from it: an augmented bonding curve."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil, isfinite
from typing import Any, ClassVar

from isojoule.core.errors import InputError
from isojoule.core.units import UJ_PER_J, joules_text, money_text, parse_exact
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Claim, Clearing, Match, Refusal, State, Traits
from isojoule.market.matched import (
    NETWORK,
    check_matched,
    check_told,
    check_uniform,
    clearing_of,
)
from isojoule.market.mechanisms.bonding_curve_naive import replay
from isojoule.market.mechanisms.bonding_curve_pool import NANO_PER_UJ, Curve, Pool, Terms
from isojoule.market.mechanisms.bonding_curve_words import reasons
from isojoule.market.mechanisms.posted import need, need_above_zero
from isojoule.market.one_machine import OneMachine, Running

OWN_KEYS = {"supply_j", "reserve", "tax"}
STEEPEST = 8
LARGEST_SUPPLY_UJ = 2**60


@dataclass(frozen=True)
class BondingCurve(OneMachine[Pool]):
    """A common store sells and buys at a price that rises with every Joule drawn from it.

    The pool is one participant's offer, a battery say; of it only what it can give and take counts.
    S Joules have been drawn from it so far, in all intervals, and R, the reserve, was paid for
    them. The next Joule costs kappa * S**(kappa - 1) / V0 with V0 = S**kappa / R, which never
    changes. Who draws pays into the reserve along this curve; who brings energy is paid out of it
    along the same curve, less the exit tax. So the reserve can always pay for all that may ever be
    brought back.

    In the words of the curve's inventors, drawing mints tokens and bringing burns them: a token is
    a Joule that has left the pool. Nothing is bought for later: what is drawn is delivered in this
    interval, and what was drawn gives no claim to anything.

    Parameters
    ----------
    pool
        The participant whose offer is the pool.
    kappa
        Steepness, a whole number from 1 (one price) to 8; 2: the price is in proportion to S.
    price_per_j, supply_j
        A point on the curve, where it starts: the price, money per J, when `supply_j` have been
        drawn. The pool's owner brings the reserve that belongs to it.
    exit_tax
        Share that is kept of what somebody gets who brings energy, 0 or more and below 1.

    Other names: ABC, automated market maker. Source: Zargham, Shorish, Paruch 2020 (From
    curved bonding to configuration spaces, IEEE ICBC). Checked against the Commons Stack's code
    (github.com/commons-stack/commons-simulator, abcurve.py); the paper itself was not read.
    Spec: docs/spec/sequential.md, Q30 to Q36.
    """

    pool: str = "pool"
    kappa: int = 2
    price_per_j: float = 0.20 / 3.6e6
    supply_j: float = 36e6
    exit_tax: float = 0.05

    name: ClassVar[str] = "bonding-curve"
    traits: ClassVar[Traits] = Traits(
        summary="A common store: each Joule drawn makes the next dearer, each brought cheaper.",
        efficient=Claim(
            False, "the price knows what was drawn, not what energy is worth to anybody"
        ),
        incentive_compatible=Claim(
            True,
            "for those who come once to draw or to bring, with one divisible offer, at a moment "
            "that they do not choose: the price does not depend on what they offer; the pool does "
            "not choose",
        ),
        individually_rational=Claim(
            False, "the pool gives and takes by its curve, whatever that is worth to its owner"
        ),
        budget=Claim(True, "who draws pays the pool, the pool pays who brings, to the nano-unit"),
        false_name_proof=Claim(
            False, "in one nanosecond the lowest offer id is first, and another name can have it"
        ),
        coalition_proof=Claim(False, "who leaves a Joule to the next saves it the rise"),
        credible=Claim(
            False, "the pool's owner can draw under another name, and the price rises for others"
        ),
        networks=(NETWORK,),
        agency="indirect",
        information="implicit",
        game="cooperation",
        budget_class="balanced",
        kind="sequential",
        how="A street has a common store. The more has been drawn from it, the dearer the next "
        "Joule; the more is brought back, the cheaper. What is paid for drawing is held in a "
        "reserve, and from it those are paid who bring energy, a little less than the same Joule "
        "cost. Nobody sets a price and nobody forecasts: the level of the store does it.",
        good_for="A shared battery with its own purse, open at all hours, that cannot run out of "
        "money: it buys from who has too much and sells to who has too little.",
        not_for="Finding what energy is worth: the curve is fixed beforehand. A store that loses "
        "energy (its purse does not know), places where somebody can act for the pool, and profit "
        "from rising prices: it is no investment.",
        other_names=("augmented bonding curve", "ABC"),
        sources=("Zargham, Shorish, Paruch 2020, IEEE ICBC, doi 10.1109/ICBC48266.2020.9169474",),
        checked="the curve, what is minted and what is returned against the Commons Stack's code "
        "and tests (github.com/commons-stack/commons-simulator, abcurve.py and abcurve_test.py) "
        "and BlockScience's (github.com/BlockScience/Risk-Adjusted-Bonding-Curves). They agree. "
        "The exit tax is taken off outside of that curve, as here. The paper itself was not read.",
    )

    def __post_init__(self) -> None:
        need(
            isinstance(self.pool, str) and bool(self.pool),
            f"pool of {self.pool!r}",
            "name the participant whose store it is",
        )
        whole = isinstance(self.kappa, int) and not isinstance(self.kappa, bool)
        need(
            whole and 1 <= self.kappa <= STEEPEST,
            f"kappa of {self.kappa!r}",
            f"give a whole number from 1 to {STEEPEST}",
        )
        need_above_zero(self, "price_per_j", "supply_j")
        need(
            1 <= self.supply_j * UJ_PER_J <= LARGEST_SUPPLY_UJ,
            f"supply_j of {self.supply_j!r}",
            "give a microjoule or more, and at most 1e12 J",
        )
        tax = self.exit_tax
        number = isinstance(tax, int | float) and not isinstance(tax, bool)
        need(number and isfinite(tax) and 0 <= tax < 1, f"exit_tax of {tax!r}", "give 0 to 1")
        object.__setattr__(self, "exit_tax", float(tax))

    def curve(self) -> Curve:
        """The curve, exactly."""
        price = Fraction(self.price_per_j) * NANO_PER_UJ
        supply_uj = round(self.supply_j * UJ_PER_J)
        return Curve(self.kappa, price, supply_uj, Fraction(self.exit_tax))

    def terms(self, frame: Book, state: State) -> Terms:
        """What stands fast in an interval, from parameters and the state that came in.

        Raises
        ------
        InputError
            The state is not one that this mechanism leaves.
        """
        curve, lasts = self.curve(), frame.interval.duration_s
        own = {key: value for key, value in state.items() if key != "cancelled"}
        if not own:
            reserve = ceil(curve.reserve_nano(curve.supply_uj))
            return Terms(curve, self.pool, curve.supply_uj, reserve, 0, lasts)
        wrong = InputError(
            'the state is not {"supply_j", "reserve", "tax"}, exact decimal strings of 0 or more '
            "with a reserve that covers what was drawn",
            place="state",
            remedy="hand in the state of the interval before, or none",
        )
        if set(own) != OWN_KEYS:
            raise wrong
        try:
            supply = parse_exact(own["supply_j"], 6)
            reserve, tax = parse_exact(own["reserve"], 9), parse_exact(own["tax"], 9)
        except (ValueError, TypeError):
            raise wrong from None
        if min(supply, reserve, tax) < 0 or reserve < curve.reserve_nano(supply):
            raise wrong
        return Terms(curve, self.pool, supply, reserve, tax, lasts)

    def begun(self, frame: Book, came: State) -> Pool:
        """The pool as the interval before left it."""
        return Pool(self.terms(frame, came))

    def known(self, machine: Pool) -> Container[str]:
        """Who came."""
        return machine.met

    def closed(self, state: Running[Pool], book: Book) -> Clearing | Refusal:
        """The clearing of all that was drawn and brought."""
        pool = state.machine
        position = {name: i for i, name in enumerate(book.offer_ids)}
        matches: tuple[Match, ...] = ()
        if pool.offer is not None:
            own = position[pool.offer.id]
            matches = tuple(match(own, position[t.offer_id], *t[1:]) for t in pool.traded)
        told = self._told(pool.supply_uj, pool.reserve_nano, pool.tax_nano)
        return clearing_of(
            self.name, asdict(self), state.seed, book, state.grid, matches,
            **self._prices(pool.supply_uj), notes={**told, "met": dict(pool.met)}, state=told,
            before=state.before(pool.cancelled),
        )  # fmt: skip

    def audit(self, book: Book, grid: Grid, clearing: Clearing) -> None:
        """Check against a second, naive implementation. Raises VerificationError."""
        again = replay(self, book, grid, clearing.state_before)
        check_matched(book, grid, clearing, [match(again.pool, *row) for row in again.rows])
        told = self._told(again.supply_uj, again.reserve_nano, again.tax_nano)
        check_told(clearing, {**told, "met": again.met}, told)
        check_uniform(grid, clearing, self._prices(again.supply_uj))

    def reasons(self, book: Book, grid: Grid, clearing: Clearing) -> list[str]:
        """Why each offer got what it got."""
        return reasons(self.pool, self.exit_tax, book, grid, clearing)

    def _told(self, supply_uj: int, reserve_nano: int, tax_nano: int) -> dict[str, Any]:
        return {
            "supply_j": joules_text(supply_uj),
            "reserve": money_text(reserve_nano),
            "tax": money_text(tax_nano),
        }

    def _prices(self, supply_uj: int) -> dict[str, float]:
        """Price of every node: the next Joule drawn; the lowest: what one brought would get."""
        price = self.curve().price_nano(supply_uj) / NANO_PER_UJ
        brought = price * (1 - Fraction(self.exit_tax))
        return {
            "price_per_j": float(price), "lowest": float(brought), "highest": float(price),
        }  # fmt: skip


def match(pool: int, other: int, energy_uj: int, paid_nano: int, at_ns: int) -> Match:
    """A trade with the pool; who brings energy has negative energy and payment."""
    if energy_uj > 0:
        return Match(pool, other, energy_uj, paid_nano, at_ns)
    return Match(other, pool, -energy_uj, -paid_nano, at_ns)
