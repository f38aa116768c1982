"""A year of a feeder settled in memory: `python -m benchmarks.settle_year [--netting day]`.

118 members and 35,136 intervals of random energies at random prices, settled, booked as linked
transfers of energy and money, and written into a ledger in memory with balances and log. What is
timed begins with the clearing and the meters, and ends with the root of the log.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from isojoule.kernels.money import payments
from isojoule.settlement.booking import book, write
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import settle
from isojoule.settlement.stretch import Stretch

MEMBERS, INTERVALS, INTERVAL_S = 118, 35_136, 900
KWH_UJ = 3_600_000_000_000
J_PER_KWH = 3.6e6


def year(netting_s: int, seed: int = 1) -> Stretch:
    """A year without imbalance; a fifth of the members rests in each interval."""
    rng = np.random.default_rng(seed)
    cleared = rng.integers(-KWH_UJ, KWH_UJ, (INTERVALS, MEMBERS))
    cleared[rng.random(cleared.shape) < 0.2] = 0
    lost = rng.integers(0, KWH_UJ // 10, INTERVALS)
    utility = -cleared.sum(1) - lost
    price = rng.uniform(0.08, 0.30, INTERVALS) / J_PER_KWH
    sells, buys = np.full(INTERVALS, 0.30 / J_PER_KWH), np.full(INTERVALS, 0.08 / J_PER_KWH)
    time_s = INTERVAL_S * np.arange(INTERVALS)
    nothing = np.zeros_like(cleared)
    return Stretch(
        currency="EUR",
        interval_s=float(INTERVAL_S),
        members=tuple(f"m{i}" for i in range(MEMBERS)),
        time_s=time_s,
        group_s=time_s // netting_s * netting_s,
        cleared_uj=cleared,
        payment_nano=payments(np.repeat(price, MEMBERS), cleared.ravel()).reshape(cleared.shape),
        earned_nano=nothing,
        worked_nano=nothing,
        metered_uj=cleared,
        utility_uj=utility,
        utility_nano=payments(np.where(utility < 0, sells, buys), utility),
        tie_uj=utility,
        loss_uj=lost,
        sells_at_per_j=sells,
        buys_at_per_j=buys,
        paused=np.zeros(INTERVALS, bool),
    )


def main() -> None:
    """Settle it once, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--netting", choices=("interval", "day"), default="interval")
    netting = parser.parse_args().netting
    stretch, rules = year(INTERVAL_S if netting == "interval" else 86_400), Rules(netting=netting)
    settle(stretch, rules)  # compiled, or read from the cache
    ledger, start = MemoryLedger(), time.perf_counter()
    booked = book(stretch, settle(stretch, rules), "year")
    refused = list(write(ledger, booked, 1))
    root = ledger.head.root.hex()
    took = time.perf_counter() - start
    assert not refused
    assert sum(balance.net for _, balance in ledger.accounts()) == 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{booked.count:,} transfers by {netting} in {took:.1f} s, peak {peak:.1f} GiB, root {root}"
    )


if __name__ == "__main__":
    main()
