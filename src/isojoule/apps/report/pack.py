"""Numbers packed into text: int16 steps, differences in time, deflate, base64.

A table of shape (rows, times) is stored row by row. A value is `step[row] * integer`; -32768
stands for "no value". Within a row each integer is stored as its difference to the one before
(modulo 2**16), first all low bytes, then all high bytes: slow series then pack to a fraction.
`assets/data.js` reads it back.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from isojoule.apps.report.read import Floats

MISSING = -32768
LARGEST = 32000


def pack(values: Floats, finest: float) -> dict[str, Any]:
    """A table as a JSON object.

    Parameters
    ----------
    values
        Shape (rows, times); nan where there is no value.
    finest
        The resolution asked for; a row too large for it gets a coarser one, a table of small
        numbers a finer one.
    """
    rows, times = values.shape
    values = np.where(np.isfinite(values), values, np.nan)
    size = np.nan_to_num(np.abs(values), nan=0.0)
    of_row = size.max(axis=1, initial=0.0) if times else np.zeros(rows)
    largest = float(of_row.max(initial=0.0))
    usual = min(finest, largest / 4000) if largest else finest
    step = np.maximum(usual, of_row / LARGEST)
    step = np.array([float(f"{s:.6g}") for s in step])
    with np.errstate(invalid="ignore"):
        whole = np.rint(values / step[:, None])
    steps = np.where(np.isnan(whole), MISSING, whole).astype(np.int16)
    change = np.diff(steps.view(np.uint16), axis=1, prepend=np.uint16(0)).astype("<u2")
    planes = change.view(np.uint8).reshape(-1, 2).T.tobytes()
    text = base64.b64encode(zlib.compress(planes, 9)).decode("ascii")
    steps_json: Any = step.tolist()
    if len(set(steps_json)) == 1:
        steps_json = steps_json[0]
    return {"rows": rows, "times": times, "step": steps_json, "data": text}


def unpack(table: dict[str, Any]) -> Floats:
    """The numbers of a packed table, shape (rows, times): what the page's script reads."""
    rows, times = table["rows"], table["times"]
    planes = np.frombuffer(zlib.decompress(base64.b64decode(table["data"])), np.uint8)
    change = np.ascontiguousarray(planes.reshape(2, -1).T).view("<u2").reshape(rows, times)
    steps = np.cumsum(change, axis=1, dtype=np.uint16).view(np.int16)
    step = np.broadcast_to(np.asarray(table["step"], np.float64), (rows,))
    return np.where(steps == MISSING, np.nan, steps * step[:, None])
