"""IEEE test cases of pandapower as books, with its own optimum and another solver's.

The data are read from the arrays that pandapower itself hands to its DC optimal power flow, so both
see the same susceptances (taps folded into the reactance) and costs. Ratings are tightened by a
rule stated at `tightened`, since the published ones hardly bind.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import cvxpy as cp
import numpy as np
import pandapower
import pandapower.networks

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import Load, Offer, Step, Steps

MW = 1e6
LOST_LOAD = 1000.0
"""Worth of a MJ that is not served; money per MJ."""


class Case(NamedTuple):
    """Per node, line and generator, MW and money per MW: cost = c2 p^2 + c1 p."""

    load: np.ndarray
    tail: np.ndarray
    head: np.ndarray
    reactance: np.ndarray
    rating: np.ndarray
    at: np.ndarray
    most: np.ndarray
    c2: np.ndarray
    c1: np.ndarray


class Answer(NamedTuple):
    """Dispatch and flows in MW, prices per MW, and the duals of the ratings."""

    dispatch: np.ndarray
    flow: np.ndarray
    price: np.ndarray
    limit: np.ndarray


def network_of(name: str) -> pandapower.pandapowerNet:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(pandapower.networks, name)()


def solved(net: pandapower.pandapowerNet) -> dict[str, np.ndarray]:
    """Pandapower's optimum, as its internal arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pandapower.rundcopp(net, delta=1e-16)
    return {name: np.real(net._ppc_opf[name]) for name in ("bus", "branch", "gen", "gencost")}


def case_of(arrays: dict[str, np.ndarray]) -> Case:
    """The case behind pandapower's arrays; every bus, branch and generator in use."""
    bus, branch, gen, cost = (arrays[k] for k in ("bus", "branch", "gen", "gencost"))
    assert np.array_equal(bus[:, 0], np.arange(bus.shape[0]))
    assert np.all(branch[:, 10] == 1)
    assert np.all(branch[:, 9] == 0)
    assert not bus[:, 4].any()
    assert np.all(gen[:, 7] > 0)
    assert np.all(cost[:, 0] == 2)
    assert np.all(cost[:, 3] == 3)
    assert np.all(np.abs(gen[:, 9]) < 1e-9)  # they may stand still
    return Case(
        bus[:, 2],
        branch[:, 0].astype(np.int32),
        branch[:, 1].astype(np.int32),
        branch[:, 3] * np.where(branch[:, 8] == 0, 1.0, branch[:, 8]),
        branch[:, 5],
        gen[:, 0].astype(np.int32),
        gen[:, 8],
        cost[:, 4],
        cost[:, 5],
    )


def quadratic(case: Case) -> Answer:
    """The optimum by Clarabel to its last digits: in 100 MW, worths by their mean."""
    base, money = 100.0, float(np.mean(case.c1)) * 100.0
    p, f, angle = (cp.Variable(n) for n in (case.at.size, case.tail.size, case.load.size))
    ends = np.arange(case.tail.size)
    incidence = np.zeros((case.load.size, ends.size))
    incidence[case.tail, ends], incidence[case.head, ends] = 1.0, -1.0
    units = np.zeros((case.load.size, p.size))
    units[case.at, np.arange(p.size)] = 1.0
    rated = np.flatnonzero(case.rating < 9000.0)
    balance = units @ p - case.load / base == incidence @ f
    above, below = f[rated] <= case.rating[rated] / base, -f[rated] <= case.rating[rated] / base
    law = cp.multiply(case.reactance, f) == incidence.T @ angle
    cost = cp.multiply(case.c2 * base**2, cp.square(p)) + cp.multiply(case.c1 * base, p)
    problem = cp.Problem(
        cp.Minimize(cp.sum(cost) / money),
        [balance, above, below, law, angle[0] == 0, p >= 0, p <= case.most / base],
    )
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    if problem.status != "optimal":
        raise cp.error.SolverError(problem.status)
    limit = np.zeros(case.tail.size)
    limit[rated] = above.dual_value - below.dual_value
    price = np.abs(balance.dual_value)
    return Answer(p.value * base, f.value * base, price * money / base, limit * money / base)


def pandapower_answer(arrays: dict[str, np.ndarray]) -> Answer:
    bus, branch, gen = arrays["bus"], arrays["branch"], arrays["gen"]
    return Answer(gen[:, 1], branch[:, 13], bus[:, 13], branch[:, 17] - branch[:, 18])


def tightened(name: str, wanted: int = 3) -> dict[str, np.ndarray]:
    """Pandapower's optimum after ratings were lowered until so many lines bind.

    Again and again the busiest line that is not full gets 80 % of what it carries as its rating;
    where loads could then not be served, that is taken back.
    """
    net = network_of(name)
    arrays = solved(net)
    tried: set[int] = set()
    while True:
        answer = quadratic(case_of(arrays))
        full = np.abs(answer.limit) > 1e-3
        if full.sum() >= wanted:
            return arrays
        order = np.argsort(-np.abs(answer.flow), kind="stable").tolist()
        e = next(e for e in order if not full[e] and e not in tried)
        tried.add(e)
        before = arrays["branch"][e, 5]
        _rate(net, e, 0.8 * abs(float(answer.flow[e])))
        try:
            arrays = solved(net)
            quadratic(case_of(arrays))
        except (pandapower.OPFNotConverged, cp.error.SolverError):
            _rate(net, e, before)
            arrays = solved(net)


def _rate(net: pandapower.pandapowerNet, e: int, mw: float) -> None:
    """Give the branch at this position of the arrays another rating."""
    if e < len(net.line):
        line = net.line.index[e]
        bus = net.line.at[line, "from_bus"]
        kv = net.bus.at[bus, "vn_kv"]
        now = net.line.at[line, "max_i_ka"] * np.sqrt(3) * kv * net.line.at[line, "parallel"]
        net.line.at[line, "max_loading_percent"] = 100.0 * mw / now
    else:
        trafo = net.trafo.index[e - len(net.line)]
        now = net.trafo.at[trafo, "sn_mva"] * net.trafo.at[trafo, "parallel"]
        net.trafo.at[trafo, "max_loading_percent"] = 100.0 * mw / now


def book_of(case: Case) -> tuple[Book, Grid]:
    """The case as a book over one second: loads must be served, costs are sloped steps."""
    nodes = tuple(f"b{v}" for v in range(case.load.size))
    grid = Grid(
        nodes,
        tuple(f"l{e}" for e in range(case.tail.size)),
        case.tail,
        case.head,
        case.rating * MW,
        reactance_ohm=case.reactance,
    )
    offers = [
        Offer(f"load{v}", nodes[v], Load(round(mw * MW * 1e6), LOST_LOAD / MW), id=f"load{v}")
        for v, mw in enumerate(case.load.tolist())
        if mw > 0
    ]
    for i, v in enumerate(case.at.tolist()):
        first = case.c1[i] / MW
        last = (case.c1[i] + 2.0 * case.c2[i] * case.most[i]) / MW
        step = Step(round(case.most[i] * MW * 1e6), first, last)
        offers.append(Offer(f"gen{i:03}", nodes[v], Steps(sell=(step,)), id=f"gen{i:03}"))
    return Book.from_offers(offers, grid, interval=Interval(0, 1.0), network="dc"), grid
