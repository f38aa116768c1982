"""Ledgers as small tables: what is asked on the left of a bar, the answer on its right.

    account ada EUR debits<=credits      | created
    at 10                                (s; each line of its own)
    1  bank -> ada  100                  | created
    2  ada -> bank   40  pending 5s  +   | created         (+: linked to the next)
    3  post 2  15                        | created
    4  void 2  code=3                    | already_posted  (any field by its name)
    balance ada  15 100  0 0             (debits and credits, posted and then pending)

Lines without a blank line between them are one request. `expire` lets the ledger expire and says
how many ended. An answer may say which field is at fault: `out_of_range amount`. `#` begins a
remark.
"""

from __future__ import annotations

from collections.abc import Iterator

from isojoule.core.transfer import Account, Kind, Limit, Transfer, account_id
from isojoule.settlement.ledger import MemoryLedger, Status
from isojoule.settlement.ledger.answers import Answer
from isojoule.settlement.ledger.balance import Balance

LIMITS = {
    "debits<=credits": Limit.DEBITS_MUST_NOT_EXCEED_CREDITS,
    "credits<=debits": Limit.CREDITS_MUST_NOT_EXCEED_DEBITS,
}
ENDS = {"post": Kind.POST, "void": Kind.VOID, "expired": Kind.EXPIRE}


class Table:
    """A ledger that is asked what a table says."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.now_s = 0.0
        self.accounts: dict[str, int] = {}

    def run(self, text: str) -> set[Status]:
        """Ask all of it, and check all answers; return those that came."""
        seen: set[Status] = set()
        for lines in requests(text):
            word = lines[0].split()[0]
            if word == "at":
                self.now_s = float(lines[0].split()[1])
            elif word == "expire":
                assert self.ledger.expire(self.now_ns) == int(lines[0].split()[1]), lines[0]
            elif word == "balance":
                for line in lines:
                    self.check_balance(line)
            else:
                seen |= self.ask(lines, accounts=word == "account")
        return seen

    @property
    def now_ns(self) -> int:
        return int(self.now_s * 10**9)

    def ask(self, lines: list[str], *, accounts: bool) -> set[Status]:
        """One request."""
        asked, expected = zip(*(line.split("|") for line in lines), strict=True)
        if accounts:
            answers = self.ledger.open_accounts([self.account(row) for row in asked], self.now_ns)
        else:
            answers = self.ledger.post([self.transfer(row) for row in asked], self.now_ns)
        got = [f"{answer.status} {answer.about}".strip() for answer in answers]
        for line, said, row in zip(lines, got, expected, strict=True):
            assert said == " ".join(row.split()), f"{line}, not {said}"
        for answer in answers:
            check_answer(answer)
        return {answer.status for answer in answers}

    def account(self, row: str) -> Account:
        _, name, unit, *limit = row.split()
        self.accounts[name] = account_id(name, unit)
        return Account(name, unit, LIMITS[limit[0]] if limit else Limit.NONE)

    def transfer(self, row: str) -> Transfer:
        number, *words = row.split()
        fields: dict[str, object] = {"id": int(number), "debit": 0, "credit": 0, "amount": 0}
        if words[0] in ENDS:
            fields |= {"kind": ENDS[words[0]], "pending_id": int(words[1])}
            words = words[2:]
        else:
            debit, _, credit, *words = words
            fields |= {"debit": self.named(debit), "credit": self.named(credit)}
        for word in words:
            if word == "+":
                fields["linked"] = True
            elif word == "pending":
                fields["kind"] = Kind.PENDING
            elif word.endswith("s"):
                fields["timeout_s"] = int(word[:-1])
            elif "=" in word:
                name, value = word.split("=")
                read = {"debit": self.named, "credit": self.named, "ref": zeros}.get(name, int)
                fields[name] = read(value)
            else:
                fields["amount"] = int(word)
        return Transfer(**fields)  # type: ignore[arg-type]

    def named(self, name: str) -> int:
        """An account's id; an account that was never opened has one, too, in euros."""
        if name.lstrip("-").isdigit():
            return int(name)
        return self.accounts.get(name) or account_id(name, "EUR")

    def check_balance(self, line: str) -> None:
        _, name, *numbers = line.split()
        found = self.ledger.account(self.accounts[name])
        assert found is not None and found[1] == Balance(*map(int, numbers)), line


def zeros(count: str) -> bytes:
    """So many bytes."""
    return bytes(int(count))


def requests(text: str) -> Iterator[list[str]]:
    """Lines of a table that belong together."""
    lines: list[str] = []
    for line in (*text.splitlines(), ""):
        line = line.split("#")[0].strip()
        alone = line.startswith(("at ", "expire "))
        other = lines and line.startswith("balance ") != lines[0].startswith("balance ")
        if lines and (not line or alone or other):
            yield lines
            lines = []
        if alone:
            yield [line]
        elif line:
            lines.append(line)


def check_answer(answer: Answer) -> None:
    """Only what stands has a time; every answer has words."""
    assert answer.reason and (answer.at_ns == 0 or answer.done)
