"""What the rules of a settlement ask of those whose offers are accepted. Spec: B27 to B32."""

from __future__ import annotations

from dataclasses import dataclass

from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, check_account

MOST_PRICE_PER_J = 2.0**-8
"""Prices stay below, 14,000 a kWh: their sums and differences are exact then."""
KEEP_NOTHING = ("collateral", "guarantee", "market", "balancing", "losses")
"""Accounts in the middle, or of energy alone: nobody has what is in them."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A dispute about what a member's meter shows: its bonds are frozen until it has ended.

    Parameters
    ----------
    member
        Whose bonds.
    start_s, end_s
        The time in dispute, s since 1970: the intervals that begin in it.
    decided_s
        When the dispute ends.
    upheld
        Whether it ends for the member: then what was short in that time counts as kept.
    reason
        Why, for people.
    """

    member: str
    start_s: int
    end_s: int
    decided_s: int
    upheld: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BondRules:
    """Bonds behind what is cleared.

    Parameters
    ----------
    highest_per_j, lowest_per_j
        Between these the price of imbalance stays, money/J; None: as the rule of imbalance and the
        utility's tariff have it.
    fine_per_j
        Charged beyond the harm for each Joule that is short, money/J.
    fines_to
        The account that receives fines.
    credit_nano
        The most that the guarantee fund puts up for one member; 0: for nobody.
    least_share
        Delivered share below which it puts up nothing, in [0, 1).
    prior_uj
        Energy that counts as promised and not delivered before anything was measured.
    claims
        Disputes; two of one member do not overlap.

    Raises
    ------
    InputError
        Something is out of its range.
    """

    highest_per_j: float | None = None
    lowest_per_j: float | None = None
    fine_per_j: float = 0.0
    fines_to: str = "operator"
    credit_nano: int = 0
    least_share: float = 0.9
    prior_uj: int = 0
    claims: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        most = MOST_PRICE_PER_J
        highest, lowest = self.highest_per_j, self.lowest_per_j
        checks = (
            (highest is None or abs(highest) < most, "highest", "give a price, as 0.40 EUR/kWh"),
            (lowest is None or abs(lowest) < most, "lowest", "give a price, as 0 EUR/kWh"),
            (
                highest is None or lowest is None or lowest <= highest,
                "lowest",
                "give a price that is not above highest",
            ),
            (0 <= self.fine_per_j < most, "fine", "give 0 or more, as 0.02 EUR/kWh"),
            (0 <= self.credit_nano < 2**62, "credit", "give 0 or more, as 20 EUR"),
            (0 <= self.least_share < 1, "least_share", "give a share below 100 %, as 90 %"),
            (0 <= self.prior_uj < 2**62, "prior", "give 0 or more, as 10 kWh"),
        )
        for fine, key, remedy in checks:
            if not fine:
                raise InputError("is out of its range", place=f"collateral.{key}", remedy=remedy)
        check_account(Account(self.fines_to, "EUR"))
        if self.fines_to in KEEP_NOTHING:
            raise InputError(
                f"{self.fines_to!r} keeps nothing", place="collateral.fines_to",
                remedy="name who is to have the fines, as operator",
            )  # fmt: skip
        for at, claim in enumerate(self.claims):
            _check_claim(claim, self.claims[:at], f"claims[{at}]")


def _check_claim(claim: Claim, before: tuple[Claim, ...], place: str) -> None:
    if not claim.start_s < claim.end_s <= claim.decided_s:
        raise InputError(
            "a claim is about a time that has ended when it is decided", place=place,
            remedy="give from, to and decided in their order",
        )  # fmt: skip
    for other in before:
        same = other.member == claim.member
        if same and claim.start_s < other.end_s and other.start_s < claim.end_s:
            raise InputError(
                f"two claims of {claim.member!r} overlap", place=place,
                remedy="make one claim of them, or give each its own time",
            )  # fmt: skip
