"""Clearings that somebody made up: everything adds up, but the rule gives something else.

Each forgery has its derived entries and its digest repaired, as `isojoule verify` reads it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isojoule import market
from isojoule.apps.files.book_files import BookFile, book_from_doc, read_book
from isojoule.apps.files.clearing_files import answer, answer_text, clearing_from_doc
from isojoule.core.canonical import digest, load_strict
from isojoule.core.errors import VerificationError
from isojoule.market import Clearing
from isojoule.market.allocation import supporting_prices
from isojoule.market.integer.check import proved
from isojoule.market.mechanisms import get
from isojoule.market.rents import named_payments
from isojoule.market.settle import nodal_payments
from isojoule.market.verify import check_clearing

J = 1_000_000
INTERVAL = {"start": "2030-01-01T00:00Z", "duration": "1 h"}


def row(who: str, node: str, joules: float, money: float, **more: Any) -> dict[str, Any]:
    """An offer of one step; energies below 0 are sold."""
    side = "buy" if joules > 0 else "sell"
    step = {"energy": f"{abs(joules):.6f} J", "price": f"{money} EUR/J"}
    return {"participant": who, "node": node, side: [step], **more}


def book_of(
    *offers: dict[str, Any],
    nodes: tuple[str, ...] = ("x", "y"),
    network: str = "copperplate",
    links: tuple[dict[str, Any], ...] = (),
) -> BookFile:
    head = {"isojoule": 1, "currency": "EUR", "interval": INTERVAL, "network": network}
    return book_from_doc({**head, "nodes": list(nodes), "links": list(links), "offers": offers})


def cleared(name: str, file: BookFile, **more: Any) -> Clearing:
    out = get(name, **more).clear(file.book, file.grid)
    assert isinstance(out, Clearing), str(out)
    check(file, out)
    return out


def check(file: BookFile, clearing: Clearing) -> None:
    """As `isojoule verify` does: from the text of the file alone."""
    check_document(load_strict(answer_text(answer(file, clearing))))


def check_document(document: Any) -> None:
    again, read = clearing_from_doc(document)
    check_clearing(again.book, again.grid, read)


def refused(file: BookFile, clearing: Clearing, place: str) -> None:
    with pytest.raises(VerificationError) as error:
        check(file, clearing)
    assert error.value.place.startswith(place), str(error.value)
    with pytest.raises(VerificationError):
        check_clearing(file.book, file.grid, clearing)


def certified(good: Clearing, **change: Any) -> Clearing:
    return replace(good, certificate=replace(good.certificate, **change))


def energies(file: BookFile, **joules: float) -> NDArray[np.int64]:
    return np.array([round(joules.get(i, 0) * J) for i in file.book.offer_ids], np.int64)


def at_prices_of(
    name: str, file: BookFile, good: Clearing, energy: NDArray[np.int64], duals: list[float]
) -> Clearing:
    """A clearing of other energies, with all that follows from them and from these duals."""
    flows = (energy, good.flow_uj, good.loss_uj, good.standing_uj)
    s = supporting_prices(file.book, file.grid, *flows, np.array(duals))
    moved = replace(good, energy_uj=energy)
    paid = nodal_payments(file.book, file.grid, moved, s.price)
    if name == "lmp":
        paid = named_payments(file.book, file.grid, moved, s.price, {})
    lines = {"rounding": int(paid.offers.sum())} if name == "uniform-price" else paid.operator
    bad = replace(
        moved, payment_nano=paid.offers, link_payment_nano=paid.links, operator=lines,
        price_per_j=s.price, welfare=s.welfare,
    )  # fmt: skip
    return certified(
        bad, duals=np.array(duals), lowest=s.lowest, highest=s.highest, gap=s.gap,
        welfare_bound=s.welfare + s.gap,
    )  # fmt: skip


# ada sells up to 10 J at 1, bob wants 6 J at 5: 6 J at 1, and nothing else
ADA, BOB = row("ada", "x", -10, 1.0), row("bob", "x", 6, 5.0)
LONELY = row("zoe", "y", 0.000001, 1.0)
"""An offer of a microjoule, alone at its node."""


@pytest.mark.parametrize("name", ["equilibrium", "lmp", "vcg"])
@pytest.mark.parametrize("dual", [1e9, 1e18, 1e300])
def test_a_dual_that_costs_nothing_widens_no_margin_of_prices(name: str, dual: float) -> None:
    """C5, C8: at a node without trade a dual may be anything, and proves nothing."""
    file = book_of(ADA, BOB, network="transport")
    good = cleared(name, file)
    three = np.array([3.0, -np.inf]), np.array([3.0, np.inf])
    paid = good.payment_nano
    if name != "vcg":
        paid = 3000 * good.energy_uj
    bad = replace(good, price_per_j=np.array([3.0, np.nan]), payment_nano=paid)
    duals = np.array([1.0, dual])
    refused(file, certified(bad, duals=duals, lowest=three[0], highest=three[1]), "node")


@pytest.mark.parametrize("name", ["equilibrium", "lmp"])
@pytest.mark.parametrize("dual", [1e6, 1e9, 1e18])
@pytest.mark.parametrize("kind", ["dual", "bound"])
def test_a_dual_that_costs_nothing_closes_no_gap(name: str, dual: float, kind: str) -> None:
    """C6: half of the trade, at an optimum's looks; microjoules at `y` are worth nothing."""
    file = book_of(ADA, BOB, LONELY, network="transport")
    good = cleared(name, file)
    half = at_prices_of(name, file, good, energies(file, ada=-3, bob=3), [1.0, dual])
    refused(file, certified(half, kind=kind), "certificate")


