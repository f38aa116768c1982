"""The market on meshed grids: whole microjoules, forged clearings, and what is not cleared.

Spec: docs/spec/grid.md, G10 to G15; docs/spec/certificate.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.grid.dc import LinearFlow, linear_flow_of
from isojoule.market import Clearing
from isojoule.market.allocation import NotSolved
from isojoule.market.best import best
from isojoule.market.meshed.prices import proof_of
from isojoule.market.verify import check_clearing
from isojoule.valuation import Load, Step, Steps, Utility
from tests.market.books import book_of, clear, grid_of, offer, sell
from tests.market.meshes import cleared, meshed, random_case, ring_clearing

# --- whole microjoules ---------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-4, 1.0, 1e5, 1e8]))
def test_integers_at_any_size(seed: int, size: float) -> None:
    """G12: balance exactly, limits exactly, and the power flow within 2 uJ."""
    grid, offers = random_case(seed)
    scaled = []
    for o in offers:
        spec = o.spec
        if isinstance(spec, Load):
            spec = Load(max(round(spec.energy_uj * size), 1), spec.lost_load_per_j / size)
        elif isinstance(spec, Steps):
            rows = [
                tuple(
                    Step(
                        max(round(s.energy_uj * size), 1),
                        s.price_per_j / size,
                        s.end_price_per_j / size,
                    )
                    for s in side
                )
                for side in (spec.sell, spec.buy)
            ]
            spec = Steps(*rows)
        elif isinstance(spec, Utility):
            spec = Utility(9.0 / size, 2.0 / size)
        scaled.append(replace(o, spec=spec))
    grid = replace(grid, capacity_w=grid.capacity_w * size)
    book = book_of(grid, scaled, network="dc")
    c = clear(book, grid, "lmp")
    check_clearing(book, grid, c)
    linear = linear_flow_of(grid, 1.0)
    assert isinstance(linear, LinearFlow)
    off = linear.astray(c.flow_uj[linear.live].astype(np.float64))
    assert np.all(np.abs(off) < 1.1 + 1e-12 * np.max(np.abs(c.flow_uj), initial=0))


# --- forged --------------------------------------------------------------------------------------


def forged(c: Clearing, what: str) -> Clearing:
    """A clearing with one thing altered, consistently where it is easy."""
    cert = c.certificate
    price, duals, dual = c.price_per_j.copy(), cert.duals.copy(), cert.side["links"].copy()
    energy, flow = c.energy_uj.copy(), c.flow_uj.copy()
    low, high = cert.lowest.copy(), cert.highest.copy()
    if what == "loop":  # around the ring: every node still balances
        flow += np.array([-3, -3, 3])
    elif what == "over the limit":
        flow += np.array([3, 3, -3])
    elif what == "price":
        price[1] *= 1 + 1e-6
    elif what == "all prices":
        for column in (price, duals, low, high):
            column *= 1 + 1e-6
    elif what == "dual":
        dual[0] *= 1 + 1e-6
    elif what == "dual of a link that is not full":
        dual[1] += 1e-3
    elif what == "duals":
        duals += 0.1
    elif what == "redispatch":  # 1 J more of the dear one, and the flows that follow
        energy[list_of(c)] += np.array([1_000_000, -1_000_000])
        flow += np.array([-333_333, -333_334 + 1_000_000 - 333_333 + 0, 0])
    side = {"links": dual}
    cert = replace(cert, duals=duals, side=side, lowest=low, highest=high)
    return replace(c, price_per_j=price, energy_uj=energy, flow_uj=flow, certificate=cert)


def list_of(c: Clearing) -> list[int]:
    """The two sellers."""
    return np.flatnonzero(c.energy_uj < 0).tolist()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("loop", "than the power flow of what is fed in"),
        ("over the limit", "carries more than its limit"),
        ("price", "a price that the rule does not take"),
        ("all prices", "a price that the rule does not take"),
        ("dual", "a dual that does not follow from the prices"),
        ("dual of a link that is not full", "a dual that does not follow"),
        ("duals", "certificate"),
        ("redispatch", "."),
    ],
)
def test_forged_clearings_are_refused(what: str, words: str) -> None:
    book, grid, c = ring_clearing()
    check_clearing(book, grid, c)
    with pytest.raises(VerificationError, match=words):
        check_clearing(book, grid, forged(c, what))


def test_another_dispatch_is_not_the_optimum() -> None:
    """All physics right, prices made to fit: the gap tells."""
    book, grid, c = ring_clearing()
    linear = linear_flow_of(grid, 1.0)
    assert isinstance(linear, LinearFlow)
    energy = c.energy_uj.copy()
    energy[book.offer_ids.index("s")] += 3_000_000  # less of the cheap one
    energy[book.offer_ids.index("t")] -= 3_000_000
    fed_in = -np.bincount(book.offer_node, energy / 1e6, 3)
    flow = np.rint(linear.flows(linear.angles(fed_in)) * 1e6).astype(np.int64)
    own = proof_of(book, linear, energy, flow, None)
    s = own.support
    cert = replace(
        c.certificate, duals=own.proof.price, lowest=s.lowest, highest=s.highest,
        side={"links": own.proof.link}, gap=s.gap, welfare_bound=s.welfare + s.gap,
    )  # fmt: skip
    lie = replace(
        c, energy_uj=energy, flow_uj=flow, price_per_j=s.price, welfare=s.welfare, certificate=cert
    )
    with pytest.raises(VerificationError, match="the duals leave a gap"):
        check_clearing(book, grid, lie)


def test_a_grid_without_a_power_flow_is_not_cleared() -> None:
    grid = grid_of(2, [{"ends": (0, 1), "loss": 0.1}])
    found = best(book_of(grid, [offer("s", 0, sell((1, 1.0)))], network="dc"), grid)
    assert isinstance(found, NotSolved)
    assert "'l0' loses energy" in found.reason


def test_trade_without_limit_is_refused() -> None:
    grid = meshed(2, [{"ends": (0, 1)}])
    offers = [offer("u", 0, Utility(2.0, None)), offer("v", 1, Utility(None, 5.0))]
    found = best(book_of(grid, offers, network="dc"), grid)
    assert isinstance(found, NotSolved)
    limited = meshed(2, [{"ends": (0, 1), "capacity_w": 7.0}])
    c = cleared(limited, offers)
    assert c.flow_uj.tolist() == [7_000_000]
    assert c.price_per_j.tolist() == [2.0, 5.0]
