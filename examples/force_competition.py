"""Competition: a second seller lowers what the first gets.

One home wants up to 6 kWh, the first dearly, the last at 6 ct. With one battery on the street the
price is high. Each further battery with the same curve takes a share of the sale and moves less
along its own curve, so the price falls, the home gets more, and the first seller earns less.
"""

from __future__ import annotations

from pathlib import Path

from _picture import BLUE, RED, axes, label, picture, run
from _world import bids, clear, grid_of, store

SELLERS = range(1, 9)


def main(out: Path) -> str:
    """Clear with one to eight sellers; draw price, what is bought, and the first one's income."""
    price, bought, income = [], [], []
    for many in SELLERS:
        names = [f"seller-{i}" for i in range(many)]
        grid = grid_of(["home", *names], [("home", n) for n in names])
        got = clear({"home": bids(6, 42, 6), **{n: store(7) for n in names}}, grid)
        price.append(got.price["home"])
        bought.append(got.received["home"])
        income.append(-got.paid["seller-0"])
        # On lines the price can be worked out: 42 - 6 q = 16 + 2 q / n, both in ct per kWh.
        q = (42 - 16) / (6 + 2 / many)
        assert abs(bought[-1] - q) < 1e-6 and abs(price[-1] - (42 - 6 * q)) < 1e-5
    assert price == sorted(price, reverse=True) and income == sorted(income, reverse=True)
    assert bought == sorted(bought)
    assert price[-1] > 16  # nobody sells below the worth of a kWh in the battery

    with picture(
        out,
        "force_competition",
        "Competition: a second seller lowers the first one's price",
        2,
        size=(8.6, 4.2),
    ) as (left, right):
        left.plot(SELLERS, price, color=BLUE, marker="o")
        left.axhline(16, color=RED, linewidth=1, linestyle=":")
        label(left, 8, 16, "worth of the first kWh to any seller", RED, dx=0, dy=-9, ha="right")
        axes(left, "Sellers on the street", "Price, ct/kWh", low=15)
        right.plot(SELLERS, income, color=RED, marker="o")
        axes(right, "Sellers on the street", "Income of the first seller, ct", low=0)
    return (
        f"a second seller lowers the price from {price[0]:.2f} to {price[1]:.2f} ct/kWh and the "
        f"first one's income from {income[0]:.1f} to {income[1]:.1f} ct"
    )


if __name__ == "__main__":
    run(main)
