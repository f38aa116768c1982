"""HiGHS's own way to all payments: one model, built once, solved anew without each participant.

    python -m benchmarks.pivots_highs given.npz got.npz limit_s

A process of its own, for highspy cannot share one with solvers that bring HiGHS along. The model is
kept between solves, so each starts from the last basis; only HiGHS's own run time counts, and only
who trades is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

Floats = NDArray[np.float64]
LEAST_TRADE = 1e-7
"""Who trades less than this, J, has no pivot."""


def model_of(given: Any) -> Any:
    """The program as a model: columns are pieces and arcs, rows are the balances of nodes."""
    import highspy

    pieces, arcs, nodes = given["lo"].size, given["tail"].size, int(given["nodes"])
    every = np.arange(arcs)
    rows = np.concatenate([given["node"], given["tail"], given["head"]])
    columns = np.concatenate([np.arange(pieces), pieces + every, pieces + every])
    values = np.concatenate([-np.ones(pieces), -np.ones(arcs), given["gain"]])
    matrix = csc_array((values, (rows, columns)), shape=(nodes, pieces + arcs))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = pieces + arcs, nodes
    lp.col_cost_ = np.concatenate([-given["a"], np.zeros(arcs)])
    lp.col_lower_ = np.concatenate([given["lo"], np.zeros(arcs)])
    lp.col_upper_ = np.concatenate([given["hi"], given["capacity"]])
    lp.row_lower_ = lp.row_upper_ = np.zeros(nodes)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    model.passModel(lp)
    return model


def gains(given: Any, limit_s: float) -> tuple[Floats, float, int]:
    """What all gain by each participant's being there, money; nan where time was up.

    Also HiGHS's seconds for all that was solved, and for how many participants.
    """
    model = model_of(given)
    model.run()
    most = -model.getObjectiveValue()
    x = np.array(model.getSolution().col_value)[: given["lo"].size]
    party, lo, hi = given["party"], given["lo"], given["hi"]
    moved = np.bincount(party, np.abs(x))
    out = np.zeros(moved.size)
    start = model.getRunTime()
    done = 0
    for i in np.flatnonzero(moved > LEAST_TRADE).tolist():
        if model.getRunTime() - start > limit_s:
            out[i:] = np.nan
            break
        own = np.flatnonzero(party == i)
        for j in own.tolist():
            model.changeColBounds(j, 0.0, 0.0)
        model.run()
        out[i] = most + model.getObjectiveValue()
        for j in own.tolist():
            model.changeColBounds(j, lo[j], hi[j])
        done += 1
    return out, model.getRunTime() - start, done


if __name__ == "__main__":
    with np.load(Path(sys.argv[1])) as f:
        told, seconds, count = gains(dict(f), float(sys.argv[3]))
    np.savez(Path(sys.argv[2]), gain=told, seconds=seconds, count=count)
