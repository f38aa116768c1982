"""Whom the rules of settlement name to receive money: checked, so that a typo opens no account.

A fee names its payee, and who is so named exists, unless two names are nearly one. Where a file
lists its `payees`, these alone do. Fines go to the operator, the utility, a member, or a payee.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from isojoule.apps.files.places import nearest
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.settlement.collateral.asked import KEEP_NOTHING
from isojoule.settlement.rules import Fee, check_part
from isojoule.settlement.settle import OPERATOR, UTILITY

NEARLY = 0.85
"""So alike, by difflib, names are taken for one."""
FINES = "fines"
"""What the account of a payee is called that has fines."""


def payees_of(listed: Sequence[str] | None, fees: Sequence[Fee], lines: Lines) -> tuple[str, ...]:
    """Those outside who may receive money: as they are listed, else as fees name them.

    Raises
    ------
    InputError
        A fee goes to somebody who is not listed, or who is nearly the payee of another, or a name
        cannot be one; with line and remedy.
    """
    if listed is None:
        return _named(fees, lines)
    for at, name in enumerate(listed):
        check_part("payee", name, lines.place("payees", at))
    for at, fee in enumerate(fees):
        if fee.to not in listed:
            near = nearest(fee.to, listed)
            raise InputError(
                f"fee {fee.name!r} goes to {fee.to!r}, who is not among the payees",
                place=lines.place("fees", at, "to"),
                remedy=f"{near} Or add it" if near.endswith("?") else f"{near}; or add it",
            )
    return tuple(listed)


def _named(fees: Sequence[Fee], lines: Lines) -> tuple[str, ...]:
    """The payees of fees; one that is nearly another is a typo, where they are not listed."""
    known: dict[str, None] = {}
    for at, fee in enumerate(fees):
        for near in get_close_matches(fee.to, [n for n in known if n != fee.to], cutoff=NEARLY):
            if fee.to not in known and _letters(near) != _letters(fee.to):
                raise InputError(
                    f"fee {fee.name!r} goes to {fee.to!r}, and another to {near!r}",
                    place=lines.place("fees", at, "to"),
                    remedy=f"did you mean {near!r}? If not, list both, as "
                    f"payees: [{', '.join((*known, fee.to))}]",
                )
        known[fee.to] = None
    return tuple(known)


def _letters(name: str) -> str:
    """A name without its digits: those that differ in them alone are no typos."""
    return "".join(c for c in name if not c.isdigit())


def account_of_fines(name: str, payees: Sequence[str], fees: Sequence[Fee], place: str) -> str:
    """The account that has the fines, by the name that a file gives.

    Members are checked where they are known, and what keeps nothing where bonds are.

    Raises
    ------
    InputError
        There is nobody of that name; says who may be meant, and how to declare it.
    """
    kind = name.partition("/")[0]
    if not name or name in (OPERATOR, UTILITY, *KEEP_NOTHING) or kind == "member":
        return name
    if name in payees:
        return f"fee/{name}/{FINES}"
    known = {fee.account for fee in fees} | {f"fee/{payee}/{FINES}" for payee in payees}
    if name in known:
        return name
    near = nearest(name, (OPERATOR, UTILITY, *payees, *known))
    meant = f"{near} Or" if near.endswith("?") else f"write {OPERATOR}, or member/NAME, or"
    own = name.split("/")[1] if kind == "fee" and name.count("/") == 2 else name.replace("/", "-")
    raise InputError(
        f"there is nobody called {name!r} to have the fines",
        place=place,
        remedy=f"{meant} declare who is outside, as payees: [{', '.join((*payees, own))}]",
    )
