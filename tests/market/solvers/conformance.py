"""The books on which every solver must do well, and how its outcome is judged.

A book is a grid and its offers. `BOOKS` has them by name: random grids of every kind, and corners
written by hand. `outcome` has a solver clear one of them and holds it to the rules of
docs/spec/solvers.md:

- it clears, with a closed certificate (or the one gap that C6 allows), and the check accepts; or
- it says that it is not made for such books (E4), naming itself and what does not fit.

A solver that fits and gives up fails the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.solvers import AUTO, names
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import (
    REAL,
    SMALL,
    Sizes,
    book_of,
    buy,
    grid_of,
    offer,
    random_battery,
    random_case,
    random_load,
    random_steps,
    sell,
    uj,
)
from tests.market.solvers.shapes import SHAPES, WIRES, ends_of, wired

POWERS = (0.2, 0.5, 1.0, 2.0, 8.0)


@dataclass(frozen=True, eq=False)
class Given:
    """A book of the set.

    Attributes
    ----------
    grid, book
        What is cleared.
    sizes
        Typical energy and price, for the referee.
    judged
        Whether the referee can judge it: small, and nobody pays to get rid of energy.
    below_zero
        Whether somebody pays to get rid of energy, so that a gap may stay open (C6).
    """

    grid: Grid
    book: Book
    sizes: Sizes = SMALL
    judged: bool = True
    below_zero: bool = False


def solvers() -> list[str]:
    """`auto` and every solver that has a name, also one that is added tomorrow."""
    return [AUTO, *names()]


def outcome(given: Given, solver: str, *, may_give_up: bool = False) -> Clearing | None:
    """The clearing, checked; None if the solver says that it does not fit.

    Parameters
    ----------
    may_give_up
        Whether a solver that is named may also say how far it came (E2).

    Raises
    ------
    AssertionError
        Anything else.
    """
    found = get("equilibrium").clear(given.book, given.grid, solver=solver)  # type: ignore[call-arg]
    if isinstance(found, Refusal):
        assert solver != AUTO, str(found)
        if may_give_up and f"solver {solver!r}, after " in found.reason:
            assert "residual of" in found.reason or "to lie within" in found.reason, str(found)
            return None
        assert f"solver {solver!r} does not fit: " in found.reason, str(found)
        assert found.remedy.startswith("use another solver: auto, "), str(found)
        return None
    try:
        check_clearing(given.book, given.grid, found)
    except VerificationError as error:
        raise AssertionError(f"{solver}: {error}") from None
    assert found.certificate.kind == "dual" or given.below_zero, solver
    return found


def battery(energy: float, low: float = 0.1, high: float = 1.1, k: float = 1.0) -> Battery:
    """A battery of 1000 J without losses."""
    return Battery(uj(energy), uj(1000.0), low, high, k)


def batteries(*energies: float, k: float = 1.0) -> list[Offer]:
    """One at each node."""
    return [offer(f"b{i}", i, battery(e, k=k)) for i, e in enumerate(energies)]


def path(nodes: int, **link: Any) -> Grid:
    """Nodes in a row."""
    return grid_of(nodes, [{"ends": (i, i + 1), **link} for i in range(nodes - 1)])


def shaped(shape: str, wires: str, seed: int, nodes: int) -> Given:
    """A random grid of a kind: batteries of all k, some full or empty, loads, steps, a utility."""
    rnd = Random(f"{shape} {wires} {seed}")
    grid = grid_of(nodes, wired(ends_of(shape, nodes, seed), wires, seed))
    offers: list[Offer] = []
    for v in range(nodes):
        kind = rnd.random()
        if kind < 0.5:
            full = rnd.choice((0.0, 1.0, rnd.random(), rnd.random(), rnd.random()))
            low, rise = rnd.choice((0.0, 0.05, 0.3)), rnd.choice((0.3, 1.0))
            store = battery(1000 * full, low, low + rise, rnd.choice(POWERS))
            offers.append(offer(f"b{v}", v, store))
        elif kind < 0.85:
            make = rnd.choice((random_battery, random_steps, random_load))
            offers.append(offer(f"o{v}", v, make(rnd, SMALL)))
        # else a bus where nobody offers anything
    if rnd.random() < 0.3:
        offers.append(offer("utility", rnd.randrange(nodes), Utility(1.2, 0.3)))
    return Given(grid, book_of(grid, offers), judged=nodes <= 12)


def stored(shape: str, wires: str, k: float | None, seed: int, nodes: int = 16) -> Given:
    """Batteries inside their curve at every node, all of one k, or of several (None)."""
    rnd = Random(f"stored {shape} {k} {seed}")
    links = wired(ends_of(shape, nodes, seed), wires, seed, 300.0)
    grid = grid_of(nodes, links)
    offers = [
        offer(f"b{v}", v, battery(rnd.uniform(50, 950), k=k or rnd.choice(POWERS)))
        for v in range(nodes)
    ]
    return Given(grid, book_of(grid, offers), judged=nodes <= 12)


def far_apart(seed: int, powers: float) -> Given:
    """A random book whose offers are so many powers of ten apart in size."""
    rnd = Random(f"far apart {seed}")
    case = random_case(seed, SMALL)
    offers = []
    for o in case.offers:
        size = 10.0 ** (powers * (rnd.choice((0.0, 1.0, rnd.random())) - 0.5))
        sizes = Sizes(100.0 * size, 1.0, 20.0)
        made = {Battery: random_battery, Load: random_load}.get(type(o.spec), random_steps)
        spec = o.spec if isinstance(o.spec, Utility) else made(rnd, sizes)
        offers.append(offer(o.id, o.node, spec))
    return Given(case.grid, book_of(case.grid, offers, network=case.network), judged=False)


def _corners() -> dict[str, Given]:
    """What is rare at random, each by hand."""
    lossy = {"loss": 0.02, "capacity_w": 80.0}
    some: dict[str, tuple[Grid, list[Offer]]] = {
        "nobody at all": (grid_of(0), []),
        "one node": (grid_of(1), [offer("a", 0, battery(700)), offer("b", 0, buy((100, 0.9)))]),
        "nobody": (path(2), []),
        "nobody sells": (path(3, **lossy), [offer(f"b{i}", i, buy((9, 0.5))) for i in range(3)]),
        "nobody buys": (path(3, **lossy), [offer(f"b{i}", i, sell((9, 0.5))) for i in range(3)]),
        "nothing to trade": (path(3, **lossy), batteries(500, 500, 500)),
        "zero quantities": (
            path(2),
            [offer("a", 0, sell((0, 1.0))), offer("b", 1, Load(0, 5.0)), *batteries(900, 100)],
        ),
        "walls": (
            path(3),
            [
                offer("a", 0, battery(900, 0.05, 0.3)),
                offer("b", 1, battery(1000, 0.5, 1.1)),
                offer("c", 2, battery(300, 0.05, 0.45)),
            ],
        ),
        "walls behind losses": (
            path(4, loss=0.03),
            [
                offer("a", 0, battery(900, 0.05, 0.3)),
                offer("b", 1, battery(1000, 0.5, 1.1)),
                offer("c", 2, battery(0, 0.5, 0.6)),
                offer("d", 3, battery(300, 0.05, 0.45)),
            ],
        ),
        "full and empty": (path(4, **lossy), batteries(1000, 0, 1000, 0)),
        "all full": (path(3, loss=0.01), batteries(1000, 1000, 1000)),
        "all empty": (path(3, loss=0.01), batteries(0, 0, 0)),
        "islands": (
            grid_of(5, [{"ends": (0, 1), **lossy}, {"ends": (3, 4)}]),
            batteries(900, 100, 400, 800, 300),
        ),
        "zero capacity": (
            grid_of(3, [{"ends": (0, 1), "capacity_w": 0.0}, {"ends": (1, 2)}]),
            batteries(900, 100, 700),
        ),
        "all links closed": (path(4, capacity_w=0.0), batteries(900, 100, 700, 1000)),
        "parallel links": (
            grid_of(
                2,
                [
                    {"ends": (0, 1), "capacity_w": 50.0},
                    {"ends": (1, 0), "loss": 0.1},
                    {"ends": (0, 1), "r": 1e-3},
                    {"ends": (0, 1), "price": 0.01, "capacity_w": 60.0, "owner": "zoe"},
                    {"ends": (0, 1), "capacity_w": 50.0},
                ],
            ),
            batteries(950, 50),
        ),
        "storage-less buses": (
            path(7, **lossy),
            [offer("a", 0, battery(900)), offer("b", 6, battery(100))],
        ),
        "a bus between four": (
            grid_of(5, [{"ends": (0, i), "loss": 0.01 * i} for i in range(1, 5)]),
            [offer(f"b{i}", i, battery(900 - 250 * (i - 1))) for i in range(1, 5)],
        ),
        "flat steps that meet": (
            path(3, capacity_w=70.0),
            [offer("a", 0, sell((100, 0.3))), offer("b", 2, buy((60, 0.3), (50, 0.3)))],
        ),
        "ties everywhere": (
            path(4),
            [offer(f"s{i}", i, sell((3, 1.0))) for i in range(4)]
            + [offer(f"b{i}", i, buy((3, 1.0), (2, 0.5))) for i in range(4)],
        ),
        "ties in a ring": (
            grid_of(4, [{"ends": (i, (i + 1) % 4), "capacity_w": 2.0} for i in range(4)]),
            [offer("s", 0, sell((9, 1.0))), offer("b", 2, buy((9, 2.0), (9, 1.0)))],
        ),
        "unlimited utilities": (
            path(3, loss=0.05, capacity_w=200.0),
            [
                offer("cheap", 0, Utility(0.2, 0.1)),
                offer("b", 1, battery(500)),
                offer("dear", 2, Utility(1.0, 0.6)),
            ],
        ),
        "a utility on both sides of one price": (
            path(2, capacity_w=5.0),
            [offer("u", 0, Utility(2.0, 2.0)), offer("a", 1, sell((3, 1.0)))],
        ),
        "high lost load": (
            path(4, loss=0.04, capacity_w=50.0),
            [
                offer("b", 0, battery(300)),
                offer("home", 2, Load(uj(40), 1e4)),
                offer("shop", 3, Load(uj(80), 3e3)),
            ],
        ),
        "more load than energy": (
            path(3, r=1e-3),
            [offer("b", 0, battery(60)), *(offer(f"l{i}", i, Load(uj(80), 20)) for i in (1, 2))],
        ),
        "standing losses": (
            path(4, loss=0.02, standing_w=3.0),
            [*batteries(900, 100), offer("home", 3, Load(uj(40), 5.0))],
        ),
        "owners of links": (
            path(3, price=0.05, owner="zoe", capacity_w=120.0),
            batteries(900, 400, 100),
        ),
        "a link dearer than the gain": (path(2, price=2.0, owner="zoe"), batteries(900, 100)),
        "a long lossy line": (path(30, loss=0.05), batteries(*[1000 - 33 * i for i in range(30)])),
        "a peak of quadratic loss": (
            path(2, r=0.01),
            [offer("sun", 0, sell((100, 0.0), spill=0.0)), offer("load", 1, Load(uj(100), 5.0))],
        ),
        "a k of 0.2 at its end": (path(3), [*batteries(999.999, 0.001, 1000.0, k=0.2)]),
        "a k of 8 at its end": (path(3), [*batteries(999.999, 0.001, 1000.0, k=8.0)]),
        "prices far apart": (
            path(4, **lossy),
            [
                offer("sun", 0, sell((300, 1e-6))),
                offer("b", 1, battery(500)),
                offer("home", 2, Load(uj(40), 1e3)),
                offer("utility", 3, Utility(3.0, 0.05)),
            ],
        ),
        "curves far apart": (
            path(3, loss=0.01),
            [
                offer("low", 0, battery(800, 1e-7, 1e-6)),
                offer("middle", 1, battery(500, 1e-2, 1.0)),
                offer("high", 2, battery(200, 10.0, 1e2)),
            ],
        ),
        "sizes far apart": (
            grid_of(1),
            [
                offer("plant", 0, sell((1e9, 1.0, 2.0))),
                offer("town", 0, buy((1e9, 3.0, 0.5))),
                offer("lamp", 0, buy((1.0, 2.5))),
                offer("watch", 0, buy((0.01, 2.5))),
            ],
        ),
        "a giant that stands aside": (
            path(3, loss=0.02),
            [
                offer("giant", 0, sell((1e9, 50.0))),
                offer("small", 1, sell((0.5, 0.2))),
                offer("lamp", 2, buy((0.7, 0.9))),
            ],
        ),
    }
    given = {name: Given(grid, book_of(grid, offers)) for name, (grid, offers) in some.items()}
    below: dict[str, tuple[Grid, list[Offer]]] = {
        "worths below 0": (
            path(3, loss=0.1),
            [
                offer("wind", 0, sell((100, -0.5))),
                offer("b", 1, battery(990)),
                offer("c", 2, battery(970)),
            ],
        ),
        "a negative spill worth": (
            path(2, r=0.002),
            [
                offer("full", 0, _overflowing(60.0, -0.3)),
                offer("b", 1, battery(900, 0.0, 0.5)),
            ],
        ),
        "negative spill in a ring": (
            grid_of(3, [{"ends": (i, (i + 1) % 3), "loss": 0.1} for i in range(3)]),
            [offer("full", 0, _overflowing(20.0, -0.3)), offer("b", 1, battery(950))],
        ),
    }
    for name, (grid, offers) in below.items():
        given[name] = Given(grid, book_of(grid, offers), judged=False, below_zero=True)
    return given


def _overflowing(energy_j: float, value: float) -> Battery:
    """A full battery with so much overflow, whose spill is worth `value` a Joule."""
    return Battery(uj(100), uj(100), 0.5, 1.0, inflow_uj=uj(energy_j), spill_value_per_j=value)


def _random_books() -> dict[str, Given]:
    given: dict[str, Given] = {}
    for shape in SHAPES:
        for wires in WIRES:
            for seed, nodes in enumerate((7, 24)):
                given[f"{shape}, {wires}, {nodes} nodes"] = shaped(shape, wires, seed, nodes)
        for k in (0.2, 1.0, 8.0, None):
            wires = "limits" if k == 1.0 else "share"
            given[f"{shape}, k {k or 'mixed'}"] = stored(shape, wires, k, 3)
    for seed in range(4):
        given[f"kilowatt-hours, {seed}"] = _real(seed)
        given[f"sizes apart, {seed}"] = far_apart(700 + seed, 5.0)
    return given


def _real(seed: int) -> Given:
    case = random_case(seed, REAL)
    return Given(case.grid, case.book, REAL)


CORNERS = _corners()
RANDOM = _random_books()
BOOKS = CORNERS | RANDOM
