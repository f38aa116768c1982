"""Watt-hours counted through intervals, by hand. docs/spec/certificates.md, W11, W14, W15, W19."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.certificates import CARRY, HEAD, SUM, TAIL, WH_UJ, claimable

Ints = NDArray[np.int64]


class World:
    """Ada has a roof (device 0) and a battery of 80 % (device 1); Bo has neither."""

    def __init__(self) -> None:
        self.layers = np.zeros((2, 1, 3), np.int64)
        self.ends = np.zeros((2, 3), np.int64)
        self.meters = np.zeros((2, 2), np.int64)

    def walk(
        self, energy_wh: list[list[float]], left_wh: list[float], load_wh: list[list[int]],
        received_wh: list[list[int]], drawn_wh: float = 0, first: int = 0,
    ) -> tuple[Ints, Ints]:  # fmt: skip
        """Quarter hours of one hour; what is held by member and source, and the fates."""
        count = len(energy_wh)
        left, drawn = np.zeros((2, count, 2), np.int64)
        left[:, 1] = np.rint(np.array(left_wh) * WH_UJ)
        drawn[:, 1] = round(drawn_wh * WH_UJ)
        held, fates = np.zeros((1, 2, 3), np.int64), np.zeros((1, 3), np.int64)
        self.layers = claimable(
            900 * (first + np.arange(count)), 900, np.zeros(count, np.int64),
            np.rint(np.array(energy_wh) * WH_UJ).astype(np.int64), drawn, left,
            np.array(load_wh), np.array(received_wh) * WH_UJ, np.zeros(2, np.int64),
            np.array([False, True]), np.array([0, 800_000_000]), np.array([0, 1]), self.layers,
            self.ends, self.meters, held, fates,
        )  # fmt: skip
        return held[0], fates[0]


def test_remainders_are_carried_to_the_next_interval_alone() -> None:
    """W11: 2.6, 0.3 and 0.8 Wh give 2, 0 and 1, and carry 0.6, 0.3 and 0.1."""
    world = World()
    held, fates = world.walk([[2.6, 0], [0.3, 0], [0.8, 0]], [0] * 3, [[0, 0]] * 3, [[0, 0]] * 3)
    assert held.tolist() == [[3, 0, 0], [0, 0, 0]] and fates.tolist() == [3, 0, 0]
    assert world.meters[0, CARRY] == round(0.1 * WH_UJ)
    held, _ = world.walk([[0.9, 0]], [0], [[0, 0]], [[0, 0]], first=4)  # interval 3 is missing
    assert held.sum() == 0


def test_use_then_storage_then_neighbours() -> None:
    """10 Wh of sun: 2 used, 4 stored; of the 4 left Bo takes 3, as he received."""
    world = World()
    held, fates = world.walk([[10, 4]], [3.2], [[2, 5]], [[-4, 3]])
    assert held.tolist() == [[3, 0, 0], [0, 3, 0]]
    assert fates.tolist() == [10, 0, 4]
    assert world.ends[1].tolist()[SUM] == round(3.2 * WH_UJ)


def test_storage_gives_back_what_its_efficiency_leaves() -> None:
    """W14: of 10 Wh at 80 % 8 come out, whole ones as they complete; layers grow and empty."""
    world = World()
    for at in range(5):
        world.walk([[2, 2]], [1.6 * (at + 1)], [[0, 0]], [[0, 0]], first=at)
    assert world.layers.shape[1] >= 5
    held, fates = world.walk([[0, -5]], [3], [[0, 0]], [[0, 0]], first=5)
    # of each layer of 1.6 Wh one whole Watt-hour: three emptied, 0.2 of the fourth
    assert held[0].tolist() == [0, 0, 3] and fates.tolist() == [0, 3, 0]
    world.walk([[0, 0]], [3], [[0, 0]], [[0, 0]], drawn_wh=0, first=6)
    held, _ = world.walk([[0, 0]], [0], [[0, 0]], [[0, 0]], drawn_wh=3, first=7)
    assert held[0].tolist() == [0, 0, 2]
    assert world.ends[1, HEAD] == world.ends[1, TAIL] and world.ends[1, SUM] == 0


def test_what_storage_lost_is_lost_from_the_oldest() -> None:
    """W15: 8 Wh could come out; 5 are left before the next discharge of 2."""
    world = World()
    world.walk([[10, 10]], [8], [[0, 0]], [[0, 0]])
    held, _ = world.walk([[0, -2]], [3], [[0, 0]], [[0, 0]], first=1)
    assert held[0, 2] == 2 and world.ends[1, SUM] == 3 * WH_UJ
