"""What a sequential mechanism is told, and what it answers.

The rules:

- A message is an offer that comes in, or the cancellation of one. Its time is handed in beside it.
- An event is plain data that JSON can hold, with its name under "event": "accepted" (an offer
  rests or waits), "traded", "dropped" (what an immediate offer could not trade), "cancelled",
  "refused" (with "reason" and "remedy"). Energies and money in events are decimal strings, exact.
- A batch that replays a session is told of its cancellations in the state that comes in, under
  "cancelled": a list of {"id", "at_ns"} in the order in which they came. `at_ns` is a decimal
  string where it is to be written to a file: JSON is not exact beyond 2**53.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from isojoule.valuation import Offer

Event = dict[str, Any]


class Submit(NamedTuple):
    """An offer comes in; it has an id."""

    offer: Offer


class Cancel(NamedTuple):
    """What is left of an offer is withdrawn by its participant."""

    offer_id: str
    participant: str


Message = Submit | Cancel
