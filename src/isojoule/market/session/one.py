"""One session: what has come in, which phase it is in, and what came out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from isojoule.core.errors import InputError
from isojoule.core.units import NO_LIMIT_UJ, money_text
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Mechanism, Refusal, Sequential, State
from isojoule.market.messages import Cancel, Event, Submit
from isojoule.market.sequential import cancelled_rows
from isojoule.market.session.commitment import (
    LEAST_SALT,
    MOST_SALT,
    commitment,
    seed_commitment,
)
from isojoule.market.session.limits import No, check_offer, is_digest, is_name, size_uj
from isojoule.market.session.messages import (
    CancelOffer,
    Close,
    Commit,
    OpenSession,
    Reveal,
    SubmitOffer,
)
from isojoule.market.session.told import Bid, told_outcome, told_unopened
from isojoule.valuation import Offer

PHASES = ("open", "commit", "reveal", "clear", "settle", "settled")
"""What a session goes through; "settled" is its end."""


@dataclass(eq=False, slots=True)
class Session:
    """A session as it stands.

    Attributes
    ----------
    opened
        The message that opened it.
    mechanism
        Its rule.
    sequential
        Whether it answers each offer as it comes.
    least_collateral_nano
        What must be posted with a commitment.
    running
        State of a sequential mechanism, else None.
    bids
        What came in, in that order; `by_id` holds the same.
    book, outcome
        What was cleared, and the clearing or the mechanism's no; None until then.
    seed
        What ties were broken by.
    """

    opened: OpenSession
    mechanism: Mechanism
    sequential: bool = False
    least_collateral_nano: int = 0
    running: Any = None
    bids: list[Bid] = field(default_factory=list)
    by_id: dict[str, Bid] = field(default_factory=dict)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    size_uj: int = 0
    book: Book | None = None
    outcome: Clearing | Refusal | None = None
    seed: bytes = b""
    settled: bool = False

    @property
    def commits(self) -> bool:
        """Whether offers may be committed to."""
        return self.opened.commit_until_ns is not None

    def phase(self, at_ns: int) -> str:
        """The phase at this time, one of `PHASES`."""
        if self.outcome is not None:
            return "settled" if self.settled else "settle"
        if at_ns < self.opened.offers_until_ns:
            return "open"
        for name in ("commit", "reveal"):
            until: int | None = getattr(self.opened, f"{name}_until_ns")
            if until is not None and at_ns < until:
                return name
        return "clear"

    @property
    def bidders(self) -> set[str]:
        """Who bids, besides the owner; who has not opened a commitment does not count."""
        live = {b.participant for b in self.bids if b.offer is not None and not b.cancelled}
        return live - {self.opened.sender}

    @property
    def unopened(self) -> list[Bid]:
        """Commitments that nobody has opened."""
        return [b for b in self.bids if b.offer is None]

    def offers(self) -> list[Offer]:
        """Offers in the book: all for a sequential mechanism, else those not withdrawn."""
        return [b.offer for b in self.bids if b.offer and (self.sequential or not b.cancelled)]

    def may_see(self, bid: Bid, who: str, at_ns: int) -> bool:
        """Whether this participant may read this offer now."""
        if bid.offer is None:
            return False
        if bid.participant == who or self.phase(at_ns) not in ("open", "commit", "reveal"):
            return True
        if bid.commitment:
            return False  # opened, but others may still open theirs
        return self.commits or self.opened.visible == "always" or self.phase(at_ns) != "open"

    def submit(self, message: SubmitOffer) -> No | list[Event]:
        """Take an offer that is handed in openly."""
        no = self._in("open", message.at_ns, "offers") or self._room()
        if no:
            return no
        offer = message.offer
        if offer.at_ns not in (0, message.at_ns):
            return No("the offer has a time of its own", "leave `at` out: arrival counts")
        named = self._named(offer.id, message.sender)
        if isinstance(named, No):
            return named
        offer = replace(offer, id=named, at_ns=message.at_ns)
        no = self._unfit(offer, message.sender, sealed=False)
        if no:
            return no
        events: list[Event] = [{"event": "accepted", "id": named}]
        if isinstance(self.mechanism, Sequential) and self.sequential:
            state, told = self.mechanism.step(self.running, Submit(offer), message.at_ns)
            no = _said_no(told)
            if no:
                return no
            self.running, events = state, [dict(event) for event in told]
        self._add(Bid(named, message.sender, message.at_ns, offer))
        return events

    def commit(self, message: Commit) -> No | list[Event]:
        """Take a commitment with its collateral."""
        no = self._in("commit", message.at_ns, "commitments") or self._room()
        if no:
            return no
        if not is_digest(message.commitment):
            return No("the commitment is not a SHA-256", "give 64 hexadecimal digits")
        mine = [b for b in self.bids if b.participant == message.sender]
        if any(b.commitment == message.commitment for b in mine):
            return No("you committed to this already", "draw a new salt for another offer")
        least = self.least_collateral_nano
        if message.collateral_nano < least:
            return No(
                f"a collateral of {money_text(message.collateral_nano)} is too little",
                f"post {money_text(least)} or more",
            )
        if message.collateral_nano > 10**18:
            return No("the collateral is too large to be counted", "post less")
        named = self._named(message.offer_id, message.sender)
        if isinstance(named, No):
            return named
        self._add(
            Bid(
                named, message.sender, message.at_ns, None,
                message.commitment, message.collateral_nano,
            )
        )  # fmt: skip
        return [
            {
                "event": "committed",
                "id": named,
                "commitment": message.commitment,
                "collateral": money_text(message.collateral_nano),
            }
        ]

    def reveal(self, message: Reveal) -> No | list[Event]:
        """Take an opening that fits its commitment."""
        no = self._in("reveal", message.at_ns, "openings")
        if no:
            return no
        mine = [b for b in self.bids if b.participant == message.sender and b.commitment]
        if message.offer_id:
            mine = [b for b in mine if b.offer_id == message.offer_id]
        if len(mine) != 1:
            return No(
                f"there are {len(mine)} commitments of yours that this may open",
                "name the one you mean by its id" if mine else "commit first",
            )
        bid = mine[0]
        if bid.offer is not None:
            return No("it is opened already", "nothing is left to do")
        if not LEAST_SALT <= len(message.salt) <= MOST_SALT:
            return No(
                f"the salt has {len(message.salt)} bytes",
                f"use {LEAST_SALT} to {MOST_SALT} random bytes",
            )
        offer = message.offer
        no = check_offer(offer, message.sender, self.opened.grid, self.opened.most_bytes)
        if no:
            return no
        name = self.opened.session
        if commitment(name, message.sender, message.salt, offer) != bid.commitment:
            return No(
                "offer and salt do not give the commitment",
                "open with the same offer, salt, session and name that were committed to",
            )
        if offer.id not in ("", bid.offer_id) or offer.at_ns not in (0, bid.at_ns):
            return No("it has another id or time than its commitment", "leave both out")
        offer = replace(offer, id=bid.offer_id, at_ns=bid.at_ns)
        no = self._unfit(offer, message.sender, sealed=True)
        if no:
            return no
        bid.offer = offer
        self.size_uj += size_uj(offer)
        return [{"event": "revealed", "id": bid.offer_id}]

    def cancel(self, message: CancelOffer) -> No | list[Event]:
        """Withdraw an offer."""
        no = self._in("open", message.at_ns, "cancellations")
        if no:
            return no
        bid = self.by_id.get(message.offer_id)
        if bid is None or bid.participant != message.sender or bid.commitment:
            return No(f"no offer {message.offer_id!r} of yours", "name an offer of your own")
        if bid.cancelled:
            return No("it is withdrawn already", "nothing is left to do")
        events: list[Event] = [{"event": "cancelled", "id": bid.offer_id}]
        if isinstance(self.mechanism, Sequential) and self.sequential:
            cancel = Cancel(bid.offer_id, message.sender)
            state, told = self.mechanism.step(self.running, cancel, message.at_ns)
            no = _said_no(told)
            if no:
                return no
            self.running, events = state, [dict(event) for event in told]
        bid.cancelled = True
        self.cancelled.append((bid.offer_id, message.at_ns))
        return events

    def close(self, message: Close) -> No | list[Event]:
        """Clear, if the deadline has passed or enough bids have come."""
        no = self._may_close(message.at_ns)
        if no:
            return no
        o = self.opened
        seed = o.seed
        if o.seed_commitment:
            if seed_commitment(o.session, o.sender, message.seed) != o.seed_commitment:
                return No("the seed is not the one committed to", "show that seed")
            seed = message.seed
        elif message.seed:
            return No("the session was opened with its seed", "leave the seed out")
        f = o.frame
        state = self.state_for_clearing()
        try:
            book = Book.from_offers(
                self.offers(), o.grid, interval=f.interval, currency=f.currency, network=f.network
            )
            out: Clearing | Refusal
            if len(self.bidders) < self._least:
                out = Refusal(
                    self.mechanism.name,
                    f"bidders besides the owner: {len(self.bidders)}; needed: {self._least}",
                    "open another session, and ask more to bid",
                )
            elif isinstance(self.mechanism, Sequential) and self.sequential:
                out = self.mechanism.close(self.running, book)
                if isinstance(out, Clearing):
                    out = replace(out, state_before=state)
            else:
                out = self.mechanism.clear(book, o.grid, state=state, seed=seed)
        except InputError as error:
            return No(error.message, error.remedy)
        self.book, self.outcome, self.seed = book, out, seed
        return [*told_unopened(self.unopened), told_outcome(book, out, seed)]

    def state_for_clearing(self) -> State:
        """State of the interval before, with what this session adds to it."""
        state = dict(self.opened.state)
        if self.sequential:
            state |= cancelled_rows(self.cancelled)
        lost = [
            {"participant": b.participant, "collateral": money_text(b.collateral_nano)}
            for b in self.unopened
            if b.collateral_nano
        ]
        if lost:
            state["forfeits"] = lost
        return state

    def _in(self, phase: str, at_ns: int, what: str) -> No | None:
        now = self.phase(at_ns)
        if now == phase:
            return None
        if phase != "open" and not self.commits:
            return No(f"this session takes no {what}", "hand in the offer openly")
        late = PHASES.index(now) > PHASES.index(phase)
        return No(
            f"{what} are {'no longer' if late else 'not yet'} taken: the phase is {now!r}",
            "be earlier in the next session" if late else f"wait for the phase {phase!r}",
        )

    def _room(self) -> No | None:
        if len(self.bids) < self.opened.most_bids:
            return None
        return No(f"the session has its {self.opened.most_bids} bids", "wait for the next one")

    def _named(self, wanted: str, sender: str) -> str | No:
        if wanted:
            if not is_name(wanted):
                return No("the offer's id is no name", "use 1 to 200 printable characters")
            if wanted in self.by_id:
                return No(f"an offer {wanted!r} is here already", "give it an id of its own")
            return wanted
        number, name = 0, sender
        while name in self.by_id:
            number += 1
            name = f"{sender}-{number}"
        return name

    def _unfit(self, offer: Offer, sender: str, *, sealed: bool) -> No | None:
        no = check_offer(offer, sender, self.opened.grid, self.opened.most_bytes)
        if no:
            return no
        if self.size_uj + size_uj(offer) >= NO_LIMIT_UJ:
            return No("the session's energies pass what can be counted", "offer less")
        unfit = getattr(self.mechanism, "unfit", None)
        reason = unfit(offer, self.offers(), sealed=sealed) if unfit else ""
        return No(reason, f"see what {self.mechanism.name} takes") if reason else None

    def _add(self, bid: Bid) -> None:
        self.bids.append(bid)
        self.by_id[bid.offer_id] = bid
        self.size_uj += size_uj(bid.offer) if bid.offer else 0

    def _may_close(self, at_ns: int) -> No | None:
        phase = self.phase(at_ns)
        if phase in ("settle", "settled"):
            return No("it is cleared already", "open another session")
        if phase == "clear":
            return None
        if phase == "commit" or (phase == "open" and self.commits):
            return No("commitments and openings are still to come", "wait for the deadlines")
        if phase == "reveal":
            missing = len(self.unopened)
            return No(f"{missing} commitments are not opened yet", "wait") if missing else None
        enough, count = self.opened.enough_bidders, len(self.bidders)
        if enough is None:
            return No("offers are taken until the deadline", "wait for it")
        if count >= max(enough, self._least):
            return None
        return No(
            f"bidders besides the owner: {count}; needed before the deadline: "
            f"{max(enough, self._least)}",
            "wait for more bids, or for the deadline",
        )

    @property
    def _least(self) -> int:
        return max(self.opened.least_bidders, getattr(self.mechanism, "least_bidders", 0))


def _said_no(told: tuple[Event, ...]) -> No | None:
    for event in told:
        if event["event"] == "refused":
            return No(str(event["reason"]), str(event["remedy"]))
    return None