@pytest.mark.parametrize("name", ["equilibrium", "lmp", "uniform-price"])
@pytest.mark.parametrize("kind", ["dual", "bound"])
def test_one_place_has_one_dual(name: str, kind: str) -> None:
    file = book_of(ADA, BOB)
    good = cleared(name, file)
    half = at_prices_of(name, file, good, energies(file, ada=-3, bob=3), [1e18, 1.0])
    refused(file, certified(half, kind=kind), "certificate")
    refused(file, certified(good, duals=np.array([7.0, good.certificate.duals[1]])), "certificate")


@pytest.mark.parametrize("name", ["equilibrium", "lmp", "uniform-price"])
def test_worthless_energy_excuses_no_gap_where_nothing_burns_it(name: str) -> None:
    """C6: sun that nobody takes has the price 0; without losses on links the gap closes."""
    network = "copperplate" if name == "uniform-price" else "transport"
    sun = row("sun", "y", -5, 0.0)
    file = book_of(ADA, BOB, sun, network=network)
    good = cleared(name, file)
    less = energies(file, bob=3, **({"sun": -3} if network == "copperplate" else {"ada": -3}))
    half = at_prices_of(name, file, good, less, [0.0, 0.0])
    refused(file, certified(half, kind="bound"), "certificate")


@pytest.mark.parametrize("name", ["equilibrium", "lmp"])
def test_spilled_sun_beside_a_lossy_link_excuses_no_gap(name: str) -> None:
    """C6: nobody pays to get rid of energy, so the optimum has a proof."""
    sun, home = row("sun", "y", -5, 0.0), row("home", "z", 1, 0.5)
    wire = {"id": "l", "from": "y", "to": "z", "loss": "5 %", "capacity": "1 W"}
    nodes = ("x", "y", "z")
    file = book_of(ADA, BOB, sun, home, nodes=nodes, network="transport", links=(wire,))
    good = cleared(name, file)
    at = energies(file, ada=-3, bob=3)
    keep = [i in ("sun", "home") for i in file.book.offer_ids]
    half = at_prices_of(name, file, good, np.where(keep, good.energy_uj, at), [1.0, 0.0, 0.0])
    refused(file, certified(half, kind="bound"), "certificate")


@pytest.mark.parametrize("dual", [1e9, 1e18, 1e300])
@pytest.mark.parametrize("name", ["cda", "mcafee", "pay-as-bid"])
def test_a_wide_gap_hides_no_wrong_welfare(name: str, dual: float) -> None:
    """C8: the welfare is known by its own digits, however little the duals prove."""
    more = {"all_or_nothing": True} if name == "pay-as-bid" else {}
    file = book_of(row("ada", "x", -6, 1.0), row("bob", "x", 6, 5.0, **more), nodes=("x",))
    good = cleared(name, file)
    duals = np.array([dual])
    flows = (good.energy_uj, good.flow_uj, good.loss_uj, good.standing_uj)
    gap = supporting_prices(file.book, file.grid, *flows, duals).gap
    if name == "pay-as-bid":
        leafless = certified(good, duals=duals, leaves=())
        gap = proved(file.book, file.grid, leafless).gap
        good = leafless
    gap = gap if np.isfinite(gap) else 1e300
    wrong = good.welfare + 1.0
    bad = certified(replace(good, welfare=wrong), duals=duals, gap=gap, welfare_bound=wrong + gap)
    with pytest.raises(VerificationError):
        check(file, bad)


