"""Whether a ledger that is kept holds a run, and what late readings changed of it.

    found = verify_kept(run_folder, "village.db", [first, second])

The ledger is checked, and what the run and its corrections would write is asked of a copy: all of
it must stand there already, just so. What stands there besides is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from isojoule.apps.ledger.verify import Verified, verified_copy
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.correct import write_corrections
from isojoule.apps.results.settlement import settle_run, write_run
from isojoule.apps.results.store import Run
from isojoule.core.errors import VerificationError
from isojoule.core.interval import Interval
from isojoule.core.transfer import ENERGY, Account, Transfer
from isojoule.core.units import joules_text, money_text
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.columns import Records, transfers_of
from isojoule.settlement.ledger.port import Head, Ledger
from isojoule.settlement.statements import CODES


class Kept(NamedTuple):
    """What was found to stand in a ledger.

    Attributes
    ----------
    ledger
        The ledger itself.
    run, corrections
        How many transfers of the run, and of its corrections, it holds: all that there must be.
    others
        How many besides: of other runs, or of corrections by readings that were not given.
    """

    ledger: Verified
    run: int
    corrections: int
    others: int


def verify_kept(folder: Path, url: str, files: Sequence[Path] = ()) -> Kept:
    """Check that a ledger holds a run, and its corrections.

    Parameters
    ----------
    folder
        Of the run.
    url
        Of the ledger.
    files
        All tables of late readings by which it was corrected, in their order.

    Raises
    ------
    VerificationError
        The ledger does not hold, or lacks something, or has something else in its place.
    InputError
        It is no run, there is no such ledger, or a reading is none of the run.
    """
    manifest = Run(folder).manifest
    asked = read_asked(folder / "scenario", manifest["arguments"])
    found, copy = verified_copy(url)
    there = _Standing(copy, url)
    name, seed = manifest["run"], int(manifest["seed"])
    settled = settle_run(folder, asked.scenario, asked.rules, name, seed)
    write_run(settled, there, lambda _: copy.clock_ns, url)
    of_run = len(there.seen)

    @contextmanager
    def opened() -> Iterator[Ledger]:
        yield there

    if files:
        write_corrections(folder, files, opened, lambda: copy.clock_ns)
    seen = len(there.seen)
    return Kept(found, of_run, seen - of_run, found.transfers - seen)


class _Standing:
    """A ledger in which all that is asked for must stand already, just so."""

    def __init__(self, copy: MemoryLedger, place: str) -> None:
        self._copy, self._place = copy, place
        self.seen: set[int] = set()
        """Transfers that were asked for."""

    @property
    def head(self) -> Head:
        return self._copy.head

    def account(self, account_id: int) -> tuple[Account, Balance] | None:
        return self._copy.account(account_id)

    def accounts(self) -> Iterator[tuple[Account, Balance]]:
        return self._copy.accounts()

    def transfer(self, transfer_id: int) -> Transfer | None:
        return self._copy.transfer(transfer_id)

    def transfers(self, account_id: int = 0) -> Iterator[Transfer]:
        return self._copy.transfers(account_id)

    def expire(self, now_ns: int) -> int:
        return 0

    def open_accounts(self, accounts: Sequence[Account], now_ns: int) -> list[Answer]:
        for account in accounts:
            if self._copy.account(account.id) is None:
                raise VerificationError(
                    f"the account {account.name!r} in {account.unit} is missing", place=self._place
                )
        return self._copy.open_accounts(accounts, now_ns)

    def post(self, transfers: Sequence[Transfer], now_ns: int) -> list[Answer]:
        answers = self._copy.post(transfers, now_ns)
        odd = [
            (_RANK.get(answer.status, 0), row)
            for row, answer in enumerate(answers)
            if answer.status is not Status.EXISTS
        ]
        if odd:
            row = min(odd)[1]
            absent = answers[row].status in (Status.CREATED, *_RANK)
            raise VerificationError(
                f"{self._named(transfers[row])}: {'is missing' if absent else answers[row].reason}",
                place=self._place,
            )
        self.seen.update(t.id for t in transfers)
        return answers

    def post_records(self, records: Records, now_ns: int) -> dict[int, Answer]:
        return dict(enumerate(self.post(transfers_of(records), now_ns)))

    def _named(self, t: Transfer) -> str:
        """A transfer in words."""
        ends = [self._copy.account(account) for account in (t.debit, t.credit)]
        names = [end[0].name for end in ends if end is not None]
        unit = next((end[0].unit for end in ends if end is not None), "")
        text = joules_text(t.amount) if unit == ENERGY else money_text(t.amount)
        what = CODES[t.code].name.lower().replace("_", " ") if t.code in CODES else str(t.code)
        when = Interval(t.for_s, 1.0).start_text()
        return " ".join([f"{what} of {text}", unit, *([f"from {' to '.join(names)}"] * bool(names)),
                         f"for {when}"])  # fmt: skip


_RANK = {Status.LINKED_FAILED: 1, Status.EXISTS_APART: 2}
"""What befalls others of a chain; what comes first in it is told."""
