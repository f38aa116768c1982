"""The stored answer of `isojoule net`, and its reading, which believes nothing that can be derived.

Facts are the obligations, the liquidity, the set-offs, the cash and the potentials. All else is
made again from them and compared. Format: docs/obligations.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from isojoule.apps.files.clearing_files import write_whole
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.units import money_text, parse_exact
from isojoule.settlement.netting.proof import check
from isojoule.settlement.obligations import Liquidity, Netted, Obligations, digest

Document = dict[str, Any]
TOTALS = ("total", "net_internal_debt", "cleared", "liquidity_used")
LISTS = ("set_offs", "obligations", "liquidity")
KEYS = ("isojoule", "currency", *TOTALS, *LISTS, "potentials", "digest")
_HEAD = 2000


def netting_document(
    obligations: Obligations, liquidity: Liquidity | None, netted: Netted, currency: str = ""
) -> Document:
    """The answer as a document."""
    o, n = obligations, netted
    names = o.parties
    cash = liquidity or Liquidity.none(len(names))
    debtors = [names[p] for p in o.debtor.tolist()]
    creditors = [names[p] for p in o.creditor.tolist()]
    amounts = [money_text(a) for a in o.amount_nano.tolist()]
    some = np.flatnonzero(n.set_off_nano).tolist()
    columns = (cash.can_spend_nano, cash.accepts_nano, n.spent_nano, n.received_nano)
    has_cash = np.flatnonzero(sum((column != 0).astype(np.int64) for column in columns)).tolist()
    return {
        "isojoule": 1,
        "currency": currency or None,
        "total": money_text(o.total_nano),
        "net_internal_debt": money_text(o.net_internal_debt_nano),
        "cleared": money_text(n.cleared_nano),
        "liquidity_used": money_text(n.liquidity_used_nano),
        "set_offs": [
            {
                "obligation": row,
                "debtor": debtors[row],
                "creditor": creditors[row],
                "amount": money_text(int(n.set_off_nano[row])),
            }
            for row in some
        ],
        "obligations": [
            {"debtor": debtor, "creditor": creditor, "amount": amount}
            for debtor, creditor, amount in zip(debtors, creditors, amounts, strict=True)
        ],
        "liquidity": [
            {
                "party": names[p],
                **{
                    key: money_text(int(column[p]))
                    for key, column in zip(
                        ("can_spend", "accepts", "spent", "received"), columns, strict=True
                    )
                },
            }
            for p in has_cash
        ],
        "potentials": dict(zip(names, n.potential.tolist(), strict=True)),
        "digest": digest(o, n, currency).hex(),
    }


def netting_text(document: Document) -> str:
    """The document as a file holds it: a key a line, and a row of a list a line."""
    lines = []
    for key in KEYS:
        value = document[key]
        if isinstance(value, list) and value:
            rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in value)
            lines.append(f'"{key}": [\n{rows}\n]')
        else:
            lines.append(f'"{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_netting(path: Path | str, document: Document) -> None:
    """Write the answer, whole or not at all."""
    write_whole(Path(path), netting_text(document))


def is_netting(path: Path) -> bool:
    """Whether a file begins as an answer of `isojoule net` does."""
    try:
        with path.open("rb") as file:
            return b'"net_internal_debt"' in file.read(_HEAD)
    except OSError:
        return False


def read_netting(path: Path | str) -> tuple[Obligations, Liquidity, Netted, str]:
    """Read an answer and check that all of it hangs together; the set-offs are checked apart.

    Raises
    ------
    InputError
        No such file.
    VerificationError
        It is no answer of `isojoule net`, or something in it does not follow from the rest.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            "there is no such file", place=str(path), remedy="check the path"
        ) from None
    except UnicodeDecodeError:
        raise VerificationError("is not UTF-8", place=str(path)) from None
    try:
        document = json.loads(text, object_pairs_hook=_once)
        if not isinstance(document, dict) or sorted(document) != sorted(KEYS):
            raise ValueError(f"the keys are not {', '.join(KEYS)}")
        found = _read(document)
        written = netting_document(*found[:3], found[3])
    except RecursionError:
        raise VerificationError("is nested too deeply", place=str(path)) from None
    except InputError as error:
        raise VerificationError(error.message, place=f"{path}: {error.place}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        words = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise VerificationError(words, place=str(path)) from None
    for key in KEYS:
        if not _same(document[key], written[key]):
            raise VerificationError("does not follow from the rest", place=f"{path}: {key}")
    return found


def verify_netting(path: Path | str) -> list[str]:
    """Check a stored answer: what was checked, in words.

    Raises
    ------
    InputError, VerificationError
        As `read_netting`, and `isojoule.settlement.netting.proof.check`.
    """
    obligations, liquidity, netted, _ = read_netting(path)
    try:
        check(obligations, liquidity, netted)
    except VerificationError as error:
        raise VerificationError(error.message, place=f"{path}: {error.place}") from None
    count, parties = obligations.amount_nano.size, len(obligations.parties)
    return [
        f"{count:,} obligations among {parties:,} parties: each is set off in part, wholly or not",
        "every party is let off what it lets others off, but for its cash, to the nano-unit",
        "the potentials prove that no more can be cleared, nor as much with less cash",
        "totals and the digest follow from the rows",
    ]


def _read(document: Document) -> tuple[Obligations, Liquidity, Netted, str]:
    """The facts of a document.

    Raises
    ------
    InputError, ValueError, KeyError, TypeError
        Whatever is wrong with it.
    """
    heights: dict[str, Any] = document["potentials"]
    at = {name: place for place, name in enumerate(heights)}
    for value in heights.values():
        if type(value) is not int:
            raise ValueError(f"the potential {value!r} is no whole number")
    rows = document["obligations"]
    obligations = Obligations(
        tuple(at),
        np.array([at[row["debtor"]] for row in rows], np.int32),
        np.array([at[row["creditor"]] for row in rows], np.int32),
        np.array([parse_exact(row["amount"], 9) for row in rows], np.int64),
    )
    set_off = np.zeros(len(rows), np.int64)
    for row in document["set_offs"]:
        place = row["obligation"]
        if type(place) is not int or not 0 <= place < len(rows):
            raise ValueError(f"there is no obligation {place!r}")
        set_off[place] = parse_exact(row["amount"], 9)
    cash = np.zeros((4, len(at)), np.int64)
    for row in document["liquidity"]:
        for column, key in enumerate(("can_spend", "accepts", "spent", "received")):
            cash[column, at[row["party"]]] = parse_exact(row[key], 9)
    netted = Netted(set_off, cash[2], cash[3], np.array(list(heights.values()), np.int64))
    currency = document["currency"]
    return obligations, Liquidity(cash[0], cash[1]), netted, "" if currency is None else currency


def _same(one: Any, other: Any) -> bool:
    """Equal, and of equal types: JSON's `true` is not 1, nor 1.0."""
    return type(one) is type(other) and one == other and (type(one) is not list or _rows(one))


def _rows(rows: list[Any]) -> bool:
    return all(type(value) is not bool for row in rows for value in row.values())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError("a key stands twice")
    return out