def test_another_name_does_not_clear_what_it_refuses() -> None:
    """M13: a choice of indivisible offers under the name of a mechanism that takes none."""
    offers = ADA, row("bob", "x", 6, 5.0, all_or_nothing=True), row("cy", "x", 3, 4.0)
    file = book_of(*offers, nodes=("x",))
    good = cleared("pay-as-bid", file)
    paid = nodal_payments(file.book, file.grid, good, good.price_per_j)
    rents = named_payments(file.book, file.grid, good, good.price_per_j, {}).operator
    for name, parameters, lines in (
        ("equilibrium", {}, paid.operator),
        ("lmp", {}, rents),
        ("uniform-price", {"kappa": 0.5}, {"rounding": int(paid.offers.sum())}),
    ):
        bad = replace(good, mechanism=name, parameters=parameters, operator=lines)
        refused(file, replace(bad, payment_nano=paid.offers), "book")


def test_another_name_does_not_clear_another_network() -> None:
    """U1: a clearing over wires under the name of a mechanism that knows none."""
    wire = {"id": "l", "from": "x", "to": "y", "capacity": "1 W"}
    file = book_of(ADA, row("bob", "y", 6, 5.0), network="transport", links=(wire,))
    good = cleared("equilibrium", file)
    lines = {"rounding": good.surplus_nano}
    bad = replace(good, mechanism="uniform-price", parameters={"kappa": 0.5}, operator=lines)
    refused(file, bad, "book.network")


@pytest.mark.parametrize("name", ["equilibrium", "lmp", "uniform-price", "pay-as-bid", "vcg"])
def test_what_a_rule_does_not_leave(name: str) -> None:
    """C2: a state for the next interval, duals of nothing."""
    file = book_of(ADA, BOB, nodes=("x",))
    good = cleared(name, file)
    refused(file, replace(good, state={"gift": 5}), "state")
    refused(file, replace(good, notes={"gift": 5}), "notes")
    refused(file, certified(good, side={"gift": np.array([1.0])}), "certificate.side")


@pytest.mark.parametrize("name", ["cda", "mcafee", "sealed-bid"])
def test_a_rule_that_is_run_again_has_no_other_proof(name: str) -> None:
    """C6: with nodal prices and a proof beside them, the rule itself would not be asked."""
    file = book_of(row("ada", "x", -6, 1.0), BOB, nodes=("x",))
    good = cleared(name, file)
    for kind in ("dual", "bound", "faith"):
        with pytest.raises(VerificationError, match="kind"):
            check_clearing(file.book, file.grid, certified(good, kind=kind))


def test_pivots_of_a_worse_choice() -> None:
    """P9: the dearest bid is left out, and a lower one pays the pivot that this would give."""
    bids = {"bob": 5.0, "cy": 4.0, "di": 2.0}
    rows = [row(who, "x", 6, p, all_or_nothing=True) for who, p in bids.items()]
    file = book_of(row("ada", "x", -6, 1.0), *rows, nodes=("x",))
    good = cleared("vcg", file)
    assert good.welfare == 24.0
    ids = file.book.offer_ids
    # without cy the others have 24, beside it nothing but the seller's -6
    paid = energies(file, ada=-30, cy=30) * 1000
    bad = replace(
        good, energy_uj=energies(file, ada=-6, cy=6), payment_nano=paid,
        taken=np.array([i in ("ada", "cy") for i in ids]),
    )  # fmt: skip
    s = proved(file.book, file.grid, bad)
    bad = certified(
        replace(bad, welfare=s.welfare, price_per_j=s.price),
        lowest=s.lowest, highest=s.highest, gap=s.gap, welfare_bound=s.welfare + s.gap,
    )  # fmt: skip
    refused(file, bad, "welfare")


