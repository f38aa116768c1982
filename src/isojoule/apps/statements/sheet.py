"""What a page is made of, and small parts that its sections use."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import Any

from isojoule.apps.report.words import A_SPECK, SPACE, number, text
from isojoule.apps.statements.facts import PeriodFacts
from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J
from isojoule.settlement.ledger.port import Head
from isojoule.settlement.payments.state import BillState
from isojoule.settlement.statements import Statement


@dataclass(frozen=True)
class Sheet:
    """What a page is made of.

    Attributes
    ----------
    facts, who
        The period, and the member's position.
    statement
        Of the member, from the ledger.
    why
        Why it gets its share of what the market left over; "" if that is not known.
    why_again
        Why it gets that share by late readings; "" likewise.
    head
        Of the ledger, if it is to be named.
    sheets
        Names of the CSV files beside the page: of the bill, and of every interval.
    score_file, payment_file
        Names of those of the score and of the payment; "" where there are none.
    bills
        How far its bills of the period are paid; none where no bills are made.
    shared_nano
        What the operator was left with of the period, nano-units.
    corrected
        Whether the ledger has more than what the run was settled for: late readings.
    """

    facts: PeriodFacts
    who: int
    statement: Statement
    why: str = ""
    why_again: str = ""
    head: Head | None = None
    sheets: tuple[str, ...] = ()
    score_file: str = ""
    payment_file: str = ""
    bills: tuple[BillState, ...] = ()
    shared_nano: int = 0
    corrected: bool = False

    @property
    def currency(self) -> str:
        """Of all money."""
        return self.statement.currency

    @property
    def label(self) -> str:
        """How people call the household."""
        return self.facts.files.scenario.labels[self.who]

    def told_by(self, chapter: str) -> dict[str, Any] | None:
        """What the summary of the run tells of the household in a chapter of its settlement."""
        told = self.facts.files.summary["settlement"].get(chapter)
        mine = (self.facts.span.name, self.facts.stretch.members[self.who])
        rows = [] if told is None else told["members"]
        return next((row for row in rows if (row["period"], row["name"]) == mine), None)

    @property
    def alone_nano(self) -> int:
        """The bill without the market, with the share of the operator's line, nano-units."""
        alone = self.facts.alone
        return int(alone.paid_nano[self.who]) - int(alone.shared_nano[self.who])

    @property
    def saved_besides(self) -> dict[str, float]:
        """What the market saved besides the bill, by what it is; money. Parts of nothing are out.

        `served`: need; `orders`: that are finished; `storage`: what the battery holds more.
        """
        parts = self.facts.alone.told[self.who]["parts"]
        return {n: parts[n] for n in ("served", "orders", "storage") if abs(parts[n]) >= A_SPECK}

    @property
    def saved(self) -> float:
        """What the market saved (`isojoule.microworld.saving`), money."""
        bills = (self.alone_nano - self.statement.sum_nano) / NANO_PER_UNIT
        return bills + sum(self.saved_besides.values())

    @property
    def cost_alone(self) -> float:
        """Cost without the market: the bill, and what counts besides (`saving.Cost`); money."""
        alone = self.facts.alone
        told = alone.told[self.who]
        shared = told["parts"]["operator"] + int(alone.shared_nano[self.who]) / NANO_PER_UNIT
        return float(told["baseline_cost"] - shared)

    @property
    def without(self) -> str:
        """How the world without the market is called."""
        baseline = self.facts.files.summary["baseline"]
        return "with the utility alone" if baseline == "utility-only" else "living alone"


def table(heads: list[str], rows: list[str]) -> str:
    """A table; its first column heads the rows."""
    head = "".join(
        f'<th scope="col"{" class=word" if h in ("With whom", "On") else ""}>{h}</th>'
        for h in heads
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def exact(nano: int, currency: str) -> str:
    """Money to four digits behind the point."""
    return f"{number(nano / NANO_PER_UNIT, 4)}{SPACE}{currency}"


def kwh(energy_uj: int) -> str:
    """Energy in kWh to two digits, three where it is little."""
    size = energy_uj / UJ_PER_J / J_PER_KWH
    return f"{number(size, 2 if abs(size) >= 1 else 3)}{SPACE}kWh"


def named(file: str, words: str) -> str:
    """A sentence that names a file beside the page; "" without one."""
    return f" <code>{text(file)}</code> {words}." if file else ""


def stop(sentence: str) -> str:
    """A sentence with a capital and a full stop."""
    return sentence[:1].upper() + sentence[1:].rstrip(".") + "."


def asset(name: str) -> str:
    """A file of the page."""
    return (package_files(__package__) / "assets" / name).read_text(encoding="utf-8")
