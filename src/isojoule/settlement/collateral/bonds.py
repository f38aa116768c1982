"""Bonds kept beside a ledger: a step stands once the ledger has written its transfers."""

from __future__ import annotations

from collections.abc import Iterator

from isojoule.core.transfer import Account
from isojoule.settlement.collateral.nouns import ESCROW, GUARANTEE, Held, Outcome, Promise, Terms
from isojoule.settlement.collateral.rules import Step, freeze, pledge, resolve, thaw
from isojoule.settlement.collateral.sizes import check_terms, credit_nano, shortfall_uj
from isojoule.settlement.ledger.answers import Status
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.refused import Refused

Name = tuple[str, str, int]
"""Market, offer, start of the interval."""
WINDOW = 96 * 28
"""So many of a party's last promises count for its credit: four weeks of quarter hours."""


class Bonds:
    """The bonds of a market.

    The party's account, and that of whoever was harmed, are opened by whoever keeps the ledger,
    best with `DEBITS_MUST_NOT_EXCEED_CREDITS`: then nobody promises what it has not.

    Parameters
    ----------
    ledger
        Where the money is.
    terms
        Of the market.
    now_ns
        Time of opening the market's own accounts, ns since 1970.

    Raises
    ------
    InputError
        The terms make no sense.
    """

    def __init__(self, ledger: Ledger, terms: Terms, now_ns: int) -> None:
        check_terms(terms)
        self.ledger, self.terms = ledger, terms
        self._held: dict[Name, Held] = {}
        self._past: dict[str, list[tuple[int, int]]] = {}
        names = (ESCROW, GUARANTEE, terms.fines_to)
        missing = [Account(name, terms.currency) for name in dict.fromkeys(names)]
        missing = [account for account in missing if ledger.account(account.id) is None]
        ledger.open_accounts(missing, now_ns)

    def pledge(self, promise: Promise, now_ns: int) -> Held | Refused:
        """Put up a bond; see `rules.pledge`."""
        name = name_of(promise)
        credit = self.credit_left_nano(promise.party)
        return self._take(pledge(self._held.get(name), promise, self.terms, credit), now_ns)

    def freeze(self, name: Name, claim: str, now_ns: int) -> Held | Refused:
        """See `rules.freeze`."""
        held = self._held.get(name)
        return _UNKNOWN if held is None else self._take(freeze(held, claim), now_ns)

    def thaw(self, name: Name, claim: str, now_ns: int) -> Held | Refused:
        """See `rules.thaw`."""
        held = self._held.get(name)
        return _UNKNOWN if held is None else self._take(thaw(held, claim), now_ns)

    def resolve(self, name: Name, outcome: Outcome, now_ns: int) -> Held | Refused:
        """See `rules.resolve`."""
        held = self._held.get(name)
        if held is None:
            return _UNKNOWN
        fresh = held.outcome is None
        taken = self._take(resolve(held, outcome, self.terms), now_ns)
        if fresh and isinstance(taken, Held):
            short = shortfall_uj(held.promise, outcome)
            past = self._past.setdefault(held.promise.party, [])
            past.append((held.promise.quantity_uj, short))
            del past[:-WINDOW]
        return taken

    def credit_left_nano(self, party: str) -> int:
        """What the fund still stands in for a party: its credit, less what is lent and owed."""
        mine = [held for held in self._held.values() if held.promise.party == party]
        lent = sum(held.lent_nano for held in mine if held.penalty is None)
        owed = sum(held.owed_nano for held in mine)
        return max(0, credit_nano(self._past.get(party, ()), self.terms) - lent - owed)

    def held(self) -> Iterator[Held]:
        """All bonds, in the order of their making."""
        yield from self._held.values()

    def _take(self, step: Step | Refused, now_ns: int) -> Held | Refused:
        if isinstance(step, Refused):
            return step
        answers = self.ledger.post(step.transfers, now_ns)
        refused = [answer for answer in answers if not answer.done]
        for answer in refused:
            if answer.status is not Status.LINKED_FAILED:  # the one that all others fell with
                return Refused(f"the ledger refused: {answer.reason}", "pay in, or open accounts")
        self._held[name_of(step.held.promise)] = step.held
        return step.held


def name_of(promise: Promise) -> Name:
    """Under which a bond is known."""
    return promise.market, promise.offer, promise.start_s


_UNKNOWN = Refused("there is no such bond", "name market, offer and start of the interval")
