"""Double auctions at one place beside what one writes in an evening, and an order book.

The reference finds who trades and at what price, in floats: with numpy, and in plain Python. Ours
goes the whole way of a clearing: it looks whether the book fits, is exact to the microjoule and the
nano-unit, and bounds what was missed. Every rule's clearing of a smaller book is checked in the
same run, by its second implementation or by its certificate.

Times are of the processor: all of it runs in one thread and takes milliseconds, so on the wall's
clock whoever else uses the machine would be measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from random import Random
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.subjects import Data, Say
from benchmarks.tables import count, digits, seconds, table
from isojoule.core.interval import Interval
from isojoule.core.names import Names
from isojoule.grid import Grid
from isojoule.market import Book, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.cda import Cda
from isojoule.market.messages import Cancel, Message, Submit
from isojoule.market.verify import check_clearing
from isojoule.valuation import KINDS, Offer, Step, Steps
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]

TITLE = "Double auctions"
RULES = (
    "uniform-price", "k-double", "mcafee", "trade-reduction", "sbba", "muda", "huang",
)  # fmt: skip
SIZES, SMALL = (5_000, 100_000), (500, 2_000)
WANTED_S = {5_000: 2e-3, 100_000: 50e-3}
CHECKED = 500
"""Offers of the book whose clearing is checked."""
MESSAGES, FEW_MESSAGES = 100_000, 2_000
WANTED_RATE = 100_000.0
SEED = 1
RUNS = 9
HERE = Grid(("here",))
INTERVAL = Interval(0, 900.0)


def units(offers: int, seed: int) -> Book:
    """Buyers and sellers of 1 J in turn, prices at random, so that most could trade."""
    rng = np.random.default_rng(seed)
    buys = np.arange(offers) % 2 == 0
    price = np.where(buys, rng.uniform(0.1, 0.4, offers), rng.uniform(0.05, 0.35, offers))
    every, zero = np.arange(offers, dtype=np.int32), np.zeros(offers)
    names = Names.numbered("p", offers)
    return Book(
        currency="EUR",
        interval=INTERVAL,
        network="copperplate",
        participants=names,
        offer_ids=names,
        offer_participant=every,
        offer_node=np.zeros(offers, np.int32),
        offer_kind=np.full(offers, KINDS.index("steps"), np.uint8),
        piece_offer=every,
        pieces=Pieces(
            np.where(buys, 0.0, -1.0), np.where(buys, 1.0, 0.0), price, zero, zero, zero, zero + 1
        ),
        on_curve=np.zeros(offers, bool),
        spill0=zero,
        spill1=zero,
        short0=zero,
        short1=zero,
    )


def with_numpy(price: Floats, buys: NDArray[np.bool_]) -> tuple[Floats, float]:
    """What each gets and the price of the call market, by arrays."""
    bid, ask = np.flatnonzero(buys), np.flatnonzero(~buys)
    bid, ask = bid[np.argsort(-price[bid])], ask[np.argsort(price[ask])]
    pairs = min(bid.size, ask.size)
    k = int(np.count_nonzero(price[bid[:pairs]] >= price[ask[:pairs]]))
    energy = np.zeros(price.size)
    energy[bid[:k]], energy[ask[:k]] = 1.0, -1.0
    return energy, 0.5 * float(price[bid[k - 1]] + price[ask[k - 1]])


def with_python(price: list[float], buys: list[bool]) -> tuple[list[float], float]:
    """The same by lists."""
    bids = sorted((i for i, b in enumerate(buys) if b), key=lambda i: -price[i])
    asks = sorted((i for i, b in enumerate(buys) if not b), key=lambda i: price[i])
    energy, at = [0.0] * len(price), 0.0
    for bid, ask in zip(bids, asks, strict=False):
        if price[bid] < price[ask]:
            break
        energy[bid], energy[ask] = 1.0, -1.0
        at = 0.5 * (price[bid] + price[ask])
    return energy, at


def spent_s(run: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median and least time of the processor for a run, s."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return median(times), min(times)


def measure(quick: bool, say: Say) -> Data:
    """Clear, beside the references; then messages of an order book."""
    small = units(CHECKED, SEED)
    rows = []
    for offers in SMALL if quick else SIZES:
        book = units(offers, SEED)
        price, buys = book.pieces.a, book.pieces.hi > 0
        lists = price.tolist(), buys.tolist()
        for name in RULES:
            say(f"{name}, {offers:,} offers")
            clear = partial(get(name).clear, book, HERE)
            if offers == (SMALL if quick else SIZES)[0]:
                _check(name, small)
            clear()
            ours = spent_s(clear, RUNS)
            arrays = spent_s(partial(with_numpy, price, buys), RUNS)
            plain = spent_s(partial(with_python, *lists), 3)
            rows.append(
                {
                    "rule": name,
                    "offers": offers,
                    "ours_s": ours[0],
                    "best_s": ours[1],
                    "numpy_s": arrays[0],
                    "python_s": plain[0],
                    "wanted_s": WANTED_S.get(offers),
                }
            )
    messages = FEW_MESSAGES if quick else MESSAGES
    return {"rows": rows, "books": _order_books(messages, say), "wanted_rate": WANTED_RATE}


def _check(name: str, book: Book) -> None:
    out = get(name).clear(book, HERE)
    if isinstance(out, Refusal):
        raise RuntimeError(str(out))
    check_clearing(book, HERE, out)


Told = list[tuple[Message, int]]


def messages_of(number: int, seed: int) -> Told:
    """Orders of one step around one price, a fifth of the messages cancel what rests."""
    draw = Random(seed)
    out: Told = []
    alive: list[tuple[str, str]] = []
    session = Cda().first(_frame(), HERE)
    for i in range(number):
        at_ns = 1000 * i
        message: Message
        if alive and draw.random() < 0.2:
            message = Cancel(*alive.pop(draw.randrange(len(alive))))
        else:
            each = round(0.2 + draw.gauss(0.0, 0.02), 4)
            step = (Step(draw.randrange(1, 20) * 100_000, each, each),)
            spec = Steps(buy=step) if draw.random() < 0.5 else Steps(sell=step)
            who = f"p{draw.randrange(500)}"
            message = Submit(Offer(who, "here", spec, id=f"o{i}", at_ns=at_ns))
            alive.append((f"o{i}", who))
        session, events = Cda().step(session, message, at_ns)  # type: ignore[arg-type]
        if events[0]["event"] != "refused":
            out.append((message, at_ns))
    return out


def _frame() -> Book:
    return Book.from_offers([], HERE, interval=INTERVAL, network="copperplate")


def _order_books(number: int, say: Say) -> list[Data]:
    told = messages_of(number, SEED)
    rule = Cda()

    def live() -> object:
        state = rule.first(_frame(), HERE)
        for message, at_ns in told:
            state, _ = rule.step(state, message, at_ns)  # type: ignore[arg-type]
        return state

    offers = [message.offer for message, _ in told if isinstance(message, Submit)]
    book = Book.from_offers(offers, HERE, interval=INTERVAL, network="copperplate")
    state = {
        "cancelled": [
            {"id": message.offer_id, "at_ns": at_ns}
            for message, at_ns in told
            if isinstance(message, Cancel)
        ]
    }
    found = []
    for name, run in (
        ("a session, message by message, with events", live),
        ("a book, with its clearing and the bound", lambda: rule.clear(book, HERE, state=state)),
        ("plain Python, two heaps, in floats", lambda: heaps(told)),
    ):
        say(f"{len(told):,} messages: {name}")
        run()
        half, best = (each / len(told) for each in spent_s(run, RUNS))
        found.append({"what": name, "messages": len(told), "each_s": half, "best_s": best})
    return found


def heaps(told: Told) -> list[tuple[str, str, float, float]]:
    """An order book as one writes it: two heaps, floats, no events, nothing exact."""
    sides: tuple[list[list[object]], list[list[object]]] = ([], [])
    known: dict[str, list[object]] = {}
    trades = []
    for number, (message, _) in enumerate(told):
        if isinstance(message, Cancel):
            known[message.offer_id][3] = 0.0
            continue
        offer = message.offer
        spec = offer.spec
        assert isinstance(spec, Steps)
        buys = bool(spec.buy)
        step = spec.buy[0] if buys else spec.sell[0]
        key, left = (-step.price_per_j if buys else step.price_per_j), step.energy_uj * 1e-6
        heap, aside = sides[buys], []
        while heap and left > 0 and heap[0][0] <= -key:  # type: ignore[operator]
            other = heap[0]
            if other[3] == 0.0:
                heappop(heap)
                continue
            if other[4] == offer.participant:
                aside.append(heappop(heap))
                continue
            size = min(left, other[3])  # type: ignore[type-var]
            trades.append((offer.id, other[2], size, abs(other[0]) * size))  # type: ignore[operator, arg-type]
            left -= size  # type: ignore[operator]
            other[3] -= size  # type: ignore[operator]
            if other[3] == 0.0:
                heappop(heap)
        for entry in aside:
            heappush(heap, entry)
        known[offer.id] = entry = [key, number, offer.id, left, offer.participant]
        if left > 0:
            heappush(sides[not buys], entry)
    return trades  # type: ignore[return-value]


def page(data: Data) -> str:
    """The table of rules, and the one of order books."""
    rows = [
        [
            f"`{r['rule']}`, {count(r['offers'])} offers",
            seconds(r["ours_s"]),
            seconds(r["best_s"]),
            "-" if r["wanted_s"] is None else seconds(r["wanted_s"]),
            digits(r["ours_s"] / r["numpy_s"]),
            digits(r["ours_s"] / r["python_s"]),
        ]
        for r in data["rows"]
    ]
    plain = data["books"][-1]["each_s"]
    books = [
        [
            b["what"],
            seconds(b["each_s"]),
            seconds(b["best_s"]),
            f"{1 / b['each_s']:,.0f}",
            digits(b["each_s"] / plain),
        ]
        for b in data["books"]
    ]
    heads = ["rule", "median", "best", "wanted", "times numpy", "times Python"]
    kinds = ["order book", "a message", "best", "messages a second", "times plain"]
    return f"""\
All offers of one place at once: units of 1 J, prices at random, two of three could trade. Ours
looks whether the book fits, is exact in energy and money, and bounds what was
missed. The references find who trades, and one price, in floats: one with numpy, one with sorted
lists in plain Python. Times are of the processor, in one thread.

{table(heads, rows)}

An order book, `cda`: orders around one price, some cancelled, {count(data["books"][0]["messages"])}
messages that are not refused. Wanted: {data["wanted_rate"]:,.0f} a second.

{table(kinds, books)}
"""
