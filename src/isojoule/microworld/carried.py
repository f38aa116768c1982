"""What a world carries from one interval to the next, as plain data that JSON can hold, and back.

Floats keep every digit as JSON writes them, so a world that goes on from its stored state is the
same to the last bit as one that was never stored.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from isojoule.core.hashlog import Tip
from isojoule.machine import Stage, Work
from isojoule.microworld.fleet_state import FleetState, Memory, Progress, Status
from isojoule.microworld.world import State


def state_document(state: State) -> dict[str, Any]:
    """A state as plain data."""
    fleet = state.fleet
    return {
        "stored_uj": state.stored_uj.tolist(),
        "idle_s": state.idle_s.tolist(),
        "market": state.market,
        "fleet": None
        if fleet is None
        else {
            "started": fleet.started,
            "machines": [
                [int(m.stage), m.sequence, list(m.log), m.checkpoint, [list(w) for w in m.work]]
                for m in fleet.machines
            ],
            "orders": [[int(p.status), p.done, p.steps, p.machine] for p in fleet.orders],
        },
    }


def state_from(document: dict[str, Any]) -> State:
    """The state that `state_document` wrote down."""
    fleet = document["fleet"]
    return State(
        stored_uj=np.array(document["stored_uj"], np.int64),
        idle_s=np.array(document["idle_s"], np.float64),
        market=document["market"],
        fleet=None
        if fleet is None
        else FleetState(
            started=fleet["started"],
            machines=tuple(
                Memory(Stage(stage), sequence, Tip(*log), checkpoint, tuple(Work(*w) for w in work))
                for stage, sequence, log, checkpoint, work in fleet["machines"]
            ),
            orders=tuple(Progress(Status(status), *rest) for status, *rest in fleet["orders"]),
        ),
    )


def as_stored(state: State) -> State:
    """The state as it would come back from a file.

    A run passes through this at the end of every part, so that it does not matter whether it was
    interrupted there: what a mechanism carries may come back as other plain data, as lists where
    there were tuples.
    """
    return state_from(json.loads(json.dumps(state_document(state))))
