"""Who owes whom after a session, as plain rows that add up to nothing."""

from __future__ import annotations

from typing import Any

from isojoule.core.errors import InvariantError
from isojoule.core.units import money_text
from isojoule.market.contract import Clearing
from isojoule.market.messages import Event
from isojoule.market.session.one import Session


def settled(session: Session) -> Event:
    """The event of a settlement.

    Each row is a participant's payment (negative: it receives), and what for: "collateral" that
    was posted, "collateral returned", "forfeit" (a collateral that is kept), "trade", "link".
    Rows and the operator's line add up to 0. If the mechanism said no, all collateral goes back.
    """
    c, rows = session.outcome, []
    cleared = isinstance(c, Clearing)
    for bid in session.bids:
        if not bid.collateral_nano:
            continue
        lost = bid.offer is None and cleared
        rows.append(_row(bid.participant, "forfeit" if lost else "collateral", bid.collateral_nano))
        if not lost:
            rows.append(_row(bid.participant, "collateral returned", -bid.collateral_nano))
    operator = 0
    if isinstance(c, Clearing):
        assert session.book is not None
        paid: dict[str, int] = {}
        for offer, nano in zip(session.book.offers, c.payment_nano.tolist(), strict=True):
            paid[offer.participant] = paid.get(offer.participant, 0) + nano
        rows += [_row(who, "trade", nano) for who, nano in sorted(paid.items()) if nano]
        owned: dict[str, int] = {}
        for who, nano in zip(session.opened.grid.owner, c.link_payment_nano.tolist(), strict=True):
            owned[who] = owned.get(who, 0) + nano
        rows += [_row(who, "link", nano) for who, nano in sorted(owned.items()) if nano]
        operator = c.surplus_nano + sum(b.collateral_nano for b in session.unopened)
    total = sum(row["nano"] for row in rows)
    if total != operator:
        raise InvariantError(f"a settlement of {total} leaves the operator {operator}")
    transfers = [
        {"participant": r["participant"], "for": r["for"], "payment": money_text(r["nano"])}
        for r in rows
    ]
    return {"event": "settled", "transfers": transfers, "operator": money_text(-operator)}


def _row(participant: str, what: str, nano: int) -> dict[str, Any]:
    return {"participant": participant, "for": what, "nano": nano}
