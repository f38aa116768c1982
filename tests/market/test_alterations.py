"""One altered number anywhere in a clearing is found, and its place is named."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market import Book, Clearing
from isojoule.market.verify import check_clearing
from isojoule.valuation import Utility
from tests.market.books import REAL, SMALL, Sizes, book_of, clear, grid_of, offer, random_case

INTEGERS = ("energy_uj", "payment_nano", "flow_uj", "loss_uj", "link_payment_nano", "standing_uj")
OF = {
    "energy_uj": ("offer", "node"),
    "payment_nano": ("offer", "operator"),
    "flow_uj": ("link", "node"),
    "loss_uj": ("link",),
    "link_payment_nano": ("link",),
    "standing_uj": ("link", "node", "standing"),
}


def with_utility(seed: int, sizes: Sizes) -> tuple[Book, Grid]:
    """A random case with one utility and a transformer with standing loss behind it."""
    case = random_case(seed, sizes, "tree")
    offers = [o for o in case.offers if not isinstance(o.spec, Utility)]
    p = sizes.price
    offers.append(offer("utility", 0, Utility(p, 0.3 * p)))
    g = case.grid
    object.__setattr__(g, "standing_loss_w", np.where(np.arange(g.link_count) == 0, 3.0, 0.0))
    object.__setattr__(g, "owner", tuple("zoe" if i == 1 else "" for i in range(g.link_count)))
    return book_of(g, offers), g


@pytest.mark.parametrize("mechanism", ["equilibrium", "utility-only"])
@pytest.mark.parametrize("sizes", [SMALL, REAL], ids=["small", "real"])
@pytest.mark.parametrize("seed", range(6))
def test_integers(mechanism: str, sizes: Sizes, seed: int) -> None:
    book, grid = with_utility(seed, sizes)
    good = clear(book, grid, mechanism)
    check_clearing(book, grid, good)
    rnd = Random(seed)
    for name in INTEGERS:
        for _ in range(4):
            column = getattr(good, name).copy()
            at = rnd.randrange(column.size)
            column[at] += rnd.choice((-1000003, -1, 1, 10**9))
            with pytest.raises(VerificationError) as error:
                check_clearing(book, grid, replace(good, **{name: column}))
            assert error.value.place.split(" ")[0] in OF[name], (name, str(error.value))


@pytest.mark.parametrize("mechanism", ["equilibrium", "utility-only"])
@pytest.mark.parametrize("seed", range(6))
def test_prices_lines_and_welfare(mechanism: str, seed: int) -> None:
    book, grid = with_utility(seed, SMALL)
    good = clear(book, grid, mechanism)

    def refused(bad: Clearing, place: str) -> None:
        with pytest.raises(VerificationError) as error:
            check_clearing(book, grid, bad)
        assert error.value.place.startswith(place), str(error.value)

    for at in range(grid.node_count):
        price = good.price_per_j.copy()
        price[at] = 0.4 if np.isnan(price[at]) else np.nextafter(price[at], 9.0)
        refused(replace(good, price_per_j=price), "node")
        if not np.isnan(good.price_per_j[at]):
            price[at] = np.nan
            refused(replace(good, price_per_j=price), "node")
    for name in good.operator:
        for change in (-1, 1, 10**6):
            refused(
                replace(good, operator=good.operator | {name: good.operator[name] + change}),
                "operator",
            )
    refused(replace(good, operator=good.operator | {"gift": 5, "theft": -5}), "operator")
    fewer = {k: v for k, v in good.operator.items() if k != "losses" and k != "rounding"}
    refused(replace(good, operator=fewer), "operator")
    refused(replace(good, welfare=good.welfare * (1 + 1e-7) + 1e-9), "welfare")
    refused(replace(good, welfare=float("nan")), "welfare")


def certified(good: Clearing, **change: object) -> Clearing:
    return replace(good, certificate=replace(good.certificate, **change))


@pytest.mark.parametrize("seed", range(6))
def test_certificate(seed: int) -> None:
    book, grid = with_utility(seed, SMALL)
    good = clear(book, grid)
    c = good.certificate

    def refused(bad: Clearing, place: str) -> None:
        with pytest.raises(VerificationError) as error:
            check_clearing(book, grid, bad)
        assert error.value.place.startswith(place), str(error.value)

    refused(certified(good, gap=c.gap + 1e-3, welfare_bound=c.welfare_bound + 1e-3), "certificate")
    refused(certified(good, gap=c.gap + 1e-3), "certificate")
    refused(certified(good, welfare_bound=np.nextafter(c.welfare_bound, 1e9)), "certificate")
    refused(certified(good, kind="bound"), "certificate")
    refused(certified(good, kind="recomputed"), "certificate")
    refused(certified(good, kind="faith"), "certificate")
    for at in range(grid.node_count):
        dual = c.duals.copy()
        dual[at] = np.nan
        refused(certified(good, duals=dual), "certificate")
        for name in ("lowest", "highest"):
            column = getattr(c, name).copy()
            if np.isfinite(column[at]):  # a dual beyond it proves less
                dual[at] = column[at] + (-1.0 if name == "lowest" else 1.0)
                refused(certified(good, duals=dual), "certificate")
            column[at] = 0.4 if not np.isfinite(column[at]) else column[at] + 1e-3
            refused(certified(good, **{name: column}), "node")


def test_columns_of_the_wrong_length() -> None:
    book, grid = with_utility(1, SMALL)
    good = clear(book, grid)
    for name in (*INTEGERS, "price_per_j"):
        column = getattr(good, name)
        with pytest.raises(VerificationError, match="entries"):
            check_clearing(book, grid, replace(good, **{name: np.append(column, column[:1])}))
    for name in ("duals", "lowest", "highest"):
        column = getattr(good.certificate, name)
        with pytest.raises(VerificationError):
            check_clearing(book, grid, certified(good, **{name: np.append(column, 0.0)}))


def test_a_worse_allocation_that_adds_up_is_not_the_optimum() -> None:
    """Half of K1's trade, with its own prices, payments, bound: everything but optimal."""
    from isojoule.apps.files.book_files import read_book
    from isojoule.market.allocation import supporting_prices
    from isojoule.market.settle import nodal_payments
    from tests.market.test_known_answers import CASES

    file = read_book(next(case for case in CASES if case.name == "K1") / "book.yaml")
    good = clear(file.book, file.grid)
    half = replace(good, energy_uj=good.energy_uj // 2, flow_uj=good.flow_uj // 2)
    s = supporting_prices(
        file.book, file.grid, half.energy_uj, half.flow_uj, half.loss_uj, half.standing_uj,
        good.certificate.duals,
    )  # fmt: skip
    paid = nodal_payments(file.book, file.grid, half, s.price)
    half = replace(
        half, welfare=s.welfare, price_per_j=s.price, payment_nano=paid.offers,
        operator=paid.operator,
        certificate=replace(
            good.certificate, lowest=s.lowest, highest=s.highest, gap=s.gap,
            welfare_bound=s.welfare + s.gap,
        ),
    )  # fmt: skip
    with pytest.raises(VerificationError, match="not the optimum"):
        check_clearing(file.book, file.grid, half)
    bound = replace(half, certificate=replace(half.certificate, kind="bound"))
    with pytest.raises(VerificationError):
        check_clearing(file.book, file.grid, bound)


def test_a_network_without_flows_is_told_none() -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    book = book_of(grid, [offer("u", 0, Utility(1.0, 0.5))], network="copperplate")
    good = clear(book, grid)
    for name in ("flow_uj", "loss_uj"):
        with pytest.raises(VerificationError, match="does not know"):
            check_clearing(book, grid, replace(good, **{name: np.array([5])}))