@pytest.mark.parametrize("name", ["cda", "vrgda"])
@pytest.mark.parametrize(
    "gone",
    [
        [{"id": "nobody", "at_ns": "5"}],
        [{"id": "ada", "at_ns": " 5"}],
        [{"id": "ada", "at_ns": 1.5}],
        [{"id": "ada", "at_ns": True}],
        [{"id": "ada", "at_ns": "5", "by": "me"}],
        [["ada", "5"]],
        {"ada": "5"},
    ],
)
def test_a_state_that_the_rule_does_not_take(name: str, gone: Any) -> None:
    """Q3: what came in as cancelled has one form, and names offers of the book."""
    file = book_of(row("ada", "x", -6, 1.0), BOB, nodes=("x",))
    terms = {"unit_j": 1.0, "rate_per_s": 1.0, "target_price_per_j": 1.0}
    good = cleared(name, file, **(terms if name == "vrgda" else {}))
    refused(file, replace(good, state_before=good.state_before | {"cancelled": gone}), "state_bef")


def test_true_is_not_one() -> None:
    """C2: at a price of 1 the notes say 1."""
    file = book_of(row("ada", "x", -6, 1.0), BOB, nodes=("x",))
    good = cleared("cda", file)
    assert good.notes["last_price_per_j"] == 1.0
    refused(file, replace(good, notes=good.notes | {"last_price_per_j": True}), "notes")


def test_a_distance_in_words() -> None:
    file = book_of(row("ada", "x", -6, 1.0), row("bob", "y", 6, 5.0), network="transport",
                   links=({"id": "l", "from": "x", "to": "y"},))  # fmt: skip
    good = cleared("diffusion", file, measure=True)
    for wrong in ("0x", "0", True, [0]):
        distance = good.notes["distance"] | {"money": wrong}
        refused(file, replace(good, notes=good.notes | {"distance": distance}), "notes.distance")


PARTS = (
    *("welfare", "operator", "participants", "offers", "trades", "links", "prices", "spilled_j"),
    *("unserved_j", "state", "notes", "certificate", "mechanism"),
)
"""What is not given but follows: one value changed here is another outcome."""
FREE = ("duals", "leaves", "side")
"""Multipliers: others may prove as much, or less."""
EXAMPLES = Path(market.__file__).parent / "cases"


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all that has nothing inside."""
    inner = list(value.items()) if isinstance(value, dict) else []
    inner = list(enumerate(value)) if isinstance(value, list) else inner
    if not inner:
        return [path]
    return [leaf for key, one in inner for leaf in leaves_of(one, (*path, key))]


def others(value: Any) -> list[Any]:
    """Values that stand for something else."""
    if isinstance(value, bool):
        return [not value, None, int(value)]
    if isinstance(value, int | float):
        return [value * 1.001 + 1, -value - 1, None, True, str(value), 1e300]
    if isinstance(value, str):
        return [f"{value}1", "", None, 0, "-0", f"{value}e\u0301", True, []]
    return [1, True, "x", [{}], {"x": 1}]


@pytest.mark.parametrize("name", sorted(p.parent.name for p in EXAMPLES.glob("*/example.yaml")))
def test_one_value_anywhere(name: str) -> None:
    """C1 to C9: each value that follows, altered in the file, with the digest repaired."""
    file = read_book(EXAMPLES / name / "example.yaml")
    good = answer(file, cleared(name, file))
    paths = [p for p in leaves_of(good) if p[0] in PARTS and not set(p) & set(FREE)]
    rnd = Random(name)
    for path in rnd.sample(paths, min(len(paths), 60)):
        bad = deepcopy(good)
        place = bad
        for key in path[:-1]:
            place = place[key]
        for wrong in rnd.sample(others(place[path[-1]]), 3):
            if type(wrong) is type(place[path[-1]]) and wrong == place[path[-1]]:
                continue
            kept, place[path[-1]] = place[path[-1]], wrong
            del bad["digest"]
            bad["digest"] = digest(bad)
            with pytest.raises(VerificationError):
                check_document(load_strict(answer_text(bad)))
            place[path[-1]] = kept


@pytest.mark.parametrize("key", ["notes", "state", "state_before", "parameters"])
@pytest.mark.parametrize("depth", [200, 600, 900])
def test_nested_deeply(key: str, depth: int) -> None:
    file = book_of(ADA, BOB, nodes=("x",))
    bad = answer(file, cleared("equilibrium", file))
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    bad[key] = {"deep": deep}
    del bad["digest"]
    try:
        bad["digest"] = digest(bad)
    except RecursionError:
        bad["digest"] = ""
    if key == "state_before" and depth < 400:  # what came in; this rule reads none
        check_document(bad)
        return
    with pytest.raises(VerificationError):
        check_document(bad)
