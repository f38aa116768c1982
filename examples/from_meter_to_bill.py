"""From meter to bill: what one home pays, others get, to the last nano-unit.

Ada has sun to sell, Bo a house. In this quarter of an hour the market cleared 2 kWh from Ada at
0.20 EUR/kWh; 0.1 kWh were to be lost on the way, and Bo pays 0.22 for what arrives. Then a cloud
came: Ada delivered 0.2 kWh less, and Bo took 0.2 kWh more. The utility stepped in with 0.4 kWh at
0.30, and who caused that pays for it. A network fee is charged on what comes from neighbours, and
19 % on the bill. The accounts `market` and `balancing` stand in the middle, and keep nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _picture import AMBER, BLUE, GREEN, INK, PURPLE, RED, SOFT, picture, run

from isojoule.settlement.booking import book, write
from isojoule.settlement.ledger.memory import MemoryLedger
from isojoule.settlement.rules import Fee, Rules
from isojoule.settlement.settle import Settled, settle
from isojoule.settlement.stretch import Stretch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KWH_UJ, EUR, PER_KWH = 3_600_000_000_000, 10**9, 1 / 3.6e6
RULES = Rules(
    fees=(
        Fee("network fee", "local", 0.05 * PER_KWH, "network"),
        Fee("VAT", "bill", 0.19, "state"),
    )
)
ACCOUNTS = {
    "member/ada": "Ada", "member/bo": "Bo", "utility": "Utility", "operator": "Operator",
    "fee/network/network fee": "Network", "fee/state/VAT": "State",
}  # fmt: skip
ROWS = {"trade": "cleared", "imbalance": "imbalance", "fee/network/network fee": "network fee",
        "fee/state/VAT": "VAT, 19 %"}  # fmt: skip


def quarter() -> Stretch:
    """What was cleared, and what the meters show: kWh and EUR as in the text."""

    def kwh(*values: float) -> Any:
        return np.array([round(value * KWH_UJ) for value in values])

    return Stretch(
        currency="EUR",
        interval_s=900.0,
        members=("ada", "bo"),
        time_s=np.array([1_782_036_000]),
        group_s=np.array([1_782_036_000]),
        cleared_uj=kwh(-2.0, 1.9)[None],
        payment_nano=np.array([[-400_000_000, 418_000_000]]),
        earned_nano=np.zeros((1, 2), np.int64),
        worked_nano=np.zeros((1, 2), np.int64),
        metered_uj=kwh(-1.8, 2.1)[None],
        utility_uj=kwh(0),
        utility_nano=np.array([0]),
        tie_uj=kwh(-0.4),
        loss_uj=kwh(0.1),
        sells_at_per_j=np.array([0.30 * PER_KWH]),
        buys_at_per_j=np.array([0.08 * PER_KWH]),
        paused=np.array([False]),
    )


def money(settled: Settled) -> dict[str, dict[str, float]]:
    """What each account pays, EUR, by what it is for."""
    rows: dict[str, dict[str, float]] = {row: {} for row in ROWS.values()}
    for line in settled.lines:
        if line.money_nano is None:
            continue
        code = line.code.name.lower()
        row = rows[
            ROWS.get(line.other, ROWS["imbalance"] if line.other == "balancing" else "cleared")
        ]
        for at, party in enumerate(line.parties):
            paid = int(line.money_nano[0, at]) / EUR
            row[party] = row.get(party, 0) + paid
            if code == "fee":
                row[line.other] = row.get(line.other, 0) - paid
    rows["in all"] = {name: sum(row.get(name, 0) for row in rows.values()) for name in ACCOUNTS}
    return rows


def tables() -> list[list[str]]:
    """The energies and the money of this interval, as docs/settlement.md shows them."""
    stretch = quarter()
    settled = settle(stretch, RULES)
    columns = {
        "cleared": (*stretch.cleared_uj[0], *stretch.utility_uj, *stretch.loss_uj),
        "metered": (*stretch.metered_uj[0], *stretch.tie_uj, *stretch.metered_loss_uj),
    }
    columns["imbalance"] = tuple(
        after - before for before, after in zip(*columns.values(), strict=True)
    )
    energy = ["| kWh received | Ada | Bo | Utility | Lost |", "|---|---|---|---|---|"]
    for name, values in columns.items():
        cells = " | ".join(f"{value / KWH_UJ + 0:.1f}" for value in values)
        energy.append(f"| {name} | {cells} |")
    head = " | ".join(ACCOUNTS.values())
    paid = [f"| EUR paid | {head} |", "|---" * (len(ACCOUNTS) + 1) + "|"]
    for name, row in money(settled).items():
        cells = " | ".join(
            f"{row[key]:.5f}" if round(row.get(key, 0), 5) else "" for key in ACCOUNTS
        )
        paid.append(f"| {name} | {cells} |")
    return [energy, paid]


def main(out: Path) -> str:
    """Settle the quarter of an hour, write it into a ledger, and draw what moved."""
    stretch = quarter()
    settled = settle(stretch, RULES)
    ledger = MemoryLedger()
    assert not list(write(ledger, book(stretch, settled, "example"), now_ns=0))
    stands = {(a.name, a.unit): balance.net for a, balance in ledger.accounts()}
    for unit in ("J", "EUR"):
        assert sum(net for (_, of), net in stands.items() if of == unit) == 0
        assert stands.get(("market", unit), 0) == stands.get(("balancing", unit), 0) == 0
    assert stands["member/ada", "J"] == stretch.metered_uj[0, 0]
    in_all = money(settled)["in all"]
    for name, paid in in_all.items():
        assert round(-paid * EUR) == stands[name, "EUR"]
    # 0.22 * 1.9 + 0.30 * 0.2 + 0.05 * 1.8, and 19 % on all of it
    assert abs(in_all["member/bo"] - 1.19 * (0.418 + 0.06 + 0.09)) < 1e-8
    assert abs(in_all["member/ada"] + 0.20 * 2.0 - 0.30 * 0.2) < 1e-8

    headline = "From meter to bill: what one home pays, others get"
    with picture(out, "from_meter_to_bill", headline, size=(8.6, 6.0)) as (ax,):
        _draw(ax)
    return (
        f"Bo pays {in_all['member/bo']:.5f} EUR, Ada gets {-in_all['member/ada']:.5f}; "
        "the accounts in the middle are at 0"
    )


BOXES = {
    "Ada": (0, 0, AMBER), "Bo": (9, 0, BLUE), "market": (4.5, 1.5, INK),
    "balancing": (4.5, -1.5, INK), "operator": (2.2, 3, PURPLE), "losses": (6.8, 3, SOFT),
    "utility": (1.2, -3, RED), "network, state": (7.8, -3, GREEN),
}  # fmt: skip
# from, to, what; energy is drawn through, money dashed
ARROWS = [
    ("Ada", "market", "2.0 kWh"), ("market", "Ada", "0.40000 EUR"),
    ("market", "Bo", "1.9 kWh"), ("Bo", "market", "0.41800 EUR"),
    ("market", "losses", "0.1 kWh"), ("market", "operator", "0.01800 EUR"),
    ("balancing", "Ada", "0.2 kWh"), ("Ada", "balancing", "0.06000 EUR"),
    ("balancing", "Bo", "0.2 kWh"), ("Bo", "balancing", "0.06000 EUR"),
    ("utility", "balancing", "0.4 kWh"), ("balancing", "utility", "0.12000 EUR"),
    ("Bo", "network, state", "0.19792 EUR"),
]  # fmt: skip
ONE_WAY = {"losses", "operator", "network, state"}


def _draw(ax: Axes) -> None:
    """Who gives what to whom."""
    for name, (x, y, colour) in BOXES.items():
        ax.text(
            x, y, name, color="white", ha="center", va="center", fontweight="bold", zorder=3,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": "none"},
        )  # fmt: skip
    for start, end, text in ARROWS:
        colour, style = (INK, "-") if text.endswith("kWh") else (GREEN, "--")
        one, other = (np.array(BOXES[name][:2], float) for name in (start, end))
        along = (other - one) / np.hypot(*(other - one))
        # two that go opposite ways stand side by side, each to the right of its way
        aside = np.array([along[1], -along[0]]) * (0.0 if end in ONE_WAY else 0.24)
        room = along * (0.3 + 0.45 * abs(along[0]))
        begin, finish = one + room + aside, other - room + aside
        ax.annotate(
            "", finish, begin,
            arrowprops={
                "arrowstyle": "-|>", "color": colour, "linewidth": 1.4, "linestyle": style,
                "shrinkA": 0, "shrinkB": 0,
            },
        )  # fmt: skip
        x, y = (begin + finish) / 2
        ax.text(
            x, y, text, color=colour, ha="center", va="center", fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip
    ax.set_xlim(-0.8, 9.8)
    ax.set_ylim(-3.5, 3.5)
    ax.set_aspect("equal")
    ax.set_axis_off()


if __name__ == "__main__":
    run(main)
