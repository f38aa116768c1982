"""Bonds kept beside a ledger: a step stands once the ledger has written its transfers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from isojoule.core.transfer import Account
from isojoule.settlement.collateral.nouns import ESCROW, GUARANTEE, Held, Outcome, Promise, Terms
from isojoule.settlement.collateral.rules import Step, freeze, pledge, resolve, thaw
from isojoule.settlement.collateral.sizes import check_terms, credit_of_sums, shortfall_uj
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
        self._records: dict[str, _Record] = {}
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
        return self._take(resolve(held, outcome, self.terms), now_ns)

    def credit_left_nano(self, party: str) -> int:
        """What the fund still stands in for a party: its credit, less what is lent and owed."""
        record = self._records.get(party, _Record())
        credit = credit_of_sums(record.promised_uj, record.delivered_uj, self.terms)
        return max(0, credit - record.lent_nano - record.owed_nano)

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
        name = name_of(step.held.promise)
        record = self._records.setdefault(step.held.promise.party, _Record())
        record.turn(self._held.get(name), step.held)
        self._held[name] = step.held
        return step.held


class _Record:
    """What counts for a party's credit, as sums."""

    def __init__(self) -> None:
        self.past: deque[tuple[int, int]] = deque()
        self.promised_uj = self.delivered_uj = self.lent_nano = self.owed_nano = 0

    def turn(self, before: Held | None, now: Held) -> None:
        """A bond of the party has changed."""
        self.lent_nano += _lent(now) - _lent(before)
        if now.outcome is None or (before is not None and before.outcome is not None):
            return
        self.owed_nano += now.owed_nano
        promised = now.promise.quantity_uj
        self.past.append((promised, promised - shortfall_uj(now.promise, now.outcome)))
        self.count(self.past[-1], 1)
        if len(self.past) > WINDOW:
            self.count(self.past.popleft(), -1)

    def count(self, measured: tuple[int, int], sign: int) -> None:
        self.promised_uj += sign * measured[0]
        self.delivered_uj += sign * measured[1]


def _lent(held: Held | None) -> int:
    """What the fund has in a bond that is open."""
    return held.lent_nano if held is not None and held.penalty is None else 0


def name_of(promise: Promise) -> Name:
    """Under which a bond is known."""
    return promise.market, promise.offer, promise.start_s


_UNKNOWN = Refused("there is no such bond", "name market, offer and start of the interval")
